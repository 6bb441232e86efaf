//! The `circle` binary as a person and a program meet it: its verbs, their errors, and a whole circle of nine nodes.

mod editor;
mod keys;
mod membership;
mod money;
#[cfg(feature = "anvil")]
mod on_anvil;
mod page;
mod policies;
#[path = "../../../treasury/chains/tests/chains/proxy.rs"]
#[allow(dead_code)]
mod proxy;
mod restored;
#[cfg(feature = "anvil")]
#[path = "../../../treasury/chains/tests/chains/on_anvil/rpc.rs"]
#[allow(dead_code)]
mod rpc;
mod tutorial;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use expect_test::{Expect, expect};
use serde_json::Value;

fn circle(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_circle"));
    command
        .args(arguments)
        .env_remove("CIRCLE_HOME")
        .env_remove("CIRCLE_NODE")
        .env_remove("CIRCLE_PASSPHRASE_FILE")
        .env_remove("CREDENTIALS_DIRECTORY")
        .env_remove("RUST_LOG");
    command
}

/// Runs the binary with `input` on stdin; gives exit status, stdout and stderr.
fn run(arguments: &[&str], input: &str) -> (i32, String, String) {
    let mut command = circle(arguments);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}

fn json(arguments: &[&str], status: i32) -> Value {
    let (code, stdout, stderr) = run(arguments, "");
    assert_eq!(code, status, "{arguments:?}: {stdout}{stderr}");
    serde_json::from_str(&stdout).unwrap_or_else(|error| {
        panic!("{arguments:?} printed no one JSON document: {error}\n{stdout}")
    })
}

fn check_parse(text: &str, status: i32, expected: Expect) {
    let (code, stdout, _) = run(&["act", "--parse-only", "-", "--json"], text);
    assert_eq!(code, status, "{stdout}");
    expected.assert_eq(&stdout);
}

