//! Formulas: one exact expression each, which bodies call like functions and queries compute natively over many rows.
//!
//! Everything in an expression is an exact fraction; it is rounded only where the expression says so. What the result
//! cannot hold exactly is the error `inexact`.

mod bind;
mod check;
mod evaluate;
mod ratio;
mod syntax;
#[cfg(test)]
mod tests;

pub(crate) use bind::{Bound, check_source, fit_argument, fit_given};
pub(crate) use check::compile_all;
pub(crate) use evaluate::{Operand, Work};
pub(crate) use syntax::{Expression, FUNCTIONS, parse};

use crate::action::{ParamDecl, Type};
use crate::value::{AssetCode, Rounding, Value};
use ratio::Ratio;
use syntax::Operator;

/// A formula that is checked and ready to be computed.
#[derive(Clone, Debug)]
pub(crate) struct Formula {
    pub name: String,
    pub params: Vec<ParamDecl>,
    pub result: Type,
    /// How many parts it has, those of the formulas that it calls included: what one computation is charged at least.
    pub cost: u64,
    /// The params of the policy that it needs, by their numbers, those of called formulas included.
    pub settings: Vec<usize>,
    /// How deep its parts are nested, called formulas included.
    depth: usize,
    body: Node,
}

/// What an operand is, as far as arithmetic is concerned. A percentage is a number: 35 % is 0.35.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Bool,
    Number,
    Amount,
    Duration,
    Time,
    Text,
}

impl Kind {
    /// The kind of a type; `None` for types that formulas do not know.
    pub fn of(ty: &Type) -> Option<Self> {
        Some(match ty {
            Type::Bool => Self::Bool,
            Type::Int | Type::Decimal | Type::Size | Type::Percent => Self::Number,
            Type::Amount => Self::Amount,
            Type::Duration => Self::Duration,
            Type::Time => Self::Time,
            Type::Text | Type::Account | Type::OneOf(_) => Self::Text,
            _ => return None,
        })
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Number => "number",
            Self::Amount => "amount",
            Self::Duration => "duration",
            Self::Time => "time",
            Self::Text => "text",
        }
    }
}

/// A checked part of a formula.
#[derive(Clone, Debug)]
enum Node {
    Literal(Literal),
    Param(usize),
    /// A param of the policy, whose value the circle may change.
    Setting(usize),
    Negate(Box<Node>),
    Not(Box<Node>),
    Binary(Operator, Box<Node>, Box<Node>),
    If(Box<Node>, Box<Node>, Box<Node>),
    Least(Vec<Node>),
    Most(Vec<Node>),
    Absolute(Box<Node>),
    Round(Rounding, Box<Node>, Option<u8>),
    /// A call of a formula that stands earlier, by its number.
    Call(usize, Vec<Node>),
}

/// A value that is known when the policy is compiled.
#[derive(Clone, Debug)]
enum Literal {
    Bool(bool),
    Number(Ratio),
    Amount(Ratio, AssetCode),
    Duration(Ratio),
    Time(Ratio),
    Text(String),
}

impl Literal {
    fn of(value: &Value) -> Option<Self> {
        Some(match Operand::of(value)? {
            Operand::Bool(flag) => Self::Bool(flag),
            Operand::Number(number) => Self::Number(number),
            Operand::Amount(units, asset) => Self::Amount(units, AssetCode::new(asset).ok()?),
            Operand::Duration(seconds) => Self::Duration(seconds),
            Operand::Time(seconds) => Self::Time(seconds),
            Operand::Text(text) => Self::Text(text.to_owned()),
        })
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Bool(_) => Kind::Bool,
            Self::Number(_) => Kind::Number,
            Self::Amount(..) => Kind::Amount,
            Self::Duration(_) => Kind::Duration,
            Self::Time(_) => Kind::Time,
            Self::Text(_) => Kind::Text,
        }
    }
}
