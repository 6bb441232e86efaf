//! Wallets on Stellar that get another key: by decision of the circle, and because guardians came or went.

use circle::ceremonies;
use circle::ids::Key;
use circle::treasury::{self, PayoutState, Purpose};
use guardian_tests::money::Money;
use guardian_tests::{DAY_MS, act};
use threescript::value::Value;
use treasury_protocol::ceremony::keygen::{Abandoned, Phase};
use treasury_protocol::stellar::{Asset, Destination, Operation};

use super::membership::{bench, joins, leaves};

#[test]
fn a_new_key_signs_before_the_old_one_loses_its_say() {
    let mut money = Money::new(1, 1_000);
    money.person("bob", true);
    assert!(money.pay(&["bob"], 100));
    money.run();
    assert_eq!(money.signers(), (1, Vec::new()));

    assert_eq!(money.rotate(0), "ok");
    money.circle.settle();
    // The new key is made, and has no say until the old one gives it one.
    assert_eq!(money.wallet().ceremony(), Some(1));
    assert_eq!(money.circle.states()[2..], [(3, "signers", "signed")]);
    money.broadcast();
    let both = (1, vec![(money.key(2), 255)]);
    assert_eq!(money.signers(), both);
    money.run();
    assert_eq!(
        money.circle.states()[2..],
        [(3, "signers", "settled"), (4, "retire", "settled")]
    );
    assert_eq!(money.signers(), (0, vec![(money.key(2), 255)]));
    assert_eq!(money.wallet().ceremony(), Some(2));
    let of_retirement = money.payouts()[3].signers.clone().unwrap();
    assert_eq!(of_retirement.ceremony(), Some(2), "the new key signed it");

    assert!(
        !money.act_outside(1, Operation::Nothing),
        "the old key counts for nothing"
    );
    assert!(money.pay(&["bob"], 50));
    money.run();
    assert_eq!(money.holds("bob"), 150);

    // The next one is no longer the account's own key, and is removed.
    assert_eq!(money.rotate(9), "ok");
    money.run();
    assert_eq!(money.signers(), (0, vec![(money.key(3), 255)]));
    assert!(money.pay(&["bob"], 50));
    money.run();
    assert_eq!(money.holds("bob"), 200);
}

#[test]
fn payouts_behind_a_change_wait_for_it_and_those_before_it_are_signed_by_the_old_key() {
    let mut money = Money::new(2, 1_000);
    money.person("bob", true);
    assert!(money.pay(&["bob"], 1));
    assert_eq!(money.rotate(0), "ok");
    money.circle.settle();
    assert!(money.pay(&["bob"], 10));
    money.circle.settle();
    assert_eq!(
        money.circle.states()[1..],
        [
            (2, "pay", "signed"),
            (3, "signers", "signed"),
            (4, "pay", "checking")
        ]
    );
    let rows = money.circle.guardians[0].state();
    let waiting = money.payouts()[3].clone();
    assert_eq!(treasury::behind(&rows, &waiting).unwrap(), Some(3));
    money.run();
    assert!(
        money
            .circle
            .states()
            .iter()
            .all(|(_, _, state)| *state == "settled")
    );
    let by: Vec<Option<u64>> = money.payouts()[1..]
        .iter()
        .map(|payout| {
            payout
                .signers
                .as_ref()
                .and_then(|signers| signers.ceremony())
        })
        .collect();
    // Payment, change, payment behind it, retirement.
    assert_eq!(by, [Some(1), Some(1), Some(2), Some(2)]);
    assert_eq!(money.holds("bob"), 11);
}

#[test]
fn a_wallet_follows_the_guardians() {
    let mut money = Money::new(3, 1_000);
    money.person("bob", true);
    joins(&mut money.circle, "ten");
    money.run();
    leaves(&mut money.circle, "guardian4");
    money.circle.guardians[3].running = false;
    money.run();

    let wallet = money.wallet();
    let ceremony = wallet.ceremony().unwrap();
    let rows = money.circle.guardians[0].state();
    let participants = ceremonies::participants(&rows, ceremony).unwrap();
    assert_eq!(participants, [0, 1, 2, 4, 5, 6, 7, 8, 9]);
    assert_eq!(money.signers(), (0, vec![(money.key(ceremony), 255)]));
    assert!(!treasury::follows(&rows, "main").unwrap());
    assert!(money.pay(&["bob"], 100));
    money.run();
    assert_eq!(money.holds("bob"), 100);
}

