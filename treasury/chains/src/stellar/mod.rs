//! Stellar, through Horizon's HTTP API.
//!
//! [`Horizon`] speaks to one or several servers of one network. What becomes a fact for a circle ([`Horizon::outcome`],
//! [`Horizon::movements`], [`Horizon::fees`], [`Horizon::snapshot`], [`Horizon::claimable`]) is what most of them say; other answers come
//! from the first that gives one.
//!
//! - [`submission`]: sends bytes. A time-out is not a "no".
//! - [`outcome`]: proves what became of them, and when they can never be included any more.
//! - [`movements`]: what came in and went out of an account, operation by operation, and its fees.
//! - [`snapshot`]: what an account holds at a ledger, to be compared with the movements up to it.

pub mod account;
pub mod movements;
mod operation;
pub mod outcome;
mod request;
pub mod snapshot;
pub mod submission;
mod text;

use serde::Deserialize;

use crate::agreement::{least, reached};
use crate::endpoints::{Answer, Endpoint, Endpoints, EndpointsError, Fault, Timeouts};
pub use account::{Account, Balance, Claimable, Signer, Thresholds};
pub use movements::{Direction, Fee, Memo, Movement, Page};
pub use outcome::{Outcome, Sought};
use request::RootRecord;
pub use snapshot::Snapshot;
pub use submission::{Codes, Submission};
pub use text::asset_text;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HorizonError {
    /// The endpoints cannot be used.
    #[error(transparent)]
    Endpoints(#[from] EndpointsError),
    /// No server gave a usable answer. Ask again later.
    #[error("no Horizon answers ({}); check the network, or name other endpoints", listed(.faults))]
    NoAnswer {
        /// Why, by the name of each.
        faults: Vec<(String, Fault)>,
    },
    /// The servers do not agree. Ask again later: one of them may lag behind.
    #[error("the Horizons do not agree on {what}: {}; ask again, and take the one that is wrong out of the list", .answers.join("; "))]
    Disagreement {
        /// On what.
        what: String,
        /// What each says.
        answers: Vec<String>,
    },
    /// The bytes are no transaction.
    #[error("this is no transaction envelope in base64 XDR: {reason}")]
    Envelope {
        /// What is wrong with them.
        reason: String,
    },
}

fn listed(faults: &[(String, Fault)]) -> String {
    let texts = faults
        .iter()
        .map(|(name, fault)| format!("{name}: {fault}"));
    texts.collect::<Vec<_>>().join("; ")
}

/// A Stellar network, through one or several servers.
#[derive(Debug)]
pub struct Horizon {
    endpoints: Endpoints,
    passphrase: String,
}

/// How far a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    /// What it says it is.
    pub version: String,
    /// The first ledger of its history.
    pub first_ledger: u32,
    /// The last ledger of its history.
    pub last_ledger: u32,
    /// When that was closed, in Unix seconds.
    pub last_closed_at_s: u64,
    /// How many ledgers the network is ahead of its history, as far as it knows.
    pub lag_ledgers: u32,
}

/// A closed ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LedgerTime {
    /// Its number.
    pub sequence: u32,
    /// When it was closed, in Unix seconds.
    pub closed_at_s: u64,
}

/// What the last ledgers charged for one operation, in stroops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeeStats {
    /// The last of these ledgers.
    pub last_ledger: u32,
    /// The least that any ledger takes.
    pub base_fee_stroops: u32,
    /// What half of the transactions were charged at most.
    pub charged_median_stroops: u32,
    /// What 95 of 100 were charged at most.
    pub charged_p95_stroops: u32,
    /// The most that was charged.
    pub charged_max_stroops: u32,
}

#[derive(Deserialize)]
struct FeeStatsRecord {
    last_ledger: String,
    last_ledger_base_fee: String,
    fee_charged: SpreadRecord,
}

#[derive(Deserialize)]
struct SpreadRecord {
    p50: String,
    p95: String,
    max: String,
}

