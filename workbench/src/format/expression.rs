//! Expressions and lists, of bodies as of declarations.

use super::FormatError;
use super::layout::Doc;
use super::token::{Kind, Stand, Token};

/// How deep brackets and blocks may be nested; the language allows fewer.
const MAX_DEPTH: usize = 128;
/// The columns that the arguments before a map or list may take for it to open on their line.
const HUG_WIDTH: usize = 60;

/// Words of bodies that take what follows them and are not called.
const BODY_WORDS: [&str; 8] = [
    "let", "const", "return", "break", "in", "if", "while", "for",
];
/// The same of declarations.
const HEADER_WORDS: [&str; 9] = ["if", "then", "else", "from", "to", "by", "or", "and", "not"];
/// Words that begin a declaration.
pub(super) const DECLARATIONS: [&str; 13] = [
    "use",
    "const",
    "param",
    "table",
    "formula",
    "invariant",
    "action",
    "ask",
    "every",
    "on",
    "fn",
    "test",
    "property",
];

/// Whether we read a declaration or a body.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Header,
    Body,
}

pub(super) struct Parser<'a> {
    pub tokens: &'a [Token],
    pub at: usize,
    /// How many comments of the next token are in the tree already.
    told: usize,
    depth: usize,
    pub mode: Mode,
}

/// What a list looks like.
pub(super) struct ListStyle {
    close: &'static str,
    /// Spaces inside the brackets when it stands on one line.
    spaced: bool,
    /// Whether it stays open where the author opened it.
    stays_open: bool,
    /// Whether a comma may stand behind the last item.
    comma: bool,
}

impl ListStyle {
    pub const fn new(close: &'static str, spaced: bool, stays_open: bool, comma: bool) -> Self {
        Self {
            close,
            spaced,
            stays_open,
            comma,
        }
    }
}

/// An expression, and whether it is a map or list and nothing else.
pub(super) struct Expression {
    pub doc: Doc,
    literal: bool,
}

impl<'a> Parser<'a> {
    pub fn new(tokens: &'a [Token]) -> Self {
        Self {
            tokens,
            at: 0,
            told: 0,
            depth: 0,
            mode: Mode::Header,
        }
    }

