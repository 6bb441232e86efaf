//! The double-entry ledger: books of one asset each, whose sum is what the circle holds on its chains.
//!
//! A book is named by its kind and, where it has one, its owner: `escrow:<account>`, `payable:<account>`, `fees`,
//! `wallet:<wallet>` (free treasury), `payout:<wallet>` (planned and not yet settled), `held:<policy>` (what a policy was
//! paid and has not given out yet). No book is ever negative.

use std::collections::BTreeMap;

use threescript::value::{Amount, AssetCode};

use crate::account::check_name;
use crate::rejection::{Failure, Rejection, require};
use crate::state::{KeyValue, Overlay, StoreFault};
use crate::table::Table;

const BALANCES: Table<i64> = Table::new(b"kl", "a ledger balance");
const OBSERVED: Table<i64> = Table::new(b"ko", "an observed total");

/// The balance of `book` in minor units of `asset`; 0 for a book that was never used.
pub fn balance(
    rows: &(impl KeyValue + ?Sized),
    book: &str,
    asset: &AssetCode,
) -> Result<i64, StoreFault> {
    Ok(BALANCES.get(rows, (asset.as_str(), book))?.unwrap_or(0))
}

/// What the circle holds on its chains, as far as it was recorded, in minor units.
pub fn observed(rows: &(impl KeyValue + ?Sized), asset: &AssetCode) -> Result<i64, StoreFault> {
    Ok(OBSERVED.get(rows, asset.as_str())?.unwrap_or(0))
}

/// All books of `asset` and their balances.
pub fn books(
    rows: &(impl KeyValue + ?Sized),
    asset: &AssetCode,
) -> Result<BTreeMap<String, i64>, StoreFault> {
    let name = |mut key: Vec<u8>| {
        key.pop();
        String::from_utf8_lossy(&key).into_owned()
    };
    Ok(BALANCES
        .all(rows, asset.as_str())?
        .into_iter()
        .map(|(key, value)| (name(key), value))
        .collect())
}

/// Moves `amount` from one book to another.
pub fn transfer(rows: &mut Overlay, from: &str, to: &str, amount: &Amount) -> Result<(), Failure> {
    check_book(from)?;
    check_book(to)?;
    check_positive(amount)?;
    let available = balance(rows, from, &amount.asset)?;
    require(available >= amount.units, "ledger.insufficient", || {
        format!(
            "{from} holds {available} units of {}, {} are needed; add funds or lower the amount",
            amount.asset, amount.units
        )
    })?;
    set(rows, from, &amount.asset, available - amount.units);
    add(rows, to, amount)
}

/// Amounts that leave books and arrive in others, in minor units of one asset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Movements {
    /// Books and what is taken from them.
    pub from: Vec<(String, i64)>,
    /// Books and what is given to them.
    pub to: Vec<(String, i64)>,
}

/// Moves many amounts at once. What is taken has to be what is given.
pub fn transfer_all(
    rows: &mut Overlay,
    asset: &AssetCode,
    movements: &Movements,
) -> Result<(), Failure> {
    let sum = |part: &[(String, i64)]| part.iter().map(|(_, units)| i128::from(*units)).sum();
    let (taken, given): (i128, i128) = (sum(&movements.from), sum(&movements.to));
    require(taken == given, "ledger.unbalanced", || {
        format!("{taken} units of {asset} would be taken and {given} given; make both the same")
    })?;
    for (book, units) in movements.from.iter().chain(&movements.to) {
        check_book(book)?;
        check_positive(&Amount::new(*units, asset.clone()))?;
    }
    for (book, units) in &movements.from {
        let available = balance(rows, book, asset)?;
        require(available >= *units, "ledger.insufficient", || {
            format!(
                "{book} holds {available} units of {asset}, {units} are needed; add funds or lower the amount"
            )
        })?;
        set(rows, book, asset, available - units);
    }
    for (book, units) in &movements.to {
        add(rows, book, &Amount::new(*units, asset.clone()))?;
    }
    Ok(())
}

/// Records that `amount` arrived on a chain, for `book`.
pub fn receive(rows: &mut Overlay, book: &str, amount: &Amount) -> Result<(), Failure> {
    check_book(book)?;
    check_positive(amount)?;
    let total = observed(rows, &amount.asset)?
        .checked_add(amount.units)
        .ok_or_else(overflow)?;
    OBSERVED.put(rows, amount.asset.as_str(), &total);
    add(rows, book, amount)
}

/// Records that `amount` of `book` left on a chain.
pub fn spend(rows: &mut Overlay, book: &str, amount: &Amount) -> Result<(), Failure> {
    check_book(book)?;
    check_positive(amount)?;
    let available = balance(rows, book, &amount.asset)?;
    require(available >= amount.units, "ledger.insufficient", || {
        format!(
            "{book} holds {available} units of {}, {} have left",
            amount.asset, amount.units
        )
    })?;
    // What a book holds was observed, so the difference is not negative.
    let total = observed(rows, &amount.asset)? - amount.units;
    OBSERVED.put(rows, amount.asset.as_str(), &total);
    set(rows, book, &amount.asset, available - amount.units);
    Ok(())
}

