//! Which node a verb talks to.

use std::path::PathBuf;

use crate::api::client::Client;
use crate::config::Home;
use crate::problem::Problem;
use crate::vault::Source;

/// The home that is used when none is named.
pub const DEFAULT_HOME: &str = "circle-home";

/// Options that name a node.
#[derive(Debug, clap::Args)]
pub struct Target {
    /// The address of a node's API, as in http://127.0.0.1:9800. Goes before a home.
    #[arg(long, value_name = "URL", env = "CIRCLE_NODE")]
    pub node: Option<String>,
    /// The home directory of a node on this machine, whose API is used.
    #[arg(long, value_name = "DIR", env = "CIRCLE_HOME", default_value = DEFAULT_HOME)]
    pub home: PathBuf,
}

impl Target {
    /// The home that is named, unless an address is.
    pub fn home_on_this_machine(&self) -> Option<Home> {
        self.node.is_none().then(|| Home::new(&self.home))
    }

    /// A client of the node.
    pub fn client(&self) -> Result<Client, Problem> {
        match &self.node {
            Some(url) => Client::new(url),
            None => {
                let config = Home::new(&self.home).read_config().map_err(|problem| match problem.code.as_str() {
                    "home.missing" => Problem {
                        mend: "name a node with --node http://HOST:PORT, or a home with --home DIR".into(),
                        ..problem
                    },
                    _ => problem,
                })?;
                Client::new(&config.api.to_string())
            }
        }
    }
}

/// Option that names the passphrase of a home.
#[derive(Debug, clap::Args)]
pub struct Passphrase {
    /// A file whose first line is the passphrase of the home. Without: the file that the variable CIRCLE_PASSPHRASE_FILE names, the
    /// credential circle-passphrase of a systemd service, or the terminal.
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
}

impl Passphrase {
    /// Where it comes from.
    pub fn source(&self) -> Source {
        Source::find(self.passphrase_file.as_deref())
    }
}

/// Runs `work` on a small runtime of its own.
pub fn block_on<T>(work: impl Future<Output = Result<T, Problem>>) -> Result<T, Problem> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime
        .map_err(|error| {
            Problem::new(
                "runtime",
                error.to_string(),
                "free some memory, then try again",
            )
        })?
        .block_on(work)
}
