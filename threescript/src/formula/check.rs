//! Checking formulas: names, kinds and sizes.

use super::syntax::{Expression, Operator, Part, WORDS};
use super::{Formula, Kind, Literal, Node};
use crate::policy::declaration::{FormulaDecl, Header};
use crate::policy::diagnostic::{Fault, Place, suggest};
use crate::policy::types::type_name;
use crate::value::Value;
use std::collections::BTreeSet;

/// The most that a formula may cost and how deep it may be, with the formulas that it calls.
const MAX_COST: u64 = 10_000;
const MAX_DEPTH: usize = 512;

/// Checks all formulas of a policy. What could not be checked is left out.
pub(crate) fn compile_all(header: &Header, faults: &mut Vec<Fault>) -> Vec<Formula> {
    let mut formulas: Vec<Formula> = Vec::with_capacity(header.formulas.len());
    for decl in &header.formulas {
        match compile(decl, &formulas, header) {
            Ok(formula) => formulas.push(formula),
            Err(fault) => faults.push(fault),
        }
    }
    formulas
}

/// Checks one formula, which may call earlier ones and see constants and params.
fn compile(decl: &FormulaDecl, earlier: &[Formula], header: &Header) -> Result<Formula, Fault> {
    for param in &decl.params {
        if WORDS.contains(&param.name.as_str()) {
            let reason = format!("`{}` is a word of formulas", param.name);
            return Err(Fault::new(
                decl.place,
                "reserved_name",
                reason,
                "take another name",
            ));
        }
        if Kind::of(&param.ty).is_none() {
            let reason = format!("a formula cannot take a {}", type_name(&param.ty));
            return Err(Fault::new(decl.place, "bad_params", reason, KNOWN_TYPES));
        }
    }
    let wanted = match Kind::of(&decl.result) {
        Some(kind) if kind != Kind::Text => kind,
        _ => {
            let reason = format!("a formula cannot give a {}", type_name(&decl.result));
            let mend = "give a bool, int, decimal, percent, amount, duration or time";
            return Err(Fault::new(decl.place, "type", reason, mend));
        }
    };
    let mut checker = Checker {
        decl,
        earlier,
        header,
        cost: 0,
        settings: BTreeSet::new(),
    };
    let (body, kind, depth) = checker.node(&decl.body)?;
    let Checker { cost, settings, .. } = checker;
    if kind != wanted {
        let reason = format!(
            "the formula gives a {}, {} is declared",
            kind.name(),
            type_name(&decl.result)
        );
        return Err(Fault::new(decl.body.place, "type", reason, ""));
    }
    if cost > MAX_COST || depth > MAX_DEPTH {
        let reason = "the formula and those that it calls are too large together";
        return Err(Fault::new(
            decl.place,
            "limit.formula",
            reason,
            "compute parts of it beforehand",
        ));
    }
    Ok(Formula {
        name: decl.name.clone(),
        params: decl.params.clone(),
        result: decl.result.clone(),
        cost,
        settings: settings.into_iter().collect(),
        depth,
        body,
    })
}

const KNOWN_TYPES: &str = "formulas know bool, int, decimal, percent, amount, duration, time, size, text, account and one_of";

struct Checker<'a, 'd> {
    decl: &'d FormulaDecl,
    earlier: &'a [Formula],
    header: &'a Header,
    cost: u64,
    settings: BTreeSet<usize>,
}

