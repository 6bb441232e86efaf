//! `circle policy propose`: puts the activation of a policy to the vote.

use std::path::PathBuf;

use serde_json::json;
use threescript::action::Action;
use threescript::value::{Value, parse_duration};
use workbench::console::Outcome;

use super::super::acting::{self, Circle};
use super::super::output;
use super::super::target::{Target, block_on};
use super::install::{Signing, install};
use crate::api::types::Transaction;
use crate::problem::Problem;

/// Put it to the vote that the circle activates a policy; installs it first where that is needed.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The policy file.
    pub file: PathBuf,
    /// What the vote is about, in one line.
    #[arg(long)]
    pub title: String,
    /// For how long guardians may vote, as in 2h or 7d. Without: as long as the vote policy says.
    #[arg(long, value_name = "DURATION")]
    pub closes: Option<String>,
    #[command(flatten)]
    pub signing: Signing,
    #[command(flatten)]
    pub target: Target,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

/// Runs the verb.
pub fn run(args: Args) -> Result<Outcome, Problem> {
    block_on(async {
        let circle = Circle::at(&args.target).await?;
        let Some(policy) = super::compile_here(&args.file, &circle, args.json).await? else {
            return Ok(Outcome::Failed);
        };
        let known = super::policies(&circle).await?;
        let hash = hex::encode(policy.hash());
        if let Some(active) = known.answer.active.iter().find(|one| one.hash == hash) {
            let reason = format!(
                "{} version {} is active since height {} already",
                active.name, active.version, active.since
            );
            let mend = "change the file, or propose another";
            return Err(Problem::new("policy.active", reason, mend));
        }
        let closes = args.closes.as_deref().map(duration).transpose()?;
        let key = args.signing.key(&args.target)?;
        let installed = install(&circle, &policy, &key, args.signing.wait).await?;
        let declared = circle.client.signatures().await?;
        let activate = vec![("hash", Value::Bytes(policy.hash().to_vec()))];
        let activate = acting::action(&declared, "policy", "activate", activate)?;
        let mut given = vec![
            ("title", Value::Text(args.title.clone())),
            ("script", Value::Script(vec![activate])),
        ];
        given.extend(closes.map(|closes| ("closes", closes)));
        let propose: Action = acting::action(&declared, "vote", "propose", given)?;
        let envelope = circle.sign(vec![propose], &key, "10m").await?;
        let transaction = circle.send(&envelope, args.signing.wait).await?;
        let proposal = number(&transaction)?;
        if args.json {
            output::print_json(&json!({
                "proposal": proposal, "name": policy.name(), "version": policy.version(), "hash": hash,
                "installed": installed.is_some(), "height": transaction.height,
            }));
            return Ok(Outcome::Passed);
        }
        if let Some(height) = installed {
            output::print(format!(
                "installed at height {height}: {} version {}, {hash}",
                policy.name(),
                policy.version()
            ));
        }
        output::print(format!(
            "proposal {proposal}: activate {} version {}\n\
             What it would do:   circle ask '!vote.simulate proposal:{proposal}'\n\
             To vote for it:     echo '!!vote.cast proposal:{proposal} choice:yes' | circle act - --key KEY\n\
             Where it stands:    circle ask '!vote.standing proposal:{proposal}'",
            policy.name(),
            policy.version()
        ));
        Ok(Outcome::Passed)
    })
}

fn duration(text: &str) -> Result<Value, Problem> {
    parse_duration(text).map(Value::Duration).map_err(|error| {
        let reason = format!("{text:?} is no duration: {error}");
        Problem::new("propose.closes", reason, "write it as 2h or 7d")
    })
}

/// The number that the vote policy gave the proposal.
fn number(transaction: &Transaction) -> Result<u64, Problem> {
    let events = transaction.receipt.iter().flat_map(|one| &one.events);
    let mut proposed = events.filter(|event| event.name == "vote.proposed");
    let number = proposed
        .next()
        .and_then(|event| event.data["proposal"].as_u64());
    number.ok_or_else(|| {
        Problem::new(
            "propose.number",
            "the circle's vote policy does not say which number the proposal has",
            format!("ask for transaction {}", transaction.id),
        )
    })
}
