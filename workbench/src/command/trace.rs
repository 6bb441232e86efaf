//! `circle policy trace`: what actions do statement by statement, and why amounts are what they are.

use std::sync::Arc;

use serde_json::{Value as Json, json};
use threescript::policy::Place;
use threescript::value::{Assets, Value};

use super::run::{print_outcome, print_submitted, report_unready, to_json};
use crate::console::{Console, Outcome};
use crate::literal::literal;
use crate::problem::Problem;
use crate::tracing::{Call, Cause, Node, Recorder, RunTrace, StatementTrace, Why, show, why};
use crate::trying::{Trial, attempt, on_large_stack};

/// Run actions or a question on a scratch circle, and show every statement with its values.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    pub trial: Trial,
}

/// Runs the verb.
pub fn run(args: Args, console: &mut Console<'_>) -> Result<Outcome, Problem> {
    let recorder = Arc::new(Recorder::default());
    let tried = on_large_stack(|| attempt(&args.trial, recorder.clone()))??;
    let tried = match tried {
        Ok(tried) => tried,
        Err(unready) => return Ok(report_unready(&unready, args.trial.json, console)),
    };
    let assets = Assets::standard();
    let (runs, left_out) = recorder.take();
    let reasons: Vec<Why> = runs
        .iter()
        .flat_map(|run| why(run, &tried.params, &assets))
        .collect();
    if args.trial.json {
        let mut document = to_json(&tried);
        document["runs"] = runs.iter().map(|run| run_json(run, &assets)).collect();
        document["left_out"] = json!(left_out);
        document["why"] = json!(reasons);
        console.print_json(&document);
    } else {
        print_submitted(&tried, console);
        for run in &runs {
            print_run(run, 0, &assets, console);
        }
        if left_out > 0 {
            console.print(format!("{left_out} more statements ran, too many to show"));
        }
        print_outcome(&tried, console);
        for reason in &reasons {
            print_why(reason, console);
        }
    }
    Ok(match tried.outcome {
        Ok(_) => Outcome::Passed,
        Err(_) => Outcome::Failed,
    })
}

fn arguments(args: &[(String, Value)], assets: &Assets) -> String {
    let shown = args
        .iter()
        .map(|(name, value)| format!("{name} = {}", literal(value, assets)));
    shown.collect::<Vec<_>>().join(", ")
}

fn line_of(run: &RunTrace, place: Option<Place>) -> (u32, &str) {
    let line = place.map_or(0, |place| place.line);
    let text = run
        .policy
        .source()
        .lines()
        .nth(line.saturating_sub(1) as usize);
    (line, text.unwrap_or_default().trim())
}

fn print_run(run: &RunTrace, depth: usize, assets: &Assets, console: &mut Console<'_>) {
    let indent = "    ".repeat(depth);
    let args = arguments(&run.args, assets);
    console.print(format!("{indent}{}({args}) by {}", run.title, run.caller));
    print_nodes(run, &run.nodes, depth + 1, assets, console);
    match &run.result {
        Ok(value) => console.print(format!("{indent}  gives {}", literal(value, assets))),
        Err(error) => console.print(format!(
            "{indent}  fails: {} [{}]",
            error.message, error.code
        )),
    }
}

fn print_nodes(
    run: &RunTrace,
    nodes: &[Node],
    depth: usize,
    assets: &Assets,
    console: &mut Console<'_>,
) {
    for node in nodes {
        match node {
            Node::Run(inner) => print_run(inner, depth, assets, console),
            Node::Statement(statement) => print_statement(run, statement, depth, assets, console),
        }
    }
}

fn print_statement(
    run: &RunTrace,
    statement: &StatementTrace,
    depth: usize,
    assets: &Assets,
    console: &mut Console<'_>,
) {
    let indent = "    ".repeat(depth - 1);
    let (line, text) = line_of(run, statement.place);
    console.print(format!("{indent}{line:>5} | {text}"));
    let reads = statement.reads.iter();
    let reads = reads
        .filter_map(|(name, value)| Some(format!("{name} = {}", show(value.as_ref()?, assets))));
    let reads: Vec<String> = reads.collect();
    if !reads.is_empty() {
        console.print(format!("{indent}        with {}", reads.join(", ")));
    }
    for call in &statement.calls {
        print_nodes(run, &call.nodes, depth + 1, assets, console);
        console.print(format!("{indent}        {}", call_text(call, assets)));
    }
    for (name, value) in &statement.changes {
        console.print(format!("{indent}        {name} = {}", show(value, assets)));
    }
}

