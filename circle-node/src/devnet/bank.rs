//! What the people of a development circle do on its Stellar ledger with their own keys, as their wallets would.

use std::collections::BTreeMap;

use circle::ids::Key;
use ed25519_zebra::SigningKey;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use treasury_chains::endpoints::Timeouts;
use treasury_chains::stellar::{Horizon, HorizonError, Submission};
use treasury_protocol::stellar::multisig::Owners;
use treasury_protocol::stellar::{
    self, Asset, AssetCode, Batch, Destination, MAX_OPERATIONS, Operation, Signature, TimeBounds,
};

use super::stellar::PASSPHRASE;
use crate::api::client::Client;
use crate::founding;
use crate::problem::Problem;
use crate::setup::now_ms;

/// People who act at the same time.
const PARALLEL: usize = 16;
/// What is offered for an operation, in stroops.
const FEE_STROOPS: u32 = 100;
/// What the account of a wallet is given, in stroops.
const FOUNDED_STROOPS: i64 = 1_000 * 10_000_000;
/// How long a transaction may be taken, in seconds.
const LIFETIME_S: u64 = 600;

/// The ledger, and who issues TFT on it.
pub struct Bank {
    horizon: Horizon,
    friendbot: Client,
    issuer: SigningKey,
}

impl Bank {
    /// The ledger at `url`.
    pub fn new(url: &str, issuer: SigningKey) -> Result<Self, Problem> {
        Ok(Self {
            horizon: Horizon::new(&[url.to_owned()], PASSPHRASE, Timeouts::default())
                .map_err(problem)?,
            friendbot: Client::new(url)?,
            issuer,
        })
    }

    /// Who issues TFT.
    pub fn issuer(&self) -> Key {
        Key::of(&self.issuer)
    }

    fn tft(&self) -> Asset {
        Asset::Issued {
            code: AssetCode::new("TFT").expect("TFT is a code"),
            issuer: self.issuer().0,
        }
    }

    /// Opens an account, unless there is one.
    pub async fn befriend(&self, key: &Key) -> Result<(), Problem> {
        if self
            .horizon
            .account(&key.0)
            .await
            .map_err(problem)?
            .is_none()
        {
            let path = format!("/friendbot?addr={}", stellar::address(&key.0));
            let _: serde_json::Value = self.friendbot.get(&path).await?;
        }
        Ok(())
    }

    /// Opens accounts of the issuer and of people, who trust TFT from then on.
    pub async fn open(&self, people: &[SigningKey]) -> Result<(), Problem> {
        self.befriend(&self.issuer()).await?;
        stream::iter(people.iter().map(Ok))
            .try_for_each_concurrent(PARALLEL, |person| async move {
                self.befriend(&Key::of(person)).await?;
                let account = self
                    .horizon
                    .account(&Key::of(person).0)
                    .await
                    .map_err(problem)?;
                if account.is_some_and(|account| account.balance(&self.tft()).is_some()) {
                    return Ok(());
                }
                let trust = Operation::Trust {
                    asset: self.tft(),
                    limit: i64::MAX,
                };
                self.send(person, vec![trust]).await
            })
            .await
    }

    /// Gives people TFT, in minor units.
    pub async fn issue(&self, people: &BTreeMap<Key, i64>) -> Result<(), Problem> {
        let payments: Vec<Operation> = people
            .iter()
            .map(|(person, units)| self.payment(person.0, *units))
            .collect();
        for chunk in payments.chunks(MAX_OPERATIONS) {
            self.send(&self.issuer, chunk.to_vec()).await?;
        }
        Ok(())
    }

    /// Lets people pay TFT to an account, each with its own key.
    pub async fn pay(&self, to: [u8; 32], people: Vec<(SigningKey, i64)>) -> Result<(), Problem> {
        let paid = stream::iter(people).map(|(person, units)| async move {
            self.send(&person, vec![self.payment(to, units)]).await
        });
        paid.buffer_unordered(PARALLEL).try_collect().await
    }

    /// Lets the issuer make an account that these own, with 1,000 XLM. Gives its address.
    pub async fn found(&self, owners: &Owners) -> Result<String, Problem> {
        let made = founding::prepare(&self.horizon, &self.issuer, owners, FOUNDED_STROOPS).await?;
        founding::send(&self.horizon, &made).await?;
        Ok(made.address)
    }

    fn payment(&self, to: [u8; 32], amount: i64) -> Operation {
        Operation::Payment {
            to: Destination {
                key: to,
                muxed: None,
            },
            asset: self.tft(),
            amount,
        }
    }

    async fn send(&self, key: &SigningKey, operations: Vec<Operation>) -> Result<(), Problem> {
        let source = Key::of(key).0;
        let account = self.horizon.account(&source).await.map_err(problem)?;
        let batch = Batch {
            source,
            fee_per_op_stroops: FEE_STROOPS,
            sequence: account.map_or(0, |account| account.sequence) + 1,
            time_bounds: TimeBounds {
                min: 0,
                max: now_ms() / 1000 + LIFETIME_S,
            },
            memo: None,
            operations,
        };
        let refused = |error: stellar::StellarError| Problem::of(error.code(), error);
        let hash = batch.hash(PASSPHRASE).map_err(refused)?;
        let signature = Signature {
            key: source,
            bytes: key.sign(&hash).into(),
        };
        let envelope = batch.envelope(PASSPHRASE, &[signature]).map_err(refused)?;
        match self.horizon.submit(&envelope).await.map_err(problem)? {
            Submission::Included {
                succeeded: true, ..
            } => Ok(()),
            other => {
                let reason = format!(
                    "the ledger says to {}: {other:?}",
                    stellar::address(&source)
                );
                Err(Problem::new("devnet.ledger", reason, "report this"))
            }
        }
    }
}

fn problem(error: HorizonError) -> Problem {
    Problem::of("devnet.ledger", error)
}
