//! Payments of a whole circle from a Safe on a real Ethereum node: once, or not yet, whatever dies, lies or is silent on their way.

mod adoption;
mod approval;

use circle_node::devnet::ethereum::CHAIN_ID;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use treasury_chains::endpoints::Timeouts;
use treasury_chains::ethereum::Ethereum;
use treasury_chains::ethereum::anvil::{self, Anvil, Mining};
use treasury_protocol::ethereum::{Address, Call, U256};

use crate::money::nine::Nine;
use crate::proxy::{Asked, Fault, Proxy};
use crate::rpc::{break_only, change, say};
use crate::{get, json, until};

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
    ledger.transfer("wallet:safe", "payable:" + to, amount);
    treasury.plan("safe", [#{ account: to, amount: amount }]);
}
"#;

/// The smallest units of one TFT on the chain of a development circle.
const ONE_TFT: u64 = 1_000_000_000;
/// What the circle is given before it pays.
const GIFT_TFT: u64 = 100;

/// Nine nodes whose circle pays one farmer again and again, a TFT each time, each node with a proxy between it and the chain.
struct Paying {
    runtime: Runtime,
    nine: Nine,
    node: Anvil,
    chain: Ethereum,
    /// A proxy that does nothing wrong, for all nodes.
    honest: Proxy,
    safe: Address,
    token: Address,
    farmer: String,
    farmer_address: Address,
    /// What the farmer had, and the Safe nonce, before the first payment.
    before: (U256, u64),
    paid: u64,
}

fn is_sending(asked: &Asked) -> bool {
    let asked: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
    asked["method"] == "eth_sendRawTransaction"
}

impl Paying {
    /// A circle that paid a day from its Safe, and was given more.
    fn start() -> Self {
        let runtime = Runtime::new().unwrap();
        let node = runtime.block_on(async {
            let folder = anvil::folder().unwrap();
            let tools = anvil::find_or_install(&folder, |_| {}).await.unwrap();
            let started = anvil::start(&tools, CHAIN_ID, Mining::EverySeconds(1)).await;
            started.unwrap()
        });
        let directory = tempfile::tempdir().unwrap();
        let dir = directory.path().display().to_string();
        let document = json(
            &[
                "devnet",
                "--dir",
                &dir,
                "--ethereum",
                &node.url,
                "--until",
                "settled",
                "--json",
            ],
            0,
        );
        let payouts = document["payouts"].as_array().unwrap();
        let paid = payouts.iter().find(|payout| payout["chain"] == "ethereum");
        let paid = paid.unwrap();
        let line = |field: &str| paid["lines"][0][field].as_str().unwrap().to_owned();
        let at = |value: &Value| -> Address { value.as_str().unwrap().parse().unwrap() };
        let proxies = (1..=9).map(|_| runtime.block_on(Proxy::start(&node.url)));
        let mut nine = Nine::of(directory, &node.url, proxies.collect());
        let chain = runtime.block_on(Ethereum::connect(
            std::slice::from_ref(&node.url),
            CHAIN_ID,
            // The newest block may show code that does not answer yet.
            1,
            Timeouts::default(),
        ));
        nine.revive();
        let mut paying = Self {
            safe: at(&paid["wallet"]),
            token: at(&document["chain"]["ethereum"]["token"]),
            farmer: line("account"),
            farmer_address: line("to").parse().unwrap(),
            before: (U256::ZERO, 0),
            paid: 0,
            honest: runtime.block_on(Proxy::start(&node.url)),
            chain: chain.unwrap(),
            runtime,
            nine,
            node,
        };
        paying.give();
        paying.install();
        paying.before = paying.effects();
        paying
    }

    /// Asks the chain itself.
    fn ask(&self, method: &str, parameters: Value) -> Value {
        let asked = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": parameters });
        let answer = self.runtime.block_on(async {
            let _ = rustls::crypto::ring::default_provider().install_default();
            let client = reqwest::Client::builder().no_proxy().build().unwrap();
            let sent = client
                .post(&self.node.url)
                .header("content-type", "application/json")
                .body(asked.to_string());
            sent.send().await.unwrap().bytes().await.unwrap()
        });
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        assert!(answer["error"].is_null(), "{method}: {answer}");
        answer["result"].clone()
    }

    /// Money that belongs to nobody else, from somebody whom the circle does not know.
    fn give(&self) {
        let units = U256::from(GIFT_TFT * ONE_TFT);
        let call = Call::erc20(self.token, self.safe, units).unwrap();
        let rich = self.ask("eth_accounts", json!([]))[0].clone();
        let transaction = json!({
            "from": rich,
            "to": call.to.to_string(),
            "data": format!("0x{}", hex::encode(&call.data)),
        });
        self.ask("eth_sendTransaction", json!([transaction]));
        until("the gift", || {
            (self.holds()? == "100.0000000").then_some(())
        });
    }

    /// What the circle says that its Safe holds.
    fn holds(&self) -> Option<String> {
        let payouts = self.nine.payouts()?;
        let wallets = payouts["wallets"].as_array()?;
        let safe = wallets.iter().find(|wallet| wallet["name"] == "safe")?;
        assert_eq!(safe["paused"], Value::Null, "{safe}");
        Some(safe["holdings"][0]["amount"].as_str()?.to_owned())
    }

    fn install(&self) {
        let nine = &self.nine;
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

    /// What the farmer holds, and how many transactions the Safe carried out.
    fn effects(&self) -> (U256, u64) {
        self.runtime.block_on(async {
            let held = self
                .chain
                .balances(self.farmer_address, &[self.token])
                .await;
            let safe = self.chain.safe_state(self.safe).await;
            (held.unwrap().tokens[0].1, safe.unwrap().safe_nonce)
        })
    }

    /// Plans the next payment.
    fn pay(&self) -> u64 {
        self.nine.pay(&self.farmer, "1 TFT")
    }

    /// The chain shows one payment more, in one transaction of the Safe more.
    fn paid_once_more(&mut self) {
        self.paid += 1;
        let (held, safe_nonce) = self.effects();
        assert_eq!(held - self.before.0, U256::from(self.paid * ONE_TFT));
        assert_eq!(safe_nonce - self.before.1, self.paid);
        assert_eq!(
            self.holds().unwrap(),
            format!("{}.0000000", GIFT_TFT - self.paid)
        );
    }

    /// The Safe carried out a payment of which the circle does not know yet.
    fn waits_for_the_chain(&self) {
        until("the Safe to carry it out", || {
            (self.effects().1 == self.before.1 + self.paid + 1).then_some(())
        });
    }

    /// From now on this goes wrong with a method at these nodes, and nothing else does.
    fn break_at(&self, nodes: impl IntoIterator<Item = usize>, method: &'static str, fault: Fault) {
        for number in nodes {
            break_only(
                &self.nine.proxies[number - 1],
                vec![(method, fault.clone())],
            );
        }
    }

    fn mend(&self) {
        self.nine.proxies.iter().for_each(Proxy::mend);
    }

    /// The nodes that tried to send something since then, and how much each had tried by then.
    fn senders(&self, since: &[usize]) -> Vec<usize> {
        let tried = self.tried();
        let numbers = tried.iter().zip(since).enumerate();
        numbers
            .filter_map(|(index, (now, then))| (now > then).then_some(index + 1))
            .collect()
    }

    /// How often each node tried to send something.
    fn tried(&self) -> Vec<usize> {
        let proxies = self.nine.proxies.iter();
        proxies
            .map(|proxy| {
                proxy
                    .asked()
                    .iter()
                    .filter(|asked| is_sending(asked))
                    .count()
            })
            .collect()
    }

    /// Waits for one of the nodes to send something.
    fn sender(&self, since: &[usize]) -> usize {
        until("somebody to send it", || {
            self.senders(since).first().copied()
        })
    }

    /// All die at once, and come back to a world in which nothing is wrong.
    fn die(&mut self) {
        self.nine.kill();
        self.mend();
        self.nine.revive();
    }

    /// Lets every node see the chain through its own proxy and two endpoints at which nothing is wrong.
    fn connect_to_three(&mut self) {
        self.nine.kill();
        for number in 1..=9 {
            let own = self.nine.proxies[number - 1].url();
            let three = [own.as_str(), &self.node.url, &self.honest.url()];
            self.nine.replace(number, &format!("[{own:?}]"), &three);
        }
        self.nine.revive();
    }

    /// How a node says that the endpoints of the chain do.
    fn link(&self, number: usize) -> Value {
        let chains = self.nine.chains(number);
        let mut chains = chains.as_array().unwrap().iter();
        let found = chains.find(|chain| chain["kind"] == "ethereum");
        found.unwrap().clone()
    }
}

#[test]
fn a_payout_of_a_safe_is_paid_once_whoever_dies_on_its_way() {
    let mut paying = Paying::start();

    // Killed before the chain hears of it.
    paying.break_at(1..=9, "eth_sendRawTransaction", Fault::Answer(503));
    let before = paying.tried();
    let id = paying.pay();
    paying.nine.signed(id);
    paying.sender(&before);
    paying.die();
    paying.nine.settles(id);
    paying.paid_once_more();

    // Killed when the chain has it, and nobody knows.
    paying.break_at(1..=9, "eth_getLogs", Fault::Answer(503));
    let id = paying.pay();
    paying.waits_for_the_chain();
    let open = paying.nine.payout(id).unwrap();
    assert_eq!(open["payout"]["reported"], json!([]), "{open}");
    paying.die();
    paying.nine.settles(id);
    paying.paid_once_more();

    // Killed when five of nine reported it.
    paying.break_at(6..=9, "eth_getLogs", Fault::Answer(503));
    let id = paying.pay();
    paying.nine.wait(id, "five reports", |diff| {
        let reported = diff["payout"]["reported"].as_array();
        reported.is_some_and(|reported| reported.len() == 5)
    });
    paying.die();
    paying.nine.settles(id);
    paying.paid_once_more();

    // Whoever sends it dies before the chain hears of it.
    paying.break_at(1..=9, "eth_sendRawTransaction", Fault::Silence);
    let before = paying.tried();
    let id = paying.pay();
    let sender = paying.sender(&before);
    paying.mend();
    paying.nine.restart(sender);
    paying.nine.settles(id);
    paying.paid_once_more();

    // Whoever sends it dies when it waits for a block, and comes back without knowing of it.
    paying.ask("evm_setIntervalMining", json!([0]));
    paying.break_at(1..=9, "eth_sendRawTransaction", Fault::SilenceAfter);
    let before = paying.tried();
    let id = paying.pay();
    let sender = paying.sender(&before);
    until("the chain to have it", || {
        let pool = paying.ask("txpool_status", json!([]));
        (pool["pending"] != "0x0").then_some(())
    });
    paying.mend();
    paying.nine.restart(sender);
    let again = paying.tried();
    paying.sender(&again);
    paying.ask("evm_setIntervalMining", json!([1]));
    paying.nine.settles(id);
    paying.paid_once_more();

    adoption::takes_over(&paying);
}

#[test]
fn a_payout_of_a_safe_is_paid_once_whatever_the_endpoints_of_the_chain_do() {
    let mut paying = Paying::start();

    // Two nodes send it, and the chain has both transactions before it makes the next block.
    paying.ask("evm_setIntervalMining", json!([0]));
    let before = paying.tried();
    let id = paying.pay();
    until("two nodes to send it", || {
        (paying.senders(&before).len() >= 2).then_some(())
    });
    until("the chain to have both", || {
        let content = paying.ask("txpool_content", json!([]));
        (content["pending"].as_object()?.len() >= 2).then_some(())
    });
    paying.ask("evm_setIntervalMining", json!([1]));
    paying.nine.settles(id);
    paying.paid_once_more();

    // One node is lied to by the only endpoint that it has, and one hears nothing; seven are enough.
    paying.break_at([3], "eth_getLogs", failures());
    paying.break_at([4], "eth_blockNumber", Fault::Answer(504));
    let id = paying.pay();
    paying.nine.settles(id);
    paying.paid_once_more();
    // Between two looks other questions are answered.
    until("the outage to be seen", || {
        let chain = paying.link(4);
        let said = chain["endpoints"][0]["error"].as_str()?.to_owned();
        (chain["reachable"] == false && said.contains("504")).then_some(())
    });
    paying.mend();
    paying.connect_to_three();

    // One endpoint of each node takes what is sent, and never says so.
    paying.break_at(1..=9, "eth_sendRawTransaction", Fault::SilenceAfter);
    let id = paying.pay();
    paying.nine.settles(id);
    paying.paid_once_more();

    // One endpoint of each node says that nothing ever happened.
    for proxy in &paying.nine.proxies {
        let nothing = say(json!(format!("0x{:064x}", 0)));
        break_only(
            proxy,
            vec![("eth_getLogs", say(json!([]))), ("eth_call", nothing)],
        );
    }
    let id = paying.pay();
    paying.nine.settles(id);
    paying.paid_once_more();
    let chain = paying.link(2);
    let endpoints = chain["endpoints"].as_array().unwrap();
    let wrong = |one: &Value| one["contradictions"].as_u64().unwrap();
    assert!(wrong(&endpoints[0]) > 0, "{chain}");
    assert_eq!((wrong(&endpoints[1]), wrong(&endpoints[2])), (0, 0));
    for endpoint in endpoints {
        let block = endpoint["ledger"].as_u64();
        assert!(block > Some(0) && endpoint["age_s"].is_u64(), "{chain}");
    }
    paying.mend();

    approval::people_approve(&paying);
}

/// Says that whatever a Safe carried out failed.
fn failures() -> Fault {
    // keccak256("ExecutionFailure(bytes32,uint256)")
    const FAILURE: &str = "0x23428b18acfb3ea64b08dc0c1d296ea9c09702c09083ca5272e64d115b687d23";
    change(|mut logs| {
        for log in logs.as_array_mut().into_iter().flatten() {
            log["topics"][0] = json!(FAILURE);
        }
        logs
    })
}
