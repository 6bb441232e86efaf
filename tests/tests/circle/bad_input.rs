//! Everything that can be wrong with what is submitted, each with its own code, and nothing else harmed.

use circle::digest::encode;
use circle::envelope::{Body, Envelope, TRANSACTION_BYTES_MAX};
use circle::genesis::Genesis;
use circle::ids::{CircleId, Key};
use circle::iou::SignedIou;
use circle::receipt::Receipt;
use ed25519_zebra::SigningKey;
use guardian_tests::{Simulation, act, rejected};
use threescript::action::{Action, Mark};
use threescript::value::{AssetCode, Value};

#[test]
fn each_bad_iou_is_rejected_by_its_own_code_and_the_rest_of_the_batch_stands() {
    let mut circle = Simulation::new(9, 1, None);
    let (farmer, consumer) = (circle.account("farm1"), circle.account("alice"));
    let first = circle.iou("farm1", "alice", 0, 100);
    assert_eq!(
        rejected(&circle.submit(std::slice::from_ref(&first))),
        Vec::<String>::new()
    );

    let mut batch: Vec<(&str, SignedIou)> = vec![("iou.replayed", first.clone())];
    let mut change = |code, hour, change: &dyn Fn(&mut circle::iou::Iou)| {
        let mut iou = circle.unsigned(&farmer, &consumer, hour, 100);
        change(&mut iou);
        batch.push((code, iou.sign(&farmer, &consumer)));
    };
    change("iou.foreign_circle", 1, &|iou| {
        iou.circle = CircleId::of_name("another")
    });
    change("iou.unknown_asset", 1, &|iou| {
        iou.asset = AssetCode::new("EUR").unwrap()
    });
    change("iou.negative_amount", 1, &|iou| iou.amount = -1);
    change("iou.window", 1, &|iou| iou.to = iou.from);
    change("iou.falling_sequence", 1, &|iou| iou.sequence = 1);
    change("iou.overlapping_window", 0, &|iou| iou.from += 1800);
    change("iou.overlapping_window", 0, &|iou| iou.from -= 7200);
    change("iou.unknown_account", 1, &|iou| {
        iou.farmer = Key::of(&SigningKey::from_bytes(&[99; 32]))
    });
    change("iou.reference", 1, &|iou| iou.reference = String::new());
    // A stranger's IOU that is signed by the stranger is the case above; here the farmer's signature is simply wrong.
    let mut forged = circle.iou("farm1", "alice", 1, 100);
    forged.farmer_signature[0] ^= 1;
    batch.push(("iou.signature", forged));
    let mut altered = circle.iou("farm1", "alice", 1, 100);
    altered.iou.amount += 1;
    batch.push(("iou.signature", altered));
    let good = circle.iou("farm1", "alice", 1, 100);
    let next = circle.iou("farm1", "alice", 2, 100);
    let mut ious: Vec<SignedIou> = batch.iter().map(|(_, iou)| iou.clone()).collect();
    // The unknown farmer has to sign for itself, or its signature would be what is wrong.
    let stranger = SigningKey::from_bytes(&[99; 32]);
    for signed in ious
        .iter_mut()
        .filter(|signed| signed.iou.farmer == Key::of(&stranger))
    {
        *signed = signed.iou.clone().sign(&stranger, &consumer);
    }
    ious.push(good);
    ious.push(next);
    let receipt = circle.submit(&ious);
    let expected: Vec<String> = batch.iter().map(|(code, _)| (*code).to_owned()).collect();
    assert_eq!(rejected(&receipt), expected);
    let owed = circle::iou::owed(&circle.guardians[0].state()).unwrap();
    assert_eq!(owed[0].amount, 300, "the first, the good one and the next");
}

