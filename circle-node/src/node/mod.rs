//! One guardian's node: the ordered log, the execution of its blocks, the agent, and the API, wired together.
//!
//! ```text
//! links ─ ordering engine ─ blocks ─▶ execution thread ─▶ store ─▶ agent ─▶ transactions ─▶ ordering engine
//!                                                           ├────▶ API (reads of certified state)
//!                                                           └────▶ treasury ─▶ money chains
//! ```
//! Many nodes may live in one process: each has two threads of its own and shares the runtime.

mod agent;
mod alarm;
pub mod answers;
pub mod core;
mod execution;
mod guardians;
mod head;
mod nonces;
pub mod secrets;
pub mod status;
pub mod treasury;

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use circle::Fault;
use circle::digest::Hash;
use circle::genesis::Genesis;
use circle::ids::Key;
use circle::machine::Machine;
use circle::session::Stop;
use circle::{checkpoint, membership, state::Region, state::RegionView};
use consensus::embedded::{self, Embedded, Limits, Timeouts};
use consensus::log::OrderedLog;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};

use self::core::{Core, Parts};
use self::guardians::members;
use self::head::Head;
use self::secrets::Secrets;
use self::treasury::Treasury;
use crate::api::server;
use crate::config::{Config, Home, SecretsConfig};
use crate::genesis_file;
use crate::keyring::Keyring;
use crate::problem::Problem;
use crate::store::{Store, StoreError, StoreMemory};
use crate::vault::{self, Held, Lock, Source};

/// How a node is started, beside its home.
#[derive(Clone)]
pub struct Options {
    /// For tests of divergence only: this node computes something else than the others.
    pub fault: Option<Fault>,
    /// Execute the whole log again when the state is missing.
    pub rebuild: bool,
    /// Memory for rows, shared by the nodes of a process.
    pub memory: Option<Arc<StoreMemory>>,
    /// Where the passphrase of the home's secrets comes from, if it has one.
    pub passphrase: Source,
}

/// A running node. Dropping it stops nothing; call [`Node::stop`].
pub struct Node {
    core: Arc<Core>,
    api: SocketAddr,
    stop: watch::Sender<bool>,
    stop_api: oneshot::Sender<()>,
    served: tokio::task::JoinHandle<()>,
    treasury: Vec<tokio::task::JoinHandle<()>>,
    threads: Vec<JoinHandle<()>>,
    held: Held,
}

