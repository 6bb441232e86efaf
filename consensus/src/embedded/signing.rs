//! What is signed, and the checks of it.
//!
//! A vote or proposal is signed over `tag || 0x00 || borsh(network id, message)`, so that nothing signed for one circle
//! or purpose means anything in another.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use arc_malachitebft_app_channel::app::types::core::{
    SignedMessage, ValidatorProof, VoteExtensionScope,
};
use arc_malachitebft_app_channel::{Signer as EngineSigner, Verifier as EngineVerifier};
use ed25519_zebra::{SigningKey, VerificationKey};
use ractor::async_trait;
use sha2::{Digest, Sha256};

use super::context::{GuardianContext, Proposal, Signature, Vote};
use super::wire::{WireProposal, WireVote};
use crate::block::encode;

/// Domain tag of votes.
pub const VOTE_TAG: &str = "guardian-circle/v1/vote";
/// Domain tag of proposals.
pub const PROPOSAL_TAG: &str = "guardian-circle/v1/proposal";

pub(crate) fn vote_preimage(network: &[u8; 32], vote: &Vote) -> Vec<u8> {
    preimage(VOTE_TAG, network, &encode(&WireVote::from(vote)))
}

pub(crate) fn proposal_preimage(network: &[u8; 32], proposal: &Proposal) -> Vec<u8> {
    preimage(
        PROPOSAL_TAG,
        network,
        &encode(&WireProposal::from(proposal)),
    )
}

fn preimage(tag: &str, network: &[u8; 32], message: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(tag.len() + 1 + network.len() + message.len());
    bytes.extend_from_slice(tag.as_bytes());
    bytes.push(0);
    bytes.extend_from_slice(network);
    bytes.extend_from_slice(message);
    bytes
}

/// Signs votes and proposals with this node's key.
pub(crate) struct Signer {
    pub network: [u8; 32],
    pub key: SigningKey,
}

impl Signer {
    fn sign(&self, bytes: &[u8]) -> Signature {
        Signature(self.key.sign(bytes).to_bytes())
    }
}

type SigningError = arc_malachitebft_signing::Error;

#[async_trait]
impl EngineSigner<GuardianContext> for Signer {
    async fn sign_vote(
        &self,
        vote: Vote,
    ) -> Result<SignedMessage<GuardianContext, Vote>, SigningError> {
        let signature = self.sign(&vote_preimage(&self.network, &vote));
        Ok(SignedMessage::new(vote, signature))
    }

    async fn sign_proposal(
        &self,
        proposal: Proposal,
    ) -> Result<SignedMessage<GuardianContext, Proposal>, SigningError> {
        let signature = self.sign(&proposal_preimage(&self.network, &proposal));
        Ok(SignedMessage::new(proposal, signature))
    }

    async fn sign_vote_extension(
        &self,
        _scope: VoteExtensionScope<GuardianContext>,
        _extension: (),
    ) -> Result<SignedMessage<GuardianContext, ()>, SigningError> {
        Err(SigningError::from_source("vote extensions are disabled"))
    }

    async fn sign_validator_proof(
        &self,
        _public_key: Vec<u8>,
        _peer_id: Vec<u8>,
    ) -> Result<ValidatorProof<GuardianContext>, SigningError> {
        Err(SigningError::from_source(
            "links prove who a peer is; validator proofs are not used",
        ))
    }
}

/// Checks signatures, each at most once: the engine asks again for every precommit of a certificate that it has just
/// assembled, and that would be a third of all checks.
#[derive(Clone)]
pub(crate) struct Verifier {
    network: [u8; 32],
    verified: Arc<Mutex<Verified>>,
}

/// Digests of what was found valid, forgotten half at a time.
struct Verified {
    recent: HashSet<[u8; 32]>,
    older: HashSet<[u8; 32]>,
}

/// Enough for two rounds of all votes of 99 members before half of it is forgotten.
const REMEMBERED_SIGNATURES: usize = 512;

impl Verified {
    fn contains(&self, digest: &[u8; 32]) -> bool {
        self.recent.contains(digest) || self.older.contains(digest)
    }

    fn insert(&mut self, digest: [u8; 32]) {
        if self.recent.len() >= REMEMBERED_SIGNATURES {
            self.older = std::mem::take(&mut self.recent);
        }
        self.recent.insert(digest);
    }
}

impl Verifier {
    pub fn new(network: [u8; 32]) -> Self {
        let verified = Verified {
            recent: HashSet::new(),
            older: HashSet::new(),
        };
        Self {
            network,
            verified: Arc::new(Mutex::new(verified)),
        }
    }

    fn verify(&self, message: &[u8], signature: &Signature, key: &VerificationKey) -> bool {
        let digest = digest(message, signature, key);
        if self
            .verified
            .lock()
            .expect("no holder panics")
            .contains(&digest)
        {
            return true;
        }
        let valid = key
            .verify(&ed25519_zebra::Signature::from(signature.0), message)
            .is_ok();
        if valid {
            self.verified
                .lock()
                .expect("no holder panics")
                .insert(digest);
        }
        valid
    }
}

