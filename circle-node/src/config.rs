//! The home directory of a node and its configuration file.
//!
//! ```text
//! HOME/circle.toml       what is read here
//! HOME/genesis.json      what the circle started with, see [`crate::genesis_file`]
//! HOME/keys/NAME.key     the guardian's key; NAME.key.age if secrets are encrypted
//! HOME/state/            the store of the state
//! HOME/log/              the ordered log
//! HOME/secrets/          key shares and what must outlast a crash while one is made or used, see [`crate::vault`]
//! HOME/treasury/         up to where payments to the wallets were read
//! HOME/.lock             held by the node while it runs
//! ```

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::durable::{self, Readers};
use crate::problem::Problem;

/// The name of the configuration file in a home.
pub const FILE: &str = "circle.toml";

/// The configuration of one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The guardian's name.
    pub guardian: String,
    /// Where links of other members are accepted.
    pub listen: Vec<SocketAddr>,
    /// Where the API listens. Everybody who reaches it can read the circle's state; it is meant for loopback.
    pub api: SocketAddr,
    /// Where the links of the members are, by name. Who is not named here is where the circle was told with the admission.
    pub members: BTreeMap<String, Vec<SocketAddr>>,
    /// How fast blocks are made.
    #[serde(default)]
    pub ordering: Ordering,
    /// How keys and shares are kept on the disk.
    #[serde(default)]
    pub secrets: SecretsConfig,
    /// The money chains that this node sees, each at most once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chains: Vec<ChainConfig>,
}

/// How keys and shares are kept on the disk. `circle treasury protect` changes it, together with the files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretsConfig {
    /// By what they are protected.
    #[serde(default)]
    pub protection: Protection,
    /// The age identity file that opens them, if they are protected by one; a relative path is meant from the home.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<PathBuf>,
}

/// By what secrets are protected at rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Protection {
    /// By nothing but the permissions of their files.
    #[default]
    None,
    /// Encrypted to an identity of the home, which a passphrase opens.
    Passphrase,
    /// Encrypted to an identity in a file that the guardian keeps elsewhere.
    Identity,
}

impl Protection {
    /// As `circle.toml` writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Passphrase => "passphrase",
            Self::Identity => "identity",
        }
    }
}

/// A money chain, and the servers by which this node sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum ChainConfig {
    /// A Stellar network.
    Stellar {
        /// Its passphrase.
        network: String,
        /// Addresses of Horizons, as in `https://horizon.stellar.org`. What most of them say is believed.
        endpoints: Vec<String>,
        /// From one look at the chain to the next, in milliseconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        poll_ms: Option<u64>,
    },
    /// An Ethereum chain.
    Ethereum {
        /// Its number.
        chain_id: u64,
        /// Addresses of nodes that speak JSON-RPC. What most of them say is believed.
        endpoints: Vec<String>,
        /// How many blocks behind the newest one what is seen becomes a fact. All guardians had better have the same.
        finality_blocks: u64,
        /// The block from which on payments are looked for: the wallets of the circle are younger.
        #[serde(default)]
        from_block: u64,
        /// From one look at the chain to the next, in milliseconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        poll_ms: Option<u64>,
    },
}

/// How fast blocks are made. What is not given follows from the number of members.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ordering {
    /// From one block to the next when no transaction waits, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_block_interval_ms: Option<u64>,
    /// From one block to the next at least, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_block_interval_ms: Option<u64>,
    /// Waiting for a proposal, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub propose_timeout_ms: Option<u64>,
}

/// The paths in a home directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home(PathBuf);

impl Home {
    /// The home at `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The configuration file.
    pub fn config(&self) -> PathBuf {
        self.0.join(FILE)
    }

    /// The genesis file.
    pub fn genesis(&self) -> PathBuf {
        self.0.join("genesis.json")
    }

    /// The directory of keys.
    pub fn keys(&self) -> PathBuf {
        self.0.join("keys")
    }

