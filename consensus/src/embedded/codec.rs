//! The bytes of everything that is signed, stored in the write-ahead log, or sent to another member. All borsh.

use std::ops::RangeInclusive;

use arc_malachitebft_app_channel::app::consensus::{LivenessMsg, SignedConsensusMsg};
use arc_malachitebft_app_channel::app::types::ProposedValue;
use arc_malachitebft_app_channel::app::types::codec::{Codec, HasEncodedLen};
use arc_malachitebft_app_channel::app::types::core::{
    CommitCertificate, CommitSignature, ExtendedCommitCertificate, ExtendedCommitSignature,
    NilOrVal, PolkaCertificate, PolkaSignature, Round, RoundCertificate, RoundCertificateType,
    RoundSignature, SignedMessage, Validity, VoteType,
};
use arc_malachitebft_sync::{
    RawDecidedValue, Request, Response, Status, ValueRequest, ValueResponse,
};
use borsh::{BorshDeserialize, BorshSerialize};
use bytes::Bytes;

use super::context::{
    Address, BlockHash, GuardianContext as Ctx, Height, Proposal, ProposalPart, Signature, Vote,
};
use crate::block::encode;

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
}

/// A round: -1 for none.
type WireRound = i64;

fn wire_round(round: Round) -> WireRound {
    round.as_i64()
}

fn round(wire: WireRound) -> Result<Round, CodecError> {
    match wire {
        -1 => Ok(Round::Nil),
        _ => u32::try_from(wire)
            .map(Round::new)
            .map_err(|_| CodecError::Round(wire)),
    }
}

fn wire_value(value: &NilOrVal<BlockHash>) -> Option<[u8; 32]> {
    match value {
        NilOrVal::Nil => None,
        NilOrVal::Val(hash) => Some(hash.0),
    }
}

fn value(wire: Option<[u8; 32]>) -> NilOrVal<BlockHash> {
    wire.map_or(NilOrVal::Nil, |hash| NilOrVal::Val(BlockHash(hash)))
}

fn wire_kind(kind: VoteType) -> u8 {
    match kind {
        VoteType::Prevote => 1,
        VoteType::Precommit => 2,
    }
}

fn kind(wire: u8) -> Result<VoteType, CodecError> {
    match wire {
        1 => Ok(VoteType::Prevote),
        2 => Ok(VoteType::Precommit),
        other => Err(CodecError::Tag(other, "kind of vote")),
    }
}

/// A vote as it is signed.
#[derive(BorshSerialize, BorshDeserialize)]
pub(crate) struct WireVote {
    kind: u8,
    height: u64,
    round: WireRound,
    value: Option<[u8; 32]>,
    address: [u8; 32],
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

pub(crate) fn request(message: Request<Ctx>) -> RangeInclusive<u64> {
    let Request::ValueRequest(ValueRequest { range }) = message;
    range.start().0..=range.end().0
}

/// The codec that the engine's own parts are given: write-ahead log and sync.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EngineCodec;

impl Codec<SignedConsensusMsg<Ctx>> for EngineCodec {
    type Error = CodecError;

    fn decode(&self, bytes: Bytes) -> Result<SignedConsensusMsg<Ctx>, CodecError> {
        match decode(&bytes)? {
            ConsensusMessage::Vote { vote, signature } => Ok(SignedConsensusMsg::Vote(
                SignedMessage::new(vote.try_into()?, Signature(signature)),
            )),
            ConsensusMessage::Proposal {
                proposal,
                signature,
            } => Ok(SignedConsensusMsg::Proposal(SignedMessage::new(
                proposal.try_into()?,
                Signature(signature),
            ))),
            _ => Err(CodecError::Unsupported),
        }
    }

    fn encode(&self, message: &SignedConsensusMsg<Ctx>) -> Result<Bytes, CodecError> {
        Ok(encode(&ConsensusMessage::signed(message)).into())
    }
}

#[derive(BorshSerialize, BorshDeserialize)]
struct WireProposedValue {
    height: u64,
    round: WireRound,
    pol_round: WireRound,
    proposer: [u8; 32],
    value: [u8; 32],
    valid: bool,
}

impl Codec<ProposedValue<Ctx>> for EngineCodec {
    type Error = CodecError;

