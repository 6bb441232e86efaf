//! Pages in Markdown: of a policy, from its doc lines, and of what the language offers to bodies.

use std::fmt::Write;

use circle::natives::manual::native_page;
use serde::Serialize;
use threescript::action::{ParamDecl, Type};
use threescript::engine::{Catalog, host_functions};
use threescript::policy::{EntryDecl, EntryKind, Policy, type_name};
use threescript::value::Assets;

use crate::difference::who;
use crate::format::FormatError;
use crate::language::written;
use crate::outline::{Emitted, emitted, sections};

/// A policy as its page shows it.
#[derive(Clone, Debug, Serialize)]
pub struct Page {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: u32,
    /// Its hash in hexadecimal digits.
    pub hash: String,
    /// What it is for.
    pub doc: String,
    /// What the circle may change: name, type, value, bounds, doc.
    pub params: Vec<Row>,
    /// Constants: name, value, doc.
    pub constants: Vec<Row>,
    /// What it keeps.
    pub tables: Vec<Table>,
    /// Actions, questions, schedules, reactions and invariants.
    pub entries: Vec<Entry>,
    /// Formulas.
    pub formulas: Vec<Entry>,
    /// The events that its bodies emit.
    pub events: Vec<Emitted>,
    /// The effects that its bodies emit.
    pub effects: Vec<Emitted>,
}

/// A line of a list: what is not there is empty.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub ty: String,
    /// Its value or default.
    pub value: String,
    /// Its bounds, or the marks of a column.
    pub bounds: String,
    /// What its doc lines say.
    pub doc: String,
}

/// A table.
#[derive(Clone, Debug, Serialize)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// What its doc lines say.
    pub doc: String,
    /// Its columns.
    pub columns: Vec<Row>,
}

/// Something that can be run or computed.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// `action`, `ask`, `every`, `on`, `invariant` or `formula`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// How it is written: the text of an action or question, the head of anything else.
    pub form: String,
    /// Who may run it; empty where that is no question.
    pub by: String,
    /// What its doc lines say.
    pub doc: String,
    /// Its parameters.
    pub params: Vec<Row>,
}

/// Reads a policy for its page.
pub fn page(policy: &Policy, assets: &Assets) -> Result<Page, FormatError> {
    let sections = sections(policy.source())?;
    let row = |name: &str, ty: String, value: String, bounds: String, doc: &str| Row {
        name: name.to_owned(),
        ty,
        value,
        bounds,
        doc: doc.to_owned(),
    };
    let param = |param: &ParamDecl| {
        let default = param
            .default
            .as_ref()
            .map_or(String::new(), |value| written(value, assets));
        row(
            &param.name,
            type_name(&param.ty),
            default,
            String::new(),
            &param.doc,
        )
    };
    let entry = |entry: &EntryDecl| Entry {
        kind: match entry.kind {
            EntryKind::Action => "action",
            EntryKind::Ask => "ask",
            EntryKind::Every => "every",
            EntryKind::On => "on",
            EntryKind::Invariant => "invariant",
        },
        name: entry.name.clone(),
        form: form(policy.name(), entry, assets),
        by: if entry.kind == EntryKind::Action {
            who(&entry.callers)
        } else {
            String::new()
        },
        doc: entry.doc.clone(),
        params: entry.params.iter().map(param).collect(),
    };
    let tables = policy.tables().iter().map(|table| Table {
        name: table.name.clone(),
        doc: table.doc.clone(),
        columns: table
            .columns
            .iter()
            .enumerate()
            .map(|(at, column)| {
                let marks = [
                    (table.key.contains(&at), "key"),
                    (column.indexed, "index"),
                    (column.optional, "may be empty"),
                ];
                let marks: Vec<&str> = marks
                    .iter()
                    .filter(|(is, _)| *is)
                    .map(|(_, mark)| *mark)
                    .collect();
                row(
                    &column.name,
                    type_name(&column.ty),
                    String::new(),
                    marks.join(", "),
                    &column.doc,
                )
            })
            .collect(),
    });
    let formulas = policy.formulas().iter().map(|formula| Entry {
        kind: "formula",
        name: formula.name.clone(),
        form: sections
            .iter()
            .find(|section| section.kind == "formula" && section.name == formula.name)
            .map_or(String::new(), |section| section.text.clone()),
        by: String::new(),
        doc: formula.doc.clone(),
        params: formula.params.iter().map(param).collect(),
    });
    Ok(Page {
        name: policy.name().to_owned(),
        version: policy.version(),
        hash: hex::encode(policy.hash()),
        doc: policy.doc().to_owned(),
        params: policy
            .params()
            .iter()
            .map(|item| {
                row(
                    &item.name,
                    type_name(&item.ty),
                    written(&item.default, assets),
                    item.bounds(assets),
                    &item.doc,
                )
            })
            .collect(),
        constants: policy
            .consts()
            .iter()
            .map(|item| {
                row(
                    &item.name,
                    String::new(),
                    written(&item.value, assets),
                    String::new(),
                    &item.doc,
                )
            })
            .collect(),
        tables: tables.collect(),
        entries: policy.entries().iter().map(entry).collect(),
        formulas: formulas.collect(),
        events: emitted(&sections, "emit"),
        effects: emitted(&sections, "effect"),
    })
}

