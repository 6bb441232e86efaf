//! Embedded engines over real links on loopback.

use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use consensus::block::Block;
use consensus::embedded::{Check, Config, Embedded, EmbeddedBlocks, Limits, StartError, Timeouts};
use consensus::log::{BlockStream, LogError, Member, OrderedLog};
use ed25519_zebra::{SigningKey, VerificationKey};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
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

#[tokio::test(flavor = "multi_thread")]
async fn members_killed_at_any_time_go_on_with_the_same_log() {
    let circle = Circle::new(4);
    let mut nodes = circle.start_all().await;
    let mut logs: Vec<Vec<Block>> = Vec::new();
    for turn in 0..4 {
        let name = format!("turn {turn}");
        let burst = transactions(&name, 20);
        nodes[turn % 4].submit_all(&burst).await;
        if turn == 3 {
            // All at once, in the middle of what they do: each must come back with its vote of before.
            let mut killed = Vec::new();
            for node in nodes {
                let executed = node.height();
                logs.push(node.kill().await);
                killed.push(executed);
            }
            nodes = Vec::new();
            for (index, executed) in killed.into_iter().enumerate() {
                nodes.push(circle.start(index, executed).await);
            }
        } else {
            let killed = nodes.remove(turn + 1);
            let executed = killed.height();
            logs.push(killed.kill().await);
            nodes.insert(turn + 1, circle.start(turn + 1, executed).await);
            all_order_except(&mut nodes, &burst, &logs).await;
        }
    }
    let last = transactions("last", 10);
    nodes[0].submit_all(&last).await;
    for node in &mut nodes {
        node.until_ordered(&last).await;
        logs.push(node.blocks());
    }
    assert_same_log(&logs);
}

