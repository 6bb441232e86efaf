//! What the body of a test sees: the tables of the policy, the natives of the circle, and the words of tests.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use circle::ids::Key;
use circle::ledger;
use circle::policies;
use circle::receipt::{Receipt, Source};
use circle::rehearsal::Rehearsed;
use circle::session::policy_prefix;
use circle::state::KeyValue;
use circle::treasury;
use threescript::action::{Action, Mark, render};
use threescript::engine::{
    BlockInfo, Caller, Entry, Execution, Host, HostError, Observer, Rows, ScriptError, Step,
};
use threescript::policy::Policy;
use threescript::value::{Amount, AssetCode, Value, render_time};

use super::compare::{differences, same};
use super::turn::{Kind, Turn};
use super::{Failure, Spot};
use crate::coverage::Coverage;
use crate::literal::literal;
use crate::scratch::{Refused, Scratch, credential, secret};

/// Why a word failed the test.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wrong {
    pub code: String,
    pub reason: String,
    pub mend: String,
    pub differences: Vec<String>,
    pub submitted: Option<Box<str>>,
    pub refused_at: Option<Box<Spot>>,
}

impl Wrong {
    fn new(code: &str, reason: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            reason: reason.into(),
            ..Self::default()
        }
    }
}

impl From<Refused> for Wrong {
    fn from(refused: Refused) -> Self {
        Self::new(&refused.code, refused.reason)
    }
}

/// Sees which policies fail and, if that is wanted, what of the policy under test runs.
#[derive(Debug, Default)]
pub struct Watcher {
    failures: Mutex<Vec<(String, ScriptError)>>,
    /// What ran, if that is wanted.
    pub coverage: Option<Coverage>,
}

impl Watcher {
    /// Nothing was seen yet.
    pub fn new(coverage: Option<Coverage>) -> Self {
        Self {
            failures: Mutex::default(),
            coverage,
        }
    }

    fn failures(&self) -> MutexGuard<'_, Vec<(String, ScriptError)>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Watcher {
    fn begun(&self, policy: &Policy, _: Entry, _: &[(String, Value)], _: &Caller) {
        if let Some(coverage) = &self.coverage {
            coverage.begun(policy);
        }
    }

    fn ended(&self, policy: &Policy, result: Result<&Execution, &ScriptError>) {
        if let Err(error) = result {
            self.failures()
                .push((policy.name().to_owned(), error.clone()));
        }
        if let Some(coverage) = &self.coverage {
            coverage.ended(result.is_ok());
        }
    }

    fn wants_steps(&self) -> bool {
        self.coverage.is_some()
    }

    fn step(&self, step: &Step) {
        if let Some(coverage) = &self.coverage {
            coverage.step(step);
        }
    }
}

/// The files of the active policies by the names of these.
pub type Sources = BTreeMap<String, (String, String)>;

/// What tests of the same policies have in common.
#[derive(Clone)]
pub struct Bench {
    sources: Arc<Sources>,
    watcher: Arc<Watcher>,
}

impl Bench {
    /// For tests with these policies.
    pub fn new(policies: &[Policy]) -> Self {
        let source = |policy: &Policy| {
            let file = (policy.file().to_owned(), policy.source().to_owned());
            (policy.name().to_owned(), file)
        };
        let sources = policies.iter().map(source).collect();
        Self::watched(Arc::new(sources), Arc::new(Watcher::default()))
    }

    /// The same, with a watcher that sees more.
    pub fn watched(sources: Arc<Sources>, watcher: Arc<Watcher>) -> Self {
        Self { sources, watcher }
    }
}

/// One test being run.
pub struct TestHost {
    scratch: Scratch,
    prefix: Vec<u8>,
    policy: String,
    bench: Bench,
    turn: Turn,
    /// Why the last word failed.
    wrong: Option<Wrong>,
}

/// What became of something that was submitted or asked.
struct Submitted {
    text: String,
    outcome: Result<Value, Box<Wrong>>,
}

