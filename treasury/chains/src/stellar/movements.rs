//! What came into an account and went out of it, operation by operation, and the fees that it paid.
//!
//! # Where this is read
//! `/accounts/{id}/payments` is not enough: it leaves out claimable balances, made or claimed, and clawbacks, and says of a merge not how
//! much it brought. `/accounts/{id}/effects` has every credit and debit, but neither who paid nor the memo, so each would cost a request
//! more. `/accounts/{id}/operations?join=transactions` lists every operation in which the account takes part, with amount and memo of
//! nearly all; only for merges and claims are the effects of that one operation asked for as well.
//!
//! What no list of operations shows: trades against offers of the account, and what liquidity pools pay out when an issuer revokes a
//! trustline. A wallet of a circle makes no offers and joins no pools; if somebody makes it, [`super::Snapshot`] and the sum of the
//! movements fall apart, and that is seen. Fees are no operations; [`Horizon::fees`] lists them, of failed transactions too.
//!
//! # Why nothing is lost
//! Places (`paging_token`s) rise, and a server shows a list without gaps. So the cursor only ever moves to an entry that was seen, never to
//! "now": what a slow server does not show yet comes with a later page. A server whose history begins behind the cursor is not heard.

use std::fmt;

use treasury_protocol::stellar::{Asset, Destination, address};

use super::operation::{EffectRecord, OperationRecord};
use super::outcome::{TransactionRecord, before_ledger};
use super::request::{self, Collection, Told};
use super::{Horizon, HorizonError, text};
use crate::agreement::{Shown, agree_on_list};
use crate::endpoints::{Answer, Endpoint, Fault};

/// The most entries that are asked for at once.
pub const LIMIT_MAX: u16 = 200;

/// A part of a list that most of the servers agree on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// What is there, the oldest first.
    pub items: Vec<T>,
    /// The last place that was read. Ask from here the next time; as long as it moves there may be more at once.
    pub cursor: u64,
}

/// Which way money went, as the account sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// It came in.
    In,
    /// It went out.
    Out,
}

/// Money that one operation of a successful transaction moved into or out of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Movement {
    /// The operation: its place in the history of the network, which is its name as well.
    pub operation_id: u64,
    /// Which movement of that operation it is, from 0. There is a second one if an account pays itself in another asset, or in a call of a
    /// contract.
    pub part: u32,
    /// What kind of operation it was, as Horizon names it.
    pub kind: String,
    /// Which way it went.
    pub direction: Direction,
    /// Who sent it, `G…`, `M…` or `C…`; `None` where nobody did, as for a claimed balance.
    pub from: Option<String>,
    /// Who got it, `G…`, `M…` or `C…`; `None` where nobody did, as for a balance that waits to be claimed.
    pub to: Option<String>,
    /// Of what.
    pub asset: Asset,
    /// How much, in units of 10^-7.
    pub units: i64,
    /// The note on the transaction.
    pub memo: Option<Memo>,
    /// The hash of the transaction; of the fee bump, if it came in one.
    pub transaction_hash: [u8; 32],
    /// Its ledger.
    pub ledger: u32,
    /// When that was closed, in Unix seconds.
    pub closed_at_s: u64,
}

impl Movement {
    /// One text for this movement alone: the operation's id, and which part of it unless it is the first.
    pub fn name(&self) -> String {
        match self.part {
            0 => self.operation_id.to_string(),
            part => format!("{}-{part}", self.operation_id),
        }
    }

    /// Who within the account was meant, as senders to `M…` addresses say it.
    pub fn to_user(&self) -> Option<u64> {
        let to: Destination = self.to.as_deref()?.parse().ok()?;
        to.muxed
    }
}

/// A note on a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Memo {
    /// Text.
    Text(String),
    /// Bytes where a text belongs that are no UTF-8.
    Bytes(Vec<u8>),
    /// A number, as exchanges ask for.
    Id(u64),
    /// A digest.
    Hash([u8; 32]),
    /// The hash of a transaction that this one pays back.
    Return([u8; 32]),
}

impl fmt::Display for Memo {
    /// Text as it is, a number in decimal, the rest in hexadecimal.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => formatter.write_str(text),
            Self::Bytes(bytes) => formatter.write_str(&hex::encode(bytes)),
            Self::Id(id) => write!(formatter, "{id}"),
            Self::Hash(hash) | Self::Return(hash) => formatter.write_str(&hex::encode(hash)),
        }
    }
}

/// The fee of one transaction, failed or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fee {
    /// The hash of the transaction; of the fee bump, if it is one.
    pub transaction_hash: [u8; 32],
    /// Its ledger.
    pub ledger: u32,
    /// What was charged, in stroops (10^-7 XLM).
    pub fee_stroops: i64,
    /// Whether the transaction's operations took effect.
    pub succeeded: bool,
}

impl Horizon {
    /// What moved into and out of an account behind `cursor`, as most of the servers agree. At most `limit` (1 to [`LIMIT_MAX`])
    /// operations are looked at, whether they moved money or not.
    ///
    /// `cursor` is the one of the page before, or [`Horizon::cursor_before`] the ledger in which the account's story begins.
    /// An account's payments to itself in one asset are no movements, nor is what an issuer makes or takes back of its own asset.
    ///
    /// Errors: [`HorizonError::NoAnswer`].
    pub async fn movements(
        &self,
        account: &[u8; 32],
        cursor: u64,
        limit: u16,
    ) -> Result<Page<Movement>, HorizonError> {
        let asked = self
            .endpoints
            .ask_all(|endpoint| self.movements_at(endpoint, account, cursor, limit));
        self.agreed(cursor, "operation", asked.await)
    }

