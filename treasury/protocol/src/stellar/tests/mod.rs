use ed25519_zebra::SigningKey;
use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;

fn signing_key() -> SigningKey {
    SigningKey::from([7; 32])
}

fn key(byte: u8) -> [u8; 32] {
    ed25519_zebra::VerificationKey::from(&SigningKey::from([byte; 32])).into()
}

fn tft() -> Asset {
    Asset::Issued {
        code: AssetCode::new("TFT").unwrap(),
        issuer: key(9),
    }
}

fn batch() -> PaymentBatch {
    PaymentBatch {
        source: key(7),
        fee_per_op_stroops: 100,
        sequence: 42,
        time_bounds: TimeBounds {
            min: 0,
            max: 1_700_000_000,
        },
        memo: None,
        operations: vec![Payment {
            destination: key(1),
            asset: tft(),
            amount: 12_500_000_000,
        }],
    }
}

/// Text for a snapshot: the hash on the test network, then the envelope or the refusal.
fn written(batch: &PaymentBatch) -> String {
    let envelope = batch.hash(TESTNET_PASSPHRASE).and_then(|hash| {
        let signature: [u8; 64] = signing_key().sign(&hash).into();
        Ok(format!(
            "{}\n{}",
            hex::encode(hash),
            batch.envelope(TESTNET_PASSPHRASE, &signature)?
        ))
    });
    envelope.unwrap_or_else(|error| format!("{}: {error}", error.code()))
}

fn check(change: impl FnOnce(&mut PaymentBatch), expected: Expect) {
    let mut batch = batch();
    change(&mut batch);
    expected.assert_eq(&written(&batch));
}

