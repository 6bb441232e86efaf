//! Checks against programs that are not ours, installed by package name into `target/peers`.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::Context;

use crate::run::{EVERYTHING, cargo, circle, program, root, step, target, works};

/// The modules of tests that need a real Ethereum node.
pub const ON_ANVIL: &str = "on_anvil::";

/// Versions are pinned so that a failure here is ours.
const STELLAR_SDK: &str = "stellar-sdk==16.1.1";
const NODE_PACKAGES: [(&str, &str); 4] = [
    ("@stellar/stellar-sdk", "15.1.0"),
    ("ethers", "6.17.0"),
    ("@safe-global/safe-smart-account", "1.5.0"),
    ("@safe-global/safe-deployments", "1.37.56"),
];

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
            safe_transactions(&node)?;
            ethereum()?;
            safe_day(&node)?;
        }
        None => missing.push(
            "the JavaScript Stellar SDK, ethers and an Ethereum node, which need Node.js 20 with npm; install nodejs and npm"
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
    let script = match script.ends_with(".mjs") {
        true => beside_packages(script)?,
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

/// The client of Ethereum against a real node with the real contracts of Safe, which npm installs at the first run; and a whole
/// circle that pays from a Safe while its nodes die and its endpoints lie.
fn ethereum() -> anyhow::Result<()> {
    let mut tests = cargo(&["test", "--release", "--quiet"]);
    tests
        .args(EVERYTHING)
        .args(["--test", "chains", "--test", "circle", "--", ON_ANVIL])
        .env(
            "GUARDIAN_ETHEREUM_TOOLS",
            cache().join("guardian-circle/ethereum"),
        )
        .env("XDG_CACHE_HOME", cache());
    step("Safes on a real Ethereum node, with faults", tests)
}

/// A whole circle that pays its day from a Safe, read back with ethers.
fn safe_day(node: &Path) -> anyhow::Result<()> {
    let mut command = program(node, &[]);
    command
        .arg(beside_packages("safe_day.mjs")?)
        .arg(circle())
        .env("XDG_CACHE_HOME", cache());
    step("a day paid from a Safe against ethers", command)
}

/// Where the node of Ethereum is installed for these checks.
fn cache() -> PathBuf {
    target().join("peers").join("cache")
}

/// A script for Node.js, which looks for packages beside it.
fn beside_packages(script: &str) -> anyhow::Result<PathBuf> {
    let copy = node_packages().join(script);
    std::fs::copy(root().join("tests/peers").join(script), &copy)?;
    Ok(copy)
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
    let installed = |(name, _): &(&str, &str)| packages.join("node_modules").join(name).is_dir();
    if !NODE_PACKAGES.iter().all(installed) {
        std::fs::create_dir_all(&packages)?;
        let mut install = program("npm", &["install", "--silent", "--no-audit", "--no-fund"]);
        install.arg("--prefix").arg(&packages);
        install.args(NODE_PACKAGES.map(|(name, version)| format!("{name}@{version}")));
        step("installing the SDKs for JavaScript", install)?;
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
    let mut command = program(python, &[]);
    command
        .arg(root().join("tests/peers/stellar_verify.py"))
        .stdin(printed("stellar_envelopes")?);
    step("every kind of transaction against the Stellar SDK", command)
}

/// Safes of every size and what their owners sign, checked by ethers with the published contracts.
fn safe_transactions(node: &Path) -> anyhow::Result<()> {
    let mut command = program(node, &[]);
    command
        .arg(beside_packages("safe_verify.mjs")?)
        .stdin(printed("safe_transactions")?);
    step("Safes and their transactions against ethers", command)
}

/// What an example of the treasury's protocol prints, as a file to be read.
fn printed(example: &str) -> anyhow::Result<std::fs::File> {
    let output = cargo(&["run", "--quiet", "--release"])
        .args(["-p", "treasury-protocol", "--example", example])
        .stderr(Stdio::inherit())
        .output()?;
    anyhow::ensure!(output.status.success(), "the example {example} failed");
    let list = target().join("peers").join(format!("{example}.jsonl"));
    std::fs::write(&list, output.stdout)?;
    Ok(std::fs::File::open(&list)?)
}

/// Random days: every payout line recomputed from the usage in another language, every envelope checked by the official SDK.
fn stellar_sdk(python: &PathBuf) -> anyhow::Result<()> {
    let script = root().join("tests").join("peers").join("random_day.py");
    let circle = circle();
    for (rows, seed, short, signers) in [
        ("1", "1", false, "group"),
        ("40", "2", true, "multisig"),
        ("700", "3", true, "group"),
        ("5000", "4", false, "group"),
    ] {
        let mut command = program(python, &[]);
        command.arg(&script).arg("--circle").arg(&circle).args([
            "--rows",
            rows,
            "--seed",
            seed,
            "--signers",
            signers,
        ]);
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
