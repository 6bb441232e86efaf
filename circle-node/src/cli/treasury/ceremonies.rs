//! `circle treasury ceremonies`: how the keys of the wallets were made, and whom a running ceremony waits for.

use crate::api::types::{At, Ceremonies, Ceremony};
use crate::cli::output;
use crate::cli::target::{Target, block_on};
use crate::problem::Problem;

/// Show the key ceremonies: for which wallet, how far, whom each waits for, and who made one fail.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: Target,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

/// Runs the verb.
pub fn run(args: Args) -> Result<(), Problem> {
    let client = args.target.client()?;
    let found: At<Ceremonies> =
        block_on(async { client.get::<At<Ceremonies>>("/v1/ceremonies").await })?;
    if args.json {
        output::print_json(&found);
        return Ok(());
    }
    if found.answer.ceremonies.is_empty() {
        output::print("there was no key ceremony yet; `!!ceremony.start` begins one");
    }
    for ceremony in &found.answer.ceremonies {
        output::print(describe(ceremony));
    }
    Ok(())
}

fn describe(ceremony: &Ceremony) -> String {
    // A key that another one has replaced is no wallet's any more.
    let of = match ceremony.wallets.is_empty() {
        true => String::new(),
        false => format!(" of wallet {}", ceremony.wallets.join(", ")),
    };
    let mut text = format!(
        "ceremony {}{of}: {}; {} of {} members sign",
        ceremony.number,
        ceremony.phase,
        ceremony.threshold,
        ceremony.members.len(),
    );
    if let Some(public) = &ceremony.public {
        text += &format!("\n  public key {public}");
    }
    if !ceremony.waiting_for.is_empty() {
        text += &format!("\n  waits for {}", ceremony.waiting_for.join(", "));
    }
    if let Some(reason) = &ceremony.given_up {
        text += &format!("\n  given up: {reason}");
    }
    if let Some(blamed) = &ceremony.blamed {
        text += &format!(
            "\n  {} {}; {} brought it to light (complaint {})",
            blamed.guardian, blamed.charge, blamed.complainer, blamed.complaint
        );
    }
    text
}
