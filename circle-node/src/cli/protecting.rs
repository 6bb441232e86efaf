//! How a home that is being made keeps its secrets.

use std::path::PathBuf;

use super::output;
use super::target::Passphrase;
use crate::config::{Home, Protection, SecretsConfig};
use crate::durable;
use crate::problem::Problem;
use crate::vault::{self, Lock, Source, Target};

/// Options that say how the secrets of a new home are kept.
#[derive(Debug, clap::Args)]
pub struct Protect {
    /// How keys and shares are kept: encrypted by a passphrase, to an age identity file, or in the clear. Without: by a passphrase
    /// if there is one to be had, from a file or the terminal.
    #[arg(long, value_name = "HOW")]
    protect: Option<Protection>,
    /// The age identity file, made if it is missing. Keep it where the home is not: on a stick, or in a credential of the service.
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
    #[command(flatten)]
    passphrase: Passphrase,
}

/// How a home keeps its secrets.
pub struct Kept {
    /// For the configuration.
    pub secrets: SecretsConfig,
    /// For the files.
    pub lock: Lock,
    /// What is asked for, while a key lies there in the clear.
    pending: Option<Target>,
}

impl Kept {
    /// Encrypts a key that was in the home before, now that the home has a configuration.
    ///
    /// Nobody else may use the home meanwhile, see [`vault::hold`].
    pub fn encrypt_what_is_there(&self, home: &Home) -> Result<(), Problem> {
        let Some(target) = &self.pending else {
            return Ok(());
        };
        vault::switch(home, &self.lock, target, &mut |_| {}).map(drop)
    }
}

impl Protect {
    /// The same from options of other names.
    pub fn new(
        protect: Option<Protection>,
        identity: Option<PathBuf>,
        passphrase: Passphrase,
    ) -> Self {
        Self {
            protect,
            identity,
            passphrase,
        }
    }

    /// How `home` keeps its secrets, or is to keep them if it is new.
    pub fn of_home(&self, home: &Home, guardian: &str) -> Result<Kept, Problem> {
        durable::private_directory(home.path())
            .map_err(|error| Problem::file("create", home.path(), error))?;
        let source = self.passphrase.source();
        if home.config().exists() {
            let secrets = home.read_config()?.secrets;
            if self
                .protect
                .is_some_and(|wanted| wanted != secrets.protection)
            {
                let reason = format!(
                    "the secrets of {} are kept with protection {:?} already",
                    home.path().display(),
                    secrets.protection.name()
                );
                return Err(Problem::new(
                    "init.protect",
                    reason,
                    "leave --protect out, or change it with `circle treasury protect`",
                ));
            }
            return Ok(Kept {
                lock: vault::unlock(home, &secrets, &source)?,
                secrets,
                pending: None,
            });
        }
        let secrets = self.wanted(home, guardian, &source)?;
        if home.keys().join(format!("{guardian}.key")).exists() {
            return Ok(Kept {
                secrets: SecretsConfig::default(),
                lock: Lock::Open,
                pending: target(&secrets, source),
            });
        }
        Ok(Kept {
            lock: vault::establish(home, &secrets, &source)?,
            secrets,
            pending: None,
        })
    }

    fn wanted(
        &self,
        home: &Home,
        guardian: &str,
        source: &Source,
    ) -> Result<SecretsConfig, Problem> {
        let protection = match (self.protect, &self.identity, source) {
            (Some(protection), ..) => protection,
            (None, Some(_), _) => Protection::Identity,
            (None, None, Source::Nowhere) => {
                output::tell(format!(
                    "The key of {guardian} will lie in {} in the clear; `circle treasury protect` encrypts it.",
                    home.keys().display()
                ));
                Protection::None
            }
            (None, None, _) => Protection::Passphrase,
        };
        let identity = match (protection, &self.identity) {
            (Protection::Identity, Some(path)) => Some(absolute(path)?),
            (Protection::Identity, None) => {
                return Err(Problem::new(
                    "init.identity",
                    "no identity file is named",
                    "say with --identity where it is, or is to be made",
                ));
            }
            _ => None,
        };
        Ok(SecretsConfig {
            protection,
            identity,
        })
    }
}

/// A path as it is meant from here, for a file that takes relative ones from elsewhere.
pub fn absolute(path: &std::path::Path) -> Result<PathBuf, Problem> {
    std::path::absolute(path).map_err(|error| Problem::file("find", path, error))
}

fn target(secrets: &SecretsConfig, source: Source) -> Option<Target> {
    match (secrets.protection, &secrets.identity) {
        (Protection::Passphrase, _) => Some(Target::Passphrase(source)),
        (Protection::Identity, Some(path)) => Some(Target::Identity(path.clone())),
        _ => None,
    }
}
