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

/// Which policy is active under its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Active {
    /// The policy.
    pub hash: Hash,
    /// The first height at which it ran under this name.
    pub since: u64,
}

const SOURCES: Table<String> = Table::new(b"ks", "a policy");
const ACTIVE: Table<Active> = Table::new(b"kp", "an active policy");
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
        for Active { hash, .. } in ACTIVE.values(rows, ())? {
            let policy = self.compiled(rows, hash, language)?;
            active.insert(policy.name().to_owned(), policy);
        }
        Ok(active)
    }

    /// Takes a policy that is compiled already.
    pub(crate) fn know(&mut self, policy: Arc<Policy>) {
        self.compiled.insert(policy.hash(), policy);
    }

    /// All installed policies, by hash.
    pub fn installed(
        &mut self,
        rows: &(impl KeyValue + ?Sized),
        language: &Language,
    ) -> Result<Vec<Arc<Policy>>, StoreFault> {
        let hashes = SOURCES.all(rows, ())?.into_iter().map(|(key, _)| {
            key.try_into()
                .map_err(|_| damaged("its key is no hash".into()))
        });
        let hashes: Vec<Hash> = hashes.collect::<Result<_, _>>()?;
        hashes
            .into_iter()
            .map(|hash| self.compiled(rows, hash, language))
            .collect()
    }

    fn compiled(
        &mut self,
        rows: &(impl KeyValue + ?Sized),
        hash: Hash,
        language: &Language,
    ) -> Result<Arc<Policy>, StoreFault> {
        if let Some(policy) = self.compiled.get(&hash) {
            return Ok(policy.clone());
        }
        let source = SOURCES
            .get(rows, hash)?
            .ok_or_else(|| damaged("its source is missing".into()))?;
        let policy = compile(&source, language).map_err(|rejection| damaged(rejection.message))?;
        let policy = Arc::new(policy);
        self.compiled.insert(hash, policy.clone());
        Ok(policy)
    }
}

fn damaged(reason: String) -> StoreFault {
    StoreFault::Corrupt {
        what: "a policy",
        reason,
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
    check_name(&policy)?;
    Ok(policy)
}

/// Refuses a policy whose name belongs to the kernel.
pub fn check_name(policy: &Policy) -> Result<(), Rejection> {
    require(
        !KERNEL_ACTORS.contains(&policy.name()),
        "policy.name",
        || {
            format!(
                "the name {} belongs to the kernel; choose another",
                policy.name()
            )
        },
    )
}

/// Stores a policy that compiles. Storing it again changes nothing.
pub fn install(rows: &mut Overlay, source: &str, language: &Language) -> Result<Policy, Failure> {
    let policy = compile(source, language)?;
    keep(rows, &policy);
    Ok(policy)
}

/// Stores a policy under its hash.
pub(crate) fn keep(rows: &mut Overlay, policy: &Policy) {
    SOURCES.put(rows, policy.hash(), &policy.source().to_owned());
}

/// Makes an installed policy active at once, without a decision: for the genesis, and for trials.
pub(crate) fn activate_now(rows: &mut Overlay, policy: &Policy, height: u64) {
    let active = Active {
        hash: policy.hash(),
        since: height,
    };
    ACTIVE.put(rows, policy.name(), &active);
}

/// Whether this very policy is active.
pub(crate) fn is_active(rows: &Overlay, policy: &Policy) -> Result<bool, StoreFault> {
    let active = ACTIVE.get(rows, policy.name())?;
    Ok(active.is_some_and(|active| active.hash == policy.hash()))
}

/// Takes back a decided activation, if there is one.
pub(crate) fn withdraw(rows: &mut Overlay, name: &str) -> Result<(), StoreFault> {
    if PENDING.has(rows, name)? {
        PENDING.delete(rows, name);
    }
    Ok(())
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
        let name = name_of(&key);
        let active = Active {
            hash: activation.hash,
            since: height,
        };
        ACTIVE.put(rows, &name, &active);
        PENDING.delete(rows, &name);
    }
    Ok(count)
}

/// The active policies, by name.
pub fn active(rows: &(impl KeyValue + ?Sized)) -> Result<Vec<(String, Active)>, StoreFault> {
    let named = |(key, active): (Vec<u8>, Active)| (name_of(&key), active);
    Ok(ACTIVE.all(rows, ())?.into_iter().map(named).collect())
}

/// The decided activations that wait for their height or for the certificate of their decision, by the name of the policy.
pub fn pending(rows: &(impl KeyValue + ?Sized)) -> Result<Vec<(String, Activation)>, StoreFault> {
    let named = |(key, activation): (Vec<u8>, Activation)| (name_of(&key), activation);
    Ok(PENDING.all(rows, ())?.into_iter().map(named).collect())
}

fn name_of(key: &[u8]) -> String {
    String::from_utf8_lossy(key.strip_suffix(&[0]).unwrap_or(key)).into_owned()
}

/// The source of an installed policy.
pub fn source(rows: &(impl KeyValue + ?Sized), hash: &Hash) -> Result<Option<String>, StoreFault> {
    SOURCES.get(rows, hash)
}
