//! How the circle decides.

use circle::envelope::{Body, Envelope};
use circle::ids::Key;
use expect_test::expect;
use guardian_tests::{Simulation, policies};

use super::{act, actions, after_hours, ask};

/// Registers an account: guardians may, and so may the circle, which has no key of its own.
const PROPOSE: &str = "!!vote.propose title:'a new service' closes:4h script:'
> !!circle.register name:billing-desk key:0707070707070707070707070707070707070707070707070707070707070707 roles:service
'";

/// A circle with one proposal and these votes: one letter per guardian, `y`, `n`, `a`, or `-` for none.
fn voted(propose: &str, votes: &str) -> Simulation {
    let mut circle = Simulation::new(9, 1, None);
    assert!(
        act(&mut circle, 0, propose).starts_with("proposed"),
        "{propose}"
    );
    for (guardian, vote) in votes.chars().enumerate() {
        let choice = match vote {
            'y' => "yes",
            'n' => "no",
            'a' => "abstain",
            _ => continue,
        };
        let cast = act(
            &mut circle,
            guardian,
            &format!("!!vote.cast proposal:1 choice:{choice}"),
        );
        assert!(cast.starts_with("cast"), "{cast}");
    }
    circle
}

/// Whether the proposed script took effect.
fn took_effect(circle: &Simulation) -> bool {
    circle::account_by_name(&circle.guardians[0].state(), "billing-desk")
        .unwrap()
        .is_some()
}

#[test]
fn more_than_half_must_vote_and_more_than_two_thirds_of_them_say_yes() {
    for (votes, expected) in [
        ("---------", "expired"),
        ("yyyy-----", "expired"),
        ("yyyyy----", "enacted"),
        ("yyyyn----", "enacted"),
        ("yyynn----", "rejected"),
        ("yyya-a---", "rejected"),
        ("yyyya----", "enacted"),
        ("yyyynn---", "rejected"),
        ("yyyyyn---", "enacted"),
        ("yyyyyynnn", "rejected"),
        ("yyyyyyynn", "enacted"),
        ("yyyyyyyyy", "enacted"),
        ("nnnnnnnnn", "rejected"),
        ("aaaaaaaaa", "rejected"),
    ] {
        let mut circle = voted(PROPOSE, votes);
        after_hours(&mut circle, 3);
        assert!(
            ask(&mut circle, "!vote.standing proposal:1").contains("status: open"),
            "{votes} is open to the end"
        );
        after_hours(&mut circle, 1);
        let standing = ask(&mut circle, "!vote.standing proposal:1");
        assert!(
            standing.contains(&format!("status: {expected}")),
            "{votes}: {standing}"
        );
        assert_eq!(took_effect(&circle), expected == "enacted", "{votes}");
    }
}

