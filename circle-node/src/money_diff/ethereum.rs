//! What a transaction of a Safe does.

use treasury_protocol::ethereum::{Address, Contracts, Meaning, SafeTransaction, U256};

use super::{Decoded, Move, Reading, Unsigned, token_text, unreadable};
use crate::problem::Problem;

/// Stable code for bytes that are not what this module writes.
const MALFORMED: &str = "ethereum_bytes";

/// What owners sign of a transaction.
pub fn unsigned(transaction: &SafeTransaction) -> Unsigned {
    Unsigned::Ethereum {
        chain_id: transaction.chain_id,
        safe: transaction.safe.to_string(),
        to: transaction.to.to_string(),
        value_wei: U256::from_be_bytes(transaction.value).to_string(),
        data: format!("0x{}", hex::encode(&transaction.data)),
        operation: transaction.delegate.into(),
        safe_nonce: transaction.safe_nonce,
    }
}

/// Reads what owners sign.
pub fn decode(bytes: &Unsigned, reading: &Reading) -> Result<Decoded, Problem> {
    let transaction = parse(bytes)?;
    let contracts = Contracts {
        multi_send: reading.batch_contract,
        ..Contracts::CANONICAL
    };
    let calls = transaction.calls(&contracts).map_err(|error| {
        let mut problem = unreadable(error.code(), &error);
        if transaction.delegate {
            problem.mend = format!(
                "do not sign it; only if the wallet really was opened with a batch contract of its own, name that one with --batch-contract instead of {}",
                reading.batch_contract
            );
        }
        problem
    })?;
    let safe = transaction.safe;
    let moves = calls
        .iter()
        .map(|call| match call.meaning(safe) {
            // Whatever it is, it is shown as it is, and fits no plan.
            Meaning::Other => Move {
                to: Some(call.to.to_string()),
                note: Some(format!(
                    "with {} wei and the data 0x{}",
                    U256::from_be_bytes(call.value),
                    hex::encode(&call.data)
                )),
                ..Move::plain("calls")
            },
            meaning => read(meaning, transaction.chain_id, reading),
        })
        .collect();
    Ok(Decoded {
        network: transaction.chain_id.to_string(),
        hash: hex::encode(transaction.hash()),
        source: safe.to_string(),
        sequence: i64::try_from(transaction.safe_nonce).unwrap_or(i64::MAX),
        expires_s: None,
        fee_at_most: 0,
        memo: None,
        moves,
    })
}

fn read(meaning: Meaning, chain_id: u64, reading: &Reading) -> Move {
    let afterwards =
        |threshold: U256| Some(format!("{threshold} owners have to sign from then on"));
    match meaning {
        Meaning::Native { to, wei } => pays(to, None, wei, chain_id, reading),
        Meaning::Erc20 { token, to, units } => pays(to, Some(token), units, chain_id, reading),
        Meaning::AddOwner { owner, threshold } => Move {
            to: Some(owner.to_string()),
            note: afterwards(threshold),
            ..Move::plain("adds the owner")
        },
        Meaning::RemoveOwner { owner, threshold } => Move {
            to: Some(owner.to_string()),
            note: afterwards(threshold),
            ..Move::plain("removes the owner")
        },
        Meaning::SwapOwner { old, new } => Move {
            to: Some(new.to_string()),
            note: Some(format!("in the place of {old}")),
            ..Move::plain("takes as an owner")
        },
        Meaning::ChangeThreshold { threshold } => Move {
            note: afterwards(threshold),
            ..Move::plain("sets the threshold")
        },
        Meaning::Nothing => Move {
            note: Some("uses up its Safe nonce".into()),
            ..Move::plain("does nothing")
        },
        Meaning::Other => Move::plain("calls"),
    }
}

/// The bytes say units; whole ones follow from the circle's own word on the decimals, so both are shown.
fn pays(
    to: Address,
    contract: Option<Address>,
    units: U256,
    chain_id: u64,
    reading: &Reading,
) -> Move {
    let contract = contract.map(|contract| contract.to_string());
    let known = reading
        .tokens
        .iter()
        .find(|token| token.chain_id == chain_id && token.contract == contract);
    let smallest = if contract.is_some() { "units" } else { "wei" };
    let (asset, amount, note) = match (known, &contract) {
        (Some(token), _) => (
            token_text(&token.code, contract.as_deref()),
            whole(units, token.decimals),
            format!("{units} {smallest} there"),
        ),
        (None, Some(contract)) => (
            contract.clone(),
            units.to_string(),
            "the smallest units of a token that is none of the circle's".to_owned(),
        ),
        (None, None) => (
            smallest.to_owned(),
            units.to_string(),
            "the chain's own coin, which is none of the circle's assets".to_owned(),
        ),
    };
    Move {
        to: Some(to.to_string()),
        asset: Some(asset),
        amount: Some(amount),
        note: Some(note),
        ..Move::plain("pays")
    }
}

