//! The ordered log as the application sees it, whichever engine agrees on the order.
//!
//! An engine is started with the height that the application has durably executed, and gives back two things: a handle
//! ([`OrderedLog`]), to be shared freely, and the one stream of decided blocks ([`BlockStream`]).
//!
//! Asking the stream for the next block says that the one before was executed. The engine never votes on block H + 2
//! before block H was executed, so a member change that is handed over while H is executed takes effect at the same
//! height everywhere.

use std::future::Future;
use std::pin::Pin;

use crate::block::{Block, TransactionHash};

/// A boxed future, so that a node can hold either engine behind `dyn`.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The cheap, shared side of a log.
pub trait OrderedLog: Send + Sync + 'static {
    /// Takes a transaction into the mempool, from where it is sent to all members until it is ordered.
    ///
    /// `Ok` means accepted here, not ordered. Errors: see [`SubmitError`]; the mempool is unchanged on error.
    fn submit(&self, transaction: Vec<u8>) -> BoxFuture<'_, Result<TransactionHash, SubmitError>>;

    /// What the engine knows about itself and its peers now.
    fn status(&self) -> LogStatus;

    /// The decided block at `height`, or `None` if there is none yet.
    fn block(&self, height: u64) -> Result<Option<Block>, LogError>;

    /// Makes `members` order the blocks from `effective_height` on.
    ///
    /// To be called inside a tokio runtime, while a block at or below `effective_height - 2` is executed, that is before the stream is asked for
    /// the block after it. A later call for the same height replaces the earlier one. Nothing is remembered over a
    /// restart: what the state knows is handed over again at start.
    fn change_members(
        &self,
        effective_height: u64,
        members: Vec<Member>,
    ) -> Result<(), MembersError>;

    /// Stops the engine; resolves when its tasks have ended and its links are closed. The stream then ends with
    /// [`LogError::Stopped`]. Blocks can be read until the last handle and the stream are dropped, which closes the store.
    fn shutdown(&self) -> BoxFuture<'_, ()>;
}

/// The one consumer of decided blocks.
pub trait BlockStream: Send + 'static {
    /// Every decided block in order, starting after the height that was given at start.
    ///
    /// Safe to drop and call again: an abandoned call loses no block. A block that was returned counts as executed when
    /// the next call is made.
    fn next_block(&mut self) -> BoxFuture<'_, Result<Block, LogError>>;
}

/// A member as the engine needs to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// ed25519 key: consensus key and identity on the links.
    pub key: [u8; 32],
    /// Where its links are accepted, IPv4 or IPv6.
    pub addresses: Vec<std::net::SocketAddr>,
}

/// A snapshot of [`OrderedLog::status`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogStatus {
    /// Height of the last decided block; 0 before the first.
    pub height: u64,
    /// Height that the application has executed, as far as the engine was told.
    pub executed: u64,
    /// The height that is being decided.
    pub deciding: u64,
    /// The round of the height that is being decided.
    pub round: u32,
    /// The other members of the height that is being decided.
    pub peers: Vec<PeerStatus>,
    /// Whether this node itself is a member of the height that is being decided.
    pub member: bool,
    /// Transactions in the mempool.
    pub mempool_transactions: usize,
    /// Their bytes.
    pub mempool_bytes: usize,
    /// Whether peers are known to be ahead by more than the block being decided.
    pub catching_up: bool,
    /// Time of the last decided block, Unix milliseconds; 0 before the first.
    pub last_block_time_ms: u64,
    /// Milliseconds since this engine decided, or since it started.
    pub last_block_age_ms: u64,
    /// Why the engine stopped, if it did.
    pub failure: Option<LogError>,
}

/// One other member, as seen from here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerStatus {
    /// Its key.
    pub key: [u8; 32],
    /// Whether the link to it is up.
    pub connected: bool,
    /// The last height that it said to have decided; 0 if it said nothing yet.
    pub height: u64,
}

