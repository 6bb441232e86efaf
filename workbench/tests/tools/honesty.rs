//! A rehearsed block does what a node's block does.

use std::collections::BTreeMap;
use std::sync::Arc;

use circle::block::Block;
use circle::digest::digest;
use circle::envelope::{Body, Envelope};
use circle::genesis::{Asset, Genesis};
use circle::ids::{CircleId, Key};
use circle::machine::{Machine, STACK_BYTES};
use circle::member::{Member, Members};
use circle::receipt::{Receipt, Source};
use circle::rehearsal::Rehearsal;
use circle::session::policy_prefix;
use circle::state::{KeyValue, Memory, Region, RegionView, Row, prefix_end};
use ed25519_zebra::SigningKey;
use threescript::action::read;
use threescript::engine::{Limits, PROFILE};
use threescript::value::Assets;

const START_MS: u64 = 1_767_225_600_000;
const DAY_MS: u64 = 24 * 3600 * 1000;

const SOURCE: &str = r#"policy shelf version 1
table things { id: id key, name: text index, due: time? index }
action offer(name: text) by guardian {
    let thing = things.insert(#{ name: name, due: block.time + 1.days });
    require(name != "", "shelf.name", "a thing has a name");
    emit("offered", #{ thing: thing, by: caller.account });
    thing
}
every 1.days remind() {
    for row in things.where("due", "<=", block.time).rows() {
        effect("mail.remind", #{ thing: row.id, late: block.time - row.due });
        things.update(row.id, #{ due: () });
    }
}
"#;

fn secret(index: u8) -> SigningKey {
    SigningKey::from_bytes(&digest("test/guardian", &index))
}

fn genesis() -> Genesis {
    let member = |index: u8| Member {
        name: format!("g{index}"),
        key: Key::of(&secret(index)),
    };
    let asset = |decimals| Asset {
        decimals,
        homes: Vec::new(),
    };
    let assets: BTreeMap<_, _> = Assets::standard()
        .iter()
        .map(|(code, decimals)| (code.clone(), asset(decimals)))
        .collect();
    Genesis {
        circle: CircleId::of_name("test"),
        name: "test".into(),
        time_ms: START_MS,
        members: Members::new((1..=9).map(member).collect()).unwrap(),
        assets,
        policies: vec![SOURCE.to_owned()],
        limits: Limits::default(),
        interpreter: PROFILE.into(),
    }
}

fn rows_of_policy(state: &dyn KeyValue) -> Vec<Row> {
    let prefix = policy_prefix("shelf");
    let end = prefix_end(&prefix);
    state
        .scan(&prefix, end.as_deref(), usize::MAX, false)
        .unwrap()
}

/// What the outcome of a receipt is made of; a rehearsed transaction has another id.
fn outcome(receipt: Receipt) -> Receipt {
    let source = match receipt.source {
        Source::Transaction {
            actions, sender, ..
        } => Source::Transaction {
            id: [0; 32],
            actions,
            sender,
        },
        other => other,
    };
    Receipt { source, ..receipt }
}

#[test]
fn a_rehearsed_block_does_what_a_node_does() {
    let work = || {
        let mut node = Machine::new(genesis(), None).unwrap();
        let mut store = Memory::new();
        store.commit(node.start().unwrap()).unwrap();
        let mut rehearsal = Rehearsal::new(genesis()).unwrap_or_else(|stop| panic!("{stop:?}"));
        let steps = [
            (0, Some((1, "!!shelf.offer name:drill"))),
            (1, Some((3, "!!shelf.offer name:''"))),
            (
                2,
                Some((3, "!!shelf.offer name:saw\n\n!!shelf.offer name:''")),
            ),
            (DAY_MS, None),
            (3 * DAY_MS, Some((4, "!!shelf.offer name:plane"))),
            (
                3 * DAY_MS + 1,
                Some((4, "!!shelf.offer name:saw\n\n!!shelf.offer name:nail")),
            ),
            (100 * DAY_MS, None),
        ];
        for (index, (after_ms, act)) in steps.into_iter().enumerate() {
            let (height, time_ms) = (index as u64 + 1, START_MS + after_ms);
            let declared = rehearsal.signatures();
            let actions =
                act.map(|(who, text)| (who, read(text, &declared, &Assets::standard()).unwrap()));
            let transactions = actions.iter().map(|(who, actions)| {
                let body = Body {
                    circle: CircleId::of_name("test"),
                    sender: Key::of(&secret(*who)),
                    account_nonce: height,
                    expires_at_ms: u64::MAX,
                    actions: actions.clone(),
                };
                Envelope::sign(body, &secret(*who)).encode()
            });
            let block = Block {
                height,
                time_ms,
                hash: [0; 32],
                transactions: transactions.collect(),
            };
            let executed = node.execute(Arc::new(store.clone()), &block).unwrap();
            store.commit(executed.batch).unwrap();

            let authority = act.map(|(who, _)| rehearsal.authority(&format!("g{who}")).unwrap());
            let transaction = authority.as_ref().zip(actions.as_ref());
            let transaction = transaction.map(|(who, (_, actions))| (who, &actions[..]));
            let rehearsed = rehearsal.block(time_ms, transaction).unwrap();

            let receipts = |all: Vec<Receipt>| all.into_iter().map(outcome).collect::<Vec<_>>();
            assert_eq!(
                receipts(rehearsed.receipts),
                receipts(executed.receipts),
                "block {height}"
            );
            let state = RegionView::new(Arc::new(store.clone()), Region::State);
            assert_eq!(
                rows_of_policy(rehearsal.rows()),
                rows_of_policy(&state),
                "block {height}"
            );
        }
        assert!(!rows_of_policy(rehearsal.rows()).is_empty());
        rehearsal.finish().unwrap();
    };
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
    thread.spawn(work).unwrap().join().unwrap();
}
