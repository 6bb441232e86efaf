//! `circle policy show`: one policy of the circle, and its source.

use super::super::acting::Circle;
use super::super::output;
use super::super::target::{Target, block_on};
use crate::api::declarations::Declaration;
use crate::api::types::{At, PolicySource};
use crate::problem::Problem;

/// Show a policy of the circle: what it is, what may be asked and done, and with --source its file.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The name of an active policy, or the hash of an installed one, or at least 8 digits of it.
    pub policy: String,
    /// Print the file as it was installed.
    #[arg(long)]
    pub source: bool,
    #[command(flatten)]
    pub target: Target,
    /// Print one JSON document, the source in it.
    #[arg(long)]
    pub json: bool,
}

/// Runs the verb.
pub fn run(args: Args) -> Result<(), Problem> {
    let policy: At<PolicySource> = block_on(async {
        let circle = Circle::at(&args.target).await?;
        let known = super::policies(&circle).await?;
        let hash = super::find(&known.answer, &args.policy)?;
        super::source(&circle, hash).await
    })?;
    if args.json {
        output::print_json(&policy);
    } else if args.source {
        output::print(policy.answer.source.trim_end_matches('\n'));
    } else {
        output::print(screen(&policy.answer));
    }
    Ok(())
}

fn screen(answer: &PolicySource) -> String {
    let policy = &answer.policy;
    let mut lines = vec![
        format!("{} version {}", policy.name, policy.version),
        format!("  hash    {}", policy.hash),
        match answer.active_since {
            Some(height) => format!("  active  since height {height}"),
            None => "  active  no; the circle has not decided so".into(),
        },
        format!("  size    {} bytes", policy.bytes),
    ];
    lines.extend(
        policy
            .doc
            .lines()
            .map(|line| format!("  {line}").trim_end().to_owned()),
    );
    for param in &answer.params {
        let decided = if param.decided {
            ", as the circle decided"
        } else {
            ""
        };
        lines.push(format!(
            "param {} is {}{decided}",
            param.name,
            plain(&param.value)
        ));
    }
    for signature in &answer.signatures {
        lines.push(written(signature));
    }
    lines.join("\n")
}

fn plain(value: &serde_json::Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// `!!shelf.borrow thing:id days:int`, in the types that policies write.
fn written(declaration: &Declaration) -> String {
    let Declaration {
        mark,
        actor,
        name,
        params,
    } = declaration;
    let mut text = format!("{mark}{actor}.{name}");
    for param in params {
        let ty = match param.options.as_slice() {
            [] => param.ty.clone(),
            options => options.join("|"),
        };
        let optional = if param.default.is_some() { "?" } else { "" };
        text.push_str(&format!(" {}{optional}:{ty}", param.name));
    }
    text
}
