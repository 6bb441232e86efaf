use ed25519_zebra::SigningKey;
use expect_test::expect;

use super::*;

fn key(seed: u8) -> SigningKey {
    SigningKey::from([seed; 32])
}

fn iou(number: u64) -> Iou {
    Iou {
        circle: CircleId([1; 32]),
        farmer: Key::of(&key(1)),
        consumer: Key::of(&key(2)),
        reference: format!("node-{number}"),
        from: 1_767_225_600,
        to: 1_767_229_200,
        usage: vec![
            ("cru".into(), Decimal::from(2)),
            ("mru_gib".into(), Decimal::parse("4.5").unwrap()),
        ],
        price: Price {
            policy: [3; 32],
            tft_musd: 50,
        },
        asset: AssetCode::new("TFT").unwrap(),
        amount: 12_345_678,
        sequence: number,
    }
}

fn about() -> About {
    let policy = PolicyName {
        name: "billing".into(),
        version: 1,
        hash: hex::encode([3; 32]),
    };
    About {
        circle: CircleId([1; 32]),
        policy,
        asset: AssetCode::new("TFT").unwrap(),
        price_musd: 50,
    }
}

fn accounts() -> Vec<Party> {
    let party = |name: &str, role: &str, seed| Party {
        name: name.into(),
        key: Key::of(&key(seed)),
        roles: vec![role.into()],
    };
    vec![
        party("alice", "consumer", 2),
        party("freefarm", "farmer", 1),
    ]
}

fn text(ious: &[SignedIou]) -> String {
    let mut bytes = Vec::new();
    write_to(&mut bytes, &about(), &accounts(), ious).unwrap();
    String::from_utf8(bytes).unwrap()
}

fn signed(number: u64) -> SignedIou {
    iou(number).sign(&key(1), &key(2))
}

#[test]
fn a_batch_reads_as_it_was_written() {
    let ious = [signed(1), signed(2), signed(3)];
    let text = text(&ious);
    serde_json::from_str::<serde_json::Value>(&text).expect("the file as a whole is JSON");
    let file = parse(&text).unwrap();
    assert_eq!(
        (file.about.clone(), file.accounts.clone()),
        (about(), accounts())
    );
    assert_eq!(file.signed().cloned().collect::<Vec<_>>(), ious);
    // One line for the header, one for each account, one between, then one for each IOU.
    assert_eq!(
        file.entries
            .iter()
            .map(|entry| entry.line)
            .collect::<Vec<_>>(),
        [5, 6, 7]
    );
    let ids = file.stated_ids();
    assert!(
        ious.iter()
            .all(|signed| ids[&signed.iou.id()] == hex::encode(signed.iou.id()))
    );
    assert!(parse(&super::tests::text(&[])).unwrap().entries.is_empty());
}

