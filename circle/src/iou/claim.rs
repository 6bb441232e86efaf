//! Single IOUs: finding one, keeping it out of the roll-up while it is in dispute, and what one consumer owes.

use threescript::value::AssetCode;

use super::book::{self, ENTRIES, Entry, OPEN, State, Unpaid};
use crate::accounts;
use crate::digest::Hash;
use crate::rejection::{Failure, Rejection};
use crate::state::{KeyValue, Overlay, StoreFault, prefix_end};

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
    OPEN.delete(rows, (entry.consumer, entry.to, id));
    put(rows, id, entry, State::Held, |owed, units| {
        owed.open -= units;
        owed.held += units;
    })
}

/// Lets a held IOU take part in the roll-up again.
pub fn release(rows: &mut Overlay, id: &Hash) -> Result<(), Failure> {
    let entry = take(rows, id, State::Held)?;
    OPEN.put(rows, (entry.consumer, entry.to, id), &());
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
    let mut number = match after {
        "" => 0,
        name => {
            let account = accounts::by_name(rows, name)?.ok_or_else(|| unknown(name))?;
            account.number.saturating_add(1)
        }
    };
    let end = prefix_end(&OPEN.key(()));
    let mut found = Vec::new();
    while found.len() < most {
        // The first row of each consumer is its oldest; a seek skips the others.
        let Some(entry) = first_open(rows, &OPEN.key(number), end.as_deref())? else {
            break;
        };
        found.push(Oldest {
            consumer: accounts::by_number(rows, entry.consumer)?.name,
            to: entry.to,
        });
        let Some(after) = entry.consumer.checked_add(1) else {
            break;
        };
        number = after;
    }
    Ok(found)
}

/// The end of a consumer's oldest open window, Unix seconds, if it has open IOUs.
pub fn oldest_of(rows: &dyn KeyValue, consumer: &str) -> Result<Option<i64>, Failure> {
    let consumer = accounts::by_name(rows, consumer)?.ok_or_else(|| unknown(consumer))?;
    let own = OPEN.key(consumer.number);
    let entry = first_open(rows, &own, prefix_end(&own).as_deref())?;
    Ok(entry.map(|entry| entry.to))
}

fn first_open(
    rows: &dyn KeyValue,
    from: &[u8],
    end: Option<&[u8]>,
) -> Result<Option<Entry>, StoreFault> {
    let next = rows.scan(from, end, 1, false)?;
    let Some((key, _)) = next.first() else {
        return Ok(None);
    };
    let id = key.len().checked_sub(32).and_then(|at| key.get(at..));
    let id: Hash = id
        .and_then(|id| id.try_into().ok())
        .ok_or_else(|| corrupt("its key names no IOU"))?;
    let entry = ENTRIES
        .get(rows, id)?
        .ok_or_else(|| corrupt("its IOU is missing"))?;
    Ok(Some(entry))
}

fn corrupt(reason: &str) -> StoreFault {
    StoreFault::Corrupt {
        what: "an open IOU",
        reason: reason.into(),
    }
}

fn unknown(name: &str) -> Rejection {
    Rejection::new("account.unknown", format!("there is no account {name}"))
}
