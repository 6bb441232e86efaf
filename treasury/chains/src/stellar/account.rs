//! Accounts and claimable balances: the state of a ledger.

use serde::Deserialize;
use treasury_protocol::stellar::multisig::Owners;
use treasury_protocol::stellar::{Asset, address};

use super::text;
use crate::endpoints::Fault;

/// An account as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its master key.
    pub key: [u8; 32],
    /// The sequence number that it used last; a transaction takes the next one.
    pub sequence: i64,
    /// The ledger in which that was; `None` if it never used one.
    pub sequence_ledger: Option<u32>,
    /// The ledger in which it, its signers or its thresholds changed last.
    pub changed_ledger: u32,
    /// What it holds. Shares of liquidity pools are left out.
    pub balances: Vec<Balance>,
    /// Who signs for it, the master key included; one with weight 0 does not count.
    pub signers: Vec<Signer>,
    /// The weight that operations need.
    pub thresholds: Thresholds,
    /// Entries that raise its reserve.
    pub subentries: u32,
}

/// What an account holds of one asset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balance {
    /// Of what.
    pub asset: Asset,
    /// How much, in units of 10^-7.
    pub units: i64,
    /// The most that it may hold, in units of 10^-7; `None` for the native asset, which has no limit.
    pub limit_units: Option<i64>,
    /// Whether its issuer lets it be received and sent.
    pub is_authorized: bool,
}

/// A key that signs for an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    /// As Horizon writes it: `G…` for a key, `T…` for a transaction agreed on beforehand, `X…` for a preimage.
    pub key: String,
    /// What its signature counts.
    pub weight: u8,
}

/// The weight that operations of each importance need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// Letting others use a trustline, bumping a sequence.
    pub low: u8,
    /// Payments.
    pub medium: u8,
    /// Signers and thresholds themselves, merging.
    pub high: u8,
}

impl Account {
    /// What it holds of `asset`; `None` if it does not trust it.
    pub fn balance(&self, asset: &Asset) -> Option<&Balance> {
        self.balances.iter().find(|one| one.asset == *asset)
    }

    /// Whether `units` (10^-7) of `asset` could be paid to it now: it trusts the asset, its issuer lets it, and there is room.
    pub fn receives(&self, asset: &Asset, units: i64) -> bool {
        // What comes back to its issuer is gone, for which there is always room.
        if matches!(asset, Asset::Issued { issuer, .. } if *issuer == self.key) {
            return true;
        }
        let Some(balance) = self.balance(asset) else {
            return false;
        };
        let limit = balance.limit_units.unwrap_or(i64::MAX);
        let sum = balance.units.checked_add(units);
        balance.is_authorized && sum.is_some_and(|sum| sum <= limit)
    }
}

impl Account {
    /// In what this account, as it was at `ledger`, differs from a new one that these owners can use and nobody else can; nothing if
    /// it does not. For people.
    ///
    /// More than signers is looked at: offers and trustlines are left from a life before, and a sequence number that was moved far
    /// ahead would leave the owners a few transactions, or none.
    pub fn differences(&self, owners: &Owners, ledger: u32) -> Vec<String> {
        let mut found = Vec::new();
        let wanted: Vec<String> = owners.keys().iter().map(address).collect();
        let own = address(&self.key);
        for Signer { key, weight } in &self.signers {
            match (wanted.contains(key), weight) {
                (true, 1) | (false, 0) => {}
                (true, _) => found.push(format!("the owner {key} weighs {weight} instead of 1")),
                (false, _) if *key == own => {
                    found.push(format!("its own key weighs {weight} instead of 0"));
                }
                (false, _) => found.push(format!("{key}, who is no owner, weighs {weight}")),
            }
        }
        let is_signer = |key: &String| self.signers.iter().any(|signer| signer.key == *key);
        let missing = wanted.iter().filter(|key| !is_signer(key));
        found.extend(missing.map(|key| format!("the owner {key} is no signer")));
        let Thresholds { low, medium, high } = self.thresholds;
        let needed = owners.threshold();
        if [low, medium, high] != [needed; 3] {
            found.push(format!(
                "its thresholds are {low}, {medium} and {high} instead of {needed}"
            ));
        }
        let entries = wanted.len() as u32;
        if found.is_empty() && self.subentries != entries {
            found.push(format!(
                "it has {} entries beside its {entries} signers: trustlines, offers or data of a life before",
                self.subentries.saturating_sub(entries)
            ));
        }
        if self.sequence >= (i64::from(ledger) + 1) << 32 {
            found.push(format!(
                "its sequence number was moved on to {}",
                self.sequence
            ));
        }
        found
    }
}

