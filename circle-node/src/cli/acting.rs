//! What every verb that acts in a circle does: make an action as it is declared, sign it, send it, and wait for what becomes of it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use circle::envelope::{Body, Envelope};
use circle::genesis::Genesis;
use circle::ids::Key;
use ed25519_zebra::SigningKey;
use threescript::action::{Action, Mark, ParamDecl, Signature};
use threescript::value::{Assets, Value, parse_duration};

use super::target::Target;
use crate::api::client::Client;
use crate::api::types::{Account, Status, Submitted, Transaction};
use crate::config::Home;
use crate::keyring::Keyring;
use crate::problem::Problem;
use crate::setup::now_ms;
use crate::vault::{self, Lock, Source};

/// A circle that is acted in, by way of one of its nodes.
pub struct Circle {
    /// What the circle started with.
    pub genesis: Genesis,
    /// The names of its guardians by their keys.
    pub guardians: BTreeMap<String, String>,
    /// How many of them speak for the circle.
    pub quorum: usize,
    /// The node's API.
    pub client: Client,
}

impl Circle {
    /// The circle of the node that `target` names.
    pub async fn at(target: &Target) -> Result<Self, Problem> {
        let client = target.client()?;
        let status: Status = client.get("/v1/status").await?;
        let guardians = status.guardians.into_iter();
        Ok(Self {
            genesis: client.genesis().await?,
            guardians: guardians.map(|one| (one.key, one.name)).collect(),
            quorum: status.membership.quorum,
            client,
        })
    }

    /// The decimals of its assets.
    pub fn assets(&self) -> Result<Assets, Problem> {
        self.genesis
            .decimals()
            .map_err(|error| Problem::of("genesis.assets", error))
    }

    /// A transaction of `actions`, signed with `key`, that may take effect for as long as `expires` says.
    pub async fn sign(
        &self,
        actions: Vec<Action>,
        key: &SigningKey,
        expires: &str,
    ) -> Result<Envelope, Problem> {
        let lifetime_s = parse_duration(expires)
            .ok()
            .filter(|seconds| *seconds > 0)
            .ok_or_else(|| {
                Problem::new(
                    "act.expires",
                    format!("{expires:?} is no duration"),
                    "write it as 10m, 24h or 7d",
                )
            })?;
        let sender = Key::of(key);
        let account: Account = self.client.get(&format!("/v1/accounts/{sender}")).await?;
        let body = Body {
            circle: self.genesis.circle,
            sender,
            account_nonce: account.next_nonce,
            expires_at_ms: now_ms().saturating_add(lifetime_s.unsigned_abs().saturating_mul(1000)),
            actions,
        };
        Ok(Envelope::sign(body, key))
    }

    /// Sends a transaction and waits until it is certified that it took effect. Everything else is a problem.
    pub async fn send(&self, envelope: &Envelope, wait_s: u64) -> Result<Transaction, Problem> {
        let sent: Submitted = self
            .client
            .post("/v1/transactions", envelope.encode())
            .await?;
        let transaction = wait_for(&self.client, &sent.id, Duration::from_secs(wait_s)).await?;
        let Some(receipt) = &transaction.receipt else {
            let reason = format!("transaction {} was not ordered within {wait_s} s", sent.id);
            return Err(Problem::new(
                "act.waiting",
                reason,
                "it may still be: send the same transaction again, or look at `circle status`",
            ));
        };
        let height = transaction.height.unwrap_or_default();
        if receipt.code != circle::receipt::OK {
            let place = receipt
                .place
                .as_ref()
                .map_or_else(String::new, |place| format!(" ({place})"));
            let mut problem =
                Problem::of(receipt.code.clone(), format!("{}{place}", receipt.message));
            problem.reason = format!("refused at height {height}: {}", problem.reason);
            return Err(problem);
        }
        if transaction.state != "certified" {
            let reason = format!(
                "done at height {height}, but not certified within {wait_s} s; the circle waits for {}",
                transaction.waiting_for.join(", ")
            );
            return Err(Problem::new(
                "act.uncertified",
                reason,
                format!("ask again for transaction {}", sent.id),
            ));
        }
        Ok(transaction)
    }
}