impl Horizon {
    /// Servers of the network with this passphrase. Nothing is asked yet; each server is verified before it is believed.
    ///
    /// Errors: [`HorizonError::Endpoints`].
    pub fn new(
        urls: &[String],
        network_passphrase: &str,
        timeouts: Timeouts,
    ) -> Result<Self, HorizonError> {
        Ok(Self {
            endpoints: Endpoints::new(urls, timeouts)?,
            passphrase: network_passphrase.to_owned(),
        })
    }

    /// The servers, and how each does.
    pub fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// The passphrase of the network.
    pub fn network_passphrase(&self) -> &str {
        &self.passphrase
    }

    /// Asks each server who it is, by name, in the configured order.
    ///
    /// One of another network, or whose history begins after `history_from` (the ledger from which on a circle's payments matter), is
    /// answered with [`Fault::Unfit`].
    pub async fn check(&self, history_from: u32) -> Vec<(String, Result<Reach, Fault>)> {
        let asked = self.endpoints.ask_all(async |endpoint| {
            let root = self.root_of(endpoint).await?;
            if root.history_elder_ledger > history_from {
                let reason = format!(
                    "its history begins with ledger {}, and ledger {history_from} is needed; take a server with a longer history",
                    root.history_elder_ledger
                );
                return Err(Fault::Unfit { reason });
            }
            Ok(Reach {
                last_closed_at_s: text::seconds(&root.history_latest_ledger_closed_at)?,
                lag_ledgers: root
                    .core_latest_ledger
                    .saturating_sub(root.history_latest_ledger),
                version: root.horizon_version,
                first_ledger: root.history_elder_ledger,
                last_ledger: root.history_latest_ledger,
            })
        });
        let named = |answer: Answer<'_, Reach>| (answer.endpoint.name().to_owned(), answer.result);
        asked.await.into_iter().map(named).collect()
    }

    /// The account, as the first server that answers has it; `None` if there is none.
    ///
    /// Errors: [`HorizonError::NoAnswer`].
    pub async fn account(&self, key: &[u8; 32]) -> Result<Option<Account>, HorizonError> {
        let asked = self
            .endpoints
            .ask_first(async |endpoint| Ok(self.snapshot_at(endpoint, key).await?.account));
        Self::first(asked.await)
    }

    /// What became of a transaction, as most of the servers prove it.
    ///
    /// Errors: [`HorizonError::NoAnswer`]. Where they do not agree, it is [`Outcome::Pending`].
    pub async fn outcome(&self, sought: &Sought) -> Result<Outcome, HorizonError> {
        let answers = self
            .endpoints
            .ask_all(async |endpoint| self.outcome_at(endpoint, sought).await);
        let (who, said) = Self::answered(answers.await)?;
        let (agreed, contradicting) = outcome::combine(&said, self.least());
        for number in contradicting {
            let hash = hex::encode(sought.hash);
            let (one, most) = (said[number], agreed);
            who[number].contradicted(format!("transaction {hash} is {one:?}, not {most:?}"));
        }
        Ok(agreed)
    }

    /// The last ledger that most servers have reached, with the time at which it was closed.
    ///
    /// Errors: [`HorizonError::NoAnswer`], also if fewer answer than it takes to be believed.
    pub async fn latest_ledger(&self) -> Result<LedgerTime, HorizonError> {
        let answers = self.endpoints.ask_all(async |endpoint| {
            let root = self.root_of(endpoint).await?;
            Ok(LedgerTime {
                sequence: root.history_latest_ledger,
                closed_at_s: text::seconds(&root.history_latest_ledger_closed_at)?,
            })
        });
        let (_, said) = Self::answered(answers.await)?;
        reached(&said, self.least()).ok_or_else(|| HorizonError::Disagreement {
            what: "the last ledger".into(),
            answers: said.iter().map(|one| format!("{one:?}")).collect(),
        })
    }

