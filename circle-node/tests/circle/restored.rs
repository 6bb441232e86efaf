//! A guardian whose node is lost in mid-session and restored from an old backup, in a circle that then needs its signature.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Child;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use circle::ceremonies::SignMessage;
use circle::envelope::Envelope;
use serde_json::Value;
use treasury_protocol::ceremony::sign::{Message, Signing};
use treasury_protocol::ceremony::{CeremonyId, GroupKey};

use super::{Devnet, get, json, run, started, until};

/// A node that ends with this process.
struct Node(Child);

impl Node {
    fn start(home: &str, options: &[&str]) -> Self {
        let arguments = ["start", "--home", home, "--json", "--with-parent"];
        Self(started(&[&arguments[..], options].concat()).0)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Has seven guardians sign `text`, and waits until it is certified.
fn act(devnet: &Devnet, text: &str) {
    let transaction = devnet.home("act.tx");
    let _ = std::fs::remove_file(&transaction);
    let one = |arguments: &[&str], input: &str| {
        let (status, stdout, stderr) = run(&[&["act"], arguments].concat(), input);
        assert_eq!(status, 0, "{text}: {stdout}{stderr}");
    };
    one(
        &["-", "--out", &transaction, "--home", &devnet.home("g1")],
        text,
    );
    for number in 2..=7 {
        let home = devnet.home(&format!("g{number}"));
        one(&["--cosign", &transaction, "--home", &home], "");
    }
    one(&["--send", &transaction, "--home", &devnet.home("g1")], "");
}

fn ceremony(devnet: &Devnet, wallet: &str) -> Value {
    let home = devnet.home("g1");
    let all = json(&["treasury", "ceremonies", "--home", &home, "--json"], 0);
    let mut all = all["ceremonies"].as_array().unwrap().iter();
    all.find(|one| one["wallets"][0] == wallet).unwrap().clone()
}

fn group_key(ceremony: &Value) -> GroupKey {
    let hash = |value: &Value| {
        let mut bytes = [0; 32];
        hex::decode_to_slice(value.as_str().unwrap(), &mut bytes).unwrap();
        bytes
    };
    let members = ceremony["members"].as_array().unwrap();
    GroupKey {
        ceremony: CeremonyId(hash(&ceremony["id"])),
        public: hash(&ceremony["public"]),
        threshold: ceremony["threshold"].as_u64().unwrap() as u16,
        verifying_shares: members
            .iter()
            .map(|member| hash(&member["verifying_share"]))
            .collect(),
    }
}

/// All messages of one payout's signing, in their order: the number of the sender, and what it sent.
fn messages(devnet: &Devnet, ceremony: &Value, payout: u64) -> Vec<(u16, Message)> {
    let members = ceremony["members"].as_array().unwrap();
    let api = devnet.api("g1");
    let (mut found, mut height) = (Vec::new(), 1);
    loop {
        let (_, answer) = get(&api, &format!("/v1/blocks/{height}?count=500"));
        let blocks = answer["blocks"].as_array().unwrap();
        for transaction in blocks
            .iter()
            .flat_map(|block| block["transactions"].as_array().unwrap())
        {
            let bytes = BASE64.decode(transaction.as_str().unwrap()).unwrap();
            let envelope = Envelope::decode(&bytes).unwrap();
            let sender = envelope.body.sender.to_string();
            let index = members.iter().position(|member| member["key"] == sender);
            for action in &envelope.body.actions {
                if (action.actor.as_str(), action.name.as_str()) != ("ceremony", "sign") {
                    continue;
                }
                let threescript::value::Value::Bytes(bytes) = &action.params[0].1 else {
                    panic!("{action:?}")
                };
                let all: Vec<SignMessage> = borsh::from_slice(bytes).unwrap();
                let index = index.unwrap() as u16 + 1;
                let ours = all.into_iter().filter(|one| one.payout == payout);
                found.extend(ours.map(|one| (index, one.message)));
            }
        }
        height += blocks.len() as u64;
        if height > answer["head"].as_u64().unwrap() {
            return found;
        }
    }
}

#[test]
fn a_guardian_restored_from_an_old_backup_in_mid_session_signs_and_uses_no_nonce_twice() {
    let (devnet, document) = Devnet::start_with(&["--escrow", "bob=0"]);
    let owed = document["owed"].as_array().unwrap();
    assert!(
        owed.iter().any(|one| one["consumer"] == "bob"),
        "{document}"
    );
    let at = |name: &str| devnet.home(name);
    let lost = at("g3");

    // A backup to an identity that is kept elsewhere, and a drill against the node of somebody else.
    let identity = at("identities/g1.txt");
    let text = std::fs::read_to_string(&identity).unwrap();
    let recipient = text
        .lines()
        .find_map(|line| line.strip_prefix("# age1"))
        .unwrap();
    let recipient = format!("age1{recipient}");
    let (early, late) = (at("early.backup"), at("late.backup"));
    let backup = |file: &str| {
        json(
            &[
                "treasury",
                "backup",
                "--home",
                &lost,
                "--to",
                file,
                "--recipient",
                &recipient,
                "--json",
            ],
            0,
        )
    };
    let drill = |file: &str, status: i32| {
        json(
            &[
                "treasury",
                "drill",
                file,
                "--identity",
                &identity,
                "--home",
                &at("g5"),
                "--json",
            ],
            status,
        )
    };
    assert_eq!(backup(&early)["complete"], true);
    assert_eq!(drill(&early, 0)["complete"], true);

    // A second wallet, whose key needs all nine: the early backup lacks its share.
    act(
        &devnet,
        "!!ceremony.start wallet:savings network:'Test SDF Network ; September 2015' sequence:0 threshold:9",
    );
    let savings = until("the key of savings", || {
        let one = ceremony(&devnet, "savings");
        (one["phase"] == "done").then_some(one)
    });
    let missing = drill(&early, 1);
    assert_eq!(missing["complete"], false);
    let rows = missing["rows"].as_array().unwrap();
    let row = rows
        .iter()
        .find(|row| row["what"] == "wallet savings")
        .unwrap();
    assert_eq!(row["standing"], "missing", "{missing}");
    assert_eq!(backup(&late)["complete"], true);
    assert_eq!(drill(&late, 0)["complete"], true);

    // With g9 away and benched the payout is released, and its signing waits for g9 after eight have committed.
    devnet.kill("g9");
    act(&devnet, "!!circle.bench guardian:g9");
    act(
        &devnet,
        "!!policy.set policy:iou param:wallet value:savings\n!!treasury.deposit wallet:savings account:bob amount:'100000 TFT' reference:later\n",
    );
    let (status, stdout, stderr) = run(
        &["act", "-", "--home", &at("g2")],
        "!!iou.roll_up up_to:'2099-01-01 00:00:00'",
    );
    assert_eq!(status, 0, "{stdout}{stderr}");
    let payout = until("eight commitments", || {
        let (_, payouts) = get(&devnet.api("g1"), "/v1/payouts");
        let mut payouts = payouts["payouts"].as_array()?.iter();
        let payout = payouts.find(|one| one["state"] == "signing")?["id"].as_u64()?;
        (messages(&devnet, &savings, payout).len() == 8).then_some(payout)
    });

    // The node of g3 is lost with its nonces, and its home is made again from the backup, with a passphrase.
    devnet.kill("g3");
    std::fs::rename(&lost, at("lost")).unwrap();
    let (pass, wrong) = (at("pass"), at("wrong"));
    std::fs::write(&pass, "correct horse battery\n").unwrap();
    std::fs::write(&wrong, "incorrect horse battery\n").unwrap();
    let restored = at("restored");
    let restore = |home: &str, status: i32| {
        json(
            &[
                "treasury",
                "restore",
                &late,
                "--identity",
                &identity,
                "--home",
                home,
                "--protect",
                "passphrase",
                "--home-passphrase-file",
                &pass,
                "--json",
            ],
            status,
        )
    };
    assert_eq!(
        restore(&at("g4"), 1)["error"]["code"],
        "restore.other_key",
        "somebody else's home"
    );
    assert_eq!(
        restore(&restored, 0)["written"].as_array().unwrap().len(),
        3
    );
    let wrongly = [
        "start",
        "--home",
        &restored,
        "--passphrase-file",
        &wrong,
        "--json",
    ];
    assert_eq!(json(&wrongly, 1)["error"]["code"], "secrets.passphrase");
    let _restored = Node::start(&restored, &["--passphrase-file", &pass]);
    let running = json(
        &[
            "treasury", "protect", "--home", &restored, "--with", "none", "--json",
        ],
        1,
    );
    assert_eq!(running["error"]["code"], "home.busy");

    // With g9 back a session is fixed over what the lost node had committed to. The restored one cannot answer it and commits
    // anew, the others follow, and the payout is signed by all nine.
    let _ninth = Node::start(&at("g9"), &[]);
    until("the signature", || {
        let (_, payouts) = get(&devnet.api("g1"), "/v1/payouts");
        let mut payouts = payouts["payouts"].as_array()?.iter();
        let one = payouts.find(|one| one["id"] == payout)?;
        (one["state"] == "signed").then_some(())
    });
    check_nonces(&devnet, &savings, payout);
}

/// Plays the signing again from the log, and checks that no commitment was ever answered by two shares.
fn check_nonces(devnet: &Devnet, ceremony: &Value, payout: u64) {
    let key = group_key(ceremony);
    let (_, payouts) = get(&devnet.api("g1"), "/v1/payouts");
    let payouts = payouts["payouts"].as_array().unwrap();
    let one = payouts.iter().find(|one| one["id"] == payout).unwrap();
    let mut hash = [0; 32];
    hex::decode_to_slice(one["tx_hash"].as_str().unwrap(), &mut hash).unwrap();
    let members = ceremony["members"].as_array().unwrap();
    let third = members
        .iter()
        .position(|member| member["guardian"] == "g3")
        .unwrap() as u16
        + 1;

    let mut signing = Signing::new(&key, hash);
    let (mut answered, mut of_third) = (BTreeSet::new(), (0, 0));
    for (sender, message) in messages(devnet, ceremony, payout) {
        if let Message::Share { session, share } = &message {
            let session = &signing.sessions()[*session as usize];
            let signer = session.signer(sender).unwrap();
            let (hiding, binding) = (signer.commitment.hiding, signer.commitment.binding);
            // The same share may be sent again; another one for the same nonces would give the secret away.
            let others = answered
                .iter()
                .filter(|(who, nonces, other)| {
                    (*who, *nonces) == (sender, (hiding, binding)) && other != share
                })
                .count();
            assert_eq!(others, 0, "member {sender} used a nonce twice");
            answered.insert((sender, (hiding, binding), *share));
        }
        if sender == third {
            match message {
                Message::Commit(_) => of_third.0 += 1,
                Message::Share { .. } => of_third.1 += 1,
            }
        }
        let _ = signing.apply(&key, sender, &message);
    }
    assert!(signing.signature().is_some());
    assert!(signing.cheaters().is_empty());
    assert!(
        of_third.0 >= 2,
        "the lost node committed, and the restored one"
    );
    let old = &signing.sessions()[0];
    assert!(
        old.is_closed() && old.signer(third).unwrap().share.is_none(),
        "nobody answered for what the lost node had committed to"
    );
    assert!(of_third.1 >= 1, "the restored node gave a share");
    assert!(!Path::new(&devnet.home("g3")).exists());
}
