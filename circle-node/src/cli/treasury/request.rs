//! What a person is asked to approve, in a file that goes to the machine with the key.

use std::path::Path;

use circle::envelope::Body;
use circle::ids::{CircleId, Key};
use serde::{Deserialize, Serialize};
use threescript::action::Action;
use threescript::value::Value;
use treasury_protocol::ethereum::Address;

use crate::cli::{acting, output};
use crate::money_diff::{self, Decoded, Reading, Token, Unsigned};
use crate::problem::Problem;
use crate::setup;

/// What the first line of such a file says.
const KIND: &str = "guardian circle approval request 2";

/// A request to approve one payout. The bytes are in it; what they do is read from them again where they are signed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// What it is.
    pub kind: String,
    /// The circle's name, for people.
    pub circle_name: String,
    /// The circle's id, hexadecimal.
    pub circle: String,
    /// The account that approves, for people.
    pub account: String,
    /// Its key, hexadecimal.
    pub sender: String,
    /// A nonce of that account.
    pub account_nonce: u64,
    /// Until when the approval may take effect, milliseconds since 1970.
    pub expires_at_ms: u64,
    /// The payout.
    pub payout: u64,
    /// The bytes, without signatures.
    pub transaction: Unsigned,
    /// What tokens of Ethereum are in the circle, for people: nothing proves that.
    pub tokens: Vec<Token>,
    /// Accounts that the circle knows by these addresses, for people: nothing proves these names.
    pub names: Vec<(String, String)>,
}

impl Request {
    pub fn new(circle_name: String, transaction: Unsigned) -> Self {
        Self {
            kind: KIND.into(),
            circle_name,
            circle: String::new(),
            account: String::new(),
            sender: String::new(),
            account_nonce: 0,
            expires_at_ms: 0,
            payout: 0,
            transaction,
            tokens: Vec::new(),
            names: Vec::new(),
        }
    }

    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, Problem> {
        let request: Self = setup::read_json(path, "request to approve a payout")?;
        if request.kind != KIND {
            let reason = format!("{} is {:?}", path.display(), request.kind);
            return Err(malformed(reason));
        }
        // What people read in it must not be able to look like what this program says.
        let codes = request.tokens.iter().map(|token| &token.code);
        let names = request.names.iter().map(|(_, name)| name);
        let own = [&request.circle_name, &request.account];
        let texts: Vec<&String> = own.into_iter().chain(codes).chain(names).collect();
        let odd = |text: &&&String| text.chars().any(|letter| !is_plain(letter));
        if let Some(text) = texts.iter().find(odd) {
            return Err(malformed(format!("it says {text:?}")));
        }
        Ok(request)
    }

    /// Writes a file, and never over another one.
    pub fn write(&self, path: &Path) -> Result<(), Problem> {
        let text = serde_json::to_string_pretty(self).unwrap_or_default() + "\n";
        write_new(path, &text)
    }

    /// What the bytes do, read from them here and now. `batch_contract`: see [`Reading::batch_contract`].
    pub fn decoded(&self, batch_contract: Option<Address>) -> Result<Decoded, Problem> {
        let mut reading = Reading {
            tokens: self.tokens.clone(),
            ..Reading::default()
        };
        reading.batch_contract = batch_contract.unwrap_or(reading.batch_contract);
        money_diff::decode(&self.transaction, &reading)
    }

    /// The transaction of the circle that approves these very bytes.
    pub fn body(&self, decoded: &Decoded) -> Result<Body, Problem> {
        let hash = hex::decode(&decoded.hash).map_err(|error| malformed(error.to_string()))?;
        let sender: Key = self
            .sender
            .parse()
            .map_err(|_| malformed("its sender is no key".into()))?;
        let mut circle = [0; 32];
        hex::decode_to_slice(&self.circle, &mut circle)
            .map_err(|_| malformed("its circle is no id".into()))?;
        Ok(Body {
            circle: CircleId(circle),
            sender,
            account_nonce: self.account_nonce,
            expires_at_ms: self.expires_at_ms,
            actions: vec![action(self.payout, hash)?],
        })
    }

    /// What is to be signed, for people.
    pub fn screen(&self, decoded: &Decoded) -> String {
        let mut lines = vec![
            format!("payout {} of {}", self.payout, self.circle_name),
            format!("  transaction  {}", decoded.hash),
            format!("  network      {}", decoded.network),
            format!("  pays from    {}", decoded.source),
        ];
        for made in &decoded.moves {
            let name = self
                .names
                .iter()
                .find(|(address, _)| Some(address) == made.to.as_ref());
            let name = name.map_or_else(String::new, |(_, name)| {
                format!(" (the request calls it {name})")
            });
            lines.push(format!("               {}{name}", made.sentence()));
        }
        if let Some(memo) = &decoded.memo {
            lines.push(format!("  memo         {memo}"));
        }
        for token in self.tokens_of(decoded) {
            let place = match &token.contract {
                Some(contract) => format!("the token {contract}"),
                None => "the chain's own coin".into(),
            };
            lines.push(format!(
                "  decimals     the request says that {} is {place}, with {} decimals",
                token.code, token.decimals
            ));
        }
        lines.push(format!(
            "  approved by  {} (key {})",
            self.account, self.sender
        ));
        lines.join("\n")
    }

    /// The tokens whose decimals matter for what is shown.
    fn tokens_of(&self, decoded: &Decoded) -> Vec<&Token> {
        let shown = |token: &&Token| {
            let text = money_diff::token_text(&token.code, token.contract.as_deref());
            let mut assets = decoded.moves.iter().map(|made| &made.asset);
            token.chain_id.to_string() == decoded.network
                && assets.any(|asset| asset.as_ref() == Some(&text))
        };
        self.tokens.iter().filter(shown).collect()
    }
}

/// `!!treasury.confirm` of a payout's very bytes.
pub fn action(payout: u64, hash: Vec<u8>) -> Result<Action, Problem> {
    let given = vec![
        ("payout", Value::Id(payout)),
        ("transaction", Value::Bytes(hash)),
    ];
    acting::action(&circle::kernel_signatures(), "treasury", "confirm", given)
}

/// Asks a person whether to do this; nobody at a terminal has to say it beforehand, with --yes.
pub fn confirm(yes: bool, question: &str) -> Result<(), Problem> {
    use std::io::{BufRead, IsTerminal};
    if yes {
        return Ok(());
    }
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        let mend = "look at it at a terminal, or say --yes";
        return Err(Problem::new(
            "approve.unconfirmed",
            "nobody can be asked here",
            mend,
        ));
    }
    output::tell(format!("{question} Type yes:"));
    let mut answer = String::new();
    let read = stdin.lock().read_line(&mut answer);
    match (read, answer.trim()) {
        (Ok(_), "yes") => Ok(()),
        _ => Err(Problem::new(
            "approve.unconfirmed",
            "you did not say yes",
            "nothing was signed",
        )),
    }
}

/// Writes a file that must not be there yet.
pub fn write_new(path: &Path, text: &str) -> Result<(), Problem> {
    use std::io::Write;
    let file = std::fs::File::options()
        .write(true)
        .create_new(true)
        .open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| Problem::file("write", path, error))
}

/// Whether a letter is none that moves other letters about on a screen.
fn is_plain(letter: char) -> bool {
    let turns = matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    !letter.is_control() && !turns
}

fn malformed(reason: String) -> Problem {
    let mend = "take the file that `circle treasury approve --offline` wrote";
    Problem::new(
        "approve.request",
        format!("this is no request: {reason}"),
        mend,
    )
}
