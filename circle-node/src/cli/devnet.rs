//! `circle devnet`: a circle on this machine, from a day of usage to a settled payout.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use threescript::value::{Amount, Assets};

use super::output::{self, Progress};
use crate::devnet::{Devnet, EthereumNode, Plan, Signers, Until};
use crate::problem::Problem;
use crate::system;

/// Run a whole circle on this machine: bill a day of usage, agree, pay, and see it settle on a Stellar
/// ledger.
///
/// Without options: nine guardians, the shipped sample day, live progress; then the circle stays up until Ctrl-C.
///
///   circle iou make --usage usage.csv --price-musd 50 --keys keys/ --out batch.iou
///   circle devnet --guardians 9 --ious batch.iou --keys keys/ --until settled --json
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// How many guardians, 9 to 99. They are called g1, g2, …
    #[arg(long, value_name = "N", default_value_t = 9)]
    pub guardians: usize,
    /// The IOUs of the day, as `circle iou make` wrote them. Without: the shipped sample day.
    #[arg(long, value_name = "FILE", requires = "keys")]
    pub ious: Option<PathBuf>,
    /// The directory with the keys of the farmers and consumers in it.
    #[arg(long, value_name = "DIR", requires = "ious")]
    pub keys: Option<PathBuf>,
    /// What consumers have in escrow, in TFT. Those who are not named get just what they owe.
    #[arg(long, value_name = "NAME=AMOUNT,…", value_delimiter = ',', value_parser = escrow)]
    pub escrow: Vec<(String, Amount)>,
    /// End when the payouts are settled, when they are signed, when they wait for the stopped guardians, or when the divergence is found.
    #[arg(long)]
    pub until: Option<Until>,
    /// Keep everything in this directory; one that was used before is continued. Without: a temporary one.
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Who signs for the wallet on Stellar: the guardians with one key that they share, or each with a key of its own.
    #[arg(long, value_enum, value_name = "HOW", default_value_t)]
    pub signers: Signers,
    /// Pay from a Safe on an Ethereum chain: `anvil`, a real node for development, or the URL of one that was just started. npm
    /// installs it with the real contracts once.
    #[arg(long, value_name = "NODE")]
    pub ethereum: Option<EthereumNode>,
    /// Give every node a process of its own.
    #[arg(long)]
    pub processes: bool,
    /// Stop the nodes of these guardians once the wallet has its key, to see the payout wait for them.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    pub stop: Vec<String>,
    /// Let the node of this guardian compute something else, to see the circle find out and pay nothing.
    #[arg(long, value_name = "NAME")]
    pub diverge: Option<String>,
    /// From which action on it does.
    #[arg(
        long,
        value_name = "ACTOR.ACTION",
        default_value = "iou.roll_up",
        hide = true
    )]
    pub test_fault: String,
    /// Give up after this many seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 900)]
    pub timeout: u64,
    /// Print one JSON document: what was billed, what is owed, the payouts, and where they settled.
    #[arg(long)]
    pub json: bool,
}

fn escrow(text: &str) -> Result<(String, Amount), String> {
    let (name, amount) = text
        .split_once('=')
        .ok_or("write NAME=AMOUNT, as in cora=12.5")?;
    let amount = Assets::standard()
        .parse_amount(&format!("{amount} TFT"))
        .map_err(|error| error.to_string())?;
    if amount.units < 0 {
        return Err("an escrow is not negative".into());
    }
    Ok((name.to_owned(), amount))
}

