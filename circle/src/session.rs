//! One block being executed: the pending rows, what was emitted, and the calls that policies make back into the kernel.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use threescript::action::{Action, Declarations, Mark, Signature, check_action};
use threescript::engine::{BlockInfo, Caller, Entry, Host, HostError, Observer, ScriptError};
use threescript::policy::{CallerRule, Policy};
use threescript::value::{Assets, Value};

use crate::accounts;
use crate::apply;
use crate::authority::Authority;
use crate::digest::Hash;
use crate::genesis::Genesis;
use crate::member::Members;
use crate::natives;
use crate::policies::Language;
use crate::receipt::{Effect, Event, Place};
use crate::rejection::{Failure, Rejection};
use crate::state::{KeyValue, Overlay, Row, StoreFault};

/// How deep enacted scripts may enact others.
const ENACT_DEPTH_MAX: u32 = 4;

/// The policies that are active in a block, by name.
pub type ActivePolicies = BTreeMap<String, Arc<Policy>>;

/// What stays the same while a block is executed.
#[derive(Clone)]
pub struct BlockContext {
    /// The height.
    pub height: u64,
    /// Block time, Unix milliseconds.
    pub time_ms: u64,
    /// What the circle started with.
    pub genesis: Arc<Genesis>,
    /// The decimals of its assets.
    pub assets: Arc<Assets>,
    /// What policies are compiled against.
    pub language: Arc<Language>,
    /// The active policies.
    pub policies: Arc<ActivePolicies>,
}

impl BlockContext {
    /// Block time in seconds.
    pub fn time_s(&self) -> i64 {
        i64::try_from(self.time_ms / 1000).unwrap_or(i64::MAX)
    }

    /// The guardians.
    pub fn members(&self) -> &Members {
        &self.genesis.members
    }
}

/// What a transaction or schedule made known; thrown away with its writes if it fails.
#[derive(Clone, Debug, Default)]
pub struct Emitted {
    /// In order.
    pub events: Vec<Event>,
    /// In order.
    pub effects: Vec<Effect>,
    /// The hashes of the policies that ran.
    pub policies: Vec<Hash>,
}

/// A refusal, and where in a policy it arose.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// Why.
    pub rejection: Rejection,
    /// Where, if in a policy.
    pub place: Option<Place>,
}

/// Why an action did not take effect.
#[derive(Clone, Debug)]
pub enum Stop {
    /// Deterministic.
    Refused(Refusal),
    /// Local.
    Fault(StoreFault),
}

impl From<Rejection> for Stop {
    fn from(rejection: Rejection) -> Self {
        Self::Refused(Refusal {
            rejection,
            place: None,
        })
    }
}
impl From<StoreFault> for Stop {
    fn from(fault: StoreFault) -> Self {
        Self::Fault(fault)
    }
}
impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Rejected(rejection) => rejection.into(),
            Failure::Fault(fault) => fault.into(),
        }
    }
}

/// A block, or one question, being executed.
pub struct Session {
    /// What the block knows.
    pub context: BlockContext,
    /// Pending writes.
    pub rows: Overlay,
    /// Of what is running now.
    pub emitted: Emitted,
    /// Pending writes beside the tree. What they hold follows from the log, or is committed to by the state.
    pub local: Overlay,
    /// Who watches the policies that run, if anybody does.
    pub observer: Option<Arc<dyn Observer>>,
    enact_depth: u32,
    budget: Budget,
}

/// Operations that a run leaves to the runs inside it, and what these used.
#[derive(Clone, Copy)]
struct Budget {
    left: u64,
    used: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            left: u64::MAX,
            used: 0,
        }
    }
}

impl Session {
    /// A session over the state that `rows` stand on, and a node's local rows.
    pub fn new(context: BlockContext, rows: Overlay, local: Overlay) -> Self {
        Self {
            context,
            rows,
            local,
            emitted: Emitted::default(),
            observer: None,
            enact_depth: 0,
            budget: Budget::default(),
        }
    }

