//! Key generation without a dealer: the state machine that every member's node runs.
//!
//! Pedersen's distributed key generation as FROST uses it (Komlo and Goldberg, eprint 2020/852, figure 1), laid out for
//! an ordered log:
//!
//! 1. **Round 1**: each member posts commitments to a secret polynomial and a fresh encryption key, with a proof that it
//!    knows what is behind both. When all are in, the group key is fixed.
//! 2. **Round 2**: each member posts one message with a share for every other member, encrypted to the receiver.
//! 3. **Confirm**: each member adds up what it received, checks the sum against the commitments, and confirms with a
//!    proof that it holds a working share of the very key that all others see. A member that received a bad share
//!    complains instead, in a way that everybody can check; the one who lied is named and the ceremony ends.
//!
//! The key exists only when *all* have confirmed. Encryption keys live for one ceremony, on both sides: the log is kept for
//! ever, so a key that lasts would one day open every share it ever received.
//!
//! The state stays small (at most 16 kB for 99 members) because it keeps digests of the messages; the messages themselves are
//! in the log. Only participants need them again, and a complaint brings along those that it is about.

mod blame;
mod message;
mod participant;
mod secrets;
mod share;
#[cfg(test)]
mod tests;

pub use blame::{Charge, Failure};
pub use message::{
    Complaint, Confirm, MAX_MESSAGE_BYTES, Message, PossessionProof, Round1, Round2,
    SharedSecretProof,
};
pub use participant::{Conclusion, Participant, ParticipantError, Received};
pub use secrets::Seed;

use borsh::{BorshDeserialize, BorshSerialize};
use curve25519_dalek::edwards::EdwardsPoint;
use thiserror::Error;

use super::{CeremonyId, GroupKey, MAX_MEMBERS, MIN_MEMBERS, group, lowest_threshold};

/// A key generation as everybody sees it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Keygen {
    id: CeremonyId,
    guardians: Vec<[u8; 32]>,
    threshold: u16,
    /// Digest of id, guardians and threshold: what every proof and ciphertext of the ceremony is bound to.
    context: [u8; 32],
    /// Sums of the commitments so far, one for each coefficient; empty before the first.
    sums: Vec<[u8; 32]>,
    round1: Vec<Option<PostedRound1>>,
    /// Digest of each member's message of round 2.
    round2: Vec<Option<[u8; 32]>>,
    /// The verifying share that each member has confirmed.
    confirmed: Vec<Option<[u8; 32]>>,
    failure: Option<Failure>,
    /// Why it was given up before all had confirmed.
    abandoned: Option<Abandoned>,
}

/// Why a ceremony was given up, which is nobody's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Abandoned {
    /// The member with this number left the circle.
    Left(u16),
    /// Another ceremony is held in its place.
    Superseded,
}

/// What is kept of a member's first message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
struct PostedRound1 {
    digest: [u8; 32],
    encryption_key: [u8; 32],
}

/// How far a ceremony is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Commitments are being posted.
    Round1,
    /// Encrypted shares are being posted.
    Round2,
    /// Members check what they received, and confirm or complain.
    Confirm,
    /// All have confirmed: the key may be used.
    Done,
    /// Somebody was caught, see [`Keygen::failure`], or it was given up, see [`Keygen::abandoned`].
    Failed,
}

/// What an accepted message brought about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The phase goes on; [`Keygen::waiting_for`] names those who are still missing.
    Accepted,
    /// The message was the last of its phase, or ended the ceremony.
    Entered(Phase),
}

