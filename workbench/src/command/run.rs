//! `circle policy run`: what actions do on a scratch circle.

use std::sync::Arc;

use serde_json::{Value as Json, json};
use threescript::action::render;
use threescript::value::{Assets, Value};

use crate::console::{Console, Outcome};
use crate::literal::literal;
use crate::problem::{Problem, fault_json};
use crate::trying::{Moved, RowWrite, Trial, Tried, Unready, Unseen, attempt, on_large_stack};

/// Run actions or a question on a scratch circle, and show what they do.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    pub trial: Trial,
}

/// Runs the verb.
pub fn run(args: Args, console: &mut Console<'_>) -> Result<Outcome, Problem> {
    let tried = on_large_stack(|| attempt(&args.trial, Arc::new(Unseen)))??;
    let tried = match tried {
        Ok(tried) => tried,
        Err(unready) => return Ok(report_unready(&unready, args.trial.json, console)),
    };
    match args.trial.json {
        true => console.print_json(&to_json(&tried)),
        false => print(&tried, console),
    }
    Ok(match tried.outcome {
        Ok(_) => Outcome::Passed,
        Err(_) => Outcome::Failed,
    })
}

/// Says why nothing could be tried.
pub(super) fn report_unready(unready: &Unready, json: bool, console: &mut Console<'_>) -> Outcome {
    match unready {
        Unready::Faults(faults) if json => {
            let faults: Vec<Json> = faults.iter().map(fault_json).collect();
            console.print_json(&json!({ "faults": faults }));
        }
        Unready::Faults(faults) => faults.iter().for_each(|fault| console.print(fault)),
        Unready::Given(failure) if json => console.print_json(&json!({ "given": failure })),
        Unready::Given(failure) => {
            failure.lines().iter().for_each(|line| console.print(line));
        }
    }
    Outcome::Failed
}

/// What became of it, as JSON.
pub(super) fn to_json(tried: &Tried) -> Json {
    let assets = Assets::standard();
    let shown = |value: &Value| literal(value, &assets);
    let row = |row: &RowWrite| {
        let key: Vec<String> = row.key.iter().map(shown).collect();
        json!({ "policy": row.policy, "table": row.table, "key": key,
            "before": row.before.as_ref().map(shown), "after": row.after.as_ref().map(shown) })
    };
    let moved = |moved: &Moved| {
        json!({ "book": moved.book, "asset": moved.before.asset.as_str(), "before": moved.before.units,
            "after": moved.after.units })
    };
    let known = |(name, data): (String, &Value)| json!({ "name": name, "data": shown(data) });
    let events = tried.receipts.iter().flat_map(|receipt| &receipt.events);
    let events = events.map(|one| known((format!("{}.{}", one.actor, one.name), &one.data)));
    let effects = tried.receipts.iter().flat_map(|receipt| &receipt.effects);
    let effects = effects.map(|one| known((format!("{}.{}", one.actor, one.name), &one.data)));
    json!({
        "by": tried.who,
        "submitted": render(&tried.actions, &assets),
        "code": tried.outcome.as_ref().err().map_or("ok", |failure| failure.code.as_str()),
        "returned": tried.outcome.as_ref().ok().map(shown),
        "refused": tried.outcome.as_ref().err(),
        "rows": tried.rows.iter().map(row).collect::<Vec<_>>(),
        "kernel_rows": tried.kernel_rows,
        "events": events.collect::<Vec<_>>(),
        "effects": effects.collect::<Vec<_>>(),
        "money": tried.money.iter().map(moved).collect::<Vec<_>>(),
        "operations": tried.operations,
    })
}

