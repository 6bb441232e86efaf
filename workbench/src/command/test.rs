//! `circle policy test`: runs the tests of policies on scratch circles.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use circle::machine::STACK_BYTES;
use serde_json::json;
use threescript::policy::{Diagnostic, Policy};

use crate::console::{Console, Outcome};
use crate::coverage::{Coverage, Covered};
use crate::problem::{Problem, fault_json};
use crate::testing::{Failing, Report, Settings, find_files, load, run_file};

/// How often files are looked at for changes.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Run the tests of policies: files that end with `.test.3script`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Files of tests, or folders with such files in them.
    #[arg(default_value = ".")]
    pub paths: Vec<PathBuf>,
    /// Only tests whose names have this in them.
    #[arg(short, value_name = "NAME")]
    pub k: Option<String>,
    /// Say which lines and branches of the policies the tests run.
    #[arg(long)]
    pub coverage: bool,
    /// Fail if less than so many percent of the lines of a policy run.
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    pub threshold: Option<u8>,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
    /// Run again whenever a policy or a file of tests changes.
    #[arg(long)]
    pub watch: bool,
    /// Where the inputs of properties come from; another number gives others.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// How many inputs a property is tried with.
    #[arg(long, default_value_t = 100)]
    pub cases: u32,
    /// With --watch, end after so many rounds.
    #[arg(long, hide = true)]
    pub rounds: Option<u32>,
}

/// What became of one file of tests.
struct FileReport {
    file: String,
    faults: Vec<Diagnostic>,
    reports: Vec<Report>,
    /// The policy under test, its file, and what ran of it.
    covered: Option<(String, Policy, Coverage)>,
}

