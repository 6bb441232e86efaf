//! What verbs print: results on stdout, everything else on stderr.

use std::fmt;
use std::io::{IsTerminal, Write};
use std::time::Duration;

use serde::Serialize;
use workbench::console::Console;

use crate::problem::Problem;

/// Prints a result.
pub fn print(text: impl fmt::Display) {
    Console::of_process(|console| console.print(text));
}

/// Prints a JSON document on one line for programs, or indented for people who look at a terminal.
pub fn print_json(document: &impl Serialize) {
    Console::of_process(|console| console.print_json(document));
}

/// Prints what is found, as a screen or a document; every second again if somebody watches, until Ctrl-C.
pub async fn show<T>(
    watch: bool,
    json: bool,
    look: impl AsyncFn() -> Result<T, Problem>,
    screen: impl Fn(&T) -> String,
    document: impl Fn(&T) -> serde_json::Value,
) -> Result<(), Problem> {
    loop {
        match look().await {
            Ok(found) if json => print_json(&document(&found)),
            Ok(found) if watch => print(format!("\x1b[H\x1b[2J{}", screen(&found))),
            Ok(found) => print(screen(&found)),
            // A node that is being restarted comes back.
            Err(problem) if watch => tell(problem),
            Err(problem) => return Err(problem),
        }
        if !watch {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
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
