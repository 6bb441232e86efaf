//! A wallet gets another key while nodes die.

use serde_json::{Value, json};

use super::Paying;
use super::nine::{Nine, address};
use crate::proxy::Fault;
use crate::{get, until};

/// All nodes die while the key is made, and again when the change is signed and a payment waits behind it.
pub fn another_key_while_nodes_die(paying: &mut Paying) {
    for proxy in &paying.nine.proxies {
        proxy.break_at("POST /transactions", Fault::Answer(503));
    }
    let before = signers(paying);
    paying.nine.decide("!!treasury.rotate wallet:main\n");
    paying.nine.kill();
    paying.nine.revive();
    let change = until("the change to be signed", || {
        purpose(&paying.nine, "signers", "signed")
    });
    assert_eq!(signers(paying), before, "nothing has changed yet");
    let id = paying.pay();
    paying.nine.wait(id, "the payment to wait", |diff| {
        diff["payout"]["state"] == "checking" && diff["payout"]["behind"] == change
    });
    paying.all_die_and_come_back();
    paying.nine.settles(id);
    until("the old key to lose its say", || {
        purpose(&paying.nine, "retire", "settled")
    });
    let ceremonies = get(&paying.nine.api(1).to_string(), "/v1/ceremonies").1;
    let made = ceremonies["ceremonies"].as_array().unwrap();
    let newest = made.last().unwrap();
    assert_eq!(newest["wallets"], json!(["main"]), "{ceremonies}");
    let mut key = [0; 32];
    hex::decode_to_slice(newest["public"].as_str().unwrap(), &mut key).unwrap();
    let new = treasury_protocol::stellar::address(&key);
    let mut expected = [(paying.wallet.clone(), 0), (new, 255)];
    expected.sort();
    assert_eq!(signers(paying), expected);
    // The change and the retirement of the old key beside the payment.
    paying.taken += 2;
    paying.paid_once_more();
}

/// The number of a payout of a purpose in a state.
fn purpose(nine: &Nine, purpose: &str, state: &str) -> Option<u64> {
    let (_, document) = get(&nine.api(1).to_string(), "/v1/payouts");
    let payouts = document["payouts"].as_array()?;
    let found = payouts
        .iter()
        .find(|one| one["purpose"] == purpose && one["state"] == state)?;
    found["id"].as_u64()
}

/// Who signs for the wallet, as the ledger says.
fn signers(paying: &Paying) -> Vec<(String, u64)> {
    let path = format!("/accounts/{}", paying.wallet);
    let (_, account) = get(address(&paying.nine.horizon), &path);
    let one = |signer: &Value| {
        let key = signer["key"].as_str().unwrap().to_owned();
        (key, signer["weight"].as_u64().unwrap())
    };
    let mut signers: Vec<_> = account["signers"]
        .as_array()
        .unwrap()
        .iter()
        .map(one)
        .collect();
    signers.sort();
    signers
}