    /// The fees that an account paid behind `cursor`, for its own transactions and for those of others, failed ones too; as
    /// [`Horizon::movements`].
    ///
    /// Errors: [`HorizonError::NoAnswer`].
    pub async fn fees(
        &self,
        account: &[u8; 32],
        cursor: u64,
        limit: u16,
    ) -> Result<Page<Fee>, HorizonError> {
        let asked = self
            .endpoints
            .ask_all(|endpoint| self.fees_at(endpoint, account, cursor, limit));
        self.agreed(cursor, "fee of transaction", asked.await)
    }

    /// The cursor from which everything in `ledger` and later is read.
    pub fn cursor_before(ledger: u32) -> u64 {
        before_ledger(ledger).saturating_sub(1)
    }

    /// What most of the servers say of a list.
    fn agreed<T: Clone + PartialEq>(
        &self,
        cursor: u64,
        what: &str,
        answers: Vec<Answer<'_, Shown<Vec<T>>>>,
    ) -> Result<Page<T>, HorizonError> {
        let (who, said) = Self::answered(answers)?;
        let agreed = agree_on_list(&said, self.least());
        for (number, place) in agreed.contradictions {
            who[number].contradicted(format!("{what} {place} is not what most say"));
        }
        let cursor = agreed.entries.last().map_or(cursor, |(place, _)| *place);
        let items = agreed.entries.into_iter().flat_map(|(_, items)| items);
        Ok(Page {
            items: items.collect(),
            cursor,
        })
    }

    async fn movements_at(
        &self,
        endpoint: &Endpoint,
        account: &[u8; 32],
        cursor: u64,
        limit: u16,
    ) -> Result<Shown<Vec<Movement>>, Fault> {
        let name = address(account);
        let records: Vec<OperationRecord> = self
            .list(endpoint, &name, "operations", cursor, limit)
            .await?;
        let mut entries = Vec::with_capacity(records.len());
        for record in records {
            let place = text::number(&record.paging_token)?;
            let moved = self.moved(endpoint, &record, &name, place).await?;
            entries.push((place, moved));
        }
        Ok(Shown { entries })
    }

    async fn fees_at(
        &self,
        endpoint: &Endpoint,
        account: &[u8; 32],
        cursor: u64,
        limit: u16,
    ) -> Result<Shown<Vec<Fee>>, Fault> {
        let name = address(account);
        let records: Vec<TransactionRecord> = self
            .list(endpoint, &name, "transactions", cursor, limit)
            .await?;
        let mut entries = Vec::with_capacity(records.len());
        for record in records {
            let fee = Fee {
                transaction_hash: text::hash(&record.hash)?,
                ledger: record.ledger,
                fee_stroops: text::number(&record.fee_charged)?,
                succeeded: record.successful,
            };
            let is_paid = record.fee_account == name;
            let fees = is_paid.then_some(fee).into_iter().collect();
            entries.push((text::number(&record.paging_token)?, fees));
        }
        Ok(Shown { entries })
    }

    /// Whether a server's history goes back to what stands behind the cursor.
    async fn remembers(&self, endpoint: &Endpoint, cursor: u64) -> Result<(), Fault> {
        let root = self.root_of(endpoint).await?;
        let first = root.history_elder_ledger;
        // The first two ledgers of a network hold nothing; some servers begin with the second.
        match first <= 2 || before_ledger(first) <= cursor.saturating_add(1) {
            true => Ok(()),
            false => Err(Fault::Unfit {
                reason: format!(
                    "its history begins with ledger {first}, which is behind the place {cursor}; take a server with a longer history"
                ),
            }),
        }
    }

    async fn list<T: serde::de::DeserializeOwned + Placed>(
        &self,
        endpoint: &Endpoint,
        account: &str,
        list: &str,
        cursor: u64,
        limit: u16,
    ) -> Result<Vec<T>, Fault> {
        self.verify(endpoint).await?;
        let (text, limit) = (cursor.to_string(), limit.clamp(1, LIMIT_MAX).to_string());
        let mut query = vec![("cursor", &*text), ("order", "asc"), ("limit", &limit)];
        match list {
            "operations" => query.push(("join", "transactions")),
            _ => query.push(("include_failed", "true")),
        }
        let path = format!("accounts/{account}/{list}");
        let told: Told<Option<Collection<T>>> =
            request::get(&self.endpoints, endpoint, &path, &query).await?;
        let records = told.body.map(Collection::records).unwrap_or_default();
        let mut before = cursor;
        for record in &records {
            let place: u64 = text::number(record.place())?;
            if place <= before {
                let what = "a list goes back, or to and fro, at";
                return Err(text::malformed(what, record.place()));
            }
            before = place;
        }
        // After the list: what is forgotten by now may have been missing.
        self.remembers(endpoint, cursor).await?;
        Ok(records)
    }

    /// What an operation moved, as `me` sees it.
    async fn moved(
        &self,
        endpoint: &Endpoint,
        record: &OperationRecord,
        me: &str,
        place: u64,
    ) -> Result<Vec<Movement>, Fault> {
        let mut effects = Vec::new();
        if record.needs_effects(me) {
            let path = format!("operations/{place}/effects");
            let query = [("limit", "200"), ("order", "asc")];
            let told: Told<Option<Collection<EffectRecord>>> =
                request::get(&self.endpoints, endpoint, &path, &query).await?;
            effects = told.body.map(Collection::records).unwrap_or_default();
        }
        record.moved(&effects, me, place)
    }
}

/// What has a place in a list.
trait Placed {
    fn place(&self) -> &str;
}

impl Placed for OperationRecord {
    fn place(&self) -> &str {
        &self.paging_token
    }
}

impl Placed for TransactionRecord {
    fn place(&self) -> &str {
        &self.paging_token
    }
}
