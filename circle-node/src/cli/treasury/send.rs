//! `circle treasury send`: brings an approval that was signed elsewhere to the circle.

use std::path::PathBuf;

use circle::envelope::Envelope;

use crate::cli::acting::Circle;
use crate::cli::output;
use crate::cli::target::{Target, block_on};
use crate::problem::Problem;

/// Send an approval that `circle treasury sign` wrote.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The signed file.
    pub signed: PathBuf,
    /// How long to wait for the circle to certify it, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub wait: u64,
    #[command(flatten)]
    pub target: Target,
    /// Print one JSON document instead of text for people.
    #[arg(long)]
    pub json: bool,
}

/// Runs the verb.
pub fn run(args: Args) -> Result<(), Problem> {
    let path = &args.signed;
    let text = std::fs::read_to_string(path).map_err(|error| Problem::file("read", path, error))?;
    let bytes = hex::decode(text.trim()).map_err(|error| {
        let reason = format!("{} is no signed approval: {error}", path.display());
        Problem::new(
            "envelope.malformed",
            reason,
            "take the file that `circle treasury sign` wrote",
        )
    })?;
    let envelope = Envelope::decode(&bytes)?;
    block_on(async {
        let circle = Circle::at(&args.target).await?;
        let transaction = circle.send(&envelope, args.wait).await?;
        match args.json {
            true => output::print_json(&transaction),
            false => output::print(format!(
                "approved at height {}",
                transaction.height.unwrap_or_default()
            )),
        }
        Ok(())
    })
}
