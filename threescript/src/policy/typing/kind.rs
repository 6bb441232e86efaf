//! What is known about a value before a policy runs.
//!
//! A type is the set of kinds that a value may have. The checker reports only what fails for every one of them, so a type
//! that says too much never causes an alarm about a correct policy: it only hides a fault.

use crate::action::Type;
use crate::policy::declaration::TableDecl;
use crate::value::Value;
use std::collections::BTreeMap;
use std::rc::Rc;

/// The most kinds of text that are told apart in one type.
const MAX_WORDS: usize = 8;
/// The most parts of one type; what has more is taken as known less well.
const MAX_PARTS: usize = 256;

/// What a value may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ty {
    /// Anything.
    Any,
    /// One of these kinds. None of them: no value gets here, as behind `fail(…)`.
    Of(Vec<Kind>),
}

/// What is known of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Words {
    Any,
    /// This one: a literal or a constant.
    Literal(Rc<str>),
    /// One of these, by a declaration.
    Choice(Rc<[String]>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Nothing,
    Bool,
    Int,
    Decimal,
    Amount,
    Percent,
    Duration,
    Time,
    Text(Words),
    Bytes,
    Account,
    Id,
    Script,
    List(Rc<Ty>),
    Map(Rc<MapTy>),
    /// Handles: a table or a query of it, by the table's number; a module of the circle; `block`; `caller`; `a..b`.
    Table(usize),
    Query(usize),
    Module(Rc<str>),
    Block,
    Caller,
    Range,
}

/// A map whose entries are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct MapTy {
    pub entries: BTreeMap<String, Ty>,
    /// Whether there may be others.
    pub open: bool,
    /// The table that it is a row of.
    pub table: Option<Rc<str>>,
}

impl Ty {
    pub const NEVER: Self = Self::Of(Vec::new());

    pub fn one(kind: Kind) -> Self {
        Self::Of(vec![kind])
    }

    pub fn nothing() -> Self {
        Self::one(Kind::Nothing)
    }

    pub fn bool() -> Self {
        Self::one(Kind::Bool)
    }

    pub fn int() -> Self {
        Self::one(Kind::Int)
    }

    pub fn text() -> Self {
        Self::one(Kind::Text(Words::Any))
    }

    pub fn list(item: Ty) -> Self {
        let item = if item.parts() > MAX_PARTS {
            Self::Any
        } else {
            item
        };
        Self::one(Kind::List(Rc::new(item)))
    }

    pub fn map(map: MapTy) -> Self {
        let parts: usize = map.entries.values().map(Ty::parts).sum();
        if parts > MAX_PARTS {
            return Self::open_map();
        }
        Self::one(Kind::Map(Rc::new(map)))
    }

    /// A map of which nothing is known.
    pub fn open_map() -> Self {
        let map = MapTy {
            open: true,
            ..MapTy::default()
        };
        Self::one(Kind::Map(Rc::new(map)))
    }

    /// What a declared type holds.
    pub fn of_type(ty: &Type) -> Self {
        Self::one(match ty {
            Type::Any => return Self::Any,
            Type::List(item) => return Self::list(Self::of_type(item)),
            Type::Map => return Self::open_map(),
            Type::OneOf(choices) => Kind::Text(Words::Choice(choices.as_slice().into())),
            Type::Bool => Kind::Bool,
            Type::Int | Type::Size => Kind::Int,
            Type::Decimal => Kind::Decimal,
            Type::Amount => Kind::Amount,
            Type::Percent => Kind::Percent,
            Type::Duration => Kind::Duration,
            Type::Time => Kind::Time,
            Type::Text => Kind::Text(Words::Any),
            Type::Bytes => Kind::Bytes,
            Type::Account => Kind::Account,
            Type::Id => Kind::Id,
            Type::Script => Kind::Script,
        })
    }

