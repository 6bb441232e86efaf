//! What changed between two policies, as somebody who votes on the new one needs to know it.

use std::collections::BTreeSet;

use serde::Serialize;
use similar::TextDiff;
use threescript::action::ParamDecl;
use threescript::policy::{CallerRule, EntryDecl, EntryKind, Policy, TableDecl, type_name};
use threescript::value::{Assets, Value};

use crate::format::FormatError;
use crate::language::written;
use crate::outline::{Section, emitted, sections};

/// How much a change asks for attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Weight {
    /// More people may do something, or stored rows cannot be read any more.
    Loud,
    /// Everything else.
    Plain,
}

/// Something that is not as it was.
#[derive(Clone, Debug, Serialize)]
pub struct Change {
    /// The kind of the declaration, such as `action`; `policy`, `event` or `effect`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// `added`, `removed` or `changed`.
    pub change: &'static str,
    /// How much attention it asks for.
    pub weight: Weight,
    /// What is different, a sentence each.
    pub details: Vec<String>,
    /// The difference of its text, if its body changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// All changes between two policies.
#[derive(Clone, Debug, Serialize)]
pub struct Difference {
    /// The changes, by kind and then in the order of the declarations.
    pub changes: Vec<Change>,
    /// Whether the rows that the old policy stored can be read by the new one.
    pub rows_stay_readable: bool,
}

struct Differ<'a> {
    assets: &'a Assets,
    old: Vec<Section>,
    new: Vec<Section>,
    changes: Vec<Change>,
    readable: bool,
}

/// Compares two policies. Comments, doc lines and white space make no difference.
pub fn compare(old: &Policy, new: &Policy, assets: &Assets) -> Result<Difference, FormatError> {
    let mut differ = Differ {
        assets,
        old: sections(old.source())?,
        new: sections(new.source())?,
        changes: Vec::new(),
        readable: true,
    };
    differ.title(old, new);
    differ.uses(old, new);
    differ.consts(old, new);
    differ.params(old, new);
    differ.tables(old, new);
    for kind in [
        EntryKind::Action,
        EntryKind::Ask,
        EntryKind::Every,
        EntryKind::On,
        EntryKind::Invariant,
    ] {
        differ.entries(kind, old, new);
    }
    differ.texts("formula");
    differ.texts("fn");
    differ.emitted("event", "emit");
    differ.emitted("effect", "effect");
    Ok(Difference {
        changes: differ.changes,
        rows_stay_readable: differ.readable,
    })
}