impl TestHost {
    /// A test of `policy` on a scratch circle.
    pub fn new(mut scratch: Scratch, policy: &str, bench: &Bench) -> Self {
        scratch.watch(bench.watcher.clone());
        Self {
            scratch,
            prefix: policy_prefix(policy),
            policy: policy.to_owned(),
            bench: bench.clone(),
            turn: Turn::default(),
            wrong: None,
        }
    }

    /// The circle as the test has left it.
    pub fn into_scratch(self) -> Scratch {
        self.scratch
    }

    /// Why the test failed, as its file with this source shows it.
    pub fn failure(&self, error: &ScriptError, file: &str, source: &str) -> Failure {
        let wrong = self.wrong.clone().filter(|wrong| wrong.code == error.code);
        let wrong = wrong.unwrap_or_else(|| Wrong {
            code: error.code.clone(),
            reason: error.message.clone(),
            mend: error.mend.clone(),
            ..Wrong::default()
        });
        let Wrong {
            code,
            reason,
            mend,
            differences,
            submitted,
            refused_at,
        } = wrong;
        Failure {
            code,
            place: Spot::new(file, source, error.line, error.column),
            reason,
            mend,
            differences,
            submitted: submitted.map(String::from),
            refused_at: refused_at.map(|spot| *spot),
        }
    }

    fn word(&mut self, name: &str, args: Vec<Value>) -> Result<Value, Wrong> {
        let mut args = args.into_iter();
        let mut next = || args.next();
        match (name, next(), next(), next(), next()) {
            ("account", Some(Value::Text(name)), first, second, third) => {
                let roles = roles([first, second, third])?;
                let done = self.scratch.register(&name, &roles)?;
                self.made([done])
            }
            ("at", Some(Value::Time(time)), ..) => {
                let done = self.scratch.advance_to(time)?;
                self.made([done])
            }
            ("wait", Some(Value::Duration(seconds)), ..) => {
                let done = self.wait(seconds)?;
                self.made([done])
            }
            ("pass", Some(Value::Duration(seconds)), Some(Value::Duration(step)), ..) => {
                self.pass(seconds, step)
            }
            ("act", Some(Value::Account(who)), Some(Value::Text(what)), values, _) => {
                let Submitted { outcome, .. } = self.submit(&who, &what, map(values))?;
                outcome.map_err(|wrong| *wrong)
            }
            ("refused", Some(Value::Account(who)), Some(Value::Text(what)), third, fourth) => {
                let (values, code) = values_and_code(third, fourth)?;
                let submitted = self.submit(&who, &what, values)?;
                must_be_refused(submitted, &code)
            }
            ("ask", Some(Value::Text(question)), values, ..) => {
                let Submitted { outcome, .. } = self.ask(&question, map(values));
                outcome.map_err(|wrong| *wrong)
            }
            ("ask_refused", Some(Value::Text(question)), second, third, _) => {
                let (values, code) = values_and_code(second, third)?;
                must_be_refused(self.ask(&question, values), &code)
            }
            ("expect", Some(actual), Some(expected), why, _) => {
                if same(&actual, &expected) {
                    return Ok(Value::Unit);
                }
                let reason = match why {
                    Some(Value::Text(why)) => why,
                    _ => "the values differ".to_owned(),
                };
                let differences = differences(&actual, &expected, self.scratch.assets());
                Err(Wrong {
                    differences,
                    ..Wrong::new("test.expect", reason)
                })
            }
            ("expect_event", Some(Value::Text(name)), entries, ..) => {
                self.expect(Kind::Event, &name, entries, true)
            }
            ("expect_no_event", Some(Value::Text(name)), entries, ..) => {
                self.expect(Kind::Event, &name, entries, false)
            }
            ("expect_effect", Some(Value::Text(name)), entries, ..) => {
                self.expect(Kind::Effect, &name, entries, true)
            }
            ("expect_no_effect", Some(Value::Text(name)), entries, ..) => {
                self.expect(Kind::Effect, &name, entries, false)
            }
            ("events", name, ..) => Ok(self.turn.list(Kind::Event, text(&name))),
            ("effects", name, ..) => Ok(self.turn.list(Kind::Effect, text(&name))),
            ("deposit", Some(Value::Account(who)), Some(Value::Amount(amount)), wallet, _) => {
                let wallet = text(&wallet).unwrap_or(crate::scratch::WALLET).to_owned();
                let done = self.scratch.deposit(&wallet, &who, amount)?;
                self.made([done])
            }
            ("fund", Some(Value::Text(book)), Some(Value::Amount(amount)), ..) => {
                let rows = self.scratch.rehearsal().rows();
                let received = ledger::receive(rows, &book, &amount);
                received.map_err(|failure| Refused::from(circle::session::Stop::from(failure)))?;
                Ok(Value::Unit)
            }
            ("set", Some(Value::Text(param)), Some(value), ..) => self.set(&param, &value),
            ("wallet", Some(Value::Text(name)), ..) => {
                self.scratch.wallet(&name)?;
                Ok(Value::Unit)
            }
            ("payouts", ..) => self.payouts(),
            ("ious", Some(Value::List(batch)), ..) => Ok(Value::Bytes(self.scratch.ious(&batch)?)),
            ("balances", asset, ..) => self.balances(text(&asset).unwrap_or("TFT")),
            ("now", ..) => Ok(Value::Time(self.scratch.now())),
            ("key_of", Some(Value::Text(name)), ..) => {
                Ok(Value::Bytes(Key::of(&secret(&name)).0.to_vec()))
            }
            ("sign", Some(Value::Text(name)), Some(Value::Bytes(message)), ..) => {
                let signature = secret(&name).sign(&message).to_bytes();
                Ok(Value::Bytes(signature.to_vec()))
            }
            ("credential", Some(Value::Map(claims)), ..) => Ok(Value::Text(credential(&claims)?)),
            (name, ..) => Err(Wrong {
                mend: "the page docs/policy-testing.md shows what it takes".into(),
                ..Wrong::new("test.word", format!("`{name}` does not take these values"))
            }),
        }
    }

