//! How debts are collected.

use circle::ids::Key;
use circle::iou::{Iou, SignedIou};
use ed25519_zebra::SigningKey;
use expect_test::expect;
use guardian_tests::{Simulation, rejected};
use threescript::value::{Amount, Value};

use super::{act, after_hours, ask};

/// A circle with a wallet, deposits (consumer, units), and IOUs (farmer, consumer, hour, units) that were submitted.
fn circle(deposits: &[(&str, i64)], ious: &[(&str, &str, u32, i64)]) -> Simulation {
    let mut circle = Simulation::new(9, 1, None);
    circle.make_key();
    for (consumer, units) in deposits {
        assert!(circle.deposit(consumer, *units).is_ok());
    }
    submit(&mut circle, ious);
    circle
}

fn submit(circle: &mut Simulation, ious: &[(&str, &str, u32, i64)]) {
    if ious.is_empty() {
        return;
    }
    let mut batch = Vec::new();
    for (farmer, consumer, hour, amount) in ious {
        batch.push(circle.iou(farmer, consumer, *hour, *amount));
    }
    assert_eq!(rejected(&circle.submit(&batch)), Vec::<String>::new());
}

/// All payout lines so far.
fn lines(circle: &Simulation) -> Vec<String> {
    let payouts = circle.payouts(0);
    let lines = payouts.iter().flat_map(|payout| {
        payout
            .lines
            .iter()
            .map(|line| format!("#{} {} {}", payout.id, line.account, line.amount.units))
    });
    lines.collect()
}

const NOON: &str = "!!iou.roll_up up_to:'2026-01-01 12:00:00'";

#[test]
fn consumers_pay_whole_ious_the_oldest_first_as_far_as_their_escrow_goes() {
    let mut circle = circle(
        &[("alice", 700), ("bob", 50), ("carol", 1000)],
        &[
            ("farm1", "alice", 3, 300),
            ("farm2", "alice", 0, 300),
            ("farm1", "alice", 1, 301),
            ("farm2", "alice", 2, 99),
            ("farm2", "bob", 0, 51),
            ("farm2", "carol", 0, 1000),
        ],
    );
    expect!["planned {lines: [{account: farm1, amount: 301 TFT}, {account: farm2, amount: 1399 TFT}], payouts: [#1], wallet: main}; rolled_up {consumers: 3, done: true, ious: 4, number: #1, payouts: [#1], up_to: 2026-01-01 12:00:00}"]
        .assert_eq(&act(&mut circle, 0, NOON));
    // Alice pays 300, 301 and 99; the youngest 300 is what her escrow of 700 does not cover. Bob cannot pay a part of his.
    assert_eq!(lines(&circle), ["#1 farm1 301", "#1 farm2 1399"]);
    expect!["[{amount: 300 TFT, consumer: alice, farmer: farm1}, {amount: 51 TFT, consumer: bob, farmer: farm2}]"]
        .assert_eq(&ask(&mut circle, "!iou.owed"));
    expect!["{escrow: 0 TFT, owed: 300 TFT}"]
        .assert_eq(&ask(&mut circle, "!iou.balance consumer:alice"));
    expect!["{escrow: 50 TFT, owed: 51 TFT}"]
        .assert_eq(&ask(&mut circle, "!iou.balance consumer:bob"));
    expect!["{escrow: 0 TFT, owed: 0 TFT}"]
        .assert_eq(&ask(&mut circle, "!iou.balance consumer:carol"));

    assert!(circle.deposit("alice", 300).is_ok());
    expect!["planned {lines: [{account: farm1, amount: 300 TFT}], payouts: [#2], wallet: main}; rolled_up {consumers: 2, done: true, ious: 1, number: #2, payouts: [#2], up_to: 2026-01-01 12:00:00}"]
        .assert_eq(&act(&mut circle, 0, NOON));
    assert_eq!(lines(&circle)[2..], ["#2 farm1 300"]);
}

#[test]
fn of_equal_windows_the_smaller_id_is_paid_first() {
    let mut circle = circle(&[("alice", 100)], &[]);
    let mut ious = [
        circle.iou("farm1", "alice", 0, 100),
        circle.iou("farm2", "alice", 0, 100),
    ];
    assert_eq!(rejected(&circle.submit(&ious)), Vec::<String>::new());
    act(&mut circle, 0, NOON);
    ious.sort_by_key(|signed| signed.iou.id());
    let first = if ious[0].iou.farmer == Key::of(&circle.account("farm1")) {
        "farm1"
    } else {
        "farm2"
    };
    assert_eq!(lines(&circle), [format!("#1 {first} 100")]);
}

#[test]
fn windows_that_end_later_and_ious_over_nothing_move_no_money() {
    let mut circle = circle(
        &[("alice", 100)],
        &[("farm1", "alice", 11, 0), ("farm1", "alice", 12, 40)],
    );
    expect!["rolled_up {consumers: 1, done: true, ious: 1, number: #1, payouts: [], up_to: 2026-01-01 12:00:00}"]
        .assert_eq(&act(&mut circle, 0, NOON));
    assert_eq!(
        ask(&mut circle, "!iou.balance consumer:alice"),
        "{escrow: 100 TFT, owed: 40 TFT}"
    );
    expect!["rolled_up {consumers: 0, done: true, ious: 0, number: #2, payouts: [], up_to: 2026-01-01 12:00:00}"]
        .assert_eq(&act(&mut circle, 0, NOON));
    // One whose escrow is empty pays what costs nothing.
    submit(&mut circle, &[("farm1", "bob", 0, 0)]);
    act(&mut circle, 0, NOON);
    assert_eq!(
        ask(&mut circle, "!iou.owed"),
        "[{amount: 40 TFT, consumer: alice, farmer: farm1}]"
    );
}

