//! What one run of a policy sees of a session: its own rows, the block, the caller, its params, the kernel's natives.

use std::sync::Arc;

use threescript::engine::{BlockInfo, Caller, Host, HostError, Observer};
use threescript::value::Value;

use crate::natives;
use crate::policies;
use crate::session::{Budget, Session, Stop, policy_prefix};
use crate::state::{KeyValue, Overlay, Row, StoreFault};

/// What one run of a policy sees of a session.
pub struct PolicyHost {
    policy: String,
    prefix: Vec<u8>,
    caller: Caller,
    // Away while a nested run has it.
    session: Option<Box<Session>>,
    outer_budgets: Vec<Budget>,
}

impl PolicyHost {
    /// What `policy` sees of a session when `caller` runs it.
    pub fn new(policy: &str, caller: Caller, session: Box<Session>) -> Self {
        Self {
            policy: policy.to_owned(),
            prefix: policy_prefix(policy),
            caller,
            session: Some(session),
            outer_budgets: Vec::new(),
        }
    }

    /// The session under this host.
    pub fn session(&mut self) -> &mut Session {
        self.session
            .as_mut()
            .expect("a nested run gives the session back before its caller goes on")
    }

    /// Takes the session for a nested run, which has to give it back.
    pub fn take(&mut self) -> Box<Session> {
        self.session
            .take()
            .expect("a nested run gives the session back before its caller goes on")
    }

    /// Gives the session back after a nested run.
    pub fn give_back(&mut self, session: Box<Session>) {
        self.session = Some(session);
    }

    fn rows(&self) -> &Overlay {
        &self
            .session
            .as_ref()
            .expect("a nested run gives the session back before its caller goes on")
            .rows
    }

    fn full(&self, key: &[u8]) -> Vec<u8> {
        [&self.prefix, key].concat()
    }
}

fn local(fault: StoreFault) -> HostError {
    HostError::Fault(fault.to_string())
}

impl Host for PolicyHost {
    fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, HostError> {
        self.rows().get(&self.full(key)).map_err(local)
    }

    fn put(&mut self, key: Vec<u8>, value: Vec<u8>) -> Result<(), HostError> {
        let key = self.full(&key);
        self.session().rows.put(key, value);
        Ok(())
    }

    fn delete(&mut self, key: &[u8]) -> Result<(), HostError> {
        let key = self.full(key);
        self.session().rows.delete(key);
        Ok(())
    }

    fn scan(
        &mut self,
        from: &[u8],
        to: &[u8],
        limit: usize,
        reverse: bool,
    ) -> Result<Vec<Row>, HostError> {
        let found = self
            .rows()
            .scan(&self.full(from), Some(&self.full(to)), limit, reverse)
            .map_err(local)?;
        Ok(found
            .into_iter()
            .map(|(mut key, value)| {
                key.drain(..self.prefix.len());
                (key, value)
            })
            .collect())
    }

    fn block(&self) -> BlockInfo {
        let context = &self
            .session
            .as_ref()
            .expect("present while a run asks")
            .context;
        BlockInfo {
            height: context.height,
            time: context.time_s(),
        }
    }

    fn caller(&self) -> Caller {
        self.caller.clone()
    }

    fn param(&mut self, name: &str) -> Result<Option<Value>, HostError> {
        policies::param(self.rows(), &self.policy, name).map_err(local)
    }

    fn operations_left(&mut self, operations: u64) {
        // The caller keeps a share, so that it can say what became of a nested run that took all it could.
        let operations = operations - operations / 8;
        let outer = std::mem::replace(
            &mut self.session().budget,
            Budget {
                left: operations,
                used: 0,
            },
        );
        self.outer_budgets.push(outer);
    }

    fn operations_used(&mut self) -> u64 {
        let outer = self.outer_budgets.pop().unwrap_or_default();
        std::mem::replace(&mut self.session().budget, outer).used
    }

    fn observer(&self) -> Option<Arc<dyn Observer>> {
        let session = self.session.as_ref();
        session.and_then(|session| session.observer.clone())
    }

    fn call(&mut self, module: &str, function: &str, args: Vec<Value>) -> Result<Value, HostError> {
        natives::call(self, module, function, args).map_err(|stop| match stop {
            Stop::Fault(fault) => local(fault),
            Stop::Refused(refusal) => HostError::Rejected {
                code: refusal.rejection.code.into_owned(),
                message: refusal.rejection.message,
            },
        })
    }
}
