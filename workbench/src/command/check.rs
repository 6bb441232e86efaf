//! `circle policy check`: every fault of policies and their tests, with its place and mend.

use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};
use threescript::policy::{Diagnostic, Severity};

use crate::console::{Console, Outcome};
use crate::files;
use crate::language;
use crate::problem::Problem;
use crate::testing;

/// Check policies and their tests.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Files, and folders with *.3script files; the current folder if none is named.
    #[arg(default_value = ".")]
    pub files: Vec<PathBuf>,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

/// A file without faults.
enum Sound {
    Policy {
        name: String,
        version: u32,
        hash: String,
    },
    Tests {
        policy: String,
        count: usize,
    },
}

/// Runs the verb.
pub fn run(args: Args, console: &mut Console<'_>) -> Result<Outcome, Problem> {
    let files = files::find(&args.files)?;
    let mut sound: Vec<(String, Sound)> = Vec::new();
    let mut faults: Vec<Diagnostic> = Vec::new();
    let mut unread: Vec<(String, Problem)> = Vec::new();
    for path in &files {
        let file = path.display().to_string();
        match check(path) {
            Ok(Ok((found, warnings))) => {
                sound.push((file, found));
                faults.extend(warnings);
            }
            Ok(Err(found)) => faults.extend(found),
            Err(problem) => unread.push((file, problem)),
        }
    }
    // Tests repeat the faults of their policy.
    let mut seen = std::collections::BTreeSet::new();
    faults.retain(|fault| seen.insert((fault.file.clone(), fault.line, fault.column, fault.code)));
    if args.json {
        console.print_json(&document(&sound, &faults, &unread));
    } else {
        for (_, problem) in &unread {
            console.print(format_args!(
                "{} [{}]\n  {}",
                problem.reason, problem.code, problem.mend
            ));
        }
        for fault in &faults {
            console.print(fault);
        }
        for (file, found) in &sound {
            match found {
                Sound::Policy {
                    name,
                    version,
                    hash,
                } => console.print(format_args!(
                    "{file}: {name} version {version} is sound, {hash}"
                )),
                Sound::Tests { policy, count } => {
                    console.print(format_args!("{file}: {count} tests of {policy} are sound"))
                }
            }
        }
    }
    let has_errors = faults.iter().any(|fault| fault.severity == Severity::Error);
    Ok(match has_errors || !unread.is_empty() {
        true => Outcome::Failed,
        false => Outcome::Passed,
    })
}

/// What was found, with its warnings; or its faults.
type Checked = Result<(Sound, Vec<Diagnostic>), Vec<Diagnostic>>;

fn check(path: &Path) -> Result<Checked, Problem> {
    let is_tests = path.to_string_lossy().ends_with(".test.3script");
    if is_tests {
        files::read(path)?;
        let suite = testing::load(path)?;
        return Ok(suite.map(|suite| {
            let policy = suite.policy.name().to_owned();
            let count = suite.tests.cases().len();
            (Sound::Tests { policy, count }, Vec::new())
        }));
    }
    let policy = language::compile_file(path)?;
    Ok(policy.map(|policy| {
        let found = Sound::Policy {
            name: policy.name().to_owned(),
            version: policy.version(),
            hash: hex::encode(policy.hash()),
        };
        (found, policy.warnings().to_vec())
    }))
}

fn document(
    sound: &[(String, Sound)],
    faults: &[Diagnostic],
    unread: &[(String, Problem)],
) -> Json {
    let policies = sound.iter().filter_map(|(file, found)| match found {
        Sound::Policy {
            name,
            version,
            hash,
        } => Some(json!({ "file": file, "name": name, "version": version, "hash": hash })),
        Sound::Tests { .. } => None,
    });
    let tests = sound.iter().filter_map(|(file, found)| match found {
        Sound::Tests { policy, count } => {
            Some(json!({ "file": file, "policy": policy, "tests": count }))
        }
        Sound::Policy { .. } => None,
    });
    let unread = unread.iter().map(|(file, problem)| json!({ "file": file, "code": problem.code, "reason": problem.reason, "mend": problem.mend }));
    let faults = faults.iter().map(|fault| {
        json!({ "file": fault.file, "line": fault.line, "column": fault.column, "severity": fault.severity.name(), "code": fault.code, "reason": fault.reason, "mend": fault.mend })
    });
    json!({
        "policies": policies.collect::<Vec<_>>(),
        "tests": tests.collect::<Vec<_>>(),
        "faults": unread.chain(faults).collect::<Vec<_>>(),
    })
}
