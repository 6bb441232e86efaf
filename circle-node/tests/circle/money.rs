//! Payments of a whole circle on a Stellar ledger: once, or not yet, whatever dies, lies or is silent on their way.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use circle_node::devnet::bank::Bank;
use circle_node::keyring::Keyring;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::proxy::{Fault, Proxy, lie};
use crate::{circle, get, json, run, until};

/// Pays whom it is told to out of what belongs to nobody else.
const PAYER: &str = r#"/// Pays accounts out of the free treasury, for tests.
policy payer version 1

/// Pays an account.
action pay(
    /// Who.
    to: text,
    /// How much.
    amount: amount,
) by circle {
    ledger.transfer("wallet:main", "payable:" + to, amount);
    treasury.plan("main", [#{ account: to, amount: amount }]);
}
"#;

fn address(url: &str) -> &str {
    url.strip_prefix("http://").expect("a URL of this machine")
}

/// What an account holds of TFT on a ledger, as its server writes it.
fn held(horizon: &str, account: &str) -> String {
    let (status, account) = get(address(horizon), &format!("/accounts/{account}"));
    assert_eq!(status, 200, "{account}");
    let balances = account["balances"].as_array().unwrap();
    let line = balances.iter().find(|one| one["asset_code"] == "TFT");
    line.map_or("0.0000000", |line| line["balance"].as_str().unwrap())
        .to_owned()
}

/// Every payout of a settled day is a transaction of the ledger, and whoever was paid holds it.
pub fn is_on_the_ledger(document: &Value) {
    let horizon = document["chain"]["horizon"].as_str().unwrap();
    for payout in document["payouts"].as_array().unwrap() {
        let path = format!("/transactions/{}", payout["tx_hash"].as_str().unwrap());
        let (status, transaction) = get(address(horizon), &path);
        assert_eq!(status, 200, "{payout}");
        assert_eq!(
            (&transaction["successful"], &transaction["ledger"]),
            (&true.into(), &payout["ledger"])
        );
        for line in payout["lines"].as_array().unwrap() {
            assert_eq!(
                held(horizon, line["to"].as_str().unwrap()),
                line["amount"].as_str().unwrap()
            );
        }
    }
}

/// Nine nodes, each with a proxy of its own between it and the ledger.
struct Nine {
    directory: tempfile::TempDir,
    horizon: String,
    proxies: Vec<Proxy>,
    nodes: Vec<Child>,
    // Ends with its stdin.
    _ledger: Child,
}

impl Drop for Nine {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Nine {
    /// The circle of a devnet that ended, with proxies.
    fn start(runtime: &Runtime, directory: tempfile::TempDir, document: &Value) -> Self {
        let horizon = document["chain"]["horizon"].as_str().unwrap().to_owned();
        let kept = directory
            .path()
            .join("stellar.ledger")
            .display()
            .to_string();
        let passphrase = document["chain"]["network"].as_str().unwrap();
        let ledger = started(&[
            "sandbox",
            "stellar",
            "--listen",
            address(&horizon),
            "--keep",
            &kept,
            "--passphrase",
            passphrase,
            "--close-every",
            "1",
            "--with-parent",
            "--json",
        ]);
        let mut proxies = Vec::new();
        for number in 1..=9 {
            let proxy = runtime.block_on(Proxy::start(&horizon));
            let path = directory.path().join(format!("g{number}/circle.toml"));
            let text = std::fs::read_to_string(&path).unwrap();
            std::fs::write(&path, text.replace(&horizon, &proxy.url())).unwrap();
            proxies.push(proxy);
        }
        let mut nine = Self {
            directory,
            horizon,
            proxies,
            nodes: Vec::new(),
            _ledger: ledger,
        };
        nine.revive();
        nine
    }

    fn home(&self, number: usize) -> String {
        self.path(&format!("g{number}")).display().to_string()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Starts all nodes.
    fn revive(&mut self) {
        for number in 1..=9 {
            let home = self.home(number);
            self.nodes.push(started(&[
                "start",
                "--home",
                &home,
                "--with-parent",
                "--json",
            ]));
        }
    }

    /// Ends all nodes at once, without a word.
    fn kill(&mut self) {
        for node in &mut self.nodes {
            let _ = node.kill();
        }
        for mut node in self.nodes.drain(..) {
            let _ = node.wait();
        }
    }

    fn api(&self, number: usize) -> SocketAddr {
        let config = std::fs::read_to_string(Path::new(&self.home(number)).join("circle.toml"));
        let config = config.unwrap();
        let line = config
            .lines()
            .find_map(|line| line.strip_prefix("api = "))
            .unwrap();
        line.trim_matches('"').parse().unwrap()
    }

    fn payouts(&self) -> Option<Value> {
        let home = self.home(1);
        let (status, stdout, _) = run(&["treasury", "status", "--home", &home, "--json"], "");
        (status == 0).then(|| serde_json::from_str(&stdout).unwrap())
    }

    /// One payout, in full.
    fn payout(&self, id: u64) -> Option<Value> {
        let (home, id) = (self.home(1), id.to_string());
        let (status, stdout, _) = run(&["treasury", "status", &id, "--home", &home, "--json"], "");
        let document: Value = serde_json::from_str(&stdout).ok()?;
        (status == 0).then(|| document["payouts"][0].clone())
    }

    /// Does something with the key of one guardian.
    fn act(&self, text: &str) -> Value {
        let file = self.path("act.md");
        std::fs::write(&file, text).unwrap();
        let (file, home) = (file.display().to_string(), self.home(1));
        json(&["act", &file, "--home", &home, "--json"], 0)
    }

    /// Does something with the authority of the circle.
    fn decide(&self, text: &str) -> Value {
        let (file, signed) = (self.path("decide.md"), self.path("decide.tx"));
        std::fs::write(&file, text).unwrap();
        let (file, signed) = (file.display().to_string(), signed.display().to_string());
        let home = self.home(1);
        json(
            &["act", &file, "--home", &home, "--out", &signed, "--json"],
            0,
        );
        for number in 2..=7 {
            let home = self.home(number);
            json(&["act", "--cosign", &signed, "--home", &home, "--json"], 0);
        }
        json(&["act", "--send", &signed, "--home", &home, "--json"], 0)
    }

    /// Plans a payout; gives its number.
    fn pay(&self, to: &str, amount: &str) -> u64 {
        let done = self.decide(&format!("!!payer.pay to:{to} amount:'{amount}'\n"));
        let events = done["receipt"]["events"].as_array().unwrap();
        let planned = events
            .iter()
            .find(|event| event["name"] == "treasury.planned")
            .unwrap();
        planned["data"]["payouts"][0].as_u64().unwrap()
    }

    /// Waits until a payout is as wanted.
    fn wait(&self, id: u64, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        until(what, || self.payout(id).filter(|diff| wanted(diff)))
    }

    fn settles(&self, id: u64) -> Value {
        self.wait(id, "the payout to settle", |diff| {
            diff["payout"]["state"] == "settled"
        })
    }

    /// How often the ledger took something from the wallet.
    fn taken(&self, wallet: &str) -> usize {
        let path = format!("/accounts/{wallet}/transactions?limit=200&include_failed=true");
        let (_, page) = get(address(&self.horizon), &path);
        let records = page["_embedded"]["records"].as_array().unwrap();
        records
            .iter()
            .filter(|one| one["source_account"] == wallet)
            .count()
    }
}

/// Starts the binary, and waits for its first line.
fn started(arguments: &[&str]) -> Child {
    // Whoever was killed may still be closing its files.
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
        let started: Value = serde_json::from_str(&line).unwrap();
        match started["error"].is_null() {
            true => Some(child),
            false => {
                child.wait().unwrap();
                None
            }
        }
    })
}

#[test]
fn a_payout_is_paid_once_whatever_dies_or_lies_on_its_way() {
    let runtime = Runtime::new().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let dir = directory.path().display().to_string();
    let document = json(
        &["devnet", "--dir", &dir, "--until", "settled", "--json"],
        0,
    );
    let wallet = document["wallets"][0]["account"]
        .as_str()
        .unwrap()
        .to_owned();
    let payouts = document["payouts"].as_array().unwrap();
    let paid = payouts
        .iter()
        .find(|payout| payout["purpose"] == "pay")
        .unwrap();
    let (farmer, farmer_address) = (
        paid["lines"][0]["account"].as_str().unwrap(),
        paid["lines"][0]["to"].as_str().unwrap(),
    );
    let mut nine = Nine::start(&runtime, directory, &document);

    // Money that belongs to nobody else, from somebody whom the circle does not know.
    let issuer = *Keyring::new(nine.path("issuer"))
        .existing("issuer")
        .unwrap();
    let bank = Bank::new(&nine.horizon, issuer).unwrap();
    let key = treasury_protocol::stellar::key_of_address(&wallet).unwrap();
    let gift = [(circle::ids::Key(key), 100_0000000)].into();
    runtime.block_on(bank.issue(&gift)).unwrap();
    until("the gift", || {
        let payouts = nine.payouts()?;
        (payouts["wallets"][0]["holdings"][0]["amount"] == "100.0000000").then_some(())
    });
    std::fs::write(nine.path("payer.3script"), PAYER).unwrap();
    let source = hex::encode(PAYER);
    let installed = nine.act(&format!("!!policy.install source:{source}\n"));
    let events = installed["receipt"]["events"].as_array().unwrap();
    let hash = events
        .iter()
        .find_map(|event| event["data"]["hash"].as_str())
        .unwrap();
    nine.decide(&format!("!!policy.activate hash:{hash} height:0\n"));
    until("the policy to be active", || {
        let (_, policies) = get(&nine.api(1).to_string(), "/v1/policies");
        let active = policies["active"].as_array()?;
        active
            .iter()
            .any(|policy| policy["name"] == "payer")
            .then_some(())
    });

    let before: f64 = held(&nine.horizon, farmer_address).parse().unwrap();
    let mut taken = nine.taken(&wallet);
    let mut check = |nine: &Nine, payments: usize| {
        // Whole units, so that these sums are exact.
        let now: f64 = held(&nine.horizon, farmer_address).parse().unwrap();
        assert_eq!(
            ((now - before) * 1e7).round() as u64,
            payments as u64 * 1_0000000
        );
        taken += 1;
        assert_eq!(nine.taken(&wallet), taken);
    };

    // Killed before the ledger hears of it.
    for proxy in &nine.proxies {
        proxy.break_at("POST /transactions", Fault::Answer(503));
    }
    let id = nine.pay(farmer, "1 TFT");
    nine.wait(id, "the signatures", |diff| {
        diff["payout"]["state"] == "signed"
    });
    until("somebody to send it", || {
        let sent = |proxy: &Proxy| proxy.asked().iter().any(|asked| asked.method == "POST");
        nine.proxies.iter().any(sent).then_some(())
    });
    nine.kill();
    nine.proxies.iter().for_each(Proxy::mend);
    nine.revive();
    nine.settles(id);
    check(&nine, 1);

    // Killed when the ledger has it, and nobody knows.
    for proxy in &nine.proxies {
        proxy.break_at("POST /transactions", Fault::CutAfter);
        proxy.break_at("GET /accounts", Fault::Answer(504));
        proxy.break_at("GET /transactions", Fault::Answer(504));
    }
    let id = nine.pay(farmer, "1 TFT");
    until("the ledger to take it", || {
        (nine.taken(&wallet) == taken_by(id)).then_some(())
    });
    let open = nine.payout(id).unwrap();
    assert_eq!(open["payout"]["reported"], serde_json::json!([]), "{open}");
    nine.kill();
    nine.proxies.iter().for_each(Proxy::mend);
    nine.revive();
    nine.settles(id);
    check(&nine, 2);

    // Killed when five of nine reported it.
    for proxy in &nine.proxies[5..] {
        proxy.break_at("GET /accounts", Fault::Answer(504));
    }
    let id = nine.pay(farmer, "1 TFT");
    nine.wait(id, "five reports", |diff| {
        diff["payout"]["reported"]
            .as_array()
            .is_some_and(|reported| reported.len() == 5)
    });
    nine.kill();
    nine.proxies.iter().for_each(Proxy::mend);
    nine.revive();
    nine.settles(id);
    check(&nine, 3);

    // One node is lied to, and one hears nothing; seven are enough.
    nine.proxies[2].break_at(
        "GET /transactions",
        lie(|_, status, answer| {
            answer["successful"] = false.into();
            status
        }),
    );
    nine.proxies[3].break_at("GET", Fault::Answer(504));
    let id = nine.pay(farmer, "1 TFT");
    nine.settles(id);
    check(&nine, 4);
    let status = until("the outage to be seen", || {
        let (_, status) = get(&nine.api(4).to_string(), "/v1/status");
        (status["chains"][0]["reachable"] == false).then_some(status)
    });
    let endpoint = &status["chains"][0]["endpoints"][0];
    assert!(
        endpoint["error"].as_str().unwrap().contains("504"),
        "{status}"
    );
    assert!(endpoint["since_s"].is_u64(), "{status}");
    nine.proxies.iter().for_each(Proxy::mend);

    let payouts = nine.payouts().unwrap();
    assert_eq!(payouts["wallets"][0]["paused"], Value::Null, "{payouts}");
    assert_eq!(payouts["wallets"][0]["holdings"][0]["amount"], "96.0000000");
    approves(&nine, farmer);
}

/// How many transactions of the wallet the ledger has once it took this payout: each took one.
fn taken_by(payout: u64) -> usize {
    payout as usize
}

/// People check a large payment, one of them on a machine without network.
fn approves(nine: &Nine, farmer: &str) {
    let mut keyring = Keyring::new(nine.path("people"));
    let mut person = |name: &str| circle::ids::Key::of(keyring.key(name).unwrap()).to_string();
    let people = [person("ann"), person("ben")];
    for (index, name) in ["ann", "ben"].into_iter().enumerate() {
        nine.act(&format!(
            "!!circle.register name:{name} key:{} roles:auditor\n",
            people[index]
        ));
        nine.decide(&format!(
            "!!treasury.confirmer guardian:g{} account:{name}\n",
            index + 1
        ));
    }
    nine.decide("!!treasury.checks wallet:main from:'10 TFT' confirmations:2\n");
    let id = nine.pay(farmer, "20 TFT");
    let open = nine.wait(id, "people to be asked", |diff| {
        diff["payout"]["state"] == "checking"
    });
    assert_eq!(open["mismatches"], serde_json::json!([]));
    assert_eq!(open["decoded"]["moves"][0]["amount"], "20.0000000");
    assert_eq!(
        (
            &open["holdings"][0]["before"],
            &open["holdings"][0]["after"]
        ),
        (&"96.0000000".into(), &"76.0000000".into())
    );
    let (id, home) = (id.to_string(), nine.home(1));
    let file = |name: &str| nine.path(name).display().to_string();
    let (ann, ben) = (file("people/ann.key"), file("people/ben.key"));

    let unasked = json(
        &[
            "treasury", "approve", &id, "--key", &ann, "--home", &home, "--json",
        ],
        1,
    );
    assert_eq!(unasked["error"]["code"], "approve.unconfirmed");
    json(
        &[
            "treasury", "approve", &id, "--key", &ann, "--home", &home, "--yes", "--json",
        ],
        0,
    );
    let again = json(
        &[
            "treasury", "approve", &id, "--key", &ann, "--home", &home, "--yes", "--json",
        ],
        1,
    );
    assert_eq!(again["error"]["code"], "confirmation.repeated");

    let (request, signed) = (file("ben.request"), file("ben.signed"));
    let asked = json(
        &[
            "treasury",
            "approve",
            &id,
            "--offline",
            &request,
            "--home",
            &nine.home(2),
            "--json",
        ],
        0,
    );
    assert_eq!(asked["account"], "ben");
    // Whoever changes the bytes on their way changes what is shown and what is approved.
    let other = json(
        &[
            "treasury", "sign", &request, "--key", &ann, "--out", &signed, "--yes", "--json",
        ],
        1,
    );
    assert_eq!(other["error"]["code"], "approve.key");
    let (code, shown, _) = run(
        &[
            "treasury", "sign", &request, "--key", &ben, "--out", &signed, "--yes",
        ],
        "",
    );
    assert!(
        code == 0 && shown.contains("pays 20.0000000 TFT:"),
        "{shown}"
    );
    json(&["treasury", "send", &signed, "--home", &home, "--json"], 0);
    nine.settles(id.parse().unwrap());
}
