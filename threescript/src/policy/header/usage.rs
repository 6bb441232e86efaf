//! `use billing 19d3…c4 { CU_PRICE, SU_PRICE }`

use super::Parser;
use crate::policy::declaration::{UseDecl, UsedName};
use crate::policy::diagnostic::Fault;
use crate::policy::lexer::Token;
use crate::policy::types::{another, expect_sign};

/// The most policies that one policy may take constants from.
const MAX_USES: usize = 8;

impl Parser<'_> {
    pub(super) fn usage(&mut self, doc: String) -> Result<(), Fault> {
        let (policy, place) = self.name("policy")?;
        let (word, at) = self.lexer.word()?;
        let mut hash = [0; 32];
        if word.len() != 64 || hex::decode_to_slice(&word, &mut hash).is_err() {
            let reason = match word.is_empty() {
                true => "the hash of a policy is wanted".to_owned(),
                false => format!("`{}` is not the hash of a policy", super::shorten(&word)),
            };
            let mend = "write its 64 hexadecimal digits; `circle policy check` prints them";
            return Err(Fault::new(at.place, "bad_hash", reason, mend));
        }
        if self.header.uses.len() == MAX_USES {
            let reason = format!("constants are taken from more than {MAX_USES} policies");
            return Err(Fault::new(place, "limit.declarations", reason, ""));
        }
        expect_sign(&mut self.lexer, '{')?;
        let mut names = Vec::new();
        loop {
            let (token, start) = self.lexer.next()?;
            let Token::Name(name) = token else {
                let reason = format!("the name of a constant is wanted, not {}", token.describe());
                let mend = "write the names as in `use billing 19d3… { CU_PRICE, SU_PRICE }`";
                return Err(Fault::new(start.place, "syntax", reason, mend));
            };
            names.push(UsedName {
                name,
                place: start.place,
            });
            if !another(&mut self.lexer, '}')? {
                break;
            }
        }
        self.header.uses.push(UseDecl {
            policy,
            hash,
            doc,
            names,
            place,
        });
        Ok(())
    }
}
