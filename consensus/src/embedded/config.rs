//! What an embedded engine is started with.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ed25519_zebra::SigningKey;

use crate::log::{LogError, Member, MembersError};

/// The application's check of a transaction, asked before one is taken and again after each block. It must be cheap and
/// must not block: it runs on the engine's own tasks.
pub type Check = Arc<dyn Fn(&[u8]) -> Result<(), String> + Send + Sync>;

/// How to start an embedded engine.
#[derive(Clone)]
pub struct Config {
    /// The key that this node votes and links with.
    pub identity: SigningKey,
    /// The circle's id: votes and links of another network are refused.
    pub network: [u8; 32],
    /// The members that order block `start_after + 1`, this node among them if it is one.
    pub members: Vec<Member>,
    /// Member changes that the state at `start_after` already knows: (first height, members).
    pub scheduled: Vec<(u64, Vec<Member>)>,
    /// Where links are accepted. Port 0 takes a free one.
    pub listen: Vec<SocketAddr>,
    /// Directory of this engine alone: block store and write-ahead log.
    pub data_dir: PathBuf,
    /// The height that the application has durably executed; 0 at genesis.
    pub start_after: u64,
    /// Unix milliseconds; the first block is later.
    pub genesis_time_ms: u64,
    /// How long things may take.
    pub timeouts: Timeouts,
    /// How large things may be.
    pub limits: Limits,
}

/// How long things may take. The defaults suit 9 to 99 members, also in one process on one machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Waiting for a proposal before voting nil.
    pub propose: Duration,
    /// More of that per round.
    pub propose_delta: Duration,
    /// Waiting for more prevotes once more than 2/3 have disagreed.
    pub prevote: Duration,
    /// More of that per round.
    pub prevote_delta: Duration,
    /// Waiting for more precommits once more than 2/3 have disagreed.
    pub precommit: Duration,
    /// More of that per round.
    pub precommit_delta: Duration,
    /// Time in a round after which votes are sent again.
    pub rebroadcast: Duration,
    /// From the start of one height to the start of the next, at least.
    pub min_block_interval: Duration,
    /// From one block to the next when no transaction waits.
    pub idle_block_interval: Duration,
    /// How often new transactions are sent to the other members.
    pub gossip_interval: Duration,
    /// How often own transactions are sent again until they are ordered.
    pub resend_interval: Duration,
    /// How often the own height is told to the other members.
    pub status_interval: Duration,
    /// Waiting for an answer to a request for missing blocks.
    pub sync_request: Duration,
    /// How far a proposed block's time may be ahead of the own clock.
    pub max_clock_ahead: Duration,
    /// How far the time of a newly proposed block may be behind the own clock.
    pub max_clock_behind: Duration,
    /// Silence of the engine's own tasks after which it is reported as dead.
    pub watchdog: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            propose: Duration::from_millis(3000),
            propose_delta: Duration::from_millis(1000),
            prevote: Duration::from_millis(1000),
            prevote_delta: Duration::from_millis(500),
            precommit: Duration::from_millis(1000),
            precommit_delta: Duration::from_millis(500),
            rebroadcast: Duration::from_millis(5000),
            min_block_interval: Duration::from_millis(100),
            idle_block_interval: Duration::from_millis(1000),
            gossip_interval: Duration::from_millis(100),
            resend_interval: Duration::from_millis(5000),
            status_interval: Duration::from_millis(1000),
            sync_request: Duration::from_millis(10_000),
            max_clock_ahead: Duration::from_millis(10_000),
            max_clock_behind: Duration::from_millis(60_000),
            watchdog: Duration::from_millis(60_000),
        }
    }
}

/// How large things may be. `max_transaction_bytes` and `max_block_bytes` must be the same for all members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one transaction.
    pub max_transaction_bytes: usize,
    /// Bytes of one encoded block.
    pub max_block_bytes: usize,
    /// Transactions waiting in the mempool.
    pub mempool_transactions: usize,
    /// Bytes waiting in the mempool.
    pub mempool_bytes: usize,
    /// For how many heights ordered transactions are recognised.
    pub remembered_heights: u64,
    /// How many times an own transaction is sent again.
    pub resends: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_transaction_bytes: 1 << 20,
            max_block_bytes: 4 << 20,
            mempool_transactions: 10_000,
            mempool_bytes: 64 << 20,
            remembered_heights: 1_000,
            resends: 100,
        }
    }
}

/// Why an engine did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The members do not make a set.
    #[error("the members are not usable: {0}")]
    Members(#[from] MembersError),
    /// The limits contradict each other.
    #[error("{field} is {value}, {mend}")]
    Limit {
        /// Which one.
        field: &'static str,
        /// What it is.
        value: usize,
        /// What it must be.
        mend: &'static str,
    },
    /// The block store did not open, or holds damage.
    #[error(transparent)]
    Store(#[from] LogError),
    /// The data directory is in use.
    #[error(
        "{} is in use; stop the other node that runs on it, and drop all handles of an engine before it is started again",
        path.display()
    )]
    InUse {
        /// What is locked.
        path: PathBuf,
    },
    /// The data directory belongs to another network.
    #[error(
        "the data directory {data_dir} belongs to network {}, not to {}; give each circle its own",
        hex::encode(found),
        hex::encode(expected)
    )]
    OtherNetwork {
        /// Where.
        data_dir: PathBuf,
        /// The network in the directory.
        found: [u8; 32],
        /// The network asked for.
        expected: [u8; 32],
    },
    /// The state is ahead of the log.
    #[error(
        "the application has executed height {start_after}, but the block store ends at {stored}; \
         the data directory of the engine was lost or is an older copy"
    )]
    StoreBehind {
        /// What the application said.
        start_after: u64,
        /// What is stored.
        stored: u64,
    },
    /// The links did not start.
    #[error("the links did not start: {reason}")]
    Links {
        /// What the link layer said.
        reason: String,
    },
    /// The consensus engine did not start.
    #[error("the consensus engine did not start: {reason}")]
    Engine {
        /// What it said.
        reason: String,
    },
}