    /// What a constant is.
    pub fn of_value(value: &Value) -> Self {
        Self::one(match value {
            Value::Unit => Kind::Nothing,
            Value::Bool(_) => Kind::Bool,
            Value::Int(_) => Kind::Int,
            Value::Decimal(_) => Kind::Decimal,
            Value::Amount(_) => Kind::Amount,
            Value::Percent(_) => Kind::Percent,
            Value::Duration(_) => Kind::Duration,
            Value::Time(_) => Kind::Time,
            Value::Text(text) => Kind::Text(Words::Literal(text.as_str().into())),
            Value::Bytes(_) => Kind::Bytes,
            Value::Account(_) => Kind::Account,
            Value::Id(_) => Kind::Id,
            Value::Script(_) => Kind::Script,
            Value::List(items) => {
                let items = items.iter().map(Self::of_value);
                return Self::list(items.fold(Self::NEVER, Self::join));
            }
            Value::Map(entries) => {
                let entries = entries.iter();
                let entries = entries.map(|(name, value)| (name.clone(), Self::of_value(value)));
                return Self::map(MapTy {
                    entries: entries.collect(),
                    ..MapTy::default()
                });
            }
        })
    }

    /// A row of a table.
    pub fn row(table: &TableDecl) -> Self {
        let columns = table.columns.iter();
        let entries = columns.map(|column| {
            let ty = Self::of_type(&column.ty);
            let ty = if column.optional {
                ty.join(Self::nothing())
            } else {
                ty
            };
            (column.name.clone(), ty)
        });
        // Not through `map`, which forgets the entries of large ones: a declared row is as large as it is.
        Self::one(Kind::Map(Rc::new(MapTy {
            entries: entries.collect(),
            open: false,
            table: Some(table.name.as_str().into()),
        })))
    }

    pub fn is_never(&self) -> bool {
        matches!(self, Self::Of(kinds) if kinds.is_empty())
    }

    /// The kinds, if they are known.
    pub fn kinds(&self) -> Option<&[Kind]> {
        match self {
            Self::Any => None,
            Self::Of(kinds) => Some(kinds),
        }
    }

    /// The only text that it can be.
    pub fn literal(&self) -> Option<&str> {
        match self.kinds()? {
            [Kind::Text(Words::Literal(text))] => Some(text),
            _ => None,
        }
    }

    /// Whether some value of this type passes a test; nothing is known of what has no value.
    pub fn may(&self, test: impl Fn(&Kind) -> bool) -> bool {
        self.kinds()
            .is_none_or(|kinds| kinds.is_empty() || kinds.iter().any(test))
    }

    /// Either of two.
    pub fn join(self, other: Self) -> Self {
        let (Self::Of(mut kinds), Self::Of(others)) = (self, other) else {
            return Self::Any;
        };
        for kind in others {
            add(&mut kinds, kind);
        }
        Self::Of(kinds)
    }

    /// The names of the kinds, as errors at run time write them.
    pub fn describe(&self) -> String {
        let Some(kinds) = self.kinds() else {
            return "anything".to_owned();
        };
        let mut names: Vec<&str> = kinds.iter().map(Kind::name).collect();
        names.dedup();
        names.join(" or ")
    }

    fn parts(&self) -> usize {
        let parts = |kind: &Kind| match kind {
            Kind::List(item) => item.parts(),
            Kind::Map(map) => map.entries.values().map(Ty::parts).sum(),
            _ => 0,
        };
        self.kinds()
            .map_or(1, |kinds| kinds.iter().map(parts).sum::<usize>() + 1)
    }
}

impl Kind {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Decimal => "decimal",
            Self::Amount => "amount",
            Self::Percent => "percent",
            Self::Duration => "duration",
            Self::Time => "time",
            Self::Text(_) => "text",
            Self::Bytes => "bytes",
            Self::Account => "account",
            Self::Id => "id",
            Self::Script => "script",
            Self::List(_) => "list",
            Self::Map(_) => "map",
            Self::Table(_) => "table",
            Self::Query(_) => "query",
            Self::Module(_) => "module",
            Self::Block | Self::Caller => "handle",
            Self::Range => "range",
        }
    }

    /// Whether it can be kept: handles, queries and ranges cannot.
    pub fn is_value(&self) -> bool {
        !matches!(
            self,
            Self::Table(_)
                | Self::Query(_)
                | Self::Module(_)
                | Self::Block
                | Self::Caller
                | Self::Range
        )
    }
}