impl Differ<'_> {
    fn push(
        &mut self,
        kind: &'static str,
        name: &str,
        change: &'static str,
        weight: Weight,
        details: Vec<String>,
    ) {
        let text = match change {
            "changed" => self.body(kind, name),
            _ => None,
        };
        if change != "changed" || !details.is_empty() || text.is_some() {
            self.changes.push(Change {
                kind,
                name: name.to_owned(),
                change,
                weight,
                details,
                text,
            });
        }
    }

    /// The difference of a declaration's text, if its words are others.
    fn body(&self, kind: &str, name: &str) -> Option<String> {
        if !matches!(
            kind,
            "action" | "ask" | "every" | "on" | "invariant" | "formula" | "fn"
        ) {
            return None;
        }
        let find = |sections: &[Section]| {
            sections
                .iter()
                .find(|section| section.kind == kind && section.name == name)
                .cloned()
        };
        let (old, new) = (find(&self.old)?, find(&self.new)?);
        if old.words == new.words {
            return None;
        }
        let (old, new) = (old.text + "\n", new.text + "\n");
        Some(
            TextDiff::from_lines(&old, &new)
                .unified_diff()
                .context_radius(2)
                .to_string(),
        )
    }

    fn title(&mut self, old: &Policy, new: &Policy) {
        let mut details = Vec::new();
        if old.name() != new.name() {
            details.push(format!("the name: {} → {}", old.name(), new.name()));
        }
        if old.version() != new.version() {
            details.push(format!(
                "the version: {} → {}",
                old.version(),
                new.version()
            ));
        }
        self.push("policy", new.name(), "changed", Weight::Plain, details);
    }

    fn uses(&mut self, old: &Policy, new: &Policy) {
        let show = |policy: &Policy, name: &str| {
            let used = policy.uses().iter().find(|used| used.policy == name)?;
            let mut names: Vec<&str> = used.names.iter().map(|name| name.name.as_str()).collect();
            names.sort_unstable();
            Some(format!(
                "{} of {}",
                names.join(", "),
                hex::encode(used.hash)
            ))
        };
        let names: BTreeSet<&str> = old
            .uses()
            .iter()
            .chain(new.uses())
            .map(|used| used.policy.as_str())
            .collect();
        for name in names {
            self.value("use", name, show(old, name), show(new, name));
        }
    }

    fn value(&mut self, kind: &'static str, name: &str, old: Option<String>, new: Option<String>) {
        match (old, new) {
            (Some(old), Some(new)) if old != new => self.push(
                kind,
                name,
                "changed",
                Weight::Plain,
                vec![format!("{old} → {new}")],
            ),
            (None, Some(new)) => self.push(kind, name, "added", Weight::Plain, vec![new]),
            (Some(old), None) => self.push(
                kind,
                name,
                "removed",
                Weight::Plain,
                vec![format!("it was {old}")],
            ),
            _ => {}
        }
    }

    fn consts(&mut self, old: &Policy, new: &Policy) {
        // Constants of other policies stand behind the own ones and are compared, too: their values are what counts.
        let show = |policy: &Policy, name: &str| {
            policy
                .consts()
                .iter()
                .find(|item| item.name == name)
                .map(|item| written(&item.value, self.assets))
        };
        let names = all_names(
            old.consts().iter().map(|item| &item.name),
            new.consts().iter().map(|item| &item.name),
        );
        let values: Vec<_> = names
            .into_iter()
            .map(|name| (show(old, &name), show(new, &name), name))
            .collect();
        for (old, new, name) in values {
            self.value("const", &name, old, new);
        }
    }

    fn params(&mut self, old: &Policy, new: &Policy) {
        let assets = self.assets;
        let bounds = |bounds: String| {
            if bounds.is_empty() {
                "without bounds".to_owned()
            } else {
                bounds
            }
        };
        for name in all_names(
            old.params().iter().map(|item| &item.name),
            new.params().iter().map(|item| &item.name),
        ) {
            match (old.param(&name), new.param(&name)) {
                (Some(was), Some(is)) => {
                    let mut details = Vec::new();
                    if was.ty != is.ty {
                        details.push(format!(
                            "its type: {} → {}",
                            type_name(&was.ty),
                            type_name(&is.ty)
                        ));
                    }
                    if was.default != is.default {
                        details.push(format!(
                            "its default: {} → {}",
                            written(&was.default, assets),
                            written(&is.default, assets)
                        ));
                    }
                    if (&was.from, &was.to) != (&is.from, &is.to) {
                        details.push(format!(
                            "its bounds: {} → {}",
                            bounds(was.bounds(assets)),
                            bounds(is.bounds(assets))
                        ));
                    }
                    self.push("param", &name, "changed", Weight::Plain, details);
                }
                (None, Some(is)) => {
                    let said = format!(
                        "{} = {} {}",
                        type_name(&is.ty),
                        written(&is.default, assets),
                        is.bounds(assets)
                    );
                    self.push(
                        "param",
                        &name,
                        "added",
                        Weight::Plain,
                        vec![said.trim_end().to_owned()],
                    );
                }
                (Some(_), None) => self.push(
                    "param",
                    &name,
                    "removed",
                    Weight::Plain,
                    vec!["what the circle has set it to is lost".to_owned()],
                ),
                (None, None) => {}
            }
        }
    }

    fn tables(&mut self, old: &Policy, new: &Policy) {
        let find = |policy: &Policy, name: &str| {
            policy
                .tables()
                .iter()
                .find(|table| table.name == name)
                .cloned()
        };
        for name in all_names(
            old.tables().iter().map(|item| &item.name),
            new.tables().iter().map(|item| &item.name),
        ) {
            match (find(old, &name), find(new, &name)) {
                (Some(was), Some(is)) => {
                    let (mut details, readable) = columns(&was, &is);
                    if details.is_empty() {
                        continue;
                    }
                    let said = if readable {
                        "stored rows stay readable"
                    } else {
                        "NOT COMPATIBLE: rows that are stored cannot be relied on"
                    };
                    details.insert(0, said.to_owned());
                    self.readable &= readable;
                    let weight = if readable {
                        Weight::Plain
                    } else {
                        Weight::Loud
                    };
                    self.push("table", &name, "changed", weight, details);
                }
                (None, Some(_)) => self.push("table", &name, "added", Weight::Plain, Vec::new()),
                (Some(_), None) => self.push(
                    "table",
                    &name,
                    "removed",
                    Weight::Loud,
                    vec!["its rows stay in the state, and nothing reads them".to_owned()],
                ),
                (None, None) => {}
            }
        }
    }

    fn entries(&mut self, kind: EntryKind, old: &Policy, new: &Policy) {
        let word = match kind {
            EntryKind::Action => "action",
            EntryKind::Ask => "ask",
            EntryKind::Every => "every",
            EntryKind::On => "on",
            EntryKind::Invariant => "invariant",
        };
        let of = |policy: &Policy| {
            policy
                .entries()
                .iter()
                .filter(|entry| entry.kind == kind)
                .cloned()
                .collect::<Vec<_>>()
        };
        let (was, is) = (of(old), of(new));
        for name in all_names(
            was.iter().map(|entry| &entry.name),
            is.iter().map(|entry| &entry.name),
        ) {
            let find =
                |entries: &[EntryDecl]| entries.iter().find(|entry| entry.name == name).cloned();
            match (find(&was), find(&is)) {
                (Some(was), Some(is)) => {
                    let mut details = callers(&was, &is);
                    let weight = if details.iter().any(|detail| detail.starts_with("WIDER")) {
                        Weight::Loud
                    } else {
                        Weight::Plain
                    };
                    details.extend(self.entry_params(&was, &is));
                    if was.period_seconds != is.period_seconds {
                        let period = |entry: &EntryDecl| {
                            written(
                                &Value::Duration(entry.period_seconds.unwrap_or(0)),
                                self.assets,
                            )
                        };
                        details.push(format!(
                            "it runs every {} instead of every {}",
                            period(&is),
                            period(&was)
                        ));
                    }
                    self.push(word, &name, "changed", weight, details);
                }
                (None, Some(is)) => {
                    let details = if kind == EntryKind::Action {
                        vec![format!("by {}", who(&is.callers))]
                    } else {
                        Vec::new()
                    };
                    self.push(word, &name, "added", Weight::Plain, details);
                }
                (Some(_), None) => self.push(
                    word,
                    &name,
                    "removed",
                    if kind == EntryKind::Invariant {
                        Weight::Loud
                    } else {
                        Weight::Plain
                    },
                    Vec::new(),
                ),
                (None, None) => {}
            }
        }
    }

    fn entry_params(&self, was: &EntryDecl, is: &EntryDecl) -> Vec<String> {
        let mut details = Vec::new();
        let find = |entry: &EntryDecl, name: &str| {
            entry
                .params
                .iter()
                .find(|param| param.name == name)
                .cloned()
        };
        let default = |param: &ParamDecl| {
            param
                .default
                .as_ref()
                .map_or("none".to_owned(), |value| written(value, self.assets))
        };
        for name in all_names(
            was.params.iter().map(|param| &param.name),
            is.params.iter().map(|param| &param.name),
        ) {
            match (find(was, &name), find(is, &name)) {
                (Some(was), Some(is)) => {
                    if was.ty != is.ty {
                        details.push(format!(
                            "`{name}`: {} → {}",
                            type_name(&was.ty),
                            type_name(&is.ty)
                        ));
                    }
                    if was.default != is.default {
                        details.push(format!(
                            "the default of `{name}`: {} → {}",
                            default(&was),
                            default(&is)
                        ));
                    }
                }
                (None, Some(is)) if is.default.is_none() => details.push(format!(
                    "`{name}: {}` is new and has to be given",
                    type_name(&is.ty)
                )),
                (None, Some(is)) => details.push(format!(
                    "`{name}: {} = {}` is new",
                    type_name(&is.ty),
                    default(&is)
                )),
                (Some(_), None) => details.push(format!("`{name}` is gone")),
                (None, None) => {}
            }
        }
        details
    }

    /// Declarations that are compared by their text alone.
    fn texts(&mut self, kind: &'static str) {
        let names = |sections: &[Section]| {
            sections
                .iter()
                .filter(|section| section.kind == kind)
                .map(|section| section.name.clone())
                .collect::<Vec<_>>()
        };
        let (old, new) = (names(&self.old), names(&self.new));
        for name in all_names(old.iter(), new.iter()) {
            let change = match (old.contains(&name), new.contains(&name)) {
                (true, true) => "changed",
                (false, _) => "added",
                (true, false) => "removed",
            };
            self.push(kind, &name, change, Weight::Plain, Vec::new());
        }
    }

    fn emitted(&mut self, kind: &'static str, function: &str) {
        let names = |sections: &[Section]| {
            emitted(sections, function)
                .into_iter()
                .map(|emitted| emitted.name)
                .collect::<BTreeSet<_>>()
        };
        let (old, new) = (names(&self.old), names(&self.new));
        for name in old.union(&new) {
            match (old.contains(name), new.contains(name)) {
                (false, true) => self.push(kind, name, "added", Weight::Plain, Vec::new()),
                (true, false) => self.push(kind, name, "removed", Weight::Plain, Vec::new()),
                _ => {}
            }
        }
    }
}

