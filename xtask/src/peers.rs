//! Checks against programs that are not ours, installed by package name into `target/peers`.

use std::path::PathBuf;

use crate::run::{circle, program, root, step, target, works};

/// Versions are pinned so that a failure here is ours.
const STELLAR_SDK: &str = "stellar-sdk==16.1.1";

/// Tests against every peer that this machine can run. Returns a line for each that it cannot.
pub fn test() -> anyhow::Result<Vec<String>> {
    let mut missing = Vec::new();
    match python()? {
        Some(python) => stellar_sdk(&python)?,
        None => missing.push(
            "the Stellar SDK, which needs Python 3 with venv; install python3 and python3-venv"
                .into(),
        ),
    }
    Ok(missing)
}

/// A Python with the packages that the checks need, or `None` where there is no Python.
fn python() -> anyhow::Result<Option<PathBuf>> {
    let environment = target().join("peers").join("python");
    let python = environment.join("bin").join("python");
    if works(program(&python, &["-c", "import stellar_sdk"])) {
        return Ok(Some(python));
    }
    if !works(program(
        "python3",
        &["-m", "venv", &environment.to_string_lossy()],
    )) {
        return Ok(None);
    }
    step(
        "installing the Stellar SDK",
        program(
            &python,
            &[
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                STELLAR_SDK,
            ],
        ),
    )?;
    Ok(Some(python))
}

/// Random days: every payout line recomputed from the usage in another language, every envelope checked by the official SDK.
fn stellar_sdk(python: &PathBuf) -> anyhow::Result<()> {
    let script = root().join("tests").join("peers").join("random_day.py");
    let circle = circle();
    for (rows, seed, short) in [
        ("1", "1", false),
        ("40", "2", true),
        ("700", "3", true),
        ("5000", "4", false),
    ] {
        let mut command = program(python, &[]);
        command
            .arg(&script)
            .arg("--circle")
            .arg(&circle)
            .args(["--rows", rows, "--seed", seed]);
        if short {
            command.arg("--short-escrow");
        }
        step(
            &format!("a day of {rows} IOUs against the Stellar SDK"),
            command,
        )?;
    }
    Ok(())
}
