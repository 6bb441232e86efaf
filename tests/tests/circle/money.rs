//! Payouts and what their chain makes of them: once, or not yet.

use circle::treasury::{self, Payout, PayoutState, Purpose};
use guardian_tests::DAY_MS;
use guardian_tests::money::{Money, schedule};

#[test]
fn a_wallet_is_found_on_its_chain_and_pays() {
    let mut money = Money::new(1, 1_000);
    money.person("bob", true);
    assert!(money.pay(&["bob"], 300));
    money.run();
    assert_eq!(
        money.circle.states(),
        [(1, "trust", "settled"), (2, "pay", "settled")]
    );
    assert_eq!(money.holds("bob"), 300);
    assert_eq!(
        (
            money.circle.book("wallet:main"),
            money.circle.book("payout:main")
        ),
        (700, 0)
    );
    assert!(money.wallet().fees > 0);
}

#[test]
fn a_deposit_belongs_to_whom_its_memo_names_or_to_who_paid() {
    use treasury_protocol::stellar::{Destination, Memo, Operation};
    let mut money = Money::new(2, 1_000);
    for name in ["bob", "carol"] {
        money.person(name, true);
        assert!(money.pay(&[name], 100));
    }
    money.run();
    let bob = money.circle.account("bob");
    let to = Destination {
        key: money.account(),
        muxed: None,
    };
    for (amount, memo) in [(10, None), (20, Some("carol")), (30, Some("nobody known"))] {
        let pay = Operation::Payment {
            to,
            asset: money.asset(),
            amount,
        };
        money.send_as(&bob, pay, memo.map(|memo| Memo::Text(memo.into())));
    }
    money.run();
    assert_eq!(
        (
            money.circle.book("escrow:bob"),
            money.circle.book("escrow:carol")
        ),
        (40, 20)
    );
}

#[test]
fn a_sequence_number_used_from_outside_makes_another_payout_with_the_same_lines() {
    let mut money = Money::new(3, 1_000);
    money.person("bob", true);
    assert!(money.pay(&["bob"], 300));
    money.circle.settle();
    money.use_up_sequence();
    money.run();
    assert_eq!(
        money.circle.states()[1..],
        [(2, "pay", "lost"), (3, "pay", "settled")]
    );
    assert_eq!(money.holds("bob"), 300);
    assert_eq!(money.payouts()[2].replaces, Some(2));
}

#[test]
fn a_payout_whose_time_is_over_is_planned_anew_with_its_sequence_number() {
    let mut money = Money::new(4, 1_000);
    money.person("bob", true);
    assert!(money.pay(&["bob"], 300));
    money.circle.settle();
    money.circle.wait(8 * DAY_MS);
    money.watch();
    money.run();
    assert_eq!(
        money.circle.states()[1..],
        [(2, "pay", "lost"), (3, "pay", "settled")]
    );
    let payouts = money.payouts();
    assert_eq!(
        payouts[1].transaction.sequence(),
        payouts[2].transaction.sequence()
    );
    assert_eq!(money.holds("bob"), 300);
}

#[test]
fn who_cannot_receive_gets_something_to_claim_and_the_circle_takes_back_what_nobody_claims() {
    let mut money = Money::new(5, 1_000);
    money.person("bob", true);
    money.person("carol", false);
    money.person("dave", false);
    // Seen before anybody signed: planned anew.
    assert!(money.pay(&["bob", "carol", "dave"], 100));
    money.run();
    assert_eq!(
        (money.holds("bob"), money.holds("carol"), money.claimable()),
        (100, 0, 200)
    );
    money.trust("carol");
    assert_eq!(money.claim("carol"), 1);
    money.run();
    assert_eq!(money.holds("carol"), 100);
    money.circle.wait(31 * DAY_MS);
    money.run();
    assert_eq!(money.claimable(), 0);
    assert_eq!(money.circle.book("payable:dave"), 100);
    let last = money.payouts().pop().unwrap();
    assert!(matches!(last.purpose, Purpose::Reclaim(_)), "{last:?}");
    assert_eq!(last.state, PayoutState::Settled);
}

