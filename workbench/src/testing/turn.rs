//! What the last blocks made known.

use std::collections::BTreeMap;

use circle::receipt::Receipt;
use threescript::value::Value;

use super::compare::has_entries;

/// Something that was made known: its name with the actor, and its entries.
type Known = (String, Value);

/// Events and effects of the blocks that the last word made.
#[derive(Clone, Debug, Default)]
pub struct Turn {
    events: Vec<Known>,
    effects: Vec<Known>,
}

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// What is recorded.
    Event,
    /// What the world is asked for.
    Effect,
}

impl Kind {
    /// As a sentence calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Effect => "effect",
        }
    }
}

impl Turn {
    /// Adds what receipts say.
    pub fn add(&mut self, receipts: &[Receipt]) {
        for receipt in receipts {
            let events = receipt.events.iter();
            let events =
                events.map(|one| (format!("{}.{}", one.actor, one.name), one.data.clone()));
            self.events.extend(events);
            let effects = receipt.effects.iter();
            let effects =
                effects.map(|one| (format!("{}.{}", one.actor, one.name), one.data.clone()));
            self.effects.extend(effects);
        }
    }

    fn all(&self, kind: Kind) -> &[Known] {
        match kind {
            Kind::Event => &self.events,
            Kind::Effect => &self.effects,
        }
    }

    /// The entries of all with this name, or maps of name and entries of all.
    pub fn list(&self, kind: Kind, name: Option<&str>) -> Value {
        let all = self.all(kind).iter();
        let entry = |(title, data): &Known| {
            let name = ("name".to_owned(), Value::Text(title.clone()));
            Value::Map(BTreeMap::from([name, ("data".to_owned(), data.clone())]))
        };
        Value::List(match name {
            None => all.map(entry).collect(),
            Some(name) => all
                .filter(|(title, _)| title == name)
                .map(|(_, data)| data.clone())
                .collect(),
        })
    }

    /// Whether there is one with this name and at least these entries.
    pub fn has(&self, kind: Kind, name: &str, entries: &Value) -> bool {
        let mut all = self.all(kind).iter();
        all.any(|(title, data)| title == name && has_entries(data, entries))
    }

    /// All of them.
    pub fn seen(&self, kind: Kind) -> impl Iterator<Item = (&str, &Value)> {
        let all = self.all(kind).iter();
        all.map(|(title, data)| (title.as_str(), data))
    }
}