/// What became of it, for people.
fn print(tried: &Tried, console: &mut Console<'_>) {
    let assets = Assets::standard();
    print_submitted(tried, console);
    print_outcome(tried, console);
    print_rows(&tried.rows, &assets, console);
    let events = tried.receipts.iter().flat_map(|receipt| &receipt.events);
    let events = events.map(|one| (format!("{}.{}", one.actor, one.name), &one.data));
    print_known("events", events, &assets, console);
    let effects = tried.receipts.iter().flat_map(|receipt| &receipt.effects);
    let effects = effects.map(|one| (format!("!!!{}.{}", one.actor, one.name), &one.data));
    print_known("effects", effects, &assets, console);
    print_money(&tried.money, &assets, console);
    let kernel = match tried.kernel_rows {
        0 => String::new(),
        1 => ", and 1 row of the kernel".to_owned(),
        rows => format!(", and {rows} rows of the kernel"),
    };
    let rows = tried.rows.len();
    let plural = if rows == 1 { "row" } else { "rows" };
    console.print(format!(
        "{} operations, {rows} {plural} of tables written{kernel}",
        tried.operations
    ));
}

/// Who submitted what.
pub(super) fn print_submitted(tried: &Tried, console: &mut Console<'_>) {
    let text = render(&tried.actions, &Assets::standard());
    console.print(format!("{}: {}", tried.who, text.trim_end()));
}

/// What was returned, or why it was refused.
pub(super) fn print_outcome(tried: &Tried, console: &mut Console<'_>) {
    match &tried.outcome {
        Ok(value) => console.print(format!("returned {}", literal(value, &Assets::standard()))),
        Err(failure) => {
            let place = match failure.place.line {
                0 => String::new(),
                _ => format!(" at {}", failure.place),
            };
            console.print(format!(
                "refused{place}: {} [{}]",
                failure.reason, failure.code
            ));
            if failure.place.line > 0 {
                failure
                    .place
                    .excerpt()
                    .iter()
                    .for_each(|line| console.print(line));
            }
            if !failure.mend.is_empty() {
                console.print(format!("= {}", failure.mend));
            }
        }
    }
}

fn print_rows(rows: &[RowWrite], assets: &Assets, console: &mut Console<'_>) {
    if rows.is_empty() {
        return;
    }
    console.print("rows:");
    let shown = |value: &Value| literal(value, assets);
    for row in rows {
        let key: Vec<String> = row.key.iter().map(shown).collect();
        let title = format!("{}.{} {}", row.policy, row.table, key.join(", "));
        match (&row.before, &row.after) {
            (None, Some(after)) => console.print(format!("  + {title}: {}", shown(after))),
            (Some(before), None) => console.print(format!("  - {title}: {}", shown(before))),
            (Some(Value::Map(before)), Some(Value::Map(after))) => {
                console.print(format!("  * {title}"));
                for (name, value) in after {
                    let old = before.get(name).unwrap_or(&Value::Unit);
                    if old != value {
                        console.print(format!("      {name}: {} -> {}", shown(old), shown(value)));
                    }
                }
            }
            _ => {}
        }
    }
}

fn print_known<'a>(
    title: &str,
    known: impl Iterator<Item = (String, &'a Value)>,
    assets: &Assets,
    console: &mut Console<'_>,
) {
    for (index, (name, data)) in known.enumerate() {
        if index == 0 {
            console.print(format!("{title}:"));
        }
        console.print(format!("  {name} {}", literal(data, assets)));
    }
}

fn print_money(money: &[Moved], assets: &Assets, console: &mut Console<'_>) {
    if money.is_empty() {
        return;
    }
    console.print("money:");
    let shown = |amount: &threescript::value::Amount| match assets.render_amount(amount) {
        Ok(text) => text,
        Err(_) => format!("{} units of {}", amount.units, amount.asset),
    };
    let widest = money
        .iter()
        .map(|moved| moved.book.len())
        .max()
        .unwrap_or(0);
    for Moved {
        book,
        before,
        after,
    } in money
    {
        let change = after.checked_sub(before).map(|change| {
            let sign = if change.units > 0 { "+" } else { "" };
            format!(" ({sign}{})", shown(&change))
        });
        let change = change.unwrap_or_default();
        console.print(format!(
            "  {book:widest$}  {} -> {}{change}",
            shown(before),
            shown(after)
        ));
    }
}
