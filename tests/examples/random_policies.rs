//! Executes actions of random policies and says what state they lead to: `random_policies [COUNT] [SEED] [THREADS]`.
//!
//! Two builds of the program, or two machines, must print the same for the same numbers.

use std::time::Instant;

use guardian_tests::random::execute;

fn main() {
    let mut arguments = std::env::args()
        .skip(1)
        .map(|text| text.parse::<u64>().expect("a number"));
    let count = arguments.next().unwrap_or(1_000_000);
    let seed = arguments.next().unwrap_or(1);
    let threads = arguments.next().unwrap_or(4);
    let started = Instant::now();
    let executions = execute(seed, count, threads);
    for (code, number) in &executions.codes {
        println!("{number:>9}  {code}");
    }
    println!("{:>9}  executions", executions.count());
    println!("state {}", hex::encode(executions.root));
    eprintln!("{:.1?}", started.elapsed());
}
