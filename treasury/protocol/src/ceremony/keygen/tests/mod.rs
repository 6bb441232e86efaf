use std::collections::{BTreeMap, BTreeSet};

use curve25519_dalek::constants::EIGHT_TORSION;
use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;
use expect_test::{Expect, expect};
use frost_ed25519::Identifier;
use frost_ed25519::keys::{
    PublicKeyPackage, SecretShare, SigningShare, VerifiableSecretSharingCommitment,
};
use sha2::{Digest, Sha256};

use super::*;
use crate::ceremony::KeyShare;
use crate::ceremony::testing::{Ceremony, guardians, seed};

mod blame;

fn complaint_about(ceremony: &Ceremony, complainer: u16, accused: u16) -> Complaint {
    let participant = ceremony.participant(complainer);
    let Ok(Conclusion::Complain {
        message: Message::Complaint(complaint),
        ..
    }) = participant.complain(&ceremony.keygen, &ceremony.received, accused)
    else {
        panic!("no complaint");
    };
    *complaint
}

fn check_parameters(guardians: Vec<[u8; 32]>, threshold: u16, expected: Expect) {
    let said = Keygen::new(CeremonyId([0; 32]), guardians, threshold).map_or_else(
        |rejection| format!("{}: {rejection}", rejection.code()),
        |keygen| format!("{:?}", keygen.phase()),
    );
    expected.assert_eq(&said);
}

#[test]
fn a_ceremony_has_9_to_99_members_and_a_threshold_above_two_thirds() {
    check_parameters(guardians(9), 7, expect!["Round1"]);
    check_parameters(guardians(99), 99, expect!["Round1"]);
    check_parameters(
        guardians(8),
        7,
        expect!["keygen_member_count: a key ceremony has 9 to 99 members, not 8"],
    );
    check_parameters(
        guardians(100),
        67,
        expect!["keygen_member_count: a key ceremony has 9 to 99 members, not 100"],
    );
    check_parameters(
        guardians(9),
        6,
        expect!["keygen_threshold: a threshold of 6 is outside 7 to 9; choose one within"],
    );
    check_parameters(
        guardians(9),
        10,
        expect!["keygen_threshold: a threshold of 10 is outside 7 to 9; choose one within"],
    );
    let mut twice = guardians(9);
    twice[8] = twice[0];
    check_parameters(
        twice,
        7,
        expect![
            "keygen_repeated_member: guardian 0101010101010101010101010101010101010101010101010101010101010101 is named twice; name each once"
        ],
    );
}

#[test]
fn nine_members_make_a_key_and_these_are_its_bytes() {
    let mut ceremony = Ceremony::new(9, 7);
    let mut log = Sha256::new();
    let mut lengths = BTreeSet::new();
    let post = |ceremony: &mut Ceremony, index: u16, message: Message| {
        let progress = ceremony.order(index, &message).unwrap();
        (message.encode(), progress)
    };
    for phase in [Phase::Round1, Phase::Round2, Phase::Confirm] {
        assert_eq!(ceremony.keygen.phase(), phase);
        for index in 1..=9 {
            assert_eq!(
                ceremony.keygen.waiting_for(),
                (index..=9).collect::<Vec<_>>()
            );
            let message = match phase {
                Phase::Round1 => ceremony
                    .participant(index)
                    .round1(&ceremony.keygen)
                    .unwrap(),
                Phase::Round2 => ceremony
                    .participant(index)
                    .round2(&ceremony.keygen)
                    .unwrap(),
                _ => match ceremony.conclude(index) {
                    Conclusion::Confirm { message, .. } => message,
                    Conclusion::Complain { .. } => panic!("all are honest"),
                },
            };
            let (bytes, progress) = post(&mut ceremony, index, message);
            assert_eq!(progress == Progress::Accepted, index < 9);
            lengths.insert((format!("{phase:?}"), bytes.len()));
            log.update(bytes);
        }
    }
    let key = ceremony.keygen.key().unwrap();
    let state = borsh::to_vec(&ceremony.keygen).unwrap();
    assert_eq!(
        borsh::from_slice::<Keygen>(&state).unwrap(),
        ceremony.keygen
    );
    expect![[r#"
        messages {("Confirm", 129), ("Round1", 357), ("Round2", 389)} 8aee4e7ec17229452c91058ba075361dd92c89572a65dbf48288fc5f4ba57d23
        state 1779 bytes 74f502d062d19de643540a61c53154510a788383fef64ad1da1c1708e56f6b1b
        key 13b1f0a2a7c1320c59d864c42e6ac057f2954d1fc9b31cd6173d4a6b00e3d1e5"#]].assert_eq(&format!(
        "messages {lengths:?} {}\nstate {} bytes {}\nkey {}",
        hex::encode(log.finalize()),
        state.len(),
        hex::encode(Sha256::digest(&state)),
        hex::encode(key.public),
    ));
}

