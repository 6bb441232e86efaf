//! What the exact bytes of a transaction do with money, read back from the bytes alone, so that who signs need not believe anybody.

use serde::{Deserialize, Serialize};
use treasury_protocol::stellar::{Asset, Batch, Envelope, Memo, Operation, StellarError, address};

use crate::api::values::fixed;
use crate::problem::Problem;

/// Decimals of every asset on Stellar.
const STELLAR_DECIMALS: u8 = 7;

/// A transaction, as its bytes say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decoded {
    /// The network that its hash is for: the passphrase on Stellar.
    pub network: String,
    /// Its hash there, hexadecimal: what is signed.
    pub hash: String,
    /// The address that pays.
    pub source: String,
    /// The sequence number that it uses up.
    pub sequence: i64,
    /// The last second in which the chain may take it, Unix time.
    pub expires_s: u64,
    /// The most that it may cost, in minor units of the chain's own coin.
    pub fee_at_most: i64,
    /// What comes along for the payees.
    pub memo: Option<String>,
    /// What it does, in this order.
    pub moves: Vec<Move>,
}

/// One thing that a transaction does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    /// `pays`, `sets aside`, `takes back`, `trusts`, `gives a say`, `sets thresholds` or `does nothing`.
    pub does: String,
    /// To whom: an address.
    pub to: Option<String>,
    /// The asset as its chain names it: `CODE:ISSUER`, or the chain's own coin.
    pub asset: Option<String>,
    /// How much, in whole units.
    pub amount: Option<String>,
    /// What else matters.
    pub note: Option<String>,
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

/// Reads a Stellar envelope, signed or not.
pub fn decode(envelope_xdr: &str, network: &str) -> Result<Decoded, Problem> {
    let envelope = Envelope::parse(envelope_xdr).map_err(unreadable)?;
    let batch = envelope.batch;
    let hash = batch.hash(network).map_err(unreadable)?;
    Ok(Decoded {
        network: network.to_owned(),
        hash: hex::encode(hash),
        source: address(&batch.source),
        sequence: batch.sequence,
        expires_s: batch.time_bounds.max,
        fee_at_most: i64::from(batch.fee_per_op_stroops) * batch.operations.len() as i64,
        memo: batch.memo.as_ref().map(memo),
        moves: moves(&batch),
    })
}

fn unreadable(error: StellarError) -> Problem {
    let reason = format!("the bytes to sign cannot be read: {error}");
    Problem::new(error.code(), reason, "do not sign them; ask the guardians")
}

fn memo(memo: &Memo) -> String {
    match memo {
        Memo::Text(text) => text.clone(),
        Memo::Id(number) => number.to_string(),
        Memo::Hash(hash) => hex::encode(hash),
    }
}

fn moves(batch: &Batch) -> Vec<Move> {
    let plain = |does: &str| Move {
        does: does.into(),
        to: None,
        asset: None,
        amount: None,
        note: None,
    };
    let units = |units: i64| Some(fixed(i128::from(units), STELLAR_DECIMALS));
    let one = |operation: &Operation| match operation {
        Operation::Payment { to, asset, amount } => Move {
            to: Some(to.to_string()),
            asset: Some(asset_text(asset)),
            amount: units(*amount),
            ..plain("pays")
        },
        Operation::CreateClaimable {
            to,
            asset,
            amount,
            reclaim_after_s,
        } => Move {
            to: Some(address(to)),
            asset: Some(asset_text(asset)),
            amount: units(*amount),
            note: Some(format!("to be claimed until {reclaim_after_s}")),
            ..plain("sets aside")
        },
        Operation::Reclaim { balance } => Move {
            note: Some(format!("balance {}", hex::encode(balance))),
            ..plain("takes back")
        },
        Operation::Trust { asset, limit } => Move {
            asset: Some(asset_text(asset)),
            amount: (*limit != i64::MAX).then(|| units(*limit)).flatten(),
            ..plain("trusts")
        },
        Operation::SetSigner { key, weight } => Move {
            to: Some(address(key)),
            note: Some(format!("weight {weight}")),
            ..plain("gives a say")
        },
        Operation::SetThresholds {
            master,
            low,
            medium,
            high,
        } => Move {
            note: Some(format!(
                "master {master}, low {low}, medium {medium}, high {high}"
            )),
            ..plain("sets thresholds")
        },
        Operation::Nothing => Move {
            note: Some("uses up its sequence number".into()),
            ..plain("does nothing")
        },
    };
    batch.operations.iter().map(one).collect()
}

