//! Guardians come and go in a circle of real processes: a tenth joins and attests, a founder is removed, nodes are killed in
//! between, and one that went astray follows the same order.

use std::net::TcpListener;
use std::process::Child;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::{json, run, started};

/// Homes of guardians in one directory, and the nodes that run.
struct Circle {
    directory: tempfile::TempDir,
    nodes: Vec<(String, Child)>,
}

impl Circle {
    fn at(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
    }

    /// Starts the node of a guardian, and waits until it says that it is up.
    fn start(&mut self, name: &str, extra: &[&str]) {
        let home = self.at(name);
        let arguments = [
            &["start", "--home", &home, "--json", "--with-parent"],
            extra,
        ]
        .concat();
        let (child, told) = started(&arguments);
        assert_eq!(told["guardian"], name, "{told}");
        self.nodes.push((name.into(), child));
    }

    /// SIGKILL.
    fn kill(&mut self, name: &str) {
        let at = self.nodes.iter().position(|(running, _)| running == name);
        let (_, mut child) = self.nodes.swap_remove(at.expect("it runs"));
        child.kill().unwrap();
        child.wait().unwrap();
    }

    fn status(&self, name: &str) -> Value {
        json(&["status", "--home", &self.at(name), "--json"], 0)
    }

    fn until(&self, name: &str, what: &str, done: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + Duration::from_secs(180);
        loop {
            let status = self.status(name);
            if done(&status) {
                return status;
            }
            assert!(Instant::now() < deadline, "no {what} at {name}: {status}");
            std::thread::yield_now();
        }
    }

    /// Lets these guardians sign a script together, and sends it to the first one's node.
    fn decide(&self, script: &str, signers: &[&str]) {
        let (file, transaction) = (self.at("script.md"), self.at("script.tx"));
        std::fs::write(&file, script).unwrap();
        let home = self.at(signers[0]);
        let (home, out) = (home.as_str(), transaction.as_str());
        json(&["act", &file, "--out", out, "--home", home, "--json"], 0);
        for signer in &signers[1..] {
            let home = self.at(signer);
            json(&["act", "--cosign", out, "--home", &home, "--json"], 0);
        }
        json(&["act", "--send", out, "--home", home, "--json"], 0);
    }
}

