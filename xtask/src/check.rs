//! What has to hold before anything is tested.

use crate::run::{cargo, program, step, target, works};

// The tool itself, pinned so that two runs of CI judge by the same rules.
const CARGO_DENY: &str = "0.20.2";

/// Formatting.
pub fn formatting() -> anyhow::Result<()> {
    step("formatting", cargo(&["fmt", "--all", "--check"]))
}

/// Lints, warnings as errors; also of the tests that need an Ethereum node.
pub fn lints() -> anyhow::Result<()> {
    let judged = ["--all-targets", "--quiet", "--", "-D", "warnings"];
    let mut all = cargo(&["clippy", "--release", "--workspace"]);
    all.args(judged);
    step("lints", all)?;
    let mut anvil = cargo(&["clippy", "--release", "-p", "circle-node"]);
    anvil
        .args(["-p", "treasury-chains"])
        .args(["--features", "circle-node/anvil,treasury-chains/anvil"])
        .args(judged);
    step("lints of the tests on an Ethereum node", anvil)
}

/// Licences, sources and doubles of all dependencies; their advisories where the advisory database can be reached.
pub fn dependencies() -> anyhow::Result<()> {
    let tools = target().join("tools");
    let deny = tools.join("bin").join("cargo-deny");
    if !works(program(&deny, &["--version"])) {
        let root = tools.to_string_lossy();
        let install = [
            "install",
            "--quiet",
            "--locked",
            "--root",
            &root,
            "cargo-deny",
            "--version",
            CARGO_DENY,
        ];
        let mut install = cargo(&install);
        install.env("CARGO_TARGET_DIR", tools.join("build"));
        step("installing cargo-deny", install)?;
    }
    step(
        "dependencies",
        program(
            &deny,
            &[
                "--log-level",
                "error",
                "check",
                "bans",
                "licenses",
                "sources",
            ],
        ),
    )?;
    match works(program(&deny, &["--log-level", "error", "fetch", "db"])) {
        true => step(
            "advisories",
            program(&deny, &["--log-level", "error", "check", "advisories"]),
        ),
        false => {
            println!(
                "NOT CHECKED: advisories, because the advisory database cannot be reached from here; run `cargo deny check advisories` where it can"
            );
            Ok(())
        }
    }
}