    /// Runs one action and gives the session back.
    ///
    /// The session is passed by value because policies run in an interpreter that owns what it calls.
    pub fn act(
        mut self: Box<Self>,
        authority: &Authority,
        action: &Action,
    ) -> (Box<Self>, Result<Value, Stop>) {
        if action.mark != Mark::Act {
            let message = match action.mark {
                Mark::World => {
                    "only the circle emits world actions (!!!), when it is unanimous; ask for it with an action (!!)"
                }
                _ => "a question (!) is not ordered; ask it with `circle ask`",
            };
            return (self, Err(Rejection::new("action.mark", message).into()));
        }
        if let Some(result) = apply::kernel(&mut self, authority, action) {
            return (self, result.map(|()| Value::Unit));
        }
        let Some(policy) = self.context.policies.get(&action.actor).cloned() else {
            return (self, Err(unknown_actor(&action.actor).into()));
        };
        match self.arguments(&policy, action) {
            Ok(arguments) => self.run(
                policy,
                authority.clone(),
                Entry::Action(&action.name),
                arguments,
            ),
            Err(stop) => (self, Err(stop)),
        }
    }

    /// Answers a question from the state; nothing is written.
    pub fn ask(self: Box<Self>, question: &Action) -> (Box<Self>, Result<Value, Stop>) {
        let Some(policy) = self.context.policies.get(&question.actor).cloned() else {
            return (self, Err(unknown_actor(&question.actor).into()));
        };
        match self.arguments(&policy, question) {
            Ok(arguments) => self.run(
                policy,
                Authority::Circle,
                Entry::Ask(&question.name),
                arguments,
            ),
            Err(stop) => (self, Err(stop)),
        }
    }

    /// The operations that were used so far by runs that are not inside another one.
    pub fn operations_used(&self) -> u64 {
        self.budget.used
    }

    /// Runs a schedule of a policy with the authority of the circle.
    pub fn every(
        self: Box<Self>,
        policy: Arc<Policy>,
        name: &str,
    ) -> (Box<Self>, Result<Value, Stop>) {
        self.run(policy, Authority::Circle, Entry::Every(name), Vec::new())
    }

    /// Runs the actions of a passed script, all or none, with the authority of the circle.
    pub fn enact(mut self: Box<Self>, script: &[Action]) -> (Box<Self>, Result<(), Stop>) {
        if self.enact_depth >= ENACT_DEPTH_MAX {
            let message = format!(
                "scripts enact scripts more than {ENACT_DEPTH_MAX} deep; propose the inner ones by themselves"
            );
            return (self, Err(Rejection::new("enact.depth", message).into()));
        }
        let savepoint = self.rows.begin();
        let emitted = self.emitted.clone();
        self.enact_depth += 1;
        let mut outcome = Ok(());
        for action in script {
            let result;
            (self, result) = self.act(&Authority::Circle, action);
            if let Err(stop) = result {
                outcome = Err(stop);
                break;
            }
        }
        self.enact_depth -= 1;
        match outcome {
            Ok(()) => self.rows.commit(savepoint),
            Err(_) => {
                self.rows.rollback(savepoint);
                self.emitted = emitted;
            }
        }
        (self, outcome)
    }

    fn run(
        mut self: Box<Self>,
        policy: Arc<Policy>,
        authority: Authority,
        entry: Entry<'_>,
        arguments: Vec<(String, Value)>,
    ) -> (Box<Self>, Result<Value, Stop>) {
        self.emitted.policies.push(policy.hash());
        let callers = policy.entry(entry).map_or(&[][..], |entry| &entry.callers);
        let operations = self.budget.left.saturating_sub(self.budget.used);
        let caller = caller(&authority, callers);
        let host = PolicyHost::new(policy.name(), caller, self);
        let (mut host, result) = policy.run_within(entry, arguments, host, operations);
        let mut session = host.take();
        let result = match result {
            Ok(execution) => {
                let budget = &mut session.budget;
                budget.used = budget.used.saturating_add(execution.usage.operations);
                let actor = policy.name();
                session
                    .emitted
                    .events
                    .extend(execution.events.into_iter().map(|event| Event {
                        actor: actor.into(),
                        name: event.name,
                        data: event.data,
                    }));
                session
                    .emitted
                    .effects
                    .extend(execution.effects.into_iter().map(|effect| Effect {
                        actor: effect.actor,
                        name: effect.name,
                        data: effect.data,
                    }));
                Ok(execution.value)
            }
            Err(error) => {
                let budget = &mut session.budget;
                budget.used = budget.used.saturating_add(error.operations);
                Err(refusal(error))
            }
        };
        (session, result)
    }

