//! What the exact bytes of a transaction do with money, read back from the bytes alone, so that who signs need not believe anybody.

mod ethereum;
mod stellar;

use circle::genesis::{Genesis, Home};
use circle::treasury::Transaction;
use serde::{Deserialize, Serialize};
use treasury_protocol::ethereum::{Address, Contracts};
use treasury_protocol::stellar::StellarError;

use crate::problem::Problem;

pub use ethereum::whole;
pub use stellar::{asset_text as stellar_asset, read as stellar_move};

/// The exact bytes that are signed, without any signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "chain", rename_all = "lowercase", deny_unknown_fields)]
pub enum Unsigned {
    /// On Stellar.
    Stellar {
        /// The passphrase of the network.
        network: String,
        /// The envelope, base64 XDR.
        envelope_xdr: String,
    },
    /// Of a Safe on Ethereum: every field of what its owners sign (EIP-712, `SafeTx`) that is not zero in all of them.
    Ethereum {
        /// The chain.
        chain_id: u64,
        /// The Safe.
        safe: String,
        /// Who is called.
        to: String,
        /// Wei that go along, in decimal digits.
        value_wei: String,
        /// What is said: `0x` and hexadecimal digits.
        data: String,
        /// 0 for a call, 1 where the Safe lends itself to the code at `to`.
        operation: u8,
        /// The number that it uses up.
        safe_nonce: u64,
    },
}

impl Unsigned {
    /// What is signed of a payout.
    pub fn of(transaction: &Transaction) -> Result<Self, StellarError> {
        Ok(match transaction {
            Transaction::Stellar { network, batch } => Self::Stellar {
                network: network.clone(),
                envelope_xdr: batch.unsigned_envelope()?,
            },
            Transaction::Safe(transaction) => ethereum::unsigned(transaction),
        })
    }
}

/// What a reader of bytes has to know that is not in them.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The circle's assets on Ethereum chains: the bytes only say how many of a token's smallest units are paid.
    pub tokens: Vec<Token>,
    /// The contract through which a Safe makes several calls. No other one is lent a Safe.
    pub batch_contract: Address,
}

/// An asset of the circle on an Ethereum chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// The chain.
    pub chain_id: u64,
    /// The token's contract; none for the chain's own coin.
    pub contract: Option<String>,
    /// What it is called in the circle.
    pub code: String,
    /// How many decimals one whole has on the chain.
    pub decimals: u8,
}

impl Reading {
    /// With the assets of a circle, and the batch contract that is at the same address on public chains.
    pub fn of(genesis: &Genesis) -> Self {
        let mut tokens = Vec::new();
        for (code, asset) in &genesis.assets {
            for home in &asset.homes {
                let Home::Ethereum {
                    chain_id,
                    token,
                    decimals,
                } = home
                else {
                    continue;
                };
                tokens.push(Token {
                    chain_id: *chain_id,
                    contract: token.map(|token| token.to_string()),
                    code: code.to_string(),
                    decimals: *decimals,
                });
            }
        }
        Self {
            tokens,
            ..Self::default()
        }
    }
}

impl Default for Reading {
    fn default() -> Self {
        Self {
            tokens: Vec::new(),
            batch_contract: Contracts::CANONICAL.multi_send,
        }
    }
}

/// A transaction, as its bytes say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decoded {
    /// The network that its hash is for: the passphrase on Stellar, the chain id on Ethereum.
    pub network: String,
    /// Its hash there, hexadecimal: what is signed.
    pub hash: String,
    /// The address that pays.
    pub source: String,
    /// The sequence number that it uses up.
    pub sequence: i64,
    /// The last second in which the chain may take it, Unix time; none on Ethereum, which may take it at any time.
    pub expires_s: Option<u64>,
    /// The most that it may cost the wallet, in minor units of the chain's own coin; nothing on Ethereum, where the sender pays.
    pub fee_at_most: i64,
    /// What comes along for the payees.
    pub memo: Option<String>,
    /// What it does, in this order.
    pub moves: Vec<Move>,
}

/// One thing that a transaction does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    /// `pays`, `sets aside`, `takes back`, `trusts`, `gives a say`, `takes the say of`, `sets thresholds` or `does nothing`; of a Safe also `adds the owner`,
    /// `removes the owner`, `takes as an owner`, `sets the threshold` and `calls`.
    pub does: String,
    /// To whom, or about whom: an address.
    pub to: Option<String>,
    /// The asset as its chain names it: `CODE:ISSUER`, `CODE:CONTRACT`, or the chain's own coin.
    pub asset: Option<String>,
    /// How much, in whole units.
    pub amount: Option<String>,
    /// What else matters.
    pub note: Option<String>,
}

impl Move {
    fn plain(does: &str) -> Self {
        Self {
            does: does.into(),
            to: None,
            asset: None,
            amount: None,
            note: None,
        }
    }
}

/// A line as the circle planned it.
pub struct Planned<'a> {
    /// The address.
    pub to: &'a str,
    /// The asset as its chain names it.
    pub asset: &'a str,
    /// How much, in whole units.
    pub amount: &'a str,
    /// Whether the payee has to claim it.
    pub claimable: bool,
}

/// Reads the bytes of a transaction.
///
/// Errors: they are not as a circle writes them, so that nobody can say what all of them do.
pub fn decode(bytes: &Unsigned, reading: &Reading) -> Result<Decoded, Problem> {
    match bytes {
        Unsigned::Stellar {
            network,
            envelope_xdr,
        } => stellar::decode(envelope_xdr, network),
        Unsigned::Ethereum { .. } => ethereum::decode(bytes, reading),
    }
}

fn unreadable(code: &str, error: impl std::fmt::Display) -> Problem {
    let reason = format!("the bytes to sign cannot be read: {error}");
    Problem::new(code, reason, "do not sign them; ask the guardians")
}

impl Decoded {
    /// Where the bytes do not do what was planned. Nothing if they do just that.
    pub fn mismatches(&self, planned: &[Planned<'_>]) -> Vec<String> {
        let mut found = Vec::new();
        if self.moves.len() != planned.len() {
            found.push(format!(
                "the bytes do {} things, the circle planned {}",
                self.moves.len(),
                planned.len()
            ));
        }
        for (number, (made, line)) in self.moves.iter().zip(planned).enumerate() {
            let does = if line.claimable { "sets aside" } else { "pays" };
            let expected = (does, Some(line.to), Some(line.asset), Some(line.amount));
            let actual = (
                &*made.does,
                made.to.as_deref(),
                made.asset.as_deref(),
                made.amount.as_deref(),
            );
            if actual != expected {
                found.push(format!(
                    "line {}: the bytes say: {}; the circle planned: {does} {} {} to {}",
                    number + 1,
                    made.sentence(),
                    line.amount,
                    line.asset,
                    line.to
                ));
            }
        }
        found
    }
}

impl Move {
    /// For people.
    pub fn sentence(&self) -> String {
        let mut text = self.does.clone();
        for part in [&self.amount, &self.asset].into_iter().flatten() {
            text += &format!(" {part}");
        }
        if let Some(to) = &self.to {
            // Who is made an owner, or called, is given nothing.
            let given = self.asset.is_some() || self.does == "gives a say";
            text += if given { " to " } else { " " };
            text += to;
        }
        if let Some(note) = &self.note {
            text += &format!(" ({note})");
        }
        text
    }
}

/// An asset as Ethereum chains name it: by its contract, if it is not the chain's own coin.
pub fn token_text(code: &str, contract: Option<&str>) -> String {
    match contract {
        Some(contract) => format!("{code}:{contract}"),
        None => code.to_owned(),
    }
}
