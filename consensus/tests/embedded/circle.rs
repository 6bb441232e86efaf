//! A circle of engines in this process.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use consensus::block::Block;
use consensus::embedded::{Check, Config, Embedded, EmbeddedBlocks, Limits, Timeouts};
use consensus::log::{BlockStream, LogError, Member, OrderedLog};
use ed25519_zebra::{SigningKey, VerificationKey};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A bound on every wait: long enough for two slow cores, so that only a halted circle meets it.
pub const PATIENCE: Duration = Duration::from_secs(40);

pub const GENESIS_MS: u64 = 1_700_000_000_000;

/// A circle of engines in this process, each with a data directory that outlives its runs.
pub struct Circle {
    pub keys: Vec<SigningKey>,
    pub members: Vec<Member>,
    pub directories: TempDir,
    pub timeouts: Timeouts,
    pub limits: Limits,
}

/// One running engine, and an application that takes its blocks as they come.
pub struct Node {
    pub log: Embedded,
    /// The blocks taken, and how the stream ended.
    pub seen: watch::Receiver<Seen>,
    pub application: JoinHandle<()>,
}

#[derive(Clone, Default)]
pub struct Seen {
    pub blocks: Vec<Block>,
    pub end: Option<LogError>,
}

/// What the application does with a block.
pub type Execute = Box<dyn FnMut(&Embedded, &Block) + Send>;

pub fn key(index: usize) -> SigningKey {
    let mut seed = [7; 32];
    seed[0] = index as u8;
    SigningKey::from(seed)
}

pub fn fast() -> Timeouts {
    Timeouts {
        propose: Duration::from_millis(1500),
        propose_delta: Duration::from_millis(500),
        prevote: Duration::from_millis(500),
        precommit: Duration::from_millis(500),
        rebroadcast: Duration::from_millis(1000),
        min_block_interval: Duration::from_millis(20),
        idle_block_interval: Duration::from_millis(200),
        gossip_interval: Duration::from_millis(20),
        resend_interval: Duration::from_millis(1000),
        status_interval: Duration::from_millis(300),
        sync_request: Duration::from_millis(3000),
        ..Timeouts::default()
    }
}

pub fn accept_all() -> Check {
    Arc::new(|_| Ok(()))
}

impl Circle {
    pub fn new(count: usize) -> Self {
        // `RUST_LOG=info` shows what the engines of a failing test did.
        let filter = tracing_subscriber::EnvFilter::from_default_env();
        let _ = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_test_writer()
            .try_init();
        let keys: Vec<SigningKey> = (0..count).map(key).collect();
        // Ports are held until all are known, so that no two members get the same one.
        let held: Vec<std::net::TcpListener> = (0..count)
            .map(|_| std::net::TcpListener::bind("127.0.0.1:0").expect("a free port"))
            .collect();
        let members = keys
            .iter()
            .zip(&held)
            .map(|(key, port)| Member {
                key: VerificationKey::from(key).into(),
                addresses: vec![port.local_addr().expect("bound")],
            })
            .collect();
        let directories = tempfile::tempdir().expect("a temporary directory");
        Self {
            keys,
            members,
            directories,
            timeouts: fast(),
            limits: Limits::default(),
        }
    }

    pub fn directory(&self, index: usize) -> PathBuf {
        self.directories.path().join(index.to_string())
    }

    pub fn config(&self, index: usize, start_after: u64) -> Config {
        Config {
            identity: self.keys[index],
            network: [42; 32],
            members: self.members.clone(),
            scheduled: Vec::new(),
            listen: self.members[index].addresses.clone(),
            data_dir: self.directory(index),
            start_after,
            genesis_time_ms: GENESIS_MS,
            timeouts: self.timeouts,
            limits: self.limits,
        }
    }

    pub async fn start(&self, index: usize, start_after: u64) -> Node {
        self.start_with(
            self.config(index, start_after),
            accept_all(),
            Box::new(|_, _| {}),
        )
        .await
    }

