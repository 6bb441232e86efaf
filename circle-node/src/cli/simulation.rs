//! What a script would do, as `!vote.simulate` answers it, for people.

use serde_json::{Map, Value};

/// The answer as lines, if it is one about a simulated script.
pub fn screen(answer: &Value) -> Option<String> {
    let list = |name: &str| answer[name].as_array();
    let (writes, money) = (list("writes")?, list("money")?);
    let (events, effects) = (list("events")?, list("effects")?);
    let mut lines = vec![match answer["ok"].as_bool()? {
        true => "it would take effect".to_owned(),
        false => format!(
            "it would be refused: {} [{}]",
            short(&answer["reason"]),
            short(&answer["code"])
        ),
    }];
    section(&mut lines, "state written", writes.iter().map(write));
    section(&mut lines, "money moved", money.iter().map(moved));
    section(&mut lines, "events", events.iter().map(named));
    let effects = effects.iter().map(|effect| format!("!!!{}", named(effect)));
    section(&mut lines, "effects", effects);
    if let Some(left_out) = answer["left_out"].as_u64().filter(|count| *count > 0) {
        lines.push(format!("and {left_out} more, for which there was no room"));
    }
    Some(lines.join("\n"))
}

fn section(lines: &mut Vec<String>, title: &str, entries: impl Iterator<Item = String>) {
    let entries: Vec<String> = entries.map(|entry| format!("  {entry}")).collect();
    match entries.is_empty() {
        true => lines.push(format!("{title}: nothing")),
        false => {
            lines.push(title.to_owned());
            lines.extend(entries);
        }
    }
}

/// `shelf.things 7: due nothing -> '2026-01-08 00:00:00'`: of a row that was there, what changes.
fn write(write: &Value) -> String {
    let row = format!(
        "{}.{} {}",
        short(&write["policy"]),
        short(&write["table"]),
        short(&write["key"])
    );
    match (&write["before"], &write["after"]) {
        (before, Value::Null) => format!("{row} deleted, was {}", short(before)),
        (Value::Null, after) => format!("{row} new: {}", short(after)),
        (Value::Object(before), Value::Object(after)) => {
            format!("{row}: {}", changed(before, after))
        }
        (before, after) => format!("{row}: {} -> {}", short(before), short(after)),
    }
}

fn changed(before: &Map<String, Value>, after: &Map<String, Value>) -> String {
    let was = |name: &String| before.get(name).unwrap_or(&Value::Null);
    let columns = after.iter().filter(|(name, value)| was(name) != *value);
    let columns: Vec<String> = columns
        .map(|(name, value)| format!("{name} {} -> {}", short(was(name)), short(value)))
        .collect();
    match columns.is_empty() {
        true => "as it was".into(),
        false => columns.join(", "),
    }
}

fn moved(moved: &Value) -> String {
    format!(
        "{}: {} -> {}",
        short(&moved["book"]),
        short(&moved["before"]),
        short(&moved["after"])
    )
}

fn named(entry: &Value) -> String {
    let data = &entry["data"];
    let bare = data.as_object().is_some_and(Map::is_empty) || data.is_null();
    let data = if bare {
        String::new()
    } else {
        format!(" {}", short(data))
    };
    format!("{}{data}", short(&entry["name"]))
}

/// A value on one line.
fn short(value: &Value) -> String {
    match value {
        Value::Null => "nothing".into(),
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(short).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| format!("{name} {}", short(value));
            let fields: Vec<String> = fields.iter().map(field).collect();
            fields.join(", ")
        }
        simple => simple.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_simulation_says_what_would_change() {
        let answer = json!({
            "ok": true, "code": "ok", "reason": "",
            "writes": [
                { "policy": "shelf", "table": "things", "key": 7, "before": { "due": null, "name": "drill" },
                  "after": { "due": "2026-01-08 00:00:00", "name": "drill" } },
                { "policy": "shelf", "table": "loans", "key": [7, "g1"], "before": null, "after": { "paid": "1 TFT" } },
                { "policy": "circle", "table": "activations", "key": "iou", "before": { "height": 3 }, "after": null },
            ],
            "money": [{ "book": "escrow:bob", "asset": "TFT", "before": "5 TFT", "after": "4 TFT" }],
            "events": [{ "name": "shelf.lent", "data": { "to": "g1" } }, { "name": "shelf.open", "data": {} }],
            "effects": [{ "name": "mail.remind", "data": { "days": 3 } }],
            "left_out": 2,
        });
        expect_test::expect![[r#"
            it would take effect
            state written
              shelf.things 7: due nothing -> 2026-01-08 00:00:00
              shelf.loans [7, g1] new: paid 1 TFT
              circle.activations iou deleted, was height 3
            money moved
              escrow:bob: 5 TFT -> 4 TFT
            events
              shelf.lent to g1
              shelf.open
            effects
              !!!mail.remind days 3
            and 2 more, for which there was no room"#]]
        .assert_eq(&screen(&answer).unwrap());
    }

    #[test]
    fn a_refused_script_says_why_and_other_answers_are_no_simulations() {
        let answer = json!({ "ok": false, "code": "bench.already", "reason": "benched already",
            "writes": [], "money": [], "events": [], "effects": [], "left_out": 0 });
        expect_test::expect![[r#"
            it would be refused: benched already [bench.already]
            state written: nothing
            money moved: nothing
            events: nothing
            effects: nothing"#]]
        .assert_eq(&screen(&answer).unwrap());
        for other in [
            json!(null),
            json!({ "ok": true }),
            json!([1]),
            json!({ "writes": [], "money": [] }),
        ] {
            assert_eq!(screen(&other), None);
        }
    }
}
