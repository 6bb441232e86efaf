//! What one member does in a key generation.

use std::collections::BTreeMap;
use std::fmt;

use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;
use thiserror::Error;
use zeroize::Zeroizing;

use super::message::SharedSecret;
use super::secrets::Derivation;
use super::share::{Address, SealedShare, read_share};
use super::{Complaint, Confirm, Keygen, Message, Phase, PossessionProof, Round1, Round2, Seed};
use crate::ceremony::{KeyShare, group};

/// One member's side of a ceremony: its secrets, all of which follow from the seed. Wiped when dropped, never shown.
///
/// After a restart make it anew from the stored seed; it says the same again, and what was posted before is refused as
/// a duplicate, which does no harm.
pub struct Participant {
    index: u16,
    derivation: Derivation,
    /// Coefficients of the secret polynomial, constant first.
    pub(super) polynomial: Zeroizing<Vec<Scalar>>,
    pub(super) encryption: Zeroizing<Scalar>,
}

/// Why a participant has nothing to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ParticipantError {
    /// There is no member of that number.
    #[error("there is no member {index} in this ceremony")]
    NotAMember {
        /// The number asked for.
        index: u16,
    },
    /// Its turn has not come, or has passed.
    #[error("the ceremony is in phase {phase:?}; this step belongs to phase {expected:?}")]
    WrongPhase {
        /// Where the ceremony is.
        phase: Phase,
        /// Where it would have to be.
        expected: Phase,
    },
    /// The ceremony, or the posted first message, is not the one that this seed was used for.
    #[error(
        "member {index} did not start this ceremony from this seed; restore the seed that it was started with"
    )]
    OtherSeed {
        /// The member's number.
        index: u16,
    },
    /// A message is needed that was not recorded, or another one was.
    #[error(
        "the {message} message of member {sender} is missing or is not the ordered one; read it again from the log"
    )]
    MissingMessage {
        /// Who posted it.
        sender: u16,
        /// The kind of message.
        message: &'static str,
    },
}

impl ParticipantError {
    /// Stable short code for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotAMember { .. } => "keygen_not_a_member",
            Self::WrongPhase { .. } => "keygen_wrong_phase",
            Self::OtherSeed { .. } => "keygen_other_seed",
            Self::MissingMessage { .. } => "keygen_missing_message",
        }
    }
}

/// The messages of rounds 1 and 2 as the log brought them, for the participant's last step.
#[derive(Clone, Debug, Default)]
pub struct Received {
    round1: BTreeMap<u16, Round1>,
    round2: BTreeMap<u16, Round2>,
}

impl Received {
    /// Keeps an accepted message. Others than those of rounds 1 and 2 are not needed and not kept.
    pub fn record(&mut self, sender: u16, message: Message) {
        match message {
            Message::Round1(round1) => {
                self.round1.insert(sender, round1);
            }
            Message::Round2(round2) => {
                self.round2.insert(sender, round2);
            }
            Message::Complaint(_) | Message::Confirm(_) => {}
        }
    }
}

/// What a member comes to after round 2.
#[derive(Debug)]
pub enum Conclusion {
    /// All shares are good. Store the share, durably, before the message leaves.
    Confirm {
        /// The member's share of the group key.
        share: KeyShare,
        /// To be posted.
        message: Message,
    },
    /// A share is bad, and this proves it.
    Complain {
        /// Number of the member that sent the bad share.
        accused: u16,
        /// To be posted.
        message: Message,
    },
}

impl Participant {
    /// The participant that `seed` makes of member `index`, at the start or after a restart.
    pub fn from_seed(seed: &Seed, keygen: &Keygen, index: u16) -> Result<Self, ParticipantError> {
        keygen
            .position(index)
            .map_err(|_| ParticipantError::NotAMember { index })?;
        let derivation = Derivation::new(seed, keygen.context, index);
        let coefficient = |number: u16| *derivation.scalar("coefficient", &number.to_le_bytes());
        let polynomial = Zeroizing::new((0..keygen.threshold).map(coefficient).collect::<Vec<_>>());
        let encryption = derivation.scalar("encryption", &[]);
        let participant = Self {
            index,
            derivation,
            polynomial,
            encryption,
        };
        match keygen.round1[usize::from(index) - 1] {
            Some(posted) if posted.digest != participant.round1_message(keygen).digest() => {
                Err(ParticipantError::OtherSeed { index })
            }
            _ => Ok(participant),
        }
    }