    /// The store of the state.
    pub fn state(&self) -> PathBuf {
        self.0.join("state")
    }

    /// The ordered log.
    pub fn log(&self) -> PathBuf {
        self.0.join("log")
    }

    /// What the treasury remembers of the chains.
    pub fn treasury(&self) -> PathBuf {
        self.0.join("treasury")
    }

    /// Secrets of ceremonies.
    pub fn secrets(&self) -> PathBuf {
        self.0.join("secrets")
    }

    /// The identity that a passphrase opens, and that opens the secrets.
    pub fn identity(&self) -> PathBuf {
        self.secrets().join("identity.age")
    }

    /// Reads the configuration.
    pub fn read_config(&self) -> Result<Config, Problem> {
        let path = self.config();
        let text = std::fs::read_to_string(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Problem::new(
                "home.missing",
                format!(
                    "{} is no home of a node: it has no {FILE}",
                    self.0.display()
                ),
                "name the right directory with --home, or create one with `circle init`",
            ),
            _ => Problem::file("read", &path, error),
        })?;
        parse(&text).map_err(|problem| Problem {
            reason: format!("{}: {}", path.display(), problem.reason),
            ..problem
        })
    }

    /// Writes the configuration.
    pub fn write_config(&self, config: &Config) -> Result<(), Problem> {
        self.replace_config(&render(config))
    }

    /// Changes how secrets are kept in the configuration, and leaves the rest of the file as its owner wrote it.
    pub fn set_secrets(&self, secrets: &SecretsConfig) -> Result<(), Problem> {
        let path = self.config();
        let text =
            std::fs::read_to_string(&path).map_err(|error| Problem::file("read", &path, error))?;
        self.replace_config(&with_secrets(&text, secrets)?)
    }

    fn replace_config(&self, text: &str) -> Result<(), Problem> {
        let path = self.config();
        durable::write(&path, text.as_bytes(), Readers::All)
            .map_err(|error| Problem::file("write", &path, error))
    }
}

/// Reads a configuration.
pub fn parse(text: &str) -> Result<Config, Problem> {
    toml::from_str(text).map_err(|error| {
        let problem = Problem::new(
            "config",
            error.message().to_owned(),
            "mend the file; `circle init --help` shows what it holds",
        );
        match error.span() {
            Some(span) => {
                let before = &text[..span.start.min(text.len())];
                let line = before.matches('\n').count() as u32 + 1;
                let column = before
                    .rsplit('\n')
                    .next()
                    .unwrap_or_default()
                    .chars()
                    .count() as u32
                    + 1;
                problem.at(line, column)
            }
            None => problem,
        }
    })
}

/// The same file with other `[secrets]`.
fn with_secrets(text: &str, secrets: &SecretsConfig) -> Result<String, Problem> {
    let unreadable = |error: String| {
        Problem::new(
            "config",
            error,
            "mend circle.toml; `circle init --help` shows what it holds",
        )
    };
    let mut document: toml_edit::DocumentMut = text
        .parse()
        .map_err(|error: toml_edit::TomlError| unreadable(error.message().to_owned()))?;
    let table = document
        .entry("secrets")
        .or_insert(toml_edit::table())
        .as_table_like_mut()
        .ok_or_else(|| unreadable("`secrets` in circle.toml is no table".into()))?;
    table.insert("protection", toml_edit::value(secrets.protection.name()));
    match &secrets.identity {
        Some(path) => {
            let text = path
                .to_str()
                .ok_or_else(|| unreadable(format!("{} is no UTF-8", path.display())))?;
            table.insert("identity", toml_edit::value(text));
        }
        None => {
            table.remove("identity");
        }
    }
    Ok(document.to_string())
}

