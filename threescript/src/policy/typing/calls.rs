//! Calls: library functions, methods of tables and queries, natives of modules.

use super::Inference;
use super::kind::{Kind, MapTy, Ty, fit};
use super::operators::ordered;
use crate::action::{ParamDecl, Type};
use crate::engine::NativeFunction;
use crate::engine::library::signature::{Case, Shape, Signature, properties, property};
use crate::policy::declaration::{Column, FormulaDecl, TableDecl};
use crate::policy::diagnostic::suggest;
use rhai::{Expr, Position};
use std::collections::BTreeMap;

/// The most combinations of kinds that one call is looked at for.
const MAX_COMBINATIONS: usize = 256;

/// An argument of a call: what it is, and where it stands.
#[derive(Clone, Copy)]
pub(super) struct Arg<'e> {
    pub ty: &'e Ty,
    pub position: Position,
    /// The expression, unless it is the value before the point.
    pub expression: Option<&'e Expr>,
}

impl<'a> Inference<'a> {
    /// A call of a library function with these arguments, whose number is right.
    pub(super) fn library(
        &mut self,
        signature: &Signature,
        args: &[Arg],
        position: Position,
    ) -> Ty {
        if args.iter().any(|arg| arg.ty.is_never()) {
            return Ty::NEVER;
        }
        let Some(kinds) = combinations(args) else {
            return Ty::Any;
        };
        let mut result: Option<Ty> = None;
        for combination in &kinds {
            let known = combination.iter().all(Option::is_some);
            for case in signature
                .cases
                .iter()
                .filter(|case| matches(case, combination))
            {
                let given = self.result(case, combination, args);
                result = Some(result.unwrap_or(Ty::NEVER).join(given));
                // Without a doubt about the arguments, the first case that fits is the one.
                if known {
                    break;
                }
            }
        }
        let Some(result) = result else {
            self.mismatch(signature, args, position);
            return Ty::NEVER;
        };
        self.meanings(signature, args, position);
        result
    }

    /// `x.name` where no map has such an entry.
    pub(super) fn property_of(&self, kind: &Kind, name: &str) -> Option<Ty> {
        let signature = property(name)?;
        let combination = [Some(kind)];
        let case = signature
            .cases
            .iter()
            .find(|case| matches(case, &combination))?;
        Some(self.result(case, &combination, &[]))
    }

    /// Whether such a value can be the first argument of a function.
    pub(super) fn takes_receiver(&self, signature: &Signature, kind: &Kind) -> bool {
        let mut cases = signature.cases.iter();
        cases.any(|case| {
            case.params[0]
                .iter()
                .any(|shape| takes(shape, kind) && *shape != Shape::Any)
        })
    }

    /// The names that may stand behind the point of such a value.
    pub(super) fn properties_of(&self, kind: &Kind) -> Vec<String> {
        match kind {
            Kind::Map(map) => map.entries.keys().cloned().collect(),
            kind => properties()
                .filter(|name| self.property_of(kind, name).is_some())
                .map(str::to_owned)
                .collect(),
        }
    }

    /// What a case gives for these kinds of arguments.
    fn result(&self, case: &Case, kinds: &[Option<&Kind>], args: &[Arg]) -> Ty {
        let shapes = case.result.iter();
        shapes.fold(Ty::NEVER, |ty, shape| {
            ty.join(self.shape(shape, kinds, args))
        })
    }

