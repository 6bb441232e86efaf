//! `circle treasury backup`: a guardian's key and shares in one encrypted file.

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;

use super::sealed;
use crate::api::client::Client;
use crate::backup::{self, Backup, Public};
use crate::cli::output::{self, Progress};
use crate::cli::target::{DEFAULT_HOME, block_on};
use crate::config::Home;
use crate::durable::{self, Readers};
use crate::problem::Problem;
use crate::setup::now_ms;
use crate::vault::{self, Recipient, Sealer, Source};

/// Back up a guardian's key and key shares into one encrypted file. The node may run.
///
/// Not in it: the seed of a ceremony that is going on, so back up again when one is done; and signing nonces, which never leave the
/// memory of the node. `circle treasury drill` proves that a backup would do.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The home directory of the guardian's node.
    #[arg(long, value_name = "DIR", env = "CIRCLE_HOME", default_value = DEFAULT_HOME)]
    home: PathBuf,
    /// Where the backup is written.
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
    /// Encrypt it to this age recipient, whose identity opens it. May be given several times.
    #[arg(long, value_name = "age1…", conflicts_with = "passphrase_file", value_parser = recipient)]
    recipient: Vec<Recipient>,
    /// Encrypt it by the passphrase in the first line of this file. Without it and --recipient, the terminal asks for one.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// A file whose first line is the passphrase of the home. Without: as with `circle start`.
    #[arg(long, value_name = "FILE")]
    home_passphrase_file: Option<PathBuf>,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

fn recipient(text: &str) -> Result<Recipient, String> {
    text.parse().map_err(|_| {
        "an age recipient begins with age1; `age-keygen -y` shows that of an identity".into()
    })
}

/// Runs the verb.
pub fn run(args: Args) -> Result<ExitCode, Problem> {
    let home = Home::new(&args.home);
    let config = home.read_config()?;
    if args.to.exists() {
        return Err(Problem::new(
            "backup.exists",
            format!("{} exists already", args.to.display()),
            "name another file with --to: a backup is never overwritten",
        ));
    }
    let source = Source::find(args.home_passphrase_file.as_deref());
    let lock = vault::unlock(&home, &config.secrets, &source)?;
    let sealer = match args.recipient.as_slice() {
        [] => {
            let source = Source::only(args.passphrase_file.as_deref());
            Sealer::By(source.new_for("the backup")?)
        }
        recipients => Sealer::To(recipients.to_vec()),
    };
    let progress = Progress::new();
    progress.update("asking the node about the keys of the circle");
    let client = Client::new(&config.api.to_string())?;
    let public = block_on(sealed::public(&client));
    progress.update("reading and encrypting");
    let known = public.as_ref().map(|public| public.ceremonies.as_slice());
    let backup = backup::collect(&home, &lock, known.unwrap_or_default(), now_ms())?;
    let bytes = sealer.seal(&backup.to_bytes());
    let written = durable::create(&args.to, &bytes, Readers::Owner)
        .and_then(|_| durable::sync_directory(&durable::directory_of(&args.to)));
    written.map_err(|error| Problem::file("write", &args.to, error))?;
    progress.clear();
    report(&args, &backup, public.ok())
}

/// Says what the backup covers, as far as the node said what there is.
fn report(args: &Args, backup: &Backup, public: Option<Public>) -> Result<ExitCode, Problem> {
    let Some(public) = public else {
        output::tell(format!(
            "The node of {} does not answer, so nobody knows whether a share is missing: run `circle treasury drill` when it does.",
            backup.guardian
        ));
        match args.json {
            true => output::print_json(&json!({
                "backup": args.to, "made_at_ms": backup.made_at_ms, "guardian": backup.guardian,
                "complete": null, "secrets": backup.secrets.len(),
            })),
            false => output::print(format!(
                "{} holds {} secrets of {}.",
                args.to.display(),
                backup.secrets.len(),
                backup.guardian
            )),
        }
        return Ok(ExitCode::SUCCESS);
    };
    let coverage = backup::check(backup, &public);
    match args.json {
        true => output::print_json(&sealed::document(backup, &args.to, &coverage)),
        false => output::print(format!(
            "{}\nwritten to {}",
            sealed::table(backup, &coverage),
            args.to.display()
        )),
    }
    Ok(match coverage.complete {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}