    fn decode(&self, bytes: Bytes) -> Result<ProposedValue<Ctx>, CodecError> {
        let wire: WireProposedValue = decode(&bytes)?;
        Ok(ProposedValue {
            height: Height(wire.height),
            round: round(wire.round)?,
            valid_round: round(wire.pol_round)?,
            proposer: Address(wire.proposer),
            value: BlockHash(wire.value),
            validity: Validity::from_bool(wire.valid),
        })
    }

    fn encode(&self, value: &ProposedValue<Ctx>) -> Result<Bytes, CodecError> {
        let wire = WireProposedValue {
            height: value.height.0,
            round: wire_round(value.round),
            pol_round: wire_round(value.valid_round),
            proposer: value.proposer.0,
            value: value.value.0,
            valid: value.validity.to_bool(),
        };
        Ok(encode(&wire).into())
    }
}

impl Codec<PolkaCertificate<Ctx>> for EngineCodec {
    type Error = CodecError;

    fn decode(&self, bytes: Bytes) -> Result<PolkaCertificate<Ctx>, CodecError> {
        decode::<WireCertificate>(&bytes)?.try_into()
    }

    fn encode(&self, certificate: &PolkaCertificate<Ctx>) -> Result<Bytes, CodecError> {
        Ok(encode(&WireCertificate::from(certificate)).into())
    }
}

/// Statuses and requests are encoded where the network knows the peer; the sync actor only measures responses.
impl Codec<Status<Ctx>> for EngineCodec {
    type Error = CodecError;

    fn decode(&self, _bytes: Bytes) -> Result<Status<Ctx>, CodecError> {
        Err(CodecError::Unsupported)
    }

    fn encode(&self, _status: &Status<Ctx>) -> Result<Bytes, CodecError> {
        Err(CodecError::Unsupported)
    }
}

impl Codec<Request<Ctx>> for EngineCodec {
    type Error = CodecError;

    fn decode(&self, _bytes: Bytes) -> Result<Request<Ctx>, CodecError> {
        Err(CodecError::Unsupported)
    }

    fn encode(&self, _request: &Request<Ctx>) -> Result<Bytes, CodecError> {
        Err(CodecError::Unsupported)
    }
}

#[derive(BorshSerialize, BorshDeserialize)]
struct WireResponse {
    start: u64,
    blocks: Vec<WireDecided>,
}

impl Codec<Response<Ctx>> for EngineCodec {
    type Error = CodecError;

    fn decode(&self, bytes: Bytes) -> Result<Response<Ctx>, CodecError> {
        let wire: WireResponse = decode(&bytes)?;
        response(wire.start, wire.blocks)
    }

    fn encode(&self, response: &Response<Ctx>) -> Result<Bytes, CodecError> {
        let Response::ValueResponse(values) = response;
        let blocks = values.values.iter().map(WireDecided::from).collect();
        Ok(encode(&WireResponse {
            start: values.start_height.0,
            blocks,
        })
        .into())
    }
}

impl HasEncodedLen<Response<Ctx>> for EngineCodec {
    fn encoded_len(&self, response: &Response<Ctx>) -> Result<usize, CodecError> {
        Ok(self.encode(response)?.len())
    }
}

pub(crate) fn response(start: u64, blocks: Vec<WireDecided>) -> Result<Response<Ctx>, CodecError> {
    let values = blocks
        .into_iter()
        .map(RawDecidedValue::try_from)
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Response::ValueResponse(ValueResponse::new(
        Height(start),
        values,
    )))
}