/// Units of an asset with so many decimals, in whole ones, with all decimals: `12.500000000`.
pub fn whole(units: U256, decimals: u8) -> String {
    let decimals = usize::from(decimals);
    let mut digits = format!(
        "{units:0>width$}",
        units = units.to_string(),
        width = decimals + 1
    );
    if decimals > 0 {
        digits.insert(digits.len() - decimals, '.');
    }
    digits
}

fn parse(bytes: &Unsigned) -> Result<SafeTransaction, Problem> {
    let Unsigned::Ethereum {
        chain_id,
        safe,
        to,
        value_wei,
        data,
        operation,
        safe_nonce,
    } = bytes
    else {
        return Err(unreadable(MALFORMED, "they are of another chain"));
    };
    let address = |text: &str| -> Result<Address, Problem> {
        text.parse()
            .map_err(|error: treasury_protocol::ethereum::EthereumError| {
                unreadable(error.code(), error)
            })
    };
    let value = U256::from_str_radix(value_wei, 10)
        .map_err(|error| unreadable(MALFORMED, format!("value_wei: {error}")))?;
    let digits = data.strip_prefix("0x").unwrap_or_default();
    let transaction = SafeTransaction {
        chain_id: *chain_id,
        safe: address(safe)?,
        to: address(to)?,
        value: value.to_be_bytes(),
        data: hex::decode(digits)
            .map_err(|error| unreadable(MALFORMED, format!("data: {error}")))?,
        delegate: *operation == 1,
        safe_nonce: *safe_nonce,
    };
    // One transaction has one text.
    match unsigned(&transaction) == *bytes {
        true => Ok(transaction),
        false => Err(unreadable(
            MALFORMED,
            "they are not written as a circle writes them",
        )),
    }
}

#[cfg(test)]
mod tests {
    use treasury_protocol::ethereum::Call;

    use super::super::{Planned, Token, decode};
    use super::*;

    const SAFE: Address = Address([5; 20]);
    const TOKEN: Address = Address([9; 20]);
    const CHAIN: u64 = 31_337;

    fn reading() -> Reading {
        let tokens = [(Some(TOKEN), "TFT", 9), (None, "ETH", 18)];
        Reading {
            tokens: tokens
                .map(|(contract, code, decimals)| Token {
                    chain_id: CHAIN,
                    contract: contract.map(|contract| contract.to_string()),
                    code: code.into(),
                    decimals,
                })
                .into(),
            ..Reading::default()
        }
    }

    fn bytes(calls: &[Call]) -> Unsigned {
        let transaction = SafeTransaction::of(CHAIN, SAFE, &Contracts::CANONICAL, calls, 7);
        unsigned(&transaction.unwrap())
    }

    fn pays_tft(to: u8, units: u64) -> Call {
        Call::erc20(TOKEN, Address([to; 20]), U256::from(units)).unwrap()
    }

