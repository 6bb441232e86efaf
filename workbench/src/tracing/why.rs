//! Why an amount is what it is: the statements that gave the variables it came from their values, backwards.
//!
//! It follows assignments by the names of variables, through the functions of the policy and their arguments. It does not
//! follow a value into a table and out again, and it does not say which conditions were met on the way.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use threescript::engine::Shown;
use threescript::policy::Place;
use threescript::value::{Assets, Value};

use super::recorder::{Node, RunTrace, StatementTrace};
use super::{has_money, show};
use crate::literal::literal;
use crate::testing::Spot;

/// The params of policies, by policy and name.
pub type Params = BTreeMap<(String, String), Value>;

/// How many causes of one amount are shown.
const MOST_CAUSES: usize = 40;

/// An amount, and what it came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Why {
    /// What became of it: `shelf.borrow returned`, or the call that took it.
    pub what: String,
    /// The amount, or what holds it, as a body writes it.
    pub value: String,
    /// The statement.
    pub place: Spot,
    /// What it came from, the nearest first.
    pub causes: Vec<Cause>,
    /// How many more there are.
    pub left_out: usize,
}

/// One thing that an amount came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// The variable.
    pub name: String,
    /// Its value, if it had one of 3Script.
    pub value: String,
    /// `assigned`, `parameter`, `constant`, `param` or `result` for what a function of the policy gave.
    pub kind: &'static str,
    /// The statement; for what the file declares, or what was given, nowhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Spot>,
}

/// Why the amounts are what they are that a run passed to modules of the circle or returned; runs inside it too.
pub fn why(run: &RunTrace, params: &Params, assets: &Assets) -> Vec<Why> {
    let frames = Frames::of(run);
    let mut found = Vec::new();
    for (frame, statements) in &frames.statements {
        for (index, statement) in statements.iter().enumerate() {
            for call in &statement.calls {
                let (Some(Shown::Module(module)), false) = (call.args.first(), call.own) else {
                    continue;
                };
                for (at, arg) in call.args.iter().enumerate().skip(1) {
                    let Shown::Value(value) = arg else { continue };
                    if !has_money(value) || call.function == "balance" {
                        continue;
                    }
                    let shown: Vec<String> =
                        call.args[1..].iter().map(|arg| show(arg, assets)).collect();
                    let names = run.flow.arguments.get(&call.place);
                    let names = names
                        .and_then(|args| args.get(at - 1))
                        .cloned()
                        .unwrap_or_default();
                    let what = format!("{module}.{}({})", call.function, shown.join(", "));
                    let mut slice = Slice::new(run, &frames, params, assets);
                    slice.follow(*frame, index, &names);
                    found.push(slice.into_why(what, literal(value, assets), statement));
                }
            }
        }
    }
    if let (Ok(value), Some(statements)) = (&run.result, frames.statements.get(&0))
        && has_money(value)
        && let Some(last) = statements.last()
    {
        let names: Vec<String> = last.reads.iter().map(|(name, _)| name.clone()).collect();
        let mut slice = Slice::new(run, &frames, params, assets);
        slice.results(0, statements.len() - 1);
        slice.follow(0, statements.len() - 1, &names);
        found.push(slice.into_why(
            format!("{} returned", run.title),
            literal(value, assets),
            last,
        ));
    }
    for inner in inner_runs(&run.nodes) {
        found.extend(why(inner, params, assets));
    }
    found
}

/// The runs directly inside these nodes.
fn inner_runs(nodes: &[Node]) -> Vec<&RunTrace> {
    let mut runs = Vec::new();
    for node in nodes {
        match node {
            Node::Run(run) => runs.push(&**run),
            Node::Statement(statement) => {
                for call in &statement.calls {
                    runs.extend(inner_runs(&call.nodes));
                }
            }
        }
    }
    runs
}

