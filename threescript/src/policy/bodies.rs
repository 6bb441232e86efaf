//! Compiling functions and bodies, and saying what is wrong with those that do not parse.

use super::check;
use super::declaration::Header;
use super::diagnostic::{Fault, Place, suggest};
use super::lexer::keep_only;
use super::typing;
use crate::engine::profile::{BANNED, Globals};
use crate::engine::{Catalog, place_of};
use rhai::{AST, Dynamic, Engine, LexError, ParseErrorType, Scope};
use std::collections::BTreeSet;
use std::ops::Range;

/// What bodies are compiled with.
pub(super) struct Compiler<'a> {
    pub source: &'a str,
    pub header: &'a Header,
    pub catalog: &'a Catalog,
    pub engine: &'a Engine,
    pub globals: &'a Globals,
}

impl Compiler<'_> {
    /// Compiles functions and bodies. Each is parsed out of the whole file with everything else blanked, so the places
    /// in errors are places in the file.
    ///
    /// The second result is the names of local variables that some body copies.
    pub fn bodies(&self, faults: &mut Vec<Fault>) -> (Vec<AST>, BTreeSet<String>) {
        let is_sound = faults.is_empty();
        let mut copied = BTreeSet::new();
        let mut functions = AST::empty();
        // The parts as they stand, each for itself, for the types.
        let mut parts = (Vec::new(), Vec::new());
        for function in &self.header.functions {
            let params = function.params.iter().map(String::as_str);
            if let Some(ast) = self.parse_all(function.range.clone(), [], params, faults) {
                self.check(&ast, false, faults);
                check::find_copied(&ast, self.header, &mut copied);
                functions = functions.merge(&ast);
                parts.0.push(ast);
            }
        }
        let mut bodies = Vec::with_capacity(self.header.entries.len());
        for entry in &self.header.entries {
            let params: Vec<&str> = entry
                .params
                .iter()
                .map(|param| param.name.as_str())
                .collect();
            // Without the braces: the body is what the interpreter runs at its top level.
            let range = entry.body.start + 1..entry.body.end - 1;
            let Some(ast) = self.parse_all(range, params, [], faults) else {
                continue;
            };
            if let Some(function) = ast.iter_fn_def().next() {
                let place = place_of(function.body.start_position()).unwrap_or(entry.place);
                let reason = format!("`{}` is declared inside a body", function.name);
                faults.push(Fault::new(
                    place,
                    "nested_function",
                    reason,
                    "move it out of the body, to the top of the file",
                ));
            }
            self.check(&ast, entry.kind.reads_only(), faults);
            check::find_copied(&ast, self.header, &mut copied);
            bodies.push(ast.merge(&functions));
            parts.1.push(ast);
        }
        let (functions, entries) = parts;
        let header = self.header;
        // Types of what is declared wrongly would be guesses.
        let is_whole =
            functions.len() == header.functions.len() && entries.len() == header.entries.len();
        if is_whole && is_sound {
            faults.extend(typing::check(&typing::Program {
                header: self.header,
                catalog: self.catalog,
                functions: &functions,
                bodies: &entries,
            }));
        }
        (bodies, copied)
    }

    /// Parses a part of the file. Unknown variables are reported and then taken as known, so that one of them does not
    /// hide the others. `visible` are the names that it sees besides the globals, `own` those that it declares itself.
    fn parse_all<'p>(
        &'p self,
        range: Range<usize>,
        visible: impl IntoIterator<Item = &'p str>,
        own: impl IntoIterator<Item = &'p str>,
        faults: &mut Vec<Fault>,
    ) -> Option<AST> {
        const MOST_UNKNOWN: usize = 32;
        let text = keep_only(self.source, &[range]);
        let mut names: Vec<String> = self
            .globals
            .names()
            .chain(visible)
            .map(str::to_owned)
            .collect();
        let mut unknown: Vec<(Place, String)> = Vec::new();
        let parsed = loop {
            let mut scope = Scope::new();
            for name in &names {
                scope.push_dynamic(name.as_str(), Dynamic::UNIT);
            }
            match self.engine.compile_with_scope(&scope, &text) {
                Ok(ast) => break Some(ast),
                Err(error) => match error.err_type() {
                    ParseErrorType::VariableUndefined(name) if unknown.len() < MOST_UNKNOWN => {
                        unknown.push((self.place_of(&error), name.clone()));
                        names.push(name.clone());
                    }
                    _ => {
                        faults.push(self.syntax_fault(&error));
                        break None;
                    }
                },
            }
        };
        let locals = parsed.as_ref().map(check::local_names).unwrap_or_default();
        let own: Vec<&str> = own.into_iter().collect();
        for (place, name) in &unknown {
            let known = names
                .iter()
                .filter(|known| unknown.iter().all(|(_, unknown)| unknown != *known));
            let known = known
                .map(String::as_str)
                .chain(own.iter().copied())
                .chain(locals.iter().map(String::as_str));
            let mend = suggest(name, known);
            faults.push(Fault::new(
                *place,
                "unknown_variable",
                format!("there is no variable `{name}`"),
                mend,
            ));
        }
        parsed
    }

    fn check(&self, ast: &AST, read_only: bool, faults: &mut Vec<Fault>) {
        let (header, catalog) = (self.header, self.catalog);
        let context = check::Context {
            header,
            catalog,
            globals: self.globals.names().collect(),
            read_only,
        };
        check::body(ast, &context, faults);
    }

    fn place_of(&self, error: &rhai::ParseError) -> Place {
        // The end of the input has no place of its own; the blanked text ends where the file does.
        place_of(error.position()).unwrap_or_else(|| end_of(self.source))
    }

    /// The word of the file that begins at a place.
    fn word_at(&self, place: Place) -> String {
        let line = self
            .source
            .lines()
            .nth(place.line as usize - 1)
            .unwrap_or_default();
        let rest = line.chars().skip(place.column as usize - 1);
        rest.take_while(|character| character.is_ascii_alphanumeric() || *character == '_')
            .collect()
    }

    fn syntax_fault(&self, error: &rhai::ParseError) -> Fault {
        let place = self.place_of(error);
        let fault =
            |code: &'static str, reason: String, mend: &str| Fault::new(place, code, reason, mend);
        match error.err_type() {
            ParseErrorType::ExprTooDeep => fault(
                "limit.expression",
                "this is nested too deep".into(),
                "use variables and functions",
            ),
            ParseErrorType::TooManyFunctions => fault(
                "limit.functions",
                "there are too many functions".into(),
                "split the policy",
            ),
            ParseErrorType::MismatchedType(wanted, given) => {
                fault("type", format!("{wanted} is wanted, not {given}"), "")
            }
            ParseErrorType::LiteralTooLarge(what, limit) => fault(
                "limit.literal",
                format!("{what} is larger than {limit}"),
                "make it smaller, or keep it in a table",
            ),
            ParseErrorType::BadInput(LexError::StringTooLong(limit)) => fault(
                "limit.literal",
                format!("the text is longer than {limit} bytes"),
                "make it shorter",
            ),
            other => {
                let word = match other {
                    ParseErrorType::Reserved(word)
                    | ParseErrorType::BadInput(LexError::ImproperSymbol(word, _)) => word.clone(),
                    _ => self.word_at(place),
                };
                if let Some((word, mend)) = BANNED.iter().find(|(banned, _)| *banned == word) {
                    return fault("banned", format!("policies have no `{word}`"), mend);
                }
                let (code, mend) = match self.is_decimal_literal(place) {
                    true => (
                        "decimal_literal",
                        "write dec(\"12.5\"), or 12.5% as dec(\"12.5\").percent",
                    ),
                    false => ("syntax", ""),
                };
                fault(code, other.to_string(), mend)
            }
        }
    }

    /// Whether the place is in a number with a point, which the bodies do not have.
    fn is_decimal_literal(&self, place: Place) -> bool {
        let line: Vec<char> = self
            .source
            .lines()
            .nth(place.line as usize - 1)
            .unwrap_or_default()
            .chars()
            .collect();
        let at = place.column as usize - 1;
        let is_digit = |at: Option<usize>| {
            at.and_then(|at| line.get(at))
                .is_some_and(char::is_ascii_digit)
        };
        let point = |at: usize| {
            line.get(at) == Some(&'.') && is_digit(at.checked_sub(1)) && is_digit(Some(at + 1))
        };
        (at.saturating_sub(1)..=at + 1).any(point)
    }
}

fn end_of(source: &str) -> Place {
    let line = source.lines().count().max(1);
    let column = source.lines().last().map_or(0, |line| line.chars().count());
    Place {
        line: line as u32,
        column: column as u32 + 1,
    }
}
