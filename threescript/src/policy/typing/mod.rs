//! The type checker: what a policy would fail at whenever it came there.
//!
//! It goes through all bodies and functions until it knows what each variable may hold, and only then reports: what has
//! no meaning for any value that can get there. What it is not sure of, it passes over, because a correct policy must
//! never be refused; the same errors are there at run time.

mod calls;
mod chains;
mod expressions;
mod flow;
mod kind;
mod meanings;
mod operators;
mod statements;
mod usage;

#[cfg(test)]
mod tests;

use super::declaration::{CallerRule, Header};
use super::diagnostic::{Fault, Place, suggest};
use crate::engine::{Catalog, place_of};
use kind::Ty;
use rhai::{AST, ASTNode, Expr, Position, Stmt};
use std::collections::{BTreeMap, BTreeSet};

/// Rounds in which types may grow as they like, then rounds in which what still grows becomes anything.
const FREE_ROUNDS: usize = 6;
const MAX_ROUNDS: usize = 12;

/// A policy whose parts all parse.
pub(crate) struct Program<'a> {
    pub header: &'a Header,
    pub catalog: &'a Catalog,
    /// The functions, in the order of the header.
    pub functions: &'a [AST],
    /// The bodies, in the order of the entries.
    pub bodies: &'a [AST],
}

/// Checks a whole policy.
pub(crate) fn check(program: &Program) -> Vec<Fault> {
    let definitions: Vec<Vec<Stmt>> = program.functions.iter().map(body_of).collect();
    let mut inference = Inference::new(program, &definitions);
    for round in 0..MAX_ROUNDS {
        inference.changed = false;
        inference.widens = round >= FREE_ROUNDS;
        inference.visit();
        if !inference.changed {
            break;
        }
    }
    if inference.changed {
        inference.forget();
    }
    inference.reports = true;
    inference.visit();
    inference.callers();
    inference.unused();
    inference.faults
}

/// A variable by where it is declared: a place of the file, or a parameter of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Variable {
    At(Place),
    Param(usize, usize),
}

/// What runs: functions first, then entries, in the order of the header.
struct Inference<'a> {
    program: &'a Program<'a>,
    definitions: &'a [Vec<Stmt>],
    types: BTreeMap<Variable, Ty>,
    /// What the units return.
    returns: Vec<Ty>,
    changed: bool,
    widens: bool,
    reports: bool,
    faults: Vec<Fault>,

    /// The unit that is visited, the variables that it sees, and the loops around the statement.
    unit: usize,
    scope: Vec<(String, Variable)>,
    loops: Vec<Loop>,

    /// What was met in the last round.
    declared: BTreeMap<Variable, Declared>,
    read: BTreeSet<Variable>,
    globals: BTreeSet<String>,
    calls: BTreeSet<(usize, usize)>,
}

struct Declared {
    name: String,
    position: Position,
}

/// What leaves a loop.
struct Loop {
    value: Ty,
    breaks: bool,
}

/// How a statement ends.
struct Flow {
    value: Ty,
    /// Whether nothing behind it is reached.
    ends: bool,
}

impl Flow {
    fn of(value: Ty) -> Self {
        Self { value, ends: false }
    }
}

impl<'a> Inference<'a> {
    fn new(program: &'a Program, definitions: &'a [Vec<Stmt>]) -> Self {
        let header = program.header;
        let mut inference = Self {
            program,
            definitions,
            types: BTreeMap::new(),
            returns: vec![Ty::NEVER; header.functions.len() + header.entries.len()],
            changed: false,
            widens: false,
            reports: false,
            faults: Vec::new(),
            unit: 0,
            scope: Vec::new(),
            loops: Vec::new(),
            declared: BTreeMap::new(),
            read: BTreeSet::new(),
            globals: BTreeSet::new(),
            calls: BTreeSet::new(),
        };
        let called = called_names(program);
        for (unit, function) in header.functions.iter().enumerate() {
            if !called.contains(&function.name) {
                for param in 0..function.params.len() {
                    inference
                        .types
                        .insert(Variable::Param(unit, param), Ty::Any);
                }
            }
        }
        for (index, entry) in header.entries.iter().enumerate() {
            let unit = header.functions.len() + index;
            for (at, param) in entry.params.iter().enumerate() {
                let ty = Ty::of_type(&param.ty);
                inference.types.insert(Variable::Param(unit, at), ty);
            }
        }
        inference
    }

