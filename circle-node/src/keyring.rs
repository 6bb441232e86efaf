//! A directory with one ed25519 key per name.
//!
//! `NAME.key` is a text file of four lines, readable by its owner only:
//! ```text
//! guardian-circle-key 1
//! name alice
//! public 64 hexadecimal digits
//! secret 64 hexadecimal digits
//! ```
//! The secret is the 32-byte seed of RFC 8032. In a home whose secrets are encrypted, the text is in `NAME.key.age`. A file is made in one step and never overwritten, so any number of
//! processes may ask for the same new name at once: all get the same key.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use circle::check_name;
use circle::ids::Key;
use ed25519_zebra::SigningKey;
use rand::RngCore;
use zeroize::Zeroizing;

use crate::durable;
use crate::problem::Problem;
use crate::vault::Lock;

const TITLE: &str = "guardian-circle-key 1";
/// How many threads make keys, and for how few of them none is started.
const THREADS: usize = 16;
const KEYS_PER_THREAD: usize = 8;

/// Why a key is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// A name that no account can have.
    #[error(
        "{name:?} cannot be a key's name; use 1 to 64 letters, digits, '.', '_' or '-', starting with a letter or digit"
    )]
    Name {
        /// The name.
        name: String,
    },
    /// The directory or a file in it cannot be read or written.
    #[error("{path}: {error}; check the path and its permissions")]
    Io {
        /// What was used.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A file is not in the form of a key.
    #[error(
        "{path}: {reason}; restore the file from a backup, or move it away to have a new key made"
    )]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: &'static str,
    },
    /// The file cannot be read or opened.
    #[error("{}; {}", .0.reason, .0.mend)]
    Locked(Problem),
    /// There is no such key, and none was to be made.
    #[error("{path} is missing; make it with `circle iou make`, or copy it here")]
    Missing {
        /// The file.
        path: PathBuf,
    },
}

/// A directory of keys; those that were used stay in memory.
pub struct Keyring {
    directory: PathBuf,
    lock: Lock,
    keys: BTreeMap<String, SigningKey>,
    created: Vec<String>,
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Keyring")
            .field("directory", &self.directory)
            .field("keys", &"<redacted>")
            .finish()
    }
}

impl Keyring {
    /// The keys in `directory`, in the clear. It is made when the first key is.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self::locked(directory, Lock::Open)
    }

    /// The keys in `directory`, kept as `lock` says.
    pub fn locked(directory: impl Into<PathBuf>, lock: Lock) -> Self {
        Self {
            directory: directory.into(),
            lock,
            keys: BTreeMap::new(),
            created: Vec::new(),
        }
    }

    /// The names of the keys that this keyring made, in order.
    pub fn created(&self) -> &[String] {
        &self.created
    }

    /// The key of `name`, from its file or, if there is none, made and kept there.
    pub fn key(&mut self, name: &str) -> Result<&SigningKey, KeyringError> {
        if !self.keys.contains_key(name) {
            self.ensure([name])?;
        }
        Ok(&self.keys[name])
    }

    /// Reads the keys of `names` and makes those that are missing, many at a time: each has to reach the disk.
    pub fn ensure<'a>(
        &mut self,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Result<(), KeyringError> {
        let names = names
            .into_iter()
            .filter(|name| !self.keys.contains_key(*name));
        let wanted: BTreeSet<&str> = names.collect();
        let wanted = wanted.into_iter().map(|name| Ok((name, self.path(name)?)));
        let wanted: Vec<(&str, PathBuf)> = wanted.collect::<Result<_, KeyringError>>()?;
        let lock = &self.lock;
        let work = |part: &[(&str, PathBuf)]| -> Result<Vec<(SigningKey, bool)>, KeyringError> {
            part.iter()
                .map(|(name, path)| read_or_create(lock, path, name))
                .collect()
        };
        let per_thread = wanted.len().div_ceil(THREADS).max(KEYS_PER_THREAD);
        let found: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = wanted
                .chunks(per_thread)
                .skip(1)
                .map(|part| scope.spawn(|| work(part)))
                .collect();
            // The first part is done here, so that a few keys need no thread.
            let mut found: Vec<_> = wanted.chunks(per_thread).take(1).map(work).collect();
            let join = |thread: std::thread::ScopedJoinHandle<'_, _>| {
                thread
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            found.extend(threads.into_iter().map(join));
            found
        });
        let found = found.into_iter().collect::<Result<Vec<_>, _>>()?.concat();
        for ((name, _), (key, made)) in wanted.iter().zip(&found) {
            self.keys.insert((*name).to_owned(), *key);
            if *made {
                self.created.push((*name).to_owned());
            }
        }
        match found.iter().any(|(_, made)| *made) {
            true => durable::sync_directory(&self.directory_or_here()).map_err(|error| {
                KeyringError::Io {
                    path: self.directory.clone(),
                    error,
                }
            }),
            false => Ok(()),
        }
    }

    /// The key of `name`. Errors: [`KeyringError::Missing`] and the others.
    pub fn existing(&mut self, name: &str) -> Result<&SigningKey, KeyringError> {
        if !self.keys.contains_key(name) {
            let path = self.path(name)?;
            let key = read(&self.lock, &path, name)?.ok_or_else(|| KeyringError::Missing {
                path: self.lock.file(&path),
            })?;
            self.keys.insert(name.to_owned(), key);
        }
        Ok(&self.keys[name])
    }

    fn directory_or_here(&self) -> PathBuf {
        match self.directory.as_os_str().is_empty() {
            true => PathBuf::from("."),
            false => self.directory.clone(),
        }
    }

    fn path(&self, name: &str) -> Result<PathBuf, KeyringError> {
        check_name(name).map_err(|_| KeyringError::Name {
            name: name.to_owned(),
        })?;
        Ok(self.directory.join(format!("{name}.key")))
    }
}

