//! Rehearsals: blocks executed by the very code of a node, for one who tries out policies alone.
//!
//! What a rehearsal leaves out is what others are needed for: nothing is ordered, signed or attested, and no tree is hashed
//! over the state. So effects stay in the outbox, and whoever acts is believed. Everything else is a block's: transactions
//! and schedules run in savepoints, within their limits, and make receipts.

use std::collections::BTreeSet;
use std::sync::Arc;

use threescript::action::{Action, Signature};
use threescript::engine::{Caller, Observer};
use threescript::value::Value;

use crate::accounts;
use crate::authority::Authority;
use crate::digest::digest;
use crate::genesis::Genesis;
use crate::host::PolicyHost;
use crate::ledger;
use crate::machine::{self, Machine};
use crate::natives;
use crate::receipt::{Receipt, Source};
use crate::rejection::Rejection;
use crate::session::{ActivePolicies, Session, Stop};
pub use crate::state::Write;
use crate::state::{Change, KeyValue, Memory, Overlay, StoreFault};

const PRESENT: &str = "the session is there between blocks";

/// A circle that one process tries things out on.
pub struct Rehearsal {
    machine: Machine,
    observer: Option<Arc<dyn Observer>>,
    /// The last block; taken out only while the next one is executed.
    session: Option<Box<Session>>,
}

/// A moment of a rehearsal, from which others go on. Cheap to clone.
#[derive(Clone)]
pub struct Snapshot {
    machine: Machine,
    state: Memory,
    local: Memory,
    height: u64,
    time_ms: u64,
}

/// What became of a block.
#[derive(Debug)]
pub struct Rehearsed {
    /// Of the transaction, if there was one, then of the schedules that were due.
    pub receipts: Vec<Receipt>,
    /// What the last action of the transaction returned; nothing if it was refused.
    pub value: Value,
    /// The operations that were used in total.
    pub operations: u64,
    /// The rows of the state that changed, in the order of their keys.
    pub writes: Vec<Write>,
}

impl Rehearsal {
    /// A circle before its first block. Errors: those of [`Machine::new`].
    pub fn new(genesis: Genesis) -> Result<Self, Stop> {
        let time_ms = genesis.time_ms;
        let machine = Machine::new(genesis, None)?;
        let mut state = Memory::new();
        state.write(machine.start()?.state);
        let snapshot = Snapshot {
            machine,
            state,
            local: Memory::new(),
            height: 0,
            time_ms,
        };
        Ok(Self::from_snapshot(&snapshot)?)
    }

    /// A circle that goes on from a moment of another.
    pub fn from_snapshot(snapshot: &Snapshot) -> Result<Self, StoreFault> {
        let Snapshot {
            machine,
            state,
            local,
            height,
            time_ms,
        } = snapshot.clone();
        let mut machine = machine;
        let (rows, local) = (Overlay::new(Arc::new(state)), Overlay::new(Arc::new(local)));
        let (session, _) = machine.open(rows, local, height, time_ms)?;
        Ok(Self {
            machine,
            observer: None,
            session: Some(session),
        })
    }

    /// This moment, for others to go on from.
    ///
    /// # Panics
    /// If the books do not balance.
    pub fn into_snapshot(mut self) -> Result<Snapshot, StoreFault> {
        let session = self.take();
        let (height, time_ms) = (session.context.height, session.context.time_ms);
        let Session { rows, local, .. } = *session;
        Ok(Snapshot {
            machine: self.machine,
            state: settle(rows)?,
            local: settle(local)?,
            height,
            time_ms,
        })
    }

    /// Ends the rehearsal.
    ///
    /// # Panics
    /// If the books do not balance, as a node does.
    pub fn finish(mut self) -> Result<(), StoreFault> {
        let Session { rows, .. } = *self.take();
        let below = rows.base().clone();
        check_books(&*below, &rows.changes())
    }

    /// Lets `observer` watch all policies that run from now on.
    pub fn watch(&mut self, observer: Option<Arc<dyn Observer>>) {
        self.session().observer = observer.clone();
        self.observer = observer;
    }

