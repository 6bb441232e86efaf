use std::collections::BTreeMap;

use expect_test::expect;
use proptest::prelude::*;

use super::super::batch::{CommitBatch, Head};
use super::super::kv::Memory;
use super::*;
use crate::state::{Proof, ProofError};

/// Commits `changes` as the next block, as a node would.
fn commit(store: &mut Memory, changes: Vec<Change>) -> [u8; 32] {
    let height = Head::read(store).unwrap().map_or(0, |head| head.height + 1);
    let update = Tree::new(store).apply(&changes, height).unwrap();
    let head = Head {
        height,
        state_root: update.root,
        checkpoint: [0; 32],
    };
    store
        .commit(CommitBatch {
            head,
            state: changes,
            tree: update.rows,
            local: Vec::new(),
        })
        .unwrap();
    update.root
}

fn put(key: &[u8], value: &[u8]) -> Change {
    (key.to_vec(), Some(value.to_vec()))
}

fn numbered(count: u32) -> Vec<Change> {
    (0..count)
        .map(|number| {
            put(
                format!("key {number}").as_bytes(),
                format!("value {number}").as_bytes(),
            )
        })
        .collect()
}

/// The rows of the tree, and how many of them the root reaches.
fn stored_and_reached(store: &Memory) -> (usize, usize) {
    fn reach(store: &Memory, path: &[u8]) -> usize {
        match read_node(store, path).unwrap() {
            Some(Node::Internal(node)) => {
                let below = |nibble: usize| reach(store, &[path, &[nibble as u8]].concat());
                1 + node
                    .children_sorted()
                    .map(|(nibble, _)| below(nibble.as_usize()))
                    .sum::<usize>()
            }
            Some(_) => 1,
            None => 0,
        }
    }
    let stored = scan_region(store, Region::Tree, b"", None, usize::MAX, false)
        .unwrap()
        .len();
    (stored, reach(store, &[]))
}

#[test]
fn golden_roots() {
    let root = |changes: Vec<Change>| hex::encode(commit(&mut Memory::new(), changes));
    expect!["5350415253455f4d45524b4c455f504c414345484f4c4445525f484153485f5f"]
        .assert_eq(&root(vec![]));
    expect!["7dfbcecebfe7087826172ea3d2b301b3b1f53f4c75d5500bc8e9cb1b6108aea1"]
        .assert_eq(&root(vec![put(b"", b"")]));
    expect!["c8ef852467c6f587632c0d14d3bcfdc6686a621290d8a0f185999eb71e7afc8c"]
        .assert_eq(&root(vec![put(b"a", b"1"), put(b"b", b"2")]));
    expect!["16a767c1a5fe6bb0b0bab23d76f64c55ad6c0f115a6cb52cffe1db118d4db59c"]
        .assert_eq(&root(numbered(1_000)));
}

#[test]
fn golden_proofs() {
    let mut store = Memory::new();
    commit(&mut store, numbered(3));
    let proof = |key: &str| {
        hex::encode(borsh::to_vec(&Tree::new(&store).prove(key.as_bytes()).unwrap()).unwrap())
    };
    expect!["0127d1433a0f57ba736f3b3d6869d143ff08df72280b9cd87805e78419545fab4df9ac7176170ffb04ff7b8deca6e2c32d28643672603092a11a1e35270f6eb19501000000bd80f39a3d6c6c2dcabeb6c73db3933ad6fd0b62616aa22df6b328c30bc606d1"].assert_eq(&proof("key 1"));
    expect!["0127d1433a0f57ba736f3b3d6869d143ff08df72280b9cd87805e78419545fab4df9ac7176170ffb04ff7b8deca6e2c32d28643672603092a11a1e35270f6eb19501000000bd80f39a3d6c6c2dcabeb6c73db3933ad6fd0b62616aa22df6b328c30bc606d1"].assert_eq(&proof("key 9"));
}

#[test]
fn the_root_of_a_block_without_changes_is_the_root_before() {
    let mut store = Memory::new();
    assert_eq!(commit(&mut store, vec![]), EMPTY_ROOT);
    assert_eq!(
        commit(&mut store, vec![(b"none".to_vec(), None)]),
        EMPTY_ROOT
    );
    let root = commit(&mut store, numbered(20));
    assert_eq!(commit(&mut store, vec![]), root);
    assert_eq!(commit(&mut store, vec![(b"none".to_vec(), None)]), root);
    assert_eq!(commit(&mut store, numbered(5)), root);
    assert_eq!(Tree::new(&store).root().unwrap(), root);
}

#[test]
fn deleting_everything_leaves_no_node() {
    // A delete of nothing after the last row is gone made the library ask for the root again.
    for count in [1, 2, 3, 40] {
        let mut store = Memory::new();
        commit(&mut store, numbered(count));
        let mut deletes: Vec<Change> = numbered(count)
            .into_iter()
            .map(|(key, _)| (key, None))
            .collect();
        deletes.extend((0..200).map(|number: u32| (number.to_be_bytes().to_vec(), None)));
        assert_eq!(commit(&mut store, deletes), EMPTY_ROOT);
        assert_eq!(stored_and_reached(&store), (0, 0));
    }
}

#[test]
fn a_height_beyond_counting_is_refused() {
    let fault = Tree::new(&Memory::new())
        .apply(&numbered(1), u64::MAX / 2 + 1)
        .unwrap_err();
    assert!(matches!(
        fault,
        StoreFault::Corrupt {
            what: "the height of a block",
            ..
        }
    ));
}