#[test]
fn the_bytes_of_a_payment_are_these() {
    check(
        |_| {},
        expect![[r#"
        f6aef48b4565d51ba85303be7c90c1a139a523abc0ba2320ddf6d9fb4c7a8fe5
        AAAAAgAAAADqSmxj4pxSCr71UHsTLsX5lUd2rr6+e5JCHuppFEbSLAAAAGQAAAAAAAAAKgAAAAEAAAAAAAAAAAAAAABlU/EAAAAAAAAAAAEAAAAAAAAAAQAAAACKiOPddAnxlf1S2y08ul1yymcJvx2UEhvzdIgBtA9vXAAAAAFURlQAAAAAAP0XJDhaoMdbZPt4zWAvodmR/ev3axPFjtcC6sg16fYYAAAAAukO3QAAAAAAAAAAARRG0iwAAABAFmnb3vMwXRe0hTKO4gWdKgLXzUMc4t7ene/q73RaLSYpC8wx1leBLPIVcjzZw4vSLpa2iCetCa6mZjIl/gVTBA=="#]],
    );
}

#[test]
fn the_bytes_of_each_kind_of_asset_and_memo_are_these() {
    check(
        |batch| {
            batch.memo = Some(Memo::Text("day 1".to_owned()));
            batch.operations = vec![
                Payment {
                    destination: key(1),
                    asset: Asset::Native,
                    amount: 1,
                },
                Payment {
                    destination: key(2),
                    asset: Asset::Issued {
                        code: AssetCode::new("GUARDIANS").unwrap(),
                        issuer: key(9),
                    },
                    amount: i64::MAX,
                },
            ];
        },
        expect![[r#"
            b5fe5a623d239901b2f460d52723bdbd2c50472b3215f0c25f6ea80a68d09583
            AAAAAgAAAADqSmxj4pxSCr71UHsTLsX5lUd2rr6+e5JCHuppFEbSLAAAAMgAAAAAAAAAKgAAAAEAAAAAAAAAAAAAAABlU/EAAAAAAQAAAAVkYXkgMQAAAAAAAAIAAAAAAAAAAQAAAACKiOPddAnxlf1S2y08ul1yymcJvx2UEhvzdIgBtA9vXAAAAAAAAAAAAAAAAQAAAAAAAAABAAAAAIE5dw6ofRdfVqNUZsNMfszLjYqRtO43ol32D1uPybOUAAAAAkdVQVJESUFOUwAAAAAAAAD9FyQ4WqDHW2T7eM1gL6HZkf3r92sTxY7XAurINen2GH//////////AAAAAAAAAAEURtIsAAAAQES+ZdwVsUAqUqB0wY0tyAMKo7auBp3HHtZUDpn2PvIb2N1lsHSR4rFSruqxiLYCBNx2+OhE95UB7fjYVxpziwY="#]],
    );
    check(
        |batch| batch.memo = Some(Memo::Id(u64::MAX)),
        expect![[r#"
        23125f65f2bdce599f45ae2c32e8c0c736ccc159cb9c806a9fa538fb330139ef
        AAAAAgAAAADqSmxj4pxSCr71UHsTLsX5lUd2rr6+e5JCHuppFEbSLAAAAGQAAAAAAAAAKgAAAAEAAAAAAAAAAAAAAABlU/EAAAAAAv//////////AAAAAQAAAAAAAAABAAAAAIqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29cAAAAAVRGVAAAAAAA/RckOFqgx1tk+3jNYC+h2ZH96/drE8WO1wLqyDXp9hgAAAAC6Q7dAAAAAAAAAAABFEbSLAAAAEB+fLlwByY/UCTszE4v0UKEq+jQr3CCrWjaiW1Ec9R/4lYQpsB/Y0Rxeqf/fhNimkWxCCVBvCA8bEBlCmpTQj4J"#]],
    );
    check(
        |batch| batch.memo = Some(Memo::Hash([0xab; 32])),
        expect![[r#"
        7ca6777a96044a3a0265d89ef0175fd06434591e375f8378b5dd501c51150d74
        AAAAAgAAAADqSmxj4pxSCr71UHsTLsX5lUd2rr6+e5JCHuppFEbSLAAAAGQAAAAAAAAAKgAAAAEAAAAAAAAAAAAAAABlU/EAAAAAA6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6urAAAAAQAAAAAAAAABAAAAAIqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29cAAAAAVRGVAAAAAAA/RckOFqgx1tk+3jNYC+h2ZH96/drE8WO1wLqyDXp9hgAAAAC6Q7dAAAAAAAAAAABFEbSLAAAAEBKuo6vanzwnhfFzDM2Av60ZK/XhdjT/Cn06OLx9hBU9gmKdmR0rxL/tlrvGy0SzuO7as7H1+tqhdA4WAPwrd0D"#]],
    );
}

#[test]
fn what_the_network_would_refuse_has_no_bytes() {
    check(
        |batch| batch.operations.clear(),
        expect![
            "stellar_operation_count: a batch holds 1 to 100 payments, this one holds 0; split it"
        ],
    );
    check(
        |batch| batch.operations = vec![batch.operations[0].clone(); 101],
        expect![
            "stellar_operation_count: a batch holds 1 to 100 payments, this one holds 101; split it"
        ],
    );
    check(
        |batch| batch.operations[0].amount = 0,
        expect!["stellar_amount: payment 0 is of 0 units; an amount must be positive"],
    );
    check(
        |batch| batch.operations[0].amount = -5,
        expect!["stellar_amount: payment 0 is of -5 units; an amount must be positive"],
    );
    check(
        |batch| batch.sequence = 0,
        expect![
            "stellar_sequence: sequence number 0 cannot be used; the next one of the account is positive"
        ],
    );
    check(
        |batch| batch.time_bounds.max = 0,
        expect![
            "stellar_time_bounds: time bounds 0..0 are empty or endless; give an end after the start"
        ],
    );
    check(
        |batch| batch.fee_per_op_stroops = 99,
        expect![
            "stellar_fee: a fee of 99 stroops for each of 1 payments is outside 100 stroops each to 2^32-1 in all"
        ],
    );
    check(
        |batch| {
            batch.fee_per_op_stroops = u32::MAX / 2;
            batch.operations = vec![batch.operations[0].clone(); 3];
        },
        expect![
            "stellar_fee: a fee of 2147483647 stroops for each of 3 payments is outside 100 stroops each to 2^32-1 in all"
        ],
    );
    check(
        |batch| batch.memo = Some(Memo::Text("a memo of twenty-nine bytes!!".to_owned())),
        expect![
            "stellar_memo: a memo text of 29 bytes is longer than 28; shorten it or use a hash memo"
        ],
    );
}

#[test]
fn an_envelope_takes_only_the_signature_of_its_source_on_its_network() {
    let batch = batch();
    let hash = batch.hash(TESTNET_PASSPHRASE).unwrap();
    let signature: [u8; 64] = signing_key().sign(&hash).into();
    let stranger: [u8; 64] = SigningKey::from([8; 32]).sign(&hash).into();
    assert!(batch.envelope(TESTNET_PASSPHRASE, &signature).is_ok());
    assert_eq!(
        batch.envelope(PUBLIC_PASSPHRASE, &signature),
        Err(StellarError::Signature)
    );
    assert_eq!(
        batch.envelope(TESTNET_PASSPHRASE, &stranger),
        Err(StellarError::Signature)
    );
    assert_eq!(
        batch.envelope(TESTNET_PASSPHRASE, &[0xff; 64]),
        Err(StellarError::Signature)
    );
}

#[test]
fn addresses_read_back_and_others_are_refused() {
    assert_eq!(key_of_address(&address(&key(1))), Ok(key(1)));
    expect!["GAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAWHF"]
        .assert_eq(&address(&[0; 32]));
    for text in [
        "",
        "GAAA",
        "SAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAWHF",
        "é",
    ] {
        assert_eq!(
            key_of_address(text).unwrap_err().code(),
            "stellar_address",
            "{text}"
        );
    }
}

#[test]
fn asset_codes_are_letters_and_digits() {
    for code in ["", "A-B", "THIRTEENCHARS", "TFT\0", "ä"] {
        assert_eq!(
            AssetCode::new(code).unwrap_err().code(),
            "stellar_asset_code",
            "{code:?}"
        );
        let bytes = borsh::to_vec(code).unwrap();
        assert!(borsh::from_slice::<AssetCode>(&bytes).is_err(), "{code:?}");
    }
}

#[test]
fn envelopes_of_other_shapes_are_refused() {
    use stellar_xdr::{self as xdr, WriteXdr};
    let refusal = |change: fn(&mut xdr::Transaction)| {
        let mut tx = batch().transaction().unwrap();
        change(&mut tx);
        let envelope = xdr::TransactionEnvelope::from(tx)
            .to_xdr_base64(xdr::Limits::none())
            .unwrap();
        Envelope::parse(&envelope).unwrap_err().to_string()
    };
    expect!["not the envelope of a payment batch: it has no plain time bounds"]
        .assert_eq(&refusal(|tx| tx.cond = xdr::Preconditions::None));
    expect!["not the envelope of a payment batch: its fee is not the same for each payment"]
        .assert_eq(&refusal(|tx| {
            let operation = tx.operations[0].clone();
            tx.operations = vec![operation.clone(), operation].try_into().unwrap();
            tx.fee = 201;
        }));
    expect![
        "not the envelope of a payment batch: an operation is not a payment of the source account"
    ]
    .assert_eq(&refusal(|tx| {
        let mut operation = tx.operations[0].clone();
        operation.source_account = Some(tx.source_account.clone());
        tx.operations = vec![operation].try_into().unwrap();
    }));
    for text in ["", "AAAA", "not base64", "AAAAAgAAAAA"] {
        assert_eq!(
            Envelope::parse(text).unwrap_err().code(),
            "stellar_envelope",
            "{text}"
        );
    }
}

fn any_asset() -> impl Strategy<Value = Asset> {
    let issued =
        ("[A-Za-z0-9]{1,12}", any::<[u8; 32]>()).prop_map(|(code, issuer)| Asset::Issued {
            code: AssetCode::new(&code).unwrap(),
            issuer,
        });
    prop_oneof![Just(Asset::Native), issued]
}

fn any_memo() -> impl Strategy<Value = Memo> {
    prop_oneof![
        "[ -~]{0,28}".prop_map(Memo::Text),
        any::<u64>().prop_map(Memo::Id),
        any::<[u8; 32]>().prop_map(Memo::Hash)
    ]
}

fn any_batch() -> impl Strategy<Value = PaymentBatch> {
    let payment =
        (any::<[u8; 32]>(), any_asset(), 1..=i64::MAX).prop_map(|(destination, asset, amount)| {
            Payment {
                destination,
                asset,
                amount,
            }
        });
    let bounds = (0..u64::MAX).prop_flat_map(|min| (Just(min), min + 1..=u64::MAX));
    (
        100..10_000_000u32,
        1..=i64::MAX,
        bounds,
        prop::option::of(any_memo()),
        prop::collection::vec(payment, 1..=100),
    )
        .prop_map(
            |(fee_per_op_stroops, sequence, (min, max), memo, operations)| PaymentBatch {
                source: key(7),
                fee_per_op_stroops,
                sequence,
                time_bounds: TimeBounds { min, max },
                memo,
                operations,
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn envelopes_read_back(batch in any_batch()) {
        let signature: [u8; 64] = signing_key().sign(&batch.hash(PUBLIC_PASSPHRASE).unwrap()).into();
        let envelope = Envelope::parse(&batch.envelope(PUBLIC_PASSPHRASE, &signature).unwrap()).unwrap();
        prop_assert_eq!(envelope.verify(PUBLIC_PASSPHRASE), Ok(()));
        prop_assert_eq!(envelope.verify(TESTNET_PASSPHRASE), Err(StellarError::Signature));
        prop_assert_eq!(&envelope.batch, &batch);
        prop_assert_eq!(borsh::from_slice::<PaymentBatch>(&borsh::to_vec(&batch).unwrap()).unwrap(), batch);
    }
}
