//! Up to where payments to wallets were read, and are facts in the circle.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::problem::Problem;

/// The cursors of one chain in a file. Losing it costs time only: everything is read again, and what is known is no news.
pub struct Cursors {
    path: PathBuf,
    // By address: a wallet that gets another one begins there anew.
    read: BTreeMap<String, u64>,
}

#[derive(Default, Serialize, Deserialize)]
struct File {
    read: BTreeMap<String, u64>,
}

impl Cursors {
    /// Those in `directory` of the chain `name`. A file that cannot be understood is as good as none.
    pub fn open(directory: &Path, name: &str) -> Result<Self, Problem> {
        std::fs::create_dir_all(directory)
            .map_err(|error| Problem::file("create", directory, error))?;
        let path = directory.join(format!("{name}.json"));
        let read = match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_else(|error| {
                tracing::warn!("{} is read from the beginning: {error}", path.display());
                File::default()
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => File::default(),
            Err(error) => return Err(Problem::file("read", &path, error)),
        };
        Ok(Self {
            path,
            read: read.read,
        })
    }

    /// Up to where an address was read.
    pub fn of(&self, address: &str) -> u64 {
        self.read.get(address).copied().unwrap_or(0)
    }

    /// Moves on.
    pub fn advance(&mut self, address: &str, cursor: u64) -> Result<(), Problem> {
        if cursor <= self.of(address) {
            return Ok(());
        }
        self.read.insert(address.to_owned(), cursor);
        let file = File {
            read: self.read.clone(),
        };
        let text = serde_json::to_vec_pretty(&file).unwrap_or_default();
        let directory = self.path.parent().unwrap_or(Path::new("."));
        let failed = |error| Problem::file("write", &self.path, error);
        let mut new = tempfile::NamedTempFile::new_in(directory).map_err(failed)?;
        new.write_all(&text).map_err(failed)?;
        new.persist(&self.path).map_err(|lost| failed(lost.error))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_is_found_again_and_never_goes_back() {
        let directory = tempfile::tempdir().unwrap();
        let open = || Cursors::open(directory.path(), "stellar-0").unwrap();
        let mut cursors = open();
        assert_eq!(cursors.of("GA"), 0);
        cursors.advance("GA", 70).unwrap();
        cursors.advance("GA", 60).unwrap();
        cursors.advance("GB", 5).unwrap();
        assert_eq!(
            (open().of("GA"), open().of("GB"), open().of("GC")),
            (70, 5, 0)
        );
    }

    #[test]
    fn a_damaged_file_means_the_beginning() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("stellar-0.json"), "{\"read\": [").unwrap();
        let mut cursors = Cursors::open(directory.path(), "stellar-0").unwrap();
        assert_eq!(cursors.of("GA"), 0);
        cursors.advance("GA", 1).unwrap();
        assert_eq!(
            Cursors::open(directory.path(), "stellar-0")
                .unwrap()
                .of("GA"),
            1
        );
    }
}
