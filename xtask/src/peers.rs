//! Checks against programs that are not ours, installed by package name into `target/peers`.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::Context;

use crate::run::{cargo, circle, program, root, step, target, works};

/// Versions are pinned so that a failure here is ours.
const STELLAR_SDK: &str = "stellar-sdk==16.1.1";
const STELLAR_SDK_JS: &str = "@stellar/stellar-sdk@15.1.0";

/// Tests against every peer that this machine can run. Returns a line for each that it cannot.
pub fn test() -> anyhow::Result<Vec<String>> {
    let mut missing = Vec::new();
    match python()? {
        Some(python) => {
            stellar_envelopes(&python)?;
            stellar_sdk(&python)?;
            sandbox("Python", &python, "stellar_sandbox.py")?;
        }
        None => missing.push(
            "the Stellar SDK, which needs Python 3 with venv; install python3 and python3-venv"
                .into(),
        ),
    }
    match node()? {
        Some(node) => {
            sandbox("JavaScript", &node, "stellar_sandbox.mjs")?;
            ethereum()?;
        }
        None => missing.push(
            "the JavaScript Stellar SDK and Ethereum, which need Node.js 20 with npm; install nodejs and npm"
                .into(),
        ),
    }
    Ok(missing)
}

/// A Stellar ledger of ours, driven by an official SDK.
fn sandbox(language: &str, program_: &Path, script: &str) -> anyhow::Result<()> {
    let mut ledger = program(circle(), &["sandbox", "stellar", "--listen", "127.0.0.1:0"])
        .args(["--json", "--close-every", "1", "--with-parent"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut line = String::new();
    let stdout = ledger.stdout.take().context("stdout is piped")?;
    BufReader::new(stdout).read_line(&mut line)?;
    let told: serde_json::Value = serde_json::from_str(&line)?;
    let url = told["horizon"]
        .as_str()
        .context("the sandbox says where it is")?;
    // Node.js looks for packages beside the script.
    let script = match script.ends_with(".mjs") {
        true => {
            let copy = node_packages().join(script);
            std::fs::copy(root().join("tests/peers").join(script), &copy)?;
            copy
        }
        false => root().join("tests/peers").join(script),
    };
    let mut command = program(program_, &[]);
    command.arg(&script).arg(url);
    let result = step(
        &format!("the {language} SDK against the Stellar sandbox"),
        command,
    );
    // Its stdin ends with this, and so does it.
    drop(ledger.stdin.take());
    ledger.wait()?;
    result
}

/// The client of Ethereum against a real node with the real contracts of Safe, which npm installs at the first run.
fn ethereum() -> anyhow::Result<()> {
    let mut tests = cargo(&["test", "--release", "--quiet", "-p", "treasury-chains"]);
    tests
        .args(["--features", "anvil", "--test", "chains", "ethereum::"])
        .env("GUARDIAN_ETHEREUM_TOOLS", target().join("peers/ethereum"));
    step("Safes on a real Ethereum node", tests)
}

fn node_packages() -> PathBuf {
    target().join("peers").join("node")
}

/// Node.js with the packages that the checks need beside it, or `None` where there is none.
fn node() -> anyhow::Result<Option<PathBuf>> {
    let node = PathBuf::from("node");
    if !works(program(&node, &["--version"])) || !works(program("npm", &["--version"])) {
        return Ok(None);
    }
    let packages = node_packages();
    if !packages.join("node_modules/@stellar/stellar-sdk").is_dir() {
        std::fs::create_dir_all(&packages)?;
        let prefix = packages.to_string_lossy();
        let install = [
            "install",
            "--silent",
            "--no-audit",
            "--no-fund",
            "--prefix",
            &prefix,
            STELLAR_SDK_JS,
        ];
        step(
            "installing the JavaScript Stellar SDK",
            program("npm", &install),
        )?;
    }
    Ok(Some(node))
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

/// Transactions of every kind, as members and persons sign them, each checked by the official SDK.
fn stellar_envelopes(python: &Path) -> anyhow::Result<()> {
    let envelopes = cargo(&["run", "--quiet", "--release"])
        .args(["-p", "treasury-protocol", "--example", "stellar_envelopes"])
        .stderr(Stdio::inherit())
        .output()?;
    anyhow::ensure!(
        envelopes.status.success(),
        "the example stellar_envelopes failed"
    );
    let list = target().join("peers").join("envelopes.jsonl");
    std::fs::write(&list, envelopes.stdout)?;
    let mut command = program(python, &[]);
    command
        .arg(root().join("tests/peers/stellar_verify.py"))
        .stdin(std::fs::File::open(&list)?);
    step("every kind of transaction against the Stellar SDK", command)
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
