//! The bytes that everybody has to agree on. A change here is a change of the protocol: note it first in CHANGELOG.md.

use circle::block::Block;
use circle::checkpoint::{Checkpoint, outcome_root};
use circle::digest::{digest, encode};
use circle::envelope::{Body, Envelope};
use circle::ids::{CircleId, Key};
use circle::iou::{Iou, Price};
use circle::receipt::{Receipt, Source};
use circle::state::KeyValue;
use ed25519_zebra::SigningKey;
use expect_test::{Expect, expect};
use guardian_tests::{Simulation, act, tft};
use threescript::value::{Decimal, Value};

/// A policy with one of each declaration; the bytes below depend on it and not on the standard policies.
const SMALL: &str = r#"/// For golden bytes.
policy small version 1
const ROLE = "farmer"
param most: percent = 5% from 0% to 10%
table seen { account: account key, role: text index, at: time }
on circle.registered(account: account, roles: list(text)) {
    if ROLE in roles { seen.insert(#{ account: account, role: ROLE, at: block.time }); }
    emit("seen", #{ account: account });
}
invariant few { seen.count() < 100 && most < 11.percent }
action forget(account: account) by guardian { seen.delete(account) }
every 1.hours sweep() { emit("swept", #{ most: most }) }
ask all() { seen.rows() }
"#;

fn check(bytes: impl AsRef<[u8]>, expected: Expect) {
    expected.assert_eq(&hex::encode(bytes));
}

fn secret(byte: u8) -> SigningKey {
    SigningKey::from_bytes(&[byte; 32])
}

#[test]
fn the_id_of_a_development_circle() {
    check(
        CircleId::of_name("devnet").0,
        expect!["1491565678e08eba9ef063aa71c5ef35b7697cfe6739df1b48340f778de6efd0"],
    );
}

#[test]
fn a_transaction() {
    let actions = vec![act(
        "vote",
        "cast",
        vec![
            ("proposal", Value::Id(7)),
            ("choice", Value::Text("yes".into())),
        ],
    )];
    let body = Body {
        circle: CircleId([1; 32]),
        sender: Key::of(&secret(2)),
        account_nonce: 3,
        expires_at_ms: 4,
        actions,
    };
    check(
        body.id(),
        expect!["839c2445e14f1ce690edd58d33c51e6d2de44f97de21133006b7222fcca4c158"],
    );
    let mut envelope = Envelope::sign(body, &secret(2));
    envelope.cosign(&secret(3));
    check(
        digest("test", &envelope.encode()),
        expect!["82c27050204447e82a324aec0f033b3314f96a4f096cbb7308fb3a9398509e1b"],
    );
    check(
        encode(&envelope.body),
        expect![
            "01010101010101010101010101010101010101010101010101010101010101018139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b39403000000000000000400000000000000010000000104000000766f74650400000063617374020000000800000070726f706f73616c0a07000000000000000600000063686f6963650703000000796573"
        ],
    );
}

#[test]
fn an_iou() {
    let iou = Iou {
        circle: CircleId([1; 32]),
        farmer: Key::of(&secret(2)),
        consumer: Key::of(&secret(3)),
        reference: "contract".into(),
        from: 1_767_225_600,
        to: 1_767_229_200,
        usage: vec![("cru".into(), Decimal::parse("1.5").unwrap())],
        price: Price {
            policy: [9; 32],
            tft_musd: 50,
        },
        asset: tft(),
        amount: 12_345_678,
        sequence: 1,
    };
    check(
        iou.id(),
        expect!["2065e31bfb3e5de0ee01081f0da6afd10f78cbaf9749358036c30d583b7a2600"],
    );
    check(
        encode(&iou),
        expect![
            "01010101010101010101010101010101010101010101010101010101010101018139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b394ed4928c628d1c2c6eae90338905995612959273a5c63f93636c14614ac8737d108000000636f6e747261637400b955690000000010c755690000000001000000030000006372750f0000000000000000000000000000000109090909090909090909090909090909090909090909090909090909090909093200000000000000030000005446544e61bc00000000000100000000000000"
        ],
    );
    check(
        digest("test", &iou.sign(&secret(2), &secret(3))),
        expect!["a04139c4b8a9dee94ca1de0aa6cb7eef4d183875ff67c924551be94930f96718"],
    );
}

#[test]
fn a_checkpoint() {
    let checkpoint = Checkpoint {
        circle: CircleId([1; 32]),
        height: 2,
        block: [3; 32],
        previous: [4; 32],
        state_root: [5; 32],
        outcome_root: [6; 32],
    };
    check(
        checkpoint.digest(),
        expect!["ce58a2e787857506b81c288af54b7fa57c1514d15eff6db3fa5cbbf46b694abe"],
    );
    check(
        outcome_root(&[]),
        expect!["76dde4c4929397fe0880588096473fb607942029f97bae5b87766b18949b8670"],
    );
    check(
        outcome_root(&[[1; 32], [2; 32]]),
        expect!["7a34523346547aee65bbf78da2233e75406af5130fb77663f60f6ee167a6d0fe"],
    );
}

#[test]
fn an_outcome_leaves_out_the_texts_for_people() {
    let receipt = |message: &str| Receipt {
        source: Source::Schedule {
            policy: "iou".into(),
            name: "daily".into(),
        },
        code: "ok".into(),
        message: message.into(),
        place: None,
        policies: vec![[7; 32]],
        events: Vec::new(),
        effects: Vec::new(),
        writes: [8; 32],
    };
    check(
        receipt("").outcome(),
        expect!["6a80965569fdb5684cbd628608decb9d3094519324c5e9f31659ab10c792b9c5"],
    );
    assert_eq!(receipt("").outcome(), receipt("another text").outcome());
}

#[test]
fn a_block_and_the_first_checkpoints_of_a_circle() {
    let block = Block {
        height: 1,
        time_ms: 2,
        hash: [3; 32],
        transactions: vec![vec![4]],
    };
    check(
        encode(&block),
        expect![
            "010000000000000002000000000000000303030303030303030303030303030303030303030303030303030303030303010000000100000004"
        ],
    );
    let mut circle = Simulation::with_policies(9, 1, None, vec![SMALL.into()]);
    check(
        circle.genesis.digest(),
        expect!["8dade45618b4ef463efe0cf05ab00e87847cccdb743a7abb7cd771a1f859436d"],
    );
    check(
        circle.guardians[0].head().state_root,
        expect!["66f7338238c451fc974e69768e025d8dd642b48a615deeab3627a0d6237403b8"],
    );
    circle.account("alice");
    check(
        circle.guardians[0].head().checkpoint,
        expect!["0e3cb41c8e9f2e5000c4ec18faaebd41fbffd7c46b8f291727ab2d2e717116fc"],
    );
    // A param that the circle decided, and what a schedule, a reaction and an invariant leave behind.
    let text = |text: &str| Value::Text(text.into());
    let set = act(
        "policy",
        "set",
        vec![
            ("policy", text("small")),
            ("param", text("most")),
            ("value", text("7.5%")),
        ],
    );
    let receipt = circle.act_as_circle(vec![set]);
    check(
        receipt.outcome(),
        expect!["6b1a6d73c8f0717a8324ce54b0bf47b1c935d0f260f801f5d2d6b63947572862"],
    );
    let state = circle.guardians[0].state();
    check(
        state.get(b"k1small\0most\0").unwrap().unwrap(),
        expect!["044b00000000000000000000000000000001"],
    );
    circle.account("bob");
    let receipts = circle.receipts.iter().flatten();
    let reacted: Vec<&Receipt> = receipts
        .filter(|receipt| !receipt.policies.is_empty())
        .collect();
    check(
        reacted.last().unwrap().outcome(),
        expect!["b9ba82fbfc4e2e6b48105bcfd79ef084b2884c41322349e2834feb22ea866251"],
    );
    check(
        circle.guardians[0].head().state_root,
        expect!["265ead2ae4fe6a90f54c246409801759fb0f292a2d54d47a824ab9939547a779"],
    );
}
