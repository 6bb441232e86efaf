//! `docs/tutorial.md`, followed to the letter.

use std::path::Path;

#[test]
fn the_tutorial_does_what_it_shows() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/tutorial.md");
    super::page::run(&page, Path::new(env!("CARGO_BIN_EXE_circle")));
}
