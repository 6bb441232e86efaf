//! Blocks, proposals and commit certificates on disk.
//!
//! One keyspace of an embedded store, one synced batch per change. Keys:
//! `m` what the store is for, `t` height of the last decided block, `d` + height decided, `b` + height + hash the body of
//! a proposed or decided block, `u` + height + round + hash a proposal that was seen. Heights and rounds are big-endian.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use borsh::{BorshDeserialize, BorshSerialize};
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use super::wire::{WireCertificate, decode};
use crate::block::{Block, BlockBody, encode, genesis_log_hash};
use crate::log::LogError;

const META: &[u8] = b"m";
const TIP: &[u8] = b"t";
const KEYSPACE: &str = "log";

/// Ninety-nine of these live in one process: caches are small, blocks are read once by whoever needs them.
const CACHE_BYTES: u64 = 1 << 20;
const MEMTABLE_BYTES: u64 = 8 << 20;
const JOURNAL_BYTES: u64 = 64 << 20;
const OPEN_FILES: usize = 16;

/// Row `m`.
#[derive(BorshSerialize, BorshDeserialize)]
struct Meta {
    version: u8,
    network: [u8; 32],
    genesis_time_ms: u64,
}

const VERSION: u8 = 1;

/// Row `d`.
#[derive(Clone, BorshSerialize, BorshDeserialize)]
pub(crate) struct DecidedRow {
    pub hash: [u8; 32],
    /// Hash of the log after this block.
    pub log_hash: [u8; 32],
    pub certificate: WireCertificate,
}

/// Row `u`: a proposal that the engine was told of.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct ProposalRow {
    /// Round of the polka that it carries, -1 for none.
    pub pol_round: i64,
    pub proposer: [u8; 32],
    pub valid: bool,
}

/// Where the log ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tip {
    pub height: u64,
    pub log_hash: [u8; 32],
    pub time_ms: u64,
}

/// Why a store did not open.
#[derive(Debug)]
pub(crate) enum OpenError {
    /// Somebody else has it open.
    InUse,
    OtherNetwork([u8; 32]),
    Fault(LogError),
}

impl From<LogError> for OpenError {
    fn from(error: LogError) -> Self {
        Self::Fault(error)
    }
}

pub(crate) struct Store {
    database: Database,
    rows: Keyspace,
    genesis: Tip,
}

impl Store {
    /// Opens the store in `directory`, or creates it whole.
    pub fn open(
        directory: &Path,
        network: [u8; 32],
        genesis_time_ms: u64,
    ) -> Result<Self, OpenError> {
        let path = directory.join("blocks");
        if !path.exists() {
            create(directory, &path, network, genesis_time_ms)?;
        }
        let (database, rows) = open_database(&path)?;
        let meta = rows
            .get(META)
            .map_err(fault)?
            .ok_or(corrupt(0, "the store does not say what it is for"))?;
        let meta: Meta = decode(&meta).map_err(|error| corrupt(0, error))?;
        if meta.version != VERSION {
            let reason = format!(
                "format {} is not format {VERSION} of this release",
                meta.version
            );
            return Err(LogError::Corrupt { height: 0, reason }.into());
        }
        if meta.network != network {
            return Err(OpenError::OtherNetwork(meta.network));
        }
        if meta.genesis_time_ms != genesis_time_ms {
            let reason = format!(
                "it began at {}, not at {genesis_time_ms}",
                meta.genesis_time_ms
            );
            return Err(LogError::Corrupt { height: 0, reason }.into());
        }
        let genesis = Tip {
            height: 0,
            log_hash: genesis_log_hash(&network, genesis_time_ms),
            time_ms: genesis_time_ms,
        };
        Ok(Self {
            database,
            rows,
            genesis,
        })
    }

    /// The last decided block, or the genesis.
    pub fn tip(&self) -> Result<Tip, LogError> {
        let Some(height) = self.rows.get(TIP).map_err(fault)? else {
            return Ok(self.genesis);
        };
        let height = decode::<u64>(&height).map_err(|error| corrupt(0, error))?;
        let row = self
            .decided(height)?
            .ok_or(corrupt(height, "the last block has no row"))?;
        let block = self
            .block(height)?
            .ok_or(corrupt(height, "the last block is missing"))?;
        Ok(Tip {
            height,
            log_hash: row.log_hash,
            time_ms: block.time_ms,
        })
    }

