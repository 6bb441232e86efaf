//! `circle policy fmt`: the one style for policies and their tests.

use std::io::Read;
use std::path::PathBuf;

use serde_json::json;

use crate::console::{Console, Outcome};
use crate::files;
use crate::format::{FormatError, format};
use crate::problem::Problem;

/// Format policies and their tests: one style, comments kept.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Files, and folders with *.3script files; the current folder if none is named.
    #[arg(conflicts_with = "stdin")]
    pub files: Vec<PathBuf>,
    /// Change nothing; say which files would change, and exit with 1 if there are any.
    #[arg(long)]
    pub check: bool,
    /// Format what comes on standard input, and print it.
    #[arg(long)]
    pub stdin: bool,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

/// Runs the verb.
pub fn run(args: Args, console: &mut Console<'_>) -> Result<Outcome, Problem> {
    if args.stdin {
        return run_stdin(&args, console);
    }
    let paths = if args.files.is_empty() {
        vec![PathBuf::from(".")]
    } else {
        args.files
    };
    let files = files::find(&paths)?;
    let (mut changed, mut faults) = (Vec::new(), Vec::new());
    for path in &files {
        let source = match files::read(path) {
            Ok(source) => source,
            Err(Problem { reason, mend, .. }) => {
                let (line, column, code) = (1, 1, "file");
                faults.push((
                    path,
                    FormatError {
                        line,
                        column,
                        code,
                        reason,
                        mend,
                    },
                ));
                continue;
            }
        };
        match format(&source) {
            Ok(formatted) if formatted == source => {}
            Ok(formatted) => {
                if !args.check {
                    files::replace(path, &formatted)?;
                }
                changed.push(path);
            }
            Err(fault) => faults.push((path, fault)),
        }
    }
    if args.json {
        let faults: Vec<_> = faults
            .iter()
            .map(|(path, fault)| fault_json(&path.display().to_string(), fault))
            .collect();
        console.print_json(&json!({ "files": files.len(), "changed": changed, "faults": faults }));
    } else {
        for (path, fault) in &faults {
            console.print(fault_text(&path.display().to_string(), fault));
        }
        for path in &changed {
            let said = if args.check {
                "is not formatted"
            } else {
                "formatted"
            };
            console.print(format_args!("{}: {said}", path.display()));
        }
        let plural = if files.len() == 1 { "" } else { "s" };
        console.tell(format_args!(
            "{} file{plural}, {} changed, {} with faults",
            files.len(),
            if args.check { 0 } else { changed.len() },
            faults.len()
        ));
    }
    Ok(
        match faults.is_empty() && (changed.is_empty() || !args.check) {
            true => Outcome::Passed,
            false => Outcome::Failed,
        },
    )
}

fn run_stdin(args: &Args, console: &mut Console<'_>) -> Result<Outcome, Problem> {
    let mut source = String::new();
    let read = std::io::stdin()
        .take(files::MAX_BYTES + 1)
        .read_to_string(&mut source);
    read.map_err(|error| {
        Problem::new(
            "stdin",
            format!("cannot read standard input: {error}"),
            "give it the text of a policy",
        )
    })?;
    if source.len() as u64 > files::MAX_BYTES {
        return Err(Problem::new(
            "stdin",
            format!("standard input has more than {} bytes", files::MAX_BYTES),
            "give it the text of a policy",
        ));
    }
    let formatted = match format(&source) {
        Ok(formatted) => formatted,
        Err(fault) => {
            match args.json {
                true => {
                    console.print_json(&json!({ "faults": [fault_json("standard input", &fault)] }))
                }
                false => console.tell(fault_text("standard input", &fault)),
            }
            return Ok(Outcome::Failed);
        }
    };
    let changed = formatted != source;
    match (args.json, args.check) {
        (true, _) => {
            console.print_json(&json!({ "changed": changed, "text": formatted, "faults": [] }))
        }
        (false, true) if changed => console.tell("standard input: is not formatted"),
        (false, true) => {}
        (false, false) => console.print(formatted.trim_end_matches('\n')),
    }
    Ok(if args.check && changed {
        Outcome::Failed
    } else {
        Outcome::Passed
    })
}

fn fault_text(file: &str, fault: &FormatError) -> String {
    format!(
        "{file}:{}:{}: {} [{}]\n  {}",
        fault.line, fault.column, fault.reason, fault.code, fault.mend
    )
}

fn fault_json(file: &str, fault: &FormatError) -> serde_json::Value {
    json!({ "file": file, "line": fault.line, "column": fault.column, "code": fault.code, "reason": fault.reason, "mend": fault.mend })
}
