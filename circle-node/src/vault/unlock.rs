//! From the configuration of a home to the lock of its secrets.

use std::path::{Path, PathBuf};

use age::secrecy::ExposeSecret as _;
use age::x25519::Identity;
use zeroize::Zeroizing;

use super::lock::{Lock, cannot_open, read};
use super::passphrase::{Passphrase, Source};
use super::seal;
use crate::config::{Home, Protection, SecretsConfig};
use crate::durable::{self, Readers};
use crate::problem::Problem;

/// The lock of a home that is there.
///
/// With a passphrase this takes a second: once, when a node starts or a command needs a secret.
pub fn unlock(home: &Home, secrets: &SecretsConfig, passphrase: &Source) -> Result<Lock, Problem> {
    match secrets.protection {
        Protection::None => Ok(Lock::Open),
        Protection::Passphrase => {
            let path = home.identity();
            let Some(sealed) = read(&path)? else {
                return Err(Problem::new(
                    "secrets.identity_missing",
                    format!(
                        "{} is missing: it opens all secrets of this home",
                        path.display()
                    ),
                    "restore a backup with `circle treasury restore`",
                ));
            };
            let passphrase = passphrase.existing(&home.path().display().to_string())?;
            let text = seal::open_with_passphrase(&passphrase, &sealed)
                .map_err(|error| cannot_open(&path, error))?;
            parse(&path, &text).map(Lock::age)
        }
        Protection::Identity => read_identity(&identity_file(home, secrets)?).map(Lock::age),
    }
}

/// Where the identity of a home is that is protected by one.
pub fn identity_file(home: &Home, secrets: &SecretsConfig) -> Result<PathBuf, Problem> {
    // A relative path is meant from the home.
    let named = secrets.identity.as_ref().map(|path| home.path().join(path));
    named.ok_or_else(|| {
        Problem::new(
            "secrets.identity",
            format!(
                "{} does not say where the identity is",
                home.config().display()
            ),
            "set `identity` in [secrets] to the path of the age identity file",
        )
    })
}

/// Reads an age identity file, as `age-keygen` and this program write it.
pub fn read_identity(path: &Path) -> Result<Identity, Problem> {
    match read(path)? {
        Some(text) => parse(path, &text),
        None => Err(Problem::new(
            "secrets.identity_missing",
            format!("the identity file {} is missing", path.display()),
            "plug in what it is on, or name it where it is now",
        )),
    }
}

/// The one identity in a file.
fn parse(path: &Path, text: &[u8]) -> Result<Identity, Problem> {
    let malformed = |what: &str| {
        Problem::new(
            "secrets.identity",
            format!("{} {what}", path.display()),
            "name a file with one line AGE-SECRET-KEY-1…, as `age-keygen` and `circle` make it",
        )
    };
    let text = std::str::from_utf8(text).map_err(|_| malformed("is no text"))?;
    let mut lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let (Some(line), None) = (lines.next(), lines.next()) else {
        return Err(malformed("does not hold one identity"));
    };
    line.parse().map_err(|_| malformed("holds no age identity"))
}

/// An identity as a file.
pub(super) fn identity_text(identity: &Identity) -> Zeroizing<String> {
    let secret = identity.to_string();
    let mut text = Zeroizing::new(String::with_capacity(512));
    text.push_str(
        "# The age identity that opens the secrets of a guardian's node. Its public key is\n# ",
    );
    text.push_str(&identity.to_public().to_string());
    text.push('\n');
    text.push_str(secret.expose_secret());
    text.push('\n');
    text
}

/// The identity in the file at `path`, which is made if it is missing.
pub(super) fn identity_at(path: &Path) -> Result<Identity, Problem> {
    let at = |error| Problem::file("write", path, error);
    if read(path)?.is_none() {
        durable::private_directory(&durable::directory_of(path)).map_err(at)?;
        let identity = Identity::generate();
        // Whoever else made it at the same time was first, and is read below.
        durable::create(path, identity_text(&identity).as_bytes(), Readers::Owner)
            .and_then(|_| durable::sync_directory(&durable::directory_of(path)))
            .map_err(at)?;
    }
    read_identity(path)
}

/// Makes a new identity that `passphrase` opens, in place of the one that the home had.
pub(super) fn new_identity(home: &Home, passphrase: &Passphrase) -> Result<Identity, Problem> {
    let (path, identity) = (home.identity(), Identity::generate());
    let at = |error| Problem::file("write", &path, error);
    let sealed = seal::Sealer::By(passphrase.clone()).seal(identity_text(&identity).as_bytes());
    durable::private_directory(&durable::directory_of(&path)).map_err(at)?;
    durable::write(&path, &sealed, Readers::Owner).map_err(at)?;
    Ok(identity)
}

/// The lock of a new home, which has no secrets yet.
pub fn establish(
    home: &Home,
    secrets: &SecretsConfig,
    passphrase: &Source,
) -> Result<Lock, Problem> {
    match secrets.protection {
        Protection::None => Ok(Lock::Open),
        Protection::Passphrase => {
            let passphrase = passphrase.new_for(&home.path().display().to_string())?;
            new_identity(home, &passphrase).map(Lock::age)
        }
        Protection::Identity => identity_at(&identity_file(home, secrets)?).map(Lock::age),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_file_is_made_once_and_read_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("stick/identity.txt");
        let made = identity_at(&path).unwrap();
        let again = identity_at(&path).unwrap();
        assert_eq!(made.to_public(), again.to_public());
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 3);
        assert!(text.lines().nth(2).unwrap().starts_with("AGE-SECRET-KEY-1"));
    }

    #[test]
    fn what_is_no_identity_is_said_without_showing_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("identity.txt");
        assert_eq!(
            read_identity(&path).err().unwrap().code,
            "secrets.identity_missing"
        );
        let two = format!(
            "{}{}",
            *identity_text(&Identity::generate()),
            *identity_text(&Identity::generate())
        );
        for text in ["", "# nothing\n", "AGE-SECRET-KEY-1QQQQ\n", two.as_str()] {
            std::fs::write(&path, text).unwrap();
            let problem = read_identity(&path).err().unwrap();
            assert_eq!(problem.code, "secrets.identity");
            assert!(
                problem.reason.contains("identity.txt") && !problem.to_string().contains("QQQQ"),
                "{problem}"
            );
        }
    }
}
