//! Expressions: what they are made of, and what comes out.

use super::calls::{Arg, amount_mend};
use super::kind::{Kind, MapTy, Ty, Words};
use super::operators;
use super::{Inference, Variable};
use crate::engine::library::signature;
use crate::engine::profile::{BLOCK, CALLER};
use rhai::{Expr, FnCallExpr, Position, Token};
use std::collections::BTreeMap;

impl<'a> Inference<'a> {
    pub(super) fn expression(&mut self, expression: &Expr) -> Ty {
        match expression {
            Expr::BoolConstant(..) => Ty::bool(),
            Expr::IntegerConstant(..) => Ty::int(),
            Expr::CharConstant(..) => Ty::text(),
            Expr::StringConstant(text, _) => {
                Ty::one(Kind::Text(Words::Literal(text.as_str().into())))
            }
            Expr::InterpolatedString(parts, _) => {
                for part in parts.iter() {
                    self.expression(part);
                }
                Ty::text()
            }
            Expr::Array(items, _) => {
                let mut item = Ty::NEVER;
                for expression in items.iter() {
                    let ty = self.expression(expression);
                    item = item.join(ty);
                }
                Ty::list(item)
            }
            Expr::Map(parts, _) => {
                let mut entries = BTreeMap::new();
                for (name, expression) in &parts.0 {
                    let ty = self.expression(expression);
                    entries.insert(name.as_str().to_owned(), ty);
                }
                Ty::map(MapTy {
                    entries,
                    ..MapTy::default()
                })
            }
            Expr::Unit(_) => Ty::nothing(),
            Expr::Variable(variable, ..) => self.name(&variable.1),
            Expr::Stmt(block) => self.statements(block.statements()).value,
            Expr::FnCall(call, position) => self.call(call, *position),
            Expr::Dot(..) | Expr::Index(..) => self.chain(expression),
            Expr::And(sides, _) | Expr::Or(sides, _) => {
                for side in sides.iter() {
                    self.condition(side);
                }
                Ty::bool()
            }
            Expr::Coalesce(sides, _) => {
                let mut ty = Ty::NEVER;
                for side in sides.iter() {
                    let side = self.expression(side);
                    ty = without_nothing(ty).join(side);
                }
                ty
            }
            _ => Ty::Any,
        }
    }

    /// A variable, or a name that the whole file shares.
    fn name(&mut self, name: &str) -> Ty {
        if let Some(variable) = self.find(name) {
            self.read.insert(variable);
            return self.types.get(&variable).cloned().unwrap_or(Ty::NEVER);
        }
        if self.reports {
            self.globals.insert(name.to_owned());
        }
        let header = self.program.header;
        if let Some(item) = header.consts.iter().find(|item| item.name == name) {
            return Ty::of_value(&item.value);
        }
        if let Some(item) = header.params.iter().find(|item| item.name == name) {
            return Ty::of_type(&item.ty);
        }
        if let Some(table) = header.tables.iter().position(|table| table.name == name) {
            return Ty::one(Kind::Table(table));
        }
        if self
            .program
            .catalog
            .modules()
            .any(|(module, _)| module == name)
        {
            return Ty::one(Kind::Module(name.into()));
        }
        match name {
            BLOCK => Ty::one(Kind::Block),
            CALLER => Ty::one(Kind::Caller),
            _ => Ty::Any,
        }
    }

    pub(super) fn find(&self, name: &str) -> Option<Variable> {
        let mut scope = self.scope.iter().rev();
        scope
            .find(|(other, _)| other == name)
            .map(|(_, variable)| *variable)
    }