/// Names of the old policy in its order, then those that only the new one has.
fn all_names<'a>(
    old: impl Iterator<Item = &'a String>,
    new: impl Iterator<Item = &'a String>,
) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in old.chain(new) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

/// Callers as a declaration names them.
pub fn who(callers: &[CallerRule]) -> String {
    let words: Vec<String> = callers.iter().map(rule).collect();
    words.join(" or ")
}

fn rule(rule: &CallerRule) -> String {
    match rule {
        CallerRule::Guardian => "guardian".to_owned(),
        CallerRule::Role(role) => format!("role({role})"),
        CallerRule::Account(param) => format!("account({param})"),
        CallerRule::Anyone => "anyone".to_owned(),
        CallerRule::Circle => "circle".to_owned(),
        CallerRule::Schedule => "schedule".to_owned(),
    }
}

/// Who may run it now and could not, and the other way round. `anyone` covers every account, but not the circle itself.
fn callers(was: &EntryDecl, is: &EntryDecl) -> Vec<String> {
    let covered = |rule: &CallerRule, by: &[CallerRule]| {
        by.contains(rule)
            || by.contains(&CallerRule::Anyone)
                && !matches!(rule, CallerRule::Circle | CallerRule::Schedule)
    };
    let beyond = |these: &[CallerRule], others: &[CallerRule]| {
        these
            .iter()
            .filter(|rule| !covered(rule, others))
            .map(rule)
            .collect::<Vec<_>>()
    };
    let (more, fewer) = (
        beyond(&is.callers, &was.callers),
        beyond(&was.callers, &is.callers),
    );
    let mut details = Vec::new();
    if !more.is_empty() {
        details.push(format!(
            "WIDER: by {} → by {}; {} may do it now",
            who(&was.callers),
            who(&is.callers),
            more.join(" or ")
        ));
    }
    if !fewer.is_empty() {
        details.push(format!(
            "NARROWER: by {} → by {}; {} may not do it any more",
            who(&was.callers),
            who(&is.callers),
            fewer.join(" or ")
        ));
    }
    details
}

