//! What policies are written against when no circle is asked: the kernel's natives, the standard assets and limits.

use std::path::Path;

use circle::natives;
use circle::policies::Language;
use threescript::engine::Limits;
use threescript::policy::{Diagnostic, Policy, compile, compile_with, source_hash};
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

/// Compiles a policy file that may use constants of the policies with these sources. Its path is in the diagnostics.
pub fn compile_among(
    path: &Path,
    others: &[String],
) -> Result<Result<Policy, Vec<Diagnostic>>, Problem> {
    let language = standard();
    let source = read(path)?;
    let installed = |hash: &[u8; 32]| {
        let mut others = others.iter();
        others.find(|other| source_hash(other) == *hash).cloned()
    };
    let file = crate::testing::shown(path);
    let Language { catalog, limits } = &language;
    Ok(compile_with(&source, &file, catalog, limits, &installed))
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