    /// `name(…)` and operators.
    pub(super) fn call(&mut self, call: &FnCallExpr, position: Position) -> Ty {
        let types: Vec<Ty> = call.args.iter().map(|arg| self.expression(arg)).collect();
        let name = call.name.as_str();
        let functions = &self.program.header.functions;
        if !call.is_operator_call()
            && let Some(unit) = functions.iter().position(|function| function.name == name)
        {
            self.calls.insert((self.unit, unit));
            if types.len() != functions[unit].params.len() {
                return Ty::Any;
            }
            for (at, ty) in types.into_iter().enumerate() {
                self.grow(Variable::Param(unit, at), ty);
            }
            return self.returns[unit].clone();
        }
        let args = arguments(&types, &call.args);
        let formulas = &self.program.header.formulas;
        if let Some(formula) = formulas.iter().find(|formula| formula.name == name) {
            self.globals.insert(name.to_owned());
            for (param, arg) in formula.params.iter().zip(&args) {
                self.formula_argument(formula, param, *arg);
            }
            return Ty::of_type(&formula.result);
        }
        if let Some(word) = self.program.catalog.word(name)
            && word.arities().contains(&args.len())
        {
            return match signature::function(name, args.len()) {
                None => self.native("", &word.function, &args),
                // Which of the two is called is not known here.
                Some(_) => Ty::Any,
            };
        }
        match (signature::function(name, args.len()), args.as_slice()) {
            (Some(signature), _) => {
                let result = self.library(signature, &args, position);
                if signature.native.changes
                    && let Some((target, _)) = call.args.split_first()
                {
                    self.changed_in_place(name, target, &types[1..]);
                }
                result
            }
            (None, [a, b]) if is_operator(call) => self.binary(name, *a, *b, position),
            (None, [a]) if is_operator(call) => self.unary(name, *a, position),
            _ => Ty::Any,
        }
    }

    pub(super) fn binary(&mut self, operator: &str, a: Arg, b: Arg, position: Position) -> Ty {
        let (Some(left), Some(right)) = (a.ty.kinds(), b.ty.kinds()) else {
            return match operator {
                "==" | "!=" | "<" | "<=" | ">" | ">=" => Ty::bool(),
                ".." | "..=" => Ty::one(Kind::Range),
                _ => Ty::Any,
            };
        };
        if left.is_empty() || right.is_empty() {
            return Ty::NEVER;
        }
        // Everything can be compared with nothing; what is left then must be comparable by itself.
        let has_more = |kinds: &[Kind]| kinds.iter().any(|kind| *kind != Kind::Nothing);
        let is_comparison = matches!(operator, "==" | "!=") && has_more(left) && has_more(right);
        let mut result: Option<Ty> = None;
        for left in left {
            for right in right {
                if is_comparison && (*left == Kind::Nothing) != (*right == Kind::Nothing) {
                    continue;
                }
                if let Some(ty) = operators::binary(operator, left, right) {
                    result = Some(result.unwrap_or(Ty::NEVER).join(ty));
                }
            }
        }
        if let Some(result) = result {
            self.never_equal(operator, a, b);
            return result;
        }
        let (left, right) = (a.ty.describe(), b.ty.describe());
        let compares = matches!(operator, "==" | "!=" | "<" | "<=" | ">" | ">=");
        let reason = match compares {
            true => format!("{left} and {right} cannot be compared"),
            false => format!("{left} {operator} {right} has no meaning"),
        };
        let mend = self.operator_mend(operator, a, b);
        self.fault(position, "type", reason, mend);
        if compares { Ty::bool() } else { Ty::NEVER }
    }

