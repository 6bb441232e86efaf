//! `on billing.billed(account: account) { … }` and `invariant books_balance { … }`

use super::Parser;
use crate::action::is_name;
use crate::policy::declaration::{CallerRule, EntryDecl, EntryKind};
use crate::policy::diagnostic::Fault;
use crate::policy::lexer::Token;
use crate::policy::types::next_is;

impl Parser<'_> {
    pub(super) fn reaction(&mut self, doc: String) -> Result<(), Fault> {
        const MEND: &str = "write the policy and its event, as in `on billing.billed(due: amount)`";
        let (actor, place) = self.name("policy")?;
        let mut name = actor;
        let mut parts = 0;
        while next_is(&mut self.lexer, '.')? {
            let (token, start) = self.lexer.next()?;
            match token {
                Token::Name(part) if is_name(&part) && name.len() + part.len() <= 112 => {
                    name.push('.');
                    name.push_str(&part);
                    parts += 1;
                }
                other => {
                    let reason =
                        format!("the name of an event is wanted, not {}", other.describe());
                    return Err(Fault::new(start.place, "bad_name", reason, MEND));
                }
            }
        }
        if parts == 0 {
            let reason = format!("`{name}` is no event");
            return Err(Fault::new(place, "bad_name", reason, MEND));
        }
        let params = self.params()?;
        let body = self.body()?;
        self.header.entries.push(EntryDecl {
            kind: EntryKind::On,
            name,
            doc,
            params,
            callers: vec![CallerRule::Circle],
            period_seconds: None,
            place,
            body,
        });
        Ok(())
    }

    pub(super) fn invariant(&mut self, doc: String) -> Result<(), Fault> {
        let (name, place) = self.name("invariant")?;
        if next_is(&mut self.lexer, '(')? {
            return Err(Fault::new(
                place,
                "bad_params",
                "an invariant has no parameters",
                "write `invariant name { … }`; it sees the tables and the params of its policy",
            ));
        }
        let body = self.body()?;
        self.header.entries.push(EntryDecl {
            kind: EntryKind::Invariant,
            name,
            doc,
            params: Vec::new(),
            callers: vec![CallerRule::Circle],
            period_seconds: None,
            place,
            body,
        });
        Ok(())
    }
}