    /// Remembers what blocks made known. A schedule that failed fails the test: it would go on failing unnoticed.
    fn made(&mut self, blocks: impl IntoIterator<Item = Rehearsed>) -> Result<Value, Wrong> {
        self.turn = Turn::default();
        for block in blocks {
            self.turn.add(&block.receipts);
            self.check_schedules(&block.receipts)?;
        }
        Ok(Value::Unit)
    }

    fn check_schedules(&self, receipts: &[Receipt]) -> Result<(), Wrong> {
        for receipt in receipts.iter().filter(|receipt| !receipt.is_ok()) {
            if let Source::Schedule { policy, name } = &receipt.source {
                let reason = format!("the schedule {policy}.{name} failed: {}", receipt.message);
                return Err(Wrong {
                    refused_at: self.refused_at(receipt),
                    ..Wrong::new(&receipt.code, reason)
                });
            }
        }
        Ok(())
    }

    fn wait(&mut self, seconds: i64) -> Result<Rehearsed, Wrong> {
        let wrong = || Wrong::new("test.time", "a test waits for more than nothing");
        let seconds = Some(seconds)
            .filter(|seconds| *seconds > 0)
            .ok_or_else(wrong)?;
        Ok(self
            .scratch
            .advance_to(self.scratch.now().saturating_add(seconds))?)
    }

    fn pass(&mut self, seconds: i64, step: i64) -> Result<Value, Wrong> {
        const MOST: i64 = 100_000;
        if step <= 0 || seconds / step > MOST {
            let reason = format!("time passes in steps, at most {MOST} of them");
            return Err(Wrong::new("test.time", reason));
        }
        let (mut left, mut blocks) = (seconds, Vec::new());
        while left > 0 {
            blocks.push(self.wait(step.min(left))?);
            left -= step;
        }
        self.made(blocks)
    }