/// Why a ceremony cannot be held, or a message was not taken. The state is unchanged.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Rejection {
    /// A ceremony has 9 to 99 members.
    #[error("a key ceremony has {MIN_MEMBERS} to {MAX_MEMBERS} members, not {members}")]
    MemberCount {
        /// Members named.
        members: usize,
    },
    /// A member is named twice.
    #[error("guardian {} is named twice; name each once", hex::encode(guardian))]
    RepeatedMember {
        /// The key that is there twice.
        guardian: [u8; 32],
    },
    /// Too low to be safe, or more than there are.
    #[error("a threshold of {threshold} is outside {lowest} to {members}; choose one within")]
    Threshold {
        /// The threshold asked for.
        threshold: u16,
        /// More than two thirds of the members.
        lowest: u16,
        /// Number of members.
        members: u16,
    },
    /// There is no member of that number.
    #[error("there is no member {index} in this ceremony")]
    NotAMember {
        /// The sender's number.
        index: u16,
    },
    /// Bytes that are no message, or one of a wrong size.
    #[error("not a message of this ceremony: {reason}")]
    Malformed {
        /// What is wrong with it.
        reason: String,
    },
    /// A message of another phase.
    #[error("a {message} message has no place in phase {phase:?}")]
    WrongPhase {
        /// The kind of message.
        message: &'static str,
        /// Where the ceremony is.
        phase: Phase,
    },
    /// The member has posted its message of this phase.
    #[error("member {index} has already posted its {message} message; the first one counts")]
    Duplicate {
        /// The sender's number.
        index: u16,
        /// The kind of message.
        message: &'static str,
    },
    /// The sender does not know what is behind its own commitments.
    #[error(
        "the proof in the {message} message of member {index} does not verify; make the message anew from the seed"
    )]
    Proof {
        /// The sender's number.
        index: u16,
        /// The kind of message.
        message: &'static str,
    },
    /// The member confirms another key, or another course of events.
    #[error(
        "member {index} confirms another key or transcript than the ordered one; compare its log with the others'"
    )]
    OtherTranscript {
        /// The sender's number.
        index: u16,
    },
    /// A complaint about oneself or nobody, or with other messages than the posted ones.
    #[error("the complaint does not carry the messages that member {accused} posted")]
    Evidence {
        /// The accused member's number.
        accused: u16,
    },
}

impl Rejection {
    /// Stable short code for digests and programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::MemberCount { .. } => "keygen_member_count",
            Self::RepeatedMember { .. } => "keygen_repeated_member",
            Self::Threshold { .. } => "keygen_threshold",
            Self::NotAMember { .. } => "keygen_not_a_member",
            Self::Malformed { .. } => "keygen_malformed",
            Self::WrongPhase { .. } => "keygen_wrong_phase",
            Self::Duplicate { .. } => "keygen_duplicate",
            Self::Proof { .. } => "keygen_proof",
            Self::OtherTranscript { .. } => "keygen_other_transcript",
            Self::Evidence { .. } => "keygen_evidence",
        }
    }
}

