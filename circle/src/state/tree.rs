//! The authenticated tree: one root that commits to every row of the state.
//!
//! The tree is a sparse binary Merkle tree over the SHA-256 of the keys, in which a subtree with a single leaf is that
//! leaf. Its shape, and so its root, follow from the rows alone: the order in which they were written and how they were
//! cut into blocks leave no trace. [`root_of`] says the same in fifteen lines, and the tests hold the one to the other.
//!
//! Nodes are stored under their path without the version that the tree library gives them. A new node replaces the one
//! before it, so that what is stored is what the root reaches.

use std::collections::BTreeMap;

use jmt::storage::{LeafNode, Node, NodeKey, TreeReader, TreeUpdateBatch};
use jmt::{KeyHash, OwnedValue, RootHash, Sha256Jmt, Version};
use sha2::{Digest, Sha256};

use super::kv::{KeyValue, StoreFault};
use super::overlay::Change;
use super::proof::{Proof, ProofLeaf, bit, leaf_hash, node_hash};
use super::region::{Region, scan_region};

/// The root of the state without rows.
pub const EMPTY_ROOT: [u8; 32] = *b"SPARSE_MERKLE_PLACEHOLDER_HASH__";

const KEY_DOMAIN: &[u8] = b"guardian-circle/v1/state-key\0";
const VALUE_DOMAIN: &[u8] = b"guardian-circle/v1/state-value\0";
const DEPTH_NIBBLES: usize = 64;
const ROWS_PER_PAGE: usize = 4096;

/// The tree over the state rows of a committed store.
pub struct Tree<'a> {
    store: &'a dyn KeyValue,
}

/// What a block does to the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeUpdate {
    /// The root after the block.
    pub root: [u8; 32],
    /// The node rows to write and delete, with keys of [`Region::Tree`].
    pub rows: Vec<Change>,
}

/// The hashes of a key and its value.
type HashedRow = ([u8; 32], [u8; 32]);

/// Nodes by their path; `None` for one that is gone.
type Nodes = BTreeMap<Vec<u8>, Option<Node>>;

impl<'a> Tree<'a> {
    /// The tree in `store`, a view of a whole store with all its regions.
    pub fn new(store: &'a dyn KeyValue) -> Self {
        Self { store }
    }

    /// The root of the committed state.
    pub fn root(&self) -> Result<[u8; 32], StoreFault> {
        Ok(match read_node(self.store, &[])? {
            None | Some(Node::Null) => EMPTY_ROOT,
            Some(Node::Leaf(leaf)) => leaf.hash::<Sha256>(),
            Some(Node::Internal(internal)) => internal.hash::<Sha256>(),
        })
    }

    /// The tree after `changes` to the state, which are keyed as in [`Region::State`].
    ///
    /// `height` is the height of the block that makes them: above that of every block in the store. Of two changes to one
    /// key the later stands. Nothing is written: see [`CommitBatch`](super::CommitBatch).
    pub fn apply(&self, changes: &[Change], height: u64) -> Result<TreeUpdate, StoreFault> {
        let hashed: BTreeMap<KeyHash, Option<&[u8]>> = changes
            .iter()
            .map(|(key, value)| (KeyHash(hash_key(key)), value.as_deref()))
            .collect();
        let (mut deletes, mut puts) = (Vec::new(), Vec::new());
        for (key, value) in hashed {
            match value {
                Some(value) => puts.push((key, [VALUE_DOMAIN, value].concat())),
                None => deletes.push((key, None)),
            }
        }

        // The library's batched insertion takes no deletes, and its other way hashes each path anew for every key. So a
        // block takes two versions: the deletes one by one, then everything else at once.
        let version = height
            .checked_mul(2)
            .and_then(|twice| twice.checked_add(1))
            .ok_or_else(|| StoreFault::Corrupt {
                what: "the height of a block",
                reason: format!("{height} cannot be reached by counting"),
            })?;
        let mut nodes = Nodes::new();
        let mut root = None;
        if !deletes.is_empty() {
            let reader = NodeReader {
                store: self.store,
                above: &nodes,
                root_version: version - 1,
            };
            let (after, batch) = Sha256Jmt::new(&reader)
                .put_value_set(deletes, version)
                .map_err(tree_fault)?;
            root = Some(after);
            collect(batch, &mut nodes);
        }
        if !puts.is_empty() {
            let (after, batch) = self.put_all(puts, version + 1, &nodes)?;
            root = Some(after);
            collect(batch, &mut nodes);
        }
        let root = match root {
            Some(RootHash(root)) => root,
            None => self.root()?,
        };

        let rows = nodes.into_iter().map(|(path, node)| match node {
            // The library marks an empty tree with a node; here no node is the empty tree.
            None | Some(Node::Null) => Ok((row_key(&path), None)),
            Some(node) => Ok((
                row_key(&path),
                Some(borsh::to_vec(&node).map_err(|error| damaged(error.to_string()))?),
            )),
        });
        Ok(TreeUpdate {
            root,
            rows: rows.collect::<Result<_, _>>()?,
        })
    }

