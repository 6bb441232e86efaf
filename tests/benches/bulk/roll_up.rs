//! A roll-up: consumers are debited for their IOUs, farmers credited, the IOUs marked as paid.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize};
use circle::authority::Authority;
use circle::digest::{digest, encode};
use circle::ids::Key;
use circle::iou::SignedIou;
use circle::ledger::{self, Movements};
use circle::session::Session;
use circle::state::{KeyValue, Memory, Overlay, prefix_end};
use ed25519_zebra::SigningKey;
use guardian_tests::{START_MS, Simulation, act, tft};
use threescript::action::Action;
use threescript::value::{Amount, Value};

use super::{Measured, fastest, settled, timed, written};

pub fn measure(ious: u64, consumers: u64, farmers: u64) -> Measured {
    let mut circle = Simulation::new(9, 1, None);
    circle.make_key();
    let start = Arc::new(settled(&circle.guardians[0].state()));
    let session = circle.session(start);
    let base = Arc::new(book(&mut circle, session, ious, consumers, farmers));
    let names = names(&base, consumers, farmers);
    let up_to = (START_MS / 1000) as i64 + 30 * 24 * 3600;

    let mut operations = 0;
    let mut runs = 0;
    let by_policy = || {
        let mut session = circle.session(base.clone());
        let savepoint = session.rows.begin();
        let (time, mut session) = timed(|| {
            runs = 0;
            loop {
                runs += 1;
                let roll_up = act("iou", "roll_up", vec![("up_to", Value::Time(up_to))]);
                let (next, result) = session.act(&Authority::Circle, &roll_up);
                session = next;
                match result {
                    Ok(Value::Map(report)) if report["done"] == Value::Bool(true) => break session,
                    Ok(_) if runs < 50 => {}
                    other => panic!("{other:?}"),
                }
            }
        });
        session.rows.commit(savepoint);
        operations = session.operations_used();
        (time, session.rows)
    };
    let by_hand = || {
        let mut rows = Overlay::new(base.clone());
        let savepoint = rows.begin();
        let (time, ()) = timed(|| roll_up(&mut rows, &names, up_to));
        rows.commit(savepoint);
        (time, rows)
    };
    // Open IOUs, entries, and what consumers owe are the same; the books differ by what the policy planned to pay out.
    let same: [&[u8]; 4] = [b"ki", b"kj", b"k2", b"klTFT\0escrow:"];
    let (policy, plain) = fastest(by_policy, by_hand, |rows, plain| {
        assert_eq!(written(rows, &same), written(plain, &same));
    });
    Measured {
        what: format!(
            "roll-up of {ious} IOUs of {consumers} consumers and {farmers} farmers, in {runs} runs"
        ),
        policy,
        plain,
        in_memory: None,
        operations,
    }
}

fn secret(name: &str) -> SigningKey {
    SigningKey::from_bytes(&digest("bench/account", &name))
}

fn consumer(number: u64) -> String {
    format!("user{number}")
}

fn farmer(number: u64) -> String {
    format!("farm{number}")
}

/// A committed state with accounts, escrows and open IOUs.
fn book(
    circle: &mut Simulation,
    mut session: Box<Session>,
    ious: u64,
    consumers: u64,
    farmers: u64,
) -> Memory {
    for name in (0..consumers).map(consumer).chain((0..farmers).map(farmer)) {
        let key = Key::of(&secret(&name)).0.to_vec();
        let params = vec![
            ("name", Value::Text(name)),
            ("key", Value::Bytes(key)),
            ("roles", Value::List(vec![Value::Text("service".into())])),
        ];
        session = done(session, act("circle", "register", params));
    }
    for name in (0..consumers).map(consumer) {
        // Every tenth consumer cannot pay everything.
        let units = if name.ends_with('7') {
            4_000
        } else {
            1_000_000
        };
        let params = vec![
            ("wallet", Value::Text("main".into())),
            ("account", Value::Account(name.clone())),
            ("amount", Value::Amount(Amount::new(units, tft()))),
            ("reference", Value::Text(name)),
        ];
        session = done(session, act("treasury", "deposit", params));
    }
    let mut batch: Vec<SignedIou> = Vec::new();
    for number in 0..ious {
        let consumer = secret(&consumer(number % consumers));
        let farmer = secret(&farmer(number / consumers * 7 % farmers + number % 3));
        let hour = (number / consumers) as u32;
        let iou = circle.unsigned(&farmer, &consumer, hour, 500 + (number % 1000) as i64);
        batch.push(iou.sign(&farmer, &consumer));
        if batch.len() == 2_000 || number + 1 == ious {
            let batch = Value::Bytes(encode(&std::mem::take(&mut batch)));
            session = done(session, act("iou", "submit", vec![("batch", batch)]));
        }
    }
    settled(&session.rows)
}

