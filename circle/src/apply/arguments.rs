//! Typed access to the parameters of a kernel command that was checked against its declaration.

use threescript::action::Action;
use threescript::value::{Amount, Value};

use crate::account::Account;
use crate::accounts;
use crate::rejection::Rejection;
use crate::session::{Session, Stop};

/// The parameters of one action.
pub struct Arguments<'a>(&'a Action);

impl<'a> Arguments<'a> {
    pub fn new(action: &'a Action) -> Self {
        Self(action)
    }

    fn value(&self, name: &str) -> Option<&'a Value> {
        self.0
            .params
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value)
    }

    pub fn text(&self, name: &str) -> Result<&'a str, Rejection> {
        match self.value(name) {
            Some(Value::Text(text)) => Ok(text),
            _ => Err(missing(name)),
        }
    }

    pub fn bytes(&self, name: &str) -> Result<&'a [u8], Rejection> {
        match self.value(name) {
            Some(Value::Bytes(bytes)) => Ok(bytes),
            _ => Err(missing(name)),
        }
    }

    /// Exactly 32 bytes.
    pub fn hash(&self, name: &str) -> Result<[u8; 32], Rejection> {
        self.bytes(name)?
            .try_into()
            .map_err(|_| Rejection::new("action.length", format!("{name} has to have 32 bytes")))
    }

    pub fn int(&self, name: &str) -> Result<i64, Rejection> {
        match self.value(name) {
            Some(Value::Int(number)) => Ok(*number),
            _ => Err(missing(name)),
        }
    }

    /// An int that is not negative.
    pub fn number(&self, name: &str) -> Result<u64, Rejection> {
        u64::try_from(self.int(name)?)
            .map_err(|_| Rejection::new("action.negative", format!("{name} cannot be negative")))
    }

    pub fn id(&self, name: &str) -> Result<u64, Rejection> {
        match self.value(name) {
            Some(Value::Id(id)) => Ok(*id),
            _ => Err(missing(name)),
        }
    }

    pub fn amount(&self, name: &str) -> Result<&'a Amount, Rejection> {
        match self.value(name) {
            Some(Value::Amount(amount)) => Ok(amount),
            _ => Err(missing(name)),
        }
    }

    pub fn amounts(&self, name: &str) -> Result<Vec<Amount>, Rejection> {
        let Some(Value::List(items)) = self.value(name) else {
            return Err(missing(name));
        };
        let amount = |item: &Value| match item {
            Value::Amount(amount) => Ok(amount.clone()),
            _ => Err(missing(name)),
        };
        items.iter().map(amount).collect()
    }

    pub fn texts(&self, name: &str) -> Result<Vec<String>, Rejection> {
        let Some(Value::List(items)) = self.value(name) else {
            return Err(missing(name));
        };
        let text = |item: &Value| match item {
            Value::Text(text) => Ok(text.clone()),
            _ => Err(missing(name)),
        };
        items.iter().map(text).collect()
    }

    pub fn account(&self, session: &Session, name: &str) -> Result<Account, Stop> {
        let Some(Value::Account(text)) = self.value(name) else {
            return Err(missing(name).into());
        };
        accounts::resolve(&session.rows, text)?.ok_or_else(|| {
            Rejection::new(
                "account.unknown",
                format!("there is no account {text}; register it first"),
            )
            .into()
        })
    }
}

fn missing(name: &str) -> Rejection {
    Rejection::new(
        "action.parameter",
        format!("the parameter {name} is missing or of another type"),
    )
}
