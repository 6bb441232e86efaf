//! The values of 3Script: what parameters, table rows, events and effects hold.
//!
//! All arithmetic is exact or fails: there are no floats. Every value has one canonical borsh encoding, and reading is
//! strict: unknown kinds, numbers that are not normalised, map keys out of order and nesting deeper than [`MAX_DEPTH`]
//! are refused, so equal bytes and equal meaning are the same thing.

mod amount;
mod codec;
mod decimal;
mod error;
mod quantity;
#[cfg(test)]
mod tests;
mod wide;

pub use amount::{Amount, AssetCode, Assets};
pub(crate) use codec::{read_list, read_value, refuse};
pub use decimal::Decimal;
pub use error::ValueError;
pub(crate) use error::shorten;
pub use quantity::{
    parse_duration, parse_id, parse_int, parse_percent, parse_size, parse_time, render_duration,
    render_size, render_time,
};
pub use wide::{Rounding, mul_div};
pub(crate) use wide::{divide, power_of_ten, signed};

use crate::action::Action;
use borsh::BorshSerialize;
use std::collections::BTreeMap;

/// How deep lists, maps and scripts may be nested; a value that holds no other has depth 1.
pub const MAX_DEPTH: usize = 16;

/// A value.
///
/// The order of the variants is the canonical encoding (the first is tag 0); new ones go to the end.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize)]
pub enum Value {
    /// Yes or no; a flag in the text of an action.
    Bool(bool),
    /// A whole number; also a size in bytes.
    Int(i64),
    /// An exact decimal number.
    Decimal(Decimal),
    /// Money.
    Amount(Amount),
    /// A percentage; 35 means 35 %.
    Percent(Decimal),
    /// A duration in seconds.
    Duration(i64),
    /// A time in seconds since 1970-01-01 00:00:00 UTC.
    Time(i64),
    /// Text.
    Text(String),
    /// Bytes; hexadecimal in text.
    Bytes(Vec<u8>),
    /// An account: its name, or the 64 hexadecimal digits of its key until the circle resolves it. See [`is_account`].
    Account(String),
    /// A number that a table gave to a row.
    Id(u64),
    /// Values in order.
    List(Vec<Value>),
    /// Values by name.
    Map(BTreeMap<String, Value>),
    /// Actions that may be enacted later.
    Script(Vec<Action>),
    /// Nothing; what a call returns that has nothing to return.
    Unit,
}

impl Value {
    /// The name of the kind, as declarations and errors write it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Decimal(_) => "decimal",
            Self::Amount(_) => "amount",
            Self::Percent(_) => "percent",
            Self::Duration(_) => "duration",
            Self::Time(_) => "time",
            Self::Text(_) => "text",
            Self::Bytes(_) => "bytes",
            Self::Account(_) => "account",
            Self::Id(_) => "id",
            Self::List(_) => "list",
            Self::Map(_) => "map",
            Self::Script(_) => "script",
            Self::Unit => "unit",
        }
    }

    /// Whether the value can be read back from its bytes. Errors: [`ValueError::TooDeep`].
    pub fn check_depth(&self) -> Result<(), ValueError> {
        self.check_depth_at(1)
    }

    pub(crate) fn check_depth_at(&self, depth: usize) -> Result<(), ValueError> {
        if depth > MAX_DEPTH {
            return Err(ValueError::TooDeep);
        }
        match self {
            Self::List(items) => items
                .iter()
                .try_for_each(|item| item.check_depth_at(depth + 1)),
            Self::Map(items) => items
                .values()
                .try_for_each(|item| item.check_depth_at(depth + 1)),
            Self::Script(actions) => {
                let mut values = actions.iter().flat_map(|action| &action.params);
                values.try_for_each(|(_, value)| value.check_depth_at(depth + 1))
            }
            _ => Ok(()),
        }
    }
}

/// Whether a text may stand for an account: a name of 1 to 63 characters out of `A-Z`, `a-z`, `0-9`, `_`, `-` and `.` that
/// begins with a letter or a digit, or a key of 64 lower-case hexadecimal digits.
pub fn is_account(text: &str) -> bool {
    let bytes = text.as_bytes();
    match bytes {
        [] => false,
        _ if bytes.len() == 64 => bytes
            .iter()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')),
        [first, rest @ ..] => {
            let letter_or_digit = |byte: &u8| byte.is_ascii_alphanumeric();
            let inner = |byte: &u8| letter_or_digit(byte) || matches!(byte, b'_' | b'-' | b'.');
            bytes.len() < 64 && letter_or_digit(first) && rest.iter().all(inner)
        }
    }
}
