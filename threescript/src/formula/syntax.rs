//! Reading a formula's expression.

use crate::policy::diagnostic::{Fault, Place};
use crate::policy::lexer::{Cursor, Lexer, Token};
use crate::policy::types::{another, expect_sign, next_is, parse_literal};
use crate::value::{Assets, Rounding, Value};

/// How deep expressions may be nested, and how many parts one formula may have.
const MAX_NESTING: usize = 32;
pub(crate) const MAX_PARTS: usize = 512;

/// An expression as it was written.
#[derive(Clone, Debug)]
pub(crate) struct Expression {
    pub place: Place,
    pub part: Part,
}

#[derive(Clone, Debug)]
pub(crate) enum Part {
    Literal(Value),
    Name(String),
    Negate(Box<Expression>),
    Not(Box<Expression>),
    Binary(Operator, Box<Expression>, Box<Expression>),
    If(Box<Expression>, Box<Expression>, Box<Expression>),
    Least(Vec<Expression>),
    Most(Vec<Expression>),
    Absolute(Box<Expression>),
    /// Rounds to so many decimals; an amount to its smallest unit if none are named.
    Round(Rounding, Box<Expression>, Option<u8>),
    /// A call of another formula.
    Call(String, Vec<Expression>),
}

impl Expression {
    /// The names in it: of parameters, constants and params, and of the formulas that it calls.
    pub fn names(&self) -> Vec<&str> {
        let parts: Vec<&Expression> = match &self.part {
            Part::Literal(_) => Vec::new(),
            Part::Name(name) => return vec![name],
            Part::Negate(of) | Part::Not(of) | Part::Absolute(of) | Part::Round(_, of, _) => {
                vec![of]
            }
            Part::Binary(_, left, right) => vec![left, right],
            Part::If(condition, then, otherwise) => vec![condition, then, otherwise],
            Part::Least(parts) | Part::Most(parts) | Part::Call(_, parts) => parts.iter().collect(),
        };
        let mut names: Vec<&str> = parts.into_iter().flat_map(Expression::names).collect();
        if let Part::Call(name, _) = &self.part {
            names.push(name);
        }
        names
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    And,
    Or,
}

impl Operator {
    pub fn sign(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::And => "&&",
            Self::Or => "||",
        }
    }

    /// How strongly it binds.
    fn strength(self) -> usize {
        match self {
            Self::Or => 0,
            Self::And => 1,
            Self::Add | Self::Subtract => 3,
            Self::Multiply | Self::Divide => 4,
            _ => 2,
        }
    }
}

/// The functions that expressions have of their own.
pub(crate) const FUNCTIONS: [&str; 7] = [
    "min",
    "max",
    "abs",
    "floor",
    "half_up",
    "half_down",
    "half_even",
];

/// The words of expressions, which no parameter can be named.
pub(crate) const WORDS: [&str; 5] = ["if", "then", "else", "true", "false"];

/// Reads an expression: everything up to what cannot go on with it.
pub(crate) fn parse(lexer: &mut Lexer, assets: &Assets) -> Result<Expression, Fault> {
    let mut parser = Parser {
        lexer,
        assets,
        parts: 0,
        nesting: 0,
    };
    parser.binary(0)
}

struct Parser<'l, 's> {
    lexer: &'l mut Lexer<'s>,
    assets: &'l Assets,
    parts: usize,
    nesting: usize,
}

impl Parser<'_, '_> {
    fn part(&mut self, place: Place, part: Part) -> Result<Expression, Fault> {
        self.parts += 1;
        if self.parts > MAX_PARTS {
            let reason = format!("a formula has at most {MAX_PARTS} parts");
            return Err(too_large(place, reason));
        }
        Ok(Expression { place, part })
    }

