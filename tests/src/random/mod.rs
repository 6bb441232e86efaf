//! Random policies, executed at random: whatever they do, every build must come to the same state.
//!
//! A policy is written by [`writer`] from a seed, in the whole breadth of the language; a circle starts with a dozen of them and executes
//! blocks of random transactions. Most succeed, many are refused; both count.

mod writer;

use std::collections::BTreeMap;

use circle::digest::{Hash, digest};
use circle::machine::STACK_BYTES;
use circle::natives;
use circle::policies::{Language, compile};
use circle::receipt::Source;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use threescript::action::{Action, Type};
use threescript::engine::Limits;
use threescript::policy::{EntryKind, Policy};
use threescript::value::{Amount, Decimal, Value};

use crate::{Simulation, act, tft};
pub use writer::policy;

/// How many policies a circle has.
const POLICIES: usize = 12;
/// How many executions a circle lives for, and how many share a block.
const PER_CIRCLE: u64 = 10_000;
const PER_BLOCK: u64 = 250;
/// What every escrow holds at first, in minor units.
const ESCROW: i64 = 1_000_000_000;

/// What became of many executions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Executions {
    /// Of the last checkpoints of all circles: they commit to every state, outcome and block before them.
    pub root: Hash,
    /// How often an execution ended with this code.
    pub codes: BTreeMap<String, u64>,
}

impl Executions {
    /// How many there were.
    pub fn count(&self) -> u64 {
        self.codes.values().sum()
    }

    /// Adds those of the circles that follow.
    pub fn add(&mut self, next: &Self) {
        self.root = digest("random/executions", &(self.root, next.root));
        for (code, count) in &next.codes {
            *self.codes.entry(code.clone()).or_default() += count;
        }
    }
}

/// Executes `count` actions of random policies on so many threads. The circles follow from `seed`; the threads change nothing.
pub fn execute(seed: u64, count: u64, threads: u64) -> Executions {
    let circles = count.div_ceil(PER_CIRCLE);
    let life = |number: u64| {
        let wanted = PER_CIRCLE.min(count - number * PER_CIRCLE);
        circle(seed.wrapping_mul(1_000_003).wrapping_add(number), wanted)
    };
    let mut done: Vec<(u64, Executions)> = std::thread::scope(|scope| {
        let work = |thread: u64| {
            move || {
                (thread..circles)
                    .step_by(threads.max(1) as usize)
                    .map(|number| (number, life(number)))
                    .collect::<Vec<_>>()
            }
        };
        let workers: Vec<_> = (0..threads.max(1))
            .map(|thread| {
                std::thread::Builder::new()
                    .stack_size(STACK_BYTES)
                    .spawn_scoped(scope, work(thread))
                    .expect("there is memory for a stack")
            })
            .collect();
        workers
            .into_iter()
            .flat_map(|worker| {
                worker
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect()
    });
    done.sort_by_key(|(number, _)| *number);
    let mut all = Executions::default();
    for (_, executions) in &done {
        all.add(executions);
    }
    all
}

/// One circle that lives for `wanted` executions.
fn circle(seed: u64, wanted: u64) -> Executions {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let assets = Simulation::new(9, seed, None).genesis.decimals();
    let language = Language {
        catalog: natives::catalog(&assets.expect("the simulated assets are sound")),
        limits: Limits::default(),
    };
    let mut sources = Vec::with_capacity(POLICIES);
    let mut policies: Vec<Policy> = Vec::with_capacity(POLICIES);
    while policies.len() < POLICIES {
        let number = policies.len();
        let before = number.checked_sub(1).map(|before| format!("p{before}"));
        let source = policy(&format!("p{number}"), before.as_deref(), &mut rng);
        match compile(&source, &language) {
            Ok(policy) => {
                policies.push(policy);
                sources.push(source);
            }
            // Constants happen to decide a condition; nothing else may be wrong with what is written.
            Err(fault) if is_only_unreachable(&fault.message) => {}
            Err(fault) => panic!("{}\n{source}", fault.message),
        }
    }
    let mut circle = Simulation::with_policies(9, seed, None, sources);
    circle.make_key();
    let deposits = (1..=9).map(|number| deposit(&format!("guardian{number}")));
    let receipt = circle.act_as_circle(deposits.collect());
    assert!(receipt.is_ok(), "{receipt:?}");
    // From here on one replica shows what all would compute.
    for guardian in &mut circle.guardians[1..] {
        guardian.running = false;
    }
    let mut executions = Executions::default();
    let mut done = 0;
    while done < wanted {
        let size = PER_BLOCK.min(wanted - done);
        let transactions = (0..size)
            .map(|_| {
                let guardian = rng.next_u32() as usize % circle.guardians.len();
                let action = action(&policies, &mut rng);
                let genesis = &circle.genesis;
                circle.guardians[guardian]
                    .transaction(genesis, vec![action])
                    .encode()
            })
            .collect();
        // Now and then an hour passes, so that schedules run.
        if rng.next_u32().is_multiple_of(4) {
            circle.wait(3_600_000);
        }
        executions.root = circle.block(transactions).digest();
        for receipt in circle.receipts.pop().unwrap_or_default() {
            // Schedules run beside what is counted.
            if matches!(receipt.source, Source::Transaction { .. }) {
                *executions.codes.entry(receipt.code).or_default() += 1;
            }
        }
        done += size;
    }
    executions
}

/// Whether the checker found nothing but parts that are never reached.
fn is_only_unreachable(faults: &str) -> bool {
    let mut codes = faults
        .lines()
        .filter(|line| line.starts_with("policy.3script:"))
        .peekable();
    codes.peek().is_some() && codes.all(|line| line.ends_with("[unreachable]"))
}

fn deposit(account: &str) -> Action {
    act(
        "treasury",
        "deposit",
        vec![
            ("wallet", Value::Text("main".into())),
            ("account", Value::Account(account.into())),
            ("amount", Value::Amount(Amount::new(ESCROW, tft()))),
            ("reference", Value::Text(account.into())),
        ],
    )
}

/// A random action of a random policy.
fn action(policies: &[Policy], rng: &mut ChaCha8Rng) -> Action {
    let policy = &policies[rng.next_u32() as usize % policies.len()];
    let actions: Vec<_> = policy
        .entries()
        .iter()
        .filter(|entry| entry.kind == EntryKind::Action)
        .collect();
    let entry = actions[rng.next_u32() as usize % actions.len()];
    let params = entry
        .params
        .iter()
        .map(|param| (param.name.as_str(), argument(&param.ty, rng)))
        .collect();
    act(policy.name(), &entry.name, params)
}

/// A random argument: small mostly, extreme now and then.
fn argument(ty: &Type, rng: &mut ChaCha8Rng) -> Value {
    let number = match rng.next_u32() % 8 {
        0 => 0,
        1 => i64::MAX,
        2 => i64::MIN,
        3 => -i64::from(rng.next_u32() % 100),
        _ => i64::from(rng.next_u32() % 50),
    };
    match ty {
        Type::Bool => Value::Bool(number % 2 == 0),
        Type::Decimal => Value::Decimal(
            Decimal::parse(&format!(
                "{}.{:03}",
                number % 1_000_000_000,
                rng.next_u32() % 1000
            ))
            .expect("a decimal"),
        ),
        Type::Amount => Value::Amount(Amount::new(number, tft())),
        Type::Text => Value::Text(format!("text {}", number % 7)),
        Type::Account => Value::Account(format!("guardian{}", rng.next_u32() % 9 + 1)),
        Type::Duration => Value::Duration(number % 1_000_000),
        _ => Value::Int(number),
    }
}
