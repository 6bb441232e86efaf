//! Writing down what runs do.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use threescript::engine::{Caller, Entry, Execution, Moment, Observer, ScriptError, Shown, Step};
use threescript::policy::{Flow, Place, Policy};
use threescript::value::Value;

/// The most steps that are written down of one attempt; what comes after them is left out, and said to be.
pub const MOST_NODES: usize = 20_000;

/// One run of a policy.
#[derive(Debug)]
pub struct RunTrace {
    /// The policy.
    pub policy: Policy,
    /// How values go through its bodies.
    pub flow: Flow,
    /// What ran, such as `shelf.borrow`.
    pub title: String,
    /// Who ran it.
    pub caller: String,
    /// The arguments that were given.
    pub args: Vec<(String, Value)>,
    /// What happened, in order.
    pub nodes: Vec<Node>,
    /// What it returned, or why it failed.
    pub result: Result<Value, ScriptError>,
}

/// What happened at one moment.
#[derive(Debug)]
pub enum Node {
    /// A statement ran.
    Statement(StatementTrace),
    /// A run inside of the run.
    Run(Box<RunTrace>),
}

/// A statement that ran.
#[derive(Debug, Default)]
pub struct StatementTrace {
    /// Where it begins.
    pub place: Option<Place>,
    /// The activation of a function that it belongs to; 0 is the body itself.
    pub frame: usize,
    /// Variables that it read, with their values when they were read.
    pub reads: Vec<(String, Option<Shown>)>,
    /// Variables that had another value after it.
    pub changes: Vec<(String, Shown)>,
    /// What it called, in the order in which the calls ended.
    pub calls: Vec<Call>,
    variables: BTreeMap<String, Shown>,
    depth: usize,
}

/// A call that ended.
#[derive(Debug)]
pub struct Call {
    /// Where it stands.
    pub place: Place,
    /// The function.
    pub function: String,
    /// Whether it is one of the policy.
    pub own: bool,
    /// Its arguments.
    pub args: Vec<Shown>,
    /// What it returned; `None` if it failed.
    pub result: Option<Shown>,
    /// The activation of a function of the policy; its statements have the same number.
    pub frame: usize,
    /// What happened in it.
    pub nodes: Vec<Node>,
}

/// Writes runs down.
#[derive(Debug, Default)]
pub struct Recorder(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Runs that are going on, the innermost last.
    open: Vec<OpenRun>,
    done: Vec<RunTrace>,
    nodes: usize,
    left_out: usize,
}

#[derive(Debug)]
struct OpenRun {
    trace: RunTrace,
    /// Statements that are going on, the innermost last, with what happened in functions that they call.
    statements: Vec<OpenStatement>,
    frames: usize,
}

#[derive(Debug)]
struct OpenStatement {
    trace: StatementTrace,
    /// Statements of functions that have not returned yet, and runs.
    inner: Vec<Node>,
}

impl Recorder {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All runs that were not inside others, and how many steps were left out.
    pub fn take(&self) -> (Vec<RunTrace>, usize) {
        let mut state = self.state();
        (std::mem::take(&mut state.done), state.left_out)
    }
}

impl OpenRun {
    /// Ends statements at this depth of functions and further in.
    fn close(&mut self, depth: usize, variables: Option<&BTreeMap<String, Shown>>) {
        while let Some(mut last) = self.statements.pop_if(|last| last.trace.depth >= depth) {
            if let Some(variables) = variables.filter(|_| last.trace.depth == depth) {
                last.trace.changes = changes(&last.trace.variables, variables);
            }
            last.trace.variables.clear();
            let mut nodes = vec![Node::Statement(last.trace)];
            nodes.append(&mut last.inner);
            match self.statements.last_mut() {
                Some(around) => around.inner.append(&mut nodes),
                None => self.trace.nodes.append(&mut nodes),
            }
        }
    }

