//! Values inside the interpreter, and how they become values of 3Script and back.

use super::error::Raised;
use crate::action::Action;
use crate::value::{Amount, Assets, Decimal, MAX_DEPTH, Value, render_duration, render_time};
use rhai::{Array, Dynamic, ImmutableString, Map};
use std::sync::Arc;

/// The kinds of values that the interpreter does not have itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Special {
    Decimal(Decimal),
    Amount(Amount),
    Percent(Decimal),
    Duration(i64),
    Time(i64),
    Bytes(Arc<[u8]>),
    Account(ImmutableString),
    Id(u64),
    Script(Arc<[Action]>),
}

impl Special {
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Decimal(_) => "decimal",
            Self::Amount(_) => "amount",
            Self::Percent(_) => "percent",
            Self::Duration(_) => "duration",
            Self::Time(_) => "time",
            Self::Bytes(_) => "bytes",
            Self::Account(_) => "account",
            Self::Id(_) => "id",
            Self::Script(_) => "script",
        }
    }
}

impl From<Special> for Dynamic {
    fn from(special: Special) -> Self {
        Dynamic::from(special)
    }
}

/// A map that came from outside the script: a row, or a result of a native. Copying one costs nothing; changing one
/// copies it if it is shared.
#[derive(Clone, Debug)]
pub(crate) struct Record(pub Arc<Map>);

/// Reads a map of either form.
pub(crate) fn read_map<T>(value: &Dynamic, work: impl FnOnce(&Map) -> T) -> Option<T> {
    match value.read_lock::<Record>() {
        Some(record) => Some(work(&record.0)),
        None => value.read_lock::<Map>().map(|map| work(&map)),
    }
}

/// Changes a map of either form.
pub(crate) fn write_map<T>(value: &mut Dynamic, work: impl FnOnce(&mut Map) -> T) -> Option<T> {
    if value.is::<Record>() {
        return value
            .write_lock::<Record>()
            .map(|mut record| work(Arc::make_mut(&mut record.0)));
    }
    value.write_lock::<Map>().map(|mut map| work(&mut map))
}

/// A handle of a declared table, by its number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TableHandle(pub usize);

/// A handle of a native module, by its name.
#[derive(Clone, Debug)]
pub(crate) struct ModuleHandle(pub ImmutableString);

/// The variable `block`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BlockHandle;

/// The variable `caller`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallerHandle;

/// What a value is, for operators and library functions. Copying one is cheap.
#[derive(Clone, Debug)]
pub(crate) enum View {
    Unit,
    Bool(bool),
    Int(i64),
    Text(ImmutableString),
    Special(Special),
    List,
    Map,
    /// A handle, a query, a range: not a value of 3Script.
    Other,
}

pub(crate) fn view(value: &Dynamic) -> View {
    if let Ok(number) = value.as_int() {
        View::Int(number)
    } else if let Some(text) = value.read_lock::<ImmutableString>() {
        View::Text(text.clone())
    } else if let Some(special) = value.read_lock::<Special>() {
        View::Special(special.clone())
    } else if let Ok(flag) = value.as_bool() {
        View::Bool(flag)
    } else if value.is_unit() {
        View::Unit
    } else if let Ok(character) = value.as_char() {
        View::Text(character.to_string().into())
    } else if value.is_array() {
        View::List
    } else if value.is_map() || value.is::<Record>() {
        View::Map
    } else {
        View::Other
    }
}

/// The name of a value's kind, as errors write it.
pub(crate) fn kind(value: &Dynamic) -> &'static str {
    match view(value) {
        View::Unit => "nothing",
        View::Bool(_) => "bool",
        View::Int(_) => "int",
        View::Text(_) => "text",
        View::Special(special) => special.kind(),
        View::List => "list",
        View::Map => "map",
        View::Other if value.is::<TableHandle>() => "table",
        View::Other if value.is::<super::query::Query>() => "query",
        View::Other if value.is::<ModuleHandle>() => "module",
        View::Other if value.is::<BlockHandle>() || value.is::<CallerHandle>() => "handle",
        View::Other => "range",
    }
}

/// The value of 3Script. Errors: `type` for handles, queries and ranges, `too_deep`.
pub(crate) fn to_value(value: &Dynamic) -> Result<Value, Raised> {
    to_value_at(value, 1)
}