pub(crate) fn decided(response: &Response<Ctx>) -> (u64, Vec<WireDecided>) {
    let Response::ValueResponse(values) = response;
    (
        values.start_height.0,
        values.values.iter().map(WireDecided::from).collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    fn vote() -> Vote {
        Vote {
            kind: VoteType::Precommit,
            height: Height(7),
            round: Round::new(2),
            value: NilOrVal::Val(BlockHash([4; 32])),
            address: Address([3; 32]),
        }
    }

    fn proposal() -> Proposal {
        Proposal {
            height: Height(7),
            round: Round::new(2),
            value: BlockHash([4; 32]),
            pol_round: Round::Nil,
            address: Address([3; 32]),
        }
    }

    fn proposed() -> ProposedValue<Ctx> {
        ProposedValue {
            height: Height(7),
            round: Round::new(2),
            valid_round: Round::new(1),
            proposer: Address([3; 32]),
            value: BlockHash([4; 32]),
            validity: Validity::Invalid,
        }
    }

    fn polka() -> PolkaCertificate<Ctx> {
        PolkaCertificate {
            height: Height(7),
            round: Round::new(2),
            value_id: BlockHash([4; 32]),
            polka_signatures: vec![PolkaSignature::new(Address([3; 32]), Signature([5; 64]))],
        }
    }

    fn kept<T>(value: T, golden: expect_test::Expect)
    where
        T: PartialEq + std::fmt::Debug,
        EngineCodec: Codec<T, Error = CodecError>,
    {
        let bytes = EngineCodec.encode(&value).unwrap();
        golden.assert_eq(&hex::encode(&bytes));
        assert_eq!(EngineCodec.decode(bytes.clone()).unwrap(), value);
        // One encoding per meaning: neither less nor more is taken.
        assert!(EngineCodec.decode(bytes.slice(1..)).is_err());
        assert!(
            EngineCodec
                .decode([&bytes[..], &[0]].concat().into())
                .is_err()
        );
    }

    #[test]
    fn golden_bytes_of_the_write_ahead_log() {
        kept(
            SignedConsensusMsg::Vote(SignedMessage::new(vote(), Signature([5; 64]))),
            expect![
                "000207000000000000000200000000000000010404040404040404040404040404040404040404040404040404040404040404030303030303030303030303030303030303030303030303030303030303030305050505050505050505050505050505050505050505050505050505050505050505050505050505050505050505050505050505050505050505050505050505"
            ],
        );
        kept(
            SignedConsensusMsg::Proposal(SignedMessage::new(proposal(), Signature([5; 64]))),
            expect![
                "01070000000000000002000000000000000404040404040404040404040404040404040404040404040404040404040404ffffffffffffffff030303030303030303030303030303030303030303030303030303030303030305050505050505050505050505050505050505050505050505050505050505050505050505050505050505050505050505050505050505050505050505050505"
            ],
        );
        kept(
            proposed(),
            expect![
                "0700000000000000020000000000000001000000000000000303030303030303030303030303030303030303030303030303030303030303040404040404040404040404040404040404040404040404040404040404040400"
            ],
        );
        kept(
            polka(),
            expect![
                "07000000000000000200000000000000040404040404040404040404040404040404040404040404040404040404040401000000030303030303030303030303030303030303030303030303030303030303030305050505050505050505050505050505050505050505050505050505050505050505050505050505050505050505050505050505050505050505050505050505"
            ],
        );
    }

    #[test]
    fn certificates_survive_the_wire() {
        let commit = CommitCertificate::<Ctx> {
            height: Height(7),
            round: Round::new(2),
            value_id: BlockHash([4; 32]),
            commit_signatures: vec![CommitSignature::new(Address([3; 32]), Signature([5; 64]))],
        };
        let wire = encode(&WireCertificate::from(&commit));
        assert_eq!(
            CommitCertificate::try_from(decode::<WireCertificate>(&wire).unwrap()).unwrap(),
            commit
        );
        for cert_type in [RoundCertificateType::Skip, RoundCertificateType::Precommit] {
            let round = RoundCertificate::<Ctx> {
                height: Height(7),
                round: Round::new(2),
                cert_type,
                round_signatures: vec![
                    RoundSignature::new(
                        VoteType::Prevote,
                        NilOrVal::Nil,
                        Address([3; 32]),
                        Signature([5; 64]),
                    ),
                    RoundSignature::new(
                        VoteType::Precommit,
                        NilOrVal::Val(BlockHash([4; 32])),
                        Address([4; 32]),
                        Signature([6; 64]),
                    ),
                ],
            };
            let wire = encode(&WireRoundCertificate::from(&round));
            assert_eq!(
                RoundCertificate::try_from(decode::<WireRoundCertificate>(&wire).unwrap()).unwrap(),
                round
            );
        }
    }

    #[test]
    fn rounds_and_kinds_out_of_range_are_refused() {
        let mut wire = WireVote::from(&vote());
        wire.round = -2;
        assert!(matches!(Vote::try_from(wire), Err(CodecError::Round(-2))));
        let mut wire = WireVote::from(&vote());
        wire.round = 1 << 32;
        assert!(matches!(Vote::try_from(wire), Err(CodecError::Round(_))));
        let mut wire = WireVote::from(&vote());
        wire.kind = 3;
        assert!(matches!(Vote::try_from(wire), Err(CodecError::Tag(3, _))));
    }
}
