//! What an action may say: its declaration, as a policy or the kernel gives it.

use super::writable;
use super::{Mark, is_name};
use crate::value::{Assets, Value, is_account};
use std::fmt;

/// The type of a parameter.
///
/// Every type but [`Type::Map`] and lists of lists, maps or scripts has a form in the text of an action; the others are
/// for values that only programs exchange, and [`Signature::check`] refuses them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Type {
    /// A flag in the text: `urgent`, or `urgent:false`.
    Bool,
    /// `42`
    Int,
    /// `12.50`
    Decimal,
    /// `'100 TFT'` or `100TFT`
    Amount,
    /// `35%`
    Percent,
    /// `7d`, `24h`, `30m`, `15s`
    Duration,
    /// `'2024-02-01 00:00:00'`, UTC
    Time,
    /// `4GB`, base 1024; the value is a [`Value::Int`] of bytes.
    Size,
    /// Any text.
    Text,
    /// Hexadecimal digits.
    Bytes,
    /// The name of an account, or its key in hexadecimal digits.
    Account,
    /// `7`
    Id,
    /// One of these texts; the value is a [`Value::Text`].
    OneOf(Vec<String>),
    /// `a, b, 'c d'`
    List(Box<Type>),
    /// Values by name.
    Map,
    /// Actions, each line behind `> `.
    Script,
    /// In an action a text or a list of texts; elsewhere any value.
    Any,
}

impl Type {
    /// Whether a value is of this type, whatever its text would look like.
    pub fn admits(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Any, _)
            | (Self::Bool, Value::Bool(_))
            | (Self::Int, Value::Int(_))
            | (Self::Decimal, Value::Decimal(_))
            | (Self::Amount, Value::Amount(_))
            | (Self::Percent, Value::Percent(_))
            | (Self::Duration, Value::Duration(_))
            | (Self::Time, Value::Time(_))
            | (Self::Text, Value::Text(_))
            | (Self::Bytes, Value::Bytes(_))
            | (Self::Id, Value::Id(_))
            | (Self::Map, Value::Map(_))
            | (Self::Script, Value::Script(_)) => true,
            (Self::Size, Value::Int(bytes)) => *bytes >= 0,
            (Self::Account, Value::Account(account)) => is_account(account),
            (Self::OneOf(options), Value::Text(text)) => options.contains(text),
            (Self::List(item), Value::List(items)) => items.iter().all(|value| item.admits(value)),
            _ => false,
        }
    }

    /// Whether a parameter of an action may have this type: its values must have a text.
    pub fn has_text(&self) -> bool {
        match self {
            Self::Map => false,
            Self::OneOf(options) => {
                !options.is_empty() && options.iter().all(|option| writable::text(option).is_ok())
            }
            Self::List(item) => {
                !matches!(**item, Self::List(_) | Self::Map | Self::Script) && item.has_text()
            }
            _ => true,
        }
    }

    /// A value of this type in words, for reasons: `an int`, `one of yes, no`.
    pub fn described(&self) -> String {
        match self {
            Self::Any => "a text or a list of texts".to_owned(),
            Self::Text | Self::Bytes => self.to_string(),
            Self::Int | Self::Amount | Self::Account | Self::Id => format!("an {self}"),
            Self::OneOf(options) => format!("one of {}", options.join(", ")),
            Self::Percent => "a percentage".to_owned(),
            _ => format!("a {self}"),
        }
    }

    /// How a value of this type is written, for mends.
    pub fn example(&self) -> String {
        let text = match self {
            Self::Bool => "true",
            Self::Int => "42",
            Self::Decimal => "12.50",
            Self::Amount => "'12.50 TFT'",
            Self::Percent => "35%",
            Self::Duration => "24h",
            Self::Time => "'2024-02-01 00:00:00'",
            Self::Size => "4GB",
            Self::Text | Self::Any => "'a text'",
            Self::Bytes => "00ff",
            Self::Account => "alice",
            Self::Id => "7",
            Self::OneOf(options) => return options.first().cloned().unwrap_or_default(),
            Self::List(item) => return format!("{0}, {0}", item.example()),
            Self::Map => "(a map has no text)",
            Self::Script => "'!!vote.cast proposal:7 choice:yes'",
        };
        text.to_owned()
    }
}

impl fmt::Display for Type {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Decimal => "decimal",
            Self::Amount => "amount",
            Self::Percent => "percent",
            Self::Duration => "duration",
            Self::Time => "time",
            Self::Size => "size",
            Self::Text => "text",
            Self::Bytes => "bytes",
            Self::Account => "account",
            Self::Id => "id",
            Self::Map => "map",
            Self::Script => "script",
            Self::Any => "any",
            Self::List(item) => return write!(formatter, "list of {item}"),
            Self::OneOf(options) => {
                let quoted: Vec<String> =
                    options.iter().map(|option| format!("{option:?}")).collect();
                return write!(formatter, "one_of({})", quoted.join(", "));
            }
        };
        formatter.write_str(name)
    }
}