    fn sentences(bytes: &Unsigned, reading: &Reading) -> String {
        let decoded = decode(bytes, reading).unwrap();
        let sentences = decoded.moves.iter().map(Move::sentence);
        sentences.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_bytes_say_what_they_do() {
        let owner = |byte| Address([byte; 20]);
        let all = bytes(&[
            pays_tft(2, 1_500_000_001),
            Call::native(owner(3), U256::from(25_u64)).unwrap(),
            Call::erc20(owner(8), owner(2), U256::from(4)).unwrap(),
            Call::add_owner(SAFE, owner(4), 7),
            Call::remove_owner(SAFE, owner(4), owner(6), 6),
            Call::swap_owner(SAFE, owner(4), owner(6), owner(7)),
            Call::change_threshold(SAFE, 8),
            Call {
                to: TOKEN,
                value: [0; 32],
                data: vec![1, 2, 3, 4],
            },
        ]);
        expect_test::expect![[r#"
            pays 1.500000001 TFT:0x0909090909090909090909090909090909090909 to 0x0202020202020202020202020202020202020202 (1500000001 units there)
            pays 0.000000000000000025 ETH to 0x0303030303030303030303030303030303030303 (25 wei there)
            pays 4 0x0808080808080808080808080808080808080808 to 0x0202020202020202020202020202020202020202 (the smallest units of a token that is none of the circle's)
            adds the owner 0x0404040404040404040404040404040404040404 (7 owners have to sign from then on)
            removes the owner 0x0606060606060606060606060606060606060606 (6 owners have to sign from then on)
            takes as an owner 0x0707070707070707070707070707070707070707 (in the place of 0x0606060606060606060606060606060606060606)
            sets the threshold (8 owners have to sign from then on)
            calls 0x0909090909090909090909090909090909090909 (with 0 wei and the data 0x01020304)"#]].assert_eq(&sentences(&all, &reading()));
        let noop = unsigned(&SafeTransaction::noop(CHAIN, SAFE, 7));
        expect_test::expect!["does nothing (uses up its Safe nonce)"]
            .assert_eq(&sentences(&noop, &reading()));
        // Without the circle's word on decimals, units are all that can be said.
        expect_test::expect!["pays 15 0x0909090909090909090909090909090909090909 to 0x0202020202020202020202020202020202020202 (the smallest units of a token that is none of the circle's)"]
            .assert_eq(&sentences(&bytes(&[pays_tft(2, 15)]), &Reading::default()));
    }

    #[test]
    fn one_call_and_a_batch_read_alike() {
        let one = decode(&bytes(&[pays_tft(2, 15)]), &reading()).unwrap();
        let two = decode(&bytes(&[pays_tft(2, 15), pays_tft(3, 1)]), &reading()).unwrap();
        assert_eq!(one.moves[0], two.moves[0]);
        assert_eq!((two.moves.len(), &*two.source), (2, &*SAFE.to_string()));
        assert_eq!((&*two.network, two.sequence), ("31337", 7));
    }

    #[test]
    fn whole_units_have_all_decimals_of_the_chain() {
        let ether = U256::from(10_u64.pow(18)) * U256::from(123_456_789_012_345_678_u64);
        for (units, decimals, text) in [
            (U256::ZERO, 9, "0.000000000"),
            (U256::from(1), 9, "0.000000001"),
            (U256::from(1_500_000_000_u64), 9, "1.500000000"),
            (U256::from(42), 0, "42"),
            (ether, 18, "123456789012345678.000000000000000000"),
        ] {
            assert_eq!(whole(units, decimals), text);
        }
        assert_eq!(whole(U256::MAX, 77).len(), 79);
    }

    #[test]
    fn bytes_that_do_something_else_than_was_planned_are_found_out() {
        let (to, asset) = (Address([2; 20]).to_string(), format!("TFT:{TOKEN}"));
        let planned = Planned {
            to: &to,
            asset: &asset,
            amount: "1.500000000",
            claimable: false,
        };
        let right = pays_tft(2, 1_500_000_000);
        let mut longer = right.clone();
        longer.data.push(0);
        let native = Call::native(Address([2; 20]), U256::from(1_500_000_000_u64)).unwrap();
        for (calls, expected) in [
            (vec![right.clone()], 0),
            // Less than the circle can count, but another amount all the same.
            (vec![pays_tft(2, 1_500_000_001)], 1),
            (vec![pays_tft(3, 1_500_000_000)], 1),
            (vec![native], 1),
            (vec![longer], 1),
            (vec![Call::change_threshold(SAFE, 1)], 1),
            (vec![right.clone(), Call::add_owner(SAFE, SAFE, 1)], 1),
        ] {
            let decoded = decode(&bytes(&calls), &reading()).unwrap();
            let found = decoded.mismatches(std::slice::from_ref(&planned));
            assert_eq!(found.len(), expected, "{calls:?}: {found:?}");
        }
    }

    #[test]
    fn a_safe_is_lent_to_nobody_but_the_batch_contract() {
        let batch = [pays_tft(2, 15), pays_tft(3, 1)];
        let mut lent = bytes(&batch);
        let elsewhere = Address([6; 20]);
        if let Unsigned::Ethereum { to, .. } = &mut lent {
            *to = elsewhere.to_string();
        }
        let problem = decode(&lent, &reading()).unwrap_err();
        assert_eq!(problem.code, "ethereum_delegate");
        let own = Reading {
            batch_contract: elsewhere,
            ..reading()
        };
        assert_eq!(
            sentences(&lent, &own),
            sentences(&bytes(&batch), &reading())
        );
    }

    #[test]
    fn a_field_that_is_changed_changes_the_hash_or_is_refused() {
        let original = serde_json::to_value(bytes(&[pays_tft(2, 15), pays_tft(3, 1)])).unwrap();
        let read = |document: serde_json::Value| {
            let bytes: Result<Unsigned, _> = serde_json::from_value(document);
            decode(&bytes.map_err(|error| error.to_string())?, &reading())
                .map_err(|problem| problem.code)
        };
        let hash = read(original.clone()).unwrap().hash;
        let data = original["data"].as_str().unwrap();
        let upper = data.to_uppercase().replacen("0X", "0x", 1);
        for (field, value, expected) in [
            ("chain_id", serde_json::json!(1), Ok(())),
            ("safe", Address([6; 20]).to_string().into(), Ok(())),
            ("safe_nonce", 8.into(), Ok(())),
            ("operation", 0.into(), Ok(())),
            ("operation", 2.into(), Err("ethereum_bytes")),
            ("value_wei", "1".into(), Err("ethereum_batch")),
            ("value_wei", "00".into(), Err("ethereum_bytes")),
            ("value_wei", "-1".into(), Err("ethereum_bytes")),
            ("data", data[..data.len() - 2].into(), Err("ethereum_batch")),
            ("data", format!("{data}00").into(), Err("ethereum_batch")),
            ("data", data[2..].into(), Err("ethereum_bytes")),
            ("data", upper.into(), Err("ethereum_bytes")),
            ("safe", "0x05".into(), Err("ethereum_address")),
        ] {
            let mut changed = original.clone();
            changed[field] = value;
            let found = read(changed.clone());
            match expected {
                Ok(()) => assert_ne!(found.unwrap().hash, hash, "{changed}"),
                Err(code) => assert_eq!(found.unwrap_err(), code, "{changed}"),
            }
        }
        let mut more = original;
        more["gas_token"] = 1.into();
        assert!(read(more).is_err());
    }
}
