//! A circle of nine processes on a ledger of its own, with a proxy before each node.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Child;

use serde_json::Value;
use tokio::runtime::Runtime;

use crate::proxy::Proxy;
use crate::{get, json, run, started, until};

pub fn address(url: &str) -> &str {
    url.strip_prefix("http://").expect("a URL of this machine")
}

/// What an account holds of TFT on a ledger, as its server writes it.
pub fn held(horizon: &str, account: &str) -> String {
    let (status, account) = get(address(horizon), &format!("/accounts/{account}"));
    assert_eq!(status, 200, "{account}");
    let balances = account["balances"].as_array().unwrap();
    let line = balances.iter().find(|one| one["asset_code"] == "TFT");
    line.map_or("0.0000000", |line| line["balance"].as_str().unwrap())
        .to_owned()
}

/// Nine nodes, each with a proxy of its own between it and the ledger.
pub struct Nine {
    pub directory: tempfile::TempDir,
    pub horizon: String,
    pub proxies: Vec<Proxy>,
    nodes: Vec<Child>,
    // Ends with its stdin.
    _ledger: Option<Child>,
}

impl Drop for Nine {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Nine {
    /// The circle of a devnet that ended, on a chain that goes on, with proxies to that; its nodes are not started yet.
    pub fn of(directory: tempfile::TempDir, chain: &str, proxies: Vec<Proxy>) -> Self {
        let nine = Self {
            directory,
            horizon: chain.to_owned(),
            proxies,
            nodes: Vec::new(),
            _ledger: None,
        };
        for number in 1..=9 {
            nine.replace(
                number,
                &format!("[{chain:?}]"),
                &[&nine.proxies[number - 1].url()],
            );
        }
        nine
    }

    /// Names other servers in the configuration of a node.
    pub fn replace(&self, number: usize, list: &str, servers: &[&str]) {
        let path = self.path(&format!("g{number}/circle.toml"));
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(list), "{text}");
        let servers: Vec<String> = servers.iter().map(|url| format!("{url:?}")).collect();
        let servers = format!("[{}]", servers.join(", "));
        std::fs::write(&path, text.replace(list, &servers)).unwrap();
    }

    /// The circle of a devnet that ended, with proxies.
    pub fn start(runtime: &Runtime, directory: tempfile::TempDir, document: &Value) -> Self {
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
        ])
        .0;
        let proxies = (1..=9).map(|_| runtime.block_on(Proxy::start(&horizon)));
        let mut nine = Self::of(directory, &horizon, proxies.collect());
        nine._ledger = Some(ledger);
        nine.revive();
        nine
    }

    pub fn home(&self, number: usize) -> String {
        self.path(&format!("g{number}")).display().to_string()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Starts all nodes.
    pub fn revive(&mut self) {
        self.nodes = (1..=9).map(|number| self.node(number)).collect();
    }

    fn node(&self, number: usize) -> Child {
        let home = self.home(number);
        started(&["start", "--home", &home, "--with-parent", "--json"]).0
    }

    /// Lets a node see the ledger through these servers, and starts it anew.
    pub fn rewire(&mut self, number: usize, servers: &[&str]) {
        let path = self.path(&format!("g{number}/circle.toml"));
        let text = std::fs::read_to_string(&path).unwrap();
        let servers: Vec<String> = servers.iter().map(|url| format!("{url:?}")).collect();
        let lines = text
            .lines()
            .map(|line| match line.starts_with("endpoints = ") {
                true => format!("endpoints = [{}]\n", servers.join(", ")),
                false => format!("{line}\n"),
            });
        std::fs::write(&path, lines.collect::<String>()).unwrap();
        self.restart(number);
    }

    /// Kills a node, and starts it anew.
    pub fn restart(&mut self, number: usize) {
        let node = &mut self.nodes[number - 1];
        node.kill().unwrap();
        node.wait().unwrap();
        self.nodes[number - 1] = self.node(number);
    }

    /// How a node says that the servers of its first chain do.
    pub fn chain(&self, number: usize) -> Value {
        self.chains(number)[0].take()
    }

    /// How a node says that the servers of its chains do.
    pub fn chains(&self, number: usize) -> Value {
        let (_, mut status) = get(&self.api(number).to_string(), "/v1/status");
        status["chains"].take()
    }

    /// Ends all nodes at once, without a word.
    pub fn kill(&mut self) {
        for node in &mut self.nodes {
            let _ = node.kill();
        }
        for mut node in self.nodes.drain(..) {
            let _ = node.wait();
        }
    }

    pub fn api(&self, number: usize) -> SocketAddr {
        let config = std::fs::read_to_string(Path::new(&self.home(number)).join("circle.toml"));
        let config = config.unwrap();
        let line = config
            .lines()
            .find_map(|line| line.strip_prefix("api = "))
            .unwrap();
        line.trim_matches('"').parse().unwrap()
    }

    pub fn payouts(&self) -> Option<Value> {
        let home = self.home(1);
        let (status, stdout, _) = run(&["treasury", "status", "--home", &home, "--json"], "");
        (status == 0).then(|| serde_json::from_str(&stdout).unwrap())
    }

    /// One payout, in full.
    pub fn payout(&self, id: u64) -> Option<Value> {
        let (home, id) = (self.home(1), id.to_string());
        let (status, stdout, _) = run(&["treasury", "status", &id, "--home", &home, "--json"], "");
        let document: Value = serde_json::from_str(&stdout).ok()?;
        (status == 0).then(|| document["payouts"][0].clone())
    }

    /// Does something with the key of one guardian.
    pub fn act(&self, text: &str) -> Value {
        let file = self.path("act.md");
        std::fs::write(&file, text).unwrap();
        let (file, home) = (file.display().to_string(), self.home(1));
        json(&["act", &file, "--home", &home, "--json"], 0)
    }

    /// Does something with the authority of the circle.
    pub fn decide(&self, text: &str) -> Value {
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
    pub fn pay(&self, to: &str, amount: &str) -> u64 {
        let done = self.decide(&format!("!!payer.pay to:{to} amount:'{amount}'\n"));
        let events = done["receipt"]["events"].as_array().unwrap();
        let planned = events
            .iter()
            .find(|event| event["name"] == "treasury.planned")
            .unwrap();
        planned["data"]["payouts"][0].as_u64().unwrap()
    }

    /// Waits until a payout is as wanted.
    pub fn wait(&self, id: u64, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        until(what, || self.payout(id).filter(|diff| wanted(diff)))
    }

    /// Waits until a payout is signed.
    pub fn signed(&self, id: u64) -> Value {
        self.wait(id, "the signatures", |diff| {
            diff["payout"]["state"] == "signed"
        })
    }

    pub fn settles(&self, id: u64) -> Value {
        self.wait(id, "the payout to settle", |diff| {
            diff["payout"]["state"] == "settled"
        })
    }

    /// Which nodes tried to send something, from 1.
    pub fn senders(&self) -> Vec<usize> {
        let sent = |proxy: &Proxy| proxy.asked().iter().any(|asked| asked.method == "POST");
        (1..=9)
            .filter(|number| sent(&self.proxies[number - 1]))
            .collect()
    }

    /// How often the ledger took something from the wallet.
    pub fn taken(&self, wallet: &str) -> usize {
        let path = format!("/accounts/{wallet}/transactions?limit=200&include_failed=true");
        let (_, page) = get(address(&self.horizon), &path);
        let records = page["_embedded"]["records"].as_array().unwrap();
        records
            .iter()
            .filter(|one| one["source_account"] == wallet)
            .count()
    }
}
