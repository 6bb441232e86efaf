//! What a file declares, read line by line, so that it is known of files that do not compile as well.

use super::text::is_word;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Policy,
    Use,
    Constant,
    Param,
    Table,
    Column,
    Action,
    Ask,
    Schedule,
    Reaction,
    Invariant,
    Function,
    Formula,
    Argument,
    Test,
}

/// Something that is declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symbol {
    pub kind: Kind,
    pub name: String,
    /// The declaration on one line.
    pub detail: String,
    /// The doc lines above it.
    pub doc: String,
    /// Where its name stands: line and character, from 0.
    pub line: u32,
    pub character: usize,
    /// The last line of the declaration.
    pub end: u32,
    /// The table or action that it belongs to, by its place in the outline.
    pub parent: Option<usize>,
}

const WORDS: [(&str, Kind); 13] = [
    ("policy", Kind::Policy),
    ("use", Kind::Use),
    ("const", Kind::Constant),
    ("param", Kind::Param),
    ("table", Kind::Table),
    ("action", Kind::Action),
    ("ask", Kind::Ask),
    ("every", Kind::Schedule),
    ("on", Kind::Reaction),
    ("invariant", Kind::Invariant),
    ("fn", Kind::Function),
    ("formula", Kind::Formula),
    ("test", Kind::Test),
];

/// The words that declarations begin with.
pub fn keywords() -> impl Iterator<Item = &'static str> {
    WORDS.iter().map(|(word, _)| *word).chain(["property"])
}

/// All declarations in the order of the file; columns and parameters behind what they belong to.
pub fn read(text: &str) -> Vec<Symbol> {
    let lines: Vec<&str> = text.split('\n').collect();
    let starts: Vec<(usize, Kind)> = lines
        .iter()
        .enumerate()
        .filter_map(|(number, line)| Some((number, kind_of(line)?)))
        .collect();
    let mut symbols = Vec::new();
    for (index, (start, kind)) in starts.iter().enumerate() {
        let next = starts.get(index + 1).map_or(lines.len(), |(next, _)| *next);
        declaration(&lines, *start, next, *kind, &mut symbols);
    }
    symbols
}

fn kind_of(line: &str) -> Option<Kind> {
    let word: String = line
        .chars()
        .take_while(|character| is_word(*character))
        .collect();
    if word == "property" {
        return Some(Kind::Test);
    }
    let known = WORDS.iter().find(|(known, _)| *known == word);
    known
        .map(|(_, kind)| *kind)
        .filter(|_| line[word.len()..].starts_with(' '))
}

fn declaration(lines: &[&str], start: usize, next: usize, kind: Kind, symbols: &mut Vec<Symbol>) {
    let line = lines[start];
    let Some((character, name)) = name_of(line, kind) else {
        return;
    };
    // Comments and doc lines above the next declaration are not part of this one.
    let is_other = |line: &&str| line.trim().is_empty() || line.starts_with("//");
    let mut end = next;
    while end > start + 1 && is_other(&lines[end - 1]) {
        end -= 1;
    }
    let own = symbols.len();
    symbols.push(Symbol {
        kind,
        name,
        detail: line
            .trim()
            .trim_end_matches(['{', '('])
            .trim_end()
            .to_owned(),
        doc: docs_above(lines, start),
        line: start as u32,
        character,
        end: (end - 1) as u32,
        parent: None,
    });
    match kind {
        Kind::Table => parts(lines, start, end, ('{', '}'), Kind::Column, own, symbols),
        Kind::Action | Kind::Ask | Kind::Function | Kind::Formula | Kind::Reaction | Kind::Test => {
            parts(lines, start, end, ('(', ')'), Kind::Argument, own, symbols)
        }
        _ => {}
    }
}

/// The name in a line that declares something, and its character.
fn name_of(line: &str, kind: Kind) -> Option<(usize, String)> {
    let characters: Vec<char> = line.chars().collect();
    let mut at = characters
        .iter()
        .take_while(|character| is_word(**character))
        .count();
    if kind == Kind::Test {
        let open = characters.iter().position(|character| *character == '"')?;
        let name: String = characters[open + 1..]
            .iter()
            .take_while(|character| **character != '"')
            .collect();
        return Some((open + 1, name));
    }
    if kind == Kind::Schedule {
        // Behind the period: the name stands before the bracket.
        at = characters.iter().position(|character| *character == '(')?;
        while at > 0 && is_word(characters[at - 1]) {
            at -= 1;
        }
    }
    while characters
        .get(at)
        .is_some_and(|character| *character == ' ')
    {
        at += 1;
    }
    let is_part =
        |character: &&char| is_word(**character) || (kind == Kind::Reaction && **character == '.');
    let name: String = characters.get(at..)?.iter().take_while(is_part).collect();
    (!name.is_empty()).then_some((at, name))
}

