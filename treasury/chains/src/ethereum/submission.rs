//! Deploying a Safe and sending what its owners signed.

use alloy::primitives::{Bytes, U256};
use alloy::sol_types::SolValue;
use treasury_protocol::ethereum::{
    Address, Call, Contracts, Meaning, OwnerSignature, Owners, SafeTransaction, Setup,
};

use super::fees::middle;
use super::view::View;
use super::{Ethereum, EthereumError, Outcome, Relayer, Revert, Sent, abi};
use crate::endpoints::Fault;

/// The most gas that one transaction may use on public chains (EIP-7825).
const GAS_MAX: u64 = 1 << 24;

/// How often a submission looks at a chain that changes under its eyes.
const ROUNDS_MAX: usize = 3;

/// What became of a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deployment {
    /// There is a Safe already. Nothing was sent.
    Exists,
    /// It was sent.
    Sent(Sent),
}

/// What became of a submission. None of these is a fact; [`Ethereum::outcome`] gives those.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Submission {
    /// It was sent.
    Sent(Sent),
    /// This very transaction is on the chain already, in a block that may not be final yet. Nothing was sent.
    Executed {
        /// Number of the block.
        block: u64,
        /// Hash of the transaction that carried it.
        transaction: [u8; 32],
    },
    /// Another transaction used up the Safe nonce, in a block that may not be final yet. Nothing was sent.
    Passed {
        /// The Safe's nonce.
        safe_nonce: u64,
        /// The Safe transaction that took it.
        by: [u8; 32],
    },
    /// Others have to go first. Nothing was sent.
    Waits {
        /// The Safe's nonce, which is below the transaction's.
        safe_nonce: u64,
    },
}

/// What a call would do to money that the chain does not notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trap {
    NoContract(Address),
    TokenRefuses(Address, Address),
}

impl Ethereum {
    /// Deploys a Safe unless it is there already: nobody can deploy another one at its address.
    ///
    /// Errors: the contracts on this chain are not those of the setup, or would create another Safe.
    pub async fn deploy(
        &self,
        setup: &Setup,
        relayer: &Relayer,
    ) -> Result<Deployment, EthereumError> {
        let safe = setup.address();
        let deployment = setup.deployment();
        let number = self.block_behind(0).await?;
        let read = |view| read_deployment(view, setup, safe, &deployment, relayer.address());
        let (_, found) = self.agreed("can be deployed", number, read).await?;
        let exists = found.map_err(|reason| EthereumError::OtherContracts {
            expected: safe,
            reason,
        })?;
        if exists {
            return Ok(Deployment::Exists);
        }
        let Call { to, data, .. } = deployment;
        let gas = self.gas(number, relayer.address(), to, &data).await?;
        let mut subject = [0; 32];
        subject[12..].copy_from_slice(&safe.0);
        let sent = relayer.send(self, subject, to, data, gas).await?;
        Ok(Deployment::Sent(sent))
    }

