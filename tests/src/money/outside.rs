//! What happens with the wallet behind the circle's back.

use circle::ceremonies;
use circle::ids::Key;
use circle::treasury::{Payout, Scheme, Transaction};
use ed25519_zebra::SigningKey;
use treasury_protocol::stellar::{Batch, Operation, Signature, TimeBounds};
use treasury_sandbox::ledger::Included;

use super::{Money, NETWORK, succeeded};

impl Money {
    /// Signs something with the key of a ceremony behind the circle's back, as thieves of enough shares could.
    pub fn sign_outside(&mut self, ceremony: u64, hash: &[u8; 32]) -> Signature {
        let rows = self.circle.guardians[0].state();
        let participants = ceremonies::participants(&rows, ceremony).expect("memory does not fail");
        let key = ceremonies::key(&rows, ceremony).expect("memory does not fail");
        let key = key.expect("the ceremony is done");
        let guardians = &mut self.circle.guardians;
        let bytes = crate::guardian::sign_together(guardians, &participants, ceremony, &key, hash);
        Signature {
            key: key.public,
            bytes,
        }
    }

    /// A transaction of the wallet that the circle knows nothing of; it uses up the next sequence number.
    pub fn use_up_sequence(&mut self) {
        let scheme = match self.wallet().scheme {
            // A change of them may be on the chain that nobody has seen yet.
            Scheme::Multisig { .. } => Scheme::Multisig {
                owners: Some(self.owners_on_chain()),
            },
            shared => shared,
        };
        assert!(self.act_by(&scheme, Operation::Nothing));
    }

    /// Lets the wallet do something of which the circle knows nothing, with the key of a ceremony. Says whether the chain took
    /// it.
    pub fn act_outside(&mut self, ceremony: u64, operation: Operation) -> bool {
        self.act_by(&Scheme::Group { ceremony }, operation)
    }

    fn act_by(&mut self, scheme: &Scheme, operation: Operation) -> bool {
        let batch = Batch {
            source: self.account(),
            fee_per_op_stroops: 100,
            sequence: self.sequence() + 1,
            time_bounds: TimeBounds {
                min: 0,
                max: u32::MAX.into(),
            },
            memo: None,
            operations: vec![operation],
        };
        let hash = batch.hash(NETWORK).expect("the batch is sound");
        let signatures = self.signatures_outside(scheme, &hash);
        let envelope = batch.envelope(NETWORK, &signatures).expect("it is signed");
        self.submit(&envelope)
            .is_some_and(|included| succeeded(&included))
    }

    /// Completes a payout with the wallet's key behind the circle's back, and sends it.
    pub fn complete_outside(&mut self, payout: &Payout) -> Option<Included> {
        let Transaction::Stellar { batch, network } = &payout.transaction else {
            return None;
        };
        let signatures = self.signatures_outside(payout.signers.as_ref()?, &payout.hash);
        let envelope = batch.envelope(network, &signatures).expect("it is signed");
        self.submit(&envelope)
    }

    /// Signatures of whoever signs by a scheme, behind the circle's back.
    fn signatures_outside(&mut self, scheme: &Scheme, hash: &[u8; 32]) -> Vec<Signature> {
        match scheme {
            Scheme::Multisig {
                owners: Some(owners),
            } => {
                let keys = self.circle.guardians.iter();
                let keys = keys.map(crate::guardian::Guardian::stellar_owner_key);
                let owning = keys.filter(|key| owners.contains(&Key::of(key).0));
                let sign = |key: SigningKey| Signature {
                    key: Key::of(&key).0,
                    bytes: key.sign(hash).into(),
                };
                owning.take(owners.threshold().into()).map(sign).collect()
            }
            _ => {
                let ceremony = scheme.ceremony().expect("the guardians share a key");
                vec![self.sign_outside(ceremony, hash)]
            }
        }
    }
}
