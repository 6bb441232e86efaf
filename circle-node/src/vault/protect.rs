//! Changing how the secrets of a home are kept.
//!
//! A crash at any moment leaves a home that opens with its old or with its new protection:
//!
//! 1. Every secret is written so that both open it: beside its old form, or encrypted to both identities.
//! 2. One file is replaced, and from then on the new protection counts: `circle.toml`, or the identity behind the passphrase.
//! 3. What only the old protection opens is taken away.
//!
//! The mark `secrets/.changing` lasts from before the first step until after the last. A node that finds it at its start does
//! the third step, which undoes the first if the second was never reached.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::lock::{Lock, SUFFIX, read, sealed};
use super::passphrase::Source;
use super::{seal, unlock};
use crate::config::{Home, Protection, SecretsConfig};
use crate::durable::{self, Readers};
use crate::problem::Problem;

/// How secrets are to be kept from now on.
#[derive(Clone, Debug)]
pub enum Target {
    /// In the clear.
    None,
    /// By this passphrase.
    Passphrase(Source),
    /// To the age identity in this file, which is made if it is missing.
    Identity(PathBuf),
}

/// Keeps the secrets of `home` as `target` says. `old` is how they are kept now, and `step` is told what is done.
///
/// Nobody else may use the home meanwhile, see [`super::hold`]. Gives the new lock.
pub fn switch(
    home: &Home,
    old: &Lock,
    target: &Target,
    step: &mut dyn FnMut(&str),
) -> Result<Lock, Problem> {
    finish(home, old, step)?;
    let secrets = match target {
        Target::None => SecretsConfig::default(),
        Target::Passphrase(_) => SecretsConfig {
            protection: Protection::Passphrase,
            identity: None,
        },
        Target::Identity(path) => SecretsConfig {
            protection: Protection::Identity,
            identity: Some(path.clone()),
        },
    };
    // The passphrase is asked for before anything changes.
    let prepared = match target {
        Target::None => Prepared::Nothing,
        Target::Passphrase(source) => {
            let passphrase = source.new_for(&home.path().display().to_string())?;
            let identity = age::x25519::Identity::generate();
            let text = unlock::identity_text(&identity);
            Prepared::Sealed(
                seal::Sealer::By(passphrase).seal(text.as_bytes()),
                Lock::age(identity),
            )
        }
        Target::Identity(_) => {
            let path = unlock::identity_file(home, &secrets)?;
            Prepared::Lock(Lock::age(unlock::identity_at(&path)?))
        }
    };
    let new = match &prepared {
        Prepared::Nothing => Lock::Open,
        Prepared::Sealed(_, lock) | Prepared::Lock(lock) => lock.clone(),
    };

    // All are read before the first is written: one that cannot be opened changes nothing.
    let read = |path: PathBuf| Ok((existing(&path, old)?, path));
    let all = files(home)?
        .into_iter()
        .map(read)
        .collect::<Result<Vec<_>, Problem>>()?;
    begin(home)?;
    step("marked the change");
    for (bytes, path) in &all {
        widen(path, bytes, old, &new)?;
        step(&format!("prepared {}", path.display()));
    }
    if let Prepared::Sealed(sealed, _) = &prepared {
        let path = home.identity();
        durable::write(&path, sealed, Readers::Owner)
            .map_err(|error| Problem::file("write", &path, error))?;
        step("wrote the identity behind the passphrase");
    }
    if home.read_config()?.secrets != secrets {
        home.set_secrets(&secrets)?;
    }
    step("the new protection counts");
    finish(home, &new, step)?;
    if !matches!(target, Target::Passphrase(_)) {
        let path = home.identity();
        durable::remove(&path).map_err(|error| Problem::file("remove", &path, error))?;
    }
    step("done");
    Ok(new)
}

enum Prepared {
    Nothing,
    Sealed(Vec<u8>, Lock),
    Lock(Lock),
}

/// Ends a change that was interrupted: from now on only `lock`, which counts, opens the secrets of `home`.
pub fn finish(home: &Home, lock: &Lock, step: &mut dyn FnMut(&str)) -> Result<(), Problem> {
    let mark = mark(home);
    if !mark
        .try_exists()
        .map_err(|error| Problem::file("read", &mark, error))?
    {
        return Ok(());
    }
    for path in files(home)? {
        narrow(&path, lock)?;
        step(&format!("finished {}", path.display()));
    }
    remove_leftovers(&home.keys())?;
    remove_leftovers(&home.secrets())?;
    durable::remove(&mark).map_err(|error| Problem::file("remove", &mark, error))
}

