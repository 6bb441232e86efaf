//! `circle policy install`: a policy file is checked here, signed, and stored by the circle under its hash.

use std::path::{Path, PathBuf};

use ed25519_zebra::SigningKey;
use serde_json::json;
use threescript::policy::Policy;
use threescript::value::Value;
use workbench::console::Outcome;

use super::super::acting::{self, Circle};
use super::super::output;
use super::super::target::{Target, block_on};
use crate::problem::Problem;

/// Store a policy in the circle, under its hash. It does nothing until the circle decides to activate it.
///
/// The file is checked on this machine first, as the circle will: what has a fault is never sent.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The policy file.
    pub file: PathBuf,
    #[command(flatten)]
    pub signing: Signing,
    #[command(flatten)]
    pub target: Target,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

/// How a transaction is signed and awaited.
#[derive(Debug, clap::Args)]
pub struct Signing {
    /// The key file of a guardian. Without: that of the guardian whose home is named.
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// How long to wait for the circle to certify what became of it, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub wait: u64,
}

impl Signing {
    /// The key to sign with.
    pub fn key(&self, target: &Target) -> Result<SigningKey, Problem> {
        acting::key(self.key.as_deref(), target)
    }
}

/// Runs the verb.
pub fn run(args: Args) -> Result<Outcome, Problem> {
    block_on(async {
        let circle = Circle::at(&args.target).await?;
        let Some(policy) = super::compile_here(&args.file, &circle, args.json).await? else {
            return Ok(Outcome::Failed);
        };
        let key = args.signing.key(&args.target)?;
        let hash = hex::encode(policy.hash());
        let height = install(&circle, &policy, &key, args.signing.wait).await?;
        if args.json {
            output::print_json(&json!({
                "name": policy.name(), "version": policy.version(), "hash": hash,
                "installed": height.is_some(), "height": height,
            }));
            return Ok(Outcome::Passed);
        }
        let what = format!("{} version {}, {hash}", policy.name(), policy.version());
        output::print(match height {
            Some(height) => format!("installed at height {height}: {what}"),
            None => format!("it was installed before: {what}"),
        });
        output::print(next_steps(&args.file, policy.name(), &hash));
        Ok(Outcome::Passed)
    })
}

/// Installs a policy; gives the height, or nothing if it was there already.
pub async fn install(
    circle: &Circle,
    policy: &Policy,
    key: &SigningKey,
    wait_s: u64,
) -> Result<Option<u64>, Problem> {
    let hash = hex::encode(policy.hash());
    let known = super::policies(circle).await?;
    if known.answer.installed.iter().any(|one| one.hash == hash) {
        return Ok(None);
    }
    let declared = circle.client.signatures().await?;
    let source = Value::Bytes(policy.source().as_bytes().to_vec());
    let action = acting::action(&declared, "policy", "install", vec![("source", source)])?;
    let envelope = circle.sign(vec![action], key, "10m").await?;
    Ok(circle.send(&envelope, wait_s).await?.height)
}

/// What a person does next with an installed policy.
fn next_steps(file: &Path, name: &str, hash: &str) -> String {
    format!(
        "It does nothing yet: what a circle runs is for the circle to decide. Put it to the vote:\n  \
         circle policy propose {} --title 'activate {name}'\n\
         or let more than two thirds of the guardians sign this action (`circle act --help` shows how):\n  \
         !!policy.activate hash:{hash}",
        file.display()
    )
}
