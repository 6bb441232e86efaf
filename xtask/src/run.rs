//! Running other programs, saying which and for how long.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, ensure};

/// What is linted and tested: all there is. The same choice for every step, so that nothing is built twice.
pub const EVERYTHING: [&str; 3] = [
    "--workspace",
    "--features",
    "circle-node/anvil,treasury-chains/anvil",
];

/// The root of the checkout.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap_or(Path::new("."))
}

/// Where cargo puts what it builds.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// The binary that users run, as the release profile builds it.
pub fn circle() -> PathBuf {
    target().join("release").join("circle")
}

/// A cargo command at the root of the checkout.
pub fn cargo(arguments: &[&str]) -> Command {
    program(
        std::env::var("CARGO").as_deref().unwrap_or("cargo"),
        arguments,
    )
}

/// A command at the root of the checkout.
pub fn program(name: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> Command {
    let mut command = Command::new(name);
    command.args(arguments).current_dir(root());
    command
}

/// Runs a command, says how long it took, and fails if it does.
pub fn step(what: &str, mut command: Command) -> anyhow::Result<()> {
    println!("==> {what}");
    let started = Instant::now();
    let status = command
        .status()
        .with_context(|| format!("{what}: {command:?} cannot be started; is it installed?"))?;
    ensure!(status.success(), "{what} failed ({status}): {command:?}");
    println!("    {what}: {} s", started.elapsed().as_secs());
    Ok(())
}

/// Whether a command can be run and succeeds; it prints nothing.
pub fn works(mut command: Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}
