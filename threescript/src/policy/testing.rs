//! Files of tests: what they declare, and their bodies compiled for a host that offers the words of tests.
//!
//! A body of a test is run like one of a policy, under the same rules; it sees the tables, constants and params of the
//! policy under test. What it may do besides is in [`Catalog::words`](crate::engine::Catalog::words).

use super::compile::{Policy, build, check_source, report};
use super::diagnostic::{Diagnostic, Fault, Place};
use super::header::parse_tests;
use crate::engine::{Catalog, Entry, Execution, Host, Limits, ScriptError};
use crate::value::{Amount, Decimal, Value};

/// What a file of tests says of itself, before anything of it is compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestTitle {
    /// The policy that is tested.
    pub policy: String,
    /// Where its name stands.
    pub place: Place,
    /// The other policies that are active, with the places of their names.
    pub with: Vec<(String, Place)>,
}

/// A declared test.
#[derive(Clone, Debug)]
pub struct CaseDecl {
    /// What holds, in a sentence.
    pub name: String,
    /// The doc lines above it, joined by new lines.
    pub doc: String,
    /// Where it begins.
    pub place: Place,
    /// Whether it is run with generated inputs.
    pub is_property: bool,
    /// The inputs of a property.
    pub inputs: Vec<InputDecl>,
    pub(crate) entry: String,
}

/// An input of a property.
#[derive(Clone, Debug)]
pub struct InputDecl {
    /// Its name.
    pub name: String,
    /// What it may be.
    pub generator: Generator,
}

/// Which values an input takes. All bounds are included.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "bounds are what they are called")]
pub enum Generator {
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Int { from: i64, to: i64 },
    /// The number of a row.
    Id { from: i64, to: i64 },
    /// A decimal number.
    Decimal { from: Decimal, to: Decimal },
    /// A percentage; 35 means 35 %.
    Percent { from: Decimal, to: Decimal },
    /// Money of one asset.
    Amount { from: Amount, to: Amount },
    /// A duration in seconds.
    Duration { from: i64, to: i64 },
    /// A time in seconds since 1970.
    Time { from: i64, to: i64 },
    /// A text of so many characters.
    Text { from: usize, to: usize },
    /// So many bytes.
    Bytes { from: usize, to: usize },
    /// One of these.
    OneOf(Vec<Value>),
    /// The name of a registered account, with this role.
    Account { role: Option<String> },
    /// A list of so many items.
    List {
        of: Box<Generator>,
        from: usize,
        to: usize,
    },
}

/// A file of tests: checked, and ready to run. Cheap to clone.
#[derive(Clone, Debug)]
pub struct TestFile {
    title: TestTitle,
    cases: Vec<CaseDecl>,
    bodies: Policy,
}

impl TestFile {
    /// Which policies it is about.
    pub fn title(&self) -> &TestTitle {
        &self.title
    }

    /// What is probably not meant so in it, though it works.
    pub fn warnings(&self) -> &[Diagnostic] {
        self.bodies.warnings()
    }

    /// Its tests in the declared order.
    pub fn cases(&self) -> &[CaseDecl] {
        &self.cases
    }

    /// The text it was compiled from.
    pub fn source(&self) -> &str {
        self.bodies.source()
    }

    /// The file as it was named at compilation.
    pub fn file(&self) -> &str {
        self.bodies.file()
    }

    /// Whether the body of a test, or of a function of the file that it may call, calls `word`.
    pub fn calls(&self, case: &CaseDecl, word: &str) -> bool {
        self.bodies.calls(Entry::Every(&case.entry), word)
    }

    /// Runs a test; a property with one value for each of its inputs.
    pub fn run<H: Host>(
        &self,
        case: &CaseDecl,
        inputs: Vec<(String, Value)>,
        host: H,
    ) -> (H, Result<Execution, ScriptError>) {
        self.bodies.run(Entry::Every(&case.entry), inputs, host)
    }
}

/// Reads which policies a file of tests is about. Errors: the faults of its title.
pub fn read_test_title(
    source: &str,
    file: &str,
    catalog: &Catalog,
) -> Result<TestTitle, Vec<Diagnostic>> {
    let (tests, faults) = parse_tests(source, catalog.assets());
    if tests.header.name.is_empty() {
        return Err(report(faults, file, source));
    }
    Ok(TestTitle {
        policy: tests.header.name,
        place: tests.header.place,
        with: tests.with,
    })
}

/// Reads and checks a file of tests of `policy`. `catalog` has the natives of a circle and the words of tests.
///
/// Errors: all faults that were found, in the order of their places.
pub fn compile_tests(
    source: &str,
    file: &str,
    policy: &Policy,
    catalog: &Catalog,
    limits: &Limits,
) -> Result<TestFile, Vec<Diagnostic>> {
    check_source(source, limits).map_err(|fault| report(vec![fault], file, source))?;
    let (tests, mut faults) = parse_tests(source, catalog.assets());
    let mut header = tests.header;
    if header.name.is_empty() {
        return Err(report(faults, file, source));
    }
    if header.name != policy.name() {
        let reason = format!(
            "these are tests of {}, not of {}",
            header.name,
            policy.name()
        );
        let mend = "name the policy of the file beside this one";
        faults.push(Fault::new(header.place, "wrong_policy", reason, mend));
    }
    let tested = &policy.inner.header;
    let shared = tested.consts.iter().map(|item| &item.name);
    let shared = shared.chain(tested.tables.iter().map(|item| &item.name));
    let shared: Vec<&String> = shared
        .chain(tested.params.iter().map(|item| &item.name))
        .collect();
    let own = header.consts.iter().map(|item| (&item.name, item.place));
    let own = own.chain(header.functions.iter().map(|item| (&item.name, item.place)));
    for (name, place) in own.filter(|(name, _)| shared.contains(name)) {
        let reason = format!("`{name}` is declared in the policy, which is seen here too");
        faults.push(Fault::new(place, "duplicate", reason, "take another name"));
    }
    header.consts.extend(tested.consts.iter().cloned());
    header.tables.extend(tested.tables.iter().cloned());
    header.params.extend(tested.params.iter().cloned());
    let title = TestTitle {
        policy: header.name.clone(),
        place: header.place,
        with: tests.with,
    };
    let bodies = build(source, file, header, faults, catalog, limits)?;
    Ok(TestFile {
        title,
        cases: tests.cases,
        bodies,
    })
}
