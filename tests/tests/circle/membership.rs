//! Guardians who come and go: decided, certified, confirmed, and in force at one height for everybody.

use circle::account_by_name;
use circle::ceremonies;
use circle::gate;
use circle::ids::Key;
use circle::membership::{self, LEAD_HEIGHTS};
use circle::roster::Roster;
use circle::treasury::{PayoutState, wallet};
use guardian_tests::{DAY_MS, Simulation, act, attest};
use threescript::action::Action;
use threescript::value::Value;
use treasury_protocol::ceremony::keygen::{Abandoned, Phase};

fn admit(circle: &Simulation, name: &str, index: usize) -> Action {
    let key = Key::of(&circle.guardians[index].secret);
    act(
        "circle",
        "admit",
        vec![
            ("name", Value::Text(name.into())),
            ("key", Value::Bytes(key.0.to_vec())),
            (
                "addresses",
                Value::List(vec![Value::Text("127.0.0.1:9709".into())]),
            ),
        ],
    )
}

fn remove(name: &str) -> Action {
    act(
        "circle",
        "remove",
        vec![("guardian", Value::Account(name.into()))],
    )
}

pub fn bench(name: &str) -> Action {
    act(
        "circle",
        "bench",
        vec![("guardian", Value::Account(name.into()))],
    )
}

fn propose(action: Action) -> Action {
    act(
        "vote",
        "propose",
        vec![
            ("title", Value::Text("members".into())),
            ("script", Value::Script(vec![action])),
            ("closes", Value::Duration(7 * 24 * 3600)),
        ],
    )
}

fn roster(circle: &Simulation, guardian: usize) -> Roster {
    membership::roster(&circle.guardians[guardian].state()).unwrap()
}

fn roles(circle: &Simulation, name: &str) -> Vec<String> {
    let account = account_by_name(&circle.guardians[0].state(), name).unwrap();
    account.expect("registered").roles
}

/// Waits until the change that is fixed is in force; gives its height.
fn in_force(circle: &mut Simulation) -> u64 {
    let state = circle.guardians[0].state();
    let fixed = membership::fixed(&state).unwrap().expect("it is confirmed");
    circle.until(fixed.effective);
    fixed.effective
}

/// Somebody becomes a guardian; gives the index.
pub fn joins(circle: &mut Simulation, name: &str) -> usize {
    let newcomer = circle.newcomer(name);
    let decided = admit(circle, name, newcomer);
    assert!(circle.act_as_circle(vec![decided]).is_ok());
    in_force(circle);
    newcomer
}

/// Somebody is a guardian no longer.
pub fn leaves(circle: &mut Simulation, name: &str) {
    assert!(circle.act_as_circle(vec![remove(name)]).is_ok());
    in_force(circle);
}

/// A circle of nine with a tenth guardian, whose node runs and attests.
fn ten() -> Simulation {
    let mut circle = Simulation::new(9, 7, None);
    joins(&mut circle, "ten");
    circle
}

#[test]
fn a_newcomer_is_a_guardian_from_a_fixed_height_on_and_active_once_it_attests() {
    let mut circle = Simulation::new(9, 7, None);
    let tenth = circle.newcomer("ten");
    circle.guardians[tenth].running = false;
    let before = roster(&circle, 0);
    let admission = admit(&circle, "ten", tenth);
    assert_eq!(
        circle.act(0, vec![admission.clone()]).code,
        "authority.circle"
    );
    assert!(circle.act_as_circle(vec![admission]).is_ok());
    assert_eq!(
        roles(&circle, "ten"),
        Vec::<String>::new(),
        "decided is not in force"
    );
    let fixed = membership::fixed(&circle.guardians[0].state())
        .unwrap()
        .expect("nine confirmed");
    circle.until(fixed.effective - 1);
    assert_eq!(
        roster(&circle, 0),
        before,
        "the block before has the old ones"
    );
    let effective = in_force(&mut circle);
    let now = roster(&circle, 0);
    assert_eq!(
        (now.epoch, now.from_height, now.count()),
        (1, effective, 10)
    );
    assert_eq!(now.index_of_name("ten"), Some(9));
    assert_eq!(now.seats()[9].addresses, ["127.0.0.1:9709"]);
    assert_eq!(roles(&circle, "ten"), ["guardian"]);
    let state = circle.guardians[0].state();
    assert_eq!(
        membership::roster_at(&state, effective - 1).unwrap(),
        before
    );
    assert_eq!(membership::roster_at(&state, effective).unwrap(), now);
    assert_eq!(
        gate::active(&state, &now).unwrap().len(),
        9,
        "nobody waits for who was never there"
    );

    circle.guardians[tenth].running = true;
    circle.block(Vec::new());
    circle.settle();
    let state = circle.guardians[0].state();
    assert_eq!(gate::active(&state, &now).unwrap().len(), 10);
    assert_eq!(circle.guardians[tenth].head(), circle.guardians[0].head());

    // From now on its silence holds what the circle would do.
    circle.guardians[tenth].running = false;
    let unanimous = |circle: &Simulation| {
        gate::gate(&circle.guardians[0].state())
            .unwrap()
            .unanimous_height
    };
    let before = unanimous(&circle);
    circle.account("bob");
    assert_eq!(unanimous(&circle), before);
    circle.guardians[tenth].running = true;
    circle.block(Vec::new());
    circle.settle();
    assert!(unanimous(&circle) > before);
}