    pub fn next(&self) -> &'a Token {
        // The last token is the end of the file, which is never taken.
        &self.tokens[self.at.min(self.tokens.len() - 1)]
    }

    pub fn wanted(&self, what: &str, mend: &str) -> FormatError {
        let token = self.next();
        let given = match token.kind {
            Kind::End => "the end of the file".to_owned(),
            Kind::Text => "a text".to_owned(),
            _ => format!("`{}`", token.text),
        };
        FormatError::new(
            token.line,
            token.column,
            "syntax",
            format!("{what} is wanted, not {given}"),
            mend,
        )
    }

    pub fn deeper<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, FormatError>,
    ) -> Result<T, FormatError> {
        if self.depth == MAX_DEPTH {
            let token = self.next();
            let mend = "compute the inner parts first";
            return Err(FormatError::new(
                token.line,
                token.column,
                "too_deep",
                "this is nested too deep",
                mend,
            ));
        }
        self.depth += 1;
        let result = work(self);
        self.depth -= 1;
        result
    }

    /// The comments at the end of the line of the last word.
    pub fn behind(&mut self) -> Vec<Doc> {
        let mut docs = Vec::new();
        while let Some(comment) = self
            .next()
            .comments
            .get(self.told)
            .filter(|comment| comment.stand == Stand::Behind)
        {
            docs.extend([
                Doc::Space,
                Doc::Comment {
                    text: comment.text.clone(),
                    ends_line: true,
                },
            ]);
            self.told += 1;
        }
        docs
    }

    /// The other comments before the next word. An empty line above the first one is up to the caller.
    pub fn comments(&mut self) -> Vec<Doc> {
        let mut docs = self.behind();
        let first = self.told;
        let token = self.next();
        for (index, comment) in token.comments.iter().enumerate().skip(first) {
            let text = comment.text.clone();
            match comment.stand {
                Stand::Alone => {
                    let joins =
                        index == first || comment.is_doc() && token.comments[index - 1].is_doc();
                    docs.push(if comment.blank && !joins {
                        Doc::Blank
                    } else {
                        Doc::Hard
                    });
                    docs.push(Doc::Comment {
                        text,
                        ends_line: true,
                    });
                }
                Stand::Behind => docs.extend([
                    Doc::Space,
                    Doc::Comment {
                        text,
                        ends_line: true,
                    },
                ]),
                Stand::Before => docs.extend([
                    Doc::Space,
                    Doc::Comment {
                        text,
                        ends_line: false,
                    },
                    Doc::Space,
                ]),
            }
        }
        // A doc line stays with what it documents.
        if token.blank
            && token.kind != Kind::End
            && token.comments[first..]
                .last()
                .is_some_and(|last| !last.is_doc() && last.stand == Stand::Alone)
        {
            docs.push(Doc::Blank);
        }
        self.told = token.comments.len();
        docs
    }

    /// The next word with its comments.
    pub fn take(&mut self) -> Doc {
        let mut docs = self.comments();
        docs.push(Doc::text(self.next().text.clone()));
        (self.at, self.told) = (self.at + 1, 0);
        match docs.len() {
            1 => docs.remove(0),
            _ => Doc::Concat(docs),
        }
    }

    pub fn expect(&mut self, sign: &str, mend: &str) -> Result<Doc, FormatError> {
        match self.next().is(sign) {
            true => Ok(self.take()),
            false => Err(self.wanted(&format!("`{sign}`"), mend)),
        }
    }

    /// Items between brackets, of which the next word is the opening one.
    pub fn list(
        &mut self,
        style: &ListStyle,
        item: impl Fn(&mut Self) -> Result<Expression, FormatError>,
    ) -> Result<Doc, FormatError> {
        let open = self.take();
        if self.next().is(style.close) && self.next().comments.is_empty() {
            return Ok(Doc::Concat(vec![open, self.take()]));
        }
        let stays_open = style.stays_open && self.next().newline;
        let mut inner = self.behind();
        let mut has_comments = !inner.is_empty();
        let mut items: Vec<Doc> = Vec::new();
        let mut hugs = false;
        inner.push(edge(style.spaced));
        while !self.next().is(style.close) {
            has_comments |= !self.next().comments.is_empty();
            if !items.is_empty() && self.next().blank_above() {
                inner.push(Doc::Blank);
            }
            // Outside of the item, whose groups they would break.
            inner.extend(self.comments());
            let parsed = self.deeper(&item)?;
            hugs = parsed.literal;
            items.push(parsed.doc.clone());
            inner.push(parsed.doc);
            // What is said behind the comma or before it is said behind it.
            let mut said = Vec::new();
            if self.next().is(",") {
                let comma_comments = self.comments();
                (self.at, self.told) = (self.at + 1, 0);
                said.extend(comma_comments);
            } else if !self.next().is(style.close) {
                return Err(self.wanted(
                    &format!("`,` or `{}`", style.close),
                    "separate the parts with `,`",
                ));
            }
            let is_last = self.next().is(style.close);
            match is_last {
                false => inner.push(Doc::text(",")),
                true if style.comma => inner.push(Doc::Broken(",")),
                true => {}
            }
            said.extend(self.behind());
            has_comments |= !said.is_empty();
            inner.extend(said);
            if !is_last {
                inner.push(Doc::Line);
            }
        }
        if self.told < self.next().comments.len() {
            has_comments = true;
            if !items.is_empty() && self.next().blank_above() {
                inner.push(Doc::Blank);
            }
            inner.extend(self.comments_only());
        }
        let close = self.take();
        // `emit("name", #{ … })`: the map opens on the line of the call.
        if hugs && style.close == ")" && !has_comments && !stays_open {
            let last = items.len() - 1;
            let before = Doc::Concat(items[..last].to_vec());
            if !before.ends_line() && before.width(HUG_WIDTH) + 2 * last <= HUG_WIDTH {
                let mut parts = vec![open];
                for (index, item) in items.into_iter().enumerate() {
                    if index > 0 {
                        parts.extend([Doc::text(","), Doc::Space]);
                    }
                    parts.push(item);
                }
                parts.push(close);
                return Ok(Doc::Concat(parts));
            }
        }
        let doc = Doc::Concat(vec![open, Doc::indent(inner), edge(style.spaced), close]);
        let broken = stays_open || doc.ends_line();
        Ok(Doc::Group(Box::new(doc), broken))
    }

    /// The comments before a closing bracket.
    pub fn comments_only(&mut self) -> Vec<Doc> {
        let mut docs = self.comments();
        if matches!(docs.last(), Some(Doc::Blank)) {
            docs.pop();
        }
        docs
    }

    /// An expression. `before_block`: an opening brace ends it.
    pub fn expression(&mut self, before_block: bool) -> Result<Expression, FormatError> {
        let mut operands = vec![self.operand(before_block)?];
        let mut operators: Vec<(u8, Doc, bool)> = Vec::new();
        while let Some((precedence, spaced)) = self.operator() {
            operators.push((precedence, self.take(), spaced));
            operands.push(self.operand(before_block)?);
        }
        let literal = operands.len() == 1 && operands[0].literal;
        let docs: Vec<Doc> = operands.into_iter().map(|operand| operand.doc).collect();
        Ok(Expression {
            doc: join(&docs, &operators),
            literal,
        })
    }

    /// How tight the operator is that comes next, and whether it has spaces around it.
    fn operator(&self) -> Option<(u8, bool)> {
        let token = self.next();
        let precedence = match (token.kind, token.text.as_str()) {
            (
                Kind::Sign,
                "=" | "+=" | "-=" | "*=" | "/=" | "%=" | "**=" | "<<=" | ">>=" | "&=" | "|=" | "^=",
            ) => 1,
            (Kind::Word, "then" | "else") if self.mode == Mode::Header => 2,
            (Kind::Sign, "||" | "|" | "^") => 30,
            (Kind::Sign, "&&" | "&") => 60,
            (Kind::Sign, "==" | "!=") => 90,
            (Kind::Word, "in") if self.mode == Mode::Body => 110,
            (Kind::Sign, "!in") => 110,
            (Kind::Sign, "<" | "<=" | ">" | ">=") => 130,
            (Kind::Sign, "??") => 135,
            (Kind::Sign, ".." | "..=") => 140,
            (Kind::Sign, "+" | "-") => 150,
            (Kind::Sign, "*" | "/" | "%") => 180,
            (Kind::Sign, "**") => 190,
            (Kind::Sign, "<<" | ">>") => 210,
            _ => return None,
        };
        Some((precedence, precedence != 140))
    }

    pub fn operand(&mut self, before_block: bool) -> Result<Expression, FormatError> {
        let mut parts = Vec::new();
        let mut literal = true;
        loop {
            let token = self.next();
            match token.text.as_str() {
                sign @ ("-" | "+" | "!") if token.kind == Kind::Sign => {
                    let sign = sign.to_owned();
                    parts.push(self.take());
                    // Two of them that touch are another operator.
                    if self.next().text.starts_with(&sign) {
                        parts.push(Doc::Space);
                    }
                    literal = false;
                    continue;
                }
                _ => {}
            }
            let word = (token.kind == Kind::Word).then_some(token.text.as_str());
            let is_keyword = word.is_some_and(|word| match self.mode {
                Mode::Header => HEADER_WORDS.contains(&word),
                Mode::Body => BODY_WORDS.contains(&word),
            });
            let (doc, is_literal) = self.primary(before_block)?;
            let (doc, extended) = match is_keyword && self.mode == Mode::Body
                || word.is_some_and(|word| word == "if")
            {
                true => (doc, false),
                false => self.postfix(doc, is_keyword)?,
            };
            literal &= is_literal && !extended;
            parts.push(doc);
            // What stands beside it: `let x`, `100 TFT`, `int from 0 to 10`.
            let next = self.next();
            let goes_on = match self.mode {
                Mode::Body => {
                    is_keyword
                        && !matches!(word, Some("if" | "while" | "for"))
                        && begins_operand(next, before_block)
                }
                Mode::Header => {
                    let is_declaration = next.kind == Kind::Word
                        && DECLARATIONS.contains(&next.text.as_str())
                        && !is_keyword;
                    matches!(next.kind, Kind::Word | Kind::Number | Kind::Text)
                        && !is_declaration
                        && self.operator().is_none()
                        || is_keyword && begins_operand(next, true)
                }
            };
            if !goes_on {
                break;
            }
            literal = false;
            parts.push(Doc::Space);
        }
        Ok(Expression {
            doc: if parts.len() == 1 {
                parts.remove(0)
            } else {
                Doc::Concat(parts)
            },
            literal,
        })
    }

    /// The second result is whether it is a map or a list.
    fn primary(&mut self, before_block: bool) -> Result<(Doc, bool), FormatError> {
        let token = self.next();
        let body = self.mode == Mode::Body;
        match (token.kind, token.text.as_str()) {
            (Kind::Word, "if" | "while" | "for" | "loop" | "do") if body => {
                Ok((self.deeper(Self::control)?, false))
            }
            (Kind::Word | Kind::Number | Kind::Text, _) => Ok((self.take(), false)),
            (Kind::Sign, "(") => {
                let style = ListStyle::new(")", false, false, false);
                Ok((
                    self.list(&style, |parser| parser.item().map(not_literal))?,
                    false,
                ))
            }
            (Kind::Sign, "[") => Ok((
                self.list(&ListStyle::new("]", false, true, true), Self::item)?,
                true,
            )),
            (Kind::Sign, "#{") => Ok((
                self.list(&ListStyle::new("}", true, true, true), Self::entry)?,
                true,
            )),
            (Kind::Sign, "{") if body && !before_block => {
                let block = self.deeper(Self::block)?;
                Ok((Doc::group(vec![block]), false))
            }
            _ => Err(self.wanted("an expression", "write a value, a name or a call here")),
        }
    }

    fn item(&mut self) -> Result<Expression, FormatError> {
        self.expression(false)
    }

    /// `name: value`
    fn entry(&mut self) -> Result<Expression, FormatError> {
        if !matches!(self.next().kind, Kind::Word | Kind::Text) {
            return Err(self.wanted("the name of an entry", "write #{ name: value }"));
        }
        let mut parts = vec![
            self.take(),
            self.expect(":", "write #{ name: value }")?,
            Doc::Space,
        ];
        parts.push(self.expression(false)?.doc);
        Ok(Expression {
            doc: Doc::Concat(parts),
            literal: false,
        })
    }

    /// What follows an operand directly: fields, calls, indexes. Whether there was anything.
    fn postfix(&mut self, first: Doc, is_keyword: bool) -> Result<(Doc, bool), FormatError> {
        let mut parts = vec![first];
        let mut calls = 0;
        loop {
            let token = self.next();
            let header = self.mode == Mode::Header;
            match token.text.as_str() {
                _ if token.kind != Kind::Sign => break,
                "." | "?." | "::" => {
                    let is_call = self
                        .tokens
                        .get(self.at + 2)
                        .is_some_and(|token| token.is("("));
                    if is_call && token.text != "::" {
                        calls += 1;
                        parts.push(Doc::Soft);
                    }
                    parts.push(self.take());
                    if !matches!(self.next().kind, Kind::Word | Kind::Number) {
                        return Err(self.wanted(
                            "a name",
                            "write the name of a field or a method after the point",
                        ));
                    }
                    parts.push(self.take());
                }
                "(" if !is_keyword => {
                    // A comma behind the last argument, as lists have it; not where there is one only.
                    let several = self.several();
                    let style = ListStyle::new(")", false, false, !header && several);
                    parts.push(self.list(&style, Self::item)?);
                }
                "[" | "?[" if !header => {
                    let style = ListStyle::new("]", false, false, false);
                    parts.push(self.list(&style, Self::item)?);
                }
                "%" if header && token.touches => parts.push(self.take()),
                "?" if header => parts.push(self.take()),
                ":" if header => parts.extend([self.take(), Doc::Space, self.operand(true)?.doc]),
                _ => break,
            }
        }
        if parts.len() == 1 {
            return Ok((parts.remove(0), false));
        }
        if calls < 2 {
            parts.retain(|part| !matches!(part, Doc::Soft));
            return Ok((Doc::Concat(parts), true));
        }
        let first = parts.remove(0);
        Ok((Doc::group(vec![first, Doc::indent(parts)]), true))
    }

    /// Whether the brackets that open here hold more than one item.
    fn several(&self) -> bool {
        let mut depth = 0usize;
        for (at, token) in self
            .tokens
            .iter()
            .enumerate()
            .skip(self.at)
            .filter(|(_, token)| token.kind == Kind::Sign)
        {
            match token.text.as_str() {
                "(" | "[" | "{" | "#{" | "?[" => depth += 1,
                ")" | "]" | "}" => depth -= 1,
                "," if depth == 1 => {
                    return !self.tokens.get(at + 1).is_some_and(|token| token.is(")"));
                }
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
        false
    }
}

fn not_literal(expression: Expression) -> Expression {
    Expression {
        literal: false,
        ..expression
    }
}

fn edge(spaced: bool) -> Doc {
    if spaced { Doc::Line } else { Doc::Soft }
}

/// Whether an operand can begin with this word.
fn begins_operand(token: &Token, before_block: bool) -> bool {
    match token.kind {
        Kind::Word | Kind::Number | Kind::Text => true,
        Kind::Sign => match token.text.as_str() {
            "(" | "[" | "#{" | "-" | "!" | "+" => true,
            "{" => !before_block,
            _ => false,
        },
        Kind::End => false,
    }
}

/// Joins operands by their operators; where it does not fit, a line ends before the loosest ones.
fn join(operands: &[Doc], operators: &[(u8, Doc, bool)]) -> Doc {
    let Some(loosest) = operators.iter().map(|(precedence, ..)| *precedence).min() else {
        return operands[0].clone();
    };
    let mut parts: Vec<Doc> = Vec::new();
    let mut from = 0;
    // Comparisons, assignments and ranges keep their sides together.
    let breaks = matches!(loosest, 2 | 30 | 60 | 135 | 150);
    for (at, (precedence, operator, spaced)) in operators.iter().enumerate() {
        if *precedence != loosest {
            continue;
        }
        parts.push(join(&operands[from..=at], &operators[from..at]));
        match (*spaced, breaks) {
            (true, true) => parts.extend([Doc::Line, operator.clone(), Doc::Space]),
            (true, false) => parts.extend([Doc::Space, operator.clone(), Doc::Space]),
            (false, _) => parts.push(operator.clone()),
        }
        from = at + 1;
    }
    parts.push(join(&operands[from..], &operators[from..]));
    match breaks {
        true => {
            let first = parts.remove(0);
            Doc::group(vec![first, Doc::indent(parts)])
        }
        false => Doc::Concat(parts),
    }
}