impl Checker<'_, '_> {
    /// The checked part, its kind, and how deep it is.
    fn node(&mut self, expression: &Expression) -> Result<(Node, Kind, usize), Fault> {
        self.cost = self.cost.saturating_add(1);
        let place = expression.place;
        let (node, kind, depth) = match &expression.part {
            Part::Literal(value) => self.literal(value, place)?,
            Part::Name(name) => self.name(name, place)?,
            Part::Negate(inner) => {
                let (node, kind, depth) = self.node(inner)?;
                if !matches!(kind, Kind::Number | Kind::Amount | Kind::Duration) {
                    return Err(meaningless(place, format!("-{}", kind.name())));
                }
                (Node::Negate(Box::new(node)), kind, depth)
            }
            Part::Not(inner) => {
                let (node, depth) = self.bool(inner)?;
                (Node::Not(Box::new(node)), Kind::Bool, depth)
            }
            Part::Binary(operator, left, right) => self.binary(*operator, left, right, place)?,
            Part::If(condition, yes, no) => {
                let (condition, deep) = self.bool(condition)?;
                let (yes, kind, yes_deep) = self.node(yes)?;
                let (no, other, no_deep) = self.node(no)?;
                same("both values of `if`", place, kind, other)?;
                let node = Node::If(Box::new(condition), Box::new(yes), Box::new(no));
                (node, kind, deep.max(yes_deep).max(no_deep))
            }
            Part::Least(parts) => {
                let (nodes, kind, depth) = self.ordered("min", parts, place)?;
                (Node::Least(nodes), kind, depth)
            }
            Part::Most(parts) => {
                let (nodes, kind, depth) = self.ordered("max", parts, place)?;
                (Node::Most(nodes), kind, depth)
            }
            Part::Absolute(inner) => {
                let (node, kind, depth) = self.node(inner)?;
                if !matches!(kind, Kind::Number | Kind::Amount | Kind::Duration) {
                    return Err(meaningless(place, format!("abs({})", kind.name())));
                }
                (Node::Absolute(Box::new(node)), kind, depth)
            }
            Part::Round(rounding, inner, decimals) => {
                let (node, kind, depth) = self.node(inner)?;
                if !matches!(kind, Kind::Number | Kind::Amount | Kind::Duration) {
                    return Err(meaningless(place, format!("rounding a {}", kind.name())));
                }
                if kind == Kind::Duration && decimals.is_some_and(|decimals| decimals > 0) {
                    let reason = "durations are rounded to whole seconds";
                    return Err(Fault::new(
                        place,
                        "bad_rounding",
                        reason,
                        "leave the decimals out",
                    ));
                }
                (
                    Node::Round(*rounding, Box::new(node), *decimals),
                    kind,
                    depth,
                )
            }
            Part::Call(name, arguments) => self.call(name, arguments, place)?,
        };
        Ok((node, kind, depth + 1))
    }

    fn literal(&self, value: &Value, place: Place) -> Result<(Node, Kind, usize), Fault> {
        let literal = Literal::of(value).ok_or_else(|| {
            let reason = format!("a formula cannot compute with a {}", value.kind());
            Fault::new(place, "type", reason, KNOWN_TYPES)
        })?;
        let kind = literal.kind();
        Ok((Node::Literal(literal), kind, 0))
    }

    fn name(&mut self, name: &str, place: Place) -> Result<(Node, Kind, usize), Fault> {
        let params = &self.decl.params;
        if let Some(index) = params.iter().position(|param| param.name == name) {
            // Checked before: formulas know the kinds of their parameters.
            let kind = Kind::of(&params[index].ty).unwrap_or(Kind::Bool);
            return Ok((Node::Param(index), kind, 0));
        }
        let header = self.header;
        if let Some(constant) = header.consts.iter().find(|item| item.name == name) {
            return self.literal(&constant.value, place);
        }
        if let Some(index) = header.params.iter().position(|item| item.name == name) {
            let ty = &header.params[index].ty;
            let kind = Kind::of(ty).ok_or_else(|| {
                let reason = format!("a formula cannot compute with a {}", type_name(ty));
                Fault::new(place, "type", reason, KNOWN_TYPES)
            })?;
            self.settings.insert(index);
            return Ok((Node::Setting(index), kind, 0));
        }
        let mend = suggest(name, params.iter().map(|param| param.name.as_str()));
        let mend = match mend.is_empty() {
            true => "a formula sees its parameters, and the constants and params of the policy"
                .to_owned(),
            false => mend,
        };
        let reason = format!("there is no parameter or constant `{name}`");
        Err(Fault::new(place, "unknown_variable", reason, mend))
    }

    fn bool(&mut self, expression: &Expression) -> Result<(Node, usize), Fault> {
        match self.node(expression)? {
            (node, Kind::Bool, depth) => Ok((node, depth)),
            (_, kind, _) => {
                let reason = format!("a bool is wanted, not a {}", kind.name());
                Err(Fault::new(
                    expression.place,
                    "type",
                    reason,
                    "compare it with something",
                ))
            }
        }
    }

    fn binary(
        &mut self,
        operator: Operator,
        left: &Expression,
        right: &Expression,
        place: Place,
    ) -> Result<(Node, Kind, usize), Fault> {
        use Kind::*;
        use Operator::{Add, And, Divide, Equal, Multiply, NotEqual, Or, Subtract};
        let (a, left_kind, left_depth) = self.node(left)?;
        let (b, right_kind, right_depth) = self.node(right)?;
        let kind = match (operator, left_kind, right_kind) {
            (And | Or, Bool, Bool) => Bool,
            (And | Or, ..) => {
                return Err(no_operator(operator, left_kind, right_kind, place));
            }
            (Add | Subtract, Number | Amount | Duration, _) if left_kind == right_kind => left_kind,
            (Add | Subtract, Time, Duration) | (Add, Duration, Time) => Time,
            (Subtract, Time, Time) => Duration,
            (Multiply, kind @ (Number | Amount | Duration), Number)
            | (Multiply, Number, kind @ (Amount | Duration))
            | (Divide, kind @ (Number | Amount | Duration), Number) => kind,
            (Divide, Amount, Amount) | (Divide, Duration, Duration) => Number,
            (Equal | NotEqual, ..) if left_kind == right_kind => Bool,
            (Add | Subtract | Multiply | Divide | Equal | NotEqual, ..) => {
                return Err(no_operator(operator, left_kind, right_kind, place));
            }
            (_, Number | Amount | Duration | Time, _) if left_kind == right_kind => Bool,
            _ => return Err(no_operator(operator, left_kind, right_kind, place)),
        };
        let node = Node::Binary(operator, Box::new(a), Box::new(b));
        Ok((node, kind, left_depth.max(right_depth)))
    }

