//! The verbs of `circle policy`: one file each.

mod check;
mod diff;
mod doc;
mod fmt;
mod lsp;
mod new;
mod run;
mod test;
#[cfg(test)]
mod tests;
mod trace;

use crate::console::{Console, Outcome};
use crate::problem::Problem;

/// What can be done with policies.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Check policies: every fault with its place and mend.
    Check(check::Args),
    /// What changed between two policies, for those who vote on it.
    Diff(diff::Args),
    /// A page for each policy, or of what the language offers.
    Doc(doc::Args),
    /// Begin a policy: a small one that works, with its page and its tests.
    New(new::Args),
    /// Format policies and their tests: one style, comments kept.
    Fmt(fmt::Args),
    /// Serve an editor over standard input and output: diagnostics, completion, hover, definitions, formatting.
    Lsp,
    /// Test policies on scratch circles.
    Test(test::Args),
    /// Run actions or a question on a scratch circle, and show what they do.
    Run(run::Args),
    /// The same, statement by statement, and why amounts are what they are.
    Trace(trace::Args),
}

impl Command {
    /// Whether a program reads the result.
    pub fn json(&self) -> bool {
        match self {
            Self::Check(args) => args.json,
            Self::Diff(args) => args.json,
            Self::Doc(args) => args.json,
            Self::New(args) => args.json,
            Self::Fmt(args) => args.json,
            Self::Lsp => false,
            Self::Test(args) => args.json,
            Self::Run(args) => args.trial.json,
            Self::Trace(args) => args.trial.json,
        }
    }

    /// Runs the verb.
    pub fn run(self, console: &mut Console<'_>) -> Result<Outcome, Problem> {
        match self {
            Self::Check(args) => check::run(args, console),
            Self::Diff(args) => diff::run(args, console),
            Self::Doc(args) => doc::run(args, console),
            Self::New(args) => new::run(args, console),
            Self::Fmt(args) => fmt::run(args, console),
            Self::Lsp => lsp::run(),
            Self::Test(args) => test::run(args, console),
            Self::Run(args) => run::run(args, console),
            Self::Trace(args) => trace::run(args, console),
        }
    }
}
