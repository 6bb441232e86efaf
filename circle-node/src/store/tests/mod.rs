//! The store against files, processes and the tree of its own rows.

mod corruption;
mod crash;
mod opening;
mod size;

use circle::state::{Change, CommitBatch, Head, KeyValue, Memory, Tree};

use super::{Store, StoreMemory};

const CIRCLE: [u8; 32] = [7; 32];
/// State keys that blocks write to.
const KEYS: u64 = 1_500;

fn memory() -> StoreMemory {
    StoreMemory::shared_by(20)
}

/// Numbers that follow from a seed (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

/// What block `height` changes: the same on every call, so that a later process can tell what must be stored.
fn changes(height: u64) -> Vec<Change> {
    let mut numbers = Numbers(height);
    let change = |_| {
        let key = numbers.below(KEYS).to_be_bytes().to_vec();
        let value = (numbers.below(8) > 0)
            .then(|| (0..50).flat_map(|_| numbers.next().to_be_bytes()).collect());
        (key, value)
    };
    let block: std::collections::BTreeMap<_, _> = (0..150).map(change).collect();
    block.into_iter().collect()
}

/// Block `height` on top of what `store` holds.
fn block(store: &dyn KeyValue, height: u64) -> CommitBatch {
    let state = changes(height);
    let update = Tree::new(store).apply(&state, height).unwrap();
    let head = Head {
        height,
        state_root: update.root,
        checkpoint: [height as u8; 32],
    };
    let receipt = (
        height.to_be_bytes().to_vec(),
        Some(format!("receipt of {height}").into_bytes()),
    );
    CommitBatch {
        head,
        state,
        tree: update.rows,
        local: vec![receipt],
    }
}

fn create(directory: &std::path::Path) -> Store {
    Store::create(directory, &CIRCLE, block(&Memory::new(), 0), &memory()).unwrap()
}

fn open(directory: &std::path::Path) -> Store {
    Store::open(directory, &CIRCLE, &memory()).unwrap()
}

/// The blocks from the genesis on, committed to memory one after the other.
fn blocks_in_memory() -> impl Iterator<Item = Memory> {
    let mut memory = Memory::new();
    (0..).map(move |height| {
        let batch = block(&memory, height);
        memory.commit(batch).unwrap();
        memory.clone()
    })
}

/// All rows that a store must hold after block `height`.
fn expected(height: u64) -> Memory {
    blocks_in_memory().nth(height as usize).unwrap()
}

/// All rows that a store must hold after each block up to `height`.
fn expected_history(height: u64) -> Vec<Memory> {
    blocks_in_memory().take(height as usize + 1).collect()
}
