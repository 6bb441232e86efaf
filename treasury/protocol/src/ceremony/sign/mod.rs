//! Signing with a group key: the state machine that every member's node runs.
//!
//! FROST (RFC 9591) over an ordered log, with the replacement of signers from ROAST (Ruffing et al., eprint 2022/550);
//! the log takes the place of ROAST's coordinator:
//!
//! - Each member posts a commitment to fresh nonces. As soon as as many commitments as the threshold are open, a
//!   **session** is fixed over them, in the order of their arrival.
//! - Each signer of a session posts its share, which is judged on arrival. A wrong share names its sender, excludes it and
//!   closes the session; the others commit anew.
//! - A signer that is silent is not guilty, only late. Those who have answered may commit again, and with the members
//!   that were not in the session they make a new one, while the old one stays open for the late share.
//! - The first session with all its shares gives the signature.
//!
//! Every session that fails costs its culprit, or one of the few restarts that a member may make, so with `threshold`
//! honest members that answer there is a signature after a bounded number of sessions.

mod message;
mod participant;
mod session;
#[cfg(test)]
mod tests;

pub use message::{Commitment, MAX_MESSAGE_BYTES, Message};
pub use participant::{SignError, SigningNonces};
pub use session::{Session, SessionSigner};

use borsh::{BorshDeserialize, BorshSerialize};
use thiserror::Error;

use super::GroupKey;

/// How often a member may lose its nonces (by restarting its node) within one signing before it has to stand back.
pub const MAX_RESTARTS: u8 = 3;

/// The making of one signature as everybody sees it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Signing {
    /// The group's public key.
    public: [u8; 32],
    threshold: u16,
    message: [u8; 32],
    /// State of each member; member `i` is at `i - 1`.
    members: Vec<Member>,
    /// All sessions that were ever fixed, in that order.
    sessions: Vec<Session>,
    signature: Option<[u8; 64]>,
}

/// Where one member stands.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
struct Member {
    standing: Standing,
    restarts: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
enum Standing {
    /// Has nothing open.
    Idle,
    /// Waits with a commitment for a session.
    Open { commitment: Commitment },
    /// Owes a session its share.
    Owes { session: u32 },
    /// Has given a session its share; may commit again.
    Answered { session: u32 },
    /// Has given a wrong share and takes no further part.
    Excluded { session: u32, share: [u8; 32] },
}

/// What a member's node has to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duty {
    /// Post a commitment to fresh nonces, and wait until it is ordered: a second one that is ordered after the first
    /// was put into a session counts as a restart.
    Commit,
    /// Post the share for this session. A node that has lost the nonces posts a commitment instead.
    Share {
        /// Number of the session.
        session: u32,
    },
    /// Nothing yet. Post a commitment if this session is not complete after some patience (seconds, the node's own
    /// choice), so that a silent signer can be replaced.
    StandBy {
        /// Number of the session that was answered.
        session: u32,
    },
}

/// What an accepted message brought about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Noted.
    Accepted,
    /// A session is fixed; its signers owe their shares.
    SessionFixed {
        /// Number of the session.
        session: u32,
    },
    /// The share was wrong: its sender is excluded, its session closed.
    CheaterNamed {
        /// Number of the member that cheated.
        culprit: u16,
    },
    /// The signature is made.
    Signed {
        /// Ed25519 signature of the group over the message.
        signature: [u8; 64],
    },
}

/// A wrong share and who sent it. The session's commitments are in [`Signing::sessions`], so anybody can judge it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cheater {
    /// Number of the member.
    pub culprit: u16,
    /// Number of the session.
    pub session: u32,
    /// The share that does not verify.
    pub share: [u8; 32],
}

