//! Runs: callers, arguments, hosts that refuse, fail and run other policies, and what nodes must agree on.

use crate::support::*;
use expect_test::expect;
use std::fmt::Write;
use threescript::action::{Mark, Type};
use threescript::engine::*;
use threescript::policy::*;
use threescript::value::*;

const SOURCE: &str = r#"/// Who may do what.
policy gate version 3

/// The fee.
const FEE: percent = 2.5%

/// Only guardians.
action decide(
    /// What is decided.
    what: text,
    urgent: bool = false,
) by guardian { what }
action audit() by role(auditor) { "audited" }
action pay(payer: account, amount: amount = 5 TFT) by account(payer) or role(bridge) { [payer, amount, FEE] }
action join(size: size = 4096) by anyone { size }
action enforce() by circle { "enforced" }
every 90.minutes sweep() { block.height }
ask fee() { FEE }
ask nothing() { rows }
table rows { id: id key }
"#;

#[test]
fn only_those_who_may_run_an_action_do() {
    let policy = compiled(SOURCE);
    let callers = [
        ("alice", &["guardian"][..]),
        ("bob", &["auditor"]),
        ("carol", &["bridge", "farmer"]),
        ("dave", &[]),
        ("circle", &[]),
    ];
    let entries = [
        (
            Entry::Action("decide"),
            vec![("what", Value::Text("it".into()))],
        ),
        (Entry::Action("audit"), vec![]),
        (
            Entry::Action("pay"),
            vec![("payer", Value::Account("dave".into()))],
        ),
        (Entry::Action("join"), vec![]),
        (Entry::Action("enforce"), vec![]),
        (Entry::Every("sweep"), vec![]),
        (Entry::Ask("fee"), vec![]),
    ];
    let mut log = String::new();
    for (account, roles) in callers {
        for (entry, args) in &entries {
            let mut host = Memory::new();
            host.caller = Caller {
                account: account.into(),
                roles: roles.iter().map(|role| role.to_string()).collect(),
            };
            let args = args
                .iter()
                .map(|(name, value)| (name.to_string(), value.clone()))
                .collect();
            let (_, result) = policy.run(*entry, args, host);
            let short = result.map_or_else(|error| error.code, |execution| show(&execution.value));
            writeln!(log, "{account} {entry:?}: {short}").unwrap();
        }
    }
    expect![[r#"
        alice Action("decide"): "it"
        alice Action("audit"): not_allowed
        alice Action("pay"): not_allowed
        alice Action("join"): 4096
        alice Action("enforce"): not_allowed
        alice Every("sweep"): not_allowed
        alice Ask("fee"): 2.5%
        bob Action("decide"): not_allowed
        bob Action("audit"): "audited"
        bob Action("pay"): not_allowed
        bob Action("join"): 4096
        bob Action("enforce"): not_allowed
        bob Every("sweep"): not_allowed
        bob Ask("fee"): 2.5%
        carol Action("decide"): not_allowed
        carol Action("audit"): not_allowed
        carol Action("pay"): [@dave, 5 TFT, 2.5%]
        carol Action("join"): 4096
        carol Action("enforce"): not_allowed
        carol Every("sweep"): not_allowed
        carol Ask("fee"): 2.5%
        dave Action("decide"): not_allowed
        dave Action("audit"): not_allowed
        dave Action("pay"): [@dave, 5 TFT, 2.5%]
        dave Action("join"): 4096
        dave Action("enforce"): not_allowed
        dave Every("sweep"): not_allowed
        dave Ask("fee"): 2.5%
        circle Action("decide"): not_allowed
        circle Action("audit"): not_allowed
        circle Action("pay"): not_allowed
        circle Action("join"): not_allowed
        circle Action("enforce"): "enforced"
        circle Every("sweep"): 1
        circle Ask("fee"): 2.5%
    "#]]
    .assert_eq(&log);
}

#[test]
fn arguments_are_typed_and_complete() {
    let policy = compiled(SOURCE);
    let cases = [
        (Entry::Action("decide"), vec![]),
        (Entry::Action("decide"), vec![("what", Value::Int(1))]),
        (
            Entry::Action("decide"),
            vec![("what", Value::Text("x".into())), ("why", Value::Unit)],
        ),
        (
            Entry::Action("decide"),
            vec![
                ("what", Value::Text("x".into())),
                ("what", Value::Text("y".into())),
            ],
        ),
        (Entry::Action("nothing"), vec![]),
        (Entry::Ask("decide"), vec![]),
        (Entry::Ask("nothing"), vec![]),
    ];
    let mut log = String::new();
    for (entry, args) in cases {
        let args = args
            .into_iter()
            .map(|(name, value)| (name.to_string(), value))
            .collect();
        writeln!(
            log,
            "{}",
            outcome(&policy.run(entry, args, Memory::new()).1)
        )
        .unwrap();
    }
    expect![[r#"
        test.3script: gate.decide needs `what` [missing_parameter]; give it
        test.3script: `what` of gate.decide: text is wanted, int is given [type]
        test.3script: gate.decide has no parameter `why` [unknown_parameter]; leave it out
        test.3script: gate.decide has no parameter `what` [unknown_parameter]; leave it out
        test.3script: there is no gate.nothing of this kind [unknown_action]
        test.3script: there is no gate.decide of this kind [unknown_action]
        test.3script:19:5: a table is not a value [type]; use rows(), first(), sum() or a field of it
    "#]].assert_eq(&log);
}

#[test]
fn a_question_cannot_write_through_a_function_either() {
    let policy = compiled(
        "policy test version 1
table rows { id: id key }
fn write() { rows.insert(#{}); }
fn tell() { emit(\"told\", #{}); }
fn read() { rows.count() }
ask count(how: int) { if how == 0 { write() } else if how == 1 { tell() } else { read() } }
",
    );
    let mut log = String::new();
    for how in 0..3 {
        let args = vec![("how".to_owned(), Value::Int(how))];
        let (host, result) = policy.run(Entry::Ask("count"), args, Memory::new());
        writeln!(log, "{} rows, {}", host.rows.len(), outcome(&result)).unwrap();
    }
    expect![[r#"
        0 rows, test.3script:3:19: a question or an invariant cannot write, emit or call what does [read_only]; make it an action
        0 rows, test.3script:4:13: a question or an invariant cannot write, emit or call what does [read_only]; make it an action
        0 rows, 0
    "#]].assert_eq(&log);
}

#[test]
fn a_failed_run_says_what_it_used() {
    let policy = compiled(
        "policy test version 1\naction x() by anyone { for i in 0..100 {} fail(\"no\") }\n",
    );
    let (_, result) = policy.run(Entry::Action("x"), Vec::new(), Memory::new());
    let operations = result.map_or_else(|error| error.operations, |_| 0);
    expect!["109"].assert_eq(&operations.to_string());
    // Within a smaller allowance the same run ends before that.
    let (_, result) = policy.run_within(
        Entry::Action("x"),
        Vec::new(),
        Memory::new(),
        operations - 1,
    );
    assert_eq!(
        result.map_err(|error| (error.code, error.operations)),
        Err(("limit.operations".to_owned(), operations - 1))
    );
}

#[test]
fn a_policy_tells_what_it_declares() {
    let policy = compiled(SOURCE);
    let mut log = format!("{policy:?}: {}\n", policy.doc());
    for entry in policy.entries() {
        let params = entry
            .params
            .iter()
            .map(|param| format!("{}: {} {:?}", param.name, param.ty, param.doc));
        let params: Vec<String> = params.collect();
        writeln!(
            log,
            "{:?} {}({}) by {:?} {:?}",
            entry.kind,
            entry.name,
            params.join(", "),
            entry.callers,
            entry.doc
        )
        .unwrap();
    }
    for signature in policy.signatures() {
        writeln!(log, "{}", signature.title()).unwrap();
    }
    writeln!(log, "{:?}", policy.schedules().collect::<Vec<_>>()).unwrap();
    writeln!(
        log,
        "{:?}",
        policy
            .tables()
            .iter()
            .map(|table| &table.name)
            .collect::<Vec<_>>()
    )
    .unwrap();
    expect![[r#"
        Policy(gate version 3, e56fa87b9c48485ac7fb3b50ae3ba3d7391284b906e55877c010a1da20032db2): Who may do what.
        Action decide(what: text "What is decided.", urgent: bool "") by [Guardian] "Only guardians."
        Action audit() by [Role("auditor")] ""
        Action pay(payer: account "", amount: amount "") by [Account("payer"), Role("bridge")] ""
        Action join(size: size "") by [Anyone] ""
        Action enforce() by [Circle] ""
        Every sweep() by [Schedule] ""
        Ask fee() by [] ""
        Ask nothing() by [] ""
        !!gate.decide
        !!gate.audit
        !!gate.pay
        !!gate.join
        !!gate.enforce
        !gate.fee
        !gate.nothing
        [("sweep", 5400)]
        ["rows"]
    "#]].assert_eq(&log);
    assert_eq!(
        policy.entry(Entry::Ask("fee")).map(|entry| entry.kind),
        Some(EntryKind::Ask)
    );
    assert_eq!(policy.signatures()[0].mark, Mark::Act);
}

/// A host whose module `other` runs another policy with the host itself, refuses, breaks or panics.
struct Nesting {
    memory: Memory,
    policy: Policy,
    left: u64,
    used: u64,
}

impl Host for Nesting {
    fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, HostError> {
        self.memory.get(key)
    }
    fn put(&mut self, key: Vec<u8>, value: Vec<u8>) -> Result<(), HostError> {
        self.memory.put(key, value)
    }
    fn delete(&mut self, key: &[u8]) -> Result<(), HostError> {
        self.memory.delete(key)
    }
    fn scan(
        &mut self,
        from: &[u8],
        to: &[u8],
        limit: usize,
        reverse: bool,
    ) -> Result<Rows, HostError> {
        self.memory.scan(from, to, limit, reverse)
    }
    fn block(&self) -> BlockInfo {
        self.memory.block
    }
    fn caller(&self) -> Caller {
        self.memory.caller.clone()
    }
    fn operations_left(&mut self, operations: u64) {
        self.left = operations;
    }
    fn operations_used(&mut self) -> u64 {
        std::mem::take(&mut self.used)
    }
    fn call(&mut self, _: &str, _: &str, mut args: Vec<Value>) -> Result<Value, HostError> {
        match args.pop() {
            Some(Value::Int(0)) => Ok(Value::Text("the end".into())),
            Some(Value::Int(-1)) => Err(HostError::Rejected {
                code: "too_deep".into(),
                message: "no further".into(),
            }),
            Some(Value::Int(-2)) => Err(HostError::Fault("the disk is full".into())),
            Some(Value::Int(-3)) => panic!("a bug of the host"),
            Some(Value::Int(-4)) => Ok(Value::Int(1)),
            Some(Value::Int(depth)) => {
                let memory = std::mem::replace(&mut self.memory, Memory::new());
                let inner = Nesting {
                    memory,
                    policy: self.policy.clone(),
                    left: 0,
                    used: 0,
                };
                let policy = self.policy.clone();
                let args = vec![("depth".to_owned(), Value::Int(depth - 1))];
                let (inner, result) =
                    policy.run_within(Entry::Action("dive"), args, inner, self.left);
                self.memory = inner.memory;
                match result {
                    Ok(execution) => {
                        self.used = execution.usage.operations;
                        Ok(execution.value)
                    }
                    Err(error) => Err(HostError::Rejected {
                        code: error.code,
                        message: error.message,
                    }),
                }
            }
            _ => Ok(Value::Unit),
        }
    }
}

#[test]
fn a_host_runs_policies_within_policies() {
    let dive = NativeFunction {
        name: "dive".into(),
        params: vec![("depth".into(), Type::Int)],
        returns: Type::Text,
        doc: "Goes one deeper.".into(),
        cost: 5,
        ask_allowed: false,
    };
    let catalog = Catalog::default().with("other", dive);
    let source = "policy nest version 1
table seen { depth: int key }
action dive(depth: int) by anyone {
    seen.upsert(#{ depth: depth });
    if depth == 7 { let spent = 0; while spent < 200000 { spent += 1; } }
    `${depth} ` + other.dive(depth)
}
";
    let policy = compile(source, "nest.3script", &catalog, &Limits::default()).unwrap();
    let run = |depth: i64| {
        let policy = policy.clone();
        big(move || {
            let host = Nesting {
                memory: Memory::new(),
                policy: policy.clone(),
                left: 0,
                used: 0,
            };
            let (host, result) = policy.run(
                Entry::Action("dive"),
                vec![("depth".to_owned(), Value::Int(depth))],
                host,
            );
            let used = result
                .as_ref()
                .map(|execution| execution.usage.operations)
                .unwrap_or_default();
            let is_fault = result.as_ref().is_err_and(|error| error.is_fault);
            format!(
                "{}, {} rows, {used} operations, fault: {is_fault}",
                outcome(&result),
                host.memory.rows.len()
            )
        })
    };
    let mut log = String::new();
    for depth in [0, 3, 7, -1, -2, -3, -4] {
        writeln!(log, "{depth}: {}", run(depth)).unwrap();
    }
    // Nesting shares one account: what the inner runs took is gone for the outer ones.
    expect![[r#"
        0: "0 the end", 2 rows, 96 operations, fault: false
        3: "3 2 1 0 the end", 5 rows, 384 operations, fault: false
        7: "7 6 5 4 3 2 1 0 the end", 9 rows, 1600778 operations, fault: false
        -1: nest.3script:6:25: no further [too_deep], 2 rows, 0 operations, fault: false
        -2: nest.3script:6:25: the disk is full [fault], 2 rows, 0 operations, fault: true
        -3: nest.3script:3:8: the interpreter broke down [panic]; report this policy, 2 rows, 0 operations, fault: false
        -4: nest.3script:6:25: other.dive returned a value of kind int [fault], 2 rows, 0 operations, fault: true
    "#]].assert_eq(&log);
}

#[test]
fn operations_and_hashes_are_the_same_everywhere() {
    let source = include_str!("vote.3script");
    let policy = compiled(source);
    expect!["vote 1 c347e0ac636b46d453efbb3b992f68e55b0ac005ff501124172016bd059871af"].assert_eq(
        &format!(
            "{} {} {}",
            policy.name(),
            policy.version(),
            hex::encode(policy.hash())
        ),
    );
    let script = Value::Script(Vec::new());
    let count = || {
        let (host, proposed) = policy.run(
            Entry::Action("propose"),
            vec![
                ("title".into(), Value::Text("x".into())),
                ("script".into(), script.clone()),
            ],
            Memory::new(),
        );
        let cast = vec![
            ("proposal".into(), Value::Id(1)),
            ("choice".into(), Value::Text("yes".into())),
        ];
        let (mut host, cast) = policy.run(Entry::Action("cast"), cast, host);
        host.caller = Caller::circle();
        host.block.time += 8 * 86_400;
        let (_, tally) = policy.run(Entry::Every("tally"), Vec::new(), host);
        [proposed, cast, tally].map(|result| result.unwrap().usage)
    };
    expect![[r#"
        [
            Usage {
                operations: 218,
                memory_bytes: 817,
                writes: 1,
                events: 1,
                effects: 0,
            },
            Usage {
                operations: 154,
                memory_bytes: 1471,
                writes: 1,
                events: 1,
                effects: 0,
            },
            Usage {
                operations: 507,
                memory_bytes: 3310,
                writes: 1,
                events: 1,
                effects: 0,
            },
        ]
    "#]]
    .assert_debug_eq(&count());
    // Another thread, and other hashes before it, change nothing.
    let counts: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(count)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert!(counts.iter().all(|other| *other == count()));
}

#[test]
fn the_interpreter_is_built_as_the_protocol_says() {
    let metadata = std::process::Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--offline",
            "--manifest-path",
        ])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .output()
        .unwrap();
    assert!(
        metadata.status.success(),
        "{}",
        String::from_utf8_lossy(&metadata.stderr)
    );
    let metadata: serde_json::Value = serde_json::from_slice(&metadata.stdout).unwrap();
    let nodes = metadata["resolve"]["nodes"].as_array().unwrap();
    let rhai: Vec<_> = nodes
        .iter()
        .filter(|node| node["id"].as_str().unwrap().contains("rhai@"))
        .collect();
    let [rhai] = rhai[..] else {
        panic!("one version of rhai, not {}", rhai.len())
    };
    let version = rhai["id"].as_str().unwrap().rsplit_once('@').unwrap().1;
    let features: Vec<&str> = rhai["features"]
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap())
        .collect();
    assert_eq!(
        PROFILE,
        format!(
            "rhai {version}; {}; optimisation none; library 1",
            features.join(" ")
        )
    );
}
