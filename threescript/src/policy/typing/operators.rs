//! Which operators there are between kinds. It says the same as [`crate::engine::operators`], which a test compares.

use super::kind::{Kind, Ty};
use Kind::*;

/// What an operator gives, if it has a meaning between these kinds.
pub(crate) fn binary(operator: &str, a: &Kind, b: &Kind) -> Option<Ty> {
    let one = |kind: Kind| Some(Ty::one(kind));
    match operator {
        "==" | "!=" => return equatable(a, b).then(Ty::bool),
        "<" | "<=" | ">" | ">=" => return ordered(a, b).then(Ty::bool),
        ".." | "..=" => return matches!((a, b), (Int, Int)).then(|| Ty::one(Range)),
        _ => {}
    }
    match (a, operator, b) {
        (Int, _, Int) => one(Int),
        (Bool, "&" | "|" | "^", Bool) => one(Bool),
        (Text(_), "+", Text(_)) => Some(Ty::text()),
        (Text(_), "+", other) | (other, "+", Text(_)) if has_text(other) => Some(Ty::text()),
        (List(a), "+", List(b)) => Some(Ty::list(Ty::clone(a).join(Ty::clone(b)))),
        (Decimal, "+" | "-" | "*", Decimal | Int) | (Int, "+" | "-" | "*", Decimal) => one(Decimal),
        (Percent, "+" | "-", Percent) | (Percent, "*", Int) | (Int, "*", Percent) => one(Percent),
        (Amount, "+" | "-", Amount) | (Amount, "*", Int) | (Int, "*", Amount) => one(Amount),
        (Duration, "*", Int) | (Int, "*", Duration) | (Duration, "/", Int) => one(Duration),
        (Duration, "/", Duration) => one(Int),
        (Duration, "+" | "-" | "%", Duration) | (Time, "-", Time) => one(Duration),
        (Time, "+" | "-", Duration) | (Duration, "+", Time) => one(Time),
        _ => None,
    }
}

/// What `-x`, `+x` and `!x` give.
pub(crate) fn unary(operator: &str, a: &Kind) -> Option<Ty> {
    match (operator, a) {
        ("!", Bool) => Some(Ty::bool()),
        ("+", Int) => Some(Ty::int()),
        ("-", Int | Decimal | Percent | Duration | Amount) => Some(Ty::one(a.clone())),
        _ => None,
    }
}

/// Whether two kinds have a common order.
pub(crate) fn ordered(a: &Kind, b: &Kind) -> bool {
    matches!(
        (a, b),
        (Int, Int | Decimal | Id)
            | (Text(_), Text(_) | Account)
            | (Decimal, Decimal | Int)
            | (Percent, Percent)
            | (Amount, Amount)
            | (Duration, Duration)
            | (Time, Time)
            | (Account, Account | Text(_))
            | (Id, Id | Int)
    )
}

fn equatable(a: &Kind, b: &Kind) -> bool {
    ordered(a, b)
        || matches!(
            (a, b),
            (Nothing, _)
                | (_, Nothing)
                | (Bool, Bool)
                | (Bytes, Bytes)
                | (Script, Script)
                | (List(_), List(_))
                | (Map(_), Map(_))
        )
}

/// What can be put behind a text with `+`, besides a text.
fn has_text(kind: &Kind) -> bool {
    matches!(
        kind,
        Int | Decimal | Amount | Percent | Duration | Time | Bytes | Account | Id
    )
}
