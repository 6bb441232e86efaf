//! What the threads of one node share: its store, its log, and which of its state is certified.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::time::Instant;

use circle::checkpoint;
use circle::duties::{self, Agreement};
use circle::gate;
use circle::genesis::Genesis;
use circle::ids::Key;
use circle::machine::Machine;
use circle::membership;
use circle::state::{KeyValue, Region, RegionView, StoreFault};
use consensus::log::OrderedLog;
use ed25519_zebra::SigningKey;
use tokio::sync::watch;

use super::guardians::Guardians;
use super::head::Head;
use super::nonces::Nonces;
use super::treasury::Treasury;
use crate::problem::Problem;
use crate::store::{Store, View};

/// Shared by the execution thread, the agent and the API of one node.
pub struct Core {
    /// What the circle started with.
    pub genesis: Arc<Genesis>,
    /// The name of this node's guardian, whether it is one yet, still, or no longer.
    pub name: String,
    /// The guardian's key.
    pub key: SigningKey,
    /// The committed state.
    pub store: Arc<Store>,
    /// The ordered log.
    pub log: Arc<dyn OrderedLog>,
    /// For questions and declarations; blocks have a machine of their own.
    pub asking: Mutex<Machine>,
    /// The money chains.
    pub treasury: Treasury,
    /// Nonces that were handed out.
    nonces: Mutex<Nonces>,
    served: RwLock<Served>,
    guardians: RwLock<Arc<Guardians>>,
    head: Arc<Head>,
    executed: watch::Sender<u64>,
    failure: OnceLock<Problem>,
    closed: AtomicBool,
}

struct Served {
    view: Option<Arc<View>>,
    agreement: Agreement,
}

/// The rows of one moment, by region.
pub struct Rows {
    /// The height of the block that left them so.
    pub height: u64,
    /// Up to where more than two thirds of the guardians agree, as far as this node knows now.
    pub certified_height: u64,
    /// The whole store.
    pub store: Arc<dyn KeyValue>,
    /// The replicated state.
    pub state: RegionView,
    /// What this node keeps beside it.
    pub local: RegionView,
}

impl Rows {
    fn new(view: Arc<View>, certified_height: u64) -> Self {
        let height = view.head().height;
        let store: Arc<dyn KeyValue> = view;
        Self {
            height,
            certified_height,
            state: RegionView::new(store.clone(), Region::State),
            local: RegionView::new(store.clone(), Region::Local),
            store,
        }
    }
}

/// What a core is made of.
pub struct Parts {
    /// What the circle started with.
    pub genesis: Arc<Genesis>,
    /// The name of this node's guardian, whether it is one yet, still, or no longer.
    pub name: String,
    /// The guardian's key.
    pub key: SigningKey,
    /// The committed state.
    pub store: Arc<Store>,
    /// The ordered log.
    pub log: Arc<dyn OrderedLog>,
    /// A machine for questions.
    pub asking: Machine,
    /// The money chains.
    pub treasury: Treasury,
    /// The last committed block, shared with the check of transactions.
    pub head: Arc<Head>,
}

impl Core {
    /// The core of a node whose store was opened and whose log was started.
    pub fn new(parts: Parts) -> Result<Arc<Self>, StoreFault> {
        let Parts {
            genesis,
            name,
            key,
            store,
            log,
            asking,
            treasury,
            head,
        } = parts;
        let (executed, _) = watch::channel(head.view().head().height);
        let guardians = Guardians::of(&RegionView::new(head.view(), Region::State))?;
        let core = Self {
            genesis,
            name,
            key,
            store,
            log,
            asking: Mutex::new(asking),
            treasury,
            nonces: Mutex::default(),
            guardians: RwLock::new(Arc::new(guardians)),
            served: RwLock::new(Served {
                view: None,
                agreement: Agreement::Agrees,
            }),
            head,
            executed,
            failure: OnceLock::new(),
            closed: AtomicBool::new(false),
        };
        core.follow()?;
        Ok(Arc::new(core))
    }

    /// The name of this node's guardian.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The index of this node's guardian, if it is one now.
    pub fn me(&self) -> Option<u32> {
        self.guardians().roster.index_of(&Key::of(&self.key))
    }

    /// The name of a guardian, present or past.
    pub fn guardian(&self, index: u32) -> String {
        self.guardians().name(index).to_owned()
    }