fn add(kinds: &mut Vec<Kind>, kind: Kind) {
    if kinds.contains(&kind) {
        return;
    }
    let same = |other: &&mut Kind| std::mem::discriminant(*other) == std::mem::discriminant(&kind);
    match &kind {
        Kind::Text(words) => {
            let texts = kinds
                .iter()
                .filter(|other| matches!(other, Kind::Text(_)))
                .count();
            if kinds.contains(&Kind::Text(Words::Any)) {
                return;
            }
            if *words == Words::Any || texts >= MAX_WORDS {
                kinds.retain(|other| !matches!(other, Kind::Text(_)));
                kinds.push(Kind::Text(Words::Any));
                return;
            }
        }
        Kind::List(item) => {
            if let Some(Kind::List(other)) = kinds.iter_mut().find(same) {
                let joined = Ty::clone(other).join(Ty::clone(item));
                let joined = if joined.parts() > MAX_PARTS {
                    Ty::Any
                } else {
                    joined
                };
                *other = Rc::new(joined);
                return;
            }
        }
        Kind::Map(map) => {
            if let Some(Kind::Map(other)) = kinds.iter_mut().find(same) {
                *other = Rc::new(merge(other, map));
                return;
            }
        }
        _ => {}
    }
    kinds.push(kind);
}

/// A map that is one of two: it may have the entries of both.
fn merge(a: &MapTy, b: &MapTy) -> MapTy {
    let mut entries = a.entries.clone();
    for (name, ty) in &b.entries {
        let entry = entries.entry(name.clone()).or_insert(Ty::NEVER);
        *entry = std::mem::replace(entry, Ty::NEVER).join(ty.clone());
    }
    if entries.values().map(Ty::parts).sum::<usize>() > MAX_PARTS {
        return MapTy {
            open: true,
            ..MapTy::default()
        };
    }
    MapTy {
        entries,
        open: a.open || b.open,
        table: a.table.clone().filter(|_| a.table == b.table),
    }
}

/// Whether a value may be put where a declared type is wanted; the conversions are those of running.
///
/// Errors: what is wanted and what is given, if no value of the type fits.
pub(crate) fn fit(ty: &Type, given: &Ty) -> Result<(), String> {
    let Some(kinds) = given.kinds() else {
        return Ok(());
    };
    let mut refused = None;
    for kind in kinds {
        match fit_kind(ty, kind) {
            Ok(()) => return Ok(()),
            Err(reason) => refused = refused.or(reason),
        }
    }
    if kinds.is_empty() {
        return Ok(());
    }
    let wanted = crate::policy::types::type_name(ty);
    Err(refused.unwrap_or_else(|| format!("{wanted} is wanted, {} is given", given.describe())))
}

/// Errors: a sentence, if there is more to say than the two kinds.
fn fit_kind(ty: &Type, kind: &Kind) -> Result<(), Option<String>> {
    let fits = match (ty, kind) {
        (_, kind) if !kind.is_value() => {
            return Err(Some(format!("a {} is not a value", kind.name())));
        }
        (Type::Any, _)
        | (Type::Bool, Kind::Bool)
        | (Type::Int | Type::Size | Type::Decimal | Type::Id, Kind::Int)
        | (Type::Decimal, Kind::Decimal)
        | (Type::Amount, Kind::Amount)
        | (Type::Percent, Kind::Percent)
        | (Type::Duration, Kind::Duration)
        | (Type::Time, Kind::Time)
        | (Type::Text, Kind::Text(_))
        | (Type::Bytes, Kind::Bytes)
        | (Type::Account, Kind::Account)
        | (Type::Id, Kind::Id)
        | (Type::Map, Kind::Map(_))
        | (Type::Script, Kind::Script) => true,
        (Type::Account, Kind::Text(Words::Literal(name))) => {
            if !crate::value::is_account(name) {
                let name = crate::policy::diagnostic::shorten(name);
                return Err(Some(format!("\"{name}\" cannot be an account")));
            }
            true
        }
        (Type::Account, Kind::Text(_)) => true,
        (Type::OneOf(choices), Kind::Text(words)) => {
            let allowed = |text: &str| choices.iter().any(|choice| choice == text);
            let fits = match words {
                Words::Any => true,
                Words::Literal(text) => allowed(text),
                Words::Choice(others) => others.iter().any(|other| allowed(other)),
            };
            if !fits {
                let given = match words {
                    Words::Literal(text) => crate::policy::diagnostic::shorten(text),
                    Words::Choice(others) => others.join("\" or \""),
                    Words::Any => String::new(),
                };
                return Err(Some(format!(
                    "\"{given}\" is not one of {}",
                    choices.join(", ")
                )));
            }
            true
        }
        (Type::List(item), Kind::List(given)) => {
            return fit(item, given).map_err(|reason| Some(format!("in the list, {reason}")));
        }
        _ => false,
    };
    if fits { Ok(()) } else { Err(None) }
}