    pub async fn start_with(&self, config: Config, check: Check, execute: Execute) -> Node {
        let (log, blocks) = Embedded::start(config, check)
            .await
            .expect("the engine starts");
        let (sender, seen) = watch::channel(Seen::default());
        let application = tokio::spawn(apply(log.clone(), blocks, sender, execute));
        Node {
            log,
            seen,
            application,
        }
    }

    pub async fn start_all(&self) -> Vec<Node> {
        let mut nodes = Vec::new();
        for index in 0..self.keys.len() {
            nodes.push(self.start(index, 0).await);
        }
        nodes
    }
}

pub async fn apply(
    log: Embedded,
    mut blocks: EmbeddedBlocks,
    seen: watch::Sender<Seen>,
    mut execute: Execute,
) {
    loop {
        match blocks.next_block().await {
            Ok(block) => {
                execute(&log, &block);
                seen.send_modify(|seen| seen.blocks.push(block));
            }
            Err(error) => {
                seen.send_modify(|seen| seen.end = Some(error));
                return;
            }
        }
    }
}

impl Node {
    pub fn blocks(&self) -> Vec<Block> {
        self.seen.borrow().blocks.clone()
    }

    pub fn height(&self) -> u64 {
        self.seen
            .borrow()
            .blocks
            .last()
            .map_or(0, |block| block.height)
    }

    pub async fn until(&mut self, what: &str, done: impl Fn(&Seen) -> bool) {
        let log = self.log.clone();
        if tokio::time::timeout(PATIENCE, self.seen.wait_for(|seen| done(seen)))
            .await
            .is_err()
        {
            panic!("no {what} within {PATIENCE:?}: {:?}", log.status());
        }
    }

    pub async fn until_height(&mut self, height: u64) {
        let reached = |seen: &Seen| {
            seen.blocks
                .last()
                .is_some_and(|block| block.height >= height)
        };
        self.until(&format!("height {height}"), reached).await;
    }

    pub async fn until_ordered(&mut self, transactions: &[Vec<u8>]) {
        let all = |seen: &Seen| {
            let ordered: HashSet<Vec<u8>> = ordered(&seen.blocks).into_iter().collect();
            transactions
                .iter()
                .all(|transaction| ordered.contains(transaction))
        };
        self.until("order of the transactions", all).await;
    }

    pub async fn submit_all(&self, transactions: &[Vec<u8>]) {
        for transaction in transactions {
            self.log.submit(transaction.clone()).await.expect("taken");
        }
    }

    /// Ends in order.
    pub async fn stop(self) -> Vec<Block> {
        self.log.shutdown().await;
        self.application
            .await
            .expect("the application does not panic");
        assert_eq!(self.seen.borrow().end, Some(LogError::Stopped));
        self.seen.borrow().blocks.clone()
    }

    /// Ends as a crash would end it: nothing is flushed, nobody is told.
    pub async fn kill(self) -> Vec<Block> {
        self.application.abort();
        let _ = self.application.await;
        self.seen.borrow().blocks.clone()
    }
}

pub fn ordered(blocks: &[Block]) -> Vec<Vec<u8>> {
    blocks
        .iter()
        .flat_map(|block| block.transactions.iter().cloned())
        .collect()
}

pub fn transactions(name: &str, count: usize) -> Vec<Vec<u8>> {
    (0..count)
        .map(|number| format!("{name} {number}").into_bytes())
        .collect()
}

/// All heights that several of the logs have are the same block, and each log is linked.
pub fn assert_same_log(logs: &[Vec<Block>]) {
    let mut known: BTreeMap<u64, &Block> = BTreeMap::new();
    for log in logs {
        for block in log {
            assert_eq!(known.entry(block.height).or_insert(block), &block);
        }
        for pair in log.windows(2) {
            assert_eq!(pair[1].height, pair[0].height + 1);
            assert_eq!(pair[1].previous, pair[0].log_hash());
            assert!(pair[1].time_ms > pair[0].time_ms);
        }
    }
}

/// Waits until every node has the transactions, and compares what they have.
pub async fn all_order(nodes: &mut [Node], transactions: &[Vec<u8>]) {
    for node in nodes.iter_mut() {
        node.until_ordered(transactions).await;
    }
    assert_same_log(&nodes.iter().map(Node::blocks).collect::<Vec<_>>());
}
