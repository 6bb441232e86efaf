//! Processes that are killed while they create a store and commit blocks.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::*;
use crate::store::StoreError;

const CHILD: &str = "CIRCLE_STORE_TEST_CRASH";

/// What the killed process does: creates or opens, then commits one block after the other and says so.
fn commit_until_killed(directory: &Path) -> ! {
    let store = match Store::open(directory, &CIRCLE, &memory()) {
        Err(StoreError::Missing { .. } | StoreError::HalfCreated { .. }) => create(directory),
        result => result.unwrap(),
    };
    loop {
        eprintln!("committed {}", store.head().height);
        let height = store.head().height + 1;
        store.commit(block(&*store.view(), height)).unwrap();
        if height.is_multiple_of(3) {
            store.certified(height - 2);
        }
    }
}

/// Runs such a process and kills it `after` it began, or after its first word if it is to have one; gives the last height
/// that it said was committed.
fn run_and_kill(test: &str, directory: &Path, after: Duration, first_word: bool) -> Option<u64> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(CHILD, directory)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap())
        .lines()
        .map(Result::unwrap);
    let height = |line: String| {
        let number = line
            .strip_prefix("committed ")
            .unwrap_or_else(|| panic!("the child said: {line}"))
            .to_string();
        number.parse::<u64>().unwrap()
    };
    let first = first_word.then(|| height(lines.next().unwrap()));
    std::thread::sleep(after);
    child.kill().unwrap();
    child.wait().unwrap();
    lines.map(height).last().or(first)
}

#[test]
fn a_killed_node_keeps_whole_blocks_and_all_it_acknowledged() {
    if let Some(directory) = std::env::var_os(CHILD) {
        commit_until_killed(&PathBuf::from(directory));
    }
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("store");
    let mut numbers = Numbers(25);
    let mut heights = vec![0];
    for kill in 0..25 {
        let after = Duration::from_micros(numbers.below(120_000));
        let test = "store::tests::crash::a_killed_node_keeps_whole_blocks_and_all_it_acknowledged";
        let acknowledged = run_and_kill(test, &directory, after, true).unwrap();

        let store = open(&directory);
        let head = store.head();
        assert!(
            head.height == acknowledged || head.height == acknowledged + 1,
            "kill {kill}: {} after {acknowledged}",
            head.height
        );
        assert_eq!(
            Tree::new(&*store.view()).recompute().unwrap(),
            head.state_root,
            "kill {kill}"
        );
        heights.push(head.height);
    }
    assert!(
        heights.is_sorted() && heights.last() > Some(&100),
        "the kills came too early: {heights:?}"
    );

    // Nothing is lost or added over all these lives.
    let store = open(&directory);
    let expected = expected(store.head().height);
    assert_eq!(
        store.view().scan(b"", None, usize::MAX, false),
        expected.scan(b"", None, usize::MAX, false)
    );
}

#[test]
fn a_killed_creation_leaves_a_store_or_none() {
    if let Some(directory) = std::env::var_os(CHILD) {
        commit_until_killed(&PathBuf::from(directory));
    }
    let mut numbers = Numbers(12);
    let (mut whole, mut half) = (0, 0);
    // The kills come sooner after one that was too late, and later after one that was too early: so they stay around the
    // moment of creation, however fast the machine is.
    let mut usual_us = 20_000;
    for kill in 0..40 {
        let place = tempfile::tempdir().unwrap();
        let directory = place.path().join("store");
        let after = Duration::from_micros(usual_us / 2 + numbers.below(usual_us));
        let test = "store::tests::crash::a_killed_creation_leaves_a_store_or_none";
        let acknowledged = run_and_kill(test, &directory, after, false);
        match Store::open(&directory, &CIRCLE, &memory()) {
            Ok(store) => {
                whole += 1;
                usual_us -= usual_us / 4;
                assert!(Some(store.head().height) >= acknowledged, "kill {kill}");
                assert_eq!(
                    Tree::new(&*store.view()).recompute().unwrap(),
                    store.head().state_root
                );
            }
            Err(StoreError::Missing { .. } | StoreError::HalfCreated { .. }) => {
                half += 1;
                usual_us += usual_us / 3;
                assert_eq!(acknowledged, None, "kill {kill}");
                assert_eq!(create(&directory).head().height, 0, "kill {kill}");
            }
            Err(error) => panic!("kill {kill}: {error}"),
        }
    }
    assert!(whole > 0 && half > 0, "{whole} whole, {half} half-created");
}
