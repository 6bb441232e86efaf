//! A roll-up in bulk against the same one, IOU by IOU and transfer by transfer, on random books.

use std::collections::BTreeMap;
use std::sync::Arc;

use ed25519_zebra::SigningKey;
use proptest::prelude::*;
use threescript::value::{Amount, AssetCode, Assets};

use super::*;
use crate::accounts;
use crate::digest::encode;
use crate::ledger;
use crate::state::{KeyValue, Memory, Overlay};

const CIRCLE: CircleId = CircleId([1; 32]);
const CONSUMERS: [&str; 4] = ["zoe", "ann", "cat", "bob"];
const FARMERS: [&str; 3] = ["farm", "acre", "zoe"];

/// Which consumer and farmer, asset, hour in which the window ends, amount, and whether it is held.
type Debt = (usize, usize, bool, i64, i64, bool);

fn secret(name: &str) -> SigningKey {
    SigningKey::from_bytes(&digest("test", &name))
}

fn asset(usdc: bool) -> AssetCode {
    AssetCode::new(if usdc { "USDC" } else { "TFT" }).unwrap()
}

/// A committed book of debts and escrows.
fn book(debts: &[Debt], escrows: &[(usize, bool, i64)]) -> Arc<Memory> {
    let mut rows = Overlay::new(Arc::new(Memory::new()));
    for name in ["zoe", "farm", "ann", "acre", "bob", "cat"] {
        accounts::register(&mut rows, name, Key::of(&secret(name)), Vec::new()).unwrap();
    }
    for (consumer, usdc, units) in escrows {
        let book = format!("escrow:{}", CONSUMERS[*consumer]);
        let _ = ledger::receive(&mut rows, &book, &Amount::new(*units, asset(*usdc)));
    }
    let sign = |(number, debt): (usize, &Debt)| {
        let (consumer, farmer, usdc, hour, amount, _) = *debt;
        let (consumer, farmer) = (secret(CONSUMERS[consumer]), secret(FARMERS[farmer]));
        let iou = Iou {
            circle: CIRCLE,
            farmer: Key::of(&farmer),
            consumer: Key::of(&consumer),
            reference: format!("contract {number}"),
            from: (hour - 1) * 3600,
            to: hour * 3600,
            usage: Vec::new(),
            price: Price {
                policy: [0; 32],
                tft_musd: 50,
            },
            asset: asset(usdc),
            amount,
            sequence: number as u64 + 1,
        };
        iou.sign(&farmer, &consumer)
    };
    let signed: Vec<SignedIou> = debts.iter().enumerate().map(sign).collect();
    if !signed.is_empty() {
        let batch = encode(&signed);
        let assets = Assets::standard();
        let admission = admit(&mut rows, CIRCLE, &assets, 0, &batch, &Limits::new()).unwrap();
        assert_eq!(admission.rejected, Vec::new());
    }
    for (signed, debt) in signed.iter().zip(debts) {
        if debt.5 {
            hold(&mut rows, &signed.iou.id()).unwrap();
        }
    }
    let mut memory = Memory::new();
    memory.write(rows.changes());
    Arc::new(memory)
}

/// What farmers earned: by name and asset, the amount and how many IOUs.
type Earned = BTreeMap<(String, AssetCode), (i64, u64)>;

/// One IOU after the other, and a transfer for each pair of them.
fn one_by_one(rows: &mut Overlay, until: i64) -> (u64, Earned) {
    let (mut ious, mut earned) = (0, Earned::new());
    for debtor in debtors(rows, until, "", usize::MAX).unwrap().0 {
        let escrow = format!("escrow:{}", debtor.consumer);
        let budget = ledger::balance(rows, &escrow, &debtor.asset).unwrap();
        for part in pay(rows, &debtor.consumer, &debtor.asset, until, budget).unwrap() {
            ious += part.ious;
            let sum = earned
                .entry((part.farmer.clone(), debtor.asset.clone()))
                .or_default();
            *sum = (sum.0 + part.amount, sum.1 + part.ious);
            if part.amount > 0 {
                let amount = Amount::new(part.amount, debtor.asset.clone());
                let to = format!("payable:{}", part.farmer);
                ledger::transfer(rows, &escrow, &to, &amount).unwrap();
            }
        }
    }
    (ious, earned)
}

/// Everything that stands in the rows.
fn all(rows: Overlay, base: &Memory) -> Memory {
    let mut after = base.clone();
    after.write(rows.changes());
    after
}

