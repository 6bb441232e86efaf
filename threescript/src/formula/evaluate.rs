//! Computing formulas.

use super::ratio::{Ratio, WideSteps};
use super::syntax::Operator;
use super::{Formula, Kind, Literal, Node};
use crate::action::Type;
use crate::engine::{Meter, Raised};
use crate::value::{Amount, AssetCode, Assets, Decimal, Rounding, Value, ValueError};
use std::cmp::Ordering;

/// What one step of more than 128 bits costs, in operations.
const WIDE_COST: u64 = 8;

/// A value on its way through a formula.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Operand<'v> {
    Bool(bool),
    Number(Ratio),
    /// Units of an asset, not always whole ones.
    Amount(Ratio, &'v str),
    /// Seconds.
    Duration(Ratio),
    /// Seconds since 1970.
    Time(Ratio),
    Text(&'v str),
}

impl<'v> Operand<'v> {
    /// `None` for kinds that formulas do not know, and for nothing.
    pub fn of(value: &'v Value) -> Option<Self> {
        Some(match value {
            Value::Bool(flag) => Self::Bool(*flag),
            Value::Int(number) => Self::Number(Ratio::whole(*number)),
            Value::Decimal(number) => Self::Number(Ratio::of_decimal(*number, 0)),
            Value::Percent(percent) => Self::Number(Ratio::of_decimal(*percent, 2)),
            Value::Amount(amount) => {
                Self::Amount(Ratio::whole(amount.units), amount.asset.as_str())
            }
            Value::Duration(seconds) => Self::Duration(Ratio::whole(*seconds)),
            Value::Time(seconds) => Self::Time(Ratio::whole(*seconds)),
            Value::Text(text) | Value::Account(text) => Self::Text(text),
            _ => return None,
        })
    }

    /// Reads the borsh encoding of one value. `None` for other bytes, and as [`Operand::of`].
    pub fn read(bytes: &'v [u8]) -> Option<Self> {
        let (tag, rest) = bytes.split_first()?;
        let number = |rest: &[u8]| Some(Ratio::whole(i64::from_le_bytes(rest.try_into().ok()?)));
        let decimal = |shift: u32| {
            let (mantissa, scale) = rest.split_at_checked(16)?;
            let mantissa = i128::from_le_bytes(mantissa.try_into().ok()?);
            match *scale {
                [scale @ 0..=Decimal::MAX_SCALE] if mantissa != i128::MIN => {
                    Some(Ratio::of_digits(mantissa, u32::from(scale) + shift))
                }
                _ => None,
            }
        };
        let text = |rest: &'v [u8]| {
            let (length, text) = rest.split_at_checked(4)?;
            let length = u32::from_le_bytes(length.try_into().ok()?);
            (text.len() == length as usize).then(|| std::str::from_utf8(text).ok())?
        };
        Some(match *tag {
            0 => Self::Bool(rest == [1]),
            1 => Self::Number(number(rest)?),
            2 => Self::Number(decimal(0)?),
            3 => {
                let (units, asset) = rest.split_at_checked(8)?;
                Self::Amount(number(units)?, text(asset)?)
            }
            4 => Self::Number(decimal(2)?),
            5 => Self::Duration(number(rest)?),
            6 => Self::Time(number(rest)?),
            7 | 9 => Self::Text(text(rest)?),
            _ => return None,
        })
    }

    pub fn kind(self) -> Kind {
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

/// What computing needs besides the arguments: the formulas of the policy, the assets and the account that pays for it.
#[derive(Clone, Copy)]
pub(crate) struct Work<'v> {
    pub formulas: &'v [Formula],
    /// The values of the policy's params that the formula needs, by their numbers.
    pub settings: &'v [Value],
    pub assets: &'v Assets,
    pub meter: &'v Meter,
}

impl<'v> Work<'v> {
    /// Computes a formula. The arguments have the kinds of its parameters, in their order.
    ///
    /// Errors: `overflow`, `division_by_zero`, `inexact`, `asset_mismatch`, `unknown_asset`, `limit.operations`.
    pub fn compute(self, formula: &'v Formula, args: &[Operand<'v>]) -> Result<Value, Raised> {
        self.meter.charge(formula.cost)?;
        let mut wide = 0;
        let result = self.node(&formula.body, args, &mut wide);
        let value = result.and_then(|operand| to_value(&formula.result, operand));
        self.meter.charge(WIDE_COST * wide)?;
        value.map_err(|error| explain(formula, error))
    }

    fn node(
        self,
        node: &'v Node,
        args: &[Operand<'v>],
        wide: &mut WideSteps,
    ) -> Result<Operand<'v>, ValueError> {
        Ok(match node {
            Node::Literal(literal) => literal.operand(),
            Node::Param(index) => args[*index],
            Node::Setting(index) => match Operand::of(&self.settings[*index]) {
                Some(operand) => operand,
                None => unreachable!("checked: a param that a formula names has a known type"),
            },
            Node::Negate(inner) => match self.node(inner, args, wide)? {
                Operand::Number(number) => Operand::Number(number.negated()),
                Operand::Amount(units, asset) => Operand::Amount(units.negated(), asset),
                Operand::Duration(seconds) => Operand::Duration(seconds.negated()),
                other => unreachable!("checked: {} is not negated", other.kind().name()),
            },
            Node::Not(inner) => Operand::Bool(!self.bool(inner, args, wide)?),
            Node::Binary(Operator::And, left, right) => {
                Operand::Bool(self.bool(left, args, wide)? && self.bool(right, args, wide)?)
            }
            Node::Binary(Operator::Or, left, right) => {
                Operand::Bool(self.bool(left, args, wide)? || self.bool(right, args, wide)?)
            }
            Node::Binary(operator, left, right) => {
                let left = self.node(left, args, wide)?;
                let right = self.node(right, args, wide)?;
                match operator {
                    Operator::Add | Operator::Subtract | Operator::Multiply | Operator::Divide => {
                        arithmetic(*operator, left, right, wide)?
                    }
                    _ => Operand::Bool(compared(*operator, order(left, right, wide)?)),
                }
            }
            Node::If(condition, yes, no) => match self.bool(condition, args, wide)? {
                true => self.node(yes, args, wide)?,
                false => self.node(no, args, wide)?,
            },
            Node::Least(parts) => self.extreme(parts, Ordering::Less, args, wide)?,
            Node::Most(parts) => self.extreme(parts, Ordering::Greater, args, wide)?,
            Node::Absolute(inner) => match self.node(inner, args, wide)? {
                Operand::Number(number) => Operand::Number(number.absolute()),
                Operand::Amount(units, asset) => Operand::Amount(units.absolute(), asset),
                Operand::Duration(seconds) => Operand::Duration(seconds.absolute()),
                other => unreachable!("checked: {} has no size", other.kind().name()),
            },
            Node::Round(rounding, inner, decimals) => {
                let operand = self.node(inner, args, wide)?;
                self.round(operand, *rounding, *decimals)?
            }
            Node::Call(index, parts) => {
                let formula = &self.formulas[*index];
                let parts = parts.iter().map(|part| self.node(part, args, wide));
                let inner = parts.collect::<Result<Vec<_>, _>>()?;
                for (param, operand) in formula.params.iter().zip(&inner) {
                    check_exact(&param.ty, *operand)?;
                }
                let result = self.node(&formula.body, &inner, wide)?;
                check_exact(&formula.result, result)?;
                result
            }
        })
    }

    fn bool(
        self,
        node: &'v Node,
        args: &[Operand<'v>],
        wide: &mut WideSteps,
    ) -> Result<bool, ValueError> {
        match self.node(node, args, wide)? {
            Operand::Bool(flag) => Ok(flag),
            other => unreachable!("checked: {} is no bool", other.kind().name()),
        }
    }

    fn extreme(
        self,
        parts: &'v [Node],
        wanted: Ordering,
        args: &[Operand<'v>],
        wide: &mut WideSteps,
    ) -> Result<Operand<'v>, ValueError> {
        let mut best: Option<Operand> = None;
        for part in parts {
            let operand = self.node(part, args, wide)?;
            best = match best {
                Some(best) if order(operand, best, wide)? != wanted => Some(best),
                _ => Some(operand),
            };
        }
        match best {
            Some(best) => Ok(best),
            None => unreachable!("checked: there are two parts or more"),
        }
    }

    fn round(
        self,
        operand: Operand<'v>,
        rounding: Rounding,
        decimals: Option<u8>,
    ) -> Result<Operand<'v>, ValueError> {
        Ok(match (operand, decimals) {
            (Operand::Number(number), decimals) => {
                Operand::Number(number.round(decimals.unwrap_or(0), rounding)?)
            }
            (Operand::Amount(units, asset), None) => {
                Operand::Amount(units.round(0, rounding)?, asset)
            }
            (Operand::Amount(units, asset), Some(decimals)) => {
                Operand::Amount(self.round_coins(units, asset, decimals, rounding)?, asset)
            }
            (Operand::Duration(seconds), _) => Operand::Duration(seconds.round(0, rounding)?),
            (other, _) => unreachable!("checked: {} is not rounded", other.kind().name()),
        })
    }

    /// Rounds an amount to so many decimals of whole coins; finer than its smallest unit it does not get.
    fn round_coins(
        self,
        units: Ratio,
        asset: &str,
        decimals: u8,
        rounding: Rounding,
    ) -> Result<Ratio, ValueError> {
        let finest = self.assets.require(&AssetCode::new(asset)?)?;
        let coarser = 10i64.pow(u32::from(finest.saturating_sub(decimals)));
        let step = Ratio::whole(coarser);
        let mut wide = 0;
        units
            .divide(step, &mut wide)?
            .round(0, rounding)?
            .multiply(step, &mut wide)
    }
}

