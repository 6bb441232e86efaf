//! A transaction with its signatures, as the network takes it.

use frost_ed25519::{Signature, VerifyingKey};
use stellar_xdr as xdr;
use xdr::{ReadXdr, WriteXdr};

use super::batch::{encoding, refuse};
use super::{PaymentBatch, StellarError};

/// More than the largest envelope of a payment batch: 100 issued payments and 20 signatures.
const MAX_ENVELOPE_BYTES: usize = 32 * 1024;

/// A payment batch with the signatures that came with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// What is signed.
    pub batch: PaymentBatch,
    /// Signatures in the order in which they stand.
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

impl PaymentBatch {
    /// The signed envelope, in base64 XDR, ready to be submitted.
    ///
    /// Errors: [`StellarError::Signature`] unless `signature` is the source key's over this transaction's hash on
    /// this network, so that an envelope that exists is one that the network accepts.
    pub fn envelope(
        &self,
        network_passphrase: &str,
        signature: &[u8; 64],
    ) -> Result<String, StellarError> {
        let hash = self.hash(network_passphrase)?;
        verify(&self.source, &hash, signature)?;
        let [.., a, b, c, d] = self.source;
        let decorated = xdr::DecoratedSignature {
            hint: xdr::SignatureHint([a, b, c, d]),
            signature: xdr::Signature(signature.to_vec().try_into().map_err(encoding)?),
        };
        let envelope = xdr::TransactionEnvelope::Tx(xdr::TransactionV1Envelope {
            tx: self.transaction()?,
            signatures: vec![decorated].try_into().map_err(encoding)?,
        });
        envelope
            .to_xdr_base64(xdr::Limits::none())
            .map_err(encoding)
    }
}

impl Envelope {
    /// Reads an envelope back from base64 XDR.
    ///
    /// Accepts only what [`PaymentBatch::envelope`] could have written, with any signatures: version 1, plain
    /// accounts, payments of the source alone, one fee for each. The signatures are not verified: the network is
    /// not in the envelope; see [`Envelope::verify`].
    pub fn parse(envelope_xdr: &str) -> Result<Self, StellarError> {
        let limits = xdr::Limits {
            depth: 100,
            len: MAX_ENVELOPE_BYTES,
        };
        let envelope =
            xdr::TransactionEnvelope::from_xdr_base64(envelope_xdr, limits).map_err(encoding)?;
        let canonical = envelope
            .to_xdr_base64(xdr::Limits::none())
            .map_err(encoding)?;
        if canonical != envelope_xdr {
            return Err(refuse("its base64 is not the canonical one"));
        }
        let xdr::TransactionEnvelope::Tx(xdr::TransactionV1Envelope { tx, signatures }) = envelope
        else {
            return Err(refuse("it is not a version 1 transaction"));
        };
        let signatures = signatures
            .iter()
            .map(read_signature)
            .collect::<Result<_, _>>()?;
        Ok(Self {
            batch: PaymentBatch::from_transaction(&tx)?,
            signatures,
        })
    }

    /// Whether the one signature is the source key's over the batch on this network.
    pub fn verify(&self, network_passphrase: &str) -> Result<(), StellarError> {
        let [signature] = &self.signatures[..] else {
            return Err(StellarError::Signature);
        };
        if self.batch.source[28..] != signature.hint {
            return Err(StellarError::Signature);
        }
        verify(
            &self.batch.source,
            &self.batch.hash(network_passphrase)?,
            &signature.signature,
        )
    }
}

fn read_signature(decorated: &xdr::DecoratedSignature) -> Result<EnvelopeSignature, StellarError> {
    let signature = decorated.signature.0.as_slice().try_into();
    Ok(EnvelopeSignature {
        hint: decorated.hint.0,
        signature: signature.map_err(|_| refuse("a signature is not of 64 bytes"))?,
    })
}

fn verify(key: &[u8; 32], hash: &[u8; 32], signature: &[u8; 64]) -> Result<(), StellarError> {
    let key = VerifyingKey::deserialize(key).map_err(|_| StellarError::Signature)?;
    let signature = Signature::deserialize(signature).map_err(|_| StellarError::Signature)?;
    key.verify(hash, &signature)
        .map_err(|_| StellarError::Signature)
}
