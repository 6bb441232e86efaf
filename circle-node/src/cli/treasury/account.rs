//! `circle treasury account`: makes the account of a wallet that the guardians own with keys of their own.

use serde_json::json;
use threescript::value::Value;
use treasury_protocol::stellar::founding::least_stroops;
use treasury_protocol::stellar::key_of_address;
use treasury_protocol::stellar::multisig::Owners;

use super::horizon::Servers;
use super::hot_key::HotKey;
use super::request;
use crate::api::treasury::{Payouts, Wallet};
use crate::api::types::At;
use crate::api::values::fixed;
use crate::cli::acting::{self, Circle};
use crate::cli::output;
use crate::cli::target::{Target, block_on};
use crate::founding::{self, Made};
use crate::problem::Problem;

/// What a wallet is given beside what it has to keep, in stroops: for fees, and half an XLM for each asset that it is to hold.
const BESIDE_STROOPS: i64 = 100_000_000;

/// Make the account of a wallet that each guardian owns with a key of its own, and tell the circle where it is.
///
/// One transaction makes the account and gives it to the owners; its own key is drawn for that, and forgotten. Whose key pays
/// for it has no say in it. The guardians open the wallet when they saw on the network that it is theirs and nobody else's.
///
///   circle treasury account main --key hot.key
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The name of the wallet.
    pub wallet: String,
    #[command(flatten)]
    pub key: HotKey,
    /// What the account is given, in stroops (10,000,000 are 1 XLM). Without: what it has to keep for its signers, and 10 XLM.
    #[arg(long, value_name = "STROOPS")]
    pub starting: Option<i64>,
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
    /// How long to wait for the circle to certify where the account is, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub wait: u64,
    #[command(flatten)]
    pub servers: Servers,
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
        let found: At<Payouts> = circle.client.get("/v1/payouts").await?;
        let mut wallets = found.answer.wallets.into_iter();
        let wallet = wallets.find(|wallet| wallet.name == args.wallet);
        let wallet = wallet.ok_or_else(|| {
            let reason = format!("there is no wallet {}", args.wallet);
            let mend = "the circle opens one with !!treasury.multisig";
            Problem::new("wallet.unknown", reason, mend)
        })?;
        let owners = owners(&wallet)?;
        let funder = args.key.read()?;
        // Before anything is made, so that nothing is made for nothing.
        let guardian = match args.target.home_on_this_machine() {
            Some(home) => Some(acting::guardian_key(&home)?),
            None => None,
        };
        let horizon = args.servers.of(&args.target, &wallet.network)?;
        let usual = least_stroops(&owners) + BESIDE_STROOPS;
        let starting = args.starting.unwrap_or(usual);
        let made = founding::prepare(&horizon, &funder, &owners, starting).await?;
        let text = screen(&wallet, &made, starting);
        match args.json {
            true => output::tell(text),
            false => output::print(text),
        }
        request::confirm(args.yes, "Make it?")?;
        let ledger = founding::send(&horizon, &made).await?;
        let Some(guardian) = guardian else {
            return report(&args, &made, ledger, None);
        };
        let given = vec![
            ("wallet", Value::Text(args.wallet.clone())),
            ("address", Value::Text(made.address.clone())),
        ];
        let action = acting::action(&circle::kernel_signatures(), "treasury", "account", given)?;
        let envelope = circle.sign(vec![action], &guardian, "10m").await?;
        let named = circle.send(&envelope, args.wait).await;
        let named = named.map_err(|problem| Problem {
            reason: format!("{} is made, but: {}", made.address, problem.reason),
            mend: format!("a guardian names it with {}", naming(&args.wallet, &made)),
            ..problem
        })?;
        report(&args, &made, ledger, named.height)
    })
}

/// Who is to own the account of a wallet that waits for it.
fn owners(wallet: &Wallet) -> Result<Owners, Problem> {
    let name = &wallet.name;
    if wallet.next_sequence.is_some() {
        let reason = format!("the wallet {name} is open already");
        return Err(Problem::new(
            "account.open",
            reason,
            "nothing has to be done",
        ));
    }
    let looked_at = wallet.owners_needed.is_none() || !wallet.differs.is_empty();
    if let (Some(named), false) = (&wallet.account, looked_at) {
        let reason = format!("{named} was named for the wallet {name} already");
        let mend = "wait until the guardians looked at it; `circle treasury status` says if it is not theirs alone";
        return Err(Problem::new("account.named", reason, mend));
    }
    let threshold = match wallet.owners_needed {
        Some(threshold) if wallet.chain == "stellar" => threshold,
        _ if wallet.chain == "stellar" && wallet.ceremony.is_none() => {
            let reason = format!(
                "{name} waits for the keys of {}",
                wallet.waiting_for.join(", ")
            );
            let mend = "their nodes name them by themselves; see that they run";
            return Err(Problem::new("account.owners", reason, mend));
        }
        _ => {
            let reason = format!("the wallet {name} is not one that waits for an account");
            let mend = "only wallets of !!treasury.multisig do";
            return Err(Problem::new("account.wallet", reason, mend));
        }
    };
    let keys = wallet
        .owners
        .iter()
        .map(|owner| key_of_address(&owner.address));
    let owners = keys
        .collect::<Result<Vec<_>, _>>()
        .and_then(|keys| Owners::new(keys, u8::try_from(threshold).unwrap_or(u8::MAX)));
    owners.map_err(|error| Problem::of(error.code(), error))
}

fn screen(wallet: &Wallet, made: &Made, starting_stroops: i64) -> String {
    let xlm = |stroops: i64| format!("{} XLM", fixed(stroops.into(), 7));
    let mut lines = vec![
        format!("wallet {} on {}", wallet.name, wallet.network),
        format!("  account      {}", made.address),
        format!(
            "  owned by     any {} of {} guardians:",
            wallet.owners_needed.unwrap_or_default(),
            wallet.owners.len()
        ),
    ];
    let owner = |owner: &crate::api::treasury::Owner| {
        format!("               {} {}", owner.address, owner.guardian)
    };
    lines.extend(wallet.owners.iter().map(owner));
    lines.push(format!("  given        {}", xlm(starting_stroops)));
    lines.push(format!(
        "  paid by      {}, and {} for the network at most",
        made.funder,
        xlm(made.fee_stroops)
    ));
    lines.join("\n")
}

fn naming(wallet: &str, made: &Made) -> String {
    format!(
        "!!treasury.account wallet:{wallet} address:{}",
        made.address
    )
}

fn report(args: &Args, made: &Made, ledger: u32, named_at: Option<u64>) -> Result<(), Problem> {
    if args.json {
        output::print_json(&json!({
            "wallet": args.wallet,
            "account": made.address,
            "tx_hash": hex::encode(made.hash),
            "ledger": ledger,
            "named_at_height": named_at,
        }));
        return Ok(());
    }
    output::print(match named_at {
        Some(height) => format!(
            "made in ledger {ledger}, and named to the circle at height {height}; `circle treasury status` shows when the guardians have opened it"
        ),
        None => format!(
            "made in ledger {ledger}; a guardian names it with {}",
            naming(&args.wallet, made)
        ),
    });
    Ok(())
}
