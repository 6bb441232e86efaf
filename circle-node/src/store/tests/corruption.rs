//! Files that change behind the store's back.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;

const LAST: u64 = 60;
const CASES: u64 = 80;

fn files(directory: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for entry in entries {
        if entry.is_dir() {
            files(&entry, found)
        } else {
            found.push(entry)
        }
    }
}

fn copy(from: &Path, to: &Path) {
    let mut found = Vec::new();
    files(from, &mut found);
    for file in found {
        let target = to.join(file.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        // A journal is mostly a hole; it stays one.
        let bytes = fs::read(&file).unwrap();
        let used = bytes
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |last| last + 1);
        fs::write(&target, &bytes[..used]).unwrap();
        fs::File::options()
            .write(true)
            .open(&target)
            .unwrap()
            .set_len(bytes.len() as u64)
            .unwrap();
    }
}

/// Changes one file; says how.
fn damage(directory: &Path, numbers: &mut Numbers) -> String {
    let mut found = Vec::new();
    files(directory, &mut found);
    found.retain(|file| fs::metadata(file).unwrap().len() > 0);
    let file = &found[numbers.below(found.len() as u64) as usize];
    let mut bytes = fs::read(file).unwrap();
    let length = bytes.len();
    let used = bytes
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(1, |last| last + 1);
    let at = numbers.below(used as u64) as usize;
    let how = match numbers.below(4) {
        0 => {
            bytes[at] ^= 1 << numbers.below(8);
            "one bit flipped"
        }
        1 => {
            bytes.truncate(at);
            "truncated"
        }
        2 => {
            let end = (at + 1 + numbers.below(4096) as usize).min(length);
            bytes[at..end].fill(0);
            "zeroed"
        }
        _ => {
            let end = (at + 1 + numbers.below(512) as usize).min(length);
            bytes[at..end]
                .iter_mut()
                .for_each(|byte| *byte = numbers.next() as u8);
            "overwritten"
        }
    };
    fs::write(file, bytes).unwrap();
    format!(
        "{} {how} at {at} of {used}",
        file.strip_prefix(directory).unwrap().display()
    )
}

#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Refused,
    Faulted,
    Earlier,
    Intact,
}

/// Opens and reads everything: each answer is the truth of the block that the head names, or a fault.
fn examine(directory: &Path, truth: &[Memory], case: &str) -> Outcome {
    let Ok(store) = Store::open(directory, &CIRCLE, &memory()) else {
        return Outcome::Refused;
    };
    let (head, view) = (store.head(), store.view());
    let truth = truth
        .get(head.height as usize)
        .unwrap_or_else(|| panic!("{case}: head {}", head.height));
    assert_eq!(Some(head), Head::read(truth).unwrap(), "{case}");
    let mut faulted = false;
    for key in 0..KEYS {
        let key = circle::state::Region::State.key(&key.to_be_bytes());
        match view.get(&key) {
            Ok(value) => assert_eq!(Ok(value), truth.get(&key), "{case}"),
            Err(_) => faulted = true,
        }
    }
    match view.scan(b"", None, usize::MAX, false) {
        Ok(rows) => assert_eq!(Ok(rows), truth.scan(b"", None, usize::MAX, false), "{case}"),
        Err(_) => faulted = true,
    }
    match (faulted, head.height) {
        (true, _) => Outcome::Faulted,
        (false, LAST) => Outcome::Intact,
        (false, _) => Outcome::Earlier,
    }
}

#[test]
fn damaged_files_give_an_error_or_an_earlier_block_and_never_a_wrong_value() {
    let place = tempfile::tempdir().unwrap();
    let whole = place.path().join("whole");
    let store = create(&whole);
    for height in 1..=LAST {
        store.commit(block(&*store.view(), height)).unwrap();
        store.certified(height);
    }
    drop(store);
    let truth = expected_history(LAST);
    assert_eq!(examine(&whole, &truth, "undamaged"), Outcome::Intact);

    let mut outcomes = [0; 4];
    for seed in 0..CASES {
        let directory = place.path().join(format!("damaged {seed}"));
        copy(&whole, &directory);
        let how = damage(&directory, &mut Numbers(seed));
        let case = format!("seed {seed}: {how}");
        let outcome = examine(&directory, &truth, &case);
        println!("{case}: {outcome:?}");
        outcomes[outcome as usize] += 1;
        fs::remove_dir_all(&directory).unwrap();
    }
    println!("refused, faulted, earlier, intact: {outcomes:?}");
    assert!(
        outcomes[..3].iter().sum::<u32>() * 2 > CASES as u32,
        "the damage was not where it matters: {outcomes:?}"
    );
}