/// The statements of a run by the activation that they belong to, in the order in which they ran.
struct Frames<'a> {
    statements: BTreeMap<usize, Vec<&'a StatementTrace>>,
    /// Where an activation was called: the activation around it, the number of the statement in that, the function and
    /// the place of the call.
    callers: BTreeMap<usize, (usize, usize, &'a str, Place)>,
}

impl<'a> Frames<'a> {
    fn of(run: &'a RunTrace) -> Self {
        let mut frames = Self {
            statements: BTreeMap::new(),
            callers: BTreeMap::new(),
        };
        frames.collect(&run.nodes);
        frames
    }

    fn collect(&mut self, nodes: &'a [Node]) {
        for node in nodes {
            let Node::Statement(statement) = node else {
                continue;
            };
            let statements = self.statements.entry(statement.frame).or_default();
            statements.push(statement);
            let index = statements.len() - 1;
            for call in statement.calls.iter().filter(|call| call.own) {
                let caller = (statement.frame, index, call.function.as_str(), call.place);
                self.callers.insert(call.frame, caller);
                self.collect(&call.nodes);
            }
        }
    }
}

/// What is found on the way back.
struct Slice<'a> {
    run: &'a RunTrace,
    frames: &'a Frames<'a>,
    params: &'a Params,
    assets: &'a Assets,
    causes: Vec<Cause>,
    seen: BTreeSet<(usize, usize, String)>,
    left_out: usize,
}

impl<'a> Slice<'a> {
    fn new(
        run: &'a RunTrace,
        frames: &'a Frames<'a>,
        params: &'a Params,
        assets: &'a Assets,
    ) -> Self {
        Self {
            run,
            frames,
            params,
            assets,
            causes: Vec::new(),
            seen: BTreeSet::new(),
            left_out: 0,
        }
    }

    fn into_why(self, what: String, value: String, statement: &StatementTrace) -> Why {
        Why {
            what,
            value,
            place: spot(self.run, statement.place),
            causes: self.causes,
            left_out: self.left_out,
        }
    }

    fn add(&mut self, name: &str, value: String, kind: &'static str, place: Option<Spot>) {
        let cause = Cause {
            name: name.to_owned(),
            value,
            kind,
            place,
        };
        if self.causes.contains(&cause) {
            return;
        }
        match self.causes.len() < MOST_CAUSES {
            true => self.causes.push(cause),
            false => self.left_out += 1,
        }
    }

