//! What became of everything that ran in a block.

use borsh::{BorshDeserialize, BorshSerialize};
use threescript::value::Value;

use crate::digest::{Hash, digest};
use crate::state::{Change, KeyValue, Overlay, StoreFault};
use crate::table::Table;

/// What ran.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Source {
    /// An ordered transaction.
    Transaction {
        /// Its id; for bytes that are no transaction, their digest.
        id: Hash,
        /// `actor.action` of each of its actions.
        actions: Vec<String>,
        /// The account that sent it, if it was authenticated.
        sender: Option<String>,
    },
    /// A schedule of a policy that was due.
    Schedule {
        /// The policy.
        policy: String,
        /// The schedule.
        name: String,
    },
    /// A wallet that is to be signed for by the guardians of now.
    Following {
        /// The wallet.
        wallet: String,
    },
}

/// Something that a policy or the kernel made known.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Event {
    /// The actor that emitted it.
    pub actor: String,
    /// Its name.
    pub name: String,
    /// What it says.
    pub data: Value,
}

impl Event {
    /// An event of the kernel.
    pub(crate) fn of<const N: usize>(actor: &str, name: &str, data: [(&str, Value); N]) -> Self {
        let data = data.into_iter();
        Self {
            actor: actor.into(),
            name: name.into(),
            data: Value::Map(data.map(|(key, value)| (key.to_owned(), value)).collect()),
        }
    }
}

/// Something that the circle wants done in the world, as it stands in the outbox.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Effect {
    /// The actor of the `!!!` action.
    pub actor: String,
    /// The name of the `!!!` action.
    pub name: String,
    /// Its parameters.
    pub data: Value,
}

/// Where in a policy file an error arose.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Place {
    /// The policy file.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1.
    pub column: u32,
}

/// The result of one transaction or schedule.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Receipt {
    /// What ran.
    pub source: Source,
    /// `ok`, or the stable code of the refusal.
    pub code: String,
    /// For people; empty if `ok`.
    pub message: String,
    /// Where in a policy it failed.
    pub place: Option<Place>,
    /// The hashes of the policies that ran, in order.
    pub policies: Vec<Hash>,
    /// In order.
    pub events: Vec<Event>,
    /// In order.
    pub effects: Vec<Effect>,
    /// Digest of the rows that were written and stand.
    pub writes: Hash,
}

impl Receipt {
    /// Whether it took effect.
    pub fn is_ok(&self) -> bool {
        self.code == OK
    }

    /// What goes into the outcome root: everything but the texts for people and the place of an error.
    pub fn outcome(&self) -> Hash {
        let Self {
            source,
            code,
            policies,
            events,
            effects,
            writes,
            ..
        } = self;
        digest(
            "guardian-circle/v1/outcome",
            &(source, code, policies, events, effects, writes),
        )
    }
}

/// The code of success.
pub const OK: &str = "ok";

/// The digest of a set of writes.
pub(crate) fn writes_digest(changes: &[Change]) -> Hash {
    digest("guardian-circle/v1/writes", &changes.to_vec())
}

// Beside the tree: the outcome root commits to what they say.
const RECEIPTS: Table<Receipt> = Table::new(b"nr", "a receipt");
const BY_TRANSACTION: Table<(u64, u32)> = Table::new(b"nt", "the place of a transaction");

/// Keeps the receipts of a block.
pub(crate) fn keep(rows: &mut Overlay, height: u64, receipts: &[Receipt]) {
    for (index, receipt) in receipts.iter().enumerate() {
        let index = index as u32;
        RECEIPTS.put(rows, (height, index), receipt);
        if let Source::Transaction { id, .. } = &receipt.source {
            BY_TRANSACTION.put(rows, id, &(height, index));
        }
    }
}

/// The receipts of a block.
pub fn of_height(rows: &(impl KeyValue + ?Sized), height: u64) -> Result<Vec<Receipt>, StoreFault> {
    RECEIPTS.values(rows, height)
}

/// The height and the receipt of a transaction.
pub fn of_transaction(
    rows: &(impl KeyValue + ?Sized),
    id: &Hash,
) -> Result<Option<(u64, Receipt)>, StoreFault> {
    let Some((height, index)) = BY_TRANSACTION.get(rows, id)? else {
        return Ok(None);
    };
    Ok(RECEIPTS
        .get(rows, (height, index))?
        .map(|receipt| (height, receipt)))
}
