//! A key of a funded Stellar account that pays fees: of anybody, and of no wallet.

use std::path::{Path, PathBuf};

use ed25519_zebra::SigningKey;
use treasury_protocol::stellar;
use zeroize::Zeroizing;

use crate::cli::acting;
use crate::keyring;
use crate::problem::Problem;
use crate::vault::{self, Source};

/// What every file that age encrypted begins with.
const AGE: &[u8] = b"age-encryption.org/v1\n";

/// Options that name the key.
#[derive(Debug, clap::Args)]
pub struct HotKey {
    /// The file of the key that pays: a key file of this program, or a text with the secret key S… that a Stellar wallet shows.
    /// Either may be encrypted with age.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The age identity file that opens it, if it was encrypted to a recipient.
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
    /// A file whose first line is the passphrase that opens it, or the home in which it lies. Without: as with `circle start`.
    #[arg(long, value_name = "FILE", conflicts_with = "identity")]
    passphrase_file: Option<PathBuf>,
}

impl HotKey {
    /// Reads the key.
    pub fn read(&self) -> Result<SigningKey, Problem> {
        let path = &self.key;
        let bytes = std::fs::read(path).map_err(|error| Problem::file("read", path, error))?;
        let bytes = Zeroizing::new(bytes);
        match bytes.starts_with(AGE) {
            true => parse(path, &self.open(path, &bytes)?),
            false => parse(path, &bytes),
        }
    }

    fn open(&self, path: &Path, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Problem> {
        let source = Source::find(self.passphrase_file.as_deref());
        let home = path.parent().and_then(acting::home_around);
        if let (None, Some(home)) = (&self.identity, home) {
            let lock = vault::unlock(&home, &home.read_config()?.secrets, &source)?;
            // What is kept encrypted goes by its name without the ending.
            let read = lock.read(&path.with_extension(""))?;
            return read.ok_or_else(|| unreadable(path, "the home does not keep it encrypted"));
        }
        let opened = match &self.identity {
            Some(identity) => vault::open_with_identity(&vault::read_identity(identity)?, sealed),
            None => {
                let passphrase = source.existing(&path.display().to_string())?;
                vault::open_with_passphrase(&passphrase, sealed)
            }
        };
        opened.map_err(|error| unreadable(path, error))
    }
}

fn parse(path: &Path, bytes: &[u8]) -> Result<SigningKey, Problem> {
    let text = std::str::from_utf8(bytes).map_err(|_| unreadable(path, "a key file is text"))?;
    let name = text.lines().find_map(|line| line.strip_prefix("name "));
    match name {
        Some(name) => keyring::parse(text, name).map_err(|reason| unreadable(path, reason)),
        None => stellar::seed_of_secret(text.trim())
            .map(|seed| SigningKey::from(*seed))
            .map_err(|error| unreadable(path, error)),
    }
}

fn unreadable(path: &Path, reason: impl std::fmt::Display) -> Problem {
    let reason = format!("{} holds no key that can be used: {reason}", path.display());
    let mend = "name a key file of this program, or a text file with the secret key S… of a Stellar account; --identity or --passphrase-file opens one that age encrypted";
    Problem::new("bump.key", reason, mend)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::{Identity, seal_to};

    fn hot(key: &Path, identity: Option<&Path>) -> Result<SigningKey, Problem> {
        let named = HotKey {
            key: key.to_owned(),
            identity: identity.map(Path::to_owned),
            passphrase_file: None,
        };
        named.read()
    }

    #[test]
    fn a_key_is_read_from_what_this_program_and_what_stellar_wallets_write() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let wanted = SigningKey::from([7; 32]);
        let ours = keyring::text("alice", &wanted);
        // The secret of the seed of 32 sevens, by the Python SDK.
        let wallet = "SADQOBYHA4DQOBYHA4DQOBYHA4DQOBYHA4DQOBYHA4DQOBYHA4DQP54X\n";
        let identity = Identity::generate();
        let secret = age::secrecy::ExposeSecret::expose_secret(&identity.to_string()).to_owned();
        std::fs::write(at("identity"), secret).unwrap();
        for (name, text) in [("ours.key", &**ours), ("wallet.txt", wallet)] {
            std::fs::write(at(name), text).unwrap();
            assert_eq!(hot(&at(name), None).unwrap().as_bytes(), wanted.as_bytes());
            let sealed = at(&format!("{name}.age"));
            std::fs::write(&sealed, seal_to(&[identity.to_public()], text.as_bytes())).unwrap();
            let opened = hot(&sealed, Some(&at("identity"))).unwrap();
            assert_eq!(opened.as_bytes(), wanted.as_bytes());
        }
    }

    #[test]
    fn what_is_no_key_is_refused_without_being_shown() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("wallet.txt");
        let mistyped = "SADQOBYHA4DQOBYHA4DQOBYHA4DQOBYHA4DQOBYHA4DQOBYHA4DQP54Q";
        for text in [mistyped, "", "name x\nsecret 07", "\u{7f}"] {
            std::fs::write(&path, text).unwrap();
            let problem = hot(&path, None).unwrap_err();
            assert_eq!(problem.code, "bump.key");
            assert!(!problem.to_string().contains("SADQ"), "{problem}");
        }
    }
}
