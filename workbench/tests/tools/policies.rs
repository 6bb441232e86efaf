//! The standard policies: their tests, and the examples of their pages.

use std::path::{Path, PathBuf};

use threescript::action::read;
use threescript::policy::Policy;
use threescript::value::Assets;
use workbench::language;

use crate::support;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies")
}

/// The folders of the standard policies, each with its policy.
fn standard() -> Vec<(PathBuf, Policy)> {
    let entries = std::fs::read_dir(folder()).expect("the folder of the policies");
    let folders = entries.map(|entry| entry.expect("an entry").path());
    let mut folders: Vec<_> = folders.filter(|path| path.is_dir()).collect();
    folders.sort();
    let policy = |path: &PathBuf| {
        let compiled = language::compile_file(&path.join("policy.3script")).expect("a file");
        compiled.unwrap_or_else(|faults| panic!("{}", faults[0]))
    };
    folders
        .iter()
        .map(|path| (path.clone(), policy(path)))
        .collect()
}

#[test]
fn every_line_of_a_standard_policy_runs_in_its_tests() {
    let folder = folder().display().to_string();
    let (output, status) = support::run(&["test", &folder, "--threshold", "100"]);
    assert_eq!(status, 0, "{output}");
}

#[test]
fn the_examples_of_the_pages_are_actions_and_questions_of_the_policies() {
    let policies = standard();
    let mut declared = circle::kernel_signatures();
    for (_, policy) in &policies {
        declared.extend(policy.signatures());
    }
    let (mut examples, mut wrong) = (0, Vec::new());
    for (folder, _) in &policies {
        let page =
            std::fs::read_to_string(folder.join("README.md")).expect("every policy has a page");
        // Every second part stands between fences.
        for block in page.split("```").skip(1).step_by(2) {
            let lines = block
                .lines()
                .map(|line| line.split("  #").next().unwrap_or_default());
            // What is left out, `…`, stands for bytes.
            let text = lines.collect::<Vec<_>>().join("\n").replace('…', "00");
            let text = text.trim();
            if !text.starts_with('!') || text.starts_with("!!!") {
                continue;
            }
            match read(text, &declared, &Assets::standard()) {
                Ok(actions) => examples += actions.len(),
                Err(error) => wrong.push(format!("{}: {error}\n{text}", folder.display())),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(examples > 60, "the examples were not found");
}
