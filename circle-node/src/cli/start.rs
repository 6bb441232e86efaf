//! `circle start`: runs one guardian's node.

use std::path::PathBuf;

use circle::Fault;
use serde_json::json;

use super::output;
use super::target::{DEFAULT_HOME, Passphrase};
use crate::config::Home;
use crate::node::{Node, Options};
use crate::problem::Problem;
use crate::system;

/// Run a guardian's node until Ctrl-C.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The home directory, made by `circle init`.
    #[arg(long, value_name = "DIR", env = "CIRCLE_HOME", default_value = DEFAULT_HOME)]
    pub home: PathBuf,
    #[command(flatten)]
    passphrase: Passphrase,
    /// Execute the whole ordered log again when the state is missing.
    #[arg(long)]
    pub rebuild: bool,
    /// Print one JSON line when the node has started: its name and the address of its API.
    #[arg(long)]
    pub json: bool,
    /// For tests of divergence: compute something else than the others when this action runs.
    #[arg(long, value_name = "ACTOR.ACTION", hide = true)]
    pub test_fault: Option<String>,
    /// End when stdin ends, as it does when the process that started this one is gone.
    #[arg(long, hide = true)]
    pub with_parent: bool,
}

/// Runs the verb.
pub fn run(args: Args) -> Result<(), Problem> {
    system::log_to_stderr();
    system::raise_file_limit();
    let runtime = system::runtime()?;
    let result = runtime.block_on(serve(args));
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    result
}

async fn serve(args: Args) -> Result<(), Problem> {
    let options = Options {
        fault: args.test_fault.map(|on| Fault { on }),
        rebuild: args.rebuild,
        memory: None,
        passphrase: args.passphrase.source(),
    };
    let node = Node::start(&Home::new(&args.home), options).await?;
    let api = format!("http://{}", node.api());
    if args.json {
        output::print_json(&json!({ "guardian": node.name(), "api": api }));
    }
    output::tell(format!(
        "the node of {} is up; its API is at {api}",
        node.name()
    ));
    let ended = tokio::select! {
        problem = node.failed() => Err(problem),
        () = system::interrupted() => Ok(()),
        () = system::parent_gone(), if args.with_parent => Ok(()),
    };
    node.stop().await;
    ended
}
