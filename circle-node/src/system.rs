//! What a process of ours asks of the operating system.

use std::io::{IsTerminal, Read};

use crate::problem::Problem;

/// A runtime for nodes: a thread for each core, however many nodes there are.
pub fn runtime() -> Result<tokio::runtime::Runtime, Problem> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    runtime.map_err(|error| {
        Problem::new(
            "runtime",
            error.to_string(),
            "free some memory, then try again",
        )
    })
}

/// Lets this process open as many files as the system allows it: ninety-nine nodes hold ten thousand links.
pub fn raise_file_limit() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
        // A refusal leaves the limit as it was; what then cannot be opened is reported where it fails.
        let _ = setrlimit(
            Resource::Nofile,
            Rlimit {
                current: maximum,
                maximum,
            },
        );
    }
}

/// Writes what nodes report to stderr: warnings and errors, or what the variable `RUST_LOG` asks for.
pub fn log_to_stderr() {
    // The engine's tasks report their own end as errors; its failures come through `consensus`.
    let default = "error,circle_node=warn,consensus=warn,arc_malachitebft_engine=off,arc_malachitebft_app_channel=off";
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(default));
    // A second call in one process changes nothing.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        // It would say so on stderr, and panic: whoever reads may be gone, as after `circle start | head`, and the node goes on.
        .log_internal_errors(false)
        .try_init();
}

/// Resolves on Ctrl-C, and on the signal by which services are ended.
pub async fn interrupted() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}

/// Resolves when stdin ends.
pub async fn parent_gone() {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    // A thread of its own: one that waits for a read must not hold up the end of the runtime.
    std::thread::spawn(move || {
        let mut buffer = [0; 256];
        while matches!(std::io::stdin().lock().read(&mut buffer), Ok(1..)) {}
        let _ = sender.send(());
    });
    let _ = receiver.await;
}
