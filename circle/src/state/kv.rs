//! Ordered rows of bytes, as they stood when a block was committed.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use super::overlay::Change;

/// A key and its value.
pub type Row = (Vec<u8>, Vec<u8>);

/// The rows of one moment, ordered by the bytes of their keys.
///
/// A view never changes while it is held. Every implementation answers the same question with the same rows in the
/// same order, whatever it is made of.
pub trait KeyValue: Send + Sync {
    /// The value under `key`, or `None` if there is no such row.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreFault>;

    /// The rows with `from <= key < to`, at most `limit` of them.
    ///
    /// `to` of `None` means: to the last row. `reverse` starts at the highest key and goes down. A range whose end is not
    /// above its start has no rows.
    fn scan(
        &self,
        from: &[u8],
        to: Option<&[u8]>,
        limit: usize,
        reverse: bool,
    ) -> Result<Vec<Row>, StoreFault>;
}

/// Why stored rows could not be read or written.
///
/// A fault is local to one node: it never becomes the result of a command, the node stops and says so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreFault {
    /// The medium failed.
    #[error(
        "the store failed to {operation}: {reason}; check the disk, then start again: the last committed block is kept"
    )]
    Unavailable {
        /// What was being done, as a verb phrase.
        operation: &'static str,
        /// What the medium said.
        reason: String,
    },
    /// What is stored cannot have been written by this program.
    #[error("the store is damaged, {what}: {reason}; rebuild this node from a certified snapshot")]
    Corrupt {
        /// Which record.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A batch does not follow the block that is committed.
    #[error("block {got} cannot be committed on block {committed}; commit block {} next", committed + 1)]
    OutOfOrder {
        /// The height of the last committed block, 0 for none.
        committed: u64,
        /// The height of the refused batch.
        got: u64,
    },
}

/// The end of the range of all keys that start with `prefix`; `None` if that range ends with the last row.
pub fn prefix_end(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

/// Rows in memory, for simulations and for nodes that keep nothing.
///
/// A clone is a view: cheap, and untouched by later writes. Writing while clones are held copies the rows once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    rows: Arc<BTreeMap<Vec<u8>, Vec<u8>>>,
}

impl Memory {
    /// No rows.
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes all `changes`.
    pub fn write(&mut self, changes: impl IntoIterator<Item = Change>) {
        let rows = Arc::make_mut(&mut self.rows);
        for (key, value) in changes {
            match value {
                Some(value) => rows.insert(key, value),
                None => rows.remove(&key),
            };
        }
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

impl KeyValue for Memory {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreFault> {
        Ok(self.rows.get(key).cloned())
    }

    fn scan(
        &self,
        from: &[u8],
        to: Option<&[u8]>,
        limit: usize,
        reverse: bool,
    ) -> Result<Vec<Row>, StoreFault> {
        let Some(range) = range(from, to) else {
            return Ok(Vec::new());
        };
        let rows = self.rows.range::<[u8], _>(range);
        let owned = |(key, value): (&Vec<u8>, &Vec<u8>)| (key.clone(), value.clone());
        Ok(match reverse {
            false => rows.take(limit).map(owned).collect(),
            true => rows.rev().take(limit).map(owned).collect(),
        })
    }
}

type Bounds<'a> = (Bound<&'a [u8]>, Bound<&'a [u8]>);

/// The bounds for a map's `range`, or `None` for an empty range (a map panics on an inverted one).
pub(super) fn range<'a>(from: &'a [u8], to: Option<&'a [u8]>) -> Option<Bounds<'a>> {
    match to {
        Some(to) if to <= from => None,
        Some(to) => Some((Bound::Included(from), Bound::Excluded(to))),
        None => Some((Bound::Included(from), Bound::Unbounded)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letters() -> Memory {
        let mut memory = Memory::new();
        memory.write(["a", "b", "c", "d"].map(|key| (key.into(), Some(key.to_uppercase().into()))));
        memory
    }

    #[test]
    fn a_scan_honours_its_bounds_limit_and_direction() {
        let cases: &[(&str, Option<&str>, usize, bool, &str)] = &[
            ("a", Some("c"), 9, false, "ab"),
            ("a", Some("c"), 9, true, "ba"),
            ("b", None, 2, false, "bc"),
            ("b", None, 2, true, "dc"),
            ("b", Some("b"), 9, false, ""),
            ("c", Some("a"), 9, true, ""),
            ("", None, 0, false, ""),
            ("bb", Some("cc"), 9, false, "c"),
            ("e", None, 9, true, ""),
        ];
        for (from, to, limit, reverse, expected) in cases {
            let rows = letters()
                .scan(from.as_bytes(), to.map(str::as_bytes), *limit, *reverse)
                .unwrap();
            let keys: Vec<u8> = rows.into_iter().flat_map(|(key, _)| key).collect();
            assert_eq!(
                String::from_utf8(keys).unwrap(),
                *expected,
                "{from} {to:?} {limit} {reverse}"
            );
        }
    }

    #[test]
    fn a_clone_is_a_view_that_later_writes_do_not_touch() {
        let mut memory = letters();
        let view = memory.clone();
        memory.write([
            (b"a".to_vec(), None),
            (b"b".to_vec(), Some(b"new".to_vec())),
        ]);
        assert_eq!(view, letters());
        assert_eq!(memory.get(b"a").unwrap(), None);
        assert_eq!(memory.get(b"b").unwrap(), Some(b"new".to_vec()));
    }

    #[test]
    fn the_end_of_a_prefix_is_the_first_key_above_it() {
        let cases: &[(&[u8], Option<&[u8]>)] = &[
            (b"", None),
            (&[255], None),
            (&[255, 255], None),
            (&[1], Some(&[2])),
            (&[1, 255], Some(&[2])),
            (&[1, 254, 255], Some(&[1, 255])),
        ];
        for (prefix, expected) in cases {
            assert_eq!(prefix_end(prefix).as_deref(), *expected, "{prefix:?}");
        }
    }
}
