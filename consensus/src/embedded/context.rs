//! The engine's types as this circle uses them: who votes, on what, with which keys.
//!
//! The value that is voted on is the hash of a block; the block itself travels as parts (see `codec`). Every member has
//! one vote. Members are ordered by key, and the proposer goes round by height and round.

use std::fmt;
use std::sync::Arc;

use arc_malachitebft_app_channel::app::types::core::{
    Address as EngineAddress, Context, Height as EngineHeight, LinearTimeouts, NilOrVal,
    Proposal as EngineProposal, ProposalPart as EngineProposalPart, Round, SignedExtension,
    SigningScheme, Validator as EngineValidator, ValidatorSet as EngineValidatorSet,
    Value as EngineValue, Vote as EngineVote, VoteType, VotingPower,
};
use bytes::Bytes;
use ed25519_zebra::{SigningKey, VerificationKey};

use crate::log::{Member, MembersError};

/// A member's key, which is its address too.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Address(pub [u8; 32]);

impl EngineAddress for Address {}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0[..6]))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Height of a block, from 1.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Height(pub u64);

impl fmt::Display for Height {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl EngineHeight for Height {
    const ZERO: Self = Self(0);
    const INITIAL: Self = Self(1);

    fn increment_by(&self, n: u64) -> Self {
        Self(self.0.saturating_add(n))
    }

    fn decrement_by(&self, n: u64) -> Option<Self> {
        self.0.checked_sub(n).map(Self)
    }

    fn as_u64(&self) -> u64 {
        self.0
    }
}

/// Hash of a block: the value, and its id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct BlockHash(pub [u8; 32]);

impl fmt::Display for BlockHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0[..6]))
    }
}

impl fmt::Debug for BlockHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl EngineValue for BlockHash {
    type Id = BlockHash;

    fn id(&self) -> BlockHash {
        *self
    }
}

/// A prevote or precommit. There are no vote extensions: attestations are transactions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Vote {
    pub kind: VoteType,
    pub height: Height,
    pub round: Round,
    pub value: NilOrVal<BlockHash>,
    pub address: Address,
}

impl EngineVote<GuardianContext> for Vote {
    fn height(&self) -> Height {
        self.height
    }

    fn round(&self) -> Round {
        self.round
    }

    fn value(&self) -> &NilOrVal<BlockHash> {
        &self.value
    }

    fn take_value(self) -> NilOrVal<BlockHash> {
        self.value
    }

    fn vote_type(&self) -> VoteType {
        self.kind
    }

    fn validator_address(&self) -> &Address {
        &self.address
    }

    fn extension(&self) -> Option<&SignedExtension<GuardianContext>> {
        None
    }

    fn take_extension(&mut self) -> Option<SignedExtension<GuardianContext>> {
        None
    }

    /// Never called: the policy of every height disables extensions.
    fn extend(self, _extension: SignedExtension<GuardianContext>) -> Self {
        self
    }
}

/// The proposer's signed word on which block it proposes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Proposal {
    pub height: Height,
    pub round: Round,
    pub value: BlockHash,
    pub pol_round: Round,
    pub address: Address,
}

impl EngineProposal<GuardianContext> for Proposal {
    fn height(&self) -> Height {
        self.height
    }

    fn round(&self) -> Round {
        self.round
    }

    fn value(&self) -> &BlockHash {
        &self.value
    }

    fn take_value(self) -> BlockHash {
        self.value
    }

    fn pol_round(&self) -> Round {
        self.pol_round
    }

    fn validator_address(&self) -> &Address {
        &self.address
    }
}

/// One chunk of a proposed block, as it is streamed to every member by the proposer of the round.
///
/// It needs no signature: links are authenticated, a part is taken from the proposer of its round only, and what counts
/// is whether the assembled bytes hash to the value that is voted on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProposalPart {
    pub height: Height,
    pub round: Round,
    pub pol_round: Round,
    pub hash: BlockHash,
    /// Number of this chunk, from 0.
    pub index: u32,
    /// How many chunks the block has.
    pub count: u32,
    pub data: Bytes,
}

impl EngineProposalPart<GuardianContext> for ProposalPart {
    fn is_first(&self) -> bool {
        self.index == 0
    }

    fn is_last(&self) -> bool {
        self.index.checked_add(1) == Some(self.count)
    }
}

/// A member with its key decompressed once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Validator {
    pub address: Address,
    pub key: VerificationKey,
}

impl EngineValidator<GuardianContext> for Validator {
    fn address(&self) -> &Address {
        &self.address
    }

    fn public_key(&self) -> &VerificationKey {
        &self.key
    }

