//! Members as processes of their own, to be killed for real.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;

use consensus::embedded::{Config, Embedded, Limits};
use consensus::log::{BlockStream, Member, OrderedLog};
use ed25519_zebra::VerificationKey;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::circle::{Circle, GENESIS_MS, PATIENCE, accept_all, fast, key};

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
                "trap '' XFSZ; exec \"$0\" process::a_process_is_a_member --exact --nocapture",
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
