//! The outbox: what the circle wants done in the world, held until every active guardian concluded the same.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::gate::{self, Unanimous};
use crate::receipt::{Effect, Receipt};
use crate::state::{KeyValue, Overlay, StoreFault};
use crate::table::Table;

/// An effect in the outbox.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Entry {
    /// The height whose checkpoint has to be unanimous.
    pub height: u64,
    /// Its position among the effects of that height.
    pub index: u32,
    /// What is to be done.
    pub effect: Effect,
    /// The height of the block that released it.
    pub released: Option<u64>,
}

const HELD: Table<Entry> = Table::new(b"kh", "a held effect");
const RELEASED: Table<Entry> = Table::new(b"ku", "a released effect");

/// Puts the effects of a block into the outbox.
pub(crate) fn put(rows: &mut Overlay, height: u64, receipts: &[Receipt]) {
    let effects = receipts.iter().flat_map(|receipt| &receipt.effects);
    for (index, effect) in effects.enumerate() {
        let index = index as u32;
        HELD.put(
            rows,
            (height, index),
            &Entry {
                height,
                index,
                effect: effect.clone(),
                released: None,
            },
        );
    }
}

/// Takes out of hold what became unanimous, in the order of height and index.
pub(crate) fn release(rows: &mut Overlay, now: u64) -> Result<Vec<Unanimous<Entry>>, StoreFault> {
    let mut released = Vec::new();
    for entry in held(rows)? {
        let Some(entry) = gate::pass(rows, entry.height, entry)? else {
            break;
        };
        let key = (entry.height, entry.index);
        HELD.delete(rows, key);
        RELEASED.put(
            rows,
            key,
            &Entry {
                released: Some(now),
                ..Entry::clone(&entry)
            },
        );
        released.push(entry);
    }
    Ok(released)
}

/// What waits for unanimity, in order.
pub fn held(rows: &(impl KeyValue + ?Sized)) -> Result<Vec<Entry>, StoreFault> {
    HELD.values(rows, ())
}

/// What was released, in order.
pub fn released(rows: &(impl KeyValue + ?Sized)) -> Result<Vec<Entry>, StoreFault> {
    RELEASED.values(rows, ())
}
