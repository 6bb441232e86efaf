//! `circle treasury protect`: encrypts the keys and shares of a home, or changes how they are.

use std::path::PathBuf;

use serde_json::json;

use crate::cli::output::{self, Progress};
use crate::cli::protecting::absolute;
use crate::cli::target::{DEFAULT_HOME, Passphrase};
use crate::config::{Home, Protection};
use crate::problem::Problem;
use crate::vault::{self, Source, Target};

/// Encrypt the keys and shares of a home, or change the passphrase.
///
/// Stop the node first. If this is interrupted, the secrets open as before or as asked for; run it again, or just start the node.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The home directory of the guardian's node.
    #[arg(long, value_name = "DIR", env = "CIRCLE_HOME", default_value = DEFAULT_HOME)]
    home: PathBuf,
    /// How secrets are kept from now on. By default a passphrase; one that is there already is replaced by a new one.
    #[arg(long = "with", value_name = "HOW", default_value = "passphrase")]
    with: Protection,
    /// With `identity`: the age identity file, made if it is missing.
    #[arg(long, value_name = "FILE", required_if_eq("with", "identity"))]
    identity: Option<PathBuf>,
    /// With `passphrase`: a file whose first line is the new one. Without: the terminal, or, for a home that has none yet, where the
    /// old one would come from.
    #[arg(long, value_name = "FILE")]
    new_passphrase_file: Option<PathBuf>,
    #[command(flatten)]
    passphrase: Passphrase,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

/// Runs the verb.
pub fn run(args: Args) -> Result<(), Problem> {
    let home = Home::new(&args.home);
    let config = home.read_config()?;
    let _held = vault::hold(&home)?;
    let source = args.passphrase.source();
    let old = vault::unlock(&home, &config.secrets, &source)?;
    let target = match (args.with, &args.identity) {
        (Protection::None, _) => Target::None,
        (Protection::Identity, Some(path)) => Target::Identity(absolute(path)?),
        (Protection::Identity, None) => {
            return Err(Problem::new(
                "protect.identity",
                "no identity file is named",
                "say with --identity where it is, or is to be made",
            ));
        }
        (Protection::Passphrase, _) => {
            let had_one = config.secrets.protection == Protection::Passphrase;
            Target::Passphrase(match &args.new_passphrase_file {
                None if !had_one => source,
                file => Source::only(file.as_deref()),
            })
        }
    };
    let progress = Progress::new();
    vault::switch(&home, &old, &target, &mut |step| progress.update(step))?;
    progress.clear();
    let files = vault::files(&home)?.len();
    let name = args.with.name();
    if args.json {
        output::print_json(&json!({
            "home": home.path(), "protection": name, "before": config.secrets.protection.name(), "secrets": files,
        }));
        return Ok(());
    }
    let how = match &target {
        Target::None => "in the clear".to_owned(),
        Target::Passphrase(_) => "encrypted; your passphrase opens them".to_owned(),
        Target::Identity(path) => format!("encrypted; {} opens them", path.display()),
    };
    output::print(format!(
        "The secrets of {} ({files}) are {how}.",
        home.path().display()
    ));
    output::print(match args.with {
        Protection::None => "Whoever reads this disk or a copy of it can act as you.",
        Protection::Passphrase => {
            "Nobody can tell you the passphrase again. Make a backup: `circle treasury backup --help`."
        }
        Protection::Identity => {
            "Keep that file where this home is not, and make a backup: `circle treasury backup --help`."
        }
    });
    Ok(())
}
