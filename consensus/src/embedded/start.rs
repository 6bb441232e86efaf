//! Puts an engine together, watches over it, and takes it apart.

use std::fs::File;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_malachitebft_app_channel::app::config::{
    ConsensusConfig, NodeConfig, ValuePayload, ValueSyncConfig,
};
use arc_malachitebft_app_channel::{
    Channels, ConsensusContext, EngineBuilder, EngineHandle, RequestContext, SyncContext,
};
use ed25519_zebra::VerificationKey;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;

use super::codec::EngineCodec;
use super::config::{Check, Config, Limits, StartError, Timeouts};
use super::context::{Address, GuardianContext as Ctx};
use super::driver::Driver;
use super::members::Schedule;
use super::network::Network;
use super::shared::{Progress, Shared, Standing};
use super::signing::{Signer, Verifier};
use super::store::{OpenError, Store, Tip};
use super::wal::Wal;
use super::{Embedded, EmbeddedBlocks, Handle};
use crate::gossip;
use crate::link::{Inbound, Limits as LinkLimits, LinkConfig, LinkMember, Links};
use crate::log::{LogError, Member};
use crate::mempool::{Mempool, MempoolLimits};

/// How long a data directory in use is waited for: an engine that was just torn down lets go of it late.
const LOCK_PATIENCE: Duration = Duration::from_secs(10);
const LOCK_POLL: Duration = Duration::from_millis(10);

/// Bytes of transactions that are read at start to recognise them.
const REMEMBERED_BYTES: usize = 16 << 20;

/// How long the engine's actors get to end by themselves.
const STOP_PATIENCE: Duration = Duration::from_secs(5);

pub(super) async fn start(
    config: Config,
    check: Check,
) -> Result<(Embedded, EmbeddedBlocks), StartError> {
    check_limits(&config.limits)?;
    let schedule = Schedule::new(
        config.start_after + 1,
        config.members.clone(),
        config.scheduled.clone(),
    )?;
    let (store, tip) = open_store(&config).await?;
    let links = LinkConfig {
        identity: config.identity,
        network: config.network,
        listen: config.listen.clone(),
        members: link_members(&schedule.everybody()),
        limits: LinkLimits::default(),
    };
    let (links, inbound) = Links::start(links)
        .await
        .map_err(|error| StartError::Links {
            reason: error.to_string(),
        })?;
    match assemble(&config, check, schedule, store, tip, links.clone(), inbound).await {
        Ok(started) => Ok(started),
        Err(error) => {
            links.shutdown().await;
            Err(error)
        }
    }
}

/// The members as the links want them.
pub(super) fn link_members(members: &[Member]) -> Vec<LinkMember> {
    members
        .iter()
        .map(|member| LinkMember {
            key: member.key,
            addresses: member.addresses.clone(),
        })
        .collect()
}

async fn assemble(
    config: &Config,
    check: Check,
    schedule: Schedule,
    store: Store,
    tip: Tip,
    links: Links,
    inbound: Inbound,
) -> Result<(Embedded, EmbeddedBlocks), StartError> {
    let shared = share(config, check, schedule, store, tip, links.clone())?;
    let progress_seen = shared.progress.subscribe();
    let wal = config.data_dir.join("votes.wal");
    wait_for_lock(&wal).await?;
    let (channels, engine) = build_engine(config, &shared, &wal).await?;
    let (bodies, bodies_seen) = mpsc::channel(64);
    let mut tasks = shared
        .network
        .receive(inbound.consensus, inbound.blocks, bodies);
    let interval = config.timeouts.gossip_interval;
    tasks.push(tokio::spawn(gossip::send(
        Arc::downgrade(&shared),
        links.clone(),
        interval,
    )));
    tasks.push(tokio::spawn(gossip::receive(
        Arc::downgrade(&shared),
        inbound.transactions,
    )));

    let driver = Driver::new(shared.clone(), tip);
    let (stop, stopped) = mpsc::channel(1);
    let (release, released) = watch::channel(false);
    let parts = Parts {
        channels,
        engine,
        tasks,
        links: links.clone(),
        wal,
    };
    tokio::spawn(watch_over(
        shared.clone(),
        driver,
        bodies_seen,
        parts,
        stopped,
        release,
    ));

    let blocks = EmbeddedBlocks {
        shared: shared.clone(),
        progress: progress_seen,
        returned: config.start_after,
    };
    Ok((
        Embedded(Arc::new(Handle {
            shared,
            links,
            stop,
            released,
        })),
        blocks,
    ))
}

