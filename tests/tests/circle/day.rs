//! A day in a circle: IOUs in, a signed payout out, and everything that may get in between.

use circle::treasury::PayoutState;
use guardian_tests::{Simulation, rejected, tft};

fn day(seed: u64) -> Simulation {
    let mut circle = Simulation::new(9, seed, None);
    circle.make_key();
    circle.deposit("alice", 700);
    circle.deposit("bob", 50);
    let batch = [
        circle.iou("farm1", "alice", 0, 300),
        circle.iou("farm2", "alice", 1, 300),
        circle.iou("farm1", "alice", 2, 300),
        circle.iou("farm1", "alice", 3, 10),
        circle.iou("farm2", "bob", 0, 50),
    ];
    let receipt = circle.submit(&batch);
    assert!(receipt.is_ok(), "{receipt:?}");
    assert_eq!(rejected(&receipt), Vec::<String>::new());
    circle.wait(guardian_tests::DAY_MS / 2);
    let receipt = circle.roll_up();
    assert!(receipt.is_ok(), "{receipt:?}");
    circle
}

#[test]
fn a_day_ends_with_a_signed_payout() {
    let circle = day(1);
    for guardian in 0..9 {
        let payouts = circle.payouts(guardian);
        let lines: Vec<String> = payouts
            .iter()
            .flat_map(|payout| &payout.lines)
            .map(|line| format!("{} {}", line.account, line.amount.units))
            .collect();
        // Alice's third IOU is not covered, so the fourth, younger and smaller, waits behind it.
        assert_eq!(lines, ["farm1 300", "farm2 350"]);
        assert!(
            payouts
                .iter()
                .all(|payout| payout.state == PayoutState::Signed)
        );
        assert!(payouts.iter().all(|payout| payout.envelope().is_some()));
    }
    let owed = circle::iou::owed(&circle.guardians[0].state()).unwrap();
    assert_eq!(owed.len(), 1);
    assert_eq!(
        (
            owed[0].consumer.as_str(),
            owed[0].farmer.as_str(),
            owed[0].amount
        ),
        ("alice", "farm1", 310)
    );
    assert_eq!(
        circle::ledger::observed(&circle.guardians[0].state(), &tft()).unwrap(),
        750
    );
}

#[test]
fn the_same_day_played_twice_gives_the_same_state_root() {
    let roots = [day(1), day(1)].map(|circle| {
        circle
            .guardians
            .iter()
            .map(|guardian| guardian.head())
            .collect::<Vec<_>>()
    });
    assert_eq!(roots[0], roots[1]);
    assert!(roots[0].iter().all(|head| *head == roots[0][0]));
    assert_ne!(
        day(2).guardians[0].head().state_root,
        roots[0][0].state_root
    );
}