/// The key in a file, or a new one that is kept there, and whether it is new.
fn read_or_create(
    lock: &Lock,
    path: &Path,
    name: &str,
) -> Result<(SigningKey, bool), KeyringError> {
    match read(lock, path, name)? {
        Some(key) => Ok((key, false)),
        None => create(lock, path, name),
    }
}

fn create(lock: &Lock, path: &Path, name: &str) -> Result<(SigningKey, bool), KeyringError> {
    let at = |error| KeyringError::Io {
        path: path.to_owned(),
        error,
    };
    durable::private_directory(&durable::directory_of(path)).map_err(at)?;
    let mut seed = Zeroizing::new([0; 32]);
    rand::rngs::OsRng
        .try_fill_bytes(&mut *seed)
        .map_err(|error| at(io::Error::other(error)))?;
    let key = SigningKey::from(*seed);
    if lock.create(path, text(name, &key).as_bytes()).map_err(at)? {
        return Ok((key, true));
    }
    // Another process was faster; its key is the one.
    match read(lock, path, name)? {
        Some(key) => Ok((key, false)),
        None => Err(KeyringError::Missing {
            path: path.to_owned(),
        }),
    }
}

/// The text of a key file.
pub fn text(name: &str, key: &SigningKey) -> Zeroizing<String> {
    let secret = Zeroizing::new(hex::encode(key.as_bytes()));
    // Large enough from the start, so that no copy of the secret is left behind by growing.
    let mut text = Zeroizing::new(String::with_capacity(512));
    // Writing to a String does not fail.
    let _ = write!(
        text,
        "{TITLE}\nname {name}\npublic {}\nsecret {}\n",
        Key::of(key),
        *secret
    );
    text
}

fn read(lock: &Lock, path: &Path, name: &str) -> Result<Option<SigningKey>, KeyringError> {
    let Some(bytes) = lock.read(path).map_err(KeyringError::Locked)? else {
        return Ok(None);
    };
    let malformed = |reason| KeyringError::Malformed {
        path: lock.file(path),
        reason,
    };
    let text = std::str::from_utf8(&bytes).map_err(|_| malformed("a key file is text"))?;
    parse(text, name).map(Some).map_err(malformed)
}

