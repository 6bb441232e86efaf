//! A strict reader of JSON for what enters consensus: one text, one value, or an error.

use std::collections::BTreeMap;
use std::str::Chars;

use threescript::value::Value;

/// How deep objects and lists may be nested.
const MAX_DEPTH: usize = 8;
/// How many values a text may hold.
const MAX_VALUES: usize = 1_000;

/// Why a text is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Not JSON at all.
    #[error("it is not JSON; check commas, quotes and braces")]
    Syntax,
    /// A fraction, an exponent, or beyond 64 bits.
    #[error("a number is not a whole one of 64 bits; write others as texts")]
    Number,
    /// The same name twice in one object.
    #[error("an object has the same name twice; name each once")]
    Duplicate,
    /// Nested too deep, or too many values.
    #[error(
        "it is nested deeper than {MAX_DEPTH} levels, or has more than {MAX_VALUES} values; make it smaller"
    )]
    Size,
}

/// Reads one value: objects become maps, null the unit.
pub fn read(text: &str) -> Result<Value, JsonError> {
    let mut reader = Reader {
        rest: text.chars(),
        values: 0,
    };
    let value = reader.value(0)?;
    reader.skip();
    match reader.rest.next() {
        None => Ok(value),
        Some(_) => Err(JsonError::Syntax),
    }
}