impl Keygen {
    /// Opens a ceremony for `guardians` (their ed25519 member keys); member `i` is the one at `i - 1`.
    ///
    /// `threshold` members will be needed for a signature: more than two thirds, at most all. `id` must never be used
    /// twice. Errors: [`Rejection::MemberCount`], [`Rejection::RepeatedMember`], [`Rejection::Threshold`].
    pub fn new(
        id: CeremonyId,
        guardians: Vec<[u8; 32]>,
        threshold: u16,
    ) -> Result<Self, Rejection> {
        let members = guardians.len();
        if !(MIN_MEMBERS..=MAX_MEMBERS).contains(&members) {
            return Err(Rejection::MemberCount { members });
        }
        let mut sorted = guardians.clone();
        sorted.sort_unstable();
        if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Rejection::RepeatedMember { guardian: pair[0] });
        }
        let (lowest, count) = (lowest_threshold(members as u16), members as u16);
        if !(lowest..=count).contains(&threshold) {
            return Err(Rejection::Threshold {
                threshold,
                lowest,
                members: count,
            });
        }
        Ok(Self {
            id,
            context: group::digest("guardian-circle/v1/keygen", &(id, &guardians, threshold)),
            guardians,
            threshold,
            sums: Vec::new(),
            round1: vec![None; members],
            round2: vec![None; members],
            confirmed: vec![None; members],
            failure: None,
            abandoned: None,
        })
    }

    /// Judges one ordered message and takes it in.
    ///
    /// `sender` is the number of the member whose envelope carried the message. On error the state is unchanged. A
    /// proven complaint is not an error: it ends the ceremony in [`Phase::Failed`] with its culprit.
    pub fn apply(&mut self, sender: u16, message: &Message) -> Result<Progress, Rejection> {
        let at = self.position(sender)?;
        let phase = self.phase();
        let expected = match message {
            Message::Round1(_) => Phase::Round1,
            Message::Round2(_) => Phase::Round2,
            Message::Complaint(_) | Message::Confirm(_) => Phase::Confirm,
        };
        if phase != expected {
            return Err(Rejection::WrongPhase {
                message: message.name(),
                phase,
            });
        }
        match message {
            Message::Round1(round1) => self.apply_round1(sender, at, round1)?,
            Message::Round2(round2) => self.apply_round2(sender, at, round2)?,
            Message::Complaint(complaint) => self.failure = Some(self.judge(sender, complaint)?),
            Message::Confirm(confirm) => self.apply_confirm(sender, at, confirm)?,
        }
        let now = self.phase();
        Ok(if now == phase {
            Progress::Accepted
        } else {
            Progress::Entered(now)
        })
    }

    fn apply_round1(&mut self, sender: u16, at: usize, round1: &Round1) -> Result<(), Rejection> {
        if self.round1[at].is_some() {
            return Err(Rejection::Duplicate {
                index: sender,
                message: "round-1",
            });
        }
        let commitments = round1.verify(&self.context, sender, self.threshold)?;
        if self.sums.is_empty() {
            self.sums = commitments
                .iter()
                .map(|point| point.compress().to_bytes())
                .collect();
        } else {
            let sums = self.sum_points();
            self.sums = sums
                .iter()
                .zip(&commitments)
                .map(|(sum, point)| (sum + point).compress().to_bytes())
                .collect();
        }
        self.round1[at] = Some(PostedRound1 {
            digest: round1.digest(),
            encryption_key: round1.encryption_key,
        });
        Ok(())
    }

    fn apply_round2(&mut self, sender: u16, at: usize, round2: &Round2) -> Result<(), Rejection> {
        if self.round2[at].is_some() {
            return Err(Rejection::Duplicate {
                index: sender,
                message: "round-2",
            });
        }
        let (expected, found) = (self.guardians.len() - 1, round2.shares.len());
        if found != expected {
            return Err(Rejection::Malformed {
                reason: format!("{found} encrypted shares instead of {expected}"),
            });
        }
        self.round2[at] = Some(round2.digest());
        Ok(())
    }

    fn apply_confirm(
        &mut self,
        sender: u16,
        at: usize,
        confirm: &Confirm,
    ) -> Result<(), Rejection> {
        if self.confirmed[at].is_some() {
            return Err(Rejection::Duplicate {
                index: sender,
                message: "confirm",
            });
        }
        if Some(confirm.public) != self.public() || Some(confirm.transcript) != self.transcript() {
            return Err(Rejection::OtherTranscript { index: sender });
        }
        let verifying_share = self.verifying_share(sender);
        if !confirm.proves(&self.context, sender, &verifying_share) {
            return Err(Rejection::Proof {
                index: sender,
                message: "confirm",
            });
        }
        self.confirmed[at] = Some(verifying_share.compress().to_bytes());
        Ok(())
    }

    /// How far the ceremony is.
    pub fn phase(&self) -> Phase {
        if self.failure.is_some() || self.abandoned.is_some() {
            Phase::Failed
        } else if self.round1.iter().any(Option::is_none) {
            Phase::Round1
        } else if self.round2.iter().any(Option::is_none) {
            Phase::Round2
        } else if self.confirmed.iter().any(Option::is_none) {
            Phase::Confirm
        } else {
            Phase::Done
        }
    }

    /// Numbers of the members whose message of the present phase is missing; empty when the ceremony has ended.
    ///
    /// This is also each participant's duty: whoever is in the list posts the message of the present phase.
    pub fn waiting_for(&self) -> Vec<u16> {
        fn missing<T>(posted: &[Option<T>]) -> Vec<u16> {
            (1..)
                .zip(posted)
                .filter(|(_, posted)| posted.is_none())
                .map(|(index, _)| index)
                .collect()
        }
        match self.phase() {
            Phase::Round1 => missing(&self.round1),
            Phase::Round2 => missing(&self.round2),
            Phase::Confirm => missing(&self.confirmed),
            Phase::Done | Phase::Failed => Vec::new(),
        }
    }

    /// The finished key, once all members have confirmed it.
    pub fn key(&self) -> Option<GroupKey> {
        if self.phase() != Phase::Done {
            return None;
        }
        Some(GroupKey {
            ceremony: self.id,
            public: self.public()?,
            threshold: self.threshold,
            verifying_shares: self.confirmed.iter().copied().collect::<Option<_>>()?,
        })
    }

    /// Who made the ceremony fail, and how that is known.
    pub fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }

    /// Why it was given up before the key was made.
    pub fn abandoned(&self) -> Option<Abandoned> {
        self.abandoned
    }

    /// Gives up a ceremony that goes on: a key needs the confirmation of all. Says whether anything changed; a finished key
    /// stays, and so does a verdict.
    pub fn abandon(&mut self, why: Abandoned) -> bool {
        let goes_on = !matches!(self.phase(), Phase::Done | Phase::Failed);
        let knows = match why {
            Abandoned::Left(index) => self.position(index).is_ok(),
            Abandoned::Superseded => true,
        };
        if goes_on && knows {
            self.abandoned = Some(why);
        }
        goes_on && knows
    }

    /// Name of the ceremony.
    pub fn id(&self) -> CeremonyId {
        self.id
    }

    /// Member keys of the participants, in their order.
    pub fn guardians(&self) -> &[[u8; 32]] {
        &self.guardians
    }

    /// The number of the member with this key.
    pub fn index_of(&self, guardian: &[u8; 32]) -> Option<u16> {
        (1..)
            .zip(&self.guardians)
            .find(|(_, key)| *key == guardian)
            .map(|(index, _)| index)
    }

    /// Members that will be needed for a signature.
    pub fn threshold(&self) -> u16 {
        self.threshold
    }

    /// The group's public key, fixed when round 1 is complete; not to be used before all have confirmed.
    pub fn public(&self) -> Option<[u8; 32]> {
        if self.round1.iter().any(Option::is_none) {
            None
        } else {
            self.sums.first().copied()
        }
    }

    /// Digest of the ceremony's parameters and of all messages of rounds 1 and 2, once they are in.
    pub fn transcript(&self) -> Option<[u8; 32]> {
        let round1 = self
            .round1
            .iter()
            .map(|posted| posted.map(|posted| posted.digest))
            .collect::<Option<Vec<_>>>()?;
        let round2 = self.round2.iter().copied().collect::<Option<Vec<_>>>()?;
        Some(group::digest(
            "guardian-circle/v1/keygen/transcript",
            &(self.context, round1, round2),
        ))
    }

    fn position(&self, index: u16) -> Result<usize, Rejection> {
        usize::from(index)
            .checked_sub(1)
            .filter(|at| *at < self.guardians.len())
            .ok_or(Rejection::NotAMember { index })
    }

    fn encryption_key(&self, index: u16) -> Option<[u8; 32]> {
        let at = self.position(index).ok()?;
        self.round1[at].map(|posted| posted.encryption_key)
    }

    fn sum_points(&self) -> Vec<EdwardsPoint> {
        self.sums
            .iter()
            .map(|sum| group::curve_point(sum).expect("sums of points are points"))
            .collect()
    }

    /// Public counterpart of a member's share, which follows from the commitments alone.
    fn verifying_share(&self, index: u16) -> EdwardsPoint {
        group::evaluate_commitments(&self.sum_points(), index)
    }
}