#[test]
fn people_can_read_it() {
    expect![[r#"
        {"format":"guardian-circle-ious 1","circle":"0101010101010101010101010101010101010101010101010101010101010101","policy":{"name":"billing","version":1,"hash":"0303030303030303030303030303030303030303030303030303030303030303"},"asset":"TFT","price_musd":50,"accounts":[
        {"name":"alice","key":"8139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b394","roles":["consumer"]},
        {"name":"freefarm","key":"8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c","roles":["farmer"]}
        ],"ious":[
        ]}
    "#]]
    .assert_eq(&text(&[]));
}

/// Changes the text of the second of three IOUs and says what becomes of it; the others always stand.
fn check(from: &str, to: &str, expected: &str) {
    let good = text(&[signed(1), signed(2), signed(3)]);
    let mut lines: Vec<String> = good.lines().map(str::to_owned).collect();
    assert!(lines[5].contains(from), "{from} is in the line");
    lines[5] = lines[5].replacen(from, to, 1);
    let file = parse(&lines.join("\n")).unwrap_or_else(|error| panic!("{from} -> {to}: {error}"));
    let [first, second, third] = &file.entries[..] else {
        panic!("three entries")
    };
    assert_eq!((&first.iou, &third.iou), (&Ok(signed(1)), &Ok(signed(3))));
    let got = match &second.iou {
        Err(malformed) => {
            assert!(malformed.reason.starts_with("line 6: "), "{malformed}");
            malformed.code
        }
        Ok(read) if *read == signed(2) => "unchanged",
        Ok(read) if circle::iou::verify_signatures(&[read]) == [true] => {
            panic!("{from} -> {to}: signed, but not by them")
        }
        Ok(_) => "iou.signature",
    };
    assert_eq!(got, expected, "{from} -> {to}");
}

#[test]
fn whatever_is_tampered_with_is_malformed_or_unsigned() {
    let id = hex::encode(signed(2).iou.id());
    check(&format!("\"id\":\"{id}\""), "\"id\":\"x\"", "unchanged");
    check("\"1.2345678\"", "\"1.2345679\"", "iou.signature");
    check("\"1.2345678\"", "\"-1.2345678\"", "iou.signature");
    check("\"1.2345678\"", "\"922337203685.4775807\"", "iou.signature");
    check(
        "\"1.2345678\"",
        "\"922337203685.4775808\"",
        "iou.overflowing_amount",
    );
    check(
        "\"1.2345678\"",
        &format!("\"{}\"", "9".repeat(60)),
        "iou.overflowing_amount",
    );
    check("\"1.2345678\"", "\"1.23456789\"", "iou.malformed");
    check("\"1.2345678\"", "\"1e3\"", "iou.malformed");
    check("\"1.2345678\"", "1.2345678", "iou.malformed");
    check("\"asset\":\"TFT\"", "\"asset\":\"DOGE\"", "iou.signature");
    check(
        "\"asset\":\"TFT\"",
        "\"asset\":\"doge!\"",
        "iou.unknown_asset",
    );
    check("\"sequence\":2", "\"sequence\":1", "iou.signature");
    check("\"sequence\":2", "\"sequence\":-1", "iou.malformed");
    check(
        "\"sequence\":2",
        "\"sequence\":18446744073709551616",
        "iou.malformed",
    );
    check(
        "\"sequence\":2",
        "\"sequence\":2,\"sequence\":2",
        "iou.malformed",
    );
    check(
        "\"sequence\":2",
        "\"sequence\":2,\"tip\":5",
        "iou.malformed",
    );
    check("\"sequence\":2,", "", "iou.malformed");
    check("T00:00:00Z", "T00:00:01Z", "iou.signature");
    check("T00:00:00Z", "T00:00:00", "iou.malformed");
    check("\"circle\":\"01", "\"circle\":\"02", "iou.signature");
    check("\"circle\":\"01", "\"circle\":\"0", "iou.malformed");
    check("\"policy\":\"03", "\"policy\":\"xx", "iou.malformed");
    check("\"cru\":\"2\"", "\"cru\":\"3\"", "iou.signature");
    check("\"cru\":\"2\"", "\"cru\":\"two\"", "iou.malformed");
    check(
        "\"contract\":\"node-2\"",
        "\"contract\":\"\"",
        "iou.signature",
    );
    check(
        "\"farmer_key\":\"8a",
        "\"farmer_key\":\"8b",
        "iou.signature",
    );
    check(
        "\"farmer\":\"freefarm\"",
        "\"farmer\":\"mallory\"",
        "iou.malformed",
    );
    let farmer_signature = hex::encode(signed(2).farmer_signature);
    check(&farmer_signature, &"0".repeat(128), "iou.signature");
    check(&farmer_signature, "00", "iou.malformed");
    check(
        &farmer_signature,
        &hex::encode(signed(2).consumer_signature),
        "iou.signature",
    );
    check(
        text(&[signed(2)]).lines().nth(4).unwrap(),
        "null",
        "iou.malformed",
    );
}

#[test]
fn a_malformed_entry_keeps_the_id_that_it_states() {
    let broken = text(&[signed(1)]).replace("\"sequence\":1", "\"sequence\":\"one\"");
    let file = parse(&broken).unwrap();
    assert_eq!(file.entries[0].id, hex::encode(signed(1).iou.id()));
    assert_eq!(file.malformed().count(), 1);
    let anonymous = broken.replace("\"id\"", "\"di\"");
    assert_eq!(parse(&anonymous).unwrap().entries[0].id, "line 5");
}

#[test]
fn what_is_no_batch_is_refused_as_a_whole() {
    let good = text(&[signed(1)]);
    let check = |text: String, expected: &str| {
        let error = parse(&text).unwrap_err();
        assert!(error.contains(expected), "{error}");
    };
    check(String::new(), "line 1 column 0");
    check("not json".into(), "line 1 column 2");
    check(good[..good.len() - 4].to_owned(), "EOF");
    check(format!("{good}{good}"), "trailing characters");
    check(good.replace("ious 1", "ious 9"), "its format");
    check(good.replacen("\"01", "\"zz", 1), "`circle`");
    check(good.replacen("\"TFT\"", "\"tft\"", 1), "`asset`");
    check(
        good.replace("\"alice\",\"key\"", "\"../alice\",\"key\""),
        "cannot be an account's name",
    );
    check(
        good.replace("\"alice\",\"key\"", "\"freefarm\",\"key\""),
        "listed twice",
    );
    check(good.replace("\"consumer\"]", "\"guardian\"]"), "roles");
    check(
        good.replace("\"price_musd\":50,\"accounts\"", "\"accounts\""),
        "price_musd",
    );
}

#[test]
fn batches_are_what_the_circle_decodes_and_fit_into_transactions() {
    let ious: Vec<SignedIou> = (0..3000).map(signed).collect();
    let batches = batches(&ious);
    let decoded: Vec<Vec<SignedIou>> = batches
        .iter()
        .map(|batch| borsh::from_slice(batch).unwrap())
        .collect();
    assert_eq!(decoded.concat(), ious);
    for (batch, ious) in batches.iter().zip(&decoded) {
        assert!(ious.len() <= BATCH_IOUS_MAX && batch.len() <= BATCH_BYTES_MAX + 4);
    }
    assert_eq!(batches.len(), 2);
    assert!(super::batches(&[]).is_empty());
}

#[test]
fn a_file_is_written_whole_or_not_at_all() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("batch.iou");
    write(&path, &about(), &accounts(), &[signed(1)]).unwrap();
    assert_eq!(read(&path).unwrap().signed().count(), 1);
    let missing = directory.path().join("nowhere/batch.iou");
    assert!(matches!(
        write(&missing, &about(), &accounts(), &[]),
        Err(FileError::Io { doing: "write", .. })
    ));
    assert!(matches!(
        read(&missing),
        Err(FileError::Io { doing: "read", .. })
    ));
    fs::write(&path, "{}").unwrap();
    let error = read(&path).unwrap_err().to_string();
    assert!(
        error.contains("batch.iou is no batch") && error.contains("circle iou make"),
        "{error}"
    );
}

#[test]
fn amounts_have_seven_decimals() {
    for (units, expected) in [
        (0, "0.0000000"),
        (1, "0.0000001"),
        (-1, "-0.0000001"),
        (12_345_678, "1.2345678"),
        (i128::from(i64::MIN), "-922337203685.4775808"),
    ] {
        assert_eq!(render_amount(units), expected);
    }
}