/// The action `!!actor.name` with these parameters, in declared order and with its defaults.
pub fn action(
    declared: &[Signature],
    actor: &str,
    name: &str,
    given: Vec<(&str, Value)>,
) -> Result<Action, Problem> {
    let mend = "use a node and a policy of the same version as this program";
    let signature = declared
        .iter()
        .find(|one| one.mark == Mark::Act && one.actor == actor && one.name == name)
        .ok_or_else(|| {
            let reason = format!("the circle declares no action !!{actor}.{name}");
            Problem::new("action.unknown", reason, mend)
        })?;
    let value = |param: &ParamDecl| {
        let given = given.iter().find(|(name, _)| *name == param.name);
        let value = given
            .map(|(_, value)| value.clone())
            .or_else(|| param.default.clone())
            .ok_or_else(|| {
                let reason = format!("!!{actor}.{name} wants a {}", param.name);
                Problem::new("action.parameters", reason, mend)
            })?;
        Ok((param.name.clone(), value))
    };
    Ok(Action {
        mark: Mark::Act,
        actor: actor.into(),
        name: name.into(),
        params: signature
            .params
            .iter()
            .map(value)
            .collect::<Result<_, Problem>>()?,
    })
}

/// Waits until a transaction is certified, or for as long as `wait`.
pub async fn wait_for(client: &Client, id: &str, wait: Duration) -> Result<Transaction, Problem> {
    let deadline = tokio::time::Instant::now() + wait;
    loop {
        let left = deadline.saturating_duration_since(tokio::time::Instant::now());
        let step = left.min(Duration::from_secs(20));
        let path = format!("/v1/transactions/{id}?wait_s={}", step.as_secs());
        let transaction: Transaction = client.wait(&path, step).await?;
        if transaction.state == "certified"
            || tokio::time::Instant::now() + Duration::from_secs(1) >= deadline
        {
            return Ok(transaction);
        }
    }
}

/// The key in a file; without one the key of the guardian whose home is named.
pub fn key(file: Option<&Path>, target: &Target) -> Result<SigningKey, Problem> {
    let Some(path) = file else {
        let home = target.home_on_this_machine().ok_or_else(|| {
            let mend = "name a key file with --key, or the home of a guardian with --home";
            Problem::new("act.key", "no key is given to sign with", mend)
        })?;
        return guardian_key(&home);
    };
    key_in(path)
}

/// The key in a file.
pub fn key_in(path: &Path) -> Result<SigningKey, Problem> {
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .map(|name| name.strip_suffix(".age").unwrap_or(name))
        .and_then(|name| name.strip_suffix(".key"));
    let name = name.ok_or_else(|| {
        Problem::new(
            "act.key",
            format!("{} is no key file", path.display()),
            "key files are called NAME.key, or NAME.key.age if they are encrypted",
        )
    })?;
    let directory = path.parent().unwrap_or(Path::new(""));
    read_key(directory, &lock_around(directory)?, name)
}

/// The key of the guardian whose home it is.
pub fn guardian_key(home: &Home) -> Result<SigningKey, Problem> {
    let config = home.read_config()?;
    let lock = vault::unlock(home, &config.secrets, &Source::find(None))?;
    read_key(&home.keys(), &lock, &config.guardian)
}

/// How the keys in `directory` are kept: as its home says, if it is the directory of keys of a home.
fn lock_around(directory: &Path) -> Result<Lock, Problem> {
    home_around(directory).map_or(Ok(Lock::Open), |home| {
        vault::unlock(&home, &home.read_config()?.secrets, &Source::find(None))
    })
}

/// The home whose directory of keys this is, if it is one.
pub fn home_around(directory: &Path) -> Option<Home> {
    let home = directory.parent().map(Home::new)?;
    (home.keys() == directory && home.config().exists()).then_some(home)
}

fn read_key(directory: &Path, lock: &Lock, name: &str) -> Result<SigningKey, Problem> {
    Keyring::locked(directory, lock.clone())
        .existing(name)
        .copied()
        .map_err(|error| Problem::of("act.key", error))
}
