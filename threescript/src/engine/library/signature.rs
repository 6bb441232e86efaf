//! What functions of the library take and give: the arguments of a call are checked against this before anything runs.
//!
//! Each function is registered with its form, `replace(whole, old, new)`, and its cases, `text, text, text -> text`.
//! Several cases are separated by `;`; the first one that the arguments fit says the result. A place that takes several
//! kinds names them with `|` between.

use super::Native;
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// What stands at one place of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Any,
    Nothing,
    /// The function does not come back.
    Never,
    Bool,
    Int,
    Decimal,
    Amount,
    Percent,
    Duration,
    Time,
    Text,
    Bytes,
    Account,
    Id,
    Script,
    List,
    Map,
    Range,
    Block,
    Caller,
    Table,
    Query,
    /// A value of any kind that has an order.
    Ordered,
    /// A value of a key column; the first one of the first, and so on.
    Key,
    /// A value of the column that another argument names.
    Value,
    /// A map of columns, and the same for a row that is complete.
    Entries,
    NewRow,
    /// Texts with a meaning.
    Column,
    /// The name of a formula.
    Formula,
    Relation,
    Rounding,
    Asset,
    Code,
    Event,
    Effect,
    /// Results: like the first argument; like the first or the second; an item of the list that is the first; a row of
    /// the table; the sum of a column; the groups of `sum_by`; lists and maps of these.
    Same,
    Either,
    Item,
    Row,
    Total,
    Group,
    /// The sum of what the named formula gives, and the groups of `total_by`.
    Computed,
    ComputedGroup,
    ListOf(Box<Shape>),
    MapOf(Box<Shape>),
}

/// The words of cases. Some stand for several shapes.
const WORDS: [(&str, &[Shape]); 45] = [
    ("any", &[Shape::Any]),
    ("nothing", &[Shape::Nothing]),
    ("never", &[Shape::Never]),
    ("bool", &[Shape::Bool]),
    ("int", &[Shape::Int]),
    ("decimal", &[Shape::Decimal]),
    ("number", &[Shape::Int, Shape::Decimal]),
    ("amount", &[Shape::Amount]),
    ("percent", &[Shape::Percent]),
    ("duration", &[Shape::Duration]),
    ("time", &[Shape::Time]),
    ("text", &[Shape::Text]),
    ("bytes", &[Shape::Bytes]),
    ("account", &[Shape::Account]),
    ("id", &[Shape::Id]),
    ("script", &[Shape::Script]),
    ("list", &[Shape::List]),
    ("map", &[Shape::Map]),
    ("range", &[Shape::Range]),
    ("block", &[Shape::Block]),
    ("caller", &[Shape::Caller]),
    ("table", &[Shape::Table]),
    ("query", &[Shape::Query]),
    ("rows", &[Shape::Table, Shape::Query]),
    ("ordered", &[Shape::Ordered]),
    ("key", &[Shape::Key]),
    ("value", &[Shape::Value]),
    ("entries", &[Shape::Entries]),
    ("new_row", &[Shape::NewRow]),
    ("column", &[Shape::Column]),
    ("formula", &[Shape::Formula]),
    ("relation", &[Shape::Relation]),
    ("rounding", &[Shape::Rounding]),
    ("asset", &[Shape::Asset]),
    ("code", &[Shape::Code]),
    ("event", &[Shape::Event]),
    ("effect", &[Shape::Effect]),
    ("same", &[Shape::Same]),
    ("either", &[Shape::Either]),
    ("item", &[Shape::Item]),
    ("row", &[Shape::Row]),
    ("total", &[Shape::Total]),
    ("group", &[Shape::Group]),
    ("computed", &[Shape::Computed]),
    ("computed_group", &[Shape::ComputedGroup]),
];

/// One way to call a function.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// For each argument, what it may be.
    pub params: Vec<Vec<Shape>>,
    /// What comes back: one of these.
    pub result: Vec<Shape>,
}