    fn submit(
        &mut self,
        who: &str,
        what: &str,
        values: Option<BTreeMap<String, Value>>,
    ) -> Result<Submitted, Wrong> {
        self.bench.watcher.failures().clear();
        let (text, actions) = self.actions(Mark::Act, what, values);
        let text = format!("{who}: {text}");
        let refused = |wrong: Wrong, text: String| {
            let submitted = Some(text.as_str().into());
            let outcome = Err(Box::new(Wrong { submitted, ..wrong }));
            Submitted { text, outcome }
        };
        let actions = match actions {
            Ok(actions) => actions,
            Err(wrong) => return Ok(refused(wrong, text)),
        };
        let done = match self.scratch.act(who, &actions) {
            Ok(done) => done,
            Err(error) => return Ok(refused(error.into(), text)),
        };
        let value = done.value.clone();
        let receipt = done.receipts.first().cloned();
        self.turn = Turn::default();
        self.turn.add(&done.receipts);
        let outcome = match receipt.filter(|receipt| !receipt.is_ok()) {
            None => Ok(value),
            Some(receipt) => {
                let wrong = Wrong {
                    refused_at: self.refused_at(&receipt),
                    ..Wrong::new(&receipt.code, receipt.message.as_str())
                };
                return Ok(refused(wrong, text));
            }
        };
        self.check_schedules(&done.receipts)?;
        Ok(Submitted { text, outcome })
    }

    fn ask(&mut self, question: &str, values: Option<BTreeMap<String, Value>>) -> Submitted {
        self.bench.watcher.failures().clear();
        let (text, actions) = self.actions(Mark::Ask, question, values);
        let outcome = match actions {
            Err(wrong) => Err(wrong),
            Ok(actions) => match &actions[..] {
                [question] => match self.scratch.rehearsal().ask(question).0 {
                    Ok(value) => Ok(value),
                    Err(stop) => {
                        let place = match &stop {
                            circle::session::Stop::Refused(refusal) => refusal.place.clone(),
                            circle::session::Stop::Fault(_) => None,
                        };
                        let refused = Refused::from(stop);
                        let refused_at = place
                            .and_then(|place| self.spot(&refused.code, place.line, place.column));
                        Err(Wrong {
                            refused_at,
                            ..refused.into()
                        })
                    }
                },
                _ => Err(Wrong::new(
                    "test.question",
                    "one question is asked at a time",
                )),
            },
        };
        let outcome = outcome.map_err(|wrong| {
            let submitted = Some(text.as_str().into());
            Box::new(Wrong { submitted, ..wrong })
        });
        Submitted { text, outcome }
    }

    /// What a text, or a title and values, say; and how it is shown.
    fn actions(
        &mut self,
        mark: Mark,
        what: &str,
        values: Option<BTreeMap<String, Value>>,
    ) -> (String, Result<Vec<Action>, Wrong>) {
        let is_title = !what.trim_start().starts_with('!') && !what.trim().contains(' ');
        if values.is_none() && !is_title {
            let read = self.scratch.read(what).map_err(|problem| Wrong {
                mend: problem.mend,
                ..Wrong::new(&problem.code, problem.reason)
            });
            let read = read.and_then(|actions| match actions.is_empty() {
                true => Err(Wrong {
                    mend: "actions begin with !! and questions with !".into(),
                    ..Wrong::new("test.nothing", "this text has no actions")
                }),
                false => Ok(actions),
            });
            return (what.trim().to_owned(), read);
        }
        let values = values.unwrap_or_default();
        let shown = Value::Map(values.clone());
        let shown = literal(&shown, self.scratch.assets());
        match self.scratch.action(mark, what.trim(), values) {
            Ok(action) => {
                let text = render(std::slice::from_ref(&action), self.scratch.assets());
                (text.trim_end().to_owned(), Ok(vec![action]))
            }
            Err(refused) => (format!("{} {shown}", what.trim()), Err(refused.into())),
        }
    }

    /// Where in a policy a receipt's refusal arose.
    fn refused_at(&self, receipt: &Receipt) -> Option<Box<Spot>> {
        let place = receipt.place.as_ref()?;
        self.spot(&receipt.code, place.line, place.column)
    }

    fn spot(&self, code: &str, line: u32, column: u32) -> Option<Box<Spot>> {
        let failures = self.bench.watcher.failures();
        let mut latest = failures.iter().rev();
        let (policy, _) = latest.find(|(_, error)| {
            (error.code.as_str(), error.line, error.column) == (code, line, column)
        })?;
        let (file, source) = self.bench.sources.get(policy)?;
        Some(Box::new(Spot::new(file, source, line, column)))
    }

