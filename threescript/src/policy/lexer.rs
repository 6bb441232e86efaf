//! The words of a policy file's declarations. Bodies are skipped as a whole: they are Rhai.

use super::diagnostic::{Fault, Place};

/// A word, number, text or sign of a declaration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    Name(String),
    /// Digits with at most one point, as written, with a sign if there is one.
    Number(String),
    Text(String),
    Sign(char),
    End,
}

impl Token {
    pub fn describe(&self) -> String {
        match self {
            Self::Name(name) => format!("`{name}`"),
            Self::Number(digits) => format!("`{digits}`"),
            Self::Text(_) => "a text".to_owned(),
            Self::Sign(sign) => format!("`{sign}`"),
            Self::End => "the end of the file".to_owned(),
        }
    }
}

/// Where the lexer is: an offset in bytes and the place that people count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub offset: usize,
    pub place: Place,
}

/// Reads the declarations of a policy file, one token at a time.
pub(crate) struct Lexer<'a> {
    source: &'a str,
    cursor: Cursor,
    /// Doc lines met since they were last taken, with the offsets where they start.
    docs: Vec<(usize, String)>,
}

/// How deep `${ … }` may be nested in texts of a body.
const MAX_INTERPOLATION: usize = 8;

impl<'a> Lexer<'a> {
    pub fn new(source: &'a str) -> Self {
        Self {
            source,
            cursor: Cursor {
                offset: 0,
                place: Place::START,
            },
            docs: Vec::new(),
        }
    }

    pub fn cursor(&self) -> Cursor {
        self.cursor
    }

    /// Goes back to an earlier place. Doc lines behind it will be met again.
    pub fn rewind(&mut self, cursor: Cursor) {
        self.cursor = cursor;
        self.docs.retain(|(offset, _)| *offset < cursor.offset);
    }

    /// The doc lines directly above, without the slashes, joined by new lines.
    pub fn take_docs(&mut self) -> String {
        let lines: Vec<String> = self.docs.drain(..).map(|(_, line)| line).collect();
        lines.join("\n")
    }

    fn peek(&self) -> Option<char> {
        self.source[self.cursor.offset..].chars().next()
    }

