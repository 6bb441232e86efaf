//! What a running policy asks of the one who runs it.

use super::observe::Observer;
use crate::value::Value;
use std::sync::Arc;

/// Where a host call went wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// The call was refused, on every node alike: it ends the run, and the code enters the digest.
    #[error("{message} [{code}]")]
    Rejected {
        /// A stable short name of the reason.
        code: String,
        /// The reason, for people.
        message: String,
    },
    /// Something broke on this node only, such as its disk: no result may be made of it.
    #[error("{0}")]
    Fault(String),
}

/// The block that a run is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockInfo {
    /// Its height, from 1.
    pub height: u64,
    /// Its time in seconds since 1970-01-01 00:00:00 UTC.
    pub time: i64,
}

/// For whom a policy runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The account's name; [`Caller::CIRCLE`] for enacted scripts, schedules, reactions and invariants.
    pub account: String,
    /// The account's roles, such as `guardian`.
    pub roles: Vec<String>,
}

impl Caller {
    /// The account of the circle itself.
    pub const CIRCLE: &str = "circle";

    /// The circle, which runs schedules, reactions, invariants and enacted scripts.
    pub fn circle() -> Self {
        Self {
            account: Self::CIRCLE.to_owned(),
            roles: Vec::new(),
        }
    }
}

/// Keys with their values.
pub type Rows = Vec<(Vec<u8>, Vec<u8>)>;

/// State, block, caller and native functions for one run.
///
/// The host is moved into the run and handed back by it, so it can own what it works on. Keys are the policy's own: the
/// host puts them into a space that no other policy shares. After an error the host throws the writes of the run away.
pub trait Host: Send + 'static {
    /// The value of a key.
    fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, HostError>;

    /// Sets a key.
    fn put(&mut self, key: Vec<u8>, value: Vec<u8>) -> Result<(), HostError>;

    /// Removes a key; nothing happens if there is none.
    fn delete(&mut self, key: &[u8]) -> Result<(), HostError>;

    /// The keys from `from` (inclusive) to `to` (exclusive) in the order of their bytes with their values, at most
    /// `limit` of them, the last ones first if `reverse`. Writes of this run are seen.
    fn scan(
        &mut self,
        from: &[u8],
        to: &[u8],
        limit: usize,
        reverse: bool,
    ) -> Result<Rows, HostError>;

    /// The block of the run.
    fn block(&self) -> BlockInfo;

    /// Who runs it.
    fn caller(&self) -> Caller;

    /// The value that the circle gave to a `param` of the policy, if it gave one. Asked at most once per run and param,
    /// when a body first reads it. A value that the declaration does not accept is passed over, as if there were none.
    fn param(&mut self, _name: &str) -> Result<Option<Value>, HostError> {
        Ok(None)
    }

    /// Calls a function of the catalog. Arguments have the declared types and the cost is charged already.
    fn call(&mut self, module: &str, function: &str, args: Vec<Value>) -> Result<Value, HostError>;

    /// Told before each [`Host::call`]: the operations that this run has left. A host whose calls run other policies
    /// passes it on to [`crate::policy::Policy::run_within`], so that nesting does not multiply the limit.
    fn operations_left(&mut self, _operations: u64) {}

    /// Asked after each [`Host::call`]: the operations that it used in nested runs. They are charged to this run.
    fn operations_used(&mut self) -> u64 {
        0
    }

    /// Who watches this run, if anybody does: asked once, before it begins.
    fn observer(&self) -> Option<Arc<dyn Observer>> {
        None
    }
}
