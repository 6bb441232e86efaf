//! What holds for all standard policies in a running circle: they can be installed.

use std::path::PathBuf;

use guardian_tests::Simulation;
use threescript::value::{Assets, Value};

/// The folders of the standard policies.
fn folders() -> Vec<PathBuf> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../policies");
    let entries = std::fs::read_dir(root).unwrap();
    let mut folders: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("policy.3script").exists())
        .collect();
    folders.sort();
    assert!(folders.len() >= 6, "{folders:?}");
    folders
}

#[test]
fn the_standard_policies_can_be_installed() {
    let mut circle = Simulation::new(9, 1, None);
    for folder in folders() {
        let source = std::fs::read(folder.join("policy.3script")).unwrap();
        let source = Value::Bytes(source);
        let install = guardian_tests::act("policy", "install", vec![("source", source)]);
        let receipt = circle.act_as_circle(vec![install]);
        assert!(receipt.is_ok(), "{}: {receipt:?}", folder.display());
    }
}

/// The standard assets are those of a simulated circle, as far as these cases use them.
#[test]
fn the_simulated_circle_knows_tft_as_everybody_does() {
    let circle = Simulation::new(9, 1, None);
    let tft = guardian_tests::tft();
    assert_eq!(
        circle.genesis.decimals().unwrap().decimals(&tft),
        Assets::standard().decimals(&tft)
    );
}