#[test]
fn a_passed_proposal_is_closed_and_enacted_by_itself() {
    let mut circle = voted(PROPOSE, "yyyyyyn--");
    expect![[r#"
        [
            "closed {abstain: 0, guardians: 9, no: 1, proposal: #1, status: passed, yes: 6}",
            "registered {account: billing-desk, roles: [service]}; enacted {proposal: #1}",
        ]
    "#]]
    .assert_debug_eq(&after_hours(&mut circle, 5));
    assert!(took_effect(&circle));
    assert_eq!(
        act(&mut circle, 0, "!!vote.enact proposal:1"),
        "vote.not_passed",
        "it is enacted once"
    );
    assert_eq!(
        act(&mut circle, 7, "!!vote.cast proposal:1 choice:no"),
        "vote.closed"
    );
}

#[test]
fn minds_may_change_while_the_vote_is_open() {
    let mut circle = voted(PROPOSE, "yyyyy----");
    expect!["cast {choice: no, guardian: guardian1, proposal: #1, reason: she is back}"].assert_eq(
        &act(
            &mut circle,
            0,
            "!!vote.cast proposal:1 choice:no reason:'she is back'",
        ),
    );
    assert_eq!(
        act(
            &mut circle,
            0,
            "!!vote.cast proposal:1 choice:no reason:'she is back'"
        ),
        "vote.repeated"
    );
    assert!(
        act(&mut circle, 0, "!!vote.cast proposal:1 choice:no").starts_with("cast"),
        "another reason is another vote"
    );
    assert!(act(&mut circle, 1, "!!vote.cast proposal:1 choice:abstain").starts_with("cast"));
    expect!["{abstain: 1, attempts: 0, closes: 2026-01-01 04:00:01, failure: , guardians: 9, no: 1, proposer: guardian1, quorum: 5, script: 1 actions, status: open, title: a new service, votes: [{cast: 2026-01-01 00:00:17, choice: no, guardian: guardian1, proposal: #1, reason: }, {cast: 2026-01-01 00:00:19, choice: abstain, guardian: guardian2, proposal: #1, reason: }, {cast: 2026-01-01 00:00:07, choice: yes, guardian: guardian3, proposal: #1, reason: }, {cast: 2026-01-01 00:00:09, choice: yes, guardian: guardian4, proposal: #1, reason: }, {cast: 2026-01-01 00:00:11, choice: yes, guardian: guardian5, proposal: #1, reason: }], would: rejected, yes: 3}"]
        .assert_eq(&ask(&mut circle, "!vote.standing proposal:1"));
}

#[test]
fn what_cannot_be_proposed_or_cast_is_refused_by_its_own_code() {
    let mut circle = voted(PROPOSE, "");
    let bench = "script:'\n> !!circle.bench guardian:guardian9\n'";
    let long = "x".repeat(201);
    for (text, expected) in [
        (
            format!("!!vote.propose title:x closes:59m {bench}"),
            "vote.closes",
        ),
        (
            format!("!!vote.propose title:x closes:31d {bench}"),
            "vote.closes",
        ),
        (format!("!!vote.propose title:'  ' {bench}"), "vote.title"),
        (format!("!!vote.propose title:{long} {bench}"), "vote.title"),
        ("!!vote.propose title:x script:''".into(), "vote.script"),
        (
            format!(
                "!!vote.cast proposal:1 choice:yes reason:'{}'",
                long.repeat(5)
            ),
            "vote.reason",
        ),
        ("!!vote.cast proposal:2 choice:yes".into(), "row_not_found"),
        ("!!vote.enact proposal:1".into(), "vote.not_passed"),
        ("!!vote.enact proposal:9".into(), "row_not_found"),
    ] {
        assert_eq!(act(&mut circle, 0, &text), expected, "{text}");
    }
    assert!(ask(&mut circle, "!vote.list most:101").contains("vote.list"));
}

#[test]
fn only_guardians_propose_and_vote() {
    let mut circle = voted(PROPOSE, "");
    let stranger = circle.account("alice");
    for text in [
        "!!vote.cast proposal:1 choice:yes",
        PROPOSE,
        "!!vote.enact proposal:1",
    ] {
        let body = Body {
            circle: circle.genesis.circle,
            sender: Key::of(&stranger),
            account_nonce: circle.blocks.len() as u64,
            expires_at_ms: u64::MAX,
            actions: actions(&circle, text),
        };
        assert_eq!(
            circle.send(Envelope::sign(body, &stranger)).code,
            "not_allowed",
            "{text}"
        );
    }
}

#[test]
fn a_script_that_fails_stays_passed_and_is_tried_again() {
    let mut circle = Simulation::new(9, 1, None);
    let source = policies()[0].replace("policy iou version 1", "policy second version 1");
    let hash = hex::encode(compiled_hash(&circle, &source));
    let propose = format!(
        "!!vote.propose title:'a second policy' closes:1h script:'\n> !!policy.activate hash:{hash} height:100000\n'"
    );
    circle = voted(&propose, "yyyyyyyyy");
    let closed = after_hours(&mut circle, 2);
    expect![[r#"
        [
            "closed {abstain: 0, guardians: 9, no: 0, proposal: #1, status: passed, yes: 9}",
            "enactment_failed",
        ]
    "#]]
    .assert_debug_eq(&vec![
        closed[0].clone(),
        closed[1].split(' ').next().unwrap().to_owned(),
    ]);
    let standing = ask(&mut circle, "!vote.standing proposal:1");
    assert!(
        standing.contains("status: passed")
            && standing.contains("[policy.unknown]")
            && standing.contains("attempts: 1"),
        "{standing}"
    );
    // It is not tried again by itself: somebody mends what stood in its way first.
    assert!(
        after_hours(&mut circle, 2)
            .iter()
            .all(|outcome| !outcome.contains("enact"))
    );

    let install = guardian_tests::act(
        "policy",
        "install",
        vec![("source", threescript::value::Value::Bytes(source.into()))],
    );
    let installed = circle.act_as_circle(vec![install]);
    assert!(installed.is_ok(), "{installed:?}");
    assert_eq!(
        act(&mut circle, 5, "!!vote.enact proposal:1"),
        "enacted {proposal: #1}"
    );
    assert!(ask(&mut circle, "!vote.list status:enacted").contains("attempts: 2"));
    assert_eq!(ask(&mut circle, "!vote.list status:passed"), "[]");
}

#[test]
fn what_nobody_can_enact_expires() {
    let propose = "!!vote.propose title:'no such policy' closes:1h script:'\n> !!policy.activate hash:00 height:100000\n'";
    let mut circle = voted(propose, "yyyyyyyyy");
    after_hours(&mut circle, 2);
    assert!(act(&mut circle, 0, "!!vote.enact proposal:1").starts_with("enactment_failed"));
    after_hours(&mut circle, 24 * 30 - 3);
    assert!(act(&mut circle, 0, "!!vote.enact proposal:1").starts_with("enactment_failed"));
    assert!(after_hours(&mut circle, 3).contains(&"expired {proposal: #1}".to_owned()));
    assert_eq!(
        act(&mut circle, 0, "!!vote.enact proposal:1"),
        "vote.not_passed"
    );
}

fn compiled_hash(circle: &Simulation, source: &str) -> [u8; 32] {
    let assets = circle.genesis.decimals().unwrap();
    let language = circle::policies::Language {
        catalog: circle::natives::catalog(&assets),
        limits: threescript::engine::Limits::default(),
    };
    circle::policies::compile(source, &language).unwrap().hash()
}