/// What changed about columns, and whether stored rows can be read as before.
fn columns(was: &TableDecl, is: &TableDecl) -> (Vec<String>, bool) {
    let mut details = Vec::new();
    let mut readable = true;
    let mut breaks = |details: &mut Vec<String>, text: String| {
        readable = false;
        details.push(text);
    };
    for (at, column) in was.columns.iter().enumerate() {
        let name = &column.name;
        match is.column(name) {
            None => breaks(&mut details, format!("the column `{name}` is gone")),
            Some(now) => {
                let other = &is.columns[now];
                if now != at {
                    breaks(
                        &mut details,
                        format!(
                            "the column `{name}` moved from place {} to {}",
                            at + 1,
                            now + 1
                        ),
                    );
                }
                if column.ty != other.ty {
                    breaks(
                        &mut details,
                        format!(
                            "the column `{name}` was {}, is {}",
                            type_name(&column.ty),
                            type_name(&other.ty)
                        ),
                    );
                }
                match (column.optional, other.optional) {
                    (true, false) => breaks(
                        &mut details,
                        format!("the column `{name}` may not be empty any more"),
                    ),
                    (false, true) => details.push(format!("the column `{name}` may be empty now")),
                    _ => {}
                }
                match (column.indexed, other.indexed) {
                    (false, true) => breaks(
                        &mut details,
                        format!(
                            "the column `{name}` has an index now, which stored rows are not in"
                        ),
                    ),
                    (true, false) => {
                        details.push(format!("the column `{name}` has no index any more"))
                    }
                    _ => {}
                }
            }
        }
    }
    for column in is
        .columns
        .iter()
        .filter(|column| was.column(&column.name).is_none())
    {
        let text = format!(
            "the column `{}: {}{}` is new",
            column.name,
            type_name(&column.ty),
            if column.optional { "?" } else { "" }
        );
        match (column.optional, column.indexed) {
            (true, false) => details.push(text),
            (true, true) => breaks(
                &mut details,
                format!("{text} and has an index, which stored rows are not in"),
            ),
            (false, _) => breaks(&mut details, format!("{text} and may not be empty")),
        }
    }
    let key = |table: &TableDecl| {
        table
            .key
            .iter()
            .map(|column| table.columns[*column].name.clone())
            .collect::<Vec<_>>()
    };
    if key(was) != key(is) {
        breaks(
            &mut details,
            format!(
                "the key was ({}), is ({})",
                key(was).join(", "),
                key(is).join(", ")
            ),
        );
    }
    (details, readable)
}
