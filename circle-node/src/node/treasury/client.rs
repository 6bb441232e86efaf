//! How a node speaks to a chain, whichever it is.

use std::collections::BTreeMap;

use circle::genesis::Genesis;
use circle::treasury::{Chain, Observation, Payout, Question, Wallet};
use threescript::value::AssetCode;
use treasury_chains::endpoints::EndpointStatus;

use super::ethereum::Ethereum;
use super::stellar::Stellar;

/// A client of one chain.
pub enum Client {
    /// Of a Stellar network.
    Stellar(Stellar),
    /// Of an Ethereum chain.
    Ethereum(Box<Ethereum>),
}

/// A question, with what a chain has to know beside it.
pub struct Asked {
    /// The question.
    pub question: Question,
    /// The most that the payee of [`Question::Receives`] is to get at once, in minor units.
    pub units: i64,
    /// The ledger in which the balance of [`Question::Claim`] was made.
    pub made_in: u32,
}

/// Payments to a wallet behind a cursor.
pub struct Payments {
    /// What arrived, with its place: the oldest first.
    pub arrived: Vec<(u64, Observation)>,
    /// The last place that was read.
    pub cursor: u64,
}

/// What a chain said to a payout that was sent. None of it is a verdict: only what watchers see is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It has it; where, for people.
    Taken(String),
    /// It does not take it now; why.
    Refused(String),
    /// Nobody knows whether it was taken: the same bytes are sent again.
    Unknown(String),
}

impl Client {
    /// The servers, and how each does.
    pub fn status(&self) -> Vec<EndpointStatus> {
        match self {
            Self::Stellar(stellar) => stellar.status(),
            Self::Ethereum(ethereum) => ethereum.status(),
        }
    }

    /// The last ledger of each server that answers, and its age in seconds.
    pub async fn reach(&self) -> BTreeMap<String, (u64, u64)> {
        match self {
            Self::Stellar(stellar) => stellar.reach().await,
            Self::Ethereum(ethereum) => ethereum.reach().await,
        }
    }

    /// What is to be reported in answer to a question, if anything is.
    pub async fn answer(&self, asked: &Asked) -> Result<Option<Observation>, String> {
        match self {
            Self::Stellar(stellar) => stellar.answer(asked).await.map_err(text),
            Self::Ethereum(ethereum) => ethereum.answer(asked).await.map_err(text),
        }
    }

    /// In what the account that was named for a wallet differs from what its owners can use alone, as it was seen last.
    pub fn differences(&self, wallet: &str) -> Vec<String> {
        match self {
            Self::Stellar(stellar) => stellar.differences(wallet),
            Self::Ethereum(ethereum) => ethereum.differences(wallet),
        }
    }

    /// What a wallet holds of the circle's assets that live on this chain, in minor units.
    pub async fn holdings(
        &self,
        wallet: &Wallet,
        genesis: &Genesis,
    ) -> Result<Vec<(AssetCode, i64)>, String> {
        match self {
            Self::Stellar(stellar) => stellar.holdings(wallet, genesis).await.map_err(text),
            Self::Ethereum(ethereum) => ethereum.holdings(wallet, genesis).await.map_err(text),
        }
    }

    /// Payments of the circle's assets to a wallet behind `cursor`.
    pub async fn payments(
        &self,
        wallet: &Wallet,
        genesis: &Genesis,
        cursor: u64,
    ) -> Result<Payments, String> {
        match self {
            Self::Stellar(stellar) => stellar
                .payments(wallet, genesis, cursor)
                .await
                .map_err(text),
            Self::Ethereum(ethereum) => ethereum
                .payments(wallet, genesis, cursor)
                .await
                .map_err(text),
        }
    }

    /// Sends a signed payout of `wallet`.
    pub async fn submit(&self, wallet: &Wallet, payout: &Payout) -> Sent {
        match (self, &wallet.chain) {
            (Self::Stellar(stellar), _) => match payout.envelope() {
                Some(envelope) => stellar.submit(&envelope).await,
                None => Sent::Refused("it has no envelope".into()),
            },
            (Self::Ethereum(ethereum), Chain::Ethereum { contracts, .. }) => {
                ethereum.submit(contracts, payout).await
            }
            (Self::Ethereum(_), Chain::Stellar { .. }) => {
                Sent::Refused("its wallet is on another chain".into())
            }
        }
    }
}

fn text(error: impl ToString) -> String {
    error.to_string()
}