    /// Parts of one kind that has an order.
    fn ordered(
        &mut self,
        what: &str,
        parts: &[Expression],
        place: Place,
    ) -> Result<(Vec<Node>, Kind, usize), Fault> {
        let mut nodes = Vec::with_capacity(parts.len());
        let (mut first, mut deepest) = (None, 0);
        for part in parts {
            let (node, kind, depth) = self.node(part)?;
            if matches!(kind, Kind::Bool | Kind::Text) {
                return Err(meaningless(place, format!("{what}({})", kind.name())));
            }
            same("what is compared", place, *first.get_or_insert(kind), kind)?;
            nodes.push(node);
            deepest = deepest.max(depth);
        }
        Ok((nodes, first.unwrap_or(Kind::Number), deepest))
    }

    fn call(
        &mut self,
        name: &str,
        arguments: &[Expression],
        place: Place,
    ) -> Result<(Node, Kind, usize), Fault> {
        let earlier = self.earlier;
        let Some(index) = earlier.iter().position(|formula| formula.name == name) else {
            let known = earlier.iter().map(|formula| formula.name.as_str());
            let mend = match suggest(name, known.chain(super::FUNCTIONS)) {
                mend if mend.is_empty() => {
                    "a formula calls formulas that stand above it, min, max, abs and roundings"
                        .to_owned()
                }
                mend => mend,
            };
            let reason = format!("there is no formula `{name}` above this one");
            return Err(Fault::new(place, "unknown_function", reason, mend));
        };
        let formula = &earlier[index];
        if formula.params.len() != arguments.len() {
            let reason = format!(
                "`{name}` takes {} arguments, {} given",
                formula.params.len(),
                arguments.len()
            );
            return Err(Fault::new(place, "arguments", reason, ""));
        }
        let mut nodes = Vec::with_capacity(arguments.len());
        let mut deepest = 0;
        for (param, argument) in formula.params.iter().zip(arguments) {
            let (node, kind, depth) = self.node(argument)?;
            if Kind::of(&param.ty) != Some(kind) {
                let reason = format!(
                    "`{}` of `{name}` is a {}, a {} is given",
                    param.name,
                    type_name(&param.ty),
                    kind.name()
                );
                return Err(Fault::new(argument.place, "type", reason, ""));
            }
            nodes.push(node);
            deepest = deepest.max(depth);
        }
        self.cost = self.cost.saturating_add(formula.cost);
        self.settings.extend(&formula.settings);
        // Checked when it was compiled.
        let kind = Kind::of(&formula.result).unwrap_or(Kind::Number);
        Ok((Node::Call(index, nodes), kind, deepest.max(formula.depth)))
    }
}

fn same(what: &str, place: Place, first: Kind, other: Kind) -> Result<(), Fault> {
    if first == other {
        return Ok(());
    }
    let reason = format!(
        "{what} must be of one kind, not {} and {}",
        first.name(),
        other.name()
    );
    Err(Fault::new(place, "type", reason, ""))
}

fn meaningless(place: Place, what: String) -> Fault {
    Fault::new(place, "type", format!("{what} has no meaning"), "")
}

fn no_operator(operator: Operator, left: Kind, right: Kind, place: Place) -> Fault {
    let mend = match (operator, left, right) {
        (Operator::Add | Operator::Subtract, Kind::Amount, Kind::Number)
        | (Operator::Add | Operator::Subtract, Kind::Number, Kind::Amount) => {
            "give the number its asset: x * 1 TFT"
        }
        (_, Kind::Duration, Kind::Number) | (_, Kind::Number, Kind::Duration) => {
            "divide the duration by a unit: x / 1.hours"
        }
        _ => "",
    };
    let reason = format!(
        "{} {} {} has no meaning",
        left.name(),
        operator.sign(),
        right.name()
    );
    Fault::new(place, "type", reason, mend)
}
