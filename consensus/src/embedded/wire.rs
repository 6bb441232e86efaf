//! The bytes of everything that is signed, stored, or sent to another member. All borsh.

use arc_malachitebft_app_channel::app::consensus::{LivenessMsg, SignedConsensusMsg};
use arc_malachitebft_app_channel::app::types::core::{
    CommitCertificate, CommitSignature, ExtendedCommitCertificate, ExtendedCommitSignature,
    NilOrVal, PolkaCertificate, PolkaSignature, Round, RoundCertificate, RoundCertificateType,
    RoundSignature, VoteType,
};
use arc_malachitebft_sync::RawDecidedValue;
use borsh::{BorshDeserialize, BorshSerialize};

use super::context::{
    Address, BlockHash, GuardianContext as Ctx, Height, Proposal, ProposalPart, Signature, Vote,
};

/// Bytes that do not mean what they should.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CodecError {
    #[error("not the expected encoding: {0}")]
    Encoding(#[from] std::io::Error),
    #[error("{0} is not a round")]
    Round(i64),
    #[error("{0} is not a valid {1}")]
    Tag(u8, &'static str),
    #[error("a message of this kind is not part of the protocol")]
    Unsupported,
    #[error("this peer sends more than a member needs to")]
    Excess,
}

/// A round: -1 for none.
pub(super) type WireRound = i64;

pub(super) fn wire_round(round: Round) -> WireRound {
    round.as_i64()
}

pub(super) fn round(wire: WireRound) -> Result<Round, CodecError> {
    match wire {
        -1 => Ok(Round::Nil),
        _ => u32::try_from(wire)
            .map(Round::new)
            .map_err(|_| CodecError::Round(wire)),
    }
}

pub(super) fn wire_value(value: &NilOrVal<BlockHash>) -> Option<[u8; 32]> {
    match value {
        NilOrVal::Nil => None,
        NilOrVal::Val(hash) => Some(hash.0),
    }
}

pub(super) fn value(wire: Option<[u8; 32]>) -> NilOrVal<BlockHash> {
    wire.map_or(NilOrVal::Nil, |hash| NilOrVal::Val(BlockHash(hash)))
}

pub(super) fn wire_kind(kind: VoteType) -> u8 {
    match kind {
        VoteType::Prevote => 1,
        VoteType::Precommit => 2,
    }
}

pub(super) fn kind(wire: u8) -> Result<VoteType, CodecError> {
    match wire {
        1 => Ok(VoteType::Prevote),
        2 => Ok(VoteType::Precommit),
        other => Err(CodecError::Tag(other, "kind of vote")),
    }
}

/// A vote as it is signed.
#[derive(BorshSerialize, BorshDeserialize)]
pub(crate) struct WireVote {
    pub(super) kind: u8,
    pub(super) height: u64,
    pub(super) round: WireRound,
    pub(super) value: Option<[u8; 32]>,
    pub(super) address: [u8; 32],
}

impl From<&Vote> for WireVote {
    fn from(vote: &Vote) -> Self {
        Self {
            kind: wire_kind(vote.kind),
            height: vote.height.0,
            round: wire_round(vote.round),
            value: wire_value(&vote.value),
            address: vote.address.0,
        }
    }
}

impl TryFrom<WireVote> for Vote {
    type Error = CodecError;

    fn try_from(wire: WireVote) -> Result<Self, CodecError> {
        Ok(Self {
            kind: kind(wire.kind)?,
            height: Height(wire.height),
            round: round(wire.round)?,
            value: value(wire.value),
            address: Address(wire.address),
        })
    }
}

/// A proposal as it is signed.
#[derive(BorshSerialize, BorshDeserialize)]
pub(crate) struct WireProposal {
    height: u64,
    round: WireRound,
    value: [u8; 32],
    pol_round: WireRound,
    address: [u8; 32],
}

impl From<&Proposal> for WireProposal {
    fn from(proposal: &Proposal) -> Self {
        Self {
            height: proposal.height.0,
            round: wire_round(proposal.round),
            value: proposal.value.0,
            pol_round: wire_round(proposal.pol_round),
            address: proposal.address.0,
        }
    }
}

impl TryFrom<WireProposal> for Proposal {
    type Error = CodecError;

    fn try_from(wire: WireProposal) -> Result<Self, CodecError> {
        Ok(Self {
            height: Height(wire.height),
            round: round(wire.round)?,
            value: BlockHash(wire.value),
            pol_round: round(wire.pol_round)?,
            address: Address(wire.address),
        })
    }
}

/// A signature and whose it is.
#[derive(Clone, BorshSerialize, BorshDeserialize)]
pub(crate) struct WireSignature {
    address: [u8; 32],
    signature: [u8; 64],
}

/// Proof that more than 2/3 of the members precommitted (or prevoted) one block.
#[derive(Clone, BorshSerialize, BorshDeserialize)]
pub(crate) struct WireCertificate {
    height: u64,
    round: WireRound,
    value: [u8; 32],
    signatures: Vec<WireSignature>,
}

impl WireCertificate {
    /// How many signatures it holds.
    pub fn signatures(&self) -> usize {
        self.signatures.len()
    }
}

impl From<&CommitCertificate<Ctx>> for WireCertificate {
    fn from(certificate: &CommitCertificate<Ctx>) -> Self {
        let signatures = certificate.commit_signatures.iter();
        Self {
            height: certificate.height.0,
            round: wire_round(certificate.round),
            value: certificate.value_id.0,
            signatures: signatures
                .map(|entry| WireSignature {
                    address: entry.address.0,
                    signature: entry.signature.0,
                })
                .collect(),
        }
    }
}

impl TryFrom<WireCertificate> for CommitCertificate<Ctx> {
    type Error = CodecError;

    fn try_from(wire: WireCertificate) -> Result<Self, CodecError> {
        Ok(Self {
            height: Height(wire.height),
            round: round(wire.round)?,
            value_id: BlockHash(wire.value),
            commit_signatures: wire
                .signatures
                .iter()
                .map(|entry| {
                    CommitSignature::new(Address(entry.address), Signature(entry.signature))
                })
                .collect(),
        })
    }
}

impl From<&ExtendedCommitCertificate<Ctx>> for WireCertificate {
    fn from(certificate: &ExtendedCommitCertificate<Ctx>) -> Self {
        let signatures = certificate.commit_signatures.iter();
        Self {
            height: certificate.height.0,
            round: wire_round(certificate.round),
            value: certificate.value_id.0,
            signatures: signatures
                .map(|entry| WireSignature {
                    address: entry.address.0,
                    signature: entry.signature.0,
                })
                .collect(),
        }
    }
}

impl TryFrom<WireCertificate> for ExtendedCommitCertificate<Ctx> {
    type Error = CodecError;

    fn try_from(wire: WireCertificate) -> Result<Self, CodecError> {
        Ok(Self {
            height: Height(wire.height),
            round: round(wire.round)?,
            value_id: BlockHash(wire.value),
            commit_signatures: wire
                .signatures
                .iter()
                .map(|entry| ExtendedCommitSignature {
                    address: Address(entry.address),
                    signature: Signature(entry.signature),
                    extension: None,
                })
                .collect(),
        })
    }
}

impl From<&PolkaCertificate<Ctx>> for WireCertificate {
    fn from(certificate: &PolkaCertificate<Ctx>) -> Self {
        let signatures = certificate.polka_signatures.iter();
        Self {
            height: certificate.height.0,
            round: wire_round(certificate.round),
            value: certificate.value_id.0,
            signatures: signatures
                .map(|entry| WireSignature {
                    address: entry.address.0,
                    signature: entry.signature.0,
                })
                .collect(),
        }
    }
}

impl TryFrom<WireCertificate> for PolkaCertificate<Ctx> {
    type Error = CodecError;

    fn try_from(wire: WireCertificate) -> Result<Self, CodecError> {
        Ok(Self {
            height: Height(wire.height),
            round: round(wire.round)?,
            value_id: BlockHash(wire.value),
            polka_signatures: wire
                .signatures
                .iter()
                .map(|entry| {
                    PolkaSignature::new(Address(entry.address), Signature(entry.signature))
                })
                .collect(),
        })
    }
}

#[derive(BorshSerialize, BorshDeserialize)]
struct WireRoundSignature {
    kind: u8,
    value: Option<[u8; 32]>,
    address: [u8; 32],
    signature: [u8; 64],
}

/// Why a round may be entered.
#[derive(BorshSerialize, BorshDeserialize)]
pub(crate) struct WireRoundCertificate {
    height: u64,
    round: WireRound,
    skip: bool,
    signatures: Vec<WireRoundSignature>,
}

impl WireRoundCertificate {
    /// How many signatures it holds.
    pub fn signatures(&self) -> usize {
        self.signatures.len()
    }
}

impl From<&RoundCertificate<Ctx>> for WireRoundCertificate {
    fn from(certificate: &RoundCertificate<Ctx>) -> Self {
        let signatures = certificate.round_signatures.iter();
        Self {
            height: certificate.height.0,
            round: wire_round(certificate.round),
            skip: certificate.cert_type == RoundCertificateType::Skip,
            signatures: signatures
                .map(|entry| WireRoundSignature {
                    kind: wire_kind(entry.vote_type),
                    value: wire_value(&entry.value_id),
                    address: entry.address.0,
                    signature: entry.signature.0,
                })
                .collect(),
        }
    }
}

impl TryFrom<WireRoundCertificate> for RoundCertificate<Ctx> {
    type Error = CodecError;

    fn try_from(wire: WireRoundCertificate) -> Result<Self, CodecError> {
        let mut round_signatures = Vec::with_capacity(wire.signatures.len());
        for entry in wire.signatures {
            round_signatures.push(RoundSignature::new(
                kind(entry.kind)?,
                value(entry.value),
                Address(entry.address),
                Signature(entry.signature),
            ));
        }
        Ok(Self {
            height: Height(wire.height),
            round: round(wire.round)?,
            cert_type: if wire.skip {
                RoundCertificateType::Skip
            } else {
                RoundCertificateType::Precommit
            },
            round_signatures,
        })
    }
}

/// What travels on the consensus channel. Kinds are appended, never renumbered.
#[derive(BorshSerialize, BorshDeserialize)]
pub(crate) enum ConsensusMessage {
    Vote {
        vote: WireVote,
        signature: [u8; 64],
    },
    Proposal {
        proposal: WireProposal,
        signature: [u8; 64],
    },
    Polka(WireCertificate),
    Round(WireRoundCertificate),
    /// The sender has decided `height`, and can serve blocks from `oldest` on.
    Status {
        height: u64,
        oldest: u64,
    },
}

impl ConsensusMessage {
    pub fn signed(message: &SignedConsensusMsg<Ctx>) -> Self {
        match message {
            SignedConsensusMsg::Vote(vote) => Self::Vote {
                vote: WireVote::from(&vote.message),
                signature: vote.signature.0,
            },
            SignedConsensusMsg::Proposal(proposal) => Self::Proposal {
                proposal: WireProposal::from(&proposal.message),
                signature: proposal.signature.0,
            },
        }
    }

    pub fn liveness(message: &LivenessMsg<Ctx>) -> Self {
        match message {
            LivenessMsg::Vote(vote) => Self::Vote {
                vote: WireVote::from(&vote.message),
                signature: vote.signature.0,
            },
            LivenessMsg::PolkaCertificate(certificate) => Self::Polka(certificate.into()),
            LivenessMsg::SkipRoundCertificate(certificate) => Self::Round(certificate.into()),
        }
    }
}

/// A proposal part as it is sent.
#[derive(BorshSerialize, BorshDeserialize)]
pub(crate) struct WirePart {
    height: u64,
    round: WireRound,
    pol_round: WireRound,
    hash: [u8; 32],
    index: u32,
    count: u32,
    data: Vec<u8>,
}

impl From<&ProposalPart> for WirePart {
    fn from(part: &ProposalPart) -> Self {
        Self {
            height: part.height.0,
            round: wire_round(part.round),
            pol_round: wire_round(part.pol_round),
            hash: part.hash.0,
            index: part.index,
            count: part.count,
            data: part.data.to_vec(),
        }
    }
}

impl TryFrom<WirePart> for ProposalPart {
    type Error = CodecError;

    fn try_from(wire: WirePart) -> Result<Self, CodecError> {
        Ok(Self {
            height: Height(wire.height),
            round: round(wire.round)?,
            pol_round: round(wire.pol_round)?,
            hash: BlockHash(wire.hash),
            index: wire.index,
            count: wire.count,
            data: wire.data.into(),
        })
    }
}

/// A decided block with the proof that it was decided.
#[derive(BorshSerialize, BorshDeserialize)]
pub(crate) struct WireDecided {
    body: Vec<u8>,
    certificate: WireCertificate,
}

impl From<&RawDecidedValue<Ctx>> for WireDecided {
    fn from(value: &RawDecidedValue<Ctx>) -> Self {
        Self {
            body: value.value_bytes.to_vec(),
            certificate: (&value.certificate).into(),
        }
    }
}

impl TryFrom<WireDecided> for RawDecidedValue<Ctx> {
    type Error = CodecError;

    fn try_from(wire: WireDecided) -> Result<Self, CodecError> {
        Ok(Self {
            value_bytes: wire.body.into(),
            certificate: wire.certificate.try_into()?,
        })
    }
}

/// What travels on the blocks channel. Kinds are appended, never renumbered.
#[derive(BorshSerialize, BorshDeserialize)]
pub(crate) enum BlocksMessage {
    Part(WirePart),
    /// Asks for decided blocks; answered by `Decided` with the same id.
    Request {
        id: u64,
        from: u64,
        to: u64,
    },
    Decided {
        id: u64,
        start: u64,
        blocks: Vec<WireDecided>,
    },
    /// Asks for the body of a block whose hash was decided; answered by `Body`.
    BodyRequest {
        height: u64,
        hash: [u8; 32],
    },
    Body(Vec<u8>),
}

pub(crate) fn decode<T: BorshDeserialize>(bytes: &[u8]) -> Result<T, CodecError> {
    Ok(T::try_from_slice(bytes)?)
}
