//! `circle status`: how the circle stands, and whom it waits for.

use std::fmt::Write as _;

use serde_json::json;

use super::output;
use super::target::{Target, block_on};
use crate::api::types::Status;
use crate::problem::Problem;

/// Show how the circle stands: how far it is, whom it waits for, and who disagrees.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    pub target: Target,
    /// Show it again every second until Ctrl-C.
    #[arg(long)]
    pub watch: bool,
    /// Print one JSON document; with --watch one a line.
    #[arg(long)]
    pub json: bool,
}

/// Runs the verb.
pub fn run(args: Args) -> Result<(), Problem> {
    let client = args.target.client()?;
    let look = async || client.get::<Status>("/v1/status").await;
    block_on(output::show(
        args.watch,
        args.json,
        look,
        screen,
        |status| json!(status),
    ))
}

/// The screen for people.
pub fn screen(status: &Status) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "{name:<14}{value}");
    };
    line(
        "circle",
        format!("{} ({})", status.name, short(&status.circle)),
    );
    line("node of", status.guardian.clone());
    if let Some(failure) = &status.failure {
        line("STOPPED", failure.replace('\n', "\n              "));
    }
    line(
        "height",
        format!(
            "{}, last block {} ago",
            status.height,
            age(status.last_block_age_ms)
        ),
    );
    line(
        "certified",
        format!(
            "{} of {} to attest; unanimous {}",
            status.certified_height, status.to_attest, status.unanimous_height
        ),
    );
    line(
        "reads",
        match status.served_height {
            Some(height) => format!("answered at height {height}"),
            None => "not answered: this node has no certified state".into(),
        },
    );
    line("state root", short(&status.checkpoint.state_root));
    let connected = format!(
        "{} of {} links up",
        status.peers_connected,
        status.guardians.len().saturating_sub(1)
    );
    line(
        "guardians",
        format!("{}, {connected}", status.guardians.len()),
    );
    let membership = &status.membership;
    if membership.epoch > 0 {
        line(
            "",
            format!(
                "epoch {}, since height {}",
                membership.epoch, membership.from_height
            ),
        );
    }
    match membership.own.as_str() {
        "newcomer" => line(
            "NEWCOMER",
            format!(
                "{} is no guardian yet; the circle has to admit it",
                status.guardian
            ),
        ),
        "removed" => line(
            "REMOVED",
            format!(
                "{} is no guardian any more; its node only looks on",
                status.guardian
            ),
        ),
        _ => {}
    }
    for change in &membership.pending {
        let what = format!("{} {}", change.change, change.guardian);
        line(
            "members",
            match (change.effective_height, change.decided_height) {
                (Some(height), _) => format!("{what} from height {height} on"),
                (_, Some(height)) => format!("{what}, decided at height {height}, to be confirmed"),
                _ => what,
            },
        );
    }
    line(
        "mempool",
        format!(
            "{} transactions, {} bytes",
            status.mempool.transactions, status.mempool.bytes
        ),
    );
    for (index, policy) in status.policies.iter().enumerate() {
        line(
            if index == 0 { "policies" } else { "" },
            format!(
                "{} version {}, {}, since height {}",
                policy.name,
                policy.version,
                short(&policy.hash),
                policy.since
            ),
        );
    }
    if status.policies.is_empty() {
        line("policies", "none".into());
    }
    let mut decided = Vec::new();
    for policy in &status.policies {
        for param in policy.params.iter().filter(|param| param.decided) {
            decided.push(format!(
                "{}.{} {}",
                policy.name,
                param.name,
                plain(&param.value)
            ));
        }
    }
    if !decided.is_empty() {
        line("decided", decided.join(", "));
    }
    let interpreter = &status.interpreter;
    let limit = |name: &str| interpreter.limits.get(name).copied().unwrap_or_default();
    line("interpreter", interpreter.profile.clone());
    line(
        "",
        format!(
            "{} operations, {} writes, {} bytes a run; hash {}",
            limit("operations"),
            limit("writes"),
            limit("memory_bytes"),
            short(&interpreter.hash)
        ),
    );
    if !status.benched.is_empty() {
        line("benched", status.benched.join(", "));
    }
    if status.agreement == "minority" {
        line(
            "ASTRAY",
            "this node concluded otherwise than the circle; it neither attests nor answers".into(),
        );
    }
    for diverged in &status.diverged {
        let what = match &diverged.cause {
            Some(cause) => {
                let id = cause.transaction.as_deref().map_or_else(
                    || "a schedule".into(),
                    |id| format!("transaction {}", short(id)),
                );
                let sender = cause
                    .sender
                    .as_ref()
                    .map_or_else(String::new, |sender| format!(" of {sender}"));
                format!("{id}{sender} ({})", cause.actions.join(", "))
            }
            None if diverged.found => "the state alone; all outcomes are the same".into(),
            None => "not found yet; waiting for a testimony".into(),
        };
        line("DIVERGED", format!("at height {}: {what}", diverged.height));
        line(
            "",
            format!("{} say {}", names(&diverged.agree), said(&diverged.ours)),
        );
        line(
            "",
            format!("{} say {}", names(&diverged.differ), said(&diverged.theirs)),
        );
    }
    for chain in &status.chains {
        super::chains::lines(chain, &mut line);
    }
    let waits = if status.waiting_for.is_empty() {
        "for nobody".into()
    } else {
        names(&status.waiting_for)
    };
    line("waiting", waits);
    for waiting in &status.waiting {
        line(
            "",
            format!("{}: {}", waiting.what, names(&waiting.waiting_for)),
        );
    }
    text.pop();
    text
}

fn said(digests: &crate::api::types::Digests) -> String {
    let parts = [
        ("outcome", &digests.outcome),
        ("state", &digests.state_root),
        ("checkpoint", &digests.checkpoint),
    ];
    let parts: Vec<String> = parts
        .iter()
        .filter_map(|(name, digest)| Some(format!("{name} {}", short(digest.as_ref()?))))
        .collect();
    if parts.is_empty() {
        "nothing".into()
    } else {
        parts.join(", ")
    }
}

fn names(names: &[String]) -> String {
    const SHOWN: usize = 12;
    match names.len() {
        0 => "nobody".into(),
        count if count > SHOWN => {
            format!("{} and {} more", names[..SHOWN].join(", "), count - SHOWN)
        }
        _ => names.join(", "),
    }
}

/// A value without the quotes of a text.
fn plain(value: &serde_json::Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn short(digest: &str) -> String {
    digest.chars().take(12).collect()
}

pub(super) fn age(ms: u64) -> String {
    match ms / 1000 {
        0 => format!("{ms} ms"),
        seconds @ 1..120 => format!("{seconds} s"),
        seconds => format!("{} min", seconds / 60),
    }
}
