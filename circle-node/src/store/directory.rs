//! The directory of a store: what marks it as one, and how it comes to be.

use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::error::StoreError;

const MARKER: &str = "STORE";
const MARKER_TITLE: &str = "guardian-circle store 1";
const ROWS: &str = "rows";

/// Checks that `directory` is a whole store of this circle; gives where its rows are.
pub(super) fn check(directory: &Path, circle_id: &[u8; 32]) -> Result<PathBuf, StoreError> {
    let foreign = |reason: &str| StoreError::Foreign {
        directory: directory.into(),
        reason: reason.into(),
    };
    let path = directory.join(MARKER);
    let marker = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let directory = directory.to_path_buf();
            return Err(
                match (
                    is_empty_or_missing(&directory)?,
                    draft_of(&directory).exists(),
                ) {
                    (false, _) => foreign("it has no file STORE"),
                    (true, true) => StoreError::HalfCreated { directory },
                    (true, false) => StoreError::Missing { directory },
                },
            );
        }
        Err(error) => return Err(StoreError::io("read", &path)(error)),
    };
    let marker = String::from_utf8(marker).map_err(|_| foreign("its file STORE is not text"))?;
    let wanted = hex::encode(circle_id);
    match marker.split_once('\n') {
        Some((MARKER_TITLE, circle)) if circle.strip_suffix('\n') == Some(&wanted) => {}
        Some((MARKER_TITLE, circle)) if circle.trim_end().len() == wanted.len() => {
            let found = circle.trim_end().into();
            return Err(StoreError::OtherCircle {
                directory: directory.into(),
                found,
                wanted,
            });
        }
        _ => {
            return Err(foreign(
                "its file STORE is not of a version that this program knows",
            ));
        }
    }
    let rows = directory.join(ROWS);
    if !rows.join("version").exists() {
        // Opening would make new, empty rows.
        return Err(StoreError::Damaged {
            directory: directory.into(),
            reason: "its rows are gone".into(),
        });
    }
    Ok(rows)
}

/// A store that is being made beside its place.
///
/// Dropped before it is published, it leaves its files: whoever creates there next removes them.
pub(super) struct Draft {
    target: PathBuf,
    draft: PathBuf,
    // The nearest directory above that was there before.
    ground: PathBuf,
    // Held, so that two creations do not get into each other's way.
    _lock: File,
}

impl Draft {
    pub(super) fn begin(target: &Path, circle_id: &[u8; 32]) -> Result<Self, StoreError> {
        if !is_empty_or_missing(target)? {
            return Err(StoreError::Exists {
                directory: target.into(),
            });
        }
        let draft = draft_of(target);
        let ground = draft
            .ancestors()
            .skip(1)
            .find(|above| above.exists())
            .unwrap_or(Path::new(""))
            .to_path_buf();
        fs::create_dir_all(&draft).map_err(StoreError::io("create", &draft))?;
        let lock = File::open(&draft).map_err(StoreError::io("open", &draft))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::InUse {
                    directory: target.into(),
                });
            }
            Err(TryLockError::Error(error)) => return Err(StoreError::io("lock", &draft)(error)),
        }
        // What a creation that was cut short left behind.
        for entry in entries(&draft)? {
            let removed = if entry.is_dir() {
                fs::remove_dir_all(&entry)
            } else {
                fs::remove_file(&entry)
            };
            removed.map_err(StoreError::io("remove", &entry))?;
        }
        let marker = draft.join(MARKER);
        let text = format!("{MARKER_TITLE}\n{}\n", hex::encode(circle_id));
        fs::write(&marker, text).map_err(StoreError::io("write", &marker))?;
        Ok(Self {
            target: target.into(),
            draft,
            ground,
            _lock: lock,
        })
    }

    pub(super) fn rows(&self) -> PathBuf {
        self.draft.join(ROWS)
    }

    /// Makes the draft the store. Every file and directory in it is synced before: the embedded store does not sync all
    /// of its directories.
    pub(super) fn publish(self) -> Result<(), StoreError> {
        sync_all(&self.draft)?;
        fs::rename(&self.draft, &self.target)
            .map_err(StoreError::io("move the new store to", &self.target))?;
        for above in self.target.ancestors().skip(1) {
            sync(if above.as_os_str().is_empty() {
                Path::new(".")
            } else {
                above
            })?;
            if above == self.ground {
                break;
            }
        }
        Ok(())
    }
}

/// Where a store is made before it is whole.
fn draft_of(target: &Path) -> PathBuf {
    let mut name = target.file_name().unwrap_or_default().to_os_string();
    name.push(".creating");
    target.with_file_name(name)
}

fn is_empty_or_missing(directory: &Path) -> Result<bool, StoreError> {
    match fs::read_dir(directory) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotADirectory => Ok(false),
        Err(error) => Err(StoreError::io("read", directory)(error)),
    }
}

fn entries(directory: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let read = fs::read_dir(directory).map_err(StoreError::io("read", directory))?;
    read.map(|entry| Ok(entry.map_err(StoreError::io("read", directory))?.path()))
        .collect()
}

fn sync_all(path: &Path) -> Result<(), StoreError> {
    if path.is_dir() {
        for entry in entries(path)? {
            sync_all(&entry)?;
        }
    }
    sync(path)
}

fn sync(path: &Path) -> Result<(), StoreError> {
    File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(StoreError::io("sync", path))
}
