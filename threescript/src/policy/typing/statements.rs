//! Statements: what they leave in variables, and whether anything behind them is reached.

use super::kind::{Kind, Ty};
use super::{Declared, Flow, Inference, Loop, Variable};
use crate::engine::place_of;
use crate::policy::declaration::EntryKind;
use rhai::{ASTFlags, Expr, FlowControl, Ident, Position, Stmt, StmtBlock};

impl<'a> Inference<'a> {
    /// The statements of a block one after the other; the value is that of the last one.
    pub(super) fn statements(&mut self, statements: &[Stmt]) -> Flow {
        let visible = self.scope.len();
        let mut flow = Flow::of(Ty::nothing());
        let mut is_said = false;
        for statement in statements {
            if matches!(statement, Stmt::Noop(_)) {
                continue;
            }
            if flow.ends && !is_said {
                is_said = true;
                let mend = "remove it, or what leaves before it";
                self.fault(
                    start_of(statement),
                    "unreachable",
                    "this is never reached",
                    mend,
                );
            }
            let next = self.statement(statement);
            flow = Flow {
                value: next.value,
                ends: flow.ends || next.ends,
            };
        }
        self.scope.truncate(visible);
        flow
    }

    fn block(&mut self, block: &StmtBlock) -> Flow {
        self.statements(block.statements())
    }

    fn statement(&mut self, statement: &Stmt) -> Flow {
        match statement {
            Stmt::If(parts, _) => self.if_else(parts, &mut Vec::new()),
            Stmt::While(parts, _) => self.while_loop(parts),
            Stmt::Do(parts, ..) => {
                let flow = self.loop_body(&parts.body);
                self.condition(&parts.expr);
                // Whoever breaks comes out behind it.
                Flow {
                    ends: false,
                    ..flow
                }
            }
            Stmt::For(parts, _) => self.for_loop(&parts.0, parts.1.as_ref(), &parts.2),
            Stmt::Var(parts, _, position) => {
                let ty = self.expression(&parts.1);
                self.declare(&parts.0, *position, ty);
                Flow::of(Ty::nothing())
            }
            Stmt::Assignment(parts) => {
                self.assignment(&parts.0, &parts.1.lhs, &parts.1.rhs);
                Flow::of(Ty::nothing())
            }
            Stmt::FnCall(call, position) => Flow {
                value: self.call(call, *position),
                ends: self.is_fail(&call.name),
            },
            Stmt::Block(block) => self.block(block),
            Stmt::Expr(expression) => {
                let value = self.expression(expression);
                let ends = match &**expression {
                    Expr::FnCall(call, _) => self.is_fail(&call.name),
                    _ => false,
                };
                Flow { value, ends }
            }
            Stmt::BreakLoop(value, flags, _) => {
                let ty = value.as_ref().map(|value| self.expression(value));
                if flags.contains(ASTFlags::BREAK)
                    && let Some(around) = self.loops.last_mut()
                {
                    around.breaks = true;
                    let before = std::mem::replace(&mut around.value, Ty::NEVER);
                    around.value = before.join(ty.unwrap_or_else(Ty::nothing));
                }
                Flow {
                    value: Ty::NEVER,
                    ends: true,
                }
            }
            Stmt::Return(value, _, position) => {
                let ty = value.as_ref().map(|value| self.expression(value));
                if ty.is_none() {
                    self.empty_return(*position);
                }
                self.give(self.unit, ty.unwrap_or_else(Ty::nothing));
                Flow {
                    value: Ty::NEVER,
                    ends: true,
                }
            }
            _ => Flow::of(Ty::Any),
        }
    }

    fn is_fail(&self, name: &str) -> bool {
        name == "fail"
    }

    fn empty_return(&mut self, position: Position) {
        let functions = self.program.header.functions.len();
        let entry = self
            .unit
            .checked_sub(functions)
            .map(|entry| &self.program.header.entries[entry]);
        if let Some(entry) = entry
            && entry.kind == EntryKind::Ask
        {
            let reason = format!("the question `{}` ends here without a result", entry.name);
            self.fault(
                position,
                "no_result",
                reason,
                "return a value; () if there is none",
            );
        }
    }

    fn declare(&mut self, name: &Ident, position: Position, ty: Ty) {
        let variable = self.variable_at(name, position);
        self.grow(variable, ty);
        self.scope.push((name.as_str().to_owned(), variable));
        self.declared.insert(
            variable,
            Declared {
                name: name.as_str().to_owned(),
                position: if name.pos.is_none() {
                    position
                } else {
                    name.pos
                },
            },
        );
    }

    fn variable_at(&self, name: &Ident, position: Position) -> Variable {
        let place = place_of(name.pos).or_else(|| place_of(position));
        Variable::At(place.unwrap_or(crate::policy::diagnostic::Place::START))
    }

