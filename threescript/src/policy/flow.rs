//! How values go through the bodies of a policy: which statement gives which variable a value, and which variables the
//! arguments of calls are made of. For traces.

use super::compile::Policy;
use super::diagnostic::Place;
use crate::engine::observe::statement_start;
use crate::engine::place_of;
use rhai::{AST, ASTNode, Expr, FnCallExpr, Stmt};
use std::collections::BTreeMap;

/// What is known of the bodies of a policy before they run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// The variables that a statement gives values, by the place of the statement.
    pub assigned: BTreeMap<Place, Vec<Assigned>>,
    /// The variables in each argument of a call, by the place of its name.
    pub arguments: BTreeMap<Place, Vec<Vec<String>>>,
    /// For a statement inside of a value, as in `let x = if a { 1 } else { 2 }`, the statement that the value is part of.
    pub inside: BTreeMap<Place, Place>,
    /// The names of the parameters of the functions of the policy.
    pub functions: BTreeMap<String, Vec<String>>,
}

/// A variable that is given a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assigned {
    /// Its name.
    pub name: String,
    /// Whether all of it is new; otherwise what it was before is part of what it is: `x += 1`, `x.push(1)`, `x.a = 1`.
    pub whole: bool,
}

impl Flow {
    /// The statement whose value a statement is part of, however deep.
    pub fn outermost(&self, place: Place) -> Option<Place> {
        let mut around = None;
        let mut at = place;
        while let Some(outer) = self.inside.get(&at) {
            (around, at) = (Some(*outer), *outer);
        }
        around
    }
}

impl Policy {
    /// How values go through its bodies.
    pub fn flow(&self) -> Flow {
        let mut flow = Flow::default();
        for body in &self.inner.bodies {
            collect(body, &mut flow);
        }
        for function in &self.inner.header.functions {
            flow.functions
                .insert(function.name.clone(), function.params.clone());
        }
        flow
    }
}

fn collect(body: &AST, flow: &mut Flow) {
    body.walk(&mut |path| {
        match path.last() {
            Some(ASTNode::Stmt(statement)) => {
                if let Stmt::FnCall(call, position) = statement {
                    arguments(call, place_of(*position), flow);
                }
                // A statement below an expression is part of the value of the statement above that.
                let mut above = path[..path.len() - 1].iter().rev();
                let is_value = above
                    .by_ref()
                    .take_while(|node| matches!(node, ASTNode::Expr(_)))
                    .count()
                    > 0;
                let around = path[..path.len() - 1].iter().rev();
                let mut around = around;
                let around = around.find(|node| !matches!(node, ASTNode::Expr(_)));
                if let (true, Some(ASTNode::Stmt(around))) = (is_value, around)
                    && let (Some(inner), Some(outer)) = (
                        place_of(statement_start(statement)),
                        place_of(statement_start(around)),
                    )
                    && inner != outer
                {
                    flow.inside.insert(inner, outer);
                }
                let assigned = assigned(statement);
                if let (false, Some(place)) =
                    (assigned.is_empty(), place_of(statement_start(statement)))
                {
                    flow.assigned.insert(place, assigned);
                }
            }
            Some(ASTNode::Expr(
                Expr::FnCall(call, position) | Expr::MethodCall(call, position),
            )) => arguments(call, place_of(*position), flow),
            _ => {}
        }
        true
    });
}

fn arguments(call: &FnCallExpr, place: Option<Place>, flow: &mut Flow) {
    if let Some(place) = place {
        let arguments = call.args.iter().map(variables).collect();
        flow.arguments.insert(place, arguments);
    }
}

/// The names of variables in an expression.
fn variables(expression: &Expr) -> Vec<String> {
    let mut names = Vec::new();
    expression.walk(&mut Vec::new(), &mut |path| {
        if let Some(ASTNode::Expr(Expr::Variable(variable, ..))) = path.last() {
            let name = variable.1.to_string();
            if !names.contains(&name) {
                names.push(name);
            }
        }
        true
    });
    names
}

fn assigned(statement: &Stmt) -> Vec<Assigned> {
    let one = |name: &str, whole| Assigned {
        name: name.to_owned(),
        whole,
    };
    match statement {
        Stmt::Var(definition, ..) => vec![one(definition.0.as_str(), true)],
        Stmt::For(parts, _) => {
            let counter = parts.1.iter().map(|counter| one(counter.as_str(), true));
            std::iter::once(one(parts.0.as_str(), true))
                .chain(counter)
                .collect()
        }
        Stmt::Assignment(parts) => {
            let is_plain = !parts.0.is_op_assignment();
            match &parts.1.lhs {
                Expr::Variable(variable, ..) => vec![one(&variable.1, is_plain)],
                Expr::Dot(parts, ..) | Expr::Index(parts, ..) => root(&parts.lhs)
                    .map(|name| one(name, false))
                    .into_iter()
                    .collect(),
                _ => Vec::new(),
            }
        }
        // `list.push(x)` changes the list.
        Stmt::Expr(expression) => match &**expression {
            Expr::Dot(parts, ..) if changes(&parts.rhs) => root(&parts.lhs)
                .map(|name| one(name, false))
                .into_iter()
                .collect(),
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

fn root(expression: &Expr) -> Option<&str> {
    match expression {
        Expr::Variable(variable, ..) => Some(&variable.1),
        Expr::Dot(parts, ..) | Expr::Index(parts, ..) => root(&parts.lhs),
        _ => None,
    }
}

/// Whether a chain of methods has one that changes what it is called on.
fn changes(rest: &Expr) -> bool {
    match rest {
        Expr::MethodCall(call, _) => crate::engine::library::natives()
            .any(|native| native.name() == call.name.as_str() && native.changes),
        Expr::Dot(parts, ..) | Expr::Index(parts, ..) => changes(&parts.lhs) || changes(&parts.rhs),
        _ => false,
    }
}
