//! Wallets on Stellar that each guardian owns with a key of its own.

use circle::digest::encode;
use circle::ids::{Key, sign};
use circle::treasury::{OwnedPayout, Payout, PayoutState, Scheme, ownership};
use ed25519_zebra::SigningKey;
use guardian_tests::money::{Money, schedule};
use guardian_tests::{Simulation, act, own};
use threescript::value::Value;
use treasury_protocol::stellar::{Destination, Envelope, Operation, multisig};

use super::membership::{joins, leaves};

fn key_of(money: &Money, guardian: usize) -> [u8; 32] {
    Key::of(&money.circle.guardians[guardian].stellar_owner_key()).0
}

#[test]
fn seven_of_nine_guardians_pay_with_keys_of_their_own() {
    let mut money = Money::owned(1, 1_000);
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
    let envelope = money.payouts()[1].envelope().unwrap();
    let signatures = Envelope::parse(&envelope).unwrap().signatures;
    assert_eq!(signatures.len(), 7, "not one more than the network takes");
    money.check_signers();
}

#[test]
fn an_account_that_somebody_else_could_use_is_not_opened() {
    let mut money = Money::without_wallet(3);
    money.decide_multisig();
    let owners = money.owners();
    let mut others = owners.keys().to_vec();
    others[8] = [9; 32];
    let too_few = owners.keys()[..8].to_vec();
    let mut and_one = owners.keys().to_vec();
    and_one.push([9; 32]);
    let wrong = [
        (others, 7),
        (too_few, 7),
        (and_one, 7),
        (owners.keys().to_vec(), 6),
        (owners.keys().to_vec(), 8),
    ];
    for (number, (keys, threshold)) in (201..).zip(wrong) {
        let given = multisig::Owners::new(keys, threshold).unwrap();
        let key = money.make_account(number, &given);
        assert_eq!(money.name_account(&key), "ok");
        money.run();
        assert_eq!(money.wallet().next_sequence, None, "account {number}");
    }
    // Nothing is lost by it: the right one is named in the end.
    let key = money.make_account(220, &owners);
    assert_eq!(money.name_account(&key), "ok");
    money.run();
    assert_eq!(money.account(), Key::of(&key).0);
    assert_eq!(money.wallet().next_sequence, Some(money.sequence() + 1));
    assert_eq!(money.circle.states(), [(1, "trust", "settled")]);
    assert_eq!(money.name_account(&key), "wallet.account", "it is open");
}

#[test]
fn what_moved_before_the_account_was_handed_over_does_not_count() {
    let mut money = Money::without_wallet(4);
    money.decide_multisig();
    let thief = money.circle.account("thief");
    let key = SigningKey::from([201; 32]);
    for opened in [&thief, &key] {
        let now = money.now_s();
        money.ledger.befriend(&Key::of(opened).0, now).unwrap();
    }
    // TFT comes in and goes out again, and nothing of that is seen on the account when it is handed over.
    let trust = |limit| Operation::Trust {
        asset: money.asset(),
        limit,
    };
    let (open, shut) = (trust(i64::MAX), trust(0));
    let asset = money.asset();
    let pay = |to: &SigningKey| Operation::Payment {
        to: Destination {
            key: Key::of(to).0,
            muxed: None,
        },
        asset: asset.clone(),
        amount: 500,
    };
    money.send_as(&thief, open.clone(), None);
    money.send_as(&key, open, None);
    money.issue(&thief, 500);
    money.send_as(&thief, pay(&key), None);
    money.send_as(&key, pay(&thief), None);
    money.send_as(&key, shut, None);
    let owners = money.owners();
    money.give(&key, &owners);
    assert_eq!(money.name_account(&key), "ok");
    money.run();
    assert!(money.wallet().next_sequence.is_some(), "it is sound by now");
    assert_eq!(
        (
            money.circle.book("escrow:thief"),
            money.circle.book("wallet:main")
        ),
        (0, 0)
    );
    assert_eq!(money.wallet().paused, None);
    // From then on it does.
    money.send_as(&thief, pay(&key), None);
    money.run();
    assert_eq!(money.circle.book("escrow:thief"), 500);
}