/// Like [`all_order`], where a restarted node may have seen some of the transactions in its run before.
async fn all_order_except(nodes: &mut [Node], transactions: &[Vec<u8>], before: &[Vec<Block>]) {
    let earlier: HashSet<Vec<u8>> = before.iter().flat_map(|log| ordered(log)).collect();
    let rest: Vec<Vec<u8>> = transactions
        .iter()
        .filter(|transaction| !earlier.contains(*transaction))
        .cloned()
        .collect();
    for node in nodes.iter_mut() {
        node.until_ordered(&rest).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nine_go_on_without_two_halt_without_three_and_resume_with_the_third() {
    let circle = Circle::new(9);
    let mut nodes = circle.start_all().await;
    let all = transactions("all nine", 5);
    nodes[0].submit_all(&all).await;
    all_order(&mut nodes, &all).await;

    let (mut away, mut logs) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        let gone = nodes.pop().expect("a node").stop().await;
        away.push(gone.last().expect("it saw blocks").height);
        logs.push(gone);
    }
    let seven = transactions("seven", 5);
    nodes[1].submit_all(&seven).await;
    all_order(&mut nodes, &seven).await;

    let gone = nodes.pop().expect("a node").stop().await;
    away.push(gone.last().expect("it saw blocks").height);
    logs.push(gone);
    let six = transactions("six", 5);
    nodes[2].submit_all(&six).await;
    // A block that was on its way may still be decided; then there are none, for longer than an idle circle waits.
    let quiet = 10 * circle.timeouts.idle_block_interval;
    let mut last = 0;
    for _ in 0..3 {
        let moved = nodes[0]
            .seen
            .wait_for(|seen| seen.blocks.last().is_some_and(|block| block.height > last));
        if tokio::time::timeout(quiet, moved).await.is_err() {
            break;
        }
        last = nodes[0].height();
    }
    let moved = nodes[0]
        .seen
        .wait_for(|seen| seen.blocks.last().is_some_and(|block| block.height > last));
    assert!(
        tokio::time::timeout(quiet, moved).await.is_err(),
        "six of nine must not decide"
    );
    let status = nodes[0].log.status();
    let missing: Vec<[u8; 32]> = status
        .peers
        .iter()
        .filter(|peer| !peer.connected)
        .map(|peer| peer.key)
        .collect();
    let mut expected: Vec<[u8; 32]> = circle.members[6..]
        .iter()
        .map(|member| member.key)
        .collect();
    expected.sort();
    assert_eq!(missing, expected, "the status names who is away");
    assert_eq!(status.failure, None);

    nodes.push(circle.start(6, away[2]).await);
    all_order(&mut nodes, &six).await;
    logs.extend(nodes.iter().map(Node::blocks));
    assert_same_log(&logs);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_replayed_after_the_height_the_application_has() {
    let circle = Circle::new(4);
    let mut nodes = circle.start_all().await;
    let some = transactions("some", 30);
    nodes[0].submit_all(&some).await;
    all_order(&mut nodes, &some).await;
    nodes[0].until_height(8).await;
    let before = nodes.remove(0).stop().await;

    let mut again = circle.start(0, 0).await;
    again
        .until_height(before.last().expect("blocks").height)
        .await;
    assert_eq!(again.blocks()[..before.len()], before[..], "from genesis");
    assert_eq!(
        again.log.block(5).expect("readable"),
        Some(before[4].clone())
    );
    again.stop().await;

    let mut later = circle.start(0, 5).await;
    later.until_height(8).await;
    assert_eq!(later.blocks()[..3], before[5..8], "from the height after");
    later.stop().await;

    let ahead = Embedded::start(circle.config(0, 1_000_000), accept_all()).await;
    assert!(matches!(
        ahead.err(),
        Some(StartError::StoreBehind {
            start_after: 1_000_000,
            ..
        })
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_joins_and_another_leaves_at_the_height_that_was_fixed() {
    // Members 0 to 3 begin; when they execute the order to change, member 4 takes the place of member 0.
    let circle = Circle::new(5);
    let first: Vec<Member> = circle.members[..4].to_vec();
    let second: Vec<Member> = circle.members[1..].to_vec();
    let execute = |second: Vec<Member>| -> Execute {
        Box::new(move |log, block| {
            if block
                .transactions
                .iter()
                .any(|transaction| transaction == b"change")
            {
                log.change_members(block.height + 2, second.clone())
                    .expect("in time");
                let late = log.change_members(block.height, second.clone());
                assert_eq!(late.expect_err("too late").code(), "too_late");
            }
        })
    };
    let mut nodes = Vec::new();
    for index in 0..5 {
        let config = Config {
            members: first.clone(),
            ..circle.config(index, 0)
        };
        nodes.push(
            circle
                .start_with(config, accept_all(), execute(second.clone()))
                .await,
        );
    }
    nodes[1].submit_all(&[b"change".to_vec()]).await;
    nodes[1].until_ordered(&[b"change".to_vec()]).await;
    let changed = |blocks: &[Block]| {
        let at = blocks
            .iter()
            .find(|block| block.transactions.contains(&b"change".to_vec()));
        at.expect("ordered").height + 2
    };
    let effective = changed(&nodes[1].blocks());
    let after = transactions("after", 10);
    nodes[4].submit_all(&after).await;
    for node in &mut nodes[1..] {
        node.until_ordered(&after).await;
        node.until_height(effective + 8).await;
    }
    let log = nodes[2].blocks();
    assert_same_log(&nodes.iter().map(Node::blocks).collect::<Vec<_>>());
    let proposers = |from: u64, to: u64| -> HashSet<[u8; 32]> {
        log.iter()
            .filter(|block| (from..to).contains(&block.height))
            .map(|block| block.proposer)
            .collect()
    };
    assert!(!proposers(0, effective).contains(&circle.members[4].key));
    assert!(!proposers(effective, u64::MAX).contains(&circle.members[0].key));
    assert!(
        proposers(effective, u64::MAX).contains(&circle.members[4].key),
        "the new member proposes"
    );
    assert!(nodes[4].log.status().member);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_application_refuses_is_not_taken_and_what_it_no_longer_accepts_is_dropped() {
    let circle = Circle::new(4);
    let open = Arc::new(AtomicBool::new(true));
    let seen = open.clone();
    let check: Check = Arc::new(move |transaction| match transaction {
        b"never" => Err("not this one".into()),
        b"for now" if !seen.load(Ordering::SeqCst) => Err("no longer".into()),
        _ => Ok(()),
    });
    // One of four alone orders nothing, so its mempool keeps what it took. The lowest key proposes the fourth block.
    let lowest = (0..4)
        .min_by_key(|index| circle.members[*index].key)
        .expect("four");
    let start = |index: usize| {
        circle.start_with(circle.config(index, 0), check.clone(), Box::new(|_, _| {}))
    };
    let mut node = start(lowest).await;
    let code = async |transaction: Vec<u8>| {
        node.log
            .submit(transaction)
            .await
            .err()
            .map(|error| error.code())
    };
    assert_eq!(code(b"never".to_vec()).await, Some("refused"));
    assert_eq!(code(b"for now".to_vec()).await, None);
    assert_eq!(code(b"for now".to_vec()).await, Some("pending"));
    assert_eq!(code(Vec::new()).await, Some("empty"));
    assert_eq!(code(vec![0; (1 << 20) + 1]).await, Some("too_large"));
    assert_eq!(code(vec![0; 1 << 20]).await, None);
    assert_eq!(node.log.status().mempool_transactions, 2);

    open.store(false, Ordering::SeqCst);
    let mut others = Vec::new();
    for index in (0..4).filter(|index| *index != lowest) {
        others.push(start(index).await);
    }
    let large = vec![vec![0; 1 << 20]];
    node.until_ordered(&large).await;
    node.until_height(6).await;
    assert_eq!(
        ordered(&node.blocks()),
        large,
        "what is no longer accepted is not proposed"
    );
    assert_eq!(node.log.status().mempool_transactions, 0);
    let again = node.log.submit(large[0].clone()).await;
    assert_eq!(again.expect_err("done").code(), "ordered");
    node.stop().await;
}

/// A member as a process of its own: this test binary, told by its environment to be one.
struct Process {
    child: Child,
    input: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    /// Hash of each block, by height, as printed.
    blocks: BTreeMap<u64, String>,
    end: Option<String>,
}

impl Process {
    fn start(circle: &Circle, index: usize) -> Self {
        let addresses: Vec<String> = circle
            .members
            .iter()
            .map(|member| member.addresses[0].to_string())
            .collect();
        // A full disk is an error to be reported, not a signal to die of.
        let mut child = Command::new("sh")
            .args([
                "-c",
                "trap '' XFSZ; exec \"$0\" a_process_is_a_member --exact --nocapture",
            ])
            .arg(std::env::current_exe().expect("this binary"))
            .env("MEMBER_INDEX", index.to_string())
            .env("MEMBER_ADDRESSES", addresses.join(","))
            .env("MEMBER_DIRECTORY", circle.directories.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("sh");
        let input = child.stdin.take().expect("piped");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        Self {
            child,
            input,
            lines,
            blocks: BTreeMap::new(),
            end: None,
        }
    }

    async fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let reached = async {
            while !done(self) {
                let line = self
                    .lines
                    .next_line()
                    .await
                    .expect("readable")
                    .expect("the process runs");
                let words: Vec<&str> = line.split_whitespace().collect();
                match words[..] {
                    ["BLOCK", height, hash] => {
                        self.blocks
                            .insert(height.parse().expect("a height"), hash.into());
                    }
                    ["END", code] => self.end = Some(code.into()),
                    _ => {}
                }
            }
        };
        if tokio::time::timeout(PATIENCE, reached).await.is_err() {
            panic!(
                "no {what} within {PATIENCE:?}, at height {:?}",
                self.blocks.keys().next_back()
            );
        }
    }

    async fn until_height(&mut self, height: u64) {
        self.until(&format!("height {height}"), |process| {
            process.blocks.contains_key(&height)
        })
        .await;
    }

    fn height(&self) -> u64 {
        self.blocks.keys().next_back().copied().unwrap_or(0)
    }

    async fn submit(&mut self, line: String) {
        self.input
            .write_all(format!("{line}\n").as_bytes())
            .await
            .expect("the process reads");
    }

    /// SIGKILL.
    async fn kill(mut self) -> BTreeMap<u64, String> {
        self.child.kill().await.expect("it runs");
        self.blocks
    }
}

/// Not a test by itself: what [`Process`] runs. It prints every block, from the first, and submits what it reads.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_is_a_member() {
    let Ok(index) = std::env::var("MEMBER_INDEX") else {
        return;
    };
    let addresses = std::env::var("MEMBER_ADDRESSES").expect("set with the index");
    let directory = PathBuf::from(std::env::var("MEMBER_DIRECTORY").expect("set with the index"));
    let index: usize = index.parse().expect("a number");
    let addresses: Vec<SocketAddr> = addresses
        .split(',')
        .map(|address| address.parse().expect("an address"))
        .collect();
    let member = |index: usize, address: &SocketAddr| Member {
        key: VerificationKey::from(&key(index)).into(),
        addresses: vec![*address],
    };
    let config = Config {
        identity: key(index),
        network: [42; 32],
        members: addresses
            .iter()
            .enumerate()
            .map(|(index, address)| member(index, address))
            .collect(),
        scheduled: Vec::new(),
        listen: vec![addresses[index]],
        data_dir: directory.join(index.to_string()),
        start_after: 0,
        genesis_time_ms: GENESIS_MS,
        timeouts: fast(),
        limits: Limits::default(),
    };
    let (log, mut blocks) = Embedded::start(config, accept_all())
        .await
        .expect("the engine starts");
    let submitting = tokio::spawn(async move {
        let mut lines = BufReader::new(tokio::io::stdin()).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            log.submit(line.into_bytes()).await.expect("taken");
        }
    });
    loop {
        match blocks.next_block().await {
            Ok(block) => println!("BLOCK {} {}", block.height, hex::encode(block.hash)),
            Err(error) => {
                println!("END {}", error.code());
                break;
            }
        }
    }
    submitting.await.expect("reads until its input is closed");
}

/// All that was ever printed for a height is the same block.
fn assert_same_blocks(logs: &[BTreeMap<u64, String>]) {
    let mut known: BTreeMap<u64, &String> = BTreeMap::new();
    for (height, hash) in logs.iter().flatten() {
        assert_eq!(
            known.entry(*height).or_insert(hash),
            &hash,
            "height {height}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_processes_come_back_to_the_same_log_and_a_full_disk_is_reported() {
    let circle = Circle::new(4);
    let mut processes: Vec<Process> = (0..4).map(|index| Process::start(&circle, index)).collect();
    let mut logs = Vec::new();
    let mut height = 3;
    for turn in 0..6 {
        let victim = turn % 4;
        for (index, process) in processes.iter_mut().enumerate() {
            process.submit(format!("turn {turn} from {index}")).await;
        }
        for process in &mut processes {
            process.until_height(height).await;
        }
        logs.push(processes.remove(victim).kill().await);
        height = processes
            .iter()
            .map(Process::height)
            .max()
            .expect("three are left")
            + 3;
        processes.insert(victim, Process::start(&circle, victim));
    }
    for process in &mut processes {
        process.until_height(height).await;
    }
    // Power fails everywhere.
    for process in processes {
        logs.push(process.kill().await);
    }
    let mut processes: Vec<Process> = (0..4).map(|index| Process::start(&circle, index)).collect();
    for process in &mut processes {
        process.until_height(height + 3).await;
    }

    // The disk of one is full: it says so and stops; the others go on.
    let pid = processes[0].child.id().expect("it runs").to_string();
    let limited = Command::new("prlimit")
        .args(["--pid", &pid, "--fsize=4096:4096"])
        .status()
        .await;
    assert!(limited.expect("prlimit of util-linux").success());
    processes[0]
        .until("report of the full disk", |process| process.end.is_some())
        .await;
    let end = processes[0].end.clone().expect("just seen");
    assert!(["store", "unsafe"].contains(&end.as_str()), "{end}");
    let height = processes[1].height();
    processes[1].until_height(height + 5).await;
    logs.extend(processes.into_iter().map(|process| process.blocks));
    assert_same_blocks(&logs);
}
