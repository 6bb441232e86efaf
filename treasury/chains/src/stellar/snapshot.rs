//! What an account holds at one ledger, for reconciliation.
//!
//! Horizon reads an account in one snapshot of its database and names the ledger of that snapshot, so balances and ledger belong
//! together without reading anything twice: every movement and fee whose place is not behind [`Snapshot::cursor`] is in these balances, and
//! no other. Whoever has read movements up to that cursor can compare.

use super::account::{Account, AccountRecord, Claimable, ClaimableRecord, claimable_text};
use super::outcome::{before_ledger, state_ledger};
use super::request::{self, Collection, Told};
use super::{Horizon, HorizonError, text};
use crate::agreement::majority;
use crate::endpoints::{Endpoint, Fault};

/// Claimable balances that are read for one claimant.
const CLAIMABLES_MAX: usize = 10_000;
const PAGE: usize = 200;

/// An account at a ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// What it held; `None` if there was none.
    pub account: Option<Account>,
    /// When: at the end of this ledger.
    pub ledger: u32,
}

impl Snapshot {
    /// The last place, as movements and fees have it, that is in these balances.
    pub fn cursor(&self) -> u64 {
        before_ledger(self.ledger.saturating_add(1)).saturating_sub(1)
    }
}

impl Horizon {
    /// The account as most of the servers have it, at the earliest of their ledgers: it did not change between these.
    ///
    /// Errors: [`HorizonError::NoAnswer`]; [`HorizonError::Disagreement`] while some of them lag behind a change.
    pub async fn snapshot(&self, key: &[u8; 32]) -> Result<Snapshot, HorizonError> {
        let asked = self
            .endpoints
            .ask_all(async |endpoint| self.snapshot_at(endpoint, key).await);
        let (who, said) = Self::answered(asked.await)?;
        let accounts: Vec<&Option<Account>> = said.iter().map(|one| &one.account).collect();
        let Some(agreed) = majority(&accounts, self.least()) else {
            let shown = said.iter().zip(&who);
            return Err(HorizonError::Disagreement {
                what: format!("the account {}", treasury_protocol::stellar::address(key)),
                answers: shown.map(|(one, who)| describe(one, who)).collect(),
            });
        };
        let agreeing = said.iter().filter(|one| one.account == **agreed);
        let ledger = agreeing.map(|one| one.ledger).min().unwrap_or_default();
        Ok(Snapshot {
            account: (*agreed).clone(),
            ledger,
        })
    }

    pub(super) async fn snapshot_at(
        &self,
        endpoint: &Endpoint,
        key: &[u8; 32],
    ) -> Result<Snapshot, Fault> {
        self.verify(endpoint).await?;
        let path = format!("accounts/{}", treasury_protocol::stellar::address(key));
        let told = request::get::<AccountRecord>(&self.endpoints, endpoint, &path, &[]).await?;
        Ok(Snapshot {
            account: told.body.map(|record| record.read(key)).transpose()?,
            ledger: state_ledger(told.state_ledger)?,
        })
    }

    /// A claimable balance that was made in the ledger `made_in`, as most of the servers have it; `None` if it was claimed since.
    ///
    /// A server that has not reached that ledger is not heard: it would take what is not made yet for claimed.
    ///
    /// Errors: [`HorizonError::NoAnswer`], [`HorizonError::Disagreement`] while some of them lag behind a claim.
    pub async fn claimable(
        &self,
        id: &[u8; 32],
        made_in: u32,
    ) -> Result<Option<Claimable>, HorizonError> {
        let path = format!("claimable_balances/{}", claimable_text(id));
        let asked = self.endpoints.ask_all(async |endpoint| {
            self.verify(endpoint).await?;
            let told =
                request::get::<ClaimableRecord>(&self.endpoints, endpoint, &path, &[]).await?;
            let at = state_ledger(told.state_ledger)?;
            if at < made_in {
                let (at, needed) = (at.into(), made_in.into());
                return Err(Fault::Behind { at, needed });
            }
            let balance = told.body.map(|record| record.read()).transpose()?;
            match balance {
                Some(other) if other.id != *id => {
                    let what = "another claimable balance was asked for than";
                    Err(text::malformed(what, &hex::encode(other.id)))
                }
                balance => Ok(balance),
            }
        });
        let (_, said) = Self::answered(asked.await)?;
        let agreed = majority(&said, self.least()).cloned();
        agreed.ok_or_else(|| HorizonError::Disagreement {
            what: format!("the claimable balance {}", hex::encode(id)),
            answers: said.iter().map(|one| format!("{one:?}")).collect(),
        })
    }

    /// What `claimant` may claim now or later, as the first server that answers has it, oldest first.
    ///
    /// Errors: [`HorizonError::NoAnswer`].
    pub async fn claimables(&self, claimant: &[u8; 32]) -> Result<Vec<Claimable>, HorizonError> {
        let asked = self
            .endpoints
            .ask_first(async |endpoint| self.claimables_at(endpoint, claimant).await);
        Self::first(asked.await)
    }

    async fn claimables_at(
        &self,
        endpoint: &Endpoint,
        claimant: &[u8; 32],
    ) -> Result<Vec<Claimable>, Fault> {
        self.verify(endpoint).await?;
        let claimant = treasury_protocol::stellar::address(claimant);
        let limit = PAGE.to_string();
        let (mut cursor, mut all) = (String::new(), Vec::new());
        while all.len() < CLAIMABLES_MAX {
            let query = [
                ("claimant", &*claimant),
                ("limit", &limit),
                ("order", "asc"),
                ("cursor", &cursor),
            ];
            let told: Told<Option<Collection<ClaimableRecord>>> =
                request::get(&self.endpoints, endpoint, "claimable_balances", &query).await?;
            let page = told.body.map(Collection::records).unwrap_or_default();
            let Some(last) = page.last() else {
                break;
            };
            cursor = last.paging_token.clone();
            for record in &page {
                all.push(record.read()?);
            }
            if page.len() < PAGE {
                break;
            }
        }
        Ok(all)
    }
}

fn describe(snapshot: &Snapshot, endpoint: &Endpoint) -> String {
    let Snapshot { account, ledger } = snapshot;
    let name = endpoint.name();
    let Some(account) = account else {
        return format!("{name} at ledger {ledger}: none");
    };
    let held = account.balances.iter().map(|one| {
        let asset = super::asset_text(&one.asset);
        format!("{} units of {asset}", one.units)
    });
    let held: Vec<String> = held.collect();
    let (sequence, held) = (account.sequence, held.join(", "));
    format!("{name} at ledger {ledger}: sequence {sequence}, {held}")
}
