//! The circle's questions to Stellar, and what Horizons answer to them.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use circle::genesis::{Genesis, Home};
use circle::treasury::{
    Address, Observation, Outcome, Payout, Question, Scheme, Transaction, Wallet,
};
use threescript::value::{Amount, AssetCode};
use treasury_chains::endpoints::{EndpointStatus, Timeouts};
use treasury_chains::stellar::{
    self, Direction, Horizon, HorizonError, Movement, Snapshot, Sought, Submission,
};
use treasury_protocol::stellar::{Asset, AssetCode as StellarCode};

use super::client::{Asked, Payments, Sent};
use crate::problem::Problem;
use crate::setup::now_ms;

/// Entries in one page of movements or fees.
const PAGE: u16 = 200;

/// Horizons of one network.
pub struct Stellar {
    horizon: Horizon,
    /// By wallet: in what the account that was named for it differs from what its owners can use alone.
    strange: Mutex<BTreeMap<String, Vec<String>>>,
}

impl Stellar {
    pub fn new(endpoints: &[String], network: &str, timeouts: Timeouts) -> Result<Self, Problem> {
        let horizon = Horizon::new(endpoints, network, timeouts).map_err(|error| {
            let mend = "mend `chains` in circle.toml";
            Problem::new("config.chains", error.to_string(), mend)
        })?;
        Ok(Self {
            horizon,
            strange: Mutex::default(),
        })
    }

    /// The servers, and how each does.
    pub fn status(&self) -> Vec<EndpointStatus> {
        self.horizon.endpoints().status()
    }

    /// The last ledger of each server that answers, and its age in seconds.
    pub async fn reach(&self) -> BTreeMap<String, (u64, u64)> {
        let now_s = now_ms() / 1000;
        // How far back a server's history goes matters to who reads payments, and is judged there.
        let all = self.horizon.check(u32::MAX).await.into_iter();
        all.filter_map(|(name, reach)| {
            let reach = reach.ok()?;
            let age_s = now_s.saturating_sub(reach.last_closed_at_s);
            Some((name, (u64::from(reach.last_ledger), age_s)))
        })
        .collect()
    }

    /// What is to be reported in answer to a question, if anything is.
    pub async fn answer(&self, asked: &Asked) -> Result<Option<Observation>, HorizonError> {
        let question = &asked.question;
        Ok(match question {
            Question::Account { wallet } => self.opened(question, wallet).await?,
            Question::Outcome { payout, .. } => question.outcome(self.outcome(payout).await?),
            Question::Receives {
                address,
                asset,
                home,
                ..
            } => question.receives(self.receives(address, asset, home, asked.units).await?),
            Question::Claim { balance, .. } => {
                let found = self.horizon.claimable(balance, asked.made_in).await?;
                question.claim(found.is_some())
            }
        })
    }

    /// What is reported of the account of a wallet, if it is there.
    async fn opened(
        &self,
        question: &Question,
        wallet: &Wallet,
    ) -> Result<Option<Observation>, HorizonError> {
        let Some(Address::Stellar { key, .. }) = &wallet.address else {
            return Ok(None);
        };
        let Snapshot { account, ledger } = self.horizon.snapshot(&key.0).await?;
        let Scheme::Multisig { owners } = &wallet.scheme else {
            return Ok(account.and_then(|account| question.account(account.sequence)));
        };
        let differences = match (&account, owners) {
            (Some(account), Some(owners)) => account.differences(owners, ledger),
            _ => vec!["there is no such account".to_owned()],
        };
        let fits = differences.is_empty();
        let mut strange = self.strange.lock().unwrap_or_else(PoisonError::into_inner);
        strange.insert(wallet.name.clone(), differences);
        Ok(account.filter(|_| fits).and_then(|account| {
            let coins = account.balance(&Asset::Native);
            let coins = coins.map_or(0, |coins| coins.units);
            question.owned(account.sequence, account.changed_ledger.into(), coins)
        }))
    }

    /// In what the account that was named for a wallet differs from what its owners can use alone, as it was seen last.
    pub fn differences(&self, wallet: &str) -> Vec<String> {
        let strange = self.strange.lock().unwrap_or_else(PoisonError::into_inner);
        strange.get(wallet).cloned().unwrap_or_default()
    }

    async fn account(
        &self,
        address: Option<&Address>,
    ) -> Result<Option<stellar::Account>, HorizonError> {
        match address {
            None => Ok(None),
            Some(Address::Stellar { key, .. }) => Ok(self.horizon.snapshot(&key.0).await?.account),
            Some(Address::Ethereum(_)) => Ok(None),
        }
    }

    async fn outcome(&self, payout: &Payout) -> Result<Outcome, HorizonError> {
        let Transaction::Stellar { batch, .. } = &payout.transaction else {
            return Ok(Outcome::Pending);
        };
        let sought = Sought {
            hash: payout.hash,
            source: batch.source,
            sequence: batch.sequence,
            max_time_s: batch.time_bounds.max,
        };
        Ok(match self.horizon.outcome(&sought).await? {
            stellar::Outcome::Pending => Outcome::Pending,
            stellar::Outcome::Passed { sequence } => Outcome::Passed { sequence },
            stellar::Outcome::Expired => Outcome::Expired,
            stellar::Outcome::Included {
                ledger,
                succeeded,
                fee_stroops,
            } => Outcome::Included {
                ledger: ledger.into(),
                succeeded,
                fee: fee_stroops,
            },
        })
    }