/// What the parts of an engine share, before any of them runs.
pub(super) fn share(
    config: &Config,
    check: Check,
    schedule: Schedule,
    store: Store,
    tip: Tip,
    links: Links,
) -> Result<Arc<Shared>, LogError> {
    let network = Network::new(links);
    let mut mempool = Mempool::new(mempool_limits(&config.limits, &config.timeouts));
    let remembered = config.limits.remembered_heights;
    remember_ordered(&mut mempool, &store, tip.height, remembered)?;
    let (progress, _) = watch::channel(Progress {
        decided: tip.height,
        failure: None,
    });
    Ok(Arc::new(Shared {
        me: Address(VerificationKey::from(&config.identity).into()),
        timeouts: config.timeouts,
        limits: config.limits,
        check,
        store,
        wake: network.changed.clone(),
        network,
        mempool: Mutex::new(mempool),
        schedule: Mutex::new(schedule),
        standing: Mutex::new(Standing {
            deciding: tip.height + 1,
            round: 0,
            last_block_time_ms: if tip.height == 0 { 0 } else { tip.time_ms },
            decided_at: std::time::Instant::now(),
        }),
        executed: AtomicU64::new(config.start_after),
        progress,
        submitted: Notify::new(),
        recheck: Notify::new(),
    }))
}

/// What is taken apart at the end.
struct Parts {
    channels: Channels<Ctx>,
    engine: EngineHandle,
    tasks: Vec<JoinHandle<()>>,
    links: Links,
    wal: std::path::PathBuf,
}

/// Runs the driver until it ends or is told to, says why, and releases everything.
async fn watch_over(
    shared: Arc<Shared>,
    driver: Driver,
    bodies: mpsc::Receiver<super::network::BodyEvent>,
    parts: Parts,
    mut stopped: mpsc::Receiver<()>,
    release: watch::Sender<bool>,
) {
    let Parts {
        channels,
        mut engine,
        tasks,
        links,
        wal,
    } = parts;
    // The engine waits for whoever holds these.
    let Channels {
        consensus,
        requests,
        network: _network,
        events: _events,
        net_requests: _net_requests,
    } = channels;
    let (failure, gracefully) = tokio::select! {
        failure = driver.run(consensus, bodies, requests) => (failure, false),
        _ = &mut engine.handle => (LogError::Died { reason: "its supervisor has ended".into() }, false),
        told = stopped.recv() => (LogError::Stopped, told.is_some()),
    };
    // The engine keeps its supervisor alive, but not its parts, when it can no longer sign safely.
    let failure = match failure {
        LogError::Died { .. } if !engine.handle.is_finished() => LogError::Unsafe {
            reason: "its write-ahead log failed, or a part of it did; the trace says more".into(),
        },
        other => other,
    };
    if failure != LogError::Stopped {
        tracing::error!(%failure, "ordering has stopped");
    }
    shared
        .progress
        .send_modify(|progress| progress.failure = Some(failure));
    if gracefully {
        engine
            .actor
            .get_cell()
            .stop_children_and_wait(None, Some(STOP_PATIENCE))
            .await;
        engine.actor.stop(None);
    } else {
        engine.actor.kill();
    }
    if tokio::time::timeout(STOP_PATIENCE, &mut engine.handle)
        .await
        .is_err()
    {
        engine.actor.kill();
    }
    for task in &tasks {
        task.abort();
    }
    links.shutdown().await;
    for task in tasks {
        let _ = task.await;
    }
    drop(shared);
    let _ = wait_for_lock(&wal).await;
    release.send_replace(true);
}

async fn open_store(config: &Config) -> Result<(Store, Tip), StartError> {
    let deadline = tokio::time::Instant::now() + LOCK_PATIENCE;
    let (store, tip) = loop {
        let (directory, network, genesis) = (
            config.data_dir.clone(),
            config.network,
            config.genesis_time_ms,
        );
        let opened = tokio::task::spawn_blocking(move || {
            let store = Store::open(&directory, network, genesis)?;
            let tip = store.tip()?;
            Ok((store, tip))
        });
        match opened.await.map_err(|error| LogError::Store {
            reason: error.to_string(),
        })? {
            Ok(opened) => break opened,
            Err(OpenError::InUse) if tokio::time::Instant::now() < deadline => {
                tokio::time::sleep(LOCK_POLL).await;
            }
            Err(OpenError::InUse) => return Err(in_use(&config.data_dir)),
            Err(OpenError::Fault(error)) => return Err(error.into()),
            Err(OpenError::OtherNetwork(found)) => {
                return Err(StartError::OtherNetwork {
                    data_dir: config.data_dir.clone(),
                    found,
                    expected: config.network,
                });
            }
        }
    };
    if tip.height < config.start_after {
        return Err(StartError::StoreBehind {
            start_after: config.start_after,
            stored: tip.height,
        });
    }
    Ok((store, tip))
}

/// Transactions of the last blocks are recognised after a restart, too; as many as can be read again quickly.
fn remember_ordered(
    mempool: &mut Mempool,
    store: &Store,
    tip: u64,
    heights: u64,
) -> Result<(), LogError> {
    let mut blocks = Vec::new();
    let mut bytes = 0;
    let mut height = tip;
    while height > tip.saturating_sub(heights) && bytes < REMEMBERED_BYTES {
        let Some(block) = store.block(height)? else {
            break;
        };
        bytes += block.transactions.iter().map(Vec::len).sum::<usize>();
        blocks.push(block);
        height -= 1;
    }
    for block in blocks.iter().rev() {
        mempool.ordered(block.height, &block.transactions);
    }
    Ok(())
}

