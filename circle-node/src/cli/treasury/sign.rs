//! `circle treasury sign`: approves a payout on a machine without network.

use std::path::PathBuf;

use circle::envelope::Envelope;
use circle::ids::Key;
use serde_json::json;
use treasury_protocol::ethereum::Address;

use super::request::{self, Request};
use crate::cli::{acting, output};
use crate::problem::Problem;
use crate::setup::now_ms;

/// Sign a request that `circle treasury approve --offline` wrote, on a machine without network.
///
/// What is shown is read from the very bytes that you approve. The names of accounts are what the request says, and no proof.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The request.
    pub request: PathBuf,
    /// Your key file.
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// Where the signed approval is written.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// The contract through which the Safe makes several payments at once, if the wallet was opened with contracts of its own.
    #[arg(long, value_name = "ADDRESS")]
    pub batch_contract: Option<Address>,
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
    /// Print one JSON document instead of text for people.
    #[arg(long)]
    pub json: bool,
}

/// Runs the verb.
pub fn run(args: Args) -> Result<(), Problem> {
    let asked = Request::read(&args.request)?;
    let decoded = asked.decoded(args.batch_contract)?;
    let text = asked.screen(&decoded);
    match args.json {
        true => output::tell(&text),
        false => output::print(&text),
    }
    let key = acting::key_in(&args.key)?;
    let body = asked.body(&decoded)?;
    if Key::of(&key) != body.sender {
        let reason = format!(
            "the request asks {}, and this is the key {}",
            asked.account,
            Key::of(&key)
        );
        return Err(Problem::new(
            "approve.key",
            reason,
            "take the key of that account, or ask for a request of your own",
        ));
    }
    if body.expires_at_ms <= now_ms() {
        let mend = "ask for a new request with `circle treasury approve --offline`";
        return Err(Problem::new(
            "approve.expired",
            "the time of this request is over",
            mend,
        ));
    }
    request::confirm(args.yes, "Approve this?")?;
    let envelope = Envelope::sign(body, &key);
    request::write_new(&args.out, &(hex::encode(envelope.encode()) + "\n"))?;
    let id = hex::encode(envelope.body.id());
    if args.json {
        output::print_json(&json!({ "id": id, "file": args.out, "transaction": decoded.hash }));
    } else {
        output::print(format!(
            "signed; `circle treasury send {}` brings it to the circle",
            args.out.display()
        ));
    }
    Ok(())
}