    /// The first message: commitments and encryption key.
    pub fn round1(&self, keygen: &Keygen) -> Result<Message, ParticipantError> {
        self.at_phase(keygen, Phase::Round1)?;
        Ok(Message::Round1(self.round1_message(keygen)))
    }

    fn round1_message(&self, keygen: &Keygen) -> Round1 {
        let eighth = Scalar::from(8u8).invert();
        let commit = |coefficient: &Scalar| {
            EdwardsPoint::mul_base(&(coefficient * eighth))
                .compress()
                .to_bytes()
        };
        let mut round1 = Round1 {
            commitments: self.polynomial.iter().map(commit).collect(),
            encryption_key: EdwardsPoint::mul_base(&self.encryption)
                .compress()
                .to_bytes(),
            proof: PossessionProof {
                challenge: [0; 32],
                coefficient: [0; 32],
                encryption: [0; 32],
            },
        };
        let nonces = [
            self.derivation.scalar("possession", &[0]),
            self.derivation.scalar("possession", &[1]),
        ];
        round1.proof = PossessionProof::prove(
            &keygen.context,
            self.index,
            &round1,
            [&self.polynomial[0], &self.encryption],
            [&nonces[0], &nonces[1]],
        );
        round1
    }

    /// The second message, when round 1 is complete: a share for every other member.
    pub fn round2(&self, keygen: &Keygen) -> Result<Message, ParticipantError> {
        self.at_phase(keygen, Phase::Round2)?;
        let others = self.others(keygen);
        let shares = others
            .map(|receiver| self.sealed_share(keygen, receiver))
            .collect::<Result<_, _>>()?;
        Ok(Message::Round2(Round2 { shares }))
    }

    pub(super) fn sealed_share(
        &self,
        keygen: &Keygen,
        receiver: u16,
    ) -> Result<SealedShare, ParticipantError> {
        let shared = self.shared_secret(keygen, receiver)?;
        let share = Zeroizing::new(group::evaluate(&self.polynomial, receiver));
        Ok(Address {
            context: &keygen.context,
            sender: self.index,
            receiver,
        }
        .seal(&shared, &share))
    }

    /// The last step, when round 2 is complete: the member's share of the key, or a complaint.
    ///
    /// `received` must hold all messages of round 2, and those of round 1 if a share turns out to be bad. They are
    /// compared with the digests in `keygen`, so that nobody is accused because of a message that was read wrongly.
    pub fn conclude(
        &self,
        keygen: &Keygen,
        received: &Received,
    ) -> Result<Conclusion, ParticipantError> {
        self.at_phase(keygen, Phase::Confirm)?;
        let mut secret = Zeroizing::new(group::evaluate(&self.polynomial, self.index));
        for sender in self.others(keygen) {
            let round2 = self.received_round2(keygen, received, sender)?;
            let opened = self.open(keygen, round2, sender)?;
            let Some(share) = opened
                .and_then(|bytes| group::scalar(&bytes))
                .map(Zeroizing::new)
            else {
                return self.complain(keygen, received, sender);
            };
            *secret += *share;
        }
        // One check of the sum stands for one of each share: if all are good, so is the sum, and if bad ones cancel
        // each other, the sum is good all the same.
        if EdwardsPoint::mul_base(&secret) != keygen.verifying_share(self.index) {
            return self.find_bad_share(keygen, received);
        }
        let (Some(public), Some(transcript)) = (keygen.public(), keygen.transcript()) else {
            return Err(ParticipantError::WrongPhase {
                phase: keygen.phase(),
                expected: Phase::Confirm,
            });
        };
        let nonce = self.derivation.scalar("confirm", &transcript);
        let confirm = Confirm::prove(
            &keygen.context,
            self.index,
            (public, transcript),
            &secret,
            &nonce,
        );
        Ok(Conclusion::Confirm {
            share: KeyShare::new(keygen.id, public, keygen.threshold, self.index, *secret),
            message: Message::Confirm(confirm),
        })
    }

    fn find_bad_share(
        &self,
        keygen: &Keygen,
        received: &Received,
    ) -> Result<Conclusion, ParticipantError> {
        for sender in self.others(keygen) {
            let commitments = self.received_round1(keygen, received, sender)?.points();
            let opened = self.open(
                keygen,
                self.received_round2(keygen, received, sender)?,
                sender,
            )?;
            let (Some(commitments), Some(opened)) = (commitments, opened) else {
                return self.complain(keygen, received, sender);
            };
            if read_share(&opened, &commitments, self.index).is_none() {
                return self.complain(keygen, received, sender);
            }
        }
        // All others are consistent with what they committed to, so it is this member's own part that is not.
        Err(ParticipantError::OtherSeed { index: self.index })
    }

