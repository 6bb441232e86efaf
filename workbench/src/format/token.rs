//! The words of a file, with nothing lost but white space: comments stand before the word that follows them.

use super::FormatError;

/// What a word is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A name or a word of the language.
    Word,
    /// Digits, and the letters that touch them, as in `7d`.
    Number,
    /// A text in any of its forms, as written.
    Text,
    /// An operator, a bracket or another sign.
    Sign,
    /// The end of the file; it holds the last comments.
    End,
}

/// A word, and what stands before it.
#[derive(Clone, Debug)]
pub struct Token {
    pub kind: Kind,
    pub text: String,
    /// The line and the column, from 1, in characters.
    pub line: u32,
    pub column: u32,
    /// The comments between the last word and this one.
    pub comments: Vec<Comment>,
    /// Whether it begins a line, and whether an empty line is above it (or above it and below its comments).
    pub newline: bool,
    pub blank: bool,
    /// Whether it touches the word before it.
    pub touches: bool,
}

impl Token {
    pub fn is(&self, sign: &str) -> bool {
        self.kind == Kind::Sign && self.text == sign
    }

    pub fn is_word(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.text == word
    }

    /// Whether an empty line is above it and its comments.
    pub fn blank_above(&self) -> bool {
        match self
            .comments
            .iter()
            .find(|comment| comment.stand != Stand::Behind)
        {
            Some(comment) => comment.blank,
            None => self.blank,
        }
    }
}

/// Where a comment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stand {
    /// On lines of its own.
    Alone,
    /// At the end of the line of the word before it.
    Behind,
    /// Before the word that follows it on the same line.
    Before,
}

/// A comment as written, without the spaces at the ends of its lines.
#[derive(Clone, Debug)]
pub struct Comment {
    pub text: String,
    pub stand: Stand,
    begins_line: bool,
    /// Whether an empty line is above it.
    pub blank: bool,
}

impl Comment {
    pub fn is_doc(&self) -> bool {
        self.text.starts_with("///") && !self.text.starts_with("////")
    }
}