#[test]
fn an_account_is_named_when_the_owners_are_known_and_belongs_to_one_wallet() {
    let mut money = Money::owned(5, 1_000);
    let key = SigningKey::from([200; 32]);
    let open = |name: &str, action: &str| {
        act(
            "treasury",
            action,
            vec![
                ("wallet", Value::Text(name.into())),
                ("network", Value::Text("another".into())),
                ("threshold", Value::Int(0)),
            ],
        )
    };
    let second = open("second", "multisig");
    assert_eq!(money.circle.act_as_circle(vec![second]).code, "ok");
    let again = open("main", "multisig");
    assert_eq!(
        money.circle.act_as_circle(vec![again]).code,
        "wallet.exists"
    );
    let name = |wallet: &str, address: String| {
        act(
            "treasury",
            "account",
            vec![
                ("wallet", Value::Text(wallet.into())),
                ("address", Value::Text(address)),
            ],
        )
    };
    let address = |key: &SigningKey| treasury_protocol::stellar::address(&Key::of(key).0);
    let taken = money.circle.act(1, vec![name("second", address(&key))]);
    assert_eq!(taken.code, "wallet.account");
    let fresh = SigningKey::from([210; 32]);
    let by_stranger = money
        .circle
        .act_as("stranger", vec![name("second", address(&fresh))]);
    assert_eq!(by_stranger.code, "authority.guardian");
    let ok = money.circle.act(1, vec![name("second", address(&fresh))]);
    assert_eq!(ok.code, "ok");
}

#[test]
fn a_guardian_names_one_key_which_is_its_own() {
    let mut circle = Simulation::new(9, 6, None);
    let member = |circle: &Simulation, guardian: usize| Key::of(&circle.guardians[guardian].secret);
    let named = |circle: &mut Simulation, guardian: usize, key: &SigningKey, by: &SigningKey| {
        let hash = ownership(circle.genesis.circle, &member(circle, guardian));
        let proof = sign(by, &hash).to_vec();
        let action = own(Key::of(key).0.to_vec(), proof);
        circle.act(guardian, vec![action]).code
    };
    let (mine, other) = (SigningKey::from([31; 32]), SigningKey::from([32; 32]));
    assert_eq!(named(&mut circle, 0, &mine, &other), "stellar_signature");
    assert_eq!(named(&mut circle, 0, &mine, &mine), "ok");
    assert_eq!(named(&mut circle, 0, &other, &other), "owner.known");
    assert_eq!(named(&mut circle, 1, &mine, &mine), "owner.taken");
    let node = circle.guardians[2].secret;
    assert_eq!(named(&mut circle, 1, &node, &node), "owner.taken");
    // A proof for one guardian is none for another.
    let hash = ownership(circle.genesis.circle, &member(&circle, 0));
    let stolen = own(Key::of(&other).0.to_vec(), sign(&other, &hash).to_vec());
    assert_eq!(circle.act(1, vec![stolen]).code, "stellar_signature");
    let short = own(vec![1; 31], vec![0; 64]);
    assert_eq!(circle.act(1, vec![short]).code, "owner.key");
    let short = own(Key::of(&other).0.to_vec(), vec![0; 65]);
    assert_eq!(circle.act(1, vec![short]).code, "owner.signature");
}