    fn shape(&self, shape: &Shape, kinds: &[Option<&Kind>], args: &[Arg]) -> Ty {
        let at = |index: usize| kinds.get(index).copied().flatten();
        let same = |index: usize| at(index).map_or(Ty::Any, |kind| Ty::one(kind.clone()));
        let table = || self.table_of(at(0)?);
        Ty::one(match shape {
            Shape::Never => return Ty::NEVER,
            Shape::Nothing => Kind::Nothing,
            Shape::Bool => Kind::Bool,
            Shape::Int => Kind::Int,
            Shape::Decimal => Kind::Decimal,
            Shape::Amount => Kind::Amount,
            Shape::Percent => Kind::Percent,
            Shape::Duration => Kind::Duration,
            Shape::Time => Kind::Time,
            Shape::Text => return Ty::text(),
            Shape::Bytes => Kind::Bytes,
            Shape::Account => Kind::Account,
            Shape::Id => Kind::Id,
            Shape::List => return Ty::list(Ty::Any),
            Shape::Map => return Ty::open_map(),
            Shape::ListOf(item) => return Ty::list(self.shape(item, kinds, args)),
            Shape::MapOf(_) => return Ty::open_map(),
            Shape::Same => return same(0),
            Shape::Either => return same(0).join(same(1)),
            Shape::Item => match at(0) {
                Some(Kind::List(item)) => return Ty::clone(item),
                _ => return Ty::Any,
            },
            Shape::Query => match at(0) {
                Some(Kind::Table(table) | Kind::Query(table)) => Kind::Query(*table),
                _ => return Ty::Any,
            },
            Shape::Row => return table().map_or(Ty::Any, Ty::row),
            Shape::Key => match table() {
                Some(table) => return key_of(table),
                None => return Ty::Any,
            },
            Shape::Total => return self.total(table(), args),
            Shape::Group => return self.group(table(), args),
            Shape::Computed => {
                let start = args.get(3).map_or(Ty::NEVER, |start| start.ty.clone());
                let formula = args.get(1).and_then(|arg| self.formula(arg));
                return formula.map_or(Ty::Any, |formula| Ty::of_type(&formula.result).join(start));
            }
            Shape::ComputedGroup => return self.computed_group(table(), args),
            _ => return Ty::Any,
        })
    }

    fn total(&self, table: Option<&TableDecl>, args: &[Arg]) -> Ty {
        let column = table.and_then(|table| named_column(table, args.get(1)?));
        let Some(column) = column else {
            return Ty::Any;
        };
        let start = args.get(2).map_or(Ty::NEVER, |start| start.ty.clone());
        Ty::of_type(&column.ty).join(start)
    }

    fn group(&self, table: Option<&TableDecl>, args: &[Arg]) -> Ty {
        let columns = table.and_then(|table| {
            Some((
                named_column(table, args.get(1)?)?,
                named_column(table, args.get(2)?)?,
            ))
        });
        let Some((by, column)) = columns else {
            return Ty::open_map();
        };
        let value = |column: &Column| {
            let ty = Ty::of_type(&column.ty);
            if column.optional {
                ty.join(Ty::nothing())
            } else {
                ty
            }
        };
        let entries = [
            (by.name.clone(), value(by)),
            (column.name.clone(), value(column)),
            ("count".to_owned(), Ty::int()),
        ];
        Ty::map(MapTy {
            entries: BTreeMap::from(entries),
            ..MapTy::default()
        })
    }

    fn computed_group(&self, table: Option<&TableDecl>, args: &[Arg]) -> Ty {
        let by = table.and_then(|table| named_column(table, args.get(1)?));
        let formula = args.get(2).and_then(|arg| self.formula(arg));
        let (Some(by), Some(formula)) = (by, formula) else {
            return Ty::open_map();
        };
        let ty = Ty::of_type(&by.ty);
        let ty = if by.optional {
            ty.join(Ty::nothing())
        } else {
            ty
        };
        let entries = [
            (by.name.clone(), ty),
            (formula.name.clone(), Ty::of_type(&formula.result)),
            ("count".to_owned(), Ty::int()),
        ];
        Ty::map(MapTy {
            entries: BTreeMap::from(entries),
            ..MapTy::default()
        })
    }

