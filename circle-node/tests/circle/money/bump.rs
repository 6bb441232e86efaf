//! The ledger asks for more than the circle offers, and somebody else pays it.

use serde_json::Value;
use treasury_protocol::stellar;

use super::Paying;
use super::nine::address;
use crate::{get, json, post, run, until};

/// The native balance of an account, in stroops.
fn stroops(horizon: &str, account: &str) -> i64 {
    let (status, account) = get(address(horizon), &format!("/accounts/{account}"));
    assert_eq!(status, 200, "{account}");
    let balances = account["balances"].as_array().unwrap();
    let native = balances.iter().find(|one| one["asset_type"] == "native");
    let balance = native.unwrap()["balance"].as_str().unwrap();
    balance.replace('.', "").parse().unwrap()
}

pub fn another_account_pays_more(paying: &mut Paying) {
    let nine = &paying.nine;
    let horizon = nine.horizon.clone();
    post(address(&horizon), "/surge?fee=5000", b"");
    let id = paying.pay();
    let signed = nine.signed(id);
    // Whoever sent it shows what the ledger said, and what can be done.
    let refused_at = until("a node to be refused", || {
        (1..=9).find(|number| {
            let path = format!("/v1/payouts/{id}");
            let (_, diff) = get(&nine.api(*number).to_string(), &path);
            diff["payout"]["refused"] == "tx_insufficient_fee"
        })
    });
    let (home, id) = (nine.home(refused_at), id.to_string());
    let (_, screen, _) = run(&["treasury", "status", &id, "--home", &home], "");
    let hint = format!("`circle treasury bump {id} --key FILE` lets another account pay more");
    assert!(screen.contains(&hint), "{screen}");

    let mut keyring = circle_node::keyring::Keyring::new(nine.path("hot"));
    let hot = stellar::address(&circle::ids::Key::of(keyring.key("hot").unwrap()).0);
    let key = nine.path("hot/hot.key").display().to_string();
    let bump = |options: &[&str], status: i32| -> Value {
        let verb = [
            "treasury", "bump", &id, "--key", &key, "--home", &home, "--json",
        ];
        json(&[&verb[..], options].concat(), status)
    };
    assert_eq!(bump(&["--yes"], 1)["error"]["code"], "horizon.account");
    let (status, _) = get(address(&horizon), &format!("/friendbot?addr={hot}"));
    assert_eq!(status, 200);
    assert_eq!(bump(&[], 1)["error"]["code"], "approve.unconfirmed");
    let low = bump(&["--yes", "--max-fee", "2000"], 1);
    assert_eq!(low["error"]["code"], "bump.refused", "{low}");
    assert!(
        low["error"]["reason"]
            .as_str()
            .unwrap()
            .contains("tx_insufficient_fee"),
        "{low}"
    );
    // Printed, it could be sent from anywhere.
    let printed = bump(&["--print", "--max-fee", "30000"], 0);
    let wrapped = stellar::FeeBump::parse(
        printed["envelope_xdr"].as_str().unwrap(),
        signed["payout"]["network_passphrase"].as_str().unwrap(),
    );
    assert_eq!(wrapped.unwrap().fee_stroops(), 30_000);
    assert_eq!(printed["inner_tx_hash"], signed["payout"]["tx_hash"]);

    let before = (stroops(&horizon, &hot), stroops(&horizon, &paying.wallet));
    let fees = nine.payouts().unwrap()["wallets"][0]["fees"].clone();
    let sent = bump(&["--yes"], 0);
    // Two operations, counting the bump: offered twice over, and charged as everybody.
    assert_eq!(
        (&sent["max_fee_stroops"], &sent["fee_charged_stroops"]),
        (&20_000.into(), &10_000.into()),
        "{sent}"
    );
    let settled = nine.settles(id.parse().unwrap());
    assert_eq!(settled["payout"]["ledger"], sent["ledger"]);
    assert_eq!(settled["payout"]["tx_hash"], signed["payout"]["tx_hash"]);
    assert_eq!(
        (stroops(&horizon, &hot), stroops(&horizon, &paying.wallet)),
        (before.0 - 10_000, before.1)
    );
    // Nothing was paid by the wallet, and nothing is in the circle's books.
    assert_eq!(nine.payouts().unwrap()["wallets"][0]["fees"], fees);
    assert_eq!(bump(&["--yes"], 1)["error"]["code"], "bump.included");
    post(address(&horizon), "/surge?fee=100", b"");
    paying.paid_once_more();
}
