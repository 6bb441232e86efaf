//! Numbers, percentages, durations and times.

use super::{Native, function, int, property, text, wrong};
use crate::engine::error::Raised;
use crate::engine::operators;
use crate::engine::values::{Special, View, kind, view};
use crate::policy::types::DURATION_UNITS;
use crate::value::{Amount, Decimal, Rounding, Value, ValueError, mul_div, parse_time};
use rhai::Dynamic;

pub(super) const NATIVES: &[Native] = &[
    function(
        "dec(value)",
        "text | int | percent -> decimal",
        |_, args| match view(args[0]) {
            View::Text(text) => Ok(Special::Decimal(Decimal::parse(&text)?).into()),
            View::Int(number) => Ok(Special::Decimal(number.into()).into()),
            View::Special(Special::Percent(number)) => Ok(Special::Decimal(number).into()),
            _ => Err(wrong("dec", args[0])),
        },
    ),
    function(
        "int(value)",
        "int | text | id | decimal | time | duration -> int",
        |_, args| to_int(args[0]).map(Dynamic::from),
    ),
    function("id(value)", "int | id -> id", |_, args| {
        match view(args[0]) {
            View::Int(number) if number >= 0 => Ok(Special::Id(number.unsigned_abs()).into()),
            View::Special(id @ Special::Id(_)) => Ok(id.into()),
            _ => Err(Raised::type_error(format!(
                "an id is made of an int from 0, {} is given",
                kind(args[0])
            ))),
        }
    }),
    function("time(value)", "text | int -> time", |_, args| {
        match view(args[0]) {
            View::Text(text) => Ok(Special::Time(parse_time(&text)?).into()),
            View::Int(seconds) => Ok(Special::Time(seconds).into()),
            _ => Err(wrong("time", args[0])),
        }
    }),
    property("seconds", "int -> duration; duration -> int", |_, args| {
        unit("seconds", args[0])
    }),
    property("minutes", "int -> duration; duration -> int", |_, args| {
        unit("minutes", args[0])
    }),
    property("hours", "int -> duration; duration -> int", |_, args| {
        unit("hours", args[0])
    }),
    property("days", "int -> duration; duration -> int", |_, args| {
        unit("days", args[0])
    }),
    property("weeks", "int -> duration; duration -> int", |_, args| {
        unit("weeks", args[0])
    }),
    property(
        "percent",
        "int | decimal -> percent",
        |_, args| match view(args[0]) {
            View::Int(number) => Ok(Special::Percent(number.into()).into()),
            View::Special(Special::Decimal(number)) => Ok(Special::Percent(number).into()),
            _ => Err(wrong("percent", args[0])),
        },
    ),
    function("min(a, b)", "ordered, ordered -> either", |_, args| {
        let second = operators::compare(args[1], args[0])?.is_lt();
        Ok(args[usize::from(second)].clone())
    }),
    function("max(a, b)", "ordered, ordered -> either", |_, args| {
        let second = operators::compare(args[1], args[0])?.is_gt();
        Ok(args[usize::from(second)].clone())
    }),
    function(
        "abs(value)",
        "int | decimal | percent | duration | amount -> same",
        |_, args| {
            let negative = match view(args[0]) {
                View::Int(number) | View::Special(Special::Duration(number)) => number < 0,
                View::Special(Special::Decimal(number) | Special::Percent(number)) => {
                    number < Decimal::ZERO
                }
                View::Special(Special::Amount(amount)) => amount.units < 0,
                _ => return Err(wrong("abs", args[0])),
            };
            if negative {
                operators::unary("-", args[0])
            } else {
                Ok(args[0].clone())
            }
        },
    ),
    function(
        "mul_div(a, b, c, rounding)",
        "int, int, int, rounding -> int; amount, number, number, rounding -> amount; amount, amount, amount, rounding -> amount; amount, duration, duration, rounding -> amount; number, number, number, rounding -> decimal",
        |_, args| mul_div_values(args[0], args[1], args[2], rounding(args[3])?),
    ),
    function(
        "times(value, factor, rounding)",
        "amount, number | percent, rounding -> amount; int, decimal | percent, rounding -> int; decimal, number | percent, rounding -> decimal",
        |_, args| times(args[0], args[1], rounding(args[2])?),
    ),
    function(
        "round(value, decimals, rounding)",
        "decimal | percent, int, rounding -> same",
        |_, args| match view(args[0]) {
            View::Special(Special::Decimal(number)) => {
                Ok(Special::Decimal(number.round(decimals(args[1])?, rounding(args[2])?)?).into())
            }
            View::Special(Special::Percent(number)) => {
                Ok(Special::Percent(number.round(decimals(args[1])?, rounding(args[2])?)?).into())
            }
            _ => Err(wrong("round", args[0])),
        },
    ),
    function(
        "div(a, b, decimals, rounding)",
        "number, number, int, rounding -> decimal",
        |_, args| {
            let (a, b) = (number(args[0], "div")?, number(args[1], "div")?);
            let (decimals, rounding) = (decimals(args[2])?, rounding(args[3])?);
            Ok(Special::Decimal(Decimal::mul_div(a, 1.into(), b, decimals, rounding)?).into())
        },
    ),
    // The start of the period that a time is in: t.floor(1.days) is midnight.
    function(
        "floor(time, step)",
        "time, duration -> time",
        |_, args| match (view(args[0]), view(args[1])) {
            (View::Special(Special::Time(time)), View::Special(Special::Duration(step)))
                if step > 0 =>
            {
                Ok(Special::Time(operators::int("-", time, time.rem_euclid(step))?).into())
            }
            _ => Err(Raised::type_error(
                "floor wants a time and a positive duration",
            )),
        },
    ),
];