async fn build_engine(
    config: &Config,
    shared: &Arc<Shared>,
    wal: &Path,
) -> Result<(Channels<Ctx>, EngineHandle), StartError> {
    let failed = |reason: String| StartError::Engine { reason };
    let network = shared.network.spawn().await;
    let network = network.map_err(|error| failed(error.to_string()))?;
    let wal = match Wal::spawn(wal.to_owned()).await {
        Ok(wal) => wal,
        Err(error) => {
            network.kill();
            return Err(failed(format!("its write-ahead log did not open: {error}")));
        }
    };
    // The driver sends parts by itself; the engine's own way to the network stays unused.
    let (to_network, _) = mpsc::channel(1);
    let signer = Signer {
        network: config.network,
        key: config.identity,
    };
    let verifier = Verifier::new(config.network);
    let built = EngineBuilder::new(super::context::GuardianContext, EngineConfig::new(config))
        .with_custom_wal(wal.clone())
        .with_custom_network(network.clone(), to_network)
        .with_default_sync(SyncContext::new(EngineCodec))
        .with_default_consensus(ConsensusContext::new_validator(
            shared.me,
            Box::new(verifier),
            Box::new(signer),
        ))
        .with_default_request(RequestContext::new(16))
        .build()
        .await;
    built.map_err(|error| {
        network.kill();
        wal.kill();
        failed(format!("{error:#}"))
    })
}

/// The engine's own configuration.
struct EngineConfig {
    moniker: String,
    consensus: ConsensusConfig,
    sync: ValueSyncConfig,
}

impl EngineConfig {
    fn new(config: &Config) -> Self {
        let key: [u8; 32] = VerificationKey::from(&config.identity).into();
        let consensus = ConsensusConfig {
            value_payload: ValuePayload::ProposalAndParts,
            // All votes of ninety-nine members for two rounds of the next height.
            queue_per_height_capacity: 1000,
            ..ConsensusConfig::default()
        };
        let sync = ValueSyncConfig {
            status_update_interval: config.timeouts.status_interval,
            request_timeout: config.timeouts.sync_request,
            batch_size: 20,
            ..ValueSyncConfig::default()
        };
        Self {
            moniker: hex::encode(&key[..6]),
            consensus,
            sync,
        }
    }
}

impl NodeConfig for EngineConfig {
    fn moniker(&self) -> &str {
        &self.moniker
    }

    fn consensus(&self) -> &ConsensusConfig {
        &self.consensus
    }

    fn consensus_mut(&mut self) -> &mut ConsensusConfig {
        &mut self.consensus
    }

    fn value_sync(&self) -> &ValueSyncConfig {
        &self.sync
    }

    fn value_sync_mut(&mut self) -> &mut ValueSyncConfig {
        &mut self.sync
    }
}

fn mempool_limits(limits: &Limits, timeouts: &Timeouts) -> MempoolLimits {
    MempoolLimits {
        transaction_bytes: limits.max_transaction_bytes,
        transactions: limits.mempool_transactions,
        bytes: limits.mempool_bytes,
        remembered_heights: limits.remembered_heights,
        resends: limits.resends,
        resend_interval: timeouts.resend_interval,
    }
}

fn check_limits(limits: &Limits) -> Result<(), StartError> {
    let room = 1 << 10;
    let too_large = |field, value, mend| Err(StartError::Limit { field, value, mend });
    if limits.max_block_bytes > 6 << 20 {
        return too_large(
            "max_block_bytes",
            limits.max_block_bytes,
            "at most 6 MiB fit into one message",
        );
    }
    if limits.max_transaction_bytes == 0
        || limits.max_transaction_bytes + room > limits.max_block_bytes
    {
        let mend = "it must be at least 1 and 1 KiB less than max_block_bytes";
        return too_large("max_transaction_bytes", limits.max_transaction_bytes, mend);
    }
    if limits.mempool_bytes / 4 < limits.max_transaction_bytes {
        return too_large(
            "mempool_bytes",
            limits.mempool_bytes,
            "it must be at least 4 times max_transaction_bytes",
        );
    }
    if limits.mempool_transactions < 4 {
        return too_large(
            "mempool_transactions",
            limits.mempool_transactions,
            "it must be at least 4",
        );
    }
    Ok(())
}

/// Waits until nobody holds the write-ahead log at `path`.
async fn wait_for_lock(path: &Path) -> Result<(), StartError> {
    let deadline = tokio::time::Instant::now() + LOCK_PATIENCE;
    loop {
        let free = match File::open(path) {
            Ok(file) => file.try_lock().is_ok(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
            Err(error) => {
                return Err(LogError::Store {
                    reason: error.to_string(),
                }
                .into());
            }
        };
        if free {
            return Ok(());
        }
        if tokio::time::Instant::now() >= deadline {
            return Err(in_use(path));
        }
        tokio::time::sleep(LOCK_POLL).await;
    }
}

fn in_use(path: &Path) -> StartError {
    StartError::InUse {
        path: path.to_owned(),
    }
}