/// Why a message was not taken. The state is unchanged.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Rejection {
    /// There is no member of that number.
    #[error("there is no member {index} in this group")]
    NotAMember {
        /// The sender's number.
        index: u16,
    },
    /// Bytes that are no message, or nonces that are no points of prime order.
    #[error("not a message of this signing: {reason}")]
    Malformed {
        /// What is wrong with it.
        reason: String,
    },
    /// Another key than the one that this signing is for.
    #[error(
        "this signing is for group key {}, not for {}",
        hex::encode(expected),
        hex::encode(found)
    )]
    ForeignKey {
        /// The key of this signing.
        expected: [u8; 32],
        /// The key that was given.
        found: [u8; 32],
    },
    /// The signature is there.
    #[error("the signature is already complete; nothing is left to do")]
    Complete,
    /// The member has given a wrong share.
    #[error("member {index} gave a wrong share and is excluded from this signing")]
    Excluded {
        /// The sender's number.
        index: u16,
    },
    /// The member posted these very nonces before.
    #[error("member {index} has committed to these nonces before; draw fresh ones")]
    RepeatedNonces {
        /// The sender's number.
        index: u16,
    },
    /// The member has lost its nonces too often.
    #[error(
        "member {index} has dropped out of {MAX_RESTARTS} sessions of this signing; only a share counts now"
    )]
    TooManyRestarts {
        /// The sender's number.
        index: u16,
    },
    /// The member owes that session nothing: it is not in it, has answered, or the session is closed.
    #[error("member {index} owes session {session} no share; follow its duties")]
    NotOwed {
        /// The sender's number.
        index: u16,
        /// The session named.
        session: u32,
    },
}

impl Rejection {
    /// Stable short code for digests and programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotAMember { .. } => "sign_not_a_member",
            Self::Malformed { .. } => "sign_malformed",
            Self::ForeignKey { .. } => "sign_foreign_key",
            Self::Complete => "sign_complete",
            Self::Excluded { .. } => "sign_excluded",
            Self::RepeatedNonces { .. } => "sign_repeated_nonces",
            Self::TooManyRestarts { .. } => "sign_too_many_restarts",
            Self::NotOwed { .. } => "sign_not_owed",
        }
    }
}

impl Signing {
    /// Opens the signing of `message`, which must be what the group decided to sign: a 32-byte transaction hash or digest.
    pub fn new(key: &GroupKey, message: [u8; 32]) -> Self {
        Self {
            public: key.public,
            threshold: key.threshold,
            message,
            members: vec![
                Member {
                    standing: Standing::Idle,
                    restarts: 0
                };
                key.verifying_shares.len()
            ],
            sessions: Vec::new(),
            signature: None,
        }
    }

    /// Judges one ordered message and takes it in.
    ///
    /// `key` is the key that the signing was opened with; `sender` the number of the member whose envelope carried the
    /// message. On error the state is unchanged. A wrong share is not an error: it is evidence, and is kept.
    pub fn apply(
        &mut self,
        key: &GroupKey,
        sender: u16,
        message: &Message,
    ) -> Result<Progress, Rejection> {
        if key.public != self.public || key.verifying_shares.len() != self.members.len() {
            return Err(Rejection::ForeignKey {
                expected: self.public,
                found: key.public,
            });
        }
        let at = self.position(sender)?;
        if self.signature.is_some() {
            return Err(Rejection::Complete);
        }
        if let Standing::Excluded { .. } = self.members[at].standing {
            return Err(Rejection::Excluded { index: sender });
        }
        match message {
            Message::Commit(commitment) => self.apply_commitment(sender, at, commitment),
            Message::Share { session, share } => self.apply_share(key, sender, at, *session, share),
        }
    }

    fn apply_commitment(
        &mut self,
        sender: u16,
        at: usize,
        commitment: &Commitment,
    ) -> Result<Progress, Rejection> {
        commitment.check()?;
        if self.has_committed(sender, commitment) {
            return Err(Rejection::RepeatedNonces { index: sender });
        }
        if let Standing::Owes { session } = self.members[at].standing {
            // The nonces of that session are gone, so it cannot complete: let its other signers go.
            if self.members[at].restarts >= MAX_RESTARTS {
                return Err(Rejection::TooManyRestarts { index: sender });
            }
            self.members[at].restarts += 1;
            self.close(session);
        }
        self.members[at].standing = Standing::Open {
            commitment: *commitment,
        };
        Ok(self
            .fix_session()
            .map_or(Progress::Accepted, |session| Progress::SessionFixed {
                session,
            }))
    }

    fn apply_share(
        &mut self,
        key: &GroupKey,
        sender: u16,
        at: usize,
        session: u32,
        share: &[u8; 32],
    ) -> Result<Progress, Rejection> {
        if self.members[at].standing != (Standing::Owes { session }) {
            return Err(Rejection::NotOwed {
                index: sender,
                session,
            });
        }
        let position = session as usize;
        if !self.sessions[position].share_is_valid(key, &self.message, sender, share) {
            self.close(session);
            self.members[at].standing = Standing::Excluded {
                session,
                share: *share,
            };
            return Ok(Progress::CheaterNamed { culprit: sender });
        }
        self.members[at].standing = Standing::Answered { session };
        self.sessions[position].take(sender, share);
        let Some(signature) = self.sessions[position].signature() else {
            return Ok(Progress::Accepted);
        };
        // Each share satisfies its own equation, and the equations add up to that of the signature.
        assert!(
            session::verifies(key, &self.message, &signature),
            "valid shares make a valid signature"
        );
        self.signature = Some(signature);
        Ok(Progress::Signed { signature })
    }