/// How to round, by name.
pub(super) fn rounding(value: &Dynamic) -> Result<Rounding, Raised> {
    const KNOWN: [(&str, Rounding); 4] = [
        ("floor", Rounding::Floor),
        ("half_up", Rounding::HalfUp),
        ("half_down", Rounding::HalfDown),
        ("half_even", Rounding::HalfEven),
    ];
    let name = text(value, "a rounding")?;
    let known = KNOWN
        .iter()
        .find(|(known, _)| *known == name.as_str())
        .map(|(_, rounding)| *rounding);
    known.ok_or_else(|| {
        Raised::new(
            "bad_rounding",
            "this is not the name of a rounding",
            "use floor, half_up, half_down or half_even",
        )
    })
}

fn decimals(value: &Dynamic) -> Result<u8, Raised> {
    let decimals = u8::try_from(int(value, "a number of decimals")?).ok();
    let decimals = decimals.filter(|decimals| *decimals <= Decimal::MAX_SCALE);
    decimals.ok_or_else(|| Raised::type_error("a number of decimals is 0 to 18"))
}

/// An int or a decimal as a decimal.
pub(super) fn number(value: &Dynamic, what: &str) -> Result<Decimal, Raised> {
    match view(value) {
        View::Int(number) => Ok(number.into()),
        View::Special(Special::Decimal(number)) => Ok(number),
        _ => Err(Raised::type_error(format!(
            "{what} wants an int or a decimal, {} is given",
            kind(value)
        ))),
    }
}

fn to_int(value: &Dynamic) -> Result<i64, Raised> {
    match view(value) {
        View::Int(number) => Ok(number),
        View::Text(text) => Ok(crate::value::parse_int(&text)?),
        View::Special(Special::Id(id)) => i64::try_from(id)
            .map_err(|_| Raised::new("overflow", "this id does not fit into an int", "")),
        View::Special(Special::Decimal(number)) => {
            let whole = number.units(0).ok_or_else(|| {
                Raised::new(
                    "inexact",
                    "this decimal is not whole",
                    "use round(0, \"half_up\") first",
                )
            })?;
            i64::try_from(whole)
                .map_err(|_| Raised::new("overflow", "this decimal does not fit into an int", ""))
        }
        View::Special(Special::Time(seconds) | Special::Duration(seconds)) => Ok(seconds),
        _ => Err(wrong("int", value)),
    }
}

/// `7.days` is a duration; `duration.days` is how many whole days are in it.
fn unit(name: &str, value: &Dynamic) -> Result<Dynamic, Raised> {
    let seconds = DURATION_UNITS
        .iter()
        .find(|(unit, _)| *unit == name)
        .map_or(1, |(_, seconds)| *seconds);
    match view(value) {
        View::Int(number) => Ok(Special::Duration(operators::int("*", number, seconds)?).into()),
        View::Special(Special::Duration(duration)) => Ok((duration / seconds).into()),
        _ => Err(wrong(name, value)),
    }
}

