//! What came in.

use alloy::primitives::U256;
use alloy::rpc::types::{Filter, Log};
use alloy::sol_types::SolEvent;
use treasury_protocol::ethereum::Address;

use super::view::View;
use super::{Ethereum, EthereumError, abi};
use crate::endpoints::Fault;

/// Blocks that one question covers at most.
pub const RECEIPT_BLOCKS_MAX: u64 = 2_000;

/// One payment to a Safe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The chain's own name for it: hash of the transaction, a colon, position of the log entry in its block.
    pub name: String,
    /// Who paid.
    pub from: Address,
    /// The token; `None` for the chain's own money.
    pub token: Option<Address>,
    /// Wei, or the token's smallest unit.
    pub units: U256,
    /// Number of the block.
    pub block: u64,
}

/// What came in, in the order of the chain, and how far it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipts {
    /// Payments.
    pub receipts: Vec<Receipt>,
    /// The last block that was read. The next question begins behind it; nothing was read if it lies before the first block asked for.
    pub through_block: u64,
}

impl Ethereum {
    /// What a Safe was paid in finalised blocks from `from_block` to at most `to_block`, and at most [`RECEIPT_BLOCKS_MAX`] of them.
    ///
    /// In the chain's own money that is what the Safe wrote down (`SafeReceived`): payments before its deployment and block rewards leave
    /// no entry, and show in [`Ethereum::balances`] alone. In tokens it is what the token wrote down (`Transfer`), so name only tokens that
    /// are to be believed. What a Safe pays itself, or of nothing, is left out.
    pub async fn received(
        &self,
        safe: Address,
        tokens: &[Address],
        from_block: u64,
        to_block: u64,
    ) -> Result<Receipts, EthereumError> {
        let number = self.block_behind(self.finality_blocks()).await?;
        let through_block = number
            .min(to_block)
            .min(from_block.saturating_add(RECEIPT_BLOCKS_MAX - 1));
        if through_block < from_block {
            return Ok(Receipts {
                receipts: Vec::new(),
                through_block,
            });
        }
        let read = |view| read_receipts(view, safe, tokens.to_vec(), from_block, through_block);
        let (_, receipts) = self.agreed("came in", through_block, read).await?;
        Ok(Receipts {
            receipts,
            through_block,
        })
    }
}

async fn read_receipts(
    view: View,
    safe: Address,
    tokens: Vec<Address>,
    from: u64,
    to: u64,
) -> Result<Vec<Receipt>, Fault> {
    let own = alloy::primitives::Address::from(safe);
    let native = Filter::new()
        .address(own)
        .event_signature(abi::SafeReceived::SIGNATURE_HASH);
    let mut logs = view.logs(&native, from, to).await?;
    // No address at all would mean every contract of the chain.
    if !tokens.is_empty() {
        let tokens = tokens.into_iter().map(alloy::primitives::Address::from);
        let tokens = Filter::new()
            .address(tokens.collect::<Vec<_>>())
            .event_signature(abi::Transfer::SIGNATURE_HASH)
            .topic2(own.into_word());
        logs.extend(view.logs(&tokens, from, to).await?);
    }
    logs.sort_by_key(|log| (log.block_number, log.log_index));
    let receipts = logs.iter().filter_map(|log| receipt(log, safe));
    Ok(receipts
        .filter(|one| one.from != safe && !one.units.is_zero())
        .collect())
}

/// `None` for an entry in another form than the standard's.
fn receipt(log: &Log, safe: Address) -> Option<Receipt> {
    let (from, token, units) = if log.address() == alloy::primitives::Address::from(safe) {
        let entry = abi::SafeReceived::decode_log(&log.inner).ok()?;
        (entry.sender.into(), None, entry.value)
    } else {
        let entry = abi::Transfer::decode_log(&log.inner).ok()?;
        (entry.from.into(), Some(log.address().into()), entry.units)
    };
    Some(Receipt {
        name: format!("{}:{}", log.transaction_hash?, log.log_index?),
        from,
        token,
        units,
        block: log.block_number?,
    })
}
