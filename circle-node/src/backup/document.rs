//! What is in a backup, and its form: JSON, so that whoever opens it with the `age` program in ten years can read it.

use std::borrow::Cow;
use std::fmt;
use std::path::Path;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::api::types::Ceremony;
use crate::config::Home;
use crate::genesis_file;
use crate::problem::Problem;
use crate::vault::{self, Lock};

/// What the first field of a backup says.
pub const FORMAT: &str = "guardian-circle-backup";
/// The version of its form.
pub const VERSION: u32 = 1;
/// What every file name in a home's `secrets` begins with that is no secret but a mark.
const MARK: &str = "answered-";
/// What every seed's file name begins with.
const SEED: &str = "seed-";

/// The secrets of one guardian and what they are checked against.
#[derive(Debug, Serialize, Deserialize)]
pub struct Backup {
    /// [`FORMAT`].
    pub format: String,
    /// [`VERSION`].
    pub version: u32,
    /// When it was made, milliseconds since 1970.
    pub made_at_ms: u64,
    /// The circle's id.
    pub circle: String,
    /// The circle's name.
    pub name: String,
    /// The digest of its genesis.
    pub genesis: String,
    /// The guardian.
    pub guardian: String,
    /// What the node knew about the keys of the wallets; nothing if it did not answer.
    pub keys: Vec<KnownKey>,
    /// The genesis file.
    pub genesis_file: String,
    /// The configuration of the node.
    pub config: String,
    /// The secrets, by their places in a home.
    pub secrets: Vec<Secret>,
    /// The marks of signing sessions that were answered.
    pub answered: Vec<String>,
}

/// The public side of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownKey {
    /// The ceremony's number.
    pub ceremony: u64,
    /// The ceremony's id.
    pub id: String,
    /// How far it was.
    pub phase: String,
    /// The wallets.
    pub wallets: Vec<String>,
    /// The group's public key.
    pub public: Option<String>,
}

/// One secret.
#[derive(Serialize, Deserialize)]
pub struct Secret {
    /// Where it is in a home, as in `keys/ada.key`.
    pub place: String,
    /// Its bytes, hexadecimal.
    #[serde(serialize_with = "to_hex", deserialize_with = "from_hex")]
    pub bytes: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Secret")
            .field("place", &self.place)
            .field("bytes", &"<redacted>")
            .finish()
    }
}

fn to_hex<S: Serializer>(bytes: &Zeroizing<Vec<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&Zeroizing::new(hex::encode(bytes)))
}

fn from_hex<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Zeroizing<Vec<u8>>, D::Error> {
    let digits = Cow::<str>::deserialize(deserializer)?;
    hex::decode(&*digits)
        .map(Zeroizing::new)
        .map_err(|_| serde::de::Error::custom("a secret is not hexadecimal"))
}

/// Why bytes are no backup that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BackupError {
    /// Something else.
    #[error("this is no backup: {0}; name the file that `circle treasury backup` made")]
    Malformed(String),
    /// Of a later version of this program.
    #[error(
        "this backup has version {found}, and this program knows {VERSION}; use a newer `circle`"
    )]
    Version {
        /// Its version.
        found: u32,
    },
    /// A secret that would be put somewhere else than into a home.
    #[error("this backup holds a secret for {place:?}, which is no place in a home; do not use it")]
    Place {
        /// Where it would be put.
        place: String,
    },
}

impl BackupError {
    /// Stable short code for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "backup.malformed",
            Self::Version { .. } => "backup.version",
            Self::Place { .. } => "backup.place",
        }
    }
}

impl Backup {
    /// The bytes that are encrypted.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        // Room for all at once: a vector that grows would leave copies of the secrets behind.
        let secrets: usize = self
            .secrets
            .iter()
            .map(|one| 256 + 2 * one.bytes.len())
            .sum();
        let texts = 2 * (self.genesis_file.len() + self.config.len());
        let marks: usize = self.answered.iter().map(|mark| mark.len() + 8).sum();
        let room = 65_536 + secrets + texts + marks + 1024 * self.keys.len();
        let mut bytes = Zeroizing::new(Vec::with_capacity(room));
        serde_json::to_writer(&mut *bytes, self).expect("writing to memory does not fail");
        bytes
    }

    /// Reads what [`Backup::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BackupError> {
        #[derive(Deserialize)]
        struct Head {
            format: String,
            version: u32,
        }
        // What serde says of a value could show it; only where it stands is told.
        let malformed = |error: serde_json::Error| {
            BackupError::Malformed(format!("line {}, column {}", error.line(), error.column()))
        };
        let head: Head = serde_json::from_slice(bytes).map_err(malformed)?;
        if head.format != FORMAT {
            return Err(BackupError::Malformed("its format is another".into()));
        }
        if head.version != VERSION {
            return Err(BackupError::Version {
                found: head.version,
            });
        }
        let backup: Self = serde_json::from_slice(bytes).map_err(malformed)?;
        let strange = backup.secrets.iter().find(|one| !is_place(&one.place));
        let strange = strange.map(|one| &one.place).or_else(|| {
            let is_mark = |mark: &&String| mark.starts_with(MARK) && is_name(mark);
            backup.answered.iter().find(|mark| !is_mark(mark))
        });
        match strange {
            Some(place) => Err(BackupError::Place {
                place: place.clone(),
            }),
            None => Ok(backup),
        }
    }

    /// The secret at a place in a home.
    pub fn secret(&self, place: &str) -> Option<&[u8]> {
        let found = self.secrets.iter().find(|one| one.place == place);
        found.map(|one| one.bytes.as_slice())
    }
}

