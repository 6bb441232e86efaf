//! Tests of policies: files `NAME.test.3script`, run on scratch circles.

mod compare;
mod host;
mod property;
mod runner;
mod suite;
mod turn;
mod words;

pub use host::{Bench, TestHost, Watcher};
pub use property::Failing;
pub use runner::{Report, Settings, run_file};
pub(crate) use suite::{ENDING, find_policy, shown};
pub use suite::{Suite, find_files, load, load_text};
pub use words::{catalog, limits};

use serde::Serialize;

/// Why a test failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// A stable short code: of the policy or the language, or `test.…` for what only tests have.
    pub code: String,
    /// Where in the file of tests; line 0 if nowhere.
    pub place: Spot,
    /// What went wrong.
    pub reason: String,
    /// What to do about it; may be empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub mend: String,
    /// How values differ, a line each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<String>,
    /// What was submitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub submitted: Option<String>,
    /// Where in a policy it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused_at: Option<Spot>,
}

/// A place in a file, with its line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Spot {
    /// The file, as it was named.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The character in the line, from 1.
    pub column: u32,
    /// The text of the line.
    pub text: String,
}

impl Spot {
    /// A place in a source.
    pub fn new(file: &str, source: &str, line: u32, column: u32) -> Self {
        let text = source.lines().nth(line.saturating_sub(1) as usize);
        Self {
            file: file.to_owned(),
            line,
            column,
            text: text.unwrap_or_default().to_owned(),
        }
    }

    /// The line with a caret under the place.
    pub fn excerpt(&self) -> Vec<String> {
        let number = self.line.to_string();
        let margin = " ".repeat(number.len());
        let blank = |character: char| if character == '\t' { '\t' } else { ' ' };
        let before = self
            .text
            .chars()
            .take(self.column.saturating_sub(1) as usize);
        let indent: String = before.map(blank).collect();
        vec![
            format!("{number} | {}", self.text),
            format!("{margin} | {indent}^"),
        ]
    }
}

impl std::fmt::Display for Spot {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            0 => write!(formatter, "{}", self.file),
            _ => write!(formatter, "{}:{}:{}", self.file, self.line, self.column),
        }
    }
}

impl Failure {
    /// The lines that people read.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("{}: {} [{}]", self.place, self.reason, self.code)];
        lines.extend(self.differences.iter().map(|line| format!("  {line}")));
        if self.place.line > 0 {
            lines.extend(self.place.excerpt());
        }
        if let Some(submitted) = &self.submitted {
            lines.push(format!(
                "submitted: {}",
                submitted.trim_end().replace('\n', "\n  ")
            ));
        }
        if let Some(spot) = &self.refused_at {
            lines.push(format!("refused at {spot}"));
            lines.extend(spot.excerpt());
        }
        if !self.mend.is_empty() {
            lines.push(format!("= {}", self.mend));
        }
        lines
    }
}
