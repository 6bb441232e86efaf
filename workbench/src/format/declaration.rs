//! The declarations of a file.

use super::FormatError;
use super::expression::{DECLARATIONS, Expression, ListStyle, Parser};
use super::layout::Doc;
use super::token::Kind;

/// Parameters and columns stay open where the author opened them.
const PARAMS: ListStyle = ListStyle::new(")", false, true, true);
const COLUMNS: ListStyle = ListStyle::new("}", true, true, true);

impl Parser<'_> {
    /// The whole file.
    pub fn file(&mut self) -> Result<Doc, FormatError> {
        let first = self.next();
        if !first.is_word("policy") && !first.is_word("tests") {
            return Err(self.wanted(
                "`policy` or `tests`",
                "begin the file with `policy NAME version N` or `tests of NAME`",
            ));
        }
        let mut docs = Vec::new();
        // Whether an empty line must be below what was read last.
        let mut apart = false;
        while self.next().kind != Kind::End {
            let token = self.next();
            let needs_space = !matches!(
                token.text.as_str(),
                "policy" | "tests" | "use" | "const" | "param" | "formula" | "with" | ";"
            );
            if self.at > 0 {
                let blank = token.blank_above()
                    || (apart || needs_space) && !token.is(";") && !token.is_word("with");
                docs.push(if blank { Doc::Blank } else { Doc::Hard });
            }
            let is_title = self.at == 0;
            docs.extend(self.comments());
            docs.push(self.declaration()?);
            docs.extend(self.behind());
            apart = needs_space || is_title || token.is_word("with");
        }
        if !self.next().comments.is_empty() {
            docs.push(if self.next().blank_above() {
                Doc::Blank
            } else {
                Doc::Hard
            });
        }
        docs.extend(self.comments_only());
        Ok(Doc::Concat(docs))
    }

    fn declaration(&mut self) -> Result<Doc, FormatError> {
        let token = self.next();
        if token.is(";") {
            return Ok(self.take());
        }
        let word = match token.kind {
            Kind::Word => token.text.clone(),
            _ => String::new(),
        };
        let is_title = self.at == 0;
        let mut parts = vec![];
        match word.as_str() {
            "policy" if is_title => {
                parts.extend([self.take(), Doc::Space, self.name()?, Doc::Space]);
                parts.extend([self.word("version")?, Doc::Space]);
                if self.next().kind != Kind::Number {
                    return Err(
                        self.wanted("a number", "begin the file with `policy NAME version N`")
                    );
                }
                parts.push(self.take());
            }
            "tests" if is_title => parts.extend([
                self.take(),
                Doc::Space,
                self.word("of")?,
                Doc::Space,
                self.name()?,
            ]),
            "with" => {
                parts.extend([self.take(), Doc::Space, self.name()?]);
                while self.next().is(",") {
                    parts.extend([self.take(), Doc::Space, self.name()?]);
                }
            }
            "use" => {
                parts.extend([self.take(), Doc::Space, self.name()?, Doc::Space]);
                while matches!(self.next().kind, Kind::Word | Kind::Number) {
                    // A hash may be several words to us, such as `19d36` or `19.d36`; they touch.
                    if !self.next().touches {
                        parts.push(Doc::Space);
                    }
                    parts.push(self.take());
                }
                parts.push(Doc::Space);
                self.must_be("{")?;
                parts.push(self.list(&COLUMNS, Self::item_of_header)?);
            }
            "formula" => {
                parts.extend([self.take(), Doc::Space, self.operand(true)?.doc, Doc::Space]);
                parts.push(
                    self.expect("=", "write `formula name(param: type): type = expression`")?,
                );
                let expression = self.expression(true)?.doc;
                // Below the line, if it does not fit behind it.
                parts.push(Doc::group(vec![Doc::indent(vec![Doc::Line, expression])]));
            }
            "const" | "param" => {
                parts.extend([self.take(), Doc::Space]);
                if self.next().kind != Kind::Word {
                    return Err(self.wanted("a name", "give it a name"));
                }
                parts.push(self.expression(true)?.doc);
            }
            "table" => {
                parts.extend([self.take(), Doc::Space, self.name()?, Doc::Space]);
                self.must_be("{")?;
                parts.push(self.list(&COLUMNS, Self::item_of_header)?);
            }
            "invariant" => parts.extend([
                self.take(),
                Doc::Space,
                self.name()?,
                Doc::Space,
                self.body()?,
            ]),
            "action" | "ask" | "fn" => {
                parts.extend([self.take(), Doc::Space, self.name()?]);
                self.entry_rest(&mut parts)?;
            }
            "every" => {
                parts.extend([self.take(), Doc::Space]);
                // `1.hours name(…)`: the name is the word before the bracket.
                while !self
                    .tokens
                    .get(self.at + 1)
                    .is_some_and(|token| token.is("("))
                {
                    if !matches!(self.next().kind, Kind::Word | Kind::Number)
                        && !self.next().is(".")
                    {
                        return Err(
                            self.wanted("a period", "write it as in `every 1.hours name() { … }`")
                        );
                    }
                    parts.push(self.take());
                    if matches!(self.next().kind, Kind::Word) && !self.next().touches {
                        parts.push(Doc::Space);
                    }
                }
                parts.push(self.name()?);
                self.entry_rest(&mut parts)?;
            }
            "on" => {
                parts.extend([self.take(), Doc::Space, self.name()?]);
                while self.next().is(".") {
                    parts.extend([self.take(), self.name()?]);
                }
                self.entry_rest(&mut parts)?;
            }
            "test" | "property" => {
                parts.extend([self.take(), Doc::Space]);
                if self.next().kind != Kind::Text {
                    return Err(self.wanted("a text", "say in a text what is tested"));
                }
                parts.push(self.take());
                if word == "property" {
                    parts.push(Doc::Space);
                    self.must_be("(")?;
                    parts.push(self.list(&PARAMS, Self::item_of_header)?);
                }
                parts.extend([Doc::Space, self.body()?]);
            }
            _ => {
                return Err(self.wanted(
                    "a declaration",
                    &format!("declarations begin with {}", DECLARATIONS.join(", ")),
                ));
            }
        }
        Ok(Doc::Concat(parts))
    }

    /// Parameters, callers and body.
    fn entry_rest(&mut self, parts: &mut Vec<Doc>) -> Result<(), FormatError> {
        self.must_be("(")?;
        parts.extend([self.list(&PARAMS, Self::item_of_header)?, Doc::Space]);
        while self.next().kind == Kind::Word {
            parts.push(self.take());
            if self.next().is("(") {
                let style = ListStyle::new(")", false, false, false);
                parts.push(self.list(&style, Self::item_of_header)?);
            }
            parts.push(Doc::Space);
        }
        parts.push(self.body()?);
        Ok(())
    }

    fn item_of_header(&mut self) -> Result<Expression, FormatError> {
        self.expression(true)
    }

    fn must_be(&self, sign: &str) -> Result<(), FormatError> {
        match self.next().is(sign) {
            true => Ok(()),
            false => Err(self.wanted(&format!("`{sign}`"), &format!("write `{sign}` here"))),
        }
    }

    fn name(&mut self) -> Result<Doc, FormatError> {
        match self.next().kind {
            Kind::Word => Ok(self.take()),
            _ => Err(self.wanted("a name", "give it a name")),
        }
    }

    fn word(&mut self, word: &str) -> Result<Doc, FormatError> {
        match self.next().is_word(word) {
            true => Ok(self.take()),
            false => Err(self.wanted(&format!("`{word}`"), &format!("write `{word}` here"))),
        }
    }
}
