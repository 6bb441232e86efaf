//! `circle policy list`: what is active in the circle, what is about to be, and what is installed.

use std::time::Duration;

use super::super::acting::Circle;
use super::super::output;
use super::super::target::{Target, block_on};
use super::short;
use crate::api::types::{At, Policies};
use crate::problem::Problem;

/// How long --wait waits, and between two looks.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(200);

/// List the policies of the circle: active, decided, and installed.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Wait until what is decided and due has become active, a minute at most.
    #[arg(long)]
    pub wait: bool,
    #[command(flatten)]
    pub target: Target,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

/// Runs the verb.
pub fn run(args: Args) -> Result<(), Problem> {
    let policies = block_on(async {
        let circle = Circle::at(&args.target).await?;
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let policies = super::policies(&circle).await?;
            let waits = args.wait
                && policies
                    .answer
                    .pending
                    .iter()
                    .any(|one| one.height <= policies.height + 1);
            if !waits || tokio::time::Instant::now() >= deadline {
                return Ok(policies);
            }
            tokio::time::sleep(LOOK).await;
        }
    })?;
    match args.json {
        true => output::print_json(&policies),
        false => output::print(screen(&policies)),
    }
    Ok(())
}

fn screen(policies: &At<Policies>) -> String {
    let Policies {
        active,
        pending,
        installed,
    } = &policies.answer;
    let mut lines = Vec::new();
    for one in active {
        lines.push(format!(
            "{:<12} version {:<4} {}  active since height {}",
            one.name,
            one.version,
            short(&one.hash),
            one.since
        ));
    }
    for one in pending {
        let when = if one.decided > policies.certified_height {
            format!("once height {} is certified", one.decided)
        } else {
            format!("at height {}", one.height.max(policies.height + 1))
        };
        lines.push(format!(
            "{:<12} version {:<4} {}  becomes active {when}",
            one.name,
            one.version,
            short(&one.hash)
        ));
    }
    let idle = |hash: &String| {
        !active.iter().any(|one| one.hash == *hash) && !pending.iter().any(|one| one.hash == *hash)
    };
    for one in installed.iter().filter(|one| idle(&one.hash)) {
        lines.push(format!(
            "{:<12} version {:<4} {}  installed",
            one.name,
            one.version,
            short(&one.hash)
        ));
    }
    if lines.is_empty() {
        lines.push("no policy is installed".into());
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::types::{InstalledPolicy, PendingPolicy, Policy};

    #[test]
    fn each_policy_is_listed_once_as_what_it_is() {
        let installed = |name: &str, version: u32, digit: &str| InstalledPolicy {
            name: name.into(),
            version,
            hash: digit.repeat(64),
            doc: String::new(),
            bytes: 10,
        };
        let pending = |name: &str, version, digit: &str, height, decided| PendingPolicy {
            name: name.into(),
            version,
            hash: digit.repeat(64),
            height,
            decided,
        };
        let policies = At {
            height: 20,
            certified_height: 19,
            answer: Policies {
                active: vec![Policy {
                    name: "shelf".into(),
                    version: 1,
                    hash: "a".repeat(64),
                    since: 7,
                    params: Vec::new(),
                }],
                pending: vec![
                    pending("iou", 3, "e", 0, 20),
                    pending("shelf", 2, "b", 40, 18),
                ],
                installed: vec![
                    installed("iou", 3, "e"),
                    installed("shelf", 1, "a"),
                    installed("shelf", 2, "b"),
                    installed("shelf", 3, "c"),
                ],
            },
        };
        expect_test::expect![[r#"
            shelf        version 1    aaaaaaaaaaaa  active since height 7
            iou          version 3    eeeeeeeeeeee  becomes active once height 20 is certified
            shelf        version 2    bbbbbbbbbbbb  becomes active at height 40
            shelf        version 3    cccccccccccc  installed"#]]
        .assert_eq(&screen(&policies));
    }
}