#[test]
fn amounts_that_overflow_are_never_paid_wrongly() {
    let mut circle = Simulation::new(9, 1, None);
    circle.make_key();
    circle.deposit("alice", 1000);
    let batch = [
        circle.iou("farm1", "alice", 0, i64::MAX),
        circle.iou("farm1", "alice", 1, i64::MAX),
    ];
    assert_eq!(rejected(&circle.submit(&batch)), Vec::<String>::new());
    circle.wait(guardian_tests::DAY_MS / 2);
    circle.deposit("bob", 70);
    let honest = circle.iou("farm2", "bob", 0, 70);
    circle.submit(&[honest]);
    assert_eq!(
        circle.roll_up().code,
        "ok",
        "a debt without end keeps nobody else from being paid"
    );
    let payouts = circle.payouts(0);
    let lines: Vec<_> = payouts.iter().flat_map(|payout| &payout.lines).collect();
    assert_eq!(lines.len(), 1);
    assert_eq!(
        (lines[0].account.as_str(), lines[0].amount.units),
        ("farm2", 70)
    );
    assert_eq!(circle.deposit("alice", i64::MAX).code, "ledger.overflow");
}

fn body(genesis: &Genesis, secret: &SigningKey, nonce: u64) -> Body {
    let deposit = act("iou", "roll_up", vec![("up_to", Value::Time(1))]);
    Body {
        circle: genesis.circle,
        sender: Key::of(secret),
        account_nonce: nonce,
        expires_at_ms: u64::MAX,
        actions: vec![deposit],
    }
}

#[test]
fn each_bad_envelope_is_refused_by_its_own_code() {
    let mut circle = Simulation::new(9, 1, None);
    let secret = circle.guardians[0].secret;
    let genesis = circle.genesis.clone();
    let stranger = SigningKey::from_bytes(&[77; 32]);
    let good = Envelope::sign(body(&genesis, &secret, 200), &secret);
    let change = |change: &dyn Fn(&mut Body)| {
        let mut body = body(&genesis, &secret, 201);
        change(&mut body);
        Envelope::sign(body, &secret).encode()
    };
    let mut forged = good.clone();
    forged.body.account_nonce = 202;
    let mut trailing = good.encode();
    trailing.push(0);
    let rows: Vec<(&str, Vec<u8>)> = vec![
        ("ok", good.encode()),
        ("envelope.replayed", good.encode()),
        ("envelope.signature", forged.encode()),
        ("envelope.malformed", trailing),
        ("envelope.malformed", Vec::new()),
        ("envelope.malformed", vec![255; 400]),
        ("envelope.too_large", vec![0; TRANSACTION_BYTES_MAX + 1]),
        (
            "envelope.foreign_circle",
            change(&|body| body.circle = CircleId::of_name("another")),
        ),
        ("envelope.expired", change(&|body| body.expires_at_ms = 1)),
        ("envelope.nonce", change(&|body| body.account_nonce = 0)),
        (
            "envelope.nonce",
            change(&|body| body.account_nonce = 1_000_000),
        ),
        ("envelope.actions", change(&|body| body.actions.clear())),
        (
            "envelope.unknown_sender",
            Envelope::sign(body(&genesis, &stranger, 1), &stranger).encode(),
        ),
        (
            "action.mark",
            change(&|body| body.actions[0].mark = Mark::World),
        ),
        ("ok", change(&|body| body.account_nonce = 205)),
    ];
    circle.block(rows.iter().map(|(_, bytes)| bytes.clone()).collect());
    let codes: Vec<&str> = circle
        .receipts
        .last()
        .unwrap()
        .iter()
        .map(|receipt| receipt.code.as_str())
        .collect();
    let expected: Vec<&str> = rows.iter().map(|(code, _)| *code).collect();
    assert_eq!(codes, expected);
}

#[test]
fn a_failing_action_takes_the_whole_transaction_with_it_but_the_nonce() {
    let mut circle = Simulation::new(9, 1, None);
    let register = |name: &str, byte: u8| {
        act(
            "circle",
            "register",
            vec![
                ("name", Value::Text(name.into())),
                (
                    "key",
                    Value::Bytes(Key::of(&SigningKey::from_bytes(&[byte; 32])).0.to_vec()),
                ),
                ("roles", Value::List(Vec::new())),
            ],
        )
    };
    let rows: Vec<(&str, Vec<Action>)> = vec![
        (
            "account.name_taken",
            vec![register("carol", 1), register("carol", 2)],
        ),
        (
            "account.key_taken",
            vec![register("carol", 1), register("dave", 1)],
        ),
        (
            "account.name",
            vec![register("carol", 1), register("no spaces", 2)],
        ),
        ("ok", vec![register("carol", 1)]),
    ];
    for (expected, actions) in rows {
        assert_eq!(circle.act(0, actions).code, expected);
    }
    assert!(
        circle::account_by_name(&circle.guardians[0].state(), "dave")
            .unwrap()
            .is_none()
    );
}

