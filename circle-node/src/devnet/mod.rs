//! A circle on one machine: its nodes are started, its day of usage is billed, and its payout is signed, sent to a
//! Stellar ledger, and settled.
//!
//! Nothing here is a short cut: the nodes are the nodes of `circle start`, and whoever drives them uses their HTTP API
//! and signed transactions only. The nodes find their parts in key ceremonies and signatures by themselves.

pub mod bank;
mod day;
mod document;
mod driver;
pub mod ethereum;
mod homes;
mod nodes;
mod plan;
mod run;
pub mod stellar;

use std::time::{Duration, Instant};

use self::bank::Bank;
use self::day::Day;
use self::ethereum::Ethereum;
use self::homes::Seat;
use self::nodes::{Astray, Nodes};
use self::run::Run;
use self::stellar::Ledger;
use crate::api::client::Client;
use crate::cli::output::Progress;
use crate::problem::Problem;

pub use self::homes::CIRCLE;
pub use self::plan::{EthereumNode, Plan, Signers, Until};

/// A running development circle that has been driven to where its plan says.
pub struct Devnet {
    nodes: Nodes,
    ledger: Ledger,
    /// Ends with this value.
    ethereum: Option<Ethereum>,
    seats: Vec<Seat>,
    horizon: String,
    /// What is reported of it.
    pub document: serde_json::Value,
    speaker: usize,
}

impl Devnet {
    /// Starts the circle and drives it through its day. All nodes are stopped on error.
    pub async fn run(plan: &Plan, progress: Progress) -> Result<Self, Problem> {
        plan.check()?;
        let day = Day::load(plan.ious.as_deref(), plan.keys.as_deref(), &plan.directory)?;
        if let Some(stranger) = plan.escrow.keys().find(|name| day.key(name).is_none()) {
            let reason = format!("--escrow names {stranger}, who is in no IOU of the batch");
            let mend = "use the names of consumers in the batch";
            return Err(Problem::new("devnet.escrow", reason, mend));
        }
        let ethereum = match &plan.ethereum {
            Some(node) => Some(Ethereum::start(node, &progress).await?),
            None => None,
        };
        let place = homes::prepare(&plan.directory, plan.guardians, ethereum.as_ref())?;
        let seats = place.seats;
        let horizon = format!("http://{}", place.ledger);
        let bank = Bank::new(&horizon, place.issuer)?;
        progress.line(format!(
            "{} guardians in {}",
            plan.guardians,
            plan.directory.display()
        ));
        let astray = plan.diverge.clone().map(|name| Astray {
            name,
            on: plan.fault.clone(),
        });
        // One whose node stays up and agrees with the others.
        let silent = |seat: &Seat| {
            plan.stop.contains(&seat.name) || plan.diverge.as_ref() == Some(&seat.name)
        };
        let speaker = seats
            .iter()
            .position(|seat| !silent(seat))
            .unwrap_or_default();
        let client = Client::new(&seats[speaker].api.to_string())?;
        let ledger = Ledger::start(place.ledger, &place.kept, plan.processes).await?;
        progress.line(format!("a Stellar ledger at {horizon}"));
        let nodes = match Nodes::start(&seats, plan.processes, astray.as_ref()).await {
            Ok(nodes) => nodes,
            Err(problem) => {
                ledger.stop().await;
                return Err(problem);
            }
        };
        let deadline = Instant::now() + plan.timeout;
        let mut run = Run {
            plan,
            nodes,
            client,
            bank,
            ethereum,
            horizon: horizon.clone(),
            progress,
            deadline,
        };
        let driven = tokio::select! {
            driven = run.drive(&seats, speaker, &day) => driven,
            () = crate::system::interrupted() => Err(Problem::new("interrupted", "interrupted", "")),
        };
        match driven {
            Ok(document) => Ok(Self {
                nodes: run.nodes,
                ledger,
                ethereum: run.ethereum,
                seats,
                horizon,
                document,
                speaker,
            }),
            Err(problem) => {
                run.nodes.stop_all().await;
                ledger.stop().await;
                Err(problem)
            }
        }
    }

    /// How to talk to it.
    pub fn directions(&self) -> String {
        let seat = &self.seats[self.speaker];
        let home = seat.home.path().display();
        let ledger = self.ledger.process_id().map(|id| ("ledger".to_owned(), id));
        let chain = self.ethereum.as_ref().and_then(Ethereum::process_id);
        let chain = chain.map(|id| ("anvil".to_owned(), id));
        let processes: Vec<String> = self
            .nodes
            .process_ids()
            .into_iter()
            .chain(ledger)
            .chain(chain)
            .map(|(name, id)| format!("{name} {id}"))
            .collect();
        let processes = if processes.is_empty() {
            String::new()
        } else {
            format!("Their processes: {}\n", processes.join(", "))
        };
        let ethereum = self.ethereum.as_ref().map_or_else(String::new, |chain| {
            format!("The Ethereum chain is at {}.\n", chain.url())
        });
        format!(
            "{} nodes are up. In another terminal:\n  \
             circle status --watch --home {home}\n  \
             circle ask '!iou.owed' --home {home}\n  \
             circle act FILE --home {home}\n\
             The Stellar ledger is at {}.\n\
             {ethereum}{processes}Ctrl-C stops them.",
            self.nodes.count(),
            self.horizon
        )
    }

    /// Stays up until Ctrl-C, or until a node stops by itself.
    pub async fn stay(&mut self, tell: impl Fn(String)) -> Result<(), Problem> {
        let interrupted = crate::system::interrupted();
        tokio::pin!(interrupted);
        loop {
            tokio::select! {
                () = &mut interrupted => return Ok(()),
                () = tokio::time::sleep(Duration::from_secs(1)) => self.nodes.check(&tell)?,
            }
        }
    }

    /// Stops all nodes.
    pub async fn stop(mut self) {
        self.nodes.stop_all().await;
        self.ledger.stop().await;
    }
}