fn explain(formula: &Formula, error: ValueError) -> Raised {
    if let ValueError::Inexact { operation } = error {
        let message = format!(
            "the formula `{}` gives what {operation} cannot hold exactly",
            formula.name
        );
        let mend = "say where it is rounded, as in half_up(x) or half_up(x, 2)";
        return Raised::new(error.code(), message, mend);
    }
    let raised = Raised::from(error);
    let message = format!("in the formula `{}`: {}", formula.name, raised.message);
    Raised { message, ..raised }
}

impl Literal {
    fn operand(&self) -> Operand<'_> {
        match self {
            Self::Bool(flag) => Operand::Bool(*flag),
            Self::Number(number) => Operand::Number(*number),
            Self::Amount(units, asset) => Operand::Amount(*units, asset.as_str()),
            Self::Duration(seconds) => Operand::Duration(*seconds),
            Self::Time(seconds) => Operand::Time(*seconds),
            Self::Text(text) => Operand::Text(text),
        }
    }
}

fn arithmetic<'v>(
    operator: Operator,
    left: Operand<'v>,
    right: Operand<'v>,
    wide: &mut WideSteps,
) -> Result<Operand<'v>, ValueError> {
    use Operand::{Amount, Duration, Number, Time};
    let sum = |a: Ratio, b: Ratio, wide: &mut WideSteps| match operator {
        Operator::Add => a.add(b, wide),
        _ => a.subtract(b, wide),
    };
    Ok(match (left, operator, right) {
        (Number(a), Operator::Add | Operator::Subtract, Number(b)) => Number(sum(a, b, wide)?),
        (Duration(a), Operator::Add | Operator::Subtract, Duration(b)) => {
            Duration(sum(a, b, wide)?)
        }
        (Amount(a, asset), Operator::Add | Operator::Subtract, Amount(b, other)) => {
            same_asset(asset, other)?;
            Amount(sum(a, b, wide)?, asset)
        }
        (Time(a), Operator::Add | Operator::Subtract, Duration(b))
        | (Duration(a), Operator::Add, Time(b)) => Time(sum(a, b, wide)?),
        (Time(a), Operator::Subtract, Time(b)) => Duration(sum(a, b, wide)?),
        (Number(a), Operator::Multiply, Number(b)) => Number(a.multiply(b, wide)?),
        (Amount(a, asset), Operator::Multiply, Number(b))
        | (Number(b), Operator::Multiply, Amount(a, asset)) => Amount(a.multiply(b, wide)?, asset),
        (Duration(a), Operator::Multiply, Number(b))
        | (Number(b), Operator::Multiply, Duration(a)) => Duration(a.multiply(b, wide)?),
        (Number(a), Operator::Divide, Number(b)) | (Duration(a), Operator::Divide, Duration(b)) => {
            Number(a.divide(b, wide)?)
        }
        (Amount(a, asset), Operator::Divide, Amount(b, other)) => {
            same_asset(asset, other)?;
            Number(a.divide(b, wide)?)
        }
        (Amount(a, asset), Operator::Divide, Number(b)) => Amount(a.divide(b, wide)?, asset),
        (Duration(a), Operator::Divide, Number(b)) => Duration(a.divide(b, wide)?),
        (a, operator, b) => unreachable!(
            "checked: {} {} {}",
            a.kind().name(),
            operator.sign(),
            b.kind().name()
        ),
    })
}