#[test]
fn who_was_removed_is_heard_no_more() {
    let mut circle = ten();
    circle.make_key();
    assert!(circle.act_as_circle(vec![remove("guardian3")]).is_ok());
    in_force(&mut circle);
    let now = roster(&circle, 0);
    assert_eq!(
        now.indexes().collect::<Vec<_>>(),
        [0, 1, 3, 4, 5, 6, 7, 8, 9]
    );
    assert_eq!(roles(&circle, "guardian3"), Vec::<String>::new());

    let checkpoint = circle.block(Vec::new());
    let said = attest(&circle.guardians[2].secret, &checkpoint);
    assert_eq!(circle.act(2, vec![said]).code, "authority.guardian");
    let confirmed = act(
        "circle",
        "confirm",
        vec![("epoch", Value::Int(3)), ("change", Value::Bytes(vec![0]))],
    );
    assert_eq!(circle.act(2, vec![confirmed]).code, "authority.guardian");
    let signed = act(
        "ceremony",
        "sign",
        vec![("messages", Value::Bytes(vec![0; 4]))],
    );
    assert_eq!(circle.act(2, vec![signed]).code, "authority.guardian");
    let proposal = propose(remove("guardian4"));
    assert_ne!(circle.act(2, vec![proposal.clone()]).code, "ok");
    assert!(circle.act(3, vec![proposal]).is_ok());

    // Nine are unanimous without it, and enough of those who have a share sign.
    circle.deposit("alice", 500);
    let iou = circle.iou("farm1", "alice", 0, 500);
    assert!(circle.submit(&[iou]).is_ok());
    circle.wait(DAY_MS / 2);
    assert!(circle.roll_up().is_ok());
    assert_eq!(circle.payouts(0)[0].state, PayoutState::Signed);
    assert_eq!(circle.guardians[2].head(), circle.guardians[0].head());
}

#[test]
fn what_cannot_be_is_refused() {
    let mut circle = Simulation::new(9, 7, None);
    let tenth = circle.newcomer("ten");
    circle.account("bob");
    let with = |circle: &Simulation, name: &str, key: &str, value: Value| {
        let mut action = admit(circle, name, tenth);
        let param = action.params.iter_mut().find(|(param, _)| param == key);
        param.expect("declared").1 = value;
        action
    };
    let known = Key::of(&circle.guardians[3].secret).0.to_vec();
    let no_point = (0..=255)
        .map(|byte| [byte; 32])
        .find(|bytes| !Key(*bytes).is_valid());
    let cases = [
        (remove("guardian1"), "members.count"),
        (remove("bob"), "members.unknown"),
        (remove("nobody"), "account.unknown"),
        (admit(&circle, "guardian1", tenth), "members.duplicate"),
        (admit(&circle, "bob", tenth), "account.name_taken"),
        (admit(&circle, "circle", tenth), "account.name"),
        (
            with(&circle, "ten", "key", Value::Bytes(known)),
            "members.duplicate",
        ),
        (
            with(
                &circle,
                "ten",
                "key",
                Value::Bytes(no_point.unwrap().to_vec()),
            ),
            "members.key",
        ),
        (
            with(
                &circle,
                "ten",
                "addresses",
                Value::List(vec![Value::Text("here".into())]),
            ),
            "members.addresses",
        ),
    ];
    for (action, expected) in cases {
        assert_eq!(
            circle.act_as_circle(vec![action.clone()]).code,
            expected,
            "{action:?}"
        );
    }
    assert!(
        membership::queued(&circle.guardians[0].state())
            .unwrap()
            .is_empty()
    );

    // What is decided counts before it is in force.
    let admission = admit(&circle, "ten", tenth);
    let receipt = circle.act_as_circle(vec![admission.clone(), remove("guardian1")]);
    assert!(receipt.is_ok(), "{receipt:?}");
    let code = circle.act_as_circle(vec![admission]).code;
    assert_eq!(code, "members.duplicate");
    in_force(&mut circle);
    in_force(&mut circle);
    let now = roster(&circle, 1);
    assert_eq!(
        (now.epoch, now.count(), now.index_of_name("guardian1")),
        (2, 9, None)
    );
}

