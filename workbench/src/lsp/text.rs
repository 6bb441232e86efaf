//! Places in a text: editors count lines from 0 and UTF-16 units, the checker lines from 1 and characters.

use lsp_types::{Position, Range};

/// The line without its end; empty if there is none.
pub fn line(text: &str, number: u32) -> &str {
    text.split('\n').nth(number as usize).unwrap_or_default()
}

/// The place of a character, both from 0. What is behind the end of a line is its end.
pub fn position(text: &str, line_number: u32, character: usize) -> Position {
    let units = line(text, line_number)
        .chars()
        .take(character)
        .map(char::len_utf16);
    let units = u32::try_from(units.sum::<usize>()).unwrap_or(u32::MAX);
    Position::new(line_number, units)
}

/// Which character of its line a place is; the end of the line for places behind it, and the character itself for a place
/// within it.
pub fn character(text: &str, place: Position) -> usize {
    let mut units = 0;
    let line = line(text, place.line);
    for (index, character) in line.chars().enumerate() {
        let next = units + character.len_utf16();
        if next > place.character as usize {
            return index;
        }
        units = next;
    }
    line.chars().count()
}

pub fn is_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

/// The word at a place, or that ends there, with the character that it begins at.
pub fn word(text: &str, place: Position) -> Option<(usize, String)> {
    let line: Vec<char> = line(text, place.line).chars().collect();
    let at = character(text, place);
    let before = line[..at]
        .iter()
        .rev()
        .take_while(|character| is_word(**character))
        .count();
    let behind = line[at..]
        .iter()
        .take_while(|character| is_word(**character))
        .count();
    let word: String = line[at - before..at + behind].iter().collect();
    (!word.is_empty()).then_some((at - before, word))
}

/// From a character of a line over so many.
pub fn range(text: &str, line: u32, from: usize, length: usize) -> Range {
    Range::new(
        position(text, line, from),
        position(text, line, from + length),
    )
}

/// The whole text.
pub fn whole(text: &str) -> Range {
    let last = text.split('\n').count().saturating_sub(1);
    let last = u32::try_from(last).unwrap_or(u32::MAX);
    Range::new(Position::new(0, 0), position(text, last, usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_units_of_utf_16_and_never_leave_the_text() {
        let text = "a😀b\nlet x = 1;";
        assert_eq!(position(text, 0, 2), Position::new(0, 3));
        assert_eq!(character(text, Position::new(0, 3)), 2);
        // Within the surrogate pair, behind the line, behind the text.
        assert_eq!(character(text, Position::new(0, 2)), 1);
        assert_eq!(character(text, Position::new(0, 99)), 3);
        assert_eq!(character(text, Position::new(99, 99)), 0);
        assert_eq!(word(text, Position::new(1, 3)), Some((0, "let".to_owned())));
        assert_eq!(word(text, Position::new(9, 9)), None);
        assert_eq!(whole(text).end, Position::new(1, 10));
    }
}