fn order(left: Operand, right: Operand, wide: &mut WideSteps) -> Result<Ordering, ValueError> {
    use Operand::{Amount, Bool, Duration, Number, Text, Time};
    Ok(match (left, right) {
        (Number(a), Number(b)) | (Duration(a), Duration(b)) | (Time(a), Time(b)) => {
            a.compare(b, wide)
        }
        (Amount(a, asset), Amount(b, other)) => {
            same_asset(asset, other)?;
            a.compare(b, wide)
        }
        (Bool(a), Bool(b)) => a.cmp(&b),
        (Text(a), Text(b)) => a.cmp(b),
        (a, b) => unreachable!("checked: {} and {}", a.kind().name(), b.kind().name()),
    })
}

fn compared(operator: Operator, order: Ordering) -> bool {
    match operator {
        Operator::Equal => order.is_eq(),
        Operator::NotEqual => order.is_ne(),
        Operator::Less => order.is_lt(),
        Operator::LessOrEqual => order.is_le(),
        Operator::Greater => order.is_gt(),
        _ => order.is_ge(),
    }
}

fn same_asset(asset: &str, other: &str) -> Result<(), ValueError> {
    match asset == other {
        true => Ok(()),
        false => Err(ValueError::AssetMismatch {
            left: AssetCode::new(asset)?,
            right: AssetCode::new(other)?,
        }),
    }
}

