//! The stores of a whole circle in one process.

use std::process::Command;

use super::*;

const CHILD: &str = "CIRCLE_STORE_TEST_SIZE";
const STORES: u64 = 99;
/// Enough for each store to fill its memory and move it into a table.
const BLOCKS: u64 = 6;

/// Resident memory in KiB, and threads.
fn usage() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let field = |name: &str| {
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    };
    (field("VmRSS:"), field("Threads:"))
}

#[test]
#[cfg(target_os = "linux")]
fn a_process_holds_the_stores_of_99_nodes() {
    if let Some(directory) = std::env::var_os(CHILD) {
        let place = std::path::PathBuf::from(directory);
        let memory = StoreMemory::shared_by(STORES);
        let before = usage();
        let store = |node| {
            let genesis = block(&Memory::new(), 0);
            Store::create(
                &place.join(format!("node {node}")),
                &CIRCLE,
                genesis,
                &memory,
            )
            .unwrap()
        };
        let stores: Vec<Store> = (0..STORES).map(store).collect();
        let opened = usage();
        for height in 1..=BLOCKS {
            for store in &stores {
                let mut batch = block(&*store.view(), height);
                let receipt = |row: u64| {
                    (
                        (height * 1_000 + row).to_be_bytes().to_vec(),
                        Some(vec![row as u8; 8 << 10]),
                    )
                };
                batch.local = (0..100).map(receipt).collect();
                store.commit(batch).unwrap();
                store.certified(height);
            }
        }
        let filled = usage();
        eprintln!(
            "usage {} {} {}",
            opened.0 - before.0,
            filled.0 - before.0,
            filled.1 - before.1
        );
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "store::tests::size::a_process_holds_the_stores_of_99_nodes",
            "--nocapture",
        ])
        .env(CHILD, place.path())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    let numbers = text
        .lines()
        .find_map(|line| line.strip_prefix("usage "))
        .unwrap_or_else(|| panic!("{text}"));
    let numbers: Vec<u64> = numbers
        .split(' ')
        .map(|number| number.parse().unwrap())
        .collect();
    println!(
        "{STORES} stores: {} KiB when open, {} KiB after {BLOCKS} blocks, {} threads",
        numbers[0], numbers[1], numbers[2]
    );
    // Memory that grows with a store is its memtables and the shared cache; more would be a setting gone wrong.
    assert!(
        numbers[0] < STORES * 1024,
        "{} KiB for {STORES} open stores",
        numbers[0]
    );
    assert!(
        numbers[1] < STORES * 6 * 1024,
        "{} KiB for {STORES} stores in use",
        numbers[1]
    );
    assert_eq!(numbers[2], STORES, "one thread per store");
}
