//! `circle policy replay`: what the recorded history of a circle would have become with another policy.

use std::path::PathBuf;

use workbench::console::Outcome;
use workbench::language;
use workbench::replay::{self, Candidate, History, Report};

use super::super::output::{self, Progress};
use super::super::target::Target;
use crate::api::client::Client;
use crate::history::{Asked, Kept};
use crate::problem::Problem;
use crate::quote::with_stack;

/// Execute the history of a circle again with another policy from some height on: who would have been paid more or less?
///
/// The policy takes the place of the active one of its name. The history is asked of the node that is named, or read from its
/// home while it is not running.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The policy to try out.
    #[arg(long, value_name = "FILE")]
    pub policy: PathBuf,
    /// The first height at which it runs. Without: that at which the policy in whose place it is became active.
    #[arg(long, value_name = "HEIGHT")]
    pub from: Option<u64>,
    /// The last height that is executed. Without: the last that there is.
    #[arg(long, value_name = "HEIGHT")]
    pub to: Option<u64>,
    #[command(flatten)]
    pub target: Target,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

/// Runs the verb.
pub fn run(args: Args) -> Result<Outcome, Problem> {
    let source = language::read(&args.policy)?;
    let report = with_stack(|| compare(&args, &source)).map_err(|error| {
        let mend = "raise the limit of threads and of memory, then try again";
        Problem::new("replay.thread", format!("no thread: {error}"), mend)
    })??;
    match args.json {
        true => output::print_json(&report),
        false => output::print(replay::screen(&report)),
    }
    Ok(Outcome::Passed)
}

fn compare(args: &Args, source: &str) -> Result<Report, Problem> {
    let progress = Progress::new();
    let candidate = Candidate {
        file: &args.policy.display().to_string(),
        source,
        from: args.from,
        to: args.to,
    };
    let mut history = history(&args.target)?;
    let report = replay::replay(&mut *history, &candidate, &mut |height, last| {
        if height % 64 == 0 {
            progress.update(format!("executing height {height} of {last}"));
        }
    });
    progress.clear();
    report
}

/// A running node is asked; a home whose node does not answer is read.
fn history(target: &Target) -> Result<Box<dyn History>, Problem> {
    let Some(home) = target.home_on_this_machine() else {
        return Ok(Box::new(Asked::new(target.client()?)?));
    };
    let client = Client::new(&home.read_config()?.api.to_string())?;
    match Asked::new(client) {
        Ok(asked) => Ok(Box::new(asked)),
        Err(problem) if problem.code == "node.unreachable" => Ok(Box::new(Kept::open(&home)?)),
        Err(problem) => Err(problem),
    }
}
