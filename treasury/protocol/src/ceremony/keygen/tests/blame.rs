use curve25519_dalek::constants::EIGHT_TORSION;
use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;

use super::complaint_about;
use crate::ceremony::group;
use crate::ceremony::keygen::*;
use crate::ceremony::testing::Ceremony;

/// `Ok` of the verdict on `complaint`, or the code of its rejection.
fn verdict(ceremony: &mut Ceremony, complainer: u16, message: &Message) -> String {
    match ceremony.order(complainer, message) {
        Err(code) => code.to_owned(),
        Ok(_) => {
            let failure = ceremony.keygen.failure().unwrap();
            assert_eq!(ceremony.keygen.phase(), Phase::Failed);
            assert_eq!(ceremony.keygen.waiting_for(), Vec::<u16>::new());
            assert_eq!(ceremony.keygen.key(), None);
            format!("member {}: {:?}", failure.culprit, failure.charge)
        }
    }
}

/// A ceremony of nine in which member 3 damages what it sends to member 5.
fn with_damaged_share(damage: impl FnOnce(&mut Participant, &Keygen, &mut Round2)) -> Ceremony {
    let mut ceremony = Ceremony::new(9, 7);
    ceremony.advance(Phase::Round2);
    let Message::Round2(mut round2) = ceremony.participant(3).round2(&ceremony.keygen).unwrap()
    else {
        panic!()
    };
    damage(&mut ceremony.participants[2], &ceremony.keygen, &mut round2);
    ceremony.order(3, &Message::Round2(round2)).unwrap();
    ceremony.advance(Phase::Confirm);
    ceremony
}

/// What members 5 and 6 conclude: the one that was sent the damaged share, and one that was not.
fn conclusions(ceremony: &mut Ceremony) -> String {
    assert!(
        matches!(ceremony.conclude(6), Conclusion::Confirm { .. }),
        "member 6 received good shares"
    );
    conclusions_of(ceremony, 5)
}

/// What a member that received a bad share from member 3 brings about.
fn conclusions_of(ceremony: &mut Ceremony, complainer: u16) -> String {
    let Conclusion::Complain { accused, message } = ceremony.conclude(complainer) else {
        panic!("member {complainer} accepts a bad share")
    };
    assert_eq!(accused, 3);
    assert!(message.encode().len() < MAX_MESSAGE_BYTES);
    verdict(ceremony, complainer, &message)
}

#[test]
fn a_share_that_cannot_be_read_is_its_senders_fault() {
    // Position 3 of the list that leaves member 3 out is member 5.
    let mut ceremony = with_damaged_share(|_, _, round2| round2.shares[3][7] ^= 1);
    assert_eq!(conclusions(&mut ceremony), "member 3: UnreadableShare");
    let mut ceremony = with_damaged_share(|_, _, round2| round2.shares[3] = [0; 48]);
    assert_eq!(conclusions(&mut ceremony), "member 3: UnreadableShare");
}

#[test]
fn a_share_off_the_polynomial_is_its_senders_fault() {
    let mut ceremony = with_damaged_share(|sender, keygen, round2| {
        sender.polynomial[1] += Scalar::ONE;
        round2.shares[3] = sender.sealed_share(keygen, 5).unwrap();
        sender.polynomial[1] -= Scalar::ONE;
    });
    assert_eq!(conclusions(&mut ceremony), "member 3: WrongShare");
}

/// Each share is encrypted to one member, so an exchange makes both unreadable, and either victim can show it.
#[test]
fn exchanged_shares_are_their_senders_fault() {
    for complainer in [5, 6] {
        let mut ceremony = with_damaged_share(|_, _, round2| round2.shares.swap(3, 4));
        assert!(matches!(ceremony.conclude(7), Conclusion::Confirm { .. }));
        assert_eq!(
            conclusions_of(&mut ceremony, complainer),
            "member 3: UnreadableShare"
        );
    }
}

/// A member that repeats another's messages shows no secret of its own, and harms nobody: the ceremony waits for its own.
#[test]
fn messages_of_another_member_are_refused_in_each_round() {
    let mut ceremony = Ceremony::new(9, 7);
    let of_2 = ceremony.participant(2).round1(&ceremony.keygen).unwrap();
    ceremony.order(2, &of_2).unwrap();
    assert_eq!(ceremony.order(3, &of_2), Err("keygen_proof"));
    ceremony.advance(Phase::Round2);
    let of_2 = ceremony.participant(2).round2(&ceremony.keygen).unwrap();
    ceremony.order(2, &of_2).unwrap();
    // Nobody but the receivers can tell whose shares these are, and they can prove it.
    ceremony.order(3, &of_2).unwrap();
    ceremony.advance(Phase::Confirm);
    assert_eq!(
        conclusions_of(&mut ceremony, 4),
        "member 3: UnreadableShare"
    );
}

/// A late complaint about a bad share still counts while anybody's confirmation is missing; when all have confirmed, all
/// have said that their shares are good.
#[test]
fn a_complaint_may_come_as_the_last_message_and_not_after_it() {
    let mut ceremony = with_damaged_share(|_, _, round2| round2.shares[3][7] ^= 1);
    for index in [1, 2, 3, 4, 6, 7, 8, 9] {
        let Conclusion::Confirm { message, .. } = ceremony.conclude(index) else {
            panic!("member {index} received good shares")
        };
        ceremony.order(index, &message).unwrap();
    }
    assert_eq!(ceremony.keygen.key(), None);
    assert_eq!(
        conclusions_of(&mut ceremony, 5),
        "member 3: UnreadableShare"
    );

    let mut ceremony = Ceremony::new(9, 7);
    ceremony.advance(Phase::Confirm);
    let late = Message::Complaint(Box::new(complaint_about(&ceremony, 5, 3)));
    for index in 1..=9 {
        let Conclusion::Confirm { message, .. } = ceremony.conclude(index) else {
            panic!("all are honest")
        };
        ceremony.order(index, &message).unwrap();
    }
    assert_eq!(ceremony.order(5, &late), Err("keygen_wrong_phase"));
    assert!(ceremony.keygen.key().is_some());
}