/// Columns of a table, parameters of an action: names between brackets, each with what follows up to the next comma.
fn parts(
    lines: &[&str],
    start: usize,
    end: usize,
    (open, close): (char, char),
    kind: Kind,
    parent: usize,
    symbols: &mut Vec<Symbol>,
) {
    let mut depth = 0usize;
    let mut wants_name = false;
    let mut doc: Vec<&str> = Vec::new();
    for (number, line) in lines.iter().enumerate().take(end).skip(start) {
        let trimmed = line.trim();
        if trimmed.starts_with("//") {
            doc.extend(trimmed.strip_prefix("///").map(str::trim));
            continue;
        }
        let characters: Vec<char> = line.chars().collect();
        let mut at = 0;
        while let Some(character) = characters.get(at) {
            match *character {
                '"' => {
                    let rest = characters[at + 1..].iter();
                    at += rest.take_while(|character| **character != '"').count() + 1;
                }
                '/' if characters.get(at + 1) == Some(&'/') => break,
                bracket if bracket == open || matches!(bracket, '(' | '[' | '{') => {
                    // Before the first bracket of the right kind there is none of the others.
                    depth += usize::from(depth > 0 || bracket == open);
                    wants_name = depth == 1;
                }
                bracket
                    if depth > 0 && (bracket == close || matches!(bracket, ')' | ']' | '}')) =>
                {
                    depth -= 1;
                    if depth == 0 {
                        return;
                    }
                }
                ',' if depth == 1 => wants_name = true,
                first if wants_name && depth == 1 && is_word(first) => {
                    wants_name = false;
                    let name: String = characters[at..]
                        .iter()
                        .take_while(|character| is_word(**character))
                        .collect();
                    let detail = part_text(&characters[at..], close);
                    symbols.push(Symbol {
                        kind,
                        character: at,
                        line: number as u32,
                        end: number as u32,
                        doc: std::mem::take(&mut doc).join("\n"),
                        parent: Some(parent),
                        detail,
                        name: name.clone(),
                    });
                    at += name.chars().count() - 1;
                }
                _ => {}
            }
            at += 1;
        }
    }
}

/// A part up to its comma or the closing bracket.
fn part_text(characters: &[char], close: char) -> String {
    let mut depth = 0;
    let mut text = String::new();
    for character in characters {
        match character {
            '(' | '[' | '{' => depth += 1,
            ',' if depth == 0 => break,
            character if depth == 0 && *character == close => break,
            ')' | ']' | '}' => depth -= 1,
            _ => {}
        }
        text.push(*character);
    }
    text.trim().to_owned()
}

/// The doc lines directly above a line.
fn docs_above(lines: &[&str], line: usize) -> String {
    let above = lines[..line]
        .iter()
        .rev()
        .map_while(|line| line.strip_prefix("///"));
    let mut docs: Vec<&str> = above.map(str::trim).collect();
    docs.reverse();
    docs.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn a_file_that_does_not_compile_has_an_outline() {
        let text = "/// A shop.\npolicy shop version 1\n\n/// What\n/// there is.\ntable items {\n    id: id key,\n    /// Its price.\n    price: amount, state: one_of(\"a\", \"b\")?\n}\naction buy(\n    item: id = 1,\n    to: list(any) = [1, 2],\n) by anyone {\n    let x = (\n}\n\n/// Rings.\nevery 1.hours ring() { }\non other.sold(item: id) { }\nfn helper(a, b) { a }\nformula f(x: int): int = x\ntest \"a sale\" { }\n";
        let shown = read(text).into_iter().map(|symbol| {
            format!(
                "{:?} {} {}:{}-{} `{}` {:?} in {:?}\n",
                symbol.kind,
                symbol.name,
                symbol.line,
                symbol.character,
                symbol.end,
                symbol.detail,
                symbol.doc,
                symbol.parent
            )
        });
        expect![[r#"
            Policy shop 1:7-1 `policy shop version 1` "A shop." in None
            Table items 5:6-9 `table items` "What\nthere is." in None
            Column id 6:4-6 `id: id key` "" in Some(1)
            Column price 8:4-8 `price: amount` "Its price." in Some(1)
            Column state 8:19-8 `state: one_of("a", "b")?` "" in Some(1)
            Action buy 10:7-15 `action buy` "" in None
            Argument item 11:4-11 `item: id = 1` "" in Some(5)
            Argument to 12:4-12 `to: list(any) = [1, 2]` "" in Some(5)
            Schedule ring 18:14-18 `every 1.hours ring() { }` "Rings." in None
            Reaction other.sold 19:3-19 `on other.sold(item: id) { }` "" in None
            Argument item 19:14-19 `item: id` "" in Some(9)
            Function helper 20:3-20 `fn helper(a, b) { a }` "" in None
            Argument a 20:10-20 `a` "" in Some(11)
            Argument b 20:13-20 `b` "" in Some(11)
            Formula f 21:8-21 `formula f(x: int): int = x` "" in None
            Argument x 21:10-21 `x: int` "" in Some(14)
            Test a sale 22:6-22 `test "a sale" { }` "" in None
        "#]]
        .assert_eq(&shown.collect::<String>());
    }

    #[test]
    fn any_text_has_an_outline() {
        for text in [
            "",
            "table",
            "table ",
            "every",
            "every 1.hours",
            "action (",
            "test",
            "fn é(",
            "const \u{1f600}",
            "table t { a: \"",
            "on ",
            "}\n)\n",
        ] {
            read(text);
        }
    }
}