    async fn receives(
        &self,
        address: &Address,
        asset: &AssetCode,
        home: &Home,
        units: i64,
    ) -> Result<bool, HorizonError> {
        let (Address::Stellar { key, .. }, Home::Stellar { issuer }) = (address, home) else {
            return Ok(false);
        };
        // Whoever issues an asset takes it back without trusting itself.
        if *issuer == Some(*key) {
            return Ok(true);
        }
        let Some(asset) = chain_asset(asset, home) else {
            return Ok(false);
        };
        let account = self.account(Some(address)).await?;
        Ok(account.is_some_and(|account| account.receives(&asset, units)))
    }

    /// What a wallet holds of the circle's assets that live here, in minor units. Fees that it paid are added to the native coin:
    /// the circle's books do not count them.
    pub async fn holdings(
        &self,
        wallet: &Wallet,
        genesis: &Genesis,
    ) -> Result<Vec<(AssetCode, i64)>, HorizonError> {
        let account = self.account(wallet.address.as_ref()).await?;
        let mut held = Vec::new();
        for (code, asset) in assets(genesis) {
            let balance = account.as_ref().and_then(|account| account.balance(&asset));
            let units = balance.map_or(0, |balance| balance.units);
            let fees = match asset {
                Asset::Native => wallet.fees,
                Asset::Issued { .. } => 0,
            };
            held.push((code.clone(), units.saturating_add(fees)));
        }
        Ok(held)
    }

    /// Payments of the circle's assets to a wallet behind `cursor`.
    pub async fn payments(
        &self,
        wallet: &Wallet,
        genesis: &Genesis,
        cursor: u64,
    ) -> Result<Payments, HorizonError> {
        let Some(Address::Stellar { key, .. }) = &wallet.address else {
            return Ok(Payments {
                arrived: Vec::new(),
                cursor,
            });
        };
        // What moved before the account was the wallet's does not count.
        let cursor = match wallet.since {
            0 => cursor,
            since => {
                let next = u32::try_from(since.saturating_add(1)).unwrap_or(u32::MAX);
                cursor.max(Horizon::cursor_before(next))
            }
        };
        let page = self.horizon.movements(&key.0, cursor, PAGE).await?;
        let assets: Vec<(&AssetCode, Asset)> = assets(genesis).collect();
        let arrived = page.items.iter().filter_map(|movement| {
            let found = assets.iter().find(|(_, asset)| *asset == movement.asset);
            let (code, _) = found?;
            Some((movement.operation_id, received(wallet, code, movement)?))
        });
        Ok(Payments {
            arrived: arrived.collect(),
            cursor: page.cursor,
        })
    }

    /// Sends a signed payout.
    pub async fn submit(&self, envelope: &str) -> Sent {
        match self.horizon.submit(envelope).await {
            Ok(Submission::Included {
                ledger, succeeded, ..
            }) => {
                let how = if succeeded { "took effect" } else { "failed" };
                Sent::Taken(format!("ledger {ledger}, where it {how}"))
            }
            Ok(Submission::Refused { codes }) => Sent::Refused(codes.to_string()),
            Ok(Submission::Unknown { reason }) => Sent::Unknown(reason.to_string()),
            Err(error) => Sent::Refused(error.to_string()),
        }
    }
}

/// A payment to a wallet. What a wallet takes back from its own payouts comes from nobody, and the circle knows of it otherwise.
fn received(wallet: &Wallet, code: &AssetCode, movement: &Movement) -> Option<Observation> {
    if movement.direction != Direction::In || movement.units <= 0 {
        return None;
    }
    Some(Observation::Received {
        wallet: wallet.name.clone(),
        operation: movement.name(),
        from: movement.from.clone()?,
        to: movement.to_user(),
        memo: movement.memo.as_ref().map(ToString::to_string),
        amount: Amount::new(movement.units, code.clone()),
    })
}

/// The circle's assets that live on Stellar.
fn assets(genesis: &Genesis) -> impl Iterator<Item = (&AssetCode, Asset)> {
    genesis.assets.iter().filter_map(|(code, asset)| {
        let chain = asset
            .homes
            .iter()
            .find_map(|home| chain_asset(code, home))?;
        Some((code, chain))
    })
}

/// An asset as Stellar names it, if it lives there.
pub(super) fn chain_asset(code: &AssetCode, home: &Home) -> Option<Asset> {
    let Home::Stellar { issuer } = home else {
        return None;
    };
    Some(match issuer {
        None => Asset::Native,
        Some(issuer) => Asset::Issued {
            code: StellarCode::new(code.as_str()).ok()?,
            issuer: issuer.0,
        },
    })
}
