//! The house keeps its order: which crate may depend on which (ARCHITECTURE.md).

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// The only edges between our crates; `guardian-tests` may see everything and `xtask` nothing.
const EDGES: [(&str, &[&str]); 8] = [
    ("threescript", &[]),
    ("treasury-protocol", &[]),
    ("treasury-chains", &["treasury-protocol"]),
    ("treasury-sandbox", &[]),
    ("circle", &["threescript", "treasury-protocol"]),
    ("workbench", &["circle", "threescript", "treasury-protocol"]),
    ("consensus", &[]),
    (
        "circle-node",
        &[
            "circle",
            "consensus",
            "threescript",
            "treasury-chains",
            "treasury-protocol",
            "treasury-sandbox",
            "workbench",
        ],
    ),
];

/// What the pure crates must not link in, whatever for.
const IMPURE: [&str; 6] = ["tokio", "fjall", "axum", "snow", "reqwest", "hyper"];
const PURE: [&str; 3] = ["threescript", "treasury-protocol", "circle"];

fn metadata() -> serde_json::Value {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--offline",
            "--manifest-path",
            manifest,
        ])
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("cargo prints JSON")
}

/// The normal dependencies of each of our crates.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().expect("packages");
    let text = |value: &serde_json::Value| value.as_str().expect("text").to_owned();
    let normal = |package: &serde_json::Value| {
        let all = package["dependencies"].as_array().expect("dependencies");
        all.iter()
            .filter(|one| one["kind"].is_null())
            .map(|one| text(&one["name"]))
            .collect()
    };
    packages
        .iter()
        .map(|package| (text(&package["name"]), normal(package)))
        .collect()
}

#[test]
fn crates_depend_on_each_other_as_the_architecture_says() {
    let dependencies = dependencies();
    let ours: BTreeSet<&String> = dependencies.keys().collect();
    for (name, used) in &dependencies {
        let internal: Vec<&str> = used
            .iter()
            .filter(|one| ours.contains(one))
            .map(String::as_str)
            .collect();
        match EDGES.iter().find(|(one, _)| one == name) {
            Some((_, allowed)) => assert_eq!(internal, *allowed, "{name}"),
            None if name == "xtask" => assert!(internal.is_empty(), "xtask uses {internal:?}"),
            None => assert_eq!(name, "guardian-tests", "a crate that no rule names"),
        }
    }
    assert!(
        EDGES
            .iter()
            .all(|(name, _)| dependencies.contains_key(*name)),
        "a crate of the rules is gone"
    );
}

#[test]
fn pure_crates_name_no_impure_dependency() {
    let dependencies = dependencies();
    for name in PURE {
        let impure: Vec<&str> = IMPURE
            .into_iter()
            .filter(|one| dependencies[name].contains(*one))
            .collect();
        assert!(impure.is_empty(), "{name} uses {impure:?}");
    }
}

#[test]
fn pure_crates_read_no_clock_environment_file_or_socket() {
    let forbidden = [
        "std::time::",
        "SystemTime",
        "Instant::now",
        "std::env",
        "std::fs",
        "std::net",
        "async fn",
        "HashMap",
        "HashSet",
        "thread_rng",
        "OsRng",
        " f32",
        " f64",
    ];
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the workspace");
    for folder in ["threescript/src", "treasury/protocol/src", "circle/src"] {
        let mut files = vec![root.join(folder)];
        let mut seen = 0;
        while let Some(path) = files.pop() {
            if path.is_dir() {
                files.extend(
                    path.read_dir()
                        .expect("readable")
                        .map(|entry| entry.expect("readable").path()),
                );
            } else if path.extension().is_some_and(|extension| extension == "rs")
                && !path
                    .strip_prefix(root)
                    .expect("below the root")
                    .to_string_lossy()
                    .contains("test")
            {
                seen += 1;
                let source = std::fs::read_to_string(&path).expect("readable");
                let code = source.split("#[cfg(test)]").next().unwrap_or_default();
                for (number, line) in code
                    .lines()
                    .enumerate()
                    .filter(|(_, line)| !line.trim_start().starts_with("//"))
                {
                    let found = forbidden.iter().find(|word| line.contains(*word));
                    assert!(
                        found.is_none(),
                        "{}:{}: {found:?} has no place here: {line}",
                        path.display(),
                        number + 1
                    );
                }
            }
        }
        assert!(seen > 3, "{folder} was not read");
    }
}

/// A row of one table must never be taken for a row of another: keys begin with what others choose, such as public keys.
#[test]
fn no_table_of_the_kernel_begins_like_another() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../circle/src");
    let mut files = vec![std::path::PathBuf::from(root)];
    let mut prefixes: Vec<String> = Vec::new();
    while let Some(path) = files.pop() {
        if path.is_dir() {
            let entries = path.read_dir().expect("readable");
            files.extend(entries.map(|entry| entry.expect("readable").path()));
            continue;
        }
        let source = std::fs::read_to_string(&path).expect("readable");
        let found = source.split("Table::new(b\"").skip(1);
        prefixes.extend(found.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())));
    }
    assert!(
        prefixes.len() > 20,
        "the tables were not found: {prefixes:?}"
    );
    prefixes.sort();
    // Sorted, so that a prefix stands right before what begins with it.
    for pair in prefixes.windows(2) {
        assert!(!pair[1].starts_with(&pair[0]), "{pair:?}");
    }
}
