//! Reading and writing rows through the host, with their indexes.

use super::error::Raised;
use super::host::{Host, HostError};
use super::meter::Meter;
use super::rows::{
    TableMeta, check_complete, decode_row, encode_row, fill_row, fit_column, index_key, meta_key,
    row_key,
};
use crate::policy::declaration::TableDecl;
use crate::value::Value;
use borsh::BorshDeserialize;
use std::collections::BTreeMap;

/// What reading or writing one row or index entry costs, besides one operation per 64 bytes.
pub(crate) const ROW_COST: u64 = 8;

/// A table in the hands of one run.
pub(crate) struct Table<'a> {
    pub decl: &'a TableDecl,
    pub host: &'a mut dyn Host,
    pub meter: &'a Meter,
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
        self.meter.charge(ROW_COST)?;
        match self.host.get(key)? {
            None => Ok(None),
            Some(bytes) => {
                self.meter.charge(bytes.len() as u64 / 64)?;
                decode_row(self.decl, &bytes).map(Some)
            }
        }
    }

    /// How many rows there are.
    pub fn rows(&mut self) -> Result<u64, Raised> {
        self.meter.charge(ROW_COST)?;
        Ok(self.meta()?.rows)
    }

    /// Adds a row and returns its key values. Errors: `duplicate_key` and those of filling a row.
    pub fn insert(&mut self, entries: BTreeMap<String, Value>) -> Result<Vec<Value>, Raised> {
        let mut meta = self.meta()?;
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
        if self.read(&key)?.is_some() {
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
        self.set_meta(meta)?;
        self.write(key, None, &row)?;
        Ok(self.key_of(&row).cloned().collect())
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
            return Err(Raised::new(
                "key_change",
                "an update cannot change the key",
                "delete the row and insert another",
            ));
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
        let Some(row) = self.read(&key)? else {
            return Ok(false);
        };
        let mut meta = self.meta()?;
        meta.rows = meta.rows.saturating_sub(1);
        self.set_meta(meta)?;
        for entry in self.entries(&row) {
            self.meter.charge(ROW_COST)?;
            self.host.delete(&entry)?;
        }
        self.host.delete(&key)?;
        Ok(true)
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
        self.meter.charge(ROW_COST + bytes.len() as u64 / 64)?;
        let stale = old.map(|old| self.entries(old)).unwrap_or_default();
        let fresh = self.entries(row);
        for entry in stale.iter().filter(|entry| !fresh.contains(entry)) {
            self.meter.charge(ROW_COST)?;
            self.host.delete(entry)?;
        }
        for entry in fresh.into_iter().filter(|entry| !stale.contains(entry)) {
            self.meter.charge(ROW_COST)?;
            self.host.put(entry, Vec::new())?;
        }
        self.host.put(key, bytes)?;
        Ok(())
    }

    /// The index entries of a row.
    fn entries(&self, row: &[Value]) -> Vec<Vec<u8>> {
        let indexed = self
            .decl
            .columns
            .iter()
            .enumerate()
            .filter(|(_, column)| column.indexed);
        indexed
            .map(|(column, _)| index_key(self.decl, column, row))
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
