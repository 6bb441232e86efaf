//! What the handle, the stream, the driver and the gossip share.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::{Notify, watch};

use super::config::{Check, Limits, Timeouts};
use super::context::Address;
use super::members::Schedule;
use super::network::Network;
use super::store::Store;
use crate::log::{LogError, LogStatus, PeerStatus, SubmitError};
use crate::mempool::Mempool;

/// How far the log has come, and how it ended.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress {
    pub decided: u64,
    pub failure: Option<LogError>,
}

/// Where the engine stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    pub deciding: u64,
    pub round: u32,
    pub last_block_time_ms: u64,
    pub decided_at: Instant,
}

pub(crate) struct Shared {
    pub me: Address,
    pub timeouts: Timeouts,
    pub limits: Limits,
    pub check: Check,
    pub store: Store,
    pub network: Arc<Network>,
    pub mempool: Mutex<Mempool>,
    pub schedule: Mutex<Schedule>,
    pub standing: Mutex<Standing>,
    pub executed: AtomicU64,
    pub progress: watch::Sender<Progress>,
    /// Wakes the driver: something that the next height waits for may have changed.
    pub wake: Arc<Notify>,
    /// Wakes the gossip: there are new own transactions.
    pub submitted: Notify,
    /// Wakes the gossip: a block was executed, so waiting transactions are to be checked again.
    pub recheck: Notify,
}

impl Shared {
    pub fn mempool(&self) -> MutexGuard<'_, Mempool> {
        self.mempool.lock().expect("no holder panics")
    }

    pub fn schedule(&self) -> MutexGuard<'_, Schedule> {
        self.schedule.lock().expect("no holder panics")
    }

    pub fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().expect("no holder panics")
    }

    pub fn executed(&self) -> u64 {
        self.executed.load(Ordering::Acquire)
    }

    pub fn set_executed(&self, height: u64) {
        if self.executed.fetch_max(height, Ordering::AcqRel) < height {
            self.wake.notify_one();
            self.recheck.notify_one();
        }
    }

    /// Takes a transaction from a peer, or from here (`None`).
    pub fn take(
        &self,
        transaction: Vec<u8>,
        origin: Option<[u8; 32]>,
    ) -> Result<[u8; 32], SubmitError> {
        // The check may be slow, and is not made for what will not be taken anyway.
        self.mempool().admit(&transaction, origin)?;
        (self.check)(&transaction).map_err(|reason| SubmitError::Refused { reason })?;
        let hash = self.mempool().insert(transaction, origin)?;
        self.wake.notify_one();
        if origin.is_none() {
            self.submitted.notify_one();
        }
        Ok(hash)
    }

    /// Links with everybody who is a member, will be one, or was one a moment ago.
    pub fn relink(&self) {
        let everybody = self.schedule().everybody();
        self.network.set_members(&everybody);
    }

    /// The height that the circle has decided, as far as one honest member says so.
    ///
    /// Whoever is linked counts: of the members of a height long ago too few may be there to say anything. Nothing is believed
    /// for it but that it is worth to go on.
    pub fn decided_elsewhere(&self, deciding: u64) -> u64 {
        let schedule = self.schedule();
        let members = schedule.at(deciding).as_slice().len();
        let everybody: BTreeSet<[u8; 32]> = schedule
            .everybody()
            .iter()
            .map(|member| member.key)
            .collect();
        drop(schedule);
        let faulty = members.min(everybody.len()).saturating_sub(1) / 3;
        self.network
            .decided_by_more_than(faulty, |key| everybody.contains(key))
    }

    pub fn status(&self) -> LogStatus {
        let progress = self.progress.borrow().clone();
        let standing = *self.standing();
        let deciding = standing.deciding.max(progress.decided + 1);
        let members = self.schedule().at(deciding);
        let (connected, heights) = self.network.peers();
        let peers = members
            .as_slice()
            .iter()
            .filter(|member| member.address != self.me)
            .map(|member| PeerStatus {
                key: member.address.0,
                connected: connected.contains(&member.address.0),
                height: heights.get(&member.address.0).copied().unwrap_or(0),
            })
            .collect();
        let (mempool_transactions, mempool_bytes) = {
            let mempool = self.mempool();
            (mempool.len(), mempool.bytes())
        };
        LogStatus {
            height: progress.decided,
            executed: self.executed(),
            deciding,
            round: standing.round,
            peers,
            member: members.contains(&self.me),
            mempool_transactions,
            mempool_bytes,
            catching_up: self.decided_elsewhere(deciding) > progress.decided + 1,
            last_block_time_ms: standing.last_block_time_ms,
            last_block_age_ms: standing.decided_at.elapsed().as_millis() as u64,
            failure: progress.failure,
        }
    }
}

/// Unix milliseconds by this machine's clock.
pub(crate) fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as u64)
}
