//! Runs verbs with buffers for their outputs.

use std::path::{Path, PathBuf};

use clap::Parser;
use workbench::command::Command;
use workbench::console::{Console, Outcome};

#[derive(Parser)]
struct Verbs {
    #[command(subcommand)]
    command: Command,
}

/// What a verb prints, with its exit status behind it.
pub fn verb(args: &[&str]) -> String {
    let (output, status) = run(args);
    format!("{output}exit {status}\n")
}

/// What a verb prints, and its exit status.
pub fn run(args: &[&str]) -> (String, u8) {
    let verbs = Verbs::try_parse_from(std::iter::once(&"policy").chain(args));
    let verbs = verbs.unwrap_or_else(|error| panic!("{error}"));
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let result = verbs.command.run(&mut Console::new(&mut out, &mut err));
    let status = match result {
        Ok(Outcome::Passed) => 0,
        Ok(Outcome::Failed) => 1,
        Err(problem) => {
            out.extend_from_slice(format!("{problem}\n").as_bytes());
            1
        }
    };
    (String::from_utf8(out).expect("verbs print UTF-8"), status)
}

/// A folder with the shelf policy and, beside it, a file of tests with this text.
pub struct Folder(tempfile::TempDir);

impl Folder {
    pub fn empty() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    pub fn with_tests(tests: &str) -> Self {
        let folder = Self::empty();
        folder.write("policy.3script", include_str!("shelf/policy.3script"));
        folder.write("shelf.test.3script", tests);
        folder
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// What `circle policy test` says about this folder, which it calls `.`.
    pub fn test(&self, options: &[&str]) -> String {
        self.verb("test", &[], options)
    }

    /// What a verb says with this folder as its first argument, or a file in it.
    pub fn verb(&self, verb_name: &str, files: &[&str], options: &[&str]) -> String {
        let folder = self.0.path().display().to_string();
        let mut args = vec![verb_name.to_owned()];
        match files {
            [] => args.push(folder.clone()),
            files => args.extend(files.iter().map(|file| format!("{folder}/{file}"))),
        }
        args.extend(options.iter().map(|option| (*option).to_owned()));
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        verb(&args)
            .replace(&format!("{folder}/"), "")
            .replace(&folder, ".")
    }
}

/// The shelf of this folder.
pub fn shelf() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/shelf");
    folder.display().to_string()
}
