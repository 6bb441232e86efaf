//! How a circle and the homes of its nodes come to be.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use circle::digest::digest;
use circle::genesis::{Asset, Genesis, Home as AssetHome};
use circle::ids::{CircleId, Key};
use circle::machine::Machine;
use circle::member::{Member, Members};
use serde::{Deserialize, Serialize};
use threescript::engine::Limits;
use threescript::value::AssetCode;

use crate::config::{ChainConfig, Config, Home, Ordering, SecretsConfig};
use crate::genesis_file;
use crate::keyring::Keyring;
use crate::policies;
use crate::problem::Problem;
use crate::vault::Lock;

/// What one guardian gives to the founder of a circle: nothing of it is secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberFile {
    /// The guardian's name.
    pub name: String,
    /// Its public key, 64 hexadecimal digits.
    pub key: String,
    /// Where its node is reached by the others.
    pub addresses: Vec<SocketAddr>,
}

/// Makes the key of a guardian in a home, or finds it there, kept as `lock` says.
pub fn member(
    home: &Home,
    lock: &Lock,
    name: &str,
    addresses: Vec<SocketAddr>,
) -> Result<MemberFile, Problem> {
    let mut keyring = Keyring::locked(home.keys(), lock.clone());
    let key = keyring
        .key(name)
        .map_err(|error| Problem::of("home.key", error))?;
    Ok(MemberFile {
        name: name.into(),
        key: Key::of(key).to_string(),
        addresses,
    })
}

/// A new circle.
pub struct Founding<'a> {
    /// For people.
    pub name: &'a str,
    /// The id; without one it follows from everything else.
    pub circle: Option<CircleId>,
    /// 9 to 99 guardians.
    pub members: &'a [MemberFile],
    /// Who issues TFT on Stellar.
    pub tft_issuer: Key,
    /// Where TFT lives on an Ethereum chain, if it does.
    pub tft_on_ethereum: Option<AssetHome>,
    /// When it begins, milliseconds since 1970.
    pub time_ms: u64,
}

/// The genesis of a new circle, with the standard policies, assets and limits.
pub fn found(founding: &Founding<'_>) -> Result<Genesis, Problem> {
    let member = |file: &MemberFile| {
        let key = file.key.parse().map_err(|_| {
            Problem::new(
                "members.key",
                format!("the key of {} is no key", file.name),
                "take the member file that `circle init` made",
            )
        })?;
        circle::check_name(&file.name)?;
        Ok(Member {
            name: file.name.clone(),
            key,
        })
    };
    let members = founding
        .members
        .iter()
        .map(member)
        .collect::<Result<Vec<_>, Problem>>()?;
    let members = Members::new(members)?;
    let asset = |code: &str, asset: Asset| {
        let code = AssetCode::new(code).expect("the codes of the standard assets are well-formed");
        (code, asset)
    };
    let genesis = Genesis {
        circle: founding.circle.unwrap_or_else(|| {
            CircleId(digest(
                "guardian-circle/v1/circle",
                &(founding.name, founding.time_ms, &members),
            ))
        }),
        name: founding.name.into(),
        time_ms: founding.time_ms,
        members,
        assets: BTreeMap::from([asset(
            "TFT",
            Asset {
                decimals: 7,
                homes: std::iter::once(AssetHome::Stellar {
                    issuer: Some(founding.tft_issuer),
                })
                .chain(founding.tft_on_ethereum.clone())
                .collect(),
            },
        )]),
        policies: policies::STANDARD
            .iter()
            .map(|(_, source)| (*source).to_owned())
            .collect(),
        limits: Limits::default(),
        interpreter: threescript::engine::PROFILE.into(),
    };
    // What does not start here would start nowhere.
    Machine::new(genesis.clone(), None)?;
    Ok(genesis)
}

/// The time now, milliseconds since 1970.
pub fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as u64)
}

/// What a home needs to take part in a circle.
pub struct Joining<'a> {
    /// The guardian.
    pub guardian: &'a str,
    /// The text of the genesis file.
    pub genesis: &'a str,
    /// Where links are accepted.
    pub listen: Vec<SocketAddr>,
    /// Where the API listens.
    pub api: SocketAddr,
    /// Where all members are.
    pub members: BTreeMap<String, Vec<SocketAddr>>,
    /// How fast blocks are made.
    pub ordering: Ordering,
    /// How the home's secrets are kept.
    pub secrets: SecretsConfig,
    /// The money chains that the node sees.
    pub chains: Vec<ChainConfig>,
}

/// Puts the genesis and the configuration into a home that has a key.
pub fn join(home: &Home, joining: Joining<'_>) -> Result<(), Problem> {
    let path = home.genesis();
    std::fs::write(&path, joining.genesis).map_err(|error| Problem::file("write", &path, error))?;
    genesis_file::read(&path)?;
    home.write_config(&Config {
        guardian: joining.guardian.into(),
        listen: joining.listen,
        api: joining.api,
        members: joining.members,
        ordering: joining.ordering,
        secrets: joining.secrets,
        chains: joining.chains,
    })
}

/// Reads a file in JSON.
pub fn read_json<T: for<'de> Deserialize<'de>>(path: &Path, what: &str) -> Result<T, Problem> {
    let text = std::fs::read_to_string(path).map_err(|error| Problem::file("read", path, error))?;
    serde_json::from_str(&text).map_err(|error| {
        let problem = Problem::new(
            "file.malformed",
            format!("{} is no {what}: {error}", path.display()),
            "make it again with `circle init`",
        );
        problem.at(error.line() as u32, error.column() as u32)
    })
}
