//! The installed policies, and which of them are active.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize};
use threescript::engine::{Catalog, Limits};
use threescript::policy::{self, Policy};
use threescript::value::{Assets, Value};

use crate::digest::Hash;
use crate::gate;
use crate::rejection::{Failure, Rejection, require};
use crate::session::ActivePolicies;
use crate::state::{KeyValue, Overlay, StoreFault};
use crate::table::Table;

/// Names that belong to the kernel.
pub const KERNEL_ACTORS: [&str; 5] = ["circle", "policy", "ceremony", "treasury", "ledger"];
/// Those of them that a policy may have too, to add to what the kernel does.
pub const EXTENDABLE_ACTORS: [&str; 1] = ["treasury"];

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
// (policy, param) -> what the circle decided
pub(crate) const PARAMS: Table<Value> = Table::new(b"k1", "a param");
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
        let policy = compile_among(&source, language, rows).map_err(|failure| match failure {
            Failure::Rejected(rejection) => damaged(rejection.message),
            Failure::Fault(fault) => fault,
        })?;
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

/// Compiles a policy that uses no constants of others.
pub fn compile(source: &str, language: &Language) -> Result<Policy, Rejection> {
    compile_with(source, language, &|_| None)
}

/// Compiles a policy; `installed` gives the source of the policy with a hash, if there is one.
pub fn compile_with(
    source: &str,
    language: &Language,
    installed: &dyn Fn(&Hash) -> Option<String>,
) -> Result<Policy, Rejection> {
    let compiled = policy::compile_with(
        source,
        "policy.3script",
        &language.catalog,
        &language.limits,
        installed,
    );
    compiled.map_err(|diagnostics| {
        let all: Vec<String> = diagnostics.iter().map(ToString::to_string).collect();
        Rejection::new("policy.invalid", all.join("\n"))
    })
}

/// Compiles a policy that may use constants of the installed ones.
fn compile_among(
    source: &str,
    language: &Language,
    rows: &(impl KeyValue + ?Sized),
) -> Result<Policy, Failure> {
    let fault = RefCell::new(None);
    let installed = |hash: &Hash| {
        SOURCES.get(rows, hash).unwrap_or_else(|found| {
            *fault.borrow_mut() = Some(found);
            None
        })
    };
    let compiled = compile_with(source, language, &installed);
    match fault.into_inner() {
        Some(fault) => Err(fault.into()),
        None => Ok(compiled?),
    }
}

/// Stores a policy that compiles. Storing it again changes nothing.
pub fn install(rows: &mut Overlay, source: &str, language: &Language) -> Result<Policy, Failure> {
    let policy = compile_among(source, language, rows)?;
    keep(rows, &policy);
    Ok(policy)
}

/// Stores a policy under its hash.
pub(crate) fn keep(rows: &mut Overlay, policy: &Policy) {
    SOURCES.put(rows, policy.hash(), &policy.source().to_owned());
}

/// What the circle decided for a param of a policy, if it did.
pub fn param(
    rows: &(impl KeyValue + ?Sized),
    policy: &str,
    name: &str,
) -> Result<Option<Value>, StoreFault> {
    PARAMS.get(rows, (policy, name))
}

/// What the circle decided for the params of a policy, by their names. The others have their defaults.
pub fn params(
    rows: &(impl KeyValue + ?Sized),
    policy: &str,
) -> Result<Vec<(String, Value)>, StoreFault> {
    let decided = PARAMS.all(rows, policy)?.into_iter();
    Ok(decided.map(|(key, value)| (name_of(&key), value)).collect())
}

/// Gives a param another value, at once: the next run sees it. `text` is the value as [`PolicyParam::read`] reads it.
///
/// [`PolicyParam::read`]: threescript::policy::PolicyParam::read
pub fn set_param(
    rows: &mut Overlay,
    policy: &Policy,
    name: &str,
    text: &str,
    language: &Language,
) -> Result<Value, Rejection> {
    let declared = policy.param(name).ok_or_else(|| {
        let known: Vec<&str> = policy
            .params()
            .iter()
            .map(|param| param.name.as_str())
            .collect();
        let known = match known.is_empty() {
            true => "it has none".to_owned(),
            false => format!("it has {}", known.join(", ")),
        };
        Rejection::new(
            "param.unknown",
            format!("the policy {} has no param {name}; {known}", policy.name()),
        )
    })?;
    let longest = language.limits.text_bytes as usize;
    require(text.len() <= longest, "param.size", || {
        format!(
            "the value has {} bytes, at most {longest} are allowed",
            text.len()
        )
    })?;
    let value = declared.read(text, language.catalog.assets());
    let value = value.map_err(|error| Rejection::new(error.code(), error.to_string()))?;
    PARAMS.put(rows, (policy.name(), name), &value);
    Ok(value)
}

/// Drops what was decided for params that a policy, which has become active, does not declare or accept: its defaults
/// hold, and no later version brings the old values back.
pub(crate) fn drop_params(
    rows: &mut Overlay,
    policy: &Policy,
    assets: &Assets,
) -> Result<(), StoreFault> {
    for (name, value) in params(rows, policy.name())? {
        let declared = policy.param(&name);
        if declared.is_none_or(|param| param.accept(value, assets).is_err()) {
            PARAMS.delete(rows, (policy.name(), name));
        }
    }
    Ok(())
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
    let policy = compile_among(&source, language, rows)?;
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

/// Activates what is due at `height`: decided, certified, and at its height. Returns the names.
pub(crate) fn activate_due(rows: &mut Overlay, height: u64) -> Result<Vec<String>, StoreFault> {
    let certified = gate::gate(rows)?.certified_height;
    let due: Vec<(Vec<u8>, Activation)> = PENDING
        .all(rows, ())?
        .into_iter()
        .filter(|(_, activation)| activation.height <= height && activation.decided <= certified)
        .collect();
    let mut names = Vec::with_capacity(due.len());
    for (key, activation) in due {
        let name = name_of(&key);
        let active = Active {
            hash: activation.hash,
            since: height,
        };
        ACTIVE.put(rows, &name, &active);
        PENDING.delete(rows, &name);
        names.push(name);
    }
    Ok(names)
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
