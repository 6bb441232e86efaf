//! Calls: library functions, methods of tables and queries, natives of modules.

use super::Inference;
use super::kind::{Kind, MapTy, Ty, Words, fit};
use super::operators::ordered;
use crate::action::{ParamDecl, Type, is_name};
use crate::engine::NativeFunction;
use crate::engine::library::signature::{Case, Shape, Signature, properties, property};
use crate::policy::declaration::{Column, FormulaDecl, TableDecl};
use crate::policy::diagnostic::{shorten, suggest};
use rhai::{Expr, Position};
use std::collections::BTreeMap;

/// The most combinations of kinds that one call is looked at for.
const MAX_COMBINATIONS: usize = 256;
const ROUNDINGS: [&str; 4] = ["floor", "half_up", "half_down", "half_even"];
const RELATIONS: [&str; 6] = ["==", "!=", "<", "<=", ">", ">="];

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
            ty.join(self.shape(shape, case, kinds, args))
        })
    }

    fn shape(&self, shape: &Shape, case: &Case, kinds: &[Option<&Kind>], args: &[Arg]) -> Ty {
        let at = |index: usize| kinds.get(index).copied().flatten();
        let same = |index: usize| at(index).map_or(Ty::Any, |kind| plain(kind));
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
            Shape::ListOf(item) => return Ty::list(self.shape(item, case, kinds, args)),
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
    fn formula(&self, arg: &Arg) -> Option<&'a FormulaDecl> {
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

    /// The map of values for the parameters of a formula.
    fn given(&mut self, formula: &FormulaDecl, arg: Arg) {
        let Some([Kind::Map(map)]) = arg.ty.kinds() else {
            return;
        };
        for (name, ty) in &map.entries {
            let (_, position, expression) = entry_place(arg, name);
            if let Some(param) = formula.params.iter().find(|param| param.name == *name) {
                let arg = Arg {
                    ty,
                    position,
                    expression,
                };
                self.formula_argument(formula, param, arg);
            }
        }
    }

    fn table_of(&self, kind: &Kind) -> Option<&'a TableDecl> {
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

    /// What the arguments mean: names of columns, values of columns, texts of which only some are known.
    fn meanings(&mut self, signature: &Signature, args: &[Arg], position: Position) {
        if !self.reports {
            return;
        }
        let table = match args.first().and_then(|arg| arg.ty.kinds()) {
            Some([kind]) => self.table_of(kind),
            _ => None,
        };
        for case in &signature.cases {
            // The cases of one number of arguments differ in the first one.
            let is_meant = args.first().is_none_or(|arg| {
                arg.ty.kinds().is_some_and(|kinds| {
                    kinds
                        .iter()
                        .all(|kind| case.params[0].iter().any(|shape| takes(shape, kind)))
                })
            });
            if is_meant {
                self.case_meanings(case, table, args, position);
                return;
            }
        }
    }

    fn case_meanings(
        &mut self,
        case: &Case,
        table: Option<&'a TableDecl>,
        args: &[Arg],
        position: Position,
    ) {
        let (mut column, mut formula) = (None, None);
        let keys = case
            .params
            .iter()
            .filter(|shapes| shapes.contains(&Shape::Key))
            .count();
        if let Some(table) = table
            && keys > 0
            && keys != table.key.len()
        {
            let names = table
                .key
                .iter()
                .map(|key| table.columns[*key].name.as_str());
            let names: Vec<&str> = names.collect();
            let values = if keys == 1 { "value is" } else { "values are" };
            let reason = format!(
                "the key of `{}` is ({}), {keys} {values} given",
                table.name,
                names.join(", ")
            );
            self.fault(
                position,
                "key_size",
                reason,
                "give one value for each key column",
            );
            return;
        }
        let mut key = 0;
        for (shapes, arg) in case.params.iter().zip(args) {
            match (shapes.first(), table) {
                (Some(Shape::Column), Some(table)) => match arg.ty.literal() {
                    Some(name) if table.column(name).is_none() => {
                        let known = table.columns.iter().map(|column| column.name.as_str());
                        let mend = suggest(name, known);
                        let reason = format!(
                            "the table `{}` has no column `{}`",
                            table.name,
                            shorten(name)
                        );
                        self.fault(arg.position, "unknown_column", reason, mend);
                    }
                    Some(name) => column = table.column(name),
                    None => column = None,
                },
                (Some(Shape::Value), Some(table)) => {
                    if let Some(column) = column {
                        self.column_value(table, column, *arg);
                    }
                }
                (Some(Shape::Key), Some(table)) => {
                    self.column_value(table, table.key[key], *arg);
                    key += 1;
                }
                (Some(Shape::Entries), Some(table)) => self.entries(table, false, *arg),
                (Some(Shape::NewRow), Some(table)) => self.entries(table, true, *arg),
                (Some(Shape::Formula), _) => {
                    formula = self.formula(arg);
                    match arg.ty.literal() {
                        Some(name) => self.globals.insert(name.to_owned()),
                        // It may be any of them.
                        None => {
                            let all = self.program.header.formulas.iter();
                            self.globals.extend(all.map(|formula| formula.name.clone()));
                            true
                        }
                    };
                }
                (Some(Shape::Map), Some(_)) => {
                    if let Some(formula) = formula {
                        self.given(formula, *arg);
                    }
                }
                (Some(Shape::ListOf(inner)), Some(table)) if **inner == Shape::NewRow => {
                    self.new_rows(table, *arg);
                }
                (Some(shape), _) => self.words(shape, *arg),
                (None, _) => {}
            }
        }
    }

    /// A text of which only some are known.
    fn words(&mut self, shape: &Shape, arg: Arg) {
        let Some(text) = arg.ty.literal() else {
            return;
        };
        let shown = shorten(text);
        match shape {
            Shape::Rounding if !ROUNDINGS.contains(&text) => {
                let reason = format!("\"{shown}\" is not the name of a rounding");
                self.fault(
                    arg.position,
                    "bad_rounding",
                    reason,
                    suggest(text, ROUNDINGS),
                );
            }
            Shape::Relation if !RELATIONS.contains(&text) => {
                let reason = format!("\"{shown}\" is not a relation");
                self.fault(
                    arg.position,
                    "bad_query",
                    reason,
                    "use ==, !=, <, <=, > or >=",
                );
            }
            Shape::Asset => {
                let assets = self.program.catalog.assets();
                let known: Vec<String> = assets
                    .iter()
                    .map(|(asset, _)| asset.as_str().to_owned())
                    .collect();
                if !known.iter().any(|asset| asset == text) {
                    let mend = suggest(text, known.iter().map(String::as_str));
                    let reason = format!("the asset {shown} is not known here");
                    self.fault(arg.position, "unknown_asset", reason, mend);
                }
            }
            Shape::Code if text.len() > 64 || !text.split('.').all(is_name) => {
                let reason = format!("\"{shown}\" has not the form of a code");
                let mend = "use words of a-z, 0-9 and _, joined by points, as in \"vote.closed\"";
                self.fault(arg.position, "bad_code", reason, mend);
            }
            Shape::Event if text.len() > 64 || !text.split('.').all(is_name) => {
                let reason = format!("\"{shown}\" cannot be the name of an event");
                let mend = "use words of a-z, 0-9 and _, joined by points";
                self.fault(arg.position, "bad_name", reason, mend);
            }
            Shape::Effect => {
                let parts = text.split_once('.');
                if parts.is_none_or(|(actor, name)| !is_name(actor) || !is_name(name)) {
                    let reason = format!("\"{shown}\" cannot be the name of an effect");
                    let mend = "write the actor and the action, as in \"stellar.pay\"";
                    self.fault(arg.position, "bad_name", reason, mend);
                }
            }
            _ => {}
        }
    }

    /// A value that is to stand in a column, or is compared with what stands there.
    fn column_value(&mut self, table: &TableDecl, column: usize, arg: Arg) {
        let column = &table.columns[column];
        if column.optional && arg.ty.may(|kind| *kind == Kind::Nothing) {
            return;
        }
        if let Err(reason) = fit(&column.ty, arg.ty) {
            let reason = format!("`{}` of table `{}`: {reason}", column.name, table.name);
            let mend = self.mend(&column.ty, arg);
            self.fault(arg.position, "type", reason, mend);
        }
    }

    /// The map that `insert`, `update` and `upsert` are given.
    fn entries(&mut self, table: &TableDecl, is_new: bool, arg: Arg) {
        let Some([Kind::Map(map)]) = arg.ty.kinds() else {
            return;
        };
        for (name, ty) in &map.entries {
            let (at_name, at_value, expression) = entry_place(arg, name);
            match table.column(name) {
                None => {
                    let known = table.columns.iter().map(|column| column.name.as_str());
                    let reason = format!("the table `{}` has no column `{name}`", table.name);
                    self.fault(at_name, "unknown_column", reason, suggest(name, known));
                }
                Some(column) => {
                    let (ty, position) = (ty, at_value);
                    self.column_value(
                        table,
                        column,
                        Arg {
                            ty,
                            position,
                            expression,
                        },
                    );
                }
            }
        }
        let is_wrong = map.entries.keys().any(|name| table.column(name).is_none());
        if !is_new || map.open || is_wrong {
            return;
        }
        let numbered = table.numbers_rows().then(|| table.key[0]);
        let missing = table.columns.iter().enumerate().filter(|(index, column)| {
            !column.optional && Some(*index) != numbered && !map.entries.contains_key(&column.name)
        });
        let missing: Vec<&str> = missing.map(|(_, column)| column.name.as_str()).collect();
        if !missing.is_empty() {
            let reason = format!("a row of `{}` needs {}", table.name, quoted(&missing));
            let mend = "give it, or declare it optional with `?`";
            self.fault(arg.position, "missing_column", reason, mend);
        }
    }

    /// The rows of `insert_all`: those that are literals each for itself, others all together.
    fn new_rows(&mut self, table: &TableDecl, arg: Arg) {
        if let Some([Kind::List(item)]) = arg.ty.kinds()
            && !item.may(|kind| matches!(kind, Kind::Map(_)))
        {
            let reason = format!("a row is a map, {} is given", item.describe());
            self.fault(arg.position, "type", reason, "");
            return;
        }
        if let Some(Expr::Array(items, _)) = arg.expression {
            for item in items.iter() {
                let ty = self.quietly(item);
                let row = Arg {
                    ty: &ty,
                    position: item.start_position(),
                    expression: Some(item),
                };
                self.entries(table, true, row);
            }
        } else if let Some([Kind::List(item)]) = arg.ty.kinds() {
            let row = Arg {
                ty: item,
                expression: None,
                ..arg
            };
            self.entries(table, true, row);
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

/// Where the name and the value of an entry stand if the map is a literal.
fn entry_place<'e>(arg: Arg<'e>, name: &str) -> (Position, Position, Option<&'e Expr>) {
    let literal = match arg.expression {
        Some(Expr::Map(parts, _)) => parts.0.iter().find(|(entry, _)| entry.as_str() == name),
        _ => None,
    };
    literal.map_or((arg.position, arg.position, None), |(name, value)| {
        (name.pos, value.start_position(), Some(value))
    })
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
fn takes(shape: &Shape, kind: &Kind) -> bool {
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

/// The kind without what is known of a text: results are other texts.
fn plain(kind: &Kind) -> Ty {
    match kind {
        Kind::Text(Words::Literal(_)) => Ty::one(kind.clone()),
        kind => Ty::one(kind.clone()),
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

fn quoted(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
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
