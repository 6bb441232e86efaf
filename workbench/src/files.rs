//! Finding, reading and writing files of 3Script.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::problem::Problem;

/// No file of 3Script is larger; what is larger was named by mistake.
pub const MAX_BYTES: u64 = 1 << 20;

/// The files that paths name: files as they are, folders with all `*.3script` below them, in the order of their names.
///
/// Hidden folders and links to folders are left out. Errors: a path that is not there, or a folder without any such file.
pub fn find(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Problem> {
    let mut found = Vec::new();
    for path in paths {
        let metadata = fs::metadata(path).map_err(|error| Problem::file("read", path, error))?;
        if !metadata.is_dir() {
            found.push(path.clone());
            continue;
        }
        let before = found.len();
        walk(path, &mut found)?;
        if found.len() == before {
            let reason = format!("there is no *.3script file in {}", path.display());
            return Err(Problem::new(
                "no_files",
                reason,
                "name a policy file, or a folder with some",
            ));
        }
    }
    Ok(found)
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), Problem> {
    let problem = |error| Problem::file("read", folder, error);
    let entries = fs::read_dir(folder).map_err(problem)?;
    let mut entries = entries.collect::<Result<Vec<_>, _>>().map_err(problem)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let is_hidden = entry.file_name().to_string_lossy().starts_with('.');
        if entry.file_type().map_err(problem)?.is_dir() {
            if !is_hidden {
                walk(&path, found)?;
            }
        } else if path
            .extension()
            .is_some_and(|extension| extension == "3script")
        {
            found.push(path);
        }
    }
    Ok(())
}

/// Reads a file as UTF-8. Errors: it cannot be read, is larger than [`MAX_BYTES`], or is no text.
pub fn read(path: &Path) -> Result<String, Problem> {
    let problem = |error| Problem::file("read", path, error);
    let metadata = fs::metadata(path).map_err(problem)?;
    if metadata.is_dir() {
        let reason = format!("{} is a folder", path.display());
        return Err(Problem::new("file", reason, "name a file"));
    }
    if metadata.len() > MAX_BYTES {
        let reason = format!(
            "{} has {} bytes; no file of 3Script has more than {MAX_BYTES}",
            path.display(),
            metadata.len()
        );
        return Err(Problem::new("file", reason, "name a policy file"));
    }
    match String::from_utf8(fs::read(path).map_err(problem)?) {
        Ok(text) => Ok(text),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let reason = format!("{} is no text: byte {at} is not UTF-8", path.display());
            Err(Problem::new(
                "file",
                reason,
                "name a policy file, or save it as UTF-8",
            ))
        }
    }
}

/// Puts a text in the place of a file at once: whoever reads it sees the old or the new one, and a crash leaves one of them.
pub fn replace(path: &Path, text: &str) -> Result<(), Problem> {
    let problem = |error| Problem::file("write", path, error);
    // A link stays a link.
    let target = fs::canonicalize(path).map_err(problem)?;
    let permissions = fs::metadata(&target).map_err(problem)?.permissions();
    let name = target
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let draft = target.with_file_name(format!(".{name}.{}.new", std::process::id()));
    let written = write_new(&draft, text)
        .and_then(|()| fs::set_permissions(&draft, permissions))
        .and_then(|()| fs::rename(&draft, &target));
    if written.is_err() {
        // The draft is of no use; that it cannot be removed either is not worth another error.
        let _ = fs::remove_file(&draft);
    }
    written.map_err(problem)
}

/// Writes a file that must not be there yet.
pub fn create(path: &Path, text: &str) -> Result<(), Problem> {
    write_new(path, text).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => Problem::new(
            "exists",
            format!("{} is there already", path.display()),
            "take another name, or remove it first",
        ),
        _ => Problem::file("write", path, error),
    })
}

fn write_new(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
