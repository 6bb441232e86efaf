//! Why a store could not be made or opened.

use std::io;
use std::path::{Path, PathBuf};

use circle::state::StoreFault;

/// Why a store could not be made or opened. Nothing was changed on the disk.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is nothing to open.
    #[error("there is no store in {}; check the path, or create one with `circle init` or `circle join`", directory.display())]
    Missing {
        /// Where it was looked for.
        directory: PathBuf,
    },
    /// There is nothing to open, because a creation did not come to its end.
    #[error("the creation of the store in {} was interrupted; repeat the `circle init` or `circle join` that was making it", directory.display())]
    HalfCreated {
        /// Where it was looked for.
        directory: PathBuf,
    },
    /// Something is where a store is to be created.
    #[error("{} is not empty; name another directory for the new store, or move this one away", directory.display())]
    Exists {
        /// The directory.
        directory: PathBuf,
    },
    /// The directory does not hold a store of this program.
    #[error("{} is not a store of a circle ({reason}); check the path", directory.display())]
    Foreign {
        /// The directory.
        directory: PathBuf,
        /// What shows it.
        reason: String,
    },
    /// The store belongs to another circle.
    #[error("the store in {} belongs to circle {found}, not to {wanted}; check the path and the circle", directory.display())]
    OtherCircle {
        /// The directory.
        directory: PathBuf,
        /// The circle it belongs to, in hex.
        found: String,
        /// The circle it was opened for, in hex.
        wanted: String,
    },
    /// Somebody else has the store open, or is creating it.
    #[error("the store in {} is in use by another node; stop that node first", directory.display())]
    InUse {
        /// The directory.
        directory: PathBuf,
    },
    /// What is stored is not what was written.
    #[error("the store in {} is damaged: {reason}; move it away and rebuild this node from a certified snapshot", directory.display())]
    Damaged {
        /// The directory.
        directory: PathBuf,
        /// What shows it.
        reason: String,
    },
    /// The file system refused.
    #[error("cannot {operation} {}: {source}; check the disk and the permissions, then try again", path.display())]
    Io {
        /// What was being done, as a verb phrase.
        operation: &'static str,
        /// To which file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Rows could not be read or written.
    #[error(transparent)]
    Fault(#[from] StoreFault),
}

impl StoreError {
    pub(super) fn io(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
        let path = path.to_path_buf();
        move |source| StoreError::Io {
            operation,
            path,
            source,
        }
    }

    pub(super) fn opening(directory: &Path, error: fjall::Error) -> StoreError {
        let directory = directory.to_path_buf();
        match error {
            fjall::Error::Locked => StoreError::InUse { directory },
            fjall::Error::Io(source) if !is_damage(&source) => StoreError::Io {
                operation: "open the store in",
                path: directory,
                source,
            },
            other => StoreError::Damaged {
                directory,
                reason: other.to_string(),
            },
        }
    }
}

/// What the embedded store says while it is open.
pub(super) fn fault(operation: &'static str, error: fjall::Error) -> StoreFault {
    let reason = error.to_string();
    match &error {
        fjall::Error::Poisoned => StoreFault::Unavailable { operation, reason },
        fjall::Error::Io(source) | fjall::Error::Storage(fjall::LsmError::Io(source))
            if !is_damage(source) =>
        {
            StoreFault::Unavailable { operation, reason }
        }
        _ => StoreFault::Corrupt {
            what: "a file of the store",
            reason,
        },
    }
}

/// Whether a file is not as it was left, rather than out of reach.
fn is_damage(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData
    )
}
