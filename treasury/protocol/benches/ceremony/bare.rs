//! The same signature by the `frost-ed25519` crate alone, as a program without a log, blame or restarts would make it.

use std::collections::BTreeMap;

use frost_ed25519::keys::{KeyPackage, PublicKeyPackage, SigningShare, VerifyingShare};
use frost_ed25519::round1::SigningCommitments;
use frost_ed25519::round2::SignatureShare;
use frost_ed25519::{
    CheaterDetection, Ed25519Sha512, Error, Identifier, Signature, SigningPackage, VerifyingKey,
    aggregate, aggregate_custom, round1, round2,
};
use rand_chacha::ChaCha20Rng;
use treasury_protocol::ceremony::{GroupKey, KeyShare};

use crate::clock::Clock;

/// What the crate needs of the group's key, made outside the measurement.
pub struct Bare {
    public: PublicKeyPackage,
    packages: Vec<KeyPackage>,
}

/// Times of one participant's parts. Judging shares on arrival starts from nothing for each, which is all that the crate
/// passes on; judging them at once is how it finds who spoiled a signature.
#[derive(Default)]
pub struct Times {
    pub commit: Clock,
    /// Reading the other signers' commitments, which checks them.
    pub commitments: Clock,
    pub sign: Clock,
    /// Judging each share when it comes, with what the crate offers for that.
    pub shares: Clock,
    /// Judging all shares together once they are there.
    pub shares_at_once: Clock,
    pub aggregate: Clock,
}

fn identifier(index: u16) -> Identifier {
    Identifier::try_from(index).unwrap()
}

impl Bare {
    pub fn new(key: &GroupKey, shares: &[KeyShare]) -> Self {
        let verifying = |bytes: &[u8; 32]| VerifyingShare::deserialize(bytes).unwrap();
        let public = VerifyingKey::deserialize(&key.public).unwrap();
        let package = |share: &KeyShare| {
            // The secret stands at the end of a stored share.
            let stored = share.to_bytes();
            let secret = SigningShare::deserialize(&stored[stored.len() - 32..]).unwrap();
            let verifying = verifying(key.verifying_share(share.index()).unwrap());
            KeyPackage::new(
                identifier(share.index()),
                secret,
                verifying,
                public,
                key.threshold,
            )
        };
        let verifying_shares = (1..)
            .map(identifier)
            .zip(key.verifying_shares.iter().map(verifying));
        Self {
            public: PublicKeyPackage::new(verifying_shares.collect(), public, Some(key.threshold)),
            packages: shares.iter().map(package).collect(),
        }
    }

    /// The first `threshold` members sign; `times` are those of the first.
    pub fn sign(&self, message: &[u8], rng: &mut ChaCha20Rng, times: &mut Times) -> Signature {
        let signers = &self.packages[..usize::from(*self.packages[0].min_signers())];
        let (own, posted) = times
            .commit
            .time(|| round1::commit(signers[0].signing_share(), rng));
        let mut nonces = vec![own];
        let mut wire = vec![(*signers[0].identifier(), posted.serialize().unwrap())];
        for signer in &signers[1..] {
            let (secret, posted) = round1::commit(signer.signing_share(), rng);
            nonces.push(secret);
            wire.push((*signer.identifier(), posted.serialize().unwrap()));
        }
        let package = times.commitments.time(|| {
            let read = |(signer, bytes): &(Identifier, Vec<u8>)| {
                (*signer, SigningCommitments::deserialize(bytes).unwrap())
            };
            SigningPackage::new(wire.iter().map(read).collect(), message)
        });
        let sign = |position: usize| round2::sign(&package, &nonces[position], &signers[position]);
        let own = times.sign.time(|| sign(0)).unwrap();
        let mut wire = vec![(*signers[0].identifier(), own.serialize())];
        for (position, signer) in signers.iter().enumerate().skip(1) {
            wire.push((*signer.identifier(), sign(position).unwrap().serialize()));
        }
        let mut shares = BTreeMap::new();
        for (signer, bytes) in &wire {
            times.shares.time(|| {
                let share = SignatureShare::deserialize(bytes).unwrap();
                frost_core::verify_signature_share::<Ed25519Sha512>(
                    *signer,
                    &self.public.verifying_shares()[signer],
                    &share,
                    &package,
                    self.public.verifying_key(),
                )
                .unwrap();
                shares.insert(*signer, share);
            });
        }
        // The crate judges all shares in one go only when they do not add up, so the last one is exchanged here.
        let mut damaged = shares.clone();
        let last = *signers.last().unwrap().identifier();
        damaged.insert(last, shares[signers[0].identifier()]);
        let verdict = times.shares_at_once.time(|| {
            aggregate_custom(
                &package,
                &damaged,
                &self.public,
                CheaterDetection::AllCheaters,
            )
        });
        assert!(
            matches!(&verdict, Err(Error::InvalidSignatureShare { culprits }) if *culprits == [last])
        );
        times
            .aggregate
            .time(|| aggregate(&package, &shares, &self.public))
            .unwrap()
    }
}