    /// Operators that bind at least so strongly, from left to right.
    fn binary(&mut self, strength: usize) -> Result<Expression, Fault> {
        let mut left = self.unary()?;
        let mut compared = false;
        while let Some((operator, place)) = self.operator(strength)? {
            if operator.strength() == 2 && std::mem::replace(&mut compared, true) {
                let reason = "comparisons cannot be chained";
                return Err(Fault::new(place, "syntax", reason, "join them with &&"));
            }
            let right = self.binary(operator.strength() + 1)?;
            let part = Part::Binary(operator, Box::new(left), Box::new(right));
            left = self.part(place, part)?;
        }
        Ok(left)
    }

    /// The next operator, if it binds at least so strongly.
    fn operator(&mut self, strength: usize) -> Result<Option<(Operator, Place)>, Fault> {
        let before = self.lexer.cursor();
        let (token, start) = self.lexer.next()?;
        let operator = match &token {
            // `a -1` is a subtraction; the number is read again without its sign.
            Token::Number(digits) if digits.starts_with('-') => {
                self.lexer.rewind(Cursor {
                    offset: start.offset + 1,
                    place: Place {
                        column: start.place.column + 1,
                        ..start.place
                    },
                });
                Some(Operator::Subtract)
            }
            Token::Sign(sign) => self.operator_of(*sign)?,
            _ => None,
        };
        match operator.filter(|operator| operator.strength() >= strength) {
            Some(operator) => Ok(Some((operator, start.place))),
            None => {
                self.lexer.rewind(before);
                Ok(None)
            }
        }
    }

    fn operator_of(&mut self, sign: char) -> Result<Option<Operator>, Fault> {
        Ok(match sign {
            '+' => Some(Operator::Add),
            '-' => Some(Operator::Subtract),
            '*' => Some(Operator::Multiply),
            '/' => Some(Operator::Divide),
            '=' if self.adjacent('=')? => Some(Operator::Equal),
            '!' if self.adjacent('=')? => Some(Operator::NotEqual),
            '<' if self.adjacent('=')? => Some(Operator::LessOrEqual),
            '<' => Some(Operator::Less),
            '>' if self.adjacent('=')? => Some(Operator::GreaterOrEqual),
            '>' => Some(Operator::Greater),
            '&' if self.adjacent('&')? => Some(Operator::And),
            '|' if self.adjacent('|')? => Some(Operator::Or),
            _ => None,
        })
    }

    /// Takes a sign that stands directly behind the one before.
    fn adjacent(&mut self, sign: char) -> Result<bool, Fault> {
        let before = self.lexer.cursor();
        let (token, start) = self.lexer.next()?;
        if token == Token::Sign(sign) && start.offset == before.offset {
            return Ok(true);
        }
        self.lexer.rewind(before);
        Ok(false)
    }

    fn unary(&mut self) -> Result<Expression, Fault> {
        self.nesting += 1;
        if self.nesting > MAX_NESTING {
            let reason = format!("expressions are nested deeper than {MAX_NESTING} levels");
            return Err(too_large(self.lexer.cursor().place, reason));
        }
        let before = self.lexer.cursor();
        let (token, start) = self.lexer.next()?;
        let place = start.place;
        let expression = match token {
            Token::Sign('-') => {
                let inner = self.unary()?;
                self.part(place, Part::Negate(Box::new(inner)))
            }
            Token::Sign('!') => {
                let inner = self.unary()?;
                self.part(place, Part::Not(Box::new(inner)))
            }
            Token::Sign('(') => {
                let inner = self.binary(0)?;
                expect_sign(self.lexer, ')')?;
                Ok(inner)
            }
            // The next declaration: the expression is not complete, but that one may be.
            Token::Name(word) if place.column == 1 => {
                self.lexer.rewind(before);
                Err(unexpected(place, &Token::Name(word)))
            }
            Token::Name(name) if name == "if" => self.choice(place),
            Token::Name(name) if !WORDS.contains(&name.as_str()) => self.name(name, before, place),
            Token::Name(word) if word == "then" || word == "else" => {
                Err(unexpected(place, &Token::Name(word)))
            }
            Token::Number(_) | Token::Text(_) | Token::Name(_) => {
                self.lexer.rewind(before);
                let value = parse_literal(self.lexer, None, self.assets)?;
                self.part(place, Part::Literal(value))
            }
            other => Err(unexpected(place, &other)),
        };
        self.nesting -= 1;
        expression
    }

