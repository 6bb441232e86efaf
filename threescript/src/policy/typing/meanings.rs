//! What arguments mean: names of columns, values of columns, rows, texts of which only some are known.

use super::Inference;
use super::calls::{Arg, takes};
use super::kind::{Kind, fit};
use crate::action::is_name;
use crate::engine::library::signature::{Case, Shape, Signature};
use crate::policy::declaration::{FormulaDecl, TableDecl};
use crate::policy::diagnostic::{shorten, suggest};
use rhai::{Expr, Position};

const ROUNDINGS: [&str; 4] = ["floor", "half_up", "half_down", "half_even"];
const RELATIONS: [&str; 6] = ["==", "!=", "<", "<=", ">", ">="];

impl<'a> Inference<'a> {
    /// What the arguments mean: names of columns, values of columns, texts of which only some are known.
    pub(super) fn meanings(&mut self, signature: &Signature, args: &[Arg], position: Position) {
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

fn quoted(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}
