//! Types and literals of declarations, and whether a value fits a type.

use super::diagnostic::{Fault, Place, shorten, suggest};
use super::lexer::{Lexer, Token};
use crate::action::Type;
use crate::value::{self, Assets, Decimal, Value, ValueError};

/// The types that have no parameters, as declarations write them.
const SIMPLE: [(&str, Type); 15] = [
    ("bool", Type::Bool),
    ("int", Type::Int),
    ("decimal", Type::Decimal),
    ("amount", Type::Amount),
    ("percent", Type::Percent),
    ("duration", Type::Duration),
    ("time", Type::Time),
    ("size", Type::Size),
    ("text", Type::Text),
    ("bytes", Type::Bytes),
    ("account", Type::Account),
    ("id", Type::Id),
    ("map", Type::Map),
    ("script", Type::Script),
    ("any", Type::Any),
];

/// The units that a duration is written in, with their seconds.
pub(crate) const DURATION_UNITS: [(&str, i64); 5] = [
    ("seconds", 1),
    ("minutes", 60),
    ("hours", 3_600),
    ("days", 86_400),
    ("weeks", 604_800),
];

/// How deep types may be nested: `list(list(int))` has depth 3.
const MAX_TYPE_DEPTH: usize = 4;

/// A type as declarations write it.
pub fn type_name(ty: &Type) -> String {
    match ty {
        Type::OneOf(choices) => {
            let choices: Vec<String> = choices
                .iter()
                .map(|choice| format!("\"{choice}\""))
                .collect();
            format!("one_of({})", choices.join(", "))
        }
        Type::List(item) => format!("list({})", type_name(item)),
        other => SIMPLE
            .iter()
            .find(|(_, ty)| ty == other)
            .map_or("any", |(name, _)| name)
            .to_owned(),
    }
}

/// The value as the type wants it: an int fits where a decimal or an id is wanted, a text where an account is.
///
/// Errors: what was wanted and what was given, as a sentence.
pub fn fit(ty: &Type, value: Value) -> Result<Value, String> {
    match (ty, value) {
        (Type::Any, value) => Ok(value),
        (Type::Bool, value @ Value::Bool(_))
        | (Type::Int, value @ Value::Int(_))
        | (Type::Decimal, value @ Value::Decimal(_))
        | (Type::Amount, value @ Value::Amount(_))
        | (Type::Percent, value @ Value::Percent(_))
        | (Type::Duration, value @ Value::Duration(_))
        | (Type::Time, value @ Value::Time(_))
        | (Type::Text, value @ Value::Text(_))
        | (Type::Bytes, value @ Value::Bytes(_))
        | (Type::Account, value @ Value::Account(_))
        | (Type::Id, value @ Value::Id(_))
        | (Type::Map, value @ Value::Map(_))
        | (Type::Script, value @ Value::Script(_)) => Ok(value),
        (Type::Decimal, Value::Int(number)) => Ok(Value::Decimal(Decimal::from(number))),
        (Type::Size, Value::Int(bytes)) if bytes >= 0 => Ok(Value::Int(bytes)),
        (Type::Id, Value::Int(number)) if number >= 0 => Ok(Value::Id(number.unsigned_abs())),
        (Type::Account, Value::Text(name)) if value::is_account(&name) => Ok(Value::Account(name)),
        (Type::Account, Value::Text(name)) => {
            Err(format!("\"{}\" cannot be an account", shorten(&name)))
        }
        (Type::OneOf(choices), Value::Text(text)) => match choices.contains(&text) {
            true => Ok(Value::Text(text)),
            false => Err(format!(
                "\"{}\" is not one of {}",
                shorten(&text),
                choices.join(", ")
            )),
        },
        (Type::List(item), Value::List(values)) => {
            let values = values.into_iter().map(|value| fit(item, value));
            values.collect::<Result<_, _>>().map(Value::List)
        }
        (ty, value) => Err(format!(
            "{} is wanted, {} is given",
            type_name(ty),
            value.kind()
        )),
    }
}

/// Reads a type.
pub(crate) fn parse_type(lexer: &mut Lexer) -> Result<Type, Fault> {
    parse_type_at(lexer, 1)
}

