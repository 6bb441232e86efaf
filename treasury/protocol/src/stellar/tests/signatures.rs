//! Envelopes and who signed them.

use super::*;

/// The refusal of an envelope of the batch with these signatures, made on the test network.
fn refusal(signatures: &[Signature]) -> StellarError {
    batch()
        .envelope(TESTNET_PASSPHRASE, signatures)
        .unwrap_err()
}

fn hash() -> [u8; 32] {
    batch().hash(TESTNET_PASSPHRASE).unwrap()
}

#[test]
fn an_envelope_takes_only_signatures_of_the_named_keys_on_its_network() {
    let one = sign(7, &hash());
    assert!(batch().envelope(TESTNET_PASSPHRASE, &[one]).is_ok());
    assert_eq!(
        batch().envelope(PUBLIC_PASSPHRASE, &[one]),
        Err(StellarError::Signature)
    );
    let stranger = sign(8, &hash());
    for (key, bytes) in [
        (key(7), stranger.bytes),
        (key(8), one.bytes),
        (key(7), [0xff; 64]),
        ([0xff; 32], one.bytes),
    ] {
        assert_eq!(
            refusal(&[Signature { key, bytes }]),
            StellarError::Signature
        );
        let good = sign(1, &hash());
        assert_eq!(
            refusal(&[good, Signature { key, bytes }]),
            StellarError::Signature
        );
    }
}

#[test]
fn the_order_of_signatures_is_that_of_their_keys() {
    let signatures = [1, 2, 3, 4].map(|signer| sign(signer, &hash()));
    let mut turned = signatures;
    turned.reverse();
    let envelope = batch().envelope(TESTNET_PASSPHRASE, &signatures).unwrap();
    assert_eq!(
        batch().envelope(TESTNET_PASSPHRASE, &turned).unwrap(),
        envelope
    );
    expect!["AAAAAgAAAADqSmxj4pxSCr71UHsTLsX5lUd2rr6+e5JCHuppFEbSLAAAAGQAAAAAAAAAKgAAAAEAAAAAAAAAAAAAAABlU/EAAAAAAAAAAAEAAAAAAAAAAQAAAACKiOPddAnxlf1S2y08ul1yymcJvx2UEhvzdIgBtA9vXAAAAAFURlQAAAAAAP0XJDhaoMdbZPt4zWAvodmR/ev3axPFjtcC6sg16fYYAAAAAukO3QAAAAAAAAAABI/Js5QAAABARX+F1dG7NMGliYauRtjqDxq/xa7kFvWjLs3/mmQPFkKnhOqKgWYkjvvGgD5J5m8M+4lhk6G9lEVnXWYozhxYBbQPb1wAAABANt966n2I0If91Fm1OCAfnbe0o42mXqknsVDltDIxt/Wxx4im8mwymynFByR4VnAVKwJj5IdhOilqMgPfOIc9A9vavnwAAABAPXKih+6IJm5GNzubmEThrGY0/QOqt85auz5wgpvJI9sxCF1YnukNJ4mgwahpw4hCk31QzK1g3ZV/yCXUgoGuC6yHN9EAAABAFLliA5sPHWBLg6XiUaqW8VRrmaFbsJ1/Efuz/9WS9fs02B0jlT31vTeAlcvyDEJoTBsP7ukuHoZauhRz/pTxBw=="].assert_eq(&envelope);
}

#[test]
fn one_to_twenty_keys_sign_each_once() {
    let signatures: Vec<_> = (1..=21).map(|signer| sign(signer, &hash())).collect();
    let keys: Vec<_> = signatures.iter().map(|one| one.key).collect();
    let text = batch()
        .envelope(TESTNET_PASSPHRASE, &signatures[..20])
        .unwrap();
    let envelope = Envelope::parse(&text).unwrap();
    let mut found = envelope.signers(TESTNET_PASSPHRASE, &keys).unwrap();
    found.sort_unstable();
    let mut expected = keys[..20].to_vec();
    expected.sort_unstable();
    assert_eq!(found, expected);
    assert_eq!(
        envelope.signers(TESTNET_PASSPHRASE, &keys[1..]),
        Err(StellarError::Signature),
        "the first is none of those asked for"
    );
    assert_eq!(refusal(&[]), StellarError::Signatures { count: 0 });
    assert_eq!(refusal(&signatures), StellarError::Signatures { count: 21 });
    assert_eq!(
        refusal(&[signatures[0], signatures[1], signatures[0]]),
        StellarError::Signatures { count: 3 }
    );
}

#[test]
fn an_envelope_that_was_made_elsewhere_is_judged_by_its_signers() {
    let signature = EnvelopeSignature::from(&sign(7, &hash()));
    let signers = |signatures| {
        let batch = batch();
        Envelope { batch, signatures }.signers(TESTNET_PASSPHRASE, &[key(7), key(8)])
    };
    assert_eq!(signers(vec![signature]), Ok(vec![key(7)]));
    assert_eq!(signers(vec![]), Err(StellarError::Signatures { count: 0 }));
    assert_eq!(
        signers(vec![signature, signature]),
        Err(StellarError::Signatures { count: 2 })
    );
    let wrong_hint = EnvelopeSignature {
        hint: [0; 4],
        ..signature
    };
    assert_eq!(signers(vec![wrong_hint]), Err(StellarError::Signature));
}

/// Under a key of small order one signature holds for everything.
#[test]
fn a_key_that_signs_everything_is_refused() {
    let mut identity = [0; 32];
    identity[0] = 1;
    let mut bytes = [0; 64];
    bytes[0] = 1;
    let members_rules = ed25519_zebra::VerificationKey::try_from(identity).unwrap();
    members_rules.verify(&bytes.into(), &hash()).unwrap();
    let signature = Signature {
        key: identity,
        bytes,
    };
    assert_eq!(refusal(&[signature]), StellarError::Signature);
}

/// The network's servers check without the cofactor: what only passes with it would spoil a whole envelope there.
#[test]
fn a_signature_that_holds_only_with_the_cofactor_is_refused() {
    use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
    use curve25519_dalek::edwards::EdwardsPoint;
    use curve25519_dalek::scalar::Scalar;
    use sha2::{Digest, Sha512};

    let secret = Scalar::from(0x00c0_ffee_u64);
    let key = (ED25519_BASEPOINT_POINT * secret).compress().to_bytes();
    let commitment = Scalar::from(0xbeef_u64);
    let with = |torsion: EdwardsPoint| {
        let r = (ED25519_BASEPOINT_POINT * commitment + torsion).compress();
        let challenge = Sha512::new()
            .chain_update(r.as_bytes())
            .chain_update(key)
            .chain_update(hash());
        let challenge = Scalar::from_bytes_mod_order_wide(&challenge.finalize().into());
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(r.as_bytes());
        bytes[32..].copy_from_slice((commitment + challenge * secret).as_bytes());
        bytes
    };
    let honest = with(EIGHT_TORSION[0]);
    let crafted = with(EIGHT_TORSION[1]);
    let members_rules = ed25519_zebra::VerificationKey::try_from(key).unwrap();
    for bytes in [honest, crafted] {
        members_rules.verify(&bytes.into(), &hash()).unwrap();
    }
    let envelope = |bytes| batch().envelope(TESTNET_PASSPHRASE, &[Signature { key, bytes }]);
    assert!(envelope(honest).is_ok());
    assert_eq!(envelope(crafted), Err(StellarError::Signature));
}