/// A declared parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParamDecl {
    /// Its name: `[a-z][a-z0-9_]*`, but not `id`.
    pub name: String,
    /// Its type.
    pub ty: Type,
    /// What it is when the text does not give it; a bool without default is false.
    pub default: Option<Value>,
    /// One line for people.
    pub doc: String,
}

/// A declared action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// What it does.
    pub mark: Mark,
    /// Who does it.
    pub actor: String,
    /// What is done.
    pub name: String,
    /// The parameters in the order of the canonical form.
    pub params: Vec<ParamDecl>,
}

impl Signature {
    /// The action as it is called: `!!vote.cast`.
    pub fn title(&self) -> String {
        format!("{}{}.{}", self.mark.as_str(), self.actor, self.name)
    }

    /// Whether texts can be read by this declaration.
    pub fn check(&self, assets: &Assets) -> Result<(), DeclarationError> {
        for name in [&self.actor, &self.name] {
            if !is_name(name) {
                return Err(DeclarationError::Name { name: name.clone() });
            }
        }
        for (index, param) in self.params.iter().enumerate() {
            let name = param.name.clone();
            if !is_name(&name) {
                return Err(DeclarationError::Name { name });
            }
            if name == "id" {
                return Err(DeclarationError::Id);
            }
            if self.params[..index]
                .iter()
                .any(|earlier| earlier.name == name)
            {
                return Err(DeclarationError::Twice { name });
            }
            if !param.ty.has_text() {
                return Err(DeclarationError::NoText {
                    name,
                    ty: param.ty.clone(),
                });
            }
            if let Some(default) = &param.default
                && let Err(error) = writable::value(&param.ty, default, assets)
            {
                return Err(DeclarationError::Default {
                    name,
                    ty: param.ty.clone(),
                    why: error.reason,
                });
            }
        }
        Ok(())
    }
}

/// Why an action cannot be declared so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeclarationError {
    /// A name has other characters than the text of an action allows.
    #[error("`{name}` is no name; begin with a letter a-z and use a-z, 0-9 and _")]
    Name {
        /// The name.
        name: String,
    },
    /// `id` is a sequence number to other readers of 3Script.
    #[error(
        "a parameter may not be called `id`, which other readers of 3Script drop; say whose id it is, as in `proposal`"
    )]
    Id,
    /// A parameter is declared twice.
    #[error("the parameter `{name}` is declared twice; rename one")]
    Twice {
        /// The parameter.
        name: String,
    },
    /// A type has no text.
    #[error(
        "the parameter `{name}` is of the type {ty}, which cannot be written in an action; use a list, a script or several parameters"
    )]
    NoText {
        /// The parameter.
        name: String,
        /// Its type.
        ty: Type,
    },
    /// A default is not a value that a text could give.
    #[error("the default of `{name}` is not {}: {why}; change the default or the type", ty.described())]
    Default {
        /// The parameter.
        name: String,
        /// Its type.
        ty: Type,
        /// What is wrong with it.
        why: String,
    },
}

impl DeclarationError {
    /// A stable short name of the reason.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Name { .. } => "malformed_name",
            Self::Id => "reserved_name",
            Self::Twice { .. } => "duplicate_parameter",
            Self::NoText { .. } => "type_without_text",
            Self::Default { .. } => "bad_default",
        }
    }
}

/// Where declarations are looked up: the kernel's and those of the active policies.
pub trait Declarations {
    /// The declaration of an action.
    fn signature(&self, mark: Mark, actor: &str, name: &str) -> Option<Signature>;

    /// Every action that can be called, to suggest one for a name that is not known. Order does not matter.
    fn known(&self) -> Vec<(Mark, String, String)>;
}

impl Declarations for [Signature] {
    fn signature(&self, mark: Mark, actor: &str, name: &str) -> Option<Signature> {
        self.iter()
            .find(|known| known.mark == mark && known.actor == actor && known.name == name)
            .cloned()
    }

    fn known(&self) -> Vec<(Mark, String, String)> {
        self.iter()
            .map(|known| (known.mark, known.actor.clone(), known.name.clone()))
            .collect()
    }
}

impl Declarations for Vec<Signature> {
    fn signature(&self, mark: Mark, actor: &str, name: &str) -> Option<Signature> {
        self.as_slice().signature(mark, actor, name)
    }

    fn known(&self) -> Vec<(Mark, String, String)> {
        self.as_slice().known()
    }
}
