//! What of a guardian's secrets has to outlast a crash: seeds of running key ceremonies, shares of finished keys, and which
//! signing sessions were answered.
//!
//! Every file is readable by its owner only, appears whole, and is on the disk when the call returns. What is secret is kept
//! as the home's [`Lock`] says. Signing nonces are never here: they live in memory and die with the process, so that neither a
//! restart nor a restored backup can use one again.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};

use ed25519_zebra::SigningKey;
use rand::RngCore as _;
use treasury_protocol::ceremony::keygen::Seed;
use treasury_protocol::ceremony::{CeremonyId, KeyShare};
use treasury_protocol::ethereum::OwnerKey;
use zeroize::Zeroizing;

use crate::durable;
use crate::problem::Problem;
use crate::vault::Lock;

/// The file with the key by which a guardian owns accounts on Stellar.
pub const STELLAR_OWNER: &str = "owner-stellar";
/// The file with the key by which a guardian owns Safes.
pub const ETHEREUM_OWNER: &str = "owner-ethereum";

/// The directory of one node's secrets.
pub struct Secrets {
    directory: PathBuf,
    lock: Lock,
    /// Shares that were read: they are asked for with every block.
    shares: BTreeMap<CeremonyId, KeyShare>,
}

impl Secrets {
    /// The secrets in `directory`, which is made if it is missing, kept as `lock` says.
    pub fn open(directory: PathBuf, lock: Lock) -> Result<Self, Problem> {
        durable::private_directory(&directory)
            .map_err(|error| Problem::file("create", &directory, error))?;
        Ok(Self {
            directory,
            lock,
            shares: BTreeMap::new(),
        })
    }

    /// The seed of a ceremony that this node takes part in.
    pub fn seed(&self, ceremony: &CeremonyId) -> Result<Option<Seed>, Problem> {
        let path = self.seed_path(ceremony);
        let Some(bytes) = self.lock.read(&path)? else {
            return Ok(None);
        };
        let seed = <[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| self.damaged(&path))?;
        Ok(Some(Seed::from_bytes(seed)))
    }

    /// Draws the seed of a new ceremony and keeps it.
    pub fn new_seed(&self, ceremony: &CeremonyId) -> Result<Seed, Problem> {
        let seed = Seed::random(&mut rand::rngs::OsRng);
        self.lock
            .write(&self.seed_path(ceremony), seed.as_bytes())?;
        Ok(seed)
    }

    /// Forgets the seed of an ended ceremony: it opens what was sent to this node.
    pub fn forget_seed(&self, ceremony: &CeremonyId) -> Result<(), Problem> {
        self.lock.remove(&self.seed_path(ceremony))
    }

    /// This node's share of the key that a ceremony made.
    pub fn share(&mut self, ceremony: &CeremonyId) -> Result<Option<KeyShare>, Problem> {
        if let Some(share) = self.shares.get(ceremony) {
            return Ok(Some(share.clone()));
        }
        let path = self.share_path(ceremony);
        let Some(bytes) = self.lock.read(&path)? else {
            return Ok(None);
        };
        let share = KeyShare::from_bytes(&bytes).ok();
        let share = share
            .filter(|share| share.ceremony() == *ceremony)
            .ok_or_else(|| self.damaged(&path))?;
        self.shares.insert(*ceremony, share.clone());
        Ok(Some(share))
    }

    /// Keeps this node's share of a key.
    pub fn keep_share(&self, ceremony: &CeremonyId, share: &KeyShare) -> Result<(), Problem> {
        self.lock
            .write(&self.share_path(ceremony), &share.to_bytes())
    }

    /// The key by which this guardian owns Safes.
    pub fn owner_key(&self) -> Result<Option<OwnerKey>, Problem> {
        self.ethereum_key(ETHEREUM_OWNER)
    }

    /// The key by which this guardian owns Safes; drawn and kept if there is none.
    pub fn new_owner_key(&self) -> Result<OwnerKey, Problem> {
        self.kept_ethereum_key(ETHEREUM_OWNER)
    }

    /// The key by which this guardian owns accounts on Stellar.
    pub fn stellar_owner_key(&self) -> Result<Option<SigningKey>, Problem> {
        let path = self.directory.join(STELLAR_OWNER);
        let Some(bytes) = self.lock.read(&path)? else {
            return Ok(None);
        };
        let seed = <[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| self.damaged(&path))?;
        Ok(Some(SigningKey::from(seed)))
    }

    /// The key by which this guardian owns accounts on Stellar; drawn and kept if there is none.
    pub fn new_stellar_owner_key(&self) -> Result<SigningKey, Problem> {
        if let Some(key) = self.stellar_owner_key()? {
            return Ok(key);
        }
        let mut seed = Zeroizing::new([0; 32]);
        rand::rngs::OsRng.fill_bytes(&mut *seed);
        let key = SigningKey::from(*seed);
        self.lock
            .write(&self.directory.join(STELLAR_OWNER), key.as_bytes())?;
        Ok(key)
    }