    pub fn decided(&self, height: u64) -> Result<Option<DecidedRow>, LogError> {
        let Some(row) = self.rows.get(decided_key(height)).map_err(fault)? else {
            return Ok(None);
        };
        decode(&row)
            .map(Some)
            .map_err(|error| corrupt(height, error))
    }

    /// A decided block, checked against the hash that was decided.
    pub fn block(&self, height: u64) -> Result<Option<Block>, LogError> {
        let Some(row) = self.decided(height)? else {
            return Ok(None);
        };
        let body = self
            .body(height, &row.hash)?
            .ok_or(corrupt(height, "the decided block has no body"))?;
        let body: BlockBody = decode(&body).map_err(|error| corrupt(height, error))?;
        let block = body.into_block();
        if block.hash != row.hash || block.height != height {
            return Err(corrupt(height, "the block is not the one that was decided"));
        }
        Ok(Some(block))
    }

    /// The encoded body of a block that was proposed or decided at `height`.
    pub fn body(&self, height: u64, hash: &[u8; 32]) -> Result<Option<Vec<u8>>, LogError> {
        let body = self.rows.get(body_key(height, hash)).map_err(fault)?;
        Ok(body.map(|body| body.to_vec()))
    }

    /// Remembers a proposal and its body, synced: the engine may vote for it once this has returned.
    pub fn propose(
        &self,
        height: u64,
        round: u32,
        hash: &[u8; 32],
        row: &ProposalRow,
        body: &[u8],
    ) -> Result<(), LogError> {
        let mut batch = self
            .database
            .batch()
            .durability(Some(PersistMode::SyncData));
        batch.insert(&self.rows, body_key(height, hash), body);
        batch.insert(&self.rows, proposal_key(height, round, hash), encode(row));
        batch.commit().map_err(fault)
    }

    /// Remembers a body that belongs to no proposal seen here, synced.
    pub fn put_body(&self, height: u64, hash: &[u8; 32], body: &[u8]) -> Result<(), LogError> {
        let mut batch = self
            .database
            .batch()
            .durability(Some(PersistMode::SyncData));
        batch.insert(&self.rows, body_key(height, hash), body);
        batch.commit().map_err(fault)
    }

    /// The proposals seen at a height: (round, hash, row), by round.
    pub fn proposals(&self, height: u64) -> Result<Vec<(u32, [u8; 32], ProposalRow)>, LogError> {
        let mut found = Vec::new();
        for row in self.rows.prefix(key(b'u', height)) {
            let (key, value) = row.into_inner().map_err(fault)?;
            let (round, hash) =
                split_proposal_key(&key).ok_or(corrupt(height, "a proposal has a wrong key"))?;
            found.push((
                round,
                hash,
                decode(&value).map_err(|error| corrupt(height, error))?,
            ));
        }
        Ok(found)
    }

    /// Makes a block the next decided one, synced, and forgets what else was proposed at its height.
    pub fn decide(&self, height: u64, row: &DecidedRow) -> Result<(), LogError> {
        let mut batch = self
            .database
            .batch()
            .durability(Some(PersistMode::SyncData));
        for (round, hash, _) in self.proposals(height)? {
            batch.remove(&self.rows, proposal_key(height, round, &hash));
            if hash != row.hash {
                batch.remove(&self.rows, body_key(height, &hash));
            }
        }
        batch.insert(&self.rows, decided_key(height), encode(row));
        batch.insert(&self.rows, TIP, encode(&height));
        batch.commit().map_err(fault)
    }
}

