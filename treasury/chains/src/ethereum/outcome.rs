//! What became of a Safe transaction.

use alloy::rpc::types::{Filter, Log};
use alloy::sol_types::SolEvent;
use treasury_protocol::ethereum::Address;

use super::view::View;
use super::{Ethereum, EthereumError, abi};
use crate::endpoints::Fault;

/// What became of a Safe transaction, as far as the finalised chain says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing yet: it can still happen.
    Pending,
    /// It happened, once and for all.
    Included {
        /// Number of the block.
        block: u64,
        /// Hash of the transaction that carried it.
        transaction: [u8; 32],
        /// Whether the Safe says that its call succeeded. Transactions without gas of their own, as a circle's are, only ever do: the chain
        /// reverts them as a whole otherwise, and they stay pending.
        succeeded: bool,
    },
    /// It can never happen: another transaction used up its Safe nonce.
    Passed {
        /// The Safe's nonce at the finalised block; it grows on.
        safe_nonce: u64,
        /// The hash of the Safe transaction that took the nonce. The same for everybody who asks, ever.
        by: [u8; 32],
    },
}

/// One execution in the log of a Safe.
#[derive(Clone, Copy)]
struct Execution {
    hash: [u8; 32],
    block: u64,
    transaction: [u8; 32],
    succeeded: bool,
}

impl Ethereum {
    /// What became of the Safe transaction with this hash and this Safe nonce, at the finalised block.
    ///
    /// [`Outcome::Passed`] is a proof: every execution of a Safe uses up one Safe nonce and leaves one entry in its log, so that counted
    /// from the present nonce back, the entry of this very nonce is found, and it is another's. An endpoint that lacks the entries, because it
    /// keeps no old logs, gives no answer instead.
    pub async fn outcome(
        &self,
        safe: Address,
        safe_tx_hash: [u8; 32],
        safe_nonce: u64,
    ) -> Result<Outcome, EthereumError> {
        let depth = self.finality_blocks();
        self.outcome_behind(depth, safe, safe_tx_hash, safe_nonce)
            .await
    }

    pub(super) async fn outcome_behind(
        &self,
        depth: u64,
        safe: Address,
        safe_tx_hash: [u8; 32],
        safe_nonce: u64,
    ) -> Result<Outcome, EthereumError> {
        let number = self.block_behind(depth).await?;
        let read = |view| read_outcome(view, safe, safe_tx_hash, safe_nonce);
        let (_, outcome) = self
            .agreed("became of the transaction", number, read)
            .await?;
        Ok(outcome)
    }
}

async fn read_outcome(
    view: View,
    safe: Address,
    hash: [u8; 32],
    safe_nonce: u64,
) -> Result<Outcome, Fault> {
    // Where no Safe answers, none has executed anything.
    let now = view.ask(safe, abi::nonceCall {}).await?;
    let now = now.ok().and_then(|now| u64::try_from(now).ok());
    let Some(behind) = now.and_then(|now| now.checked_sub(safe_nonce)) else {
        return Ok(Outcome::Pending);
    };
    let Some(position) = behind.checked_sub(1) else {
        return Ok(Outcome::Pending);
    };
    let filter = Filter::new()
        .address(alloy::primitives::Address::from(safe))
        .event_signature(vec![
            abi::ExecutionSuccess::SIGNATURE_HASH,
            abi::ExecutionFailure::SIGNATURE_HASH,
        ]);
    let mut newest_first: Vec<Execution> = Vec::new();
    // A payee may have the Safe carry out its next transaction within this one, and then the inner one stands before the outer one in the log.
    // Both are in one block, and pages hold whole blocks: so the own hash is looked for in all that was read before the count decides.
    view.logs_back(&filter, |logs| {
        newest_first.extend(logs.iter().rev().filter_map(execution));
        newest_first.len() as u64 >= behind || newest_first.iter().any(|one| one.hash == hash)
    })
    .await?;
    if let Some(one) = newest_first.iter().find(|one| one.hash == hash) {
        return Ok(Outcome::Included {
            block: one.block,
            transaction: one.transaction,
            succeeded: one.succeeded,
        });
    }
    let taker = usize::try_from(position)
        .ok()
        .and_then(|position| newest_first.get(position));
    match (taker, now) {
        (Some(taker), Some(safe_nonce)) => Ok(Outcome::Passed {
            safe_nonce,
            by: taker.hash,
        }),
        _ => Err(Fault::Unfit {
            reason: format!(
                "it keeps only {} of the last {behind} executions of the Safe; use an endpoint with all logs",
                newest_first.len()
            ),
        }),
    }
}

fn execution(log: &Log) -> Option<Execution> {
    let [signature, hash] = log.topics() else {
        return None;
    };
    Some(Execution {
        hash: hash.0,
        block: log.block_number?,
        transaction: log.transaction_hash?.0,
        succeeded: *signature == abi::ExecutionSuccess::SIGNATURE_HASH,
    })
}