#[test]
fn the_day_is_rolled_up_without_anybody_asking() {
    let mut circle = circle(
        &[("alice", 100)],
        &[("farm1", "alice", 0, 40), ("farm1", "alice", 24, 5)],
    );
    assert!(after_hours(&mut circle, 12).is_empty());
    expect![[r#"
        [
            "planned {lines: [{account: farm1, amount: 40 TFT}], payouts: [#1], wallet: main}; rolled_up {consumers: 1, done: true, ious: 1, number: #1, payouts: [#1], up_to: 2026-01-02 00:00:16}",
        ]
    "#]]
    .assert_debug_eq(&after_hours(&mut circle, 12));
    assert_eq!(lines(&circle), ["#1 farm1 40"]);
}

#[test]
fn only_guardians_roll_up_and_history_is_kept() {
    let mut circle = circle(&[("alice", 100)], &[("farm1", "alice", 0, 40)]);
    assert!(act(&mut circle, 3, NOON).contains("; rolled_up"));
    expect!["[{after: alice, begun: 2026-01-01 00:00:14, consumers: 1, ious: 1, number: #1, status: done, up_to: 2026-01-01 12:00:00}]"]
        .assert_eq(&ask(&mut circle, "!iou.history"));
    assert!(ask(&mut circle, "!iou.history most:0").contains("iou.history"));
}

/// A key for a number.
fn key(number: u64) -> SigningKey {
    let mut seed = [5; 32];
    seed[..8].copy_from_slice(&number.to_le_bytes());
    SigningKey::from(seed)
}

/// Registers many consumers, gives each 1000 units, and submits an IOU of each to one of the farmers.
fn many(consumers: u64, farmers: u64) -> Simulation {
    let mut policies = guardian_tests::policies();
    for policy in &mut policies {
        *policy = policy.replace("ious_at_once: int = 50000", "ious_at_once: int = 300");
    }
    let mut circle = Simulation::with_policies(9, 1, None, policies);
    circle.make_key();
    // One replica computes what all would, so the others need not.
    circle.guardians[1..]
        .iter_mut()
        .for_each(|guardian| guardian.running = false);
    let names = (0..consumers).map(|number| format!("user{number}"));
    let names: Vec<String> = names
        .chain((0..farmers).map(|number| format!("farm{number}")))
        .collect();
    let action = |actor: &str, name: &str, params| guardian_tests::act(actor, name, params);
    for (start, part) in names
        .chunks(500)
        .enumerate()
        .map(|(at, part)| (at * 500, part))
    {
        let register = |(at, name): (usize, &String)| {
            action(
                "circle",
                "register",
                vec![
                    ("name", Value::Text(name.clone())),
                    (
                        "key",
                        Value::Bytes(Key::of(&key((start + at) as u64)).0.to_vec()),
                    ),
                    ("roles", Value::List(vec![Value::Text("service".into())])),
                ],
            )
        };
        assert!(
            circle
                .act(0, part.iter().enumerate().map(register).collect())
                .is_ok()
        );
    }
    for part in names[..consumers as usize].chunks(500) {
        let deposit = |name: &String| {
            action(
                "treasury",
                "deposit",
                vec![
                    ("wallet", Value::Text("main".into())),
                    ("account", Value::Account(name.clone())),
                    (
                        "amount",
                        Value::Amount(Amount::new(1000, guardian_tests::tft())),
                    ),
                    ("reference", Value::Text(name.clone())),
                ],
            )
        };
        assert!(
            circle
                .act_as_circle(part.iter().map(deposit).collect())
                .is_ok()
        );
    }
    let ious: Vec<SignedIou> = (0..consumers)
        .map(|number| {
            let (farmer, consumer) = (key(consumers + number % farmers), key(number));
            let amount = 1 + (number % 1000) as i64;
            let iou: Iou = circle.unsigned(&farmer, &consumer, 0, amount);
            iou.sign(&farmer, &consumer)
        })
        .collect();
    for part in ious.chunks(1000) {
        assert_eq!(rejected(&circle.submit(part)), Vec::<String>::new());
    }
    circle
}

#[test]
fn a_roll_up_that_is_too_large_for_one_run_goes_on_until_it_is_done() {
    let consumers = 2000;
    let mut circle = many(consumers, 30);
    let first = act(&mut circle, 0, NOON);
    assert!(
        first.contains("done: false") && first.contains("payouts: []"),
        "{first}"
    );
    // Another time does not begin another roll-up, and the schedule goes on as well as a guardian does.
    let second = act(&mut circle, 0, "!!iou.roll_up up_to:'2026-01-01 06:00:00'");
    assert!(
        second.contains("number: #1") && second.contains("up_to: 2026-01-01 12:00:00"),
        "{second}"
    );
    let mut runs = vec![first, second];
    while !runs.last().unwrap().contains("done: true") {
        assert!(runs.len() < 20, "{runs:?}");
        runs.extend(after_hours(&mut circle, 1));
    }
    let last = runs.last().unwrap();
    assert!(
        last.contains(&format!(
            "consumers: {consumers}, done: true, ious: {consumers}"
        )),
        "{last}"
    );

    let mut expected = vec![0i64; 30];
    for number in 0..consumers {
        expected[(number % 30) as usize] += 1 + (number % 1000) as i64;
    }
    let mut expected: Vec<String> = (0..30)
        .map(|farm| format!("#1 farm{farm} {}", expected[farm]))
        .collect();
    expected.sort();
    assert_eq!(
        lines(&circle),
        expected,
        "each farmer has one line over all runs"
    );
    assert_eq!(ask(&mut circle, "!iou.owed"), "[]");
}
