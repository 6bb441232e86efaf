//! The values that a circle may change by decision: their declared types and bounds, and what fits them.

use super::diagnostic::Place;
use super::lexer::{Lexer, Token};
use super::types::{fit, parse_literal, read_hex, type_name};
use crate::action::Type;
use crate::engine::values::{from_value, render};
use crate::value::{self, Assets, Value};
use std::cmp::Ordering;

/// A declared `param`: its bodies see it like a constant, the circle may give it another value within the bounds.
#[derive(Clone, Debug)]
pub struct PolicyParam {
    /// Its name.
    pub name: String,
    /// The doc lines above it.
    pub doc: String,
    /// What it holds.
    pub ty: Type,
    /// What it is as long as the circle says nothing else.
    pub default: Value,
    /// The least value; only types that have an order have one.
    pub from: Option<Value>,
    /// The largest value.
    pub to: Option<Value>,
    /// Where its name stands.
    pub place: Place,
}

/// Why a value cannot be that of a param.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParamError {
    /// It has another type, or its text cannot be read.
    #[error("`{name}`: {reason}; {mend}")]
    Type {
        /// The param.
        name: String,
        /// What is wrong.
        reason: String,
        /// What to write instead.
        mend: String,
    },
    /// It is outside the bounds.
    #[error("`{name}` cannot be {value}; give a value {bounds}")]
    Bounds {
        /// The param.
        name: String,
        /// The value, as text.
        value: String,
        /// The bounds, as they are declared.
        bounds: String,
    },
}

impl ParamError {
    /// A stable short name: `param.type` or `param.bounds`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Type { .. } => "param.type",
            Self::Bounds { .. } => "param.bounds",
        }
    }
}

impl PolicyParam {
    /// The value as the type wants it, if it is within the bounds.
    pub fn accept(&self, value: Value, assets: &Assets) -> Result<Value, ParamError> {
        let value = fit(&self.ty, value).map_err(|reason| self.type_error(reason))?;
        let within = |bound: &Option<Value>, wrong: Ordering| match bound {
            None => Ok(true),
            Some(bound) => compare(&value, bound).map(|order| order != wrong),
        };
        let is_within = within(&self.from, Ordering::Less)
            .and_then(|above| Ok(above && within(&self.to, Ordering::Greater)?));
        match is_within {
            Ok(true) => Ok(value),
            Ok(false) => Err(ParamError::Bounds {
                name: self.name.clone(),
                value: shown(&value, assets),
                bounds: self.bounds(assets),
            }),
            Err(reason) => Err(self.type_error(reason)),
        }
    }

    /// Reads a value from text: as the file writes a literal of the type, but texts, choices, accounts, times, sizes,
    /// amounts and bytes without quotes around them.
    pub fn read(&self, text: &str, assets: &Assets) -> Result<Value, ParamError> {
        let value_error = |error: value::ValueError| {
            let (reason, mend) = error.reason_and_mend();
            self.error(reason, mend)
        };
        let value = match &self.ty {
            Type::Text | Type::OneOf(_) | Type::Account => Value::Text(text.to_owned()),
            Type::Time => Value::Time(value::parse_time(text).map_err(value_error)?),
            Type::Size => Value::Int(value::parse_size(text).map_err(value_error)?),
            Type::Amount => Value::Amount(assets.parse_amount(text).map_err(value_error)?),
            Type::Bytes => Value::Bytes(
                read_hex(Place::START, text)
                    .map_err(|fault| self.error(fault.reason, fault.mend))?,
            ),
            _ => self
                .literal(text, assets)
                .map_err(|fault| self.error(fault.reason, fault.mend))?,
        };
        self.accept(value, assets)
    }

    /// `from 1% to 100%`, with what is declared of it.
    pub fn bounds(&self, assets: &Assets) -> String {
        let bound = |word: &str, bound: &Option<Value>| {
            let value = bound.as_ref()?;
            Some(format!("{word} {}", shown(value, assets)))
        };
        let bounds = [bound("from", &self.from), bound("to", &self.to)];
        bounds.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }

    fn literal(&self, text: &str, assets: &Assets) -> Result<Value, super::diagnostic::Fault> {
        let mut lexer = Lexer::new(text);
        let value = parse_literal(&mut lexer, Some(&self.ty), assets)?;
        match lexer.next()? {
            (Token::End, _) => Ok(value),
            (other, at) => {
                let reason = format!("the value ends before {}", other.describe());
                let mend = format!("write one value of type {}", type_name(&self.ty));
                Err(super::diagnostic::Fault::new(
                    at.place, "syntax", reason, mend,
                ))
            }
        }
    }

    fn type_error(&self, reason: String) -> ParamError {
        self.error(
            reason,
            format!("give a value of type {}", type_name(&self.ty)),
        )
    }

    fn error(&self, reason: impl Into<String>, mend: impl Into<String>) -> ParamError {
        ParamError::Type {
            name: self.name.clone(),
            reason: reason.into(),
            mend: mend.into(),
        }
    }
}

/// Whether values of the type have an order that bounds can be in.
pub(crate) fn has_order(ty: &Type) -> bool {
    use Type::*;
    matches!(
        ty,
        Int | Decimal | Amount | Percent | Duration | Time | Size
    )
}

/// Which of two values is larger. Errors: they cannot be compared, as a sentence.
pub(crate) fn compare(a: &Value, b: &Value) -> Result<Ordering, String> {
    match (a, b) {
        (Value::Int(a), Value::Int(b))
        | (Value::Duration(a), Value::Duration(b))
        | (Value::Time(a), Value::Time(b)) => Ok(a.cmp(b)),
        (Value::Decimal(a), Value::Decimal(b)) | (Value::Percent(a), Value::Percent(b)) => {
            Ok(a.cmp(b))
        }
        (Value::Amount(a), Value::Amount(b)) => a
            .compare(b)
            .map_err(|error| error.reason_and_mend().0.to_string()),
        _ => Err(format!("{} and {} have no order", a.kind(), b.kind())),
    }
}

fn shown(value: &Value, assets: &Assets) -> String {
    render(&from_value(value.clone()).0, assets).unwrap_or_else(|| value.kind().to_owned())
}