#[test]
fn a_share_that_is_no_scalar_is_its_senders_fault() {
    let mut ceremony = with_damaged_share(|sender, keygen, round2| {
        use chacha20poly1305::aead::AeadInPlace;
        let shared = sender.shared_secret(keygen, 5).unwrap();
        let address = super::super::share::Address {
            context: &keygen.context,
            sender: 3,
            receiver: 5,
        };
        let sealed = &mut round2.shares[3];
        sealed[..32].fill(0xff);
        let (text, tag) = sealed.split_at_mut(32);
        let cipher = address.cipher(&shared);
        tag.copy_from_slice(
            &cipher
                .encrypt_in_place_detached(&Default::default(), &[], text)
                .unwrap(),
        );
    });
    assert_eq!(conclusions(&mut ceremony), "member 3: WrongShare");
}

#[test]
fn a_false_complaint_is_its_senders_fault() {
    let mut ceremony = Ceremony::new(9, 7);
    ceremony.advance(Phase::Confirm);
    let message = Message::Complaint(Box::new(complaint_about(&ceremony, 5, 3)));
    assert_eq!(
        verdict(&mut ceremony, 5, &message),
        "member 5: FalseComplaint"
    );
    let Conclusion::Confirm { message, .. } = Ceremony::conclude_after_failure(&ceremony) else {
        panic!()
    };
    assert_eq!(
        ceremony.order(6, &message),
        Err("keygen_wrong_phase"),
        "a failed ceremony makes no key"
    );
}

impl Ceremony {
    /// What member 6 would have said had the ceremony not failed.
    fn conclude_after_failure(&self) -> Conclusion {
        let mut before = self.keygen.clone();
        before.failure = None;
        self.participant(6)
            .conclude(&before, &self.received)
            .unwrap()
    }
}

#[test]
fn a_complaint_with_another_secret_or_proof_is_its_senders_fault() {
    let check = |what: &str, change: &dyn Fn(&mut Complaint)| {
        let mut ceremony = Ceremony::new(9, 7);
        ceremony.advance(Phase::Confirm);
        let mut complaint = complaint_about(&ceremony, 5, 3);
        change(&mut complaint);
        let message = Message::Complaint(Box::new(complaint));
        assert_eq!(
            verdict(&mut ceremony, 5, &message),
            "member 5: FalseEvidence",
            "{what}"
        );
    };
    check("another point", &|complaint| {
        complaint.shared_secret = EdwardsPoint::mul_base(&Scalar::from(9u8))
            .compress()
            .to_bytes()
    });
    check("not a point", &|complaint| {
        complaint.shared_secret = [2; 32]
    });
    check("another answer", &|complaint| {
        complaint.proof.response[3] ^= 1
    });
    check("another challenge", &|complaint| {
        complaint.proof.challenge[3] ^= 1
    });
    for torsion in &EIGHT_TORSION[1..] {
        check("a component of small order", &|complaint| {
            let shared = group::curve_point(&complaint.shared_secret).unwrap() + torsion;
            complaint.shared_secret = shared.compress().to_bytes();
        });
    }
}

#[test]
fn a_component_of_small_order_cannot_frame_a_sender() {
    // With a challenge that is a multiple of eight the proof equation holds for the shifted point too; grind for one.
    let mut ceremony = Ceremony::new(9, 7);
    ceremony.advance(Phase::Confirm);
    let liar = ceremony.participant(5);
    let accused_key = group::curve_point(&ceremony.keygen.encryption_key(3).unwrap()).unwrap();
    let shared = accused_key * *liar.encryption + EIGHT_TORSION[1];
    let own_key = EdwardsPoint::mul_base(&liar.encryption);
    let statement = super::super::message::SharedSecret {
        context: &ceremony.keygen.context,
        complainer: 5,
        accused: 3,
        complainer_key: &own_key,
        accused_key: &accused_key,
        shared: &shared,
    };
    let proof = (1u32..).map(|nonce| statement.prove(&liar.encryption, &Scalar::from(nonce)));
    let proof = proof
        .take(1000)
        .find(|proof| statement.verify(proof))
        .expect("one in eight verifies");
    let honest = complaint_about(&ceremony, 5, 3);
    let complaint = Complaint {
        shared_secret: shared.compress().to_bytes(),
        proof,
        ..honest
    };
    assert_eq!(
        verdict(&mut ceremony, 5, &Message::Complaint(Box::new(complaint))),
        "member 5: FalseEvidence"
    );
}

#[test]
fn a_complaint_must_carry_what_was_posted() {
    let mut ceremony = Ceremony::new(9, 7);
    ceremony.advance(Phase::Confirm);
    let honest = complaint_about(&ceremony, 5, 3);
    let mut check = |change: &dyn Fn(&mut Complaint)| {
        let mut complaint = honest.clone();
        change(&mut complaint);
        assert_eq!(
            verdict(&mut ceremony, 5, &Message::Complaint(Box::new(complaint))),
            "keygen_evidence"
        );
    };
    check(&|complaint| complaint.accused = 5);
    check(&|complaint| complaint.accused = 4);
    check(&|complaint| complaint.accused = 0);
    check(&|complaint| complaint.accused = 10);
    check(&|complaint| complaint.round1.commitments.swap(0, 1));
    check(&|complaint| complaint.round2.shares[3][0] ^= 1);
    check(&|complaint| complaint.round2.shares.truncate(1));
}
