use std::collections::BTreeMap;
use std::sync::LazyLock;

use curve25519_dalek::constants::EIGHT_TORSION;
use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;
use expect_test::expect;
use frost_ed25519::keys::{PublicKeyPackage, VerifyingShare};
use frost_ed25519::round1::{NonceCommitment, SigningCommitments};
use frost_ed25519::round2::SignatureShare;
use frost_ed25519::{Identifier, SigningPackage, VerifyingKey};
use rand_chacha::ChaCha20Rng;
use sha2::{Digest, Sha256};

use super::*;
use crate::ceremony::KeyShare;
use crate::ceremony::testing::{Ceremony, rng};

mod faults;
mod recovery;
mod replacement;

const MESSAGE: [u8; 32] = [0x5a; 32];

/// The key of nine members, of whom seven sign.
static NINE: LazyLock<(GroupKey, Vec<KeyShare>)> = LazyLock::new(|| Ceremony::new(9, 7).complete());
/// The key of twelve members, of whom nine sign.
static TWELVE: LazyLock<(GroupKey, Vec<KeyShare>)> =
    LazyLock::new(|| Ceremony::new(12, 9).complete());

/// A signing, and the nodes of its members with what they hold in memory.
struct Group {
    key: &'static GroupKey,
    shares: &'static [KeyShare],
    signing: Signing,
    nonces: BTreeMap<u16, SigningNonces>,
    rng: ChaCha20Rng,
}

impl Group {
    fn new((key, shares): &'static (GroupKey, Vec<KeyShare>), seed: u64) -> Self {
        Self {
            key,
            shares,
            signing: Signing::new(key, MESSAGE),
            nonces: BTreeMap::new(),
            rng: rng(seed),
        }
    }

    fn order(&mut self, sender: u16, message: Message) -> Result<Progress, &'static str> {
        let message = Message::decode(&message.encode()).map_err(|rejection| rejection.code())?;
        let before = self.signing.clone();
        let progress = self
            .signing
            .apply(self.key, sender, &message)
            .map_err(|rejection| rejection.code());
        if progress.is_err() {
            assert_eq!(
                self.signing, before,
                "a rejection leaves the state unchanged"
            );
        }
        progress
    }

    fn share(&self, index: u16) -> &'static KeyShare {
        &self.shares[usize::from(index) - 1]
    }

    fn commitment(&mut self, index: u16) -> Message {
        let (nonces, message) = SigningNonces::commit(self.share(index), &mut self.rng).unwrap();
        self.nonces.insert(index, nonces);
        message
    }

    fn commit(&mut self, index: u16) -> Progress {
        let message = self.commitment(index);
        self.order(index, message).unwrap()
    }

    fn commit_all(&mut self, indexes: impl IntoIterator<Item = u16>) {
        for index in indexes {
            self.commit(index);
        }
    }

    /// The share that `index` owes, made honestly.
    fn owed(&mut self, index: u16) -> Message {
        let Some(Duty::Share { session }) = self.signing.duty(index) else {
            panic!("{index} owes nothing")
        };
        let nonces = self.nonces.remove(&index).unwrap();
        nonces
            .sign(
                self.share(index),
                self.key,
                &self.signing,
                session,
                &MESSAGE,
            )
            .unwrap()
    }

    fn answer(&mut self, index: u16) -> Progress {
        let message = self.owed(index);
        self.order(index, message).unwrap()
    }

    /// What an honest node does: its duty, patience having run out if `impatient`, nonces made anew if they are lost.
    fn follow_duty(&mut self, index: u16, impatient: bool) -> Option<Progress> {
        match self.signing.duty(index)? {
            Duty::StandBy { .. } if !impatient => None,
            Duty::Commit | Duty::StandBy { .. } => Some(self.commit(index)),
            Duty::Share { session } => {
                let held = self
                    .nonces
                    .get(&index)
                    .is_some_and(|nonces| nonces.belong_to(&self.signing, session, index));
                Some(if held {
                    self.answer(index)
                } else {
                    self.commit(index)
                })
            }
        }
    }

    /// All `honest` members follow their duties, first with patience, then without, until the signature is there.
    fn complete(&mut self, honest: &[u16]) -> [u8; 64] {
        for round in 0..200 {
            for index in honest {
                self.follow_duty(*index, round % 3 == 2);
            }
            if let Some(signature) = self.signing.signature() {
                self.check_signature(&signature);
                return signature;
            }
        }
        panic!("no signature; waiting for {:?}", self.signing.waiting_for());
    }

    fn check_signature(&self, signature: &[u8; 64]) {
        self.check_against(signature);
        assert_eq!(self.signing.waiting_for(), Vec::<u16>::new());
    }

    /// That the signature is the group's over the message and over no other, by another implementation.
    fn check_against(&self, signature: &[u8; 64]) {
        let key = ed25519_zebra::VerificationKey::try_from(self.key.public).unwrap();
        key.verify(&ed25519_zebra::Signature::from(*signature), &MESSAGE)
            .unwrap();
        assert!(
            key.verify(&ed25519_zebra::Signature::from(*signature), &[0; 32])
                .is_err()
        );
    }

    fn culprits(&self) -> Vec<u16> {
        self.signing
            .cheaters()
            .iter()
            .map(|cheater| cheater.culprit)
            .collect()
    }
}

