//! What policies are written against when no circle is asked: the kernel's natives, the standard assets and limits.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use circle::digest::Hash;
use circle::natives;
use circle::policies::Language;
use threescript::engine::Limits;
use threescript::policy::{Diagnostic, Policy, compile_with, source_hash};
use threescript::value::{Assets, Value};

use crate::literal::literal;
use crate::problem::Problem;

/// The language of a circle with the standard assets and limits.
pub fn standard() -> Language {
    Language {
        catalog: natives::catalog(&Assets::standard()),
        limits: Limits::default(),
    }
}

pub use crate::files::read;

/// A value as declarations write it.
pub fn written(value: &Value, assets: &Assets) -> String {
    match value {
        Value::Amount(amount) => match assets.render_amount(amount) {
            Ok(text) => text,
            Err(_) => literal(value, assets),
        },
        Value::Percent(percent) => format!("{percent}%"),
        Value::Decimal(number) => number.to_string(),
        Value::List(items) => {
            let items: Vec<String> = items.iter().map(|item| written(item, assets)).collect();
            format!("[{}]", items.join(", "))
        }
        _ => literal(value, assets),
    }
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

/// Compiles a policy file, with its path in the diagnostics. It may use constants of the policies beside it.
pub fn compile_file(path: &Path) -> Result<Result<Policy, Vec<Diagnostic>>, Problem> {
    compile_in(&standard(), path)
}

/// The same, for a circle with this language.
pub fn compile_in(
    language: &Language,
    path: &Path,
) -> Result<Result<Policy, Vec<Diagnostic>>, Problem> {
    Ok(compile_text(language, path, &read(path)?))
}

/// The same for a text that is to stand at a path.
pub fn compile_text(
    language: &Language,
    path: &Path,
    source: &str,
) -> Result<Policy, Vec<Diagnostic>> {
    let file = path.display().to_string();
    let Language { catalog, limits } = language;
    let beside = |hash: &[u8; 32]| find_beside(path, hash);
    compile_with(source, &file, catalog, limits, &beside)
}

/// The source of the policy with a hash among the policy files in the folder of `path` and in the folders beside it. What
/// cannot be read is not there.
fn find_beside(path: &Path, hash: &[u8; 32]) -> Option<String> {
    let whole = std::path::absolute(path).ok()?;
    let folder = whole.parent()?;
    let entries = |folder: &Path| {
        let entries = std::fs::read_dir(folder).into_iter().flatten();
        entries.flatten().map(|entry| entry.path())
    };
    let beside = folder.parent().into_iter().flat_map(entries);
    let folders = std::iter::once(folder.to_owned()).chain(beside.filter(|path| path.is_dir()));
    let is_policy = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.ends_with(".3script") && !name.ends_with(".test.3script")
    };
    let files = folders.flat_map(|folder| entries(&folder).collect::<Vec<_>>());
    let sources = files
        .filter(is_policy)
        .filter_map(|path| std::fs::read_to_string(path).ok());
    sources
        .into_iter()
        .find(|source| source_hash(source) == *hash)
}

/// A policy, or why it is none.
pub type Compiled = Result<Policy, Vec<Diagnostic>>;

/// Compiles a policy that may use constants of others, as far as the sources of these are known: by hash, `None` for one that is
/// not installed. Gives the hashes that it asked for in vain; once their sources are known, too, it can be compiled again.
pub fn compile_knowing(
    source: &str,
    file: &str,
    language: &Language,
    known: &BTreeMap<Hash, Option<String>>,
) -> (Compiled, Vec<Hash>) {
    let asked = RefCell::new(Vec::new());
    let installed = |hash: &Hash| match known.get(hash) {
        Some(source) => source.clone(),
        None => {
            asked.borrow_mut().push(*hash);
            None
        }
    };
    let Language { catalog, limits } = language;
    let compiled = compile_with(source, file, catalog, limits, &installed);
    (compiled, asked.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_finds_those_beside_it_by_their_hash() {
        let prices = "policy prices version 1\nconst CU = 3\naction go() by anyone { CU }\n";
        let hash = hex::encode(source_hash(prices));
        let shop =
            format!("policy shop version 1\nuse prices {hash} {{ CU }}\nask cost() {{ CU }}\n");
        let root = tempfile::tempdir().unwrap();
        let folder = |name: &str| {
            let folder = root.path().join(name);
            std::fs::create_dir_all(&folder).unwrap();
            folder.join("policy.3script")
        };
        let (ours, theirs) = (folder("shop"), folder("prices"));
        std::fs::write(&ours, &shop).unwrap();
        // A file of tests is no policy, whatever it holds.
        std::fs::write(theirs.with_file_name("prices.test.3script"), prices).unwrap();
        let faults = compile_file(&ours)
            .unwrap()
            .expect_err("it is not there yet");
        assert_eq!(faults[0].code, "unknown_policy");
        std::fs::write(&theirs, prices).unwrap();
        let policy = compile_file(&ours).unwrap().expect("it is there");
        assert_eq!(policy.consts()[0].name, "CU");
    }
}
