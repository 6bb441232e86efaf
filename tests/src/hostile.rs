//! Policies that attack the nodes which run them: `tests/hostile/*.3script`.
//!
//! Each file says how it ends: with the code of a refusal, `check: …` if no circle would install it, or `ok`. What it does is
//! `!!hostile.x`, or the action that the file names with `// Does: `. `«300 text»` stands for 300 repetitions of a text, in which
//! `§` is the number of the repetition.

use std::path::Path;
use std::sync::OnceLock;

use circle::machine::STACK_BYTES;
use circle::natives;
use circle::policies::Language;
use threescript::action::{Signature, read};
use threescript::engine::Limits;
use threescript::policy::compile;
use threescript::value::Assets;

use crate::Simulation;

/// One attack.
#[derive(Clone, Debug)]
pub struct Attack {
    /// The file without its ending.
    pub name: String,
    /// How it has to end.
    pub ends: String,
    does: String,
    source: String,
}

/// Reads all attacks, in the order of their names.
pub fn corpus() -> Vec<Attack> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("hostile");
    let mut files: Vec<_> = folder
        .read_dir()
        .expect("the corpus is beside the tests")
        .map(|entry| entry.expect("readable").path())
        .collect();
    files.sort();
    files.iter().map(|path| attack(path)).collect()
}

fn attack(path: &Path) -> Attack {
    let text = std::fs::read_to_string(path).expect("readable");
    let said = |what: &str| {
        text.lines()
            .take_while(|line| line.starts_with("//"))
            .find_map(|line| line.strip_prefix(what))
            .map(|rest| expand(rest.trim()))
    };
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    Attack {
        ends: said("// Ends with:").unwrap_or_else(|| panic!("{name} does not say how it ends")),
        does: said("// Does:").unwrap_or_else(|| "!!hostile.x".into()),
        source: expand(&text),
        name: name.into_owned(),
    }
}

/// Writes out the repetitions.
fn expand(text: &str) -> String {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('«') {
        let (repetition, after) = after.split_once('»').expect("«…» is closed");
        let (count, item) = repetition.split_once(' ').expect("a number and a text");
        expanded.push_str(before);
        let count: usize = count.parse().expect("a number");
        for number in 0..count {
            expanded.push_str(&item.replace('§', &number.to_string()));
        }
        rest = after;
    }
    expanded + rest
}

/// Lets a circle run the attack. `ready` is called when all is set up and only the attack is left. Returns how it ended.
pub fn run(attack: &Attack, ready: impl FnOnce() + Send) -> String {
    std::thread::scope(|scope| {
        std::thread::Builder::new()
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, || ending(attack, ready))
            .expect("there is memory for a stack")
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// The assets of a simulated circle.
fn assets() -> &'static Assets {
    static ASSETS: OnceLock<Assets> = OnceLock::new();
    ASSETS.get_or_init(|| {
        let circle = Simulation::with_policies(9, 1, None, Vec::new());
        circle.genesis.decimals().expect("sound assets")
    })
}

fn ending(attack: &Attack, ready: impl FnOnce()) -> String {
    let assets = assets();
    let language = Language {
        catalog: natives::catalog(assets),
        limits: Limits::default(),
    };
    let mut declared: Vec<Signature> = circle::kernel_signatures();
    assert!(
        attack.source.contains("policy hostile"),
        "{}: the policy is called hostile",
        attack.name
    );
    // Faults of the checker end it before any circle sees it, and the check itself must be cheap.
    let mut ready = Some(ready);
    let mut begin = || {
        if let Some(ready) = ready.take() {
            ready();
        }
    };
    if attack.ends.starts_with("check:") {
        begin();
    }
    let hostile = compile(
        &attack.source,
        "hostile.3script",
        &language.catalog,
        &language.limits,
    );
    let hostile = match hostile {
        Ok(policy) => policy,
        Err(faults) => return format!("check: {}", faults[0].code),
    };
    declared.extend(hostile.signatures());
    let mut circle = Simulation::with_policies(9, 1, None, vec![attack.source.clone()]);
    for guardian in &mut circle.guardians[1..] {
        guardian.running = false;
    }
    let actions = read(&attack.does, &declared, assets)
        .unwrap_or_else(|error| panic!("{}: {error}", attack.name));
    begin();
    let genesis = circle.genesis.clone();
    let transaction = circle.guardians[0].transaction(&genesis, actions);
    circle.block(vec![transaction.encode()]);
    circle.receipts.pop().expect("a block was made")[0]
        .code
        .clone()
}
