//! How long the state machines of a circle of 33 or 99 take for a day, without network: `large_circle [GUARDIANS] [IOUS]`.

use std::time::Instant;

use guardian_tests::{DAY_MS, Simulation};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let guardians: u8 = arguments
        .next()
        .map_or(99, |text| text.parse().expect("a number of guardians"));
    let ious: u32 = arguments
        .next()
        .map_or(60, |text| text.parse().expect("a number of IOUs"));
    let started = Instant::now();
    let said = |what: &str, circle: &Simulation| {
        println!(
            "{:>8.2?}  height {:>3}  {what}",
            started.elapsed(),
            circle.guardians[0].head().height
        );
    };
    let mut circle = Simulation::new(guardians, 1, None);
    said("genesis", &circle);
    circle.make_key();
    said("key", &circle);
    circle.deposit("alice", i64::MAX / 2);
    said("deposit", &circle);
    let batch: Vec<_> = (0..ious)
        .map(|hour| {
            circle.iou(
                &format!("farm{}", hour % 9),
                "alice",
                hour % 6,
                100 + i64::from(hour / 6),
            )
        })
        .collect();
    said("accounts and IOUs", &circle);
    for batch in batch.chunks(1000) {
        circle.submit(batch);
    }
    said("submitted", &circle);
    circle.wait(DAY_MS);
    circle.roll_up();
    said("signed", &circle);
    assert!(
        circle
            .payouts(0)
            .iter()
            .all(|payout| payout.proof.is_some())
    );
}
