//! From lines to statements.

use super::lines::{decode, place, split};
use super::scanner::Scanner;
use super::{ActionError, Flag, Mark, Param, Position, Raw, Statement, is_name, writable};
use std::collections::BTreeSet;

/// Reads a text of actions. What lies between the actions is prose and means nothing.
///
/// Columns in errors count characters. Errors: see the table in the [module](super).
pub fn parse(text: &str) -> Result<Vec<Statement>, ActionError> {
    Parser {
        lines: split(text)?,
        next: 0,
        prose: true,
    }
    .statements()
}

/// Reads bytes that may not even be text. Errors: those of [`parse`], and `invalid_utf8`.
pub fn parse_bytes(bytes: &[u8]) -> Result<Vec<Statement>, ActionError> {
    parse(decode(bytes)?)
}

/// Reads the text of a script, where prose would be a forgotten mark.
pub(super) fn parse_script(text: &str) -> Result<Vec<Statement>, ActionError> {
    Parser {
        lines: split(text)?,
        next: 0,
        prose: false,
    }
    .statements()
}

struct Parser<'a> {
    lines: Vec<&'a str>,
    /// The line that is read next, from 0.
    next: usize,
    /// Whether prose is allowed between the actions.
    prose: bool,
}

impl<'a> Parser<'a> {
    fn statements(mut self) -> Result<Vec<Statement>, ActionError> {
        let mut statements = Vec::new();
        while let Some(line) = self.lines.get(self.next).copied() {
            let spaces = line.len() - line.trim_start_matches(' ').len();
            if spaces == line.len() {
                self.next += 1;
            } else if is_action_line(line) {
                statements.push(self.statement(line)?);
            } else if spaces > 0 {
                return Err(stray_line(line, place(self.next, spaces)));
            } else if self.prose {
                self.next += 1;
            } else {
                let mend = "begin each action of a script with its mark, as in !!vote.cast";
                return Err(ActionError::at(
                    place(self.next, 0),
                    "prose_in_script",
                    "a line that is no action",
                    mend,
                ));
            }
        }
        Ok(statements)
    }

    /// Reads an action and the indented lines that belong to it.
    fn statement(&mut self, line: &'a str) -> Result<Statement, ActionError> {
        let mut scanner = Scanner::new(line, self.next);
        let position = scanner.position();
        let mark = mark(&mut scanner)?;
        let name_position = scanner.position();
        let (actor, name) = split_name(scanner.take_until(&[' ']), name_position)?;
        let mut statement = Statement {
            mark,
            actor,
            name,
            params: Vec::new(),
            flags: Vec::new(),
            position,
        };
        let mut names = BTreeSet::new();
        self.next += 1;
        self.params(scanner, &mut statement, &mut names)?;
        while let Some(line) = self.lines.get(self.next).copied() {
            let content = line.trim_start_matches(' ');
            let spaces = line.len() - content.len();
            if content.is_empty() || spaces < 2 {
                break;
            }
            let scanner = Scanner::new(line, self.next);
            if content.starts_with('!') {
                return Err(stray_line(line, place(self.next, spaces)));
            }
            self.next += 1;
            self.params(scanner, &mut statement, &mut names)?;
        }
        Ok(statement)
    }

    /// Reads the parameters and flags of one line; a value of several lines takes more.
    fn params(
        &mut self,
        mut scanner: Scanner<'a>,
        statement: &mut Statement,
        names: &mut BTreeSet<&'a str>,
    ) -> Result<(), ActionError> {
        loop {
            scanner.skip_spaces();
            if scanner.is_at_end() {
                return Ok(());
            }
            let position = scanner.position();
            if scanner.rest().starts_with("//") {
                let mend =
                    "put the comment on a line of its own before the action, at the first column";
                return Err(ActionError::at(
                    position,
                    "comment_in_action",
                    "a comment inside an action",
                    mend,
                ));
            }
            let word = scanner.take_until(&[' ', ':']);
            if !is_name(word) {
                return Err(malformed_word(word, scanner.rest(), position));
            }
            if !names.insert(word) {
                let reason = format!("`{word}` is given twice");
                return Err(ActionError::at(
                    position,
                    "duplicate_parameter",
                    reason,
                    "keep one of the two",
                ));
            }
            if !scanner.take(':') {
                statement.flags.push(Flag {
                    name: word.to_owned(),
                    position,
                });
                continue;
            }
            if word == "id" {
                let reason = "`id:`, which other readers of 3Script drop as a sequence number";
                let mend = "name what it identifies, as in proposal:7";
                return Err(ActionError::at(position, "reserved_name", reason, mend));
            }
            let mut param = Param {
                key: word.to_owned(),
                value: Raw::One(String::new()),
                position,
                value_positions: Vec::new(),
            };
            let spaces = scanner.skip_spaces();
            if let Some(quote) = scanner.opens_block() {
                self.block(quote, scanner.position(), &mut param)?;
                statement.params.push(param);
                return Ok(());
            }
            scanner.value(spaces > 0, &mut param)?;
            statement.params.push(param);
        }
    }