    /// The formula that an argument names.
    pub(super) fn formula(&self, arg: &Arg) -> Option<&'a FormulaDecl> {
        let name = arg.ty.literal()?;
        let mut formulas = self.program.header.formulas.iter();
        formulas.find(|formula| formula.name == name)
    }

    /// An argument of a formula. Nothing stands for the default.
    pub(super) fn formula_argument(&mut self, formula: &FormulaDecl, param: &ParamDecl, arg: Arg) {
        if param.default.is_some() && arg.ty.may(|kind| *kind == Kind::Nothing) {
            return;
        }
        if let Err(reason) = fit(&param.ty, arg.ty) {
            let reason = format!(
                "`{}` of the formula `{}`: {reason}",
                param.name, formula.name
            );
            let mend = self.mend(&param.ty, arg);
            self.fault(arg.position, "type", reason, mend);
        }
    }

    pub(super) fn table_of(&self, kind: &Kind) -> Option<&'a TableDecl> {
        match kind {
            Kind::Table(table) | Kind::Query(table) => self.program.header.tables.get(*table),
            _ => None,
        }
    }

    /// No case takes these arguments: says which one is wrong.
    fn mismatch(&mut self, signature: &Signature, args: &[Arg], position: Position) {
        if !self.reports {
            return;
        }
        let name = signature.native.name();
        let may_be = |index: usize, arg: &Arg| {
            arg.ty.may(|kind| {
                let mut cases = signature.cases.iter();
                cases.any(|case| case.params[index].iter().any(|shape| takes(shape, kind)))
            })
        };
        let wrong = args
            .iter()
            .enumerate()
            .find(|(index, arg)| !may_be(*index, arg));
        let Some((index, arg)) = wrong else {
            let kinds: Vec<String> = args.iter().map(|arg| arg.ty.describe()).collect();
            let reason = format!("`{name}` of {} has no meaning", kinds.join(" and "));
            let has_amount = args.iter().any(|arg| *arg.ty == Ty::one(Kind::Amount));
            let number = args.iter().find(|arg| *arg.ty == Ty::int());
            let mend = match number {
                Some(number) if has_amount && is_ordered(signature) => {
                    amount_mend(number.expression, number.ty)
                }
                _ => forms(signature),
            };
            self.fault(position, "type", reason, mend);
            return;
        };
        let given = arg.ty.describe();
        if index == 0 && arg.expression.is_none() {
            let mend = self.mend_receiver(name, arg.ty);
            self.fault(
                position,
                "type",
                format!("{} has no `{name}`", with_article(&given)),
                mend,
            );
            return;
        }
        let mut wanted: Vec<&str> = Vec::new();
        for shape in signature.cases.iter().flat_map(|case| &case.params[index]) {
            let word = describe(shape);
            if !wanted.contains(&word) {
                wanted.push(word);
            }
        }
        let reason = format!(
            "`{}` of `{name}` is {}, {given} is given",
            signature.params.get(index).unwrap_or(&name),
            with_article(&wanted.join(" or "))
        );
        let mend = match wanted.contains(&"amount") {
            true => amount_mend(arg.expression, arg.ty),
            false => String::new(),
        };
        self.fault(arg.position, "type", reason, mend);
    }

    fn mend_receiver(&self, name: &str, ty: &Ty) -> String {
        let has_nothing = ty
            .kinds()
            .is_some_and(|kinds| kinds.contains(&Kind::Nothing));
        let is_rows = ty.kinds().is_some_and(|kinds| {
            kinds
                .iter()
                .any(|kind| matches!(kind, Kind::Table(_) | Kind::Query(_)))
        });
        if is_rows && name == "len" {
            "use count()".to_owned()
        } else if is_rows {
            "get the rows first: rows()".to_owned()
        } else if has_nothing {
            "ask whether there is something: x != ()".to_owned()
        } else {
            String::new()
        }
    }

    /// A call of a native of the circle, whose number of arguments is right.
    pub(super) fn native(&mut self, module: &str, native: &NativeFunction, args: &[Arg]) -> Ty {
        for ((name, ty), arg) in native.params.iter().zip(args) {
            if let Err(reason) = fit(ty, arg.ty) {
                let point = if module.is_empty() { "" } else { "." };
                let reason = format!("`{name}` of {module}{point}{}: {reason}", native.name);
                let mend = self.mend(ty, *arg);
                self.fault(arg.position, "type", reason, mend);
            }
        }
        Ty::of_type(&native.returns)
    }

    /// How to come from what is given to what is wanted.
    pub(super) fn mend(&self, wanted: &Type, arg: Arg) -> String {
        match wanted {
            Type::Amount => amount_mend(arg.expression, arg.ty),
            Type::OneOf(choices) => match arg.ty.literal() {
                Some(text) => suggest(text, choices.iter().map(String::as_str)),
                None => String::new(),
            },
            Type::Time
                if arg
                    .ty
                    .kinds()
                    .is_some_and(|kinds| matches!(kinds, [Kind::Text(_)])) =>
            {
                "write time(\"2024-02-01 00:00:00\")".to_owned()
            }
            Type::Bytes
                if arg
                    .ty
                    .kinds()
                    .is_some_and(|kinds| matches!(kinds, [Kind::Text(_)])) =>
            {
                "write bytes(\"00ff\")".to_owned()
            }
            Type::Duration if *arg.ty == Ty::int() => match arg.expression {
                Some(Expr::IntegerConstant(number, _)) => format!("say which unit: {number}.days"),
                _ => "say which unit, as in x.days".to_owned(),
            },
            Type::Percent if *arg.ty == Ty::int() => match arg.expression {
                Some(Expr::IntegerConstant(number, _)) => format!("write {number}.percent"),
                _ => "write x.percent".to_owned(),
            },
            _ => String::new(),
        }
    }
}