#[test]
fn the_key_is_the_one_that_the_frost_crate_derives_from_the_same_commitments() {
    let mut ceremony = Ceremony::new(10, 8);
    ceremony.advance(Phase::Confirm);
    let commitment = |participant: &Participant| {
        let points = participant
            .polynomial
            .iter()
            .map(|coefficient| EdwardsPoint::mul_base(coefficient).compress().to_bytes());
        VerifiableSecretSharingCommitment::deserialize(points).unwrap()
    };
    let commitments: Vec<_> = ceremony.participants.iter().map(commitment).collect();
    let identifier = |index: u16| Identifier::try_from(index).unwrap();
    let by_member: BTreeMap<_, _> = (1..).map(identifier).zip(&commitments).collect();
    let package = PublicKeyPackage::from_dkg_commitments(&by_member).unwrap();
    for (dealer, commitment) in ceremony.participants.iter().zip(&commitments) {
        for receiver in 1..=10 {
            let share = group::evaluate(&dealer.polynomial, receiver);
            let share = SigningShare::deserialize(share.as_bytes()).unwrap();
            SecretShare::new(identifier(receiver), share, commitment.clone())
                .verify()
                .unwrap();
        }
    }
    let (key, shares) = ceremony.complete();
    assert_eq!(package.verifying_key().serialize().unwrap(), key.public);
    for index in 1..=10 {
        let verifying_share = package.verifying_shares()[&identifier(index)]
            .serialize()
            .unwrap();
        assert_eq!(key.verifying_share(index).unwrap()[..], verifying_share);
        assert!(shares[usize::from(index) - 1].belongs_to(&key));
    }
    assert_eq!(
        (key.verifying_share(0), key.verifying_share(11)),
        (None, None)
    );
}

#[test]
fn a_silent_member_is_named_and_holds_up_the_key() {
    let mut ceremony = Ceremony::new(9, 7);
    for index in [1, 2, 3, 5, 6, 7, 8, 9] {
        let message = ceremony
            .participant(index)
            .round1(&ceremony.keygen)
            .unwrap();
        ceremony.order(index, &message).unwrap();
    }
    assert_eq!(
        (ceremony.keygen.phase(), ceremony.keygen.waiting_for()),
        (Phase::Round1, vec![4])
    );
    assert_eq!(ceremony.keygen.public(), None);
    ceremony.advance(Phase::Confirm);
    for index in 1..=8 {
        let Conclusion::Confirm { message, .. } = ceremony.conclude(index) else {
            panic!("all are honest")
        };
        ceremony.order(index, &message).unwrap();
    }
    assert_eq!(
        (ceremony.keygen.phase(), ceremony.keygen.waiting_for()),
        (Phase::Confirm, vec![9])
    );
    assert_eq!(
        ceremony.keygen.key(),
        None,
        "eight of nine confirmations are not all"
    );
}

