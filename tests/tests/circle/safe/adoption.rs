//! Safes that were there before the circle.

use super::*;

const THERE: Account = Account([0x5a; 20]);

#[test]
fn a_safe_that_the_guardians_own_is_taken_over_in_its_own_order() {
    let mut money = Money::with(20, 1_000, &THERE.to_string(), <[Account]>::reverse);
    assert_eq!(money.address(), THERE);
    assert!(owners_agree(&money));
    assert_eq!(money.wallet().setup(money.circle.genesis.circle), None);
    assert_eq!(money.wallet().since, 499);
    let bob = money.person("bob");
    money.pay(&["bob"], 100);
    money.run();
    assert_eq!(money.circle.states(), [(1, "pay", "settled")]);
    assert_eq!(money.holds(bob), 10_000);

    // Who comes is put before all others, and who goes is named by who stands before.
    joins(&mut money.circle, "ten");
    money.run();
    leaves(&mut money.circle, "guardian4");
    money.run();
    assert_eq!(
        money.circle.states()[1..],
        [(2, "signers", "settled"), (3, "signers", "settled")]
    );
    assert!(owners_agree(&money));
    assert_eq!((money.safe.owners.len(), money.safe.threshold), (9, 7));
}

#[test]
fn a_safe_is_opened_only_with_just_the_owners_that_it_is_to_have() {
    let mut money = Money::new(21, 1_000);
    let main = money.address().to_string();
    for (address, expected) in [
        ("0x5a", "ethereum_address"),
        (&*THERE.to_string().to_lowercase(), "ethereum_checksum"),
        (&*main, "wallet.address"),
        (&*THERE.to_string(), "ok"),
    ] {
        let receipt = money.circle.act_as_circle(vec![open("old", address)]);
        assert_eq!(receipt.code, expected, "{address}");
    }
    let gift = Observation::Received {
        wallet: "old".into(),
        operation: "0xabc:7".into(),
        from: Account([9; 20]).to_string(),
        to: None,
        memo: None,
        amount: Amount::new(5, tft()),
    };
    let early = observe(std::slice::from_ref(&gift));
    assert_eq!(code(&mut money, 0, early), "observation.early");
    let right = money.safe.owners.clone();
    let changed = |change: fn(&mut Vec<Account>)| {
        let mut owners = right.clone();
        change(&mut owners);
        owners
    };
    let seen = |owners: Vec<Account>| Observation::Linked {
        wallet: "old".into(),
        sequence: 41,
        owners,
    };
    for wrong in [
        Vec::new(),
        changed(|owners| owners.truncate(8)),
        changed(|owners| owners.push(Account([1; 20]))),
        changed(|owners| owners[0] = Account([1; 20])),
        changed(|owners| owners[0] = owners[1]),
    ] {
        let report = observe(&[seen(wrong)]);
        assert_eq!(code(&mut money, 0, report), "observation.owners");
    }
    // Guardians who see other orders do not see the same.
    let order = changed(|owners| owners.reverse());
    for guardian in 0..6 {
        let report = observe(&[seen(order.clone())]);
        assert_eq!(code(&mut money, guardian, report), "ok");
    }
    assert_eq!(code(&mut money, 6, observe(&[seen(right)])), "ok");
    let old = |money: &Money| {
        let wallet = treasury::wallet(&money.circle.guardians[0].state(), "old");
        wallet.unwrap().unwrap()
    };
    assert_eq!(old(&money).next_sequence, None);
    assert_eq!(code(&mut money, 7, observe(&[seen(order.clone())])), "ok");
    let wallet = old(&money);
    assert_eq!(wallet.next_sequence, Some(42));
    assert_eq!(wallet.owners().unwrap().addresses(), order);
    assert!(money.report(&gift), "from now on it is the circle's");
}