    /// The key that pays for what this node sends to an Ethereum chain; drawn and kept if there is none.
    pub fn relayer_key(&self, chain_id: u64) -> Result<OwnerKey, Problem> {
        self.kept_ethereum_key(&format!("relayer-{chain_id}"))
    }

    fn kept_ethereum_key(&self, name: &str) -> Result<OwnerKey, Problem> {
        if let Some(key) = self.ethereum_key(name)? {
            return Ok(key);
        }
        let key = OwnerKey::random(&mut rand::rngs::OsRng);
        self.lock
            .write(&self.directory.join(name), &*key.to_bytes())?;
        Ok(key)
    }

    fn ethereum_key(&self, name: &str) -> Result<Option<OwnerKey>, Problem> {
        let path = self.directory.join(name);
        let Some(bytes) = self.lock.read(&path)? else {
            return Ok(None);
        };
        let key = <[u8; 32]>::try_from(bytes.as_slice()).ok();
        let key = key.and_then(|bytes| OwnerKey::from_bytes(&bytes).ok());
        key.map(Some).ok_or_else(|| self.damaged(&path))
    }

    /// Marks a signing session as answered. Fails if it was before: no session is ever answered twice.
    pub fn answer(&self, payout: &[u8; 32], session: u32) -> Result<(), Problem> {
        let path = self.answer_path(payout, session);
        let made = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)
            .and_then(|file| file.sync_all());
        made.and_then(|()| durable::sync_directory(&self.directory))
            .map_err(|error| Problem::file("mark a session in", &path, error))
    }

    fn seed_path(&self, ceremony: &CeremonyId) -> PathBuf {
        self.directory
            .join(format!("seed-{}", hex::encode(ceremony.0)))
    }

    fn share_path(&self, ceremony: &CeremonyId) -> PathBuf {
        share_path(&self.directory, ceremony)
    }

    fn answer_path(&self, payout: &[u8; 32], session: u32) -> PathBuf {
        self.directory
            .join(format!("answered-{}-{session}", hex::encode(payout)))
    }

    fn damaged(&self, path: &Path) -> Problem {
        Problem::new(
            "secrets.damaged",
            format!("{} is damaged", self.lock.file(path).display()),
            "restore it from a backup",
        )
    }
}

/// Where the share of a ceremony's key is kept in the directory `secrets`.
pub fn share_path(secrets: &Path, ceremony: &CeremonyId) -> PathBuf {
    secrets.join(format!("share-{}", hex::encode(ceremony.0)))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::vault::Identity;

    fn locks() -> [Lock; 2] {
        [Lock::Open, Lock::age(Identity::generate())]
    }

    #[test]
    fn a_seed_is_kept_until_it_is_forgotten_and_a_session_is_answered_once() {
        for lock in locks() {
            let directory = tempfile::tempdir().unwrap();
            let open = || Secrets::open(directory.path().join("secrets"), lock.clone()).unwrap();
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
    }

    #[test]
    fn a_damaged_secret_is_named() {
        for lock in locks() {
            let directory = tempfile::tempdir().unwrap();
            let mut secrets = Secrets::open(directory.path().into(), lock.clone()).unwrap();
            let ceremony = CeremonyId([7; 32]);
            lock.write(&secrets.seed_path(&ceremony), b"short").unwrap();
            lock.write(&secrets.share_path(&ceremony), b"short")
                .unwrap();
            let seed = secrets.seed(&ceremony).unwrap_err();
            let share = secrets.share(&ceremony).unwrap_err();
            assert!(seed.reason.contains("seed-0707"), "{seed}");
            assert!(share.reason.contains("share-0707"), "{share}");
        }
    }

    #[test]
    fn nothing_secret_is_on_the_disk_in_the_clear() {
        let directory = tempfile::tempdir().unwrap();
        let lock = Lock::age(Identity::generate());
        let secrets = Secrets::open(directory.path().into(), lock).unwrap();
        let seed = secrets.new_seed(&CeremonyId([7; 32])).unwrap();
        for entry in fs::read_dir(directory.path()).unwrap() {
            let bytes = fs::read(entry.unwrap().path()).unwrap();
            assert!(!bytes.windows(32).any(|window| window == seed.as_bytes()));
        }
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read_them() {
        use std::os::unix::fs::PermissionsExt;
        for lock in locks() {
            let directory = tempfile::tempdir().unwrap();
            let secrets = Secrets::open(directory.path().join("secrets"), lock.clone()).unwrap();
            secrets.new_seed(&CeremonyId([7; 32])).unwrap();
            let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
            let seed = lock.file(&secrets.seed_path(&CeremonyId([7; 32])));
            assert_eq!(mode(&secrets.directory), 0o700);
            assert_eq!(mode(&seed), 0o600);
        }
    }
}