/// How a node that sees no money chain is shown one, in the file itself.
const NO_CHAINS: &str = "\n# The money chains that this node sees; name three servers, so that one that lies is outvoted:\n\
    # [[chains]]\n\
    # kind = \"stellar\"\n\
    # network = \"Public Global Stellar Network ; September 2015\"\n\
    # endpoints = [\"https://horizon.stellar.org\"]\n";

/// The configuration as a file for people.
pub fn render(config: &Config) -> String {
    let body = toml::to_string(config).expect("a configuration has a form in TOML");
    format!(
        "# A guardian's node. `circle start --home` with this directory starts it.\n\
         # listen: where other members reach this node. api: where `circle act` and `circle status` do; keep it on loopback.\n\
         # members: where this node reaches the others. secrets: how keys are kept; `circle treasury protect` changes it.\n\n{body}{}",
        if config.chains.is_empty() {
            NO_CHAINS
        } else {
            ""
        }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        let at = |port: u16| vec![SocketAddr::from(([127, 0, 0, 1], port))];
        Config {
            guardian: "ada".into(),
            listen: vec!["[::]:9700".parse().unwrap()],
            api: "127.0.0.1:9800".parse().unwrap(),
            members: BTreeMap::from([("ada".into(), at(9700)), ("bob".into(), at(9701))]),
            ordering: Ordering {
                idle_block_interval_ms: Some(500),
                ..Ordering::default()
            },
            secrets: SecretsConfig::default(),
            chains: vec![ChainConfig::Stellar {
                network: "Guardian Circle sandbox".into(),
                endpoints: vec!["http://127.0.0.1:8000".into()],
                poll_ms: Some(250),
            }],
        }
    }

    #[test]
    fn another_protection_leaves_the_rest_as_it_was_written() {
        let text = render(&config()).replace("[members]", "[members] # ask Bob before changing");
        let identity = SecretsConfig {
            protection: Protection::Identity,
            identity: Some("/media/stick/identity.txt".into()),
        };
        let changed = with_secrets(&text, &identity).unwrap();
        assert_eq!(parse(&changed).unwrap().secrets, identity);
        let back = with_secrets(&changed, &SecretsConfig::default()).unwrap();
        assert_eq!(back, text);
        let without = text.split("\n[secrets]").next().unwrap();
        assert_eq!(
            parse(&with_secrets(without, &identity).unwrap())
                .unwrap()
                .secrets,
            identity
        );
    }

    #[test]
    fn a_configuration_is_read_as_it_was_written() {
        assert_eq!(parse(&render(&config())).unwrap(), config());
        expect_test::expect![[r#"
            # A guardian's node. `circle start --home` with this directory starts it.
            # listen: where other members reach this node. api: where `circle act` and `circle status` do; keep it on loopback.
            # members: where this node reaches the others. secrets: how keys are kept; `circle treasury protect` changes it.

            guardian = "ada"
            listen = ["[::]:9700"]
            api = "127.0.0.1:9800"

            [members]
            ada = ["127.0.0.1:9700"]
            bob = ["127.0.0.1:9701"]

            [ordering]
            idle_block_interval_ms = 500

            [secrets]
            protection = "none"

            [[chains]]
            kind = "stellar"
            network = "Guardian Circle sandbox"
            endpoints = ["http://127.0.0.1:8000"]
            poll_ms = 250
        "#]]
        .assert_eq(&render(&config()));
    }

    #[test]
    fn a_mistake_is_named_with_its_place() {
        let check = |text: &str, place: (u32, u32), says: &str| {
            let problem = parse(text).unwrap_err();
            assert_eq!(
                (problem.line, problem.column),
                (Some(place.0), Some(place.1)),
                "{problem}"
            );
            assert!(problem.reason.contains(says), "{problem}");
        };
        check("guardian = 7\n", (1, 12), "string");
        check(
            "guardian = \"ada\"\nlisten = [\"nowhere\"]\n",
            (2, 11),
            "socket address",
        );
        check(
            &render(&config()).replace("api", "apy"),
            (7, 1),
            "unknown field",
        );
    }
}