    /// `if a then b else c`
    fn choice(&mut self, place: Place) -> Result<Expression, Fault> {
        let condition = self.binary(0)?;
        self.word("then")?;
        let yes = self.binary(0)?;
        self.word("else")?;
        let no = self.binary(0)?;
        self.part(
            place,
            Part::If(Box::new(condition), Box::new(yes), Box::new(no)),
        )
    }

    fn word(&mut self, word: &str) -> Result<(), Fault> {
        let before = self.lexer.cursor();
        let (token, start) = self.lexer.next()?;
        if token == Token::Name(word.to_owned()) {
            return Ok(());
        }
        self.lexer.rewind(before);
        let reason = format!("`{word}` is wanted, not {}", token.describe());
        let mend = "write `if condition then value else value`";
        Err(Fault::new(start.place, "syntax", reason, mend))
    }

    /// A parameter or constant, a call, or a literal such as `time("…")`.
    fn name(&mut self, name: String, before: Cursor, place: Place) -> Result<Expression, Fault> {
        if !next_is(self.lexer, '(')? {
            return self.part(place, Part::Name(name));
        }
        if matches!(
            name.as_str(),
            "time" | "account" | "bytes" | "dec" | "amount"
        ) {
            self.lexer.rewind(before);
            let value = parse_literal(self.lexer, None, self.assets)?;
            return self.part(place, Part::Literal(value));
        }
        let mut arguments = Vec::new();
        if !next_is(self.lexer, ')')? {
            loop {
                arguments.push(self.binary(0)?);
                if !another(self.lexer, ')')? {
                    break;
                }
            }
        }
        let part = own_function(&name, arguments, place)?;
        self.part(place, part)
    }
}

fn own_function(name: &str, mut arguments: Vec<Expression>, place: Place) -> Result<Part, Fault> {
    let given = arguments.len();
    let wrong = |wanted: &str| {
        let reason = format!("`{name}` takes {wanted}, {given} given");
        Err(Fault::new(place, "arguments", reason, ""))
    };
    let rounding = match name {
        "floor" => Rounding::Floor,
        "half_up" => Rounding::HalfUp,
        "half_down" => Rounding::HalfDown,
        "half_even" => Rounding::HalfEven,
        "min" | "max" if given < 2 => return wrong("2 arguments or more"),
        "min" => return Ok(Part::Least(arguments)),
        "max" => return Ok(Part::Most(arguments)),
        "abs" => {
            return match (arguments.pop(), arguments.is_empty()) {
                (Some(inner), true) => Ok(Part::Absolute(Box::new(inner))),
                _ => wrong("1 argument"),
            };
        }
        other => return Ok(Part::Call(other.to_owned(), arguments)),
    };
    let decimals = match given {
        1 => None,
        2 => arguments.pop(),
        _ => return wrong("1 or 2 arguments"),
    };
    let decimals = match decimals {
        None => None,
        Some(Expression {
            part: Part::Literal(Value::Int(number @ 0..=18)),
            ..
        }) => Some(number as u8),
        Some(other) => {
            let mend = "write how many decimals, 0 to 18, as in half_up(x, 2)";
            let reason = "the decimals of a rounding are a number that is written there";
            return Err(Fault::new(other.place, "bad_rounding", reason, mend));
        }
    };
    match arguments.pop() {
        Some(inner) => Ok(Part::Round(rounding, Box::new(inner), decimals)),
        None => wrong("1 or 2 arguments"),
    }
}

fn unexpected(place: Place, token: &Token) -> Fault {
    let reason = format!("an expression is wanted, not {}", token.describe());
    let mend = "write a number, a parameter, a constant, or an expression of these";
    Fault::new(place, "syntax", reason, mend)
}

fn too_large(place: Place, reason: String) -> Fault {
    Fault::new(
        place,
        "limit.formula",
        reason,
        "split it into several formulas",
    )
}