struct Reader<'a> {
    rest: Chars<'a>,
    values: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.rest.clone().next()
    }

    fn skip(&mut self) {
        while matches!(self.peek(), Some(' ' | '\t' | '\n' | '\r')) {
            self.rest.next();
        }
    }

    fn take(&mut self, wanted: char) -> Result<(), JsonError> {
        match self.rest.next() {
            Some(found) if found == wanted => Ok(()),
            _ => Err(JsonError::Syntax),
        }
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value, JsonError> {
        word.chars().try_for_each(|letter| self.take(letter))?;
        Ok(value)
    }

    fn value(&mut self, depth: usize) -> Result<Value, JsonError> {
        self.values += 1;
        if depth > MAX_DEPTH || self.values > MAX_VALUES {
            return Err(JsonError::Size);
        }
        self.skip();
        match self.peek() {
            Some('{') => self.object(depth),
            Some('[') => self.list(depth),
            Some('"') => Ok(Value::Text(self.text()?)),
            Some('t') => self.word("true", Value::Bool(true)),
            Some('f') => self.word("false", Value::Bool(false)),
            Some('n') => self.word("null", Value::Unit),
            Some('-' | '0'..='9') => self.number(),
            _ => Err(JsonError::Syntax),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, JsonError> {
        self.take('{')?;
        let mut entries = BTreeMap::new();
        self.skip();
        if self.peek() == Some('}') {
            self.rest.next();
            return Ok(Value::Map(entries));
        }
        loop {
            self.skip();
            let name = self.text()?;
            self.skip();
            self.take(':')?;
            let value = self.value(depth + 1)?;
            if entries.insert(name, value).is_some() {
                return Err(JsonError::Duplicate);
            }
            self.skip();
            match self.rest.next() {
                Some(',') => {}
                Some('}') => return Ok(Value::Map(entries)),
                _ => return Err(JsonError::Syntax),
            }
        }
    }

    fn list(&mut self, depth: usize) -> Result<Value, JsonError> {
        self.take('[')?;
        let mut items = Vec::new();
        self.skip();
        if self.peek() == Some(']') {
            self.rest.next();
            return Ok(Value::List(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.skip();
            match self.rest.next() {
                Some(',') => {}
                Some(']') => return Ok(Value::List(items)),
                _ => return Err(JsonError::Syntax),
            }
        }
    }

    fn number(&mut self) -> Result<Value, JsonError> {
        let mut digits = String::new();
        while let Some(digit @ ('-' | '+' | '.' | 'e' | 'E' | '0'..='9')) = self.peek() {
            digits.push(digit);
            self.rest.next();
        }
        let magnitude = digits.strip_prefix('-').unwrap_or(&digits);
        // -0 is a float to some readers; 01 is no number of JSON.
        if digits == "-0" || (magnitude.len() > 1 && magnitude.starts_with('0')) {
            return Err(JsonError::Number);
        }
        if magnitude.is_empty() || !magnitude.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(JsonError::Number);
        }
        digits
            .parse()
            .map(Value::Int)
            .map_err(|_| JsonError::Number)
    }

    fn text(&mut self) -> Result<String, JsonError> {
        self.take('"')?;
        let mut text = String::new();
        loop {
            match self.rest.next() {
                Some('"') => return Ok(text),
                Some('\\') => text.push(self.escaped()?),
                Some(letter) if letter >= ' ' => text.push(letter),
                _ => return Err(JsonError::Syntax),
            }
        }
    }

    fn escaped(&mut self) -> Result<char, JsonError> {
        Ok(match self.rest.next() {
            Some(same @ ('"' | '\\' | '/')) => same,
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('u') => {
                let first = self.unit()?;
                let code = match first {
                    0xd800..0xdc00 => {
                        self.take('\\')?;
                        self.take('u')?;
                        match self.unit()? {
                            second @ 0xdc00..0xe000 => {
                                0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)
                            }
                            _ => return Err(JsonError::Syntax),
                        }
                    }
                    other => other,
                };
                // A lone second half is no character.
                char::from_u32(code).ok_or(JsonError::Syntax)?
            }
            _ => return Err(JsonError::Syntax),
        })
    }

    fn unit(&mut self) -> Result<u32, JsonError> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.rest.next().and_then(|letter| letter.to_digit(16));
            code = code * 16 + digit.ok_or(JsonError::Syntax)?;
        }
        Ok(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_one_value_or_none() {
        let cases: [(&str, Result<Value, JsonError>); 26] = [
            ("0", Ok(Value::Int(0))),
            (" -7 ", Ok(Value::Int(-7))),
            ("9223372036854775807", Ok(Value::Int(i64::MAX))),
            ("9223372036854775808", Err(JsonError::Number)),
            ("-0", Err(JsonError::Number)),
            ("01", Err(JsonError::Number)),
            ("-01", Err(JsonError::Number)),
            ("1.0", Err(JsonError::Number)),
            ("1e3", Err(JsonError::Number)),
            ("-", Err(JsonError::Number)),
            ("+1", Err(JsonError::Syntax)),
            ("true", Ok(Value::Bool(true))),
            ("null", Ok(Value::Unit)),
            ("nul", Err(JsonError::Syntax)),
            (
                "\"a\\u00e9\\ud83d\\ude00\\n\"",
                Ok(Value::Text("aé😀\n".into())),
            ),
            ("\"\\ud83d\"", Err(JsonError::Syntax)),
            ("\"\\ude00\"", Err(JsonError::Syntax)),
            ("\"\\x41\"", Err(JsonError::Syntax)),
            ("\"a\nb\"", Err(JsonError::Syntax)),
            ("\"open", Err(JsonError::Syntax)),
            (
                "[1, [], {}]",
                Ok(Value::List(vec![
                    Value::Int(1),
                    Value::List(vec![]),
                    Value::Map(BTreeMap::new()),
                ])),
            ),
            ("[1,]", Err(JsonError::Syntax)),
            ("{\"a\":1,}", Err(JsonError::Syntax)),
            ("{\"a\":1,\"\\u0061\":2}", Err(JsonError::Duplicate)),
            ("1 2", Err(JsonError::Syntax)),
            ("", Err(JsonError::Syntax)),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn size_and_depth_are_bounded() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(read(&nested(MAX_DEPTH + 1)).is_ok());
        assert_eq!(read(&nested(MAX_DEPTH + 2)), Err(JsonError::Size));
        assert_eq!(read(&nested(100_000)), Err(JsonError::Size));
        let long = |items: usize| format!("[{}]", vec!["1"; items].join(","));
        assert!(read(&long(MAX_VALUES - 1)).is_ok());
        assert_eq!(read(&long(MAX_VALUES)), Err(JsonError::Size));
    }
}