/// All ways to call a function with one number of arguments.
#[derive(Clone, Debug)]
pub(crate) struct Signature {
    pub native: &'static Native,
    /// The names of the arguments; empty for a property.
    pub params: Vec<&'static str>,
    pub cases: Vec<Case>,
}

/// The signature of a function by name and number of arguments.
pub(crate) fn function(name: &str, arity: usize) -> Option<&'static Signature> {
    signatures()
        .functions
        .get(name)?
        .iter()
        .find(|signature| signature.native.arity() == arity)
}

/// All signatures of a name, by the number of arguments.
pub(crate) fn functions(name: &str) -> &'static [Signature] {
    signatures().functions.get(name).map_or(&[], Vec::as_slice)
}

/// The signature of a property.
pub(crate) fn property(name: &str) -> Option<&'static Signature> {
    signatures().properties.get(name)
}

/// The names of the functions.
pub(crate) fn names<'a>() -> impl Iterator<Item = &'a str> {
    signatures()
        .functions
        .keys()
        .map(|name| -> &'a str { name })
}

/// The names of the properties.
pub(crate) fn properties() -> impl Iterator<Item = &'static str> {
    signatures().properties.keys().copied()
}

struct Signatures {
    functions: BTreeMap<&'static str, Vec<Signature>>,
    properties: BTreeMap<&'static str, Signature>,
}

fn signatures() -> &'static Signatures {
    static READ: OnceLock<Signatures> = OnceLock::new();
    READ.get_or_init(|| {
        let mut read = Signatures {
            functions: BTreeMap::new(),
            properties: BTreeMap::new(),
        };
        for native in super::natives() {
            let signature = Signature {
                native,
                params: native.params(),
                cases: native.cases.split(';').filter_map(case).collect(),
            };
            match native.property {
                true => {
                    read.properties.insert(native.name(), signature);
                }
                false => read
                    .functions
                    .entry(native.name())
                    .or_default()
                    .push(signature),
            }
        }
        for functions in read.functions.values_mut() {
            functions.sort_by_key(|signature| signature.native.arity());
        }
        read
    })
}

/// `text, int -> text`; a case that cannot be read is left out, which a test rules out.
fn case(text: &str) -> Option<Case> {
    let (params, result) = text.split_once("->")?;
    let params = params.split(',').map(shapes).collect::<Option<_>>()?;
    Some(Case {
        params,
        result: shapes(result)?,
    })
}

fn shapes(text: &str) -> Option<Vec<Shape>> {
    let read = text.split('|').map(|word| shape(word.trim()));
    Some(read.collect::<Option<Vec<_>>>()?.concat())
}

fn shape(word: &str) -> Option<Vec<Shape>> {
    let inner = |name: &str| word.strip_prefix(name)?.strip_suffix(')');
    if let Some(item) = inner("list(") {
        return Some(vec![Shape::ListOf(Box::new(shape(item)?.pop()?))]);
    }
    if let Some(item) = inner("map(") {
        return Some(vec![Shape::MapOf(Box::new(shape(item)?.pop()?))]);
    }
    let known = WORDS.iter().find(|(known, _)| *known == word);
    known.map(|(_, shapes)| shapes.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signature_can_be_read_and_fits_its_form() {
        for native in super::super::natives() {
            let name = native.name();
            for text in native.cases.split(';') {
                let case = case(text).unwrap_or_else(|| panic!("{name}: {text}"));
                assert_eq!(case.params.len(), native.arity(), "{name}: {text}");
            }
            assert!(
                native.property || native.params().len() == native.arity(),
                "{name}"
            );
        }
    }

    #[test]
    fn no_function_is_there_twice() {
        for native in super::super::natives().filter(|native| !native.property) {
            let same = functions(native.name()).iter();
            let same = same.filter(|other| other.native.arity() == native.arity());
            assert_eq!(same.count(), 1, "{}", native.form);
        }
    }
}
