use expect_test::{ExpectFile, expect, expect_file};
use proptest::prelude::*;
use threescript::policy::{Policy, compile};

use super::token::{self, Comment, Kind, Stand, Token};
use super::*;
use crate::language;

const SHOP: &str = include_str!("samples/shop.before.3script");
const SHOP_TESTS: &str = include_str!("samples/shop.test.before.3script");
const LANGUAGE_PAGE: &str = include_str!("../../../docs/policy-language.md");

fn check(source: &str, expected: ExpectFile) {
    let formatted = format(source).unwrap_or_else(|fault| panic!("{fault}"));
    expected.assert_eq(&formatted);
    assert_eq!(
        format(&formatted).as_ref(),
        Ok(&formatted),
        "formatted twice"
    );
}

#[test]
fn every_declaration_and_statement_has_one_form() {
    check(SHOP, expect_file!["samples/shop.after.3script"]);
}

#[test]
fn tests_have_the_same_style() {
    check(SHOP_TESTS, expect_file!["samples/shop.test.after.3script"]);
}

#[test]
fn a_file_that_cannot_be_read_is_refused_with_its_place() {
    let refusals: Vec<String> = [
        "",
        "polic shop version 1",
        "policy shop version one",
        "policy shop version 1\nconst",
        "policy shop version 1\nthing x {}",
        "policy shop version 1\nask x() { let a = 1 let b = 2; }",
        "policy shop version 1\nask x() { foo(1 2) }",
        "policy shop version 1\nask x() { a + }",
        "policy shop version 1\nask x() { `a ${ b }",
        "policy shop version 1\nask x() { \"a",
        "policy shop version 1\nask x() { /* a ",
        "policy shop version 1\nask x() { if a { b }",
        "policy shop version 1\nask x() { a ) }",
        "policy shop version 1\nask x { a }",
        "policy shop version 1\ntable t { a: id key",
        "policy shop version 1\nask x() { #{ 1: 2 } }",
    ]
    .iter()
    .map(|source| format(source).expect_err(source).to_string())
    .collect();
    expect![[r#"
        line 1, column 1: `policy` or `tests` is wanted, not the end of the file; begin the file with `policy NAME version N` or `tests of NAME`
        line 1, column 1: `policy` or `tests` is wanted, not `polic`; begin the file with `policy NAME version N` or `tests of NAME`
        line 1, column 21: a number is wanted, not `one`; begin the file with `policy NAME version N`
        line 2, column 6: a name is wanted, not the end of the file; give it a name
        line 2, column 1: a declaration is wanted, not `thing`; declarations begin with use, const, param, table, formula, invariant, action, ask, every, on, fn, test, property
        line 2, column 21: `;` is wanted, not `let`; end the statement before it with `;`
        line 2, column 17: `,` or `)` is wanted, not `2`; separate the parts with `,`
        line 2, column 15: an expression is wanted, not `}`; write a value, a name or a call here
        line 2, column 11: this text does not end; close it with ```
        line 2, column 11: this text does not end; close it with `"`
        line 2, column 11: this comment does not end; close it with `*/`
        line 2, column 21: an expression is wanted, not the end of the file; write a value, a name or a call here
        line 2, column 13: `;` is wanted, not `)`; end the statement before it with `;`
        line 2, column 7: `(` is wanted, not `{`; write `(` here
        line 2, column 20: `,` or `}` is wanted, not the end of the file; separate the parts with `,`
        line 2, column 14: the name of an entry is wanted, not `1`; write #{ name: value }"#]].assert_eq(&refusals.join("\n"));
}

#[test]
fn what_is_nested_too_deep_is_refused_and_not_a_crash() {
    for (open, close) in [
        ("(", ")"),
        ("[", "]"),
        ("{", "}"),
        ("f(", ")"),
        ("#{ a: ", "}"),
        ("if a {", "}"),
        ("- ", ""),
        ("`${", "}`"),
    ] {
        for depth in [40, 10_000] {
            let source = format!(
                "policy shop version 1\nask x() {{ {}1{} }}\n",
                open.repeat(depth),
                close.repeat(depth)
            );
            let is_nested = open != "- ";
            match format(&source) {
                Ok(formatted) => assert!(depth == 40 || !is_nested, "{open} {formatted}"),
                Err(fault) => assert_eq!((fault.code, is_nested), ("too_deep", true), "{open}"),
            }
        }
    }
}

#[test]
fn the_shipped_policies_and_their_tests_are_formatted() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies");
    let files = crate::files::find(&[folder]).unwrap();
    assert!(files.len() >= 3, "{files:?}");
    for path in files {
        let source = crate::files::read(&path).unwrap();
        let formatted =
            format(&source).unwrap_or_else(|fault| panic!("{}: {fault}", path.display()));
        assert!(
            source == formatted,
            "{}: run `circle policy fmt policies`",
            path.display()
        );
    }
}

#[test]
fn the_examples_of_the_language_page_are_formatted() {
    let mut blocks = 0;
    for block in LANGUAGE_PAGE.split("```3script\n").skip(1) {
        let source = block.split("```").next().unwrap();
        if source.starts_with("///") || source.starts_with("policy") {
            assert_eq!(format(source).as_deref(), Ok(source));
            blocks += 1;
        }
    }
    assert!(blocks >= 1);
}

/// What a policy declares, without places.
fn declarations(policy: &Policy) -> String {
    let entries: Vec<_> = policy
        .entries()
        .iter()
        .map(|entry| {
            format!(
                "{:?} {} {:?} {:?} {:?} {:?}",
                entry.kind,
                entry.name,
                entry.doc,
                entry.params,
                entry.callers,
                entry.period_seconds
            )
        })
        .collect();
    let tables: Vec<_> = policy
        .tables()
        .iter()
        .map(|table| {
            format!(
                "{} {:?} {:?} {:?}",
                table.name, table.doc, table.columns, table.key
            )
        })
        .collect();
    let consts: Vec<_> = policy
        .consts()
        .iter()
        .map(|item| format!("{} {:?} {:?}", item.name, item.doc, item.value))
        .collect();
    [entries, tables, consts].concat().join("\n")
}

fn compiled(source: &str) -> Policy {
    let mut language = language::standard();
    // White space and comments may make a file larger than a circle takes.
    language.limits.source_bytes = 1 << 20;
    compile(source, "test.3script", &language.catalog, &language.limits).unwrap_or_else(|faults| {
        let around: Vec<_> = source
            .lines()
            .skip((faults[0].line as usize).saturating_sub(12))
            .take(14)
            .collect();
        panic!("{}\n{}", faults[0], around.join("\n"))
    })
}

/// A file without white space and commas: what a formatter must keep.
fn bare(source: &str) -> String {
    source
        .chars()
        .filter(|character| !character.is_whitespace() && *character != ',')
        .collect()
}

/// The same words with other white space and more comments, as `choices` say.
fn mangle(source: &str, choices: &[u8], comments: bool) -> String {
    let tokens = token::read(source).unwrap();
    let mut choices = choices.iter().copied().cycle();
    let mut choose = move |of: u8| choices.next().unwrap_or(0) % of;
    let mut mangled = String::new();
    let mut previous: Option<&Token> = None;
    for token in &tokens {
        for Comment { text, stand, .. } in &token.comments {
            match stand {
                Stand::Alone => mangled += &format!("\n{text}\n"),
                Stand::Behind => mangled += &format!(" {text}\n"),
                Stand::Before => mangled += &format!(" {text} "),
            }
        }
        let number = |token: Option<&Token>| token.is_some_and(|token| token.kind == Kind::Number);
        // `()` is one word of Rhai.
        let nothing = token.is(")") && previous.is_some_and(|token| token.is("("));
        let stuck = token.touches
            && token.comments.is_empty()
            && (nothing
                || number(previous)
                || number(Some(token))
                || token.is(".")
                || previous.is_some_and(|token| token.is(".")));
        let may_touch = ["(", ")", ",", ";", "}", "]"]
            .iter()
            .any(|sign| token.is(sign) || previous.is_some_and(|previous| previous.is(sign)));
        if !stuck && !number(previous) {
            mangled += match choose(if comments { 12 } else { 9 }) {
                0 if may_touch => "",
                0..=3 => " ",
                4 => "   \t",
                5 | 6 => "\n",
                7 => "\n\n\n",
                8 => " \n  ",
                9 => " // why\n",
                10 => "\n// alone\n",
                _ => " /* so */ ",
            };
        } else if !stuck {
            mangled += " ";
        }
        mangled += &token.text;
        previous = Some(token);
    }
    mangled
}

fn sources() -> Vec<String> {
    let policies = ["vote", "iou", "billing"].map(|name| {
        let path = format!(
            "{}/../policies/{name}/policy.3script",
            env!("CARGO_MANIFEST_DIR")
        );
        std::fs::read_to_string(path).unwrap()
    });
    [&policies[..], &[SHOP.to_owned(), SHOP_TESTS.to_owned()]].concat()
}

#[test]
fn a_comment_behind_every_word_is_settled_at_once() {
    for source in sources() {
        let formatted = format(&mangle(&source, &[59], true)).unwrap();
        assert_eq!(format(&formatted).unwrap(), formatted);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn formatting_keeps_every_word_and_is_done_after_one_time(which in 0usize..5, comments: bool, choices in prop::collection::vec(any::<u8>(), 1..400)) {
        let source = sources().remove(which);
        let mangled = mangle(&source, &choices, comments);
        let formatted = format(&mangled).map_err(|fault| TestCaseError::fail(format!("{fault}\n{mangled}")))?;
        prop_assert_eq!(bare(&formatted), bare(&mangled));
        let again = format(&formatted).map_err(|fault| TestCaseError::fail(format!("{fault}\n{formatted}")))?;
        let differs = formatted.lines().zip(again.lines()).position(|(once, twice)| once != twice);
        if let Some(at) = differs {
            let part = |text: &str| text.lines().skip(at.saturating_sub(4)).take(9).collect::<Vec<_>>().join("\n");
            return Err(TestCaseError::fail(format!("once:\n{}\ntwice:\n{}", part(&formatted), part(&again))));
        }
        prop_assert_eq!(&formatted, &again);
        for line in formatted.lines() {
            prop_assert_eq!(line.trim_end(), line);
        }
        prop_assert!(!formatted.contains("\n\n\n") && formatted.ends_with('\n') && !formatted.ends_with("\n\n"));
        if which < 3 {
            prop_assert_eq!(declarations(&compiled(&formatted)), declarations(&compiled(&source)));
        }
    }

    #[test]
    fn no_text_makes_the_formatter_panic(words in prop::collection::vec(prop::sample::select(vec![
        "policy", "a", "version", "1", "action", "ask", "(", ")", "{", "}", "[", "]", "#{", ":", ",", ";", "=", "+", "-", "if", "else",
        "for", "in", "let", "`${", "`", "\"", "'", "//", "/*", "*/", "\n", "#\"", ".", "..", "?", "%", "table", "const", "test", "é", "\u{0}",
    ]), 0..60)) {
        let source = words.join(" ");
        if let Ok(formatted) = format(&source) {
            prop_assert_eq!(format(&formatted), Ok(formatted.clone()));
        }
        let inside = format!("policy a version 1 ask x() {{ {source} }}");
        if let Ok(formatted) = format(&inside) {
            prop_assert_eq!(format(&formatted), Ok(formatted.clone()));
        }
    }
}
