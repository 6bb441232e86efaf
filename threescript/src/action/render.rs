//! From actions to the one text that shows them.

use super::{Action, Mark, Raw, Statement, is_name, writable};
use crate::value::{Assets, Value, render_duration, render_time};
use std::collections::BTreeMap;

/// An action longer than this is shown with one parameter per line.
const WIDTH: usize = 100;

/// The one text of actions, shown to whoever signs them: parameters in their order, a value quoted only where it must be.
///
/// Reading it by the same declarations gives the actions back, as long as it is not longer than [`super::MAX_TEXT`].
/// Values that no declaration allows (maps, texts with control characters and the like) are shown with escapes and
/// cannot be read back.
pub fn render(actions: &[Action], assets: &Assets) -> String {
    actions
        .iter()
        .map(|action| render_action(action, assets))
        .collect()
}

/// The one text of statements whose declarations are not known: parameters sorted by name, then flags sorted by name.
///
/// Prose is left out. Reading it gives the same statements, but for order and positions.
pub fn render_untyped(statements: &[Statement]) -> String {
    let text = |statement: &Statement| {
        let mut params: Vec<_> = statement.params.iter().collect();
        params.sort_by(|left, right| left.key.cmp(&right.key));
        let mut flags: Vec<_> = statement
            .flags
            .iter()
            .map(|flag| flag.name.clone())
            .collect();
        flags.sort_unstable();
        let values = params.iter().map(|param| piece(&param.key, &param.value));
        let pieces = values.chain(flags.into_iter().map(Piece::Inline)).collect();
        lay_out(
            title(statement.mark, &statement.actor, &statement.name),
            pieces,
        )
    };
    statements.iter().map(text).collect()
}

fn render_action(action: &Action, assets: &Assets) -> String {
    let pieces = action
        .params
        .iter()
        .map(|(key, value)| piece_of(key, value, assets))
        .collect();
    lay_out(title(action.mark, &action.actor, &action.name), pieces)
}

fn title(mark: Mark, actor: &str, name: &str) -> String {
    format!("{}{actor}.{name}", mark.as_str())
}

/// A parameter or flag, ready to be placed.
enum Piece {
    /// On one line.
    Inline(String),
    /// The key with its opening quote, and the lines of the value.
    Block(String, Vec<String>),
}

/// Places pieces behind a title: on its line if all fit, else each on lines of its own.
fn lay_out(title: String, pieces: Vec<Piece>) -> String {
    let inline: Option<Vec<&str>> = pieces
        .iter()
        .map(|piece| match piece {
            Piece::Inline(text) => Some(text.as_str()),
            Piece::Block(..) => None,
        })
        .collect();
    if let Some(inline) = inline {
        let line = [&[title.as_str()], inline.as_slice()].concat().join(" ");
        if line.chars().count() <= WIDTH {
            return line + "\n";
        }
    }
    let mut text = title + "\n";
    for piece in pieces {
        match piece {
            Piece::Inline(inline) => text.push_str(&format!("  {inline}\n")),
            Piece::Block(opening, lines) => {
                text.push_str(&format!("  {opening}\n"));
                for line in lines {
                    // A line of nothing but indentation would be invisible.
                    let indent = if line.is_empty() { "" } else { "    " };
                    text.push_str(&format!("{indent}{line}\n"));
                }
                text.push_str("    '\n");
            }
        }
    }
    text
}

fn piece(key: &str, value: &Raw) -> Piece {
    match value {
        Raw::One(value) => match inline(value) {
            Some(text) => Piece::Inline(format!("{key}:{text}")),
            None => Piece::Block(
                format!("{key}:'"),
                value.split('\n').map(str::to_owned).collect(),
            ),
        },
        Raw::Many(items) => {
            let items: Vec<String> = items
                .iter()
                .map(|item| inline(item).unwrap_or_else(|| escaped(item)))
                .collect();
            Piece::Inline(format!("{key}:{}", items.join(", ")))
        }
    }
}

/// A value on one line, if it has such a form: bare where nobody could misread it, else in single quotes.
fn inline(value: &str) -> Option<String> {
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'+' | b'%');
    if !value.is_empty() && value.bytes().all(plain) {
        return Some(value.to_owned());
    }
    if !value.contains('\n') && !value.ends_with('\\') {
        return Some(quoted(value));
    }
    // Only a bare word may end with a backslash: before a closing quote it would escape the quote.
    writable::is_bare(value).then(|| value.to_owned())
}

fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', "\\'").replace('"', "\\\""))
}

/// A text that has no form, shown so that nothing in it is hidden.
fn escaped(value: &str) -> String {
    let visible = |character: char| {
        if character == '\n' || character == '\\' || writable::character_fault(character).is_some()
        {
            character.escape_unicode().to_string()
        } else {
            character.to_string()
        }
    };
    quoted(&value.chars().map(visible).collect::<String>())
}

fn piece_of(key: &str, value: &Value, assets: &Assets) -> Piece {
    match value {
        Value::Bool(true) => Piece::Inline(key.to_owned()),
        Value::Text(text) => match writable::text(text) {
            Ok(()) => piece(key, &Raw::One(text.clone())),
            Err(_) => Piece::Inline(format!("{key}:{}", escaped(text))),
        },
        Value::List(items) if items.iter().all(is_simple) => {
            let mut texts: Vec<String> = items.iter().map(|item| scalar(item, assets)).collect();
            match texts.as_slice() {
                [] => piece(key, &Raw::One(String::new())),
                [_] => piece(key, &Raw::One(texts.remove(0))),
                _ => piece(key, &Raw::Many(texts)),
            }
        }
        Value::List(_) | Value::Map(_) => Piece::Block(format!("{key}:'"), lines_of(value, assets)),
        Value::Script(actions) if !actions.is_empty() => {
            Piece::Block(format!("{key}:'"), lines_of(value, assets))
        }
        _ => piece(key, &Raw::One(scalar(value, assets))),
    }
}

/// Whether a value fits on one line as an item of a list.
fn is_simple(value: &Value) -> bool {
    match value {
        Value::List(_) | Value::Map(_) | Value::Script(_) => false,
        Value::Text(text) => writable::text(text).is_ok(),
        _ => true,
    }
}

/// The lines of a value that holds others, each behind `> ` so that none of them can be taken for the end or for an action.
fn lines_of(value: &Value, assets: &Assets) -> Vec<String> {
    let text = match value {
        Value::Script(actions) => render(actions, assets),
        Value::Map(entries) => map_text(entries, assets),
        Value::List(items) => items.iter().map(|item| item_text(item, assets)).collect(),
        other => scalar(other, assets),
    };
    let quote = |line: &str| {
        if line.is_empty() {
            ">".to_owned()
        } else {
            format!("> {line}")
        }
    };
    text.lines().map(quote).collect()
}

fn map_text(entries: &BTreeMap<String, Value>, assets: &Assets) -> String {
    let key_text = |key: &str| {
        if is_name(key) {
            key.to_owned()
        } else {
            escaped(key)
        }
    };
    let pieces = entries
        .iter()
        .map(|(key, value)| piece_of(&key_text(key), value, assets))
        .collect();
    lay_out("-".to_owned(), pieces)
}

fn item_text(item: &Value, assets: &Assets) -> String {
    match item {
        Value::Map(entries) => map_text(entries, assets),
        Value::Text(text) if writable::text(text).is_err() => escaped(text) + "\n",
        Value::List(_) | Value::Script(_) => lines_of(item, assets).join("\n") + "\n",
        _ => inline(&scalar(item, assets)).unwrap_or_else(|| escaped(&scalar(item, assets))) + "\n",
    }
}

/// The text of a value that holds no other, without quotes. Values that hold others have no such text.
fn scalar(value: &Value, assets: &Assets) -> String {
    match value {
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Decimal(value) => value.to_string(),
        // Without its decimals an amount can only be shown in its smallest units.
        Value::Amount(amount) => assets
            .render_amount(amount)
            .unwrap_or_else(|_| format!("{} units of {}", amount.units, amount.asset)),
        Value::Percent(value) => format!("{value}%"),
        Value::Duration(seconds) => render_duration(*seconds),
        Value::Time(seconds) => {
            render_time(*seconds).unwrap_or_else(|| format!("{seconds} s since 1970"))
        }
        Value::Text(text) | Value::Account(text) => text.clone(),
        Value::Bytes(bytes) => hex::encode(bytes),
        Value::Id(id) => id.to_string(),
        Value::List(_) | Value::Map(_) | Value::Script(_) | Value::Unit => String::new(),
    }
}
