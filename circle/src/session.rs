//! One block being executed: the pending rows, what was emitted, and the calls that policies make back into the kernel.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use threescript::action::{Action, Declarations, Mark, Signature, check_action};
use threescript::engine::{Caller, Entry, Observer, ScriptError};
use threescript::policy::{CallerRule, EntryKind, Policy};
use threescript::value::{Assets, Value};

use crate::accounts;
use crate::apply;
use crate::authority::Authority;
use crate::emitted::Emitted;
use crate::genesis::Genesis;
use crate::host::PolicyHost;
use crate::policies::{self, Language};
use crate::receipt::{Effect, Event, Place};
use crate::rejection::{Failure, Rejection};
use crate::roster::Roster;
use crate::state::{Overlay, Savepoint, StoreFault};

/// How many operations the policies of a block take before what follows is refused. What the kernel does, such as attesting, is
/// not counted, and schedules run in any case.
pub const BLOCK_OPERATIONS_MAX: u64 = 40_000_000;
/// How deep enacted scripts may enact others.
const ENACT_DEPTH_MAX: u32 = 4;
/// How deep policies may ask others.
const ASK_DEPTH_MAX: u32 = 4;
/// How deep reactions may cause each other.
const REACTION_DEPTH_MAX: u32 = 8;
/// The operations that starting a reaction or checking an invariant costs, whatever it does: many small ones have a price.
const STARTED_COST: u64 = 500;

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
    /// The guardians of this height.
    pub members: Arc<Roster>,
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
    pub fn members(&self) -> &Roster {
        &self.members
    }
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
    pub(crate) budget: Budget,
    /// Operations that earlier transactions and schedules used.
    used_before: u64,
    enact_depth: u32,
    ask_depth: u32,
    reaction_depth: u32,
    pub(crate) is_simulating: bool,
    /// The policies that react to an event, by `actor.event`, each list in the order of their names.
    listeners: BTreeMap<String, Vec<Arc<Policy>>>,
}