/// `a · b / c`, rounded once. Ints give an int, an amount gives an amount, with a decimal the result has 18 decimals.
fn mul_div_values(
    a: &Dynamic,
    b: &Dynamic,
    c: &Dynamic,
    rounding: Rounding,
) -> Result<Dynamic, Raised> {
    match (view(a), view(b), view(c)) {
        (View::Int(a), View::Int(b), View::Int(c)) => {
            let result = mul_div(a.into(), b.into(), c.into(), rounding)?;
            let result = i64::try_from(result)
                .map_err(|_| Raised::new("overflow", "the result does not fit into an int", ""))?;
            Ok(result.into())
        }
        (View::Special(Special::Amount(a)), View::Int(b), View::Int(c)) => {
            Ok(Special::Amount(a.mul_div(b.into(), c.into(), rounding)?).into())
        }
        (
            View::Special(Special::Amount(a)),
            View::Special(Special::Amount(b)),
            View::Special(Special::Amount(c)),
        ) => {
            if b.asset != c.asset {
                return Err(ValueError::AssetMismatch {
                    left: b.asset,
                    right: c.asset,
                }
                .into());
            }
            Ok(Special::Amount(a.mul_div(b.units.into(), c.units.into(), rounding)?).into())
        }
        (
            View::Special(Special::Amount(a)),
            View::Special(Special::Duration(b)),
            View::Special(Special::Duration(c)),
        ) => Ok(Special::Amount(a.mul_div(b.into(), c.into(), rounding)?).into()),
        (View::Special(Special::Amount(a)), ..) => {
            // One rounding only: the factor b / c is brought to whole numbers first.
            let (b, c) = (number(b, "mul_div")?, number(c, "mul_div")?);
            let scale = b.scale().max(c.scale());
            let whole = |number: Decimal| {
                number.units(scale).ok_or_else(|| {
                    Raised::from(ValueError::Inexact {
                        operation: "mul_div",
                    })
                })
            };
            Ok(Special::Amount(a.mul_div(whole(b)?, whole(c)?, rounding)?).into())
        }
        _ => {
            let (a, b, c) = (
                number(a, "mul_div")?,
                number(b, "mul_div")?,
                number(c, "mul_div")?,
            );
            Ok(Special::Decimal(Decimal::mul_div(a, b, c, Decimal::MAX_SCALE, rounding)?).into())
        }
    }
}

/// `value · factor`, rounded once to what the value can hold; a percentage as the factor takes so many hundredths.
fn times(value: &Dynamic, factor: &Dynamic, rounding: Rounding) -> Result<Dynamic, Raised> {
    let amount = |amount: Amount| Ok(Special::Amount(amount).into());
    match (view(value), view(factor)) {
        (View::Special(Special::Amount(a)), View::Int(factor)) => amount(a.checked_mul(factor)?),
        (View::Special(Special::Amount(a)), View::Special(Special::Decimal(factor))) => {
            amount(a.scaled(factor, rounding)?)
        }
        (View::Special(Special::Amount(a)), View::Special(Special::Percent(percent))) => {
            amount(a.percent(percent, rounding)?)
        }
        (View::Int(a), View::Special(Special::Percent(percent))) => {
            let result = mul_div(
                a.into(),
                percent.mantissa(),
                10i128.pow(u32::from(percent.scale()) + 2),
                rounding,
            )?;
            let result = i64::try_from(result)
                .map_err(|_| Raised::new("overflow", "the result does not fit into an int", ""))?;
            Ok(result.into())
        }
        (View::Int(a), View::Special(Special::Decimal(factor))) => {
            let result = mul_div(
                a.into(),
                factor.mantissa(),
                10i128.pow(u32::from(factor.scale())),
                rounding,
            )?;
            let result = i64::try_from(result)
                .map_err(|_| Raised::new("overflow", "the result does not fit into an int", ""))?;
            Ok(result.into())
        }
        (View::Special(Special::Decimal(a)), View::Special(Special::Percent(percent))) => {
            Ok(Special::Decimal(Decimal::mul_div(
                a,
                percent,
                100.into(),
                Decimal::MAX_SCALE,
                rounding,
            )?)
            .into())
        }
        (View::Special(Special::Decimal(a)), _) => {
            let factor = number(factor, "times")?;
            Ok(Special::Decimal(Decimal::mul_div(
                a,
                factor,
                1.into(),
                Decimal::MAX_SCALE,
                rounding,
            )?)
            .into())
        }
        _ => Err(Raised::type_error(format!(
            "{} times {} has no meaning",
            kind(value),
            kind(factor)
        ))),
    }
}

/// An int or decimal as a value; used by weights.
pub(super) fn weight(value: &Value) -> Option<Decimal> {
    match value {
        Value::Int(number) => Some((*number).into()),
        Value::Decimal(number) | Value::Percent(number) => Some(*number),
        Value::Amount(amount) => Some(amount.units.into()),
        Value::Duration(seconds) => Some((*seconds).into()),
        _ => None,
    }
}
