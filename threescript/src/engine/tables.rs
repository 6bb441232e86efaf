//! Reading and writing rows through the host, with their indexes.

use super::error::Raised;
use super::host::{Host, HostError};
use super::meter::Meter;
use super::row_view::{RowView, UNIT};
use super::rows::{
    TableMeta, check_complete, column, decode_row, encode_row, fill_row, fit_column, index_key,
    meta_key, row_key,
};
use crate::policy::declaration::TableDecl;
use crate::value::Value;
use borsh::BorshDeserialize;
use std::collections::BTreeMap;

/// What reading or writing one row or index entry costs, besides one operation per 64 bytes.
pub(crate) const ROW_COST: u64 = 8;

/// What a written row takes in memory until its block is done, besides its key and value.
const PENDING_BYTES: u64 = 128;
/// How many bytes of written rows an operation pays for.
const HELD_BYTES_PER_OPERATION: u64 = 4;

/// A table in the hands of one run.
pub(crate) struct Table<'a> {
    pub decl: &'a TableDecl,
    pub host: &'a mut dyn Host,
    pub meter: &'a Meter,
    pub writes: &'a mut Writes,
}

/// The rows that a run wrote or deleted.
#[derive(Debug)]
pub(crate) struct Writes {
    pub used: u32,
    limit: u32,
}

impl Writes {
    pub fn new(limit: u32) -> Self {
        Self { used: 0, limit }
    }

    fn count(&mut self) -> Result<(), Raised> {
        if self.used == self.limit {
            let message = format!("the run wrote more than {} rows", self.limit);
            return Err(Raised::new("limit.writes", message, "do less at a time"));
        }
        self.used += 1;
        Ok(())
    }
}

impl From<HostError> for Raised {
    fn from(error: HostError) -> Self {
        match error {
            HostError::Rejected { code, message } => Raised::new(&code, message, ""),
            HostError::Fault(message) => Raised::fault(message),
        }
    }
}