/// Reads the text of a key file, which holds the key of `name`.
pub fn parse(text: &str, name: &str) -> Result<SigningKey, &'static str> {
    let lines: Vec<&str> = text.lines().collect();
    let [title, name_line, public, secret] = lines[..] else {
        return Err("a key file has four lines");
    };
    if title != TITLE {
        return Err("the first line of a key file is `guardian-circle-key 1`");
    }
    if name_line.strip_prefix("name ") != Some(name) {
        return Err("the file holds the key of another name");
    }
    let mut seed = Zeroizing::new([0; 32]);
    secret
        .strip_prefix("secret ")
        .and_then(|digits| hex::decode_to_slice(digits, &mut *seed).ok())
        .ok_or("the fourth line is `secret` and 64 hexadecimal digits")?;
    let key = SigningKey::from(*seed);
    if public.strip_prefix("public ") != Some(Key::of(&key).to_string().as_str()) {
        return Err("the public key does not belong to the secret one");
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_found_again() {
        let directory = tempfile::tempdir().unwrap();
        let keys = directory.path().join("keys");
        let mut first = Keyring::new(&keys);
        assert!(matches!(
            first.existing("alice"),
            Err(KeyringError::Missing { .. })
        ));
        let made = *first.key("alice").unwrap();
        assert_eq!(first.created(), ["alice"]);
        let mut second = Keyring::new(&keys);
        assert_eq!(Key::of(second.existing("alice").unwrap()), Key::of(&made));
        assert_eq!(second.key("alice").unwrap().as_bytes(), made.as_bytes());
        assert!(second.created().is_empty());
        assert_ne!(second.key("bob").unwrap().as_bytes(), made.as_bytes());
        let mut names: Vec<_> = fs::read_dir(&keys)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        assert_eq!(names, ["alice.key", "bob.key"], "no temporary file is left");
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let keys = directory.path().join("deep/keys");
        Keyring::new(&keys).key("alice").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&keys.join("alice.key")), 0o600);
        assert_eq!(mode(&keys), 0o700);
    }

    #[test]
    fn many_at_once_get_the_same_key() {
        let directory = tempfile::tempdir().unwrap();
        let keys: Vec<[u8; 32]> = std::thread::scope(|scope| {
            let ask = || {
                *Keyring::new(directory.path())
                    .key("alice")
                    .unwrap()
                    .as_bytes()
            };
            let threads: Vec<_> = (0..16).map(|_| scope.spawn(ask)).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        assert!(keys.iter().all(|key| *key == keys[0]));
    }

    #[test]
    fn many_names_are_made_and_found_together() {
        let directory = tempfile::tempdir().unwrap();
        let names: Vec<String> = (0..100).map(|number| format!("name-{number:03}")).collect();
        let mut first = Keyring::new(directory.path());
        let early = *first.key("name-050").unwrap().as_bytes();
        first.ensure(names.iter().map(String::as_str)).unwrap();
        assert_eq!(first.created().len(), 100);
        let mut second = Keyring::new(directory.path());
        second.ensure(names.iter().map(String::as_str)).unwrap();
        assert!(second.created().is_empty());
        for name in &names {
            let key = *second.existing(name).unwrap().as_bytes();
            assert_eq!(key, *first.key(name).unwrap().as_bytes());
            assert_eq!(
                key == early,
                name == "name-050",
                "every name has its own key"
            );
        }
        let refused = first.ensure(["alice", "../alice"]);
        assert!(matches!(refused, Err(KeyringError::Name { .. })));
        assert!(!directory.path().join("alice.key").exists());
    }

    #[test]
    fn the_file_is_text_with_the_name_in_it() {
        let key = SigningKey::from([7; 32]);
        expect_test::expect![[r#"
            guardian-circle-key 1
            name alice
            public ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c
            secret 0707070707070707070707070707070707070707070707070707070707070707
        "#]]
        .assert_eq(&text("alice", &key));
        assert_eq!(
            parse(&text("alice", &key), "alice").unwrap().as_bytes(),
            key.as_bytes()
        );
    }

    #[test]
    fn a_damaged_file_is_named_and_never_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("alice.key");
        let good = text("alice", &SigningKey::from([7; 32]));
        let cases = [
            (String::new(), "four lines"),
            (good.replace("alice", "bob"), "another name"),
            (good.replace("key 1", "key 2"), "first line"),
            (good.replace("public e", "public f"), "does not belong"),
            (good.replace("0707070", "070707"), "fourth line"),
            (good.replace("secret", "Secret"), "fourth line"),
        ];
        for (text, expected) in cases {
            fs::write(&path, &text).unwrap();
            let error = Keyring::new(directory.path())
                .key("alice")
                .unwrap_err()
                .to_string();
            assert!(
                error.contains(expected) && error.contains("alice.key"),
                "{error}"
            );
            assert!(
                !error.contains("0707"),
                "an error never shows the secret: {error}"
            );
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }

    #[test]
    fn a_name_never_leads_out_of_the_directory() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["", "..", "../alice", "a/b", ".hidden", "a b", "circle"] {
            let mut keyring = Keyring::new(directory.path().join("keys"));
            assert!(
                matches!(keyring.key(name), Err(KeyringError::Name { .. })),
                "{name:?}"
            );
        }
        assert!(!directory.path().join("keys").exists());
    }
}
