//! Changes of protection, and crashes at every point of each.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;
use crate::config::{Config, Ordering};
use crate::keyring::Keyring;
use crate::vault::{SealError, establish, open_with_identity, unlock};

const PASSPHRASES: [&str; 2] = ["the first passphrase", "the second passphrase"];

/// A home with a key, a share, a seed and the mark of an answered session.
struct Place {
    directory: tempfile::TempDir,
    home: Home,
}

impl Place {
    fn new(protection: Protection) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for (index, passphrase) in PASSPHRASES.iter().enumerate() {
            std::fs::write(directory.path().join(format!("{index}.txt")), passphrase).unwrap();
        }
        let home = Home::new(directory.path().join("home"));
        let place = Self { directory, home };
        let secrets = SecretsConfig {
            protection,
            identity: (protection == Protection::Identity).then(|| place.identity(0)),
        };
        durable::private_directory(&place.home.secrets()).unwrap();
        place
            .home
            .write_config(&Config {
                guardian: "ada".into(),
                listen: Vec::new(),
                api: "127.0.0.1:9800".parse().unwrap(),
                members: BTreeMap::new(),
                ordering: Ordering::default(),
                chains: Vec::new(),
                secrets: secrets.clone(),
            })
            .unwrap();
        let lock = establish(&place.home, &secrets, &place.passphrase(0)).unwrap();
        Keyring::locked(place.home.keys(), lock.clone())
            .key("ada")
            .unwrap();
        for name in ["share-01", "seed-02"] {
            let bytes = format!("the secret bytes of {name}");
            lock.write(&place.home.secrets().join(name), bytes.as_bytes())
                .unwrap();
        }
        std::fs::write(place.home.secrets().join("answered-03-0"), b"").unwrap();
        place
    }

    fn identity(&self, index: usize) -> PathBuf {
        self.directory.path().join(format!("{index}.identity"))
    }

    fn passphrase(&self, index: usize) -> Source {
        Source::File(self.directory.path().join(format!("{index}.txt")))
    }

    fn target(&self, protection: Protection) -> Target {
        match protection {
            Protection::None => Target::None,
            Protection::Passphrase => Target::Passphrase(self.passphrase(1)),
            Protection::Identity => Target::Identity(self.identity(1)),
        }
    }

    /// The lock that counts now, by whichever passphrase opens it; and whether that is the old one.
    fn lock(&self) -> Lock {
        let secrets = self.home.read_config().unwrap().secrets;
        unlock(&self.home, &secrets, &self.passphrase(0))
            .or_else(|_| unlock(&self.home, &secrets, &self.passphrase(1)))
            .unwrap()
    }

    /// All secrets, as the lock that counts opens them.
    fn secrets(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let lock = self.lock();
        let read = |path: PathBuf| {
            let bytes = lock.read(&path).unwrap().unwrap().to_vec();
            (path, bytes)
        };
        files(&self.home).unwrap().into_iter().map(read).collect()
    }

    /// The secrets are kept in one form only, and what is encrypted is nowhere in the clear.
    fn is_tidy(&self, secrets: &BTreeMap<PathBuf, Vec<u8>>) {
        let lock = self.lock();
        let kept: Vec<PathBuf> = secrets.keys().map(|path| lock.file(path)).collect();
        for directory in [self.home.keys(), self.home.secrets()] {
            for entry in std::fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                let expected =
                    kept.contains(&path) || name == "identity.age" || name == "answered-03-0";
                assert!(expected, "{} is left", path.display());
                let bytes = std::fs::read(&path).unwrap();
                let clear = secrets
                    .values()
                    .any(|secret| bytes.windows(secret.len()).any(|window| window == secret));
                assert_eq!(
                    clear,
                    matches!(lock, Lock::Open) && kept.contains(&path),
                    "{}",
                    path.display()
                );
            }
        }
    }

    fn switch(&self, protection: Protection, step: &mut dyn FnMut(&str)) {
        switch(&self.home, &self.lock(), &self.target(protection), step).unwrap();
    }
}

const ALL: [Protection; 3] = [
    Protection::None,
    Protection::Passphrase,
    Protection::Identity,
];

