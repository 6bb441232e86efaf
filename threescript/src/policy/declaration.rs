//! What a policy file declares.

use super::diagnostic::Place;
use crate::action::{ParamDecl, Type};
use crate::value::Value;
use std::ops::Range;

/// Who may run an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallerRule {
    /// A guardian: a caller with the role `guardian`.
    Guardian,
    /// A caller with this role.
    Role(String),
    /// The account that this parameter names.
    Account(String),
    /// Any registered account.
    Anyone,
    /// The circle itself: an enacted script or a schedule.
    Circle,
    /// The schedule of the policy.
    Schedule,
}

/// What kind of thing a policy offers to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// Changes state when somebody submits it.
    Action,
    /// Reads state; never writes.
    Ask,
    /// Runs on a schedule, as the circle.
    Every,
}

/// A declared action, question or schedule.
#[derive(Clone, Debug)]
pub struct EntryDecl {
    /// Which of the three.
    pub kind: EntryKind,
    /// Its name.
    pub name: String,
    /// The doc lines above it, joined by new lines.
    pub doc: String,
    /// Its parameters in the declared order, each with type, default and doc lines.
    pub params: Vec<ParamDecl>,
    /// Who may run it: any one of these suffices. Empty for a question, which anybody may ask.
    pub callers: Vec<CallerRule>,
    /// For a schedule, the seconds between two runs.
    pub period_seconds: Option<i64>,
    /// Where its name stands.
    pub place: Place,
    pub(crate) body: Range<usize>,
}

/// A declared constant.
#[derive(Clone, Debug)]
pub struct ConstDecl {
    /// Its name.
    pub name: String,
    /// The doc lines above it.
    pub doc: String,
    /// Its value.
    pub value: Value,
    pub(crate) place: Place,
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub ty: Type,
    /// Whether it may be empty, `()`.
    pub optional: bool,
    /// Whether queries find rows by it without reading the others.
    pub indexed: bool,
    /// The doc lines above it.
    pub doc: String,
}

/// A declared table.
#[derive(Clone, Debug)]
pub struct TableDecl {
    /// Its name.
    pub name: String,
    /// The doc lines above it.
    pub doc: String,
    /// Its columns in the declared order, which is also the order in the encoded row.
    pub columns: Vec<Column>,
    /// The columns that make up the key, as indexes into `columns`.
    pub key: Vec<usize>,
    pub(crate) place: Place,
}

impl TableDecl {
    /// Whether `insert` numbers the rows: the key is one column of type `id`.
    pub fn numbers_rows(&self) -> bool {
        matches!(self.key[..], [column] if self.columns[column].ty == Type::Id)
    }

    /// The position of a column.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }
}

/// A helper function of the bodies.
#[derive(Clone, Debug)]
pub(crate) struct FunctionDecl {
    pub name: String,
    pub params: Vec<String>,
    pub place: Place,
    /// From `fn` to behind the closing brace.
    pub range: Range<usize>,
}

/// All declarations of one file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Header {
    pub name: String,
    pub version: u32,
    pub doc: String,
    pub consts: Vec<ConstDecl>,
    pub tables: Vec<TableDecl>,
    pub entries: Vec<EntryDecl>,
    pub functions: Vec<FunctionDecl>,
}
