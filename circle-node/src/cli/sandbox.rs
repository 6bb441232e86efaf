//! `circle sandbox`: money chains for development and tests, on this machine.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;

use super::output;
use crate::devnet::stellar;
use crate::problem::Problem;
use crate::system;

/// Run a money chain for development: nothing on it is worth anything.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    chain: Chain,
}

#[derive(Debug, clap::Subcommand)]
enum Chain {
    Stellar(Stellar),
}

/// A Stellar ledger, which the official SDKs drive through Horizon's API until Ctrl-C.
///
/// `GET /friendbot?addr=G…` gives a new account 10,000 XLM. Every transaction is answered when it is in a ledger.
#[derive(Debug, clap::Args)]
struct Stellar {
    /// Where it listens. Port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8000")]
    listen: SocketAddr,
    /// The passphrase of the network, which every signature is for.
    #[arg(long, value_name = "TEXT", default_value = "Guardian Circle sandbox")]
    passphrase: String,
    /// Close an empty ledger every so many seconds, as the network does; 0 for only with transactions.
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    close_every: u64,
    /// Keep the ledger in this file, and go on with what is in it.
    #[arg(long, value_name = "FILE")]
    keep: Option<PathBuf>,
    /// Print one JSON line when it is up.
    #[arg(long)]
    json: bool,
    /// End when stdin ends, as it does when the process that started this one is gone.
    #[arg(long, hide = true)]
    with_parent: bool,
}

impl Args {
    /// Whether a program reads the result.
    pub fn json(&self) -> bool {
        let Chain::Stellar(args) = &self.chain;
        args.json
    }
}

/// Runs the verb.
pub fn run(args: Args) -> Result<(), Problem> {
    let Chain::Stellar(args) = args.chain;
    let runtime = system::runtime()?;
    let result = runtime.block_on(serve(args));
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}

async fn serve(args: Stellar) -> Result<(), Problem> {
    let (listener, url) = stellar::listen(args.listen).await?;
    let sandbox = stellar::open(&args.passphrase, args.keep.as_deref())?;
    if args.json {
        output::print_json(&json!({ "horizon": url, "passphrase": args.passphrase }));
    }
    output::tell(format!(
        "a Stellar ledger is up at {url}, its passphrase is '{}'; {url}/friendbot?addr=G… opens accounts",
        args.passphrase
    ));
    let every = Duration::from_secs(args.close_every);
    tokio::select! {
        served = stellar::serve(listener, sandbox, every) => served,
        () = system::interrupted() => Ok(()),
        () = system::parent_gone(), if args.with_parent => Ok(()),
    }
}
