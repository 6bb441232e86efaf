//! Several servers, some of which lag, lie or are down.

use serde_json::json;
use treasury_chains::endpoints::Fault as Failure;
use treasury_chains::stellar::{HorizonError, Outcome};

use super::{MAX_S, Net, Person, Transaction, client, contradicting, outcome};
use crate::proxy::{Fault, Proxy, lie};

/// Three servers of one network, each behind a proxy.
async fn three(net: &Net) -> [Proxy; 3] {
    [net.proxy().await, net.proxy().await, net.proxy().await]
}

fn urls(proxies: &[Proxy]) -> Vec<String> {
    proxies.iter().map(Proxy::url).collect()
}

fn included(net: &Net, succeeded: bool) -> Outcome {
    Outcome::Included {
        ledger: net.sandbox.ledger().sequence(),
        succeeded,
        fee_stroops: 100,
    }
}

async fn with_payment() -> (Net, Transaction) {
    let net = Net::start().await;
    let (alice, bob) = (net.friend(1), net.friend(2));
    let transaction = net.pay(&alice, &bob, 5);
    (net, transaction)
}

/// Everything that this server says of transactions, in lists or alone, is that they failed.
fn say_failed(proxy: &Proxy) {
    fn change(value: &mut serde_json::Value) {
        match value {
            serde_json::Value::Object(fields) => {
                if let Some(successful) = fields.get_mut("successful") {
                    *successful = json!(false);
                }
                fields.values_mut().for_each(change);
            }
            serde_json::Value::Array(all) => all.iter_mut().for_each(change),
            _ => {}
        }
    }
    let failed = lie(|_, status, body| {
        change(body);
        status
    });
    proxy.break_at("GET /", failed);
}

/// This server says that the time is over, and that the account was never used.
fn say_expired(proxy: &Proxy) {
    let over = lie(|asked, status, body| {
        if asked.path == "/" {
            body["history_latest_ledger_closed_at"] = json!("2099-01-01T00:00:00Z");
        } else if body["sequence"].is_string() {
            body["sequence"] = json!("1");
        }
        status
    });
    proxy.break_at("GET /", over);
}

#[tokio::test]
async fn a_liar_is_outvoted_and_named() {
    let (net, transaction) = with_payment().await;
    let proxies = three(&net).await;
    let horizon = client(&urls(&proxies));
    say_expired(&proxies[1]);
    // Nobody can tell yet who is right; a transaction that two call pending is pending.
    assert_eq!(outcome(&horizon, &transaction).await, Outcome::Pending);
    net.include(&transaction);
    let expected = included(&net, true);
    assert_eq!(outcome(&horizon, &transaction).await, expected);
    assert_eq!(contradicting(&horizon), [proxies[1].url()]);
    let status = &horizon.endpoints().status()[1];
    let said = status.contradiction.as_deref().unwrap_or_default();
    assert!(said.contains("is Expired, not Included"), "{said}");

    let horizon = client(&urls(&proxies));
    proxies[1].mend();
    say_failed(&proxies[2]);
    assert_eq!(outcome(&horizon, &transaction).await, expected);
    assert_eq!(contradicting(&horizon), [proxies[2].url()]);
    // A liar alone is believed: that is why three are better than one.
    let alone = client(&[proxies[2].url()]);
    let said = outcome(&alone, &transaction).await;
    assert_eq!(said, included(&net, false));
}

#[tokio::test]
async fn two_that_contradict_each_other_decide_nothing() {
    let (net, transaction) = with_payment().await;
    let proxies = [net.proxy().await, net.proxy().await];
    say_expired(&proxies[0]);
    let horizon = client(&urls(&proxies));
    net.include(&transaction);
    assert_eq!(outcome(&horizon, &transaction).await, Outcome::Pending);
}

#[tokio::test]
async fn one_that_lags_delays_two_and_is_outvoted_by_two_of_three() {
    let (net, transaction) = with_payment().await;
    let behind = net.fork().await;
    net.include(&transaction);
    let expected = included(&net, true);
    let fresh = [net.proxy().await, net.proxy().await];
    let two = client(&[behind.url.clone(), fresh[0].url()]);
    assert_eq!(outcome(&two, &transaction).await, Outcome::Pending);
    let three = client(&[behind.url.clone(), fresh[0].url(), fresh[1].url()]);
    assert_eq!(outcome(&three, &transaction).await, expected);
    // Lagging is no lie.
    assert!(contradicting(&three).is_empty());
    // It catches up.
    behind.include(&transaction);
    assert_eq!(outcome(&two, &transaction).await, expected);
}

