//! The rows of a store at one block.

use std::ops::Bound;

use circle::state::{Head, KeyValue, Row, StoreFault};
use fjall::{Database, Guard, Keyspace, Readable, Snapshot};

use super::error::fault;

/// The rows as one block left them. It costs nothing to hold but the disk space of what was overwritten since.
pub struct View {
    rows: Keyspace,
    snapshot: Snapshot,
    head: Head,
}

impl View {
    /// A view of the newest block. The caller keeps other writers away.
    pub(super) fn take(database: &Database, rows: &Keyspace) -> Result<Self, StoreFault> {
        let snapshot = database.snapshot();
        let mut view = Self {
            rows: rows.clone(),
            snapshot,
            head: Head {
                height: 0,
                state_root: [0; 32],
                checkpoint: [0; 32],
            },
        };
        view.head = Head::read(&view)?.ok_or_else(|| StoreFault::Corrupt {
            what: "the head record",
            reason: "there is none".into(),
        })?;
        Ok(view)
    }

    /// The block.
    pub fn head(&self) -> &Head {
        &self.head
    }
}

impl KeyValue for View {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreFault> {
        let value = self
            .snapshot
            .get(&self.rows, key)
            .map_err(|error| fault("read a row", error))?;
        Ok(value.map(|value| value.to_vec()))
    }

    fn scan(
        &self,
        from: &[u8],
        to: Option<&[u8]>,
        limit: usize,
        reverse: bool,
    ) -> Result<Vec<Row>, StoreFault> {
        if to.is_some_and(|to| to <= from) {
            return Ok(Vec::new());
        }
        let to = to.map_or(Bound::Unbounded, Bound::Excluded);
        let rows = self
            .snapshot
            .range::<&[u8], _>(&self.rows, (Bound::Included(from), to));
        let owned = |row: Guard| {
            let (key, value) = row
                .into_inner()
                .map_err(|error| fault("scan rows", error))?;
            Ok((key.to_vec(), value.to_vec()))
        };
        match reverse {
            false => rows.take(limit).map(owned).collect(),
            true => rows.rev().take(limit).map(owned).collect(),
        }
    }
}