    fn expect(
        &mut self,
        kind: Kind,
        name: &str,
        entries: Option<Value>,
        wanted: bool,
    ) -> Result<Value, Wrong> {
        let entries = entries.unwrap_or_else(|| Value::Map(BTreeMap::new()));
        if self.turn.has(kind, name, &entries) == wanted {
            return Ok(Value::Unit);
        }
        let word = kind.name();
        let shown = |value: &Value| literal(value, self.scratch.assets());
        let reason = match (wanted, &entries) {
            (true, Value::Map(entries)) if entries.is_empty() => {
                format!("there was no {word} {name}")
            }
            (true, entries) => format!("there was no {word} {name} with {}", shown(entries)),
            (false, _) => format!("there was an {word} {name}"),
        };
        let seen = self.turn.seen(kind);
        let mut differences: Vec<String> = seen
            .map(|(title, data)| format!("seen: {title} {}", shown(data)))
            .collect();
        if differences.is_empty() {
            differences.push(format!("no {word}s were seen"));
        }
        Err(Wrong {
            differences,
            ..Wrong::new(&format!("test.{word}"), reason)
        })
    }

    fn set(&mut self, param: &str, value: &Value) -> Result<Value, Wrong> {
        let Some((policy, name)) = param.split_once('.') else {
            return Err(Wrong::new(
                "test.param",
                "a param is named with its policy, as in \"vote.quorum\"",
            ));
        };
        let text = match value {
            Value::Text(text) | Value::Account(text) => text.clone(),
            Value::Percent(number) => format!("{number}%"),
            Value::Decimal(number) => number.to_string(),
            Value::Bytes(bytes) => hex::encode(bytes),
            Value::Time(time) => render_time(*time).unwrap_or_default(),
            Value::Amount(amount) => {
                let text = self.scratch.assets().render_amount(amount);
                text.map_err(|error| Wrong::new(error.code(), error.to_string()))?
            }
            other => literal(other, self.scratch.assets()),
        };
        let values = [("policy", policy), ("param", name), ("value", &text)];
        let values = values.map(|(name, value)| (name.to_owned(), Value::Text(value.to_owned())));
        let submitted = self.submit("circle", "policy.set", Some(values.into()))?;
        submitted.outcome.map_err(|wrong| *wrong)
    }

    fn payouts(&mut self) -> Result<Value, Wrong> {
        let planned = treasury::payouts(self.scratch.rehearsal().rows()).map_err(Refused::from)?;
        let line = |payout: &treasury::Payout, line: &treasury::Line| {
            let entries = [
                ("id", Value::Id(payout.id)),
                ("wallet", Value::Text(payout.wallet.clone())),
                ("account", Value::Account(line.account.clone())),
                ("amount", Value::Amount(line.amount.clone())),
            ];
            Value::Map(entries.map(|(name, value)| (name.to_owned(), value)).into())
        };
        let lines = planned
            .iter()
            .flat_map(|payout| payout.lines.iter().map(move |one| line(payout, one)));
        Ok(Value::List(lines.collect()))
    }

    fn balances(&mut self, asset: &str) -> Result<Value, Wrong> {
        let code =
            AssetCode::new(asset).map_err(|error| Wrong::new(error.code(), error.to_string()))?;
        let books = ledger::books(self.scratch.rehearsal().rows(), &code).map_err(Refused::from)?;
        let amount = |(book, units)| (book, Value::Amount(Amount::new(units, code.clone())));
        Ok(Value::Map(books.into_iter().map(amount).collect()))
    }
}

fn text(value: &Option<Value>) -> Option<&str> {
    match value {
        Some(Value::Text(text)) => Some(text),
        _ => None,
    }
}

fn map(value: Option<Value>) -> Option<BTreeMap<String, Value>> {
    match value {
        Some(Value::Map(map)) => Some(map),
        _ => None,
    }
}

