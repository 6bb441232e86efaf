//! Reading the declarations of a file of tests.

use super::{KEYWORDS, Parser};
use crate::action::{ParamDecl, Type};
use crate::policy::declaration::{CallerRule, EntryDecl, EntryKind, Header};
use crate::policy::diagnostic::{Fault, Place, suggest};
use crate::policy::lexer::{Lexer, Token};
use crate::policy::param::compare;
use crate::policy::testing::{CaseDecl, Generator, InputDecl};
use crate::policy::types::{another, expect_sign, next_is, parse_literal};
use crate::value::{Amount, AssetCode, Assets, Decimal, Value};
use std::cmp::Ordering;

const WORDS: [&str; 5] = ["with", "const", "fn", "test", "property"];
const MEND: &str = "begin the file with `tests of NAME`, the name of a policy";
/// The most items of a list and characters of a text that a generator makes.
const MAX_GENERATED: i64 = 1_000;

/// What a file of tests declares.
#[derive(Debug, Default)]
pub(crate) struct TestHeader {
    /// The declarations that a policy could have as well; its name is that of the policy under test.
    pub header: Header,
    pub with: Vec<(String, Place)>,
    pub cases: Vec<CaseDecl>,
}

/// Reads a file of tests; with faults, everything that could be read in spite of them.
pub(crate) fn parse_tests(source: &str, assets: &Assets) -> (TestHeader, Vec<Fault>) {
    let mut parser = Parser {
        lexer: Lexer::new(source),
        assets,
        header: Header::default(),
        faults: Vec::new(),
    };
    let (mut with, mut cases) = (Vec::new(), Vec::new());
    if let Err(fault) = parser.tests_title() {
        parser.faults.push(fault);
    } else {
        loop {
            match parser.test_declaration(&mut with, &mut cases) {
                Ok(true) => {}
                Ok(false) => break,
                Err(fault) => {
                    parser.faults.push(fault);
                    if !parser.resume(&WORDS) {
                        break;
                    }
                }
            }
        }
        parser.check_names();
        parser.check_cases(&cases);
    }
    let header = parser.header;
    (
        TestHeader {
            header,
            with,
            cases,
        },
        parser.faults,
    )
}