fn done(session: Box<Session>, action: Action) -> Box<Session> {
    let guardian = circle::account_by_name(&session.rows, "guardian1");
    let guardian = guardian.expect("memory").expect("a guardian");
    let members = session.context.members();
    let authority = match action.name.as_str() {
        "submit" => Authority::of(&guardian, &BTreeSet::new(), members),
        _ => Authority::Circle,
    };
    let (session, result) = session.act(&authority, &action);
    if let Err(stop) = result {
        panic!("{}.{}: {stop:?}", action.actor, action.name);
    }
    session
}

/// The names of accounts by number, as plain Rust would keep them.
fn names(rows: &Memory, consumers: u64, farmers: u64) -> BTreeMap<u32, String> {
    let names = (0..consumers).map(consumer).chain((0..farmers).map(farmer));
    let number = |name: String| {
        let account = circle::account_by_name(rows, &name).expect("memory");
        (account.expect("registered").number, name)
    };
    names.map(number).collect()
}

// The rows as the book of IOUs keeps them.

#[derive(BorshSerialize, BorshDeserialize)]
struct Open {
    farmer: u32,
    admitted: i64,
    amount: i64,
}

#[derive(BorshSerialize, BorshDeserialize)]
struct Entry {
    farmer: u32,
    consumer: u32,
    to: i64,
    admitted: i64,
    asset: String,
    amount: i64,
    state: u8,
}

#[derive(BorshSerialize, BorshDeserialize)]
struct Unpaid {
    open: i128,
    held: i128,
}

/// Nets, debits, credits and marks, without a thought for pages, other assets or reports.
fn roll_up(rows: &mut Overlay, names: &BTreeMap<u32, String>, up_to: i64) {
    let asset = tft();
    let end = prefix_end(b"kj");
    let open = rows
        .scan(b"kj", end.as_deref(), usize::MAX, false)
        .expect("memory");
    let mut earned: BTreeMap<u32, i64> = BTreeMap::new();
    let mut movements = Movements::default();
    let mut at = 0;
    while at < open.len() {
        let debt = open[at].0[..10].to_vec();
        let length = open[at..]
            .iter()
            .take_while(|(key, _)| key.starts_with(&debt))
            .count();
        let consumer = u32::from_be_bytes(debt[2..6].try_into().expect("four bytes"));
        let book = format!("escrow:{}", names[&consumer]);
        let escrow = ledger::balance(rows, &book, &asset).expect("memory");
        let mut paid = 0;
        for (key, value) in &open[at..at + length] {
            let to =
                (u64::from_be_bytes(key[10..18].try_into().expect("eight bytes")) ^ 1 << 63) as i64;
            let iou: Open = borsh::from_slice(value).expect("an open IOU");
            if to > up_to || iou.amount > escrow - paid {
                break;
            }
            paid += iou.amount;
            *earned.entry(iou.farmer).or_default() += iou.amount;
            rows.delete(key.clone());
            let entry = Entry {
                farmer: iou.farmer,
                consumer,
                to,
                admitted: iou.admitted,
                asset: asset.as_str().into(),
                amount: iou.amount,
                state: 1,
            };
            rows.put([b"ki", &key[18..]].concat(), encode(&entry));
        }
        if paid > 0 {
            let key = [b"k2", &debt[2..]].concat();
            let owed = rows.get(&key).expect("memory").expect("a debt");
            let mut owed: Unpaid = borsh::from_slice(&owed).expect("a debt");
            owed.open -= i128::from(paid);
            match owed.open == 0 && owed.held == 0 {
                true => rows.delete(key),
                false => rows.put(key, encode(&owed)),
            }
            movements.from.push((book, paid));
        }
        at += length;
    }
    for (farmer, amount) in earned {
        movements
            .to
            .push((format!("payable:{}", names[&farmer]), amount));
    }
    ledger::transfer_all(rows, &asset, &movements).expect("it balances");
}
