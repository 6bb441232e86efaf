//! The open IOUs, in the order in which their consumers are debited.

use borsh::{BorshDeserialize, BorshSerialize};
use threescript::value::AssetCode;

use super::book::{Entry, State};
use crate::digest::Hash;
use crate::state::{KeyValue, Overlay, StoreFault, prefix_end};
use crate::table::Table;

/// What a roll-up has to know of an open IOU, so that it need not read the entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
struct Open {
    farmer: u32,
    admitted: i64,
    amount: i64,
}

// ((consumer, asset), end of window, id)
const OPEN: Table<Open> = Table::new(b"kj", "an open IOU");

/// How many rows are read at once.
const BATCH: usize = 256;

/// Adds an open IOU.
pub(super) fn put(rows: &mut Overlay, id: &Hash, entry: &Entry) {
    let open = Open {
        farmer: entry.farmer,
        admitted: entry.admitted,
        amount: entry.amount,
    };
    OPEN.put(rows, key(entry, id), &open);
}

/// Removes one.
pub(super) fn delete(rows: &mut Overlay, id: &Hash, entry: &Entry) {
    OPEN.delete(rows, key(entry, id));
}

fn key<'a>(entry: &'a Entry, id: &'a Hash) -> ((u32, &'a str), i64, &'a Hash) {
    ((entry.consumer, entry.asset.as_str()), entry.to, id)
}

/// Goes through open IOUs by consumer, asset, end of window and id.
pub(super) struct Cursor {
    from: Vec<u8>,
    end: Option<Vec<u8>>,
    batch: std::vec::IntoIter<(Vec<u8>, Vec<u8>)>,
    /// Whether the batch is the last one.
    is_last: bool,
}

impl Cursor {
    /// From the first open IOU of a consumer with this number or a higher one.
    pub fn from_consumer(number: u32) -> Self {
        Self::within(OPEN.key(number), OPEN.key(()))
    }

    /// The open IOUs of one consumer.
    pub fn of_consumer(number: u32) -> Self {
        Self::within(OPEN.key(number), OPEN.key(number))
    }

    /// The open IOUs of one consumer in one asset.
    pub fn of_debt(consumer: u32, asset: &AssetCode) -> Self {
        let own = OPEN.key((consumer, asset.as_str()));
        Self::within(own.clone(), own)
    }

    fn within(from: Vec<u8>, prefix: Vec<u8>) -> Self {
        Self {
            from,
            end: prefix_end(&prefix),
            batch: Vec::new().into_iter(),
            is_last: false,
        }
    }

    /// The next one. Rows may be written in between.
    pub fn next(
        &mut self,
        rows: &(impl KeyValue + ?Sized),
    ) -> Result<Option<(Hash, Entry)>, StoreFault> {
        self.next_of(rows, BATCH)
    }

    /// The next one, when few more are wanted.
    pub fn next_of(
        &mut self,
        rows: &(impl KeyValue + ?Sized),
        batch: usize,
    ) -> Result<Option<(Hash, Entry)>, StoreFault> {
        if self.batch.len() == 0 {
            if self.is_last {
                return Ok(None);
            }
            let found = rows.scan(&self.from, self.end.as_deref(), batch, false)?;
            self.is_last = found.len() < batch;
            if let Some((last, _)) = found.last() {
                self.from = last.clone();
                self.from.push(0);
            }
            self.batch = found.into_iter();
        }
        let next = self.batch.next();
        next.map(|(key, value)| read(&key, &value)).transpose()
    }

    /// Passes what else the consumer of this entry owes in its asset. What is read already is passed one by one.
    pub fn pass_debt(&mut self, entry: &Entry) {
        if self.batch.len() > 0 {
            return;
        }
        let own = OPEN.key((entry.consumer, entry.asset.as_str()));
        match prefix_end(&own) {
            Some(after) => self.from = self.from.clone().max(after),
            None => self.is_last = true,
        }
    }
}

/// The entry as it stands in the book.
fn read(key: &[u8], value: &[u8]) -> Result<(Hash, Entry), StoreFault> {
    let parts = || {
        let (consumer, rest) = key.get(2..)?.split_first_chunk()?;
        let (rest, id) = rest.split_last_chunk::<32>()?;
        let (asset, to) = rest.split_last_chunk::<8>()?;
        let asset = std::str::from_utf8(asset.strip_suffix(&[0])?).ok()?;
        let asset = AssetCode::new(asset).ok()?;
        // As `RowKey` writes an i64.
        let to = (u64::from_be_bytes(*to) ^ 1 << 63) as i64;
        Some((u32::from_be_bytes(*consumer), asset, to, *id))
    };
    let (consumer, asset, to, id) = parts().ok_or_else(|| StoreFault::Corrupt {
        what: "an open IOU",
        reason: "its key names no IOU".into(),
    })?;
    let open = OPEN.decode(value)?;
    let entry = Entry {
        farmer: open.farmer,
        consumer,
        to,
        admitted: open.admitted,
        asset,
        amount: open.amount,
        state: State::Open,
    };
    Ok((id, entry))
}