impl Node {
    /// Starts the node whose home is `home`. Must be called inside a tokio runtime.
    pub async fn start(home: &Home, options: Options) -> Result<Self, Problem> {
        let config = home.read_config()?;
        let genesis = genesis_file::read(&home.genesis())?;
        let held = vault::hold(home)?;
        let lock = unlock(home.clone(), config.secrets.clone(), options.passphrase).await?;
        let key = identity(home, &config, &genesis, &lock)?;
        let secrets = Secrets::open(home.secrets(), lock)?;
        let treasury = Treasury::new(&config.chains, &secrets).await?;

        let machine = Machine::new(genesis.clone(), options.fault)?;
        // With the same compiled policies. Neither executes blocks, so that a fault does not show in them.
        let (asking, checking) = (machine.clone(), machine.clone());
        let memory = options
            .memory
            .unwrap_or_else(|| Arc::new(StoreMemory::shared_by(1)));
        let store = Arc::new(open_store(home, &machine, &memory, options.rebuild)?);
        let head = Arc::new(Head::new(store.view(), genesis.time_ms));
        let height = head.view().head().height;
        let rows = RegionView::new(head.view(), Region::State);
        let (now, next) = membership::ordering(&rows, height)?;
        let check: embedded::Check = {
            let head = head.clone();
            Arc::new(move |bytes| {
                let (view, time_ms) = head.get();
                checking
                    .check(view, time_ms, bytes)
                    .map_err(|rejection| rejection.to_string())
            })
        };
        let listener = TcpListener::bind(config.api).await.map_err(|error| {
            let reason = format!("cannot listen for the API on {}: {error}", config.api);
            let mend = "choose another `api` address in circle.toml, or stop what uses it";
            Problem::new("api.listen", reason, mend)
        })?;
        let api = listener.local_addr().map_err(|error| {
            let mend = "choose another `api` address in circle.toml";
            Problem::new("api.listen", error.to_string(), mend)
        })?;
        let log_config = embedded::Config {
            identity: key,
            network: network(&genesis),
            members: members(&now, &config.members),
            scheduled: next
                .iter()
                .map(|next| (next.from_height, members(next, &config.members)))
                .collect(),
            listen: config.listen.clone(),
            data_dir: home.log(),
            start_after: height,
            genesis_time_ms: genesis.time_ms,
            timeouts: timeouts(&config, now.count()),
            limits: Limits::default(),
        };
        let (log, blocks) = Embedded::start(log_config, check)
            .await
            .map_err(|error| Problem::of("log.start", error))?;
        let log: Arc<dyn OrderedLog> = Arc::new(log);
        if height > 0 {
            let time_ms = compare_with_log(&*log, &store)?;
            head.set(store.view(), time_ms);
        }

        let parts = Parts {
            genesis: Arc::new(genesis),
            name: config.guardian.clone(),
            key,
            store,
            log,
            asking,
            treasury,
            head,
        };
        let core = Core::new(parts)?;
        let (stop, stopped) = watch::channel(false);
        let (stop_api, api_stopped) = oneshot::channel::<()>();
        let router = server::router(core.clone());
        let served = tokio::spawn(async move {
            let stopped = async {
                let _ = api_stopped.await;
            };
            tokio::select! {
                _ = axum::serve(listener, router) => {}
                () = stopped => {}
            }
        });
        let treasury = treasury::start(&core, home.treasury(), &stopped);
        let runtime = Handle::current();
        let threads = [
            execution::start(
                core.clone(),
                machine,
                Box::new(blocks),
                config.members,
                runtime.clone(),
            ),
            agent::start(core.clone(), secrets, runtime, stopped),
        ];
        let threads = threads
            .into_iter()
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| {
                Problem::new(
                    "node.thread",
                    format!("no thread for the node: {error}"),
                    "raise the limit of threads and of memory, then start again",
                )
            })?;
        Ok(Self {
            core,
            api,
            stop,
            stop_api,
            served,
            treasury,
            threads,
            held,
        })
    }

    /// Where the API listens.
    pub fn api(&self) -> SocketAddr {
        self.api
    }

    /// The guardian's name.
    pub fn name(&self) -> &str {
        self.core.name()
    }

    /// Why the node stopped by itself, if it did.
    pub fn failure(&self) -> Option<&Problem> {
        self.core.failure()
    }

    /// Resolves when the node stopped by itself, with the reason.
    pub async fn failed(&self) -> Problem {
        let mut executed = self.core.executed();
        loop {
            if let Some(problem) = self.core.failure() {
                return problem.clone();
            }
            if executed.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Stops the node and waits until its files are released.
    pub async fn stop(self) {
        let Self {
            core,
            stop,
            stop_api,
            served,
            treasury,
            threads,
            held,
            ..
        } = self;
        let _ = stop.send(true);
        core.close();
        let _ = stop_api.send(());
        let _ = served.await;
        for task in treasury {
            let _ = task.await;
        }
        core.log.shutdown().await;
        drop(core);
        let joined = tokio::task::spawn_blocking(move || {
            for thread in threads {
                let _ = thread.join();
            }
        });
        let _ = joined.await;
        // Only now may somebody else use the home.
        drop(held);
    }
}

/// The network that links and votes belong to: this very genesis, not only a circle of that name.
fn network(genesis: &Genesis) -> Hash {
    genesis.digest()
}

/// The lock of the home's secrets, after a change of their protection that was interrupted has been ended.
async fn unlock(home: Home, secrets: SecretsConfig, passphrase: Source) -> Result<Lock, Problem> {
    // A passphrase takes a second of work, and somebody may have to type it.
    let work = move || {
        let lock = vault::unlock(&home, &secrets, &passphrase)?;
        vault::finish(&home, &lock, &mut |step| tracing::info!("{step}"))?;
        Ok(lock)
    };
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        Problem::new(
            "node.unlock",
            format!("the secrets could not be unlocked: {error}"),
            "report this",
        )
    })?
}

