//! Whether two values are the same, and how they differ.

use threescript::value::{Assets, Decimal, Value};

use crate::literal::literal;

/// How many differences are shown.
const SHOWN: usize = 12;

/// Whether values are equal as `==` of the language sees it, all the way down: an account equals the text of its name, an
/// id or a decimal the int of its number. Kinds that cannot be compared are not equal.
pub fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Account(a) | Value::Text(a), Value::Account(b) | Value::Text(b)) => a == b,
        (Value::Id(a), Value::Int(b)) | (Value::Int(b), Value::Id(a)) => {
            i128::from(*a) == i128::from(*b)
        }
        (Value::Decimal(a), Value::Int(b)) | (Value::Int(b), Value::Decimal(a)) => {
            *a == Decimal::from(*b)
        }
        (Value::List(a), Value::List(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Map(a), Value::Map(b)) => {
            let mut entries = a.iter().zip(b);
            a.len() == b.len() && entries.all(|((name, a), (other, b))| name == other && same(a, b))
        }
        (a, b) => a == b,
    }
}

/// Whether `map` has all `entries`, with equal values.
pub fn has_entries(map: &Value, entries: &Value) -> bool {
    match (map, entries) {
        (Value::Map(map), Value::Map(entries)) => entries
            .iter()
            .all(|(name, value)| map.get(name).is_some_and(|other| same(other, value))),
        (map, entries) => same(map, entries),
    }
}

/// How an actual value differs from the expected one, a line for each place.
pub fn differences(actual: &Value, expected: &Value, assets: &Assets) -> Vec<String> {
    let mut lines = Vec::new();
    walk("", actual, expected, assets, &mut lines);
    if lines.len() > SHOWN {
        let more = lines.len() - SHOWN;
        lines.truncate(SHOWN);
        lines.push(format!("and {more} more lines"));
    }
    lines
}

/// Whether `==` compares these kinds, so that only the values differ.
fn are_comparable(a: &Value, b: &Value) -> bool {
    const ALIKE: [[&str; 2]; 3] = [["account", "text"], ["id", "int"], ["decimal", "int"]];
    let kinds = [a.kind(), b.kind()];
    kinds[0] == kinds[1]
        || ALIKE
            .iter()
            .any(|pair| pair.iter().all(|kind| kinds.contains(kind)))
}

fn walk(path: &str, actual: &Value, expected: &Value, assets: &Assets, lines: &mut Vec<String>) {
    if same(actual, expected) {
        return;
    }
    let shown = |value: &Value| literal(value, assets);
    match (actual, expected) {
        (Value::Map(actual), Value::Map(expected)) => {
            for (name, value) in expected {
                let path = format!("{path}.{name}");
                match actual.get(name) {
                    Some(other) => walk(&path, other, value, assets, lines),
                    None => lines.push(format!("{path}: missing, expected {}", shown(value))),
                }
            }
            let more = actual
                .iter()
                .filter(|(name, _)| !expected.contains_key(*name));
            for (name, value) in more {
                lines.push(format!(
                    "{path}.{name}: not expected, actual {}",
                    shown(value)
                ));
            }
        }
        (Value::List(actual), Value::List(expected)) => {
            for (index, value) in expected.iter().enumerate() {
                let path = format!("{path}[{index}]");
                match actual.get(index) {
                    Some(other) => walk(&path, other, value, assets, lines),
                    None => lines.push(format!("{path}: missing, expected {}", shown(value))),
                }
            }
            for (index, value) in actual.iter().enumerate().skip(expected.len()) {
                lines.push(format!(
                    "{path}[{index}]: not expected, actual {}",
                    shown(value)
                ));
            }
        }
        _ => {
            let kinds = match are_comparable(actual, expected) {
                true => String::new(),
                false => format!(" ({} instead of {})", actual.kind(), expected.kind()),
            };
            let path = match path {
                "" => String::new(),
                path => format!("{path}: "),
            };
            lines.push(format!("{path}expected {}", shown(expected)));
            lines.push(format!(
                "{}  actual {}{kinds}",
                " ".repeat(path.len()),
                shown(actual)
            ));
        }
    }
}
