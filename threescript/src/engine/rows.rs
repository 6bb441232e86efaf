//! The bytes of tables: keys that sort as their values do, and rows in borsh.
//!
//! A policy's key space holds, per table:
//! ```text
//! <name> 0x00 'm'                                       next id and number of rows, two borsh u64
//! <name> 0x00 'r' <key columns>                         a row: the borsh list of its values in declared order
//! <name> 0x00 'i' <column> 0x00 <value> <key columns>   an index entry: empty
//! ```
//! Names contain no 0x00, so no table's keys run into another's.

use super::error::Raised;
use crate::policy::declaration::TableDecl;
use crate::policy::types::{fit, type_name};
use crate::value::Value;
use borsh::BorshDeserialize;
use std::collections::BTreeMap;

/// What is known about a table as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, borsh::BorshSerialize, BorshDeserialize)]
pub(crate) struct TableMeta {
    pub next_id: u64,
    pub rows: u64,
}

impl TableMeta {
    pub const EMPTY: Self = Self {
        next_id: 1,
        rows: 0,
    };
}

pub(crate) fn meta_key(table: &TableDecl) -> Vec<u8> {
    prefix(table, b'm')
}

/// The key of a row with these key values, or the beginning of several keys if there are fewer of them.
pub(crate) fn row_key<'a>(table: &TableDecl, key: impl IntoIterator<Item = &'a Value>) -> Vec<u8> {
    let mut bytes = prefix(table, b'r');
    for value in key {
        push_sortable(&mut bytes, value);
    }
    bytes
}

/// What all index entries of a column begin with.
pub(crate) fn index_prefix(table: &TableDecl, column: usize) -> Vec<u8> {
    let mut bytes = prefix(table, b'i');
    bytes.extend_from_slice(table.columns[column].name.as_bytes());
    bytes.push(0);
    bytes
}

/// The index entry of a column with this value, for the row with this key in bytes.
pub(crate) fn index_key(
    table: &TableDecl,
    column: usize,
    value: &Value,
    row_key: &[u8],
) -> Vec<u8> {
    let mut bytes = index_prefix(table, column);
    push_sortable(&mut bytes, value);
    bytes.extend_from_slice(&row_key[table.name.len() + 2..]);
    bytes
}

fn prefix(table: &TableDecl, section: u8) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(table.name.len() + 32);
    bytes.extend_from_slice(table.name.as_bytes());
    bytes.extend_from_slice(&[0, section]);
    bytes
}

/// The first key behind all that begin with these bytes. The prefixes here never consist of 0xff only.
pub(crate) fn after(prefix: &[u8]) -> Vec<u8> {
    let mut bytes = prefix.to_vec();
    while bytes.pop_if(|last| *last == 0xff).is_some() {}
    if let Some(last) = bytes.last_mut() {
        *last += 1;
    }
    bytes
}

/// Appends a value so that bytes sort as values do: nothing first, numbers by size, texts by their UTF-8. No encoding
/// is the beginning of another one.
pub(crate) fn push_sortable(bytes: &mut Vec<u8>, value: &Value) {
    let signed = |number: i64| (number as u64 ^ (1 << 63)).to_be_bytes();
    if *value == Value::Unit {
        bytes.push(0);
        return;
    }
    bytes.push(1);
    match value {
        Value::Bool(flag) => bytes.push(u8::from(*flag)),
        Value::Int(number) | Value::Duration(number) | Value::Time(number) => {
            bytes.extend_from_slice(&signed(*number))
        }
        Value::Id(id) => bytes.extend_from_slice(&id.to_be_bytes()),
        Value::Text(text) | Value::Account(text) => push_escaped(bytes, text.as_bytes()),
        Value::Bytes(content) => push_escaped(bytes, content),
        // Declarations allow no other kinds in keys and indexes, and rows are checked against them.
        other => debug_assert!(false, "{} does not sort", other.kind()),
    }
}

/// 0x00 becomes 0x00 0xff, and 0x00 0x01 ends.
fn push_escaped(bytes: &mut Vec<u8>, content: &[u8]) {
    for byte in content {
        bytes.push(*byte);
        if *byte == 0 {
            bytes.push(0xff);
        }
    }
    bytes.extend_from_slice(&[0, 1]);
}

/// The key of the row that an index entry points to: the same key columns stand at the end of both.
pub(crate) fn row_key_of_entry(table: &TableDecl, column: usize, entry: &[u8]) -> Option<Vec<u8>> {
    let value = entry.get(index_prefix(table, column).len()..)?;
    let key = value.get(sortable_length(value, &table.columns[column].ty)?..)?;
    let mut bytes = prefix(table, b'r');
    bytes.extend_from_slice(key);
    Some(bytes)
}

