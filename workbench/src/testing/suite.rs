//! Files of tests, and the policies that they are about.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use threescript::policy::{Diagnostic, Policy, Severity, TestFile, compile_tests, read_test_title};

use super::Spot;
use super::host::Sources;
use super::words;
use crate::files;
use crate::language;
use crate::problem::Problem;

/// How the names of files of tests end.
pub(crate) const ENDING: &str = ".test.3script";

/// A file of tests, ready to run.
pub struct Suite {
    /// The file, as it was named.
    pub file: String,
    /// Its tests.
    pub tests: TestFile,
    /// The policy under test.
    pub policy: Policy,
    /// The file of the policy, as it is named here.
    pub policy_file: String,
    /// All active policies, in the order in which they are installed.
    pub(super) policies: Vec<String>,
    pub(super) sources: Arc<Sources>,
}

/// The files of tests among these paths; folders are searched with the folders in them.
pub fn find_files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Problem> {
    let mut found = files::find(paths)?;
    let is_test = |path: &Path| {
        let name = path.file_name().unwrap_or_default();
        name.to_string_lossy().ends_with(ENDING)
    };
    found.retain(|path| is_test(path) || paths.contains(path));
    found.sort();
    found.dedup();
    Ok(found)
}

/// Reads a file of tests and the policies that it names. The inner error has the faults of these files.
pub fn load(path: &Path) -> Result<Result<Suite, Vec<Diagnostic>>, Problem> {
    load_text(path, &language::read(path)?)
}

/// The same for a text that is to stand at a path.
pub fn load_text(path: &Path, source: &str) -> Result<Result<Suite, Vec<Diagnostic>>, Problem> {
    let catalog = words::catalog();
    let file = shown(path);
    let title = match read_test_title(source, &file, &catalog) {
        Ok(title) => title,
        Err(faults) => return Ok(Err(faults)),
    };
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut files = Vec::new();
    let with = title.with.iter().filter(|(name, _)| *name != title.policy);
    let all = with.map(|(name, place)| (name, *place));
    let mut missing = Vec::new();
    for (name, place) in all.chain([(&title.policy, title.place)]) {
        match find_policy(folder, name) {
            Ok(found) => files.push(found),
            Err(Problem { reason, mend, .. }) => {
                let Spot { text, .. } = Spot::new(&file, source, place.line, place.column);
                missing.push(Diagnostic {
                    severity: Severity::Error,
                    file: file.clone(),
                    line: place.line,
                    column: place.column,
                    code: "unknown_policy",
                    reason,
                    mend,
                    source_line: text,
                });
            }
        }
    }
    if !missing.is_empty() {
        return Ok(Err(missing));
    }
    let mut sources = Sources::new();
    let mut policies: Vec<String> = Vec::new();
    let mut policy = None;
    for path in files {
        let compiled = match language::compile_among(&path, &policies)? {
            Ok(compiled) => compiled,
            Err(faults) => return Ok(Err(faults)),
        };
        policies.push(compiled.source().to_owned());
        let file = compiled.file().to_owned();
        sources.insert(
            compiled.name().to_owned(),
            (file, compiled.source().to_owned()),
        );
        policy = Some(compiled);
    }
    let Some(policy) = policy else {
        return Err(Problem::new(
            "test.policy",
            "there is no policy to test",
            "name one",
        ));
    };
    let tests = compile_tests(source, &file, &policy, &catalog, &words::limits());
    Ok(tests.map(|tests| Suite {
        file,
        tests,
        policy_file: policy.file().to_owned(),
        policy,
        policies,
        sources: Arc::new(sources),
    }))
}

/// The file of a policy: beside the tests, in a folder of its name beside theirs, or in `policies` further up.
pub(crate) fn find_policy(folder: &Path, name: &str) -> Result<PathBuf, Problem> {
    let file = format!("{name}.3script");
    let mut candidates = vec![
        folder.join("policy.3script"),
        folder.join(&file),
        folder.join("..").join(name).join("policy.3script"),
        folder.join("..").join(name).join(&file),
        folder.join("..").join(&file),
    ];
    let whole = std::path::absolute(folder).unwrap_or_else(|_| folder.to_path_buf());
    let above = whole
        .ancestors()
        .map(|above| above.join("policies").join(name));
    candidates.extend(above.map(|folder| folder.join("policy.3script")));
    let is_it =
        |path: &&PathBuf| std::fs::read_to_string(path).is_ok_and(|source| title_is(&source, name));
    candidates.iter().find(is_it).cloned().ok_or_else(|| {
        let reason = format!(
            "there is no file of the policy {name} near {}",
            shown(folder)
        );
        let mend = format!(
            "put it beside the tests as policy.3script or {file}, or into ../{name}/policy.3script"
        );
        Problem::new("test.policy", reason, mend)
    })
}

/// Whether a policy file is that of the policy `name`, as far as its first declaration says.
fn title_is(source: &str, name: &str) -> bool {
    let mut lines = source.lines().map(str::trim);
    let title = lines.find(|line| line.starts_with("policy "));
    title.and_then(|line| line.split_whitespace().nth(1)) == Some(name)
}

/// A path as reports name it: without the steps that lead nowhere.
pub(crate) fn shown(path: &Path) -> String {
    let mut parts: Vec<std::path::Component> = Vec::new();
    for part in path.components() {
        use std::path::Component::{CurDir, Normal, ParentDir};
        match (part, parts.last()) {
            (CurDir, _) => {}
            (ParentDir, Some(Normal(_))) => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    let path: PathBuf = parts.iter().collect();
    path.display().to_string()
}