/// A file directly in one of the two directories of secrets, so that nothing is ever written elsewhere.
fn is_place(place: &str) -> bool {
    match place.split_once('/') {
        Some(("keys", name)) => is_name(name) && name.ends_with(".key"),
        Some(("secrets", name)) => is_name(name) && !name.starts_with(MARK),
        _ => false,
    }
}

fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    !name.is_empty() && !name.starts_with('.') && name.bytes().all(allowed)
}

/// What a backup of `home` holds now. `ceremonies` is what its node says about the keys.
pub fn collect(
    home: &Home,
    lock: &Lock,
    ceremonies: &[Ceremony],
    now_ms: u64,
) -> Result<Backup, Problem> {
    let config = home.read_config()?;
    let genesis = genesis_file::read(&home.genesis())?;
    let text = |path: &Path| {
        std::fs::read_to_string(path).map_err(|error| Problem::file("read", path, error))
    };
    let mut secrets = Vec::new();
    for path in vault::files(home)? {
        let Some(place) = place(home, &path) else {
            continue;
        };
        if place.starts_with(&format!("secrets/{SEED}")) {
            continue;
        }
        if let Some(bytes) = lock.read(&path)? {
            secrets.push(Secret { place, bytes });
        }
    }
    let known = ceremonies.iter().map(|ceremony| KnownKey {
        ceremony: ceremony.number,
        id: ceremony.id.clone(),
        phase: ceremony.phase.clone(),
        wallets: ceremony.wallets.clone(),
        public: ceremony.public.clone(),
    });
    Ok(Backup {
        format: FORMAT.into(),
        version: VERSION,
        made_at_ms: now_ms,
        circle: genesis.circle.to_string(),
        name: genesis.name.clone(),
        genesis: hex::encode(genesis.digest()),
        guardian: config.guardian,
        keys: known.collect(),
        genesis_file: text(&home.genesis())?,
        config: text(&home.config())?,
        secrets,
        answered: answered(home)?,
    })
}

fn place(home: &Home, path: &Path) -> Option<String> {
    let directory = match path.parent()? {
        keys if keys == home.keys() => "keys",
        _ => "secrets",
    };
    let place = format!("{directory}/{}", path.file_name()?.to_str()?);
    is_place(&place).then_some(place)
}

fn answered(home: &Home) -> Result<Vec<String>, Problem> {
    let directory = home.secrets();
    let at = |error| Problem::file("read", &directory, error);
    let entries = match std::fs::read_dir(&directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(at(error)),
    };
    let mut marks = Vec::new();
    for entry in entries {
        let name = entry.map_err(at)?.file_name();
        if let Some(name) = name.to_str().filter(|name| name.starts_with(MARK)) {
            marks.push(name.to_owned());
        }
    }
    marks.sort();
    Ok(marks)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn backup() -> Backup {
        Backup {
            format: FORMAT.into(),
            version: VERSION,
            made_at_ms: 1_700_000_000_000,
            circle: "c1".into(),
            name: "ours".into(),
            genesis: "d1".into(),
            guardian: "ada".into(),
            keys: vec![KnownKey {
                ceremony: 1,
                id: "e1".into(),
                phase: "done".into(),
                wallets: vec!["main".into()],
                public: Some("b1".into()),
            }],
            genesis_file: "{}".into(),
            config: "guardian = \"ada\"".into(),
            secrets: vec![Secret {
                place: "keys/ada.key".into(),
                bytes: Zeroizing::new(vec![1, 2, 0xff]),
            }],
            answered: vec!["answered-00-1".into()],
        }
    }

    #[test]
    fn the_form_of_a_backup_stays_as_it_is() {
        let bytes = backup().to_bytes();
        expect_test::expect![[r#"{"format":"guardian-circle-backup","version":1,"made_at_ms":1700000000000,"circle":"c1","name":"ours","genesis":"d1","guardian":"ada","keys":[{"ceremony":1,"id":"e1","phase":"done","wallets":["main"],"public":"b1"}],"genesis_file":"{}","config":"guardian = \"ada\"","secrets":[{"place":"keys/ada.key","bytes":"0102ff"}],"answered":["answered-00-1"]}"#]]
            .assert_eq(std::str::from_utf8(&bytes).unwrap());
        let read = Backup::from_bytes(&bytes).unwrap();
        assert_eq!(read.to_bytes(), bytes);
        assert_eq!(read.secret("keys/ada.key").unwrap(), [1, 2, 0xff]);
        assert!(!format!("{read:?}").contains("0102"));
    }

    #[test]
    fn what_is_no_backup_or_would_leave_the_home_is_refused() {
        let text = String::from_utf8(backup().to_bytes().to_vec()).unwrap();
        let code = |text: String| Backup::from_bytes(text.as_bytes()).unwrap_err().code();
        assert_eq!(code("{}".into()), "backup.malformed");
        assert_eq!(code(text.replace("0102ff", "0102f")), "backup.malformed");
        assert_eq!(code(text.replace(FORMAT, "another")), "backup.malformed");
        assert_eq!(
            code(text.replace("\"version\":1", "\"version\":2")),
            "backup.version"
        );
        for place in [
            "keys/../../x.key",
            "keys/.x.key",
            "keys/x",
            "/keys/x.key",
            "secrets/answered-1",
            "state/x",
            "secrets/a/b",
        ] {
            assert_eq!(
                code(text.replace("keys/ada.key", place)),
                "backup.place",
                "{place}"
            );
        }
        assert_eq!(
            code(text.replace("answered-00-1", "answered-/../x")),
            "backup.place"
        );
    }
}