/// Runs the verb.
pub fn run(args: Args) -> Result<(), Problem> {
    system::log_to_stderr();
    system::raise_file_limit();
    let temporary = match &args.dir {
        Some(directory) => {
            std::fs::create_dir_all(directory)
                .map_err(|error| Problem::file("create", directory, error))?;
            None
        }
        None => Some(
            tempfile::Builder::new()
                .prefix("circle-devnet-")
                .tempdir()
                .map_err(|error| Problem::file("create", &std::env::temp_dir(), error))?,
        ),
    };
    let directory = args.dir.clone().or_else(|| {
        temporary
            .as_ref()
            .map(|temporary| temporary.path().to_owned())
    });
    let default = match (&args.diverge, args.stop.is_empty()) {
        (Some(_), _) => Until::Diverged,
        (None, false) => Until::Waiting,
        (None, true) => Until::Settled,
    };
    let mut stop = args.stop;
    stop.sort();
    stop.dedup();
    let plan = Plan {
        guardians: args.guardians,
        ious: args.ious,
        keys: args.keys,
        escrow: args.escrow.into_iter().collect::<BTreeMap<_, _>>(),
        directory: directory.unwrap_or_default(),
        processes: args.processes,
        signers: args.signers,
        ethereum: args.ethereum,
        stop,
        diverge: args.diverge,
        fault: args.test_fault,
        until: args.until.unwrap_or(default),
        timeout: Duration::from_secs(args.timeout),
    };
    let runtime = system::runtime()?;
    let result = runtime.block_on(async {
        let progress = Progress::new();
        let mut devnet = Devnet::run(&plan, progress).await?;
        progress.clear();
        match args.json {
            true => output::print_json(&devnet.document),
            false => output::print(summary(&devnet.document)),
        }
        let stayed = match args.until {
            Some(_) => Ok(()),
            None => {
                output::tell(devnet.directions());
                devnet.stay(output::tell).await
            }
        };
        devnet.stop().await;
        stayed
    });
    runtime.shutdown_timeout(Duration::from_secs(5));
    result
}

/// The document for people.
fn summary(document: &serde_json::Value) -> String {
    let list = |name: &str| document[name].as_array().cloned().unwrap_or_default();
    let text = |value: &serde_json::Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    let mut lines = vec![format!(
        "{} IOUs accepted, {} rejected; checkpoint {:.12} of height {} attested by {} of {} guardians",
        document["ious"]["accepted"],
        document["ious"]["rejected"].as_array().map_or(0, Vec::len),
        text(&document["checkpoint"]),
        document["height"],
        list("attested_by").len(),
        document["guardians"],
    )];
    for payout in list("payouts") {
        let ledger = match payout["ledger"].as_u64() {
            Some(ledger) => format!(" in ledger {ledger}"),
            None => String::new(),
        };
        lines.push(format!(
            "payout {} ({}) is {}{ledger}: {}, transaction {}",
            payout["id"],
            text(&payout["purpose"]),
            text(&payout["state"]),
            text(&payout["wallet"]),
            text(&payout["tx_hash"])
        ));
        for line in payout["lines"].as_array().into_iter().flatten() {
            lines.push(format!(
                "  {:>20} {} to {} ({})",
                text(&line["amount"]),
                text(&line["asset"]),
                text(&line["account"]),
                text(&line["to"])
            ));
        }
        if payout["ledger"].is_null()
            && let Some(envelope) = payout["envelope_xdr"].as_str()
        {
            lines.push(format!("  envelope {envelope}"));
        }
    }
    for owed in list("owed") {
        lines.push(format!(
            "{} still owes {} to {}",
            text(&owed["consumer"]),
            text(&owed["amount"]),
            text(&owed["farmer"])
        ));
    }
    for waiting in list("waiting") {
        let names: Vec<String> = waiting["waiting_for"]
            .as_array()
            .into_iter()
            .flatten()
            .map(text)
            .collect();
        lines.push(format!(
            "waiting: {} waits for {}",
            text(&waiting["what"]),
            names.join(", ")
        ));
    }
    for diverged in list("diverged") {
        let names = |field: &str| {
            diverged[field]
                .as_array()
                .into_iter()
                .flatten()
                .map(text)
                .collect::<Vec<_>>()
                .join(", ")
        };
        let cause = &diverged["cause"];
        lines.push(format!(
            "diverged at height {}: transaction {} ({})",
            diverged["height"],
            text(&cause["transaction"]),
            cause["actions"]
        ));
        lines.push(format!("  {} against {}", names("differ"), names("agree")));
    }
    lines.join("\n")
}
