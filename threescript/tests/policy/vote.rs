use crate::support::*;
use expect_test::expect;
use threescript::action::{Action, Mark};
use threescript::engine::*;
use threescript::value::*;

#[test]
fn the_vote_policy_decides_as_a_circle_expects() {
    big(|| {
        let policy = compiled(include_str!("vote.3script"));
        let script = |name: &str| {
            Value::Script(vec![Action {
                mark: Mark::Act,
                actor: "circle".into(),
                name: name.into(),
                params: vec![],
            }])
        };
        let mut host = Memory::new();
        let mut log = String::new();
        let mut step = |who: &str, entry: Entry, args: &[(&str, Value)]| {
            host.caller = match who {
                "circle" => Caller::circle(),
                "carol" => Caller {
                    account: who.into(),
                    roles: vec![],
                },
                _ => Caller {
                    account: who.into(),
                    roles: vec!["guardian".into()],
                },
            };
            let args = args
                .iter()
                .map(|(name, value)| (name.to_string(), value.clone()))
                .collect();
            let saved = host.clone();
            let (after, result) = policy.run(entry, args, host.clone());
            host = if result.is_ok() { after } else { saved };
            if let Entry::Every(_) = entry {
                host.block.time += 8 * 86_400;
            }
            log += &format!("{who}: {}\n", outcome(&result));
        };
        let title = |text: &str| ("title", Value::Text(text.into()));
        let vote = |proposal: u64, choice: &str| {
            [
                ("proposal", Value::Id(proposal)),
                ("choice", Value::Text(choice.into())),
            ]
        };
        step(
            "alice",
            Entry::Action("propose"),
            &[title("bench dave"), ("script", script("bench"))],
        );
        step(
            "bob",
            Entry::Action("propose"),
            &[
                title("nothing"),
                ("script", script("x")),
                ("closes", Value::Duration(60)),
            ],
        );
        step("carol", Entry::Action("cast"), &vote(1, "yes"));
        step("alice", Entry::Action("cast"), &vote(1, "maybe"));
        step("alice", Entry::Action("cast"), &vote(1, "no"));
        step("alice", Entry::Action("cast"), &vote(1, "yes"));
        step("bob", Entry::Action("cast"), &vote(1, "yes"));
        step("alice", Entry::Action("cast"), &vote(9, "yes"));
        step(
            "carol",
            Entry::Ask("standing"),
            &[("proposal", Value::Id(1))],
        );
        step("circle", Entry::Every("tally"), &[]);
        step("alice", Entry::Action("cast"), &vote(1, "no"));
        step("circle", Entry::Every("tally"), &[]);
        step("circle", Entry::Every("tally"), &[]);
        log += &format!("{:?}\n", host.calls);
        expect![[r#"
            alice: #1; event proposed {proposal: #1, title: "bench dave"}
            bob: test.3script:37:5: a vote stays open for at least an hour [require]
            carol: test.3script: vote.cast is not for carol, only for a guardian [not_allowed]; let one of them do it
            alice: test.3script: `choice` of vote.cast: "maybe" is not one of yes, no, abstain [type]
            alice: (); event cast {choice: "no", proposal: #1, voter: @alice}
            alice: (); event cast {choice: "yes", proposal: #1, voter: @alice}
            bob: (); event cast {choice: "yes", proposal: #1, voter: @bob}
            alice: test.3script:52:25: the table `proposals` has no row with this key [row_not_found]; use find(…), which returns () for a missing row
            carol: {abstain: 0, closes: 2024-02-08 00:00:00, no: 0, status: "open", title: "bench dave", yes: 2}
            circle: ()
            alice: test.3script:53:5: this vote is closed [vote.closed]
            circle: (); event closed {no: 0, passed: true, proposal: #1, yes: 2}
            circle: ()
            ["circle.guardians[]", "circle.enact[Script([Action { mark: Act, actor: \"circle\", name: \"bench\", params: [] }])]"]
        "#]]
        .assert_eq(&log);
    });
}