impl Drop for Circle {
    fn drop(&mut self) {
        for (_, child) in &mut self.nodes {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// So many addresses on loopback that nobody listens on; all are held until all are had.
fn free_addresses(count: usize) -> Vec<String> {
    let held: Vec<TcpListener> = (0..count)
        .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
        .collect();
    let address = |port: &TcpListener| port.local_addr().unwrap().to_string();
    held.iter().map(address).collect()
}

/// Nine homes of a new circle, `f1` to `f9`, and one of somebody who was not there, `ten`. Gives what the circle has to decide
/// to admit `ten`.
fn found() -> (Circle, String) {
    let circle = Circle {
        directory: tempfile::tempdir().unwrap(),
        nodes: Vec::new(),
    };
    let mut names: Vec<String> = (1..=9).map(|number| format!("f{number}")).collect();
    names.push("ten".into());
    let addresses = free_addresses(20);
    let mut files = Vec::new();
    for (name, address) in names.iter().zip(&addresses) {
        let home = circle.at(name);
        let made = [
            "init",
            "--home",
            &home,
            "--guardian",
            name,
            "--address",
            address,
            "--json",
        ];
        files.push(json(&made, 0)["member_file"].as_str().unwrap().to_owned());
    }
    let genesis = circle.at("genesis.json");
    let mut founding = vec!["init", "--circle", "Ours", "--out", &genesis, "--json"];
    founding.push("--members");
    founding.extend(files[..9].iter().map(String::as_str));
    json(&founding, 0);
    let mut admission = Value::Null;
    for (index, name) in names.iter().enumerate() {
        let home = circle.at(name);
        let mut joining = vec!["init", "--home", &home, "--guardian", name, "--json"];
        joining.extend(["--genesis", &genesis, "--api", &addresses[10 + index]]);
        joining.extend(["--address", &addresses[index]]);
        admission = json(&joining, 0)["admission"].clone();
        assert_eq!(admission.is_string(), name == "ten", "{name}: {admission}");
    }
    (circle, admission.as_str().unwrap().to_owned())
}

fn guardian<'a>(status: &'a Value, name: &str) -> Option<&'a Value> {
    let all = status["guardians"].as_array().unwrap();
    all.iter().find(|one| one["name"] == name)
}

fn names(status: &Value) -> Vec<&str> {
    let all = status["guardians"].as_array().unwrap();
    all.iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect()
}

#[test]
fn a_tenth_guardian_joins_a_founder_is_removed_and_everybody_keeps_one_order() {
    let (mut circle, admission) = found();
    // f9 concludes otherwise from the admission on.
    for number in 1..=8 {
        circle.start(&format!("f{number}"), &[]);
    }
    circle.start("f9", &["--test-fault", "circle.admit"]);
    circle.start("ten", &[]);
    assert_eq!(circle.status("ten")["membership"]["own"], "newcomer");
    assert_eq!(circle.status("f1")["membership"]["epoch"], 0);

    let seven = ["f1", "f2", "f3", "f4", "f5", "f6", "f7"];
    circle.decide(&admission, &seven);
    // Killed when it is decided and, as a rule, not yet in force.
    circle.kill("f4");
    circle.start("f4", &[]);
    let in_force = |epoch: u64| move |status: &Value| status["membership"]["epoch"] == epoch;
    for name in ["f1", "f4", "f9", "ten"] {
        circle.until(name, "tenth guardian", in_force(1));
    }
    let attests = |status: &Value| {
        guardian(status, "ten").is_some_and(|ten| {
            ten["benched"] == false && ten["agreed_height"].as_u64().unwrap() > 0
        })
    };
    circle.until("f1", "attestation of the tenth", attests);
    circle.until("ten", "part in the order", |status| {
        status["membership"]["own"] == "guardian" && status["served_height"].is_u64()
    });
    circle.until("ten", "links with all the others", |status| {
        status["peers_connected"] == 9
    });
    let astray = circle.until("f9", "knowledge that it is alone", |status| {
        status["agreement"] == "minority"
    });
    assert_eq!(names(&astray), names(&circle.status("f1")));

    // A backup of who came later is judged by what the circle knows now.
    let (passphrase, backup) = (circle.at("passphrase"), circle.at("ten.backup"));
    std::fs::write(&passphrase, "correct horse battery\n").unwrap();
    let ten = circle.at("ten");
    let opens = ["--home", &ten, "--passphrase-file", &passphrase, "--json"];
    let made = json(
        &[&["treasury", "backup", "--to", &backup][..], &opens].concat(),
        0,
    );
    assert_eq!(made["complete"], true, "{made}");
    let drill = json(&[&["treasury", "drill", &backup][..], &opens].concat(), 0);
    assert_eq!(drill["complete"], true, "{drill}");

    // f2 goes; whoever is killed in between comes back among the right guardians.
    let others = ["f1", "f3", "f4", "f5", "f6", "f7", "ten"];
    circle.decide("!!circle.remove guardian:f2\n", &others);
    for name in ["f5", "ten"] {
        circle.kill(name);
        circle.start(name, &[]);
    }
    for name in ["f1", "f5", "f9", "ten"] {
        let status = circle.until(name, "removal", in_force(2));
        assert_eq!(status["membership"]["quorum"], 7);
        assert!(guardian(&status, "f2").is_none(), "{status}");
    }
    let removed = circle.until("f2", "end of its own", |status| {
        status["membership"]["own"] == "removed"
    });
    assert_eq!(removed["membership"]["epoch"], 2);

    // It is heard no more, and without it the circle goes on.
    let file = circle.at("attest.md");
    let attestation = format!(
        "!!circle.attest height:{} checkpoint:{} signature:{}\n",
        removed["checkpoint"]["height"],
        removed["checkpoint"]["digest"].as_str().unwrap(),
        "07".repeat(64)
    );
    std::fs::write(&file, attestation).unwrap();
    let (home, key) = (circle.at("f1"), circle.at("f2/keys/f2.key"));
    let refused = json(&["act", &file, "--key", &key, "--home", &home, "--json"], 1);
    assert_eq!(refused["error"]["code"], "authority.guardian", "{refused}");
    let register = circle.at("register.md");
    let account = format!(
        "!!circle.register name:zoe key:{} roles:consumer\n",
        "07".repeat(32)
    );
    std::fs::write(&register, account).unwrap();
    let key = circle.at("ten/keys/ten.key");
    let done = json(
        &["act", &register, "--key", &key, "--home", &home, "--json"],
        0,
    );
    assert_eq!(done["state"], "certified");
    let height = done["height"].as_u64().unwrap();
    for name in ["f5", "f9", "ten"] {
        circle.until(name, "that block", |status| {
            status["height"].as_u64().unwrap() >= height
        });
    }
    let block = |name: &str| {
        let config = std::fs::read_to_string(circle.at(name) + "/circle.toml").unwrap();
        let api = config.lines().find_map(|line| line.strip_prefix("api = "));
        let api = api.unwrap().trim_matches('"').to_owned();
        crate::get(&api, &format!("/v1/blocks/{height}"))
    };
    assert_eq!(
        block("f9"),
        block("ten"),
        "one order, whatever one concludes"
    );

    let (status, screen, _) = run(&["status", "--home", &circle.at("f2")], "");
    assert!(status == 0 && screen.contains("REMOVED"), "{screen}");
}