impl Parser<'_> {
    fn tests_title(&mut self) -> Result<(), Fault> {
        let (token, start) = self.lexer.next()?;
        self.header.doc = self.lexer.take_docs();
        if token != Token::Name("tests".to_owned()) {
            let reason = format!("`tests` is wanted, not {}", token.describe());
            return Err(Fault::new(start.place, "no_title", reason, MEND));
        }
        self.expect_word("of", MEND)?;
        (self.header.name, self.header.place) = self.name("policy")?;
        self.header.version = 1;
        Ok(())
    }

    fn test_declaration(
        &mut self,
        with: &mut Vec<(String, Place)>,
        cases: &mut Vec<CaseDecl>,
    ) -> Result<bool, Fault> {
        let (token, start) = self.lexer.next()?;
        let doc = self.lexer.take_docs();
        match &token {
            Token::End => return Ok(false),
            Token::Sign(';') => {}
            Token::Name(word) => match word.as_str() {
                "with" => loop {
                    with.push(self.name("policy")?);
                    if !next_is(&mut self.lexer, ',')? {
                        break;
                    }
                },
                "const" => self.constant(doc)?,
                "fn" => self.function(start)?,
                "test" => cases.push(self.case(doc, start.place, false)?),
                "property" => cases.push(self.case(doc, start.place, true)?),
                other => {
                    let mend = match KEYWORDS.contains(&other) {
                        true => "that belongs into the policy".to_owned(),
                        false => suggest(other, WORDS),
                    };
                    let reason = format!("`{other}` declares nothing in a file of tests");
                    return Err(Fault::new(start.place, "syntax", reason, mend));
                }
            },
            other => {
                let reason = format!("a declaration is wanted, not {}", other.describe());
                let mend = format!("declarations begin with {}", WORDS.join(", "));
                return Err(Fault::new(start.place, "syntax", reason, mend));
            }
        }
        Ok(true)
    }

    /// `test "name" { … }` or `property "name" (input: generator, …) { … }`
    fn case(&mut self, doc: String, place: Place, is_property: bool) -> Result<CaseDecl, Fault> {
        let (token, start) = self.lexer.next()?;
        let name = match token {
            Token::Text(name) if !name.trim().is_empty() => name,
            other => {
                let reason = format!("a name in quotes is wanted, not {}", other.describe());
                let mend = "say in a sentence what holds, as in test \"who borrows pays\"";
                return Err(Fault::new(start.place, "bad_name", reason, mend));
            }
        };
        let inputs = match is_property {
            true => self.inputs()?,
            false => Vec::new(),
        };
        let body = self.body()?;
        let entry = format!("case_{}", self.header.entries.len() + 1);
        let any = |input: &InputDecl| ParamDecl {
            name: input.name.clone(),
            ty: Type::Any,
            default: None,
            doc: String::new(),
        };
        self.header.entries.push(EntryDecl {
            kind: EntryKind::Every,
            name: entry.clone(),
            doc: doc.clone(),
            params: inputs.iter().map(any).collect(),
            callers: vec![CallerRule::Schedule],
            period_seconds: None,
            place,
            body,
        });
        Ok(CaseDecl {
            name,
            doc,
            place,
            is_property,
            inputs,
            entry,
        })
    }

    fn inputs(&mut self) -> Result<Vec<InputDecl>, Fault> {
        let at = expect_sign(&mut self.lexer, '(')?;
        let mut inputs: Vec<InputDecl> = Vec::new();
        loop {
            if inputs.is_empty() && next_is(&mut self.lexer, ')')? {
                let mend = "give it one, as in (n: int from 0 to 9), or make it a test";
                return Err(Fault::new(at, "bad_params", "a property has inputs", mend));
            }
            let (name, place) = self.name("input")?;
            if inputs.iter().any(|other| other.name == name) {
                let reason = format!("the input `{name}` is declared twice");
                let mend = "give each input its own name";
                return Err(Fault::new(place, "duplicate", reason, mend));
            }
            expect_sign(&mut self.lexer, ':')?;
            let generator = self.generator(1)?;
            inputs.push(InputDecl { name, generator });
            if !another(&mut self.lexer, ')')? {
                return Ok(inputs);
            }
        }
    }

    fn generator(&mut self, depth: usize) -> Result<Generator, Fault> {
        const KNOWN: [&str; 13] = [
            "int", "id", "decimal", "percent", "amount", "duration", "time", "bool", "text",
            "one_of", "account", "list", "bytes",
        ];
        const DAY: i64 = 86_400;
        /// 2026-01-01 00:00:00, when tests begin.
        const START: i64 = 1_767_225_600;
        let (token, start) = self.lexer.next()?;
        let word = match &token {
            Token::Name(word) => word.as_str(),
            _ => "",
        };
        let place = start.place;
        Ok(match word {
            "bool" => Generator::Bool,
            "int" => {
                let (from, to) = self.whole(&Type::Int, (-1_000_000, 1_000_000))?;
                Generator::Int { from, to }
            }
            "id" => {
                let (from, to) = self.whole(&Type::Id, (1, 9))?;
                Generator::Id { from, to }
            }
            "duration" => {
                let (from, to) = self.whole(&Type::Duration, (0, 30 * DAY))?;
                Generator::Duration { from, to }
            }
            "time" => {
                let (from, to) = self.whole(&Type::Time, (START, START + 365 * DAY))?;
                Generator::Time { from, to }
            }
            "decimal" | "percent" => {
                let is_decimal = word == "decimal";
                let (ty, most) = match is_decimal {
                    true => (Type::Decimal, 1_000_000),
                    false => (Type::Percent, 100),
                };
                let number = |value: Value| match value {
                    Value::Decimal(number) | Value::Percent(number) => number,
                    _ => Decimal::from(0),
                };
                let (from, to) = match self.bounds(&ty)? {
                    Some((from, to)) => (number(from), number(to)),
                    None if is_decimal => (Decimal::from(-most), Decimal::from(most)),
                    None => (Decimal::from(0), Decimal::from(most)),
                };
                match is_decimal {
                    true => Generator::Decimal { from, to },
                    false => Generator::Percent { from, to },
                }
            }
            "amount" => match self.bounds(&Type::Amount)? {
                Some((Value::Amount(from), Value::Amount(to))) => Generator::Amount { from, to },
                _ => {
                    let asset = AssetCode::new("TFT").ok();
                    let known = asset.filter(|asset| self.assets.decimals(asset).is_some());
                    let Some(asset) = known else {
                        let mend = "give bounds, as in amount from 0 USDC to 10 USDC";
                        return Err(Fault::new(place, "bad_bounds", "of which asset?", mend));
                    };
                    let from = Amount::new(0, asset.clone());
                    let to = Amount::new(10_000_000_000_000, asset);
                    Generator::Amount { from, to }
                }
            },
            "text" | "bytes" => {
                let (from, to) = self.size(
                    if word == "text" {
                        "characters"
                    } else {
                        "bytes"
                    },
                    20,
                )?;
                match word {
                    "text" => Generator::Text { from, to },
                    _ => Generator::Bytes { from, to },
                }
            }
            "one_of" => {
                expect_sign(&mut self.lexer, '(')?;
                let mut values = Vec::new();
                loop {
                    values.push(parse_literal(&mut self.lexer, None, self.assets)?);
                    if !another(&mut self.lexer, ')')? {
                        break;
                    }
                }
                Generator::OneOf(values)
            }
            "account" => {
                let role = match next_is(&mut self.lexer, '(')? {
                    true => {
                        let role = self.name("role")?.0;
                        expect_sign(&mut self.lexer, ')')?;
                        Some(role)
                    }
                    false => None,
                };
                Generator::Account { role }
            }
            "list" if depth < 4 => {
                expect_sign(&mut self.lexer, '(')?;
                let of = Box::new(self.generator(depth + 1)?);
                expect_sign(&mut self.lexer, ')')?;
                let (from, to) = self.size("items", 8)?;
                Generator::List { of, from, to }
            }
            _ => {
                let reason = format!("{} generates nothing", token.describe());
                return Err(Fault::new(
                    place,
                    "bad_params",
                    reason,
                    suggest(word, KNOWN),
                ));
            }
        })
    }

    /// `from a to b`, both included; `None` if it is not there.
    fn bounds(&mut self, ty: &Type) -> Result<Option<(Value, Value)>, Fault> {
        let before = self.lexer.cursor();
        let (token, start) = self.lexer.next()?;
        if token != Token::Name("from".to_owned()) {
            self.lexer.rewind(before);
            return Ok(None);
        }
        let from = parse_literal(&mut self.lexer, Some(ty), self.assets)?;
        self.expect_word("to", "write both bounds, as in from 1 to 9")?;
        let to = parse_literal(&mut self.lexer, Some(ty), self.assets)?;
        let id = |value: &Value| match value {
            Value::Id(id) => Value::Int(i64::try_from(*id).unwrap_or(i64::MAX)),
            other => other.clone(),
        };
        let wrong = match compare(&id(&from), &id(&to)) {
            Ok(Ordering::Greater) => "nothing is between these bounds".to_owned(),
            Ok(_) => return Ok(Some((from, to))),
            Err(reason) => reason,
        };
        let mend = "put the smaller one behind `from`, the larger one behind `to`";
        Err(Fault::new(start.place, "bad_bounds", wrong, mend))
    }

    fn whole(&mut self, ty: &Type, otherwise: (i64, i64)) -> Result<(i64, i64), Fault> {
        let number = |value: &Value| match value {
            Value::Int(number) | Value::Duration(number) | Value::Time(number) => *number,
            Value::Id(id) => i64::try_from(*id).unwrap_or(i64::MAX),
            _ => 0,
        };
        let bounds = self.bounds(ty)?;
        Ok(bounds.map_or(otherwise, |(from, to)| (number(&from), number(&to))))
    }

    /// `from 1 to 8 items`
    fn size(&mut self, unit: &str, otherwise: usize) -> Result<(usize, usize), Fault> {
        let at = self.lexer.here()?;
        let Some((from, to)) = self.bounds(&Type::Int)? else {
            return Ok((0, otherwise));
        };
        self.expect_word(unit, &format!("write from 1 to 8 {unit}"))?;
        match (from, to) {
            (Value::Int(from), Value::Int(to)) if from >= 0 && to <= MAX_GENERATED => {
                Ok((from as usize, to as usize))
            }
            _ => {
                let reason = format!("0 to {MAX_GENERATED} {unit} can be generated");
                Err(Fault::new(at, "bad_bounds", reason, "take other bounds"))
            }
        }
    }

    /// Names of tests are how people tell them apart.
    fn check_cases(&mut self, cases: &[CaseDecl]) {
        for (index, case) in cases.iter().enumerate() {
            if let Some(other) = cases[..index].iter().find(|other| other.name == case.name) {
                let reason = format!(
                    "there is a test \"{}\" already, in line {}",
                    case.name, other.place.line
                );
                let mend = "give it another name";
                self.faults
                    .push(Fault::new(case.place, "duplicate", reason, mend));
            }
        }
    }
}