    /// What the last ledgers charged, as the first server that answers has it.
    ///
    /// Errors: [`HorizonError::NoAnswer`].
    pub async fn fee_stats(&self) -> Result<FeeStats, HorizonError> {
        let asked = self.endpoints.ask_first(async |endpoint| {
            self.verify(endpoint).await?;
            let told = request::get(&self.endpoints, endpoint, "fee_stats", &[]).await?;
            let record: FeeStatsRecord = told.body.ok_or_else(|| missing("fee_stats"))?;
            Ok(FeeStats {
                last_ledger: text::number(&record.last_ledger)?,
                base_fee_stroops: text::number(&record.last_ledger_base_fee)?,
                charged_median_stroops: text::number(&record.fee_charged.p50)?,
                charged_p95_stroops: text::number(&record.fee_charged.p95)?,
                charged_max_stroops: text::number(&record.fee_charged.max)?,
            })
        });
        Self::first(asked.await)
    }

    /// Who a server is. Errors: [`Fault::Unfit`] for one of another network.
    async fn root_of(&self, endpoint: &Endpoint) -> Result<RootRecord, Fault> {
        let told = request::get::<RootRecord>(&self.endpoints, endpoint, "", &[]).await?;
        let root = told.body.ok_or_else(|| missing("/"))?;
        if root.network_passphrase != self.passphrase {
            return Err(Fault::Unfit {
                reason: format!(
                    "it belongs to the network '{}', not to '{}'; name an endpoint of the right one",
                    root.network_passphrase, self.passphrase
                ),
            });
        }
        endpoint.verified();
        Ok(root)
    }

    /// Asks a server who it is, unless it said so since it failed last: a server of another network knows none of our transactions, and
    /// must not be heard on them.
    async fn verify(&self, endpoint: &Endpoint) -> Result<(), Fault> {
        if endpoint.is_verified() {
            return Ok(());
        }
        self.root_of(endpoint).await.map(drop)
    }

    /// How many servers have to say the same.
    fn least(&self) -> usize {
        least(self.endpoints.all().len())
    }

    /// Those that answered, and what.
    fn answered<T>(answers: Vec<Answer<'_, T>>) -> Result<(Vec<&Endpoint>, Vec<T>), HorizonError> {
        let (mut who, mut said, mut faults) = (Vec::new(), Vec::new(), Vec::new());
        for Answer { endpoint, result } in answers {
            match result {
                Ok(answer) => {
                    who.push(endpoint);
                    said.push(answer);
                }
                Err(fault) => faults.push((endpoint.name().to_owned(), fault)),
            }
        }
        match said.is_empty() {
            true => Err(HorizonError::NoAnswer { faults }),
            false => Ok((who, said)),
        }
    }

    fn first<T>(asked: Result<(&Endpoint, T), Vec<(String, Fault)>>) -> Result<T, HorizonError> {
        asked
            .map(|(_, answer)| answer)
            .map_err(|faults| HorizonError::NoAnswer { faults })
    }
}

fn missing(path: &str) -> Fault {
    Fault::Malformed {
        reason: format!("it has no {path}; is it a Horizon?"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A node watches its wallets in tasks of their own, on any thread.
    #[test]
    fn what_is_asked_may_be_awaited_on_any_thread() {
        fn may_wander<T: Send>(_: T) {}
        let url = "http://127.0.0.1:1".to_owned();
        let horizon = Horizon::new(&[url], "a network", Timeouts::default()).expect("an address");
        let key = [1; 32];
        let sought = Sought {
            hash: key,
            source: key,
            sequence: 1,
            max_time_s: 1,
        };
        may_wander(horizon.check(1));
        may_wander(horizon.account(&key));
        may_wander(horizon.outcome(&sought));
        may_wander(horizon.submit(""));
        may_wander(horizon.movements(&key, 0, 1));
        may_wander(horizon.fees(&key, 0, 1));
        may_wander(horizon.snapshot(&key));
        may_wander(horizon.claimable(&key, 1));
        may_wander(horizon.claimables(&key));
        may_wander(horizon.fee_stats());
        may_wander(horizon.latest_ledger());
    }
}
