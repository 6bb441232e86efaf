//! What the verbs print and how they end, as their users see it.

use std::path::Path;

use clap::Parser;
use expect_test::{Expect, expect, expect_file};

use super::Command;
use crate::console::{Console, Outcome};

#[derive(Parser)]
struct Verbs {
    #[command(subcommand)]
    command: Command,
}

/// What a verb prints on both outputs and its exit status, with the folder called `DIR`.
fn run(folder: &Path, line: &str) -> String {
    let folder = folder.display().to_string();
    let words = line
        .split_whitespace()
        .map(|word| word.replace("DIR", &folder));
    let verbs = Verbs::try_parse_from(std::iter::once("policy".to_owned()).chain(words));
    let verbs = verbs.unwrap_or_else(|error| panic!("{error}"));
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let result = verbs.command.run(&mut Console::new(&mut out, &mut err));
    let status = match result {
        Ok(Outcome::Passed) => "exit 0".to_owned(),
        Ok(Outcome::Failed) => "exit 1".to_owned(),
        Err(problem) => format!("{problem}\nexit 1"),
    };
    let (out, err) = (String::from_utf8_lossy(&out), String::from_utf8_lossy(&err));
    format!("{out}{err}{status}\n").replace(&folder, "DIR")
}

fn check(folder: &Path, line: &str, expected: Expect) {
    expected.assert_eq(&run(folder, line));
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

fn write(folder: &Path, name: &str, text: impl AsRef<[u8]>) {
    std::fs::write(folder.join(name), text).expect("a file");
}

const BEFORE: &str = "policy shop version 1\ntable items{id:id key}\nask all(){items.rows()}\n";

#[test]
fn fmt_formats_what_it_finds_and_leaves_what_it_cannot_read() {
    let folder = folder();
    let dir = folder.path();
    write(dir, "shop.3script", BEFORE);
    write(
        dir,
        "broken.3script",
        "policy shop version 1\nask all() { items.rows( }\n",
    );
    write(dir, "notes.txt", "not ours");
    check(
        dir,
        "fmt --check DIR",
        expect![[r#"
        DIR/broken.3script:2:25: an expression is wanted, not `}` [syntax]
          write a value, a name or a call here
        DIR/shop.3script: is not formatted
        2 files, 0 changed, 1 with faults
        exit 1
    "#]],
    );
    assert_eq!(
        std::fs::read_to_string(dir.join("shop.3script")).unwrap(),
        BEFORE
    );
    check(
        dir,
        "fmt DIR",
        expect![[r#"
        DIR/broken.3script:2:25: an expression is wanted, not `}` [syntax]
          write a value, a name or a call here
        DIR/shop.3script: formatted
        2 files, 1 changed, 1 with faults
        exit 1
    "#]],
    );
    check(
        dir,
        "fmt DIR/shop.3script",
        expect![[r#"
        1 file, 0 changed, 0 with faults
        exit 0
    "#]],
    );
    check(
        dir,
        "fmt --json DIR",
        expect![[r#"
        {"files":2,"changed":[],"faults":[{"file":"DIR/broken.3script","line":2,"column":25,"code":"syntax","reason":"an expression is wanted, not `}`","mend":"write a value, a name or a call here"}]}
        exit 1
    "#]],
    );
    check(
        dir,
        "fmt DIR/missing.3script",
        expect![[r#"
        cannot read DIR/missing.3script: No such file or directory (os error 2)
          check the path and its permissions
        exit 1
    "#]],
    );
    expect![[r#"
        policy shop version 1

        table items { id: id key }

        ask all() { items.rows() }
    "#]]
    .assert_eq(&std::fs::read_to_string(dir.join("shop.3script")).unwrap());
    let mut left: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    left.sort();
    assert_eq!(
        left,
        ["broken.3script", "notes.txt", "shop.3script"],
        "no drafts are left"
    );
}

#[test]
fn check_reports_every_file_that_is_not_right() {
    let folder = folder();
    let dir = folder.path();
    std::fs::create_dir(dir.join("below")).unwrap();
    write(dir, "below/shop.3script", BEFORE);
    write(dir, "empty.3script", "");
    write(dir, "binary.3script", [0x70, 0xff, 0xfe]);
    write(dir, "zero.3script", "policy a\0");
    write(dir, "huge.3script", vec![b' '; 2 << 20]);
    write(
        dir,
        "wrong.3script",
        "policy shop version 1\naction buy(item: id) by anyone { itms.get(item) }\n",
    );
    check(
        dir,
        "check DIR",
        expect![[r#"
            DIR/binary.3script is no text: byte 1 is not UTF-8 [file]
              name a policy file, or save it as UTF-8
            DIR/huge.3script has 2097152 bytes; no file of 3Script has more than 1048576 [file]
              name a policy file
            DIR/empty.3script:1:1: `policy` is wanted, not the end of the file [no_title]
              |
            1 | 
              | ^
              = begin the file with `policy NAME version N`
            DIR/wrong.3script:2:34: there is no variable `itms` [unknown_variable]
              |
            2 | action buy(item: id) by anyone { itms.get(item) }
              |                                  ^
              = did you mean `item`?
            DIR/zero.3script:1:9: the character \u{0} cannot be seen [character]
              |
            1 | policy a�
              |         ^
              = remove it; lines end with a line feed only
            DIR/below/shop.3script: shop version 1 is sound, 602b6ebfa797f0015e2049b637ba52a2f32a28370c2e3f7c9877c9e75454b6e6
            exit 1
        "#]],
    );
    check(
        dir,
        "check --json DIR/wrong.3script DIR/below",
        expect![[r#"
            {"policies":[{"file":"DIR/below/shop.3script","name":"shop","version":1,"hash":"602b6ebfa797f0015e2049b637ba52a2f32a28370c2e3f7c9877c9e75454b6e6"}],"tests":[],"faults":[{"file":"DIR/wrong.3script","line":2,"column":34,"severity":"error","code":"unknown_variable","reason":"there is no variable `itms`","mend":"did you mean `item`?"}]}
            exit 1
        "#]],
    );
    check(
        dir,
        "check DIR/below",
        expect![[r#"
        DIR/below/shop.3script: shop version 1 is sound, 602b6ebfa797f0015e2049b637ba52a2f32a28370c2e3f7c9877c9e75454b6e6
        exit 0
    "#]],
    );
    check(
        dir,
        "check DIR/missing",
        expect![[r#"
        cannot read DIR/missing: No such file or directory (os error 2)
          check the path and its permissions
        exit 1
    "#]],
    );
    std::fs::create_dir(dir.join("nothing")).unwrap();
    check(
        dir,
        "check DIR/nothing",
        expect![[r#"
        there is no *.3script file in DIR/nothing
          name a policy file, or a folder with some
        exit 1
    "#]],
    );
}

#[test]
fn new_makes_a_policy_that_is_formatted_sound_documented_and_wholly_tested() {
    let folder = folder();
    let dir = folder.path();
    check(
        dir,
        "new pinboard --in DIR",
        expect![[r#"
        DIR/pinboard/policy.3script
        DIR/pinboard/pinboard.test.3script
        DIR/pinboard/README.md
        now run `circle policy test DIR/pinboard`
        exit 0
    "#]],
    );
    check(
        dir,
        "fmt --check DIR/pinboard",
        expect![[r#"
        2 files, 0 changed, 0 with faults
        exit 0
    "#]],
    );
    check(
        dir,
        "check DIR/pinboard",
        expect![[r#"
        DIR/pinboard/pinboard.test.3script: 6 tests of pinboard are sound
        DIR/pinboard/policy.3script: pinboard version 1 is sound, 857df8865eb50040f45767a01a96dfa34dd3353ae3738c4c05d8637eceee445f
        exit 0
    "#]],
    );
    check(
        dir,
        "test DIR/pinboard --coverage --threshold 100",
        expect![[r#"
            DIR/pinboard/pinboard.test.3script
              ok    a note is there for everybody to read
              ok    a note is not empty, and not too long
              ok    nobody but guardians writes
              ok    only its author takes a note back
              ok    nobody asks for too many
              ok    as many notes are shown as are asked for (100 cases)
            6 passed, 0 failed, 1 file, seed 0
            DIR/pinboard/policy.3script: 100% (10 of 10) of the lines, 100% (0 of 0) of the branches
            exit 0
        "#]],
    );
    let page = run(dir, "doc DIR/pinboard");
    expect_file!["../template/page.md"].assert_eq(&page);
    check(
        dir,
        "new pinboard --in DIR",
        expect![[r#"
        DIR/pinboard is there already
          take another name, or remove it first
        exit 1
    "#]],
    );
    check(
        dir,
        "new other --in DIR --json",
        expect![[r#"
        {"name":"other","files":["DIR/other/policy.3script","DIR/other/other.test.3script","DIR/other/README.md"]}
        exit 0
    "#]],
    );
    for name in ["Bad", "circle", "a-b", "1a", "..", "a/b"] {
        let said = run(dir, &format!("new {name} --in DIR"));
        assert!(
            said.contains("exit 1") && !said.contains("policy.3script"),
            "{name}: {said}"
        );
    }
    let mut left: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    left.sort();
    assert_eq!(left, ["other", "pinboard"]);
}

/// The pinboard with some of its text replaced.
fn changed(replacements: &[(&str, &str)]) -> String {
    let mut text = crate::template::files("pinboard")[0].1.clone();
    for (old, new) in replacements {
        assert!(text.contains(old), "{old}");
        text = text.replace(old, new);
    }
    text
}

#[test]
fn diff_says_what_a_voter_has_to_know() {
    let folder = folder();
    let dir = folder.path();
    write(dir, "old.3script", changed(&[]));
    write(
        dir,
        "same.3script",
        changed(&[
            ("/// Notes that", "/// All notes that"),
            ("    let is_short", "    // Not too long.\n    let is_short"),
        ]),
    );
    check(
        dir,
        "diff DIR/old.3script DIR/same.3script",
        expect![[r#"
        from pinboard version 1, 857df8865eb50040f45767a01a96dfa34dd3353ae3738c4c05d8637eceee445f
        to   pinboard version 1, f56439b2f6afd40c3b3462233b657e0640968eaa82ab2d11591510f50684637b
        Both do the same.
        exit 0
    "#]],
    );
    write(
        dir,
        "wider.3script",
        changed(&[
            ("version 1", "version 2"),
            ("by guardian", "by anyone"),
            ("most: int = 10", "most: int = 20"),
            ("200 from 1 to 1000", "300 from 1 to 2000"),
        ]),
    );
    check(
        dir,
        "diff DIR/old.3script DIR/wider.3script",
        expect![[r#"
        from pinboard version 1, 857df8865eb50040f45767a01a96dfa34dd3353ae3738c4c05d8637eceee445f
        to   pinboard version 2, 0c6de40e526eb90a385b38869ff83c3f3230bb541628086f923e76627e6245c0

        ~ policy pinboard is changed
            the version: 1 → 2

        ~ param longest is changed
            its default: 200 → 300
            its bounds: from 1 to 1000 → from 1 to 2000

        ! action write is changed
            WIDER: by guardian → by anyone; anyone may do it now
            @@ -2,5 +2,5 @@
                 /// What it says, in one line.
                 says: text,
            -) by guardian {
            +) by anyone {
                 let is_short = says.trim() != "" && says.len() <= longest;
                 require(is_short, "pinboard.length", `a note has 1 to ${longest} characters`);

        ~ ask latest is changed
            the default of `most`: 10 → 20
            @@ -1,3 +1,3 @@
            -ask latest(most: int = 10) {
            +ask latest(most: int = 20) {
                 require(most > 0 && most <= 100, "pinboard.most", "ask for 1 to 100 notes");
                 notes.order_desc("number").limit(most).rows()
        exit 1
    "#]],
    );
    check(
        dir,
        "diff DIR/wider.3script DIR/old.3script --json",
        expect![[r#"
            {"old":{"name":"pinboard","version":2,"hash":"0c6de40e526eb90a385b38869ff83c3f3230bb541628086f923e76627e6245c0"},"new":{"name":"pinboard","version":1,"hash":"857df8865eb50040f45767a01a96dfa34dd3353ae3738c4c05d8637eceee445f"},"same":false,"rows_stay_readable":true,"changes":[{"kind":"policy","name":"pinboard","change":"changed","weight":"plain","details":["the version: 2 → 1"]},{"kind":"param","name":"longest","change":"changed","weight":"plain","details":["its default: 300 → 200","its bounds: from 1 to 2000 → from 1 to 1000"]},{"kind":"action","name":"write","change":"changed","weight":"plain","details":["NARROWER: by anyone → by guardian; anyone may not do it any more"],"text":"@@ -2,5 +2,5 @@\n     /// What it says, in one line.\n     says: text,\n-) by anyone {\n+) by guardian {\n     let is_short = says.trim() != \"\" && says.len() <= longest;\n     require(is_short, \"pinboard.length\", `a note has 1 to ${longest} characters`);\n"},{"kind":"ask","name":"latest","change":"changed","weight":"plain","details":["the default of `most`: 20 → 10"],"text":"@@ -1,3 +1,3 @@\n-ask latest(most: int = 20) {\n+ask latest(most: int = 10) {\n     require(most > 0 && most <= 100, \"pinboard.most\", \"ask for 1 to 100 notes\");\n     notes.order_desc(\"number\").limit(most).rows()\n"}]}
            exit 1
        "#]],
    );
    write(
        dir,
        "readable.3script",
        changed(&[(
            "    written: time,\n",
            "    written: time,\n    pinned: bool?,\n",
        )]),
    );
    check(
        dir,
        "diff DIR/old.3script DIR/readable.3script",
        expect![[r#"
            from pinboard version 1, 857df8865eb50040f45767a01a96dfa34dd3353ae3738c4c05d8637eceee445f
            to   pinboard version 1, 08d18684233b6f808c1f028c3f18b83eaa46b5dfd94fd69332e33f6f958700d6

            ~ table notes is changed
                stored rows stay readable
                the column `pinned: bool?` is new
            exit 1
        "#]],
    );
    write(
        dir,
        "unreadable.3script",
        changed(&[
            (
                "    written: time,\n",
                "    written: time index,\n    votes: int,\n",
            ),
            ("written: block.time }", "written: block.time, votes: 0 }"),
            ("emit(\"written\"", "emit(\"wrote\""),
        ]),
    );
    check(
        dir,
        "diff DIR/old.3script DIR/unreadable.3script",
        expect![[r#"
            from pinboard version 1, 857df8865eb50040f45767a01a96dfa34dd3353ae3738c4c05d8637eceee445f
            to   pinboard version 1, 2d8cb17cc3885295fec9d83bee18780be23d374d86234d3a5909887593db1f72

            ! table notes is changed
                NOT COMPATIBLE: rows that are stored cannot be relied on
                the column `written` has an index now, which stored rows are not in
                the column `votes: int` is new and may not be empty

            ~ action write is changed
                @@ -5,6 +5,6 @@
                     let is_short = says.trim() != "" && says.len() <= longest;
                     require(is_short, "pinboard.length", `a note has 1 to ${longest} characters`);
                -    let number = notes.insert(#{ author: caller.account, says: says, written: block.time });
                -    emit("written", #{ note: number, author: caller.account });
                +    let number = notes.insert(#{ author: caller.account, says: says, written: block.time, votes: 0 });
                +    emit("wrote", #{ note: number, author: caller.account });
                     number
                 }

            - event written is removed

            + event wrote is added
            exit 1
        "#]],
    );
    write(
        dir,
        "broken.3script",
        changed(&[("notes.delete(note)", "nots.delete(note)")]),
    );
    check(
        dir,
        "diff DIR/old.3script DIR/broken.3script",
        expect![[r#"
            line 32, column 5: DIR/broken.3script: there is no variable `nots` [unknown_variable]
              1 faults in all; see `circle policy check DIR/broken.3script`
            exit 1
        "#]],
    );
}

#[test]
fn doc_writes_pages_and_says_what_is_wrong() {
    let folder = folder();
    let dir = folder.path();
    write(dir, "shop.3script", BEFORE);
    check(
        dir,
        "doc DIR --out DIR/pages",
        expect![[r#"
        DIR/pages/shop.md written
        exit 0
    "#]],
    );
    expect![[r#"
        # shop

        Version 1, hash `602b6ebfa797f0015e2049b637ba52a2f32a28370c2e3f7c9877c9e75454b6e6`.

        ## Questions

        ### `all`

        ```
        !shop.all
        ```

        ## Tables

        ### `items`

        | column | type | | |
        |---|---|---|---|
        | `id` | id | key |  |
    "#]]
    .assert_eq(&std::fs::read_to_string(dir.join("pages/shop.md")).unwrap());
    check(
        dir,
        "doc DIR --json",
        expect![[r#"
        {"policies":[{"name":"shop","version":1,"hash":"602b6ebfa797f0015e2049b637ba52a2f32a28370c2e3f7c9877c9e75454b6e6","doc":"","params":[],"constants":[],"tables":[{"name":"items","doc":"","columns":[{"name":"id","type":"id","value":"","bounds":"key","doc":""}]}],"entries":[{"kind":"ask","name":"all","form":"!shop.all","by":"","doc":"","params":[]}],"formulas":[],"events":[],"effects":[]}],"host":null,"faults":[]}
        exit 0
    "#]],
    );
    write(dir, "broken.3script", "policy shop");
    check(
        dir,
        "doc DIR/broken.3script",
        expect![[r#"
        DIR/broken.3script:1:12: `version` is wanted, not the end of the file [syntax]
          |
        1 | policy shop
          |            ^
          = begin the file with `policy NAME version N`
        exit 1
    "#]],
    );
}

#[test]
fn the_page_of_the_host_api_is_current() {
    let printed = run(Path::new("/nowhere"), "doc --host");
    let page = printed.strip_suffix("exit 0\n").expect("it works");
    expect_file!["../../../docs/host-api.md"].assert_eq(page);
}

#[test]
fn every_native_of_the_circle_has_a_page_whose_example_gives_what_it_says() {
    use circle::natives::manual::native_page;
    let language = crate::language::standard();
    let mut policy = "policy examples version 1\naction reset() by circle { 1 }\n".to_owned();
    let mut tests = "tests of examples\n".to_owned();
    let mut count = 0;
    // Those that only questions may call.
    let questions = ["circle.ask", "circle.simulate"];
    for (module, functions) in language.catalog.modules() {
        for function in functions {
            let name = format!("{module}.{}", function.name);
            let Some(page) = native_page(module, &function.name) else {
                panic!("{name} needs a page in circle/src/natives/manual.rs");
            };
            assert!(page.example.contains(&name), "{}", page.example);
            let action = name.replace('.', "_");
            let (kind, by) = match questions.contains(&name.as_str()) {
                true => ("ask", ""),
                false => ("action", " by anyone"),
            };
            let given = if page.example.contains("(script)") {
                "script: script"
            } else {
                "batch: bytes"
            };
            policy += &format!("{kind} {action}({given}){by} {{ {} }}\n", page.example);
            let call = match given {
                "script: script" => format!(
                    "\"!{}examples.{action} script:'!!examples.reset'\"",
                    if kind == "ask" { "" } else { "!" }
                ),
                _ => format!("\"examples.{action}\", #{{ batch: batch }}"),
            };
            tests += &format!(
                "test \"{name}\" {{ account(\"alice\", \"consumer\"); account(\"bob\", \"farmer\"); deposit(\"alice\", amount(\"100 TFT\"));\n\
                 let start = time(\"2025-12-31 22:00:00\");\n\
                 let batch = ious([#{{ farmer: \"bob\", consumer: \"alice\", from: start, to: start + 1.hours, amount: amount(\"5 TFT\") }}]);\n"
            );
            tests += &match (page.result.strip_prefix("error "), kind) {
                (Some(code), "ask") => format!("ask_refused({call}, \"{code}\"); }}\n"),
                (None, "ask") => format!("expect(ask({call}), {}); }}\n", page.result),
                (Some(code), _) => format!("refused(\"alice\", {call}, \"{code}\"); }}\n"),
                (None, _) => format!("expect(act(\"alice\", {call}), {}); }}\n", page.result),
            };
            count += 1;
        }
    }
    let folder = folder();
    write(folder.path(), "policy.3script", policy);
    write(folder.path(), "examples.test.3script", tests);
    let said = run(folder.path(), "test DIR");
    assert!(said.ends_with("exit 0\n") && count >= 15, "{count}: {said}");
}

/// The words of a command of the page in a folder: paths are in that folder.
fn in_folder(line: &str) -> String {
    let mut words = line.split_whitespace();
    let verb = words.next().unwrap_or_default();
    let rest = words.map(|word| match word.starts_with('-') || verb == "new" {
        true => word.to_owned(),
        false => format!("DIR/{word}"),
    });
    let place = if verb == "new" { " --in DIR" } else { "" };
    format!("{verb} {}{place}", rest.collect::<Vec<_>>().join(" "))
}

#[test]
fn every_command_of_the_page_about_tools_prints_what_it_shows() {
    let folder = folder();
    let dir = folder.path();
    write(
        dir,
        "next.3script",
        changed(&[
            ("version 1", "version 2"),
            ("by guardian", "by anyone"),
            ("from 1 to 1000", "from 1 to 500"),
            (
                "    written: time,\n",
                "    written: time,\n    pinned: bool?,\n",
            ),
        ]),
    );
    let page = include_str!("../../../docs/policy-tools.md");
    let mut written = String::new();
    let mut commands = 0;
    for (index, part) in page.split("```").enumerate() {
        let command = part
            .lines()
            .find_map(|line| line.strip_prefix("$ circle policy "));
        match (index % 2, command) {
            (1, Some(command)) => {
                let printed = run(dir, &in_folder(command)).replace("DIR/", "");
                let printed = printed
                    .trim_end_matches("exit 0\n")
                    .trim_end_matches("exit 1\n");
                written += &format!("```console\n$ circle policy {command}\n{printed}```");
                commands += 1;
            }
            (1, None) => panic!("a block without a command: {part}"),
            _ => written += part,
        }
    }
    assert!(commands >= 4, "{commands}");
    expect_file!["../../../docs/policy-tools.md"].assert_eq(&written);
}
