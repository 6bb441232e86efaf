//! People who approve a large payment from a Safe, one of them on a machine without network.

use circle_node::keyring::Keyring;
use serde_json::{Value, json};

use super::{ONE_TFT, Paying, U256};
use crate::{json, run};

pub fn people_approve(paying: &Paying) {
    let nine = &paying.nine;
    let mut keyring = Keyring::new(nine.path("people"));
    let mut person = |name: &str| circle::ids::Key::of(keyring.key(name).unwrap()).to_string();
    for (number, name) in [(1, "ann"), (2, "ben")] {
        let key = person(name);
        nine.act(&format!(
            "!!circle.register name:{name} key:{key} roles:auditor\n"
        ));
        nine.decide(&format!(
            "!!treasury.confirmer guardian:g{number} account:{name}\n"
        ));
    }
    nine.decide("!!treasury.checks wallet:safe from:'10 TFT' confirmations:2\n");
    let before = paying.effects();
    let id = nine.pay(&paying.farmer, "20 TFT");
    let open = nine.wait(id, "people to be asked", |diff| {
        diff["payout"]["state"] == "checking"
    });
    assert_eq!(open["mismatches"], json!([]));
    let made = &open["decoded"]["moves"][0];
    let (to, asset) = (
        paying.farmer_address.to_string(),
        format!("TFT:{}", paying.token),
    );
    assert_eq!(
        (&made["to"], &made["asset"], &made["amount"]),
        (&json!(to), &json!(asset), &json!("20.000000000"))
    );
    let (id, home) = (id.to_string(), nine.home(1));
    let file = |name: &str| nine.path(name).display().to_string();
    let (ann, ben) = (file("people/ann.key"), file("people/ben.key"));
    let approve = |key: &str, status: i32| {
        json(
            &[
                "treasury", "approve", &id, "--key", key, "--home", &home, "--yes", "--json",
            ],
            status,
        )
    };
    approve(&ann, 0);
    assert_eq!(approve(&ann, 1)["error"]["code"], "confirmation.repeated");

    let (request, signed) = (file("ben.request"), file("ben.signed"));
    json(
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
    let sign = |request: &str, out: &str| {
        run(
            &[
                "treasury", "sign", request, "--key", &ben, "--out", out, "--yes",
            ],
            "",
        )
    };
    // Whoever changes the bytes on their way changes what is shown, and what is approved is nothing that the circle planned.
    let text = std::fs::read_to_string(&request).unwrap();
    let mut other: Value = serde_json::from_str(&text).unwrap();
    let data = other["transaction"]["data"].as_str().unwrap();
    let (amount, more) = (20 * ONE_TFT, 90 * ONE_TFT);
    let data = data.replace(&format!("{amount:064x}"), &format!("{more:064x}"));
    other["transaction"]["data"] = json!(data);
    let (changed, wrong) = (file("other.request"), file("other.signed"));
    std::fs::write(&changed, other.to_string()).unwrap();
    let (code, shown, _) = sign(&changed, &wrong);
    assert!(
        code == 0 && shown.contains("pays 90.000000000 TFT:"),
        "{shown}"
    );
    let refused = json(&["treasury", "send", &wrong, "--home", &home, "--json"], 1);
    assert_eq!(refused["error"]["code"], "confirmation.transaction");
    // A Safe that is lent to anybody is not even shown.
    other["transaction"]["operation"] = json!(1);
    std::fs::write(&changed, other.to_string()).unwrap();
    let (code, _, said) = sign(&changed, &file("never.signed"));
    assert!(code == 1 && said.contains("delegate call"), "{said}");

    // The refused one used up the number of ben's account that the first request named.
    std::fs::remove_file(&request).unwrap();
    json(
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
    let (code, shown, _) = sign(&request, &signed);
    let decimals = format!(
        "the request says that TFT is the token {}, with 9 decimals",
        paying.token
    );
    for expected in ["pays 20.000000000 TFT:", "20000000000 units", &decimals] {
        assert!(code == 0 && shown.contains(expected), "{shown}");
    }
    json(&["treasury", "send", &signed, "--home", &home, "--json"], 0);
    nine.settles(id.parse().unwrap());
    let after = paying.effects();
    assert_eq!(
        (after.0 - before.0, after.1 - before.1),
        (U256::from(20 * ONE_TFT), 1)
    );
}
