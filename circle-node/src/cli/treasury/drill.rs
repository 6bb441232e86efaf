//! `circle treasury drill`: proves that a backup would do, without using it.

use std::path::PathBuf;
use std::process::ExitCode;

use super::sealed::{self, Opening};
use crate::backup;
use crate::cli::output::{self, Progress};
use crate::cli::target::{Target, block_on};
use crate::problem::Problem;

/// Prove that a backup would do: open it, and compare every secret in it with what the circle says in public.
///
/// Nothing is written and no node is touched; one is asked, yours or that of any other guardian. The status is a failure if
/// anything is missing or wrong.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The backup.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    opening: Opening,
    #[command(flatten)]
    target: Target,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

/// Runs the verb.
pub fn run(args: Args) -> Result<ExitCode, Problem> {
    let progress = Progress::new();
    progress.update("opening the backup");
    let backup = args.opening.open(&args.file)?;
    progress.update("asking the node about the keys of the circle");
    let client = args.target.client()?;
    let public = block_on(sealed::public(&client))?;
    progress.clear();
    let coverage = backup::check(&backup, &public);
    if args.json {
        output::print_json(&sealed::document(&backup, &args.file, &coverage));
    } else {
        output::print(sealed::table(&backup, &coverage));
        output::print(match coverage.complete {
            true => {
                "Nothing is missing: with this file and what opens it, the guardian's node can be made again."
            }
            false => "This backup would not do.",
        });
    }
    Ok(match coverage.complete {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}