/// Operators and brackets of more than one character, the longest first.
const SIGNS: [&str; 32] = [
    "**=", "<<=", ">>=", "..=", "!in", "#{", "==", "!=", "<=", ">=", "&&", "||", "<<", ">>", "**",
    "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "..", "::", "?.", "?[", "??", "=>", "->", "++",
    "--",
];

/// How deep `${ … }` may be nested in texts.
const MAX_INTERPOLATION: usize = 8;

struct Reader<'a> {
    rest: &'a str,
    line: u32,
    column: u32,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let character = self.peek()?;
        self.rest = &self.rest[character.len_utf8()..];
        match character {
            '\n' => (self.line, self.column) = (self.line + 1, 1),
            _ => self.column += 1,
        }
        Some(character)
    }

    fn take(&mut self, text: &str) -> bool {
        let found = self.rest.starts_with(text);
        if found {
            for _ in text.chars() {
                self.bump();
            }
        }
        found
    }

    fn skip_while(&mut self, wanted: impl Fn(char) -> bool) {
        while self.peek().is_some_and(&wanted) {
            self.bump();
        }
    }

    fn block_comment(&mut self) -> Result<(), FormatError> {
        let (line, column) = (self.line, self.column);
        let mut depth = 0usize;
        loop {
            if self.take("/*") {
                depth += 1;
            } else if self.take("*/") {
                depth -= 1;
            } else if self.bump().is_none() {
                return Err(FormatError::new(
                    line,
                    column,
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

    fn unterminated(line: u32, column: u32, close: &str) -> FormatError {
        FormatError::new(
            line,
            column,
            "unterminated",
            "this text does not end",
            format!("close it with `{close}`"),
        )
    }

    fn quoted(&mut self, quote: char) -> Result<(), FormatError> {
        let (line, column) = (self.line, self.column);
        self.bump();
        while let Some(character) = self.bump() {
            if character == '\\' {
                self.bump();
            } else if character == quote {
                return Ok(());
            }
        }
        Err(Self::unterminated(line, column, &quote.to_string()))
    }

    fn raw(&mut self) -> Result<(), FormatError> {
        let (line, column) = (self.line, self.column);
        let marks = self.rest.len() - self.rest.trim_start_matches('#').len();
        let close = format!("\"{}", "#".repeat(marks));
        for _ in 0..=marks {
            self.bump();
        }
        while !self.take(&close) {
            if self.bump().is_none() {
                return Err(Self::unterminated(line, column, &close));
            }
        }
        Ok(())
    }

    fn template(&mut self, nesting: usize) -> Result<(), FormatError> {
        let (line, column) = (self.line, self.column);
        self.bump();
        loop {
            if self.take("${") {
                if nesting == MAX_INTERPOLATION {
                    let mend = "compute the inner text first";
                    return Err(FormatError::new(
                        line,
                        column,
                        "too_deep",
                        "texts are nested too deep",
                        mend,
                    ));
                }
                self.code(nesting + 1)?;
            } else if self.take("``") {
            } else {
                match self.bump() {
                    Some('`') => return Ok(()),
                    Some(_) => {}
                    None => return Err(Self::unterminated(line, column, "`")),
                }
            }
        }
    }

    /// From behind `${` to behind its `}`.
    fn code(&mut self, nesting: usize) -> Result<(), FormatError> {
        let (line, column) = (self.line, self.column);
        let mut depth = 1usize;
        loop {
            if self.rest.starts_with("//") {
                self.skip_while(|character| character != '\n');
                continue;
            }
            if self.rest.starts_with("/*") {
                self.block_comment()?;
                continue;
            }
            match self.peek() {
                Some(quote @ ('"' | '\'')) => self.quoted(quote)?,
                Some('`') => self.template(nesting)?,
                Some('#') if self.rest.trim_start_matches('#').starts_with('"') => self.raw()?,
                Some(character) => {
                    self.bump();
                    match character {
                        '{' => depth += 1,
                        '}' => depth -= 1,
                        _ => {}
                    }
                    if depth == 0 {
                        return Ok(());
                    }
                }
                None => return Err(Self::unterminated(line, column, "}")),
            }
        }
    }

    /// The digits of a number with the letters that touch them; a point belongs to it only before a digit.
    fn number(&mut self) {
        let is_part = |character: char| character.is_ascii_alphanumeric() || character == '_';
        self.skip_while(is_part);
        let mut rest = self.rest.chars();
        if rest.next() == Some('.') && rest.next().is_some_and(|next| next.is_ascii_digit()) {
            self.bump();
            self.skip_while(is_part);
        }
    }

    fn word(&mut self) -> Result<Kind, FormatError> {
        match self.peek() {
            Some('"') => self.quoted('"')?,
            Some('\'') => self.quoted('\'')?,
            Some('`') => self.template(0)?,
            Some('#') if self.rest.trim_start_matches('#').starts_with('"') => self.raw()?,
            Some(first) if first.is_ascii_digit() => {
                self.number();
                return Ok(Kind::Number);
            }
            Some(first) if is_letter(first) => {
                self.skip_while(|character| is_letter(character) || character.is_ascii_digit());
                return Ok(Kind::Word);
            }
            Some(_) => {
                let sign = SIGNS.iter().find(|sign| match **sign {
                    "!in" => self.rest.strip_prefix("!in").is_some_and(|rest| {
                        !rest.starts_with(|next: char| is_letter(next) || next.is_ascii_digit())
                    }),
                    sign => self.rest.starts_with(sign),
                });
                match sign {
                    Some(sign) => self.take(sign),
                    None => self.bump().is_some(),
                };
                return Ok(Kind::Sign);
            }
            None => return Ok(Kind::End),
        }
        Ok(Kind::Text)
    }
}

fn is_letter(character: char) -> bool {
    character.is_alphabetic() || character == '_'
}

fn stand(begins_line: bool, ends_line: bool) -> Stand {
    match (begins_line, ends_line) {
        (true, true) => Stand::Alone,
        (false, true) => Stand::Behind,
        (_, false) => Stand::Before,
    }
}

/// Reads a file. The last token is the end.
pub fn read(source: &str) -> Result<Vec<Token>, FormatError> {
    let mut reader = Reader {
        rest: source,
        line: 1,
        column: 1,
    };
    let mut tokens: Vec<Token> = Vec::new();
    loop {
        let before = reader.rest;
        let mut comments: Vec<Comment> = Vec::new();
        let (newlines, kind, text, line, column) = loop {
            let mut newlines = usize::from(tokens.is_empty() && comments.is_empty());
            while let Some(character) = reader.peek().filter(|character| character.is_whitespace())
            {
                newlines += usize::from(character == '\n');
                reader.bump();
            }
            let (start, line, column) = (reader.rest, reader.line, reader.column);
            let is_block = start.starts_with("/*");
            if is_block {
                reader.block_comment()?;
            } else if start.starts_with("//") {
                reader.skip_while(|character| character != '\n');
            } else {
                let kind = reader.word()?;
                let text = start[..start.len() - reader.rest.len()].to_owned();
                break (newlines, kind, text, line, column);
            }
            let text = &start[..start.len() - reader.rest.len()];
            let text: Vec<&str> = text.split('\n').map(str::trim_end).collect();
            let ends_line = reader
                .rest
                .trim_start_matches([' ', '\t', '\r'])
                .starts_with('\n')
                || reader.rest.trim().is_empty();
            let is_doc = text[0].starts_with("///") && !text[0].starts_with("////");
            let begins_line = newlines > 0 || is_doc;
            // Comments that follow each other on a line are one.
            if let Some(before) = comments
                .last_mut()
                .filter(|before| before.stand == Stand::Before && !begins_line)
            {
                before.text += &format!(" {}", text.join("\n"));
                before.stand = stand(before.begins_line, ends_line);
                continue;
            }
            comments.push(Comment {
                text: text.join("\n"),
                // A doc line says something about what follows it, wherever it stands.
                stand: stand(begins_line, ends_line),
                begins_line,
                blank: newlines > 1 && !(tokens.is_empty() && comments.is_empty()),
            });
        };
        let is_end = kind == Kind::End;
        let touches = reader.rest.len() + text.len() == before.len();
        tokens.push(Token {
            kind,
            text,
            line,
            column,
            comments,
            newline: newlines > 0,
            blank: newlines > 1,
            touches,
        });
        if is_end {
            return Ok(tokens);
        }
    }
}
