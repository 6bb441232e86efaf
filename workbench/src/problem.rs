//! What a person or a program is told when something does not work: what was wrong, where, and what to do next.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An error as the API answers it and as the command line shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub struct Problem {
    /// The line in the given text, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// The column in that line, from 1, counting characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// A stable short code.
    pub code: String,
    /// What was wrong.
    pub reason: String,
    /// What to do next.
    pub mend: String,
}

impl Problem {
    /// A problem that has no place in a text.
    pub fn new(
        code: impl Into<String>,
        reason: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self {
            line: None,
            column: None,
            code: code.into(),
            reason: reason.into(),
            mend: mend.into(),
        }
    }

    /// From an error whose text says the mend after its last semicolon, as the errors of the libraries do.
    pub fn of(code: impl Into<String>, error: impl fmt::Display) -> Self {
        let text = error.to_string();
        match text.rsplit_once("; ") {
            Some((reason, mend)) => Self::new(code, reason, mend),
            None => Self::new(code, text, ""),
        }
    }

    /// A file or directory that cannot be used.
    pub fn file(doing: &str, path: &std::path::Path, error: std::io::Error) -> Self {
        let reason = format!("cannot {doing} {}: {error}", path.display());
        Self::new("file", reason, "check the path and its permissions")
    }

    /// The same, with a place in a text.
    pub fn at(mut self, line: u32, column: u32) -> Self {
        (self.line, self.column) = (Some(line), Some(column));
        self
    }

    /// `{"error": …}`, as the API and `--json` give it.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({ "error": self })
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let (Some(line), Some(column)) = (self.line, self.column) {
            write!(formatter, "line {line}, column {column}: ")?;
        }
        write!(formatter, "{}", self.reason)?;
        if !self.mend.is_empty() {
            write!(formatter, "\n  {}", self.mend)?;
        }
        Ok(())
    }
}

impl From<circle::rejection::Rejection> for Problem {
    fn from(rejection: circle::rejection::Rejection) -> Self {
        Self::of(rejection.code.clone(), &rejection.message)
    }
}

impl From<circle::state::StoreFault> for Problem {
    fn from(fault: circle::state::StoreFault) -> Self {
        Self::of("node.store", fault)
    }
}

impl From<threescript::action::ActionError> for Problem {
    fn from(error: threescript::action::ActionError) -> Self {
        Self::new(error.code, error.reason, error.mend).at(error.line, error.column)
    }
}

/// A fault in a file, as `--json` gives it.
pub fn fault_json(fault: &threescript::policy::Diagnostic) -> serde_json::Value {
    serde_json::json!({
        "file": fault.file, "line": fault.line, "column": fault.column,
        "code": fault.code, "reason": fault.reason, "mend": fault.mend,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_says_where_what_and_the_mend() {
        let plain = Problem::of("store", "the disk is full; free some space");
        assert_eq!(plain.to_string(), "the disk is full\n  free some space");
        assert_eq!(
            plain.to_json().to_string(),
            r#"{"error":{"code":"store","reason":"the disk is full","mend":"free some space"}}"#
        );
        let placed = Problem::new("bare_word", "`x`", "quote it").at(3, 7);
        assert_eq!(placed.to_string(), "line 3, column 7: `x`\n  quote it");
    }
}
