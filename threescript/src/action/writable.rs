//! Which values have a text, so that what is signed can always be shown and read back.
//!
//! The parser refuses texts by these rules, and the check of a binary action refuses values by the same rules: a value
//! that no text could give is not accepted in any other way either.

use super::Type;
use crate::value::{Assets, Value, render_time};

/// What is wrong with a value, without the place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// A stable short name of the reason.
    pub code: &'static str,
    /// What is wrong.
    pub reason: String,
    /// How to mend it.
    pub mend: String,
}

impl Fault {
    pub(super) fn new(
        code: &'static str,
        reason: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self {
            code,
            reason: reason.into(),
            mend: mend.into(),
        }
    }
}

/// Why a character may not stand anywhere in a text of actions, if it may not.
///
/// A line feed is allowed here; the splitting into lines deals with it.
pub(super) fn character_fault(character: char) -> Option<Fault> {
    let code_point = format!("U+{:04X}", u32::from(character));
    match character {
        '\n' => None,
        '\t' => Some(Fault::new(
            "control_character",
            "a tab, which readers show with different widths",
            "use spaces",
        )),
        '\r' => Some(Fault::new(
            "control_character",
            "a carriage return that does not end a line",
            "end lines with LF or CR LF",
        )),
        _ if character.is_control() => Some(Fault::new(
            "control_character",
            format!("the control character {code_point}"),
            "remove it",
        )),
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            Some(Fault::new(
                "bidirectional_override",
                format!(
                    "the character {code_point}, which changes the order in which text is shown"
                ),
                "remove it",
            ))
        }
        '\u{ad}'
        | '\u{180e}'
        | '\u{200b}'
        | '\u{2028}'
        | '\u{2029}'
        | '\u{2060}'..='\u{2064}'
        | '\u{206a}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}' => Some(Fault::new(
            "invisible_character",
            format!("the invisible character {code_point}"),
            "remove it",
        )),
        _ => None,
    }
}

/// The first character sequence of a value that other readers of 3Script replace by something else, with its byte offset.
pub(super) fn sequence_fault(value: &str) -> Option<(usize, Fault)> {
    if value.starts_with('@') && begins_name(&value[1..]) {
        return Some((0, substitution('@')));
    }
    inner_sequence_fault(value)
}

/// The same for what is not the beginning of a value, where `@` is harmless.
pub(super) fn inner_sequence_fault(value: &str) -> Option<(usize, Fault)> {
    for pattern in ["\\\\n", "<BR>"] {
        if let Some(at) = value.find(pattern) {
            let reason =
                format!("`{pattern}`, which other readers of 3Script take for a line break");
            return Some((
                at,
                Fault::new(
                    "line_break_escape",
                    reason,
                    "write the value in several lines",
                ),
            ));
        }
    }
    let dollar = value
        .match_indices('$')
        .find(|(at, _)| begins_name(&value[at + 1..]));
    dollar.map(|(at, _)| (at, substitution('$')))
}

fn begins_name(text: &str) -> bool {
    text.starts_with(|next: char| next.is_ascii_alphabetic() || matches!(next, '_' | '{' | '('))
}

fn substitution(sign: char) -> Fault {
    let reason = format!(
        "`{sign}` before a name, which other readers of 3Script replace by something from outside"
    );
    Fault::new(
        "substitution",
        reason,
        "write out what is meant; nothing outside the text may change its meaning",
    )
}

/// Whether a line inside a value of several lines would end it, or the action, for some reader.
pub(super) fn block_line_fault(line: &str) -> Option<Fault> {
    let visible = line.trim_matches(' ');
    if visible.starts_with('!') {
        return Some(Fault::new(
            "mark_in_value",
            "a line starting with `!` inside a value, where other readers of 3Script begin an action",
            "put `> ` before it, or move it away from the start of the line",
        ));
    }
    if matches!(visible, "'" | "\"" | "'''" | "\"\"\"") {
        return Some(Fault::new(
            "quote_in_value",
            "a line that holds only quotes inside a value, which other readers of 3Script take for its end",
            "write something else on that line",
        ));
    }
    None
}

