//! The codec that the engine's own parts are given: for the write-ahead log and for the catch-up.

use std::ops::RangeInclusive;

use arc_malachitebft_app_channel::app::consensus::SignedConsensusMsg;
use arc_malachitebft_app_channel::app::types::ProposedValue;
use arc_malachitebft_app_channel::app::types::codec::{Codec, HasEncodedLen};
use arc_malachitebft_app_channel::app::types::core::{PolkaCertificate, SignedMessage, Validity};
use arc_malachitebft_sync::{
    RawDecidedValue, Request, Response, Status, ValueRequest, ValueResponse,
};
use borsh::{BorshDeserialize, BorshSerialize};
use bytes::Bytes;

use super::context::{Address, BlockHash, GuardianContext as Ctx, Height, Signature};
use super::wire::{
    CodecError, ConsensusMessage, WireCertificate, WireDecided, WireRound, decode, round,
    wire_round,
};
use crate::block::encode;

pub(crate) fn request(message: Request<Ctx>) -> RangeInclusive<u64> {
    let Request::ValueRequest(ValueRequest { range }) = message;
    range.start().0..=range.end().0
}

/// See the module.
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
    use crate::embedded::context::{Proposal, Vote};
    use crate::embedded::wire::{WireRoundCertificate, WireVote};
    use arc_malachitebft_app_channel::app::types::core::{
        CommitCertificate, CommitSignature, NilOrVal, PolkaSignature, Round, RoundCertificate,
        RoundCertificateType, RoundSignature, VoteType,
    };
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
