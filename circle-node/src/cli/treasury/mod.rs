//! `circle treasury`: the keys behind the circle's wallets, and what is paid from them.

mod account;
mod approve;
mod backup;
mod bump;
mod ceremonies;
mod drill;
mod horizon;
mod hot_key;
mod protect;
mod request;
mod restore;
mod sealed;
mod send;
mod sign;
mod status;

use std::process::ExitCode;

use crate::problem::Problem;

/// See where payments are, approve large ones, and look after the keys behind the circle's wallets.
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
    Status(status::Args),
    Approve(approve::Args),
    Sign(sign::Args),
    Send(send::Args),
    Bump(bump::Args),
    Account(account::Args),
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
            Verb::Status(args) => args.json,
            Verb::Approve(args) => args.json,
            Verb::Sign(args) => args.json,
            Verb::Send(args) => args.json,
            Verb::Bump(args) => args.json,
            Verb::Account(args) => args.json,
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
        Verb::Status(args) => status::run(args).map(|()| ExitCode::SUCCESS),
        Verb::Approve(args) => approve::run(args).map(|()| ExitCode::SUCCESS),
        Verb::Sign(args) => sign::run(args).map(|()| ExitCode::SUCCESS),
        Verb::Send(args) => send::run(args).map(|()| ExitCode::SUCCESS),
        Verb::Bump(args) => bump::run(args).map(|()| ExitCode::SUCCESS),
        Verb::Account(args) => account::run(args).map(|()| ExitCode::SUCCESS),
    }
}