    /// Reads a value of several lines, up to the line that holds only its quote.
    fn block(
        &mut self,
        quote: char,
        opening: Position,
        param: &mut Param,
    ) -> Result<(), ActionError> {
        let first = self.next;
        let mut indent = usize::MAX;
        loop {
            let Some(line) = self.lines.get(self.next).copied() else {
                let reason = format!("the value of `{}` is not closed", param.key);
                let mend = format!("close it with a line that holds only {quote}");
                return Err(ActionError::at(opening, "unterminated_quote", reason, mend));
            };
            let content = line.trim_matches(' ');
            if content.strip_prefix(quote) == Some("") {
                break;
            }
            let spaces = line.len() - line.trim_start_matches(' ').len();
            if let Some(fault) = writable::block_line_fault(line) {
                return Err(fault.at(place(self.next, spaces)));
            }
            if !content.is_empty() {
                indent = indent.min(spaces);
            }
            self.next += 1;
        }
        // Spaces are single bytes, so cutting the common indentation cuts at a character.
        let cut = |line: &&'a str| {
            if line.trim_matches(' ').is_empty() {
                ""
            } else {
                &line[indent..]
            }
        };
        let lines: Vec<&str> = self.lines[first..self.next].iter().map(cut).collect();
        let start = if indent == usize::MAX { 0 } else { indent };
        for (index, line) in lines.iter().enumerate() {
            // `@` matters only where the value begins, `$` everywhere.
            let fault = if index == 0 {
                writable::sequence_fault(line)
            } else {
                writable::inner_sequence_fault(line)
            };
            if let Some((at, fault)) = fault {
                return Err(fault.at(place(first + index, start + line[..at].chars().count())));
            }
        }
        self.next += 1;
        param.value_positions.push(place(first, start));
        param.value = Raw::One(lines.join("\n"));
        Ok(())
    }
}

/// `![` begins an image in Markdown, so that line is prose.
fn is_action_line(line: &str) -> bool {
    line.starts_with('!') && !line.starts_with("![")
}

/// A line that is neither prose nor part of an action, because of the spaces before it.
fn stray_line(line: &str, position: Position) -> ActionError {
    if is_action_line(line.trim_start_matches(' ')) {
        let mend = "begin it at the first column";
        return ActionError::at(position, "indented_action", "an action behind spaces", mend);
    }
    let reason = "an indented line that belongs to no action";
    let mend = "indent parameters by two spaces directly below their action, without a blank line; do not indent prose";
    ActionError::at(position, "stray_indent", reason, mend)
}

fn mark(scanner: &mut Scanner) -> Result<Mark, ActionError> {
    let position = scanner.position();
    let marks = scanner.take_while('!');
    match marks {
        1 => Ok(Mark::Ask),
        2 => Ok(Mark::Act),
        3 => Ok(Mark::World),
        _ => {
            let mend = "write ! to ask, !! to act in the circle, !!! to act on the world";
            Err(ActionError::at(
                position,
                "malformed_mark",
                format!("a mark of {marks} exclamation marks"),
                mend,
            ))
        }
    }
}

fn split_name(text: &str, position: Position) -> Result<(String, String), ActionError> {
    let parts: Vec<&str> = text.split('.').collect();
    if parts.contains(&"include") {
        let mend = "paste the text itself; nothing outside the text may change its meaning";
        return Err(ActionError::at(position, "include", "an include", mend));
    }
    match parts.as_slice() {
        [actor, name] if is_name(actor) && is_name(name) => {
            Ok(((*actor).to_owned(), (*name).to_owned()))
        }
        _ => {
            let shown = crate::value::shorten(text);
            let reason = format!("`{shown}` does not name an action");
            let lower = text.to_lowercase();
            let mend = match lower.split_once('.') {
                Some((actor, name)) if lower != text && is_name(actor) && is_name(name) => {
                    format!("write it in lower case: {lower}")
                }
                _ => "write actor.action directly after the mark, each of a-z, 0-9 and _, as in vote.cast".to_owned(),
            };
            Err(ActionError::at(position, "malformed_name", reason, mend))
        }
    }
}

/// A word that is no name, where a parameter or a flag should stand.
fn malformed_word(word: &str, rest: &str, position: Position) -> ActionError {
    let shown = crate::value::shorten(word);
    let lower = word.to_lowercase();
    let (code, reason, mend) = if word.is_empty() {
        (
            "malformed_name",
            "a colon without a name".to_owned(),
            "write the colon directly after the name".to_owned(),
        )
    } else if word.starts_with(',') {
        let mend = "write the comma directly after the item, as in a, b, 'c d'";
        (
            "malformed_list",
            "a comma behind a space".to_owned(),
            mend.to_owned(),
        )
    } else if word.contains(',') && !word.contains(['\'', '"']) {
        let mend = "give the list to a parameter, as in names:a, b, 'c d'";
        (
            "malformed_list",
            "a comma outside of a value".to_owned(),
            mend.to_owned(),
        )
    } else if word.contains(['\'', '"']) {
        let mend = "write key:'value'; inside quotes, a quote is written \\'";
        (
            "stray_quote",
            "a quote where a parameter should begin".to_owned(),
            mend.to_owned(),
        )
    } else if is_name(&lower) {
        let colon = if rest.starts_with(':') { ":" } else { "" };
        (
            "malformed_name",
            format!("`{shown}` is no name"),
            format!("write it in lower case: {lower}{colon}"),
        )
    } else {
        let mend = "begin with a letter a-z and use a-z, 0-9 and _; quote a value that has spaces";
        (
            "malformed_name",
            format!("`{shown}` is no name"),
            mend.to_owned(),
        )
    };
    ActionError::at(position, code, reason, mend)
}