fn parse_type_at(lexer: &mut Lexer, depth: usize) -> Result<Type, Fault> {
    let (token, start) = lexer.next()?;
    let Token::Name(name) = token else {
        return Err(Fault::new(
            start.place,
            "syntax",
            format!("a type is wanted, not {}", token.describe()),
            known_types(""),
        ));
    };
    match name.as_str() {
        "one_of" => {
            expect_sign(lexer, '(')?;
            let mut choices: Vec<String> = Vec::new();
            loop {
                let (token, at) = lexer.next()?;
                match token {
                    Token::Text(choice) if choices.contains(&choice) => {
                        return Err(Fault::new(
                            at.place,
                            "duplicate",
                            format!("\"{choice}\" is named twice"),
                            "name each choice once",
                        ));
                    }
                    Token::Text(choice) => choices.push(choice),
                    other => {
                        let reason = format!("a text is wanted, not {}", other.describe());
                        return Err(Fault::new(
                            at.place,
                            "syntax",
                            reason,
                            "write the choices as in one_of(\"yes\", \"no\")",
                        ));
                    }
                }
                if !another(lexer, ')')? {
                    return Ok(Type::OneOf(choices));
                }
            }
        }
        "list" if depth == MAX_TYPE_DEPTH => Err(Fault::new(
            start.place,
            "too_deep",
            "lists are nested too deep",
            "use `any` inside",
        )),
        "list" => {
            expect_sign(lexer, '(')?;
            let item = parse_type_at(lexer, depth + 1)?;
            expect_sign(lexer, ')')?;
            Ok(Type::List(Box::new(item)))
        }
        _ => match SIMPLE.iter().find(|(known, _)| *known == name) {
            Some((_, ty)) => Ok(ty.clone()),
            None => Err(Fault::new(
                start.place,
                "unknown_type",
                format!("there is no type `{name}`"),
                known_types(&name),
            )),
        },
    }
}

fn known_types(name: &str) -> String {
    let known = SIMPLE
        .iter()
        .map(|(name, _)| *name)
        .chain(["one_of", "list"]);
    match suggest(name, known.clone()) {
        mend if mend.is_empty() => {
            format!("the types are {}", known.collect::<Vec<_>>().join(", "))
        }
        mend => mend,
    }
}

/// Reads a literal; with a type, the literal must fit it, and a text may also stand for a time or for bytes.
pub(crate) fn parse_literal(
    lexer: &mut Lexer,
    ty: Option<&Type>,
    assets: &Assets,
) -> Result<Value, Fault> {
    let before = lexer.cursor();
    let place = lexer.next()?.1.place;
    lexer.rewind(before);
    let value = literal(lexer, assets, 1)?;
    let Some(ty) = ty else { return Ok(value) };
    let value = match (ty, value) {
        (Type::Time, Value::Text(text)) => Value::Time(read(place, value::parse_time(&text))?),
        (Type::Size, Value::Text(text)) => Value::Int(read(place, value::parse_size(&text))?),
        (Type::Bytes, Value::Text(text)) => Value::Bytes(read_hex(place, &text)?),
        (_, value) => value,
    };
    fit(ty, value).map_err(|reason| {
        Fault::new(
            place,
            "type",
            reason,
            format!("write a literal of type {}", type_name(ty)),
        )
    })
}

fn literal(lexer: &mut Lexer, assets: &Assets, depth: usize) -> Result<Value, Fault> {
    let (token, start) = lexer.next()?;
    let place = start.place;
    match token {
        Token::Text(text) => Ok(Value::Text(text)),
        Token::Number(digits) => number(lexer, place, &digits, assets),
        Token::Name(name) if name == "true" || name == "false" => Ok(Value::Bool(name == "true")),
        Token::Name(name)
            if matches!(
                name.as_str(),
                "time" | "account" | "bytes" | "dec" | "amount"
            ) =>
        {
            expect_sign(lexer, '(')?;
            let (argument, at) = lexer.next()?;
            let Token::Text(text) = argument else {
                let reason = format!("a text is wanted, not {}", argument.describe());
                return Err(Fault::new(
                    at.place,
                    "syntax",
                    reason,
                    format!("write {name}(\"…\")"),
                ));
            };
            expect_sign(lexer, ')')?;
            match name.as_str() {
                "time" => read(at.place, value::parse_time(&text)).map(Value::Time),
                "bytes" => read_hex(at.place, &text).map(Value::Bytes),
                "dec" => read(at.place, Decimal::parse(&text)).map(Value::Decimal),
                "amount" => read(at.place, assets.parse_amount(&text)).map(Value::Amount),
                _ => fit(&Type::Account, Value::Text(text)).map_err(|reason| {
                    Fault::new(
                        at.place,
                        "malformed_value",
                        reason,
                        "write a name such as \"alice\"",
                    )
                }),
            }
        }
        Token::Sign('[') if depth == MAX_TYPE_DEPTH => Err(Fault::new(
            place,
            "too_deep",
            "lists are nested too deep",
            "use fewer levels",
        )),
        Token::Sign('[') => {
            let mut items = Vec::new();
            if !next_is(lexer, ']')? {
                loop {
                    items.push(literal(lexer, assets, depth + 1)?);
                    if !another(lexer, ']')? {
                        break;
                    }
                }
            }
            Ok(Value::List(items))
        }
        other => {
            let reason = format!("a literal is wanted, not {}", other.describe());
            let mend = "write a number, a text, true, false, 12.5%, 7.days, 100 TFT, time(\"…\"), account(\"…\") or a list of these";
            Err(Fault::new(place, "syntax", reason, mend))
        }
    }
}