/// The key of this node's guardian. The genesis need not name it: it may have been admitted later, or wait to be.
fn identity(
    home: &Home,
    config: &Config,
    genesis: &Genesis,
    lock: &Lock,
) -> Result<ed25519_zebra::SigningKey, Problem> {
    let mut keyring = Keyring::locked(home.keys(), lock.clone());
    let key = *keyring
        .existing(&config.guardian)
        .map_err(|error| Problem::of("home.key", error))?;
    let mut founders = genesis.members.iter();
    let founder = founders.find(|member| member.name == config.guardian);
    if let Some(founder) = founder.filter(|founder| founder.key != Key::of(&key)) {
        let reason = format!(
            "the key of {} in {} is not the one in the genesis, {}",
            config.guardian,
            home.keys().display(),
            founder.key
        );
        return Err(Problem::new(
            "home.key",
            reason,
            "put the key that the circle was founded with into that directory",
        ));
    }
    Ok(key)
}

/// Time-outs for this many members: the more there are, the longer everything takes, and the more a block should carry.
fn timeouts(config: &Config, members: usize) -> Timeouts {
    let members = members as u64;
    let ordering = &config.ordering;
    let defaults = Timeouts::default();
    let or = |given: Option<u64>, default: Duration| given.map_or(default, Duration::from_millis);
    Timeouts {
        propose: or(
            ordering.propose_timeout_ms,
            defaults.propose + Duration::from_millis(30 * members),
        ),
        min_block_interval: or(
            ordering.min_block_interval_ms,
            Duration::from_millis(10 * members).max(defaults.min_block_interval),
        ),
        idle_block_interval: or(
            ordering.idle_block_interval_ms,
            defaults
                .idle_block_interval
                .max(Duration::from_millis(50 * members)),
        ),
        ..defaults
    }
}

fn open_store(
    home: &Home,
    machine: &Machine,
    memory: &StoreMemory,
    rebuild: bool,
) -> Result<Store, Problem> {
    let circle = network(machine.genesis());
    let directory = home.state();
    let problem = |error: StoreError| Problem::of("node.store", error);
    match Store::open(&directory, &circle, memory) {
        Err(StoreError::Missing { .. } | StoreError::HalfCreated { .. }) => {}
        opened => return opened.map_err(problem),
    }
    let log = home.log();
    // A state that is gone while its log is there was lost, and a new one would start over.
    if log.exists() && !rebuild {
        let reason = format!(
            "{} is missing, but the ordered log in {} is there: the state was lost",
            directory.display(),
            log.display()
        );
        return Err(Problem::new(
            "node.state_lost",
            reason,
            "restore it, or start with --rebuild to execute the whole log again",
        ));
    }
    let first = machine.start().map_err(|stop| match stop {
        Stop::Fault(fault) => Problem::from(fault),
        Stop::Refused(refusal) => Problem::from(refusal.rejection),
    })?;
    Store::create(&directory, &circle, first, memory).map_err(problem)
}

/// Compares the head with the ordered log; gives the block's time.
fn compare_with_log(log: &dyn OrderedLog, store: &Store) -> Result<u64, Problem> {
    let head = store.head();
    let problem =
        |error: consensus::log::LogError| Problem::of(format!("log.{}", error.code()), error);
    let block = log.block(head.height).map_err(problem)?;
    let local = RegionView::new(store.view(), Region::Local);
    let concluded = checkpoint::at(&local, head.height)?;
    match (block, concluded) {
        (Some(block), Some(concluded)) if block.hash == concluded.checkpoint.block => {
            Ok(block.time_ms)
        }
        _ => {
            let reason = format!(
                "the state was made by another block {} than the one in the ordered log",
                head.height
            );
            Err(Problem::new(
                "node.other_log",
                reason,
                "state and log belong to different nodes or backups; restore both from one, or start with --rebuild and without the state",
            ))
        }
    }
}