fn all(members: u16) -> Vec<u16> {
    (1..=members).collect()
}

#[test]
fn seven_of_nine_sign_and_these_are_the_bytes() {
    let mut group = Group::new(&NINE, 1);
    assert_eq!(group.signing.waiting_for(), all(9));
    assert_eq!(group.commit(9), Progress::Accepted);
    for index in 1..=5 {
        assert_eq!(group.commit(index), Progress::Accepted);
    }
    assert_eq!(group.commit(7), Progress::SessionFixed { session: 0 });
    assert_eq!(group.commit(6), Progress::Accepted);
    assert_eq!(group.signing.waiting_for(), vec![1, 2, 3, 4, 5, 7, 9]);
    assert_eq!(
        (group.signing.duty(6), group.signing.duty(8)),
        (None, Some(Duty::Commit))
    );
    for index in [9, 7, 5, 4, 3, 2] {
        assert_eq!(group.answer(index), Progress::Accepted);
        assert_eq!(
            group.signing.duty(index),
            Some(Duty::StandBy { session: 0 })
        );
    }
    assert_eq!(group.signing.waiting_for(), vec![1]);
    let state = borsh::to_vec(&group.signing).unwrap();
    assert_eq!(borsh::from_slice::<Signing>(&state).unwrap(), group.signing);
    let Progress::Signed { signature } = group.answer(1) else {
        panic!("all shares are in")
    };
    group.check_signature(&signature);
    assert_eq!(group.signing.signature(), Some(signature));
    assert!(
        all(9)
            .iter()
            .all(|index| group.signing.duty(*index).is_none())
    );
    let late = group.commitment(8);
    assert_eq!(group.order(8, late), Err("sign_complete"));
    expect![[r#"
        state before the last share 1107 bytes 67cc1bf61b35fddab18dd696d59c17caf51ca7101ba8f8255395b7b914577654
        signature 8ed0039253a2591a9287e2e475a9cf13c64a9bcd0bafd46959878bdc251fa00242558249db8356566e5d462ef7b57ad21514310ec19c7d89854d255f20d4970f"#]].assert_eq(&format!(
        "state before the last share {} bytes {}\nsignature {}",
        state.len(),
        hex::encode(Sha256::digest(&state)),
        hex::encode(signature),
    ));
}

#[test]
fn shares_and_signature_are_those_of_the_frost_crate() {
    let mut group = Group::new(&NINE, 2);
    for index in 1..=7 {
        group.commit(index);
    }
    let session = group.signing.sessions()[0].clone();
    let identifier = |index: u16| Identifier::try_from(index).unwrap();
    let commitments = session.signers().iter().map(|signer| {
        let hiding = NonceCommitment::deserialize(&signer.commitment.hiding).unwrap();
        let binding = NonceCommitment::deserialize(&signer.commitment.binding).unwrap();
        (
            identifier(signer.index),
            SigningCommitments::new(hiding, binding),
        )
    });
    let package = SigningPackage::new(commitments.collect(), &MESSAGE);
    let public = VerifyingKey::deserialize(&group.key.public).unwrap();
    let verifying_shares = (1..).zip(&group.key.verifying_shares);
    let verifying_shares = verifying_shares.map(|(index, share)| {
        (
            identifier(index),
            VerifyingShare::deserialize(share).unwrap(),
        )
    });
    let public_keys = PublicKeyPackage::new(verifying_shares.collect(), public, Some(7));
    let parsed = |share: &[u8; 32]| SignatureShare::deserialize(share).unwrap();

    let shares: Vec<[u8; 32]> = (1..=7).map(|index| bytes_of(group.owed(index))).collect();
    let right: BTreeMap<_, _> = (1..)
        .map(identifier)
        .zip(shares.iter().map(parsed))
        .collect();
    let signature = frost_ed25519::aggregate(&package, &right, &public_keys).unwrap();
    let signature: [u8; 64] = signature.serialize().unwrap().try_into().unwrap();
    for index in 1..=7 {
        let own = shares[usize::from(index) - 1];
        let neighbours = shares[usize::from(index) % 7];
        for (share, valid) in [(own, true), (neighbours, false), ([index as u8; 32], false)] {
            let mut judged = right.clone();
            judged.insert(identifier(index), parsed(&share));
            let theirs = frost_ed25519::aggregate(&package, &judged, &public_keys);
            match theirs {
                Ok(_) => assert!(valid),
                Err(error) => assert_eq!(error.culprits(), vec![identifier(index)]),
            }
            let ours = session.share_is_valid(group.key, &MESSAGE, index, &share);
            assert_eq!(ours, valid, "share for {index}");
        }
    }
    let progress = (1..).zip(shares).map(|(index, share)| {
        group
            .order(index, Message::Share { session: 0, share })
            .unwrap()
    });
    assert_eq!(progress.last(), Some(Progress::Signed { signature }));
}

