//! The pages that developers of policies read: what they show is what happens.

use crate::support::*;
use threescript::engine::Limits;
use threescript::policy::{Diagnostic, compile};

const PAGE: &str = include_str!("../../../docs/policy-language.md");

/// The code blocks of a page with their labels and lines.
fn blocks(page: &str) -> Vec<(String, usize, String)> {
    let mut blocks = Vec::new();
    let mut lines = page.lines().enumerate();
    while let Some((_, line)) = lines.next() {
        let Some(label) = line.strip_prefix("```") else {
            continue;
        };
        let mut text = String::new();
        let mut at = 0;
        for (number, line) in lines.by_ref().take_while(|(_, line)| *line != "```") {
            at = if text.is_empty() { number + 1 } else { at };
            text += line;
            text.push('\n');
        }
        blocks.push((label.to_owned(), at, text));
    }
    blocks
}

#[test]
fn every_snippet_of_the_language_page_does_what_it_says() {
    let mut faults = Vec::new();
    let (mut files, mut lines) = (0, 0);
    for (label, at, text) in blocks(PAGE) {
        match label.as_str() {
            // A whole policy file.
            "3script" => {
                compiled(&text);
                files += 1;
            }
            // A file with faults, and under it what the checker says.
            "3script faults" => {
                let compiled = compile(&text, "shop.3script", &catalog(), &Limits::default());
                let printed: Vec<String> = compiled
                    .expect_err("faults")
                    .iter()
                    .map(Diagnostic::to_string)
                    .collect();
                faults.push(printed.join("\n") + "\n");
            }
            "text faults" => {
                let printed = faults
                    .pop()
                    .expect("a block of 3script with faults comes before");
                assert_eq!(printed, text, "line {at} of the page");
                files += 1;
            }
            // `expression // result`, each a body of its own.
            "rhai" => {
                for (number, line) in text
                    .lines()
                    .enumerate()
                    .filter(|(_, line)| !line.trim().is_empty())
                {
                    let (code, result) = line.rsplit_once("// ").expect("a result behind the code");
                    assert_eq!(
                        run_body(code.trim()),
                        result,
                        "line {} of the page: {line}",
                        at + number
                    );
                    lines += 1;
                }
            }
            other => assert_eq!(
                other, "text",
                "line {at} of the page: an unknown kind of block"
            ),
        }
    }
    assert!(
        files == 4 && lines >= 40,
        "{files} files and {lines} lines were checked"
    );
}

#[test]
fn the_example_of_every_library_function_gives_what_its_page_says() {
    let functions = threescript::engine::host_functions();
    let mut differences = Vec::new();
    for function in &functions {
        let result = run_body(function.example);
        if result != function.result {
            differences.push(format!(
                "{}: {} // {result}",
                function.form, function.example
            ));
        }
        // The example uses what it is an example of.
        let name = match function.form {
            "contains(whole, part)" => " in ",
            _ => function.name,
        };
        let alias = [
            "minutes",
            "days",
            "weeks",
            "seconds",
            "debug(value)",
            "to_string(value)",
            "amount(number, asset)",
        ];
        assert!(
            function.example.contains(name) || alias.contains(&function.form),
            "{} is not used in {}",
            function.form,
            function.example
        );
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert!(functions.len() > 80, "{}", functions.len());
}