/// Builds a new store beside its place and moves it there, so that a crash leaves a whole store or none.
fn create(
    directory: &Path,
    path: &Path,
    network: [u8; 32],
    genesis_time_ms: u64,
) -> Result<(), OpenError> {
    fs::create_dir_all(directory).map_err(fault)?;
    let draft = directory.join("blocks.new");
    if draft.exists() {
        fs::remove_dir_all(&draft).map_err(fault)?;
    }
    let (database, rows) = open_database(&draft)?;
    rows.insert(
        META,
        encode(&Meta {
            version: VERSION,
            network,
            genesis_time_ms,
        }),
    )
    .map_err(fault)?;
    database.persist(PersistMode::SyncAll).map_err(fault)?;
    drop(rows);
    drop(database);
    sync_tree(&draft).map_err(fault)?;
    fs::rename(&draft, path).map_err(fault)?;
    sync_directory(directory).map_err(fault)?;
    if let Some(parent) = directory
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
    {
        sync_directory(parent).map_err(fault)?;
    }
    Ok(())
}

fn open_database(path: &Path) -> Result<(Database, Keyspace), OpenError> {
    let database = Database::builder(path)
        .cache_size(CACHE_BYTES)
        .max_cached_files(Some(OPEN_FILES))
        .max_journaling_size(JOURNAL_BYTES)
        .worker_threads(1)
        .open()
        .map_err(|error| match error {
            fjall::Error::Locked => OpenError::InUse,
            error => fault(error).into(),
        })?;
    let options = || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES);
    let rows = database.keyspace(KEYSPACE, options).map_err(fault)?;
    Ok((database, rows))
}

fn sync_tree(path: &Path) -> io::Result<()> {
    let mut entries: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(path)? {
        entries.push(entry?.path());
    }
    for entry in entries {
        if entry.is_dir() {
            sync_tree(&entry)?;
        } else {
            File::open(&entry)?.sync_all()?;
        }
    }
    sync_directory(path)
}

fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn fault(error: impl std::fmt::Display) -> LogError {
    LogError::Store {
        reason: error.to_string(),
    }
}

fn corrupt(height: u64, reason: impl std::fmt::Display) -> LogError {
    LogError::Corrupt {
        height,
        reason: reason.to_string(),
    }
}

fn key(kind: u8, height: u64) -> Vec<u8> {
    let mut key = Vec::with_capacity(45);
    key.push(kind);
    key.extend_from_slice(&height.to_be_bytes());
    key
}

fn decided_key(height: u64) -> Vec<u8> {
    key(b'd', height)
}

fn body_key(height: u64, hash: &[u8; 32]) -> Vec<u8> {
    let mut key = key(b'b', height);
    key.extend_from_slice(hash);
    key
}

fn proposal_key(height: u64, round: u32, hash: &[u8; 32]) -> Vec<u8> {
    let mut key = key(b'u', height);
    key.extend_from_slice(&round.to_be_bytes());
    key.extend_from_slice(hash);
    key
}

