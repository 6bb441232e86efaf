//! Embedded engines over real links on loopback.

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
const PATIENCE: Duration = Duration::from_secs(40);

const GENESIS_MS: u64 = 1_700_000_000_000;

/// A circle of engines in this process, each with a data directory that outlives its runs.
struct Circle {
    keys: Vec<SigningKey>,
    members: Vec<Member>,
    directories: TempDir,
    timeouts: Timeouts,
    limits: Limits,
}

/// One running engine, and an application that takes its blocks as they come.
struct Node {
    log: Embedded,
    /// The blocks taken, and how the stream ended.
    seen: watch::Receiver<Seen>,
    application: JoinHandle<()>,
}

#[derive(Clone, Default)]
struct Seen {
    blocks: Vec<Block>,
    end: Option<LogError>,
}

/// What the application does with a block.
type Execute = Box<dyn FnMut(&Embedded, &Block) + Send>;

fn key(index: usize) -> SigningKey {
    let mut seed = [7; 32];
    seed[0] = index as u8;
    SigningKey::from(seed)
}

fn fast() -> Timeouts {
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

fn accept_all() -> Check {
    Arc::new(|_| Ok(()))
}

impl Circle {
    fn new(count: usize) -> Self {
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

    fn directory(&self, index: usize) -> PathBuf {
        self.directories.path().join(index.to_string())
    }

    fn config(&self, index: usize, start_after: u64) -> Config {
        Config {
            identity: self.keys[index].clone(),
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

    async fn start(&self, index: usize, start_after: u64) -> Node {
        self.start_with(
            self.config(index, start_after),
            accept_all(),
            Box::new(|_, _| {}),
        )
        .await
    }

    async fn start_with(&self, config: Config, check: Check, execute: Execute) -> Node {
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

    async fn start_all(&self) -> Vec<Node> {
        let mut nodes = Vec::new();
        for index in 0..self.keys.len() {
            nodes.push(self.start(index, 0).await);
        }
        nodes
    }
}

async fn apply(
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
    fn blocks(&self) -> Vec<Block> {
        self.seen.borrow().blocks.clone()
    }

    fn height(&self) -> u64 {
        self.seen
            .borrow()
            .blocks
            .last()
            .map_or(0, |block| block.height)
    }

    async fn until(&mut self, what: &str, done: impl Fn(&Seen) -> bool) {
        let log = self.log.clone();
        if tokio::time::timeout(PATIENCE, self.seen.wait_for(|seen| done(seen)))
            .await
            .is_err()
        {
            panic!("no {what} within {PATIENCE:?}: {:?}", log.status());
        }
    }

    async fn until_height(&mut self, height: u64) {
        let reached = |seen: &Seen| {
            seen.blocks
                .last()
                .is_some_and(|block| block.height >= height)
        };
        self.until(&format!("height {height}"), reached).await;
    }

    async fn until_ordered(&mut self, transactions: &[Vec<u8>]) {
        let all = |seen: &Seen| {
            let ordered: HashSet<Vec<u8>> = ordered(&seen.blocks).into_iter().collect();
            transactions
                .iter()
                .all(|transaction| ordered.contains(transaction))
        };
        self.until("order of the transactions", all).await;
    }

    async fn submit_all(&self, transactions: &[Vec<u8>]) {
        for transaction in transactions {
            self.log.submit(transaction.clone()).await.expect("taken");
        }
    }

    /// Ends in order.
    async fn stop(self) -> Vec<Block> {
        self.log.shutdown().await;
        self.application
            .await
            .expect("the application does not panic");
        assert_eq!(self.seen.borrow().end, Some(LogError::Stopped));
        self.seen.borrow().blocks.clone()
    }

    /// Ends as a crash would end it: nothing is flushed, nobody is told.
    async fn kill(self) -> Vec<Block> {
        self.application.abort();
        let _ = self.application.await;
        self.seen.borrow().blocks.clone()
    }
}

fn ordered(blocks: &[Block]) -> Vec<Vec<u8>> {
    blocks
        .iter()
        .flat_map(|block| block.transactions.iter().cloned())
        .collect()
}

fn transactions(name: &str, count: usize) -> Vec<Vec<u8>> {
    (0..count)
        .map(|number| format!("{name} {number}").into_bytes())
        .collect()
}

/// All heights that several of the logs have are the same block, and each log is linked.
fn assert_same_log(logs: &[Vec<Block>]) {
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
async fn all_order(nodes: &mut [Node], transactions: &[Vec<u8>]) {
    for node in nodes.iter_mut() {
        node.until_ordered(transactions).await;
    }
    assert_same_log(&nodes.iter().map(Node::blocks).collect::<Vec<_>>());
}

async fn order_what_each_submits(count: usize, each: usize) {
    let circle = Circle::new(count);
    let mut nodes = circle.start_all().await;
    let mut all = Vec::new();
    for (index, node) in nodes.iter().enumerate() {
        let own = transactions(&format!("from {index}"), each);
        node.submit_all(&own).await;
        all.extend(own);
    }
    all_order(&mut nodes, &all).await;
    let mut ordered = ordered(&nodes[0].blocks());
    ordered.sort();
    all.sort();
    assert_eq!(ordered, all, "each transaction is ordered once");
}

#[tokio::test(flavor = "multi_thread")]
async fn four_members_order_what_each_of_them_submits() {
    order_what_each_submits(4, 25).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nine_members_order_what_each_of_them_submits() {
    order_what_each_submits(9, 25).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_was_away_gets_the_blocks_it_missed() {
    let circle = Circle::new(4);
    let mut nodes = circle.start_all().await;
    let (before, while_away, after) = (
        transactions("a", 10),
        transactions("b", 10),
        transactions("c", 10),
    );
    nodes[0].submit_all(&before).await;
    all_order(&mut nodes, &before).await;

    let away = nodes.pop().expect("four nodes").stop().await;
    let executed = away.last().expect("it saw blocks").height;
    nodes[1].submit_all(&while_away).await;
    all_order(&mut nodes, &while_away).await;
    nodes[0].until_height(executed + 10).await;

    nodes.push(circle.start(3, executed).await);
    nodes[2].submit_all(&after).await;
    all_order(&mut nodes, &after).await;
    let back = nodes[3].blocks();
    assert_eq!(
        back[0].height,
        executed + 1,
        "it goes on where the application was"
    );
    assert!(
        while_away
            .iter()
            .all(|transaction| ordered(&back).contains(transaction))
    );
    assert_same_log(&[away, back, nodes[0].blocks()]);
}