fn form(actor: &str, entry: &EntryDecl, assets: &Assets) -> String {
    let head = match entry.kind {
        EntryKind::Action => format!("!!{actor}.{}", entry.name),
        EntryKind::Ask => format!("!{actor}.{}", entry.name),
        EntryKind::Every => {
            let period = threescript::value::Value::Duration(entry.period_seconds.unwrap_or(0));
            return format!("every {}", written(&period, assets));
        }
        EntryKind::On => return format!("on {}", entry.name),
        EntryKind::Invariant => return format!("invariant.{}", entry.name),
    };
    let params = entry.params.iter().map(|param| {
        let what = match &param.ty {
            Type::Bool => return format!(" [{}]", param.name),
            Type::OneOf(choices) => choices.join("|"),
            ty => format!("<{}>", type_name(ty)),
        };
        match param.default {
            Some(_) => format!(" [{}:{what}]", param.name),
            None => format!(" {}:{what}", param.name),
        }
    });
    std::iter::once(head).chain(params).collect()
}

/// The page of a policy in Markdown.
pub fn markdown(page: &Page) -> String {
    let mut out = format!("# {}\n\n", page.name);
    if !page.doc.is_empty() {
        out += &format!("{}\n\n", page.doc);
    }
    out += &format!("Version {}, hash `{}`.\n", page.version, page.hash);
    if !page.params.is_empty() {
        out += "\n## Params\n\nThe circle may change them by a decision.\n\n| param | type | default | bounds | |\n|---|---|---|---|---|\n";
        for row in &page.params {
            out += &format!(
                "| `{}` | {} | `{}` | {} | {} |\n",
                row.name,
                cell(&row.ty),
                cell(&row.value),
                row.bounds,
                cell(&row.doc)
            );
        }
    }
    for (title, kind) in [
        ("Actions", "action"),
        ("Questions", "ask"),
        ("Schedules", "every"),
        ("Reactions", "on"),
        ("Invariants", "invariant"),
    ] {
        let entries: Vec<&Entry> = page
            .entries
            .iter()
            .filter(|entry| entry.kind == kind)
            .collect();
        if !entries.is_empty() {
            out += &format!("\n## {title}\n");
            entries
                .iter()
                .for_each(|entry| self::entry(&mut out, entry));
        }
    }
    if !page.formulas.is_empty() {
        out += "\n## Formulas\n";
        page.formulas
            .iter()
            .for_each(|formula| entry(&mut out, formula));
    }
    if !page.tables.is_empty() {
        out += "\n## Tables\n";
    }
    for table in &page.tables {
        out += &format!("\n### `{}`\n\n", table.name);
        if !table.doc.is_empty() {
            out += &format!("{}\n\n", table.doc);
        }
        out += "| column | type | | |\n|---|---|---|---|\n";
        for row in &table.columns {
            out += &format!(
                "| `{}` | {} | {} | {} |\n",
                row.name,
                cell(&row.ty),
                row.bounds,
                cell(&row.doc)
            );
        }
    }
    for (title, emitted) in [("Events", &page.events), ("Effects", &page.effects)] {
        if !emitted.is_empty() {
            out += &format!("\n## {title}\n\n| name | entries | from |\n|---|---|---|\n");
        }
        for emitted in emitted {
            let entries: Vec<String> = emitted
                .entries
                .iter()
                .map(|entry| format!("`{entry}`"))
                .collect();
            out += &format!(
                "| `{}` | {} | {} |\n",
                emitted.name,
                entries.join(", "),
                emitted.by
            );
        }
    }
    if !page.constants.is_empty() {
        out += "\n## Constants\n\n| constant | value | |\n|---|---|---|\n";
        for row in &page.constants {
            out += &format!(
                "| `{}` | `{}` | {} |\n",
                row.name,
                cell(&row.value),
                cell(&row.doc)
            );
        }
    }
    out
}