    /// Sends a Safe transaction that enough owners signed, unless the chain says that it has happened or never can.
    ///
    /// It is tried on the newest block first, and every call in it is looked at: one to where there is no contract, or to a token that says no
    /// without reverting, would be taken for a success by the Safe. `contracts` are the wallet's.
    ///
    /// Errors: [`EthereumError::Reverted`] when it would fail now, with the reason; signatures that the Safe's present owners did not
    /// make.
    pub async fn submit(
        &self,
        contracts: &Contracts,
        transaction: &SafeTransaction,
        signatures: &[OwnerSignature],
        relayer: &Relayer,
    ) -> Result<Submission, EthereumError> {
        if transaction.chain_id != self.chain_id() {
            return Err(EthereumError::Chain {
                transaction: transaction.chain_id,
                chain: self.chain_id(),
            });
        }
        let hash = transaction.hash();
        let safe = transaction.safe;
        let calls = transaction.calls(contracts)?;
        // Once more if another relayer was faster between looking and trying.
        for _ in 0..ROUNDS_MAX {
            let state = self.safe_state_behind(safe, 0).await?;
            if !state.deployed {
                return Err(EthereumError::NoContract { address: safe });
            }
            let safe_nonce = state.safe_nonce;
            if safe_nonce < transaction.safe_nonce {
                return Ok(Submission::Waits { safe_nonce });
            }
            if safe_nonce > transaction.safe_nonce {
                let outcome = self.outcome_behind(0, safe, hash, transaction.safe_nonce);
                match outcome.await? {
                    Outcome::Included {
                        block, transaction, ..
                    } => return Ok(Submission::Executed { block, transaction }),
                    Outcome::Passed { safe_nonce, by } => {
                        return Ok(Submission::Passed { safe_nonce, by });
                    }
                    // The chain went back in between.
                    Outcome::Pending => continue,
                }
            }
            let threshold = u32::try_from(state.threshold).unwrap_or(u32::MAX);
            let owners = Owners::new(state.owners, threshold)?;
            let data = transaction.execution(&owners, signatures)?;
            let number = state.at_block.number;
            match self
                .try_out(number, transaction, &calls, &data, relayer)
                .await
            {
                Ok(gas) => {
                    let sent = relayer.send(self, hash, safe, data, gas).await?;
                    return Ok(Submission::Sent(sent));
                }
                Err(EthereumError::Reverted(revert)) => {
                    let now = self.safe_state_behind(safe, 0).await?;
                    if now.safe_nonce == safe_nonce {
                        return Err(EthereumError::Reverted(revert));
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Err(EthereumError::Unsettled)
    }

    /// Whether a transaction would happen as it says, on top of a block. Returns the gas to send it with.
    async fn try_out(
        &self,
        number: u64,
        transaction: &SafeTransaction,
        calls: &[Call],
        data: &[u8],
        relayer: &Relayer,
    ) -> Result<u64, EthereumError> {
        let (safe, from) = (transaction.safe, relayer.address());
        let read = |view| read_trial(view, from, transaction, calls, data);
        let question = "the transaction would do";
        let (_, (trap, trial)) = self.agreed(question, number, read).await?;
        match trap {
            Some(Trap::NoContract(address)) => return Err(EthereumError::NoContract { address }),
            Some(Trap::TokenRefuses(token, to)) => {
                return Err(EthereumError::TokenRefuses { token, to });
            }
            None => {}
        }
        trial.map_err(EthereumError::Reverted)?;
        self.gas(number, from, safe, data).await
    }

    /// The gas to send a call with: a quarter more than it would take now, since the chain goes on until then.
    async fn gas(
        &self,
        number: u64,
        from: Address,
        to: Address,
        data: &[u8],
    ) -> Result<u64, EthereumError> {
        let ask = async |endpoint| {
            let provider = self.verified(endpoint).await?;
            let view = View::at(provider, number).await?;
            view.gas(from, to, data.to_vec()).await
        };
        let answers = self.endpoints.ask_all(ask).await;
        let said = answers.iter().filter_map(|one| one.result.as_ref().ok());
        let estimates = said.clone().filter_map(|one| one.as_ref().ok().copied());
        if let Some(gas) = middle(estimates.collect()) {
            let more = gas.saturating_add(gas / 4);
            return Ok(more.min(GAS_MAX).max(gas));
        }
        match said.filter_map(|one| one.as_ref().err()).next() {
            Some(revert) => Err(EthereumError::Reverted(revert.clone())),
            None => Err(super::view::no_answer("gas it takes", answers)),
        }
    }
}

/// Whether the Safe exists. The inner error: it cannot be deployed with these contracts.
async fn read_deployment(
    view: View,
    setup: &Setup,
    safe: Address,
    deployment: &Call,
    relayer: Address,
) -> Result<Result<bool, String>, Fault> {
    if !view.code(safe).await?.is_empty() {
        return Ok(Ok(true));
    }
    let contracts = &setup.contracts;
    for (what, address) in [
        ("factory", contracts.proxy_factory),
        ("singleton", contracts.singleton),
        ("MultiSendCallOnly", contracts.multi_send),
        ("fallback handler", contracts.fallback_handler),
    ] {
        if view.code(address).await?.is_empty() {
            return Ok(Err(format!("there is no {what} at {address}")));
        }
    }
    let code = view
        .ask(contracts.proxy_factory, abi::proxyCreationCodeCall {})
        .await?;
    let hash = code.map(|code| Contracts::hash_of_proxy(&code, contracts.singleton));
    match hash {
        Ok(hash) if hash == contracts.proxy_hash => {}
        Ok(_) => {
            return Ok(Err(
                "the factory creates other code than expected".to_owned()
            ));
        }
        Err(reason) => return Ok(Err(format!("at the factory's address, {reason}"))),
    }
    let created = view
        .call(Some(relayer), deployment.to, deployment.data.clone())
        .await?;
    Ok(match created {
        Ok(address) if address == word(safe) => Ok(false),
        Ok(address) => Err(format!("it would create {address}")),
        Err(revert) => Err(format!("it would be refused: {revert}")),
    })
}

/// What is wrong with the calls, and what the whole would give.
async fn read_trial(
    view: View,
    from: Address,
    transaction: &SafeTransaction,
    calls: &[Call],
    data: &[u8],
) -> Result<(Option<Trap>, Result<(), Revert>), Fault> {
    let safe = transaction.safe;
    let mut trap = None;
    if transaction.delegate && view.code(transaction.to).await?.is_empty() {
        trap = Some(Trap::NoContract(transaction.to));
    }
    let mut with_code: Vec<Address> = Vec::new();
    for call in calls.iter().filter(|call| !call.data.is_empty()) {
        if !with_code.contains(&call.to) {
            if view.code(call.to).await?.is_empty() {
                trap = trap.or(Some(Trap::NoContract(call.to)));
                continue;
            }
            with_code.push(call.to);
        }
        if let Meaning::Erc20 { token, to, .. } = call.meaning(safe) {
            // A refusal that reverts shows in the whole.
            let answer = view.call(Some(safe), token, call.data.clone()).await?;
            if answer.is_ok_and(|answer| !is_yes(&answer)) {
                trap = trap.or(Some(Trap::TokenRefuses(token, to)));
            }
        }
    }
    let trial = view.call(Some(from), safe, data.to_vec()).await?;
    Ok((trap, trial.map(|_| ())))
}

/// Tokens answer yes, or nothing where they are old.
fn is_yes(answer: &Bytes) -> bool {
    answer.is_empty() || U256::abi_decode(answer).is_ok_and(|answer| answer == U256::from(1))
}

fn word(address: Address) -> Bytes {
    alloy::primitives::Address::from(address).into_word().into()
}