/// Operations that a run leaves to the runs inside it, and what these used.
#[derive(Clone, Copy)]
pub(crate) struct Budget {
    pub left: u64,
    pub used: u64,
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
        let mut listeners: BTreeMap<String, Vec<Arc<Policy>>> = BTreeMap::new();
        for policy in context.policies.values() {
            for reaction in policy.reactions() {
                let listening = listeners.entry(reaction.name.clone()).or_default();
                listening.push(policy.clone());
            }
        }
        Self {
            context,
            rows,
            local,
            emitted: Emitted::default(),
            observer: None,
            budget: Budget::default(),
            used_before: 0,
            enact_depth: 0,
            ask_depth: 0,
            reaction_depth: 0,
            is_simulating: false,
            listeners,
        }
    }

    /// Begins a transaction or a schedule: nothing is emitted yet, and all its runs share the operations of one.
    pub(crate) fn begin(&mut self) {
        self.emitted = Emitted::default();
        self.used_before = self.used_before.saturating_add(self.budget.used);
        self.budget = Budget {
            left: self.context.language.limits.operations,
            used: 0,
        };
    }

    /// Runs one action and gives the session back.
    ///
    /// The session is passed by value because policies run in an interpreter that owns what it calls. Policies that
    /// react to what the action emits run with it; the first of them that fails fails the action.
    pub fn act(
        self: Box<Self>,
        authority: &Authority,
        action: &Action,
    ) -> (Box<Self>, Result<Value, Stop>) {
        let mark = self.emitted.events().len();
        let (session, result) = self.act_alone(authority, action);
        session.react(mark, result)
    }

    fn act_alone(
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
        if self.used_before >= BLOCK_OPERATIONS_MAX {
            let message = format!(
                "the transactions before this one used the {BLOCK_OPERATIONS_MAX} operations that a block has for policies; send it again"
            );
            return (
                self,
                Err(Rejection::new("block.operations", message).into()),
            );
        }
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
    pub fn ask(mut self: Box<Self>, question: &Action) -> (Box<Self>, Result<Value, Stop>) {
        self.begin();
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

    /// Charges what a native did to the run that called it.
    pub fn charge(&mut self, operations: u64) {
        self.budget.used = self.budget.used.saturating_add(operations);
    }

    /// The operations that were used so far by runs that are not inside another one.
    pub fn operations_used(&self) -> u64 {
        self.used_before.saturating_add(self.budget.used)
    }

    /// Answers a question that a running policy asks another one.
    pub(crate) fn ask_within(
        mut self: Box<Self>,
        question: &str,
        arguments: Vec<(String, Value)>,
    ) -> (Box<Self>, Result<Value, Stop>) {
        if self.ask_depth >= ASK_DEPTH_MAX {
            let message = format!("questions ask others more than {ASK_DEPTH_MAX} deep");
            return (self, Err(Rejection::new("ask.depth", message).into()));
        }
        let Some((actor, name)) = question.split_once('.') else {
            let message = format!(
                "{question:?} is no question; write the policy and its question, as in \"vote.standing\""
            );
            return (self, Err(Rejection::new("ask.form", message).into()));
        };
        let Some(policy) = self.context.policies.get(actor).cloned() else {
            return (self, Err(unknown_actor(actor).into()));
        };
        self.ask_depth += 1;
        let result;
        (self, result) = self.run(policy, Authority::Circle, Entry::Ask(name), arguments);
        self.ask_depth -= 1;
        (self, result)
    }

    /// Runs a schedule of a policy with the authority of the circle, and the reactions to what it emits.
    pub fn every(
        self: Box<Self>,
        policy: Arc<Policy>,
        name: &str,
    ) -> (Box<Self>, Result<Value, Stop>) {
        let mark = self.emitted.events().len();
        let (session, result) = self.run(policy, Authority::Circle, Entry::Every(name), Vec::new());
        session.react(mark, result)
    }

    /// Runs the actions of a passed script, all or none, with the authority of the circle.
    ///
    /// What the script breaks is undone with it: its reactions run here, and the invariants of the policies whose rows it
    /// touched are checked at its end. So a script that cannot be enacted never takes the run that enacts it along.
    pub fn enact(mut self: Box<Self>, script: &[Action]) -> (Box<Self>, Result<(), Stop>) {
        if self.enact_depth >= ENACT_DEPTH_MAX {
            let message = format!(
                "scripts enact scripts more than {ENACT_DEPTH_MAX} deep; propose the inner ones by themselves"
            );
            return (self, Err(Rejection::new("enact.depth", message).into()));
        }
        let savepoint = self.rows.begin();
        let emitted = self.emitted.mark();
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
        if outcome.is_ok() {
            (self, outcome) = self.check_invariants(&savepoint);
        }
        self.enact_depth -= 1;
        match outcome {
            Ok(()) => self.rows.commit(savepoint),
            Err(_) => {
                self.rows.rollback(savepoint);
                self.emitted.undo(emitted);
            }
        }
        (self, outcome)
    }

    /// Runs the reactions to the events that were emitted since `mark`, in the order of the events, and for each of them
    /// in the order of the policies' names; what a reaction emits comes before the next one.
    fn react(
        mut self: Box<Self>,
        mark: usize,
        result: Result<Value, Stop>,
    ) -> (Box<Self>, Result<Value, Stop>) {
        if result.is_err() {
            return (self, result);
        }
        for index in self.emitted.take_unheard(mark) {
            let event = &self.emitted.events()[index];
            let title = format!("{}.{}", event.actor, event.name);
            let Some(listening) = self.listeners.get(&title).cloned() else {
                continue;
            };
            for policy in listening {
                if let Err(stop) = self.deepen(&title) {
                    return (self, Err(stop));
                }
                let arguments = arguments_of(&self.emitted.events()[index].data, &policy, &title);
                let mark = self.emitted.events().len();
                let entry = Entry::On(&title);
                let outcome;
                (self, outcome) = self.run(policy.clone(), Authority::Circle, entry, arguments);
                let outcome = outcome.map_err(|stop| reacting(stop, &policy, &title));
                let (session, outcome) = self.react(mark, outcome);
                self = session;
                self.reaction_depth -= 1;
                if outcome.is_err() {
                    return (self, outcome);
                }
            }
        }
        (self, result)
    }

    fn deepen(&mut self, event: &str) -> Result<(), Stop> {
        if self.reaction_depth >= REACTION_DEPTH_MAX {
            let message = format!(
                "reactions cause each other more than {REACTION_DEPTH_MAX} deep, the last one by {event}; let one of them emit less"
            );
            return Err(Rejection::new("reaction.depth", message).into());
        }
        self.reaction_depth += 1;
        Ok(())
    }

    /// Checks the invariants of the policies whose rows or params changed since `savepoint` began, in the order of their
    /// names, and of each in the declared order.
    pub(crate) fn check_invariants(
        mut self: Box<Self>,
        savepoint: &Savepoint,
    ) -> (Box<Self>, Result<(), Stop>) {
        let touched = self.rows.keys_since(savepoint).filter_map(policy_of_key);
        let touched: BTreeSet<&[u8]> = touched.collect();
        let policies = self.context.policies.clone();
        let touched: Vec<&Arc<Policy>> = policies
            .values()
            .filter(|policy| touched.contains(policy.name().as_bytes()))
            .collect();
        for policy in touched {
            for invariant in policy.invariants() {
                let entry = Entry::Invariant(&invariant.name);
                let result;
                (self, result) = self.run(policy.clone(), Authority::Circle, entry, Vec::new());
                if let Err(stop) = result {
                    return (self, Err(stop));
                }
            }
        }
        (self, Ok(()))
    }

    fn run(
        mut self: Box<Self>,
        policy: Arc<Policy>,
        authority: Authority,
        entry: Entry<'_>,
        arguments: Vec<(String, Value)>,
    ) -> (Box<Self>, Result<Value, Stop>) {
        let declared = policy.entry(entry);
        let kind = declared.map(|entry| entry.kind);
        match kind.is_some_and(EntryKind::reads_only) {
            true => self.emitted.ran_aside(policy.hash()),
            false => self.emitted.policies.push(policy.hash()),
        }
        if matches!(kind, Some(EntryKind::On | EntryKind::Invariant)) {
            self.budget.used = self.budget.used.saturating_add(STARTED_COST);
        }
        let callers = declared.map_or(&[][..], |entry| &entry.callers);
        let operations = self.budget.left.saturating_sub(self.budget.used);
        let caller = caller(&authority, callers);
        let host = PolicyHost::new(policy.name(), caller, self);
        let (mut host, result) = policy.run_within(entry, arguments, host, operations);
        let mut session = host.take();
        let result = match result {
            Ok(execution) => {
                let budget = &mut session.budget;
                budget.used = budget.used.saturating_add(execution.usage.operations);
                for event in execution.events {
                    session.emitted.event(Event {
                        actor: policy.name().into(),
                        name: event.name,
                        data: event.data,
                    });
                }
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
        let signature = policy.signature(action.mark, &action.name).ok_or_else(|| {
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
        check_action(action, signature, &declared, &self.context.assets).map_err(|fault| {
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
        let of_kernel = apply::signature(mark, actor, name);
        let of_policy = || self.policies.get(actor)?.signature(mark, name);
        of_kernel.or_else(of_policy).cloned()
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

/// What the reaction of a policy takes of what an event says; the rest is not copied.
fn arguments_of(data: &Value, policy: &Policy, event: &str) -> Vec<(String, Value)> {
    let params = policy
        .entry(Entry::On(event))
        .map_or(&[][..], |entry| &entry.params);
    let Value::Map(data) = data else {
        return Vec::new();
    };
    let taken = params
        .iter()
        .filter_map(|param| Some((param.name.clone(), data.get(&param.name)?.clone())));
    taken.collect()
}

/// Says in the text for people whose reaction it was that failed.
fn reacting(stop: Stop, policy: &Policy, event: &str) -> Stop {
    match stop {
        Stop::Refused(mut refusal) => {
            let message = &mut refusal.rejection.message;
            *message = format!("{}, which reacts to {event}: {message}", policy.name());
            Stop::Refused(refusal)
        }
        fault => fault,
    }
}

/// The policy that a key belongs to: one of its rows, or one of its params.
fn policy_of_key(key: &[u8]) -> Option<&[u8]> {
    let rest = key.strip_prefix(b"p");
    let rest = rest.or_else(|| key.strip_prefix(policies::PARAMS.prefix()))?;
    let end = rest.iter().position(|byte| *byte == 0)?;
    Some(&rest[..end])
}

/// The prefix of a policy's rows.
pub fn policy_prefix(policy: &str) -> Vec<u8> {
    [b"p", policy.as_bytes(), b"\0"].concat()
}