#[test]
fn a_change_waits_until_its_decision_is_certified() {
    let mut circle = Simulation::new(9, 7, None);
    let tenth = circle.newcomer("ten");
    for silent in 6..9 {
        circle.guardians[silent].running = false;
    }
    let decided = admit(&circle, "ten", tenth);
    assert!(circle.act_as_circle(vec![decided]).is_ok());
    for _ in 0..2 * LEAD_HEIGHTS {
        circle.block(Vec::new());
        circle.settle();
    }
    let state = circle.guardians[0].state();
    assert_eq!(membership::fixed(&state).unwrap(), None);
    assert_eq!(membership::queued(&state).unwrap().len(), 1);
    circle.guardians[6].running = true;
    circle.block(Vec::new());
    circle.settle();
    let fixed = membership::fixed(&circle.guardians[0].state()).unwrap();
    assert!(
        fixed.is_some(),
        "seven of nine attested the decision and confirmed it"
    );
    in_force(&mut circle);
    assert_eq!(roster(&circle, 0).count(), 10);
}

#[test]
fn a_guardian_that_went_astray_follows_the_others_to_the_same_members() {
    for on in ["circle.admit", "circle.register", "circle.confirm"] {
        let mut circle = Simulation::new(9, 7, Some((4, on)));
        circle.account("bob");
        let tenth = circle.newcomer("ten");
        let decided = admit(&circle, "ten", tenth);
        assert!(circle.act_as_circle(vec![decided]).is_ok());
        in_force(&mut circle);
        assert_ne!(
            circle.guardians[4].head(),
            circle.guardians[0].head(),
            "{on}"
        );
        assert_eq!(roster(&circle, 4), roster(&circle, 0), "{on}");
        assert_eq!(roster(&circle, tenth), roster(&circle, 0), "{on}");
    }
}

#[test]
fn fewer_than_a_quorum_cannot_change_the_members() {
    let mut circle = Simulation::new(9, 7, None);
    let tenth = circle.newcomer("ten");
    let stranger = Key::of(&circle.guardians[tenth].secret);
    let change = circle::roster::Change::Admit {
        member: circle::member::Member {
            name: "ten".into(),
            key: stranger,
        },
        addresses: Vec::new(),
    };
    let confirm = |epoch: i64, change: &circle::roster::Change| {
        let change = borsh::to_vec(change).unwrap();
        act(
            "circle",
            "confirm",
            vec![
                ("epoch", Value::Int(epoch)),
                ("change", Value::Bytes(change)),
            ],
        )
    };
    // Six of nine together do not make it.
    for guardian in 0..6 {
        assert!(circle.act(guardian, vec![confirm(1, &change)]).is_ok());
        assert_eq!(
            membership::fixed(&circle.guardians[8].state()).unwrap(),
            None
        );
    }
    let code = |circle: &mut Simulation, action| circle.act(0, vec![action]).code.clone();
    assert_eq!(code(&mut circle, confirm(1, &change)), "members.repeated");
    assert_eq!(code(&mut circle, confirm(2, &change)), "members.epoch");
    assert_eq!(code(&mut circle, confirm(0, &change)), "members.epoch");
    let nobody = circle::roster::Change::Remove { key: stranger };
    assert_eq!(code(&mut circle, confirm(1, &nobody)), "members.unknown");
}

#[test]
fn a_vote_admits() {
    let mut circle = Simulation::new(9, 7, None);
    let tenth = circle.newcomer("ten");
    let proposal = propose(admit(&circle, "ten", tenth));
    assert!(circle.act(0, vec![proposal]).is_ok());
    for guardian in 0..9 {
        let vote = act(
            "vote",
            "cast",
            vec![
                ("proposal", Value::Id(1)),
                ("choice", Value::Text("yes".into())),
                ("reason", Value::Text(String::new())),
                ("farm", Value::Id(0)),
            ],
        );
        assert!(circle.act(guardian, vec![vote]).is_ok());
    }
    let enact = act("vote", "enact", vec![("proposal", Value::Id(1))]);
    assert!(circle.act(0, vec![enact]).is_ok());
    in_force(&mut circle);
    assert_eq!(roster(&circle, 0).index_of_name("ten"), Some(9));
    let guardians = circle.ask("vote", "standing", vec![("proposal", Value::Id(1))]);
    assert!(guardians.is_ok());
}

