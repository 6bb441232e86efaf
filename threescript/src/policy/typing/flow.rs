//! What a run never comes to, and questions that end without a result.

use super::Inference;
use super::kind::Kind;
use super::statements::start_of;
use crate::engine::library::signature::{self, Shape};
use crate::engine::place_of;
use crate::policy::declaration::{EntryDecl, EntryKind};
use crate::policy::diagnostic::Fault;
use crate::value::Value;
use rhai::{ASTFlags, Expr, FlowControl, Position, Stmt};

/// A condition that has one answer: the answer, and whether a declared constant has to do with it.
#[derive(Clone, Copy)]
struct Constant {
    holds: bool,
    is_declared: bool,
}

impl<'a> Inference<'a> {
    /// `if` with a condition that always holds, or never does.
    pub(super) fn constant_condition(&mut self, parts: &FlowControl) {
        let Some(constant) = self.constant(&parts.expr) else {
            return;
        };
        let never = match constant.holds {
            true => parts.branch.statements().first().map(start_of),
            false => parts.body.statements().first().map(start_of),
        };
        let Some(never) = never else {
            return;
        };
        let always = if constant.holds { "always" } else { "never" };
        self.unreachable(
            constant,
            never,
            &format!("this is never reached: the condition {always} holds"),
        );
    }

    /// `while` with a condition that never holds.
    pub(super) fn constant_loop(&mut self, parts: &FlowControl) {
        let constant = self
            .constant(&parts.expr)
            .filter(|constant| !constant.holds);
        if let (Some(constant), Some(first)) = (constant, parts.body.statements().first()) {
            self.unreachable(
                constant,
                start_of(first),
                "this is never reached: the condition never holds",
            );
        }
    }

    /// A switch that is a constant of the file may be meant so; a literal cannot be.
    fn unreachable(&mut self, constant: Constant, position: Position, reason: &str) {
        let mend = "remove it, or the condition";
        match (constant.is_declared, place_of(position)) {
            (true, Some(place)) => self.warn(place, "unreachable", reason, mend),
            _ => self.fault(position, "unreachable", reason, mend),
        }
    }

