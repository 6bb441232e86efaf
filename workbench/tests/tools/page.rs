//! The page about tests: what it shows is what happens. `UPDATE_EXPECT=1` writes the outputs into the page.

use crate::support::*;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/policy-testing.md");

/// The words of a command line; texts in single quotes are one.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (index, part) in line.split('\'').enumerate() {
        match index % 2 {
            1 => words.push(part.to_owned()),
            _ => words.extend(part.split_whitespace().map(str::to_owned)),
        }
    }
    words
}

#[test]
fn every_example_of_the_page_about_tests_does_what_it_says() {
    let page = std::fs::read_to_string(PAGE).expect("the page");
    let folder = Folder::empty();
    let mut written = String::new();
    let mut lines = page.lines();
    let mut commands = 0;
    while let Some(line) = lines.next() {
        written.push_str(line);
        written.push('\n');
        let Some(label) = line.strip_prefix("```") else {
            continue;
        };
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        match label.split_once(' ').unwrap_or((label, "")) {
            ("3script", file) => {
                folder.write(file, &(block.join("\n") + "\n"));
                block
                    .iter()
                    .for_each(|line| written.push_str(&format!("{line}\n")));
            }
            ("console", _) => {
                let command = block[0]
                    .strip_prefix("$ circle policy ")
                    .expect("a command");
                commands += 1;
                written.push_str(&format!("{}\n", block[0]));
                let args =
                    words(command)
                        .into_iter()
                        .map(|word| match folder.path(&word).exists() {
                            true => folder.path(&word).display().to_string(),
                            false => word,
                        });
                let args: Vec<String> = args.collect();
                let args: Vec<&str> = args.iter().map(String::as_str).collect();
                let (output, _) = run(&args);
                let root = folder.path("").display().to_string();
                written.push_str(&output.replace(&root, ""));
            }
            (label, _) => panic!("nobody runs blocks of {label}"),
        }
        written.push_str("```\n");
    }
    assert!(commands >= 5, "the page lost its examples");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(PAGE, written).expect("the page can be written");
    } else {
        assert!(
            written == page,
            "docs/policy-testing.md shows other outputs than these:\n{written}"
        );
    }
}
