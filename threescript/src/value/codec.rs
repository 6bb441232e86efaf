//! The canonical bytes of values: borsh, read strictly, so that one meaning has one encoding.

use super::{Amount, Decimal, MAX_DEPTH, Value, is_account};
use crate::action::Action;
use borsh::BorshDeserialize;
use std::collections::BTreeMap;
use std::io::{Error, ErrorKind, Read, Result};

/// Elements for which room is made before they are read; more is made as they come, so that a forged length costs nothing.
const RESERVED: usize = 256;

pub(crate) fn refuse(what: &str) -> Error {
    Error::new(
        ErrorKind::InvalidData,
        format!("{what}; encode the value with its canonical borsh form"),
    )
}

impl BorshDeserialize for Value {
    fn deserialize_reader<R: Read>(reader: &mut R) -> Result<Self> {
        read_value(reader, 1)
    }
}

/// Reads a value at a depth, counted from 1.
pub(crate) fn read_value<R: Read>(reader: &mut R, depth: usize) -> Result<Value> {
    if depth > MAX_DEPTH {
        return Err(refuse(&format!(
            "a value nested deeper than {MAX_DEPTH} levels"
        )));
    }
    Ok(match u8::deserialize_reader(reader)? {
        0 => Value::Bool(bool::deserialize_reader(reader)?),
        1 => Value::Int(i64::deserialize_reader(reader)?),
        2 => Value::Decimal(Decimal::deserialize_reader(reader)?),
        3 => Value::Amount(Amount::deserialize_reader(reader)?),
        4 => Value::Percent(Decimal::deserialize_reader(reader)?),
        5 => Value::Duration(i64::deserialize_reader(reader)?),
        6 => Value::Time(i64::deserialize_reader(reader)?),
        7 => Value::Text(String::deserialize_reader(reader)?),
        8 => Value::Bytes(Vec::deserialize_reader(reader)?),
        9 => {
            let account = String::deserialize_reader(reader)?;
            if !is_account(&account) {
                return Err(refuse("an account that is neither a name nor a key"));
            }
            Value::Account(account)
        }
        10 => Value::Id(u64::deserialize_reader(reader)?),
        11 => Value::List(read_list(reader, |reader| read_value(reader, depth + 1))?),
        12 => Value::Map(read_sorted_map(
            reader,
            String::deserialize_reader,
            |reader| read_value(reader, depth + 1),
        )?),
        13 => Value::Script(read_list(reader, |reader| Action::read(reader, depth + 1))?),
        14 => Value::Unit,
        tag => return Err(refuse(&format!("a value of the unknown kind {tag}"))),
    })
}

pub(crate) fn read_list<R: Read, T>(
    reader: &mut R,
    mut read: impl FnMut(&mut R) -> Result<T>,
) -> Result<Vec<T>> {
    let length = u32::deserialize_reader(reader)? as usize;
    let mut items = Vec::with_capacity(length.min(RESERVED));
    for _ in 0..length {
        items.push(read(reader)?);
    }
    Ok(items)
}

/// Reads a map whose keys must rise strictly.
pub(crate) fn read_sorted_map<R: Read, K: Ord, V>(
    reader: &mut R,
    mut read_key: impl FnMut(&mut R) -> Result<K>,
    mut read_value: impl FnMut(&mut R) -> Result<V>,
) -> Result<BTreeMap<K, V>> {
    let length = u32::deserialize_reader(reader)?;
    let mut map = BTreeMap::new();
    for _ in 0..length {
        let key = read_key(reader)?;
        if map.last_key_value().is_some_and(|(last, _)| *last >= key) {
            return Err(refuse("a map whose keys do not rise"));
        }
        let value = read_value(reader)?;
        map.insert(key, value);
    }
    Ok(map)
}