fn install(circle: &mut Simulation, source: &str) -> Receipt {
    circle.act(
        0,
        vec![act(
            "policy",
            "install",
            vec![("source", Value::Bytes(source.into()))],
        )],
    )
}

#[test]
fn hostile_policies_end_in_a_stable_code_with_their_writes_undone() {
    let mut circle = Simulation::new(9, 1, None);
    let source = r#"
policy hostile version 1
table rows { id: id key, text: text }
action forever() by guardian { rows.insert(#{ text: "x" }); loop { } }
action deep() by guardian { rows.insert(#{ text: "x" }); down(1) }
action grow() by guardian { rows.insert(#{ text: "x" }); let t = "xxxxxxxx"; loop { t += t; } }
action pile() by guardian { let t = []; loop { rows.insert(#{ text: "x" }); t.push([1, 2, 3, 4, 5, 6, 7, 8]); } }
action divide(by_what: int) by guardian { rows.insert(#{ text: "x" }); 1 / by_what }
action fine() by guardian { rows.insert(#{ text: "x" }); }
ask count() { rows.count() }
fn down(n) { down(n + 1) }
"#;
    let receipt = install(&mut circle, source);
    assert!(receipt.is_ok(), "{receipt:?}");
    let Value::Map(installed) = &receipt.events[0].data else {
        panic!("{receipt:?}")
    };
    let activate = |circle: &Simulation| {
        let height = circle.blocks.len() as i64 + 2;
        act(
            "policy",
            "activate",
            vec![
                ("hash", installed["hash"].clone()),
                ("height", Value::Int(height)),
            ],
        )
    };
    let action = activate(&circle);
    assert_eq!(circle.act(0, vec![action]).code, "authority.circle");
    let action = activate(&circle);
    assert_eq!(circle.act_as_circle(vec![action]).code, "ok");
    circle.block(Vec::new());
    circle.block(Vec::new());
    for (action, params, expected) in [
        ("forever", vec![], "limit.operations"),
        ("deep", vec![], "limit.depth"),
        ("grow", vec![], "limit.size"),
        ("pile", vec![], "limit.operations"),
        (
            "divide",
            vec![("by_what", Value::Int(0))],
            "division_by_zero",
        ),
        ("missing", vec![], "action.unknown"),
        ("fine", vec![("more", Value::Int(1))], "wrong_parameters"),
        ("fine", vec![], "ok"),
    ] {
        let receipt = circle.act(0, vec![act("hostile", action, params)]);
        assert_eq!(receipt.code, expected, "{action}: {receipt:?}");
        assert!(receipt.code == "ok" || receipt.events.is_empty());
    }
    let roots: Vec<_> = circle
        .guardians
        .iter()
        .map(|guardian| guardian.head())
        .collect();
    assert!(roots.iter().all(|root| *root == roots[0]));
    assert_eq!(
        circle.ask("hostile", "count", vec![]),
        Ok(Value::Int(1)),
        "only the fine action wrote"
    );
}

#[test]
fn a_policy_that_does_not_compile_is_not_installed_and_says_where() {
    let mut circle = Simulation::new(9, 1, None);
    let receipt = install(
        &mut circle,
        "policy broken version 1\naction a() by guardian {\n  let x = ;\n}\n",
    );
    assert_eq!(receipt.code, "policy.invalid");
    assert!(receipt.message.contains(":3:"), "{}", receipt.message);
    let receipt = install(
        &mut circle,
        "policy circle version 1\naction a() by guardian { }\n",
    );
    assert_eq!(receipt.code, "policy.invalid");
    assert!(
        receipt.message.contains("belongs to the kernel"),
        "{}",
        receipt.message
    );
}

#[test]
fn an_action_may_be_as_large_as_a_transaction() {
    let mut circle = Simulation::new(9, 1, None);
    let garbage = encode(&vec![7u8; 900_000]);
    let receipt = circle.act(
        0,
        vec![act("iou", "submit", vec![("batch", Value::Bytes(garbage))])],
    );
    assert_eq!(receipt.code, "iou.malformed");
}
