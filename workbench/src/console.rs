//! Where verbs print: results on one side, everything else on the other.

use std::fmt;
use std::io::{IsTerminal, Write};

use serde::Serialize;

use crate::problem::Problem;

/// How a verb that could do its work ended; the exit status of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All is well: 0.
    Passed,
    /// What was looked at has faults, all of them reported: 1.
    Failed,
}

/// Two outputs. Tests give it two buffers.
pub struct Console<'a> {
    out: &'a mut dyn Write,
    err: &'a mut dyn Write,
    /// A terminal shows what programs read indented.
    pretty: bool,
}

impl<'a> Console<'a> {
    /// Results to `out`, what is told beside them to `err`.
    pub fn new(out: &'a mut dyn Write, err: &'a mut dyn Write) -> Self {
        let pretty = std::io::stdout().is_terminal();
        Self { out, err, pretty }
    }

    /// Runs a verb with the outputs of this process. They are not locked meanwhile: other threads of the verb, and a panic of
    /// one, must be able to write, too.
    pub fn of_process<T>(verb: impl FnOnce(&mut Console<'_>) -> T) -> T {
        let (mut out, mut err) = (std::io::stdout(), std::io::stderr());
        verb(&mut Console::new(&mut out, &mut err))
    }

    /// Prints a result. A reader that went away is no error of ours.
    pub fn print(&mut self, text: impl fmt::Display) {
        let _ = writeln!(self.out, "{text}");
    }

    /// Prints a JSON document: on one line for programs, indented for people who look at a terminal.
    pub fn print_json(&mut self, document: &impl Serialize) {
        let text = match self.pretty {
            true => serde_json::to_string_pretty(document),
            false => serde_json::to_string(document),
        };
        let text = text.unwrap_or_else(|error| {
            Problem::new("json", error.to_string(), "report this")
                .to_json()
                .to_string()
        });
        self.print(text);
    }

    /// Tells a person something beside the result.
    pub fn tell(&mut self, text: impl fmt::Display) {
        let _ = writeln!(self.err, "{text}");
    }
}
