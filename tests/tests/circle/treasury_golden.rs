//! The treasury's rows and reports, byte by byte. A change here is a change of the protocol: note it first in CHANGELOG.md.

use std::fmt::Write as _;

use circle::digest::{Hash, digest, encode};
use circle::ids::Key;
use circle::state::{KeyValue, prefix_end};
use circle::treasury::{Address, Observation};
use expect_test::expect;
use guardian_tests::money::Money;
use guardian_tests::tft;
use threescript::value::Amount;
use treasury_protocol::ethereum::Address as Account;

/// What the rows with each prefix amount to: how many there are, and a digest of keys and values.
fn rows(state: &dyn KeyValue, prefixes: &[&str]) -> String {
    let mut text = String::new();
    for prefix in prefixes {
        let from = prefix.as_bytes();
        let found = state
            .scan(from, prefix_end(from).as_deref(), usize::MAX, false)
            .unwrap();
        let digest = hex::encode(digest("test", &found));
        let _ = writeln!(text, "{prefix:<4}{:>3}  {digest}", found.len());
    }
    text
}

#[test]
fn the_rows_of_a_wallet_that_pays_and_gets_another_key() {
    let mut money = Money::new(1, 1_000);
    money.person("ann", true);
    money.person("bob", false);
    assert!(money.pay(&["ann", "bob"], 100));
    money.run();
    assert_eq!(money.rotate(0), "ok");
    money.run();
    assert!(money.pay(&["ann"], 100));
    money.circle.settle();
    let state = money.circle.guardians[0].state();
    let prefixes = [
        "ke", "kf", "kr", "k3h", "k3n", "k3o", "k3c", "kkg", "kki", "kkk", "kkf",
    ];
    expect![[r#"
        ke    1  dd15e78f1e1ab6aa09cb9d0d3cf0391e0b8cc747fe5067e9fef91c3306ccd9ad
        kf    1  7c757effa3764b400fa5c1103c89b1e676ee2cd8295d09835d2352e83a49c31b
        kr    6  a9786d89b9e7edeb39469aa5e4624252f44ea0dee77b112a2f180d042f09fa96
        k3h   1  1f125d2a096b1630aebcd17db154182722aa0a59a987fea45089803438aaa9e2
        k3n   0  8b10e18ce90c969b1ed36da60f1bb88e04aadfa1a486f8a32d6b7f8e54f3e9f0
        k3o   1  d25a44583184df412049be530d4e29e8d541627f14d397121abc85bd053d9e2b
        k3c   1  3e99aa72837dcf5ef4665f50bea3094172c32f63443683e982f9da09bbb25acc
        kkg   2  d4594135e3582e6d0826c26b94e3e337f5e1c6302d9e58ce5c19402dc97de4ad
        kki   2  da53f9f03ce30e56b954db3a3f66b4dc00a36df1683545cfed70d0d6a0b0eec4
        kkk   2  ce3bdde9e51195ee3f51302d995c67fc77c1e3f1940c632ad971c4bf7b339433
        kkf   6  d0597a219b592206d035d95add5e12134e4e9e921d51399154e357249ba56469
    "#]]
    .assert_eq(&rows(&state, &prefixes));
}

#[test]
fn the_rows_of_a_wallet_that_guardians_own_on_stellar() {
    let mut money = Money::owned(1, 1_000);
    money.person("ann", true);
    assert!(money.pay(&["ann"], 100));
    money.circle.settle();
    let state = money.circle.guardians[0].state();
    expect![[r#"
        ke    1  2f1f7f2021f36e5f4f66d51f2bc445d8340f8d7bdce10e5d55853c3ea48a72c7
        kr    2  0d3c44cd870ff3b20628c24a23d1a9c8b5c98b7754cb8303b8ac4c39c50133bd
        k3k   9  560d955b28337e507577bf808b6f04ab8807ea9ae69ca45994442f837f12193d
        k3z  14  7f6935b7fda9d0d7ebb585b2bb2e8e14fc8ae96da2f06a8a8a310b5e70a09d25
    "#]]
    .assert_eq(&rows(&state, &["ke", "kr", "k3k", "k3z"]));
}

#[test]
fn what_guardians_report() {
    let (hash, amount): (Hash, _) = ([7; 32], Amount::new(5, tft()));
    let reports = [
        Observation::Opened {
            wallet: "main".into(),
            sequence: 1,
        },
        Observation::Included {
            payout: 1,
            transaction: hash,
            ledger: 2,
            succeeded: true,
            fee: 3,
        },
        Observation::Lost {
            payout: 1,
            transaction: hash,
            passed_by: Some(4),
        },
        Observation::Received {
            wallet: "main".into(),
            operation: "12-1".into(),
            from: "G".into(),
            to: Some(6),
            memo: Some("ann".into()),
            amount,
        },
        Observation::Receives {
            wallet: "main".into(),
            address: Address::Stellar {
                key: Key([8; 32]),
                muxed: Some(9),
            },
            asset: tft(),
            receives: true,
        },
        Observation::Receives {
            wallet: "main".into(),
            address: Address::Ethereum(Account([10; 20])),
            asset: tft(),
            receives: false,
        },
        Observation::Claim {
            payout: 1,
            line: 2,
            claimed: true,
        },
        Observation::Differs {
            wallet: "main".into(),
            asset: tft(),
            on_chain: 11,
            in_books: 12,
        },
        Observation::Owned {
            wallet: "main".into(),
            address: Address::Stellar {
                key: Key([13; 32]),
                muxed: None,
            },
            sequence: 14,
            ledger: 15,
            coins: 16,
        },
        Observation::Linked {
            wallet: "main".into(),
            sequence: 1,
            owners: vec![Account([2; 20]), Account([1; 20])],
        },
    ];
    let mut text = String::new();
    for report in &reports {
        let (bytes, subject) = (encode(report), report.subject());
        let _ = writeln!(
            text,
            "{} {}",
            hex::encode(bytes),
            hex::encode(&subject[..8])
        );
    }
    expect![[r#"
        00040000006d61696e0100000000000000 8d2a7d60e3d9d7bb
        01010000000000000007070707070707070707070707070707070707070707070707070707070707070200000000000000010300000000000000 0707070707070707
        0201000000000000000707070707070707070707070707070707070707070707070707070707070707010400000000000000 0707070707070707
        03040000006d61696e0400000031322d3101000000470106000000000000000103000000616e6e050000000000000003000000544654 cdd28eea5de757ea
        04040000006d61696e0008080808080808080808080808080808080808080808080808080808080808080109000000000000000300000054465401 d5b04323c685900e
        04040000006d61696e010a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0300000054465400 6fe87859d170d12a
        0501000000000000000200000001 e0d42a742de243d3
        06040000006d61696e030000005446540b000000000000000c00000000000000 2c73f296073cb045
        07040000006d61696e000d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d000e000000000000000f000000000000001000000000000000 8d2a7d60e3d9d7bb
        08040000006d61696e01000000000000000200000002020202020202020202020202020202020202020101010101010101010101010101010101010101 8d2a7d60e3d9d7bb
    "#]].assert_eq(&text);
}
