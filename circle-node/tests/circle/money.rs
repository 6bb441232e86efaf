//! Payments of a whole circle on a Stellar ledger: once, or not yet, whatever dies, lies or is silent on their way.

mod bump;
mod faults;
mod multisig;
pub mod nine;
mod rotation;

use circle_node::devnet::bank::Bank;
use circle_node::keyring::Keyring;
use serde_json::Value;
use tokio::runtime::Runtime;

use self::nine::{Nine, address, held};
use crate::proxy::{Fault, Proxy, lie};
use crate::{get, json, run, until};

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

/// Nine nodes whose circle pays one farmer again and again, a TFT each time, out of a gift of 100.
struct Paying {
    nine: Nine,
    /// The wallet's account.
    wallet: String,
    /// Who is paid, by the name in the circle, and by the address.
    farmer: String,
    farmer_address: String,
    /// What the farmer held before the first payment.
    before_units: u64,
    /// How many payments the ledger took.
    paid: u64,
    /// How many transactions of the wallet.
    taken: usize,
}

impl Paying {
    fn start(runtime: &Runtime) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let dir = directory.path().display().to_string();
        let document = json(
            &["devnet", "--dir", &dir, "--until", "settled", "--json"],
            0,
        );
        let wallet = document["wallets"][0]["account"].as_str().unwrap();
        let payouts = document["payouts"].as_array().unwrap();
        let paid = payouts
            .iter()
            .find(|payout| payout["purpose"] == "pay")
            .unwrap();
        let line = |field: &str| paid["lines"][0][field].as_str().unwrap().to_owned();
        let nine = Nine::start(runtime, directory, &document);
        let mut paying = Self {
            wallet: wallet.to_owned(),
            farmer: line("account"),
            farmer_address: line("to"),
            before_units: 0,
            paid: 0,
            taken: nine.taken(wallet),
            nine,
        };
        paying.give(runtime);
        paying.install();
        paying.before_units = paying.farmer_units();
        paying
    }

    /// Money that belongs to nobody else, from somebody whom the circle does not know.
    fn give(&self, runtime: &Runtime) {
        let nine = &self.nine;
        let issuer = *Keyring::new(nine.path("issuer"))
            .existing("issuer")
            .unwrap();
        let bank = Bank::new(&nine.horizon, issuer).unwrap();
        let key = treasury_protocol::stellar::key_of_address(&self.wallet).unwrap();
        let gift = [(circle::ids::Key(key), 100_0000000)].into();
        runtime.block_on(bank.issue(&gift)).unwrap();
        until("the gift", || {
            let payouts = nine.payouts()?;
            (payouts["wallets"][0]["holdings"][0]["amount"] == "100.0000000").then_some(())
        });
    }

    fn install(&self) {
        let nine = &self.nine;
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
    }

    fn farmer_units(&self) -> u64 {
        let held = held(&self.nine.horizon, &self.farmer_address);
        held.replace('.', "").parse().unwrap()
    }

    /// Plans the next payment.
    fn pay(&self) -> u64 {
        self.nine.pay(&self.farmer, "1 TFT")
    }

    /// The ledger took one payment more, in one transaction more.
    fn paid_once_more(&mut self) {
        (self.paid, self.taken) = (self.paid + 1, self.taken + 1);
        assert_eq!(
            self.farmer_units() - self.before_units,
            self.paid * 1_0000000
        );
        assert_eq!(self.nine.taken(&self.wallet), self.taken);
    }

    /// What is left of the gift, as the API writes it.
    fn left(&self) -> String {
        format!("{}.0000000", 100 - self.paid)
    }

    /// Nothing is broken at any node from here on.
    fn mend(&self) {
        self.nine.proxies.iter().for_each(Proxy::mend);
    }

    fn all_die_and_come_back(&mut self) {
        self.nine.kill();
        self.mend();
        self.nine.revive();
    }

    /// What the ledger has after one more transaction of the wallet.
    fn waits_for_the_ledger(&self) {
        until("the ledger to take it", || {
            (self.nine.taken(&self.wallet) > self.taken).then_some(())
        });
    }
}

