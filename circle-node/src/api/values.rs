//! Values of 3Script in JSON, for people and programs that only read.

use serde_json::{Value as Json, json};
use threescript::action;
use threescript::value::{Amount, Assets, Value, render_duration, render_time};

/// A value as JSON: numbers and lists as they are, money as `12.5 TFT`, times and durations as actions write them, bytes in
/// hexadecimal, scripts as their text.
pub fn to_json(value: &Value, assets: &Assets) -> Json {
    match value {
        Value::Bool(yes) => json!(yes),
        Value::Int(number) => json!(number),
        Value::Id(number) => json!(number),
        Value::Decimal(number) => json!(number.to_string()),
        Value::Percent(number) => json!(format!("{number}%")),
        Value::Amount(amount) => json!(format!("{} {}", units(amount, assets), amount.asset)),
        Value::Duration(seconds) => json!(render_duration(*seconds)),
        Value::Time(seconds) => {
            render_time(*seconds).map_or_else(|| json!(seconds), |text| json!(text))
        }
        Value::Text(text) | Value::Account(text) => json!(text),
        Value::Bytes(bytes) => json!(hex::encode(bytes)),
        Value::List(items) => items.iter().map(|item| to_json(item, assets)).collect(),
        Value::Map(items) => Json::Object(
            items
                .iter()
                .map(|(key, value)| (key.clone(), to_json(value, assets)))
                .collect(),
        ),
        Value::Script(actions) => json!(action::render(actions, assets)),
        Value::Unit => Json::Null,
    }
}

/// An amount in whole units of its asset, with all decimals of the asset: `12.5000000`.
pub fn units(amount: &Amount, assets: &Assets) -> String {
    let decimals = assets.decimals(&amount.asset).unwrap_or(0);
    fixed(i128::from(amount.units), decimals)
}

/// `units` minor units with `decimals` decimals.
pub fn fixed(units: i128, decimals: u8) -> String {
    let one = 10u128.pow(u32::from(decimals.min(18)));
    let (sign, magnitude) = (if units < 0 { "-" } else { "" }, units.unsigned_abs());
    if decimals == 0 {
        return format!("{sign}{magnitude}");
    }
    format!(
        "{sign}{}.{:0width$}",
        magnitude / one,
        magnitude % one,
        width = usize::from(decimals)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_all_their_decimals() {
        for (units, decimals, text) in [
            (0, 7, "0.0000000"),
            (1, 7, "0.0000001"),
            (12_5000000, 7, "12.5000000"),
            (-15, 1, "-1.5"),
            (42, 0, "42"),
            (i128::from(i64::MIN), 7, "-922337203685.4775808"),
        ] {
            assert_eq!(fixed(units, decimals), text);
        }
    }
}
