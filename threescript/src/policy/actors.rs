//! What a policy has to do with the embedder's own actors: names that it cannot take, events that it can react to.

use super::declaration::{EntryDecl, EntryKind, Header};
use super::diagnostic::{Fault, suggest};
use super::types::type_name;
use crate::action::Type;
use crate::engine::{Catalog, NativeEvent};

/// Checks the name of a policy, and its reactions.
pub(super) fn check(header: &Header, catalog: &Catalog, faults: &mut Vec<Fault>) {
    if let Some(actor) = catalog.actor(&header.name) {
        if !actor.extendable {
            let reason = format!("the name `{}` belongs to the kernel", header.name);
            faults.push(Fault::new(
                header.place,
                "reserved_name",
                reason,
                "choose another name",
            ));
        }
        let actions = header.entries.iter();
        let actions = actions.filter(|entry| entry.kind == EntryKind::Action);
        for entry in actions.filter(|entry| actor.actions.contains(&entry.name)) {
            let reason = format!("{}.{} is an action of the kernel", header.name, entry.name);
            faults.push(Fault::new(
                entry.place,
                "reserved_name",
                reason,
                "choose another name",
            ));
        }
    }
    let reactions = header.entries.iter();
    for entry in reactions.filter(|entry| entry.kind == EntryKind::On) {
        if let Some((actor, name)) = entry.name.split_once('.') {
            reaction(header, catalog, entry, actor, name, faults);
        }
    }
}

fn reaction(
    header: &Header,
    catalog: &Catalog,
    entry: &EntryDecl,
    actor: &str,
    name: &str,
    faults: &mut Vec<Fault>,
) {
    let mut fault = |code: &'static str, reason: String, mend: String| {
        faults.push(Fault::new(entry.place, code, reason, mend))
    };
    if let Some(event) = catalog.event(actor, name) {
        return entries(entry, event, faults);
    }
    match catalog.actor(actor) {
        Some(native) if !native.extendable && native.events.is_empty() => fault(
            "unknown_event",
            format!("there are no events of `{actor}` that a policy can react to"),
            String::new(),
        ),
        Some(native) if !native.extendable => fault(
            "unknown_event",
            format!("`{actor}` has no event `{name}`"),
            suggest(name, native.events.iter().map(|event| event.name.as_str())),
        ),
        _ if actor == header.name => fault(
            "own_event",
            format!("`{name}` is an event of this policy"),
            "do what is to be done where it is emitted".to_owned(),
        ),
        _ => {}
    }
}

/// The parameters of a reaction to an event of the kernel must be what the event says.
fn entries(entry: &EntryDecl, event: &NativeEvent, faults: &mut Vec<Fault>) {
    for param in &entry.params {
        let declared = event.entries.iter().find(|(name, _)| *name == param.name);
        let (code, reason, mend) = match declared {
            None => (
                "unknown_parameter",
                format!("{} does not say `{}`", entry.name, param.name),
                suggest(
                    &param.name,
                    event.entries.iter().map(|(name, _)| name.as_str()),
                ),
            ),
            Some((_, ty)) if param.ty != *ty && param.ty != Type::Any => (
                "type",
                format!(
                    "`{}` of {} is of type {}",
                    param.name,
                    entry.name,
                    type_name(ty)
                ),
                format!("write `{}: {}`", param.name, type_name(ty)),
            ),
            Some(_) => continue,
        };
        faults.push(Fault::new(entry.place, code, reason, mend));
    }
}
