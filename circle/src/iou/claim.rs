//! Single IOUs: finding one, keeping it out of the roll-up while it is in dispute, and what one consumer owes.

use threescript::value::AssetCode;

use super::book::{self, ENTRIES, Entry, State, Unpaid};
use super::open::{self, Cursor};
use crate::accounts;
use crate::digest::Hash;
use crate::rejection::{Failure, Rejection};
use crate::state::{KeyValue, Overlay, StoreFault};

/// One IOU of the book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The farmer's account.
    pub farmer: String,
    /// The consumer's account.
    pub consumer: String,
    /// End of its window, Unix seconds.
    pub to: i64,
    /// When it was taken into the book, Unix seconds.
    pub admitted: i64,
    /// The asset.
    pub asset: AssetCode,
    /// In minor units.
    pub amount: i64,
    /// Where it is.
    pub state: State,
}

/// The IOU with this id, if the circle has it.
pub fn find(rows: &dyn KeyValue, id: &Hash) -> Result<Option<Claim>, StoreFault> {
    let Some(entry) = ENTRIES.get(rows, id)? else {
        return Ok(None);
    };
    Ok(Some(Claim {
        farmer: accounts::by_number(rows, entry.farmer)?.name,
        consumer: accounts::by_number(rows, entry.consumer)?.name,
        to: entry.to,
        admitted: entry.admitted,
        asset: entry.asset,
        amount: entry.amount,
        state: entry.state,
    }))
}

/// Takes an open IOU out of the roll-up.
pub fn hold(rows: &mut Overlay, id: &Hash) -> Result<(), Failure> {
    let entry = take(rows, id, State::Open)?;
    open::delete(rows, id, &entry);
    put(rows, id, entry, State::Held, |owed, units| {
        owed.open -= units;
        owed.held += units;
    })
}

/// Lets a held IOU take part in the roll-up again.
pub fn release(rows: &mut Overlay, id: &Hash) -> Result<(), Failure> {
    let entry = take(rows, id, State::Held)?;
    open::put(rows, id, &entry);
    put(rows, id, entry, State::Open, |owed, units| {
        owed.held -= units;
        owed.open += units;
    })
}

/// Cancels a held IOU for good. Its window stays taken, so that nobody hands the same claim in again.
pub fn cancel(rows: &mut Overlay, id: &Hash) -> Result<(), Failure> {
    let entry = take(rows, id, State::Held)?;
    put(rows, id, entry, State::Cancelled, |owed, units| {
        owed.held -= units
    })
}

fn take(rows: &Overlay, id: &Hash, wanted: State) -> Result<Entry, Failure> {
    let entry = ENTRIES.get(rows, id)?.ok_or_else(|| {
        Rejection::new(
            "iou.unknown",
            format!("the circle has no IOU {}", hex::encode(id)),
        )
    })?;
    if entry.state != wanted {
        let message = format!(
            "the IOU {} is {}, not {}; nothing was changed",
            hex::encode(id),
            entry.state.name(),
            wanted.name()
        );
        return Err(Rejection::new("iou.state", message).into());
    }
    Ok(entry)
}

fn put(
    rows: &mut Overlay,
    id: &Hash,
    entry: Entry,
    state: State,
    change: impl FnOnce(&mut Unpaid, i128),
) -> Result<(), Failure> {
    let units = i128::from(entry.amount);
    book::change_unpaid(rows, entry.consumer, &entry.asset, |owed| {
        change(owed, units)
    })?;
    ENTRIES.put(rows, id, &Entry { state, ..entry });
    Ok(())
}

/// What a consumer owes in one asset.
pub fn unpaid(rows: &dyn KeyValue, consumer: &str, asset: &AssetCode) -> Result<Unpaid, Failure> {
    let consumer = accounts::by_name(rows, consumer)?.ok_or_else(|| unknown(consumer))?;
    Ok(book::unpaid(rows, consumer.number, asset)?)
}

/// A consumer with open IOUs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Oldest {
    /// The consumer's account.
    pub consumer: String,
    /// The end of its oldest open window, Unix seconds.
    pub to: i64,
}

/// The next consumers with open IOUs in the order of their registration, at most `most`, after the account `after`; from
/// the first on if that is empty.
pub fn oldest(rows: &dyn KeyValue, after: &str, most: usize) -> Result<Vec<Oldest>, Failure> {
    let mut number = number_after(rows, after)?;
    let mut found: Vec<Oldest> = Vec::new();
    while found.len() < most {
        let Some(first) = next_debt(rows, Cursor::from_consumer(number))? else {
            break;
        };
        let own = first.consumer;
        found.push(Oldest {
            consumer: accounts::by_number(rows, own)?.name,
            to: oldest_in_any(rows, own)?.unwrap_or(first.to),
        });
        let Some(after) = own.checked_add(1) else {
            break;
        };
        number = after;
    }
    Ok(found)
}

/// The end of a consumer's oldest open window, Unix seconds, if it has open IOUs.
pub fn oldest_of(rows: &dyn KeyValue, consumer: &str) -> Result<Option<i64>, Failure> {
    let consumer = accounts::by_name(rows, consumer)?.ok_or_else(|| unknown(consumer))?;
    Ok(oldest_in_any(rows, consumer.number)?)
}

/// The oldest of the first windows in each asset.
fn oldest_in_any(rows: &dyn KeyValue, consumer: u32) -> Result<Option<i64>, StoreFault> {
    let mut cursor = Cursor::of_consumer(consumer);
    let mut oldest: Option<i64> = None;
    while let Some((_, entry)) = cursor.next_of(rows, 1)? {
        oldest = Some(oldest.map_or(entry.to, |oldest| oldest.min(entry.to)));
        cursor.pass_debt(&entry);
    }
    Ok(oldest)
}

fn next_debt(rows: &dyn KeyValue, mut cursor: Cursor) -> Result<Option<Entry>, StoreFault> {
    Ok(cursor.next_of(rows, 1)?.map(|(_, entry)| entry))
}

/// The number behind that of an account; 0 for no account. Errors: `account.unknown`.
pub(super) fn number_after(rows: &dyn KeyValue, after: &str) -> Result<u32, Failure> {
    match after {
        "" => Ok(0),
        name => {
            let account = accounts::by_name(rows, name)?.ok_or_else(|| unknown(name))?;
            // The last account that there can be has none behind it.
            Ok(account.number.saturating_add(1))
        }
    }
}

fn unknown(name: &str) -> Rejection {
    Rejection::new("account.unknown", format!("there is no account {name}"))
}
