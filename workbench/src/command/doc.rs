//! `circle policy doc`: pages of policies, and of what the language offers.

use std::path::PathBuf;

use serde_json::json;

use crate::console::{Console, Outcome};
use crate::document::{host_page, markdown, page};
use crate::files;
use crate::language;
use crate::problem::{Problem, fault_json};

/// A Markdown page for each policy, from its doc lines; or of what the language offers to bodies.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Policy files, and folders with such files.
    #[arg(required_unless_present = "host")]
    pub files: Vec<PathBuf>,
    /// Write the pages into this folder, `NAME.md` each, instead of printing them.
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// The page of everything that bodies may call, `host-api.md`.
    #[arg(long)]
    pub host: bool,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

/// Runs the verb.
pub fn run(args: Args, console: &mut Console<'_>) -> Result<Outcome, Problem> {
    let language = language::standard();
    let mut files = files::find(&args.files)?;
    files.retain(|path| !path.to_string_lossy().ends_with(".test.3script"));
    let (mut pages, mut faults) = (Vec::new(), Vec::new());
    for path in &files {
        match language::compile_file(path)? {
            Ok(policy) => pages.push(
                page(&policy, language.catalog.assets())
                    .map_err(|error| Problem::of(error.code, error))?,
            ),
            Err(found) => faults.extend(found),
        }
    }
    let mut texts: Vec<(String, String)> = pages
        .iter()
        .map(|page| (format!("{}.md", page.name), markdown(page)))
        .collect();
    if args.host {
        texts.push(("host-api.md".to_owned(), host_page(&language.catalog)));
    }
    if let Some(folder) = &args.out {
        std::fs::create_dir_all(folder).map_err(|error| Problem::file("make", folder, error))?;
        for (name, text) in &texts {
            let path = folder.join(name);
            if path.exists() {
                files::replace(&path, text)?;
            } else {
                files::create(&path, text)?;
            }
            console.tell(format_args!("{} written", path.display()));
        }
    }
    if args.json {
        let faults: Vec<_> = faults.iter().map(fault_json).collect();
        let host = args.host.then(|| host_page(&language.catalog));
        console.print_json(&json!({ "policies": pages, "host": host, "faults": faults }));
    } else {
        for fault in &faults {
            console.tell(fault);
        }
        if args.out.is_none() {
            for (index, (_, text)) in texts.iter().enumerate() {
                console.print(format_args!(
                    "{}{}",
                    if index > 0 { "\n" } else { "" },
                    text.trim_end()
                ));
            }
        }
    }
    Ok(if faults.is_empty() {
        Outcome::Passed
    } else {
        Outcome::Failed
    })
}