#[test]
fn a_key_ceremony_ends_with_a_participant_who_leaves_and_the_next_one_is_of_the_others() {
    let mut circle = ten();
    circle.guardians[2].running = false;
    circle.make_key();
    let phase = |circle: &Simulation, at: usize| {
        ceremonies::keygens(&circle.guardians[0].state()).unwrap()[at]
            .1
            .phase()
    };
    assert_eq!(phase(&circle, 0), Phase::Round1);
    // The silent one holds up the others' unanimity, and may still be removed.
    assert!(circle.act_as_circle(vec![remove("guardian3")]).is_ok());
    in_force(&mut circle);
    assert_eq!(phase(&circle, 0), Phase::Failed);
    let state = circle.guardians[0].state();
    let (_, ended) = &ceremonies::keygens(&state).unwrap()[0];
    assert_eq!(
        (ended.abandoned(), ended.failure()),
        (Some(Abandoned::Left(3)), None)
    );
    assert_eq!(phase(&circle, 1), Phase::Done);
    let main = wallet(&state, "main").unwrap().unwrap();
    assert_eq!((main.ceremony(), main.address.is_some()), (Some(2), true));
    let participants = ceremonies::participants(&circle.guardians[0].state(), 2).unwrap();
    assert_eq!(participants, [0, 1, 3, 4, 5, 6, 7, 8, 9]);
}

#[test]
fn a_signing_session_goes_on_without_the_signer_who_was_removed() {
    let mut circle = ten();
    circle.make_key();
    circle.deposit("alice", 500);
    let iou = circle.iou("farm1", "alice", 0, 500);
    assert!(circle.submit(&[iou]).is_ok());
    circle.wait(DAY_MS / 2);
    let up_to = Value::Time((guardian_tests::START_MS + DAY_MS / 2) as i64 / 1000);
    let roll_up = act("iou", "roll_up", vec![("up_to", up_to)]);
    let genesis = circle.genesis.clone();
    let roll_up = circle.guardians[0].transaction(&genesis, vec![roll_up]);
    circle.block(vec![roll_up.encode()]);
    while circle.payouts(0)[0].state == PayoutState::Planned {
        assert!(circle.step());
    }
    // The session is made of the last seven; then one of them goes away, and is removed.
    for late in 0..3 {
        circle.guardians[late].running = false;
    }
    assert!(circle.step());
    let opened = |circle: &Simulation| {
        let state = circle.guardians[5].state();
        let signing = ceremonies::signing(&state, 1).unwrap().unwrap();
        signing.sessions().to_vec()
    };
    assert!(opened(&circle)[0].signer(9).is_some());
    for guardian in &mut circle.guardians {
        guardian.running = true;
        guardian.impatient = false;
    }
    circle.guardians[8].running = false;
    circle.settle();
    assert_eq!(circle.payouts(0)[0].state, PayoutState::Signing);
    assert!(circle.act_as_circle(vec![remove("guardian9")]).is_ok());
    in_force(&mut circle);
    for guardian in &mut circle.guardians {
        guardian.impatient = true;
    }
    for _ in 0..4 {
        circle.step();
        for guardian in &mut circle.guardians {
            guardian.impatient = false;
        }
    }
    assert_eq!(circle.payouts(0)[0].state, PayoutState::Signed);
    let sessions = opened(&circle);
    let last = sessions.last().expect("two sessions");
    assert!(last.signer(9).is_none(), "{last:?}");
}

#[test]
fn nobody_is_removed_whose_share_a_wallet_cannot_do_without() {
    let mut circle = Simulation::new(9, 7, None);
    circle.make_key();
    for (count, name) in ["ten", "eleven", "twelve"].into_iter().enumerate() {
        let newcomer = circle.newcomer(name);
        let decided = admit(&circle, name, newcomer);
        assert!(circle.act_as_circle(vec![decided]).is_ok());
        in_force(&mut circle);
        assert_eq!(roster(&circle, 0).count(), 10 + count);
    }
    for (name, expected) in [
        ("guardian9", "ok"),
        ("guardian8", "ok"),
        ("guardian7", "members.wallet"),
        ("twelve", "ok"),
    ] {
        assert_eq!(
            circle.act_as_circle(vec![remove(name)]).code,
            expected,
            "{name}"
        );
    }
}

#[test]
fn enough_stay_active_when_active_ones_leave() {
    let mut circle = ten();
    for benched in ["guardian7", "guardian8", "guardian9"] {
        let index = roster(&circle, 0).index_of_name(benched).unwrap();
        circle.guardians[index as usize].running = false;
        assert!(circle.act_as_circle(vec![bench(benched)]).is_ok());
    }
    let code = circle.act_as_circle(vec![remove("guardian1")]).code;
    assert_eq!(code, "members.active", "seven of ten are active");
    assert!(circle.act_as_circle(vec![remove("guardian9")]).is_ok());
    in_force(&mut circle);
    let state = circle.guardians[0].state();
    assert_eq!(
        gate::active(&state, &roster(&circle, 0)).unwrap().len(),
        7,
        "who stays benched stays so"
    );
}