fn debts() -> impl Strategy<Value = Vec<Debt>> {
    let amount = prop_oneof![Just(0i64), 1..300i64];
    let debt = (
        0..CONSUMERS.len(),
        0..FARMERS.len(),
        any::<bool>(),
        1..12i64,
        amount,
        prop::bool::weighted(0.1),
    );
    // A pair of one account is nobody's debt.
    let debt = debt.prop_filter("nobody owes itself", |debt| {
        CONSUMERS[debt.0] != FARMERS[debt.1]
    });
    prop::collection::vec(debt, 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_roll_up_in_bulk_leaves_what_one_by_one_leaves(
        debts in debts(),
        escrows in prop::collection::vec((0..CONSUMERS.len(), any::<bool>(), 1..900i64), 0..8),
        hour in 0..14i64,
        most in prop_oneof![1..6u64, Just(COLLECT_MAX)],
    ) {
        let base = book(&debts, &escrows);
        let until = hour * 3600;
        let mut slow = Overlay::new(base.clone());
        let (ious, earned) = one_by_one(&mut slow, until);

        let mut fast = Overlay::new(base.clone());
        let mut pages = Vec::new();
        let mut last = String::new();
        loop {
            let page = collect(&mut fast, until, &last, most).unwrap();
            prop_assert!(page.ious <= most);
            prop_assert!(page.all || page.ious > 0 || page.last != last, "it goes on");
            last = page.last.clone();
            pages.push(page);
            if pages.last().is_some_and(|page| page.all) {
                break;
            }
        }
        prop_assert_eq!(pages.iter().map(|page| page.ious).sum::<u64>(), ious);
        let mut sums = Earned::new();
        for line in pages.iter().flat_map(|page| &page.earned) {
            let sum = sums.entry((line.account.clone(), line.asset.clone())).or_default();
            *sum = (sum.0 + line.amount, sum.1 + line.ious);
        }
        prop_assert_eq!(&sums, &earned);
        let (paid, gained): (i64, i64) = (
            pages.iter().flat_map(|page| &page.paid).map(|line| line.amount).sum(),
            sums.values().map(|sum| sum.0).sum(),
        );
        prop_assert_eq!(paid, gained);

        // Who is short is who still owes what is due, and told once.
        let mut short: Vec<(String, AssetCode, i64, i64)> = pages
            .iter()
            .flat_map(|page| &page.short)
            .map(|short| (short.consumer.clone(), short.asset.clone(), short.owed, short.missing))
            .collect();
        let mut left = Vec::new();
        for debtor in debtors(&slow, until, "", usize::MAX).unwrap().0 {
            let book = format!("escrow:{}", debtor.consumer);
            let escrow = ledger::balance(&slow, &book, &debtor.asset).unwrap();
            left.push((debtor.consumer, debtor.asset, debtor.owed, debtor.owed - escrow));
        }
        short.sort();
        left.sort();
        prop_assert_eq!(short, left);
        prop_assert_eq!(all(fast, &base), all(slow, &base));
    }

    #[test]
    fn pages_of_debtors_are_the_whole(debts in debts(), hour in 0..14i64, most in 1..4usize) {
        let base = book(&debts, &[]);
        let rows: &dyn KeyValue = &*base;
        let (whole, _) = debtors(rows, hour * 3600, "", usize::MAX).unwrap();
        let (mut paged, mut last) = (Vec::new(), String::new());
        loop {
            let (page, _) = debtors(rows, hour * 3600, &last, most).unwrap();
            let Some(end) = page.last() else { break };
            last = end.consumer.clone();
            paged.extend(page);
        }
        prop_assert_eq!(paged, whole);
        let (mut paged, mut last) = (Vec::new(), String::new());
        loop {
            let (page, _) = owed_page(rows, &last, most).unwrap();
            let Some(end) = page.last() else { break };
            last = end.consumer.clone();
            paged.extend(page);
        }
        prop_assert_eq!(paged, owed_page(rows, "", usize::MAX).unwrap().0);
    }
}

#[test]
fn a_collection_says_what_it_did_and_what_is_missing() {
    let debts = [
        (0, 0, false, 1, 100, false),
        (0, 1, false, 2, 50, false),
        (0, 0, false, 3, 60, false),
        (0, 0, false, 9, 1000, false),
        (1, 1, true, 1, 7, false),
    ];
    let base = book(&debts, &[(0, false, 170), (1, true, 7)]);
    let mut rows = Overlay::new(base);
    let collection = collect(&mut rows, 4 * 3600, "", 100).unwrap();
    let lines = |lines: &[Line]| {
        let line = |line: &Line| {
            format!(
                "{} {} {} {}",
                line.account, line.amount, line.asset, line.ious
            )
        };
        lines.iter().map(line).collect::<Vec<_>>().join(", ")
    };
    assert_eq!(lines(&collection.paid), "zoe 150 TFT 2, ann 7 USDC 1");
    assert_eq!(
        lines(&collection.earned),
        "farm 100 TFT 1, acre 50 TFT 1, acre 7 USDC 1"
    );
    let short = Short {
        consumer: "zoe".into(),
        asset: asset(false),
        owed: 60,
        missing: 40,
    };
    assert_eq!(collection.short, [short]);
    assert_eq!((collection.last.as_str(), collection.all), ("ann", true));
    assert_eq!((collection.consumers, collection.ious), (2, 3));
    assert_eq!(collection.operations, 3 * 16 + 2 + 2 * 64 + 3 * 64);
    for most in [0, COLLECT_MAX + 1] {
        let refused = collect(&mut rows, 0, "", most);
        assert!(
            matches!(refused, Err(crate::rejection::Failure::Rejected(refused)) if refused.code == "iou.most")
        );
    }
}
