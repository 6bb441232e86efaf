//! `cargo xtask`: the project's own commands.
//!
//! `test` runs every test, then checks against real peers as far as this machine has what they need. `check` is what CI runs:
//! formatting, lints, dependencies, and `test` with every peer. `lab` is what takes long: run it before a release.

mod builds;
mod check;
mod peers;
mod run;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The project's own commands")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run every test, then check against real peers
    Test {
        /// A peer that cannot be tested here is a failure, not a remark
        #[arg(long)]
        all_peers: bool,
    },
    /// What CI runs: formatting, lints, dependencies, and the tests with every peer
    Check,
    /// What takes long: a day of 33 and of 99 guardians until it is paid; every attack, a million executions of random policies, and a
    /// thousand random schedules of payouts, in an optimised and in a checked build
    Lab,
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Test { all_peers } => test(all_peers),
        Command::Check => {
            check::formatting()?;
            check::lints()?;
            check::dependencies()?;
            test(true)?;
            builds::run("hostile_policies")?;
            builds::compare("random_policies", &["20000", "7", "2"])
        }
        Command::Lab => {
            builds::settle(&[33, 99])?;
            builds::compare("hostile_policies", &[])?;
            builds::compare("random_policies", &["1000000", "1"])?;
            builds::compare("random_payouts", &["1000", "1"])
        }
    }
}

fn test(all_peers: bool) -> anyhow::Result<()> {
    let mut tests = run::cargo(&["test", "--release", "--quiet"]);
    // Those on an Ethereum node are a peer's, and run alone.
    tests
        .args(run::EVERYTHING)
        .args(["--", "--skip", peers::ON_ANVIL]);
    run::step("tests", tests)?;
    let missing = peers::test()?;
    for remark in &missing {
        println!("NOT TESTED: {remark}");
    }
    anyhow::ensure!(
        !all_peers || missing.is_empty(),
        "{} peers could not be tested, and --all-peers asks for all",
        missing.len()
    );
    println!(
        "\nAll is well{}.",
        if missing.is_empty() {
            ""
        } else {
            ", but for what was not tested"
        }
    );
    Ok(())
}