fn roles(given: [Option<Value>; 3]) -> Result<Vec<String>, Wrong> {
    let mut roles = Vec::new();
    for role in given.into_iter().flatten() {
        match role {
            Value::Text(role) => roles.push(role),
            Value::List(more) => roles.extend(more.into_iter().filter_map(|role| match role {
                Value::Text(role) => Some(role),
                _ => None,
            })),
            other => {
                let reason = format!("a role is a text, {} is given", other.kind());
                return Err(Wrong::new("type", reason));
            }
        }
    }
    Ok(roles)
}

/// `…, values, code` or `…, code`.
fn values_and_code(
    first: Option<Value>,
    second: Option<Value>,
) -> Result<(Option<BTreeMap<String, Value>>, String), Wrong> {
    match (first, second) {
        (Some(Value::Map(values)), Some(Value::Text(code))) => Ok((Some(values), code)),
        (Some(Value::Text(code)), None) => Ok((None, code)),
        _ => Err(Wrong {
            mend: "write refused(\"bob\", \"shelf.borrow\", #{ thing: 1 }, \"shelf.lent\")".into(),
            ..Wrong::new(
                "test.word",
                "a code is wanted last, and before it a map or nothing",
            )
        }),
    }
}

fn must_be_refused(submitted: Submitted, code: &str) -> Result<Value, Wrong> {
    let Submitted { text, outcome } = submitted;
    match outcome {
        Err(wrong) if wrong.code == code => Ok(Value::Text(wrong.reason)),
        Err(wrong) => Err(Wrong {
            code: "test.other_code".into(),
            differences: vec![
                format!("expected code {code}"),
                format!("  actual code {}: {}", wrong.code, wrong.reason),
            ],
            reason: "it was refused for another reason".into(),
            mend: String::new(),
            ..*wrong
        }),
        Ok(_) => Err(Wrong {
            submitted: Some(text.into()),
            ..Wrong::new(
                "test.not_refused",
                format!("it was not refused with {code}"),
            )
        }),
    }
}

fn fault(error: impl std::fmt::Display) -> HostError {
    HostError::Fault(error.to_string())
}

impl Host for TestHost {
    fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, HostError> {
        let key = [&self.prefix, key].concat();
        self.scratch.rehearsal().rows().get(&key).map_err(fault)
    }

    fn put(&mut self, key: Vec<u8>, value: Vec<u8>) -> Result<(), HostError> {
        let key = [self.prefix.clone(), key].concat();
        self.scratch.rehearsal().rows().put(key, value);
        Ok(())
    }

    fn delete(&mut self, key: &[u8]) -> Result<(), HostError> {
        let key = [&self.prefix, key].concat();
        self.scratch.rehearsal().rows().delete(key);
        Ok(())
    }

    fn scan(
        &mut self,
        from: &[u8],
        to: &[u8],
        limit: usize,
        reverse: bool,
    ) -> Result<Rows, HostError> {
        let (from, to) = ([&self.prefix, from].concat(), [&self.prefix, to].concat());
        let rows = self.scratch.rehearsal().rows();
        let found = rows.scan(&from, Some(&to), limit, reverse).map_err(fault)?;
        let length = self.prefix.len();
        let own = |(key, value): (Vec<u8>, Vec<u8>)| (key[length..].to_vec(), value);
        Ok(found.into_iter().map(own).collect())
    }

    fn block(&self) -> BlockInfo {
        BlockInfo {
            height: self.scratch.height(),
            time: self.scratch.now(),
        }
    }

    fn caller(&self) -> Caller {
        Caller::circle()
    }

    fn param(&mut self, name: &str) -> Result<Option<Value>, HostError> {
        policies::param(self.scratch.rehearsal().rows(), &self.policy, name).map_err(fault)
    }

    fn call(&mut self, module: &str, function: &str, args: Vec<Value>) -> Result<Value, HostError> {
        if !module.is_empty() {
            let rehearsal = self.scratch.rehearsal();
            let result = rehearsal.call(&self.policy, module, function, args);
            return result.map_err(|stop| {
                let Refused { code, reason } = stop.into();
                HostError::Rejected {
                    code,
                    message: reason,
                }
            });
        }
        self.word(function, args).map_err(|wrong| {
            let Wrong { code, reason, .. } = wrong.clone();
            self.wrong = Some(wrong);
            HostError::Rejected {
                code,
                message: reason,
            }
        })
    }
}
