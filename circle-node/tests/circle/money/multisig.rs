//! A second wallet, which each guardian owns with a key of its own: its account is made by somebody else, and opened when it is right.

use serde_json::Value;
use treasury_protocol::stellar;

use super::Paying;
use super::nine::{Nine, address};
use crate::{get, json, run, until};

const WALLET: &str = "second";

/// The wallet, as the first guardian's node shows it.
fn wallet(nine: &Nine) -> Option<Value> {
    let payouts = nine.payouts()?;
    let wallets = payouts["wallets"].as_array()?;
    wallets.iter().find(|one| one["name"] == WALLET).cloned()
}

fn friend(nine: &Nine, name: &str) -> (String, String) {
    let mut keyring = circle_node::keyring::Keyring::new(nine.path("friends"));
    let key = stellar::address(&circle::ids::Key::of(keyring.key(name).unwrap()).0);
    let path = format!("/friendbot?addr={key}");
    let (status, _) = get(address(&nine.horizon), &path);
    assert_eq!(status, 200);
    let file = nine.path(&format!("friends/{name}.key"));
    (key, file.display().to_string())
}

pub fn guardians_own_a_wallet(paying: &Paying) {
    let nine = &paying.nine;
    let home = nine.home(1);
    let (wrong, _) = friend(nine, "wrong");
    let (_, funder) = friend(nine, "funder");
    let account = |status: i32| {
        let verb = ["treasury", "account", WALLET, "--key", &funder, "--yes"];
        json(&[&verb[..], &["--home", &home, "--json"]].concat(), status)
    };
    assert_eq!(account(1)["error"]["code"], "wallet.unknown");
    let network = "network:'Guardian Circle sandbox'";
    nine.decide(&format!("!!treasury.multisig wallet:{WALLET} {network}\n"));
    let known = until("all guardians to name their keys", || {
        wallet(nine).filter(|wallet| wallet["owners_needed"] == 7)
    });
    assert_eq!(known["owners"].as_array().unwrap().len(), 9);
    let (_, screen, _) = run(&["treasury", "status", "--home", &home], "");
    let hint = format!("`circle treasury account {WALLET} --key FILE` makes it");
    assert!(screen.contains(&hint), "{screen}");

    // An account that is somebody else's is looked at, and stays shut.
    nine.act(&format!(
        "!!treasury.account wallet:{WALLET} address:{wrong}\n"
    ));
    let refused = until("the wrong account to be looked at", || {
        wallet(nine).filter(|wallet| wallet["differs"].is_array())
    });
    let differs = refused["differs"].to_string();
    for what in [
        "its own key weighs 1 instead of 0",
        "is no signer",
        "its thresholds are 0, 0 and 0 instead of 7",
    ] {
        assert!(differs.contains(what), "{differs}");
    }
    assert_eq!(refused["next_sequence"], Value::Null);

    let made = account(0);
    assert!(made["named_at_height"].is_u64(), "{made}");
    let open = until("the guardians to open it", || {
        wallet(nine).filter(|wallet| wallet["next_sequence"].is_i64())
    });
    assert_eq!(open["account"], made["account"]);
    let trusts = until("the wallet to trust TFT", || {
        let payouts = nine.payouts()?;
        let ended = payouts["ended"].as_array()?;
        let trust = |one: &&Value| one["wallet_name"] == WALLET && one["state"] == "settled";
        ended.iter().find(trust).cloned()
    });
    let envelope = trusts["envelope_xdr"].as_str().unwrap();
    let signatures = stellar::Envelope::parse(envelope).unwrap().signatures;
    assert_eq!(signatures.len(), 7, "{trusts}");
    assert_eq!(account(1)["error"]["code"], "account.open");
}