#[test]
fn messages_out_of_place_are_rejected() {
    let mut ceremony = Ceremony::new(9, 7);
    let round1 = ceremony.participant(1).round1(&ceremony.keygen).unwrap();
    assert_eq!(ceremony.order(0, &round1), Err("keygen_not_a_member"));
    assert_eq!(ceremony.order(10, &round1), Err("keygen_not_a_member"));
    assert_eq!(
        ceremony.order(2, &round1),
        Err("keygen_proof"),
        "a proof is bound to its member"
    );
    ceremony.order(1, &round1).unwrap();
    assert_eq!(ceremony.order(1, &round1), Err("keygen_duplicate"));
    let early = ceremony
        .participant(1)
        .round2(&ceremony.keygen)
        .unwrap_err();
    assert_eq!(
        early,
        ParticipantError::WrongPhase {
            phase: Phase::Round1,
            expected: Phase::Round2
        }
    );
    ceremony.advance(Phase::Round2);
    assert_eq!(ceremony.order(1, &round1), Err("keygen_wrong_phase"));
    let round2 = ceremony.participant(1).round2(&ceremony.keygen).unwrap();
    ceremony.order(1, &round2).unwrap();
    assert_eq!(ceremony.order(1, &round2), Err("keygen_duplicate"));
    assert_eq!(ceremony.keygen.waiting_for(), (2..=9).collect::<Vec<_>>());
    let Message::Round2(mut short) = ceremony.participant(2).round2(&ceremony.keygen).unwrap()
    else {
        panic!()
    };
    short.shares.pop();
    assert_eq!(
        ceremony.order(2, &Message::Round2(short)),
        Err("keygen_malformed")
    );
    ceremony.advance(Phase::Confirm);
    let Conclusion::Confirm { message, .. } = ceremony.conclude(1) else {
        panic!()
    };
    assert_eq!(
        ceremony.order(2, &message),
        Err("keygen_proof"),
        "only the owner of a share confirms it"
    );
    ceremony.order(1, &message).unwrap();
    assert_eq!(ceremony.order(1, &message), Err("keygen_duplicate"));
    let complaint = Message::Complaint(Box::new(complaint_about(&ceremony, 1, 2)));
    assert_eq!(
        ceremony.order(1, &complaint),
        Err("keygen_duplicate"),
        "who has confirmed does not complain"
    );
    let Conclusion::Confirm {
        message: Message::Confirm(confirm),
        ..
    } = ceremony.conclude(2)
    else {
        panic!()
    };
    for other in [
        Confirm {
            public: [1; 32],
            ..confirm
        },
        Confirm {
            transcript: [1; 32],
            ..confirm
        },
    ] {
        assert_eq!(
            ceremony.order(2, &Message::Confirm(other)),
            Err("keygen_other_transcript")
        );
    }
}

#[test]
fn a_first_message_that_is_not_well_made_is_rejected() {
    let mut ceremony = Ceremony::new(9, 7);
    let victim = ceremony.participant(1).round1(&ceremony.keygen).unwrap();
    ceremony.order(1, &victim).unwrap();
    let Message::Round1(victim) = victim else {
        panic!()
    };
    let Message::Round1(own) = ceremony.participant(2).round1(&ceremony.keygen).unwrap() else {
        panic!()
    };
    let mut check = |what: &str, change: &dyn Fn(&mut Round1), code: &'static str| {
        let mut round1 = own.clone();
        change(&mut round1);
        assert_eq!(
            ceremony.order(2, &Message::Round1(round1)),
            Err(code),
            "{what}"
        );
    };
    check(
        "one commitment too few",
        &|own| own.commitments.truncate(6),
        "keygen_malformed",
    );
    check(
        "one commitment too many",
        &|own| own.commitments.push(victim.commitments[0]),
        "keygen_malformed",
    );
    check(
        "not on the curve",
        &|own| own.commitments[3] = [2; 32],
        "keygen_malformed",
    );
    check(
        "the identity",
        &|own| own.commitments[3] = EIGHT_TORSION[1].compress().to_bytes(),
        "keygen_malformed",
    );
    check(
        "encryption key of small order",
        &|own| own.encryption_key = EIGHT_TORSION[2].compress().to_bytes(),
        "keygen_malformed",
    );
    check(
        "another member's commitments",
        &|own| own.commitments = victim.commitments.clone(),
        "keygen_proof",
    );
    check(
        "another member's encryption key",
        &|own| own.encryption_key = victim.encryption_key,
        "keygen_proof",
    );
    check(
        "swapped commitments",
        &|own| own.commitments.swap(2, 3),
        "keygen_proof",
    );
    check(
        "a scalar that is not reduced",
        &|own| own.proof.coefficient = [0xff; 32],
        "keygen_proof",
    );
    check(
        "another answer",
        &|own| own.proof.encryption[0] ^= 1,
        "keygen_proof",
    );
    let Message::Round1(mut own) = ceremony.participant(2).round1(&ceremony.keygen).unwrap() else {
        panic!()
    };
    // The rogue key: cancel what the others committed to, with a proof for the own part only.
    let rogue = group::eighth(&own.commitments[0]).unwrap()
        - group::eighth(&victim.commitments[0]).unwrap();
    own.commitments[0] = (rogue * Scalar::from(8u8).invert()).compress().to_bytes();
    assert_eq!(
        ceremony.order(2, &Message::Round1(own)),
        Err("keygen_proof")
    );
}

