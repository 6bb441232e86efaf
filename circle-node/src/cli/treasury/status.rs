//! `circle treasury status`: where each payout is, whom it waits for, and what it does with money.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::api::client::Client;
use crate::api::types::{At, Payout, PayoutDiff, Payouts, Wallet};
use crate::cli::output;
use crate::cli::status::age;
use crate::cli::target::{Target, block_on};
use crate::problem::Problem;
use crate::setup::now_ms;

/// Payouts that ended and are shown without being named.
const ENDED_SHOWN: usize = 10;

/// Show where each payout is: who signed, who has to, its transaction, whom it waits for, and what it does with money.
///
/// What it does is read from the exact bytes that are signed, by the node that is asked: ask your own.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// One payout, by its number. Without: the open ones in full, and the last that ended in a line each.
    pub payout: Option<u64>,
    /// Show it again every second until Ctrl-C.
    #[arg(long)]
    pub watch: bool,
    #[command(flatten)]
    pub target: Target,
    /// Print one JSON document; with --watch one a line.
    #[arg(long)]
    pub json: bool,
}

/// Runs the verb.
pub fn run(args: Args) -> Result<(), Problem> {
    let client = args.target.client()?;
    let look = async || look(&client, args.payout).await;
    block_on(output::show(
        args.watch,
        args.json,
        look,
        Seen::screen,
        Seen::document,
    ))
}

/// What was found: wallets, payouts in full, and payouts that ended.
struct Seen {
    height: u64,
    wallets: Vec<Wallet>,
    full: Vec<(PayoutDiff, Vec<Limit>)>,
    ended: Vec<Payout>,
}

/// What is left of a spending limit, as the `treasury` policy says.
pub(super) struct Limit {
    pub(super) asset: String,
    /// The answer of `!treasury.status`; none if there is no limit, or no such policy.
    pub(super) says: Option<Value>,
}

fn is_open(payout: &Payout) -> bool {
    !matches!(&*payout.state, "settled" | "failed" | "lost" | "cancelled")
}

async fn look(client: &Client, one: Option<u64>) -> Result<Seen, Problem> {
    let At { height, answer, .. } = client.get::<At<Payouts>>("/v1/payouts").await?;
    let named = |payout: &Payout| one.map_or_else(|| is_open(payout), |id| id == payout.id);
    let mut full = Vec::new();
    for payout in answer.payouts.iter().filter(|payout| named(payout)) {
        full.push(diff(client, payout.id).await?);
    }
    if let Some(id) = one
        && full.is_empty()
    {
        // The node says why.
        full.push(diff(client, id).await?);
    }
    let mut ended = answer.payouts;
    ended.retain(|payout| one.is_none() && !is_open(payout));
    let ended = ended.split_off(ended.len().saturating_sub(ENDED_SHOWN));
    Ok(Seen {
        height,
        wallets: answer.wallets,
        full,
        ended,
    })
}

/// One payout, with what is left of the limits of what it pays.
pub(super) async fn diff(client: &Client, id: u64) -> Result<(PayoutDiff, Vec<Limit>), Problem> {
    let found: At<PayoutDiff> = client.get(&format!("/v1/payouts/{id}")).await?;
    let assets: BTreeSet<String> = found
        .answer
        .payout
        .lines
        .iter()
        .map(|line| line.asset.clone())
        .collect();
    let mut limits = Vec::new();
    for asset in assets {
        let question = format!("!treasury.status asset:{asset}\n");
        // A circle without that policy, or without a limit for this asset, has no answer.
        let answer: Result<Value, Problem> = client.post("/v1/ask", question).await;
        let says = answer.ok().map(|mut answer| answer["answer"].take());
        limits.push(Limit { asset, says });
    }
    Ok((found.answer, limits))
}

impl Seen {
    fn document(&self) -> Value {
        let full = self.full.iter().map(|(diff, limits)| {
            let limits = limits
                .iter()
                .map(|limit| (limit.asset.clone(), limit.says.clone().unwrap_or_default()));
            let mut document = json!(diff);
            document["limits"] = Value::Object(limits.collect());
            document
        });
        json!({
            "height": self.height,
            "wallets": self.wallets,
            "payouts": full.collect::<Vec<_>>(),
            "ended": self.ended,
        })
    }

    fn screen(&self) -> String {
        let mut text = String::new();
        for wallet in &self.wallets {
            text += &wallet_screen(wallet);
        }
        for (diff, limits) in &self.full {
            text += "\n";
            text += &screen(diff, limits);
        }
        if !self.ended.is_empty() {
            text += "\n";
        }
        for payout in &self.ended {
            let _ = writeln!(text, "{}", ended(payout));
        }
        text.truncate(text.trim_end().len());
        text
    }
}

