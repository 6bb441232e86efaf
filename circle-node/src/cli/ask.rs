//! `circle ask`: a question to a policy, answered from certified state.

use serde_json::Value;

use super::output;
use super::simulation;
use super::target::{Target, block_on};
use crate::problem::Problem;

/// Ask the circle a question: a read of certified state, free and never ordered.
///
/// Example: circle ask '!iou.owed'
#[derive(Debug, clap::Args)]
pub struct Args {
    /// One question in 3Script; it begins with `!`.
    pub text: String,
    #[command(flatten)]
    pub target: Target,
    /// Print one JSON document: the height that was asked, and the answer.
    #[arg(long)]
    pub json: bool,
}

/// Runs the verb.
pub fn run(args: Args) -> Result<(), Problem> {
    let client = args.target.client()?;
    let text = if args.text.trim_start().starts_with('!') {
        args.text
    } else {
        format!("!{}", args.text.trim_start())
    };
    let answer: Value = block_on(client.post("/v1/ask", text))?;
    if args.json {
        output::print_json(&answer);
    } else {
        let answered = &answer["answer"];
        output::print(simulation::screen(answered).unwrap_or_else(|| show(answered, 0)));
        output::tell(format!("(certified state at height {})", answer["height"]));
    }
    Ok(())
}

/// Lists as lines, maps as `name: value`.
fn show(value: &Value, depth: usize) -> String {
    let indent = "  ".repeat(depth);
    match value {
        Value::Null => "nothing".into(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.is_empty() => "none".into(),
        Value::Array(items) => {
            let lines: Vec<String> = items
                .iter()
                .map(|item| format!("{indent}- {}", show(item, depth + 1).trim_start()))
                .collect();
            lines.join("\n")
        }
        Value::Object(fields) => {
            let line = |(name, value): (&String, &Value)| match value {
                Value::Array(items) if !items.is_empty() => {
                    format!("{indent}{name}:\n{}", show(value, depth + 1))
                }
                Value::Object(_) => format!("{indent}{name}:\n{}", show(value, depth + 1)),
                simple => format!("{indent}{name}: {}", show(simple, depth)),
            };
            fields.iter().map(line).collect::<Vec<_>>().join("\n")
        }
        number => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn answers_are_readable() {
        let answer = json!([{ "consumer": "cora", "amount": "1.5 TFT", "tags": ["a", "b"] }, { "consumer": "dan", "amount": "2 TFT", "tags": [] }]);
        expect_test::expect![[r#"
            - consumer: cora
              amount: 1.5 TFT
              tags:
                - a
                - b
            - consumer: dan
              amount: 2 TFT
              tags: none"#]]
        .assert_eq(&super::show(&answer, 0));
    }
}