#[test]
fn a_batch_that_failed_for_one_payee_is_planned_again() {
    let mut money = Money::new(6, 1_000);
    money.person("bob", true);
    money.person("carol", false);
    assert!(money.pay(&["bob", "carol"], 100));
    // Signed and sent before anybody looked.
    money.circle.settle();
    money.broadcast();
    money.run();
    assert_eq!(
        money.circle.states()[1..],
        [(2, "pay", "failed"), (3, "pay", "settled")]
    );
    assert_eq!((money.holds("bob"), money.claimable()), (100, 100));
}

#[test]
fn what_is_taken_back_is_payable_again_and_the_chain_decides_a_race() {
    let mut money = Money::new(7, 1_000);
    money.person("bob", true);
    // Signed, but never sent.
    assert!(money.pay(&["bob"], 100));
    money.circle.settle();
    assert!(money.decide("cancel", 2));
    assert!(!money.decide("cancel", 2), "once");
    money.circle.settle();
    let cancelled: Vec<Payout> = money.payouts();
    assert_eq!(cancelled[1].state, PayoutState::Replaced);
    // Only the cancellation is sent.
    let envelope = cancelled[2].envelope().expect("it is signed");
    money.submit(&envelope);
    money.run();
    assert_eq!(
        money.circle.states()[1..],
        [(2, "pay", "cancelled"), (3, "cancel", "settled")]
    );
    assert_eq!(
        (money.holds("bob"), money.circle.book("payable:bob")),
        (0, 100)
    );

    // The other way round: the payout was faster.
    assert!(money.pay(&["bob"], 50));
    money.circle.settle();
    assert!(money.decide("cancel", 4));
    money.circle.settle();
    let envelope = money.payouts()[3].envelope().expect("it was signed");
    money.submit(&envelope);
    money.run();
    assert_eq!(
        money.circle.states()[3..],
        [(4, "pay", "settled"), (5, "cancel", "lost")]
    );
    assert_eq!(
        (money.holds("bob"), money.circle.book("payable:bob")),
        (50, 100)
    );
}

#[test]
fn a_replaced_payout_that_somebody_completes_is_paid_once() {
    let mut money = Money::new(8, 1_000);
    money.person("bob", true);
    money.person("carol", false);
    assert!(money.pay(&["bob", "carol"], 100));
    // Being signed while the guardians find out that carol cannot receive.
    money.circle.guardians[7].running = false;
    money.circle.guardians[8].running = false;
    money.circle.settle();
    money.circle.guardians[7].running = true;
    money.circle.guardians[8].running = true;
    money.watch();
    let old = money.payouts()[1].clone();
    // Carol can receive by now, and thieves of shares complete the first one.
    money.trust("carol");
    assert!(money.complete_outside(&old).is_some());
    money.run();
    assert_eq!((money.holds("bob"), money.holds("carol")), (100, 100));
    assert_eq!(money.claimable(), 0);
    assert_eq!(money.circle.book("payout:main"), 0);
}

#[test]
fn a_wallet_that_does_not_hold_what_its_books_say_is_paused_with_the_difference() {
    use treasury_protocol::stellar::{Destination, Operation};
    let mut money = Money::new(9, 1_000);
    money.person("eve", true);
    let payment = Operation::Payment {
        to: Destination {
            key: circle::ids::Key::of(&money.circle.account("eve")).0,
            muxed: None,
        },
        asset: money.asset(),
        amount: 400,
    };
    assert!(money.act_outside(1, payment));
    money.run();
    assert_eq!(
        money.wallet().paused.as_deref(),
        Some("0.00006 TFT on the chain, 0.0001 TFT in the books")
    );
    let rows = money.circle.guardians[0].state();
    let difference = treasury::difference(&rows, "main").unwrap().unwrap();
    assert_eq!(
        (difference.on_chain.units, difference.in_books.units),
        (600, 1_000)
    );
    assert!(!money.pay(&["eve"], 1), "nothing is planned");
}

#[test]
fn whatever_happens_each_line_is_paid_once_or_not_yet() {
    let mut states = std::collections::BTreeMap::new();
    let mut rotations = 0;
    for seed in 0..4 {
        let tally = schedule::play(seed, 60);
        rotations += tally.rotations;
        for (state, count) in tally.states {
            *states.entry(state).or_insert(0) += count;
        }
    }
    // The schedules come to everything that can become of a payout.
    let seen: Vec<&str> = states.keys().copied().collect();
    assert_eq!(
        seen,
        ["cancelled", "failed", "lost", "settled"],
        "{states:?}"
    );
    assert!(rotations > 0, "and the wallet gets other keys meanwhile");
}
