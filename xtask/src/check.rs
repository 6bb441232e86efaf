//! What has to hold before anything is tested.

use crate::run::{EVERYTHING, cargo, program, step, target, works};

// The tool itself, pinned so that two runs of CI judge by the same rules.
const CARGO_DENY: &str = "0.20.2";

/// Formatting.
pub fn formatting() -> anyhow::Result<()> {
    step("formatting", cargo(&["fmt", "--all", "--check"]))
}

/// Lints, warnings as errors; also of the tests that need an Ethereum node.
pub fn lints() -> anyhow::Result<()> {
    let mut lints = cargo(&["clippy", "--release"]);
    lints
        .args(EVERYTHING)
        .args(["--all-targets", "--quiet", "--", "-D", "warnings"]);
    step("lints", lints)
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