fn to_value_at(value: &Dynamic, depth: usize) -> Result<Value, Raised> {
    if depth > MAX_DEPTH {
        return Err(crate::value::ValueError::TooDeep.into());
    }
    Ok(match view(value) {
        View::Unit => Value::Unit,
        View::Bool(flag) => Value::Bool(flag),
        View::Int(number) => Value::Int(number),
        View::Text(text) => Value::Text(text.to_string()),
        View::Special(special) => match special {
            Special::Decimal(number) => Value::Decimal(number),
            Special::Amount(amount) => Value::Amount(amount),
            Special::Percent(percent) => Value::Percent(percent),
            Special::Duration(seconds) => Value::Duration(seconds),
            Special::Time(seconds) => Value::Time(seconds),
            Special::Bytes(bytes) => Value::Bytes(bytes.to_vec()),
            Special::Account(name) => Value::Account(name.to_string()),
            Special::Id(id) => Value::Id(id),
            Special::Script(actions) => {
                let value = Value::Script(actions.to_vec());
                value.check_depth()?;
                value
            }
        },
        View::List => {
            let list = value.read_lock::<Array>();
            let items = list.iter().flat_map(|list| list.iter());
            Value::List(
                items
                    .map(|item| to_value_at(item, depth + 1))
                    .collect::<Result<_, _>>()?,
            )
        }
        View::Map => {
            let entries = read_map(value, |map| {
                let entries = map.iter();
                let entries = entries
                    .map(|(name, value)| Ok((name.to_string(), to_value_at(value, depth + 1)?)));
                entries.collect::<Result<_, Raised>>()
            });
            Value::Map(entries.transpose()?.unwrap_or_default())
        }
        View::Other => {
            let mend = "use rows(), first(), sum() or a field of it";
            return Err(Raised::new(
                "type",
                format!("a {} is not a value", kind(value)),
                mend,
            ));
        }
    })
}

/// The value in the interpreter, and the bytes that it takes there, by estimate.
pub(crate) fn from_value(value: Value) -> (Dynamic, u64) {
    let special = |special: Special| Dynamic::from(special);
    match value {
        Value::Bool(flag) => (flag.into(), 16),
        Value::Int(number) => (number.into(), 16),
        Value::Decimal(number) => (special(Special::Decimal(number)), 64),
        Value::Amount(amount) => (special(Special::Amount(amount)), 80),
        Value::Percent(percent) => (special(Special::Percent(percent)), 64),
        Value::Duration(seconds) => (special(Special::Duration(seconds)), 64),
        Value::Time(seconds) => (special(Special::Time(seconds)), 64),
        Value::Text(text) => {
            let bytes = 48 + text.len() as u64;
            (text.into(), bytes)
        }
        Value::Bytes(bytes) => {
            let size = 64 + bytes.len() as u64;
            (special(Special::Bytes(bytes.into())), size)
        }
        Value::Account(name) => {
            let size = 96 + name.len() as u64;
            (special(Special::Account(name.into())), size)
        }
        Value::Id(id) => (special(Special::Id(id)), 64),
        Value::Script(actions) => {
            let size = 64 + borsh::object_length(&actions).unwrap_or(0) as u64 * 2;
            (special(Special::Script(actions.into())), size)
        }
        Value::Unit => (Dynamic::UNIT, 16),
        Value::List(items) => {
            let mut size = 32;
            let items: Array = items
                .into_iter()
                .map(from_value)
                .map(|(item, bytes)| add(&mut size, item, bytes))
                .collect();
            (items.into(), size)
        }
        Value::Map(entries) => {
            let mut size = 32;
            let mut map = Map::new();
            for (name, value) in entries {
                let (value, bytes) = from_value(value);
                size += 64 + name.len() as u64 + bytes;
                map.insert(name.into(), value);
            }
            (Dynamic::from(Record(Arc::new(map))), size)
        }
    }
}

fn add(size: &mut u64, item: Dynamic, bytes: u64) -> Dynamic {
    *size += bytes;
    item
}

/// The text of a value that stands on one line; `None` for lists, maps, scripts and what is no value.
pub(crate) fn render(value: &Dynamic, assets: &Assets) -> Option<String> {
    Some(match view(value) {
        View::Unit => String::new(),
        View::Bool(flag) => flag.to_string(),
        View::Int(number) => number.to_string(),
        View::Text(text) => text.to_string(),
        View::Special(special) => match special {
            Special::Decimal(number) => number.to_string(),
            Special::Percent(percent) => format!("{percent}%"),
            Special::Amount(amount) => match assets.render_amount(&amount) {
                Ok(text) => text,
                Err(_) => format!("{} units of {}", amount.units, amount.asset),
            },
            Special::Duration(seconds) => render_duration(seconds),
            Special::Time(seconds) => {
                render_time(seconds).unwrap_or_else(|| format!("{seconds} s after 1970"))
            }
            Special::Bytes(bytes) => hex::encode(bytes),
            Special::Account(name) => name.to_string(),
            Special::Id(id) => id.to_string(),
            Special::Script(_) => return None,
        },
        View::List | View::Map | View::Other => return None,
    })
}