    /// A proof of what the committed state holds under `key`, be it a value or nothing.
    pub fn prove(&self, key: &[u8]) -> Result<Proof, StoreFault> {
        let hash = hash_key(key);
        let (mut path, mut siblings) = (Vec::new(), Vec::new());
        let leaf = 'walk: loop {
            let node = match read_node(self.store, &path)? {
                None if path.is_empty() => break None,
                None => {
                    return Err(damaged(format!(
                        "no node at {path:?}, though its parent names it"
                    )));
                }
                Some(node) => node,
            };
            let children = match node {
                Node::Null => break None,
                Node::Leaf(leaf) => break Some(leaf_of(&leaf)?),
                Node::Internal(internal) => {
                    let mut children = [None; 16];
                    for (nibble, child) in internal.children_sorted() {
                        children[nibble.as_usize()] = Some((child.hash, child.is_leaf()));
                    }
                    children
                }
            };
            if path.len() == DEPTH_NIBBLES {
                return Err(damaged(
                    "an inner node below the last nibble of a key".into(),
                ));
            }
            // A node stands for four levels of the binary tree. Go down by one bit at a time, and note the other half.
            let nibble = nibble_at(&hash, path.len());
            let (mut start, mut width) = (0, 16);
            let below = loop {
                width /= 2;
                let mut other = start + width;
                if nibble & width != 0 {
                    std::mem::swap(&mut start, &mut other);
                }
                siblings.push(subtree_hash(&children[other..other + width]));
                match content(&children[start..start + width]) {
                    Content::Empty => break 'walk None,
                    Content::One(offset) => break start + offset,
                    Content::Several => {}
                }
            };
            path.push(below as u8);
        };
        siblings.reverse();
        Ok(Proof { leaf, siblings })
    }

    /// The root that follows from the state rows themselves, whatever nodes are stored.
    ///
    /// Reads all rows: it is for checking a store, not for blocks.
    pub fn recompute(&self) -> Result<[u8; 32], StoreFault> {
        let mut leaves = Vec::new();
        let mut from = Vec::new();
        loop {
            let page = scan_region(self.store, Region::State, &from, None, ROWS_PER_PAGE, false)?;
            leaves.extend(
                page.iter()
                    .map(|(key, value)| (hash_key(key), hash_value(value))),
            );
            match page.into_iter().last() {
                Some((last, _)) => from = [last, vec![0]].concat(),
                None => return Ok(root_of(leaves)),
            }
        }
    }

    /// Inserts and overwrites; `above` is what the block did to the tree before.
    fn put_all(
        &self,
        puts: Vec<(KeyHash, OwnedValue)>,
        version: Version,
        above: &Nodes,
    ) -> Result<(RootHash, TreeUpdateBatch), StoreFault> {
        let reader = NodeReader {
            store: self.store,
            above,
            root_version: version - 1,
        };
        let (roots, batch) = Sha256Jmt::new(&reader)
            .batch_put_value_sets(vec![puts], None, version)
            .map_err(tree_fault)?;
        Ok((roots[0], batch))
    }
}

/// The root over leaves of hashed keys and hashed values, each key once, in any order.
fn root_of(mut leaves: Vec<HashedRow>) -> [u8; 32] {
    fn subtree(leaves: &[HashedRow], depth: usize) -> [u8; 32] {
        match leaves {
            [] => EMPTY_ROOT,
            [(key, value)] => leaf_hash(key, value),
            _ => {
                let zeros = leaves.partition_point(|(key, _)| !bit(key, depth));
                node_hash(
                    &subtree(&leaves[..zeros], depth + 1),
                    &subtree(&leaves[zeros..], depth + 1),
                )
            }
        }
    }
    leaves.sort_unstable();
    subtree(&leaves, 0)
}

pub(super) fn hash_key(key: &[u8]) -> [u8; 32] {
    Sha256::new()
        .chain_update(KEY_DOMAIN)
        .chain_update(key)
        .finalize()
        .into()
}

pub(super) fn hash_value(value: &[u8]) -> [u8; 32] {
    Sha256::new()
        .chain_update(VALUE_DOMAIN)
        .chain_update(value)
        .finalize()
        .into()
}

