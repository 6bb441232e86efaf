//! What a recorded history would have become with another policy.

use circle::block::Block;
use circle::digest::Hash;
use circle::genesis::Genesis;
use circle::treasury::PayoutState;
use expect_test::expect;
use guardian_tests::{Simulation, act, policies, tft};
use threescript::value::{Amount, Value};
use workbench::problem::Problem;
use workbench::replay::{Candidate, History, Report, replay, screen};

const TITHE: &str = r#"
/// Pays from escrow, and keeps a share.
policy tithe version 1
const SHARE = 10%
action settle(payer: account, payee: account, amount: amount) by guardian {
    let share = amount.times(SHARE, "floor");
    ledger.transfer("escrow:" + payer, "fees", share);
    ledger.transfer("escrow:" + payer, "payable:" + payee, amount - share);
    emit("settled", #{ payee: payee });
    treasury.plan("main", [#{ account: payee, amount: amount - share }])
}
"#;

/// What a circle with the policy `tithe` did.
struct Recorded {
    circle: Simulation,
    concluded: Option<Hash>,
}

impl Recorded {
    fn new() -> Self {
        let mut sources = policies();
        sources.push(TITHE.into());
        let mut circle = Simulation::with_policies(9, 1, None, sources);
        circle.make_key();
        circle.deposit("alice", 1000);
        circle.account("bob");
        circle.account("carl");
        let mut recorded = Self {
            circle,
            concluded: None,
        };
        recorded.settle("bob", 100);
        recorded.settle("carl", 50);
        recorded.settle("bob", 400);
        recorded.settle("bob", 900);
        recorded.settle("carl", 30);
        recorded.concluded = Some(recorded.circle.guardians[0].head().checkpoint);
        recorded
    }

    fn settle(&mut self, payee: &str, units: i64) {
        let params = vec![
            ("payer", Value::Account("alice".into())),
            ("payee", Value::Account(payee.into())),
            ("amount", Value::Amount(Amount::new(units, tft()))),
        ];
        self.circle.act(0, vec![act("tithe", "settle", params)]);
    }

    /// The height of the first transaction that the policy ran.
    fn first(&self) -> u64 {
        let ran = |receipts: &Vec<circle::receipt::Receipt>| {
            let mut events = receipts.iter().flat_map(|receipt| &receipt.events);
            events.any(|event| event.actor == "tithe")
        };
        let first = self.circle.receipts.iter().position(ran);
        first.expect("it ran") as u64 + 1
    }
}

impl History for Recorded {
    fn genesis(&self) -> &Genesis {
        &self.circle.genesis
    }
    fn head(&self) -> u64 {
        self.circle.blocks.len() as u64
    }
    fn active_since(&mut self, name: &str) -> Result<Option<u64>, Problem> {
        let active = circle::policies::active(&self.circle.guardians[0].state())?;
        let found = active.into_iter().find(|(active, _)| active == name);
        Ok(found.map(|(_, active)| active.since))
    }
    fn policy_source(&mut self, hash: &Hash) -> Result<Option<String>, Problem> {
        Ok(circle::policies::source(
            &self.circle.guardians[0].state(),
            hash,
        )?)
    }
    fn block(&mut self, height: u64) -> Result<Block, Problem> {
        Ok(self.circle.blocks[height as usize - 1].clone())
    }
    fn checkpoint(&mut self, _: u64) -> Result<Option<Hash>, Problem> {
        Ok(self.concluded)
    }
}

fn tried(
    history: &mut Recorded,
    source: &str,
    from: impl Into<Option<u64>> + Send,
    to: Option<u64>,
) -> Result<Report, Problem> {
    let candidate = Candidate {
        file: "tithe.3script",
        source,
        from: from.into(),
        to,
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(circle::machine::STACK_BYTES);
        // Simulations are made and used on one thread; only what is compared moves.
        let replaying = thread.spawn_scoped(scope, || replay(history, &candidate, &mut |_, _| {}));
        replaying.expect("a thread").join().expect("no panic")
    })
}

#[test]
fn a_dearer_policy_would_have_paid_less_and_refused_one_more() {
    let mut history = Recorded::new();
    let from = history.first();
    let dearer = TITHE
        .replace("version 1", "version 2")
        .replace("10%", "30%")
        .replace(
            "    let share",
            "    require(amount.units != 50, \"tithe.unlucky\", \"not this one\");\n    let share",
        );
    let report = tried(&mut history, &dearer, from, None).unwrap();
    assert!(report.verified);
    let shown = screen(&report);
    let (_, shown) = shown.split_once('\n').unwrap();
    expect![[r#"
        What happened was executed again and came to what the node concluded.
        People are taken to act as they did, and guardians to attest when they did.

        Planned payouts (4 payouts -> 3)
          bob    0.000045 TFT ->  0.000035 TFT    -0.00001 TFT
          carl  0.0000072 TFT -> 0.0000021 TFT  -0.0000051 TFT

        Books at the end
          escrow:alice   0.000042 TFT ->  0.000047 TFT   +0.000005 TFT
          fees          0.0000058 TFT -> 0.0000159 TFT  +0.0000101 TFT
          payout:main   0.0000522 TFT -> 0.0000371 TFT  -0.0000151 TFT

        Outcomes that differ: 1
          height 19, tithe.settle of guardian1
            happened: accepted
            would:    refused, tithe.3script:6:5: not this one [tithe.unlucky]

        Events whose numbers differ
          tithe.settled: 4 -> 3
          treasury.planned: 4 -> 3

        Effects whose numbers differ
          stellar.pay: 4 -> 3

        Not compared: 181 transactions that sign payouts or attest checkpoints of what happened"#]]
    .assert_eq(shown);
}

#[test]
fn the_policy_that_ran_changes_nothing_whatever_the_height() {
    let mut history = Recorded::new();
    let first = history.first();
    for from in [1, first, first + 1, history.head()] {
        let report = tried(&mut history, TITHE, from, None).unwrap();
        assert!(report.verified);
        assert_eq!((&report.paid[..], &report.books[..]), (&[][..], &[][..]));
        assert_eq!(report.outcomes, []);
        assert!(
            report.events.is_empty() && report.effects.is_empty() && report.schedules.is_empty()
        );
    }
    let report = tried(&mut history, TITHE, None, None).unwrap();
    assert_eq!(report.from, 1, "it is active since the first block");
    // All of it was really paid: the comparison is not of two timelines in which nothing happened.
    let payouts = history.circle.payouts(0);
    assert_eq!(payouts.len(), 4);
    assert!(
        payouts
            .iter()
            .all(|payout| payout.state == PayoutState::Signed)
    );
}

#[test]
fn a_history_is_replayed_from_the_block_that_activated_the_policy() {
    let mut history = Recorded::new();
    let version = TITHE
        .replace("version 1", "version 2")
        .replace("10%", "20%");
    let install = act(
        "policy",
        "install",
        vec![("source", Value::Bytes(version.into()))],
    );
    let receipt = history.circle.act(0, vec![install]);
    let Value::Map(installed) = &receipt.events[0].data else {
        panic!("{receipt:?}")
    };
    let params = vec![
        ("hash", installed["hash"].clone()),
        ("height", Value::Int(0)),
    ];
    history
        .circle
        .act_as_circle(vec![act("policy", "activate", params)]);
    history.circle.block(Vec::new());
    history.settle("bob", 60);
    history.concluded = Some(history.circle.guardians[0].head().checkpoint);
    let since = history.active_since("tithe").unwrap().unwrap();
    assert!(since > history.first());
    let report = tried(&mut history, TITHE, None, None).unwrap();
    assert_eq!((report.from, report.instead_of.version), (since, 2));
    let paid: Vec<String> = report
        .paid
        .iter()
        .map(|one| format!("{} {}", one.whose, one.difference))
        .collect();
    assert_eq!(paid, ["bob +0.0000006 TFT"]);
    // From the first version on, the decision for the second does not happen either.
    let from = history.first();
    let report = tried(&mut history, TITHE, from, None).unwrap();
    assert_eq!(report.instead_of.version, 1);
    assert_eq!(report.paid.len(), 1);
}

#[test]
fn what_cannot_be_replayed_is_named() {
    let mut history = Recorded::new();
    let head = history.head();
    let mut check = |source: &str, from: u64, to: Option<u64>, code: &str, says: &str| {
        let problem = tried(&mut history, source, from, to).unwrap_err();
        assert_eq!(problem.code, code, "{problem}");
        let text = problem.to_string();
        assert!(text.contains(says), "{text}");
    };
    check(
        &TITHE.replace("policy tithe", "policy other"),
        3,
        None,
        "replay.name",
        "iou, tithe, vote",
    );
    check(
        &TITHE.replace("emit(", "emitt("),
        3,
        None,
        "policy.invalid",
        "tithe.3script:9:5",
    );
    check(TITHE, 0, None, "replay.height", "no height 0");
    check(
        TITHE,
        head + 1,
        None,
        "replay.height",
        &format!("1 to {head}"),
    );
    check(TITHE, 5, Some(head + 1), "replay.height", "to end at");
    check(TITHE, 5, Some(4), "replay.height", "5 to 4");
    history.concluded = Some([7; 32]);
    let problem = tried(&mut history, TITHE, 3, None).unwrap_err();
    assert_eq!(problem.code, "replay.other");
}
