//! What shares a store: the state, the tree over it, and rows that no tree covers.

use std::sync::Arc;

use super::kv::{KeyValue, Row, StoreFault};

/// A part of a store. Every row of it starts with one byte that names the part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Region {
    /// What the state root covers: every row has a proof.
    State,
    /// The nodes of the tree over the state.
    Tree,
    /// What a node keeps beside the state, such as receipts, which checkpoints cover in their own way.
    Local,
}

impl Region {
    /// The byte in front of the region's keys.
    pub const fn prefix(self) -> u8 {
        match self {
            Region::State => b's',
            Region::Tree => b't',
            Region::Local => b'l',
        }
    }

    /// The key in the store of the region's row `key`.
    pub fn key(self, key: &[u8]) -> Vec<u8> {
        let mut whole = Vec::with_capacity(1 + key.len());
        whole.push(self.prefix());
        whole.extend_from_slice(key);
        whole
    }
}

/// One region of a store, under the keys without their prefix.
#[derive(Clone)]
pub struct RegionView {
    store: Arc<dyn KeyValue>,
    region: Region,
}

impl RegionView {
    /// The rows of `region` in `store`.
    pub fn new(store: Arc<dyn KeyValue>, region: Region) -> Self {
        Self { store, region }
    }
}

impl KeyValue for RegionView {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreFault> {
        self.store.get(&self.region.key(key))
    }

    fn scan(
        &self,
        from: &[u8],
        to: Option<&[u8]>,
        limit: usize,
        reverse: bool,
    ) -> Result<Vec<Row>, StoreFault> {
        scan_region(&*self.store, self.region, from, to, limit, reverse)
    }
}

/// Scans one region of a store; the keys come without their prefix.
pub(super) fn scan_region(
    store: &dyn KeyValue,
    region: Region,
    from: &[u8],
    to: Option<&[u8]>,
    limit: usize,
    reverse: bool,
) -> Result<Vec<Row>, StoreFault> {
    let end = to.map_or_else(|| vec![region.prefix() + 1], |to| region.key(to));
    let mut rows = store.scan(&region.key(from), Some(&end), limit, reverse)?;
    for (key, _) in &mut rows {
        key.remove(0);
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::super::kv::Memory;
    use super::*;

    #[test]
    fn a_region_shows_its_own_rows_only() {
        let mut store = Memory::new();
        let write = |key: &str| (key.as_bytes().to_vec(), Some(key.as_bytes().to_vec()));
        store.write(["h", "la", "s", "sa", "sb", "s\u{7f}", "ta"].map(write));
        let state = RegionView::new(Arc::new(store), Region::State);

        assert_eq!(state.get(b"a").unwrap(), Some(b"sa".to_vec()));
        assert_eq!(state.get(b"").unwrap(), Some(b"s".to_vec()));
        assert_eq!(state.get(b"h").unwrap(), None);
        let keys = |from: &[u8], to: Option<&[u8]>, reverse| -> Vec<Vec<u8>> {
            state
                .scan(from, to, 9, reverse)
                .unwrap()
                .into_iter()
                .map(|(key, _)| key)
                .collect()
        };
        assert_eq!(keys(b"", None, false), [&b""[..], b"a", b"b", b"\x7f"]);
        assert_eq!(keys(b"a", Some(b"b"), false), [b"a"]);
        assert_eq!(keys(b"a", None, true), [b"\x7f", b"b", b"a"]);
    }
}