    fn voting_power(&self) -> VotingPower {
        1
    }
}

/// The members of a height, ordered by key. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ValidatorSet(Arc<[Validator]>);

impl ValidatorSet {
    pub fn new(members: &[Member]) -> Result<Self, MembersError> {
        let mut validators = Vec::with_capacity(members.len());
        for member in members {
            let key = VerificationKey::try_from(member.key)
                .map_err(|_| MembersError::BadKey { key: member.key })?;
            validators.push(Validator {
                address: Address(member.key),
                key,
            });
        }
        validators.sort_by_key(|validator| validator.address);
        if let Some(pair) = validators
            .windows(2)
            .find(|pair| pair[0].address == pair[1].address)
        {
            return Err(MembersError::Twice {
                key: pair[0].address.0,
            });
        }
        if validators.is_empty() {
            return Err(MembersError::Empty);
        }
        Ok(Self(validators.into()))
    }

    pub fn as_slice(&self) -> &[Validator] {
        &self.0
    }

    pub fn contains(&self, address: &Address) -> bool {
        self.get_by_address(address).is_some()
    }

    /// The proposer of a round. The first proposer moves on with the height, so that every member gets its turn, and with
    /// the round, so that a silent one is passed over.
    pub fn proposer(&self, height: Height, round: Round) -> &Validator {
        let count = self.0.len() as u64;
        let round = u64::from(round.as_u32().unwrap_or(0));
        let turn = (height.0 % count + round % count) % count;
        &self.0[turn as usize]
    }
}

impl EngineValidatorSet<GuardianContext> for ValidatorSet {
    fn count(&self) -> usize {
        self.0.len()
    }

    fn total_voting_power(&self) -> VotingPower {
        self.0.len() as VotingPower
    }

    fn get_by_address(&self, address: &Address) -> Option<&Validator> {
        let index = self
            .0
            .binary_search_by_key(address, |validator| validator.address)
            .ok()?;
        self.0.get(index)
    }

    fn get_by_index(&self, index: usize) -> Option<&Validator> {
        self.0.get(index)
    }
}

/// An ed25519 signature, ordered by its bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Signature(pub [u8; 64]);

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0[..6]))
    }
}

/// ed25519 by the rules of ZIP-215: single and batch verification agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ed25519;

impl SigningScheme for Ed25519 {
    type DecodingError = String;
    type Signature = Signature;
    type PublicKey = VerificationKey;
    type PrivateKey = SigningKey;

    fn decode_signature(bytes: &[u8]) -> Result<Signature, String> {
        bytes
            .try_into()
            .map(Signature)
            .map_err(|_| format!("a signature has 64 bytes, not {}", bytes.len()))
    }

    fn encode_signature(signature: &Signature) -> Vec<u8> {
        signature.0.to_vec()
    }

    fn decode_public_key(bytes: &[u8]) -> Result<VerificationKey, String> {
        VerificationKey::try_from(bytes).map_err(|error| error.to_string())
    }

    fn encode_public_key(key: &VerificationKey) -> Vec<u8> {
        key.as_ref().to_vec()
    }
}

/// Ties the types together for the engine.
#[derive(Clone, Debug)]
pub(crate) struct GuardianContext;

impl Context for GuardianContext {
    type Address = Address;
    type Height = Height;
    type ProposalPart = ProposalPart;
    type Proposal = Proposal;
    type Validator = Validator;
    type ValidatorSet = ValidatorSet;
    type Timeouts = LinearTimeouts;
    type Value = BlockHash;
    type Vote = Vote;
    type Extension = ();
    type SigningScheme = Ed25519;

    fn select_proposer<'a>(
        &self,
        validators: &'a ValidatorSet,
        height: Height,
        round: Round,
    ) -> &'a Validator {
        validators.proposer(height, round)
    }

    fn new_proposal(
        &self,
        height: Height,
        round: Round,
        value: BlockHash,
        pol_round: Round,
        address: Address,
    ) -> Proposal {
        Proposal {
            height,
            round,
            value,
            pol_round,
            address,
        }
    }

    fn new_prevote(
        &self,
        height: Height,
        round: Round,
        value: NilOrVal<BlockHash>,
        address: Address,
    ) -> Vote {
        Vote {
            kind: VoteType::Prevote,
            height,
            round,
            value,
            address,
        }
    }

    fn new_precommit(
        &self,
        height: Height,
        round: Round,
        value: NilOrVal<BlockHash>,
        address: Address,
    ) -> Vote {
        Vote {
            kind: VoteType::Precommit,
            height,
            round,
            value,
            address,
        }
    }
}
