//! A transaction with its signatures, as the network takes it.

use borsh::{BorshDeserialize, BorshSerialize};
use ed25519_dalek::VerifyingKey;
use stellar_xdr as xdr;
use xdr::{ReadXdr, WriteXdr};

use super::batch::{encoding, refuse};
use super::{Batch, StellarError};

/// Signatures that fit one envelope, and so the most owners of an account who can all sign.
pub const MAX_SIGNATURES: usize = 20;
/// More than the largest envelope: 100 claimable balances and 20 signatures, in a fee bump.
const MAX_ENVELOPE_BYTES: usize = 32 * 1024;

/// A signature and the key that it is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub struct Signature {
    /// The ed25519 key that signed.
    pub key: [u8; 32],
    /// Ed25519 over the hash of a batch or of a fee bump.
    pub bytes: [u8; 64],
}

impl Signature {
    /// Whether it is its key's over `hash`, by the rules of the network's servers. Errors: [`StellarError::Signature`].
    pub fn verify(&self, hash: &[u8; 32]) -> Result<(), StellarError> {
        verify(&self.key, hash, &self.bytes)
    }
}

/// A batch with the signatures that came with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// What is signed.
    pub batch: Batch,
    /// 0 to 20 signatures in the order in which they stand.
    pub signatures: Vec<EnvelopeSignature>,
}

/// One signature of an envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EnvelopeSignature {
    /// The last four bytes of the key that signed; a hint only, verify with the whole key.
    pub hint: [u8; 4],
    /// Ed25519 over the transaction's hash.
    pub signature: [u8; 64],
}

impl Batch {
    /// The signed envelope, in base64 XDR, ready to be submitted.
    ///
    /// The signatures are put in the order of their keys, so that the same ones make the same bytes. Errors:
    /// [`StellarError::Signatures`] unless there are 1 to 20 of different keys, [`StellarError::Signature`] unless each
    /// is its key's over this transaction's hash on this network. Whether the keys may act for the account, and weigh
    /// enough together and not more than needed, is for the caller to know; see [`super::multisig::envelope`].
    pub fn envelope(
        &self,
        network_passphrase: &str,
        signatures: &[Signature],
    ) -> Result<String, StellarError> {
        let hash = self.hash(network_passphrase)?;
        let mut signatures = signatures.to_vec();
        signatures.sort_unstable();
        let count = signatures.len();
        let twice = signatures.windows(2).any(|two| two[0].key == two[1].key);
        if !(1..=MAX_SIGNATURES).contains(&count) || twice {
            return Err(StellarError::Signatures { count });
        }
        for signature in &signatures {
            signature.verify(&hash)?;
        }
        let envelope = Envelope {
            batch: self.clone(),
            signatures: signatures.iter().map(EnvelopeSignature::from).collect(),
        };
        to_text(xdr::TransactionEnvelope::Tx(envelope.write()?))
    }

    /// The envelope without any signature, in base64 XDR, for those who want to see what they are asked to sign;
    /// [`Envelope::parse`] reads it back. Errors: those of [`Batch::transaction`].
    pub fn unsigned_envelope(&self) -> Result<String, StellarError> {
        let envelope = Envelope {
            batch: self.clone(),
            signatures: Vec::new(),
        };
        to_text(xdr::TransactionEnvelope::Tx(envelope.write()?))
    }
}

impl From<&Signature> for EnvelopeSignature {
    fn from(signature: &Signature) -> Self {
        Self {
            hint: hint(&signature.key),
            signature: signature.bytes,
        }
    }
}

impl Envelope {
    /// Reads an envelope back from base64 XDR.
    ///
    /// Accepts only what [`Batch::envelope`] could have written, with any signatures: version 1, operations of the
    /// source alone, one fee for each. The signatures are not verified: the network and the signers are not in the
    /// envelope; see [`Envelope::signers`].
    pub fn parse(envelope_xdr: &str) -> Result<Self, StellarError> {
        match from_text(envelope_xdr)? {
            xdr::TransactionEnvelope::Tx(envelope) => Self::read(&envelope),
            _ => Err(refuse("it is not a version 1 transaction")),
        }
    }

