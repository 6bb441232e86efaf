//! Traces: every statement that ran with its values, and why an amount is what it is.

mod recorder;
mod why;

pub use recorder::{Call, Node, Recorder, RunTrace, StatementTrace};
pub use why::{Cause, Why, why};

use threescript::engine::Shown;
use threescript::value::{Assets, Value};

use crate::literal::literal;

/// The longest text of a value in a trace.
const SHOWN: usize = 200;

/// Something of a run as a trace shows it: a value as a body writes it, a table or module by its name.
pub fn show(shown: &Shown, assets: &Assets) -> String {
    let text = match shown {
        Shown::Value(value) => literal(value, assets),
        Shown::Table(name) | Shown::Module(name) => name.clone(),
        Shown::Other(kind) => format!("a {kind}"),
    };
    match text.char_indices().nth(SHOWN) {
        None => text,
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// Whether there is money in a value.
pub fn has_money(value: &Value) -> bool {
    match value {
        Value::Amount(_) => true,
        Value::List(items) => items.iter().any(has_money),
        Value::Map(entries) => entries.values().any(has_money),
        _ => false,
    }
}
