//! A second wallet, which each guardian owns with a key of its own: its account is made by somebody else, and opened when it is right.

use circle::ids::Key;
use circle_node::devnet::bank::Bank;
use circle_node::devnet::stellar::PASSPHRASE;
use circle_node::keyring::Keyring;
use ed25519_zebra::SigningKey;
use serde_json::Value;
use tokio::runtime::Runtime;
use treasury_chains::endpoints::Timeouts;
use treasury_chains::stellar::{Horizon, Submission};
use treasury_protocol::stellar::multisig::Owners;
use treasury_protocol::stellar::{self, Asset, AssetCode, Batch, Operation, Signature, TimeBounds};

use super::Paying;
use super::nine::{Nine, address};
use crate::{get, json, run, until};

const WALLET: &str = "second";

/// A wallet, as the first guardian's node shows it.
fn wallet_called(nine: &Nine, name: &str) -> Option<Value> {
    let payouts = nine.payouts()?;
    let wallets = payouts["wallets"].as_array()?;
    wallets.iter().find(|one| one["name"] == name).cloned()
}

fn wallet(nine: &Nine) -> Option<Value> {
    wallet_called(nine, WALLET)
}

fn friend(nine: &Nine, name: &str) -> (String, String) {
    let mut keyring = Keyring::new(nine.path("friends"));
    let key = stellar::address(&Key::of(keyring.key(name).unwrap()).0);
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

/// Somebody moves money through an account, hands the empty account over, and has no claim on that money.
pub fn what_moved_before_does_not_count(paying: &Paying, runtime: &Runtime) {
    const NAME: &str = "third";
    let nine = &paying.nine;
    nine.decide(&format!(
        "!!treasury.multisig wallet:{NAME} network:'{PASSPHRASE}'\n"
    ));
    let known = until("the owners to be known", || {
        wallet_called(nine, NAME).filter(|wallet| wallet["owners_needed"] == 7)
    });
    let owners = known["owners"].as_array().unwrap().iter();
    let keys = owners.map(|owner| {
        let address = owner["address"].as_str().unwrap();
        stellar::key_of_address(address).unwrap()
    });
    let owners = Owners::new(keys.collect(), 7).unwrap();
    let (thief, account) = (SigningKey::from([71; 32]), SigningKey::from([72; 32]));
    let issuer = *Keyring::new(nine.path("issuer"))
        .existing("issuer")
        .unwrap();
    let bank = Bank::new(&nine.horizon, issuer).unwrap();
    let (from, to) = (Key::of(&thief), Key::of(&account));
    runtime.block_on(bank.open(&[thief, account])).unwrap();
    runtime.block_on(bank.issue(&[(from, 5)].into())).unwrap();
    for (to, payer) in [(to, thief), (from, account)] {
        runtime.block_on(bank.pay(to.0, vec![(payer, 5)])).unwrap();
    }
    let mut hand_over = vec![Operation::Trust {
        asset: Asset::Issued {
            code: AssetCode::new("TFT").unwrap(),
            issuer: Key::of(&issuer).0,
        },
        limit: 0,
    }];
    hand_over.extend(owners.setup().unwrap());
    runtime.block_on(send(&nine.horizon, &account, hand_over));
    nine.act(&format!(
        "!!treasury.account wallet:{NAME} address:{}\n",
        stellar::address(&to.0)
    ));
    let holds = |what: &str, wanted: Value| {
        until(what, || {
            wallet_called(nine, NAME).filter(|wallet| {
                let waits = wallet["next_sequence"].is_null();
                !waits && wallet["holdings"] == wanted && wallet["paused"].is_null()
            })
        });
    };
    holds("the guardians to open it", serde_json::json!([]));
    until("it to trust TFT again", || {
        let payouts = nine.payouts()?;
        let ended = payouts["ended"].as_array()?;
        let trust = |one: &Value| one["wallet_name"] == NAME && one["state"] == "settled";
        ended.iter().any(trust).then_some(())
    });
    runtime.block_on(bank.pay(to.0, vec![(thief, 5)])).unwrap();
    let five = serde_json::json!([
        { "asset": "TFT", "amount": "0.0000005", "going_out": "0.0000000" }
    ]);
    holds("what comes from now on to count", five);
}

async fn send(horizon: &str, key: &SigningKey, operations: Vec<Operation>) {
    let horizon = Horizon::new(&[horizon.to_owned()], PASSPHRASE, Timeouts::default()).unwrap();
    let source = Key::of(key).0;
    let account = horizon.account(&source).await.unwrap().unwrap();
    let batch = Batch {
        source,
        fee_per_op_stroops: 100,
        sequence: account.sequence + 1,
        time_bounds: TimeBounds {
            min: 0,
            max: u64::from(u32::MAX),
        },
        memo: None,
        operations,
    };
    let signature = Signature {
        key: source,
        bytes: key.sign(&batch.hash(PASSPHRASE).unwrap()).into(),
    };
    let envelope = batch.envelope(PASSPHRASE, &[signature]).unwrap();
    let submitted = horizon.submit(&envelope).await.unwrap();
    assert!(
        matches!(
            submitted,
            Submission::Included {
                succeeded: true,
                ..
            }
        ),
        "{submitted:?}"
    );
}
