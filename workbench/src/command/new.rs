//! `circle policy new`: begins a policy.

use std::path::PathBuf;

use serde_json::json;
use threescript::policy::compile;

use crate::console::{Console, Outcome};
use crate::files;
use crate::language;
use crate::problem::Problem;
use crate::template;

/// The actors that no policy can be.
const KERNEL: [&str; 3] = ["ceremony", "circle", "policy"];

/// Begin a policy: a small one that works, with its page and its tests.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Its name, which is the actor of its actions.
    pub name: String,
    /// The folder to make its folder in.
    #[arg(long = "in", value_name = "DIR", default_value = ".")]
    pub folder: PathBuf,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

/// Runs the verb.
pub fn run(args: Args, console: &mut Console<'_>) -> Result<Outcome, Problem> {
    let name = args.name.as_str();
    if !threescript::action::is_name(name) || name.len() > 48 {
        let reason = format!("`{name}` cannot be the name of a policy");
        return Err(Problem::new(
            "bad_name",
            reason,
            "names are a-z, 0-9 and _, begin with a letter and have at most 48 characters",
        ));
    }
    if KERNEL.contains(&name) {
        let reason = format!("`{name}` is an actor of the kernel");
        return Err(Problem::new("bad_name", reason, "take another name"));
    }
    let made = template::files(name);
    // A word of the language is refused by who knows them.
    let language = language::standard();
    if let Err(faults) = compile(&made[0].1, &made[0].0, &language.catalog, &language.limits) {
        let reason = faults
            .first()
            .map_or(String::new(), |fault| fault.reason.clone());
        return Err(Problem::new(
            "bad_name",
            format!("`{name}` cannot be the name of a policy: {reason}"),
            "take another name",
        ));
    }
    let folder = args.folder.join(name);
    if std::fs::symlink_metadata(&folder).is_ok() {
        return Err(Problem::new(
            "exists",
            format!("{} is there already", folder.display()),
            "take another name, or remove it first",
        ));
    }
    std::fs::create_dir_all(&args.folder)
        .map_err(|error| Problem::file("make", &args.folder, error))?;
    std::fs::create_dir(&folder).map_err(|error| Problem::file("make", &folder, error))?;
    for (file, text) in &made {
        files::create(&folder.join(file), text)?;
    }
    let paths: Vec<PathBuf> = made.iter().map(|(file, _)| folder.join(file)).collect();
    if args.json {
        console.print_json(&json!({ "name": name, "files": paths }));
    } else {
        for path in &paths {
            console.print(path.display());
        }
        console.tell(format_args!(
            "now run `circle policy test {}`",
            folder.display()
        ));
    }
    Ok(Outcome::Passed)
}
