//! A host in memory, and short forms for what runs yield.

use std::collections::BTreeMap;
use std::sync::Arc;
use threescript::action::Type;
use threescript::engine::*;
use threescript::policy::*;
use threescript::value::*;

/// A host whose state is a map.
#[derive(Clone)]
pub struct Memory {
    pub rows: BTreeMap<Vec<u8>, Vec<u8>>,
    pub block: BlockInfo,
    pub caller: Caller,
    pub calls: Vec<String>,
    pub guardians: i64,
    /// What the circle decided on params.
    pub params: BTreeMap<String, Value>,
    pub observer: Option<Arc<dyn Observer>>,
}

impl Memory {
    pub fn new() -> Self {
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
            params: BTreeMap::new(),
            observer: None,
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
    fn param(&mut self, name: &str) -> Result<Option<Value>, HostError> {
        self.calls.push(format!("param {name}"));
        Ok(self.params.get(name).cloned())
    }
    fn call(&mut self, module: &str, function: &str, args: Vec<Value>) -> Result<Value, HostError> {
        self.calls.push(format!("{module}.{function}{args:?}"));
        match function {
            "guardians" => Ok(Value::Int(self.guardians)),
            _ => Ok(Value::Unit),
        }
    }
    fn observer(&self) -> Option<Arc<dyn Observer>> {
        self.observer.clone()
    }
}

/// Looks at everything there is to see, and forgets it.
pub struct Looking;

impl Observer for Looking {
    fn step(&self, step: &Step) {
        std::hint::black_box((step.place, step.depth, step.variables()));
    }
}

/// Runs an action from an empty state, and again under an observer, which must change nothing.
pub fn run_twice(policy: &Policy, entry: Entry) -> Result<Execution, ScriptError> {
    let (plain, result) = policy.run(entry, Vec::new(), Memory::new());
    let mut watched = Memory::new();
    watched.observer = Some(Arc::new(Looking));
    let (watched, again) = policy.run(entry, Vec::new(), watched);
    assert_eq!(result, again, "an observer changed the result of a run");
    assert_eq!(plain.rows, watched.rows);
    assert_eq!(plain.calls, watched.calls);
    result
}

pub fn catalog() -> Catalog {
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
        .with_actor(actor("circle", &["register"], &["registered"], false))
        .with_actor(actor("policy", &["install"], &[], false))
        .with_actor(actor("treasury", &["deposit"], &["planned"], true))
}

fn actor(name: &str, actions: &[&str], events: &[&str], extendable: bool) -> NativeActor {
    let event = |name: &&str| NativeEvent {
        name: name.to_string(),
        entries: vec![("account".into(), Type::Account)],
        doc: String::new(),
    };
    NativeActor {
        name: name.into(),
        actions: actions.iter().map(|name| name.to_string()).collect(),
        events: events.iter().map(event).collect(),
        extendable,
    }
}

pub fn big<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    std::thread::Builder::new()
        .stack_size(64 << 20)
        .spawn(work)
        .unwrap()
        .join()
        .unwrap()
}

/// Compiles, or fails the test with all diagnostics.
pub fn compiled(source: &str) -> Policy {
    compile(source, "test.3script", &catalog(), &Limits::default()).unwrap_or_else(|faults| {
        let faults: Vec<String> = faults.iter().map(Diagnostic::to_string).collect();
        panic!("{}", faults.join("\n\n"))
    })
}

/// The outcome of a run on one line: value, events and effects, or the error.
pub fn outcome(result: &Result<Execution, ScriptError>) -> String {
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
pub fn show(value: &Value) -> String {
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

/// A table, a formula and an action around a body.
pub fn around(body: &str) -> String {
    format!(
        "policy test version 1\ntable rows {{ id: id key, n: int index, who: account?, paid: amount? }}\naction x() by anyone {{\n{body}\n}}\nformula fee(n: int, rate: percent): amount = half_up(n * 1 TFT * rate / 3)\n"
    )
}

/// What a body does when alice runs it, on one line; faults of the checker in the same form as those of running.
pub fn run_body(body: &str) -> String {
    run_action(&around(body))
}

/// The same for the action `x` of a whole file.
pub fn run_action(source: &str) -> String {
    let source = source.to_owned();
    match compile(&source, "test.3script", &catalog(), &Limits::default()) {
        Err(faults) => {
            let faults = faults.iter().map(|fault| {
                let mend = if fault.mend.is_empty() {
                    String::new()
                } else {
                    format!("; {}", fault.mend)
                };
                format!(
                    "{}:{}:{}: {} [{}]{mend}",
                    fault.file, fault.line, fault.column, fault.reason, fault.code
                )
            });
            faults.collect::<Vec<_>>().join("; ")
        }
        Ok(policy) => big(move || outcome(&run_twice(&policy, Entry::Action("x")))),
    }
}
