//! The installed policies, and which of them are active.

use std::collections::BTreeMap;
use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize};
use threescript::engine::{Catalog, Limits};
use threescript::policy::{self, Policy};

use crate::digest::Hash;
use crate::gate;
use crate::rejection::{Failure, Rejection, require};
use crate::session::ActivePolicies;
use crate::state::{KeyValue, Overlay, StoreFault};
use crate::table::Table;

/// Names that belong to the kernel.
pub const KERNEL_ACTORS: [&str; 5] = ["circle", "policy", "ceremony", "treasury", "ledger"];

/// A decision to activate a policy, waiting for its height.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Activation {
    /// The policy.
    pub hash: Hash,
    /// Not before this height.
    pub height: u64,
    /// The height of the decision, whose checkpoint has to be certified first.
    pub decided: u64,
}

const SOURCES: Table<String> = Table::new(b"ks", "a policy");
const ACTIVE: Table<Hash> = Table::new(b"kp", "an active policy");
const PENDING: Table<Activation> = Table::new(b"ky", "an activation");

/// What policies are compiled against: a parameter of consensus.
pub struct Language {
    /// The native functions and the assets.
    pub catalog: Catalog,
    /// The bounds of every run.
    pub limits: Limits,
}

/// Compiled policies, so that each is compiled once per process.
#[derive(Clone, Default)]
pub struct Library {
    compiled: BTreeMap<Hash, Arc<Policy>>,
}

impl Library {
    /// The policies that are active in `rows`.
    pub fn active(
        &mut self,
        rows: &(impl KeyValue + ?Sized),
        language: &Language,
    ) -> Result<ActivePolicies, StoreFault> {
        let mut active = ActivePolicies::new();
        for (_, hash) in ACTIVE.all(rows, ())? {
            let policy = match self.compiled.get(&hash) {
                Some(policy) => policy.clone(),
                None => {
                    let damaged = |reason: String| StoreFault::Corrupt {
                        what: "a policy",
                        reason,
                    };
                    let source = SOURCES
                        .get(rows, hash)?
                        .ok_or_else(|| damaged("its source is missing".into()))?;
                    let policy = compile(&source, language)
                        .map_err(|rejection| damaged(rejection.message))?;
                    let policy = Arc::new(policy);
                    self.compiled.insert(hash, policy.clone());
                    policy
                }
            };
            active.insert(policy.name().to_owned(), policy);
        }
        Ok(active)
    }
}

/// Compiles a policy against the kernel's catalog.
pub fn compile(source: &str, language: &Language) -> Result<Policy, Rejection> {
    let policy = policy::compile(
        source,
        "policy.3script",
        &language.catalog,
        &language.limits,
    )
    .map_err(|diagnostics| {
        let all: Vec<String> = diagnostics.iter().map(ToString::to_string).collect();
        Rejection::new("policy.invalid", all.join("\n"))
    })?;
    require(
        !KERNEL_ACTORS.contains(&policy.name()),
        "policy.name",
        || {
            format!(
                "the name {} belongs to the kernel; choose another",
                policy.name()
            )
        },
    )?;
    Ok(policy)
}

/// Stores a policy that compiles. Storing it again changes nothing.
pub fn install(rows: &mut Overlay, source: &str, language: &Language) -> Result<Policy, Failure> {
    let policy = compile(source, language)?;
    SOURCES.put(rows, policy.hash(), &source.to_owned());
    Ok(policy)
}

/// Makes an installed policy active at once; for the genesis.
pub(crate) fn activate_now(rows: &mut Overlay, policy: &Policy) {
    ACTIVE.put(rows, policy.name(), &policy.hash());
}

/// Decides that an installed policy becomes active at `height`, or as soon after as this decision is certified. A height of
/// 0 means: as soon as it is.
pub fn activate(
    rows: &mut Overlay,
    hash: Hash,
    height: u64,
    now: u64,
    language: &Language,
) -> Result<(), Failure> {
    let source = SOURCES.get(rows, hash)?.ok_or_else(|| {
        Rejection::new(
            "policy.unknown",
            format!(
                "no policy {} is installed; install it first",
                hex::encode(hash)
            ),
        )
    })?;
    require(height == 0 || height > now, "policy.height", || {
        format!(
            "height {height} is not after this one, {now}; leave it out for as soon as possible"
        )
    })?;
    let policy = compile(&source, language)?;
    PENDING.put(
        rows,
        policy.name(),
        &Activation {
            hash,
            height,
            decided: now,
        },
    );
    Ok(())
}

/// Activates what is due at `height`: decided, certified, and at its height. Returns how many.
pub(crate) fn activate_due(rows: &mut Overlay, height: u64) -> Result<usize, StoreFault> {
    let certified = gate::gate(rows)?.certified_height;
    let due: Vec<(Vec<u8>, Activation)> = PENDING
        .all(rows, ())?
        .into_iter()
        .filter(|(_, activation)| activation.height <= height && activation.decided <= certified)
        .collect();
    let count = due.len();
    for (key, activation) in due {
        let name = String::from_utf8_lossy(&key[..key.len() - 1]).into_owned();
        ACTIVE.put(rows, &name, &activation.hash);
        PENDING.delete(rows, &name);
    }
    Ok(count)
}

/// The name and hash of every active policy.
pub fn active_hashes(rows: &(impl KeyValue + ?Sized)) -> Result<Vec<(String, Hash)>, StoreFault> {
    let name = |key: Vec<u8>| String::from_utf8_lossy(&key[..key.len() - 1]).into_owned();
    Ok(ACTIVE
        .all(rows, ())?
        .into_iter()
        .map(|(key, hash)| (name(key), hash))
        .collect())
}

/// The source of an installed policy.
pub fn source(rows: &(impl KeyValue + ?Sized), hash: &Hash) -> Result<Option<String>, StoreFault> {
    SOURCES.get(rows, hash)
}