/// A call as it could be written, with what it gave.
fn call_text(call: &Call, assets: &Assets) -> String {
    use threescript::engine::Shown;
    let result = match &call.result {
        Some(Shown::Value(Value::Unit)) => String::new(),
        Some(result) => format!(" -> {}", show(result, assets)),
        None => " fails".to_owned(),
    };
    let shown: Vec<String> = call.args.iter().map(|arg| show(arg, assets)).collect();
    let text = match call.args.first() {
        Some(Shown::Module(_) | Shown::Table(_) | Shown::Other(_)) if !call.own => {
            format!("{}.{}({})", shown[0], call.function, shown[1..].join(", "))
        }
        _ => format!("{}({})", call.function, shown.join(", ")),
    };
    format!("{text}{result}")
}

fn print_why(reason: &Why, console: &mut Console<'_>) {
    console.print(format!("why {}: {}", reason.value, reason.what));
    let lines = std::iter::once((reason.place.line, reason.place.text.trim().to_owned()));
    for (line, text) in lines {
        console.print(format!("  {line:>5} | {text}"));
    }
    for Cause {
        name,
        value,
        kind,
        place,
    } in &reason.causes
    {
        let value = match value.as_str() {
            "" => String::new(),
            value => format!(" = {value}"),
        };
        match place {
            Some(place) => console.print(format!(
                "  {:>5} | {}\n          {kind}: {name}{value}",
                place.line,
                place.text.trim()
            )),
            None => console.print(format!("          {kind}: {name}{value}")),
        }
    }
    if reason.left_out > 0 {
        console.print(format!("          and {} more", reason.left_out));
    }
}

fn run_json(run: &RunTrace, assets: &Assets) -> Json {
    let args: serde_json::Map<String, Json> = run
        .args
        .iter()
        .map(|(name, value)| (name.clone(), json!(literal(value, assets))))
        .collect();
    json!({
        "run": run.title,
        "policy": run.policy.name(),
        "file": run.policy.file(),
        "by": run.caller,
        "args": args,
        "steps": nodes_json(run, &run.nodes, assets),
        "gives": run.result.as_ref().ok().map(|value| literal(value, assets)),
        "fails": run.result.as_ref().err().map(|error| error.code.clone()),
    })
}

fn nodes_json(run: &RunTrace, nodes: &[Node], assets: &Assets) -> Vec<Json> {
    let node = |node: &Node| match node {
        Node::Run(inner) => run_json(inner, assets),
        Node::Statement(statement) => statement_json(run, statement, assets),
    };
    nodes.iter().map(node).collect()
}

fn statement_json(run: &RunTrace, statement: &StatementTrace, assets: &Assets) -> Json {
    let (line, text) = line_of(run, statement.place);
    let reads = statement.reads.iter().filter_map(|(name, value)| {
        let value = value.as_ref()?;
        Some((name.clone(), json!(show(value, assets))))
    });
    let changes = statement
        .changes
        .iter()
        .map(|(name, value)| (name.clone(), json!(show(value, assets))));
    let call = |call: &Call| {
        let args: Vec<String> = call.args.iter().map(|arg| show(arg, assets)).collect();
        json!({
            "function": call.function,
            "args": args,
            "gives": call.result.as_ref().map(|result| show(result, assets)),
            "steps": nodes_json(run, &call.nodes, assets),
        })
    };
    json!({
        "line": line,
        "column": statement.place.map_or(0, |place| place.column),
        "text": text,
        "reads": reads.collect::<serde_json::Map<_, _>>(),
        "calls": statement.calls.iter().map(call).collect::<Vec<_>>(),
        "changes": changes.collect::<serde_json::Map<_, _>>(),
    })
}
