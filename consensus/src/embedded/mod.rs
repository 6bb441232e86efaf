//! The ordering engine inside the node's own process: a Tendermint engine (Malachite) over the circle's own links.
//!
//! The way of a transaction: [`Embedded::submit`](crate::log::OrderedLog::submit) → mempool → gossip → the proposer's
//! block (`driver`) → parts, proposal and votes over the links (`network`) → decision → block store (`store`) →
//! [`EmbeddedBlocks::next_block`](crate::log::BlockStream::next_block).

mod budget;
mod codec;
pub mod config;
pub(crate) mod context;
mod driver;
mod members;
mod network;
mod proposal;
mod recorded;
pub(crate) mod shared;
mod signing;
mod start;
mod store;
mod wal;
mod wire;

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use crate::block::{Block, TransactionHash};
use crate::link::Links;
use crate::log::{
    BlockStream, BoxFuture, LogError, LogStatus, Member, MembersError, OrderedLog, SubmitError,
};
pub use config::{Check, Config, Limits, StartError, Timeouts};
pub use recorded::Recorded;
use shared::Shared;

/// The handle of a running engine; clones are the same engine. When the last one is dropped, the engine is torn down
/// without ceremony, as if the process had been killed.
#[derive(Clone)]
pub struct Embedded(Arc<Handle>);

struct Handle {
    shared: Arc<Shared>,
    links: Links,
    /// Tells the engine's main task to end; dropping it does, too.
    stop: mpsc::Sender<()>,
    /// Closed when everything is released.
    released: watch::Receiver<bool>,
}

/// The stream of decided blocks of one engine.
pub struct EmbeddedBlocks {
    shared: Arc<Shared>,
    progress: watch::Receiver<shared::Progress>,
    /// The last height that was returned; executed when the next one is asked for.
    returned: u64,
}

impl Embedded {
    /// Starts an engine over links of its own, and its stream of blocks after `config.start_after`.
    ///
    /// Must be called inside a tokio runtime. Several engines may live in one process.
    pub async fn start(
        config: Config,
        check: Check,
    ) -> Result<(Embedded, EmbeddedBlocks), StartError> {
        start::start(config, check).await
    }

    /// Where links are accepted, with the real ports.
    pub fn listening(&self) -> &[SocketAddr] {
        self.0.links.local_addresses()
    }

    /// Where a member is to be dialled from now on. Who orders the blocks is not changed by this.
    pub fn set_addresses(&self, key: &[u8; 32], addresses: &[SocketAddr]) {
        self.0.shared.schedule().set_addresses(key, addresses);
        self.0.shared.relink();
    }
}

impl OrderedLog for Embedded {
    fn submit(&self, transaction: Vec<u8>) -> BoxFuture<'_, Result<TransactionHash, SubmitError>> {
        Box::pin(async move {
            if self.0.shared.progress.borrow().failure.is_some() {
                return Err(SubmitError::Stopped);
            }
            self.0.shared.take(transaction, None)
        })
    }

    fn status(&self) -> LogStatus {
        self.0.shared.status()
    }

    fn block(&self, height: u64) -> Result<Option<Block>, LogError> {
        self.0.shared.store.block(height)
    }

    fn change_members(
        &self,
        effective_height: u64,
        members: Vec<Member>,
    ) -> Result<(), MembersError> {
        let shared = &self.0.shared;
        if shared.progress.borrow().failure.is_some() {
            return Err(MembersError::Stopped);
        }
        shared.schedule().change(effective_height, members)?;
        shared.relink();
        Ok(())
    }

    fn shutdown(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            // Full or closed means that the engine is ending already.
            let _ = self.0.stop.try_send(());
            let mut released = self.0.released.clone();
            let _ = released.wait_for(|released| *released).await;
        })
    }
}

impl BlockStream for EmbeddedBlocks {
    fn next_block(&mut self) -> BoxFuture<'_, Result<Block, LogError>> {
        Box::pin(async move {
            self.shared.set_executed(self.returned);
            let next = self.returned + 1;
            let seen = self
                .progress
                .wait_for(|progress| progress.decided >= next || progress.failure.is_some())
                .await;
            let seen = seen.map_err(|_| LogError::Stopped)?.clone();
            if seen.decided < next {
                return Err(seen.failure.unwrap_or(LogError::Stopped));
            }
            let missing = || LogError::Corrupt {
                height: next,
                reason: "a decided block is missing".into(),
            };
            let block = self.shared.store.block(next)?.ok_or_else(missing)?;
            self.returned = next;
            Ok(block)
        })
    }
}
