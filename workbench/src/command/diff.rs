//! `circle policy diff`: what changed between two policies, for those who vote on it.

use std::path::{Path, PathBuf};

use serde_json::json;
use threescript::policy::Policy;

use crate::console::{Console, Outcome};
use crate::difference::{Weight, compare};
use crate::language;
use crate::problem::Problem;

/// What changed between two policies, for those who vote on it.
///
/// Exits with 0 if both do the same, and with 1 if something differs, or if one of them has faults. Comments, doc lines and
/// white space make no difference.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The policy as it is.
    pub old: PathBuf,
    /// The policy as it is to be.
    pub new: PathBuf,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

/// Runs the verb.
pub fn run(args: Args, console: &mut Console<'_>) -> Result<Outcome, Problem> {
    let (old, new) = (read(&args.old)?, read(&args.new)?);
    let language = language::standard();
    let difference = compare(&old, &new, language.catalog.assets())
        .map_err(|error| Problem::of(error.code, error))?;
    let same = difference.changes.is_empty();
    if args.json {
        let title = |policy: &Policy| json!({ "name": policy.name(), "version": policy.version(), "hash": hex::encode(policy.hash()) });
        console.print_json(&json!({
            "old": title(&old), "new": title(&new), "same": same,
            "rows_stay_readable": difference.rows_stay_readable, "changes": difference.changes,
        }));
    } else {
        let title = |policy: &Policy| {
            format!(
                "{} version {}, {}",
                policy.name(),
                policy.version(),
                hex::encode(policy.hash())
            )
        };
        console.print(format_args!("from {}\nto   {}", title(&old), title(&new)));
        if same {
            console.print("Both do the same.");
        }
        for change in &difference.changes {
            let mark = match (change.weight, change.change) {
                (Weight::Loud, _) => "!",
                (_, "added") => "+",
                (_, "removed") => "-",
                _ => "~",
            };
            console.print(format_args!(
                "\n{mark} {} {} is {}",
                change.kind, change.name, change.change
            ));
            for detail in &change.details {
                console.print(format_args!("    {detail}"));
            }
            for line in change.text.iter().flat_map(|text| text.lines()) {
                console.print(format!("    {line}").trim_end());
            }
        }
    }
    Ok(if same {
        Outcome::Passed
    } else {
        Outcome::Failed
    })
}

/// A policy without faults.
fn read(path: &Path) -> Result<Policy, Problem> {
    language::compile_file(path)?.map_err(|faults| {
        let fault = &faults[0];
        let reason = format!("{}: {} [{}]", path.display(), fault.reason, fault.code);
        let mend = format!(
            "{} faults in all; see `circle policy check {}`",
            faults.len(),
            path.display()
        );
        Problem::new("faults", reason, mend).at(fault.line, fault.column)
    })
}