#[test]
fn a_point_of_small_order_in_a_commitment_changes_nothing() {
    let (honest, _) = Ceremony::new(9, 7).complete();
    let mut ceremony = Ceremony::new(9, 7);
    let own = ceremony.participant(2);
    let Message::Round1(mut round1) = own.round1(&ceremony.keygen).unwrap() else {
        panic!()
    };
    let shifted = group::curve_point(&round1.commitments[4]).unwrap() + EIGHT_TORSION[1];
    round1.commitments[4] = shifted.compress().to_bytes();
    let nonces = [Scalar::from(11u8), Scalar::from(13u8)];
    round1.proof = PossessionProof::prove(
        &ceremony.keygen.context,
        2,
        &round1,
        [&own.polynomial[0], &own.encryption],
        [&nonces[0], &nonces[1]],
    );
    ceremony.order(2, &Message::Round1(round1)).unwrap();
    let (key, _) = ceremony.complete();
    assert_eq!(
        (key.public, key.verifying_shares),
        (honest.public, honest.verifying_shares)
    );
}

#[test]
fn garbage_is_rejected_and_never_panics() {
    let mut ceremony = Ceremony::new(9, 7);
    let message = ceremony.participant(1).round1(&ceremony.keygen).unwrap();
    let bytes = message.encode();
    let rejected = |bytes: &[u8]| Message::decode(bytes).map_err(|rejection| rejection.code());
    assert_eq!(rejected(&[]), Err("keygen_malformed"));
    assert_eq!(rejected(&[4]), Err("keygen_malformed"));
    assert_eq!(
        rejected(&[0, 0xff, 0xff, 0xff, 0xff]),
        Err("keygen_malformed")
    );
    assert_eq!(
        rejected(&[bytes.clone(), vec![0]].concat()),
        Err("keygen_malformed"),
        "trailing bytes"
    );
    assert_eq!(
        rejected(&vec![0; MAX_MESSAGE_BYTES + 1]),
        Err("keygen_malformed")
    );
    for cut in 0..bytes.len() {
        assert_eq!(rejected(&bytes[..cut]), Err("keygen_malformed"));
    }
    for position in 0..bytes.len() {
        let mut bytes = bytes.clone();
        bytes[position] ^= 0x10;
        if let Ok(message) = Message::decode(&bytes) {
            assert!(
                ceremony.order(1, &message).is_err(),
                "byte {position} changed"
            );
        }
    }
    ceremony.order(1, &message).unwrap();
}

