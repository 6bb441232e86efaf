//! Policies as their developers and a circle meet them: compiled from text, run against a host in memory.

use expect_test::expect;
use std::collections::BTreeMap;
use threescript::action::{Action, Mark, Type};
use threescript::engine::*;
use threescript::policy::*;
use threescript::value::*;

/// A host whose state is a map.
#[derive(Clone)]
struct Memory {
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
    block: BlockInfo,
    caller: Caller,
    calls: Vec<String>,
    guardians: i64,
}

impl Memory {
    fn new() -> Self {
        Self {
            rows: BTreeMap::new(),
            block: BlockInfo {
                height: 1,
                time: 1_706_745_600,
            },
            caller: Caller {
                account: "alice".into(),
                roles: vec!["guardian".into()],
            },
            calls: Vec::new(),
            guardians: 3,
        }
    }
}

impl Host for Memory {
    fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, HostError> {
        Ok(self.rows.get(key).cloned())
    }
    fn put(&mut self, key: Vec<u8>, value: Vec<u8>) -> Result<(), HostError> {
        self.rows.insert(key, value);
        Ok(())
    }
    fn delete(&mut self, key: &[u8]) -> Result<(), HostError> {
        self.rows.remove(key);
        Ok(())
    }
    fn scan(
        &mut self,
        from: &[u8],
        to: &[u8],
        limit: usize,
        reverse: bool,
    ) -> Result<Rows, HostError> {
        let range = self.rows.range(from.to_vec()..to.to_vec());
        let own = |(key, value): (&Vec<u8>, &Vec<u8>)| (key.clone(), value.clone());
        Ok(match reverse {
            false => range.take(limit).map(own).collect(),
            true => range.rev().take(limit).map(own).collect(),
        })
    }
    fn block(&self) -> BlockInfo {
        self.block
    }
    fn caller(&self) -> Caller {
        self.caller.clone()
    }
    fn call(&mut self, module: &str, function: &str, args: Vec<Value>) -> Result<Value, HostError> {
        self.calls.push(format!("{module}.{function}{args:?}"));
        match function {
            "guardians" => Ok(Value::Int(self.guardians)),
            _ => Ok(Value::Unit),
        }
    }
}

fn catalog() -> Catalog {
    let native =
        |name: &str, params: &[(&str, Type)], returns: Type, ask_allowed: bool| NativeFunction {
            name: name.into(),
            params: params
                .iter()
                .map(|(name, ty)| (name.to_string(), ty.clone()))
                .collect(),
            returns,
            doc: String::new(),
            cost: 10,
            ask_allowed,
        };
    Catalog::default()
        .with(
            "circle",
            native("enact", &[("script", Type::Script)], Type::Any, false),
        )
        .with("circle", native("guardians", &[], Type::Int, true))
}

fn big<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    std::thread::Builder::new()
        .stack_size(64 << 20)
        .spawn(work)
        .unwrap()
        .join()
        .unwrap()
}

/// Compiles, or fails the test with all diagnostics.
fn compiled(source: &str) -> Policy {
    compile(source, "test.3script", &catalog(), &Limits::default()).unwrap_or_else(|faults| {
        let faults: Vec<String> = faults.iter().map(Diagnostic::to_string).collect();
        panic!("{}", faults.join("\n\n"))
    })
}

/// The outcome of a run on one line: value, events and effects, or the error.
fn outcome(result: &Result<Execution, ScriptError>) -> String {
    match result {
        Err(error) => error.to_string(),
        Ok(execution) => {
            let mut line = show(&execution.value);
            for event in &execution.events {
                line += &format!("; event {} {}", event.name, show(&event.data));
            }
            for effect in &execution.effects {
                line += &format!(
                    "; effect {}.{} {}",
                    effect.actor,
                    effect.name,
                    show(&effect.data)
                );
            }
            line
        }
    }
}

/// A value in a short form that tells kinds apart.
fn show(value: &Value) -> String {
    match value {
        Value::Unit => "()".into(),
        Value::Bool(flag) => flag.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Decimal(number) => format!("dec {number}"),
        Value::Amount(amount) => Assets::standard().render_amount(amount).unwrap(),
        Value::Percent(number) => format!("{number}%"),
        Value::Duration(seconds) => render_duration(*seconds),
        Value::Time(seconds) => render_time(*seconds).unwrap(),
        Value::Text(text) => format!("{text:?}"),
        Value::Bytes(bytes) => format!("0x{}", hex::encode(bytes)),
        Value::Account(name) => format!("@{name}"),
        Value::Id(id) => format!("#{id}"),
        Value::List(items) => format!(
            "[{}]",
            items.iter().map(show).collect::<Vec<_>>().join(", ")
        ),
        Value::Map(entries) => {
            let entries = entries
                .iter()
                .map(|(name, value)| format!("{name}: {}", show(value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
        Value::Script(actions) => format!("script of {}", actions.len()),
    }
}

#[test]
fn the_vote_policy_decides_as_a_circle_expects() {
    big(|| {
        let policy = compiled(include_str!("policy/vote.3script"));
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