    fn operator_mend(&self, operator: &str, a: Arg, b: Arg) -> String {
        let only = |arg: Arg| match arg.ty.kinds() {
            Some([kind]) => Some(kind.clone()),
            _ => None,
        };
        let may_be_nothing = |arg: Arg| {
            arg.ty
                .kinds()
                .is_some_and(|kinds| kinds.contains(&Kind::Nothing))
        };
        let rounds = |kind: &Option<Kind>| {
            matches!(kind, Some(Kind::Decimal | Kind::Amount | Kind::Percent))
        };
        let is_multiplication = matches!(operator, "*" | "/");
        match (only(a), only(b)) {
            (Some(Kind::Amount), Some(Kind::Int | Kind::Decimal)) if !is_multiplication => {
                amount_mend(b.expression, b.ty)
            }
            (Some(Kind::Int | Kind::Decimal), Some(Kind::Amount)) if !is_multiplication => {
                amount_mend(a.expression, a.ty)
            }
            (a, b) if is_multiplication && (rounds(&a) || rounds(&b)) => {
                "name the rounding: a.times(b, \"half_up\"), a.div(b, 6, \"half_up\") or mul_div(a, b, c, \"half_up\")".to_owned()
            }
            (Some(Kind::Time | Kind::Duration), Some(Kind::Int))
            | (Some(Kind::Int), Some(Kind::Time | Kind::Duration)) => {
                "say which unit, as in 3.days".to_owned()
            }
            (Some(Kind::Time), Some(Kind::Time)) => {
                "a time and a duration make a time; two times have a difference".to_owned()
            }
            (Some(Kind::Text(_)), Some(Kind::Int)) | (Some(Kind::Int), Some(Kind::Text(_))) => {
                "make an int of the text: int(text)".to_owned()
            }
            _ if may_be_nothing(a) || may_be_nothing(b) => {
                "ask whether there is something first: x != ()".to_owned()
            }
            _ => String::new(),
        }
    }

    /// A column or parameter with few values is compared with a literal that is none of them.
    fn never_equal(&mut self, operator: &str, a: Arg, b: Arg) {
        if !self.reports || !matches!(operator, "==" | "!=") {
            return;
        }
        for (choice, literal) in [(a, b), (b, a)] {
            let Some(Expr::StringConstant(text, position)) = literal.expression else {
                continue;
            };
            let kinds = choice.ty.kinds().unwrap_or_default();
            let mut choices: Vec<&str> = Vec::new();
            for kind in kinds {
                match kind {
                    Kind::Text(Words::Choice(words)) => {
                        choices.extend(words.iter().map(String::as_str));
                    }
                    Kind::Nothing => {}
                    _ => return,
                }
            }
            if !choices.is_empty() && !choices.contains(&text.as_str()) {
                let shown = crate::policy::diagnostic::shorten(text);
                let reason = format!("this is never \"{shown}\", only {}", choices.join(", "));
                let mend = crate::policy::diagnostic::suggest(text, choices);
                self.fault(*position, "type", reason, mend);
            }
        }
    }

    fn unary(&mut self, operator: &str, a: Arg, position: Position) -> Ty {
        let Some(kinds) = a.ty.kinds() else {
            return if operator == "!" { Ty::bool() } else { Ty::Any };
        };
        if kinds.is_empty() {
            return Ty::NEVER;
        }
        let results: Vec<Ty> = kinds
            .iter()
            .filter_map(|kind| operators::unary(operator, kind))
            .collect();
        if results.is_empty() {
            let reason = format!("{operator}{} has no meaning", a.ty.describe());
            let mend = match operator {
                "!" if a.ty.may(|kind| *kind == Kind::Nothing) => "compare it: x == ()",
                _ => "",
            };
            self.fault(position, "type", reason, mend);
            return Ty::NEVER;
        }
        results.into_iter().fold(Ty::NEVER, Ty::join)
    }
}

fn is_operator(call: &FnCallExpr) -> bool {
    call.op_token
        .as_ref()
        .is_some_and(|token| !matches!(token, Token::In | Token::NotIn))
}

/// The arguments of a call with their places.
pub(super) fn arguments<'e>(types: &'e [Ty], expressions: &'e [Expr]) -> Vec<Arg<'e>> {
    let both = types.iter().zip(expressions);
    let arg = |(ty, expression): (&'e Ty, &'e Expr)| Arg {
        ty,
        position: expression.start_position(),
        expression: Some(expression),
    };
    both.map(arg).collect()
}

/// What is left if it is not nothing.
fn without_nothing(ty: Ty) -> Ty {
    match ty {
        Ty::Any => Ty::Any,
        Ty::Of(kinds) => Ty::Of(
            kinds
                .into_iter()
                .filter(|kind| *kind != Kind::Nothing)
                .collect(),
        ),
    }
}
