//! Typed tables of the kernel over ordered rows of bytes.

use std::marker::PhantomData;

use borsh::{BorshDeserialize, BorshSerialize};

use crate::digest::{Hash, encode};
use crate::ids::Key;
use crate::state::{KeyValue, Overlay, StoreFault, prefix_end};

/// Writes a key so that the order of the bytes is the order of the values.
pub trait RowKey {
    /// Appends the bytes of this key.
    fn write(&self, out: &mut Vec<u8>);
}

impl RowKey for () {
    fn write(&self, _: &mut Vec<u8>) {}
}
impl RowKey for u32 {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.to_be_bytes());
    }
}
impl RowKey for u64 {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.to_be_bytes());
    }
}
impl RowKey for i64 {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend((*self as u64 ^ 1 << 63).to_be_bytes());
    }
}
impl RowKey for str {
    /// The text and a zero byte; names and codes hold none.
    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.as_bytes());
        out.push(0);
    }
}
impl RowKey for String {
    fn write(&self, out: &mut Vec<u8>) {
        self.as_str().write(out);
    }
}
impl RowKey for Hash {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self);
    }
}
impl RowKey for Key {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.0);
    }
}
impl<T: RowKey + ?Sized> RowKey for &T {
    fn write(&self, out: &mut Vec<u8>) {
        (**self).write(out);
    }
}
impl<A: RowKey, B: RowKey> RowKey for (A, B) {
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
        self.1.write(out);
    }
}
impl<A: RowKey, B: RowKey, C: RowKey> RowKey for (A, B, C) {
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
        self.1.write(out);
        self.2.write(out);
    }
}

/// A table: rows of `V` under keys that share a prefix.
pub struct Table<V> {
    prefix: &'static [u8],
    what: &'static str,
    value: PhantomData<fn() -> V>,
}

impl<V: BorshSerialize + BorshDeserialize> Table<V> {
    /// The table whose rows start with `prefix`. No prefix may be the beginning of another's.
    pub const fn new(prefix: &'static [u8], what: &'static str) -> Self {
        Self {
            prefix,
            what,
            value: PhantomData,
        }
    }

    /// What all its keys begin with.
    pub const fn prefix(&self) -> &'static [u8] {
        self.prefix
    }

    /// The stored key of the row `key`.
    pub fn key(&self, key: impl RowKey) -> Vec<u8> {
        let mut out = self.prefix.to_vec();
        key.write(&mut out);
        out
    }

    /// The row `key`, if there is one.
    pub fn get(
        &self,
        rows: &(impl KeyValue + ?Sized),
        key: impl RowKey,
    ) -> Result<Option<V>, StoreFault> {
        rows.get(&self.key(key))?
            .map(|value| self.decode(&value))
            .transpose()
    }

    /// Whether there is a row `key`.
    pub fn has(
        &self,
        rows: &(impl KeyValue + ?Sized),
        key: impl RowKey,
    ) -> Result<bool, StoreFault> {
        Ok(rows.get(&self.key(key))?.is_some())
    }

    /// Writes the row `key`.
    pub fn put(&self, rows: &mut Overlay, key: impl RowKey, value: &V) {
        rows.put(self.key(key), encode(value));
    }

    /// Deletes the row `key`.
    pub fn delete(&self, rows: &mut Overlay, key: impl RowKey) {
        rows.delete(self.key(key));
    }

    /// All rows whose keys start with `within`, in rising order, each with what follows `within` in its key.
    pub fn all(
        &self,
        rows: &(impl KeyValue + ?Sized),
        within: impl RowKey,
    ) -> Result<Vec<(Vec<u8>, V)>, StoreFault> {
        let prefix = self.key(within);
        let found = rows.scan(&prefix, prefix_end(&prefix).as_deref(), usize::MAX, false)?;
        found
            .into_iter()
            .map(|(key, value)| Ok((key[prefix.len()..].to_vec(), self.decode(&value)?)))
            .collect()
    }

    /// The values of all rows whose keys start with `within`, in rising order of their keys.
    pub fn values(
        &self,
        rows: &(impl KeyValue + ?Sized),
        within: impl RowKey,
    ) -> Result<Vec<V>, StoreFault> {
        Ok(self
            .all(rows, within)?
            .into_iter()
            .map(|(_, value)| value)
            .collect())
    }

    /// The value of the row with the highest key that starts with `within`.
    pub fn last(
        &self,
        rows: &(impl KeyValue + ?Sized),
        within: impl RowKey,
    ) -> Result<Option<V>, StoreFault> {
        let prefix = self.key(within);
        let found = rows.scan(&prefix, prefix_end(&prefix).as_deref(), 1, true)?;
        found
            .first()
            .map(|(_, value)| self.decode(value))
            .transpose()
    }

    /// Reads a value that this table stored.
    pub fn decode(&self, value: &[u8]) -> Result<V, StoreFault> {
        borsh::from_slice(value).map_err(|error| StoreFault::Corrupt {
            what: self.what,
            reason: error.to_string(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_keys_is_the_order_of_values() {
        let bytes = |key: &dyn Fn(&mut Vec<u8>)| {
            let mut out = Vec::new();
            key(&mut out);
            out
        };
        let integers = [i64::MIN, -1, 0, 1, i64::MAX].map(|value| bytes(&|out| value.write(out)));
        assert!(integers.is_sorted());
        let names = ["a", "a.b", "aa", "b"].map(|value| bytes(&|out| (value, 7u64).write(out)));
        assert!(names.is_sorted());
    }
}