fn begin(home: &Home) -> Result<(), Problem> {
    let mark = mark(home);
    durable::private_directory(&home.secrets())
        .and_then(|()| durable::write(&mark, b"", Readers::Owner))
        .map_err(|error| Problem::file("write", &mark, error))
}

fn mark(home: &Home) -> PathBuf {
    home.secrets().join(".changing")
}

/// The secret called `path`. One that somebody put there in the clear, in a home whose secrets are encrypted, is taken in.
fn existing(path: &Path, lock: &Lock) -> Result<Zeroizing<Vec<u8>>, Problem> {
    let bytes = match lock {
        Lock::Age(_) if !lock.file(path).exists() => read(path)?,
        _ => lock.read(path)?,
    };
    bytes.ok_or_else(|| {
        Problem::new(
            "secrets.missing",
            format!("{} is gone", lock.file(path).display()),
            "somebody else changes this home; try again when nobody does",
        )
    })
}

/// Makes the secret called `path` readable by both locks.
fn widen(path: &Path, bytes: &Zeroizing<Vec<u8>>, old: &Lock, new: &Lock) -> Result<(), Problem> {
    let recipients: Vec<_> = [old, new].into_iter().filter_map(Lock::recipient).collect();
    match (old, new) {
        (Lock::Age(_), Lock::Age(_)) => {
            let file = sealed(path);
            let sealed = seal::seal_to(&recipients, bytes);
            durable::write(&file, &sealed, Readers::Owner)
                .map_err(|error| Problem::file("write", &file, error))?;
        }
        _ => new.write(path, bytes)?,
    }
    // The old form goes only when the new one was read from the disk.
    match new.read(path)? {
        Some(read) if read == *bytes => Ok(()),
        _ => Err(Problem::new(
            "secrets.damaged",
            format!(
                "{} was not written as it should be",
                new.file(path).display()
            ),
            "check the disk; nothing was removed",
        )),
    }
}

/// Leaves the secret called `path` readable by `lock` only.
fn narrow(path: &Path, lock: &Lock) -> Result<(), Problem> {
    let Some(bytes) = lock.read(path)? else {
        return Ok(());
    };
    let other = match lock {
        Lock::Open => sealed(path),
        Lock::Age(_) => {
            // Before this, the old identity may open it too.
            lock.write(path, &bytes)?;
            path.to_owned()
        }
    };
    durable::remove(&other).map_err(|error| Problem::file("remove", &other, error))
}

/// The secrets of a home, by the names of their open form: its keys, and all in `secrets/` that is no mark.
pub fn files(home: &Home) -> Result<Vec<PathBuf>, Problem> {
    let mut found = std::collections::BTreeSet::new();
    for (directory, is_secret) in [
        (home.keys(), is_key as fn(&str) -> bool),
        (home.secrets(), is_kept as fn(&str) -> bool),
    ] {
        let at = |error| Problem::file("read", &directory, error);
        let entries = match std::fs::read_dir(&directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(at(error)),
        };
        for entry in entries {
            let name = entry.map_err(at)?.file_name();
            let Some(name) = name.to_str() else { continue };
            let open = name
                .strip_suffix(SUFFIX)
                .and_then(|name| name.strip_suffix('.'))
                .unwrap_or(name);
            if is_secret(open) {
                found.insert(directory.join(open));
            }
        }
    }
    Ok(found.into_iter().collect())
}

/// Removes what a process left behind that was killed while it wrote: it may hold a secret in the clear.
fn remove_leftovers(directory: &Path) -> Result<(), Problem> {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return Ok(());
    };
    for entry in entries.flatten() {
        let path = entry.path();
        if entry
            .file_name()
            .to_string_lossy()
            .starts_with(durable::TEMPORARY)
        {
            durable::remove(&path).map_err(|error| Problem::file("remove", &path, error))?;
        }
    }
    Ok(())
}

fn is_key(name: &str) -> bool {
    !name.starts_with('.') && name.ends_with(".key")
}

fn is_kept(name: &str) -> bool {
    !name.starts_with('.') && !name.starts_with("answered-") && name != "identity"
}

#[cfg(test)]
mod tests;
