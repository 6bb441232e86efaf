//! Creating, opening, views.

use std::fs;
use std::process::Command;
use std::sync::Arc;

use circle::state::{KeyValue, Overlay, Region, RegionView, StoreFault, Tree};

use super::*;
use crate::store::{KEPT_VIEWS, StoreError};

/// The rest of an error's text after the directory is replaced.
fn said(directory: &std::path::Path, result: Result<Store, StoreError>) -> String {
    result.err().map_or("opened".into(), |error| {
        error
            .to_string()
            .replace(&directory.display().to_string(), "DIR")
    })
}

#[test]
fn a_store_comes_back_as_it_was_committed() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("a/b/node 1");
    let store = create(&directory);
    for height in 1..=30 {
        store.commit(block(&*store.view(), height)).unwrap();
    }
    let expected = expected(30);
    assert_eq!(all_rows(&*store.view()), all_rows(&expected));
    drop(store);

    let store = open(&directory);
    assert_eq!(all_rows(&*store.view()), all_rows(&expected));
    assert_eq!(store.head(), Head::read(&expected).unwrap().unwrap());
    assert_eq!(
        Tree::new(&*store.view()).recompute().unwrap(),
        store.head().state_root
    );
    let local = RegionView::new(store.view(), Region::Local);
    assert_eq!(
        local.get(&30u64.to_be_bytes()).unwrap(),
        Some(b"receipt of 30".to_vec())
    );
}

fn all_rows(store: &dyn KeyValue) -> Vec<circle::state::Row> {
    store.scan(b"", None, usize::MAX, false).unwrap()
}

#[test]
fn views_scan_like_memory() {
    let place = tempfile::tempdir().unwrap();
    let store = create(&place.path().join("store"));
    let view = store.view();
    let memory = expected(0);
    let keys: Vec<Vec<u8>> = all_rows(&memory).into_iter().map(|(key, _)| key).collect();
    let mut numbers = Numbers(1);
    for _ in 0..500 {
        let mut bound = || match numbers.below(4) {
            0 => vec![numbers.next() as u8],
            _ => keys[numbers.below(keys.len() as u64) as usize].clone(),
        };
        let (from, to) = (bound(), bound());
        let to = (numbers.below(5) > 0).then_some(&to[..]);
        let (limit, reverse) = (numbers.below(20) as usize, numbers.below(2) == 0);
        assert_eq!(
            view.scan(&from, to, limit, reverse),
            memory.scan(&from, to, limit, reverse)
        );
        assert_eq!(view.get(&from), memory.get(&from));
    }
}

#[test]
fn views_stay_at_their_block_and_are_let_go_below_the_certified_one() {
    let place = tempfile::tempdir().unwrap();
    let store = create(&place.path().join("store"));
    let held: Vec<_> = (1..=20)
        .map(|height| {
            store.commit(block(&*store.view(), height)).unwrap();
            store.view()
        })
        .collect();
    let expected = expected_history(20);
    for view in &held {
        let height = view.head().height;
        assert_eq!(
            all_rows(&**view),
            all_rows(&expected[height as usize]),
            "block {height}"
        );
        assert_eq!(store.view_at(height).unwrap().head(), view.head());
        // A key is proved against the root of the view's own block.
        let (key, value) = &changes(height)[0];
        let proof = Tree::new(&**view).prove(key).unwrap();
        proof
            .verify(&view.head().state_root, key, value.as_deref())
            .unwrap();
    }
    assert!(store.view_at(21).is_none());

    let kept = |store: &Store| {
        (0..=200)
            .filter(|height| store.view_at(*height).is_some())
            .collect::<Vec<u64>>()
    };
    store.certified(15);
    assert_eq!(kept(&store), (15..=20).collect::<Vec<_>>());
    store.certified(3);
    assert_eq!(kept(&store), (15..=20).collect::<Vec<_>>());
    for height in 21..=100 {
        store.commit(block(&*store.view(), height)).unwrap();
    }
    let newest = 101 - KEPT_VIEWS as u64..=100;
    assert_eq!(
        kept(&store),
        std::iter::once(15).chain(newest).collect::<Vec<_>>()
    );
    store.certified(100);
    assert_eq!(kept(&store), [100]);
    assert_eq!(held[0].head().height, 1);
    assert_eq!(all_rows(&*held[0]), all_rows(&expected[1]));
}

#[test]
fn a_block_out_of_turn_is_refused_and_changes_nothing() {
    let place = tempfile::tempdir().unwrap();
    let store = create(&place.path().join("store"));
    let before = all_rows(&*store.view());
    for height in [0, 2, u64::MAX / 4] {
        let fault = store.commit(block(&*store.view(), height)).unwrap_err();
        assert_eq!(
            fault,
            StoreFault::OutOfOrder {
                committed: 0,
                got: height
            }
        );
    }
    assert_eq!(all_rows(&*store.view()), before);
    store.commit(block(&*store.view(), 1)).unwrap();
}

#[test]
fn an_overlay_over_a_view_is_committed() {
    let place = tempfile::tempdir().unwrap();
    let store = create(&place.path().join("store"));
    let mut overlay = Overlay::new(Arc::new(RegionView::new(store.view(), Region::State)));
    overlay.put(b"key".to_vec(), b"value".to_vec());
    let view = store.view();
    let state = overlay.changes();
    let update = Tree::new(&*view).apply(&state, 1).unwrap();
    let head = Head {
        height: 1,
        state_root: update.root,
        checkpoint: [1; 32],
    };
    store
        .commit(CommitBatch {
            head,
            state,
            tree: update.rows,
            local: vec![],
        })
        .unwrap();
    let proof = Tree::new(&*store.view()).prove(b"key").unwrap();
    proof
        .verify(&store.head().state_root, b"key", Some(b"value"))
        .unwrap();
}

