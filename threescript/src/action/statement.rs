//! What a text of actions says, before anything is known about types.

use super::{Fault, Mark};

/// A place in a text. Lines and columns count from 1; columns count characters, not bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
}

/// An action as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// What it does.
    pub mark: Mark,
    /// Who does it.
    pub actor: String,
    /// What is done.
    pub name: String,
    /// The parameters in written order; no name appears twice, nor as a parameter and a flag.
    pub params: Vec<Param>,
    /// The flags in written order.
    pub flags: Vec<Flag>,
    /// Where its mark stands.
    pub position: Position,
}

/// A parameter as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Param {
    /// Its name.
    pub key: String,
    /// Its value.
    pub value: Raw,
    /// Where its name stands.
    pub position: Position,
    /// Where each value stands: behind the opening quote, and for a value of several lines its first character.
    pub value_positions: Vec<Position>,
}

impl Param {
    /// Where the value begins.
    pub fn value_position(&self) -> Position {
        self.value_positions
            .first()
            .copied()
            .unwrap_or(self.position)
    }
}

/// A value without its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Raw {
    /// One value; a list of one item is written the same.
    One(String),
    /// A list of two or more items.
    Many(Vec<String>),
}

/// A bare word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flag {
    /// The word.
    pub name: String,
    /// Where it stands.
    pub position: Position,
}

/// Why a text is not accepted, where, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {reason}; {mend}")]
pub struct ActionError {
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
    /// A stable short name of the reason.
    pub code: &'static str,
    /// What is wrong.
    pub reason: String,
    /// How to mend it.
    pub mend: String,
}

impl ActionError {
    /// A stable short name of the reason, which may enter digests.
    pub fn code(&self) -> &'static str {
        self.code
    }

    pub(super) fn at(
        position: Position,
        code: &'static str,
        reason: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        let Position { line, column } = position;
        Self {
            line,
            column,
            code,
            reason: reason.into(),
            mend: mend.into(),
        }
    }
}

impl Fault {
    pub(super) fn at(self, position: Position) -> ActionError {
        ActionError::at(position, self.code, self.reason, self.mend)
    }
}