/// The nodes as the tree library wants them.
struct NodeReader<'a> {
    store: &'a dyn KeyValue,
    above: &'a Nodes,
    // Rows forget versions, so the reader has to know which root is the current one. The library asks for the root of
    // the new version too, after deletes that emptied the tree; the stored root must not answer that.
    root_version: Version,
}

impl TreeReader for NodeReader<'_> {
    fn get_node_option(&self, key: &NodeKey) -> Result<Option<Node>, anyhow::Error> {
        let path = nibbles(key);
        if path.is_empty() && key.version() != self.root_version {
            return Ok(None);
        }
        let node = match self.above.get(&path) {
            Some(node) => node.clone(),
            None => read_node(self.store, &path)?,
        };
        Ok(if path.is_empty() {
            Some(node.unwrap_or(Node::Null))
        } else {
            node
        })
    }

    fn get_value_option(
        &self,
        _: Version,
        _: KeyHash,
    ) -> Result<Option<OwnedValue>, anyhow::Error> {
        unreachable!("updates read nodes only")
    }

    fn get_rightmost_leaf(&self) -> Result<Option<(NodeKey, LeafNode)>, anyhow::Error> {
        unreachable!("only a restoring tree asks for its rightmost leaf")
    }
}

/// Lays the outcome of one library call over `nodes`.
fn collect(batch: TreeUpdateBatch, nodes: &mut Nodes) {
    for stale in &batch.stale_node_index_batch {
        nodes.insert(nibbles(&stale.node_key), None);
    }
    // A path that went stale and was written again in one block stays.
    for (key, node) in batch.node_batch.nodes() {
        nodes.insert(nibbles(key), Some(node.clone()));
    }
}

/// What hangs below a few neighbouring children of a node.
enum Content {
    Empty,
    /// A single leaf, or the one child asked about; its index.
    One(usize),
    Several,
}

/// The hash of a child, and whether it is a leaf.
type ChildSlot = Option<([u8; 32], bool)>;

fn content(children: &[ChildSlot]) -> Content {
    let mut present = children
        .iter()
        .enumerate()
        .filter_map(|(index, child)| child.map(|(_, leaf)| (index, leaf)));
    match (present.next(), present.next()) {
        (None, _) => Content::Empty,
        (Some((index, leaf)), None) if leaf || children.len() == 1 => Content::One(index),
        _ => Content::Several,
    }
}

fn subtree_hash(children: &[ChildSlot]) -> [u8; 32] {
    match content(children) {
        Content::Empty => EMPTY_ROOT,
        Content::One(index) => children[index].map_or(EMPTY_ROOT, |(hash, _)| hash),
        Content::Several => {
            let (left, right) = children.split_at(children.len() / 2);
            node_hash(&subtree_hash(left), &subtree_hash(right))
        }
    }
}

fn leaf_of(leaf: &LeafNode) -> Result<ProofLeaf, StoreFault> {
    // The library keeps a leaf's value hash to itself, but encodes it: 32 bytes of key hash, then these.
    let bytes = borsh::to_vec(leaf).map_err(|error| damaged(error.to_string()))?;
    borsh::from_slice(&bytes).map_err(|error| damaged(error.to_string()))
}

fn nibbles(key: &NodeKey) -> Vec<u8> {
    key.nibble_path()
        .nibbles()
        .map(|nibble| nibble.as_usize() as u8)
        .collect()
}

fn nibble_at(hash: &[u8; 32], depth: usize) -> usize {
    let byte = hash[depth / 2];
    usize::from(if depth.is_multiple_of(2) {
        byte >> 4
    } else {
        byte & 15
    })
}

/// The key of a node's row: the length of its path, then the path. So the upper levels, which every block rewrites, lie
/// side by side.
fn row_key(path: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + path.len());
    key.push(path.len() as u8);
    key.extend_from_slice(path);
    key
}

fn read_node(store: &dyn KeyValue, path: &[u8]) -> Result<Option<Node>, StoreFault> {
    let bytes = store.get(&Region::Tree.key(&row_key(path)))?;
    bytes
        .map(|bytes| {
            borsh::from_slice(&bytes).map_err(|error| damaged(format!("node {path:?}: {error}")))
        })
        .transpose()
}

fn damaged(reason: String) -> StoreFault {
    StoreFault::Corrupt {
        what: "a node of the state tree",
        reason,
    }
}

fn tree_fault(error: anyhow::Error) -> StoreFault {
    match error.downcast::<StoreFault>() {
        Ok(fault) => fault,
        Err(error) => damaged(format!("{error:#}")),
    }
}

#[cfg(test)]
#[path = "tree_tests.rs"]
mod tests;
