//! A Safe that was there before the circle becomes one of its wallets, if it belongs to the guardians and to nobody else.

use serde_json::{Value, json};
use treasury_chains::ethereum::{FeeLimits, Relayer};
use treasury_protocol::ethereum::{Address, Contracts, OwnerKey, Owners, Setup, U256};

use super::{CHAIN_ID, Paying};
use crate::{run, until};

/// Deploys a Safe of these owners, as anybody can.
fn deployed(paying: &Paying, relayer: &Relayer, owners: &[Address], threshold: u32) -> Address {
    let setup = Setup {
        owners: Owners::new(owners.to_vec(), threshold).unwrap(),
        salt: [9; 32],
        contracts: Contracts::CANONICAL,
    };
    let safe = setup.address();
    let sent = paying
        .runtime
        .block_on(paying.chain.deploy(&setup, relayer));
    sent.unwrap();
    until("a Safe to be there", || {
        let state = paying.runtime.block_on(paying.chain.safe_state(safe));
        state.unwrap().deployed.then_some(())
    });
    safe
}

fn wallet(paying: &Paying, name: &str) -> Option<Value> {
    let payouts = paying.nine.payouts()?;
    let wallets = payouts["wallets"].as_array()?;
    wallets
        .iter()
        .find(|wallet| wallet["name"] == name)
        .cloned()
}

pub fn takes_over(paying: &Paying) {
    let owners_of = |safe: Address| {
        let state = paying.runtime.block_on(paying.chain.safe_state(safe));
        let state = state.unwrap();
        (state.owners, state.threshold)
    };
    let (mut owners, _) = owners_of(paying.safe);
    owners.reverse();
    let key = OwnerKey::from_bytes(&[9; 32]).unwrap();
    let relayer = Relayer::new(key, CHAIN_ID, FeeLimits::default());
    paying.ask(
        "anvil_setBalance",
        json!([relayer.address().to_string(), U256::from(10_u64.pow(18))]),
    );
    // What a transaction would do is asked of the newest block, which may be one of before.
    until("a block with the money", || {
        let holds = paying.chain.balances(relayer.address(), &[]);
        let held = paying.runtime.block_on(holds).unwrap().native_wei;
        (!held.is_zero()).then_some(())
    });

    // One of other owners, and too few of them, stays a stranger, and everybody is told why.
    let stranger = Address([0x77; 20]);
    let mut others = owners.clone();
    let left_out = std::mem::replace(&mut others[4], stranger);
    let other = deployed(paying, &relayer, &others, 6);
    paying.nine.decide(&format!(
        "!!treasury.safe wallet:other chain_id:{CHAIN_ID} address:{other} from_block:1\n"
    ));
    let told = until("the differences to be seen", || {
        let home = paying.nine.home(2);
        let (_, text, _) = run(&["treasury", "status", "--home", &home], "");
        text.contains("owns it, and should not").then_some(text)
    });
    for expected in [
        format!("NOT OPENED: {stranger} owns it, and should not"),
        format!("NOT OPENED: {left_out} does not own it, and should"),
        "NOT OPENED: 6 of its owners have to sign, and 7 should".to_owned(),
    ] {
        assert!(told.contains(&expected), "{told}");
    }

    let taken = deployed(paying, &relayer, &owners, 7);
    paying.nine.decide(&format!(
        "!!treasury.safe wallet:taken chain_id:{CHAIN_ID} address:{taken} from_block:1\n"
    ));
    until("the circle to take the Safe over", || {
        let taken = wallet(paying, "taken")?;
        (taken["next_sequence"] == 0).then_some(())
    });
    // It acts by it: eight of nine have to sign from then on.
    paying
        .nine
        .decide("!!treasury.rotate wallet:taken threshold:8\n");
    until("eight to be needed", || {
        let (now, threshold) = owners_of(taken);
        assert_eq!(now, owners);
        (threshold == 8).then_some(())
    });
    until("the circle to know", || {
        let taken = wallet(paying, "taken")?;
        (taken["change"].is_null() && taken["next_sequence"] == 1).then_some(())
    });
    // Whoever makes a backup is told that the key which owns them is in it.
    let file = |name: &str| paying.nine.path(name).display().to_string();
    std::fs::write(paying.nine.path("passphrase"), "three brown bears\n").unwrap();
    let (to, passphrase) = (file("g2.backup"), file("passphrase"));
    let home = paying.nine.home(2);
    let made = crate::json(
        &[
            "treasury",
            "backup",
            "--home",
            &home,
            "--to",
            &to,
            "--passphrase-file",
            &passphrase,
            "--json",
        ],
        0,
    );
    let rows = made["rows"].as_array().unwrap();
    let owner = rows.iter().find(|row| row["what"] == "wallet taken");
    assert_eq!(owner.unwrap()["standing"], "covered", "{made}");
    // Meanwhile the other one is nobody's wallet.
    let other = wallet(paying, "other").unwrap();
    assert_eq!(other["next_sequence"], Value::Null, "{other}");
}