fn wallet_screen(wallet: &Wallet) -> String {
    let holds: Vec<String> = wallet
        .holdings
        .iter()
        .map(|held| match held.going_out.trim_matches(['0', '.']) {
            "" => format!("{} {}", held.amount, held.asset),
            _ => format!(
                "{} {} ({} going out)",
                held.amount, held.asset, held.going_out
            ),
        })
        .collect();
    let mut text = format!(
        "wallet {} on {} ({}): {}\n",
        wallet.name,
        wallet.chain,
        wallet.network,
        wallet.account.as_deref().unwrap_or("no address yet")
    );
    let held = match holds.is_empty() {
        true => "nothing".to_owned(),
        false => holds.join(", "),
    };
    let _ = writeln!(text, "  holds {held}\n  signed for by {}", wallet.signers);
    if let Some(change) = &wallet.change {
        let whom = match wallet.waiting_for.is_empty() {
            true => String::new(),
            false => format!(": waits for {}", wallet.waiting_for.join(", ")),
        };
        let _ = writeln!(text, "  CHANGES: {change}{whom}");
    }
    if wallet.change.is_none() && !wallet.waiting_for.is_empty() {
        let _ = writeln!(text, "  waits for {}", wallet.waiting_for.join(", "));
    }
    let is_owned = wallet.chain == "stellar" && wallet.owners_needed.is_some();
    if is_owned && wallet.account.is_none() {
        let name = &wallet.name;
        let _ = writeln!(
            text,
            "  waits for its account: `circle treasury account {name} --key FILE` makes it"
        );
    }
    for difference in wallet
        .differs
        .iter()
        .filter(|_| wallet.next_sequence.is_none())
    {
        let _ = writeln!(text, "  NOT OPENED: {difference}");
    }
    if let Some(reason) = &wallet.paused {
        let _ = writeln!(text, "  PAUSED: {reason}");
    }
    text
}

fn ended(payout: &Payout) -> String {
    let ledger = payout
        .ledger
        .map_or_else(String::new, |ledger| format!(" in ledger {ledger}"));
    let replaced = payout
        .replaced_by
        .map_or_else(String::new, |new| format!(", replaced by {new}"));
    format!(
        "payout {} ({}) is {}{ledger}{replaced}, transaction {}",
        payout.id, payout.purpose, payout.state, payout.tx_hash
    )
}

/// One payout in full.
pub(super) fn screen(diff: &PayoutDiff, limits: &[Limit]) -> String {
    let payout = &diff.payout;
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "  {name:<13}{value}");
    };
    for mismatch in &diff.mismatches {
        line("!! MISMATCH", mismatch.clone());
    }
    let now_s = now_ms() / 1000;
    line(
        "planned",
        format!("{} ago", age(now_s.saturating_sub(payout.planned_s) * 1000)),
    );
    line("transaction", diff.decoded.hash.clone());
    line(
        "pays from",
        format!("{} ({})", diff.decoded.source, payout.wallet_name),
    );
    for (number, made) in diff.decoded.moves.iter().enumerate() {
        // Several accounts may be paid at one address, so lines go by their place.
        let line_of = payout.lines.get(number).map(|line| &line.account);
        let name = line_of.or_else(|| {
            let names = diff.names.iter();
            let mut of = names.filter(|(address, _)| Some(address) == made.to.as_ref());
            of.next().map(|(_, name)| name)
        });
        let name = name.map_or_else(String::new, |name| format!("{name}: "));
        line("", format!("{name}{}", made.sentence()));
    }
    if let Some(memo) = &diff.decoded.memo {
        line("memo", memo.clone());
    }
    for change in &diff.holdings {
        line(
            "wallet",
            format!(
                "{} {} before, {} after",
                change.before, change.asset, change.after
            ),
        );
    }
    for limit in limits {
        let left = limit.says.as_ref().map(|says| says["left"].clone());
        if let Some(Value::String(left)) = left {
            line("limit", format!("{left} left to spend at discretion"));
        }
    }
    if let Some(check) = &payout.check {
        let by = match check.confirmed_by.is_empty() {
            true => "nobody".to_owned(),
            false => check.confirmed_by.join(", "),
        };
        line(
            "approvals",
            format!("{} of {}: {by}", check.confirmed_by.len(), check.needed),
        );
    }
    if !payout.signed_by.is_empty() {
        line("signed by", payout.signed_by.join(", "));
    }
    for report in &payout.reported {
        line(
            "reported",
            format!("{} saw it {}", report.guardian, report.saw),
        );
    }
    if let Some(reason) = &payout.refused {
        line("refused", format!("the chain said {reason}"));
        if reason == super::bump::TOO_LITTLE {
            let id = payout.id;
            line(
                "",
                format!("`circle treasury bump {id} --key FILE` lets another account pay more"),
            );
        }
    }
    if is_open(payout) {
        let whom = match (payout.behind, payout.waiting_for.is_empty()) {
            (_, false) => payout.waiting_for.join(", "),
            (Some(change), true) => format!("payout {change}, which changes who signs"),
            (None, true) => "its chain".to_owned(),
        };
        line("waits for", whom);
    }
    let ledger = payout
        .ledger
        .map_or_else(String::new, |ledger| format!(" in ledger {ledger}"));
    format!(
        "payout {} ({}) is {}{ledger}\n{text}",
        payout.id, payout.purpose, payout.state
    )
}