    /// Fixes a session if enough commitments are open.
    ///
    /// This is tried with every commitment, so there are never more than enough, and the first to come are the signers.
    fn fix_session(&mut self) -> Option<u32> {
        let open = (1..)
            .zip(&self.members)
            .filter_map(|(index, member)| match member.standing {
                Standing::Open { commitment } => Some((index, commitment)),
                _ => None,
            });
        let signers: Vec<(u16, Commitment)> = open.collect();
        if signers.len() < usize::from(self.threshold) {
            return None;
        }
        // A signing has at most a few hundred sessions.
        let session = self.sessions.len() as u32;
        for (index, _) in &signers {
            self.members[usize::from(*index) - 1].standing = Standing::Owes { session };
        }
        self.sessions
            .push(Session::fix(&self.public, &self.message, signers));
        Some(session)
    }

    /// Gives a session up. Who owes it a share or has answered it commits anew.
    fn close(&mut self, session: u32) {
        self.sessions[session as usize].close();
        for member in &mut self.members {
            if member.standing == (Standing::Owes { session })
                || member.standing == (Standing::Answered { session })
            {
                member.standing = Standing::Idle;
            }
        }
    }

    fn has_committed(&self, sender: u16, commitment: &Commitment) -> bool {
        let standing = &self.members[usize::from(sender) - 1].standing;
        let open = matches!(standing, Standing::Open { commitment: open } if open == commitment);
        let in_session = |session: &Session| {
            session
                .signer(sender)
                .is_some_and(|signer| signer.commitment == *commitment)
        };
        open || self.sessions.iter().any(in_session)
    }

    /// What member `index` has to do now; nothing if it waits for others, is excluded, or there is no such member.
    pub fn duty(&self, index: u16) -> Option<Duty> {
        let member = &self.members[self.position(index).ok()?];
        if self.signature.is_some() {
            return None;
        }
        match member.standing {
            Standing::Idle => Some(Duty::Commit),
            Standing::Owes { session } => Some(Duty::Share { session }),
            Standing::Answered { session } => Some(Duty::StandBy { session }),
            Standing::Open { .. } | Standing::Excluded { .. } => None,
        }
    }

    /// Whom the signature waits for: those who owe the newest open session a share or, without one, those who have not
    /// committed. Empty when the signature is there.
    pub fn waiting_for(&self) -> Vec<u16> {
        let newest = self
            .sessions
            .iter()
            .rposition(|session| !session.is_closed());
        let missing = |member: &Member| match (newest, &member.standing) {
            (Some(newest), Standing::Owes { session }) => *session as usize == newest,
            (None, Standing::Idle) => true,
            _ => false,
        };
        if self.signature.is_some() {
            return Vec::new();
        }
        (1..)
            .zip(&self.members)
            .filter(|(_, member)| missing(member))
            .map(|(index, _)| index)
            .collect()
    }

    /// The finished signature.
    pub fn signature(&self) -> Option<[u8; 64]> {
        self.signature
    }

    /// Members that gave a wrong share, with the share.
    pub fn cheaters(&self) -> Vec<Cheater> {
        let cheater = |(culprit, member): (u16, &Member)| match member.standing {
            Standing::Excluded { session, share } => Some(Cheater {
                culprit,
                session,
                share,
            }),
            _ => None,
        };
        (1..).zip(&self.members).filter_map(cheater).collect()
    }

    /// Whether enough members are left to sign.
    pub fn is_possible(&self) -> bool {
        self.members.len() - self.cheaters().len() >= usize::from(self.threshold)
    }

    /// All sessions so far; their numbers are their positions.
    pub fn sessions(&self) -> &[Session] {
        &self.sessions
    }

    /// The group's public key.
    pub fn public(&self) -> &[u8; 32] {
        &self.public
    }

    /// What is signed.
    pub fn message(&self) -> &[u8; 32] {
        &self.message
    }

    fn position(&self, index: u16) -> Result<usize, Rejection> {
        usize::from(index)
            .checked_sub(1)
            .filter(|at| *at < self.members.len())
            .ok_or(Rejection::NotAMember { index })
    }
}
