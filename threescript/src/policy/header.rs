//! Reading the declarations of a policy file: everything around the bodies.

use super::declaration::{
    CallerRule, Column, ConstDecl, EntryDecl, EntryKind, FormulaDecl, FunctionDecl, Header,
    TableDecl,
};
use super::diagnostic::{Fault, Place, shorten, suggest};
use super::lexer::{Cursor, Lexer, Token};
use super::types::{another, expect_sign, next_is, parse_literal, parse_type, type_name};
use crate::action::{ParamDecl, Type};
use crate::value::{Assets, Value};
use std::collections::BTreeMap;
use std::ops::Range;

mod param;
mod reaction;
mod testing;
mod usage;

pub(crate) use testing::parse_tests;

/// The words that declarations of a policy begin with.
pub const KEYWORDS: [&str; 11] = [
    "use",
    "const",
    "param",
    "table",
    "formula",
    "action",
    "ask",
    "every",
    "on",
    "invariant",
    "fn",
];
/// The most columns of a table, parameters of an action, and columns of a key.
const MAX_COLUMNS: usize = 64;
const MAX_PARAMS: usize = 32;
const MAX_KEY: usize = 4;

/// Reads the declarations; with faults, everything that could be read in spite of them.
pub(crate) fn parse(source: &str, assets: &Assets) -> (Header, Vec<Fault>) {
    let mut parser = Parser {
        lexer: Lexer::new(source),
        assets,
        header: Header::default(),
        faults: Vec::new(),
    };
    if let Err(fault) = parser.title() {
        parser.faults.push(fault);
        return (parser.header, parser.faults);
    }
    loop {
        match parser.declaration() {
            Ok(true) => {}
            Ok(false) => break,
            Err(fault) => {
                parser.faults.push(fault);
                if !parser.resume(&KEYWORDS) {
                    break;
                }
            }
        }
    }
    parser.check_names();
    (parser.header, parser.faults)
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    assets: &'a Assets,
    header: Header,
    faults: Vec<Fault>,
}

