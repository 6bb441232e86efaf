//! Whether a backup would do: what of it is right, and what is missing, by what the circle says in public.

use std::fmt;

use circle::genesis::Genesis;
use circle::ids::Key;
use ed25519_zebra::SigningKey;
use serde::Serialize;
use treasury_protocol::ceremony::{CeremonyId, GroupKey, KeyShare};
use treasury_protocol::ethereum::OwnerKey;

use super::document::Backup;
use crate::api::treasury::{Owner, Wallet};
use crate::api::types::Ceremony;
use crate::keyring;
use crate::node::secrets::{ETHEREUM_OWNER, STELLAR_OWNER};

/// How something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// It is in the backup, and it is right.
    Covered,
    /// It is not in the backup.
    Missing,
    /// What is in the backup is something else.
    Wrong,
    /// There is nothing to keep yet.
    Pending,
}

impl fmt::Display for Standing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Covered => "covered",
            Self::Missing => "MISSING",
            Self::Wrong => "WRONG",
            Self::Pending => "pending",
        })
    }
}

/// One thing that a guardian needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// What it is.
    pub what: String,
    /// How it stands.
    pub standing: Standing,
    /// Why.
    pub why: String,
}

/// All that a guardian needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// Whether nothing is missing or wrong.
    pub complete: bool,
    /// Each thing.
    pub rows: Vec<Row>,
}

/// What a circle says in public.
#[derive(Clone, Debug)]
pub struct Public {
    /// Where it began.
    pub genesis: Genesis,
    /// Names and keys, hexadecimal, of the guardians of now.
    pub guardians: Vec<(String, String)>,
    /// How the keys of its wallets were made.
    pub ceremonies: Vec<Ceremony>,
    /// Its wallets.
    pub wallets: Vec<Wallet>,
}

impl Public {
    fn key_of(&self, guardian: &str) -> Option<&String> {
        let found = self.guardians.iter().find(|(name, _)| name == guardian);
        found.map(|(_, key)| key)
    }
}

/// Compares a backup with what its circle says.
pub fn check(backup: &Backup, public: &Public) -> Coverage {
    let mut rows = vec![circle(backup, &public.genesis), key(backup, public)];
    let own_key = public.key_of(&backup.guardian);
    for ceremony in &public.ceremonies {
        // By key, for who took part is fixed when a ceremony begins.
        let index = ceremony
            .members
            .iter()
            .position(|member| Some(&member.key) == own_key);
        if let Some(index) = index {
            rows.extend(share(backup, ceremony, index + 1));
        }
    }
    for wallet in &public.wallets {
        let own = |owner: &&Owner| owner.guardian == backup.guardian;
        if let Some(owner) = wallet.owners.iter().find(own) {
            rows.push(owned(backup, wallet, owner));
        }
    }
    let fails = |row: &Row| matches!(row.standing, Standing::Missing | Standing::Wrong);
    Coverage {
        complete: !rows.iter().any(fails),
        rows,
    }
}

fn circle(backup: &Backup, genesis: &Genesis) -> Row {
    let digest = hex::encode(genesis.digest());
    let (standing, why) = match backup.genesis == digest {
        true => (Standing::Covered, "its genesis is the circle's".to_owned()),
        false => (
            Standing::Wrong,
            format!(
                "the backup is of another circle: its genesis has digest {:.12}, this one {digest:.12}",
                backup.genesis
            ),
        ),
    };
    Row {
        what: format!("circle {}", backup.name),
        standing,
        why,
    }
}

fn key(backup: &Backup, public: &Public) -> Row {
    let name = &backup.guardian;
    let text = backup
        .secret(&format!("keys/{name}.key"))
        .map(std::str::from_utf8);
    let key = match text {
        Some(Ok(text)) => Some(keyring::parse(text, name)),
        Some(Err(_)) => Some(Err("a key file is text")),
        None => None,
    };
    let (standing, why) = match (key, public.key_of(name)) {
        (None, _) => (Standing::Missing, "the backup holds no key".to_owned()),
        (Some(Err(reason)), _) => (Standing::Wrong, reason.to_owned()),
        (Some(Ok(_)), None) => (
            Standing::Wrong,
            "the circle has no guardian of that name".to_owned(),
        ),
        (Some(Ok(key)), Some(known)) if hex::encode(Key::of(&key).0) == *known => (
            Standing::Covered,
            "it is the key that the circle knows".to_owned(),
        ),
        (Some(Ok(_)), Some(_)) => (
            Standing::Wrong,
            "it is not the key that the circle knows".to_owned(),
        ),
    };
    Row {
        what: format!("key of {name}"),
        standing,
        why,
    }
}

