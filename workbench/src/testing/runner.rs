//! Running the tests of a file.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;
use threescript::policy::CaseDecl;
use threescript::value::{Assets, Value};

use super::host::{Bench, TestHost, Watcher};
use super::property::{Failing, SHRINKS, Source, accounts, simpler};
use super::{Failure, Suite};
use crate::coverage::Coverage;
use crate::literal::literal;
use crate::problem::Problem;
use crate::scratch::{Scratch, Start, WALLET};

/// How tests are run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Only tests whose names have this in them.
    pub only: Option<String>,
    /// Where the inputs of properties come from.
    pub seed: u64,
    /// How many inputs a property is tried with.
    pub cases: u32,
    /// Whether to see what of the policy runs.
    pub coverage: bool,
}

/// What became of one test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Its name.
    pub name: String,
    /// The line where it begins.
    pub line: u32,
    /// Whether it holds.
    pub passed: bool,
    /// With how many inputs a property was tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cases: Option<u32>,
    /// Why it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// The inputs of a property that fail it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counterexample: Option<Failing>,
}

/// Runs the tests of a file, one after the other. Also gives what ran of the policy, if that is wanted.
///
/// The calling thread needs a stack of [`circle::machine::STACK_BYTES`].
pub fn run_file(
    suite: &Suite,
    settings: &Settings,
) -> Result<(Vec<Report>, Option<Coverage>), Problem> {
    let coverage = settings.coverage.then(|| Coverage::new(&suite.policy));
    let watcher = Arc::new(Watcher::new(coverage));
    let mut runner = Runner {
        suite,
        settings,
        watcher: watcher.clone(),
        plain: Scratch::new(suite.policies.clone())?.into_start()?,
        with_wallet: None,
    };
    let mut reports = Vec::new();
    for case in suite.tests.cases() {
        let is_wanted = settings
            .only
            .as_ref()
            .is_none_or(|only| case.name.contains(only));
        if is_wanted {
            reports.push(runner.case(case)?);
        }
    }
    drop(runner);
    Ok((
        reports,
        Arc::into_inner(watcher).and_then(|watcher| watcher.coverage),
    ))
}

struct Runner<'a> {
    suite: &'a Suite,
    settings: &'a Settings,
    watcher: Arc<Watcher>,
    plain: Start,
    /// The same after the ceremony for the key of the usual wallet, which takes a while and is held once.
    with_wallet: Option<Start>,
}

impl Runner<'_> {
    fn case(&mut self, case: &CaseDecl) -> Result<Report, Problem> {
        let start = self.start(case)?;
        let mut report = Report {
            name: case.name.clone(),
            line: case.place.line,
            passed: true,
            cases: None,
            failure: None,
            counterexample: None,
        };
        if !case.is_property {
            report.failure = self.run(case, &start, &[])?;
            report.passed = report.failure.is_none();
            return Ok(report);
        }
        report.cases = Some(self.settings.cases);
        for number in 1..=self.settings.cases {
            let mut source = Source::new(self.settings.seed, &case.name, number);
            let inputs: Vec<Value> = case
                .inputs
                .iter()
                .map(|input| source.value(&input.generator))
                .collect();
            if let Some(failure) = self.run(case, &start, &inputs)? {
                let (failure, inputs, shrinks) = self.shrink(case, &start, inputs, failure)?;
                let assets = Assets::standard();
                let names = case.inputs.iter().map(|input| input.name.clone());
                let inputs = names.zip(inputs.iter().map(|value| literal(value, &assets)));
                report.counterexample = Some(Failing {
                    case: number,
                    inputs: inputs.collect(),
                    shrinks,
                });
                (report.passed, report.failure) = (false, Some(failure));
                report.cases = Some(number);
                break;
            }
        }
        Ok(report)
    }

    /// Where a test begins: with the key of the usual wallet made if it is going to need one.
    fn start(&mut self, case: &CaseDecl) -> Result<Start, Problem> {
        let accounts: BTreeSet<(String, Vec<String>)> = case
            .inputs
            .iter()
            .flat_map(|input| accounts(&input.generator))
            .collect();
        let start = match self.suite.tests.calls(case, "wallet") {
            false => self.plain.clone(),
            true => match &self.with_wallet {
                Some(start) => start.clone(),
                None => {
                    let mut scratch = Scratch::from_start(&self.plain)?;
                    scratch.wallet(WALLET)?;
                    let start = scratch.into_start()?;
                    self.with_wallet = Some(start.clone());
                    start
                }
            },
        };
        if accounts.is_empty() {
            return Ok(start);
        }
        let mut scratch = Scratch::from_start(&start)?;
        for (name, roles) in accounts {
            scratch.register(&name, &roles)?;
        }
        scratch.into_start()
    }

    fn run(
        &self,
        case: &CaseDecl,
        start: &Start,
        inputs: &[Value],
    ) -> Result<Option<Failure>, Problem> {
        let suite = self.suite;
        let bench = Bench::watched(suite.sources.clone(), self.watcher.clone());
        let host = TestHost::new(Scratch::from_start(start)?, suite.policy.name(), &bench);
        let names = case.inputs.iter().map(|input| input.name.clone());
        let inputs = names.zip(inputs.iter().cloned()).collect();
        let (host, result) = suite.tests.run(case, inputs, host);
        match result {
            Ok(_) => host.into_scratch().finish().map(|()| None),
            Err(error) => Ok(Some(host.failure(
                &error,
                &suite.file,
                suite.tests.source(),
            ))),
        }
    }

    /// Looks for simpler inputs that fail at the same place for the same reason.
    fn shrink(
        &self,
        case: &CaseDecl,
        start: &Start,
        mut inputs: Vec<Value>,
        mut failure: Failure,
    ) -> Result<(Failure, Vec<Value>, usize), Problem> {
        let (mut tried, mut shrinks) = (0, 0);
        'again: loop {
            for (at, input) in case.inputs.iter().enumerate() {
                for value in simpler(&input.generator, &inputs[at]) {
                    if tried == SHRINKS {
                        break 'again;
                    }
                    tried += 1;
                    let mut candidate = inputs.clone();
                    candidate[at] = value;
                    let Some(other) = self.run(case, start, &candidate)? else {
                        continue;
                    };
                    let key = |failure: &Failure| {
                        (
                            failure.code.clone(),
                            failure.place.line,
                            failure.place.column,
                        )
                    };
                    if key(&other) == key(&failure) {
                        (inputs, failure) = (candidate, other);
                        shrinks += 1;
                        continue 'again;
                    }
                }
            }
            break;
        }
        Ok((failure, inputs, shrinks))
    }
}