    /// Goes through all bodies and functions once.
    fn visit(&mut self) {
        let program = self.program;
        let functions = program.header.functions.iter().zip(self.definitions);
        for (unit, (function, statements)) in functions.enumerate() {
            self.enter(unit, function.params.iter().cloned());
            let flow = self.statements(statements);
            if !flow.ends {
                self.give(unit, flow.value);
            }
        }
        for (index, (entry, ast)) in program
            .header
            .entries
            .iter()
            .zip(program.bodies)
            .enumerate()
        {
            let unit = self.definitions.len() + index;
            self.enter(unit, entry.params.iter().map(|param| param.name.clone()));
            let flow = self.statements(ast.statements());
            if !flow.ends {
                self.give(unit, flow.value);
            }
            if self.reports && entry.kind.reads_only() {
                self.result_of(unit, entry, ast.statements());
            }
        }
    }

    fn enter(&mut self, unit: usize, params: impl Iterator<Item = String>) {
        self.unit = unit;
        self.loops.clear();
        let params = params.enumerate();
        self.scope = params
            .map(|(at, name)| (name, Variable::Param(unit, at)))
            .collect();
    }

    /// Adds what a variable may hold.
    fn grow(&mut self, variable: Variable, ty: Ty) {
        let known = self.types.entry(variable).or_insert(Ty::NEVER);
        let joined = known.clone().join(ty);
        if joined != *known {
            *known = if self.widens { Ty::Any } else { joined };
            self.changed = true;
        }
    }

    /// Adds what a unit may return.
    fn give(&mut self, unit: usize, ty: Ty) {
        let Some(known) = self.returns.get_mut(unit) else {
            return;
        };
        let joined = known.clone().join(ty);
        if joined != *known {
            *known = if self.widens { Ty::Any } else { joined };
            self.changed = true;
        }
    }

    /// The types do not come to rest: nothing is known but what is declared.
    fn forget(&mut self) {
        let functions = self.program.header.functions.len();
        for (variable, ty) in &mut self.types {
            let is_declared = matches!(variable, Variable::Param(unit, _) if *unit >= functions);
            if !is_declared || self.changed {
                *ty = Ty::Any;
            }
        }
        self.returns.fill(Ty::Any);
    }

    fn fault(
        &mut self,
        position: Position,
        code: &'static str,
        reason: impl Into<String>,
        mend: impl Into<String>,
    ) {
        if self.reports {
            let place = place_of(position).unwrap_or(Place::START);
            self.faults.push(Fault::new(place, code, reason, mend));
        }
    }

    fn warn(
        &mut self,
        place: Place,
        code: &'static str,
        reason: impl Into<String>,
        mend: impl Into<String>,
    ) {
        if self.reports {
            self.faults.push(Fault::warning(place, code, reason, mend));
        }
    }

    /// Actions that nobody can call, because no account has the roles that they are for.
    fn callers(&mut self) {
        let Some(roles) = self.program.catalog.roles() else {
            return;
        };
        let known = |role: &str| roles.iter().any(|other| other == role);
        for entry in &self.program.header.entries {
            let unknown = entry.callers.iter().filter_map(|rule| match rule {
                CallerRule::Role(role) if !known(role) => Some(role.as_str()),
                _ => None,
            });
            let unknown: Vec<&str> = unknown.collect();
            let Some(role) = unknown.first() else {
                continue;
            };
            let mend = suggest(role, roles.iter().map(String::as_str));
            let name = &entry.name;
            if unknown.len() == entry.callers.len() {
                let reason = format!("nobody can run `{name}`: there is no role `{role}`");
                self.faults
                    .push(Fault::new(entry.place, "no_caller", reason, mend));
            } else {
                let reason = format!("`{name}` is for the role `{role}`, which is not known here");
                self.warn(entry.place, "unknown_role", reason, mend);
            }
        }
    }
}

/// The statements of a function. The tree shows them to those who walk through it only.
fn body_of(ast: &AST) -> Vec<Stmt> {
    let mut statements = Vec::new();
    ast.walk(&mut |path| {
        if let [ASTNode::Stmt(statement)] = path {
            statements.push(Stmt::clone(statement));
        }
        true
    });
    statements
}

/// The names of all functions that are called anywhere.
fn called_names(program: &Program) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for ast in program.functions.iter().chain(program.bodies) {
        ast.walk(&mut |path| {
            if let Some(
                ASTNode::Expr(Expr::FnCall(call, _)) | ASTNode::Stmt(Stmt::FnCall(call, _)),
            ) = path.last()
            {
                names.insert(call.name.to_string());
            }
            true
        });
    }
    names
}
