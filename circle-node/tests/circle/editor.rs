//! The language server as an editor meets it: a process that answers on its stdout.

use std::sync::Mutex;

use super::*;

fn message(body: &str) -> String {
    format!("Content-Length: {}\r\n\r\n{body}", body.len())
}

#[test]
fn an_editor_is_answered_by_the_process_that_it_starts() {
    let mut server = circle(&["policy", "lsp"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = server.stdin.take().unwrap();
    let mut stdout = server.stdout.take().unwrap();
    for body in [
        r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"capabilities":{}}}"#,
        r#"{"jsonrpc":"2.0","method":"initialized","params":{}}"#,
        r#"{"jsonrpc":"2.0","id":2,"method":"shutdown"}"#,
        r#"{"jsonrpc":"2.0","method":"exit"}"#,
    ] {
        stdin.write_all(message(body).as_bytes()).unwrap();
    }
    let answers = Mutex::new(String::new());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut text = String::new();
            stdout.read_to_string(&mut text).unwrap();
            *answers.lock().unwrap() = text;
        });
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            until("the language server to end", || server.try_wait().unwrap())
        }));
        // One that hangs must not outlive its test.
        let _ = server.kill();
        assert!(ended.unwrap().success());
    });
    let answers = answers.into_inner().unwrap();
    assert!(answers.contains(r#""hoverProvider":true"#), "{answers}");
    assert!(answers.contains(r#""id":2"#), "{answers}");
}