#[test]
fn a_payout_is_paid_once_whatever_dies_or_lies_on_its_way() {
    let runtime = Runtime::new().unwrap();
    let mut paying = Paying::start(&runtime);
    killed_before_the_ledger_hears_of_it(&mut paying);
    killed_when_nobody_knows(&mut paying);
    killed_when_five_reported(&mut paying);
    lied_to_and_silent(&mut paying);
    faults::two_nodes_send_at_once(&mut paying);
    faults::a_cancelled_payout_is_sent_from_outside(&mut paying, &runtime);
    bump::another_account_pays_more(&mut paying);
    rotation::another_key_while_nodes_die(&mut paying);
    faults::servers_lag_and_lie(&mut paying, &runtime);
    let payouts = paying.nine.payouts().unwrap();
    let wallet = &payouts["wallets"][0];
    assert_eq!(wallet["paused"], Value::Null, "{payouts}");
    assert_eq!(wallet["holdings"][0]["amount"], paying.left().as_str());
    approves(&paying);
    multisig::guardians_own_a_wallet(&paying);
    multisig::what_moved_before_does_not_count(&paying, &runtime);
}

fn killed_before_the_ledger_hears_of_it(paying: &mut Paying) {
    for proxy in &paying.nine.proxies {
        proxy.break_at("POST /transactions", Fault::Answer(503));
    }
    let id = paying.pay();
    paying.nine.signed(id);
    until("somebody to send it", || {
        (!paying.nine.senders().is_empty()).then_some(())
    });
    paying.all_die_and_come_back();
    paying.nine.settles(id);
    paying.paid_once_more();
}

fn killed_when_nobody_knows(paying: &mut Paying) {
    for proxy in &paying.nine.proxies {
        proxy.break_at("POST /transactions", Fault::CutAfter);
        proxy.break_at("GET /accounts", Fault::Answer(504));
        proxy.break_at("GET /transactions", Fault::Answer(504));
    }
    let id = paying.pay();
    paying.waits_for_the_ledger();
    let open = paying.nine.payout(id).unwrap();
    assert_eq!(open["payout"]["reported"], serde_json::json!([]), "{open}");
    paying.all_die_and_come_back();
    paying.nine.settles(id);
    paying.paid_once_more();
}

fn killed_when_five_reported(paying: &mut Paying) {
    for proxy in &paying.nine.proxies[5..] {
        proxy.break_at("GET /accounts", Fault::Answer(504));
    }
    let id = paying.pay();
    paying.nine.wait(id, "five reports", |diff| {
        diff["payout"]["reported"]
            .as_array()
            .is_some_and(|reported| reported.len() == 5)
    });
    paying.all_die_and_come_back();
    paying.nine.settles(id);
    paying.paid_once_more();
}

/// One node is lied to, and one hears nothing; seven are enough.
fn lied_to_and_silent(paying: &mut Paying) {
    let nine = &paying.nine;
    nine.proxies[2].break_at(
        "GET /transactions",
        lie(|_, status, answer| {
            answer["successful"] = false.into();
            status
        }),
    );
    nine.proxies[3].break_at("GET", Fault::Answer(504));
    let id = paying.pay();
    nine.settles(id);
    let chain = until("the outage to be seen", || {
        let chain = nine.chain(4);
        (chain["reachable"] == false).then_some(chain)
    });
    let endpoint = &chain["endpoints"][0];
    assert!(
        endpoint["error"].as_str().unwrap().contains("504"),
        "{chain}"
    );
    assert!(endpoint["since_s"].is_u64(), "{chain}");
    paying.mend();
    paying.paid_once_more();
}

/// People check a large payment, one of them on a machine without network.
fn approves(paying: &Paying) {
    let (nine, farmer) = (&paying.nine, &*paying.farmer);
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
        (
            &paying.left().into(),
            &format!("{}.0000000", 80 - paying.paid).into()
        )
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
