//! How the secret files of one home are kept, and reading and writing them so.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use age::x25519::{Identity, Recipient};
use zeroize::Zeroizing;

use super::seal::{self, SealError};
use crate::config::Home;
use crate::durable::{self, Readers};
use crate::problem::Problem;

/// What encrypted files end with.
pub(super) const SUFFIX: &str = "age";

/// How the secret files of a home are kept.
#[derive(Clone)]
pub enum Lock {
    /// In the clear, readable by their owner only.
    Open,
    /// Encrypted to this identity.
    Age(Arc<Identity>),
}

impl fmt::Debug for Lock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => formatter.write_str("Open"),
            Self::Age(_) => formatter.write_str("Age(<redacted>)"),
        }
    }
}

impl Lock {
    /// Encrypted to `identity`.
    pub fn age(identity: Identity) -> Self {
        Self::Age(Arc::new(identity))
    }

    /// The name under which the secret called `path` is kept.
    pub fn file(&self, path: &Path) -> PathBuf {
        match self {
            Self::Open => path.to_owned(),
            Self::Age(_) => sealed(path),
        }
    }

    /// The secret called `path`.
    pub fn read(&self, path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, Problem> {
        let file = self.file(path);
        let Some(bytes) = read(&file)? else {
            return self.explain_absence(path);
        };
        match self {
            Self::Open => Ok(Some(bytes)),
            Self::Age(identity) => seal::open_with_identity(identity, &bytes)
                .map(Some)
                .map_err(|error| cannot_open(&file, error)),
        }
    }

    /// Keeps a secret under the name `path`, in place of an older one.
    pub fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), Problem> {
        let file = self.file(path);
        durable::write(&file, &self.sealed(bytes), Readers::Owner)
            .map_err(|error| Problem::file("write", &file, error))
    }

    /// Keeps a secret under the name `path`, unless there is one, as [`durable::create`] does. Gives whether it did.
    pub fn create(&self, path: &Path, bytes: &[u8]) -> io::Result<bool> {
        durable::create(&self.file(path), &self.sealed(bytes), Readers::Owner)
    }

    /// Forgets the secret called `path`.
    pub fn remove(&self, path: &Path) -> Result<(), Problem> {
        let file = self.file(path);
        durable::remove(&file).map_err(|error| Problem::file("remove", &file, error))
    }

    pub(super) fn recipient(&self) -> Option<Recipient> {
        match self {
            Self::Open => None,
            Self::Age(identity) => Some(identity.to_public()),
        }
    }

    fn sealed(&self, bytes: &[u8]) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(match self.recipient() {
            None => bytes.to_vec(),
            Some(recipient) => seal::seal_to(&[recipient], bytes),
        })
    }

    /// Nothing is there, unless the secret is there in the other form: then somebody has to decide.
    fn explain_absence<T>(&self, path: &Path) -> Result<Option<T>, Problem> {
        let (other, reason, mend) = match self {
            Self::Open => (
                sealed(path),
                "is encrypted, but circle.toml says that secrets are not",
                "set `protection` in [secrets] of circle.toml back to what it was",
            ),
            Self::Age(_) => (
                path.to_owned(),
                "is not encrypted, but circle.toml says that secrets are",
                "run `circle treasury protect` with the protection that circle.toml names: it encrypts what is not",
            ),
        };
        match other.try_exists() {
            Ok(false) => Ok(None),
            Ok(true) => Err(Problem::new(
                "secrets.other_form",
                format!("{} {reason}", other.display()),
                mend,
            )),
            Err(error) => Err(Problem::file("read", &other, error)),
        }
    }
}

/// The name of the encrypted form of `path`.
pub(super) fn sealed(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".");
    name.push(SUFFIX);
    name.into()
}

/// The bytes of a file, if it is there.
pub(super) fn read(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, Problem> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(Zeroizing::new(bytes))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Problem::file("read", path, error)),
    }
}

pub(super) fn cannot_open(file: &Path, error: SealError) -> Problem {
    let (code, mend) = match error {
        SealError::WrongPassphrase => (
            "secrets.passphrase",
            "try again; a file that does not open with the right one is damaged: restore it from a backup",
        ),
        SealError::OtherIdentity | SealError::ByPassphrase | SealError::ToIdentity => (
            "secrets.identity",
            "check `identity` in [secrets] of circle.toml, and that the file belongs to this home",
        ),
        SealError::Work { .. } => ("secrets.work", "take the file from a backup"),
        SealError::Damaged => (
            "secrets.damaged",
            "restore it from a backup with `circle treasury restore`",
        ),
    };
    Problem::new(
        code,
        format!("{} cannot be opened: {error}", file.display()),
        mend,
    )
}

/// A home that nobody else changes, until this is dropped.
#[derive(Debug)]
pub struct Held(#[allow(dead_code, reason = "the lock lasts as long as the file is open")] File);

/// Holds a home: one node runs in it, or its protection is changed, never both.
pub fn hold(home: &Home) -> Result<Held, Problem> {
    let path = home.path().join(".lock");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|error| Problem::file("open", &path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(Held(file)),
        Err(TryLockError::WouldBlock) => Err(Problem::new(
            "home.busy",
            format!("{} is in use by its node", home.path().display()),
            "stop the node first: press Ctrl-C where `circle start` runs, or stop its service",
        )),
        Err(TryLockError::Error(error)) => Err(Problem::file("lock", &path, error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_kept_in_the_form_of_its_lock() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("share-1");
        for lock in [Lock::Open, Lock::age(Identity::generate())] {
            assert!(lock.read(&path).unwrap().is_none());
            lock.write(&path, b"a secret").unwrap();
            assert_eq!(lock.read(&path).unwrap().unwrap().as_slice(), b"a secret");
            let on_disk = fs::read(lock.file(&path)).unwrap();
            assert_eq!(on_disk == b"a secret", matches!(lock, Lock::Open));
            assert!(!lock.create(&path, b"another").unwrap());
            lock.remove(&path).unwrap();
            lock.remove(&path).unwrap();
            assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
        }
    }

    #[test]
    fn what_cannot_be_read_is_named_with_a_mend() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("share-1");
        let (ours, theirs) = (
            Lock::age(Identity::generate()),
            Lock::age(Identity::generate()),
        );
        let check = |lock: &Lock, code: &str| {
            let problem = lock.read(&path).unwrap_err();
            assert_eq!(problem.code, code, "{problem}");
            assert!(problem.reason.contains("share-1") && !problem.mend.is_empty());
        };
        ours.write(&path, b"a secret").unwrap();
        check(&theirs, "secrets.identity");
        check(&Lock::Open, "secrets.other_form");
        let file = ours.file(&path);
        let whole = fs::read(&file).unwrap();
        fs::write(&file, &whole[..whole.len() - 1]).unwrap();
        check(&ours, "secrets.damaged");
        fs::remove_file(&file).unwrap();
        Lock::Open.write(&path, b"a secret").unwrap();
        check(&ours, "secrets.other_form");
        assert_eq!(format!("{ours:?}"), "Age(<redacted>)");
    }

    #[test]
    fn a_home_is_held_once() {
        let directory = tempfile::tempdir().unwrap();
        let home = Home::new(directory.path());
        let held = hold(&home).unwrap();
        assert_eq!(hold(&home).unwrap_err().code, "home.busy");
        drop(held);
        hold(&home).unwrap();
    }
}
