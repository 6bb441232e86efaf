//! What an observer sees of a run, and that it changes nothing.

use crate::support::*;
use expect_test::expect;
use std::fmt::Write;
use std::sync::{Arc, Mutex};
use threescript::engine::*;
use threescript::policy::*;
use threescript::value::Value;

const SOURCE: &str = r#"policy watched version 1
table rows { id: id key, n: int index }

action work(most: int = 2) by anyone {
    let total = 0;
    for n in 0..most {
        if n % 2 == 1 {
            total += double(n);
        } else if n == 7 {
            total = 0;
        }
        rows.insert(#{ n: n });
    }
    let first = rows.where("n", 1).first();
    while total > 100 { total -= 1; }
    let kind = if total > 1 { "much" } else { "little" };
    nothing();
    require(
        kind == "much",
        "work.little",
        "too little",
    );
    [total, first.n]
}

fn double(x) {
    x * 2
}

fn nothing() {}
"#;

#[derive(Default)]
struct Log(Mutex<String>);

impl Observer for Log {
    fn begun(&self, policy: &Policy, entry: Entry, args: &[(String, Value)], caller: &Caller) {
        let mut log = self.0.lock().unwrap();
        let name = policy.name();
        writeln!(log, "{name} {entry:?} {args:?} by {}", caller.account).unwrap();
    }

    fn ended(&self, _: &Policy, result: Result<&Execution, &ScriptError>) {
        let outcome = outcome(&result.cloned().map_err(Clone::clone));
        writeln!(self.0.lock().unwrap(), "end: {outcome}").unwrap();
    }

    fn step(&self, step: &Step) {
        let what = match &step.moment {
            Moment::Expression { .. } => return,
            Moment::Statement => {
                let shown = |(name, shown): &(String, Shown)| match shown {
                    Shown::Value(value) => format!("{name}={}", show(value)),
                    other => format!("{name}={other:?}"),
                };
                let variables: Vec<String> = step.variables().iter().map(shown).collect();
                variables.join(" ")
            }
            Moment::Returned {
                function,
                args,
                result,
                own,
            } => {
                if !function.starts_with(|first: char| first.is_alphabetic()) {
                    return;
                }
                let own = if *own { "own " } else { "" };
                format!("{own}{function}{args:?} -> {result:?}")
            }
        };
        let Place { line, column } = step.place;
        let depth = "  ".repeat(step.depth);
        writeln!(self.0.lock().unwrap(), "{depth}{line}:{column} {what}").unwrap();
    }
}

#[test]
fn an_observer_sees_statements_variables_and_what_functions_return() {
    let seen = big(|| {
        let log = Arc::new(Log::default());
        let mut host = Memory::new();
        host.observer = Some(log.clone());
        compiled(SOURCE)
            .run(Entry::Action("work"), Vec::new(), host)
            .1
            .unwrap();
        let seen = log.0.lock().unwrap();
        seen.clone()
    });
    expect![[r#"
        watched Action("work") [] by alice
        5:5 most=2
        6:5 total=0 most=2
        7:9 n=0 total=0 most=2
        9:16 n=0 total=0 most=2
        12:9 n=0 total=0 most=2
          12:14 insert[Table("rows"), Value(Map({"n": Int(0)}))] -> Some(Value(Id(1)))
        7:9 n=1 total=0 most=2
        8:13 n=1 total=0 most=2
          27:5 x=1
          8:22 own double[Value(Int(1))] -> Some(Value(Int(2)))
        12:9 n=1 total=2 most=2
          12:14 insert[Table("rows"), Value(Map({"n": Int(1)}))] -> Some(Value(Id(2)))
        14:5 total=2 most=2
          14:22 where[Table("rows"), Value(Text("n")), Value(Int(1))] -> Some(Other("query"))
          14:36 first[Other("query")] -> Some(Value(Map({"id": Id(2), "n": Int(1)})))
        15:5 first={id: #2, n: 1} total=2 most=2
        16:5 first={id: #2, n: 1} total=2 most=2
        16:16 first={id: #2, n: 1} total=2 most=2
        16:31 first={id: #2, n: 1} total=2 most=2
        17:5 kind="much" first={id: #2, n: 1} total=2 most=2
        18:5 kind="much" first={id: #2, n: 1} total=2 most=2
          18:5 require[Value(Bool(true)), Value(Text("work.little")), Value(Text("too little"))] -> Some(Value(Unit))
        23:5 kind="much" first={id: #2, n: 1} total=2 most=2
        23:19 get$n[Value(Map({"id": Id(2), "n": Int(1)}))] -> Some(Value(Int(1)))
        end: [2, 1]
    "#]].assert_eq(&seen);
}

#[test]
fn a_policy_says_what_of_it_can_run() {
    let points = compiled(SOURCE).points();
    let mut text = String::new();
    for Place { line, column } in &points.statements {
        write!(text, "{line}:{column} ").unwrap();
    }
    for branching in &points.branchings {
        let at = |place: &Place| format!("{}:{}", place.line, place.column);
        let otherwise = branching.otherwise.as_ref().map_or("nothing".into(), at);
        let (kind, place) = (branching.kind, at(&branching.place));
        write!(
            text,
            "\n{place} {kind:?}: {} or {otherwise}",
            at(&branching.body)
        )
        .unwrap();
    }
    expect![[r#"
        5:5 6:5 7:9 8:13 9:16 10:13 12:9 14:5 15:5 15:25 16:5 16:16 16:31 16:47 17:5 18:5 23:5 27:5 
        6:5 Loop: 7:9 or nothing
        7:9 If: 8:13 or 9:16
        9:16 If: 10:13 or nothing
        15:5 Loop: 15:25 or nothing
        16:16 If: 16:31 or 16:47"#]]
    .assert_eq(&text);
}

#[test]
fn every_statement_that_runs_is_one_that_can_run() {
    struct Places(Mutex<Vec<Place>>);
    impl Observer for Places {
        fn step(&self, step: &Step) {
            if let Moment::Statement = step.moment {
                self.0.lock().unwrap().push(step.place);
            }
        }
    }
    big(|| {
        let policy = compiled(SOURCE);
        let points = policy.points();
        let places = Arc::new(Places(Mutex::default()));
        let mut host = Memory::new();
        host.observer = Some(places.clone());
        policy
            .run(Entry::Action("work"), Vec::new(), host)
            .1
            .unwrap();
        for place in places.0.lock().unwrap().iter() {
            assert!(points.statements.contains(place), "{place:?}");
        }
    });
}

#[test]
fn an_observer_that_wants_no_steps_sees_runs_only() {
    struct Runs(Mutex<Vec<String>>);
    impl Observer for Runs {
        fn begun(&self, _: &Policy, entry: Entry, _: &[(String, Value)], _: &Caller) {
            self.0.lock().unwrap().push(format!("{entry:?}"));
        }
        fn wants_steps(&self) -> bool {
            false
        }
        fn step(&self, _: &Step) {
            panic!("a step was shown");
        }
    }
    big(|| {
        let runs = Arc::new(Runs(Mutex::default()));
        let mut host = Memory::new();
        host.observer = Some(runs.clone());
        compiled(SOURCE)
            .run(Entry::Action("work"), Vec::new(), host)
            .1
            .unwrap();
        assert_eq!(*runs.0.lock().unwrap(), [r#"Action("work")"#]);
    });
}