fn bytes_of(message: Message) -> [u8; 32] {
    match message {
        Message::Share { share, .. } => share,
        Message::Commit(_) => panic!("not a share"),
    }
}

#[test]
fn nonces_are_never_used_for_two_sessions() {
    let mut group = Group::new(&NINE, 11);
    let first = group.commitment(1);
    group.order(1, first).unwrap();
    assert_eq!(group.order(1, first), Err("sign_repeated_nonces"));
    group.commit_all(2..=7);
    assert_eq!(
        group.order(1, first),
        Err("sign_repeated_nonces"),
        "not while the session is open"
    );
    group.commit(2);
    assert_eq!(
        group.order(1, first),
        Err("sign_repeated_nonces"),
        "nor after it was closed"
    );
}

#[test]
fn a_member_signs_only_what_it_came_to_itself() {
    let mut group = Group::new(&NINE, 12);
    group.commit_all(1..=7);
    let mut refusal =
        |index: u16, share: &KeyShare, key: &GroupKey, session: u32, message: &[u8; 32]| {
            let nonces = group.nonces.remove(&index).unwrap();
            nonces
                .sign(share, key, &group.signing, session, message)
                .unwrap_err()
                .code()
        };
    let (key, shares) = &*NINE;
    let (other_key, other_shares) = &*TWELVE;
    assert_eq!(
        refusal(1, &shares[0], key, 0, &[1; 32]),
        "sign_other_message"
    );
    assert_eq!(
        refusal(2, &other_shares[1], key, 0, &MESSAGE),
        "sign_other_key"
    );
    assert_eq!(
        refusal(3, &shares[2], other_key, 0, &MESSAGE),
        "sign_other_key"
    );
    assert_eq!(refusal(4, &shares[3], key, 1, &MESSAGE), "sign_not_owed");
    assert_eq!(
        refusal(5, &shares[5], key, 0, &MESSAGE),
        "sign_other_nonces"
    );
}

#[test]
fn messages_out_of_place_are_rejected() {
    let mut group = Group::new(&NINE, 13);
    let commitment = group.commitment(1);
    assert_eq!(group.order(0, commitment), Err("sign_not_a_member"));
    assert_eq!(group.order(10, commitment), Err("sign_not_a_member"));
    assert_eq!(
        group.order(
            1,
            Message::Share {
                session: 0,
                share: [0; 32]
            }
        ),
        Err("sign_not_owed")
    );
    let rejection = group.signing.apply(&TWELVE.0, 1, &commitment).unwrap_err();
    assert_eq!(rejection.code(), "sign_foreign_key");
    group.commit_all(1..=7);
    assert_eq!(
        group.order(
            8,
            Message::Share {
                session: 0,
                share: [0; 32]
            }
        ),
        Err("sign_not_owed")
    );
    assert_eq!(
        group.order(
            1,
            Message::Share {
                session: 1,
                share: [0; 32]
            }
        ),
        Err("sign_not_owed")
    );
    let share = group.owed(1);
    group.order(1, share).unwrap();
    assert_eq!(group.order(1, share), Err("sign_not_owed"));
    for bytes in [
        &[][..],
        &[2],
        &[1; 36],
        &[1; 38],
        &[0; 64],
        &[0; MAX_MESSAGE_BYTES + 1],
    ] {
        assert_eq!(
            Message::decode(bytes).unwrap_err().code(),
            "sign_malformed",
            "{bytes:?}"
        );
    }
}

#[test]
fn commitments_must_be_points_of_prime_order() {
    let mut group = Group::new(&NINE, 14);
    let good = EdwardsPoint::mul_base(&Scalar::from(5u8));
    let bytes = |point: EdwardsPoint| point.compress().to_bytes();
    for bad in [
        bytes(good + EIGHT_TORSION[1]),
        bytes(EIGHT_TORSION[0]),
        bytes(EIGHT_TORSION[4]),
        [2; 32],
        [0xff; 32],
    ] {
        for (hiding, binding) in [(bad, bytes(good)), (bytes(good), bad)] {
            let message = Message::Commit(Commitment { hiding, binding });
            assert_eq!(
                group.order(1, message),
                Err("sign_malformed"),
                "{}",
                hex::encode(bad)
            );
        }
    }
}

#[test]
fn nonces_are_never_shown() {
    let (nonces, _) = SigningNonces::commit(&NINE.1[0], &mut rng(16)).unwrap();
    let text = format!("{nonces:?}");
    assert!(text.contains("<redacted>"), "{text}");
}
