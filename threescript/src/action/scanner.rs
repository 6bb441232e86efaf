//! From the characters of one line to words and values.

use super::lines::place;
use super::{ActionError, Param, Position, Raw, is_name, writable};

/// Reads one line from left to right.
pub(super) struct Scanner<'a> {
    rest: &'a str,
    /// The line, from 0.
    line: usize,
    /// Characters read so far.
    offset: usize,
}

impl<'a> Scanner<'a> {
    /// Starts at the first column of a line, whose number counts from 0.
    pub fn new(text: &'a str, line: usize) -> Self {
        Self {
            rest: text.trim_end_matches(' '),
            line,
            offset: 0,
        }
    }

    /// Where the next character stands.
    pub fn position(&self) -> Position {
        place(self.line, self.offset)
    }

    /// What has not been read yet; spaces at the end of the line are gone.
    pub fn rest(&self) -> &'a str {
        self.rest
    }

    pub fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// Skips spaces and says how many.
    pub fn skip_spaces(&mut self) -> usize {
        self.take_while(' ')
    }

    /// Skips a character as often as it comes, and says how often.
    pub fn take_while(&mut self, wanted: char) -> usize {
        let skipped = self
            .rest
            .chars()
            .take_while(|character| *character == wanted)
            .count();
        self.advance(skipped * wanted.len_utf8());
        skipped
    }

    /// Skips a character if it comes next.
    pub fn take(&mut self, wanted: char) -> bool {
        let found = self.rest.starts_with(wanted);
        if found {
            self.advance(wanted.len_utf8());
        }
        found
    }

    /// Takes what stands before the first of these characters.
    pub fn take_until(&mut self, ends: &[char]) -> &'a str {
        let length = self.rest.find(ends).unwrap_or(self.rest.len());
        self.advance(length)
    }

    /// The quote, if it is the last character of the line: a value of several lines begins.
    pub fn opens_block(&self) -> Option<char> {
        match self.rest {
            "'" => Some('\''),
            "\"" => Some('"'),
            _ => None,
        }
    }

    /// Reads the value of a parameter: one, or a list. `apart` says whether spaces stood before it.
    pub fn value(&mut self, apart: bool, param: &mut Param) -> Result<(), ActionError> {
        if self.is_at_end() {
            let reason = format!("`{0}:` without a value on its line", param.key);
            let mend = format!("write {}:'' for an empty value", param.key);
            return Err(ActionError::at(
                self.position(),
                "missing_value",
                reason,
                mend,
            ));
        }
        let mut items = vec![self.item(apart, param)?];
        while self.take(',') {
            let apart = self.skip_spaces() > 0;
            items.push(self.item(apart, param)?);
        }
        if items.len() > 1 {
            for (item, position) in items.iter().zip(&param.value_positions) {
                writable::list_item(item).map_err(|fault| fault.at(*position))?;
            }
            param.value = Raw::Many(items);
        } else {
            param.value = Raw::One(items.remove(0));
        }
        Ok(())
    }

    fn item(&mut self, apart: bool, param: &mut Param) -> Result<String, ActionError> {
        let position = self.position();
        match self.rest.chars().next() {
            None | Some(',') => {
                let mend = "remove the comma, or write the item on the same line";
                Err(ActionError::at(
                    position,
                    "empty_item",
                    "a comma without an item beside it",
                    mend,
                ))
            }
            Some(quote @ ('\'' | '"')) => self.quoted(quote, param),
            Some(_) => self.bare(apart, param),
        }
    }

    fn bare(&mut self, apart: bool, param: &mut Param) -> Result<String, ActionError> {
        let (line, offset) = (self.line, self.offset);
        let word = self.take_until(&[' ', ',']);
        let at = |byte: usize| place(line, offset + word[..byte].chars().count());
        let fault = |byte: usize, code, reason: String, mend: String| {
            Err(ActionError::at(at(byte), code, reason, mend))
        };
        let shown = crate::value::shorten(word);
        let quoted = format!("'{shown}'");
        if let Some(byte) = word.find("//") {
            let reason =
                "`//` in a value without quotes, where other readers of 3Script begin a comment";
            return fault(
                byte,
                "unquoted_slashes",
                reason.to_owned(),
                format!("quote the value: {quoted}"),
            );
        }
        if let Some(byte) = word.find(['\'', '"']) {
            let mend = "quote the whole value, and write a quote inside it as \\'";
            return fault(
                byte,
                "stray_quote",
                "a quote inside a value without quotes".to_owned(),
                mend.to_owned(),
            );
        }
        if let Some(byte) = word.find(char::is_whitespace) {
            let reason = "white space other than a space".to_owned();
            return fault(
                byte,
                "white_space",
                reason,
                "use a space, or quote the value".to_owned(),
            );
        }
        if apart && word.split_once(':').is_some_and(|(key, _)| is_name(key)) {
            let reason = format!(
                "`{shown}` after a space, which is the value to some readers and a parameter to others"
            );
            let mend = format!(
                "write {}:'' for an empty value, or quote the value: {quoted}",
                param.key
            );
            return fault(0, "ambiguous_value", reason, mend);
        }
        if let Some((byte, found)) = writable::sequence_fault(word) {
            return Err(found.at(at(byte)));
        }
        param.value_positions.push(place(line, offset));
        Ok(word.to_owned())
    }

    fn quoted(&mut self, quote: char, param: &mut Param) -> Result<String, ActionError> {
        let opening = self.position();
        self.take(quote);
        let start = self.position();
        let mut value = String::new();
        loop {
            if self.take(quote) {
                break;
            }
            let mut next = self.rest.chars();
            match (next.next(), next.next()) {
                (None, _) => {
                    let mend = format!(
                        "close the quote on the same line; for several lines, end the line with {}:{quote}",
                        param.key
                    );
                    return Err(ActionError::at(
                        opening,
                        "unterminated_quote",
                        "a quote that is not closed",
                        mend,
                    ));
                }
                (Some('\\'), Some(escaped @ ('\'' | '"'))) => {
                    self.advance(2);
                    value.push(escaped);
                }
                (Some(character), _) => {
                    self.advance(character.len_utf8());
                    value.push(character);
                }
            }
        }
        if !matches!(self.rest.chars().next(), None | Some(' ' | ',')) {
            let mend = "put a space or a comma after the closing quote; inside quotes, a quote is written \\'";
            return Err(ActionError::at(
                self.position(),
                "after_quote",
                "a character directly after a closing quote",
                mend,
            ));
        }
        if let Some((_, fault)) = writable::sequence_fault(&value) {
            return Err(fault.at(start));
        }
        param.value_positions.push(start);
        Ok(value)
    }

    fn advance(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(bytes);
        self.offset += taken.chars().count();
        self.rest = rest;
        taken
    }
}