/// Runs the verb.
pub fn run(args: Args, console: &mut Console<'_>) -> Result<Outcome, Problem> {
    if !args.watch {
        return round(&args, console);
    }
    let mut rounds = 0;
    loop {
        let seen = fingerprint(&args.paths);
        let outcome = match round(&args, console) {
            Ok(outcome) => outcome,
            // A file that is being written may be missing for a moment.
            Err(problem) => {
                console.tell(&problem);
                Outcome::Failed
            }
        };
        rounds += 1;
        if args.rounds.is_some_and(|most| rounds >= most) {
            return Ok(outcome);
        }
        console.tell("waiting for a change; end with Ctrl-C");
        while fingerprint(&args.paths) == seen {
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

fn round(args: &Args, console: &mut Console<'_>) -> Result<Outcome, Problem> {
    let files = find_files(&args.paths)?;
    if files.is_empty() {
        let mend = "write one, NAME.test.3script beside the policy, or give another folder";
        return Err(Problem::new(
            "test.none",
            "there are no files of tests here",
            mend,
        ));
    }
    let settings = Settings {
        only: args.k.clone(),
        seed: args.seed,
        cases: args.cases,
        coverage: args.coverage || args.threshold.is_some(),
    };
    let mut reports = Vec::with_capacity(files.len());
    for report in in_parallel(&files, &settings) {
        reports.push(report?);
    }
    let covered = covered(&reports);
    let threshold = usize::from(args.threshold.unwrap_or(0));
    let is_low = |covered: &Covered| covered.lines.percent < threshold;
    let passed = |report: &FileReport| {
        report.faults.is_empty() && report.reports.iter().all(|report| report.passed)
    };
    let failed = !reports.iter().all(passed) || covered.iter().any(is_low);
    match args.json {
        true => print_json(args, &reports, &covered, console),
        false => {
            print_reports(args, &reports, console);
            for one in &covered {
                print_covered(one, threshold, console);
            }
        }
    }
    Ok(match failed {
        true => Outcome::Failed,
        false => Outcome::Passed,
    })
}

/// Runs all files on as many threads as there are processors; the results are in the order of the files.
fn in_parallel(files: &[PathBuf], settings: &Settings) -> Vec<Result<FileReport, Problem>> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(BTreeMap::new());
    let work = || {
        while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
            let result = run_one(file, settings);
            let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
            results.insert(file.clone(), result);
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads.min(files.len()) {
            // Policies need a large stack; a thread that cannot be had leaves its work to the others.
            let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
            let _ = thread.spawn_scoped(scope, work);
        }
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut take = |file: &PathBuf| {
        let lost = || {
            Problem::new(
                "test.thread",
                "the thread of a test broke down",
                "report this",
            )
        };
        results.remove(file).unwrap_or_else(|| Err(lost()))
    };
    files.iter().map(&mut take).collect()
}

fn run_one(path: &Path, settings: &Settings) -> Result<FileReport, Problem> {
    let suite = match load(path)? {
        Ok(suite) => suite,
        Err(faults) => {
            return Ok(FileReport {
                file: path.display().to_string(),
                faults,
                reports: Vec::new(),
                covered: None,
            });
        }
    };
    let (reports, coverage) = run_file(&suite, settings)?;
    let covered =
        coverage.map(|coverage| (suite.policy_file.clone(), suite.policy.clone(), coverage));
    Ok(FileReport {
        file: suite.file,
        faults: Vec::new(),
        reports,
        covered,
    })
}

/// What all files covered, by policy.
fn covered(reports: &[FileReport]) -> Vec<Covered> {
    let mut by_file: BTreeMap<&str, (&Policy, &Coverage)> = BTreeMap::new();
    for (file, policy, coverage) in reports.iter().filter_map(|report| report.covered.as_ref()) {
        let (_, all) = by_file.entry(file).or_insert((policy, coverage));
        all.merge(coverage);
    }
    let report =
        |(file, (policy, coverage)): (&str, (&Policy, &Coverage))| coverage.report(file, policy);
    by_file.into_iter().map(report).collect()
}

/// How many passed, and how many did not; a file with faults counts as one that did not.
fn counts(reports: &[FileReport]) -> (usize, usize) {
    let all = || reports.iter().flat_map(|report| &report.reports);
    let faulty = reports
        .iter()
        .filter(|report| !report.faults.is_empty())
        .count();
    let passed = all().filter(|report| report.passed).count();
    (passed, all().count() - passed + faulty)
}

fn print_reports(args: &Args, reports: &[FileReport], console: &mut Console<'_>) {
    for file in reports
        .iter()
        .filter(|file| !file.reports.is_empty() || !file.faults.is_empty())
    {
        console.print(&file.file);
        for fault in &file.faults {
            console.print(indented(&fault.to_string()));
        }
        for report in &file.reports {
            let mark = if report.passed { "ok  " } else { "FAIL" };
            let cases = match (report.cases, report.passed) {
                (Some(cases), true) => format!(" ({cases} cases)"),
                _ => String::new(),
            };
            console.print(format!("  {mark}  {}{cases}", report.name));
            if let Some(failing) = &report.counterexample {
                let inputs = failing
                    .inputs
                    .iter()
                    .map(|(name, value)| format!("{name} = {value}"));
                let inputs: Vec<String> = inputs.collect();
                let Failing { case, shrinks, .. } = failing;
                let line = format!(
                    "case {case}, made simpler {shrinks} times: {}",
                    inputs.join(", ")
                );
                console.print(format!("        {line}"));
            }
            for line in report.failure.iter().flat_map(|failure| failure.lines()) {
                console.print(format!("        {line}"));
            }
        }
    }
    let (passed, failed) = counts(reports);
    let files = reports.len();
    let plural = if files == 1 { "file" } else { "files" };
    console.print(format!(
        "{passed} passed, {failed} failed, {files} {plural}, seed {}",
        args.seed
    ));
}

fn indented(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| format!("  {line}")).collect();
    lines.join("\n")
}

fn print_covered(covered: &Covered, threshold: usize, console: &mut Console<'_>) {
    let Covered {
        file,
        lines,
        branches,
        ..
    } = covered;
    console.print(format!(
        "{file}: {lines} of the lines, {branches} of the branches"
    ));
    for missed in &covered.missed_lines {
        console.print(format!("  {:>5} | {}", missed.line, missed.text));
    }
    for missed in &covered.missed_branches {
        console.print(format!(
            "  {:>5} | never {}: {}",
            missed.line, missed.never, missed.text
        ));
    }
    if lines.percent < threshold {
        console.print(format!(
            "  less than {threshold}% of the lines; test the lines above"
        ));
    }
}

fn print_json(args: &Args, reports: &[FileReport], covered: &[Covered], console: &mut Console<'_>) {
    let file = |report: &FileReport| {
        let faults: Vec<_> = report.faults.iter().map(fault_json).collect();
        json!({ "file": report.file, "faults": faults, "tests": report.reports })
    };
    let files: Vec<_> = reports.iter().map(file).collect();
    let (passed, failed) = counts(reports);
    let mut document =
        json!({ "files": files, "passed": passed, "failed": failed, "seed": args.seed });
    if args.coverage || args.threshold.is_some() {
        document["coverage"] = json!(covered);
    }
    console.print_json(&document);
}

/// What the files are that a round may read: names, sizes and times of everything in 3Script near the tests.
fn fingerprint(paths: &[PathBuf]) -> Vec<(PathBuf, u64, Option<std::time::SystemTime>)> {
    let mut folders: Vec<PathBuf> = Vec::new();
    for path in paths {
        folders.push(match path.is_dir() {
            true => path.clone(),
            false => path.parent().unwrap_or(Path::new(".")).to_path_buf(),
        });
    }
    let mut seen = Vec::new();
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else {
            continue;
        };
        for path in entries.flatten().map(|entry| entry.path()) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            match path.metadata() {
                Ok(about) if about.is_dir() && !name.starts_with('.') && name != "target" => {
                    folders.push(path)
                }
                Ok(about) if name.ends_with(".3script") => {
                    seen.push((path, about.len(), about.modified().ok()))
                }
                _ => {}
            }
        }
    }
    seen.sort();
    seen
}
