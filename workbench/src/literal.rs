//! Values as they are written in bodies, so that they can be pasted into a test.

use threescript::action::render;
use threescript::value::{Assets, Decimal, Value, render_time};

/// A value as a body writes it.
pub fn literal(value: &Value, assets: &Assets) -> String {
    match value {
        Value::Unit => "()".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Id(id) => id.to_string(),
        Value::Decimal(number) => format!("dec(\"{number}\")"),
        Value::Percent(number) => percent(*number),
        Value::Amount(amount) => match assets.render_amount(amount) {
            Ok(text) => format!("amount(\"{text}\")"),
            Err(_) => format!("units({}, \"{}\")", amount.units, amount.asset),
        },
        Value::Duration(seconds) => duration(*seconds),
        Value::Time(seconds) => match render_time(*seconds) {
            Some(text) => format!("time(\"{text}\")"),
            None => format!("time(\"1970-01-01 00:00:00\") + {seconds}.seconds"),
        },
        Value::Text(text) => quoted(text),
        Value::Account(name) => format!("account({})", quoted(name)),
        Value::Bytes(bytes) => format!("bytes(\"{}\")", hex::encode(bytes)),
        Value::List(items) => {
            let items: Vec<String> = items.iter().map(|item| literal(item, assets)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Map(entries) if entries.is_empty() => "#{}".to_owned(),
        Value::Map(entries) => {
            let entry = |(name, value): (&String, &Value)| {
                let name = match threescript::action::is_name(name) {
                    true => name.clone(),
                    false => quoted(name),
                };
                format!("{name}: {}", literal(value, assets))
            };
            let entries: Vec<String> = entries.iter().map(entry).collect();
            format!("#{{ {} }}", entries.join(", "))
        }
        Value::Script(actions) => quoted(render(actions, assets).trim_end()),
    }
}

fn percent(number: Decimal) -> String {
    match number.scale() {
        0 => format!("{number}.percent"),
        _ => format!("dec(\"{number}\").percent"),
    }
}

fn duration(seconds: i64) -> String {
    const UNITS: [(&str, i64); 3] = [("days", 86_400), ("hours", 3_600), ("minutes", 60)];
    let whole = UNITS
        .iter()
        .find(|(_, unit)| seconds != 0 && seconds % unit == 0);
    match whole {
        Some((name, unit)) => format!("{}.{name}", seconds / unit),
        None => format!("{seconds}.seconds"),
    }
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}