/// The share of one ceremony's key; nothing if the ceremony failed, or its key has been replaced.
fn share(backup: &Backup, ceremony: &Ceremony, index: usize) -> Option<Row> {
    if ceremony.wallets.is_empty() {
        return None;
    }
    let what = format!("wallet {}", ceremony.wallets.join(", "));
    let number = ceremony.number;
    let row = |standing, why: String| {
        Some(Row {
            what,
            standing,
            why,
        })
    };
    let Some(group) = group_key(ceremony) else {
        if ceremony.blamed.is_some() || ceremony.given_up.is_some() {
            return None;
        }
        return row(
            Standing::Pending,
            format!("ceremony {number} is going on; back up again when it is done"),
        );
    };
    let Some(bytes) = backup.secret(&format!("secrets/share-{}", ceremony.id)) else {
        return row(
            Standing::Missing,
            format!("the share of ceremony {number} is not in it; back up again"),
        );
    };
    match KeyShare::from_bytes(bytes) {
        Ok(share) if usize::from(share.index()) == index && share.belongs_to(&group) => row(
            Standing::Covered,
            format!(
                "the share fits the key of the group; {} of {} sign; ceremony {number}",
                ceremony.threshold,
                ceremony.members.len()
            ),
        ),
        Ok(_) => row(
            Standing::Wrong,
            format!("the share of ceremony {number} does not belong to the group's key"),
        ),
        Err(_) => row(
            Standing::Wrong,
            format!("the share of ceremony {number} is damaged"),
        ),
    }
}

/// The key by which the guardian owns a wallet.
fn owned(backup: &Backup, wallet: &Wallet, owner: &Owner) -> Row {
    let (place, address) = match &*wallet.chain {
        "stellar" => (
            STELLAR_OWNER,
            stellar_address as fn(&[u8; 32]) -> Option<String>,
        ),
        _ => (
            ETHEREUM_OWNER,
            ethereum_address as fn(&[u8; 32]) -> Option<String>,
        ),
    };
    let secret = backup.secret(&format!("secrets/{place}"));
    let found = secret.map(|bytes| {
        <[u8; 32]>::try_from(bytes)
            .ok()
            .and_then(|key| address(&key))
    });
    let (standing, why) = match found {
        None => (
            Standing::Missing,
            "the key by which the guardian owns it is not in it; back up again".to_owned(),
        ),
        Some(None) => (
            Standing::Wrong,
            "the key by which the guardian owns it is damaged".to_owned(),
        ),
        Some(Some(address)) if address == owner.address => (
            Standing::Covered,
            format!(
                "the key is that of the owner {address}; {} of {} sign",
                wallet.owners_needed.unwrap_or_default(),
                wallet.owners.len()
            ),
        ),
        Some(Some(address)) => (
            Standing::Wrong,
            format!(
                "the key is that of {address}, and the owner is {}",
                owner.address
            ),
        ),
    };
    Row {
        what: format!("wallet {}", wallet.name),
        standing,
        why,
    }
}

fn stellar_address(seed: &[u8; 32]) -> Option<String> {
    let key = Key::of(&SigningKey::from(*seed));
    Some(treasury_protocol::stellar::address(&key.0))
}

fn ethereum_address(secret: &[u8; 32]) -> Option<String> {
    let key = OwnerKey::from_bytes(secret).ok()?;
    Some(key.address().to_string())
}

/// The key of a ceremony that is done.
fn group_key(ceremony: &Ceremony) -> Option<GroupKey> {
    let hash = |text: &str| {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).ok().map(|()| bytes)
    };
    let shares = ceremony
        .members
        .iter()
        .map(|member| hash(member.verifying_share.as_ref()?));
    Some(GroupKey {
        ceremony: CeremonyId(hash(&ceremony.id)?),
        public: hash(ceremony.public.as_ref()?)?,
        threshold: ceremony.threshold,
        verifying_shares: shares.collect::<Option<_>>()?,
    })
}
