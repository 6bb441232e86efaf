//! `circle treasury restore`: a home out of a backup.

use std::path::PathBuf;

use serde_json::json;

use super::sealed::Opening;
use crate::backup;
use crate::cli::output;
use crate::cli::protecting::Protect;
use crate::cli::target::Passphrase;
use crate::config::{Home, Protection};
use crate::problem::Problem;
use crate::vault;

/// Make a guardian's home out of a backup.
///
/// The home is a new directory, or one of the same guardian that lost something; what is there is never overwritten. Its node then
/// fetches everything else from the other guardians. The node that was lost must never run again: two nodes with one key
/// contradict each other, and the circle sees it.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The backup.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The home directory to be made.
    #[arg(long, value_name = "DIR")]
    home: PathBuf,
    #[command(flatten)]
    opening: Opening,
    /// How keys and shares are kept in the new home: encrypted by a passphrase, to an age identity file, or in the clear. Without: by
    /// a passphrase if there is one to be had, from a file or the terminal.
    #[arg(long, value_name = "HOW")]
    protect: Option<Protection>,
    /// The age identity file of the new home, made if it is missing.
    #[arg(long, value_name = "FILE")]
    home_identity: Option<PathBuf>,
    /// A file whose first line is the passphrase of the new home. Without: as with `circle start`.
    #[arg(long, value_name = "FILE")]
    home_passphrase_file: Option<PathBuf>,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

/// Runs the verb.
pub fn run(args: Args) -> Result<(), Problem> {
    let home = Home::new(&args.home);
    let backup = args.opening.open(&args.file)?;
    // Before the home is made, or a passphrase is asked for in vain.
    backup::refuse_strangers(&backup, &home)?;
    let protect = Protect::new(
        args.protect,
        args.home_identity,
        Passphrase {
            passphrase_file: args.home_passphrase_file,
        },
    );
    let kept = protect.of_home(&home, &backup.guardian)?;
    let _held = vault::hold(&home)?;
    let restored = backup::restore(&backup, &home, &kept.lock, &kept.secrets)?;
    kept.encrypt_what_is_there(&home)?;
    if args.json {
        output::print_json(&json!({
            "home": home.path(), "guardian": backup.guardian, "circle": backup.circle,
            "written": restored.written, "present": restored.present,
        }));
        return Ok(());
    }
    output::print(format!(
        "{} is the home of {} again: {} secrets were restored, {} were there.",
        home.path().display(),
        backup.guardian,
        restored.written.len(),
        restored.present.len()
    ));
    output::print(format!(
        "Check the addresses in {}, make sure that the node that was lost never runs again, and start this one with\n  circle start --home {}",
        home.config().display(),
        home.path().display()
    ));
    Ok(())
}