    fn statement(&self, frame: usize, index: usize) -> Option<&'a StatementTrace> {
        self.frames.statements.get(&frame)?.get(index).copied()
    }

    /// Where variables that the statement with this number reads have their values from.
    fn follow(&mut self, frame: usize, index: usize, names: &[String]) {
        for name in names {
            if self.seen.insert((frame, index, name.clone())) {
                self.variable(frame, index, name);
            }
        }
    }

    fn variable(&mut self, frame: usize, index: usize, name: &str) {
        let policy = &self.run.policy;
        if let Some(constant) = policy
            .consts()
            .iter()
            .find(|constant| constant.name == name)
        {
            let value = literal(&constant.value, self.assets);
            return self.add(name, value, "constant", None);
        }
        let param = (policy.name().to_owned(), name.to_owned());
        if let Some(value) = self.params.get(&param) {
            return self.add(name, literal(value, self.assets), "param", None);
        }
        let value = self.statement(frame, index).and_then(|statement| {
            let read = statement.reads.iter().find(|(read, _)| read == name);
            read.and_then(|(_, value)| value.as_ref())
                .map(|value| show(value, self.assets))
        });
        // Tables, modules, `block` and `caller` are where a value enters, not where it comes from.
        let Some(value) = value else { return };
        let flow = &self.run.flow;
        let mut value = Some(value);
        for earlier in (0..index).rev() {
            let Some(statement) = self.statement(frame, earlier) else {
                continue;
            };
            let assigned = statement.place.and_then(|place| flow.assigned.get(&place));
            let assigned = assigned.and_then(|all| all.iter().find(|one| one.name == name));
            let Some(assigned) = assigned else { continue };
            let place = Some(spot(self.run, statement.place));
            // What it was after an earlier statement is shown by what a later one read.
            let shown = value
                .take()
                .or_else(|| self.value_after(frame, earlier, name));
            self.add(name, shown.unwrap_or_default(), "assigned", place);
            self.sources(frame, earlier);
            if assigned.whole {
                return;
            }
        }
        if value.is_none() {
            return;
        }
        self.parameter(frame, name, value.unwrap_or_default());
    }

    /// The value that a variable was read with next after a statement.
    fn value_after(&self, frame: usize, index: usize, name: &str) -> Option<String> {
        let statements = self.frames.statements.get(&frame)?;
        let changed = statements
            .get(index)?
            .changes
            .iter()
            .find(|(other, _)| other == name);
        let read = || {
            let mut reads = statements
                .get(index + 1..)?
                .iter()
                .flat_map(|statement| &statement.reads);
            reads.find(|(other, _)| other == name)?.1.as_ref()
        };
        let value = changed.map(|(_, value)| value).or_else(read);
        value.map(|value| show(value, self.assets))
    }

    /// All that a statement read, that statements inside its value read, and that functions which it called gave.
    fn sources(&mut self, frame: usize, index: usize) {
        let Some(statement) = self.statement(frame, index) else {
            return;
        };
        let names: Vec<String> = statement
            .reads
            .iter()
            .map(|(name, _)| name.clone())
            .collect();
        self.results(frame, index);
        self.follow(frame, index, &names);
        let mut next = index + 1;
        while let Some(inner) = self.statement(frame, next) {
            let around = inner.place.and_then(|place| self.run.flow.outermost(place));
            if around.is_none() || around != statement.place {
                break;
            }
            let names: Vec<String> = inner.reads.iter().map(|(name, _)| name.clone()).collect();
            self.results(frame, next);
            self.follow(frame, next, &names);
            next += 1;
        }
    }

    /// What functions of the policy gave to a statement, by their last statements.
    fn results(&mut self, frame: usize, index: usize) {
        let Some(statement) = self.statement(frame, index) else {
            return;
        };
        for call in statement.calls.iter().filter(|call| call.own) {
            let Some(statements) = self.frames.statements.get(&call.frame) else {
                continue;
            };
            let Some(last) = statements.last() else {
                continue;
            };
            let value = call.result.as_ref().map(|result| show(result, self.assets));
            let place = Some(spot(self.run, last.place));
            let name = format!("{}(…)", call.function);
            self.add(&name, value.unwrap_or_default(), "result", place);
            let names: Vec<String> = last.reads.iter().map(|(name, _)| name.clone()).collect();
            let at = statements.len() - 1;
            self.results(call.frame, at);
            self.follow(call.frame, at, &names);
        }
    }

    /// A parameter: of the body, which was given, or of a function, whose argument is followed.
    fn parameter(&mut self, frame: usize, name: &str, value: String) {
        let Some((around, index, function, call)) = self.frames.callers.get(&frame).copied() else {
            return self.add(name, value, "parameter", None);
        };
        let flow = &self.run.flow;
        let position = flow.functions.get(function);
        let position = position.and_then(|params| params.iter().position(|param| param == name));
        let names = flow.arguments.get(&call).zip(position);
        let names = names
            .and_then(|(args, at)| args.get(at))
            .cloned()
            .unwrap_or_default();
        self.add(name, value, "parameter", Some(spot(self.run, Some(call))));
        self.follow(around, index, &names);
    }
}

/// A place in the file of a run's policy.
fn spot(run: &RunTrace, place: Option<Place>) -> Spot {
    let (line, column) = place.map_or((0, 0), |place| (place.line, place.column));
    Spot::new(run.policy.file(), run.policy.source(), line, column)
}