/// Whether the books that changed between two views changed by exactly what was observed, asset by asset.
///
/// Looks at the changed rows only, so that every block can afford it.
pub fn balances_hold(
    before: &dyn KeyValue,
    changes: &[crate::state::Change],
) -> Result<bool, StoreFault> {
    let mut difference: BTreeMap<Vec<u8>, i128> = BTreeMap::new();
    for (key, value) in changes {
        let (table, sign) = match key.get(..2) {
            Some(b"kl") => (&BALANCES, 1),
            Some(b"ko") => (&OBSERVED, -1),
            _ => continue,
        };
        let asset = key[2..]
            .split(|byte| *byte == 0)
            .next()
            .unwrap_or_default()
            .to_vec();
        let new = value
            .as_deref()
            .map(|value| table.decode(value))
            .transpose()?
            .unwrap_or(0);
        let old = before
            .get(key)?
            .map(|value| table.decode(&value))
            .transpose()?
            .unwrap_or(0);
        *difference.entry(asset).or_default() += sign * (i128::from(new) - i128::from(old));
    }
    Ok(difference.values().all(|difference| *difference == 0))
}

fn add(rows: &mut Overlay, book: &str, amount: &Amount) -> Result<(), Failure> {
    let total = balance(rows, book, &amount.asset)?
        .checked_add(amount.units)
        .ok_or_else(overflow)?;
    set(rows, book, &amount.asset, total);
    Ok(())
}

fn set(rows: &mut Overlay, book: &str, asset: &AssetCode, units: i64) {
    match units {
        0 => BALANCES.delete(rows, (asset.as_str(), book)),
        _ => BALANCES.put(rows, (asset.as_str(), book), &units),
    }
}

fn overflow() -> Rejection {
    Rejection::new(
        "ledger.overflow",
        "the sum does not fit into 64 bits; use smaller amounts",
    )
}

fn check_positive(amount: &Amount) -> Result<(), Rejection> {
    require(amount.units > 0, "ledger.amount", || {
        format!(
            "{} units of {} cannot be moved; use an amount above 0",
            amount.units, amount.asset
        )
    })
}

fn check_book(book: &str) -> Result<(), Rejection> {
    let known = match book.split_once(':') {
        Some(("escrow" | "payable" | "wallet" | "payout" | "held", owner)) => {
            check_name(owner).is_ok()
        }
        Some(_) => false,
        None => book == "fees",
    };
    require(known, "ledger.book", || {
        format!(
            "there is no book {book:?}; use escrow:<account>, payable:<account>, wallet:<wallet>, payout:<wallet>, held:<policy> or fees"
        )
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::state::Memory;

    fn tft(units: i64) -> Amount {
        Amount {
            units,
            asset: AssetCode::new("TFT").unwrap(),
        }
    }

    fn check(act: impl FnOnce(&mut Overlay) -> Result<(), Failure>, expected: &str) {
        let mut rows = Overlay::new(Arc::new(Memory::new()));
        receive(&mut rows, "escrow:alice", &tft(100)).unwrap();
        let got = match act(&mut rows) {
            Ok(()) => format!("{:?}", books(&rows, &tft(0).asset).unwrap()),
            Err(Failure::Rejected(rejection)) => rejection.code.into(),
            Err(Failure::Fault(fault)) => panic!("{fault}"),
        };
        assert_eq!(got, expected);
    }

    #[test]
    fn money_moves_between_books_or_not_at_all() {
        check(
            |rows| transfer(rows, "escrow:alice", "payable:bob", &tft(30)),
            r#"{"escrow:alice": 70, "payable:bob": 30}"#,
        );
        check(
            |rows| transfer(rows, "escrow:alice", "fees", &tft(100)),
            r#"{"fees": 100}"#,
        );
        check(
            |rows| transfer(rows, "escrow:alice", "held:billing", &tft(100)),
            r#"{"held:billing": 100}"#,
        );
        check(
            |rows| transfer(rows, "escrow:alice", "held", &tft(100)),
            "ledger.book",
        );
        check(
            |rows| transfer(rows, "escrow:alice", "escrow:alice", &tft(100)),
            r#"{"escrow:alice": 100}"#,
        );
        check(
            |rows| transfer(rows, "escrow:alice", "fees", &tft(101)),
            "ledger.insufficient",
        );
        check(
            |rows| transfer(rows, "escrow:alice", "fees", &tft(-1)),
            "ledger.amount",
        );
        check(
            |rows| transfer(rows, "escrow:alice", "fees", &tft(0)),
            "ledger.amount",
        );
        check(
            |rows| transfer(rows, "escrow:alice", "pocket", &tft(1)),
            "ledger.book",
        );
        check(
            |rows| transfer(rows, "escrow:alice", "payable:a b", &tft(1)),
            "ledger.book",
        );
        check(
            |rows| receive(rows, "escrow:alice", &tft(i64::MAX)),
            "ledger.overflow",
        );
    }

    proptest! {
        #[test]
        fn any_moves_keep_the_books_balanced(moves in prop::collection::vec((0usize..5, 0usize..5, 1i64..60), 0..50)) {
            let names = ["escrow:a", "escrow:b", "payable:a", "fees", "wallet:main"];
            let base = Arc::new(Memory::new());
            let mut rows = Overlay::new(base.clone());
            for (from, to, units) in moves {
                if from == to { let _ = receive(&mut rows, names[to], &tft(units)); }
                let _ = transfer(&mut rows, names[from], names[to], &tft(units));
            }
            let total: i64 = books(&rows, &tft(0).asset).unwrap().values().sum();
            prop_assert_eq!(total, observed(&rows, &tft(0).asset).unwrap());
            let mut changes = rows.changes();
            prop_assert!(balances_hold(&*base, &changes).unwrap());
            changes.push((BALANCES.key(("TFT", "fees")), Some(crate::digest::encode(&1_000_000i64))));
            prop_assert!(!balances_hold(&*base, &changes).unwrap());
        }
    }
}