fn sortable_length(bytes: &[u8], ty: &crate::action::Type) -> Option<usize> {
    use crate::action::Type;
    match (bytes.first()?, ty) {
        (0, _) => Some(1),
        (_, Type::Bool) => Some(2),
        (_, Type::Int | Type::Size | Type::Duration | Type::Time | Type::Id) => Some(9),
        _ => {
            let mut at = 1;
            loop {
                match (bytes.get(at)?, bytes.get(at + 1)) {
                    (0, Some(1)) => return Some(at + 2),
                    (0, _) => at += 2,
                    _ => at += 1,
                }
            }
        }
    }
}

pub(crate) fn encode_row(row: &[Value]) -> Result<Vec<u8>, Raised> {
    borsh::to_vec(row)
        .map_err(|error| Raised::new("too_deep", error.to_string(), "flatten the value"))
}

/// Reads a row. Columns that a newer version of the policy added at the end are empty in rows of an older one.
///
/// Errors: `bad_row` if the bytes are not a row of this table, as after a change of a column's type.
pub(crate) fn decode_row(table: &TableDecl, bytes: &[u8]) -> Result<Vec<Value>, Raised> {
    let bad = |reason: String| bad_row(table, &reason);
    let mut row = Vec::<Value>::try_from_slice(bytes).map_err(|error| bad(error.to_string()))?;
    if row.len() > table.columns.len() {
        return Err(bad(format!("it has {} columns", row.len())));
    }
    row.resize(table.columns.len(), Value::Unit);
    for (column, value) in table.columns.iter().zip(&row) {
        if *value == Value::Unit && !column.optional {
            return Err(bad(format!("`{}` is empty", column.name)));
        }
    }
    Ok(row)
}

pub(crate) fn bad_row(table: &TableDecl, reason: &str) -> Raised {
    let message = format!(
        "a stored row of `{}` does not fit its declaration: {reason}",
        table.name
    );
    Raised::new(
        "bad_row",
        message,
        "add columns only at the end and optional, and never change their types",
    )
}

/// The table of a key, if it is that of a row and not of an index or of the head of a table.
pub(crate) fn table_of_row<'t>(tables: &'t [TableDecl], key: &[u8]) -> Option<&'t TableDecl> {
    let end = key.iter().position(|byte| *byte == 0)?;
    let is_row = key.get(end + 1) == Some(&b'r');
    let named = |table: &&TableDecl| table.name.as_bytes() == &key[..end];
    tables.iter().find(named).filter(|_| is_row)
}

/// The map of a row; empty columns are there as nothing.
pub(crate) fn row_to_map(table: &TableDecl, row: Vec<Value>) -> Value {
    Value::Map(
        table
            .columns
            .iter()
            .map(|column| column.name.clone())
            .zip(row)
            .collect(),
    )
}

/// Puts the entries of a map into a row. Errors: `unknown_column`, `type`, `missing_column`.
pub(crate) fn fill_row(
    table: &TableDecl,
    row: &mut [Value],
    entries: BTreeMap<String, Value>,
) -> Result<(), Raised> {
    for (name, value) in entries {
        let column = column(table, &name)?;
        row[column] = fit_column(table, column, value)?;
    }
    Ok(())
}

/// The value as the column wants it.
pub(crate) fn fit_column(table: &TableDecl, column: usize, value: Value) -> Result<Value, Raised> {
    let declared = &table.columns[column];
    if value == Value::Unit && declared.optional {
        return Ok(value);
    }
    fit(&declared.ty, value).map_err(|reason| {
        let message = format!("`{}` of table `{}`: {reason}", declared.name, table.name);
        Raised::new(
            "type",
            message,
            format!("give a value of type {}", type_name(&declared.ty)),
        )
    })
}

/// A column by name.
pub(crate) fn column(table: &TableDecl, name: &str) -> Result<usize, Raised> {
    table.column(name).ok_or_else(|| {
        let known = table.columns.iter().map(|column| column.name.as_str());
        let mend = crate::policy::diagnostic::suggest(name, known);
        Raised::new(
            "unknown_column",
            format!("the table `{}` has no column `{name}`", table.name),
            mend,
        )
    })
}

/// The first column that may not be empty and is.
pub(crate) fn check_complete(table: &TableDecl, row: &[Value]) -> Result<(), Raised> {
    let empty = table
        .columns
        .iter()
        .zip(row)
        .find(|(column, value)| !column.optional && **value == Value::Unit);
    match empty {
        None => Ok(()),
        Some((column, _)) => {
            let message = format!("`{}` of table `{}` has no value", column.name, table.name);
            Err(Raised::new(
                "missing_column",
                message,
                "give it, or declare it optional with `?`",
            ))
        }
    }
}
