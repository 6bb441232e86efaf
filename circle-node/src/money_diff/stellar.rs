//! What an envelope of Stellar does.

use treasury_protocol::stellar::{Asset, Envelope, Memo, Operation, address};

use super::{Decoded, Move, unreadable};
use crate::api::values::fixed;
use crate::problem::Problem;

/// Decimals of every asset on Stellar.
const DECIMALS: u8 = 7;

/// Reads a Stellar envelope, signed or not.
pub fn decode(envelope_xdr: &str, network: &str) -> Result<Decoded, Problem> {
    let envelope =
        Envelope::parse(envelope_xdr).map_err(|error| unreadable(error.code(), error))?;
    let batch = envelope.batch;
    let hash = batch
        .hash(network)
        .map_err(|error| unreadable(error.code(), error))?;
    Ok(Decoded {
        network: network.to_owned(),
        hash: hex::encode(hash),
        source: address(&batch.source),
        sequence: batch.sequence,
        expires_s: Some(batch.time_bounds.max),
        fee_at_most: i64::from(batch.fee_per_op_stroops) * batch.operations.len() as i64,
        memo: batch.memo.as_ref().map(memo),
        moves: batch.operations.iter().map(read).collect(),
    })
}

fn memo(memo: &Memo) -> String {
    match memo {
        Memo::Text(text) => text.clone(),
        Memo::Id(number) => number.to_string(),
        Memo::Hash(hash) => hex::encode(hash),
    }
}

/// What one operation does.
pub fn read(operation: &Operation) -> Move {
    let plain = Move::plain;
    let units = |units: i64| Some(fixed(i128::from(units), DECIMALS));
    match operation {
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
        Operation::SetSigner { key, weight: 0 } => Move {
            to: Some(address(key)),
            ..plain("takes the say of")
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
    }
}

/// An asset as Stellar names it.
pub fn asset_text(asset: &Asset) -> String {
    match asset {
        Asset::Native => "XLM".into(),
        Asset::Issued { code, issuer } => format!("{}:{}", code.as_str(), address(issuer)),
    }
}

#[cfg(test)]
mod tests {
    use treasury_protocol::stellar::{AssetCode, Batch, Destination, TimeBounds};

    use super::super::Planned;
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