impl Parser<'_> {
    fn title(&mut self) -> Result<(), Fault> {
        const MEND: &str = "begin the file with `policy NAME version N`";
        let (token, start) = self.lexer.next()?;
        self.header.doc = self.lexer.take_docs();
        if token != Token::Name("policy".to_owned()) {
            return Err(Fault::new(
                start.place,
                "no_title",
                format!("`policy` is wanted, not {}", token.describe()),
                MEND,
            ));
        }
        (self.header.name, self.header.place) = self.name("policy")?;
        self.expect_word("version", MEND)?;
        let (token, start) = self.lexer.next()?;
        let version = match &token {
            Token::Number(digits) => digits.parse().ok().filter(|version| *version > 0),
            _ => None,
        };
        let wrong = || {
            Fault::new(
                start.place,
                "bad_version",
                "a version is a whole number from 1",
                MEND,
            )
        };
        self.header.version = version.ok_or_else(wrong)?;
        Ok(())
    }

    /// Reads one declaration. False at the end of the file.
    fn declaration(&mut self) -> Result<bool, Fault> {
        let (token, start) = self.lexer.next()?;
        let doc = self.lexer.take_docs();
        match &token {
            Token::End => return Ok(false),
            Token::Sign(';') => {}
            Token::Name(word) => match word.as_str() {
                "use" => self.usage(doc)?,
                "const" => self.constant(doc)?,
                "param" => self.param(doc)?,
                "table" => self.table(doc)?,
                "action" => self.entry(EntryKind::Action, doc)?,
                "ask" => self.entry(EntryKind::Ask, doc)?,
                "every" => self.entry(EntryKind::Every, doc)?,
                "on" => self.reaction(doc)?,
                "invariant" => self.invariant(doc)?,
                "formula" => self.formula(doc)?,
                "fn" => self.function(start)?,
                other => {
                    let mend = suggest(other, KEYWORDS);
                    return Err(Fault::new(
                        start.place,
                        "syntax",
                        format!("`{other}` declares nothing"),
                        mend,
                    ));
                }
            },
            other => {
                let reason = format!("a declaration is wanted, not {}", other.describe());
                let mend = format!("declarations begin with {}", KEYWORDS.join(", "));
                return Err(Fault::new(start.place, "syntax", reason, mend));
            }
        }
        Ok(true)
    }

    /// After a fault: goes on at the next line that begins with one of these words. False if there is none.
    fn resume(&mut self, words: &[&str]) -> bool {
        loop {
            let before = self.lexer.cursor();
            match self.lexer.next() {
                Ok((Token::End, _)) => return false,
                Ok((Token::Name(word), start))
                    if start.place.column == 1 && words.contains(&word.as_str()) =>
                {
                    self.lexer.rewind(start);
                    return true;
                }
                Ok(_) => {}
                Err(_) if self.lexer.cursor() == before => return false,
                Err(_) => {}
            }
        }
    }

    fn constant(&mut self, doc: String) -> Result<(), Fault> {
        let (token, start) = self.lexer.next()?;
        let name = match token {
            Token::Name(name) if name.starts_with(|first: char| first.is_ascii_alphabetic()) => {
                name
            }
            other => {
                let reason = format!("a name is wanted, not {}", other.describe());
                return Err(Fault::new(
                    start.place,
                    "bad_name",
                    reason,
                    "write `const NAME = value`",
                ));
            }
        };
        let ty = if next_is(&mut self.lexer, ':')? {
            Some(parse_type(&mut self.lexer)?)
        } else {
            None
        };
        expect_sign(&mut self.lexer, '=')?;
        let value = parse_literal(&mut self.lexer, ty.as_ref(), self.assets)?;
        self.header.consts.push(ConstDecl {
            name,
            doc,
            value,
            place: start.place,
        });
        Ok(())
    }

    fn table(&mut self, doc: String) -> Result<(), Fault> {
        let (name, place) = self.name("table")?;
        expect_sign(&mut self.lexer, '{')?;
        let mut columns: Vec<Column> = Vec::new();
        let mut key = Vec::new();
        loop {
            if columns.is_empty() && next_is(&mut self.lexer, '}')? {
                break;
            }
            let (column, at, is_key) = self.column()?;
            if columns.iter().any(|other| other.name == column.name) {
                let reason = format!("the column `{}` is declared twice", column.name);
                return Err(Fault::new(
                    at,
                    "duplicate",
                    reason,
                    "give each column its own name",
                ));
            }
            if is_key {
                key.push(columns.len());
            }
            columns.push(column);
            if !another(&mut self.lexer, '}')? {
                break;
            }
        }
        if key.is_empty() || key.len() > MAX_KEY || columns.len() > MAX_COLUMNS {
            let reason = match key.is_empty() {
                true => format!("the table `{name}` has no key"),
                false => {
                    format!("a table has at most {MAX_KEY} key columns and {MAX_COLUMNS} columns")
                }
            };
            return Err(Fault::new(
                place,
                "bad_key",
                reason,
                "mark one column or several with `key`, as in `id: id key`",
            ));
        }
        self.header.tables.push(TableDecl {
            name,
            doc,
            columns,
            key,
            place,
        });
        Ok(())
    }

    /// `name: type? key index`
    fn column(&mut self) -> Result<(Column, Place, bool), Fault> {
        let (name, place) = self.name("column")?;
        let doc = self.lexer.take_docs();
        expect_sign(&mut self.lexer, ':')?;
        let ty = parse_type(&mut self.lexer)?;
        let optional = next_is(&mut self.lexer, '?')?;
        let mut column = Column {
            name,
            ty,
            optional,
            indexed: false,
            doc,
        };
        let mut is_key = false;
        loop {
            let before = self.lexer.cursor();
            let (token, at) = self.lexer.next()?;
            match token {
                Token::Name(word) if word == "key" => is_key = true,
                Token::Name(word) if word == "index" => column.indexed = true,
                Token::Name(word) => {
                    let mend = suggest(&word, ["key", "index"]);
                    return Err(Fault::new(
                        at.place,
                        "syntax",
                        format!("a column has no `{word}`"),
                        mend,
                    ));
                }
                _ => {
                    self.lexer.rewind(before);
                    break;
                }
            }
        }
        if (is_key || column.indexed) && !sorts(&column.ty) {
            let reason = format!(
                "a column of type {} cannot be a key or an index",
                type_name(&column.ty)
            );
            let mend = "use bool, int, id, time, duration, text, bytes, account or one_of";
            return Err(Fault::new(place, "bad_key", reason, mend));
        }
        if is_key && optional {
            return Err(Fault::new(
                place,
                "bad_key",
                "a key column cannot be optional",
                "take the `?` away",
            ));
        }
        Ok((column, place, is_key))
    }

    fn entry(&mut self, kind: EntryKind, doc: String) -> Result<(), Fault> {
        let period_seconds = if kind == EntryKind::Every {
            Some(self.period()?)
        } else {
            None
        };
        let (name, place) = self.name("action")?;
        let params = self.params()?;
        if kind == EntryKind::Every && !params.is_empty() {
            return Err(Fault::new(
                place,
                "bad_params",
                "a schedule has no parameters",
                "keep what it needs in a table",
            ));
        }
        let callers = match kind {
            EntryKind::Action => self.callers(&params)?,
            EntryKind::Every => vec![CallerRule::Schedule],
            EntryKind::On | EntryKind::Invariant => vec![CallerRule::Circle],
            EntryKind::Ask => Vec::new(),
        };
        let body = self.body()?;
        self.header.entries.push(EntryDecl {
            kind,
            name,
            doc,
            params,
            callers,
            period_seconds,
            place,
            body,
        });
        Ok(())
    }

    fn period(&mut self) -> Result<i64, Fault> {
        const MEND: &str = "write a duration of at least a minute, as in `every 1.hours`";
        let before = self.lexer.cursor();
        let start = self.lexer.next()?.1;
        self.lexer.rewind(before);
        match parse_literal(&mut self.lexer, Some(&Type::Duration), self.assets)? {
            Value::Duration(seconds) if seconds >= 60 => Ok(seconds),
            _ => Err(Fault::new(
                start.place,
                "bad_period",
                "this period is too short",
                MEND,
            )),
        }
    }

    fn params(&mut self) -> Result<Vec<ParamDecl>, Fault> {
        expect_sign(&mut self.lexer, '(')?;
        let mut params: Vec<ParamDecl> = Vec::new();
        if next_is(&mut self.lexer, ')')? {
            return Ok(params);
        }
        loop {
            let (name, place) = self.name("parameter")?;
            let doc = self.lexer.take_docs();
            if params.iter().any(|other| other.name == name) {
                let reason = format!("the parameter `{name}` is declared twice");
                return Err(Fault::new(
                    place,
                    "duplicate",
                    reason,
                    "give each parameter its own name",
                ));
            }
            if params.len() == MAX_PARAMS {
                return Err(Fault::new(
                    place,
                    "bad_params",
                    format!("more than {MAX_PARAMS} parameters"),
                    "use a map",
                ));
            }
            expect_sign(&mut self.lexer, ':')?;
            let ty = parse_type(&mut self.lexer)?;
            let default = match next_is(&mut self.lexer, '=')? {
                true => Some(parse_literal(&mut self.lexer, Some(&ty), self.assets)?),
                false => None,
            };
            params.push(ParamDecl {
                name,
                ty,
                default,
                doc,
            });
            if !another(&mut self.lexer, ')')? {
                return Ok(params);
            }
        }
    }

    /// `by guardian or role(auditor) or account(owner)`
    fn callers(&mut self, params: &[ParamDecl]) -> Result<Vec<CallerRule>, Fault> {
        const MEND: &str =
            "say who may run it: by guardian, role(name), account(parameter), anyone or circle";
        self.expect_word("by", MEND)?;
        let mut callers = Vec::new();
        loop {
            let (token, start) = self.lexer.next()?;
            let word = match &token {
                Token::Name(word) => word.as_str(),
                _ => "",
            };
            callers.push(match word {
                "guardian" => CallerRule::Guardian,
                "anyone" => CallerRule::Anyone,
                "circle" => CallerRule::Circle,
                "role" => CallerRule::Role(self.in_parentheses("role")?.0),
                "account" => {
                    let (name, place) = self.in_parentheses("parameter")?;
                    let param = params.iter().find(|param| param.name == name);
                    if param.is_none_or(|param| param.ty != Type::Account) {
                        let accounts = params.iter().filter(|param| param.ty == Type::Account);
                        let mend = suggest(&name, accounts.map(|param| param.name.as_str()));
                        let reason = format!("there is no parameter `{name}` of type account");
                        return Err(Fault::new(place, "bad_caller", reason, mend));
                    }
                    CallerRule::Account(name)
                }
                _ => {
                    let reason = format!("{} cannot run an action", token.describe());
                    return Err(Fault::new(start.place, "bad_caller", reason, MEND));
                }
            });
            let before = self.lexer.cursor();
            if self.lexer.next()?.0 != Token::Name("or".to_owned()) {
                self.lexer.rewind(before);
                return Ok(callers);
            }
        }
    }

    fn in_parentheses(&mut self, what: &str) -> Result<(String, Place), Fault> {
        expect_sign(&mut self.lexer, '(')?;
        let name = self.name(what)?;
        expect_sign(&mut self.lexer, ')')?;
        Ok(name)
    }

    /// `name(param: type, …): type = expression`
    fn formula(&mut self, doc: String) -> Result<(), Fault> {
        let (name, place) = self.name("formula")?;
        let params = self.params()?;
        expect_sign(&mut self.lexer, ':')?;
        let result = parse_type(&mut self.lexer)?;
        expect_sign(&mut self.lexer, '=')?;
        let body = crate::formula::parse(&mut self.lexer, self.assets)?;
        self.header.formulas.push(FormulaDecl {
            name,
            doc,
            params,
            result,
            place,
            body,
        });
        Ok(())
    }

    fn function(&mut self, start: Cursor) -> Result<(), Fault> {
        let (name, place) = self.name("function")?;
        expect_sign(&mut self.lexer, '(')?;
        let mut params = Vec::new();
        if !next_is(&mut self.lexer, ')')? {
            loop {
                params.push(self.name("parameter")?.0);
                if !another(&mut self.lexer, ')')? {
                    break;
                }
            }
        }
        let body = self.body()?;
        self.header.functions.push(FunctionDecl {
            name,
            params,
            place,
            range: start.offset..body.end,
        });
        Ok(())
    }

    /// The range from the opening brace to behind the closing one.
    fn body(&mut self) -> Result<Range<usize>, Fault> {
        let (token, start) = self.lexer.next()?;
        if token != Token::Sign('{') {
            let reason = format!("a body is wanted, not {}", token.describe());
            return Err(Fault::new(
                start.place,
                "syntax",
                reason,
                "write the body in `{ … }`",
            ));
        }
        self.lexer.rewind(start);
        self.lexer.skip_body()?;
        Ok(start.offset..self.lexer.cursor().offset)
    }

    fn expect_word(&mut self, word: &str, mend: &str) -> Result<(), Fault> {
        let (token, start) = self.lexer.next()?;
        match token == Token::Name(word.to_owned()) {
            true => Ok(()),
            false => Err(Fault::new(
                start.place,
                "syntax",
                format!("`{word}` is wanted, not {}", token.describe()),
                mend,
            )),
        }
    }

    /// A name in lower case.
    fn name(&mut self, what: &str) -> Result<(String, Place), Fault> {
        let (token, start) = self.lexer.next()?;
        let mend = "names are a-z, 0-9 and _, begin with a letter and have at most 48 characters";
        match token {
            Token::Name(name) if crate::action::is_name(&name) && name.len() <= 48 => {
                Ok((name, start.place))
            }
            other => {
                let reason = format!("the name of a {what} is wanted, not {}", other.describe());
                Err(Fault::new(start.place, "bad_name", reason, mend))
            }
        }
    }

    /// Names that bodies share must be different; so must entries, which are told apart by what runs them.
    fn check_names(&mut self) {
        let mut taken: BTreeMap<&str, &str> = BTreeMap::new();
        let mut faults = Vec::new();
        let Header {
            uses,
            consts,
            params,
            tables,
            entries,
            functions,
            formulas,
            ..
        } = &self.header;
        let shared = consts
            .iter()
            .map(|item| ("constant", &item.name, item.place));
        let used = uses.iter().flat_map(|used| &used.names);
        let shared = shared.chain(used.map(|item| ("constant", &item.name, item.place)));
        let shared = shared.chain(params.iter().map(|item| ("param", &item.name, item.place)));
        let shared = shared.chain(tables.iter().map(|item| ("table", &item.name, item.place)));
        let shared = shared.chain(
            functions
                .iter()
                .map(|item| ("function", &item.name, item.place)),
        );
        let shared = shared.chain(
            formulas
                .iter()
                .map(|item| ("formula", &item.name, item.place)),
        );
        for (what, name, place) in shared {
            if let Some(other) = taken.insert(name, what) {
                let reason = format!("`{name}` is already the name of a {other}");
                faults.push(Fault::new(
                    place,
                    "duplicate",
                    reason,
                    "give it another name",
                ));
            }
        }
        for function in functions {
            for param in function
                .params
                .iter()
                .filter(|param| taken.contains_key(param.as_str()))
            {
                let reason = format!(
                    "the parameter `{param}` has the name of a {}",
                    taken[param.as_str()]
                );
                faults.push(Fault::new(
                    function.place,
                    "duplicate",
                    reason,
                    "give it another name",
                ));
            }
        }
        for formula in formulas {
            for param in &formula.params {
                // It sees constants and params, and neither tables nor functions.
                let other = taken.get(param.name.as_str());
                if let Some(other @ (&"constant" | &"param")) = other {
                    let reason =
                        format!("the parameter `{}` has the name of a {other}", param.name);
                    let mend = "give it another name";
                    faults.push(Fault::new(formula.place, "duplicate", reason, mend));
                }
            }
        }
        for (index, entry) in entries.iter().enumerate() {
            let earlier = entries[..index]
                .iter()
                .find(|other| other.name == entry.name && other.kind == entry.kind);
            if let Some(other) = earlier {
                let reason = format!(
                    "`{}` is already declared in line {}",
                    entry.name, other.place.line
                );
                faults.push(Fault::new(
                    entry.place,
                    "duplicate",
                    reason,
                    "give it another name",
                ));
            }
            for param in &entry.params {
                if let Some(other) = taken.get(param.name.as_str()) {
                    let reason =
                        format!("the parameter `{}` has the name of a {other}", param.name);
                    faults.push(Fault::new(
                        entry.place,
                        "duplicate",
                        reason,
                        "give it another name",
                    ));
                }
            }
        }
        self.faults.extend(faults);
    }
}

/// Whether values of the type have an order in bytes, so that keys and indexes can be made of them.
fn sorts(ty: &Type) -> bool {
    use Type::*;
    matches!(
        ty,
        Bool | Int | Size | Id | Time | Duration | Text | Bytes | Account | OneOf(_)
    )
}
