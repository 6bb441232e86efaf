//! A policy file as its declarations, each with its text in the one style.

use threescript::policy::KEYWORDS;

use crate::format::{FormatError, Word, format, words};

/// One declaration.
#[derive(Clone, Debug)]
pub struct Section {
    /// The word that begins it, such as `action`.
    pub kind: String,
    /// Its name; for a reaction, the actor and the event joined by a point.
    pub name: String,
    /// Its text without the doc lines above it.
    pub text: String,
    /// Its words, without comments and commas: equal words do the same.
    pub words: Vec<String>,
}

/// What a body emits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Emitted {
    /// The name of the event, or `actor.name` of the effect.
    pub name: String,
    /// The entries that it is written with; none if they come from a variable.
    pub entries: Vec<String>,
    /// The declaration that emits it, such as `action borrow`.
    pub by: String,
}

/// The declarations of a policy in their order; the title is not one.
pub fn sections(source: &str) -> Result<Vec<Section>, FormatError> {
    let formatted = format(source)?;
    let lines: Vec<&str> = formatted.lines().collect();
    let words = words(&formatted)?;
    let starts: Vec<usize> = (1..words.len())
        .filter(|at| words[*at].column == 1 && KEYWORDS.contains(&words[*at].text.as_str()))
        .collect();
    let mut sections = Vec::new();
    for (index, start) in starts.iter().enumerate() {
        let end = starts.get(index + 1).copied().unwrap_or(words.len());
        let own = &words[*start..end];
        let last = own.iter().map(Word::last_line).max().unwrap_or(own[0].line);
        let text = lines[own[0].line as usize - 1..(last as usize).min(lines.len())].join("\n");
        let kept = |at: &usize| {
            own[*at].text != ","
                || own
                    .get(at + 1)
                    .is_some_and(|next| !matches!(next.text.as_str(), ")" | "]" | "}"))
        };
        sections.push(Section {
            kind: own[0].text.clone(),
            name: name(own),
            text,
            words: (0..own.len())
                .filter(kept)
                .map(|at| own[at].text.clone())
                .collect(),
        });
    }
    Ok(sections)
}

fn name(own: &[Word]) -> String {
    let until_bracket = || own.iter().skip(1).take_while(|word| word.text != "(");
    match own[0].text.as_str() {
        "every" => until_bracket().last().map(|word| word.text.clone()),
        "on" => Some(until_bracket().map(|word| word.text.as_str()).collect()),
        _ => own.get(1).map(|word| word.text.clone()),
    }
    .unwrap_or_default()
}

/// What the bodies emit by `function`, which is `emit` or `effect`, in the order of the names.
pub fn emitted(sections: &[Section], function: &str) -> Vec<Emitted> {
    let mut found = Vec::new();
    for section in sections {
        for (at, word) in section.words.iter().enumerate() {
            let rest = &section.words[at + 1..];
            let [open, name, ..] = rest else { continue };
            if word != function || open != "(" || !name.starts_with('"') {
                continue;
            }
            found.push(Emitted {
                name: name.trim_matches('"').to_owned(),
                entries: entries(&rest[2..]),
                by: format!("{} {}", section.kind, section.name),
            });
        }
    }
    found.sort();
    found.dedup();
    found
}

/// The names in the map that follows the name of an event.
fn entries(words: &[String]) -> Vec<String> {
    if words.first().map(String::as_str) != Some(",")
        || words.get(1).map(String::as_str) != Some("#{")
    {
        return Vec::new();
    }
    let mut depth = 0usize;
    let mut names = Vec::new();
    for pair in words[1..].windows(2) {
        match pair[0].as_str() {
            "#{" | "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            word if depth == 1 && pair[1] == ":" => names.push(word.trim_matches('"').to_owned()),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    names
}
