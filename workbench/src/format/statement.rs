//! Blocks and statements of bodies.

use super::FormatError;
use super::expression::{Mode, Parser};
use super::layout::Doc;
use super::token::{Kind, Token};

const CONTROL: [&str; 5] = ["if", "while", "for", "loop", "do"];

impl Parser<'_> {
    /// A body: a block with statements, whatever is around it.
    pub fn body(&mut self) -> Result<Doc, FormatError> {
        let before = std::mem::replace(&mut self.mode, Mode::Body);
        let block = self.deeper(Self::block);
        self.mode = before;
        Ok(Doc::group(vec![block?]))
    }

    /// `{ … }`. It may stand on one line if it holds one statement and the author wrote it so.
    pub fn block(&mut self) -> Result<Doc, FormatError> {
        let open = self.expect("{", "write the body in `{ … }`")?;
        if self.next().is("}") && self.next().comments.is_empty() {
            return Ok(Doc::Concat(vec![open, self.take()]));
        }
        let stays_open = self.next().newline;
        let mut inner = self.behind();
        let mut has_comments = !inner.is_empty();
        let mut statements = 0;
        let mut lines = Vec::new();
        while !self.next().is("}") {
            has_comments |= !self.next().comments.is_empty();
            if statements > 0 {
                lines.push(if self.next().blank_above() {
                    Doc::Blank
                } else {
                    Doc::Hard
                });
            }
            lines.push(self.statement()?);
            lines.extend(self.behind());
            statements += 1;
        }
        has_comments |= !self.next().comments.is_empty();
        let opens = stays_open || has_comments || statements > 1;
        inner.push(if opens { Doc::Hard } else { Doc::Line });
        inner.extend(lines);
        if self.next().blank_above() && statements > 0 && !self.next().comments.is_empty() {
            inner.push(Doc::Blank);
        }
        inner.extend(self.comments_only());
        let end = if opens { Doc::Hard } else { Doc::Line };
        Ok(Doc::Concat(vec![
            open,
            Doc::indent(inner),
            end,
            self.take(),
        ]))
    }

    fn statement(&mut self) -> Result<Doc, FormatError> {
        const MEND: &str = "end the statement before it with `;`";
        // Outside of the statement, whose groups they would break.
        let mut parts = self.comments();
        let token = self.next();
        if token.is(";") {
            parts.push(self.take());
            return Ok(Doc::Concat(parts));
        }
        let is_control =
            |token: &Token| token.kind == Kind::Word && CONTROL.contains(&token.text.as_str());
        if is_control(token) {
            parts.push(self.deeper(Self::control)?);
        } else if token.is("{") {
            let block = self.deeper(Self::block)?;
            parts.push(Doc::group(vec![block]));
        } else {
            parts.push(self.expression(false)?.doc);
            if !self.next().is(";") && !self.next().is("}") {
                return Err(self.wanted("`;`", MEND));
            }
        }
        if self.next().is(";") {
            parts.push(self.take());
        }
        Ok(Doc::Concat(parts))
    }

    /// `if … { … } else { … }` and the loops. Their blocks stand on one line together or not at all.
    pub fn control(&mut self) -> Result<Doc, FormatError> {
        let word = self.next().text.clone();
        let mut parts = vec![self.take(), Doc::Space];
        match word.as_str() {
            "loop" => parts.push(self.block()?),
            "do" => {
                parts.extend([self.block()?, Doc::Space]);
                if !self.next().is_word("while") && !self.next().is_word("until") {
                    return Err(self.wanted("`while` or `until`", "write do { … } while condition"));
                }
                parts.extend([self.take(), Doc::Space, self.expression(true)?.doc]);
            }
            _ => {
                parts = vec![self.condition(parts)?, self.block()?];
                while word == "if" && self.next().is_word("else") {
                    parts.extend([Doc::Space, self.take(), Doc::Space]);
                    match self.next().is_word("if") {
                        true => {
                            let word = vec![self.take(), Doc::Space];
                            parts.extend([self.condition(word)?, self.block()?]);
                        }
                        false => {
                            parts.push(self.block()?);
                            break;
                        }
                    }
                }
            }
        }
        Ok(Doc::group(parts))
    }
    /// What stands before a block. If it takes several lines, the block opens on a line of its own.
    fn condition(&mut self, word: Vec<Doc>) -> Result<Doc, FormatError> {
        let mut parts = word;
        parts.extend([self.expression(true)?.doc, Doc::Line]);
        Ok(Doc::group(parts))
    }
}
