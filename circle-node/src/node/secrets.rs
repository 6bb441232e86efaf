//! What of a guardian's secrets has to outlast a crash: seeds of running key ceremonies, shares of finished keys, and which
//! signing sessions were answered.
//!
//! Every file is readable by its owner only, appears whole, and is on the disk when the call returns. Signing nonces are
//! never here: they live in memory and die with the process.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use treasury_protocol::ceremony::keygen::Seed;
use treasury_protocol::ceremony::{CeremonyId, KeyShare};
use zeroize::Zeroizing;

use crate::problem::Problem;

/// The directory of one node's secrets.
pub struct Secrets {
    directory: PathBuf,
}

impl Secrets {
    /// The secrets in `directory`, which is made if it is missing.
    pub fn open(directory: PathBuf) -> Result<Self, Problem> {
        if !directory.is_dir() {
            let mut builder = fs::DirBuilder::new();
            builder.recursive(true);
            #[cfg(unix)]
            std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
            builder
                .create(&directory)
                .map_err(|error| Problem::file("create", &directory, error))?;
        }
        Ok(Self { directory })
    }

    /// The seed of a ceremony that this node takes part in.
    pub fn seed(&self, ceremony: &CeremonyId) -> Result<Option<Seed>, Problem> {
        let path = self.seed_path(ceremony);
        let Some(bytes) = read(&path)? else {
            return Ok(None);
        };
        let seed = <[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| damaged(&path))?;
        Ok(Some(Seed::from_bytes(seed)))
    }

    /// Draws the seed of a new ceremony and keeps it.
    pub fn new_seed(&self, ceremony: &CeremonyId) -> Result<Seed, Problem> {
        let seed = Seed::random(&mut rand::rngs::OsRng);
        self.write(&self.seed_path(ceremony), seed.as_bytes())?;
        Ok(seed)
    }

    /// Forgets the seed of an ended ceremony: it opens what was sent to this node.
    pub fn forget_seed(&self, ceremony: &CeremonyId) -> Result<(), Problem> {
        let path = self.seed_path(ceremony);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Problem::file("remove", &path, error))
            }
            _ => Ok(()),
        }
    }

    /// This node's share of the key that a ceremony made.
    pub fn share(&self, ceremony: &CeremonyId) -> Result<Option<KeyShare>, Problem> {
        let path = self.share_path(ceremony);
        let Some(bytes) = read(&path)? else {
            return Ok(None);
        };
        KeyShare::from_bytes(&bytes)
            .map(Some)
            .map_err(|_| damaged(&path))
    }

    /// Keeps this node's share of a key.
    pub fn keep_share(&self, ceremony: &CeremonyId, share: &KeyShare) -> Result<(), Problem> {
        self.write(&self.share_path(ceremony), &share.to_bytes())
    }

    /// Marks a signing session as answered. Fails if it was before: no session is ever answered twice.
    pub fn answer(&self, payout: &[u8; 32], session: u32) -> Result<(), Problem> {
        let path = self.answer_path(payout, session);
        let made = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)
            .and_then(|file| file.sync_all());
        made.and_then(|()| sync_directory(&self.directory))
            .map_err(|error| Problem::file("mark a session in", &path, error))
    }

    fn seed_path(&self, ceremony: &CeremonyId) -> PathBuf {
        self.directory
            .join(format!("seed-{}", hex::encode(ceremony.0)))
    }

    fn share_path(&self, ceremony: &CeremonyId) -> PathBuf {
        self.directory
            .join(format!("share-{}", hex::encode(ceremony.0)))
    }

    fn answer_path(&self, payout: &[u8; 32], session: u32) -> PathBuf {
        self.directory
            .join(format!("answered-{}-{session}", hex::encode(payout)))
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), Problem> {
        let at = |error| Problem::file("write", path, error);
        // A temporary file of this kind is readable by its owner only from the start.
        let mut file = tempfile::Builder::new()
            .prefix(".new-")
            .tempfile_in(&self.directory)
            .map_err(at)?;
        file.write_all(bytes)
            .and_then(|()| file.as_file().sync_all())
            .map_err(at)?;
        file.persist(path).map_err(|error| at(error.error))?;
        sync_directory(&self.directory).map_err(at)
    }
}

fn read(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, Problem> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(Zeroizing::new(bytes))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Problem::file("read", path, error)),
    }
}

fn damaged(path: &Path) -> Problem {
    Problem::new(
        "secrets.damaged",
        format!("{} is damaged", path.display()),
        "restore it from a backup",
    )
}

fn sync_directory(directory: &Path) -> io::Result<()> {
    if cfg!(unix) {
        File::open(directory)?.sync_all()
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_kept_until_it_is_forgotten_and_a_session_is_answered_once() {
        let directory = tempfile::tempdir().unwrap();
        let open = || Secrets::open(directory.path().join("secrets")).unwrap();
        let ceremony = CeremonyId([7; 32]);
        assert!(open().seed(&ceremony).unwrap().is_none());
        let seed = open().new_seed(&ceremony).unwrap();
        assert_eq!(
            open().seed(&ceremony).unwrap().unwrap().as_bytes(),
            seed.as_bytes()
        );
        open().forget_seed(&ceremony).unwrap();
        open().forget_seed(&ceremony).unwrap();
        assert!(open().seed(&ceremony).unwrap().is_none());

        let payout = [1; 32];
        open().answer(&payout, 0).unwrap();
        assert!(
            open().answer(&payout, 0).is_err(),
            "a session is never answered twice"
        );
        open().answer(&payout, 1).unwrap();
    }

    #[test]
    fn a_damaged_secret_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let secrets = Secrets::open(directory.path().into()).unwrap();
        let ceremony = CeremonyId([7; 32]);
        fs::write(secrets.seed_path(&ceremony), b"short").unwrap();
        fs::write(secrets.share_path(&ceremony), b"short").unwrap();
        assert!(
            secrets
                .seed(&ceremony)
                .unwrap_err()
                .reason
                .contains("seed-0707")
        );
        assert!(
            secrets
                .share(&ceremony)
                .unwrap_err()
                .reason
                .contains("share-0707")
        );
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read_them() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let secrets = Secrets::open(directory.path().join("secrets")).unwrap();
        secrets.new_seed(&CeremonyId([7; 32])).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&secrets.directory), 0o700);
        assert_eq!(mode(&secrets.seed_path(&CeremonyId([7; 32]))), 0o600);
    }
}
