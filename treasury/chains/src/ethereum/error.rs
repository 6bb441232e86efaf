//! What goes wrong with a chain, and what to do about it.

use treasury_protocol::ethereum::{Address, EthereumError as BytesError};

use super::Revert;
use crate::endpoints::{EndpointsError, Fault};

/// What one endpoint said, by its name.
pub type Said = (String, String);

/// Why a question has no answer, or why nothing was sent. Never a proof of anything about a transaction.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EthereumError {
    /// The endpoints as configured cannot be used.
    #[error(transparent)]
    Endpoints(#[from] EndpointsError),
    /// An endpoint belongs to another chain.
    #[error("the endpoint {name} is not to be used: {reason}; configure one of the right chain")]
    OtherChain {
        /// Its name.
        name: String,
        /// What it said.
        reason: String,
    },
    /// Too few endpoints answered. Ask again later.
    #[error("too few endpoints answer what {question}: {}; asked again later, they may", list_faults(.faults))]
    NoAnswer {
        /// What was asked.
        question: &'static str,
        /// Why each did not.
        faults: Vec<(String, Fault)>,
    },
    /// No more than half of the endpoints that answered say the same.
    #[error("the endpoints do not agree what {question}: {}; one of them lies, or they are a block apart; ask again, and see which stands alone", list(.said))]
    Disagreement {
        /// What was asked.
        question: &'static str,
        /// What each said.
        said: Vec<Said>,
    },
    /// The chain changed each time it was looked at.
    #[error("the chain changes while it is read; ask again")]
    Unsettled,
    /// There is something else at this address than a Safe.
    #[error("there is no Safe at {safe}: {reason}")]
    NotASafe {
        /// Where a Safe should be.
        safe: Address,
        /// What it did not answer.
        reason: String,
    },
    /// A call to where there is no contract does nothing, and is taken for a success.
    #[error(
        "there is no contract at {address} on this chain, so a call to it would do nothing; correct the address"
    )]
    NoContract {
        /// The address.
        address: Address,
    },
    /// The factory on this chain would create the Safe elsewhere.
    #[error(
        "the contracts on this chain would create another Safe than {expected}: {reason}; correct the addresses of the contracts"
    )]
    OtherContracts {
        /// Where the Safe would have to be.
        expected: Address,
        /// What does not fit.
        reason: String,
    },
    /// The chain refuses the call, and would refuse it if it were sent.
    #[error("the chain would refuse this: {0}")]
    Reverted(Revert),
    /// A token says no to a payment without reverting it, so that the Safe would take it for a success.
    #[error(
        "the token {token} would not pay {to}: it answers no; does the Safe hold enough of it?"
    )]
    TokenRefuses {
        /// The token.
        token: Address,
        /// Who would be paid.
        to: Address,
    },
    /// Every endpoint refused the transaction.
    #[error("every endpoint refused the transaction of the relayer {relayer}: {}", list(.said))]
    Refused {
        /// Who pays for it.
        relayer: Address,
        /// What each said.
        said: Vec<Said>,
    },
    /// The chain asks for more than the relayer may pay.
    #[error(
        "the chain asks for {needed_wei} wei per gas, more than the {limit_wei} that the relayer may pay; wait, or raise the limit"
    )]
    Fee {
        /// What a transaction would need to offer.
        needed_wei: u128,
        /// What it may offer.
        limit_wei: u128,
    },
    /// The transaction is for another chain.
    #[error("the transaction is for chain {transaction}, and this is chain {chain}")]
    Chain {
        /// What was signed for.
        transaction: u64,
        /// What this is.
        chain: u64,
    },
    /// The transaction or its signatures are not what the Safe takes.
    #[error(transparent)]
    Bytes(#[from] BytesError),
    /// A relayer's transactions are numbered on one chain.
    #[error("the relayer {relayer} sends on chain {own}, and this is chain {chain}")]
    RelayerChain {
        /// Who.
        relayer: Address,
        /// Where it sends.
        own: u64,
        /// What this is.
        chain: u64,
    },
}

impl EthereumError {
    /// Stable short code for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Endpoints(_) => "chain_endpoints",
            Self::OtherChain { .. } => "chain_other_chain",
            Self::NoAnswer { .. } => "chain_no_answer",
            Self::Disagreement { .. } => "chain_disagreement",
            Self::Unsettled => "chain_unsettled",
            Self::NotASafe { .. } => "chain_not_a_safe",
            Self::NoContract { .. } => "chain_no_contract",
            Self::OtherContracts { .. } => "chain_other_contracts",
            Self::Reverted(_) => "chain_reverted",
            Self::TokenRefuses { .. } => "chain_token_refuses",
            Self::Refused { .. } => "chain_refused",
            Self::Fee { .. } => "chain_fee",
            Self::Chain { .. } => "chain_id",
            Self::Bytes(error) => error.code(),
            Self::RelayerChain { .. } => "chain_relayer",
        }
    }
}

fn list(all: &[Said]) -> String {
    let each = all.iter().map(|(name, said)| format!("{name} says {said}"));
    each.collect::<Vec<_>>().join("; ")
}

fn list_faults(all: &[(String, Fault)]) -> String {
    match all {
        [] => "none of them does".to_owned(),
        _ => {
            let each = all.iter().map(|(name, fault)| format!("{name}: {fault}"));
            each.collect::<Vec<_>>().join("; ")
        }
    }
}
