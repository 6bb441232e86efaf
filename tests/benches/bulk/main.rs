//! Bulk work through policies, against the same work in plain Rust on the same store, in one run.
//!
//! ```text
//! cargo bench -p guardian-tests --bench bulk [-- [billing] [roll_up] [--json]]
//! ```
//! Each side begins with the same committed rows in memory and ends with its writes pending over them; what comes after
//! (the tree, the disk) is the same for both. Setting up is not measured. The sides take turns, and the fastest turn of
//! each counts, so that other work on the machine disturbs neither. What to hold is a ratio of 3; measured on 4 busy cores:
//! billing 2.8 (26 ms against 9 ms; 1.2 ms on structs in memory), the roll-up 1.4 (419 ms against 288 ms).

mod billing;
mod roll_up;

use std::time::{Duration, Instant};

use circle::state::{KeyValue, Memory, Overlay};

/// How many turns each side has.
const TURNS: usize = 21;

/// What was measured of one piece of work.
pub struct Measured {
    what: String,
    /// Through the policy, in plain Rust on the store, and in plain Rust on structs in memory.
    policy: Duration,
    plain: Duration,
    in_memory: Option<Duration>,
    operations: u64,
}

fn main() {
    let asked = |wanted: &str| std::env::args().any(|argument| argument == wanted);
    let json = asked("--json");
    // With a name, only that one.
    let all = !asked("billing") && !asked("roll_up");
    let (billing, roll_up) = (all || asked("billing"), all || asked("roll_up"));
    let run = move || {
        if billing {
            print(&billing::measure(10_000), json);
        }
        if roll_up {
            print(&roll_up::measure(100_000, 10_000, 100), json);
        }
    };
    // Policies run on threads with a large stack.
    let thread = std::thread::Builder::new().stack_size(circle::machine::STACK_BYTES);
    let thread = thread.spawn(run).expect("a thread starts");
    thread.join().expect("the measurement ends");
}

fn print(measured: &Measured, json: bool) {
    let Measured {
        what,
        policy,
        plain,
        in_memory,
        operations,
    } = measured;
    // In hundredths, without floats.
    let ratio = policy.as_nanos() * 100 / plain.as_nanos().max(1);
    let micros = |duration: &Duration| duration.as_micros();
    if json {
        let in_memory = in_memory.as_ref().map(micros);
        let document = serde_json::json!({
            "work": what,
            "policy_us": micros(policy) as u64,
            "plain_us": micros(plain) as u64,
            "in_memory_us": in_memory.map(|micros| micros as u64),
            "ratio_percent": ratio as u64,
            "operations": operations,
        });
        println!("{document}");
        return;
    }
    println!("{what}");
    println!(
        "  policy      {:>9} us  {operations} operations",
        micros(policy)
    );
    println!("  plain Rust  {:>9} us  on the same store", micros(plain));
    if let Some(in_memory) = in_memory {
        println!(
            "  plain Rust  {:>9} us  on structs in memory",
            micros(in_memory)
        );
    }
    println!("  ratio       {:>6}.{:02}", ratio / 100, ratio % 100);
}

/// The fastest of the turns of both sides, which alternate. Each turn returns its time and a result.
fn fastest<A, B>(
    mut policy: impl FnMut() -> (Duration, A),
    mut plain: impl FnMut() -> (Duration, B),
    mut check: impl FnMut(A, B),
) -> (Duration, Duration) {
    let mut best = (Duration::MAX, Duration::MAX);
    for _ in 0..TURNS {
        let (policy_time, policy_result) = policy();
        let (plain_time, plain_result) = plain();
        check(policy_result, plain_result);
        best = (best.0.min(policy_time), best.1.min(plain_time));
    }
    best
}

/// The time that something takes, and what it gives.
fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let result = work();
    (start.elapsed(), result)
}

/// The rows of a view with their changes made.
fn settled(rows: &dyn KeyValue) -> Memory {
    let all = rows.scan(&[], None, usize::MAX, false).expect("memory");
    let mut memory = Memory::new();
    memory.write(all.into_iter().map(|(key, value)| (key, Some(value))));
    memory
}

/// The pending rows whose keys begin with one of these.
fn written(rows: Overlay, prefixes: &[&[u8]]) -> Vec<circle::state::Change> {
    let mut changes = rows.changes();
    changes.retain(|(key, _)| prefixes.iter().any(|prefix| key.starts_with(prefix)));
    changes
}
