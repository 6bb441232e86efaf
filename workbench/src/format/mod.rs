//! One style for policies and their tests: header and bodies, with every comment kept.
//!
//! Four columns of indentation, spaces around operators, one empty line at most, lines of at most 120 columns. What has
//! parts in brackets stands on one line if it fits, and otherwise has one part on each line, with a comma behind the last.
//! A map, a list, a table or a block of one statement that the author opened with a new line stays open.

mod declaration;
mod expression;
mod layout;
mod statement;
mod token;

#[cfg(test)]
mod tests;

use expression::Parser;
use token::{Kind, Token};

/// Why a file cannot be formatted. Nothing is changed then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {reason}; {mend}")]
pub struct FormatError {
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1, in characters.
    pub column: u32,
    /// A stable short name: `syntax`, `unterminated`, `too_deep` or `formatter`.
    pub code: &'static str,
    /// What was wrong.
    pub reason: String,
    /// What to do about it.
    pub mend: String,
}

impl FormatError {
    fn new(
        line: u32,
        column: u32,
        code: &'static str,
        reason: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self {
            line,
            column,
            code,
            reason: reason.into(),
            mend: mend.into(),
        }
    }
}

/// After so many rounds a file is as formatted as it gets.
const ROUNDS_MAX: usize = 8;

/// The file in the one style. Its words and comments are the same, but for commas before closing brackets.
///
/// Errors: [`FormatError`] if the file is not one of 3Script; `formatter` if the result would say something else, which
/// is a fault of this function.
pub fn format(source: &str) -> Result<String, FormatError> {
    // Files with carriage returns are no policies; their lines are.
    let mut formatted = once(&source.replace("\r\n", "\n"))?;
    // Comments within a line may come to stand where they take part in another decision about lines.
    for _ in 0..ROUNDS_MAX {
        let again = once(&formatted)?;
        if again == formatted {
            break;
        }
        formatted = again;
    }
    Ok(formatted)
}

fn once(source: &str) -> Result<String, FormatError> {
    let tokens = token::read(source)?;
    let doc = Parser::new(&tokens).file()?;
    let formatted = layout::print(&doc);
    let again = token::read(&formatted)?;
    match first_difference(&tokens, &again) {
        None => Ok(formatted),
        Some(token) => Err(FormatError::new(
            token.line,
            token.column,
            "formatter",
            format!("`{}` would be lost or changed", token.text),
            "this is a fault of the formatter; the file is left as it is, please report it",
        )),
    }
}

/// The first word that is not the same in both; commas before closing brackets do not count.
fn first_difference<'a>(before: &'a [Token], after: &[Token]) -> Option<&'a Token> {
    let words = |tokens: &[Token]| {
        let closes = |token: &Token| {
            matches!(token.text.as_str(), ")" | "]" | "}") && token.kind == Kind::Sign
        };
        let kept = |at: &usize| !(tokens[*at].is(",") && tokens.get(at + 1).is_some_and(closes));
        (0..tokens.len()).filter(kept).collect::<Vec<usize>>()
    };
    let comments = |tokens: &[Token]| {
        // Those before and behind a comma may become one.
        let comments = tokens.iter().flat_map(|token| &token.comments);
        comments
            .flat_map(|comment| comment.text.split_whitespace())
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let (left, right) = (words(before), words(after));
    let differ = left.iter().zip(&right).find(|(left, right)| {
        let (left, right) = (&before[**left], &after[**right]);
        (left.kind, &left.text) != (right.kind, &right.text)
    });
    match differ {
        Some((left, _)) => Some(&before[*left]),
        None if left.len() != right.len() || comments(before) != comments(after) => before.last(),
        None => None,
    }
}

/// A word of a file, for those who look for something in it.
#[derive(Clone, Debug)]
pub struct Word {
    /// The word as written.
    pub text: String,
    /// Its line, from 1.
    pub line: u32,
    /// Its column, from 1, in characters.
    pub column: u32,
}

impl Word {
    /// The line that it ends on: texts may have several.
    pub fn last_line(&self) -> u32 {
        self.line + self.text.matches('\n').count() as u32
    }
}

/// The words of a file without its comments.
pub fn words(source: &str) -> Result<Vec<Word>, FormatError> {
    let tokens = token::read(source)?;
    let tokens = tokens.into_iter().filter(|token| token.kind != Kind::End);
    Ok(tokens
        .map(|token| Word {
            text: token.text,
            line: token.line,
            column: token.column,
        })
        .collect())
}
