//! The verbs of `circle policy` without the node around them: `cargo run --release -p workbench --example policy -- check FILE`.

use std::process::ExitCode;

use clap::Parser;
use workbench::command::Command;
use workbench::console::{Console, Outcome};

#[derive(Parser)]
struct Verbs {
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    let command = Verbs::parse().command;
    match Console::of_process(|console| command.run(console)) {
        Ok(Outcome::Passed) => ExitCode::SUCCESS,
        Ok(Outcome::Failed) => ExitCode::FAILURE,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}
