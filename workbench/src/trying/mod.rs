//! Trying out actions and questions on a scratch circle: what `run` and `trace` have in common.

mod money;
mod writes;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use circle::receipt::Receipt;
use circle::session::Stop;
use threescript::action::{Action, Mark};
use threescript::engine::{Caller, Entry, Execution, Observer, ScriptError, Step};
use threescript::policy::{Diagnostic, Policy, compile_tests};
use threescript::value::{Value, parse_time};

use crate::language;
use crate::problem::Problem;
use crate::scratch::{Refused, Scratch};
use crate::testing::{Bench, Failure, Spot, TestHost, catalog, find_policy, limits};

pub use money::{Moved, moved};
pub use writes::{RowWrite, row_writes};

/// What is tried out, and on what circle.
#[derive(Clone, Debug, clap::Args)]
pub struct Trial {
    /// The policy file.
    pub file: PathBuf,
    /// Actions or a question, as people write them.
    #[arg(value_name = "ACTIONS")]
    pub text: String,
    /// Who submits them: a guardian `g1` to `g9`, `circle`, or an account, with its roles if it is new, as in alice:consumer.
    #[arg(long = "as", value_name = "NAME", default_value = "g1")]
    pub who: String,
    /// Other policies that are active: names of policies nearby, or files.
    #[arg(long, value_name = "POLICY", value_delimiter = ',')]
    pub with: Vec<String>,
    /// When the block is made, such as '2026-02-01 12:00:00'; schedules that are due then run behind the actions.
    #[arg(long, value_name = "TIME")]
    pub at: Option<String>,
    /// What is done before: statements as in a test, or a file of them.
    #[arg(long, value_name = "STATEMENTS")]
    pub given: Option<String>,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

/// What became of what was tried.
#[derive(Debug)]
pub struct Tried {
    /// The policies that are active, by their files.
    pub policies: Vec<Policy>,
    /// Who submitted it.
    pub who: String,
    /// What was submitted.
    pub actions: Vec<Action>,
    /// What was returned, or why it was refused.
    pub outcome: Result<Value, Failure>,
    /// Of the transaction and of schedules that were due; none for a question.
    pub receipts: Vec<Receipt>,
    /// Rows of the tables of policies that changed.
    pub rows: Vec<RowWrite>,
    /// Rows of the kernel that changed.
    pub kernel_rows: usize,
    /// Books that changed.
    pub money: Vec<Moved>,
    /// The operations that it took.
    pub operations: u64,
    /// The params of the policies, by policy and name, as they are now.
    pub params: BTreeMap<(String, String), Value>,
}

/// Why nothing could be tried.
pub enum Unready {
    /// A file has faults.
    Faults(Vec<Diagnostic>),
    /// What was to be done before failed.
    Given(Box<Failure>),
}

/// Tries something out, watched by `observer`.
///
/// The calling thread needs a stack of [`circle::machine::STACK_BYTES`].
pub fn attempt(
    trial: &Trial,
    observer: Arc<dyn Observer>,
) -> Result<Result<Tried, Unready>, Problem> {
    let policies = match policies(trial)? {
        Ok(policies) => policies,
        Err(faults) => return Ok(Err(Unready::Faults(faults))),
    };
    let sources = policies.iter().map(|policy| policy.source().to_owned());
    let mut scratch = Scratch::new(sources.collect())?;
    if let Some(given) = &trial.given {
        scratch = match prepare(scratch, &policies, given)? {
            Ok(scratch) => scratch,
            Err(unready) => return Ok(Err(unready)),
        };
    }
    let who = register(&mut scratch, &trial.who)?;
    let actions = scratch.read(&trial.text)?;
    let Some(first) = actions.first() else {
        let mend = "write actions as !!actor.name and questions as !actor.name";
        return Err(Problem::new(
            "no_actions",
            "there are no actions in this text",
            mend,
        ));
    };
    if let Some(text) = &trial.at {
        let time = parse_time(text).map_err(|error| Problem::of("malformed_value", error))?;
        match first.mark {
            // A question is answered after a block.
            Mark::Ask => scratch.advance_to(time).map(|_| ())?,
            _ => scratch.set_clock(time)?,
        }
    }
    let witness = Arc::new(Witness {
        inner: observer,
        failures: Mutex::default(),
    });
    scratch.watch(witness.clone());
    let mut tried = Tried {
        who,
        outcome: Ok(Value::Unit),
        receipts: Vec::new(),
        rows: Vec::new(),
        kernel_rows: 0,
        money: Vec::new(),
        operations: 0,
        params: params(&mut scratch, &policies)?,
        policies,
        actions: actions.clone(),
    };
    if first.mark == Mark::Ask {
        let (answer, operations) = scratch.rehearsal().ask(first);
        tried.operations = operations;
        tried.outcome = answer.map_err(|stop| {
            let place = match &stop {
                Stop::Refused(refusal) => refusal.place.clone(),
                Stop::Fault(_) => None,
            };
            let Refused { code, reason } = stop.into();
            witness.failure(
                &tried.policies,
                code,
                reason,
                place.map(|place| (place.line, place.column)),
            )
        });
        return Ok(Ok(tried));
    }
    let before = money::books(&mut scratch)?;
    let done = scratch.act(&tried.who, &actions)?;
    tried.money = moved(&before, &money::books(&mut scratch)?);
    tried.operations = done.operations;
    (tried.rows, tried.kernel_rows) = row_writes(&tried.policies, &done.writes);
    tried.outcome = match done.receipts.first().filter(|receipt| !receipt.is_ok()) {
        None => Ok(done.value),
        Some(receipt) => {
            let place = receipt
                .place
                .as_ref()
                .map(|place| (place.line, place.column));
            let (code, reason) = (receipt.code.clone(), receipt.message.clone());
            Err(witness.failure(&tried.policies, code, reason, place))
        }
    };
    tried.receipts = done.receipts;
    tried.params = params(&mut scratch, &tried.policies)?;
    Ok(Ok(tried))
}

/// The params of policies: what the circle decided, and the defaults of the others.
fn params(
    scratch: &mut Scratch,
    policies: &[Policy],
) -> Result<BTreeMap<(String, String), Value>, Problem> {
    let mut all = BTreeMap::new();
    for policy in policies {
        let name = policy.name();
        let defaults = policy.params().iter();
        all.extend(defaults.map(|one| ((name.to_owned(), one.name.clone()), one.default.clone())));
        let decided = circle::policies::params(scratch.rehearsal().rows(), name)?;
        all.extend(
            decided
                .into_iter()
                .map(|(param, value)| ((name.to_owned(), param), value)),
        );
    }
    Ok(all)
}

/// The policies of a trial, those that others may use first, the tried one last.
fn policies(trial: &Trial) -> Result<Result<Vec<Policy>, Vec<Diagnostic>>, Problem> {
    let folder = trial.file.parent().unwrap_or(Path::new(""));
    let mut files = Vec::new();
    for name in &trial.with {
        let path = Path::new(name);
        files.push(match path.is_file() {
            true => path.to_path_buf(),
            false => find_policy(folder, name)?,
        });
    }
    files.push(trial.file.clone());
    let mut sources = Vec::new();
    let mut policies = Vec::new();
    for file in files {
        match language::compile_among(&file, &sources)? {
            Ok(policy) => {
                sources.push(policy.source().to_owned());
                policies.push(policy);
            }
            Err(faults) => return Ok(Err(faults)),
        }
    }
    Ok(Ok(policies))
}

/// Runs statements as the body of a test.
fn prepare(
    scratch: Scratch,
    policies: &[Policy],
    given: &str,
) -> Result<Result<Scratch, Unready>, Problem> {
    let Some(policy) = policies.last() else {
        return Ok(Ok(scratch));
    };
    let (file, statements) = match Path::new(given).is_file() {
        true => (given.to_owned(), language::read(Path::new(given))?),
        false => ("--given".to_owned(), given.to_owned()),
    };
    // On lines of their own, so that places are those of the statements once the first line is not counted.
    let source = format!(
        "tests of {} test \"given\" {{\n{statements}\n}}\n",
        policy.name()
    );
    let tests = match compile_tests(&source, &file, policy, &catalog(), &limits()) {
        Ok(tests) => tests,
        Err(mut faults) => {
            faults
                .iter_mut()
                .for_each(|fault| fault.line = fault.line.saturating_sub(1).max(1));
            return Ok(Err(Unready::Faults(faults)));
        }
    };
    let bench = Bench::new(policies);
    let host = TestHost::new(scratch, policy.name(), &bench);
    let (host, result) = tests.run(&tests.cases()[0], Vec::new(), host);
    Ok(match result {
        Ok(_) => Ok(host.into_scratch()),
        Err(error) => {
            let mut failure = host.failure(&error, &file, &source);
            failure.place.line = failure.place.line.saturating_sub(1);
            Err(Unready::Given(Box::new(failure)))
        }
    })
}

/// Who submits something, registered if the circle does not know the name. `alice:consumer,farmer` has roles.
fn register(scratch: &mut Scratch, who: &str) -> Result<String, Problem> {
    let (name, roles) = who.split_once(':').unwrap_or((who, ""));
    if name != "circle" && scratch.rehearsal().authority(name).is_err() {
        let roles = roles
            .split([',', '+'])
            .map(str::trim)
            .filter(|role| !role.is_empty());
        let roles: Vec<String> = roles.map(str::to_owned).collect();
        scratch.register(name, &roles)?;
    }
    Ok(name.to_owned())
}

/// Remembers which policy failed, for an observer that may want to see more.
struct Witness {
    inner: Arc<dyn Observer>,
    failures: Mutex<Vec<(String, ScriptError)>>,
}

impl Witness {
    /// What a refusal says, with its place in the policy that failed.
    fn failure(
        &self,
        policies: &[Policy],
        code: String,
        reason: String,
        place: Option<(u32, u32)>,
    ) -> Failure {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = failures
            .iter()
            .rev()
            .find(|(_, error)| error.code == code && Some((error.line, error.column)) == place);
        let policy =
            failed.and_then(|(name, _)| policies.iter().find(|policy| policy.name() == name));
        let mend = failed.map_or(String::new(), |(_, error)| error.mend.clone());
        let spot = match (policy, place) {
            (Some(policy), Some((line, column))) => {
                Spot::new(policy.file(), policy.source(), line, column)
            }
            _ => Spot::default(),
        };
        Failure {
            code,
            place: spot,
            reason,
            mend,
            differences: Vec::new(),
            submitted: None,
            refused_at: None,
        }
    }
}

impl Observer for Witness {
    fn begun(&self, policy: &Policy, entry: Entry, args: &[(String, Value)], caller: &Caller) {
        self.inner.begun(policy, entry, args, caller);
    }

    fn ended(&self, policy: &Policy, result: Result<&Execution, &ScriptError>) {
        if let Err(error) = result {
            let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
            failures.push((policy.name().to_owned(), error.clone()));
        }
        self.inner.ended(policy, result);
    }

    fn wants_steps(&self) -> bool {
        self.inner.wants_steps()
    }

    fn step(&self, step: &Step) {
        self.inner.step(step);
    }
}

/// Sees nothing more than runs.
pub struct Unseen;

impl Observer for Unseen {
    fn wants_steps(&self) -> bool {
        false
    }
}

/// Runs work on a thread that has the stack that policies need.
pub fn on_large_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, Problem> {
    let broken = |what: &str| Problem::new("thread", what, "report this");
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(circle::machine::STACK_BYTES);
        let thread = thread.spawn_scoped(scope, work);
        let thread = thread.map_err(|error| broken(&error.to_string()))?;
        thread
            .join()
            .map_err(|_| broken("the thread of a run broke down"))
    })
}
