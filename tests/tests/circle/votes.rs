//! The standard vote: what passes is enacted with the authority of the circle.

use guardian_tests::{DAY_MS, Simulation, act};
use threescript::value::Value;

fn cast(circle: &mut Simulation, guardian: usize, choice: &str) -> String {
    let cast = act(
        "vote",
        "cast",
        vec![
            ("proposal", Value::Id(1)),
            ("choice", Value::Text(choice.into())),
            ("reason", Value::Text(String::new())),
            ("farm", Value::Id(0)),
        ],
    );
    circle.act(guardian, vec![cast]).code
}

#[test]
fn a_passed_proposal_acts_with_the_authority_of_the_circle() {
    let mut circle = Simulation::new(9, 3, None);
    let script = vec![act(
        "circle",
        "bench",
        vec![("guardian", Value::Account("guardian9".into()))],
    )];
    let propose = act(
        "vote",
        "propose",
        vec![
            ("title", Value::Text("guardian9 is away".into())),
            ("script", Value::Script(script)),
            ("closes", Value::Duration(3600)),
        ],
    );
    assert!(circle.act(0, vec![propose]).is_ok());
    for guardian in 0..7 {
        assert_eq!(cast(&mut circle, guardian, "yes"), "ok");
    }
    let standing =
        |circle: &Simulation| circle::gate::standing(&circle.guardians[0].state(), 8).unwrap();
    assert!(!standing(&circle).benched);
    circle.wait(DAY_MS / 12);
    circle.block(Vec::new());
    assert!(standing(&circle).benched, "{:?}", circle.receipts.last());
    assert_ne!(cast(&mut circle, 7, "no"), "ok", "the vote is closed");
}
