//! Two builds must come to the same result: what is optimised, and what is checked at every step.

use anyhow::{Context, ensure};

use crate::run::{cargo, circle, program, step, target};

/// Builds an example of `guardian-tests` as it is shipped, and runs it.
pub fn run(example: &str) -> anyhow::Result<()> {
    let package = ["run", "--release", "--quiet", "--package", "guardian-tests"];
    let mut command = cargo(&package);
    command.args(["--example", example]);
    step(example, command)
}

/// Lets circles of these sizes run a day until it is paid, on both chains.
pub fn settle(guardians: &[usize]) -> anyhow::Result<()> {
    step("building circle", cargo(&["build", "--release", "--quiet"]))?;
    for count in guardians {
        for chain in [&[][..], &["--ethereum", "anvil"]] {
            let count = count.to_string();
            let mut devnet = program(circle(), &["devnet", "--until", "settled", "--json"]);
            devnet.args(["--guardians", &count]).args(chain);
            devnet.stdout(std::process::Stdio::null());
            let on = if chain.is_empty() {
                "Stellar"
            } else {
                "a Safe"
            };
            step(
                &format!("a day of {count} guardians, paid from {on}"),
                devnet,
            )?;
        }
    }
    Ok(())
}

/// Builds an example of `guardian-tests` in both profiles, runs it with these arguments, and compares what it prints.
pub fn compare(example: &str, arguments: &[&str]) -> anyhow::Result<()> {
    let mut printed = Vec::new();
    for (profile, folder) in [("release", "release"), ("dev", "debug")] {
        let package = ["build", "--quiet", "--package", "guardian-tests"];
        let mut build = cargo(&package);
        build.args(["--profile", profile, "--example", example]);
        step(&format!("building {example}, {profile}"), build)?;
        let path = target().join(folder).join("examples").join(example);
        let output = program(&path, arguments)
            .output()
            .with_context(|| format!("{} cannot be started", path.display()))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.success(), "{example} failed:\n{text}{said}");
        println!("    {example}, {profile}: {}", said.trim());
        printed.push(text);
    }
    ensure!(
        printed[0] == printed[1],
        "{example} comes to another result in another build.\nrelease:\n{}\ndev:\n{}",
        printed[0],
        printed[1]
    );
    print!("{}", printed[0]);
    Ok(())
}
