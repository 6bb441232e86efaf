//! Plays random schedules of everything that can happen to payouts, and says what became of them: `random_payouts [COUNT] [SEED] [STEPS]
//! [THREADS]`.
//!
//! Fails where a line is paid twice or lost. Two builds of the program, or two machines, must print the same for the same numbers.

use std::collections::BTreeMap;
use std::time::Instant;

use guardian_tests::money::schedule::{Tally, play};

fn main() {
    let mut arguments = std::env::args()
        .skip(1)
        .map(|text| text.parse::<u64>().expect("a number"));
    let count = arguments.next().unwrap_or(1_000);
    let first = arguments.next().unwrap_or(1);
    let steps = arguments.next().unwrap_or(80) as u32;
    let threads = arguments.next().unwrap_or(4);
    let started = Instant::now();
    let tallies = std::thread::scope(|scope| {
        let part = |thread: u64| {
            move || -> Vec<(u64, Tally)> {
                let seeds = (first..first + count).filter(|seed| seed % threads == thread);
                seeds.map(|seed| (seed, play(seed, steps))).collect()
            }
        };
        let running: Vec<_> = (0..threads)
            .map(|thread| scope.spawn(part(thread)))
            .collect();
        let mut tallies = BTreeMap::new();
        for thread in running {
            tallies.extend(thread.join().expect("every line was paid once, or not yet"));
        }
        tallies
    });
    let mut states: BTreeMap<&str, usize> = BTreeMap::new();
    for tally in tallies.values() {
        for (state, number) in &tally.states {
            *states.entry(state).or_default() += number;
        }
    }
    for (state, number) in &states {
        println!("{number:>9}  {state}");
    }
    let rotations: usize = tallies.values().map(|tally| tally.rotations).sum();
    println!("{rotations:>9}  keys replaced");
    println!("{:>9}  schedules", tallies.len());
    let roots: Vec<[u8; 32]> = tallies.values().map(|tally| tally.state_root).collect();
    println!(
        "state {}",
        hex::encode(circle::digest::digest("schedules", &roots))
    );
    eprintln!("{:.1?}", started.elapsed());
}
