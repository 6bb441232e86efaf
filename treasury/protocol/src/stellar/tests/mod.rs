//! Golden bytes and refusals. Key number n is the ed25519 key of the seed of 32 bytes n.

mod fee_bumps;
mod operations;
mod owners;
mod random;
mod signatures;

use ed25519_zebra::SigningKey;
use expect_test::{Expect, expect};

use super::*;

fn key(byte: u8) -> [u8; 32] {
    ed25519_zebra::VerificationKey::from(&SigningKey::from([byte; 32])).into()
}

/// A signature of key number `byte`.
fn sign(byte: u8, hash: &[u8; 32]) -> Signature {
    Signature {
        key: key(byte),
        bytes: SigningKey::from([byte; 32]).sign(hash).into(),
    }
}

fn tft() -> Asset {
    Asset::Issued {
        code: AssetCode::new("TFT").unwrap(),
        issuer: key(9),
    }
}

fn batch() -> Batch {
    Batch {
        source: key(7),
        fee_per_op_stroops: 100,
        sequence: 42,
        time_bounds: TimeBounds {
            min: 0,
            max: 1_700_000_000,
        },
        memo: None,
        operations: vec![Operation::Payment {
            to: key(1).into(),
            asset: tft(),
            amount: 12_500_000_000,
        }],
    }
}

/// Text for a snapshot: the hash on the test network, then the envelope or the refusal.
fn written(batch: &Batch) -> String {
    let envelope = batch.hash(TESTNET_PASSPHRASE).and_then(|hash| {
        Ok(format!(
            "{}\n{}",
            hex::encode(hash),
            batch.envelope(TESTNET_PASSPHRASE, &[sign(7, &hash)])?
        ))
    });
    envelope.unwrap_or_else(|error| format!("{}: {error}", error.code()))
}

fn check(change: impl FnOnce(&mut Batch), expected: Expect) {
    let mut batch = batch();
    change(&mut batch);
    expected.assert_eq(&written(&batch));
}

fn set_amount(batch: &mut Batch, units: i64) {
    match &mut batch.operations[0] {
        Operation::Payment { amount, .. } | Operation::CreateClaimable { amount, .. } => {
            *amount = units;
        }
        _ => unreachable!("it moves nothing"),
    }
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
                Operation::Payment {
                    to: key(1).into(),
                    asset: Asset::Native,
                    amount: 1,
                },
                Operation::Payment {
                    to: key(2).into(),
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
            "stellar_operation_count: a batch holds 1 to 100 operations, this one holds 0; split it"
        ],
    );
    check(
        |batch| batch.operations = vec![batch.operations[0].clone(); 101],
        expect![
            "stellar_operation_count: a batch holds 1 to 100 operations, this one holds 101; split it"
        ],
    );
    check(
        |batch| set_amount(batch, 0),
        expect!["stellar_amount: operation 0 is of 0 units; an amount must be positive"],
    );
    check(
        |batch| set_amount(batch, -5),
        expect!["stellar_amount: operation 0 is of -5 units; an amount must be positive"],
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
            "stellar_fee: a fee of 99 stroops for each of 1 operations is outside 100 stroops each to 2^32-1 in all"
        ],
    );
    check(
        |batch| {
            batch.fee_per_op_stroops = u32::MAX / 2;
            batch.operations = vec![batch.operations[0].clone(); 3];
        },
        expect![
            "stellar_fee: a fee of 2147483647 stroops for each of 3 operations is outside 100 stroops each to 2^32-1 in all"
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
        assert!(text.parse::<Destination>().is_err(), "{text}");
    }
    // The example of SEP-0023.
    let muxed = "MA7QYNF7SOWQ3GLR2BGMZEHXAVIRZA4KVWLTJJFC7MGXUA74P7UJVAAAAAAAAAAAAAJLK";
    let destination: Destination = muxed.parse().unwrap();
    assert_eq!(destination.muxed, Some(1 << 63));
    assert_eq!(
        address(&destination.key),
        "GA7QYNF7SOWQ3GLR2BGMZEHXAVIRZA4KVWLTJJFC7MGXUA74P7UJVSGZ"
    );
    assert_eq!(destination.to_string(), muxed);
    assert_eq!(key_of_address(muxed).unwrap_err().code(), "stellar_address");
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

/// Why the envelope of a batch whose transaction was changed is none.
fn refused(batch: &Batch, change: impl FnOnce(&mut stellar_xdr::Transaction)) -> String {
    use stellar_xdr::WriteXdr;
    let mut tx = batch.transaction().unwrap();
    change(&mut tx);
    let envelope = stellar_xdr::TransactionEnvelope::from(tx)
        .to_xdr_base64(stellar_xdr::Limits::none())
        .unwrap();
    Envelope::parse(&envelope).unwrap_err().to_string()
}

#[test]
fn envelopes_of_other_shapes_are_refused() {
    use stellar_xdr as xdr;
    let refusal = |change: fn(&mut xdr::Transaction)| refused(&batch(), change);
    expect!["not the envelope of a batch: it has no plain time bounds"]
        .assert_eq(&refusal(|tx| tx.cond = xdr::Preconditions::None));
    expect!["not the envelope of a batch: its fee is not the same for each operation"].assert_eq(
        &refusal(|tx| {
            let operation = tx.operations[0].clone();
            tx.operations = vec![operation.clone(), operation].try_into().unwrap();
            tx.fee = 201;
        }),
    );
    expect!["not the envelope of a batch: an operation names a source of its own"].assert_eq(
        &refusal(|tx| {
            let mut operation = tx.operations[0].clone();
            operation.source_account = Some(tx.source_account.clone());
            tx.operations = vec![operation].try_into().unwrap();
        }),
    );
    expect!["not the envelope of a batch: its source is a muxed account"].assert_eq(&refusal(
        |tx| {
            let xdr::MuxedAccount::Ed25519(ed25519) = tx.source_account.clone() else {
                unreachable!("it is a plain account")
            };
            let muxed = xdr::MuxedAccountMed25519 { id: 1, ed25519 };
            tx.source_account = xdr::MuxedAccount::MuxedEd25519(muxed);
        },
    ));
    // A short code may stand in the long form, which nobody needs.
    expect!["not the envelope of a batch: it says more than a batch can"].assert_eq(&refusal(
        |tx| {
            let mut operation = tx.operations[0].clone();
            let xdr::OperationBody::Payment(payment) = &mut operation.body else {
                unreachable!("it is a payment")
            };
            let xdr::Asset::CreditAlphanum4(asset) = payment.asset.clone() else {
                unreachable!("the code is short")
            };
            let mut code = [0; 12];
            code[..4].copy_from_slice(&asset.asset_code.0);
            payment.asset = xdr::Asset::CreditAlphanum12(xdr::AlphaNum12 {
                asset_code: xdr::AssetCode12(code),
                issuer: asset.issuer,
            });
            tx.operations = vec![operation].try_into().unwrap();
        },
    ));
    for text in ["", "AAAA", "not base64", "AAAAAgAAAAA"] {
        assert_eq!(
            Envelope::parse(text).unwrap_err().code(),
            "stellar_envelope",
            "{text}"
        );
    }
}
