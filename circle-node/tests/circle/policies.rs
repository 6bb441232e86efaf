//! What is done with policies in a running circle, and what is said of bad input.

use super::*;

pub fn check(devnet: &Devnet) {
    let home = devnet.home("g5");
    let file = |name: &str, text: &str| {
        let path = devnet.home(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let with_home = |arguments: &[&str], status: i32| {
        let all: Vec<&str> = [&["policy"], arguments, &["--home", &home, "--json"]].concat();
        json(&all, status)
    };
    let greeting = file("greeting.3script", GREETING);
    let faulty = file("faulty.3script", &GREETING.replace("\"hello\"", "helo"));

    // What has a fault is told with its place, and never sent.
    for verb in [
        &["install", &faulty][..],
        &["propose", &faulty, "--title", "x"],
    ] {
        let fault = &with_home(verb, 1)["faults"][0];
        assert_eq!(
            (&fault["code"], &fault["line"], &fault["column"]),
            (&"unknown_variable".into(), &4.into(), &15.into())
        );
    }
    let check = |arguments: &[&str], code: &str| {
        let error = &with_home(arguments, 1)["error"];
        assert_eq!(error["code"], code, "{arguments:?}: {error}");
        assert_ne!(error["mend"], "", "{arguments:?}: {error}");
    };
    check(&["install", "/nowhere.3script"], "file");
    check(&["install", &greeting, "--key", "/nowhere.key"], "act.key");
    check(&["show", "greeting"], "policy.unknown");
    let kernel = file("kernel.3script", &GREETING.replace("greeting", "ledger"));
    assert_eq!(
        run(&["policy", "install", &kernel, "--home", &home], "").0,
        1
    );
    check(
        &["propose", &greeting, "--title", "x", "--closes", "soon"],
        "propose.closes",
    );

    // An account that is no guardian installs nothing.
    let stranger = format!("{}/keys/bob.key", devnet.directory.path().display());
    check(
        &["install", &greeting, "--key", &stranger],
        "authority.guardian",
    );
    let installed = with_home(&["install", &greeting], 0);
    let hash = installed["hash"].as_str().unwrap();
    assert_eq!(installed["installed"], true);
    assert_eq!(with_home(&["install", &greeting], 0)["installed"], false);
    let shown = with_home(&["show", &hash[..8]], 0);
    assert_eq!(
        (&shown["source"], &shown["active_since"]),
        (&GREETING.into(), &Value::Null)
    );
    let list = with_home(&["list"], 0);
    let names = |what: &str| -> Vec<String> {
        let list = list[what].as_array().unwrap().iter();
        list.map(|one| one["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert!(names("installed").contains(&"greeting".to_owned()));
    assert!(!names("active").contains(&"greeting".to_owned()));
    assert!(names("active").contains(&"vote".to_owned()), "{list}");
    check(
        &[
            "propose",
            &file("vote.3script", &source(devnet, "vote")),
            "--title",
            "x",
        ],
        "policy.active",
    );

    // A parameter from a file; the text of the action leaves it out.
    let text = file("install.md", "!!policy.install\n");
    let from_file = |given: &str| {
        [
            "act",
            &text,
            "--file",
            given,
            "--dry-run",
            "--home",
            &home,
            "--json",
        ]
        .map(str::to_owned)
    };
    let dry = |given: &str, status: i32| {
        let arguments = from_file(given);
        json(
            &arguments.iter().map(String::as_str).collect::<Vec<_>>(),
            status,
        )
    };
    let canonical = dry(&format!("source={greeting}"), 0);
    assert!(
        canonical["canonical"]
            .as_str()
            .unwrap()
            .starts_with("!!policy.install"),
        "{canonical}"
    );
    assert_eq!(
        dry(&format!("sauce={greeting}"), 1)["error"]["code"],
        "act.file"
    );
    assert_eq!(dry("source=/nowhere", 1)["error"]["code"], "file");

    check(&["replay", "--policy", &greeting], "replay.name");
    check(
        &["replay", "--policy", &greeting, "--from", "2"],
        "replay.name",
    );
    let iou = file("iou.3script", &source(devnet, "iou"));
    check(
        &["replay", "--policy", &iou, "--from", "99999999"],
        "replay.height",
    );
    check(
        &["replay", "--policy", &faulty, "--from", "2"],
        "policy.invalid",
    );
    let same = with_home(&["replay", "--policy", &iou], 0);
    assert_eq!(
        (
            &same["verified"],
            &same["paid"],
            &same["books"],
            &same["outcomes"]
        ),
        (
            &true.into(),
            &Value::Array(vec![]),
            &Value::Array(vec![]),
            &Value::Array(vec![])
        ),
        "{same}"
    );
    let status = devnet.status("g5");
    assert_eq!(status["interpreter"]["limits"]["operations"], 5_000_000);
    assert_eq!(status["policies"][0]["since"], 1);
}

/// The source of an active policy.
fn source(devnet: &Devnet, name: &str) -> String {
    let shown = json(
        &[
            "policy",
            "show",
            name,
            "--home",
            &devnet.home("g5"),
            "--json",
        ],
        0,
    );
    shown["source"].as_str().unwrap().to_owned()
}