#[test]
fn the_largest_message_is_within_its_bound() {
    let mut ceremony = Ceremony::new(99, 99);
    ceremony.advance(Phase::Confirm);
    let complaint = Message::Complaint(Box::new(complaint_about(&ceremony, 1, 99)));
    expect!["8107"].assert_eq(&complaint.encode().len().to_string());
    expect!["16225"].assert_eq(&borsh::to_vec(&ceremony.keygen).unwrap().len().to_string());
}

#[test]
fn a_restarted_participant_says_the_same_again_and_another_seed_is_refused() {
    let mut ceremony = Ceremony::new(9, 7);
    for phase in [Phase::Round1, Phase::Round2] {
        for index in ceremony.keygen.waiting_for() {
            let restarted = Participant::from_seed(&seed(index), &ceremony.keygen, index).unwrap();
            let own = ceremony.participant(index);
            let messages = [own, &restarted].map(|participant| match phase {
                Phase::Round1 => participant.round1(&ceremony.keygen).unwrap(),
                _ => participant.round2(&ceremony.keygen).unwrap(),
            });
            assert_eq!(messages[0], messages[1]);
            ceremony.order(index, &messages[0]).unwrap();
        }
    }
    let restarted = Participant::from_seed(&seed(1), &ceremony.keygen, 1).unwrap();
    let conclusion = restarted
        .conclude(&ceremony.keygen, &ceremony.received)
        .unwrap();
    let Conclusion::Confirm { share, .. } = conclusion else {
        panic!()
    };
    let stored = share.to_bytes();
    assert_eq!(stored, KeyShare::from_bytes(&stored).unwrap().to_bytes());
    let other = Participant::from_seed(&seed(2), &ceremony.keygen, 1).unwrap_err();
    assert_eq!(other, ParticipantError::OtherSeed { index: 1 });
    let stranger = Participant::from_seed(&seed(1), &ceremony.keygen, 10).unwrap_err();
    assert_eq!(stranger, ParticipantError::NotAMember { index: 10 });
    let elsewhere = Keygen::new(CeremonyId([1; 32]), guardians(9), 7).unwrap();
    assert_eq!(
        restarted.round1(&elsewhere),
        Err(ParticipantError::OtherSeed { index: 1 })
    );
    let nothing = restarted
        .conclude(&ceremony.keygen, &Received::default())
        .unwrap_err();
    assert_eq!(
        nothing,
        ParticipantError::MissingMessage {
            sender: 2,
            message: "round-2"
        }
    );
}

#[test]
fn one_seed_in_two_ceremonies_gives_unrelated_secrets() {
    let secrets = |id: u8, index: u16| {
        let keygen = Keygen::new(CeremonyId([id; 32]), guardians(9), 7).unwrap();
        let participant = Participant::from_seed(&seed(1), &keygen, index).unwrap();
        let mut secrets: Vec<[u8; 32]> = participant
            .polynomial
            .iter()
            .map(Scalar::to_bytes)
            .collect();
        secrets.push(participant.encryption.to_bytes());
        secrets
    };
    let all: Vec<_> = [secrets(1, 1), secrets(2, 1), secrets(1, 2)].concat();
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
}

#[test]
fn stored_shares_that_are_damaged_are_refused_and_secrets_are_never_shown() {
    let (key, shares) = Ceremony::new(9, 7).complete();
    let stored = shares[0].to_bytes();
    for damaged in [&stored[1..], &stored[..stored.len() - 1], &[0xff; 101][..]] {
        assert_eq!(
            KeyShare::from_bytes(damaged).unwrap_err().code(),
            "key_share_malformed"
        );
    }
    let (_, others) = Ceremony::new(10, 7).complete();
    assert!(!others[0].belongs_to(&key));
    let secret = hex::encode(shares[0].secret().to_bytes());
    let participant = Ceremony::new(9, 7).participants.remove(0);
    for text in [
        format!("{:?}", shares[0]),
        format!("{:?}", seed(1)),
        format!("{participant:?}"),
    ] {
        assert!(
            text.contains("<redacted>") && !text.contains(&secret),
            "{text}"
        );
    }
}