/// Whether a value of the type can hold the operand. Errors: `inexact`, `overflow`.
fn check_exact(ty: &Type, operand: Operand) -> Result<(), ValueError> {
    match (ty, operand) {
        (_, Operand::Bool(_) | Operand::Text(_)) => Ok(()),
        _ => to_value(ty, operand).map(|_| ()),
    }
}

/// The value of the declared type. Errors: `inexact`, `overflow`.
fn to_value(ty: &Type, operand: Operand) -> Result<Value, ValueError> {
    Ok(match (operand, ty) {
        (Operand::Bool(flag), _) => Value::Bool(flag),
        (Operand::Number(number), Type::Decimal) => Value::Decimal(number.to_decimal("a decimal")?),
        (Operand::Number(number), Type::Percent) => {
            let percent = number.multiply(Ratio::whole(100), &mut 0)?;
            Value::Percent(percent.to_decimal("a percentage")?)
        }
        (Operand::Number(number), Type::Size) => match number.to_int("a size")? {
            bytes @ 0.. => Value::Int(bytes),
            _ => return Err(ValueError::overflow("a size below 0")),
        },
        (Operand::Number(number), _) => Value::Int(number.to_int("a whole number")?),
        (Operand::Amount(units, asset), _) => {
            let units = units.to_int("an amount in its smallest units")?;
            Value::Amount(Amount::new(units, AssetCode::new(asset)?))
        }
        (Operand::Duration(seconds), _) => {
            Value::Duration(seconds.to_int("a duration in seconds")?)
        }
        (Operand::Time(seconds), _) => Value::Time(seconds.to_int("a time in seconds")?),
        (Operand::Text(text), _) => Value::Text(text.to_owned()),
    })
}
