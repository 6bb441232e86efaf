//! From bytes to lines: size, encoding and characters are checked before anything is read.

use super::writable::character_fault;
use super::{ActionError, Position};

/// The most bytes that a text of actions may have.
pub const MAX_TEXT: usize = 64 * 1024;

/// Takes bytes as text. Errors: `too_long`, `invalid_utf8`.
pub(super) fn decode(bytes: &[u8]) -> Result<&str, ActionError> {
    check_length(bytes)?;
    std::str::from_utf8(bytes).map_err(|error| {
        // Everything before the first bad byte is valid.
        let good = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        let bad = bytes.get(error.valid_up_to()).copied().unwrap_or_default();
        let reason = format!("the byte 0x{bad:02x}, which is not UTF-8");
        ActionError::at(
            end_of(&good),
            "invalid_utf8",
            reason,
            "save the text as UTF-8",
        )
    })
}

/// Splits a text into lines, without their ends. Errors: `too_long`, and the faults of single characters.
pub(super) fn split(text: &str) -> Result<Vec<&str>, ActionError> {
    check_length(text.as_bytes())?;
    let mut lines: Vec<&str> = text.split('\n').collect();
    let last = lines.len() - 1;
    for (index, line) in lines.iter_mut().enumerate() {
        if index < last {
            *line = line.strip_suffix('\r').unwrap_or(line);
        }
        for (offset, character) in line.chars().enumerate() {
            if let Some(fault) = character_fault(character) {
                return Err(fault.at(place(index, offset)));
            }
        }
    }
    Ok(lines)
}

/// The position of a character, from its line and offset counted from 0. Texts are too short for a u32 to overflow.
pub(super) fn place(line: usize, offset: usize) -> Position {
    Position {
        line: line as u32 + 1,
        column: offset as u32 + 1,
    }
}

fn check_length(bytes: &[u8]) -> Result<(), ActionError> {
    if bytes.len() <= MAX_TEXT {
        return Ok(());
    }
    let position = end_of(&String::from_utf8_lossy(&bytes[..MAX_TEXT]));
    let reason = format!("a text of {} bytes, more than {MAX_TEXT}", bytes.len());
    Err(ActionError::at(
        position,
        "too_long",
        reason,
        "split it into several texts",
    ))
}

/// The position behind the last character.
fn end_of(text: &str) -> Position {
    let lines = text.matches('\n').count();
    let last = text.rsplit('\n').next().unwrap_or_default();
    place(lines, last.chars().count())
}