#[test]
fn a_damaged_node_is_a_fault() {
    let mut store = Memory::new();
    commit(&mut store, numbered(200));
    let nodes = scan_region(&store, Region::Tree, b"", None, usize::MAX, false).unwrap();
    for (key, mut bytes) in nodes {
        let mut damaged = store.clone();
        bytes.truncate(bytes.len() / 2);
        damaged.write([(Region::Tree.key(&key), Some(bytes))]);
        let mut missing = store.clone();
        missing.write([(Region::Tree.key(&key), None)]);
        let mut faults = 0;
        for number in 0..200 {
            let key = format!("key {number}");
            faults += u32::from(Tree::new(&damaged).prove(key.as_bytes()).is_err());
            let proof = Tree::new(&missing).prove(key.as_bytes());
            // A store without its root node is an empty one; no other gap is taken for emptiness.
            if let Ok(Proof { leaf: None, .. }) = proof {
                assert_eq!(missing.len(), store.len() - 1);
                assert_eq!(Tree::new(&missing).root().unwrap(), EMPTY_ROOT);
            }
        }
        assert!(faults > 0, "node {key:?}");
    }
}

/// One block: small numbers for keys, `None` for deletes.
type Block = Vec<(u8, Option<u8>)>;

fn blocks() -> impl Strategy<Value = Vec<Block>> {
    // Few keys, so that deletes meet rows and the tree gets empty; many, so that it gets deep.
    let blocks = |keys: u8| {
        let change = (0..keys, proptest::option::of(any::<u8>()));
        proptest::collection::vec(proptest::collection::vec(change, 0..24), 0..12)
    };
    prop_oneof![blocks(6), blocks(40), blocks(255)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn the_root_follows_from_the_rows_alone(blocks in blocks()) {
        let mut store = Memory::new();
        let mut rows = BTreeMap::new();
        for block in blocks {
            // A block as an overlay gives it: each key once.
            let block: BTreeMap<u8, Option<u8>> = block.into_iter().collect();
            for (key, value) in &block {
                match value {
                    Some(value) => rows.insert(*key, *value),
                    None => rows.remove(key),
                };
            }
            let root = commit(&mut store, block.into_iter().map(|(key, value)| (vec![key], value.map(|value| vec![value]))).collect());

            let leaves = rows.iter().map(|(key, value)| (hash_key(&[*key]), hash_value(&[*value]))).collect();
            prop_assert_eq!(root, root_of(leaves));
            prop_assert_eq!(Tree::new(&store).root().unwrap(), root);
            prop_assert_eq!(Tree::new(&store).recompute().unwrap(), root);
            let (stored, reached) = stored_and_reached(&store);
            prop_assert_eq!(stored, reached);
        }
        let mut anew = Memory::new();
        let root = commit(&mut anew, rows.into_iter().rev().map(|(key, value)| put(&[key], &[value])).collect());
        prop_assert_eq!(root, Tree::new(&store).root().unwrap());
    }

    #[test]
    fn of_two_changes_to_a_key_the_later_stands(block in proptest::collection::vec((0..6u8, proptest::option::of(0..3u8)), 0..20)) {
        let changes = |block: Block| block.into_iter().map(|(key, value)| (vec![key], value.map(|value| vec![value]))).collect::<Vec<_>>();
        let last: BTreeMap<u8, Option<u8>> = block.iter().copied().collect();
        prop_assert_eq!(
            Tree::new(&Memory::new()).apply(&changes(block), 1).unwrap(),
            Tree::new(&Memory::new()).apply(&changes(last.into_iter().collect()), 1).unwrap()
        );
    }

    #[test]
    fn every_key_has_a_proof_and_an_altered_one_fails(
        rows in proptest::collection::btree_map(0..60u8, any::<u8>(), 0..40),
        key in 0..60u8,
        byte in any::<prop::sample::Index>(),
        flip in 1..=255u8,
    ) {
        let mut store = Memory::new();
        let root = commit(&mut store, rows.iter().map(|(key, value)| put(&[*key], &[*value])).collect());
        let proof = Tree::new(&store).prove(&[key]).unwrap();
        let value = rows.get(&key).map(|value| vec![*value]);
        let value = value.as_deref();
        prop_assert_eq!(proof.verify(&root, &[key], value), Ok(()));

        // Nothing else about this key can be shown with it.
        match value {
            Some([value]) => {
                prop_assert_eq!(proof.verify(&root, &[key], None), Err(ProofError::Present));
                prop_assert_eq!(proof.verify(&root, &[key], Some(&[value ^ flip])), Err(ProofError::OtherValue));
            }
            _ => prop_assert_eq!(proof.verify(&root, &[key], Some(&[flip])), Err(ProofError::Absent)),
        }
        // Nothing false about any other key, and nothing under another root.
        for other in 0..60u8 {
            let truth = rows.get(&other);
            if truth.is_some() {
                prop_assert!(proof.verify(&root, &[other], None).is_err());
            }
            if truth != rows.get(&key) || other != key {
                let lie = truth.map_or(flip, |value| value ^ flip);
                prop_assert!(proof.verify(&root, &[other], Some(&[lie])).is_err());
            }
        }
        let mut other_root = root;
        other_root[byte.index(32)] ^= flip;
        prop_assert_eq!(proof.verify(&other_root, &[key], value), Err(ProofError::OtherRoot));

        // Any altered byte makes it undecodable or wrong.
        let mut bytes = borsh::to_vec(&proof).unwrap();
        prop_assert_eq!(&borsh::from_slice::<Proof>(&bytes).unwrap(), &proof);
        let index = byte.index(bytes.len());
        bytes[index] ^= flip;
        if let Ok(altered) = borsh::from_slice::<Proof>(&bytes) {
            prop_assert!(altered.verify(&root, &[key], value).is_err());
        }
    }
}
