//! `circle policy`: the tools of policy developers.

use std::process::ExitCode;

use workbench::command::Command;
use workbench::console::{Console, Outcome};

use crate::problem::Problem;

/// Check, test and document policies, on this machine alone.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

impl Args {
    /// Whether a program reads the result.
    pub fn json(&self) -> bool {
        self.command.json()
    }
}

/// Runs the verb.
pub fn run(args: Args) -> Result<ExitCode, Problem> {
    let (mut out, mut err) = (std::io::stdout().lock(), std::io::stderr().lock());
    let outcome = args.command.run(&mut Console::new(&mut out, &mut err))?;
    Ok(match outcome {
        Outcome::Passed => ExitCode::SUCCESS,
        Outcome::Failed => ExitCode::FAILURE,
    })
}