    fn constant(&self, expression: &Expr) -> Option<Constant> {
        let literal = |holds: bool| Constant {
            holds,
            is_declared: false,
        };
        match expression {
            Expr::BoolConstant(holds, _) => Some(literal(*holds)),
            Expr::Variable(..) => match self.constant_value(expression)? {
                (Value::Bool(holds), is_declared) => Some(Constant { holds, is_declared }),
                _ => None,
            },
            Expr::And(sides, _) | Expr::Or(sides, _) => {
                let is_and = matches!(expression, Expr::And(..));
                let known: Vec<Option<Constant>> =
                    sides.iter().map(|side| self.constant(side)).collect();
                let decides = known.iter().flatten().find(|side| side.holds != is_and);
                let is_declared = known.iter().flatten().any(|side| side.is_declared);
                match decides {
                    Some(side) => Some(*side),
                    None if known.iter().all(Option::is_some) => Some(Constant {
                        holds: is_and,
                        is_declared,
                    }),
                    None => None,
                }
            }
            Expr::FnCall(call, _) if call.is_operator_call() => {
                match (call.name.as_str(), &call.args[..]) {
                    ("!", [side]) => self.constant(side).map(|side| Constant {
                        holds: !side.holds,
                        ..side
                    }),
                    (operator, [a, b]) => {
                        let ((a, first), (b, second)) =
                            (self.constant_value(a)?, self.constant_value(b)?);
                        let order = match (&a, &b) {
                            (Value::Int(a), Value::Int(b)) => a.cmp(b),
                            (Value::Text(a), Value::Text(b)) => a.cmp(b),
                            (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
                            _ => return None,
                        };
                        let holds = match operator {
                            "==" => order.is_eq(),
                            "!=" => order.is_ne(),
                            "<" => order.is_lt(),
                            "<=" => order.is_le(),
                            ">" => order.is_gt(),
                            ">=" => order.is_ge(),
                            _ => return None,
                        };
                        Some(Constant {
                            holds,
                            is_declared: first || second,
                        })
                    }
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// A literal, or a constant of the file: then with true.
    fn constant_value(&self, expression: &Expr) -> Option<(Value, bool)> {
        match expression {
            Expr::BoolConstant(flag, _) => Some((Value::Bool(*flag), false)),
            Expr::IntegerConstant(number, _) => Some((Value::Int(*number), false)),
            Expr::StringConstant(text, _) => Some((Value::Text(text.to_string()), false)),
            Expr::Variable(variable, ..) if self.find(&variable.1).is_none() => {
                let consts = &self.program.header.consts;
                let item = consts
                    .iter()
                    .find(|item| item.name == variable.1.as_str())?;
                Some((item.value.clone(), true))
            }
            _ => None,
        }
    }

    /// Whether two conditions are the same question with the same answer: nothing in them changes anything, and nothing
    /// in them can have changed in between.
    pub(super) fn is_same(&self, a: &Expr, b: &Expr) -> bool {
        let all = |a: &[Expr], b: &[Expr]| {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| self.is_same(a, b))
        };
        match (a, b) {
            (Expr::BoolConstant(a, _), Expr::BoolConstant(b, _)) => a == b,
            (Expr::IntegerConstant(a, _), Expr::IntegerConstant(b, _)) => a == b,
            (Expr::StringConstant(a, _), Expr::StringConstant(b, _)) => a == b,
            (Expr::Unit(_), Expr::Unit(_)) => true,
            (Expr::Variable(a, ..), Expr::Variable(b, ..)) => a.1 == b.1,
            (Expr::Property(a, _), Expr::Property(b, _)) => a.2 == b.2,
            (Expr::And(a, _), Expr::And(b, _)) | (Expr::Or(a, _), Expr::Or(b, _)) => all(a, b),
            (Expr::Dot(a, ..), Expr::Dot(b, ..)) => {
                !matches!(a.rhs, Expr::MethodCall(..))
                    && self.is_same(&a.lhs, &b.lhs)
                    && self.is_same(&a.rhs, &b.rhs)
            }
            (Expr::FnCall(a, _), Expr::FnCall(b, _)) => {
                a.is_operator_call()
                    && b.is_operator_call()
                    && a.name == b.name
                    && all(&a.args, &b.args)
            }
            _ => false,
        }
    }

    /// Reports where a question or an invariant comes to its end and has no result.
    pub(super) fn result_of(&mut self, unit: usize, entry: &EntryDecl, statements: &[Stmt]) {
        let result = &self.returns[unit];
        if entry.kind == EntryKind::Invariant && !result.may(|kind| *kind == Kind::Bool) {
            let reason = format!(
                "the invariant `{}` is a bool, {} is given",
                entry.name,
                result.describe()
            );
            let mend = "end with what has to be true";
            self.faults
                .push(Fault::new(entry.place, "type", reason, mend));
            return;
        }
        let mut places = Vec::new();
        let is_empty = statements
            .iter()
            .all(|statement| matches!(statement, Stmt::Noop(_)));
        if is_empty {
            self.faults.push(no_result(entry, entry.place));
            return;
        }
        self.without_result(statements, &mut places);
        for position in places {
            if let Some(place) = place_of(position) {
                self.faults.push(no_result(entry, place));
            }
        }
    }

    /// The places where these statements end without a value.
    fn without_result(&self, statements: &[Stmt], places: &mut Vec<Position>) {
        let Some(last) = statements
            .iter()
            .rfind(|statement| !matches!(statement, Stmt::Noop(_)))
        else {
            return;
        };
        match last {
            Stmt::If(parts, position) => {
                self.without_result(parts.body.statements(), places);
                match parts.branch.statements() {
                    [] => places.push(*position),
                    branch => self.without_result(branch, places),
                }
            }
            Stmt::Block(block) => self.without_result(block.statements(), places),
            Stmt::Expr(expression) if self.gives_nothing(expression) => {
                places.push(expression.start_position());
            }
            Stmt::FnCall(call, position) if self.is_nothing_call(&call.name, call.args.len()) => {
                places.push(*position);
            }
            Stmt::While(parts, position) => {
                let is_endless = matches!(parts.expr, Expr::Unit(_) | Expr::BoolConstant(true, _));
                let mut breaks = Breaks::default();
                breaks.within(parts.body.statements());
                if !breaks.with_value && (breaks.empty || !is_endless) {
                    places.push(*position);
                }
            }
            Stmt::For(parts, position) => {
                let mut breaks = Breaks::default();
                breaks.within(parts.2.body.statements());
                if !breaks.with_value {
                    places.push(*position);
                }
            }
            Stmt::Var(..) | Stmt::Assignment(_) => places.push(start_of(last)),
            _ => {}
        }
    }

    fn gives_nothing(&self, expression: &Expr) -> bool {
        match expression {
            Expr::FnCall(call, _) => self.is_nothing_call(&call.name, call.args.len()),
            Expr::Dot(parts, ..) => match &parts.rhs {
                Expr::MethodCall(call, _) => self.is_nothing_call(&call.name, call.args.len() + 1),
                _ => false,
            },
            _ => false,
        }
    }

    /// Whether this is a library function that never gives anything.
    fn is_nothing_call(&self, name: &str, arity: usize) -> bool {
        let signature = signature::function(name, arity);
        signature.is_some_and(|signature| {
            let mut cases = signature.cases.iter();
            cases.all(|case| case.result == [Shape::Nothing])
        })
    }
}

/// How a loop is left.
#[derive(Default)]
struct Breaks {
    with_value: bool,
    empty: bool,
}

impl Breaks {
    fn within(&mut self, statements: &[Stmt]) {
        for statement in statements {
            match statement {
                Stmt::BreakLoop(value, flags, _) if flags.contains(ASTFlags::BREAK) => {
                    match value {
                        Some(_) => self.with_value = true,
                        None => self.empty = true,
                    }
                }
                Stmt::If(parts, _) => {
                    self.within(parts.body.statements());
                    self.within(parts.branch.statements());
                }
                Stmt::Block(block) => self.within(block.statements()),
                Stmt::Expr(expression) => {
                    if let Expr::Stmt(block) = &**expression {
                        self.within(block.statements());
                    }
                }
                _ => {}
            }
        }
    }
}

fn no_result(entry: &EntryDecl, place: crate::policy::diagnostic::Place) -> Fault {
    let what = if entry.kind == EntryKind::Ask {
        "question"
    } else {
        "invariant"
    };
    let reason = format!("the {what} `{}` ends here without a result", entry.name);
    Fault::new(
        place,
        "no_result",
        reason,
        "end with a value on every way; () if there is none",
    )
}
