//! Fee bumps.

use super::*;

fn inner() -> String {
    let batch = batch();
    let hash = batch.hash(TESTNET_PASSPHRASE).unwrap();
    batch
        .envelope(TESTNET_PASSPHRASE, &[sign(7, &hash)])
        .unwrap()
}

fn bump() -> FeeBump {
    fee_bump(&inner(), TESTNET_PASSPHRASE, key(3), 5_000).unwrap()
}

#[test]
fn the_bytes_of_a_fee_bump_are_these() {
    let bump = bump();
    expect!["d1da5f3b1a8ab6908746d89fec7234b92f4ea999ffbe72bd80b7f97f913d1bc1"]
        .assert_eq(&hex::encode(bump.hash()));
    expect!["AAAABQAAAADtSSjGKNHCxurpAziQWZVhKVknOlxj+TY2wUYUrIc30QAAAAAAABOIAAAAAgAAAADqSmxj4pxSCr71UHsTLsX5lUd2rr6+e5JCHuppFEbSLAAAAGQAAAAAAAAAKgAAAAEAAAAAAAAAAAAAAABlU/EAAAAAAAAAAAEAAAAAAAAAAQAAAACKiOPddAnxlf1S2y08ul1yymcJvx2UEhvzdIgBtA9vXAAAAAFURlQAAAAAAP0XJDhaoMdbZPt4zWAvodmR/ev3axPFjtcC6sg16fYYAAAAAukO3QAAAAAAAAAAARRG0iwAAABAFmnb3vMwXRe0hTKO4gWdKgLXzUMc4t7ene/q73RaLSYpC8wx1leBLPIVcjzZw4vSLpa2iCetCa6mZjIl/gVTBAAAAAAAAAABrIc30QAAAECb3bYYh6QuiwvOZgLmV9hfNMnL5BjMFghiD3GoMUwHHYu2MlQq3ZED0FQeWAq7elSN2PTLNnfHy3qjqHZTKgEN"].assert_eq(&bump.envelope(&sign(3, &bump.hash()).bytes).unwrap());
}

#[test]
fn the_inner_batch_and_its_signatures_stay_as_they_are() {
    let bump = bump();
    let text = bump.envelope(&sign(3, &bump.hash()).bytes).unwrap();
    let read = FeeBump::parse(&text, TESTNET_PASSPHRASE).unwrap();
    assert_eq!(read.inner(), &Envelope::parse(&inner()).unwrap());
    assert_eq!((read.fee_source(), read.fee_stroops()), (key(3), 5_000));
    assert_eq!(
        read.inner().signers(TESTNET_PASSPHRASE, &[key(7)]),
        Ok(vec![key(7)])
    );
}

#[test]
fn only_the_fee_source_signs_it() {
    let bump = bump();
    assert_eq!(
        bump.envelope(&sign(7, &bump.hash()).bytes),
        Err(StellarError::Signature)
    );
    let inner_hash = batch().hash(TESTNET_PASSPHRASE).unwrap();
    assert_eq!(
        bump.envelope(&sign(3, &inner_hash).bytes),
        Err(StellarError::Signature)
    );
}

#[test]
fn a_fee_below_what_the_network_asks_is_refused() {
    let offer = |fee_stroops| fee_bump(&inner(), TESTNET_PASSPHRASE, key(3), fee_stroops);
    expect!["a fee of 199 stroops is too low for this envelope; offer 200 or more"]
        .assert_eq(&offer(199).unwrap_err().to_string());
    assert_eq!(offer(200).unwrap().fee_stroops(), 200);
    assert!(offer(0).is_err() && offer(-1).is_err() && offer(i64::MAX).is_ok());
}

#[test]
fn only_a_signed_envelope_of_a_batch_is_wrapped() {
    let wrap = |text: &str| {
        let wrapped = fee_bump(text, TESTNET_PASSPHRASE, key(3), 5_000);
        wrapped.unwrap_err().to_string()
    };
    let unsigned = stellar_xdr::TransactionEnvelope::from(batch().transaction().unwrap());
    let unsigned = stellar_xdr::WriteXdr::to_xdr_base64(&unsigned, stellar_xdr::Limits::none());
    expect!["not the envelope of a batch: it is not signed, so that nobody would take it"]
        .assert_eq(&wrap(&unsigned.unwrap()));
    let bump = bump();
    let wrapped = bump.envelope(&sign(3, &bump.hash()).bytes).unwrap();
    expect!["not the envelope of a batch: it is not a version 1 transaction"]
        .assert_eq(&wrap(&wrapped));
    expect!["not the envelope of a batch: it is not a fee bump"].assert_eq(
        &FeeBump::parse(&inner(), TESTNET_PASSPHRASE)
            .unwrap_err()
            .to_string(),
    );
    assert_eq!(
        Envelope::parse(&wrapped).unwrap_err().code(),
        "stellar_envelope"
    );
}