impl Table<'_> {
    /// The row with this key.
    pub fn find(&mut self, key: Vec<Value>) -> Result<Option<Vec<Value>>, Raised> {
        let key = self.fit_key(key)?;
        self.read(&row_key(self.decl, &key))
    }

    /// The row at a key in bytes.
    pub fn read(&mut self, key: &[u8]) -> Result<Option<Vec<Value>>, Raised> {
        let bytes = self.read_bytes(key)?;
        bytes.map(|bytes| decode_row(self.decl, &bytes)).transpose()
    }

    /// The same, not decoded.
    pub fn read_bytes(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, Raised> {
        self.meter.charge(ROW_COST)?;
        let bytes = self.host.get(key)?;
        if let Some(bytes) = &bytes {
            self.meter.charge(bytes.len() as u64 / 64)?;
        }
        Ok(bytes)
    }

    /// How many rows there are.
    pub fn rows(&mut self) -> Result<u64, Raised> {
        self.meter.charge(ROW_COST)?;
        Ok(self.meta()?.rows)
    }

    /// Adds a row and returns its key values. Errors: `duplicate_key` and those of filling a row.
    pub fn insert(&mut self, entries: BTreeMap<String, Value>) -> Result<Vec<Value>, Raised> {
        let mut meta = self.meta()?;
        let row = self.add(&mut meta, entries)?;
        self.set_meta(meta)?;
        Ok(self.key_of(&row).cloned().collect())
    }

    /// Adds rows and says how many. Errors: those of inserting one.
    pub fn insert_all(
        &mut self,
        rows: impl IntoIterator<Item = Result<BTreeMap<String, Value>, Raised>>,
    ) -> Result<u64, Raised> {
        let mut meta = self.meta()?;
        let before = meta.rows;
        for entries in rows {
            self.add(&mut meta, entries?)?;
        }
        if meta.rows > before {
            self.set_meta(meta)?;
        }
        Ok(meta.rows - before)
    }

    /// Adds a row, up to the head of the table.
    fn add(
        &mut self,
        meta: &mut TableMeta,
        entries: BTreeMap<String, Value>,
    ) -> Result<Vec<Value>, Raised> {
        let mut row = vec![Value::Unit; self.decl.columns.len()];
        fill_row(self.decl, &mut row, entries)?;
        if self.decl.numbers_rows() {
            let id = &mut row[self.decl.key[0]];
            match id {
                Value::Unit => *id = Value::Id(meta.next_id),
                Value::Id(given) => meta.next_id = meta.next_id.max(*given),
                _ => {}
            }
            if *id == Value::Id(meta.next_id) {
                let overflow = || Raised::new("overflow", "there are no more ids", "");
                meta.next_id = meta.next_id.checked_add(1).ok_or_else(overflow)?;
            }
        }
        check_complete(self.decl, &row)?;
        let key = row_key(self.decl, self.key_of(&row));
        if self.read_bytes(&key)?.is_some() {
            let message = format!(
                "the table `{}` has a row with this key already",
                self.decl.name
            );
            return Err(Raised::new(
                "duplicate_key",
                message,
                "use upsert(…) to replace it",
            ));
        }
        meta.rows += 1;
        self.write(key, None, &row)?;
        Ok(row)
    }

    /// Changes columns of a row; the key stays. Errors: `row_not_found`, `key_change`.
    pub fn update(
        &mut self,
        key: Vec<Value>,
        entries: BTreeMap<String, Value>,
    ) -> Result<(), Raised> {
        let key = self.fit_key(key)?;
        let key = row_key(self.decl, &key);
        let old = self.read(&key)?.ok_or_else(|| self.not_found())?;
        let mut row = old.clone();
        fill_row(self.decl, &mut row, entries)?;
        check_complete(self.decl, &row)?;
        if row_key(self.decl, self.key_of(&row)) != key {
            return Err(key_change());
        }
        self.write(key, Some(&old), &row)
    }

    /// Adds a row, or changes the given columns of the row that has its key.
    pub fn upsert(&mut self, entries: BTreeMap<String, Value>) -> Result<Vec<Value>, Raised> {
        let mut key = Vec::with_capacity(self.decl.key.len());
        for column in &self.decl.key {
            match entries.get(&self.decl.columns[*column].name) {
                Some(value) if *value != Value::Unit => {
                    key.push(fit_column(self.decl, *column, value.clone())?)
                }
                _ => return self.insert(entries),
            }
        }
        match self.find(key.clone())? {
            None => self.insert(entries),
            Some(_) => self.update(key.clone(), entries).map(|()| key),
        }
    }

    /// Removes a row. False if there is none.
    pub fn delete(&mut self, key: Vec<Value>) -> Result<bool, Raised> {
        let key = self.fit_key(key)?;
        let key = row_key(self.decl, &key);
        let Some(bytes) = self.read_bytes(&key)? else {
            return Ok(false);
        };
        let mut offsets = Vec::new();
        let row = RowView::new(self.decl, &bytes, &mut offsets)?;
        self.remove(&key, &row)?;
        self.forget(1)?;
        Ok(true)
    }

    /// Removes a row that was just read, up to the head of the table: [`Table::forget`] is told afterwards.
    pub fn remove(&mut self, key: &[u8], row: &RowView) -> Result<(), Raised> {
        self.writes.count()?;
        self.hold(key.len())?;
        for column in self.indexed() {
            let entry = index_key(self.decl, column, &row.value(column)?, key);
            self.meter.charge(ROW_COST)?;
            self.hold(entry.len())?;
            self.host.delete(&entry)?;
        }
        self.host.delete(key)?;
        Ok(())
    }

    /// Notes in the head of the table that so many rows are gone.
    pub fn forget(&mut self, rows: u64) -> Result<(), Raised> {
        let mut meta = self.meta()?;
        meta.rows = meta.rows.saturating_sub(rows);
        self.set_meta(meta)
    }

    /// The columns and values that a map sets in many rows. Errors: `key_change` and those of filling a row.
    pub fn changes(&self, entries: BTreeMap<String, Value>) -> Result<Vec<(usize, Value)>, Raised> {
        let changes = entries.into_iter().map(|(name, value)| {
            let column = self.changeable(&name)?;
            let value = fit_column(self.decl, column, value)?;
            Ok((column, value))
        });
        let mut changes = changes.collect::<Result<Vec<_>, Raised>>()?;
        changes.sort_by_key(|(column, _)| *column);
        Ok(changes)
    }

    /// A column that is no part of the key. Errors: `unknown_column`, `key_change`.
    pub fn changeable(&self, name: &str) -> Result<usize, Raised> {
        let column = column(self.decl, name)?;
        match self.decl.key.contains(&column) {
            true => Err(key_change()),
            false => Ok(column),
        }
    }

    /// Changes columns of a row that was just read, without touching the others. The columns rise, and are no part of
    /// the key. Nothing is written if nothing changes.
    pub fn change(
        &mut self,
        key: &[u8],
        row: &RowView,
        changes: &[(usize, Value)],
    ) -> Result<(), Raised> {
        let columns = self.decl.columns.len();
        let mut bytes = Vec::with_capacity(row.length() + 16 * changes.len());
        bytes.extend_from_slice(&(columns as u32).to_le_bytes());
        let (mut rest, mut is_changed) = (changes, false);
        for column in 0..columns {
            let old = row.column(column);
            let start = bytes.len();
            match rest.split_first() {
                Some(((changed, value), others)) if *changed == column => {
                    rest = others;
                    match value {
                        Value::Unit => bytes.push(UNIT),
                        value => borsh::to_writer(&mut bytes, value).map_err(|error| {
                            Raised::new("too_deep", error.to_string(), "flatten the value")
                        })?,
                    }
                    is_changed |= bytes[start..] != *old;
                }
                _ => bytes.extend_from_slice(old),
            }
        }
        if !is_changed {
            return Ok(());
        }
        self.writes.count()?;
        self.meter.charge(ROW_COST)?;
        for (column, value) in changes {
            if !self.decl.columns[*column].indexed {
                continue;
            }
            let old = index_key(self.decl, *column, &row.value(*column)?, key);
            let new = index_key(self.decl, *column, value, key);
            if old != new {
                self.meter.charge(ROW_COST)?;
                self.hold(old.len())?;
                self.host.delete(&old)?;
                self.put_entry(new)?;
            }
        }
        self.hold(key.len() + bytes.len())?;
        self.host.put(key.to_vec(), bytes)?;
        Ok(())
    }

    /// The columns that have an index.
    fn indexed(&self) -> impl Iterator<Item = usize> + use<> {
        let indexed: Vec<usize> = (0..self.decl.columns.len())
            .filter(|column| self.decl.columns[*column].indexed)
            .collect();
        indexed.into_iter()
    }

    pub fn not_found(&self) -> Raised {
        let message = format!("the table `{}` has no row with this key", self.decl.name);
        Raised::new(
            "row_not_found",
            message,
            "use find(…), which returns () for a missing row",
        )
    }

    fn write(&mut self, key: Vec<u8>, old: Option<&[Value]>, row: &[Value]) -> Result<(), Raised> {
        let bytes = encode_row(row)?;
        self.writes.count()?;
        self.meter.charge(ROW_COST)?;
        self.hold(key.len() + bytes.len())?;
        let stale = old.map(|old| self.entries(old, &key)).unwrap_or_default();
        let fresh = self.entries(row, &key);
        for entry in stale.iter().filter(|entry| !fresh.contains(entry)) {
            self.meter.charge(ROW_COST)?;
            self.hold(entry.len())?;
            self.host.delete(entry)?;
        }
        for entry in fresh.into_iter().filter(|entry| !stale.contains(entry)) {
            self.put_entry(entry)?;
        }
        self.host.put(key, bytes)?;
        Ok(())
    }

    /// Charges what a changed row takes until its block is done. Operations bound what all runs of a block take together, so
    /// a byte that stays costs more of them than one that is let go.
    fn hold(&self, bytes: usize) -> Result<(), Raised> {
        let bytes = PENDING_BYTES + bytes as u64;
        self.meter.charge(bytes / HELD_BYTES_PER_OPERATION)?;
        self.meter.allocate(bytes)
    }

    fn put_entry(&mut self, entry: Vec<u8>) -> Result<(), Raised> {
        self.meter.charge(ROW_COST)?;
        self.hold(entry.len())?;
        self.host.put(entry, Vec::new())?;
        Ok(())
    }

    /// The index entries of a row.
    fn entries(&self, row: &[Value], key: &[u8]) -> Vec<Vec<u8>> {
        self.indexed()
            .map(|column| index_key(self.decl, column, &row[column], key))
            .collect()
    }

    fn key_of<'r>(&self, row: &'r [Value]) -> impl Iterator<Item = &'r Value> + use<'r, '_> {
        self.decl.key.iter().map(move |column| &row[*column])
    }

    fn fit_key(&self, key: Vec<Value>) -> Result<Vec<Value>, Raised> {
        if key.len() != self.decl.key.len() {
            let names: Vec<&str> = self
                .decl
                .key
                .iter()
                .map(|column| self.decl.columns[*column].name.as_str())
                .collect();
            let message = format!(
                "the key of `{}` is ({}), {} values are given",
                self.decl.name,
                names.join(", "),
                key.len()
            );
            return Err(Raised::new(
                "key_size",
                message,
                "give one value for each key column",
            ));
        }
        let values = self.decl.key.iter().zip(key);
        values
            .map(|(column, value)| fit_column(self.decl, *column, value))
            .collect()
    }

    fn meta(&mut self) -> Result<TableMeta, Raised> {
        match self.host.get(&meta_key(self.decl))? {
            None => Ok(TableMeta::EMPTY),
            Some(bytes) => TableMeta::try_from_slice(&bytes).map_err(|_| {
                Raised::new(
                    "bad_row",
                    format!("the head of table `{}` cannot be read", self.decl.name),
                    "",
                )
            }),
        }
    }

    fn set_meta(&mut self, meta: TableMeta) -> Result<(), Raised> {
        let mut bytes = meta.next_id.to_le_bytes().to_vec();
        bytes.extend_from_slice(&meta.rows.to_le_bytes());
        self.host.put(meta_key(self.decl), bytes)?;
        Ok(())
    }
}

fn key_change() -> Raised {
    Raised::new(
        "key_change",
        "an update cannot change the key",
        "delete the row and insert another",
    )
}