    /// The arguments of an action as its policy declares them, with accounts resolved to their names.
    fn arguments(&self, policy: &Policy, action: &Action) -> Result<Vec<(String, Value)>, Stop> {
        let signature = policy
            .signatures()
            .into_iter()
            .find(|one| one.mark == action.mark && one.name == action.name);
        let signature = signature.ok_or_else(|| {
            let message = format!(
                "the policy {} has no {}{}.{}",
                action.actor,
                action.mark.as_str(),
                action.actor,
                action.name
            );
            Rejection::new("action.unknown", message)
        })?;
        let declared = Declared {
            policies: &self.context.policies,
        };
        check_action(action, &signature, &declared, &self.context.assets).map_err(|fault| {
            Rejection::new(fault.code, format!("{}; {}", fault.reason, fault.mend))
        })?;
        let rows = &self.rows;
        action
            .params
            .iter()
            .map(|(name, value)| Ok((name.clone(), resolve(rows, value)?)))
            .collect()
    }
}

/// Everything that may be asked or done in a block: what the kernel and the active policies declare.
pub struct Declared<'a> {
    /// The active policies.
    pub policies: &'a ActivePolicies,
}

impl Declarations for Declared<'_> {
    fn signature(&self, mark: Mark, actor: &str, name: &str) -> Option<Signature> {
        let of_policy = self.policies.get(actor).map(|policy| policy.signatures());
        of_policy
            .unwrap_or_else(apply::signatures)
            .signature(mark, actor, name)
    }

    fn known(&self) -> Vec<(Mark, String, String)> {
        let of_policies = self
            .policies
            .values()
            .flat_map(|policy| policy.signatures());
        let all: Vec<Signature> = apply::signatures().into_iter().chain(of_policies).collect();
        all.known()
    }
}

/// Replaces accounts written as keys by their names, and refuses unknown ones.
fn resolve(rows: &Overlay, value: &Value) -> Result<Value, Stop> {
    Ok(match value {
        Value::Account(text) => {
            let account = accounts::resolve(rows, text)?.ok_or_else(|| {
                Rejection::new(
                    "account.unknown",
                    format!("there is no account {text}; register it first"),
                )
            })?;
            Value::Account(account.name)
        }
        Value::List(items) => Value::List(
            items
                .iter()
                .map(|item| resolve(rows, item))
                .collect::<Result<_, Stop>>()?,
        ),
        Value::Map(map) => Value::Map(
            map.iter()
                .map(|(key, value)| Ok((key.clone(), resolve(rows, value)?)))
                .collect::<Result<_, Stop>>()?,
        ),
        other => other.clone(),
    })
}

fn unknown_actor(actor: &str) -> Rejection {
    Rejection::new(
        "action.unknown",
        format!("there is no actor {actor}; `circle status` lists the active policies"),
    )
}

fn refusal(error: ScriptError) -> Stop {
    if error.is_fault {
        return Stop::Fault(StoreFault::Unavailable {
            operation: "run a policy",
            reason: error.message,
        });
    }
    let place = Place {
        file: error.file,
        line: error.line,
        column: error.column,
    };
    let rejection = Rejection {
        code: Cow::Owned(error.code),
        message: error.message,
    };
    Stop::Refused(Refusal {
        rejection,
        place: Some(place),
    })
}

/// As whom a policy sees `authority`. Signatures of a quorum speak for the circle where the action is for the circle; the
/// circle itself may also do what any guardian may.
fn caller(authority: &Authority, callers: &[CallerRule]) -> Caller {
    match authority {
        Authority::Account {
            name,
            roles,
            quorum,
            ..
        } if !(*quorum && callers.contains(&CallerRule::Circle)) => Caller {
            account: name.clone(),
            roles: roles.clone(),
        },
        _ => Caller {
            account: Caller::CIRCLE.into(),
            roles: vec!["guardian".into()],
        },
    }
}

/// The prefix of a policy's rows.
pub fn policy_prefix(policy: &str) -> Vec<u8> {
    [b"p", policy.as_bytes(), b"\0"].concat()
}

/// What one run of a policy sees of a session.
pub struct PolicyHost {
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
            .map(|(key, value)| (key[self.prefix.len()..].to_vec(), value))
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

    fn operations_left(&mut self, operations: u64) {
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
