//! What verbs print: results on stdout, everything else on stderr.

use std::fmt;
use std::io::{IsTerminal, Write};

use serde::Serialize;
use workbench::console::Console;

/// Prints a result.
pub fn print(text: impl fmt::Display) {
    Console::of_process(|console| console.print(text));
}

/// Prints a JSON document on one line for programs, or indented for people who look at a terminal.
pub fn print_json(document: &impl Serialize) {
    Console::of_process(|console| console.print_json(document));
}

/// Tells a person something beside the result.
pub fn tell(text: impl fmt::Display) {
    Console::of_process(|console| console.tell(text));
}

/// Tells a person who is watching how far long work is; says nothing when nobody watches.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    watched: bool,
}

impl Progress {
    /// Says something if stderr is a terminal.
    pub fn new() -> Self {
        Self {
            watched: std::io::stderr().is_terminal(),
        }
    }

    /// One line that stays.
    pub fn line(&self, text: impl fmt::Display) {
        if self.watched {
            tell(format!("\r\x1b[K{text}"));
        }
    }

    /// Takes away the last line, if the next one was to replace it.
    pub fn clear(&self) {
        self.update("");
    }

    /// A line that the next one replaces. Cut to the width of a narrow terminal, for only one line can be taken back.
    pub fn update(&self, text: impl fmt::Display) {
        const WIDTH: usize = 79;
        if self.watched {
            let text: String = text.to_string().chars().take(WIDTH).collect();
            let _ = write!(std::io::stderr().lock(), "\r\x1b[K{text}");
        }
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}