#[test]
fn what_a_text_means_is_said_without_a_node() {
    check_parse(
        "Prose means nothing.\n!!vote.cast proposal:7 urgent\n  choice:yes tags:a, 'b c'\n",
        0,
        expect![[r#"
            {"actions":[{"mark":"!!","actor":"vote","name":"cast","params":{"proposal":"7","choice":"yes","tags":["a","b c"]},"flags":["urgent"]}],"canonical":"!!vote.cast choice:yes proposal:7 tags:a, 'b c' urgent\n"}
        "#]],
    );
    check_parse(
        "!!vote.cast a: b:1\n",
        1,
        expect![[r#"
            {"error":{"line":1,"column":16,"code":"ambiguous_value","reason":"`b:1` after a space, which is the value to some readers and a parameter to others","mend":"write a:'' for an empty value, or quote the value: 'b:1'"}}
        "#]],
    );
    check_parse(
        "",
        0,
        expect![[r#"
            {"actions":[],"canonical":""}
        "#]],
    );
}

#[test]
fn mistakes_are_named_with_their_mend_and_a_status_of_failure() {
    let directory = tempfile::tempdir().unwrap();
    let home = directory.path().join("nowhere").display().to_string();
    let check = |arguments: &[&str], code: &str| {
        let error = &json(arguments, 1)["error"];
        assert_eq!(error["code"], code, "{arguments:?}: {error}");
        let (_, _, stderr) = run(arguments, "");
        let mend = error["mend"].as_str().unwrap();
        assert!(
            !mend.is_empty() && stderr.contains(mend),
            "{arguments:?}: {stderr}"
        );
    };
    check(&["devnet", "--guardians", "8", "--json"], "members.count");
    check(&["devnet", "--guardians", "100", "--json"], "members.count");
    check(&["devnet", "--stop", "g1,g2,g3", "--json"], "devnet.stop");
    check(&["devnet", "--stop", "zoe", "--json"], "devnet.guardian");
    check(&["devnet", "--until", "waiting", "--json"], "devnet.until");
    check(
        &[
            "devnet",
            "--ious",
            "/nowhere.iou",
            "--keys",
            "/nowhere",
            "--json",
        ],
        "devnet.ious",
    );
    check(&["status", "--home", &home, "--json"], "home.missing");
    check(&["status", "--node", "nowhere", "--json"], "node.address");
    check(
        &["status", "--node", "127.0.0.1:1", "--json"],
        "node.unreachable",
    );
    check(&["start", "--home", &home, "--json"], "home.missing");
    check(&["act", "--parse-only", "/nowhere.md", "--json"], "file");
    check(
        &["init", "--guardian", "ada", "--home", &home, "--json"],
        "init.address",
    );
    for verb in [
        "devnet", "init", "start", "status", "act", "ask", "iou", "treasury", "sandbox",
    ] {
        let (code, stdout, _) = run(&[verb, "--help"], "");
        assert!(
            code == 0 && stdout.contains("Usage: circle"),
            "{verb}: {stdout}"
        );
    }
}

#[test]
fn nine_founders_make_a_circle_in_three_steps() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name).display().to_string();
    let names: Vec<String> = (1..=9).map(|number| format!("founder{number}")).collect();
    let mut found = vec![
        "init".to_owned(),
        "--circle".into(),
        "Ours".into(),
        "--out".into(),
        at("genesis.json"),
        "--json".into(),
        "--members".into(),
    ];
    for (index, name) in names.iter().enumerate() {
        let address = format!("[::1]:{}", 9701 + index);
        let made = json(
            &[
                "init",
                "--home",
                &at(name),
                "--guardian",
                name,
                "--address",
                &address,
                "--json",
            ],
            0,
        );
        found.push(made["member_file"].as_str().unwrap().to_owned());
    }
    let founding: Vec<&str> = found.iter().map(String::as_str).collect();
    let eight = json(&founding[..founding.len() - 1], 1);
    assert_eq!(eight["error"]["code"], "members.count");
    let genesis = json(&founding, 0);
    assert_eq!(
        json(&founding, 1)["error"]["code"],
        "file",
        "a genesis is never overwritten"
    );
    let joined = json(
        &[
            "init",
            "--home",
            &at("founder3"),
            "--guardian",
            "founder3",
            "--genesis",
            &at("genesis.json"),
            "--json",
        ],
        0,
    );
    assert_eq!(joined["digest"], genesis["digest"]);
    let config = std::fs::read_to_string(directory.path().join("founder3/circle.toml")).unwrap();
    assert!(
        config.contains("founder9 = [\"[::1]:9709\"]")
            && config.contains("listen = [\"[::]:9703\"]"),
        "{config}"
    );
    let stranger = json(
        &[
            "init",
            "--home",
            &at("eve"),
            "--guardian",
            "founder3",
            "--genesis",
            &at("genesis.json"),
            "--json",
        ],
        1,
    );
    assert_eq!(stranger["error"]["code"], "home.key");
}

/// Starts the binary, and waits for its first line, which is a document.
pub fn started(arguments: &[&str]) -> (Child, Value) {
    // Whoever was killed may still be closing its files, or letting go of its port.
    until("a process to start", || {
        let mut child = circle(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let told: Value = serde_json::from_str(&line).unwrap();
        match told["error"]["code"].as_str() {
            None => Some((child, told)),
            Some("api.listen" | "log.start" | "home.busy") => {
                child.wait().unwrap();
                None
            }
            Some(_) => panic!("{told}"),
        }
    })
}

/// A devnet that stays up until it is dropped.
struct Devnet {
    child: Child,
    directory: tempfile::TempDir,
}

impl Devnet {
    fn start() -> (Self, Value) {
        Self::start_with(&[])
    }

    fn start_with(options: &[&str]) -> (Self, Value) {
        let directory = tempfile::tempdir().unwrap();
        let dir = directory.path().display().to_string();
        let told = std::fs::File::create(directory.path().join("told")).unwrap();
        let arguments = ["devnet", "--processes", "--dir", &dir, "--json"];
        let mut child = circle(&[&arguments, options].concat())
            .stdout(Stdio::piped())
            .stderr(told)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        (
            Self { child, directory },
            serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}")),
        )
    }

    fn home(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
    }

    /// Ends the process of one node as a power cut does.
    fn kill(&self, name: &str) {
        let id: i32 = until("the process ids", || {
            let told = std::fs::read_to_string(self.directory.path().join("told")).unwrap();
            let line = told
                .lines()
                .find_map(|line| line.strip_prefix("Their processes: "))?;
            let mut processes = line.split(", ").filter_map(|one| one.split_once(' '));
            let (_, id) = processes.find(|(one, _)| *one == name)?;
            id.parse().ok()
        });
        let pid = rustix::process::Pid::from_raw(id).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    }

    fn status(&self, name: &str) -> Value {
        json(&["status", "--home", &self.home(name), "--json"], 0)
    }

    fn api(&self, name: &str) -> String {
        let config =
            std::fs::read_to_string(Path::new(&self.home(name)).join("circle.toml")).unwrap();
        let line = config
            .lines()
            .find_map(|line| line.strip_prefix("api = "))
            .unwrap();
        line.trim_matches('"').to_owned()
    }
}

impl Drop for Devnet {
    fn drop(&mut self) {
        // Its nodes end with it: their stdin is a pipe that it held.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One request as bytes on a socket, with nothing in between that would mend it.
fn http(address: &str, request: &[u8]) -> (u16, Value) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    stream.write_all(request).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .unwrap_or_else(|| panic!("{answer}"));
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}

fn post(address: &str, path: &str, body: &[u8]) -> (u16, Value) {
    let mut request = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend_from_slice(body);
    http(address, &request)
}

fn get(address: &str, path: &str) -> (u16, Value) {
    http(
        address,
        format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes(),
    )
}

fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    // Far more than it takes: only what never comes is to fail.
    let deadline = Instant::now() + Duration::from_secs(180);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited 180 s for {what}");
        std::thread::yield_now();
    }
}

#[test]
fn nine_processes_pay_a_day_answer_questions_and_survive_a_kill() {
    let (devnet, document) = Devnet::start();
    assert_eq!(document["guardians"], 9);
    assert_eq!(document["attested_by"].as_array().unwrap().len(), 9);
    assert_eq!(document["ious"]["accepted"], document["ious"]["submitted"]);
    assert_eq!(document["owed"], serde_json::json!([]));
    let payouts = document["payouts"].as_array().unwrap();
    assert!(
        !payouts.is_empty()
            && payouts
                .iter()
                .all(|payout| payout["state"] == "settled" && payout["ledger"].is_u64())
    );
    money::is_on_the_ledger(&document);

    let home = devnet.home("g2");
    let balance = json(
        &[
            "ask",
            "!iou.balance consumer:bob",
            "--home",
            &home,
            "--json",
        ],
        0,
    );
    assert_eq!(
        balance["answer"],
        serde_json::json!({ "escrow": "0.0000000 TFT", "held": "0.0000000 TFT", "owed": "0.0000000 TFT" })
    );
    let unknown = json(
        &[
            "ask",
            "!iou.balanse consumer:bob",
            "--home",
            &home,
            "--json",
        ],
        1,
    );
    assert!(
        unknown["error"]["mend"]
            .as_str()
            .unwrap()
            .contains("iou.balance"),
        "{unknown}"
    );

    keys::ceremonies(&devnet);
    acts(&devnet);
    policies::check(&devnet);
    garbage(&devnet);
    survives(devnet);
}

const GREETING: &str =
    "/// Greets.\npolicy greeting version 1\n/// Says hello.\nask hello() { \"hello\" }\n";

fn acts(devnet: &Devnet) {
    let (home, key) = (
        devnet.home("g5"),
        format!("{}/keys/g5.key", devnet.home("g5")),
    );
    let file = devnet.home("register.md");
    std::fs::write(
        &file,
        format!(
            "!!circle.register name:zoe key:{} roles:consumer\n",
            "07".repeat(32)
        ),
    )
    .unwrap();
    let shown = json(&["act", &file, "--dry-run", "--home", &home, "--json"], 0);
    assert!(
        shown["canonical"]
            .as_str()
            .unwrap()
            .starts_with("!!circle.register\n  name:zoe\n"),
        "{shown}"
    );
    let done = json(&["act", &file, "--key", &key, "--home", &home, "--json"], 0);
    assert_eq!(
        (&done["state"], &done["receipt"]["code"]),
        (&"certified".into(), &"ok".into())
    );
    let again = json(&["act", &file, "--key", &key, "--home", &home, "--json"], 1);
    assert_eq!(again["error"]["code"], "account.name_taken");

    // What needs the circle's authority takes seven of nine.
    let (file, signed) = (devnet.home("deposit.md"), devnet.home("deposit.tx"));
    std::fs::write(
        &file,
        "!!treasury.deposit wallet:main account:bob amount:'12.5 TFT' reference:test\n",
    )
    .unwrap();
    let alone = json(&["act", &file, "--key", &key, "--home", &home, "--json"], 1);
    assert_eq!(alone["error"]["code"], "authority.circle");
    json(
        &[
            "act", &file, "--key", &key, "--home", &home, "--out", &signed, "--json",
        ],
        0,
    );
    for number in [1, 2, 3, 4, 6, 7] {
        let name = format!("g{number}");
        let key = format!("{}/keys/{name}.key", devnet.home(&name));
        json(
            &[
                "act", "--cosign", &signed, "--key", &key, "--home", &home, "--json",
            ],
            0,
        );
    }
    let done = json(&["act", "--send", &signed, "--home", &home, "--json"], 0);
    assert_eq!(done["receipt"]["code"], "ok");
    let balance = json(
        &[
            "ask",
            "!iou.balance consumer:bob",
            "--home",
            &home,
            "--json",
        ],
        0,
    );
    assert_eq!(balance["answer"]["escrow"], "12.5000000 TFT");
    // Nobody paid it in, and the guardians' nodes find that out.
    let paused = until("the difference between books and ledger", || {
        let (_, payouts) = get(&devnet.api("g4"), "/v1/payouts");
        let reason = payouts["wallets"][0]["paused"].as_str()?;
        Some(reason.to_owned())
    });
    assert_eq!(paused, "0 TFT on the chain, 12.5 TFT in the books");
}

fn garbage(devnet: &Devnet) {
    let api = devnet.api("g4");
    let check = |(status, body): (u16, Value), expected: (u16, &str)| {
        assert_eq!(
            (status, body["error"]["code"].as_str().unwrap_or_default()),
            expected,
            "{body}"
        );
        assert!(
            !body["error"]["mend"]
                .as_str()
                .unwrap_or_default()
                .is_empty(),
            "{body}"
        );
    };
    check(
        post(&api, "/v1/transactions", &[0xff; 5000]),
        (400, "envelope.malformed"),
    );
    check(
        post(&api, "/v1/transactions", b"abc"),
        (400, "envelope.malformed"),
    );
    check(
        post(&api, "/v1/transactions", &vec![7; 3 << 20]),
        (413, "too_large"),
    );
    check(post(&api, "/v1/ask", b"no question"), (400, "ask.one"));
    check(
        post(&api, "/v1/ask", b"!!circle.attest"),
        (400, "missing_parameter"),
    );
    check(post(&api, "/v1/ask", &[0xff, 0xfe]), (400, "request"));
    check(get(&api, "/v1/transactions/zz"), (400, "request"));
    check(get(&api, "/v1/checkpoints/99999999"), (404, "node.unknown"));
    check(get(&api, "/v1/accounts/nobody"), (404, "node.unknown"));
    check(get(&api, "/"), (404, "node.unknown"));
    let (status, certificate) = get(&api, "/v1/certificates/1");
    assert_eq!(status, 200);
    assert!(
        certificate["signatures"].as_array().unwrap().len() >= 7,
        "{certificate}"
    );
    assert_eq!(devnet.status("g4")["failure"], Value::Null);
}

/// Kills the devnet with all its nodes, and starts one node on what is left: it has the same state root, also after its state is
/// executed again from the log.
fn survives(mut devnet: Devnet) {
    let home = devnet.home("g3");
    let settled = until("the attestations", || {
        let status = devnet.status("g3");
        let count = |list: &str| status[list].as_array().unwrap().len();
        // Payouts wait for their chain; nothing else does.
        (count("waiting") == count("payouts_waiting")).then_some(status)
    });
    devnet.child.kill().unwrap();
    devnet.child.wait().unwrap();
    // Its history is read from the home of a node that does not run.
    let iou = devnet.home("iou.3script");
    let replayed = until("the node's files", || {
        let arguments = [
            "policy", "replay", "--policy", &iou, "--home", &home, "--json",
        ];
        let (status, stdout, _) = run(&arguments, "");
        let replayed: Value = serde_json::from_str(&stdout).unwrap();
        (status == 0).then_some(replayed)
    });
    assert_eq!(replayed["verified"], true, "{replayed}");
    assert!(replayed["to"].as_u64() >= settled["height"].as_u64());
    let root = |status: &Value| status["checkpoint"]["state_root"].clone();
    let alone = |rebuild: bool| {
        let mut arguments = vec!["start", "--home", &home, "--json", "--with-parent"];
        arguments.extend(rebuild.then_some("--rebuild"));
        let (mut child, line) = started(&arguments);
        assert_eq!(line["guardian"], "g3");
        let status = until("its blocks", || {
            let status = json(&["status", "--home", &home, "--json"], 0);
            (status["height"].as_u64() >= settled["height"].as_u64()).then_some(status)
        });
        drop(child.stdin.take());
        assert!(child.wait().unwrap().success());
        status
    };
    assert_eq!(root(&alone(false)), root(&settled));
    std::fs::remove_dir_all(Path::new(&home).join("state")).unwrap();
    assert_eq!(
        json(&["start", "--home", &home, "--json"], 1)["error"]["code"],
        "node.state_lost"
    );
    assert_eq!(root(&alone(true)), root(&settled));
}