#[test]
fn a_ceremony_that_is_not_finished_leaves_the_old_key_in_force() {
    let mut money = Money::new(4, 1_000);
    money.person("bob", true);
    // One who keeps silent holds up the new key only.
    money.circle.guardians[8].running = false;
    let away = bench("guardian9");
    assert!(money.circle.act_as_circle(vec![away]).is_ok());
    assert_eq!(money.rotate(0), "ok");
    assert!(money.pay(&["bob"], 100));
    money.run();
    assert_eq!(money.holds("bob"), 100);
    let rows = money.circle.guardians[0].state();
    let all = ceremonies::keygens(&rows).unwrap();
    let last = &all.last().unwrap().1;
    assert_eq!(last.phase(), Phase::Round1);
    assert_eq!(last.waiting_for(), [9]);

    assert_eq!(money.rotate(0), "ok", "another try");
    let rows = money.circle.guardians[0].state();
    let all = ceremonies::keygens(&rows).unwrap();
    let (_, given_up) = &all[all.len() - 2];
    assert_eq!(given_up.abandoned(), Some(Abandoned::Superseded));
    money.circle.guardians[8].running = true;
    money.circle.block(Vec::new());
    money.run();
    assert_eq!(money.wallet().ceremony(), Some(all.len() as u64));
}

#[test]
fn a_change_that_its_chain_refuses_or_that_is_taken_back_leaves_the_old_key_in_force() {
    let mut money = Money::new(5, 1_000);
    money.person("bob", true);
    assert_eq!(money.rotate(0), "ok");
    assert!(money.pay(&["bob"], 100));
    money.circle.settle();
    assert!(money.decide("cancel", 2));
    money.circle.settle();
    let no_op = money
        .payouts()
        .into_iter()
        .rev()
        .find(|payout| payout.purpose == Purpose::Cancel(2));
    money.submit(&no_op.unwrap().envelope().unwrap());
    money.run();
    assert_eq!(money.payouts()[1].state, PayoutState::Cancelled);
    assert_eq!(
        (money.holds("bob"), money.wallet().ceremony()),
        (100, Some(1))
    );

    // A further signer raises what the account has to keep.
    let xlm = |to: [u8; 32], stroops| Operation::Payment {
        to: Destination {
            key: to,
            muxed: None,
        },
        asset: Asset::Native,
        amount: stroops,
    };
    let bob = money.circle.account("bob");
    let wallet = money.account();
    let spare = money.ledger.account(&wallet).unwrap().balance - 19_000_000;
    assert!(money.act_outside(1, xlm(Key::of(&bob).0, spare)));
    assert_eq!(money.rotate(0), "ok");
    assert!(money.pay(&["bob"], 100));
    money.run();
    let refused = money
        .payouts()
        .into_iter()
        .find(|payout| payout.state == PayoutState::Failed)
        .unwrap();
    assert_eq!(refused.purpose.name(), "signers");
    assert_eq!(
        (money.holds("bob"), money.wallet().ceremony()),
        (200, Some(1))
    );
    assert!(
        !money.decide("retry", refused.id),
        "a later change may have come between"
    );
    assert!(!money.decide("cancel", refused.id));
    money.send_as(&bob, xlm(wallet, 100_000_000), None);
    assert_eq!(money.rotate(0), "ok");
    money.run();
    assert_eq!(money.signers().0, 0);
}

#[test]
fn a_lost_change_is_made_again_behind_what_was_planned_meanwhile() {
    let mut money = Money::new(6, 1_000);
    money.person("bob", true);
    assert_eq!(money.rotate(0), "ok");
    money.circle.settle();
    assert!(money.pay(&["bob"], 100));
    money.use_up_sequence();
    money.run();
    assert_eq!(money.payouts()[1].state, PayoutState::Lost);
    assert_eq!(money.signers().0, 0);
    assert_eq!(money.holds("bob"), 100);
    money.circle.wait(30 * DAY_MS);
    assert_eq!(money.wallet().paused, None);
}

#[test]
fn what_cannot_be_changed_now_is_refused_with_the_reason() {
    let mut money = Money::new(7, 1_000);
    assert_eq!(money.rotate(4), "wallet.threshold");
    assert_eq!(money.rotate(10), "wallet.threshold");
    let stranger = act(
        "treasury",
        "rotate",
        vec![
            ("wallet", Value::Text("other".into())),
            ("threshold", Value::Int(0)),
        ],
    );
    assert_eq!(
        money.circle.act(0, vec![stranger.clone()]).code,
        "authority.circle"
    );
    assert_eq!(
        money.circle.act_as_circle(vec![stranger]).code,
        "wallet.unknown"
    );
    assert_eq!(money.rotate(0), "ok");
    money.circle.settle();
    assert_eq!(money.rotate(0), "wallet.changing");
    money.broadcast();
    money.watch();
    money.circle.settle();
    let retirement = money.payouts().last().unwrap().clone();
    assert_eq!(retirement.purpose, Purpose::Retire(1));
    assert!(
        !money.decide("cancel", retirement.id),
        "two keys would be left"
    );
    assert_eq!(money.rotate(0), "wallet.changing");
    money.run();
    assert_eq!(money.signers().0, 0);
}
