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
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::RngCore;
use sha2::{Digest, Sha256};

use super::*;
use crate::ceremony::KeyShare;
use crate::ceremony::testing::{Ceremony, rng};

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
        let key = ed25519_zebra::VerificationKey::try_from(self.key.public).unwrap();
        key.verify(&ed25519_zebra::Signature::from(*signature), &MESSAGE)
            .unwrap();
        assert!(
            key.verify(&ed25519_zebra::Signature::from(*signature), &[0; 32])
                .is_err()
        );
        assert_eq!(self.signing.waiting_for(), Vec::<u16>::new());
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
fn a_wrong_share_names_its_sender_and_the_others_sign_without_it() {
    let mut group = Group::new(&NINE, 3);
    for index in 1..=9 {
        group.commit(index);
    }
    group.answer(1);
    let Message::Share { session, mut share } = group.owed(4) else {
        panic!()
    };
    share[0] ^= 1;
    assert_eq!(
        group.order(4, Message::Share { session, share }),
        Ok(Progress::CheaterNamed { culprit: 4 })
    );
    assert_eq!(
        group.signing.cheaters(),
        vec![Cheater {
            culprit: 4,
            session,
            share
        }]
    );
    let evidence = &group.signing.sessions()[0];
    assert!(evidence.is_closed());
    assert!(!evidence.share_is_valid(group.key, &MESSAGE, 4, &share));
    assert_eq!(
        group.order(4, Message::Share { session, share }),
        Err("sign_excluded")
    );
    let late = group.commitment(4);
    assert_eq!(group.order(4, late), Err("sign_excluded"));
    assert_eq!(group.signing.duty(4), None);
    assert_eq!(
        group.signing.duty(1),
        Some(Duty::Commit),
        "who answered the closed session starts anew"
    );
    assert_eq!(
        group.signing.duty(2),
        Some(Duty::Commit),
        "who owed it something, too"
    );
    assert_eq!(group.signing.waiting_for(), vec![1, 2, 3, 5, 6, 7]);
    group.complete(&[1, 2, 3, 5, 6, 7, 8, 9]);
    assert_eq!(group.culprits(), vec![4]);
    assert_eq!(group.signing.sessions().len(), 2);
}

#[test]
fn a_share_that_is_no_scalar_is_a_wrong_share() {
    let mut group = Group::new(&NINE, 4);
    group.commit_all(1..=7);
    let message = Message::Share {
        session: 0,
        share: [0xff; 32],
    };
    assert_eq!(
        group.order(2, message),
        Ok(Progress::CheaterNamed { culprit: 2 })
    );
}

