//! What a person is asked to approve, in a file that goes to the machine with the key.

use std::path::Path;

use circle::envelope::Body;
use circle::ids::{CircleId, Key};
use serde::{Deserialize, Serialize};
use threescript::action::Action;
use threescript::value::Value;

use crate::cli::{acting, output};
use crate::money_diff::{self, Decoded};
use crate::problem::Problem;
use crate::setup;

/// What the first line of such a file says.
const KIND: &str = "guardian circle approval request 1";

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
    /// The network that it is for.
    pub network: String,
    /// The envelope without signatures, base64 XDR.
    pub transaction_xdr: String,
    /// Accounts that the circle knows by these addresses, for people: nothing proves these names.
    pub names: Vec<(String, String)>,
}

impl Request {
    pub fn new(circle_name: String) -> Self {
        Self {
            kind: KIND.into(),
            circle_name,
            circle: String::new(),
            account: String::new(),
            sender: String::new(),
            account_nonce: 0,
            expires_at_ms: 0,
            payout: 0,
            network: String::new(),
            transaction_xdr: String::new(),
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
        Ok(request)
    }

    /// Writes a file, and never over another one.
    pub fn write(&self, path: &Path) -> Result<(), Problem> {
        let text = serde_json::to_string_pretty(self).unwrap_or_default() + "\n";
        write_new(path, &text)
    }

    /// What the bytes do, read from them here and now.
    pub fn decoded(&self) -> Result<Decoded, Problem> {
        money_diff::decode(&self.transaction_xdr, &self.network)
    }

    /// The transaction of the circle that approves these very bytes.
    pub fn body(&self) -> Result<Body, Problem> {
        let hash =
            hex::decode(self.decoded()?.hash).map_err(|error| malformed(error.to_string()))?;
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
    pub fn screen(&self) -> Result<String, Problem> {
        let decoded = self.decoded()?;
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
        lines.push(format!(
            "  approved by  {} (key {})",
            self.account, self.sender
        ));
        Ok(lines.join("\n"))
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

/// Asks a person; nobody at a terminal has to say it beforehand, with --yes.
pub fn confirm(yes: bool) -> Result<(), Problem> {
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
    output::tell("Approve this? Type yes:");
    let mut answer = String::new();
    let read = stdin.lock().read_line(&mut answer);
    match (read, answer.trim()) {
        (Ok(_), "yes") => Ok(()),
        _ => Err(Problem::new(
            "approve.unconfirmed",
            "not approved",
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

fn malformed(reason: String) -> Problem {
    let mend = "take the file that `circle treasury approve --offline` wrote";
    Problem::new(
        "approve.request",
        format!("this is no request: {reason}"),
        mend,
    )
}
