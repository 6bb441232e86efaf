//! Random schedules of everything that can happen to payouts. Whatever it is, each line is paid once, or not yet.

use std::collections::BTreeMap;

use circle::ledger;
use circle::treasury::{Payout, PayoutState, Purpose};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use super::Money;
use crate::simulation::{DAY_MS, tft};

const PEOPLE: [&str; 4] = ["ann", "bob", "cy", "dee"];

/// What a schedule led to, for people who compare runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Payouts by what became of them.
    pub states: BTreeMap<&'static str, usize>,
    /// How often the wallet got another key.
    pub rotations: usize,
    /// The state root at the end.
    pub state_root: [u8; 32],
}

/// Plays `steps` random events from a seed, lets everything come to rest, and checks where the money is.
///
/// # Panics
/// If a line was paid twice or lost, or books and chain disagree.
pub fn play(seed: u64, steps: u32) -> Tally {
    play_with(Money::new(seed, 1_000_000), seed, steps)
}

/// The same with a circle whose wallet is there.
///
/// # Panics
/// As [`play`].
pub fn play_with(mut money: Money, seed: u64, steps: u32) -> Tally {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    for (index, name) in PEOPLE.iter().enumerate() {
        money.person(name, index % 2 == 0);
    }
    let mut planned: BTreeMap<&str, i64> = BTreeMap::new();
    for _ in 0..steps {
        step(&mut money, &mut rng, &mut planned);
    }
    for guardian in &mut money.circle.guardians {
        guardian.running = true;
    }
    money.circle.block(Vec::new());
    money.run();
    for name in PEOPLE {
        check(&money, name, planned.get(name).copied().unwrap_or(0), seed);
    }
    assert_eq!(
        money.wallet().paused,
        None,
        "seed {seed}: chain and books agree"
    );
    money.check_signers();
    let open = money
        .payouts()
        .iter()
        .filter(|payout| !payout.state.is_final())
        .count();
    assert_eq!(open, 0, "seed {seed}: everything ended");
    let mut tally = Tally {
        state_root: money.circle.guardians[0].head().state_root,
        ..Tally::default()
    };
    for payout in money.payouts() {
        *tally.states.entry(payout.state.name()).or_default() += 1;
        let rotated = matches!(payout.purpose, Purpose::Signers(_));
        tally.rotations += usize::from(rotated && payout.state == PayoutState::Settled);
    }
    tally
}

/// What was planned for a person is on its account, waits to be claimed, or is payable again: all of it, once.
fn check(money: &Money, name: &str, planned: i64, seed: u64) {
    let payable = format!("payable:{name}");
    let rows = money.circle.guardians[0].state();
    let payable = ledger::balance(&rows, &payable, &tft()).expect("memory does not fail");
    let (held, waiting) = (money.holds(name), money.claimable_by(name));
    assert_eq!(
        held + waiting + payable,
        planned,
        "seed {seed}: {name} holds {held}, may claim {waiting}, is owed {payable}"
    );
}

fn step(money: &mut Money, rng: &mut ChaCha20Rng, planned: &mut BTreeMap<&str, i64>) {
    let pick = rng.next_u32() as usize;
    match rng.next_u32() % 17 {
        0..=3 => {
            let units = 1 + i64::from(rng.next_u32() % 500);
            let to: Vec<&str> = PEOPLE
                .into_iter()
                .filter(|_| rng.next_u32().is_multiple_of(2))
                .collect();
            if !to.is_empty() && money.pay(&to, units) {
                for name in to {
                    *planned.entry(name).or_default() += units;
                }
            }
        }
        // At most two are away: seven of nine order, sign and see.
        4 => {
            let guardian = 7 + pick % 2;
            let running = &mut money.circle.guardians[guardian].running;
            *running = !*running;
            money.circle.block(Vec::new());
            money.circle.settle();
        }
        5 => money.circle.settle(),
        6..=7 => {
            // Some are lost on the way, and they come in any order.
            let mut payouts = money.payouts();
            let first = pick % payouts.len();
            payouts.rotate_left(first);
            for payout in payouts {
                let envelope = payout
                    .envelope()
                    .filter(|_| rng.next_u32().is_multiple_of(2));
                if let Some(envelope) = envelope {
                    money.submit(&envelope);
                }
            }
        }
        8..=9 => {
            money.watch();
        }
        10 => money.use_up_sequence(),
        11 => {
            let payouts = money.payouts();
            let payout = &payouts[pick % payouts.len()];
            let what = match payout.state {
                PayoutState::Failed => "retry",
                _ => "cancel",
            };
            money.decide(what, payout.id);
        }
        12 => money
            .circle
            .wait((1 + u64::from(rng.next_u32() % 9)) * DAY_MS),
        13 => {
            let name = PEOPLE[pick % PEOPLE.len()];
            if money.trusts(name) {
                money.claim(name);
            } else {
                money.trust(name);
            }
        }
        // Thieves of enough shares complete what was given up.
        14 => {
            let out: Vec<Payout> = money
                .payouts()
                .into_iter()
                .filter(|payout| payout.state.is_out())
                .collect();
            if let Some(payout) = out.get(pick % out.len().max(1)) {
                money.complete_outside(payout);
            }
        }
        // Refused while another change goes on, or somebody is away for long.
        15 => {
            let threshold = if pick.is_multiple_of(2) { 0 } else { 8 };
            money.rotate(threshold);
        }
        _ => money.run(),
    }
}