fn split_proposal_key(key: &[u8]) -> Option<(u32, [u8; 32])> {
    let round = u32::from_be_bytes(key.get(9..13)?.try_into().ok()?);
    let hash = key.get(13..)?.try_into().ok()?;
    Some((round, hash))
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    const NETWORK: [u8; 32] = [1; 32];
    const GENESIS_MS: u64 = 1_000;

    fn open(directory: &Path) -> Store {
        Store::open(directory, NETWORK, GENESIS_MS)
            .map_err(|error| format!("{error:?}"))
            .unwrap()
    }

    fn body(tip: &Tip, name: &str) -> BlockBody {
        BlockBody {
            height: tip.height + 1,
            time_ms: tip.time_ms + 1,
            proposer: [2; 32],
            previous: tip.log_hash,
            transactions: vec![name.as_bytes().to_vec()],
        }
    }

    fn certificate() -> WireCertificate {
        decode(&[0; 8 + 8 + 32 + 4]).unwrap()
    }

    fn propose(store: &Store, round: u32, block: &BlockBody) {
        let row = ProposalRow {
            pol_round: -1,
            proposer: block.proposer,
            valid: true,
        };
        store
            .propose(block.height, round, &block.hash(), &row, &block.encode())
            .unwrap();
    }

    fn decide(store: &Store, block: &BlockBody) {
        let row = DecidedRow {
            hash: block.hash(),
            log_hash: block.log_hash(),
            certificate: certificate(),
        };
        store.decide(block.height, &row).unwrap();
    }

    #[test]
    fn blocks_outlive_the_process_that_decided_them() {
        let directory = tempfile::tempdir().unwrap();
        let mut tips = Vec::new();
        for height in 1..=3 {
            // Opened anew for each height.
            let store = open(directory.path());
            let tip = store.tip().unwrap();
            assert_eq!(tip.height, height - 1);
            let (lost, won) = (body(&tip, "lost"), body(&tip, "won"));
            propose(&store, 0, &lost);
            propose(&store, 1, &won);
            assert_eq!(store.proposals(height).unwrap().len(), 2);
            decide(&store, &won);
            assert_eq!(store.proposals(height).unwrap(), []);
            assert_eq!(store.body(height, &lost.hash()).unwrap(), None);
            assert_eq!(store.block(height).unwrap(), Some(won.into_block()));
            tips.push(store.tip().unwrap());
        }
        let store = open(directory.path());
        assert_eq!(store.tip().unwrap(), tips[2]);
        assert_eq!(
            store.block(1).unwrap().unwrap().log_hash(),
            tips[0].log_hash
        );
        assert_eq!(store.block(4).unwrap(), None);
    }

    #[test]
    fn proposals_of_an_undecided_height_are_found_again() {
        let directory = tempfile::tempdir().unwrap();
        let block = body(&open(directory.path()).tip().unwrap(), "seen");
        propose(&open(directory.path()), 2, &block);
        let store = open(directory.path());
        let row = ProposalRow {
            pol_round: -1,
            proposer: [2; 32],
            valid: true,
        };
        assert_eq!(store.proposals(1).unwrap(), [(2, block.hash(), row)]);
        assert_eq!(store.body(1, &block.hash()).unwrap(), Some(block.encode()));
    }

    #[test]
    fn another_circle_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        drop(open(directory.path()));
        let other = Store::open(directory.path(), [9; 32], GENESIS_MS);
        assert!(matches!(other, Err(OpenError::OtherNetwork(found)) if found == NETWORK));
        let later = Store::open(directory.path(), NETWORK, GENESIS_MS + 1);
        assert!(matches!(
            later,
            Err(OpenError::Fault(LogError::Corrupt { .. }))
        ));
    }

    #[test]
    fn a_half_made_store_is_made_again() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir_all(directory.path().join("blocks.new/half")).unwrap();
        assert_eq!(open(directory.path()).tip().unwrap().height, 0);
        assert!(!directory.path().join("blocks.new").exists());
    }

    #[test]
    fn a_changed_block_is_noticed() {
        let directory = tempfile::tempdir().unwrap();
        let store = open(directory.path());
        let (block, other) = (
            body(&store.tip().unwrap(), "decided"),
            body(&store.tip().unwrap(), "other"),
        );
        propose(&store, 0, &block);
        decide(&store, &block);
        store.put_body(1, &block.hash(), &other.encode()).unwrap();
        assert!(matches!(
            store.block(1),
            Err(LogError::Corrupt { height: 1, .. })
        ));
    }

    #[test]
    fn golden_rows() {
        expect![
            "010101010101010101010101010101010101010101010101010101010101010101e803000000000000"
        ]
        .assert_eq(&hex::encode(encode(&Meta {
            version: 1,
            network: NETWORK,
            genesis_time_ms: GENESIS_MS,
        })));
        let row = DecidedRow {
            hash: [3; 32],
            log_hash: [4; 32],
            certificate: certificate(),
        };
        expect!["0303030303030303030303030303030303030303030303030303030303030303040404040404040404040404040404040404040404040404040404040404040400000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"].assert_eq(&hex::encode(encode(&row)));
        let row = ProposalRow {
            pol_round: -1,
            proposer: [5; 32],
            valid: true,
        };
        expect![
            "ffffffffffffffff050505050505050505050505050505050505050505050505050505050505050501"
        ]
        .assert_eq(&hex::encode(encode(&row)));
        expect!["750000000000000007000000020606060606060606060606060606060606060606060606060606060606060606"].assert_eq(&hex::encode(proposal_key(7, 2, &[6; 32])));
    }
}
