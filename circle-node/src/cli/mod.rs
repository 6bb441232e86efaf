//! The command line: one file per verb.

mod act;
pub(crate) mod acting;
mod ask;
mod chains;
mod devnet;
mod init;
mod iou;
pub(crate) mod output;
mod policy;
mod protecting;
mod sandbox;
mod simulation;
mod start;
mod status;
mod target;
mod treasury;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::problem::Problem;

/// A circle of 9 to 99 guardians who run one state machine and act with one voice.
///
/// Each guardian runs one node. The nodes order signed actions, execute them, compare their conclusions, and act on the world only
/// when all concluded the same. Try `circle devnet`: nine guardians on this machine bill a day of usage and sign the payout.
#[derive(Debug, Parser)]
#[command(name = "circle", version, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Devnet(devnet::Args),
    Init(init::Args),
    Start(start::Args),
    Status(status::Args),
    Act(act::Args),
    Ask(ask::Args),
    Iou(iou::Args),
    Policy(policy::Args),
    Treasury(treasury::Args),
    Sandbox(sandbox::Args),
}

impl Verb {
    fn json(&self) -> bool {
        match self {
            Self::Devnet(args) => args.json,
            Self::Init(args) => args.json,
            Self::Start(args) => args.json,
            Self::Status(args) => args.json,
            Self::Act(args) => args.json,
            Self::Ask(args) => args.json,
            Self::Iou(args) => args.json(),
            Self::Policy(args) => args.json(),
            Self::Treasury(args) => args.json(),
            Self::Sandbox(args) => args.json(),
        }
    }

    fn run(self) -> Result<ExitCode, Problem> {
        let result = match self {
            Self::Devnet(args) => devnet::run(args),
            Self::Init(args) => init::run(args),
            Self::Start(args) => start::run(args),
            Self::Status(args) => status::run(args),
            Self::Act(args) => act::run(args),
            Self::Ask(args) => ask::run(args),
            Self::Iou(args) => iou::run(args),
            Self::Sandbox(args) => sandbox::run(args),
            Self::Policy(args) => return policy::run(args),
            Self::Treasury(args) => return treasury::run(args),
        };
        result.map(|()| ExitCode::SUCCESS)
    }
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let verb = Cli::parse().verb;
    let json = verb.json();
    match verb.run() {
        Ok(status) => status,
        Err(problem) => {
            output::tell(format!("circle: {problem}"));
            if json {
                output::print_json(&problem.to_json());
            }
            ExitCode::FAILURE
        }
    }
}