fn digest(message: &[u8], signature: &Signature, key: &VerificationKey) -> [u8; 32] {
    Sha256::new()
        .chain_update(key)
        .chain_update(signature.0)
        .chain_update(message)
        .finalize()
        .into()
}

type Verdict = Result<arc_malachitebft_signing::VerificationResult, SigningError>;

fn verdict(valid: bool) -> Verdict {
    Ok(arc_malachitebft_signing::VerificationResult::from_bool(
        valid,
    ))
}

#[async_trait]
impl EngineVerifier<GuardianContext> for Verifier {
    async fn verify_signed_vote(
        &self,
        vote: &Vote,
        signature: &Signature,
        key: &VerificationKey,
    ) -> Verdict {
        verdict(self.verify(&vote_preimage(&self.network, vote), signature, key))
    }

    async fn verify_signed_proposal(
        &self,
        proposal: &Proposal,
        signature: &Signature,
        key: &VerificationKey,
    ) -> Verdict {
        verdict(self.verify(&proposal_preimage(&self.network, proposal), signature, key))
    }

    async fn verify_signed_vote_extension(
        &self,
        _scope: &VoteExtensionScope<GuardianContext>,
        _extension: &(),
        _signature: &Signature,
        _key: &VerificationKey,
    ) -> Verdict {
        verdict(false)
    }

    async fn verify_validator_proof(&self, _proof: &ValidatorProof<GuardianContext>) -> Verdict {
        verdict(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedded::context::{Address, BlockHash, Height};
    use arc_malachitebft_app_channel::app::types::core::{NilOrVal, Round, VoteType};
    use expect_test::expect;

    const NETWORK: [u8; 32] = [1; 32];

    fn vote(kind: VoteType, value: NilOrVal<BlockHash>) -> Vote {
        Vote {
            kind,
            height: Height(7),
            round: Round::new(2),
            value,
            address: Address([3; 32]),
        }
    }

    fn proposal(pol_round: Round) -> Proposal {
        let (height, round) = (Height(7), Round::new(2));
        Proposal {
            height,
            round,
            value: BlockHash([4; 32]),
            pol_round,
            address: Address([3; 32]),
        }
    }

    #[test]
    fn golden_bytes_of_what_is_signed() {
        let value = NilOrVal::Val(BlockHash([4; 32]));
        expect!["677561726469616e2d636972636c652f76312f766f746500010101010101010101010101010101010101010101010101010101010101010102070000000000000002000000000000000104040404040404040404040404040404040404040404040404040404040404040303030303030303030303030303030303030303030303030303030303030303"].assert_eq(&hex::encode(vote_preimage(&NETWORK, &vote(VoteType::Precommit, value))));
        expect!["677561726469616e2d636972636c652f76312f766f74650001010101010101010101010101010101010101010101010101010101010101010107000000000000000200000000000000000303030303030303030303030303030303030303030303030303030303030303"].assert_eq(&hex::encode(vote_preimage(&NETWORK, &vote(VoteType::Prevote, NilOrVal::Nil))));
        expect!["677561726469616e2d636972636c652f76312f70726f706f73616c000101010101010101010101010101010101010101010101010101010101010101070000000000000002000000000000000404040404040404040404040404040404040404040404040404040404040404ffffffffffffffff0303030303030303030303030303030303030303030303030303030303030303"].assert_eq(&hex::encode(proposal_preimage(&NETWORK, &proposal(Round::Nil))));
        expect!["677561726469616e2d636972636c652f76312f70726f706f73616c00010101010101010101010101010101010101010101010101010101010101010107000000000000000200000000000000040404040404040404040404040404040404040404040404040404040404040401000000000000000303030303030303030303030303030303030303030303030303030303030303"].assert_eq(&hex::encode(proposal_preimage(&NETWORK, &proposal(Round::new(1)))));
    }

    #[test]
    fn a_signature_is_good_for_its_message_and_network_only() {
        let key = SigningKey::from([9; 32]);
        let public = VerificationKey::from(&key);
        let (signer, verifier) = (
            Signer {
                network: NETWORK,
                key,
            },
            Verifier::new(NETWORK),
        );
        let yes = vote_preimage(&NETWORK, &vote(VoteType::Precommit, NilOrVal::Nil));
        let signature = signer.sign(&yes);
        let other_kind = vote_preimage(&NETWORK, &vote(VoteType::Prevote, NilOrVal::Nil));
        let other_network = vote_preimage(&[2; 32], &vote(VoteType::Precommit, NilOrVal::Nil));
        // Twice: what was found good is remembered, and must not make anything else good.
        for _ in 0..2 {
            assert!(verifier.verify(&yes, &signature, &public));
            assert!(!verifier.verify(&other_kind, &signature, &public));
            assert!(!verifier.verify(&other_network, &signature, &public));
            assert!(!verifier.verify(&yes, &Signature([0; 64]), &public));
            assert!(!verifier.verify(
                &yes,
                &signature,
                &VerificationKey::from(&SigningKey::from([8; 32]))
            ));
        }
    }
}