/// An asset as Stellar names it.
pub fn asset_text(asset: &Asset) -> String {
    match asset {
        Asset::Native => "XLM".into(),
        Asset::Issued { code, issuer } => format!("{}:{}", code.as_str(), address(issuer)),
    }
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
            text += &format!(" to {to}");
        }
        if let Some(note) = &self.note {
            text += &format!(" ({note})");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use treasury_protocol::stellar::{AssetCode, Destination, TimeBounds};

    use super::*;

    fn batch(operations: Vec<Operation>) -> Batch {
        Batch {
            source: [1; 32],
            fee_per_op_stroops: 1_000,
            sequence: 7,
            time_bounds: TimeBounds { min: 0, max: 99 },
            memo: Some(Memo::Text("hi".into())),
            operations,
        }
    }

    fn tft() -> Asset {
        Asset::Issued {
            code: AssetCode::new("TFT").unwrap(),
            issuer: [9; 32],
        }
    }

    fn pays(key: u8, amount: i64) -> Operation {
        Operation::Payment {
            to: Destination {
                key: [key; 32],
                muxed: None,
            },
            asset: tft(),
            amount,
        }
    }

    #[test]
    fn the_bytes_say_what_they_do() {
        let all = batch(vec![
            pays(2, 15_000_000),
            Operation::CreateClaimable {
                to: [3; 32],
                asset: tft(),
                amount: 1,
                reclaim_after_s: 1_000,
            },
            Operation::Trust {
                asset: tft(),
                limit: i64::MAX,
            },
            Operation::Nothing,
        ]);
        let decoded = decode(&all.unsigned_envelope().unwrap(), "a network").unwrap();
        assert_eq!(decoded.hash, hex::encode(all.hash("a network").unwrap()));
        let sentences: Vec<String> = decoded.moves.iter().map(Move::sentence).collect();
        expect_test::expect![[r#"
            pays 1.5000000 TFT:GAEQSCIJBEEQSCIJBEEQSCIJBEEQSCIJBEEQSCIJBEEQSCIJBEEQSH7S to GABAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIBAEJXA
            sets aside 0.0000001 TFT:GAEQSCIJBEEQSCIJBEEQSCIJBEEQSCIJBEEQSCIJBEEQSCIJBEEQSH7S to GABQGAYDAMBQGAYDAMBQGAYDAMBQGAYDAMBQGAYDAMBQGAYDAMBQHGPC (to be claimed until 1000)
            trusts TFT:GAEQSCIJBEEQSCIJBEEQSCIJBEEQSCIJBEEQSCIJBEEQSCIJBEEQSH7S
            does nothing (uses up its sequence number)"#]]
        .assert_eq(&sentences.join("\n"));
        assert_eq!(
            (decoded.fee_at_most, decoded.memo.as_deref()),
            (4_000, Some("hi"))
        );
    }

    #[test]
    fn bytes_that_do_something_else_than_was_planned_are_found_out() {
        let asset = asset_text(&tft());
        let to = address(&[2; 32]);
        let check = |operations: Vec<Operation>, amount: &str, claimable: bool, expected: usize| {
            let bytes = batch(operations).unsigned_envelope().unwrap();
            let planned = Planned {
                to: &to,
                asset: &asset,
                amount,
                claimable,
            };
            let found = decode(&bytes, "a network").unwrap().mismatches(&[planned]);
            assert_eq!(found.len(), expected, "{found:?}");
        };
        check(vec![pays(2, 15_000_000)], "1.5000000", false, 0);
        check(vec![pays(2, 15_000_001)], "1.5000000", false, 1);
        check(vec![pays(3, 15_000_000)], "1.5000000", false, 1);
        check(vec![pays(2, 15_000_000)], "1.5000000", true, 1);
        check(vec![pays(2, 15_000_000), pays(3, 1)], "1.5000000", false, 1);
    }

    #[test]
    fn other_bytes_are_refused() {
        assert!(decode("AAAA", "a network").is_err());
        assert!(decode("", "a network").is_err());
    }
}