/// How to make an amount of a number.
pub(super) fn amount_mend(expression: Option<&Expr>, ty: &Ty) -> String {
    let is_number = ty.kinds().is_some_and(|kinds| {
        kinds
            .iter()
            .all(|kind| matches!(kind, Kind::Int | Kind::Decimal))
    });
    match expression {
        Some(Expr::IntegerConstant(number, _)) if is_number => {
            format!("say which asset: {number}.of(\"TFT\")")
        }
        _ if is_number => "say which asset, as in x.of(\"TFT\")".to_owned(),
        _ => String::new(),
    }
}

/// All combinations of the kinds that the arguments may have; nothing at the place of what may be anything.
fn combinations<'k>(args: &[Arg<'k>]) -> Option<Vec<Vec<Option<&'k Kind>>>> {
    let mut all: Vec<Vec<Option<&Kind>>> = vec![Vec::new()];
    for arg in args {
        let kinds: Vec<Option<&Kind>> = match arg.ty.kinds() {
            None => vec![None],
            Some(kinds) => kinds.iter().map(Some).collect(),
        };
        if all.len() * kinds.len() > MAX_COMBINATIONS {
            return None;
        }
        let extend = |before: &Vec<Option<&'k Kind>>| {
            let before = before.clone();
            let longer = kinds
                .iter()
                .map(move |kind| [before.as_slice(), &[*kind]].concat());
            longer.collect::<Vec<_>>()
        };
        all = all.iter().flat_map(extend).collect();
    }
    Some(all)
}

fn matches(case: &Case, kinds: &[Option<&Kind>]) -> bool {
    let fits = case.params.iter().zip(kinds).all(|(shapes, kind)| {
        kind.is_none_or(|kind| shapes.iter().any(|shape| takes(shape, kind)))
    });
    let both_ordered = case.params.iter().all(|shapes| *shapes == [Shape::Ordered]);
    fits && match kinds {
        [Some(a), Some(b)] if both_ordered => ordered(a, b),
        _ => true,
    }
}

