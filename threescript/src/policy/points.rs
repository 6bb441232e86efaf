//! What of a policy can run: its statements, and where it can go one way or another. For coverage.

use super::compile::Policy;
use super::diagnostic::Place;
use crate::engine::observe::statement_start;
use crate::engine::place_of;
use rhai::{AST, ASTNode, Expr, Stmt, StmtBlock};
use std::collections::BTreeMap;

/// What can run of a policy, in the order of places.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Points {
    /// Where statements begin.
    pub statements: Vec<Place>,
    /// Where the policy can go two ways.
    pub branchings: Vec<Branching>,
}

/// A statement that can go two ways.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Branching {
    /// Where it begins.
    pub place: Place,
    /// What it is.
    pub kind: BranchingKind,
    /// Where the first statement of its body begins, which runs if the way is taken.
    pub body: Place,
    /// Where the first statement of its `else` begins.
    pub otherwise: Option<Place>,
}

/// What goes two ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BranchingKind {
    /// `if`: the condition holds or not.
    If,
    /// `for` or `while`: the body runs at least once, or not at all.
    Loop,
}

impl Policy {
    /// What can run of this policy.
    pub fn points(&self) -> Points {
        let mut statements = BTreeMap::new();
        let mut branchings = BTreeMap::new();
        for body in &self.inner.bodies {
            collect(body, &mut statements, &mut branchings);
        }
        Points {
            statements: statements.into_keys().collect(),
            branchings: branchings.into_values().collect(),
        }
    }
}

fn collect(
    body: &AST,
    statements: &mut BTreeMap<Place, ()>,
    branchings: &mut BTreeMap<Place, Branching>,
) {
    body.walk(&mut |path| {
        let Some(ASTNode::Stmt(statement)) = path.last() else {
            return true;
        };
        let Some(place) = place_of(statement_start(statement)) else {
            return true;
        };
        match statement {
            // A block has nothing of its own, and an `if` in a value is a statement by itself.
            Stmt::Noop(_) | Stmt::Block(_) => {}
            Stmt::Expr(expression) if matches!(**expression, Expr::Stmt(_)) => {}
            _ => {
                statements.insert(place, ());
            }
        }
        let (kind, parts) = match statement {
            Stmt::If(parts, _) => (BranchingKind::If, &**parts),
            // `loop` always runs its body.
            Stmt::While(parts, _) if matches!(parts.expr, Expr::Unit(_)) => return true,
            Stmt::While(parts, _) => (BranchingKind::Loop, &**parts),
            Stmt::For(parts, _) => (BranchingKind::Loop, &parts.2),
            _ => return true,
        };
        // An empty body leaves no trace of having been run.
        if let Some(body) = first(&parts.body) {
            let otherwise = first(&parts.branch);
            branchings.insert(
                place,
                Branching {
                    place,
                    kind,
                    body,
                    otherwise,
                },
            );
        }
        true
    });
}

/// Where the first statement of a block begins.
fn first(block: &StmtBlock) -> Option<Place> {
    let mut statements = block.statements();
    loop {
        let first = statements.first()?;
        match first {
            Stmt::Block(inner) => statements = inner.statements(),
            Stmt::Noop(_) => statements = &statements[1..],
            other => return place_of(statement_start(other)),
        }
    }
}
