//! What policies are written against when no circle is asked: the kernel's natives, the standard assets and limits.

use std::path::Path;

use circle::natives;
use circle::policies::Language;
use threescript::engine::Limits;
use threescript::policy::{Diagnostic, Policy, compile};
use threescript::value::Assets;

use crate::problem::Problem;

/// The language of a circle with the standard assets and limits.
pub fn standard() -> Language {
    Language {
        catalog: natives::catalog(&Assets::standard()),
        limits: Limits::default(),
    }
}

/// Reads a file as UTF-8.
pub fn read(path: &Path) -> Result<String, Problem> {
    std::fs::read_to_string(path).map_err(|error| Problem::file("read", path, error))
}

/// Compiles a policy file, with its path in the diagnostics.
pub fn compile_file(path: &Path) -> Result<Result<Policy, Vec<Diagnostic>>, Problem> {
    let language = standard();
    let source = read(path)?;
    Ok(compile(
        &source,
        &path.display().to_string(),
        &language.catalog,
        &language.limits,
    ))
}