    fn rest(&self) -> &'a str {
        &self.source[self.cursor.offset..]
    }

    fn bump(&mut self) -> Option<char> {
        let character = self.peek()?;
        self.cursor.offset += character.len_utf8();
        if character == '\n' {
            self.cursor.place = Place {
                line: self.cursor.place.line + 1,
                column: 1,
            };
        } else {
            self.cursor.place.column += 1;
        }
        Some(character)
    }

    fn bump_line(&mut self) -> &'a str {
        let line = self.rest().split('\n').next().unwrap_or_default();
        while self.peek().is_some_and(|character| character != '\n') {
            self.bump();
        }
        line
    }

    /// Skips white space and comments; keeps doc lines.
    fn skip_blank(&mut self) -> Result<(), Fault> {
        loop {
            let rest = self.rest();
            if rest.starts_with("///") && !rest.starts_with("////") {
                let offset = self.cursor.offset;
                let line = self.bump_line();
                self.docs.push((offset, line[3..].trim().to_owned()));
            } else if rest.starts_with("//") {
                self.bump_line();
            } else if rest.starts_with("/*") {
                self.skip_block_comment()?;
            } else if rest.starts_with(char::is_whitespace) {
                self.bump();
            } else {
                return Ok(());
            }
        }
    }

    fn skip_block_comment(&mut self) -> Result<(), Fault> {
        let start = self.cursor.place;
        let mut depth = 0;
        loop {
            let rest = self.rest();
            if rest.starts_with("/*") {
                depth += 1;
                self.bump();
            } else if rest.starts_with("*/") {
                depth -= 1;
                self.bump();
            }
            if self.bump().is_none() {
                return Err(Fault::new(
                    start,
                    "unterminated",
                    "this comment does not end",
                    "close it with `*/`",
                ));
            }
            if depth == 0 {
                return Ok(());
            }
        }
    }

    /// The next token and where it starts.
    pub fn next(&mut self) -> Result<(Token, Cursor), Fault> {
        self.skip_blank()?;
        let start = self.cursor;
        let token = match self.peek() {
            None => Token::End,
            Some(character) if character.is_ascii_alphabetic() || character == '_' => {
                let is_part =
                    |character: char| character.is_ascii_alphanumeric() || character == '_';
                Token::Name(self.take_while(is_part))
            }
            Some(character) if character.is_ascii_digit() => Token::Number(self.number()),
            Some('-') if self.rest()[1..].starts_with(|next: char| next.is_ascii_digit()) => {
                self.bump();
                Token::Number(format!("-{}", self.number()))
            }
            Some('"') => Token::Text(self.text()?),
            Some(character) => {
                self.bump();
                Token::Sign(character)
            }
        };
        Ok((token, start))
    }

    /// Where the next token starts.
    pub fn here(&mut self) -> Result<Place, Fault> {
        self.skip_blank()?;
        Ok(self.cursor.place)
    }

    /// Letters and digits in any order, such as a hash, and where they start. Empty if there are none.
    pub fn word(&mut self) -> Result<(String, Cursor), Fault> {
        self.skip_blank()?;
        let start = self.cursor;
        Ok((
            self.take_while(|character| character.is_ascii_alphanumeric()),
            start,
        ))
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> String {
        let mut taken = String::new();
        while let Some(character) = self.peek().filter(|character| wanted(*character)) {
            taken.push(character);
            self.bump();
        }
        taken
    }

    /// Digits; a point belongs to the number only when a digit follows, so that `7.days` is a number, a point, a name.
    fn number(&mut self) -> String {
        let is_digit = |character: char| character.is_ascii_digit() || character == '_';
        let mut digits = self.take_while(is_digit);
        let mut rest = self.rest().chars();
        if rest.next() == Some('.') && rest.next().is_some_and(|next| next.is_ascii_digit()) {
            self.bump();
            digits.push('.');
            digits.push_str(&self.take_while(is_digit));
        }
        digits.retain(|character| character != '_');
        digits
    }

    fn text(&mut self) -> Result<String, Fault> {
        let start = self.cursor.place;
        let unterminated = || {
            Fault::new(
                start,
                "unterminated",
                "this text does not end on its line",
                "close it with `\"`",
            )
        };
        self.bump();
        let mut text = String::new();
        loop {
            let place = self.cursor.place;
            match self.bump() {
                None | Some('\n') => return Err(unterminated()),
                Some('"') => return Ok(text),
                Some('\\') => match self.bump() {
                    Some('n') => text.push('\n'),
                    Some('t') => text.push('\t'),
                    Some(character @ ('"' | '\\')) => text.push(character),
                    _ => {
                        let mend = "use \\n, \\t, \\\" or \\\\";
                        return Err(Fault::new(
                            place,
                            "escape",
                            "this escape has no meaning here",
                            mend,
                        ));
                    }
                },
                Some(character) => text.push(character),
            }
        }
    }

    /// Skips from an opening brace, which is the next character, to behind the brace that closes it. Texts, characters
    /// and comments of Rhai are stepped over, so braces in them do not count.
    pub fn skip_body(&mut self) -> Result<(), Fault> {
        let start = self.cursor.place;
        self.skip_code(start, 0)?;
        // Comments in a body are not docs of what follows it.
        self.docs.clear();
        Ok(())
    }

    fn skip_code(&mut self, start: Place, nesting: usize) -> Result<(), Fault> {
        let mut depth = 0usize;
        loop {
            let rest = self.rest();
            if rest.starts_with("//") {
                self.bump_line();
                continue;
            }
            if rest.starts_with("/*") {
                self.skip_block_comment()?;
                continue;
            }
            match self.peek() {
                Some('"') => self.skip_quoted('"')?,
                Some('\'') => self.skip_quoted('\'')?,
                Some('`') => self.skip_template(nesting)?,
                Some('#') if rest.trim_start_matches('#').starts_with('"') => self.skip_raw()?,
                Some('{') => {
                    depth += 1;
                    self.bump();
                }
                Some('}') => {
                    depth -= 1;
                    self.bump();
                    if depth == 0 {
                        return Ok(());
                    }
                }
                Some(_) => {
                    self.bump();
                }
                None => {
                    let mend = "close it with `}`";
                    return Err(Fault::new(
                        start,
                        "unterminated",
                        "the block that opens here does not end",
                        mend,
                    ));
                }
            }
        }
    }

    fn skip_quoted(&mut self, quote: char) -> Result<(), Fault> {
        let start = self.cursor.place;
        self.bump();
        while let Some(character) = self.bump() {
            if character == '\\' {
                self.bump();
            } else if character == quote {
                return Ok(());
            }
        }
        Err(Fault::new(
            start,
            "unterminated",
            "this text does not end",
            format!("close it with `{quote}`"),
        ))
    }

    fn skip_raw(&mut self) -> Result<(), Fault> {
        let start = self.cursor.place;
        let marks = self.take_while(|character| character == '#');
        let close = format!("\"{marks}");
        self.bump();
        while !self.rest().starts_with(&close) {
            if self.bump().is_none() {
                return Err(Fault::new(
                    start,
                    "unterminated",
                    "this text does not end",
                    format!("close it with `{close}`"),
                ));
            }
        }
        for _ in close.chars() {
            self.bump();
        }
        Ok(())
    }

    fn skip_template(&mut self, nesting: usize) -> Result<(), Fault> {
        let start = self.cursor.place;
        self.bump();
        loop {
            if self.rest().starts_with("${") {
                if nesting == MAX_INTERPOLATION {
                    let mend = "compute the inner text first";
                    return Err(Fault::new(
                        start,
                        "too_deep",
                        "texts are nested too deep",
                        mend,
                    ));
                }
                self.bump();
                self.skip_code(self.cursor.place, nesting + 1)?;
                continue;
            }
            match self.bump() {
                Some('`') if self.peek() == Some('`') => {
                    self.bump();
                }
                Some('`') => return Ok(()),
                Some(_) => {}
                None => {
                    return Err(Fault::new(
                        start,
                        "unterminated",
                        "this text does not end",
                        "close it with a back-tick",
                    ));
                }
            }
        }
    }
}

/// The file with everything but the given ranges replaced by blanks, character by character, so that what is left stands
/// on its own line and column.
pub(crate) fn keep_only(source: &str, ranges: &[std::ops::Range<usize>]) -> String {
    let mut kept = String::with_capacity(source.len());
    for (offset, character) in source.char_indices() {
        let keep = character == '\n' || ranges.iter().any(|range| range.contains(&offset));
        kept.push(if keep { character } else { ' ' });
    }
    kept
}
