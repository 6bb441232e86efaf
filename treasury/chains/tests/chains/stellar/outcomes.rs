//! Proofs of what became of a transaction, and the races that they have to stand.

use serde_json::json;
use stellar_xdr as xdr;
use treasury_chains::stellar::{HorizonError, Outcome, Submission};

use super::{MAX_S, Net, Person, Transaction, client, outcome, payment};
use crate::proxy::{Fault, Proxy, lie};

fn passed(transaction: &Transaction) -> Outcome {
    Outcome::Passed {
        sequence: transaction.sought.sequence,
    }
}

/// Included in the last ledger, for 100 stroops.
fn included(net: &Net, succeeded: bool) -> Outcome {
    Outcome::Included {
        ledger: net.sandbox.ledger().sequence(),
        succeeded,
        fee_stroops: 100,
    }
}

#[tokio::test]
async fn a_transaction_is_pending_until_it_is_included_and_stays_so() {
    let net = Net::start().await;
    let (alice, bob) = (net.friend(1), net.friend(2));
    let horizon = client(std::slice::from_ref(&net.url));
    let transaction = net.pay(&alice, &bob, 5);
    assert_eq!(outcome(&horizon, &transaction).await, Outcome::Pending);
    net.include(&transaction);
    let expected = included(&net, true);
    assert_eq!(outcome(&horizon, &transaction).await, expected);
    // Neither later transactions nor later ledgers change that.
    net.include(&net.pay(&alice, &bob, 1));
    net.close_at(MAX_S + 1000);
    assert_eq!(outcome(&horizon, &transaction).await, expected);
}

