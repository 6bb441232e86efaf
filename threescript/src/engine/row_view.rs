//! Reading parts of a stored row without decoding the rest.

use super::error::Raised;
use super::rows::{bad_row, decode_row};
use crate::formula::Operand;
use crate::policy::declaration::TableDecl;
use crate::value::Value;
use borsh::BorshDeserialize;

/// The borsh tag of a value that is nothing.
pub(crate) const UNIT: u8 = 14;

/// A stored row whose columns are found, but not read yet.
#[derive(Clone, Copy)]
pub(crate) struct RowView<'r> {
    table: &'r TableDecl,
    bytes: &'r [u8],
    /// Where each stored column begins, and where the last one ends.
    offsets: &'r [u32],
}

impl<'r> RowView<'r> {
    /// Finds the columns; `offsets` is room to work in. Errors: `bad_row`, as for [`decode_row`].
    pub fn new(
        table: &'r TableDecl,
        bytes: &'r [u8],
        offsets: &'r mut Vec<u32>,
    ) -> Result<Self, Raised> {
        let bad = |reason: &str| bad_row(table, reason);
        offsets.clear();
        let count = bytes.first_chunk().map(|count| u32::from_le_bytes(*count));
        let count = count.ok_or_else(|| bad("it is cut off"))? as usize;
        if count > table.columns.len() {
            return Err(bad(&format!("it has {count} columns")));
        }
        let mut at = 4;
        for _ in 0..count {
            offsets.push(at as u32);
            at += value_length(&bytes[at..]).ok_or_else(|| bad("a value cannot be read"))?;
        }
        offsets.push(at as u32);
        if at != bytes.len() {
            return Err(bad("there are bytes behind it"));
        }
        // Columns that a newer version of the policy added are not in rows of an older one.
        if let Some(column) = table.columns[count..]
            .iter()
            .find(|column| !column.optional)
        {
            return Err(bad(&format!("`{}` is empty", column.name)));
        }
        Ok(Self {
            table,
            bytes,
            offsets,
        })
    }

    /// All of it.
    pub fn decode(&self) -> Result<Vec<Value>, Raised> {
        decode_row(self.table, self.bytes)
    }

    pub fn bytes(&self) -> &'r [u8] {
        self.bytes
    }

    pub fn length(&self) -> usize {
        self.bytes.len()
    }

    /// The bytes of a column; those of nothing if the row is older than the column.
    pub fn column(&self, column: usize) -> &'r [u8] {
        match (self.offsets.get(column), self.offsets.get(column + 1)) {
            (Some(from), Some(to)) => &self.bytes[*from as usize..*to as usize],
            _ => &[UNIT],
        }
    }

    /// A column. Errors: `bad_row`.
    pub fn value(&self, column: usize) -> Result<Value, Raised> {
        let value = Value::try_from_slice(self.column(column));
        let value = value.map_err(|error| bad_row(self.table, &error.to_string()))?;
        let declared = &self.table.columns[column];
        if value == Value::Unit && !declared.optional {
            return Err(bad_row(
                self.table,
                &format!("`{}` is empty", declared.name),
            ));
        }
        Ok(value)
    }

    /// A column as formulas compute with it; `None` if it is empty. Errors: `bad_row`.
    pub fn operand(&self, column: usize) -> Result<Option<Operand<'r>>, Raised> {
        let bytes = self.column(column);
        if bytes == [UNIT] {
            return Ok(None);
        }
        let operand = Operand::read(bytes);
        operand.map(Some).ok_or_else(|| {
            let name = &self.table.columns[column].name;
            bad_row(self.table, &format!("`{name}` cannot be read"))
        })
    }
}

/// How many bytes a value at the beginning of these takes.
fn value_length(bytes: &[u8]) -> Option<usize> {
    let text = |at: usize| {
        let length = bytes.get(at..)?.first_chunk()?;
        Some(4 + u32::from_le_bytes(*length) as usize)
    };
    let length = match bytes.first()? {
        0 => 2,
        1 | 5 | 6 | 10 => 9,
        2 | 4 => 18,
        3 => 9 + text(9)?,
        7..=9 => 1 + text(1)?,
        &UNIT => 1,
        // Lists, maps and scripts are walked through as they are read.
        _ => {
            let mut rest = bytes;
            Value::deserialize(&mut rest).ok()?;
            bytes.len() - rest.len()
        }
    };
    (length <= bytes.len()).then_some(length)
}
