//! `circle act`: a text of actions is checked, shown, signed, sent, and its receipt awaited.

use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use threescript::action::{self, Raw, Statement};

use super::output;
use crate::problem::Problem;

/// Check, show, sign and send a text of actions, and wait for what becomes of it.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The text of actions; `-` reads it from stdin.
    pub file: PathBuf,
    /// Say what the text means by itself, without asking a node and without sending anything.
    #[arg(long)]
    pub parse_only: bool,
    /// Print one JSON document instead of text for people.
    #[arg(long)]
    pub json: bool,
}

/// Runs the verb.
pub fn run(args: Args) -> Result<(), Problem> {
    let text = read(&args.file)?;
    parse_only(&text, args.json)
}

fn read(path: &Path) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    let result = if path == Path::new("-") {
        std::io::stdin().lock().read_to_end(&mut bytes).map(|_| ())
    } else {
        std::fs::read(path).map(|found| bytes = found)
    };
    result.map_err(|error| Problem::file("read", path, error))?;
    Ok(bytes)
}

fn parse_only(text: &[u8], json: bool) -> Result<(), Problem> {
    let statements = action::parse_bytes(text)?;
    let canonical = action::render_untyped(&statements);
    if json {
        let actions: Vec<Value> = statements.iter().map(statement).collect();
        output::print_json(&json!({ "actions": actions, "canonical": canonical }));
    } else {
        output::print(canonical.trim_end());
    }
    Ok(())
}

fn statement(statement: &Statement) -> Value {
    let value = |raw: &Raw| match raw {
        Raw::One(text) => json!(text),
        Raw::Many(items) => json!(items),
    };
    let params: serde_json::Map<String, Value> = statement
        .params
        .iter()
        .map(|param| (param.key.clone(), value(&param.value)))
        .collect();
    let flags: Vec<&str> = statement
        .flags
        .iter()
        .map(|flag| flag.name.as_str())
        .collect();
    json!({
        "mark": statement.mark.as_str(),
        "actor": statement.actor,
        "name": statement.name,
        "params": params,
        "flags": flags,
    })
}
