//! Accounts that pass to owners, and to other keys.

use super::*;
use crate::stellar::founding::{self, Founding};

/// One line for each operation; keys by their numbers.
fn told(operations: &[Operation]) -> String {
    let number = |wanted: &[u8; 32]| (1..=40).find(|number| key(*number) == *wanted).unwrap();
    let tell = |operation: &Operation| match operation {
        Operation::SetSigner { key, weight } => format!("key {} weighs {weight}\n", number(key)),
        Operation::SetThresholds {
            master,
            low,
            medium,
            high,
        } => format!("master {master}, thresholds {low} {medium} {high}\n"),
        _ => unreachable!("it is about keys"),
    };
    operations.iter().map(tell).collect()
}

fn keys(numbers: impl IntoIterator<Item = u8>) -> Vec<[u8; 32]> {
    numbers.into_iter().map(key).collect()
}

#[test]
fn an_account_is_given_to_its_owners() {
    let operations = multisig::setup(&keys([1, 2, 3]), 2).unwrap();
    expect![[r#"
        key 1 weighs 1
        key 2 weighs 1
        key 3 weighs 1
        master 0, thresholds 2 2 2
    "#]]
    .assert_eq(&told(&operations));
    check(
        |batch| batch.operations = operations,
        expect![[r#"
        896cd1fa89555b06c0519f58e7f45fe835f798c048939cb48e2266de5f5bbb5e
        AAAAAgAAAADqSmxj4pxSCr71UHsTLsX5lUd2rr6+e5JCHuppFEbSLAAAAZAAAAAAAAAAKgAAAAEAAAAAAAAAAAAAAABlU/EAAAAAAAAAAAQAAAAAAAAABQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAQAAAACKiOPddAnxlf1S2y08ul1yymcJvx2UEhvzdIgBtA9vXAAAAAEAAAAAAAAABQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAQAAAACBOXcOqH0XX1ajVGbDTH7My42KkbTuN6Jd9g9bj8mzlAAAAAEAAAAAAAAABQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAQAAAADtSSjGKNHCxurpAziQWZVhKVknOlxj+TY2wUYUrIc30QAAAAEAAAAAAAAABQAAAAAAAAAAAAAAAAAAAAEAAAAAAAAAAQAAAAIAAAABAAAAAgAAAAEAAAACAAAAAAAAAAAAAAAAAAAAARRG0iwAAABAV33TIE8m/ine+8P8XCFuwai+9Lh9ZU2S35B2fZxz/RwNDMjwpPIWwdni5PxWgwxG3riy36wn6CEBlxkOe3qiAg=="#]],
    );
    let twenty = multisig::setup(&keys(10..30), 14).unwrap();
    assert_eq!(twenty.len(), 21);
}

#[test]
fn owners_leave_before_others_come() {
    let operations = multisig::change(&keys(10..30), &keys(15..35), 20).unwrap();
    expect![[r#"
        key 10 weighs 0
        key 11 weighs 0
        key 12 weighs 0
        key 13 weighs 0
        key 14 weighs 0
        key 30 weighs 1
        key 31 weighs 1
        key 32 weighs 1
        key 33 weighs 1
        key 34 weighs 1
        master 0, thresholds 20 20 20
    "#]]
    .assert_eq(&told(&operations));
    let same = multisig::change(&keys([1, 2]), &keys([2, 1]), 1).unwrap();
    expect![[r#"
        master 0, thresholds 1 1 1
    "#]]
    .assert_eq(&told(&same));
}

#[test]
fn an_account_that_nobody_could_use_is_not_made() {
    let refusal = |numbers: &[u8], threshold| {
        let refused = multisig::setup(&keys(numbers.iter().copied()), threshold);
        refused.unwrap_err().to_string()
    };
    expect!["1 of 0 owners cannot own an account; name 1 to 20 different keys and ask for 1 to all of them"].assert_eq(&refusal(&[], 1));
    expect!["3 of 2 owners cannot own an account; name 1 to 20 different keys and ask for 1 to all of them"].assert_eq(&refusal(&[1, 2], 3));
    expect!["0 of 2 owners cannot own an account; name 1 to 20 different keys and ask for 1 to all of them"].assert_eq(&refusal(&[1, 2], 0));
    expect!["2 of 2 owners cannot own an account; name 1 to 20 different keys and ask for 1 to all of them"].assert_eq(&refusal(&[1, 2, 1], 2));
    let too_many: Vec<u8> = (10..31).collect();
    expect!["14 of 21 owners cannot own an account; name 1 to 20 different keys and ask for 1 to all of them"].assert_eq(&refusal(&too_many, 14));
}

#[test]
fn an_envelope_takes_as_many_signatures_as_the_threshold_asks_for() {
    let hash = batch().hash(TESTNET_PASSPHRASE).unwrap();
    let mut signatures = [1, 2, 3, 4, 5].map(|owner| sign(owner, &hash)).to_vec();
    let envelope = |threshold, signatures: &[Signature]| {
        multisig::envelope(&batch(), TESTNET_PASSPHRASE, threshold, signatures)
    };
    assert_eq!(envelope(3, &signatures[..2]), Ok(None));
    let twice = [signatures[0], signatures[1], signatures[0]];
    assert_eq!(envelope(3, &twice), Ok(None), "an owner counts once");
    let text = envelope(3, &signatures).unwrap().unwrap();
    let mut lowest = keys(1..=5);
    lowest.sort_unstable();
    let read = Envelope::parse(&text).unwrap();
    assert_eq!(
        read.signers(TESTNET_PASSPHRASE, &keys(1..=5)),
        Ok(lowest[..3].to_vec())
    );
    signatures.reverse();
    assert_eq!(envelope(3, &signatures), Ok(Some(text)));
    assert_eq!(
        envelope(0, &signatures),
        Err(StellarError::Signatures { count: 0 })
    );
    let wrong = Signature {
        key: key(1),
        ..signatures[0]
    };
    assert_eq!(wrong.verify(&hash), Err(StellarError::Signature));
    assert_eq!(envelope(1, &[wrong]), Err(StellarError::Signature));
}

#[test]
fn an_account_is_made_and_handed_over_in_one_transaction() {
    let founding = |starting_stroops| Founding {
        funder: key(3),
        sequence: 42,
        fee_per_op_stroops: 100,
        time_bounds: TimeBounds {
            min: 0,
            max: 1_700_000_000,
        },
        account: key(4),
        starting_stroops,
        owners: multisig::Owners::new(keys([5, 6]), 2).unwrap(),
    };
    let sound = founding(20_000_000);
    assert_eq!(founding::least_stroops(&sound.owners), 20_000_000);
    let hash = sound.hash(TESTNET_PASSPHRASE).unwrap();
    expect!["d5248eaa730f96cc1e2887a8ab5974223a56bdc0c0c1ca728f1997f2d39e9783"]
        .assert_eq(&hex::encode(hash));
    let (funder, account) = (sign(3, &hash).bytes, sign(4, &hash).bytes);
    let envelope = sound.envelope(TESTNET_PASSPHRASE, funder, account);
    expect!["AAAAAgAAAADtSSjGKNHCxurpAziQWZVhKVknOlxj+TY2wUYUrIc30QAAAZAAAAAAAAAAKgAAAAEAAAAAAAAAAAAAAABlU/EAAAAAAAAAAAQAAAAAAAAAAAAAAADKk6wXBRhwcdZ7g8f/Dv6BCOjsRTBXXXcmh5Mz29q+fAAAAAABMS0AAAAAAQAAAADKk6wXBRhwcdZ7g8f/Dv6BCOjsRTBXXXcmh5Mz29q+fAAAAAUAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAEAAAAAbnoc3Smwt4/ROvTFWY/v9O8qlxZuPKby5Pv8zYBQW/EAAAABAAAAAQAAAADKk6wXBRhwcdZ7g8f/Dv6BCOjsRTBXXXcmh5Mz29q+fAAAAAUAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAEAAAAAiodf/x6zhFFXes1a/uQFRWVo3XyJ4JCGOgVXvHr0nxcAAAABAAAAAQAAAADKk6wXBRhwcdZ7g8f/Dv6BCOjsRTBXXXcmh5Mz29q+fAAAAAUAAAAAAAAAAAAAAAAAAAABAAAAAAAAAAEAAAACAAAAAQAAAAIAAAABAAAAAgAAAAAAAAAAAAAAAAAAAAKshzfRAAAAQOMejTaLvSaWsOndn7fK6CUEf1Gvo/zoHtB5UDlhEZmwK3UDOGGYFdW+jcBLDlOXkOA+5wXsZtLOqLC0c+hHaAzb2r58AAAAQNoK9PcSYWewlxXcNCQAotJxwO+v9v6zaCDypEB/kQ69Gpk6hn3Y0A2eg8I1DRJQigLhg34zdxdYyJs9k6VJ6Q4="].assert_eq(&envelope.unwrap());
    assert_eq!(
        sound.envelope(TESTNET_PASSPHRASE, account, funder),
        Err(StellarError::Signature)
    );
    expect!["operation 0 is to make an account with less than it has to keep; give it 0.5 XLM for each owner and 1 XLM more at least"].assert_eq(
        &founding(19_999_999)
            .hash(TESTNET_PASSPHRASE)
            .unwrap_err()
            .to_string(),
    );
}

#[test]
fn owners_are_the_same_in_any_order() {
    let owners = |numbers: &[u8], threshold| {
        multisig::Owners::new(keys(numbers.iter().copied()), threshold).unwrap()
    };
    let three = owners(&[1, 2, 3], 2);
    assert!(three.is_same(&owners(&[3, 1, 2], 2)));
    for other in [
        owners(&[1, 2, 3], 3),
        owners(&[1, 2], 2),
        owners(&[1, 2, 4], 2),
    ] {
        assert!(!three.is_same(&other) && !other.is_same(&three));
    }
    expect![[r#"
        key 1 weighs 0
        key 4 weighs 1
        master 0, thresholds 3 3 3
    "#]]
    .assert_eq(&told(&three.become_these(&owners(&[2, 3, 4], 3)).unwrap()));
}

#[test]
fn a_key_is_introduced_by_the_old_one_and_retires_it() {
    expect![[r#"
        key 8 weighs 255
        master 0, thresholds 1 1 1
        key 9 weighs 255
        key 8 weighs 0
    "#]]
    .assert_eq(&told(&[
        rotation::introduce(key(8)),
        rotation::retire(key(7), key(7)),
        rotation::introduce(key(9)),
        rotation::retire(key(7), key(8)),
    ]));
    check(
        |batch| batch.operations = vec![rotation::introduce(key(8))],
        expect![[r#"
            dba89feef2c0304650b214db61c452760c09518b500897986a9bd11210e81e30
            AAAAAgAAAADqSmxj4pxSCr71UHsTLsX5lUd2rr6+e5JCHuppFEbSLAAAAGQAAAAAAAAAKgAAAAEAAAAAAAAAAAAAAABlU/EAAAAAAAAAAAEAAAAAAAAABQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAQAAAAATmPYsbRpFfFG6aktfPb0vafypMhYhjciZfkFr0X2TygAAAP8AAAAAAAAAARRG0iwAAABAxY4abbosfIEBx8i5KAUkUJ3H4d9rRakcjmO2/mKYbvnXEVdVRLEpdRzDemmH8z84SgjdSxGQqu2Sq7OcU0ZLAg=="#]],
    );
    // The account is that of key 7 still, the signature that of key 8.
    let mut second = batch();
    second.sequence += 1;
    second.operations = vec![rotation::retire(key(7), key(7))];
    let hash = second.hash(TESTNET_PASSPHRASE).unwrap();
    let text = second
        .envelope(TESTNET_PASSPHRASE, &[sign(8, &hash)])
        .unwrap();
    let read = Envelope::parse(&text).unwrap();
    assert_eq!(
        read.signers(TESTNET_PASSPHRASE, &[key(8)]),
        Ok(vec![key(8)])
    );
    assert_eq!(
        read.signers(TESTNET_PASSPHRASE, &[key(7)]),
        Err(StellarError::Signature)
    );
    expect!["AAAAAgAAAADqSmxj4pxSCr71UHsTLsX5lUd2rr6+e5JCHuppFEbSLAAAAGQAAAAAAAAAKwAAAAEAAAAAAAAAAAAAAABlU/EAAAAAAAAAAAEAAAAAAAAABQAAAAAAAAAAAAAAAAAAAAEAAAAAAAAAAQAAAAEAAAABAAAAAQAAAAEAAAABAAAAAAAAAAAAAAAAAAAAAdF9k8oAAABAq0gXiZERGpMVI3+mIF2NX5zd7BMx+896e6Crz58j8QzA50rigsafQnno4oo+9jvOGPMLShiCsryIMYXdaiU0CA=="].assert_eq(&text);
}
