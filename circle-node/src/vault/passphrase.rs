//! Where a passphrase comes from.

use std::fmt;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use age::secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use crate::problem::Problem;

/// The variable that names a file with the passphrase.
pub const FILE_VARIABLE: &str = "CIRCLE_PASSPHRASE_FILE";
/// The variable by which systemd says where the credentials of a service are.
const CREDENTIALS_VARIABLE: &str = "CREDENTIALS_DIRECTORY";
/// The credential that is the passphrase.
const CREDENTIAL: &str = "circle-passphrase";
/// Fewer characters are guessed sooner than anybody notices that the disk is gone.
const CHARACTERS_MIN: usize = 12;

/// A passphrase. Wiped when dropped, never shown.
#[derive(Clone)]
pub struct Passphrase(SecretString);

impl Passphrase {
    pub(super) fn secret(&self) -> &SecretString {
        &self.0
    }

    fn is_long_enough(&self) -> bool {
        self.0.expose_secret().chars().count() >= CHARACTERS_MIN
    }
}

impl From<String> for Passphrase {
    fn from(text: String) -> Self {
        Self(SecretString::from(text))
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("<redacted>")
    }
}

/// Where a passphrase is to be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The first line of this file.
    File(PathBuf),
    /// Whoever sits at the terminal.
    Terminal,
    /// Nowhere.
    Nowhere,
}

impl Source {
    /// The file that is named, else the one in the variable `CIRCLE_PASSPHRASE_FILE`, else the credential `circle-passphrase`
    /// of a service of systemd, else the terminal.
    pub fn find(file: Option<&Path>) -> Self {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let credential = || {
            let directory = variable(CREDENTIALS_VARIABLE)?;
            let path = Path::new(&directory).join(CREDENTIAL);
            path.exists().then_some(path)
        };
        let file = file
            .map(Path::to_owned)
            .or_else(|| variable(FILE_VARIABLE).map(PathBuf::from))
            .or_else(credential);
        match file {
            Some(path) => Self::File(path),
            None => Self::terminal(),
        }
    }

    /// The file that is named, or else the terminal: for what has a passphrase of its own.
    pub fn only(file: Option<&Path>) -> Self {
        file.map_or_else(Self::terminal, |path| Self::File(path.to_owned()))
    }

    fn terminal() -> Self {
        match std::io::stdin().is_terminal() && std::io::stderr().is_terminal() {
            true => Self::Terminal,
            false => Self::Nowhere,
        }
    }

    /// The passphrase that `what` was encrypted with.
    pub fn existing(&self, what: &str) -> Result<Passphrase, Problem> {
        match self {
            Self::File(path) => read(path),
            Self::Terminal => ask(&format!("passphrase of {what}: ")),
            Self::Nowhere => Err(Problem::new(
                "secrets.passphrase_needed",
                format!("{what} is protected by a passphrase, and none is given"),
                format!(
                    "name a file that holds it in {FILE_VARIABLE} or with --passphrase-file, or run this in a terminal"
                ),
            )),
        }
    }

    /// A new passphrase for `what`; whoever types it types it twice.
    pub fn new_for(&self, what: &str) -> Result<Passphrase, Problem> {
        let passphrase = match self {
            Self::File(path) => read(path)?,
            Self::Terminal => {
                let first = ask(&format!("new passphrase for {what}: "))?;
                let second = ask("the same again: ")?;
                if first.0.expose_secret() != second.0.expose_secret() {
                    return Err(Problem::new(
                        "secrets.passphrase_differs",
                        "the two passphrases are not the same",
                        "try again; nothing was changed",
                    ));
                }
                first
            }
            Self::Nowhere => {
                return Err(Problem::new(
                    "secrets.passphrase_needed",
                    format!("no passphrase is given for {what}"),
                    format!(
                        "name a file that holds it in {FILE_VARIABLE} or with --passphrase-file, or run this in a terminal"
                    ),
                ));
            }
        };
        if !passphrase.is_long_enough() {
            return Err(Problem::new(
                "secrets.passphrase_short",
                format!("a passphrase needs at least {CHARACTERS_MIN} characters"),
                "take four or five words that nobody would put together",
            ));
        }
        Ok(passphrase)
    }
}

fn ask(prompt: &str) -> Result<Passphrase, Problem> {
    // On stderr and from the terminal itself, so that results on stdout stay clean.
    eprint!("{prompt}");
    let text = rpassword::read_password().map_err(|error| {
        Problem::new(
            "secrets.passphrase_needed",
            format!("the terminal gave no passphrase: {error}"),
            format!("name a file that holds it in {FILE_VARIABLE}"),
        )
    })?;
    Ok(Passphrase::from(text))
}

/// The first line of a file.
fn read(path: &Path) -> Result<Passphrase, Problem> {
    let text = std::fs::read_to_string(path)
        .map(Zeroizing::new)
        .map_err(|error| {
            let mut problem = Problem::file("read the passphrase in", path, error);
            problem.code = "secrets.passphrase_file".into();
            problem
        })?;
    let line = text.lines().next().unwrap_or_default();
    if line.is_empty() {
        return Err(Problem::new(
            "secrets.passphrase_file",
            format!("the first line of {} is empty", path.display()),
            "put the passphrase into its first line",
        ));
    }
    Ok(Passphrase::from(line.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_gives_its_first_line_and_a_new_passphrase_is_long() {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = directory.path().join(name);
            std::fs::write(&path, text).unwrap();
            Source::only(Some(&path))
        };
        let good = file("good", "four words are enough\nand this is none\n");
        let found = good.new_for("a home").unwrap();
        assert_eq!(found.0.expose_secret(), "four words are enough");
        assert_eq!(format!("{found:?}"), "<redacted>");
        let code = |result: Result<Passphrase, Problem>| result.unwrap_err().code;
        assert_eq!(
            code(file("short", "too short\n").new_for("a home")),
            "secrets.passphrase_short"
        );
        assert!(file("short", "too short\n").existing("a home").is_ok());
        assert_eq!(
            code(file("empty", "\nsecond").existing("a home")),
            "secrets.passphrase_file"
        );
        let missing = Source::only(Some(&directory.path().join("missing")));
        assert_eq!(code(missing.existing("a home")), "secrets.passphrase_file");
        assert_eq!(
            code(Source::Nowhere.existing("a home")),
            "secrets.passphrase_needed"
        );
    }
}
