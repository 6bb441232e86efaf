//! Random policies come to the same state each time, whoever executes them.

use guardian_tests::random::execute;

#[test]
fn random_policies_lead_to_one_state_and_mostly_succeed() {
    let once = execute(5, 600, 1);
    assert_eq!(execute(5, 600, 2), once);
    assert_ne!(execute(6, 600, 1).root, once.root);
    assert_eq!(once.count(), 600);
    assert!(once.codes["ok"] > 200, "{:?}", once.codes);
    // What the writer writes is typed, so only what the values are can be refused.
    assert!(!once.codes.contains_key("type"), "{:?}", once.codes);
}
