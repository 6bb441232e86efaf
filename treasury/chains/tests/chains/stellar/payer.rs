//! A payer who only replaces what is proven dead, over lines and servers on which anything may go wrong.

use treasury_chains::stellar::{Horizon, Outcome};
use treasury_protocol::stellar::{Batch, Operation, TimeBounds};

use super::{Net, Person, Transaction, WHOLE, client, outcome, payment};
use crate::proxy::{Fault, Proxy};

/// Numbers that look random and follow from a seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// Something for the next requests; nothing that goes wrong is a lie.
fn trouble(dice: &mut Dice, proxy: &Proxy, behind: &Net) {
    proxy.mend();
    let fault = match dice.below(8) {
        0 => Fault::CutBefore,
        1 => Fault::CutAfter,
        2 => Fault::Answer(504),
        3 => Fault::AnswerAfter(504),
        4 | 5 => Fault::Elsewhere(behind.url.clone()),
        _ => return,
    };
    // An older server must not be given what a payer takes for submitted: it is read from, not written to.
    let at = match (dice.below(5), &fault) {
        (0, _) => "GET /transactions/",
        (1, _) => "GET /accounts/",
        (2, _) | (_, Fault::Elsewhere(_)) => "GET /",
        _ => "POST /",
    };
    proxy.break_at(at, fault);
}

/// The transaction of one attempt to pay, whose time is over soon.
fn attempt(net: &Net, from: &Person, to: &Person, sequence: i64, lasts_s: u64) -> Transaction {
    let now_s = net.sandbox.ledger().time();
    from.sign(&Batch {
        time_bounds: TimeBounds {
            min: 0,
            max: now_s + lasts_s,
        },
        ..from.batch(sequence, vec![payment(to, 1)])
    })
}

/// Pays `count` people one after the other, and is done with one when that payment is proven to be in a ledger. How many attempts expired,
/// and how many were passed.
async fn pay_all(seed: u64, count: u8) -> (u32, u32) {
    let mut dice = Dice(seed);
    let net = Net::start().await;
    let wallet = net.friend(1);
    let payees: Vec<Person> = (0..count).map(|number| net.friend(100 + number)).collect();
    let before: Vec<i64> = payees.iter().map(|payee| net.stroops(payee)).collect();
    let proxies = [net.proxy().await, net.proxy().await, net.proxy().await];
    let urls: Vec<String> = proxies.iter().map(Proxy::url).collect();
    let horizon: Horizon = client(&urls[..1 + dice.below(3) as usize]);
    let mut behind = net.fork().await;
    let mut sequence = net.sequence(&wallet) + 1;
    let (mut expired, mut passed) = (0, 0);
    for payee in &payees {
        let mut current = attempt(&net, &wallet, payee, sequence, 1 + dice.below(2));
        loop {
            if dice.below(3) == 0 {
                behind = net.fork().await;
            }
            for proxy in &proxies {
                trouble(&mut dice, proxy, &behind);
            }
            if dice.below(2) == 0 {
                let time_s = net.sandbox.ledger().time() + dice.below(3);
                net.close_at(time_s);
            }
            if dice.below(12) == 0 && net.sequence(&wallet) + 1 == current.sought.sequence {
                // Somebody with the key uses the number up for something else.
                let nothing = Operation::SetThresholds {
                    master: 1,
                    low: 0,
                    medium: 0,
                    high: 0,
                };
                net.include(&wallet.transaction(current.sought.sequence, vec![nothing]));
            }
            if dice.below(4) == 0 {
                horizon
                    .submit(&current.envelope)
                    .await
                    .expect("an envelope");
            }
            let known = horizon.outcome(&current.sought).await;
            match known.unwrap_or(Outcome::Pending) {
                Outcome::Pending => continue,
                Outcome::Included { succeeded, .. } => {
                    assert!(succeeded, "seed {seed}");
                    sequence = current.sought.sequence + 1;
                    break;
                }
                Outcome::Passed { .. } => {
                    passed += 1;
                    sequence = current.sought.sequence + 1;
                }
                // The number is still free.
                Outcome::Expired => expired += 1,
            }
            current = attempt(&net, &wallet, payee, sequence, 1 + dice.below(2));
        }
    }
    for (payee, before) in payees.iter().zip(before) {
        assert_eq!(net.stroops(payee) - before, WHOLE, "seed {seed}");
    }
    (expired, passed)
}

#[tokio::test]
async fn who_replaces_only_what_is_proven_dead_pays_everybody_once() {
    let (mut expired, mut passed) = (0, 0);
    for seed in 0..12 {
        let replaced = pay_all(seed, 6).await;
        expired += replaced.0;
        passed += replaced.1;
    }
    // Both kinds of proof were tried.
    assert!(
        expired > 10 && passed > 3,
        "{expired} expired, {passed} passed"
    );
}

#[tokio::test]
async fn the_proofs_are_needed() {
    // The same payer without proofs, who takes a lost answer for a "no", pays twice: the faults are real.
    let net = Net::start().await;
    let (wallet, payee) = (net.friend(1), net.friend(2));
    let before = net.stroops(&payee);
    let proxy = net.proxy().await;
    let horizon = client(&[proxy.url()]);
    proxy.break_at("POST /", Fault::CutAfter);
    proxy.break_at("GET /transactions/", Fault::CutBefore);
    for _ in 0..2 {
        let next = net.pay(&wallet, &payee, 1);
        assert_eq!(outcome(&horizon, &next).await, Outcome::Pending);
        let submission = horizon.submit(&next.envelope).await.expect("an envelope");
        assert!(!super::succeeded(&submission), "{submission:?}");
    }
    assert_eq!(net.stroops(&payee) - before, 2 * WHOLE);
}
