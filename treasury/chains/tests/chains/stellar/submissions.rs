//! Submitting over bad lines.

use treasury_chains::stellar::{Codes, HorizonError, Submission};

use super::{Net, Person, client, hasty, payment, succeeded};
use crate::proxy::Fault;

/// The payment that is submitted arrives once, whatever happens to the first attempt.
async fn arrives_once(fault: Fault, reaches_server: bool) {
    let net = Net::start().await;
    let (alice, bob) = (net.friend(1), net.friend(2));
    let before = net.stroops(&bob);
    let proxy = net.proxy().await;
    let transaction = net.pay(&alice, &bob, 5);

    let never_answers = matches!(fault, Fault::Silence | Fault::SilenceAfter);
    let urls = [proxy.url()];
    let horizon = if never_answers {
        hasty(&urls)
    } else {
        client(&urls)
    };
    proxy.break_at("POST /transactions", fault.clone());
    proxy.break_at("GET /transactions/", Fault::CutBefore);
    let first = horizon
        .submit(&transaction.envelope)
        .await
        .expect("an envelope");
    assert!(
        matches!(first, Submission::Unknown { .. }),
        "{fault:?}: {first:?}"
    );
    // A client that gave up does not know how far the server is, and neither do we.
    if !never_answers || !reaches_server {
        let arrived = net.stroops(&bob) > before;
        assert_eq!(arrived, reaches_server, "{fault:?}");
    }

    proxy.mend();
    let horizon = client(&urls);
    for _ in 0..2 {
        let again = horizon
            .submit(&transaction.envelope)
            .await
            .expect("an envelope");
        assert!(succeeded(&again), "{fault:?}: {again:?}");
    }
    assert_eq!(
        net.stroops(&bob) - before,
        5 * super::WHOLE,
        "{fault:?}: not once"
    );
}

#[tokio::test]
async fn a_lost_answer_is_unknown_and_the_same_bytes_arrive_once() {
    for (fault, reaches_server) in [
        (Fault::CutBefore, false),
        (Fault::CutAfter, true),
        (Fault::Silence, false),
        (Fault::SilenceAfter, true),
        (Fault::Answer(504), false),
        (Fault::AnswerAfter(504), true),
        (Fault::Answer(503), false),
        (Fault::AnswerAfter(500), true),
        (Fault::Answer(429), false),
        (Fault::Answer(403), false),
        (Fault::AnswerAfter(200), true),
        (Fault::AnswerAfter(400), true),
    ] {
        arrives_once(fault, reaches_server).await;
    }
}

#[tokio::test]
async fn an_answer_that_was_lost_is_found_by_the_hash() {
    for fault in [Fault::CutAfter, Fault::AnswerAfter(504)] {
        let net = Net::start().await;
        let (alice, bob) = (net.friend(1), net.friend(2));
        let proxy = net.proxy().await;
        proxy.break_at("POST /transactions", fault);
        let transaction = net.pay(&alice, &bob, 5);
        let horizon = client(&[proxy.url()]);
        let submission = horizon.submit(&transaction.envelope).await;
        let submission = submission.expect("an envelope");
        assert!(succeeded(&submission), "{submission:?}");
    }
}

#[tokio::test]
async fn two_clients_submit_the_same_at_once_and_it_happens_once() {
    let net = Net::start().await;
    let (alice, bob) = (net.friend(1), net.friend(2));
    let before = net.stroops(&bob);
    let transaction = net.pay(&alice, &bob, 5);
    let proxy = net.proxy().await;
    let (release, held) = tokio::sync::watch::channel(false);
    proxy.break_at("POST /", Fault::Held(held));
    let urls = [proxy.url()];
    let (one, other) = (client(&urls), client(&urls));
    let both_are_there = async {
        let posts = || {
            proxy
                .asked()
                .iter()
                .filter(|one| one.method == "POST")
                .count()
        };
        while posts() < 2 {
            tokio::task::yield_now().await;
        }
        release.send_replace(true);
    };
    let (one, other, ()) = tokio::join!(
        one.submit(&transaction.envelope),
        other.submit(&transaction.envelope),
        both_are_there
    );
    let (one, other) = (one.expect("an envelope"), other.expect("an envelope"));
    assert!(succeeded(&one), "{one:?}");
    assert_eq!(one, other);
    assert_eq!(net.stroops(&bob) - before, 5 * super::WHOLE);
}