#[test]
fn a_signature_counts_once_and_only_over_the_payout_of_its_owner() {
    let mut money = Money::owned(7, 1_000);
    money.person("bob", true);
    let payout = until_signing(&mut money);
    let Some(Scheme::Multisig {
        owners: Some(owners),
    }) = &payout.signers
    else {
        panic!("{:?}", payout.signers);
    };
    assert!(owners.is_same(&money.owners()));
    let guardian = &money.circle.guardians[0];
    let right = guardian.own_signature(&payout);
    let wrong = sign(&guardian.stellar_owner_key(), &[7; 32]).to_vec();
    let cases = [
        (0, wrong, "stellar_signature"),
        (1, right.clone(), "stellar_signature"),
        (0, vec![0; 65], "owner.signature"),
        (0, right.clone(), "ok"),
        (0, right, "owner.repeated"),
    ];
    // All in one block, before anybody signs by itself.
    let genesis = money.circle.genesis.clone();
    let sent = cases.iter().map(|(guardian, signature, _)| {
        let signed = vec![OwnedPayout {
            payout: payout.id,
            signature: signature.clone(),
        }];
        let signatures = Value::Bytes(encode(&signed));
        let action = act("treasury", "sign", vec![("signatures", signatures)]);
        let guardian = &mut money.circle.guardians[*guardian];
        guardian.transaction(&genesis, vec![action]).encode()
    });
    let sent = sent.collect();
    money.circle.block(sent);
    let receipts = money.circle.receipts.last().unwrap();
    let codes: Vec<&str> = receipts.iter().map(|receipt| &*receipt.code).collect();
    assert_eq!(codes, cases.map(|(_, _, code)| code));
    money.run();
    assert_eq!(money.holds("bob"), 10);
}

/// Plans a payout and stops when it is being signed and nobody has.
fn until_signing(money: &mut Money) -> Payout {
    money.circle.guardians[8].running = false;
    assert!(money.pay(&["bob"], 10));
    money.circle.guardians[8].running = true;
    money.circle.block(Vec::new());
    for _ in 0..20 {
        let last = money.payouts().pop().unwrap();
        if last.state == PayoutState::Signing {
            return last;
        }
        assert!(money.circle.step(), "it waits for {last:?}");
    }
    panic!("{:?}", money.payouts().pop());
}

#[test]
fn the_account_passes_to_the_guardians_of_now() {
    let mut money = Money::owned(8, 1_000);
    money.person("bob", true);
    let tenth = joins(&mut money.circle, "ten");
    money.run();
    let owners = money.owners();
    assert_eq!(owners.keys().len(), 10);
    assert!(owners.contains(&key_of(&money, tenth)));
    money.check_signers();
    leaves(&mut money.circle, "guardian3");
    money.run();
    assert!(!money.owners().contains(&key_of(&money, 2)), "it left");
    money.check_signers();
    assert!(money.pay(&["bob"], 20));
    money.run();
    assert_eq!(money.holds("bob"), 20);
}

#[test]
fn the_circle_asks_for_more_owners_of_its_wallet() {
    let mut money = Money::owned(9, 1_000);
    money.person("bob", true);
    assert_eq!(money.rotate(0), "wallet.signers", "it is like that already");
    assert_eq!(money.rotate(9), "ok");
    money.run();
    assert_eq!(money.owners().threshold(), 9);
    money.check_signers();
    assert!(money.pay(&["bob"], 20));
    money.run();
    let envelope = money.payouts().pop().unwrap().envelope().unwrap();
    assert_eq!(Envelope::parse(&envelope).unwrap().signatures.len(), 9);
    assert_eq!(money.holds("bob"), 20);
}

#[test]
fn twenty_one_guardians_are_too_many() {
    let mut circle = Simulation::new(21, 10, None);
    let open = act(
        "treasury",
        "multisig",
        vec![
            ("wallet", Value::Text("main".into())),
            ("network", Value::Text("a network".into())),
            ("threshold", Value::Int(0)),
        ],
    );
    assert_eq!(circle.act_as_circle(vec![open]).code, "wallet.owners");
}

#[test]
fn a_sequence_number_that_owners_used_outside_makes_another_payout() {
    let mut money = Money::owned(11, 1_000);
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
}

#[test]
fn whatever_happens_each_line_is_paid_once() {
    for seed in 20..22 {
        let tally = schedule::play_with(Money::owned(seed, 1_000_000), seed, 60);
        assert!(tally.states.contains_key("settled"), "seed {seed}");
    }
}