#[test]
fn swapped_shares_name_who_sent_the_wrong_one() {
    let mut group = Group::new(&NINE, 5);
    group.commit_all(1..=9);
    let (of_2, of_3) = (group.owed(2), group.owed(3));
    assert_eq!(
        group.order(2, of_3),
        Ok(Progress::CheaterNamed { culprit: 2 })
    );
    assert_eq!(
        group.order(3, of_2),
        Err("sign_not_owed"),
        "the session is closed by then"
    );
    group.complete(&[1, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(group.culprits(), vec![2]);
}

#[test]
fn silent_signers_are_replaced_and_not_blamed() {
    let mut group = Group::new(&NINE, 6);
    group.commit_all(1..=7);
    // Members 6 and 7 are in the session and fall silent; 8 and 9 take their places.
    group.complete(&[1, 2, 3, 4, 5, 8, 9]);
    assert_eq!(group.culprits(), Vec::<u16>::new());
    assert_eq!(group.signing.sessions().len(), 2);
    assert!(!group.signing.sessions()[0].is_closed());
}

#[test]
fn a_late_share_still_completes_its_session() {
    let mut group = Group::new(&NINE, 7);
    group.commit_all(1..=7);
    let late = group.owed(7);
    for index in [1, 2, 3, 4, 5, 6] {
        group.answer(index);
    }
    for index in [8, 9, 1, 2, 3, 4] {
        group.commit(index);
    }
    assert_eq!(group.commit(5), Progress::SessionFixed { session: 1 });
    assert_eq!(group.signing.waiting_for(), vec![1, 2, 3, 4, 5, 8, 9]);
    group.answer(8);
    let Ok(Progress::Signed { signature }) = group.order(7, late) else {
        panic!("late is not wrong")
    };
    group.check_signature(&signature);
}

#[test]
fn a_restarted_node_commits_anew_and_frees_the_others_of_its_session() {
    let mut group = Group::new(&NINE, 8);
    group.commit(1);
    let replaced = group.commit(1);
    assert_eq!(
        replaced,
        Progress::Accepted,
        "an open commitment is replaced, at no cost"
    );
    group.commit_all(2..=7);
    group.answer(2);
    for restart in 1..=MAX_RESTARTS {
        // All but member 3 answer; member 3 has lost its nonces each time.
        group.commit(3);
        assert!(
            group.signing.sessions().last().unwrap().is_closed(),
            "restart {restart}"
        );
        assert_eq!(group.signing.duty(2), Some(Duty::Commit));
        group.commit_all([1, 2, 4, 5, 6, 7]);
        assert_eq!(
            group.signing.duty(3),
            Some(Duty::Share {
                session: u32::from(restart)
            })
        );
    }
    let once_more = group.commitment(3);
    assert_eq!(group.order(3, once_more), Err("sign_too_many_restarts"));
    group.complete(&[1, 2, 4, 5, 6, 7, 8, 9]);
    assert_eq!(group.culprits(), Vec::<u16>::new());
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
fn too_many_cheaters_make_a_signature_impossible() {
    let mut group = Group::new(&NINE, 15);
    for cheater in 1..=3 {
        assert!(group.signing.is_possible());
        for index in cheater..=9 {
            group.follow_duty(index, true);
            if matches!(group.signing.duty(cheater), Some(Duty::Share { .. })) {
                break;
            }
        }
        let Some(Duty::Share { session }) = group.signing.duty(cheater) else {
            panic!()
        };
        group
            .order(
                cheater,
                Message::Share {
                    session,
                    share: [1; 32],
                },
            )
            .unwrap();
    }
    assert!(!group.signing.is_possible());
    assert_eq!(group.culprits(), vec![1, 2, 3]);
}

#[test]
fn nonces_are_never_shown() {
    let (nonces, _) = SigningNonces::commit(&NINE.1[0], &mut rng(16)).unwrap();
    let text = format!("{nonces:?}");
    assert!(text.contains("<redacted>"), "{text}");
}

/// How a faulty member behaves.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Silent,
    SilentAfterCommitting,
    Cheats,
    KeepsRestarting,
    PostsNoise,
}

fn any_fault() -> impl Strategy<Value = Fault> {
    use Fault::*;
    prop_oneof![
        Just(Silent),
        Just(SilentAfterCommitting),
        Just(Cheats),
        Just(KeepsRestarting),
        Just(PostsNoise)
    ]
}

impl Group {
    fn misbehave(&mut self, index: u16, fault: Fault) {
        let duty = self.signing.duty(index);
        match (fault, duty) {
            (Fault::Silent, _) | (_, None) => {}
            (Fault::PostsNoise, _) => {
                let mut bytes = [0; 65];
                self.rng.fill_bytes(&mut bytes);
                bytes[0] &= 1;
                let length = if bytes[0] == 0 { 65 } else { 37 };
                if let Ok(message) = Message::decode(&bytes[..length]) {
                    let _ = self.order(index, message);
                }
                let _ = self.order(
                    index,
                    Message::Share {
                        session: 0,
                        share: [0; 32],
                    },
                );
            }
            (_, Some(Duty::Commit | Duty::StandBy { .. })) => {
                self.commit(index);
            }
            (Fault::SilentAfterCommitting, Some(Duty::Share { .. })) => {}
            (Fault::Cheats, Some(Duty::Share { session })) => {
                let _ = self.order(
                    index,
                    Message::Share {
                        session,
                        share: [1; 32],
                    },
                );
            }
            (Fault::KeepsRestarting, Some(Duty::Share { .. })) => {
                let message = self.commitment(index);
                let _ = self.order(index, message);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever up to three of twelve members do, in whatever order messages arrive, the nine others make a signature,
    /// and none of them is ever named.
    #[test]
    fn any_threshold_of_honest_members_signs(
        seed in any::<u64>(),
        faulty in prop::collection::btree_map(1..=12u16, any_fault(), 0..=3),
        crashes in prop::collection::vec((1..=12u16, 0..60usize), 0..4),
    ) {
        let mut group = Group::new(&TWELVE, seed);
        let mut steps = 0;
        while group.signing.signature().is_none() {
            prop_assert!(steps < 20_000, "no signature; waiting for {:?}", group.signing.waiting_for());
            let index = (group.rng.next_u32() % 12) as u16 + 1;
            let impatient = group.rng.next_u32().is_multiple_of(8);
            // An honest node that crashes forgets its nonces.
            for (crashed, _) in crashes.iter().filter(|(crashed, at)| *at == steps && !faulty.contains_key(crashed)) {
                group.nonces.remove(crashed);
            }
            match faulty.get(&index) {
                Some(fault) => group.misbehave(index, *fault),
                None => { group.follow_duty(index, impatient); }
            }
            steps += 1;
        }
        group.check_signature(&group.signing.signature().unwrap());
        prop_assert!(group.culprits().iter().all(|culprit| faulty.contains_key(culprit)));
        prop_assert!(group.signing.sessions().len() <= 24, "{} sessions", group.signing.sessions().len());
    }
}
