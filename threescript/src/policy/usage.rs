//! Constants of other policies.

use super::compile::source_hash;
use super::declaration::{ConstDecl, Header, UseDecl};
use super::diagnostic::{Fault, suggest};
use super::header;
use crate::value::Assets;

/// Adds the constants that a policy uses of others to its own.
pub(super) fn resolve(
    header: &mut Header,
    assets: &Assets,
    installed: &dyn Fn(&[u8; 32]) -> Option<String>,
    faults: &mut Vec<Fault>,
) {
    for used in header.uses.clone() {
        match read(&used, assets, installed) {
            Ok(other) => take(header, &used, &other, faults),
            Err(fault) => faults.push(fault),
        }
    }
}

fn read(
    used: &UseDecl,
    assets: &Assets,
    installed: &dyn Fn(&[u8; 32]) -> Option<String>,
) -> Result<Header, Fault> {
    let fault = |code: &'static str, reason: String, mend: String| {
        Err(Fault::new(used.place, code, reason, mend))
    };
    // What was found under the hash has to have it: everything here depends on that.
    let source = installed(&used.hash).filter(|source| source_hash(source) == used.hash);
    let Some(source) = source else {
        return fault(
            "unknown_policy",
            format!("no policy {} is installed", hex::encode(used.hash)),
            "install it first, or use the hash of one that is; `circle policy check` prints the hash of a file"
                .to_owned(),
        );
    };
    let (other, _) = header::parse(&source, assets);
    if other.name != used.policy {
        return fault(
            "unknown_policy",
            format!("this hash is that of the policy `{}`", other.name),
            format!("write `use {} …`, or its own hash", other.name),
        );
    }
    Ok(other)
}

fn take(header: &mut Header, used: &UseDecl, other: &Header, faults: &mut Vec<Fault>) {
    for wanted in &used.names {
        if let Some(found) = other.consts.iter().find(|item| item.name == wanted.name) {
            header.consts.push(ConstDecl {
                place: wanted.place,
                ..found.clone()
            });
            continue;
        }
        let onward = other
            .uses
            .iter()
            .find(|further| further.names.iter().any(|name| name.name == wanted.name));
        let reason = format!(
            "the policy `{}` version {} declares no constant `{}`",
            other.name, other.version, wanted.name
        );
        let mend = match onward {
            Some(further) => format!(
                "it takes it from `{}`; use it from there: {}",
                further.policy,
                hex::encode(further.hash)
            ),
            None => suggest(
                &wanted.name,
                other.consts.iter().map(|item| item.name.as_str()),
            ),
        };
        faults.push(Fault::new(wanted.place, "unknown_constant", reason, mend));
    }
}