    pub(super) fn complain(
        &self,
        keygen: &Keygen,
        received: &Received,
        accused: u16,
    ) -> Result<Conclusion, ParticipantError> {
        let round1 = self.received_round1(keygen, received, accused)?.clone();
        let round2 = self.received_round2(keygen, received, accused)?.clone();
        let accused_key = self.encryption_key(keygen, accused)?;
        let shared = accused_key * *self.encryption;
        let detail = borsh::to_vec(&(accused, round1.encryption_key))
            .expect("writing to memory does not fail");
        let statement = SharedSecret {
            context: &keygen.context,
            complainer: self.index,
            accused,
            complainer_key: &EdwardsPoint::mul_base(&self.encryption),
            accused_key: &accused_key,
            shared: &shared,
        };
        let proof = statement.prove(
            &self.encryption,
            &self.derivation.scalar("complaint", &detail),
        );
        let shared_secret = shared.compress().to_bytes();
        let complaint = Complaint {
            accused,
            round1,
            round2,
            shared_secret,
            proof,
        };
        Ok(Conclusion::Complain {
            accused,
            message: Message::Complaint(Box::new(complaint)),
        })
    }

    fn open(
        &self,
        keygen: &Keygen,
        round2: &Round2,
        sender: u16,
    ) -> Result<Option<Zeroizing<[u8; 32]>>, ParticipantError> {
        let shared = self.shared_secret(keygen, sender)?;
        let sealed =
            round2
                .share_for(sender, self.index)
                .ok_or(ParticipantError::MissingMessage {
                    sender,
                    message: "round-2",
                })?;
        Ok(Address {
            context: &keygen.context,
            sender,
            receiver: self.index,
        }
        .open(&shared, sealed))
    }

    fn received_round1<'a>(
        &self,
        keygen: &Keygen,
        received: &'a Received,
        sender: u16,
    ) -> Result<&'a Round1, ParticipantError> {
        let posted = keygen.round1[usize::from(sender) - 1].map(|posted| posted.digest);
        let round1 = received
            .round1
            .get(&sender)
            .filter(|round1| posted == Some(round1.digest()));
        round1.ok_or(ParticipantError::MissingMessage {
            sender,
            message: "round-1",
        })
    }

    fn received_round2<'a>(
        &self,
        keygen: &Keygen,
        received: &'a Received,
        sender: u16,
    ) -> Result<&'a Round2, ParticipantError> {
        let posted = keygen.round2[usize::from(sender) - 1];
        let round2 = received
            .round2
            .get(&sender)
            .filter(|round2| posted == Some(round2.digest()));
        round2.ok_or(ParticipantError::MissingMessage {
            sender,
            message: "round-2",
        })
    }

    pub(super) fn shared_secret(
        &self,
        keygen: &Keygen,
        other: u16,
    ) -> Result<Zeroizing<EdwardsPoint>, ParticipantError> {
        Ok(Zeroizing::new(
            self.encryption_key(keygen, other)? * *self.encryption,
        ))
    }

    fn encryption_key(
        &self,
        keygen: &Keygen,
        other: u16,
    ) -> Result<EdwardsPoint, ParticipantError> {
        // The key's order was tested when it was posted.
        let key = keygen
            .encryption_key(other)
            .and_then(|key| group::curve_point(&key));
        key.ok_or(ParticipantError::MissingMessage {
            sender: other,
            message: "round-1",
        })
    }

    fn others(&self, keygen: &Keygen) -> impl Iterator<Item = u16> + use<> {
        let (own, members) = (self.index, keygen.guardians.len() as u16);
        (1..=members).filter(move |index| *index != own)
    }

    fn at_phase(&self, keygen: &Keygen, expected: Phase) -> Result<(), ParticipantError> {
        let phase = keygen.phase();
        if phase != expected {
            return Err(ParticipantError::WrongPhase { phase, expected });
        }
        // A state of another ceremony would make this participant encrypt and prove for the wrong one.
        if self.derivation.context() != &keygen.context {
            return Err(ParticipantError::OtherSeed { index: self.index });
        }
        Ok(())
    }
}

impl fmt::Debug for Participant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Participant")
            .field("index", &self.index)
            .field("secrets", &"<redacted>")
            .finish()
    }
}
