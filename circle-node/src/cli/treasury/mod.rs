//! `circle treasury`: the keys behind the circle's wallets, and what is paid from them.

mod backup;
mod ceremonies;
mod drill;
mod protect;
mod restore;
mod sealed;

use std::process::ExitCode;

use crate::problem::Problem;

/// Look after the keys behind the circle's wallets.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    Ceremonies(ceremonies::Args),
    Protect(protect::Args),
    Backup(backup::Args),
    Restore(restore::Args),
    Drill(drill::Args),
}

impl Args {
    /// Whether a program reads the result.
    pub fn json(&self) -> bool {
        match &self.verb {
            Verb::Ceremonies(args) => args.json,
            Verb::Protect(args) => args.json,
            Verb::Backup(args) => args.json,
            Verb::Restore(args) => args.json,
            Verb::Drill(args) => args.json,
        }
    }
}

/// Runs the verb.
pub fn run(args: Args) -> Result<ExitCode, Problem> {
    match args.verb {
        Verb::Ceremonies(args) => ceremonies::run(args).map(|()| ExitCode::SUCCESS),
        Verb::Protect(args) => protect::run(args).map(|()| ExitCode::SUCCESS),
        Verb::Backup(args) => backup::run(args),
        Verb::Restore(args) => restore::run(args).map(|()| ExitCode::SUCCESS),
        Verb::Drill(args) => drill::run(args),
    }
}
