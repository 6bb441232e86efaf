//! Texts, accounts and bytes. Letters change case in ASCII only, so that no table of another Unicode version matters.

use super::{Native, function, int, property, text, wrong};
use crate::action::Type;
use crate::engine::error::Raised;
use crate::engine::run::Run;
use crate::engine::values::{Special, View, kind, render, view};
use crate::policy::types::fit;
use crate::value::Value;
use rhai::{Array, Dynamic, ImmutableString};

pub(super) const NATIVES: &[Native] = &[
    // Used by "…${x}…" as well.
    function("to_string(value)", "any -> text", to_text),
    function("text(value)", "any -> text", to_text),
    function(
        "account(name)",
        "text | account -> account",
        |_, args| match view(args[0]) {
            View::Text(name) => match fit(&Type::Account, Value::Text(name.to_string())) {
                Ok(_) => Ok(Special::Account(name).into()),
                Err(reason) => Err(Raised::new(
                    "malformed_value",
                    reason,
                    "write a name such as \"alice\"",
                )),
            },
            View::Special(account @ Special::Account(_)) => Ok(account.into()),
            _ => Err(wrong("account", args[0])),
        },
    ),
    function("bytes(hex)", "text -> bytes", |run, args| {
        let text = charged(run, args[0], "bytes")?;
        let bytes = hex::decode(text.as_bytes());
        let bytes = bytes.map_err(|_| {
            Raised::new(
                "malformed_value",
                "these are not bytes",
                "write pairs of hexadecimal digits",
            )
        })?;
        run.meter.allocate(bytes.len() as u64)?;
        Ok(Special::Bytes(bytes.into()).into())
    }),
    property("hex", "bytes -> text", |run, args| match view(args[0]) {
        View::Special(Special::Bytes(bytes)) => {
            run.meter.text(bytes.len() * 2)?;
            Ok(hex::encode(bytes).into())
        }
        _ => Err(wrong("hex", args[0])),
    }),
    function(
        "starts_with(whole, beginning)",
        "text, text -> bool",
        |run, args| {
            Ok(charged(run, args[0], "a text")?
                .starts_with(text(args[1], "a beginning")?.as_str())
                .into())
        },
    ),
    function(
        "ends_with(whole, end)",
        "text, text -> bool",
        |run, args| {
            Ok(charged(run, args[0], "a text")?
                .ends_with(text(args[1], "an end")?.as_str())
                .into())
        },
    ),
    function("to_upper(text)", "text -> text", |run, args| {
        build(run, charged(run, args[0], "a text")?.to_ascii_uppercase())
    }),
    function("to_lower(text)", "text -> text", |run, args| {
        build(run, charged(run, args[0], "a text")?.to_ascii_lowercase())
    }),
    function("trim(text)", "text -> text", |run, args| {
        build(
            run,
            charged(run, args[0], "a text")?.trim_ascii().to_owned(),
        )
    }),
    function(
        "replace(whole, old, new)",
        "text, text, text -> text",
        |run, args| {
            let (whole, old, new) = (
                charged(run, args[0], "a text")?,
                text(args[1], "a text")?,
                text(args[2], "a text")?,
            );
            if old.is_empty() {
                return Err(Raised::new(
                    "empty_text",
                    "nothing cannot be replaced",
                    "give the text to replace",
                ));
            }
            // The size of the result is known before it is built.
            let found = whole.matches(old.as_str()).count();
            let size =
                (whole.len() - found * old.len()).saturating_add(found.saturating_mul(new.len()));
            run.meter.text(size)?;
            Ok(whole.replace(old.as_str(), &new).into())
        },
    ),
    function(
        "split(whole, separator)",
        "text, text -> list(text)",
        |run, args| {
            let (whole, by) = (
                charged(run, args[0], "a text")?,
                text(args[1], "a separator")?,
            );
            if by.is_empty() {
                return Err(Raised::new(
                    "empty_text",
                    "a text is not split by nothing",
                    "give a separator",
                ));
            }
            run.meter.list(whole.matches(by.as_str()).count() + 1)?;
            run.meter.allocate(whole.len() as u64)?;
            Ok(whole
                .split(by.as_str())
                .map(|part| Dynamic::from(part.to_owned()))
                .collect::<Array>()
                .into())
        },
    ),
    function(
        "join(items, separator)",
        "list, text -> text",
        |run, args| {
            let by = text(args[1], "a separator")?;
            let list = args[0]
                .read_lock::<Array>()
                .ok_or_else(|| wrong("join", args[0]))?;
            run.meter.list(list.len())?;
            let mut joined = String::new();
            for (index, item) in list.iter().enumerate() {
                let item = render(item, run.catalog.assets()).ok_or_else(|| wrong("join", item))?;
                let separator = if index == 0 { "" } else { by.as_str() };
                run.meter
                    .text(joined.len() + separator.len() + item.len())?;
                joined.push_str(separator);
                joined.push_str(&item);
            }
            Ok(joined.into())
        },
    ),
    // sub(from, length) in characters; what is outside is left out.
    function(
        "sub(whole, from, length)",
        "text, int, int -> text",
        |run, args| {
            let whole = charged(run, args[0], "a text")?;
            let (from, length) = (int(args[1], "a place")?, int(args[2], "a length")?);
            let (Ok(from), Ok(length)) = (usize::try_from(from), usize::try_from(length)) else {
                return Err(Raised::new(
                    "index",
                    "a place and a length are not negative",
                    "",
                ));
            };
            build(run, whole.chars().skip(from).take(length).collect())
        },
    ),
];

fn to_text(run: &Run, args: &mut [&mut Dynamic]) -> Result<Dynamic, Raised> {
    if let View::Text(text) = view(args[0]) {
        return Ok(text.into());
    }
    let rendered = render(args[0], run.catalog.assets());
    match rendered {
        Some(text) => build(run, text),
        // Interpolation ignores errors, so what has no text gets one that says what it is.
        None => Ok(format!("({})", kind(args[0])).into()),
    }
}

fn build(run: &Run, text: String) -> Result<Dynamic, Raised> {
    run.meter.text(text.len())?;
    Ok(text.into())
}

/// A text that is about to be read through.
fn charged(run: &Run, value: &Dynamic, what: &str) -> Result<ImmutableString, Raised> {
    let text = text(value, what)?;
    run.meter.charge(text.len() as u64 / 64)?;
    Ok(text)
}