fn entry(out: &mut String, entry: &Entry) {
    let _ = write!(out, "\n### `{}`\n", entry.name);
    if !entry.doc.is_empty() {
        let _ = write!(out, "\n{}\n", entry.doc);
    }
    let _ = write!(out, "\n```\n{}\n```\n", entry.form);
    if !entry.by.is_empty() {
        let _ = write!(out, "\nBy {}.\n", entry.by);
    }
    if !entry.params.is_empty() {
        *out += "\n| parameter | type | default | |\n|---|---|---|---|\n";
        for row in &entry.params {
            let default = if row.value.is_empty() {
                String::new()
            } else {
                format!("`{}`", cell(&row.value))
            };
            let _ = writeln!(
                out,
                "| `{}` | {} | {default} | {} |",
                row.name,
                cell(&row.ty),
                cell(&row.doc)
            );
        }
    }
}

/// Text in a cell of a table: on one line, with no bar.
fn cell(text: &str) -> String {
    text.replace('\n', " ").replace('|', "\\|")
}

/// The page of everything that bodies may call.
pub fn host_page(catalog: &Catalog) -> String {
    let mut out = String::from(
        "# What bodies may call\n\nMade by `circle policy doc --host`; every example runs as a test.\n\n\
         Every step of the interpreter is one operation. A call is charged what is said below, and for the size of what it gives: 2 for a \
         list and 1 for each item, 16 for a map that is not a row and 2 for each entry, 1 for 64 bytes of a text. Besides the errors that are \
         named, anything may fail with `type`, where a value is of another kind, and with `limit.operations`, `limit.memory` and `limit.size`.\n\n\
         A function is called as `name(x, y)` or `x.name(y)`. Several ways to call one are separated by `;`: the first that fits counts.\n",
    );
    let mut part = "";
    for function in host_functions() {
        if function.part != part {
            part = function.part;
            let mut title = part.to_owned();
            title[..1].make_ascii_uppercase();
            out += &format!(
                "\n## {title}\n\nIn the examples, `rows` is `table rows {{ id: id key, n: int index, who: account?, paid: amount? }}`.\n"
            );
            if part != "tables" {
                out.truncate(out.rfind("\n\nIn the examples").unwrap_or(out.len()) + 1);
            }
        }
        let form = if function.property {
            format!("x.{}", function.form)
        } else {
            function.form.to_owned()
        };
        out += &format!("\n### `{form}`\n\n{}\n\n", function.doc);
        for case in function.cases.split(';') {
            out += &format!("- `{}`\n", case.trim());
        }
        out += &format!("- costs {}", function.cost);
        if !function.errors.is_empty() {
            out += &format!("; fails with {}", codes(function.errors));
        }
        out += &format!(
            "\n\n```rhai\n{} // {}\n```\n",
            function.example, function.result
        );
    }
    out += "\n# What the circle offers\n\nIn the examples, there are nine guardians, alice is a consumer with 100 TFT in escrow, and `batch` holds her IOU \
            over 5 TFT to the farmer bob; `script` runs an action that is for the circle.\n";
    for (module, functions) in catalog.modules() {
        out += &format!("\n## {module}\n");
        for function in functions {
            let params: Vec<String> = function
                .params
                .iter()
                .map(|(name, ty)| format!("{name}: {}", type_name(ty)))
                .collect();
            out += &format!(
                "\n### `{module}.{}({}) -> {}`\n\n{}\n\n",
                function.name,
                params.join(", "),
                type_name(&function.returns),
                function.doc
            );
            out += &format!(
                "- costs {}; {}",
                function.cost,
                if function.ask_allowed {
                    "questions may call it"
                } else {
                    "questions may not call it"
                }
            );
            if let Some(page) = native_page(module, &function.name) {
                if !page.errors.is_empty() {
                    out += &format!("; fails with {}", codes(page.errors));
                }
                out += &format!("\n\n```rhai\n{} // {}\n```", page.example, page.result);
            }
            out.push('\n');
        }
    }
    out
}

fn codes(errors: &[&str]) -> String {
    errors
        .iter()
        .map(|code| format!("`{code}`"))
        .collect::<Vec<_>>()
        .join(" ")
}