#[tokio::test]
async fn a_transaction_expires_with_the_first_ledger_behind_its_time_and_never_before() {
    let net = Net::start().await;
    let (alice, bob) = (net.friend(1), net.friend(2));
    let horizon = client(std::slice::from_ref(&net.url));
    let transaction = net.pay(&alice, &bob, 5);
    // The time itself is inside the bounds: another ledger may close in the same second.
    net.close_at(MAX_S);
    assert_eq!(outcome(&horizon, &transaction).await, Outcome::Pending);
    let twin = net.fork().await;
    twin.include(&transaction);
    // A clock is no proof, a closed ledger is.
    net.clock
        .store(MAX_S + 1000, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(outcome(&horizon, &transaction).await, Outcome::Pending);
    net.close_at(MAX_S + 1);
    assert_eq!(outcome(&horizon, &transaction).await, Outcome::Expired);
    let refused = horizon.submit(&transaction.envelope).await;
    assert!(
        format!("{refused:?}").contains("tx_too_late"),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_failed_transaction_is_included_and_not_passed() {
    let net = Net::start().await;
    let (alice, nobody) = (net.friend(1), Person::new(9));
    let horizon = client(std::slice::from_ref(&net.url));
    let transaction = net.pay(&alice, &nobody, 5);
    net.include(&transaction);
    let expected = included(&net, false);
    assert_eq!(outcome(&horizon, &transaction).await, expected);
}

#[tokio::test]
async fn a_number_that_another_transaction_used_up_is_passed_for_ever() {
    let net = Net::start().await;
    let (alice, bob, nobody) = (net.friend(1), net.friend(2), Person::new(9));
    let horizon = client(std::slice::from_ref(&net.url));
    let ours = net.pay(&alice, &bob, 5);
    let failed = net.pay(&alice, &nobody, 6);
    // One that fails uses the number up as well.
    net.include(&failed);
    assert_eq!(outcome(&horizon, &ours).await, passed(&ours));
    assert_eq!(outcome(&horizon, &failed).await, included(&net, false));
    net.include(&net.pay(&alice, &bob, 7));
    net.include(&net.pay(&bob, &alice, 8));
    assert_eq!(outcome(&horizon, &ours).await, passed(&ours));
    // Having been passed is the stronger reason, so that the answer does not change when the time is over.
    net.close_at(MAX_S + 1);
    assert_eq!(outcome(&horizon, &ours).await, passed(&ours));
}

/// A server that says that its history begins with ledger 100.
async fn forgetful(net: &Net) -> Proxy {
    let proxy = net.proxy().await;
    let forget = lie(|asked, status, body| {
        if asked.path == "/" {
            body["history_elder_ledger"] = json!(100);
        }
        status
    });
    proxy.break_at("GET /", forget);
    proxy
}

fn jump(to: i64) -> xdr::OperationBody {
    xdr::OperationBody::BumpSequence(xdr::BumpSequenceOp {
        bump_to: xdr::SequenceNumber(to),
    })
}

#[tokio::test]
async fn a_number_that_was_jumped_over_is_passed() {
    let net = Net::start().await;
    let (alice, bob) = (net.friend(1), net.friend(2));
    let next = net.sequence(&alice) + 1;
    let ours = alice.transaction(next + 3, vec![payment(&bob, 5)]);
    net.include(&alice.raw(next, vec![(&alice, jump(next + 7))]));
    assert_eq!(net.sequence(&alice), next + 7);
    let whole = client(std::slice::from_ref(&net.url));
    assert_eq!(outcome(&whole, &ours).await, passed(&ours));
    // The lower number below is proof enough where the beginning is forgotten.
    let proxy = forgetful(&net).await;
    let part = client(&[proxy.url()]);
    assert_eq!(outcome(&part, &ours).await, passed(&ours));
}

#[tokio::test]
async fn a_jump_in_somebody_elses_transaction_is_proven_by_a_whole_history_alone() {
    let net = Net::start().await;
    let (alice, bob) = (net.friend(1), net.friend(2));
    let next = net.sequence(&alice) + 1;
    let ours = alice.transaction(next + 3, vec![payment(&bob, 5)]);
    let of_bob = net.sequence(&bob) + 1;
    net.include(&bob.raw(of_bob, vec![(&alice, jump(next + 7))]));
    assert_eq!(net.sequence(&alice), next + 7);
    let whole = client(std::slice::from_ref(&net.url));
    assert_eq!(outcome(&whole, &ours).await, passed(&ours));
    let proxy = forgetful(&net).await;
    let part = client(&[proxy.url()]);
    // Ours may be in what that server has forgotten.
    assert_eq!(outcome(&part, &ours).await, Outcome::Pending);
}

#[tokio::test]
async fn numbers_of_others_in_between_prove_nothing() {
    let net = Net::start().await;
    // Older accounts have lower numbers.
    let (older, wallet) = (net.friend(1), net.friend(2));
    let behind = net.fork().await;
    let ours = net.pay(&wallet, &older, 5);
    net.include(&ours);
    let expected = included(&net, true);
    net.include(&net.pay(&older, &wallet, 1));
    net.include(&net.pay(&wallet, &older, 1));
    assert!(net.sequence(&older) < ours.sought.sequence);
    let proxy = net.proxy().await;
    proxy.break_at(BY_HASH, Fault::Elsewhere(behind.url.clone()));
    let horizon = client(&[proxy.url()]);
    assert_eq!(outcome(&horizon, &ours).await, expected);
}

#[tokio::test]
async fn a_transaction_in_a_fee_bump_is_found_by_its_own_hash() {
    let net = Net::start().await;
    let (alice, bob, carol) = (net.friend(1), net.friend(2), net.friend(3));
    let horizon = client(std::slice::from_ref(&net.url));
    let ours = net.pay(&alice, &bob, 5);
    let bump =
        treasury_protocol::stellar::fee_bump(&ours.envelope, super::PASSPHRASE, carol.key, 400);
    let bump = bump.expect("a fee bump");
    let signature = carol.secret.sign(&bump.hash()).into();
    let envelope = bump.envelope(&signature).expect("signed");
    let submission = horizon.submit(&envelope).await.expect("an envelope");
    assert!(super::succeeded(&submission), "{submission:?}");
    let expected = Outcome::Included {
        ledger: net.sandbox.ledger().sequence(),
        succeeded: true,
        // Somebody else's.
        fee_stroops: 0,
    };
    assert_eq!(outcome(&horizon, &ours).await, expected);
    let paid = horizon.fees(&carol.key, 0, 10).await.expect("an answer");
    assert_eq!(paid.items[0].fee_stroops, 200);
    assert!(
        horizon
            .fees(&alice.key, 0, 10)
            .await
            .expect("an answer")
            .items
            .is_empty()
    );
    // Submitted without the bump, it is found to be in a ledger already.
    let again = horizon.submit(&ours.envelope).await.expect("an envelope");
    assert!(super::succeeded(&again), "{again:?}");
}

#[tokio::test]
async fn what_offers_too_little_waits_until_another_account_pays_more() {
    let net = Net::start().await;
    let (alice, bob, carol) = (net.friend(1), net.friend(2), net.friend(3));
    let horizon = client(std::slice::from_ref(&net.url));
    let ours = net.pay(&alice, &bob, 5);
    net.sandbox.ask_fee(900);
    let stats = horizon.fee_stats().await.expect("an answer");
    assert_eq!(
        (stats.base_fee_stroops, stats.charged_p95_stroops),
        (100, 900)
    );
    let refused = horizon.submit(&ours.envelope).await.expect("an envelope");
    let Submission::Refused { codes } = &refused else {
        panic!("{refused:?}");
    };
    assert_eq!(codes.transaction, "tx_insufficient_fee");
    assert_eq!(outcome(&horizon, &ours).await, Outcome::Pending);
    let bumped = |fee_stroops: i64| {
        let bump = treasury_protocol::stellar::fee_bump(
            &ours.envelope,
            super::PASSPHRASE,
            carol.key,
            fee_stroops,
        );
        let bump = bump.expect("a fee bump");
        let signature = carol.secret.sign(&bump.hash()).into();
        bump.envelope(&signature).expect("signed")
    };
    // One that offers too little itself is refused the same way, and leaves the way free for a better one.
    let low = horizon.submit(&bumped(1_000)).await.expect("an envelope");
    let Submission::Refused { codes } = &low else {
        panic!("{low:?}");
    };
    assert_eq!(codes.transaction, "tx_insufficient_fee");
    let (before, ours_before) = (net.stroops(&carol), net.stroops(&alice));
    // Whoever sends the plain one at the same time as another sends the bump does no harm.
    let high = bumped(5_000);
    let (submission, plain) = tokio::join!(horizon.submit(&high), horizon.submit(&ours.envelope));
    let Submission::Included { fee_stroops, .. } = submission.expect("an envelope") else {
        panic!("it is not included");
    };
    assert_eq!(fee_stroops, 1_800);
    plain.expect("an envelope");
    assert_eq!(net.stroops(&carol), before - 1_800);
    assert_eq!(net.stroops(&alice), ours_before - 5 * super::WHOLE);
    let expected = Outcome::Included {
        ledger: net.sandbox.ledger().sequence(),
        succeeded: true,
        fee_stroops: 0,
    };
    assert_eq!(outcome(&horizon, &ours).await, expected);
    // A second bump comes too late, and says by the number why.
    let late = horizon.submit(&bumped(6_000)).await.expect("an envelope");
    let Submission::Refused { codes } = &late else {
        panic!("{late:?}");
    };
    assert_eq!(
        codes.to_string(),
        "tx_fee_bump_inner_failed, inside it tx_bad_seq"
    );
}

#[tokio::test]
async fn an_account_that_is_not_there_ends_with_the_time() {
    let net = Net::start().await;
    let (bob, nobody) = (net.friend(2), Person::new(9));
    let horizon = client(std::slice::from_ref(&net.url));
    let transaction = nobody.transaction(1, vec![payment(&bob, 5)]);
    assert_eq!(outcome(&horizon, &transaction).await, Outcome::Pending);
    net.close_at(MAX_S + 1);
    assert_eq!(outcome(&horizon, &transaction).await, Outcome::Expired);
    // Here a lookup by the hash decides, and a proxy that knows no such path must not.
    let proxy = net.proxy().await;
    proxy.break_at(BY_HASH, Fault::Answer(404));
    let answer = client(&[proxy.url()]).outcome(&transaction.sought).await;
    assert!(
        matches!(answer, Err(HorizonError::NoAnswer { .. })),
        "{answer:?}"
    );
}

/// One address behind which a server that is up to date and one that lags behind answer by turns. The lagging one was forked off before
/// the transaction was included.
async fn by_turns(lagging: &[&str]) -> (Net, Net, Proxy, Transaction) {
    let net = Net::start().await;
    let (alice, bob) = (net.friend(1), net.friend(2));
    let behind = net.fork().await;
    let transaction = net.pay(&alice, &bob, 5);
    net.include(&transaction);
    let proxy = net.proxy().await;
    for beginning in lagging {
        proxy.break_at(beginning, Fault::Elsewhere(behind.url.clone()));
    }
    (net, behind, proxy, transaction)
}

const ACCOUNT: &str = "GET /accounts/";
const BY_HASH: &str = "GET /transactions/";

fn listing(proxy: &Proxy, fault: Fault) {
    let is_listing = |asked: &crate::proxy::Asked| asked.path.contains("/transactions?");
    proxy.break_when(is_listing, fault);
}

#[tokio::test]
async fn an_included_transaction_is_never_dead_whichever_of_two_servers_answers() {
    // Who lags in what, and whether that is enough to see that it is included.
    for (lagging, sees) in [
        (&[][..], true),
        (&[BY_HASH][..], true),
        (&[ACCOUNT][..], false),
        (&["GET /"][..], false),
        (&[BY_HASH, ACCOUNT][..], false),
    ] {
        let (net, _behind, proxy, transaction) = by_turns(lagging).await;
        let horizon = client(&[proxy.url()]);
        let seen = included(&net, true);
        let expected = if sees { seen } else { Outcome::Pending };
        assert_eq!(
            outcome(&horizon, &transaction).await,
            expected,
            "{lagging:?}"
        );
        // The time runs out on the server that is up to date. The lagging one still shows the account as it was.
        net.close_at(MAX_S + 1);
        let expected = match lagging {
            [] | [BY_HASH] => seen,
            _ => Outcome::Pending,
        };
        assert_eq!(
            outcome(&horizon, &transaction).await,
            expected,
            "{lagging:?} later"
        );
    }
}

#[tokio::test]
async fn a_list_that_is_older_than_the_account_proves_nothing() {
    let (_net, behind, proxy, transaction) = by_turns(&[BY_HASH]).await;
    listing(&proxy, Fault::Elsewhere(behind.url.clone()));
    let horizon = client(&[proxy.url()]);
    assert_eq!(outcome(&horizon, &transaction).await, Outcome::Pending);
    // As soon as the list is up to date it decides, even if the hash is still not found.
    proxy.mend();
    proxy.break_at(BY_HASH, Fault::Elsewhere(behind.url.clone()));
    let seen = outcome(&horizon, &transaction).await;
    assert!(matches!(seen, Outcome::Included { .. }), "{seen:?}");
}

#[tokio::test]
async fn a_second_page_from_a_server_that_lags_hides_nothing() {
    let (net, behind, proxy, transaction) = by_turns(&[BY_HASH]).await;
    let (alice, bob) = (Person::new(1), Person::new(2));
    // More than a page of other transactions on top of it.
    for _ in 0..201 {
        net.include(&net.pay(&alice, &bob, 1));
    }
    let horizon = client(&[proxy.url()]);
    let seen = outcome(&horizon, &transaction).await;
    assert!(matches!(seen, Outcome::Included { .. }), "{seen:?}");
    // The first page begins at the end of the last ledger that the account was used in; the second somewhere else.
    let end = (u64::from(net.sandbox.ledger().sequence()) + 1) << 32;
    let is_second = move |asked: &crate::proxy::Asked| {
        asked.path.contains("/transactions?") && !asked.path.contains(&format!("cursor={end}&"))
    };
    proxy.break_when(is_second, Fault::Elsewhere(behind.url.clone()));
    assert_eq!(outcome(&horizon, &transaction).await, Outcome::Pending);
}

#[tokio::test]
async fn an_answer_without_its_ledger_is_none() {
    let net = Net::start().await;
    let (alice, bob) = (net.friend(1), net.friend(2));
    let proxy = net.proxy().await;
    proxy.break_at(ACCOUNT, Fault::Answer(404));
    let horizon = client(&[proxy.url()]);
    let transaction = net.pay(&alice, &bob, 5);
    // A proxy's own 404 is not Horizon's word that there is no such account.
    let answer = horizon.outcome(&transaction.sought).await;
    assert!(
        matches!(answer, Err(HorizonError::NoAnswer { .. })),
        "{answer:?}"
    );
    // Nor may another transaction or account stand in for the one that was asked for.
    proxy.mend();
    net.include(&transaction);
    let other = net.pay(&alice, &bob, 6);
    net.include(&other);
    let hash = hex::encode(other.sought.hash);
    let url = net.url.clone();
    let body = reqwest::get(format!("{url}/transactions/{hash}")).await;
    let record: serde_json::Value =
        serde_json::from_slice(&body.expect("an answer").bytes().await.expect("a body"))
            .expect("JSON");
    let stand_in = lie(move |_, status, body| {
        *body = record.clone();
        status
    });
    proxy.break_at(BY_HASH, stand_in);
    let answer = horizon.outcome(&transaction.sought).await;
    let text = answer.expect_err("nobody answers").to_string();
    assert!(text.contains("another transaction was asked for"), "{text}");
}
