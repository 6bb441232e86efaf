//! Attacks end as they have to, and a block of them is bounded as well.

use circle::session::BLOCK_OPERATIONS_MAX;
use guardian_tests::hostile::{corpus, run};
use guardian_tests::{Simulation, act};
use threescript::engine::Limits;

#[test]
fn every_attack_ends_with_its_code() {
    let attacks = corpus();
    assert!(attacks.len() >= 100, "{}", attacks.len());
    let differences: Vec<String> = attacks
        .iter()
        .filter_map(|attack| {
            let ending = run(attack, || ());
            let message = format!(
                "{} ends with {ending}, not with {}",
                attack.name, attack.ends
            );
            (ending != attack.ends).then_some(message)
        })
        .collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// What one transaction may use, many could use many times over.
#[test]
fn a_block_refuses_what_comes_after_too_much_work_but_takes_what_guardians_owe() {
    let loops =
        "policy loops version 1\naction x() by anyone { loop {} }\naction y() by anyone {}\n";
    let mut circle = Simulation::with_policies(9, 1, None, vec![loops.into()]);
    let genesis = circle.genesis.clone();
    let fitting = BLOCK_OPERATIONS_MAX / Limits::default().operations;
    let mut transactions = Vec::new();
    for _ in 0..fitting + 2 {
        let action = act("loops", "x", vec![]);
        transactions.push(
            circle.guardians[0]
                .transaction(&genesis, vec![action])
                .encode(),
        );
    }
    let cheap = act("loops", "y", vec![]);
    transactions.push(
        circle.guardians[1]
            .transaction(&genesis, vec![cheap])
            .encode(),
    );
    let owed = circle.guardians[2].duties(&genesis);
    let owes = owed.len();
    transactions.extend(owed);
    circle.block(transactions);
    let codes: Vec<String> = circle
        .receipts
        .last()
        .unwrap()
        .iter()
        .map(|receipt| receipt.code.clone())
        .collect();
    let (heavy, rest) = codes.split_at(fitting as usize);
    assert!(
        heavy.iter().all(|code| code == "limit.operations"),
        "{codes:?}"
    );
    let (refused, kernel) = rest.split_at(3);
    assert!(
        refused.iter().all(|code| code == "block.operations"),
        "{codes:?}"
    );
    assert!(
        kernel.len() == owes && kernel.iter().all(|code| code == "ok"),
        "{codes:?}"
    );
}