    /// The guardians of the newest state.
    pub fn guardians(&self) -> Arc<Guardians> {
        let guardians = self.guardians.read();
        guardians.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The rows as the last block left them, certified or not.
    pub fn newest(&self) -> Result<Rows, StoreFault> {
        let view = self.head.view();
        let state = RegionView::new(view.clone(), Region::State);
        let certified_height = gate::gate(&state)?.certified_height;
        Ok(Rows::new(view, certified_height))
    }

    /// The newest rows that more than two thirds of the guardians agree with.
    pub fn certified(&self) -> Result<Rows, Problem> {
        if let Some(failure) = self.failure() {
            return Err(failure.clone());
        }
        self.check_agreement()?;
        let served = self
            .served
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .view
            .clone();
        let Some(view) = served else {
            let reason =
                "this node has no certified state yet: too few guardians attested what it executed";
            return Err(Problem::new(
                "node.uncertified",
                reason,
                "try again soon; `circle status` says whom the circle waits for",
            ));
        };
        let certified_height = self.newest()?.certified_height;
        Ok(Rows::new(view, certified_height))
    }

    /// Refuses to speak for the circle after this node went astray.
    pub fn check_agreement(&self) -> Result<(), Problem> {
        let Agreement::Minority { height } = self.agreement() else {
            return Ok(());
        };
        let reason = format!(
            "the node of {} concluded otherwise than the circle, from height {height} on at the latest; \
             its state is not the circle's",
            self.name()
        );
        let mend = "ask another node; `circle status` shows where it went astray";
        Err(Problem::new("node.astray", reason, mend))
    }

    /// The height at which reads are answered.
    pub fn served_height(&self) -> Option<u64> {
        let served = self.served.read().unwrap_or_else(PoisonError::into_inner);
        let astray = matches!(served.agreement, Agreement::Minority { .. });
        served
            .view
            .as_ref()
            .filter(|_| !astray && self.failure().is_none())
            .map(|view| view.head().height)
    }

    /// How this node stands to the others.
    pub fn agreement(&self) -> Agreement {
        self.served
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .agreement
            .clone()
    }

    /// Looks again at what is certified, after a block was committed.
    pub fn follow(&self) -> Result<(), StoreFault> {
        let newest = self.newest()?;
        let agreement = duties::agreement(&newest.store)?;
        if membership::roster(&newest.state)? != self.guardians().roster {
            let guardians = Arc::new(Guardians::of(&newest.state)?);
            *self
                .guardians
                .write()
                .unwrap_or_else(PoisonError::into_inner) = guardians;
        }
        // Blocks above the newest substantial one hold attestations only: if it is certified, so is what they say.
        let settled = checkpoint::newest_substantial(&newest.local)? <= newest.certified_height;
        let candidate = if settled {
            Some(self.head.view())
        } else {
            self.store.view_at(newest.certified_height)
        };
        let mut served = self.served.write().unwrap_or_else(PoisonError::into_inner);
        served.agreement = agreement;
        let height = |view: &Arc<View>| view.head().height;
        if let Some(candidate) = candidate
            && served
                .view
                .as_ref()
                .is_none_or(|view| height(view) < height(&candidate))
        {
            self.store.certified(height(&candidate));
            served.view = Some(candidate);
        }
        Ok(())
    }

    /// Says that a block was committed.
    pub fn committed(&self, height: u64, time_ms: u64) -> Result<(), StoreFault> {
        self.head.set(self.store.view(), time_ms);
        self.follow()?;
        self.executed.send_replace(height);
        Ok(())
    }

    /// Block time of the last executed block, milliseconds since 1970.
    pub fn time_ms(&self) -> u64 {
        self.head.time_ms()
    }

    /// The last executed height, as it changes.
    pub fn executed(&self) -> watch::Receiver<u64> {
        self.executed.subscribe()
    }

    /// Stops this node's execution for good: it would rather say nothing than something wrong.
    pub fn fail(&self, problem: Problem) {
        tracing::error!(guardian = self.name(), "{problem}");
        let _ = self.failure.set(problem);
        self.executed.send_modify(|_| {});
    }

    /// Lets go of everybody who waits for a block: the node is being stopped.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        self.executed.send_modify(|_| {});
    }

    /// Whether the node is being stopped, or stopped by itself.
    pub fn is_over(&self) -> bool {
        self.closed.load(Ordering::Relaxed) || self.failure().is_some()
    }

    /// Why this node stopped.
    pub fn failure(&self) -> Option<&Problem> {
        self.failure.get()
    }

    /// A nonce for the next transaction of the account with this key. `next` is what the newest state says.
    pub fn nonce(&self, account: Key, next: u64) -> u64 {
        self.nonces
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take(account, next, Instant::now())
    }

    /// The machine that answers questions. It caches compiled policies and holds no state.
    pub fn asking(&self) -> MutexGuard<'_, Machine> {
        self.asking.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
