//! The running nodes of a development circle, in this process or in one each.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use circle::Fault;
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

use super::homes::Seat;
use crate::node::{Node, Options};
use crate::problem::Problem;
use crate::store::StoreMemory;
use crate::vault::Source;

/// How long a process may take to end by itself.
const PATIENCE: Duration = Duration::from_secs(10);

enum Running {
    Inside(Node),
    Process(Child),
}

/// The nodes, by guardian.
pub struct Nodes {
    running: Vec<(String, Option<Running>)>,
}

/// Which node computes something else, and from which action on.
#[derive(Clone, Debug)]
pub struct Astray {
    /// The guardian.
    pub name: String,
    /// `actor.action`
    pub on: String,
}

impl Nodes {
    /// Starts a node for every seat.
    pub async fn start(
        seats: &[Seat],
        processes: bool,
        astray: Option<&Astray>,
    ) -> Result<Self, Problem> {
        let fault = |seat: &Seat| {
            astray
                .filter(|astray| astray.name == seat.name)
                .map(|astray| Fault {
                    on: astray.on.clone(),
                })
        };
        let mut nodes = Self {
            running: seats.iter().map(|seat| (seat.name.clone(), None)).collect(),
        };
        let started = match processes {
            true => nodes.start_processes(seats, fault),
            false => nodes.start_inside(seats, fault).await,
        };
        match started {
            Ok(()) => Ok(nodes),
            Err(problem) => {
                nodes.stop_all().await;
                Err(problem)
            }
        }
    }

    async fn start_inside(
        &mut self,
        seats: &[Seat],
        fault: impl Fn(&Seat) -> Option<Fault>,
    ) -> Result<(), Problem> {
        let memory = Arc::new(StoreMemory::shared_by(seats.len() as u64));
        let mut starting = JoinSet::new();
        for (index, seat) in seats.iter().enumerate() {
            let options = Options {
                fault: fault(seat),
                rebuild: false,
                memory: Some(memory.clone()),
                // The homes that are made here have an identity file; one that somebody protected otherwise has a node of its own.
                passphrase: Source::Nowhere,
            };
            let home = seat.home.clone();
            starting.spawn(async move { (index, Node::start(&home, options).await) });
        }
        let mut failed = None;
        while let Some(started) = starting.join_next().await {
            match started {
                Ok((index, Ok(node))) => self.running[index].1 = Some(Running::Inside(node)),
                Ok((index, Err(problem))) => {
                    let reason = format!(
                        "the node of {} did not start: {}",
                        seats[index].name, problem.reason
                    );
                    failed = Some(Problem { reason, ..problem });
                }
                Err(error) => {
                    failed = Some(Problem::new(
                        "devnet.start",
                        error.to_string(),
                        "report this",
                    ))
                }
            }
        }
        failed.map_or(Ok(()), Err)
    }

    fn start_processes(
        &mut self,
        seats: &[Seat],
        fault: impl Fn(&Seat) -> Option<Fault>,
    ) -> Result<(), Problem> {
        let problem = |error: std::io::Error| {
            Problem::new(
                "devnet.process",
                format!("cannot start a process: {error}"),
                "raise the limit of processes",
            )
        };
        let program = std::env::current_exe().map_err(problem)?;
        for (index, seat) in seats.iter().enumerate() {
            let mut command = Command::new(&program);
            // A child ends with its stdin, so none is left behind even if this process is killed.
            command
                .arg("start")
                .arg("--with-parent")
                .arg("--home")
                .arg(seat.home.path());
            command
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(log_file(seat)?)
                .kill_on_drop(true);
            // Ctrl-C reaches this process alone, which ends the others in order.
            #[cfg(unix)]
            command.process_group(0);
            if let Some(fault) = fault(seat) {
                command.arg("--test-fault").arg(fault.on);
            }
            self.running[index].1 = Some(Running::Process(command.spawn().map_err(problem)?));
        }
        Ok(())
    }

    /// How many nodes are up.
    pub fn count(&self) -> usize {
        self.running
            .iter()
            .filter(|(_, running)| running.is_some())
            .count()
    }

    /// Process ids, where nodes have processes of their own.
    pub fn process_ids(&self) -> Vec<(String, u32)> {
        let id = |(name, running): &(String, Option<Running>)| match running {
            Some(Running::Process(child)) => Some((name.clone(), child.id()?)),
            _ => None,
        };
        self.running.iter().filter_map(id).collect()
    }

    /// Fails if a node stopped by itself. A process that ended is only told about, once: whoever killed it may start it
    /// again.
    pub fn check(&mut self, tell: impl Fn(String)) -> Result<(), Problem> {
        for (name, running) in &mut self.running {
            match running {
                Some(Running::Inside(node)) => {
                    if let Some(problem) = node.failure() {
                        let reason = format!("the node of {name} stopped: {}", problem.reason);
                        return Err(Problem {
                            reason,
                            ..problem.clone()
                        });
                    }
                }
                Some(Running::Process(child)) => {
                    if let Ok(Some(status)) = child.try_wait() {
                        tell(format!(
                            "the node of {name} ended ({status}); `circle start --home` with its home starts it again"
                        ));
                        *running = None;
                    }
                }
                None => {}
            }
        }
        Ok(())
    }

    /// Stops the node of one guardian.
    pub async fn stop(&mut self, name: &str) {
        let found = self.running.iter_mut().find(|(one, _)| one == name);
        if let Some(running) = found.and_then(|(_, running)| running.take()) {
            end(running).await;
        }
    }

    /// Stops all nodes and waits until they are gone.
    pub async fn stop_all(&mut self) {
        let mut ending = JoinSet::new();
        for running in self
            .running
            .iter_mut()
            .filter_map(|(_, running)| running.take())
        {
            ending.spawn(end(running));
        }
        ending.join_all().await;
    }
}

fn log_file(seat: &Seat) -> Result<Stdio, Problem> {
    let path = seat.home.path().join("node.log");
    let file = std::fs::File::options()
        .create(true)
        .append(true)
        .open(&path);
    file.map(Stdio::from)
        .map_err(|error| Problem::file("write", &path, error))
}

async fn end(running: Running) {
    match running {
        Running::Inside(node) => node.stop().await,
        Running::Process(mut child) => {
            drop(child.stdin.take());
            if tokio::time::timeout(PATIENCE, child.wait()).await.is_err() {
                // It did not end by itself; this very child is ended, and reaped.
                let _ = child.kill().await;
            }
        }
    }
}
