//! The verbs of `circle policy`: one file each.

mod check;

use crate::console::{Console, Outcome};
use crate::problem::Problem;

/// What can be done with policies.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Check policies: every fault with its place and mend.
    Check(check::Args),
}

impl Command {
    /// Whether a program reads the result.
    pub fn json(&self) -> bool {
        match self {
            Self::Check(args) => args.json,
        }
    }

    /// Runs the verb.
    pub fn run(self, console: &mut Console<'_>) -> Result<Outcome, Problem> {
        match self {
            Self::Check(args) => check::run(args, console),
        }
    }
}