/// Something that certain accounts may claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimable {
    /// Its name.
    pub id: [u8; 32],
    /// What is claimed.
    pub asset: Asset,
    /// How much, in units of 10^-7.
    pub units: i64,
    /// Who may claim it, under conditions that are not shown here.
    pub claimants: Vec<[u8; 32]>,
    /// The ledger in which it changed last; nothing but its sponsor can.
    pub changed_ledger: u32,
}

#[derive(Debug, Deserialize)]
pub(super) struct AccountRecord {
    account_id: String,
    sequence: String,
    sequence_ledger: Option<u32>,
    last_modified_ledger: u32,
    subentry_count: u32,
    thresholds: ThresholdsRecord,
    balances: Vec<BalanceRecord>,
    signers: Vec<SignerRecord>,
}

#[derive(Debug, Deserialize)]
struct ThresholdsRecord {
    low_threshold: u8,
    med_threshold: u8,
    high_threshold: u8,
}

#[derive(Debug, Deserialize)]
struct BalanceRecord {
    balance: String,
    limit: Option<String>,
    #[serde(flatten)]
    asset: AssetRecord,
    is_authorized: Option<bool>,
}

#[derive(Debug, Deserialize)]
struct SignerRecord {
    key: String,
    weight: u8,
}

/// The fields that name an asset.
#[derive(Debug, Deserialize)]
pub(super) struct AssetRecord {
    pub asset_type: String,
    asset_code: Option<String>,
    asset_issuer: Option<String>,
}

impl AssetRecord {
    pub fn read(&self) -> Result<Asset, Fault> {
        match (&*self.asset_type, &self.asset_code, &self.asset_issuer) {
            ("native", _, _) => Ok(Asset::Native),
            (_, Some(code), Some(issuer)) => text::issued(code, issuer),
            (kind, _, _) => Err(text::malformed("this names no asset:", kind)),
        }
    }
}

impl AccountRecord {
    /// Errors: a record that cannot be read, or that is another account's.
    pub fn read(self, asked: &[u8; 32]) -> Result<Account, Fault> {
        let key = text::key(&self.account_id)?;
        if key != *asked {
            let what = "another account was asked for than";
            return Err(text::malformed(what, &self.account_id));
        }
        let held = self
            .balances
            .iter()
            .filter(|one| one.asset.asset_type != "liquidity_pool_shares");
        Ok(Account {
            key,
            sequence: text::number(&self.sequence)?,
            sequence_ledger: self.sequence_ledger.filter(|ledger| *ledger > 0),
            changed_ledger: self.last_modified_ledger,
            balances: held.map(BalanceRecord::read).collect::<Result<_, _>>()?,
            signers: self
                .signers
                .into_iter()
                .map(|one| Signer {
                    key: one.key,
                    weight: one.weight,
                })
                .collect(),
            thresholds: Thresholds {
                low: self.thresholds.low_threshold,
                medium: self.thresholds.med_threshold,
                high: self.thresholds.high_threshold,
            },
            subentries: self.subentry_count,
        })
    }
}

impl BalanceRecord {
    fn read(&self) -> Result<Balance, Fault> {
        let asset = self.asset.read()?;
        let is_native = asset == Asset::Native;
        Ok(Balance {
            asset,
            units: text::units(&self.balance)?,
            limit_units: self.limit.as_deref().map(text::units).transpose()?,
            is_authorized: self.is_authorized.unwrap_or(is_native),
        })
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct ClaimableRecord {
    id: String,
    asset: String,
    amount: String,
    last_modified_ledger: u32,
    claimants: Vec<ClaimantRecord>,
    pub paging_token: String,
}

#[derive(Debug, Deserialize)]
struct ClaimantRecord {
    destination: String,
}

/// How Horizon writes the id of a claimable balance: the kind of the id, 0, stands before the hash.
pub(super) fn claimable_text(id: &[u8; 32]) -> String {
    format!("00000000{}", hex::encode(id))
}

impl ClaimableRecord {
    pub fn read(&self) -> Result<Claimable, Fault> {
        let hash = self.id.strip_prefix("00000000");
        let hash =
            hash.ok_or_else(|| text::malformed("this is no id of a claimable balance:", &self.id))?;
        let claimants = self.claimants.iter();
        Ok(Claimable {
            id: text::hash(hash)?,
            asset: text::asset(&self.asset)?,
            units: text::units(&self.amount)?,
            claimants: claimants
                .map(|one| text::key(&one.destination))
                .collect::<Result<_, _>>()?,
            changed_ledger: self.last_modified_ledger,
        })
    }
}