/// Whether a kind may stand where a signature has this shape.
pub(super) fn takes(shape: &Shape, kind: &Kind) -> bool {
    match shape {
        Shape::Any => true,
        Shape::Nothing => *kind == Kind::Nothing,
        Shape::Bool => *kind == Kind::Bool,
        Shape::Int => *kind == Kind::Int,
        Shape::Decimal => *kind == Kind::Decimal,
        Shape::Amount => *kind == Kind::Amount,
        Shape::Percent => *kind == Kind::Percent,
        Shape::Duration => *kind == Kind::Duration,
        Shape::Time => *kind == Kind::Time,
        Shape::Bytes => *kind == Kind::Bytes,
        Shape::Account => *kind == Kind::Account,
        Shape::Id => *kind == Kind::Id,
        Shape::Script => *kind == Kind::Script,
        Shape::Range => *kind == Kind::Range,
        Shape::Block => *kind == Kind::Block,
        Shape::Caller => *kind == Kind::Caller,
        Shape::List | Shape::ListOf(_) => matches!(kind, Kind::List(_)),
        Shape::Map | Shape::Entries | Shape::NewRow => matches!(kind, Kind::Map(_)),
        Shape::Table => matches!(kind, Kind::Table(_)),
        Shape::Query => matches!(kind, Kind::Query(_)),
        Shape::Text
        | Shape::Column
        | Shape::Relation
        | Shape::Rounding
        | Shape::Asset
        | Shape::Formula
        | Shape::Code
        | Shape::Event
        | Shape::Effect => matches!(kind, Kind::Text(_)),
        Shape::Ordered => ordered(kind, kind),
        Shape::Key | Shape::Value => kind.is_value(),
        // Results only.
        Shape::Never
        | Shape::Same
        | Shape::Either
        | Shape::Item
        | Shape::Row
        | Shape::Total
        | Shape::Group
        | Shape::Computed
        | Shape::ComputedGroup
        | Shape::MapOf(_) => false,
    }
}

fn key_of(table: &TableDecl) -> Ty {
    let mut key = table
        .key
        .iter()
        .map(|column| Ty::of_type(&table.columns[*column].ty));
    match (key.next(), key.len()) {
        (Some(only), 0) => only,
        (Some(first), _) => Ty::list(key.fold(first, Ty::join)),
        (None, _) => Ty::Any,
    }
}

fn named_column<'t>(table: &'t TableDecl, arg: &Arg) -> Option<&'t Column> {
    table
        .column(arg.ty.literal()?)
        .map(|column| &table.columns[column])
}

/// What a shape is called in a sentence.
fn describe(shape: &Shape) -> &'static str {
    match shape {
        Shape::Any => "value",
        Shape::Nothing => "nothing",
        Shape::Bool => "bool",
        Shape::Int => "int",
        Shape::Decimal => "decimal",
        Shape::Amount => "amount",
        Shape::Percent => "percent",
        Shape::Duration => "duration",
        Shape::Time => "time",
        Shape::Bytes => "bytes",
        Shape::Account => "account",
        Shape::Id => "id",
        Shape::Script => "script",
        Shape::Range => "range",
        Shape::Block | Shape::Caller => "handle",
        Shape::List | Shape::ListOf(_) => "list",
        Shape::Map | Shape::Entries | Shape::NewRow | Shape::MapOf(_) => "map",
        Shape::Table => "table",
        Shape::Query => "query",
        Shape::Ordered => "value with an order",
        Shape::Text
        | Shape::Column
        | Shape::Relation
        | Shape::Rounding
        | Shape::Asset
        | Shape::Formula
        | Shape::Code
        | Shape::Event
        | Shape::Effect => "text",
        Shape::Key | Shape::Value => "value",
        Shape::Never
        | Shape::Same
        | Shape::Either
        | Shape::Item
        | Shape::Row
        | Shape::Total
        | Shape::Computed
        | Shape::ComputedGroup
        | Shape::Group => "value",
    }
}

pub(super) fn with_article(words: &str) -> String {
    if words == "nothing" {
        return words.to_owned();
    }
    let article = if words.starts_with(['a', 'e', 'i', 'o', 'u']) {
        "an"
    } else {
        "a"
    };
    format!("{article} {words}")
}

fn is_ordered(signature: &Signature) -> bool {
    let mut cases = signature.cases.iter();
    cases.all(|case| case.params.iter().all(|shapes| *shapes == [Shape::Ordered]))
}

/// The ways to call a function, for people, if they are few.
fn forms(signature: &Signature) -> String {
    if is_ordered(signature) {
        return "give two values of one kind".to_owned();
    }
    let case = |case: &Case| {
        let params = case.params.iter().map(|shapes| {
            let words: Vec<&str> = shapes.iter().map(describe).collect();
            words.join(" or ")
        });
        params.collect::<Vec<_>>().join(", ")
    };
    let cases: Vec<String> = signature.cases.iter().map(case).collect();
    match cases.len() {
        0..=3 => format!("it takes {}", cases.join("; or ")),
        _ => String::new(),
    }
}