/// A number and what follows it: nothing, `%`, `.days`, `d`, `.percent` or an asset.
fn number(lexer: &mut Lexer, place: Place, digits: &str, assets: &Assets) -> Result<Value, Fault> {
    let end = lexer.cursor();
    let (token, at) = lexer.next()?;
    let adjacent = at.offset == end.offset;
    match token {
        Token::Sign('%') if adjacent => {
            return read(place, value::parse_percent(&format!("{digits}%"))).map(Value::Percent);
        }
        Token::Sign('.') if adjacent => {
            let (unit, at) = lexer.next()?;
            let Token::Name(unit) = unit else {
                return Err(Fault::new(
                    at.place,
                    "syntax",
                    "a unit is wanted after the point",
                    "write a unit, as in 7.days",
                ));
            };
            if unit == "percent" {
                return read(place, Decimal::parse(digits)).map(Value::Percent);
            }
            let Some((_, seconds)) = DURATION_UNITS.iter().find(|(known, _)| *known == unit) else {
                let known = DURATION_UNITS
                    .iter()
                    .map(|(known, _)| *known)
                    .chain(["percent"]);
                return Err(Fault::new(
                    at.place,
                    "unknown_unit",
                    format!("there is no unit `{unit}`"),
                    suggest(&unit, known),
                ));
            };
            let number = read(place, value::parse_int(digits))?;
            let overflow = || {
                Fault::new(
                    place,
                    "overflow",
                    "this duration is too long",
                    "use a smaller number",
                )
            };
            return number
                .checked_mul(*seconds)
                .ok_or_else(overflow)
                .map(Value::Duration);
        }
        Token::Name(unit) if adjacent && matches!(unit.as_str(), "d" | "h" | "m" | "s") => {
            return read(place, value::parse_duration(&format!("{digits}{unit}")))
                .map(Value::Duration);
        }
        Token::Name(asset)
            if asset.starts_with(|first: char| first.is_ascii_uppercase())
                && at.place.line == place.line =>
        {
            return read(place, assets.parse_amount(&format!("{digits} {asset}")))
                .map(Value::Amount);
        }
        _ => lexer.rewind(end),
    }
    match digits.contains('.') {
        true => read(place, Decimal::parse(digits)).map(Value::Decimal),
        false => read(place, value::parse_int(digits)).map(Value::Int),
    }
}

fn read<T>(place: Place, result: Result<T, ValueError>) -> Result<T, Fault> {
    result.map_err(|error| {
        let (reason, mend) = error.reason_and_mend();
        Fault::new(place, error.code(), reason, mend)
    })
}

pub(crate) fn read_hex(place: Place, text: &str) -> Result<Vec<u8>, Fault> {
    hex::decode(text).map_err(|_| {
        Fault::new(
            place,
            "malformed_value",
            "these are not bytes",
            "write pairs of hexadecimal digits",
        )
    })
}

/// The next token must be this sign.
pub(crate) fn expect_sign(lexer: &mut Lexer, sign: char) -> Result<Place, Fault> {
    let (token, start) = lexer.next()?;
    if token == Token::Sign(sign) {
        return Ok(start.place);
    }
    let reason = format!("`{sign}` is wanted, not {}", token.describe());
    Err(Fault::new(
        start.place,
        "syntax",
        reason,
        format!("write `{sign}` here"),
    ))
}

/// Takes the next token if it is this sign.
pub(crate) fn next_is(lexer: &mut Lexer, sign: char) -> Result<bool, Fault> {
    let before = lexer.cursor();
    if lexer.next()?.0 == Token::Sign(sign) {
        return Ok(true);
    }
    lexer.rewind(before);
    Ok(false)
}

/// After an item of a list: whether another one follows. A comma before the closing sign is allowed.
pub(crate) fn another(lexer: &mut Lexer, close: char) -> Result<bool, Fault> {
    if next_is(lexer, ',')? {
        return Ok(!next_is(lexer, close)?);
    }
    let (token, start) = lexer.next()?;
    if token == Token::Sign(close) {
        return Ok(false);
    }
    let reason = format!("`,` or `{close}` is wanted, not {}", token.describe());
    Err(Fault::new(
        start.place,
        "syntax",
        reason,
        format!("separate with `,`, end with `{close}`"),
    ))
}
