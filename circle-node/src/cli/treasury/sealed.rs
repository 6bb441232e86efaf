//! Backup files: reading and opening them, and showing what is in one.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use threescript::value::render_time;

use crate::api::client::Client;
use crate::api::types::{At, Ceremonies, Payouts, Status};
use crate::backup::{Backup, Coverage, Public};
use crate::problem::Problem;
use crate::vault::{self, SealError, Source};

/// Options that open a backup.
#[derive(Debug, clap::Args)]
pub struct Opening {
    /// The age identity file that opens the backup, if it was made with --recipient.
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
    /// A file whose first line is the passphrase of the backup. Without: the terminal.
    #[arg(long, value_name = "FILE", conflicts_with = "identity")]
    passphrase_file: Option<PathBuf>,
}

impl Opening {
    /// Opens the backup in `file`.
    pub fn open(&self, file: &Path) -> Result<Backup, Problem> {
        let sealed = std::fs::read(file).map_err(|error| Problem::file("read", file, error))?;
        let opened = match &self.identity {
            Some(path) => vault::open_with_identity(&vault::read_identity(path)?, &sealed),
            None => {
                let source = Source::only(self.passphrase_file.as_deref());
                let passphrase = source.existing(&file.display().to_string())?;
                vault::open_with_passphrase(&passphrase, &sealed)
            }
        };
        let bytes = opened.map_err(|error| {
            let mend = match error {
                SealError::WrongPassphrase => "try again; if you are sure of the passphrase, the file is damaged: take another backup",
                SealError::OtherIdentity => "name the identity file that belongs to the --recipient it was made for",
                SealError::ByPassphrase => "leave --identity out, and give its passphrase",
                SealError::ToIdentity => "name the identity file with --identity",
                SealError::Damaged | SealError::Work { .. } => "take another backup, or copy this one again from where it was kept",
            };
            Problem::new(
                "backup.sealed",
                format!("{} cannot be opened: {error}", file.display()),
                mend,
            )
        })?;
        Backup::from_bytes(&bytes).map_err(|error| Problem::of(error.code(), error))
    }
}

/// What a node says about the keys of the circle.
pub async fn public(client: &Client) -> Result<Public, Problem> {
    let found: At<Ceremonies> = client.get("/v1/ceremonies").await?;
    let payouts: At<Payouts> = client.get("/v1/payouts").await?;
    let status: Status = client.get("/v1/status").await?;
    let guardians = status.guardians.into_iter();
    Ok(Public {
        genesis: client.genesis().await?,
        guardians: guardians.map(|one| (one.name, one.key)).collect(),
        ceremonies: found.answer.ceremonies,
        wallets: payouts.answer.wallets,
    })
}

/// The document about a backup.
pub fn document(backup: &Backup, file: &Path, coverage: &Coverage) -> Value {
    json!({
        "backup": file,
        "made_at_ms": backup.made_at_ms,
        "circle": backup.circle,
        "genesis": backup.genesis,
        "guardian": backup.guardian,
        "complete": coverage.complete,
        "rows": coverage.rows,
    })
}

/// The same for people.
pub fn table(backup: &Backup, coverage: &Coverage) -> String {
    let seconds = i64::try_from(backup.made_at_ms / 1000).unwrap_or(i64::MAX);
    let date = render_time(seconds).unwrap_or_default();
    let mut text = format!(
        "backup of {} for {}, made {date} UTC\n",
        backup.guardian, backup.name
    );
    let width = coverage
        .rows
        .iter()
        .map(|row| row.what.chars().count())
        .max()
        .unwrap_or_default();
    for row in &coverage.rows {
        text += &format!("  {:<width$}  {:<8} {}\n", row.what, row.standing, row.why);
    }
    text.pop();
    text
}
