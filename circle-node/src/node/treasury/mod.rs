//! What a node does with the money chains that it sees: it looks at them, says what is news, and sends what is signed.
//!
//! ```text
//! rows ─ questions ─▶ watcher ─ chain ─▶ news ─▶ agent ─▶ treasury.observe
//! rows ─ signed payouts ─▶ broadcaster ─▶ chain
//! ```
//! Every configured chain has a watcher and a broadcaster of its own. An outage of a chain is shown by `circle status`, and stops
//! nothing.

pub mod answers;
mod broadcaster;
pub mod ceremonies;
mod client;
mod cursors;
pub mod diff;
mod ethereum;
pub mod link;
mod signers;
mod stellar;
mod watcher;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use circle::treasury::{Observation, Payout, Wallet, wallets};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use self::link::{Link, Network};
use super::core::Core;
use super::secrets::Secrets;
use crate::config::ChainConfig;
use crate::problem::Problem;

/// How long a signer waits for its watcher to look at the payees of a payout.
const LOOK_PATIENCE: Duration = Duration::from_secs(5);

/// After this long it is forgotten that a signer waited.
const AWAITED_LIFETIME: Duration = Duration::from_secs(600);

/// What one node knows of the chains.
pub struct Treasury {
    links: Vec<Arc<Link>>,
    board: Mutex<Board>,
    told: Notify,
}

/// What watchers found, for the agent and the broadcasters.
#[derive(Default)]
struct Board {
    /// By the number of the chain.
    found: BTreeMap<usize, Found>,
    /// Since when signers wait for a look at the payees of a payout.
    awaited: HashMap<u64, Instant>,
    /// What a chain said last to payouts that this node sent and that it did not take.
    refused: BTreeMap<u64, String>,
}

/// What the watcher of one chain found.
#[derive(Clone, Default, PartialEq, Eq)]
struct Found {
    /// What is to be reported, by what it is about.
    news: BTreeMap<Subject, Observation>,
    /// Payouts whose transaction is in a ledger.
    included: BTreeSet<u64>,
    /// Payouts whose payees were looked at, and whether none of them is news.
    looked: BTreeMap<u64, bool>,
}

/// What an observation is about, within one chain.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Subject {
    /// The account of a wallet.
    Account(String),
    /// What became of a payout.
    Outcome(u64),
    /// Whether an address can receive an asset.
    Receives(String, String),
    /// A part of a payout that has to be claimed.
    Claim(u64, u32),
    /// A payment to a wallet, by the chain's name of it.
    Payment(String, String),
    /// What a wallet holds of an asset.
    Difference(String, String),
}

impl Treasury {
    /// The chains that are configured.
    pub async fn new(chains: &[ChainConfig], secrets: &Secrets) -> Result<Self, Problem> {
        let mut links: Vec<Arc<Link>> = Vec::new();
        for config in chains {
            let link = Link::new(config, secrets).await?;
            if links.iter().any(|other| other.network() == link.network()) {
                let reason = format!("`chains` in circle.toml names {} twice", link.network());
                let mend = "put all its endpoints into one list";
                return Err(Problem::new("config.chains", reason, mend));
            }
            links.push(Arc::new(link));
        }
        Ok(Self {
            links,
            board: Mutex::default(),
            told: Notify::new(),
        })
    }

    /// The link to a chain, if it is configured.
    pub fn link(&self, network: &Network) -> Option<&Arc<Link>> {
        self.links.iter().find(|link| link.network() == network)
    }

    /// In what the account that was named for a wallet differs from what its owners can use alone, as this node saw it last.
    fn differences(&self, wallet: &Wallet) -> Vec<String> {
        let link = self.link(&Network::from(&wallet.chain));
        link.map(|link| link.client().differences(&wallet.name))
            .unwrap_or_default()
    }

    /// All links.
    pub fn links(&self) -> &[Arc<Link>] {
        &self.links
    }

    /// What there is to be reported.
    pub fn news(&self) -> Vec<Observation> {
        let board = self.board();
        let all = board.found.values().flat_map(|found| found.news.values());
        all.cloned().collect()
    }

    /// Resolves when a watcher has something new.
    pub async fn told(&self) {
        self.told.notified().await;
    }

    /// Whether this node may begin to sign a payout: after a look at its payees, or a bounded wait for that look. It does not
    /// depend on the chain.
    pub fn may_commit(&self, payout: &Payout) -> bool {
        let link = self.link(&Network::from(&payout.transaction));
        let reachable = link.is_some_and(|link| link.is_reachable());
        let mut board = self.board();
        let mut found = board.found.values();
        if !reachable || found.any(|found| found.looked.get(&payout.id) == Some(&true)) {
            return true;
        }
        board
            .awaited
            .retain(|_, since| since.elapsed() < AWAITED_LIFETIME);
        let since = *board.awaited.entry(payout.id).or_insert_with(Instant::now);
        since.elapsed() >= LOOK_PATIENCE
    }

    /// Takes what the watcher of a chain found.
    fn tell(&self, chain: usize, found: Found) {
        let mut board = self.board();
        if board.found.get(&chain) != Some(&found) {
            board.found.insert(chain, found);
            drop(board);
            self.told.notify_one();
        }
    }

    /// Whether a chain showed a payout in a ledger.
    fn is_included(&self, payout: u64) -> bool {
        let board = self.board();
        let mut found = board.found.values();
        found.any(|found| found.included.contains(&payout))
    }

    /// What its chain said when this node sent a payout last, if it did not take it. No verdict: it may be taken later.
    fn refused(&self, payout: u64) -> Option<String> {
        self.board().refused.get(&payout).cloned()
    }

    /// Notes what a chain said to a payout.
    fn answered(&self, payout: u64, refused: Option<&str>) {
        let mut board = self.board();
        match refused {
            Some(reason) => board.refused.insert(payout, reason.to_owned()),
            None => board.refused.remove(&payout),
        };
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts the watchers and broadcasters of a node. They end when `stop` changes or the node fails. `directory` is where they
/// remember how far they read.
pub fn start(
    core: &Arc<Core>,
    directory: PathBuf,
    stop: &watch::Receiver<bool>,
) -> Vec<JoinHandle<()>> {
    let mut tasks = vec![tokio::spawn(warn_of_unseen(core.clone(), stop.clone()))];
    for (number, link) in core.treasury.links().iter().enumerate() {
        let (core, link) = (core.clone(), link.clone());
        tasks.push(tokio::spawn(watcher::watch(
            core.clone(),
            number,
            link.clone(),
            directory.clone(),
            stop.clone(),
        )));
        tasks.push(tokio::spawn(broadcaster::broadcast(
            core,
            link,
            stop.clone(),
        )));
    }
    tasks
}

/// Says once of each chain with a wallet of the circle that this node does not see it.
async fn warn_of_unseen(core: Arc<Core>, mut stop: watch::Receiver<bool>) {
    let mut executed = core.executed();
    let mut told: Vec<Network> = Vec::new();
    loop {
        let wallets = core.newest().and_then(|rows| wallets(&rows.state));
        for wallet in wallets.unwrap_or_default() {
            let network = Network::from(&wallet.chain);
            if core.treasury.link(&network).is_none() && !told.contains(&network) {
                tracing::warn!(
                    guardian = core.name(),
                    wallet = wallet.name,
                    "this node does not see {network}: name servers of it under `chains` in circle.toml; others report meanwhile"
                );
                told.push(network);
            }
        }
        tokio::select! {
            _ = stop.changed() => return,
            changed = executed.changed() => if changed.is_err() || core.is_over() {
                return;
            },
        }
    }
}