    /// Executes a block at `time_ms` with at most one transaction.
    ///
    /// The calling thread needs a stack of [`machine::STACK_BYTES`].
    pub fn block(
        &mut self,
        time_ms: u64,
        transaction: Option<(&Authority, &[Action])>,
    ) -> Result<Rehearsed, StoreFault> {
        let last = self.take();
        let height = last.context.height + 1;
        let Session {
            mut rows, local, ..
        } = *last;
        let savepoint = rows.begin();
        let (mut session, _) = self.machine.open(rows, local, height, time_ms)?;
        session.observer = self.observer.clone();
        let mut receipts = Vec::new();
        let mut value = Value::Unit;
        if let Some((authority, actions)) = transaction {
            let named = |action: &Action| format!("{}.{}", action.actor, action.name);
            let source = Source::Transaction {
                id: digest("guardian-circle/v1/rehearsal", &(height, actions.to_vec())),
                actions: actions.iter().map(named).collect(),
                sender: Some(authority.name().to_owned()),
            };
            let receipt;
            (session, receipt) = machine::run(session, source, |session| {
                let (session, result) = machine::act_all(session, authority, actions);
                if let Ok(returned) = &result {
                    value = returned.clone();
                }
                (session, result)
            })?;
            if !receipt.is_ok() {
                value = Value::Unit;
            }
            receipts.push(receipt);
        }
        let mut session = machine::close(session, &mut receipts)?;
        let mut writes = session.rows.writes_since(&savepoint)?;
        writes.retain(|write| write.before != write.after);
        session.rows.commit(savepoint);
        let operations = session.operations_used();
        self.session = Some(session);
        Ok(Rehearsed {
            receipts,
            value,
            operations,
            writes,
        })
    }

    /// Asks a policy as things stand. Also says how many operations it took.
    pub fn ask(&mut self, question: &Action) -> (Result<Value, Stop>, u64) {
        let session = self.take();
        let before = session.operations_used();
        let (session, answer) = session.ask(question);
        let operations = session.operations_used() - before;
        self.session = Some(session);
        (answer, operations)
    }

    /// Calls a native function as `policy` would with the authority of the circle.
    pub fn call(
        &mut self,
        policy: &str,
        module: &str,
        function: &str,
        args: Vec<Value>,
    ) -> Result<Value, Stop> {
        let mut session = self.take();
        session.begin();
        let mut host = PolicyHost::new(policy, Caller::circle(), session);
        let result = natives::call(&mut host, module, function, args);
        self.session = Some(host.take());
        result
    }

    /// The authority of the account called `name`. Errors: `account.unknown`.
    pub fn authority(&mut self, name: &str) -> Result<Authority, Stop> {
        let session = self.session();
        let account = accounts::by_name(&session.rows, name)?.ok_or_else(|| {
            let message = format!("there is no account {name}; register it first");
            Rejection::new("account.unknown", message)
        })?;
        let members = session.context.members();
        Ok(Authority::of(&account, &BTreeSet::new(), members))
    }

    /// The state after the last block. Writing to it is up to who rehearses.
    pub fn rows(&mut self) -> &mut Overlay {
        &mut self.session().rows
    }

    /// What a node keeps beside the state.
    pub fn local(&mut self) -> &Overlay {
        &self.session().local
    }

    /// The height of the last block, and its time in milliseconds since 1970.
    pub fn now(&self) -> (u64, u64) {
        let session = self.session.as_ref();
        let context = &session.expect(PRESENT).context;
        (context.height, context.time_ms)
    }

    /// What the circle started with.
    pub fn genesis(&self) -> &Arc<Genesis> {
        self.machine.genesis()
    }

    /// The policies that were active in the last block.
    pub fn policies(&mut self) -> Arc<ActivePolicies> {
        self.session().context.policies.clone()
    }

    /// The declarations of everything that may be asked or done now.
    pub fn signatures(&mut self) -> Vec<Signature> {
        let mut all = crate::apply::signatures();
        let policies = self.policies();
        all.extend(policies.values().flat_map(|policy| policy.signatures()));
        all
    }

    fn session(&mut self) -> &mut Session {
        self.session.as_mut().expect(PRESENT)
    }

    fn take(&mut self) -> Box<Session> {
        self.session.take().expect(PRESENT)
    }
}

/// The rows below an overlay with its changes made.
fn settle(rows: Overlay) -> Result<Memory, StoreFault> {
    let below = rows.base().clone();
    let mut all = Memory::new();
    let page = below.scan(&[], None, usize::MAX, false)?;
    all.write(page.into_iter().map(|(key, value)| (key, Some(value))));
    let changes = rows.changes();
    check_books(&*below, &changes)?;
    all.write(changes);
    Ok(all)
}

/// A circle whose books do not balance must not go on, in a rehearsal neither.
fn check_books(below: &dyn KeyValue, changes: &[Change]) -> Result<(), StoreFault> {
    assert!(
        ledger::balances_hold(below, changes)?,
        "the ledger does not balance after a rehearsal"
    );
    Ok(())
}
