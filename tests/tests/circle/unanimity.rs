//! What is acted upon, and what is not, when guardians are silent or conclude otherwise.

use circle::duties::{Agreement, agreement};
use circle::gate::{self, divergences};
use circle::outbox;
use circle::treasury::PayoutState;
use guardian_tests::{DAY_MS, Simulation, act};
use threescript::value::Value;

/// A circle with a key, money and one admitted IOU, before the roll-up.
fn before_roll_up(faulty: Option<(u32, &str)>) -> Simulation {
    let mut circle = Simulation::new(9, 7, faulty);
    circle.make_key();
    circle.deposit("alice", 500);
    let iou = circle.iou("farm1", "alice", 0, 500);
    assert!(circle.submit(&[iou]).is_ok());
    circle.wait(DAY_MS / 2);
    circle
}

fn states(circle: &Simulation, guardian: usize) -> Vec<PayoutState> {
    circle
        .payouts(guardian)
        .iter()
        .map(|payout| payout.state)
        .collect()
}

fn bench(name: &str) -> threescript::action::Action {
    act(
        "circle",
        "bench",
        vec![("guardian", Value::Account(name.into()))],
    )
}

#[test]
fn two_silent_guardians_hold_effects_until_they_speak() {
    let mut circle = before_roll_up(None);
    circle.guardians[7].running = false;
    circle.guardians[8].running = false;
    assert!(circle.roll_up().is_ok());
    let gate = gate::gate(&circle.guardians[0].state()).unwrap();
    let (planned, newest) = (
        circle.payouts(0)[0].height,
        circle.guardians[0].head().height,
    );
    assert!(
        gate.certified_height >= planned,
        "seven of nine certify: {gate:?} at {newest}"
    );
    assert!(gate.unanimous_height < planned);
    assert_eq!(states(&circle, 0), [PayoutState::Planned]);
    assert_eq!(outbox::held(&circle.guardians[0].state()).unwrap().len(), 1);

    circle.guardians[7].running = true;
    circle.guardians[8].running = true;
    circle.block(Vec::new());
    circle.settle();
    assert_eq!(states(&circle, 8), [PayoutState::Signed]);
    assert!(
        outbox::held(&circle.guardians[0].state())
            .unwrap()
            .is_empty()
    );
}

#[test]
fn benching_needs_the_circle_and_never_goes_below_the_quorum() {
    let mut circle = before_roll_up(None);
    for silent in 6..9 {
        circle.guardians[silent].running = silent == 6;
    }
    assert!(circle.roll_up().is_ok());
    assert_eq!(
        circle.act(0, vec![bench("guardian8")]).code,
        "authority.circle"
    );
    for (name, expected) in [
        ("guardian8", "ok"),
        ("guardian8", "bench.already"),
        ("nobody", "account.unknown"),
        ("alice", "bench.guardian"),
        ("guardian9", "ok"),
        ("guardian7", "bench.quorum"),
    ] {
        assert_eq!(
            circle.act_as_circle(vec![bench(name)]).code,
            expected,
            "{name}"
        );
    }
    assert_eq!(
        states(&circle, 0),
        [PayoutState::Signed],
        "seven active guardians are unanimous, and enough to sign"
    );

    circle.guardians[8].running = true;
    circle.block(Vec::new());
    circle.settle();
    let standing = gate::standing(&circle.guardians[0].state(), 8).unwrap();
    assert!(
        !standing.benched,
        "who catches up and attests is back: {standing:?}"
    );
}

#[test]
fn nothing_is_paid_when_one_guardian_concludes_otherwise() {
    let mut circle = before_roll_up(Some((4, "iou.roll_up")));
    let receipt = circle.roll_up();
    assert!(receipt.is_ok());
    let height = circle.payouts(0)[0].height;
    for guardian in [0, 3, 8] {
        assert_eq!(
            states(&circle, guardian),
            [PayoutState::Planned],
            "guardian {guardian}"
        );
        let found = divergences(&circle.guardians[guardian].state()).unwrap();
        assert_eq!(found.len(), 1, "guardian {guardian}: {found:?}");
        assert_eq!(
            (found[0].guardian, found[0].height, found[0].index),
            (4, height, Some(0))
        );
        assert_ne!(found[0].ours, found[0].theirs);
        assert_eq!(
            agreement(&circle.guardians[guardian].view()).unwrap(),
            Agreement::Contradicted
        );
    }
    let own = agreement(&circle.guardians[4].view()).unwrap();
    assert_eq!(own, Agreement::Minority { height });
    let seen = divergences(&circle.guardians[4].state()).unwrap();
    assert_eq!(
        seen.iter()
            .map(|one| (one.guardian, one.height, one.index))
            .collect::<Vec<_>>(),
        [(0, height, Some(0))]
    );

    // Everything else goes on: ordering, executing, certifying.
    let certified = gate::gate(&circle.guardians[0].state())
        .unwrap()
        .certified_height;
    circle.deposit("bob", 5);
    assert!(
        gate::gate(&circle.guardians[0].state())
            .unwrap()
            .certified_height
            > certified
    );
    assert_eq!(states(&circle, 0), [PayoutState::Planned]);
}

#[test]
fn a_guardian_who_mends_its_node_releases_what_was_held() {
    let mut circle = before_roll_up(Some((4, "iou.roll_up")));
    circle.roll_up();
    circle.rebuild(4);
    circle.settle();
    assert_eq!(states(&circle, 0), [PayoutState::Signed]);
    assert!(
        divergences(&circle.guardians[0].state())
            .unwrap()
            .is_empty()
    );
    assert_eq!(circle.guardians[4].head(), circle.guardians[0].head());
}

#[test]
fn a_benched_dissenter_does_not_hold_up_the_others() {
    let mut circle = before_roll_up(Some((4, "iou.roll_up")));
    circle.roll_up();
    assert!(circle.act_as_circle(vec![bench("guardian5")]).is_ok());
    assert_eq!(states(&circle, 0), [PayoutState::Signed]);
}
