//! A Stellar ledger for development, in this process or in one of its own.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use treasury_sandbox::horizon::Sandbox;

use crate::problem::Problem;

/// The passphrase of the network of a development circle.
pub const PASSPHRASE: &str = "Guardian Circle sandbox";
/// From one empty ledger to the next.
const CLOSE_EVERY: Duration = Duration::from_secs(1);
/// How long a process may take to end by itself.
const PATIENCE: Duration = Duration::from_secs(5);

/// Listens at an address; gives the URL under which that is reached.
pub async fn listen(address: SocketAddr) -> Result<(TcpListener, String), Problem> {
    let taken = |error: std::io::Error| {
        let reason = format!("cannot listen on {address}: {error}");
        Problem::new("listen", reason, "choose another address with --listen")
    };
    let listener = TcpListener::bind(address).await.map_err(taken)?;
    let url = format!("http://{}", listener.local_addr().map_err(taken)?);
    Ok((listener, url))
}

/// A new network, or the one that is kept in a file.
pub fn open(passphrase: &str, keep: Option<&Path>) -> Result<Sandbox, Problem> {
    match keep {
        None => Ok(Sandbox::new(passphrase)),
        Some(path) => {
            Sandbox::kept(passphrase, path).map_err(|error| Problem::file("read", path, error))
        }
    }
}

/// Answers until the future is dropped. A `close_every` of zero closes ledgers with transactions only.
pub async fn serve(
    listener: TcpListener,
    sandbox: Sandbox,
    close_every: Duration,
) -> Result<(), Problem> {
    let closing = sandbox.clone();
    let close = async move {
        if close_every.is_zero() {
            return std::future::pending::<()>().await;
        }
        loop {
            tokio::time::sleep(close_every).await;
            closing.close();
        }
    };
    tokio::select! {
        served = axum::serve(listener, sandbox.router()) => served.map_err(|error| {
            Problem::new("listen", error.to_string(), "start it again")
        }),
        () = close => Ok(()),
    }
}

/// The running ledger of a development circle.
pub enum Ledger {
    /// In this process.
    Inside(JoinHandle<Result<(), Problem>>),
    /// In one of its own.
    Process(Child),
}

impl Ledger {
    /// Starts the ledger that is kept in a file.
    pub async fn start(address: SocketAddr, keep: &Path, process: bool) -> Result<Self, Problem> {
        if process {
            return Self::start_process(address, keep).await;
        }
        let (listener, _) = listen(address).await?;
        let sandbox = open(PASSPHRASE, Some(keep))?;
        Ok(Self::Inside(tokio::spawn(serve(
            listener,
            sandbox,
            CLOSE_EVERY,
        ))))
    }

    async fn start_process(address: SocketAddr, keep: &Path) -> Result<Self, Problem> {
        let problem = |error: std::io::Error| {
            let reason = format!("cannot start a process: {error}");
            Problem::new("devnet.process", reason, "raise the limit of processes")
        };
        let mut command = Command::new(std::env::current_exe().map_err(problem)?);
        let address = address.to_string();
        let every = CLOSE_EVERY.as_secs().to_string();
        command
            .args([
                "sandbox",
                "stellar",
                "--listen",
                &address,
                "--passphrase",
                PASSPHRASE,
            ])
            .args(["--close-every", &every, "--json", "--with-parent", "--keep"])
            .arg(keep)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        #[cfg(unix)]
        command.process_group(0);
        let mut child = command.spawn().map_err(problem)?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout)
                .read_line(&mut line)
                .await
                .map_err(problem)?;
        }
        let told: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
        if told["horizon"].is_null() {
            let reason = format!("the Stellar ledger did not start: {line}");
            return Err(Problem::new(
                "devnet.ledger",
                reason,
                "name another directory with --dir",
            ));
        }
        Ok(Self::Process(child))
    }

    /// The id of its process, if it has one.
    pub fn process_id(&self) -> Option<u32> {
        match self {
            Self::Inside(_) => None,
            Self::Process(child) => child.id(),
        }
    }

    /// Ends it.
    pub async fn stop(self) {
        match self {
            Self::Inside(task) => {
                task.abort();
                let _ = task.await;
            }
            Self::Process(mut child) => {
                drop(child.stdin.take());
                if tokio::time::timeout(PATIENCE, child.wait()).await.is_err() {
                    let _ = child.kill().await;
                }
            }
        }
    }
}