    /// `if … else if … else …`; `above` are the conditions that did not hold.
    fn if_else<'e>(&mut self, parts: &'e FlowControl, above: &mut Vec<&'e Expr>) -> Flow {
        if self.reports {
            self.constant_condition(parts);
            if above.iter().any(|other| self.is_same(other, &parts.expr)) {
                let reason = "this condition was asked above, so this branch is never reached";
                let mend = "remove the branch, or ask something else";
                self.fault(parts.expr.start_position(), "unreachable", reason, mend);
            }
        }
        self.condition(&parts.expr);
        let then = self.block(&parts.body);
        above.push(&parts.expr);
        let otherwise = match parts.branch.statements() {
            [] => Flow::of(Ty::nothing()),
            [Stmt::If(parts, _)] => self.if_else(parts, above),
            statements => self.statements(statements),
        };
        Flow {
            value: then.value.join(otherwise.value),
            ends: then.ends && otherwise.ends,
        }
    }

    fn while_loop(&mut self, parts: &FlowControl) -> Flow {
        let is_endless = matches!(parts.expr, Expr::Unit(_) | Expr::BoolConstant(true, _));
        if !matches!(parts.expr, Expr::Unit(_)) {
            if self.reports {
                self.constant_loop(parts);
            }
            self.condition(&parts.expr);
        }
        let flow = self.loop_body(&parts.body);
        Flow {
            value: flow.value,
            ends: is_endless && flow.ends,
        }
    }

    fn for_loop(&mut self, name: &Ident, counter: Option<&Ident>, parts: &FlowControl) -> Flow {
        let list = self.expression(&parts.expr);
        let item = match list.kinds() {
            None => Ty::Any,
            Some(kinds) => kinds.iter().fold(Ty::NEVER, |item, kind| match kind {
                Kind::List(inner) => item.join(Ty::clone(inner)),
                Kind::Range => item.join(Ty::int()),
                _ => item,
            }),
        };
        if !list.may(|kind| matches!(kind, Kind::List(_) | Kind::Range)) {
            let given = list.describe();
            let is_rows = list.may(|kind| matches!(kind, Kind::Table(_) | Kind::Query(_)));
            let mend = match list.kinds() {
                Some([Kind::Map(_)]) => "walk over its names or values: map.keys(), map.values()",
                Some([Kind::Int]) => "walk over numbers: 0..n",
                _ if is_rows => "walk over its rows: rows()",
                _ => "",
            };
            let reason = format!("`for` walks over a list or a range, {given} is given");
            self.fault(parts.expr.start_position(), "type", reason, mend);
        }
        let visible = self.scope.len();
        let loop_variables = [
            Some((name, item)),
            counter.map(|counter| (counter, Ty::int())),
        ];
        for (name, ty) in loop_variables.into_iter().flatten() {
            let variable = self.variable_at(name, name.pos);
            self.grow(variable, ty);
            self.scope.push((name.as_str().to_owned(), variable));
        }
        let flow = self.loop_body(&parts.body);
        self.scope.truncate(visible);
        Flow {
            ends: false,
            ..flow
        }
    }

    /// The value is what `break` gives, or nothing; it ends if nothing breaks.
    fn loop_body(&mut self, body: &StmtBlock) -> Flow {
        self.loops.push(Loop {
            value: Ty::nothing(),
            breaks: false,
        });
        self.block(body);
        let around = self.loops.pop();
        Flow {
            ends: around.as_ref().is_some_and(|around| !around.breaks),
            value: around.map_or(Ty::Any, |around| around.value),
        }
    }

    /// What `if` and `while` ask, and the sides of `&&` and `||`.
    pub(super) fn condition(&mut self, expression: &Expr) {
        let ty = self.expression(expression);
        if !ty.may(|kind| *kind == Kind::Bool) {
            let given = ty.describe();
            let has_nothing = ty.may(|kind| *kind == Kind::Nothing);
            let mend = match ty.kinds() {
                _ if has_nothing => "ask whether there is something: x != ()",
                Some([Kind::Int]) => "compare it, as in x > 0",
                Some([Kind::List(_) | Kind::Text(_) | Kind::Map(_)]) => {
                    "compare its length: x.len() > 0"
                }
                Some([Kind::Table(_) | Kind::Query(_)]) => {
                    "compare the number of rows: x.count() > 0"
                }
                _ => "",
            };
            let reason = format!("a condition is a bool, {given} is given");
            self.fault(expression.start_position(), "type", reason, mend);
        }
    }
}

/// Where a statement begins.
pub(super) fn start_of(statement: &Stmt) -> Position {
    match statement {
        Stmt::Expr(expression) => expression.start_position(),
        Stmt::Assignment(parts) => parts.1.lhs.start_position(),
        statement => statement.position(),
    }
}
