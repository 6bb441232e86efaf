//! A home out of a backup.

use std::path::{Path, PathBuf};

use circle::ids::Key;

use super::document::Backup;
use crate::config::{self, Home, SecretsConfig};
use crate::durable::{self, Readers};
use crate::genesis_file;
use crate::keyring;
use crate::problem::Problem;
use crate::vault::{self, Lock};

/// What was put into a home.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Restored {
    /// Secrets that were not there.
    pub written: Vec<String>,
    /// Secrets that were there, the same.
    pub present: Vec<String>,
}

/// Refuses a home that belongs to another circle, and a backup that contradicts itself, before anything is written.
pub fn refuse_strangers(backup: &Backup, home: &Home) -> Result<(), Problem> {
    let inside = genesis_file::parse(&backup.genesis_file).map_err(|reason| {
        Problem::new(
            "backup.malformed",
            format!("the genesis in the backup: {reason}"),
            "take another backup",
        )
    })?;
    if hex::encode(inside.digest()) != backup.genesis {
        return Err(Problem::new(
            "backup.malformed",
            "the genesis in the backup is not the one that it names",
            "take another backup",
        ));
    }
    let place = key_place(backup);
    let key = backup
        .secret(&place)
        .and_then(|bytes| std::str::from_utf8(bytes).ok())
        .and_then(|text| keyring::parse(text, &backup.guardian).ok());
    let member = inside
        .members
        .iter()
        .find(|member| member.name == backup.guardian);
    match (key, member) {
        (Some(key), Some(member)) if Key::of(&key) == member.key => {}
        _ => {
            return Err(Problem::new(
                "backup.key",
                format!("the backup does not hold the key of {}", backup.guardian),
                "run `circle treasury drill` on it, and take another backup",
            ));
        }
    }
    if home.genesis().exists() {
        let there = genesis_file::read(&home.genesis())?;
        if there.digest() != inside.digest() {
            return Err(Problem::new(
                "restore.other_circle",
                format!(
                    "{} belongs to {}, and the backup to {}: their geneses differ",
                    home.path().display(),
                    there.name,
                    backup.name
                ),
                "name an empty directory with --home",
            ));
        }
    }
    if let Some(path) = vault::files(home)?
        .into_iter()
        .filter(|path| path.starts_with(home.keys()))
        .find(|path| backup.secret(&place_of_key(path)).is_none())
    {
        return Err(Problem::new(
            "restore.other_key",
            format!(
                "{} holds {}, a key that is not in the backup of {}",
                home.path().display(),
                path.display(),
                backup.guardian
            ),
            "name an empty directory with --home",
        ));
    }
    Ok(())
}

/// The configuration in a backup, with other secrets.
pub fn configuration(backup: &Backup, secrets: &SecretsConfig) -> Result<config::Config, Problem> {
    let mut config = config::parse(&backup.config)?;
    config.secrets = secrets.clone();
    Ok(config)
}

/// Puts a backup into a home, whose secrets are kept as `lock` and `secrets` say and which nobody else uses.
///
/// What is there already stays: the same secrets are counted, others are refused before anything is written. The guardian's
/// key comes last, for a node does not start without it: so a restore that was interrupted never runs, and is just done again.
pub fn restore(
    backup: &Backup,
    home: &Home,
    lock: &Lock,
    secrets: &SecretsConfig,
) -> Result<Restored, Problem> {
    refuse_strangers(backup, home)?;
    let mut restored = Restored::default();
    let mut todo: Vec<(&str, PathBuf, &[u8])> = Vec::new();
    for secret in &backup.secrets {
        let path = home.path().join(&secret.place);
        match lock.read(&path)? {
            None => todo.push((&secret.place, path, &secret.bytes)),
            Some(there) if *there == *secret.bytes => restored.present.push(secret.place.clone()),
            Some(_) => {
                return Err(Problem::new(
                    "restore.other_secret",
                    format!(
                        "{} is there already, and is not the one in the backup",
                        lock.file(&path).display()
                    ),
                    "name an empty directory with --home, or move that file away if you are sure",
                ));
            }
        }
    }
    let write = |path: PathBuf, text: &[u8]| {
        durable::write(&path, text, Readers::All)
            .map_err(|error| Problem::file("write", &path, error))
    };
    for directory in [home.path().to_owned(), home.keys(), home.secrets()] {
        durable::private_directory(&directory)
            .map_err(|error| Problem::file("create", &directory, error))?;
    }
    if !home.config().exists() {
        home.write_config(&configuration(backup, secrets)?)?;
    }
    if !home.genesis().exists() {
        write(home.genesis(), backup.genesis_file.as_bytes())?;
    }
    for mark in &backup.answered {
        let path = home.secrets().join(mark);
        durable::create(&path, b"", Readers::Owner)
            .map_err(|error| Problem::file("write", &path, error))?;
    }
    durable::sync_directory(&home.secrets())
        .map_err(|error| Problem::file("write", &home.secrets(), error))?;
    let key = key_place(backup);
    todo.sort_by_key(|(place, ..)| *place == key);
    for (place, path, bytes) in todo {
        lock.write(&path, bytes)?;
        restored.written.push(place.to_owned());
    }
    Ok(restored)
}

fn place_of_key(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    format!("keys/{name}")
}

fn key_place(backup: &Backup) -> String {
    format!("keys/{}.key", backup.guardian)
}
