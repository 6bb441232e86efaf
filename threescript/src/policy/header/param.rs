//! `param quorum: percent = 50% from 1% to 100%`

use super::Parser;
use crate::policy::diagnostic::Fault;
use crate::policy::lexer::Token;
use crate::policy::param::{PolicyParam, compare, has_order};
use crate::policy::types::{expect_sign, parse_literal, parse_type, type_name};
use crate::value::Value;
use std::cmp::Ordering;

impl Parser<'_> {
    pub(super) fn param(&mut self, doc: String) -> Result<(), Fault> {
        let (name, place) = self.name("param")?;
        expect_sign(&mut self.lexer, ':')?;
        let ty = parse_type(&mut self.lexer)?;
        expect_sign(&mut self.lexer, '=')?;
        let at_default = self.lexer.here()?;
        let default = parse_literal(&mut self.lexer, Some(&ty), self.assets)?;
        let mut param = PolicyParam {
            name,
            doc,
            ty,
            default,
            from: None,
            to: None,
            place,
        };
        param.from = self.bound("from", &param)?;
        param.to = self.bound("to", &param)?;
        let is_empty = match (&param.from, &param.to) {
            (Some(from), Some(to)) => compare(from, to) == Ok(Ordering::Greater),
            _ => false,
        };
        if is_empty {
            let reason = format!("no value is {}", param.bounds(self.assets));
            let mend = "put the smaller one behind `from`, the larger one behind `to`";
            return Err(Fault::new(place, "bad_bounds", reason, mend));
        }
        if let Err(error) = param.accept(param.default.clone(), self.assets) {
            let text = error.to_string();
            let (reason, mend) = text.split_once("; ").unwrap_or((&text, ""));
            return Err(Fault::new(at_default, "bad_bounds", reason, mend));
        }
        self.header.params.push(param);
        Ok(())
    }

    /// `from 1%` or `to 100%`, if it is there.
    fn bound(&mut self, word: &str, param: &PolicyParam) -> Result<Option<Value>, Fault> {
        let before = self.lexer.cursor();
        let (token, start) = self.lexer.next()?;
        if token != Token::Name(word.to_owned()) {
            self.lexer.rewind(before);
            return Ok(None);
        }
        if !has_order(&param.ty) {
            let reason = format!("values of type {} have no order", type_name(&param.ty));
            let mend = "leave the bounds out, or use one_of(…)";
            return Err(Fault::new(start.place, "bad_bounds", reason, mend));
        }
        let at = self.lexer.here()?;
        let bound = parse_literal(&mut self.lexer, Some(&param.ty), self.assets)?;
        match compare(&param.default, &bound) {
            Ok(_) => Ok(Some(bound)),
            Err(reason) => Err(Fault::new(
                at,
                "bad_bounds",
                reason,
                "give the bounds in the asset of the value",
            )),
        }
    }
}
