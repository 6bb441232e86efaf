//! The pages of `docs` that are for people with a terminal, followed to the letter.

use std::path::Path;

fn follow(page: &str) {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
    super::page::run(&page, Path::new(env!("CARGO_BIN_EXE_circle")));
}

#[test]
fn the_tutorial_does_what_it_shows() {
    follow("../docs/tutorial.md");
}

#[test]
fn the_page_about_guardians_does_what_it_shows() {
    follow("../docs/guardians.md");
}

#[test]
fn the_page_about_the_treasury_does_what_it_shows() {
    follow("../docs/treasury.md");
}
