//! How fast a circle of embedded engines orders blocks in one process, over real links on loopback.
//!
//! `cargo run --release -p consensus --example blocks_per_second -- MEMBERS SECONDS [TRANSACTIONS_PER_SECOND]`

use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use consensus::embedded::{Config, Embedded, Limits, Timeouts};
use consensus::log::{BlockStream, Member, OrderedLog};
use ed25519_zebra::{SigningKey, VerificationKey};

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args()
        .skip(1)
        .map(|argument| argument.parse::<u64>().expect("a number"));
    let count = arguments.next().unwrap_or(9) as usize;
    let seconds = arguments.next().unwrap_or(20);
    let rate = arguments.next().unwrap_or(0);

    let keys: Vec<SigningKey> = (0..count)
        .map(|index| SigningKey::from([index as u8 + 1; 32]))
        .collect();
    let held: Vec<TcpListener> = (0..count)
        .map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port"))
        .collect();
    let members: Vec<Member> = keys
        .iter()
        .zip(&held)
        .map(|(key, port)| Member {
            key: VerificationKey::from(key).into(),
            addresses: vec![port.local_addr().expect("bound")],
        })
        .collect();
    drop(held);
    let directories = tempfile::tempdir().expect("a temporary directory");
    // As if transactions always waited, so that nothing but the protocol sets the pace.
    let timeouts = Timeouts {
        min_block_interval: Duration::ZERO,
        idle_block_interval: Duration::ZERO,
        ..Timeouts::default()
    };

    let began = Instant::now();
    let mut logs = Vec::new();
    let mut tips = Vec::new();
    for (index, key) in keys.iter().enumerate() {
        let config = Config {
            identity: *key,
            network: [1; 32],
            members: members.clone(),
            scheduled: Vec::new(),
            listen: members[index].addresses.clone(),
            data_dir: directories.path().join(index.to_string()),
            start_after: 0,
            genesis_time_ms: 1_700_000_000_000,
            timeouts: if rate == 0 {
                timeouts
            } else {
                Timeouts::default()
            },
            limits: Limits::default(),
        };
        let (log, mut blocks) = Embedded::start(config, Arc::new(|_| Ok(())))
            .await
            .expect("the engine starts");
        let (tip, seen) = tokio::sync::watch::channel((0u64, 0u64));
        tokio::spawn(async move {
            let mut transactions = 0;
            while let Ok(block) = blocks.next_block().await {
                transactions += block.transactions.len() as u64;
                tip.send_replace((block.height, transactions));
            }
        });
        logs.push(log);
        tips.push(seen);
    }
    println!("{count} engines started in {:.1?}", began.elapsed());
    for tip in &mut tips {
        tip.wait_for(|(height, _)| *height >= 2)
            .await
            .expect("the engine runs");
    }
    println!("height 2 everywhere after {:.1?}", began.elapsed());

    let from = (*tips[0].borrow(), cpu(), Instant::now());
    let mut sent = 0u64;
    let mut last = from.2;
    let mut last_height = from.0.0;
    let mut longest = Duration::ZERO;
    let mut rounds = 0;
    while from.2.elapsed() < Duration::from_secs(seconds) {
        tokio::time::sleep(Duration::from_millis(10)).await;
        let due = from.2.elapsed().as_millis() as u64 * rate / 1000;
        while sent < due {
            let mut transaction = vec![0; 200];
            transaction[..8].copy_from_slice(&sent.to_be_bytes());
            if logs[sent as usize % count]
                .submit(transaction)
                .await
                .is_err()
            {
                break;
            }
            sent += 1;
        }
        let height = tips[0].borrow().0;
        if height > last_height {
            longest = longest.max(last.elapsed());
            (last, last_height) = (Instant::now(), height);
        }
        rounds = rounds.max(logs[0].status().round);
    }
    let elapsed = from.2.elapsed();
    let to = (*tips[0].borrow(), cpu());
    let blocks = to.0.0 - from.0.0;
    let per_second = blocks * 1000 / elapsed.as_millis() as u64;
    let thousandths = blocks * 1_000_000 / elapsed.as_millis() as u64 % 1000;
    println!(
        "{blocks} blocks in {elapsed:.1?}: {per_second}.{thousandths:03} per second, longest wait {longest:.1?}"
    );
    println!(
        "highest round {rounds}; {} of {sent} transactions ordered",
        to.0.1 - from.0.1
    );
    let cpu_ms = to.1 - from.1;
    println!(
        "CPU {} % of one core; {} us per node and height; {} threads, {} MiB resident",
        cpu_ms * 100 / elapsed.as_millis() as u64,
        cpu_ms * 1000 / (blocks.max(1) * count as u64),
        proc_status("Threads:"),
        proc_status("VmRSS:") / 1024,
    );
    for log in &logs {
        let log = log.clone();
        log.shutdown().await;
    }
}

/// Milliseconds of CPU that this process has used; the kernel counts in hundredths of a second.
fn cpu() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("procfs");
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or("")
        .split_whitespace()
        .collect();
    let ticks = |index: usize| fields[index].parse::<u64>().expect("a number");
    (ticks(11) + ticks(12)) * 10
}

fn proc_status(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("procfs");
    let line = status
        .lines()
        .find(|line| line.starts_with(field))
        .unwrap_or("");
    line.split_whitespace()
        .nth(1)
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}
