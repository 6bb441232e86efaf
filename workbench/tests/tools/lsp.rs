//! The language server as an editor talks to it, message by message.

use expect_test::{Expect, expect};
use lsp_server::{Connection, Message, Notification, Request, RequestId};
use serde_json::{Value, json};
use workbench::lsp::serve;

const URI: &str = "file:///nowhere/shop/policy.3script";
const SOURCE: &str = r#"policy shop version 1

/// What a day costs.
const FEE = 1 TFT

/// The things.
table things {
    id: id key,
    /// What it is called.
    name: text index,
    owner: account?,
}

/// Offers a thing.
action offer(
    /// How it is called.
    name: text,
) by guardian {
    let row = things.insert(#{ name: name });
    emit("offered", #{ thing: row, at: circle.guardians(), fee: FEE });
    tell(row)
}

fn tell(thing) { things.get(thing).name }
"#;

/// An editor, and the server on a thread.
struct Editor {
    connection: Connection,
    server: std::thread::JoinHandle<Result<(), workbench::problem::Problem>>,
    last: i32,
}

impl Editor {
    fn start() -> Self {
        let (theirs, connection) = Connection::memory();
        let server = std::thread::Builder::new()
            .stack_size(64 << 20)
            .spawn(move || serve(&theirs))
            .unwrap();
        let mut editor = Self {
            connection,
            server,
            last: 0,
        };
        let started = editor.ask("initialize", json!({ "capabilities": {} }));
        assert_eq!(started["capabilities"]["hoverProvider"], json!(true));
        editor.tell("initialized", json!({}));
        editor
    }

    fn tell(&self, method: &str, params: Value) {
        let notification = Notification::new(method.to_owned(), params);
        self.connection
            .sender
            .send(Message::Notification(notification))
            .unwrap();
    }

    /// The result of a request, or `{ code, message }` of its error.
    fn ask(&mut self, method: &str, params: Value) -> Value {
        self.last += 1;
        let id = RequestId::from(self.last);
        let request = Request::new(id.clone(), method.to_owned(), params);
        self.connection
            .sender
            .send(Message::Request(request))
            .unwrap();
        loop {
            match self.connection.receiver.recv().unwrap() {
                Message::Response(response) => {
                    assert_eq!(response.id, id);
                    return match (response.result, response.error) {
                        (_, Some(error)) => json!({ "code": error.code, "message": error.message }),
                        (result, None) => result.unwrap_or_default(),
                    };
                }
                Message::Notification(_) => {}
                Message::Request(request) => panic!("{request:?}"),
            }
        }
    }

    /// What the server says of a file after it was told something.
    fn faults(&self) -> String {
        let Message::Notification(told) = self.connection.receiver.recv().unwrap() else {
            panic!("diagnostics are told");
        };
        assert_eq!(told.method, "textDocument/publishDiagnostics");
        let faults = told.params["diagnostics"]
            .as_array()
            .unwrap()
            .iter()
            .map(|fault| {
                let (start, end) = (&fault["range"]["start"], &fault["range"]["end"]);
                let message = fault["message"].as_str().unwrap().replace('\n', " | ");
                format!(
                    "{}:{}-{}:{} severity {} {} {message}\n",
                    start["line"],
                    start["character"],
                    end["line"],
                    end["character"],
                    fault["severity"],
                    fault["code"]
                )
            });
        faults.collect()
    }

    fn open(&self, text: &str) -> String {
        self.open_at(URI, text)
    }

    fn open_at(&self, uri: &str, text: &str) -> String {
        let document = json!({ "uri": uri, "languageId": "3script", "version": 1, "text": text });
        self.tell("textDocument/didOpen", json!({ "textDocument": document }));
        self.faults()
    }

    fn change(&self, text: &str) -> String {
        let document = json!({ "uri": URI, "version": 2 });
        self.tell(
            "textDocument/didChange",
            json!({ "textDocument": document, "contentChanges": [{ "text": text }] }),
        );
        self.faults()
    }

    fn at(&mut self, method: &str, line: usize, character: usize) -> Value {
        let place = json!({ "textDocument": { "uri": URI }, "position": { "line": line, "character": character } });
        self.ask(method, place)
    }

    /// Asks about the place behind the first occurrence of some text.
    fn behind(&mut self, method: &str, source: &str, text: &str) -> Value {
        let offset = source.find(text).unwrap() + text.len();
        let line = source[..offset].matches('\n').count();
        let character = offset - source[..offset].rfind('\n').map_or(0, |at| at + 1);
        self.at(method, line, character)
    }

    fn hover(&mut self, text: &str) -> String {
        let hover = self.behind("textDocument/hover", SOURCE, text);
        hover["contents"]["value"]
            .as_str()
            .unwrap_or("nothing")
            .to_owned()
    }

    fn labels(&mut self, source: &str, text: &str) -> Vec<String> {
        let items = self.behind("textDocument/completion", source, text);
        let items = items.as_array().unwrap().iter();
        items
            .map(|item| item["label"].as_str().unwrap().to_owned())
            .collect()
    }

    fn stop(mut self) {
        assert_eq!(self.ask("shutdown", Value::Null), Value::Null);
        self.tell("exit", Value::Null);
        self.server.join().unwrap().expect("the server ends well");
    }
}

fn check(shown: String, expected: Expect) {
    expected.assert_eq(&shown);
}

#[test]
fn faults_follow_what_is_typed() {
    let editor = Editor::start();
    assert_eq!(editor.open(SOURCE), "");
    let faulty = SOURCE
        .replace("#{ name: name }", "#{ nam: 5 }")
        .replace("tell(row)", "let 😀 = row.id");
    check(
        editor.change(&faulty),
        expect![[r#"
        20:8-20:10 severity 1 "syntax" Unexpected '😀'
    "#]],
    );
    let faulty = SOURCE
        .replace("#{ name: name }", "#{ name: 5 }")
        .replace("    tell(row)\n", "    let x = \"😀\"; FEE + 1\n");
    check(
        editor.change(&faulty),
        expect![[r#"
        18:37-18:38 severity 1 "type" `name` of table `things`: text is wanted, int is given
        20:22-20:23 severity 1 "type" amount + int has no meaning | say which asset: 1.of("TFT")
    "#]],
    );
    assert_eq!(editor.change(SOURCE), "");
    // Half a file, as it is while somebody types.
    for end in (0..SOURCE.len()).step_by(7) {
        editor.change(&SOURCE[..end]);
    }
    editor.tell(
        "textDocument/didClose",
        json!({ "textDocument": { "uri": URI } }),
    );
    assert_eq!(editor.faults(), "");
    editor.stop();
}

#[test]
fn files_of_tests_are_checked_with_the_policy_beside_them() {
    let editor = Editor::start();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("policy.3script"), SOURCE).unwrap();
    let uri = format!("file://{}/shop.test.3script", folder.path().display());
    let text = "tests of shop\n\ntest \"a thing is offered\" {\n    act(\"g1\", \"shop.offer\", #{ name: \"drill\" });\n    expect(things.cuont(), 1);\n}\n";
    check(
        editor.open_at(&uri, text),
        expect![[r#"
        4:18-4:23 severity 1 "unknown_function" a table has no `cuont` | did you mean `count`?
    "#]],
    );
    let elsewhere = "file:///nowhere/shop.test.3script";
    check(
        editor.open_at(elsewhere, text),
        expect![[r#"
        0:9-0:13 severity 1 "unknown_policy" there is no file of the policy shop near /nowhere | put it beside the tests as policy.3script or shop.3script, or into ../shop/policy.3script
    "#]],
    );
    editor.stop();
}

#[test]
fn a_word_says_what_it_is_and_where_it_is_declared() {
    let mut editor = Editor::start();
    editor.open(SOURCE);
    for (text, expected) in [
        (
            "fee: FE",
            expect![[r#"
            ```3script
            const FEE = 1 TFT
            ```
            What a day costs."#]],
        ),
        (
            "things.ins",
            expect![[r#"
            ```3script
            insert(table, row)
            ```
            `table, new_row -> key`

            Adds a row and gives its key: the value of the key column, or a list of the values of several. A single `id` key that is not given is numbered from 1.

            Costs: 8 for the head of the table, the row and each index entry, and 1 for 64 bytes of the row. Example: `rows.insert(#{ n: 5 })` gives `#1`

            ---

            ```3script
            insert(list, place, item)
            ```
            `list, int, any -> nothing`

            Adds an item before the one at this place, from 0.

            Costs: the size of the item. Example: `let list = [1, 2]; list.insert(0, 3); list` gives `[3, 1, 2]`"#]],
        ),
        (
            "at: circle.guard",
            expect![[r#"
            ```3script
            circle.guardians() -> int
            ```
            How many guardians the circle has.

            Costs 10 operations. May be asked in questions."#]],
        ),
        (
            "let row = thi",
            expect![[r#"
            ```3script
            table things
            ```
            The things."#]],
        ),
        (
            "#{ name: na",
            expect![[r#"
            ```3script
            name: text
            ```
            of `offer`

            How it is called."#]],
        ),
        (
            "get(thing).na",
            expect![[r#"
            ```3script
            name: text index
            ```
            of `things`

            What it is called."#]],
        ),
        ("version ", expect![["nothing"]]),
    ] {
        check(editor.hover(text), expected);
    }
    let mut shown = String::new();
    for text in [
        "fee: FE",
        "let row = thi",
        "thing: ro",
        "tell(ro",
        "    tel",
        "#{ name: na",
        "get(thing).na",
        "emit",
    ] {
        let found = editor.behind("textDocument/definition", SOURCE, text);
        let start = &found["range"]["start"];
        shown += &format!("{text}: {}:{}\n", start["line"], start["character"]);
    }
    check(
        shown,
        expect![[r#"
        fee: FE: 3:6
        let row = thi: 6:6
        thing: ro: 18:8
        tell(ro: 18:8
            tel: 23:3
        #{ name: na: 16:4
        get(thing).na: 9:4
        emit: null:null
    "#]],
    );
    editor.stop();
}

#[test]
fn what_may_stand_at_a_place_is_offered() {
    let mut editor = Editor::start();
    let unfinished = SOURCE
        .replace(
            "    tell(row)\n",
            "    things.\n    circle.\n    row.\n    things.where(\"\n    F\n",
        )
        .replace("fn tell", "\nfn tell");
    editor.open(&unfinished);
    let table = editor.labels(
        &unfinished,
        "    things.\n    circle"[..11].trim_end_matches('\n'),
    );
    assert!(
        table.contains(&"insert".to_owned())
            && table.contains(&"where".to_owned())
            && !table.contains(&"trim".to_owned()),
        "{table:?}"
    );
    let natives = editor.labels(&unfinished, "    circle.");
    assert!(
        natives.contains(&"guardians".to_owned()) && !natives.contains(&"insert".to_owned()),
        "{natives:?}"
    );
    let parts = editor.labels(&unfinished, "    row.");
    assert_eq!(parts[..3], ["id", "name", "owner"]);
    let columns = editor.labels(&unfinished, "things.where(\"");
    assert_eq!(columns[..3], ["id", "name", "owner"]);
    let all = editor.labels(&unfinished, "    F");
    for word in [
        "FEE", "things", "offer", "name", "tell", "circle", "require", "if", "amount",
    ] {
        assert!(all.contains(&word.to_owned()), "{word} is offered");
    }
    let starts = editor.labels("\npolicy", "");
    assert!(
        starts.contains(&"action".to_owned()) && !starts.contains(&"FEE".to_owned()),
        "{starts:?}"
    );
    editor.stop();
}

#[test]
fn the_outline_and_the_style_are_those_of_the_file() {
    let mut editor = Editor::start();
    editor.open(SOURCE);
    let document = json!({ "textDocument": { "uri": URI }, "options": { "tabSize": 4, "insertSpaces": true } });
    let symbols = editor.ask("textDocument/documentSymbol", document.clone());
    let symbols = symbols.as_array().unwrap().iter().map(|symbol| {
        let parts = symbol["children"].as_array().unwrap().iter();
        let parts: Vec<&str> = parts.map(|part| part["name"].as_str().unwrap()).collect();
        let range = &symbol["range"];
        format!(
            "{} {}-{} {parts:?}\n",
            symbol["name"], range["start"]["line"], range["end"]["line"]
        )
    });
    check(
        symbols.collect(),
        expect![[r#"
        "shop" 0-0 []
        "FEE" 3-3 []
        "things" 6-11 ["id", "name", "owner"]
        "offer" 14-21 ["name"]
        "tell" 23-23 ["thing"]
    "#]],
    );
    assert_eq!(
        editor.ask("textDocument/formatting", document.clone()),
        json!([])
    );
    let crooked = SOURCE.replace("    let row", "  let   row");
    editor.change(&crooked);
    let edits = editor.ask("textDocument/formatting", document.clone());
    assert_eq!(edits[0]["newText"], SOURCE);
    editor.change("policy shop version 1\naction x() by anyone {");
    assert_eq!(
        editor.ask("textDocument/formatting", document)["code"],
        -32803
    );
    editor.stop();
}

#[test]
fn nothing_that_an_editor_sends_ends_the_server() {
    let mut editor = Editor::start();
    editor.open(SOURCE);
    assert_eq!(
        editor.ask("textDocument/nonsense", json!({}))["code"],
        -32601
    );
    assert_eq!(
        editor.ask("textDocument/hover", json!({ "position": "here" }))["code"],
        -32602
    );
    let other = json!({ "textDocument": { "uri": "file:///etc/other" }, "position": { "line": 0, "character": 0 } });
    assert_eq!(editor.ask("textDocument/hover", other)["code"], -32602);
    editor.tell("textDocument/didOpen", json!({ "textDocument": 5 }));
    editor.tell(
        "textDocument/didChange",
        json!({ "textDocument": { "uri": "file:///x", "version": 1 }, "contentChanges": [] }),
    );
    editor.tell("$/setTrace", json!({ "value": "off" }));
    for place in [
        (9_999, 0),
        (0, 9_999),
        (u32::MAX as usize, u32::MAX as usize),
    ] {
        for method in [
            "textDocument/hover",
            "textDocument/completion",
            "textDocument/definition",
        ] {
            let answer = editor.at(method, place.0, place.1);
            assert!(answer.get("code").is_none(), "{method} {place:?}: {answer}");
        }
    }
    // Within a character of two UTF-16 units.
    editor.change("policy 😀😀 version 1\n");
    for character in 0..14 {
        editor.at("textDocument/hover", 0, character);
        editor.at("textDocument/completion", 0, character);
    }
    let huge = "x".repeat(3 << 20);
    assert!(editor.change(&huge).contains("the file has 3145728 bytes"));
    assert!(editor.change(&"{".repeat(60_000)).contains("severity 1"));
    for uri in [
        "untitled:shop",
        "file://%zz%2",
        "http://other/policy.3script",
        "",
    ] {
        let document = json!({ "uri": uri, "languageId": "3script", "version": 1, "text": SOURCE });
        editor.tell("textDocument/didOpen", json!({ "textDocument": document }));
    }
    assert!(editor.at("textDocument/hover", 0, 0).get("code").is_none());
    editor.stop();
}