/// Why a transaction was not taken. The mempool is as before.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// The application's check refused it.
    #[error("the transaction was refused: {reason}")]
    Refused {
        /// What the check said.
        reason: String,
    },
    /// No room for it in any block.
    #[error("the transaction has {bytes} bytes, at most {limit} are allowed; split it")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// An empty transaction.
    #[error("the transaction is empty; send at least one byte")]
    Empty,
    /// It waits already.
    #[error(
        "the transaction {} is already waiting to be ordered; nothing is left to do",
        hex::encode(hash)
    )]
    Pending {
        /// Its hash.
        hash: TransactionHash,
    },
    /// It was ordered not long ago.
    #[error(
        "the transaction {} was already ordered at height {height}; nothing is left to do",
        hex::encode(hash)
    )]
    Ordered {
        /// Its hash.
        hash: TransactionHash,
        /// Where.
        height: u64,
    },
    /// The mempool is full.
    #[error(
        "the mempool is full ({transactions} transactions, {bytes} bytes); try again after the next blocks"
    )]
    Full {
        /// Transactions waiting.
        transactions: usize,
        /// Bytes waiting.
        bytes: usize,
    },
    /// The engine has stopped.
    #[error("the ordering engine has stopped; restart the node")]
    Stopped,
}

impl SubmitError {
    /// A stable short code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused { .. } => "refused",
            Self::TooLarge { .. } => "too_large",
            Self::Empty => "empty",
            Self::Pending { .. } => "pending",
            Self::Ordered { .. } => "ordered",
            Self::Full { .. } => "mempool_full",
            Self::Stopped => "stopped",
        }
    }
}

/// A local fault of the log: the engine has stopped, or a block could not be read. Never part of a result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// [`OrderedLog::shutdown`] was called, or the last handle was dropped.
    #[error("the ordering engine was stopped")]
    Stopped,
    /// The block store failed.
    #[error(
        "the block store failed: {reason}; check the disk of the data directory, then restart the node"
    )]
    Store {
        /// What the store said.
        reason: String,
    },
    /// The store holds something that it cannot have been given.
    #[error(
        "the block store is damaged at height {height}: {reason}; rebuild the data directory of the engine"
    )]
    Corrupt {
        /// Height of the damaged row.
        height: u64,
        /// What does not fit.
        reason: String,
    },
    /// The engine stopped itself because it could no longer vote safely: its write-ahead log failed.
    #[error(
        "the ordering engine stopped itself so as not to sign twice: {reason}; \
         check the disk of the data directory, then restart the node"
    )]
    Unsafe {
        /// What is known.
        reason: String,
    },
    /// A task of the engine ended.
    #[error("the ordering engine died: {reason}; restart the node")]
    Died {
        /// What is known.
        reason: String,
    },
    /// The engine gave no sign of life for too long.
    #[error("the ordering engine did not answer for {seconds} s; restart the node")]
    Unresponsive {
        /// How long it was waited for.
        seconds: u64,
    },
}

impl LogError {
    /// A stable short code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Store { .. } => "store",
            Self::Corrupt { .. } => "corrupt",
            Self::Unsafe { .. } => "unsafe",
            Self::Died { .. } => "died",
            Self::Unresponsive { .. } => "unresponsive",
        }
    }
}

/// Why a member change was not taken; the members are as before.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MembersError {
    /// Blocks at that height may already be voted on.
    #[error(
        "a member change at height {effective_height} comes too late, the earliest is {earliest}"
    )]
    TooLate {
        /// The height asked for.
        effective_height: u64,
        /// The earliest that is possible now.
        earliest: u64,
    },
    /// No members at all.
    #[error("a member change needs at least one member")]
    Empty,
    /// A key is named twice.
    #[error("the member {} is named twice", hex::encode(key))]
    Twice {
        /// The key.
        key: [u8; 32],
    },
    /// A key is not a point of the curve.
    #[error("the member key {} is not an ed25519 public key", hex::encode(key))]
    BadKey {
        /// The key.
        key: [u8; 32],
    },
    /// The engine has stopped.
    #[error("the ordering engine has stopped; restart the node")]
    Stopped,
}

impl MembersError {
    /// A stable short code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLate { .. } => "too_late",
            Self::Empty => "no_members",
            Self::Twice { .. } => "member_twice",
            Self::BadKey { .. } => "bad_key",
            Self::Stopped => "stopped",
        }
    }
}