    fn statement(&mut self, step: &Step) {
        // What is on the same line inside of the value of a statement is shown as that statement.
        if let Some(last) = self.statements.last().map(|last| &last.trace)
            && last.depth == step.depth
            && let Some(place) = last.place
            && place.line == step.place.line
            && self.trace.flow.outermost(step.place) == Some(place)
        {
            return;
        }
        let variables: BTreeMap<String, Shown> = step.variables().into_iter().rev().collect();
        self.close(step.depth, Some(&variables));
        let around = self.statements.last();
        // The first statement of a function begins a new activation of it.
        let frame = match around {
            None => 0,
            Some(around) => match around.inner.iter().rev().find_map(frame_of) {
                Some(frame) if !around.trace.calls.iter().any(|call| call.frame == frame) => frame,
                _ => {
                    self.frames += 1;
                    self.frames
                }
            },
        };
        self.statements.push(OpenStatement {
            trace: StatementTrace {
                place: Some(step.place),
                frame,
                variables,
                depth: step.depth,
                ..StatementTrace::default()
            },
            inner: Vec::new(),
        });
    }

    fn returned(&mut self, step: &Step, call: Call) {
        let (own, mut call) = (call.own, call);
        if own {
            self.close(step.depth, None);
        }
        let Some(last) = self.statements.last_mut() else {
            return;
        };
        if own {
            // What happened since the function began: statements of an activation without a call yet.
            call.nodes = std::mem::take(&mut last.inner);
            call.frame = call.nodes.iter().rev().find_map(frame_of).unwrap_or(0);
        }
        last.trace.calls.push(call);
    }
}

fn frame_of(node: &Node) -> Option<usize> {
    match node {
        Node::Statement(statement) => Some(statement.frame),
        Node::Run(_) => None,
    }
}

/// What is another now, or new.
fn changes(
    before: &BTreeMap<String, Shown>,
    after: &BTreeMap<String, Shown>,
) -> Vec<(String, Shown)> {
    let changed = after
        .iter()
        .filter(|(name, value)| before.get(*name) != Some(*value));
    changed
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

impl Observer for Recorder {
    fn begun(&self, policy: &Policy, entry: Entry, args: &[(String, Value)], caller: &Caller) {
        let name = match entry {
            Entry::Action(name) | Entry::Ask(name) | Entry::Every(name) => {
                format!("{}.{name}", policy.name())
            }
            Entry::On(event) => format!("{} on {event}", policy.name()),
            Entry::Invariant(name) => format!("{} invariant {name}", policy.name()),
        };
        let trace = RunTrace {
            policy: policy.clone(),
            flow: policy.flow(),
            title: name,
            caller: caller.account.clone(),
            args: args.to_vec(),
            nodes: Vec::new(),
            result: Ok(Value::Unit),
        };
        self.state().open.push(OpenRun {
            trace,
            statements: Vec::new(),
            frames: 0,
        });
    }

    fn ended(&self, _: &Policy, result: Result<&Execution, &ScriptError>) {
        let mut state = self.state();
        let Some(mut run) = state.open.pop() else {
            return;
        };
        run.close(0, None);
        run.trace.result = match result {
            Ok(execution) => Ok(execution.value.clone()),
            Err(error) => Err(error.clone()),
        };
        match state
            .open
            .last_mut()
            .and_then(|outer| outer.statements.last_mut())
        {
            Some(around) => around.inner.push(Node::Run(Box::new(run.trace))),
            None => state.done.push(run.trace),
        }
    }

    fn step(&self, step: &Step) {
        let mut state = self.state();
        if state.nodes >= MOST_NODES {
            state.left_out += usize::from(matches!(step.moment, Moment::Statement));
            return;
        }
        state.nodes += usize::from(!matches!(step.moment, Moment::Expression { .. }));
        let Some(run) = state.open.last_mut() else {
            return;
        };
        match &step.moment {
            Moment::Statement => run.statement(step),
            Moment::Expression {
                variable: Some(name),
            } => {
                let variables = step.variables();
                let mut all = variables.into_iter();
                let value = all.find(|(other, _)| other == name).map(|(_, value)| value);
                if let Some(last) = run.statements.last_mut()
                    && !last.trace.reads.iter().any(|(read, _)| read == name)
                {
                    last.trace.reads.push(((*name).to_owned(), value));
                }
            }
            Moment::Expression { .. } => {}
            Moment::Returned {
                function,
                own,
                args,
                result,
            } => {
                let is_named = function.starts_with(|first: char| first.is_ascii_alphabetic());
                if !is_named || function.contains('$') || *function == "to_string" {
                    return;
                }
                let call = Call {
                    place: step.place,
                    function: (*function).to_owned(),
                    own: *own,
                    args: args.clone(),
                    result: result.clone(),
                    frame: 0,
                    nodes: Vec::new(),
                };
                run.returned(step, call);
            }
        }
    }
}
