//! What an IOU is worth: asked of the billing policy, so that there is one place where prices are computed.

use std::io;

use circle::natives;
use threescript::engine::{BlockInfo, Caller, Entry, Host, HostError, Limits, ScriptError};
use threescript::policy::{Policy, compile};
use threescript::value::{Amount, Assets, Value};

use crate::policies;
use crate::usage::UsageRow;

/// The stack that a run of a policy needs, in bytes.
const STACK_BYTES: usize = 64 * 1024 * 1024;

/// The shipped billing policy, ready to be asked.
#[derive(Debug)]
pub struct Billing {
    policy: Policy,
}

impl Billing {
    /// The shipped policy. Its pure questions call no natives, but what is beside them does.
    pub fn shipped() -> Self {
        let catalog = natives::catalog(&Assets::standard());
        let policy = compile(policies::BILLING, "billing", &catalog, &Limits::default());
        Self {
            policy: policy.expect("the shipped billing policy compiles, as its tests show"),
        }
    }

    /// The name, version and hash of the policy, as an IOU and its batch name it.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// What one row of usage is worth at a price of `price_musd` mUSD for one TFT.
    ///
    /// The calling thread needs a large stack, see [`with_stack`]. Errors: what the policy refuses, such as an amount that
    /// does not fit.
    pub fn quote(&self, row: &UsageRow, price_musd: i64) -> Result<Amount, ScriptError> {
        let arguments = [
            ("cru", Value::Decimal(row.cru)),
            ("mru_gib", Value::Decimal(row.mru_gib)),
            ("sru_gib", Value::Decimal(row.sru_gib)),
            ("hru_gib", Value::Decimal(row.hru_gib)),
            ("ipv4", Value::Int(row.ipv4)),
            ("nru_bytes", Value::Int(row.nru_bytes)),
            ("elapsed", Value::Duration(row.to.saturating_sub(row.from))),
            ("price_musd", Value::Int(price_musd)),
        ];
        let arguments = arguments
            .map(|(name, value)| (name.to_owned(), value))
            .into();
        let (_, answer) = self.policy.run(Entry::Ask("quote"), arguments, Stateless);
        match answer?.value {
            Value::Amount(amount) => Ok(amount),
            other => unreachable!(
                "the question `quote` of the shipped policy answers with an amount, not {}",
                other.kind()
            ),
        }
    }
}

/// Runs `work` on a thread with the stack that policies need.
pub fn with_stack<T: Send>(work: impl FnOnce() -> T + Send) -> io::Result<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, work)?;
        Ok(thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

/// A host without state: pure questions ask nothing of it.
pub(crate) struct Stateless;

fn no_state<T>() -> Result<T, HostError> {
    Err(HostError::Rejected {
        code: "no_state".into(),
        message: "there is no state to ask here".into(),
    })
}

impl Host for Stateless {
    fn get(&mut self, _key: &[u8]) -> Result<Option<Vec<u8>>, HostError> {
        no_state()
    }

    fn put(&mut self, _key: Vec<u8>, _value: Vec<u8>) -> Result<(), HostError> {
        no_state()
    }

    fn delete(&mut self, _key: &[u8]) -> Result<(), HostError> {
        no_state()
    }

    fn scan(
        &mut self,
        _from: &[u8],
        _to: &[u8],
        _limit: usize,
        _reverse: bool,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>, HostError> {
        no_state()
    }

    fn block(&self) -> BlockInfo {
        BlockInfo { height: 1, time: 0 }
    }

    fn caller(&self) -> Caller {
        Caller::circle()
    }

    fn call(
        &mut self,
        _module: &str,
        _function: &str,
        _args: Vec<Value>,
    ) -> Result<Value, HostError> {
        no_state()
    }
}