    /// Which of `keys` signed the batch for this network, in the order of the signatures.
    ///
    /// Errors: [`StellarError::Signatures`] without any signature or with two of one key, [`StellarError::Signature`] if
    /// one is of none of `keys`. The network refuses an envelope with a signature that it has no use for.
    pub fn signers(
        &self,
        network_passphrase: &str,
        keys: &[[u8; 32]],
    ) -> Result<Vec<[u8; 32]>, StellarError> {
        let hash = self.batch.hash(network_passphrase)?;
        let mut signers = Vec::with_capacity(self.signatures.len());
        for EnvelopeSignature {
            hint: of,
            signature,
        } in &self.signatures
        {
            let signer = keys
                .iter()
                .filter(|key| hint(key) == *of)
                .find(|key| verify(key, &hash, signature).is_ok())
                .ok_or(StellarError::Signature)?;
            if signers.contains(signer) {
                let count = self.signatures.len();
                return Err(StellarError::Signatures { count });
            }
            signers.push(*signer);
        }
        match signers.len() {
            0 => Err(StellarError::Signatures { count: 0 }),
            _ => Ok(signers),
        }
    }

    pub(super) fn read(envelope: &xdr::TransactionV1Envelope) -> Result<Self, StellarError> {
        let signatures = envelope.signatures.iter().map(read_signature);
        Ok(Self {
            signatures: signatures.collect::<Result<_, _>>()?,
            batch: Batch::from_transaction(&envelope.tx)?,
        })
    }

    pub(super) fn write(&self) -> Result<xdr::TransactionV1Envelope, StellarError> {
        Ok(xdr::TransactionV1Envelope {
            tx: self.batch.transaction()?,
            signatures: decorated(&self.signatures)?,
        })
    }
}

pub(super) fn decorated(
    signatures: &[EnvelopeSignature],
) -> Result<xdr::VecM<xdr::DecoratedSignature, 20>, StellarError> {
    let decorate = |one: &EnvelopeSignature| {
        Ok(xdr::DecoratedSignature {
            hint: xdr::SignatureHint(one.hint),
            signature: xdr::Signature(one.signature.to_vec().try_into()?),
        })
    };
    let decorated: Result<Vec<_>, xdr::Error> = signatures.iter().map(decorate).collect();
    decorated
        .and_then(|signatures| signatures.try_into())
        .map_err(encoding)
}

pub(super) fn read_signature(
    decorated: &xdr::DecoratedSignature,
) -> Result<EnvelopeSignature, StellarError> {
    let signature = decorated.signature.0.as_slice().try_into();
    Ok(EnvelopeSignature {
        hint: decorated.hint.0,
        signature: signature.map_err(|_| refuse("a signature is not of 64 bytes"))?,
    })
}

/// Reads base64 XDR of bounded size that is written in the one canonical way.
pub(super) fn from_text(text: &str) -> Result<xdr::TransactionEnvelope, StellarError> {
    let limits = xdr::Limits {
        depth: 100,
        len: MAX_ENVELOPE_BYTES,
    };
    let envelope = xdr::TransactionEnvelope::from_xdr_base64(text, limits).map_err(encoding)?;
    if to_text(envelope.clone())? == text {
        Ok(envelope)
    } else {
        Err(refuse("its base64 is not the canonical one"))
    }
}

pub(super) fn to_text(envelope: xdr::TransactionEnvelope) -> Result<String, StellarError> {
    envelope
        .to_xdr_base64(xdr::Limits::none())
        .map_err(encoding)
}

pub(super) fn hint(key: &[u8; 32]) -> [u8; 4] {
    let [.., a, b, c, d] = *key;
    [a, b, c, d]
}

/// Judges as the network's servers do, who refuse what some other rules for ed25519 let pass: without the cofactor,
/// and without keys or commitments of small order. A member could else spoil an envelope with a signature that only we
/// take for good.
pub(super) fn verify(
    key: &[u8; 32],
    hash: &[u8; 32],
    signature: &[u8; 64],
) -> Result<(), StellarError> {
    let key = VerifyingKey::from_bytes(key).map_err(|_| StellarError::Signature)?;
    let signature = ed25519_dalek::Signature::from_bytes(signature);
    key.verify_strict(hash, &signature)
        .map_err(|_| StellarError::Signature)
}