#[test]
fn every_protection_can_be_changed_into_every_other() {
    for old in ALL {
        for new in ALL {
            let place = Place::new(old);
            let before = place.secrets();
            assert_eq!(before.len(), 3);
            place.switch(new, &mut |_| {});
            assert_eq!(place.secrets(), before, "{old:?} to {new:?}");
            place.is_tidy(&before);
            let config = place.home.read_config().unwrap();
            assert_eq!(config.secrets.protection, new);
            assert_eq!(
                place.home.identity().exists(),
                new == Protection::Passphrase,
                "{old:?} to {new:?}"
            );
        }
    }
}

#[test]
fn a_crash_at_any_point_leaves_a_home_that_opens() {
    for old in ALL {
        for new in ALL {
            let mut crashes = 0;
            loop {
                let place = Place::new(old);
                let before = place.secrets();
                let mut left = crashes;
                let crashed = catch_unwind(AssertUnwindSafe(|| {
                    place.switch(new, &mut |_| {
                        assert_ne!(left, 0, "the process ends here");
                        left -= 1;
                    });
                }))
                .is_err();
                assert_eq!(place.secrets(), before, "{old:?} to {new:?}, {crashes}");
                // What a node does when it starts.
                finish(&place.home, &place.lock(), &mut |_| {}).unwrap();
                assert_eq!(place.secrets(), before, "{old:?} to {new:?}, {crashes}");
                place.is_tidy(&before);
                // And the change can be asked for again.
                place.switch(new, &mut |_| {});
                assert_eq!(place.secrets(), before, "{old:?} to {new:?}, {crashes}");
                place.is_tidy(&before);
                assert_eq!(place.home.read_config().unwrap().secrets.protection, new);
                if !crashed {
                    break;
                }
                crashes += 1;
            }
            assert!(crashes > 7, "{old:?} to {new:?}: {crashes} points");
        }
    }
}

#[test]
fn the_old_identity_and_the_old_passphrase_open_nothing_any_more() {
    let place = Place::new(Protection::Identity);
    let old = place.lock();
    place.switch(Protection::Identity, &mut |_| {});
    let Lock::Age(identity) = &old else {
        panic!("{old:?}")
    };
    for path in files(&place.home).unwrap() {
        let sealed = std::fs::read(place.lock().file(&path)).unwrap();
        assert_eq!(
            open_with_identity(identity, &sealed),
            Err(SealError::OtherIdentity)
        );
    }

    let place = Place::new(Protection::Passphrase);
    place.switch(Protection::Passphrase, &mut |_| {});
    let secrets = place.home.read_config().unwrap().secrets;
    let refused = unlock(&place.home, &secrets, &place.passphrase(0)).unwrap_err();
    assert_eq!(refused.code, "secrets.passphrase");
    assert!(
        refused.reason.contains("identity.age"),
        "it says where: {refused}"
    );
    unlock(&place.home, &secrets, &place.passphrase(1)).unwrap();
}

#[test]
fn a_file_in_the_clear_among_encrypted_ones_is_taken_in_and_what_cannot_be_opened_changes_nothing()
{
    let place = Place::new(Protection::Identity);
    let stray = place.home.keys().join("bob.key");
    std::fs::write(&stray, b"the secret bytes of bob").unwrap();
    place.switch(Protection::Identity, &mut |_| {});
    let secrets = place.secrets();
    assert_eq!(secrets[&stray], b"the secret bytes of bob");
    place.is_tidy(&secrets);

    let damaged = place.lock().file(&place.home.secrets().join("share-01"));
    std::fs::write(&damaged, b"nothing of age").unwrap();
    let lock = place.lock();
    let refused = switch(&place.home, &lock, &Target::None, &mut |_| {}).unwrap_err();
    assert_eq!(refused.code, "secrets.damaged");
    assert!(!mark(&place.home).exists(), "nothing was begun");
    assert_eq!(
        place.home.read_config().unwrap().secrets.protection,
        Protection::Identity
    );
    assert!(lock.read(&stray).unwrap().is_some());
}

#[test]
fn a_missing_identity_is_named_with_what_to_do() {
    for (protection, name) in [
        (Protection::Passphrase, "identity.age"),
        (Protection::Identity, "0.identity"),
    ] {
        let place = Place::new(protection);
        let secrets = place.home.read_config().unwrap().secrets;
        let path = match protection {
            Protection::Passphrase => place.home.identity(),
            _ => place.identity(0),
        };
        std::fs::remove_file(path).unwrap();
        let refused = unlock(&place.home, &secrets, &place.passphrase(0)).unwrap_err();
        assert_eq!(refused.code, "secrets.identity_missing");
        assert!(refused.reason.contains(name) && !refused.mend.is_empty());
    }
}
