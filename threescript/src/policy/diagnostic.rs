//! What is wrong with a policy file, where, and how to mend it.

use std::fmt;

/// A place in a file: line and column from 1, columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The line, from 1.
    pub line: u32,
    /// The character in the line, from 1.
    pub column: u32,
}

impl Place {
    /// The first character of a file.
    pub const START: Self = Self { line: 1, column: 1 };
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The policy cannot be used so.
    Error,
    /// The policy works, but something in it is probably not meant so.
    Warning,
}

impl Severity {
    /// `error` or `warning`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// One fault of a policy file, found before anything runs.
///
/// [`fmt::Display`] prints it with the source line and a caret under the place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file as the caller named it.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The character in the line, from 1.
    pub column: u32,
    /// Whether the policy can be used all the same.
    pub severity: Severity,
    /// A stable short name of the fault.
    pub code: &'static str,
    /// What is wrong.
    pub reason: String,
    /// What to do about it; empty when the reason says it all.
    pub mend: String,
    /// The line of the file.
    pub source_line: String,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            line,
            column,
            code,
            reason,
            ..
        } = self;
        let number = line.to_string();
        let margin = " ".repeat(number.len());
        let (shown, indent) = self.excerpt();
        let warning = match self.severity {
            Severity::Error => "",
            Severity::Warning => "warning: ",
        };
        writeln!(
            formatter,
            "{file}:{line}:{column}: {warning}{reason} [{code}]"
        )?;
        writeln!(formatter, "{margin} |")?;
        writeln!(formatter, "{number} | {shown}")?;
        write!(formatter, "{margin} | {indent}^")?;
        if !self.mend.is_empty() {
            write!(formatter, "\n{margin} = {}", self.mend)?;
        }
        Ok(())
    }
}

impl Diagnostic {
    /// The source line, cut to what fits around the place if it is long, and what goes before the caret.
    fn excerpt(&self) -> (String, String) {
        const WIDTH: usize = 140;
        let line: Vec<char> = self.source_line.chars().collect();
        let caret = (self.column as usize - 1).min(line.len());
        let from = if line.len() > WIDTH {
            caret.saturating_sub(WIDTH / 2)
        } else {
            0
        };
        let cut = |cut: bool| if cut { "…" } else { "" };
        let to = line.len().min(from + WIDTH);
        let shown: String = line[from..to].iter().collect();
        // Tabs are kept so that the caret stands under its column in any terminal.
        let blank = |character: &char| if *character == '\t' { '\t' } else { ' ' };
        let indent: String = line[from..caret].iter().map(blank).collect();
        let shift = if from > 0 { " " } else { "" };
        (
            format!("{}{shown}{}", cut(from > 0), cut(to < line.len())),
            format!("{shift}{indent}"),
        )
    }
}

impl std::error::Error for Diagnostic {}

/// A fault that does not know its file yet.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub place: Place,
    pub severity: Severity,
    pub code: &'static str,
    pub reason: String,
    pub mend: String,
}

impl Fault {
    pub fn new(
        place: Place,
        code: &'static str,
        reason: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self {
            place,
            severity: Severity::Error,
            code,
            reason: reason.into(),
            mend: mend.into(),
        }
    }

    /// Something that is probably not meant so, in a policy that works.
    pub fn warning(
        place: Place,
        code: &'static str,
        reason: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::new(place, code, reason, mend)
        }
    }

    /// Adds the file's name and the text of the line.
    pub fn in_file(self, file: &str, source: &str) -> Diagnostic {
        let Self {
            place,
            severity,
            code,
            reason,
            mend,
        } = self;
        let source_line = source
            .split('\n')
            .nth(place.line as usize - 1)
            .unwrap_or_default();
        let visible = |character: char| {
            if is_hidden(character) {
                '\u{fffd}'
            } else {
                character
            }
        };
        let source_line = source_line.chars().map(visible).collect();
        let Place { line, column } = place;
        Diagnostic {
            file: file.to_owned(),
            line,
            column,
            severity,
            code,
            reason,
            mend,
            source_line,
        }
    }
}

/// A character that cannot be seen or that reorders what can: control characters but for tab and line feed, marks of
/// direction, and characters without width.
pub(crate) fn is_hidden(character: char) -> bool {
    (character.is_control() && !matches!(character, '\n' | '\t'))
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// "did you mean …" for a name that is close to one of those that exist, otherwise those that exist.
pub fn suggest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let mut known: Vec<&str> = known.into_iter().collect();
    known.sort_unstable();
    known.dedup();
    let near = known
        .iter()
        .map(|other| (distance(name, other), other))
        .min();
    match near {
        Some((distance, other)) if distance <= 1 + other.len() / 4 => {
            format!("did you mean `{other}`?")
        }
        _ if known.is_empty() => String::new(),
        _ if known.len() <= 12 => format!("known here: {}", known.join(", ")),
        _ => String::new(),
    }
}

/// Keeps a quotation of a value on one readable line.
pub(crate) fn shorten(text: &str) -> String {
    const SHOWN: usize = 48;
    let visible = |character: char| {
        if character.is_control() {
            '\u{fffd}'
        } else {
            character
        }
    };
    let mut shown: String = text.chars().take(SHOWN).map(visible).collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

/// How many characters must be added, removed, replaced or swapped with their neighbour to turn one name into another.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) =
        (a.chars().take(64).collect(), b.chars().take(64).collect());
    let mut before_last = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let cost = usize::from(a[i - 1] != b[j - 1]);
            row[j] = (last[j] + 1).min(row[j - 1] + 1).min(last[j - 1] + cost);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before_last[j - 2] + 1);
            }
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}