#[tokio::test]
async fn of_three_with_two_down_nobody_is_believed() {
    let (net, transaction) = with_payment().await;
    let proxies = three(&net).await;
    let horizon = client(&urls(&proxies));
    net.include(&transaction);
    proxies[0].break_at("GET /", Fault::Answer(503));
    proxies[1].break_at("GET /", Fault::CutBefore);
    assert_eq!(outcome(&horizon, &transaction).await, Outcome::Pending);
    let status = horizon.endpoints().status();
    assert!(
        matches!(status[0].fault, Some(Failure::Status { status: 503, .. })),
        "{status:?}"
    );
    assert!(
        matches!(status[1].fault, Some(Failure::Silent { .. })),
        "{status:?}"
    );
    proxies[2].break_at("GET /", Fault::Answer(429));
    let answer = horizon.outcome(&transaction.sought).await;
    assert!(
        matches!(&answer, Err(HorizonError::NoAnswer { faults }) if faults.len() == 3),
        "{answer:?}"
    );
    // Rest or not: whoever is back is heard at once.
    proxies[0].mend();
    proxies[1].mend();
    let seen = outcome(&horizon, &transaction).await;
    assert!(matches!(seen, Outcome::Included { .. }), "{seen:?}");
}

#[tokio::test]
async fn one_of_another_network_has_no_say() {
    let (net, transaction) = with_payment().await;
    let other = Net::named("Another network").await;
    // There the account never was, and the time is over.
    other.close_at(MAX_S + 1);
    let horizon = client(std::slice::from_ref(&other.url));
    let answer = horizon.outcome(&transaction.sought).await;
    let text = answer.expect_err("nobody answers").to_string();
    assert!(
        text.contains("belongs to the network 'Another network'"),
        "{text}"
    );

    let horizon = client(&[other.url.clone(), net.url.clone()]);
    let checked = horizon.check(1).await;
    assert!(
        matches!(checked[0].1, Err(Failure::Unfit { .. })),
        "{checked:?}"
    );
    let reach = checked[1].1.as_ref().expect("the right network");
    assert_eq!(reach.last_ledger, net.sandbox.ledger().sequence());
    assert_eq!((reach.first_ledger, reach.lag_ledgers), (1, 0));
    assert_eq!(outcome(&horizon, &transaction).await, Outcome::Pending);
}

#[tokio::test]
async fn a_history_that_begins_too_late_is_refused() {
    let net = Net::start().await;
    let alice = net.friend(1);
    let proxy = net.proxy().await;
    let forgetful = lie(|asked, status, body| {
        if asked.path == "/" {
            body["history_elder_ledger"] = json!(100);
        }
        status
    });
    proxy.break_at("GET /", forgetful);
    let horizon = client(&[proxy.url()]);
    let refused = horizon.check(99).await.remove(0).1;
    let text = refused.expect_err("refused").to_string();
    assert!(text.contains("begins with ledger 100"), "{text}");
    assert!(horizon.check(100).await.remove(0).1.is_ok());
    // Movements behind a place that it has forgotten may be missing; behind one that it knows they cannot.
    let early = horizon.movements(&alice.key, 0, 10).await;
    assert!(matches!(early, Err(HorizonError::NoAnswer { .. })));
    let cursor = treasury_chains::stellar::Horizon::cursor_before(100);
    assert!(horizon.movements(&alice.key, cursor, 10).await.is_ok());
}

#[tokio::test]
async fn the_last_ledger_is_the_one_that_most_have_reached() {
    let net = Net::start().await;
    let behind = net.fork().await;
    net.close_at(MAX_S);
    let proxies = three(&net).await;
    let ahead = lie(|asked, status, body| {
        if asked.path == "/" {
            body["history_latest_ledger"] = json!(4_000_000);
        }
        status
    });
    proxies[2].break_at("GET /", ahead);
    let horizon = client(&[behind.url.clone(), proxies[0].url(), proxies[2].url()]);
    let latest = horizon.latest_ledger().await.expect("an answer");
    assert_eq!(latest.sequence, net.sandbox.ledger().sequence());
    assert_eq!(latest.closed_at_s, MAX_S);
    let fees = horizon.fee_stats().await.expect("an answer");
    assert_eq!(
        (fees.base_fee_stroops, fees.charged_p95_stroops),
        (100, 100)
    );
}

#[tokio::test]
async fn balances_are_what_most_have_at_the_earliest_of_their_ledgers() {
    let (net, transaction) = with_payment().await;
    let (behind, bob) = (net.fork().await, Person::new(2));
    let forked_at = net.sandbox.ledger().sequence();
    // Ledgers in which the account does not change set nobody apart.
    net.close_at(MAX_S);
    let horizon = client(&[behind.url.clone(), net.url.clone()]);
    let snapshot = horizon.snapshot(&bob.key).await.expect("they agree");
    assert_eq!(snapshot.ledger, forked_at);
    net.include(&transaction);
    let apart = horizon.snapshot(&bob.key).await;
    assert!(
        matches!(apart, Err(HorizonError::Disagreement { .. })),
        "{apart:?}"
    );
    let fresh = net.proxy().await;
    let horizon = client(&[behind.url.clone(), net.url.clone(), fresh.url()]);
    let snapshot = horizon.snapshot(&bob.key).await.expect("most agree");
    assert_eq!(snapshot.ledger, net.sandbox.ledger().sequence());
    let account = snapshot.account.expect("an account");
    assert_eq!(account.balances[0].units, net.stroops(&bob));
}
