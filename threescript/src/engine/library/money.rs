//! Amounts, and dividing them without losing a unit.

use super::numbers::{number, weight};
use super::{Native, function, int, property, text, wrong};
use crate::engine::error::Raised;
use crate::engine::run::Run;
use crate::engine::values::{Special, View, kind, to_value, view};
use crate::value::{Amount, AssetCode, Decimal, Rounding, Value, ValueError, mul_div};
use rhai::Dynamic;
use std::collections::BTreeMap;

pub(super) const NATIVES: &[Native] = &[
    function("amount(value)", "text -> amount", |run, args| {
        let text = text(args[0], "an amount")?;
        Ok(Special::Amount(run.catalog.assets().parse_amount(&text)?).into())
    }),
    function(
        "amount(number, asset)",
        "text | number, asset -> amount",
        of,
    ),
    function("of(number, asset)", "text | number, asset -> amount", of),
    function(
        "units(units, asset)",
        "int, asset -> amount",
        |run, args| {
            let asset = asset(run, args[1])?;
            Ok(Special::Amount(Amount::new(int(args[0], "a number of units")?, asset)).into())
        },
    ),
    property("units", "amount -> int", |_, args| {
        money("units", args[0]).map(|amount| amount.units.into())
    }),
    property("asset", "amount -> text", |_, args| {
        money("asset", args[0]).map(|amount| amount.asset.as_str().into())
    }),
    property(
        "number",
        "amount | percent -> decimal",
        |run, args| match view(args[0]) {
            View::Special(Special::Amount(amount)) => {
                Ok(Special::Decimal(run.catalog.assets().to_decimal(&amount)?).into())
            }
            View::Special(Special::Percent(percent)) => Ok(Special::Decimal(percent).into()),
            _ => Err(wrong("number", args[0])),
        },
    ),
    function(
        "allocate(whole, weights)",
        "int | amount, list -> list(same); int | amount, map -> map(same)",
        allocate,
    ),
];

fn money(what: &str, value: &Dynamic) -> Result<Amount, Raised> {
    match view(value) {
        View::Special(Special::Amount(amount)) => Ok(amount),
        _ => Err(wrong(what, value)),
    }
}

fn asset(run: &Run, value: &Dynamic) -> Result<AssetCode, Raised> {
    let asset = AssetCode::new(&text(value, "an asset")?)?;
    if run.catalog.assets().decimals(&asset).is_some() {
        return Ok(asset);
    }
    let known: Vec<&str> = run
        .catalog
        .assets()
        .iter()
        .map(|(asset, _)| asset.as_str())
        .collect();
    Err(ValueError::UnknownAsset {
        asset: asset.clone(),
        known: known.join(", "),
    }
    .into())
}

/// `amount(dec("12.5"), "TFT")`, `100.of("TFT")`: exact, so a number with too many decimals is an error.
fn of(run: &Run, args: &mut [&mut Dynamic]) -> Result<Dynamic, Raised> {
    let number = match view(args[0]) {
        View::Text(text) => Decimal::parse(&text)?,
        _ => number(args[0], "an amount")?,
    };
    let asset = asset(run, args[1])?;
    let amount = run
        .catalog
        .assets()
        .parse_amount(&format!("{number} {asset}"))?;
    Ok(Special::Amount(amount).into())
}

/// Divides an amount or an int by weights so that the parts always sum to the whole: each part is rounded down, and the
/// units left over go one each to the largest remainders; between equal ones to the first in the list, or in the map by
/// its keys.
fn allocate(run: &Run, args: &mut [&mut Dynamic]) -> Result<Dynamic, Raised> {
    let (whole, asset) = match view(args[0]) {
        View::Int(whole) => (whole, None),
        View::Special(Special::Amount(amount)) => (amount.units, Some(amount.asset)),
        _ => {
            return Err(Raised::type_error(format!(
                "an amount or an int is allocated, not {}",
                kind(args[0])
            )));
        }
    };
    let (names, weights): (Option<Vec<String>>, Vec<Value>) = match to_value(args[1])? {
        Value::List(weights) => (None, weights),
        Value::Map(entries) => {
            let (names, weights) = entries.into_iter().unzip();
            (Some(names), weights)
        }
        other => {
            return Err(Raised::type_error(format!(
                "weights are a list or a map, {} is given",
                other.kind()
            )));
        }
    };
    run.meter.list(weights.len())?;
    run.meter.charge(weights.len() as u64 * 4)?;
    let part = |units: i64| match &asset {
        Some(asset) => Value::Amount(Amount::new(units, asset.clone())),
        None => Value::Int(units),
    };
    let parts: Vec<Value> = divide(whole, &weights)?.into_iter().map(part).collect();
    run.give(match names {
        None => Value::List(parts),
        Some(names) => Value::Map(names.into_iter().zip(parts).collect::<BTreeMap<_, _>>()),
    })
}

fn divide(whole: i64, weights: &[Value]) -> Result<Vec<i64>, Raised> {
    let mend =
        "use ints, decimals, percentages, durations or amounts of one asset, none of them negative";
    let bad = |message: &str| Raised::new("bad_weights", message, mend);
    let mut asset = None;
    let mut numbers = Vec::with_capacity(weights.len());
    for value in weights {
        if let Value::Amount(amount) = value
            && *asset.get_or_insert(&amount.asset) != &amount.asset
        {
            return Err(bad("the weights are amounts of different assets"));
        }
        let number = weight(value).filter(|number| *number >= Decimal::ZERO);
        numbers.push(number.ok_or_else(|| bad("a weight is no number or negative"))?);
    }
    // All weights with the same number of decimals, so that they can be compared as whole numbers.
    let scale = numbers.iter().map(Decimal::scale).max().unwrap_or(0);
    let overflow = || Raised::new("overflow", "the weights are too large", "use smaller ones");
    let units: Option<Vec<i128>> = numbers.iter().map(|number| number.units(scale)).collect();
    let units = units.ok_or_else(overflow)?;
    let total = units
        .iter()
        .try_fold(0i128, |sum, weight| sum.checked_add(*weight))
        .ok_or_else(overflow)?;
    if total == 0 {
        return Err(bad("the weights sum to zero"));
    }
    let size = i128::from(whole.unsigned_abs());
    let mut parts = Vec::with_capacity(units.len());
    let mut remainders = Vec::with_capacity(units.len());
    for (index, weight) in units.iter().enumerate() {
        let part = mul_div(size, *weight, total, Rounding::Floor)?;
        // size · weight − part · total is in 0..total; wrapping loses only what cancels out.
        let remainder = size
            .wrapping_mul(*weight)
            .wrapping_sub(part.wrapping_mul(total));
        parts.push(part);
        remainders.push((std::cmp::Reverse(remainder), index));
    }
    let left = size - parts.iter().sum::<i128>();
    remainders.sort_unstable();
    // Fewer units are left than there are parts, because each was rounded down by less than one.
    for (_, index) in remainders
        .into_iter()
        .take(usize::try_from(left).unwrap_or(0))
    {
        parts[index] += 1;
    }
    let sign = i128::from(whole.signum());
    parts
        .into_iter()
        .map(|part| i64::try_from(part * sign).map_err(|_| overflow()))
        .collect()
}