#[test]
fn what_is_not_a_store_of_this_circle_is_refused_with_the_mend() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("store");
    let open = |circle| said(&directory, Store::open(&directory, &circle, &memory()));
    let create = || {
        said(
            &directory,
            Store::create(&directory, &CIRCLE, block(&Memory::new(), 0), &memory()),
        )
    };
    let missing = "there is no store in DIR; check the path, or create one with `circle init` or `circle join`";

    assert_eq!(open(CIRCLE), missing);
    fs::create_dir(&directory).unwrap();
    assert_eq!(open(CIRCLE), missing);
    fs::write(directory.join("letter.txt"), "dear").unwrap();
    assert_eq!(
        open(CIRCLE),
        "DIR is not a store of a circle (it has no file STORE); check the path"
    );
    assert_eq!(
        create(),
        "DIR is not empty; name another directory for the new store, or move this one away"
    );
    fs::remove_dir_all(&directory).unwrap();
    fs::write(&directory, "a file").unwrap();
    assert_eq!(
        create(),
        "DIR is not empty; name another directory for the new store, or move this one away"
    );
    fs::remove_file(&directory).unwrap();

    // An empty directory is taken; so is the place of a creation that was cut short.
    fs::create_dir(&directory).unwrap();
    let draft = place.path().join("store.creating");
    fs::create_dir_all(draft.join("rows")).unwrap();
    fs::write(draft.join("rows/version"), "half").unwrap();
    assert_eq!(
        open(CIRCLE),
        "the creation of the store in DIR was interrupted; repeat the `circle init` or `circle join` that was making it"
    );
    assert_eq!(create(), "opened");
    assert!(!draft.exists());
    assert_eq!(
        create(),
        "DIR is not empty; name another directory for the new store, or move this one away"
    );

    assert_eq!(
        open([8; 32]),
        format!(
            "the store in DIR belongs to circle {}, not to {}; check the path and the circle",
            "07".repeat(32),
            "08".repeat(32)
        )
    );
    let marker = fs::read_to_string(directory.join("STORE")).unwrap();
    expect_test::expect![[r#"
        guardian-circle store 1
        0707070707070707070707070707070707070707070707070707070707070707
    "#]]
    .assert_eq(&marker);
    for (text, reason) in [
        (
            format!("guardian-circle store 2\n{}", "07".repeat(32)),
            "its file STORE is not of a version that this program knows",
        ),
        (
            String::new(),
            "its file STORE is not of a version that this program knows",
        ),
        (
            marker[..40].to_string(),
            "its file STORE is not of a version that this program knows",
        ),
    ] {
        fs::write(directory.join("STORE"), text).unwrap();
        assert_eq!(
            open(CIRCLE),
            format!("DIR is not a store of a circle ({reason}); check the path")
        );
    }
    fs::write(directory.join("STORE"), &marker).unwrap();
    assert_eq!(open(CIRCLE), "opened");

    let gone = "the store in DIR is damaged: its rows are gone; move it away and rebuild this node from a certified snapshot";
    let rows = directory.join("rows");
    for file in ["keyspaces", "version", ""] {
        let _ = fs::remove_dir_all(rows.join(file)).or_else(|_| fs::remove_file(rows.join(file)));
        let text = open(CIRCLE);
        assert!(
            text.starts_with("the store in DIR is damaged: ")
                && text.ends_with("from a certified snapshot"),
            "{text}"
        );
    }
    assert_eq!(open(CIRCLE), gone);
}

const TRY_TO_OPEN: &str = "CIRCLE_STORE_TEST_OPEN";

#[test]
fn two_nodes_cannot_have_one_store() {
    if let Some(directory) = std::env::var_os(TRY_TO_OPEN) {
        let directory = std::path::PathBuf::from(directory);
        eprintln!(
            "said: {}",
            said(&directory, Store::open(&directory, &CIRCLE, &memory()))
        );
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("store");
    let in_another_process = || {
        let output = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "store::tests::opening::two_nodes_cannot_have_one_store",
                "--nocapture",
            ])
            .env(TRY_TO_OPEN, &directory)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        text.lines()
            .find_map(|line| Some(line.split_once("said: ")?.1.to_string()))
            .unwrap_or(text)
    };
    let in_use = "the store in DIR is in use by another node; stop that node first";

    let store = create(&directory);
    assert_eq!(in_another_process(), in_use);
    assert_eq!(
        said(&directory, Store::open(&directory, &CIRCLE, &memory())),
        in_use
    );
    let view = store.view();
    drop(store);
    assert_eq!(in_another_process(), in_use, "a view still reads the files");
    drop(view);
    assert_eq!(in_another_process(), "opened");

    // A creation that another process is at.
    let draft = place.path().join("new.creating");
    fs::create_dir(&draft).unwrap();
    let lock = fs::File::open(&draft).unwrap();
    lock.lock().unwrap();
    let target = place.path().join("new");
    let create = || {
        said(
            &target,
            Store::create(&target, &CIRCLE, block(&Memory::new(), 0), &memory()),
        )
    };
    assert_eq!(create(), in_use);
    drop(lock);
    assert_eq!(create(), "opened");
}
