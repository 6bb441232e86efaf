//! `circle policy`: the tools of policy developers, and what is done with policies in a circle.

mod install;
mod list;
mod propose;
mod replay;
mod show;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

use circle::policies::Language;
use serde_json::json;
use threescript::policy::Policy;
use workbench::command::Command;
use workbench::console::{Console, Outcome};
use workbench::language::{self, compile_knowing};

use super::acting::Circle;
use super::output;
use crate::api::types::{At, Policies, PolicySource};
use crate::problem::{Problem, fault_json};

/// Write, check and test policies on this machine; install, propose and list them in a circle.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    #[command(flatten)]
    Tool(Command),
    Install(install::Args),
    Propose(propose::Args),
    List(list::Args),
    Show(show::Args),
    Replay(replay::Args),
}

impl Args {
    /// Whether a program reads the result.
    pub fn json(&self) -> bool {
        match &self.verb {
            Verb::Tool(command) => command.json(),
            Verb::Install(args) => args.json,
            Verb::Propose(args) => args.json,
            Verb::List(args) => args.json,
            Verb::Show(args) => args.json,
            Verb::Replay(args) => args.json,
        }
    }
}

/// Runs the verb.
pub fn run(args: Args) -> Result<ExitCode, Problem> {
    let outcome = match args.verb {
        Verb::Tool(command) => Console::of_process(|console| command.run(console))?,
        Verb::Install(args) => install::run(args)?,
        Verb::Propose(args) => propose::run(args)?,
        Verb::List(args) => list::run(args).map(|()| Outcome::Passed)?,
        Verb::Show(args) => show::run(args).map(|()| Outcome::Passed)?,
        Verb::Replay(args) => replay::run(args)?,
    };
    Ok(match outcome {
        Outcome::Passed => ExitCode::SUCCESS,
        Outcome::Failed => ExitCode::FAILURE,
    })
}

/// Compiles a policy file here, as the circle will; prints every fault, and then gives none.
async fn compile_here(file: &Path, circle: &Circle, json: bool) -> Result<Option<Policy>, Problem> {
    let source = language::read(file)?;
    let name = file.display().to_string();
    let language = Language {
        catalog: circle::natives::catalog(&circle.assets()?),
        limits: circle.genesis.limits.clone(),
    };
    let mut known = BTreeMap::new();
    let compiled = loop {
        let (compiled, missing) = compile_knowing(&source, &name, &language, &known);
        if missing.is_empty() {
            break compiled;
        }
        for hash in missing {
            known.insert(hash, circle.client.policy_source(&hash).await?);
        }
    };
    match compiled {
        Ok(policy) => Ok(Some(policy)),
        Err(faults) => {
            match json {
                true => output::print_json(
                    &json!({ "faults": faults.iter().map(fault_json).collect::<Vec<_>>() }),
                ),
                false => faults.iter().for_each(output::print),
            }
            Ok(None)
        }
    }
}

/// What is installed and active in the circle.
async fn policies(circle: &Circle) -> Result<At<Policies>, Problem> {
    circle.client.get("/v1/policies").await
}

/// One installed policy, with its source.
async fn source(circle: &Circle, hash: &str) -> Result<At<PolicySource>, Problem> {
    circle.client.get(&format!("/v1/policies/{hash}")).await
}

/// The installed policy that `text` means: a hash, the beginning of one, or the name of an active policy.
fn find<'a>(policies: &'a Policies, text: &str) -> Result<&'a str, Problem> {
    /// With fewer digits, a name could be meant.
    const DIGITS_MIN: usize = 8;
    if let Some(active) = policies.active.iter().find(|one| one.name == text) {
        return Ok(&active.hash);
    }
    let digits = text.to_ascii_lowercase();
    let mut named = policies.installed.iter().filter(|one| {
        one.name == text || (digits.len() >= DIGITS_MIN && one.hash.starts_with(&digits))
    });
    match (named.next(), named.next()) {
        (Some(one), None) => Ok(&one.hash),
        (Some(_), Some(_)) => Err(Problem::new(
            "policy.ambiguous",
            format!("{text} means more than one installed policy"),
            "give more digits of its hash; `circle policy list` shows them",
        )),
        (None, _) => Err(Problem::new(
            "policy.unknown",
            format!("no policy {text} is installed"),
            "`circle policy list` shows those that are; `circle policy install FILE` installs one",
        )),
    }
}

fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}
