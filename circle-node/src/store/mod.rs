//! The committed state of one node on its disk.
//!
//! One directory holds one node's state of one circle: the state rows, the tree over them, the node's local rows and the
//! head, in one keyspace of an embedded store. A block is one batch, synced before [`Store::commit`] returns: a crash at
//! any instruction leaves the block before it or the block, whole. A directory appears under its name only when its first
//! batch is in it and synced, so an empty one is never taken for a new circle.

mod directory;
mod error;
mod view;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use circle::state::{CommitBatch, Head, StoreFault, Tree};
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

pub use error::StoreError;
pub use view::View;

use error::fault;

const KEYSPACE: &str = "circle";
/// Views of blocks above the certified one that are kept; the newest stay.
const KEPT_VIEWS: usize = 64;

/// The memory that the stores of one process share.
///
/// A store holds what was written last in memory until it is moved into a table, and once more while a view of it may be
/// held; all stores together hold one cache of what was read.
pub struct StoreMemory {
    // The embedded store names its cache type through a configuration only. This one never opens anything.
    cache: fjall::Config,
    memtable_bytes: u64,
}

impl StoreMemory {
    /// Shares of about 200 MiB for the stores of `nodes` nodes, and not below 3 MiB for one of them.
    ///
    /// A store keeps the share of written rows that it was created with.
    pub fn shared_by(nodes: u64) -> Self {
        let cache = Database::builder("/").cache_size(64 << 20).into_config();
        let memtable_bytes = ((64 << 20) / nodes.max(1)).clamp(1 << 20, 16 << 20);
        Self {
            cache,
            memtable_bytes,
        }
    }
}

/// An open store. While it or one of its views lives, no other process can open its directory.
pub struct Store {
    directory: PathBuf,
    database: Database,
    rows: Keyspace,
    views: Mutex<Views>,
}

struct Views {
    newest: Arc<View>,
    // Above and at the certified height; the newest is among them.
    by_height: BTreeMap<u64, Arc<View>>,
}

impl Store {
    /// Makes the store of a node of the circle `circle_id` in `directory`, which must be empty or missing, and commits
    /// `first` to it: the genesis, or a snapshot.
    ///
    /// A creation that was cut short leaves a directory beside, which the next creation removes.
    pub fn create(
        directory: &Path,
        circle_id: &[u8; 32],
        first: CommitBatch,
        memory: &StoreMemory,
    ) -> Result<Self, StoreError> {
        let directory =
            &std::path::absolute(directory).map_err(StoreError::io("find", directory))?;
        let draft = directory::Draft::begin(directory, circle_id)?;
        let database = open_database(&draft.rows(), memory)
            .map_err(|error| StoreError::opening(directory, error))?;
        let rows = open_keyspace(&database, memory)
            .map_err(|error| StoreError::opening(directory, error))?;
        write(&database, &rows, first)?;
        drop(rows);
        drop(database);
        draft.publish()?;
        Self::open(directory, circle_id, memory)
    }

    /// Opens the store of a node of the circle `circle_id`, and compares its head with its tree.
    pub fn open(
        directory: &Path,
        circle_id: &[u8; 32],
        memory: &StoreMemory,
    ) -> Result<Self, StoreError> {
        let directory =
            &std::path::absolute(directory).map_err(StoreError::io("find", directory))?;
        let inside = directory::check(directory, circle_id)?;
        // The embedded store would create what it does not find.
        let database = open_database(&inside, memory)
            .map_err(|error| StoreError::opening(directory, error))?;
        if !database.keyspace_exists(KEYSPACE) {
            return Err(StoreError::Damaged {
                directory: directory.into(),
                reason: "its rows are gone".into(),
            });
        }
        let rows = open_keyspace(&database, memory)
            .map_err(|error| StoreError::opening(directory, error))?;
        let newest = Arc::new(View::take(&database, &rows)?);
        let head = *newest.head();
        let root = Tree::new(&*newest).root()?;
        if root != head.state_root {
            return Err(StoreError::Damaged {
                directory: directory.into(),
                reason: format!(
                    "the head of block {} names the state root {}, and the tree has {}",
                    head.height,
                    hex::encode(head.state_root),
                    hex::encode(root)
                ),
            });
        }
        let views = Views {
            by_height: BTreeMap::from([(head.height, newest.clone())]),
            newest,
        };
        Ok(Self {
            directory: directory.into(),
            database,
            rows,
            views: Mutex::new(views),
        })
    }

    /// Where the store is.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The last committed block.
    pub fn head(&self) -> Head {
        *self.views().newest.head()
    }

    /// The rows as the last committed block left them.
    pub fn view(&self) -> Arc<View> {
        self.views().newest.clone()
    }

    /// The rows as block `height` left them: the certified block, the newest ones, or none. After a start it is the last
    /// committed block only.
    pub fn view_at(&self, height: u64) -> Option<Arc<View>> {
        self.views().by_height.get(&height).cloned()
    }

    /// Forgets the views below `height`, the newest certified block. Until the next call it keeps the view of this block.
    ///
    /// The disk space of rows that were overwritten since the certified block is not given back, so a circle that does not
    /// certify grows faster.
    pub fn certified(&self, height: u64) {
        let mut views = self.views();
        let floor = views
            .by_height
            .range(..=height)
            .next_back()
            .map_or(0, |(height, _)| *height);
        views.by_height.retain(|height, _| *height >= floor);
    }

    /// Commits a block: all of it is on the disk when this returns.
    ///
    /// After a fault the store takes no more blocks; it has to be opened again, and then holds this block or the one before.
    pub fn commit(&self, batch: CommitBatch) -> Result<(), StoreFault> {
        let mut views = self.views();
        batch.check_follows(Some(views.newest.head()))?;
        write(&self.database, &self.rows, batch)?;
        let view = Arc::new(View::take(&self.database, &self.rows)?);
        views.by_height.insert(view.head().height, view.clone());
        if views.by_height.len() > KEPT_VIEWS + 1 {
            // The lowest serves certified reads; the one after it is the oldest that may still become certified.
            let second = views.by_height.keys().nth(1).copied();
            second.map(|height| views.by_height.remove(&height));
        }
        views.newest = view;
        Ok(())
    }

    /// Bytes of the store on the disk, about; 64 MiB of them are set aside for the journal before they are written.
    pub fn disk_bytes(&self) -> Result<u64, StoreFault> {
        self.database
            .disk_space()
            .map_err(|error| fault("measure its size", error))
    }

    fn views(&self) -> MutexGuard<'_, Views> {
        // A panic while the lock was held leaves whole views: each is replaced in one assignment.
        self.views.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn open_database(directory: &Path, memory: &StoreMemory) -> fjall::Result<Database> {
    let mut config = Database::builder(directory)
        .worker_threads(1)
        .max_cached_files(Some(16))
        .into_config();
    config.cache = memory.cache.cache.clone();
    Database::open(config)
}

fn open_keyspace(database: &Database, memory: &StoreMemory) -> fjall::Result<Keyspace> {
    database.keyspace(KEYSPACE, || {
        KeyspaceCreateOptions::default().max_memtable_size(memory.memtable_bytes)
    })
}

fn write(database: &Database, keyspace: &Keyspace, batch: CommitBatch) -> Result<(), StoreFault> {
    let mut write = database.batch().durability(Some(PersistMode::SyncData));
    for (key, value) in batch.into_rows() {
        match value {
            Some(value) => write.insert(keyspace, key, value),
            None => write.remove(keyspace, key),
        }
    }
    write
        .commit()
        .map_err(|error| fault("commit a block", error))
}

#[cfg(test)]
mod tests;
