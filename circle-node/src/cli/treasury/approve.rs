//! `circle treasury approve`: a person looks at what a payout does, and approves its very bytes with a key of its own.

use std::path::PathBuf;

use circle::ids::Key;
use serde_json::json;
use threescript::value::parse_duration;
use treasury_protocol::ethereum::Address;

use super::request::{self, Request};
use super::status::{diff, screen};
use crate::api::types::Account;
use crate::cli::acting::{self, Circle};
use crate::cli::output;
use crate::cli::target::{Target, block_on};
use crate::money_diff::{Reading, Unsigned};
use crate::problem::Problem;
use crate::setup::now_ms;

/// Look at what a payout does, and approve its very bytes with your own key.
///
/// The key is that of the account which approves for a guardian (`!!treasury.confirmer`). No node holds it. If it lives on
/// another machine:
///
///   circle treasury approve 7 --offline payout-7.request
///   circle treasury sign payout-7.request --key me.key --out payout-7.signed      (there, without any network)
///   circle treasury send payout-7.signed
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The number of the payout.
    pub payout: u64,
    /// Your key file.
    #[arg(long, value_name = "FILE", required_unless_present = "offline")]
    pub key: Option<PathBuf>,
    /// Write a request to this file, to be signed on another machine.
    #[arg(long, value_name = "FILE", conflicts_with = "key")]
    pub offline: Option<PathBuf>,
    /// The account that approves, for --offline. Without: the one that approves for the guardian whose node is asked.
    #[arg(long = "as", value_name = "ACCOUNT", requires = "offline")]
    pub account: Option<String>,
    /// The contract through which the Safe makes several payments at once, if the wallet was opened with contracts of its own.
    #[arg(long, value_name = "ADDRESS")]
    pub batch_contract: Option<Address>,
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
    /// For how long the approval may take effect.
    #[arg(long, value_name = "DURATION", default_value = "24h")]
    pub expires: String,
    /// How long to wait for the circle to certify it, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub wait: u64,
    #[command(flatten)]
    pub target: Target,
    /// Print one JSON document instead of text for people.
    #[arg(long)]
    pub json: bool,
}

/// Runs the verb.
pub fn run(args: Args) -> Result<(), Problem> {
    block_on(async {
        let circle = Circle::at(&args.target).await?;
        let (found, limits) = diff(&circle.client, args.payout).await?;
        let text = screen(&found, &limits);
        match args.json {
            true => output::tell(text.trim_end()),
            false => output::print(text.trim_end()),
        }
        // The node was believed so far. From here on, only the bytes count.
        let mut mismatches = found.mismatches.clone();
        let mut asked = Request::new(circle.genesis.name.clone(), found.transaction.clone());
        if let Unsigned::Ethereum { .. } = asked.transaction {
            asked.tokens = Reading::of(&circle.genesis).tokens;
        }
        let decoded = asked.decoded(args.batch_contract)?;
        if decoded != found.decoded {
            mismatches
                .push("this program reads something else from the bytes than the node".into());
        }
        if let Some(mismatch) = mismatches.first() {
            let mend = "do not approve it; tell the other guardians, and pause the wallet with treasury.pause";
            return Err(Problem::new("approve.mismatch", mismatch.clone(), mend));
        }
        let Some(path) = &args.offline else {
            return online(&args, &circle, &decoded.hash).await;
        };
        let name = args.account.clone().or(found.confirmer).ok_or_else(|| {
            let reason = "nobody approves for the guardian whose node was asked";
            Problem::new(
                "approve.account",
                reason,
                "name the account with --as, or let the guardian name it with treasury.confirmer",
            )
        })?;
        let account: Account = circle.client.get(&format!("/v1/accounts/{name}")).await?;
        let lifetime_s = parse_duration(&args.expires)
            .ok()
            .filter(|seconds| *seconds > 0);
        let lifetime_s = lifetime_s.ok_or_else(|| {
            let reason = format!("{:?} is no duration", args.expires);
            Problem::new("act.expires", reason, "write it as 10m, 24h or 7d")
        })?;
        let request = Request {
            circle: hex::encode(circle.genesis.circle.0),
            account: account.name,
            sender: account.key,
            account_nonce: account.next_nonce,
            expires_at_ms: now_ms().saturating_add(lifetime_s.unsigned_abs().saturating_mul(1000)),
            payout: args.payout,
            names: found.names,
            ..asked
        };
        request.write(path)?;
        if args.json {
            output::print_json(&json!({ "request": path, "account": request.account }));
        } else {
            let path = path.display();
            output::print(format!(
                "{path} asks {} to approve; `circle treasury sign {path} --key FILE` does, on any machine",
                request.account
            ));
        }
        Ok(())
    })
}

async fn online(args: &Args, circle: &Circle, hash: &str) -> Result<(), Problem> {
    request::confirm(args.yes, "Approve this?")?;
    let key = acting::key(args.key.as_deref(), &args.target)?;
    let hash = hex::decode(hash).unwrap_or_default();
    let action = request::action(args.payout, hash)?;
    let envelope = circle.sign(vec![action], &key, &args.expires).await?;
    let transaction = circle.send(&envelope, args.wait).await?;
    if args.json {
        output::print_json(&transaction);
    } else {
        output::print(format!(
            "approved with {} at height {}",
            Key::of(&key),
            transaction.height.unwrap_or_default()
        ));
    }
    Ok(())
}