/// Whether the parser could have given this text as one value.
pub(super) fn text(value: &str) -> Result<(), Fault> {
    if let Some(fault) = value.chars().find_map(character_fault) {
        return Err(fault);
    }
    if let Some((_, fault)) = sequence_fault(value) {
        return Err(fault);
    }
    if is_bare(value) || (!value.contains('\n') && !value.ends_with('\\')) {
        return Ok(());
    }
    block(value)
}

/// Whether a text can be written as a value of several lines.
fn block(value: &str) -> Result<(), Fault> {
    let no_text = |reason: &str| {
        Err(Fault::new(
            "text_without_form",
            reason,
            "remove those spaces",
        ))
    };
    let mut indented = true;
    for line in value.split('\n') {
        if let Some(fault) = block_line_fault(line) {
            return Err(fault);
        }
        if line.trim_matches(' ').is_empty() {
            if !line.is_empty() {
                return no_text("a line of spaces inside a value of several lines");
            }
        } else {
            indented &= line.starts_with(' ');
        }
    }
    if indented && value.bytes().any(|byte| byte != b'\n') {
        return no_text("a value of several lines that all begin with spaces");
    }
    Ok(())
}

/// Whether a text may stand as a value without quotes.
pub(super) fn is_bare(value: &str) -> bool {
    let no_part =
        |character: char| character.is_whitespace() || matches!(character, '\'' | '"' | ',');
    !value.is_empty() && !value.contains("//") && !value.contains(no_part)
}

/// Whether a value of this type has a text that reads back as the value.
pub(super) fn value(ty: &Type, value: &Value, assets: &Assets) -> Result<(), Fault> {
    let wrong = || {
        let reason = format!(
            "a value of the kind {} that is not {}",
            value.kind(),
            ty.described()
        );
        Fault::new(
            "wrong_type",
            reason,
            format!("give {}, as in {}", ty.described(), ty.example()),
        )
    };
    match (ty, value) {
        (Type::Any, Value::Text(content)) => text(content),
        // A list of one text reads back as a text.
        (Type::Any, Value::List(items)) if items.len() >= 2 => list(&Type::Text, items, assets),
        (Type::Any, _) => Err(wrong()),
        _ if !ty.admits(value) => Err(wrong()),
        (Type::OneOf(_) | Type::Text, Value::Text(content)) => text(content),
        (Type::Amount, Value::Amount(amount)) => match assets.render_amount(amount) {
            Ok(_) => Ok(()),
            Err(error) => {
                let (reason, mend) = error.reason_and_mend();
                Err(Fault::new(error.code(), reason, mend))
            }
        },
        (Type::Time, Value::Time(seconds)) if render_time(*seconds).is_none() => Err(Fault::new(
            "out_of_range",
            format!("the time {seconds} s since 1970"),
            "stay within the years 0001 to 9999",
        )),
        (Type::List(item), Value::List(items)) => list(item, items, assets),
        _ => Ok(()),
    }
}

fn list(item: &Type, items: &[Value], assets: &Assets) -> Result<(), Fault> {
    // The text of an item says nothing about its type, so that of any type is a text.
    let item = if *item == Type::Any {
        &Type::Text
    } else {
        item
    };
    for value in items {
        self::value(item, value, assets)?;
        if let Value::Text(content) = value {
            list_item(content)?;
        }
        if matches!(value, Value::Bytes(bytes) if bytes.is_empty()) {
            list_item("")?;
        }
    }
    match items {
        [Value::Text(only)] => only_item(only),
        _ => Ok(()),
    }
}

/// Whether a text may be an item of a list.
pub(super) fn list_item(item: &str) -> Result<(), Fault> {
    if item.is_empty() {
        let reason = "an empty item in a list, which other readers of 3Script drop";
        return Err(Fault::new("empty_item", reason, "remove the item"));
    }
    if item.contains('\n') || item.ends_with('\\') {
        let reason = "an item of a list that has several lines or ends with a backslash";
        return Err(Fault::new(
            "text_without_form",
            reason,
            "change the item, or give it in a parameter of its own",
        ));
    }
    Ok(())
}

/// Whether a text may be the only item of a list.
pub(super) fn only_item(item: &str) -> Result<(), Fault> {
    if item.contains(',') {
        let reason = "a quoted value with a comma as a list, which other readers of 3Script split into several items";
        return Err(Fault::new(
            "quoted_list",
            reason,
            "quote each item on its own: a, b, 'c d'",
        ));
    }
    Ok(())
}
