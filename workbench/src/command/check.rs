//! `circle policy check`: every fault of policy files, with its place and mend.

use std::path::PathBuf;

use serde_json::json;
use threescript::policy::{Diagnostic, Severity};

use crate::console::{Console, Outcome};
use crate::language;
use crate::problem::Problem;

/// Check policies.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Policy files.
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

/// Runs the verb.
pub fn run(args: Args, console: &mut Console<'_>) -> Result<Outcome, Problem> {
    let mut faults: Vec<Diagnostic> = Vec::new();
    let mut policies = Vec::new();
    for path in &args.files {
        match language::compile_file(path)? {
            Ok(policy) => {
                faults.extend_from_slice(policy.warnings());
                policies.push((path, policy));
            }
            Err(diagnostics) => faults.extend(diagnostics),
        }
    }
    if args.json {
        let faults: Vec<_> = faults
            .iter()
            .map(|fault| {
                json!({ "file": fault.file, "line": fault.line, "column": fault.column,
                    "severity": fault.severity.name(), "code": fault.code,
                    "reason": fault.reason, "mend": fault.mend })
            })
            .collect();
        let policies: Vec<_> = policies
            .iter()
            .map(|(path, policy)| {
                json!({ "file": path, "name": policy.name(), "version": policy.version(), "hash": hex::encode(policy.hash()) })
            })
            .collect();
        console.print_json(&json!({ "policies": policies, "faults": faults }));
    } else {
        for fault in &faults {
            console.print(fault);
        }
        for (path, policy) in &policies {
            let hash = hex::encode(policy.hash());
            console.print(format!(
                "{}: {} version {} is sound, {hash}",
                path.display(),
                policy.name(),
                policy.version()
            ));
        }
    }
    let has_errors = faults.iter().any(|fault| fault.severity == Severity::Error);
    Ok(match has_errors {
        true => Outcome::Failed,
        false => Outcome::Passed,
    })
}
