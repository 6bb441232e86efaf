//! Where a formula over the rows of a query takes its parameters from.

use super::{Formula, Kind, Operand, Work};
use crate::action::{ParamDecl, Type};
use crate::engine::{Raised, RowView};
use crate::policy::declaration::TableDecl;
use crate::policy::diagnostic::suggest;
use crate::policy::types::{fit, type_name};
use crate::value::Value;
use std::collections::BTreeMap;

/// A formula whose parameters are columns of a table or given values.
pub(crate) struct Bound<'f> {
    pub formula: &'f Formula,
    sources: Vec<Source<'f>>,
    work: Work<'f>,
}

enum Source<'f> {
    /// A column, and what takes its place where it is empty.
    Column(usize, Option<Operand<'f>>),
    Given(Operand<'f>),
}

/// The values that a query gives to parameters, each as its parameter wants it.
///
/// Errors: `unknown_parameter`, `type`.
pub(crate) fn fit_given(
    formula: &Formula,
    given: BTreeMap<String, Value>,
) -> Result<BTreeMap<String, Value>, Raised> {
    let fitted = given.into_iter().map(|(name, value)| {
        let param = formula.params.iter().find(|param| param.name == name);
        let param = param.ok_or_else(|| {
            let known = formula.params.iter().map(|param| param.name.as_str());
            let message = format!("the formula `{}` has no parameter `{name}`", formula.name);
            Raised::new("unknown_parameter", message, suggest(&name, known))
        })?;
        Ok((name, fit_argument(formula, param, value)?))
    });
    fitted.collect()
}

/// An argument as its parameter wants it; the default stands in for nothing. Errors: `type`.
pub(crate) fn fit_argument(
    formula: &Formula,
    param: &ParamDecl,
    value: Value,
) -> Result<Value, Raised> {
    match (value, &param.default) {
        (Value::Unit, Some(default)) => Ok(default.clone()),
        (value, _) => fit(&param.ty, value).map_err(|reason| {
            let message = format!(
                "`{}` of the formula `{}`: {reason}",
                param.name, formula.name
            );
            Raised::type_error(message)
        }),
    }
}

impl<'f> Bound<'f> {
    /// Finds a source for each parameter: a given value, the column of its name, or its default.
    ///
    /// Errors: `missing_parameter`, `type`.
    pub fn new(
        formula: &'f Formula,
        table: &TableDecl,
        given: &'f BTreeMap<String, Value>,
        work: Work<'f>,
    ) -> Result<Self, Raised> {
        let source = |param: &'f ParamDecl| -> Result<Source<'f>, Raised> {
            let default = param.default.as_ref().and_then(Operand::of);
            if let Some(operand) = given.get(&param.name).and_then(Operand::of) {
                return Ok(Source::Given(operand));
            }
            let column = table.column(&param.name);
            check_source(&formula.name, param, table, column)?;
            match (column, default) {
                (Some(column), default) => Ok(Source::Column(column, default)),
                (None, Some(default)) => Ok(Source::Given(default)),
                (None, None) => Err(missing(&formula.name, &param.name, table)),
            }
        };
        let sources = formula.params.iter().map(source);
        Ok(Self {
            formula,
            sources: sources.collect::<Result<_, _>>()?,
            work,
        })
    }

    /// What the formula gives for a row. Errors: those of computing, `type` for an empty column, `bad_row`.
    pub fn compute(&self, row: &RowView) -> Result<Value, Raised> {
        let mut args = Vec::with_capacity(self.sources.len());
        for (source, param) in self.sources.iter().zip(&self.formula.params) {
            let operand = match source {
                Source::Given(operand) => *operand,
                Source::Column(column, default) => match (row.operand(*column)?, default) {
                    (Some(operand), _) if Kind::of(&param.ty) == Some(operand.kind()) => operand,
                    (None, Some(default)) => *default,
                    (found, _) => return Err(unfit(self.formula, param, found)),
                },
            };
            args.push(operand);
        }
        self.work.compute(self.formula, &args)
    }
}

/// Whether a parameter that is not given can be taken from this column, or from its default if there is none.
///
/// Errors: `missing_parameter`, `type`.
pub(crate) fn check_source(
    formula: &str,
    param: &ParamDecl,
    table: &TableDecl,
    column: Option<usize>,
) -> Result<(), Raised> {
    let name = &param.name;
    let Some(column) = column else {
        if param.default.is_some() {
            return Ok(());
        }
        return Err(missing(formula, name, table));
    };
    let column = &table.columns[column].ty;
    let fits = match (&param.ty, column) {
        (Type::Int | Type::Decimal | Type::Size, Type::Int | Type::Size) => true,
        (Type::Text | Type::OneOf(_), Type::Text | Type::OneOf(_)) => true,
        (param, column) => param == column,
    };
    if fits {
        return Ok(());
    }
    let message = format!(
        "`{name}` of the formula `{formula}` is {}, the column is {}",
        type_name(&param.ty),
        type_name(column)
    );
    Err(Raised::new("type", message, "declare both with one type"))
}

fn missing(formula: &str, name: &str, table: &TableDecl) -> Raised {
    let message = format!(
        "`{name}` of the formula `{formula}` is no column of `{}` and is not given",
        table.name
    );
    Raised::new(
        "missing_parameter",
        message,
        format!("give it: #{{ {name}: … }}"),
    )
}

fn unfit(formula: &Formula, param: &ParamDecl, found: Option<Operand>) -> Raised {
    let (formula, name) = (&formula.name, &param.name);
    match found {
        None => Raised::new(
            "type",
            format!(
                "`{name}` is empty in a row, and the formula `{formula}` has no default for it"
            ),
            format!(
                "declare the parameter with one: {name}: {} = …",
                type_name(&param.ty)
            ),
        ),
        Some(other) => Raised::new(
            "bad_row",
            format!("`{name}` of a stored row is a {}", other.kind().name()),
            "never change the type of a column",
        ),
    }
}