fn codes(transaction: &str, operations: &[&str]) -> Codes {
    Codes {
        transaction: transaction.into(),
        inner: None,
        operations: operations.iter().map(|code| (*code).to_owned()).collect(),
    }
}

#[tokio::test]
async fn a_refusal_says_why() {
    let net = Net::start().await;
    let (alice, bob) = (net.friend(1), net.friend(2));
    let horizon = client(std::slice::from_ref(&net.url));
    let next = net.sequence(&alice) + 1;
    let mut late = alice.batch(next, vec![payment(&bob, 1)]);
    late.time_bounds.max = super::START_S - 1;
    // Somebody else's signature: the account of the source knows nothing of it.
    let mut foreign = alice.batch(next, vec![payment(&bob, 1)]);
    foreign.source = bob.key;
    foreign.sequence = net.sequence(&bob) + 1;
    for (transaction, expected) in [
        (
            alice.transaction(next + 1, vec![payment(&bob, 1)]),
            "tx_bad_seq",
        ),
        (
            alice.transaction(next - 1, vec![payment(&bob, 1)]),
            "tx_bad_seq",
        ),
        (alice.sign(&late), "tx_too_late"),
        (alice.sign(&foreign), "tx_bad_auth"),
        (
            Person::new(9).transaction(1, vec![payment(&bob, 1)]),
            "tx_no_account",
        ),
    ] {
        let submission = horizon.submit(&transaction.envelope).await;
        let refused = Submission::Refused {
            codes: codes(expected, &[]),
        };
        assert_eq!(submission.expect("an envelope"), refused);
    }
    for text in ["", "AAAA", "no base64 at all"] {
        let refused = horizon.submit(text).await;
        assert!(
            matches!(refused, Err(HorizonError::Envelope { .. })),
            "{text}: {refused:?}"
        );
    }
}

#[tokio::test]
async fn what_failed_in_its_ledger_is_included_all_the_same() {
    let net = Net::start().await;
    let alice = net.friend(1);
    let horizon = client(std::slice::from_ref(&net.url));
    let transaction = net.pay(&alice, &Person::new(9), 5);
    for attempt in 0..2 {
        let submission = horizon.submit(&transaction.envelope).await;
        let expected = Submission::Included {
            hash: transaction.sought.hash,
            ledger: net.sandbox.ledger().sequence(),
            succeeded: false,
            fee_stroops: 100,
            codes: codes("tx_failed", &["op_no_destination"]),
        };
        assert_eq!(submission.expect("an envelope"), expected, "{attempt}");
    }
}

#[tokio::test]
async fn what_one_server_refuses_another_may_take() {
    let net = Net::start().await;
    let (alice, bob) = (net.friend(1), net.friend(2));
    let behind = net.fork().await;
    // The one behind does not know of this payment, and takes the next number for a gap.
    net.include(&net.pay(&alice, &bob, 1));
    let transaction = net.pay(&alice, &bob, 2);
    let horizon = client(&[behind.url.clone(), net.url.clone()]);
    let submission = horizon.submit(&transaction.envelope).await;
    let submission = submission.expect("an envelope");
    assert!(succeeded(&submission), "{submission:?}");
}

#[tokio::test]
async fn a_server_of_another_network_never_sees_a_transaction() {
    let (net, other) = (Net::start().await, Net::named("Another network").await);
    let (alice, bob) = (net.friend(1), net.friend(2));
    let proxy = other.proxy().await;
    let horizon = client(&[proxy.url(), net.url.clone()]);
    let transaction = net.pay(&alice, &bob, 2);
    let submission = horizon.submit(&transaction.envelope).await;
    assert!(succeeded(&submission.expect("an envelope")));
    let asked: Vec<String> = proxy.asked().into_iter().map(|one| one.path).collect();
    assert_eq!(asked, ["/"]);
    // And it is asked who it is again before it is asked anything else.
    let account = horizon.account(&alice.key).await.expect("an answer");
    assert_eq!(account.expect("an account").sequence, net.sequence(&alice));
}
