//! What a policy file declares.

use super::diagnostic::Place;
use super::param::PolicyParam;
use crate::action::{ParamDecl, Type};
use crate::formula::Expression;
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
    /// Runs after an event of another policy or of the kernel, as the circle.
    On,
    /// Is checked at the end of what touched the policy's rows; never writes.
    Invariant,
}

impl EntryKind {
    /// Whether its bodies may only read.
    pub fn reads_only(self) -> bool {
        matches!(self, Self::Ask | Self::Invariant)
    }
}

/// A declared action, question, schedule, reaction or invariant.
#[derive(Clone, Debug)]
pub struct EntryDecl {
    /// Which of these.
    pub kind: EntryKind,
    /// Its name; for a reaction, the actor and the event joined by a point.
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

/// Constants that are taken from another installed policy.
#[derive(Clone, Debug)]
pub struct UseDecl {
    /// The name of that policy.
    pub policy: String,
    /// Its hash.
    pub hash: [u8; 32],
    /// The doc lines above.
    pub doc: String,
    /// The constants.
    pub names: Vec<UsedName>,
    /// Where the name of the policy stands.
    pub place: Place,
}

/// One name in a [`UseDecl`].
#[derive(Clone, Debug)]
pub struct UsedName {
    /// The constant.
    pub name: String,
    /// Where it stands.
    pub place: Place,
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

/// A declared formula.
#[derive(Clone, Debug)]
pub struct FormulaDecl {
    /// Its name.
    pub name: String,
    /// The doc lines above it.
    pub doc: String,
    /// Its parameters in the declared order. Over the rows of a query, they are the columns of the same name; where such a
    /// column is empty, the default takes its place.
    pub params: Vec<ParamDecl>,
    /// What it gives.
    pub result: Type,
    /// Where its name stands.
    pub place: Place,
    pub(crate) body: Expression,
}

/// All declarations of one file.
#[derive(Clone, Debug)]
pub(crate) struct Header {
    pub name: String,
    pub version: u32,
    pub doc: String,
    pub place: Place,
    pub uses: Vec<UseDecl>,
    /// Its own constants, and behind them those that it uses of others.
    pub consts: Vec<ConstDecl>,
    pub params: Vec<PolicyParam>,
    pub tables: Vec<TableDecl>,
    pub entries: Vec<EntryDecl>,
    pub functions: Vec<FunctionDecl>,
    pub formulas: Vec<FormulaDecl>,
}

impl Default for Header {
    fn default() -> Self {
        Self {
            name: String::new(),
            version: 0,
            doc: String::new(),
            place: Place::START,
            uses: Vec::new(),
            consts: Vec::new(),
            params: Vec::new(),
            tables: Vec::new(),
            entries: Vec::new(),
            functions: Vec::new(),
            formulas: Vec::new(),
        }
    }
}
