//! A fee bump: a second envelope that pays more for a first one, whose bytes and signatures stay as they are.

use stellar_xdr as xdr;

use super::batch::{encoding, network_id, refuse};
use super::envelope::{decorated, from_text, hint, read_signature, to_text, verify};
use super::operation::{muxed, read_muxed};
use super::{Batch, Destination, Envelope, EnvelopeSignature, StellarError};

/// A signed batch for which another account offers a higher fee (CAP-0015).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeeBump {
    /// The batch and its signatures; its hash stays its own.
    inner: Envelope,
    fee_source: [u8; 32],
    fee_stroops: i64,
    hash: [u8; 32],
}

/// Wraps a signed envelope, so that the account `fee_source` pays `fee_stroops` (10^-7 XLM) in all for it.
///
/// Errors: [`StellarError::Envelope`] if `inner_envelope` is no signed envelope of a batch,
/// [`StellarError::FeeBump`] if the fee is too low: the network asks for as much for each operation as the inner
/// envelope offers, and counts one operation more.
pub fn fee_bump(
    inner_envelope: &str,
    network_passphrase: &str,
    fee_source: [u8; 32],
    fee_stroops: i64,
) -> Result<FeeBump, StellarError> {
    let inner = Envelope::parse(inner_envelope)?;
    FeeBump::new(inner, network_passphrase, fee_source, fee_stroops)
}

impl FeeBump {
    fn new(
        inner: Envelope,
        network_passphrase: &str,
        fee_source: [u8; 32],
        fee_stroops: i64,
    ) -> Result<Self, StellarError> {
        if inner.signatures.is_empty() {
            return Err(refuse("it is not signed, so that nobody would take it"));
        }
        let least_stroops = least_fee_stroops(&inner.batch);
        if fee_stroops < least_stroops {
            return Err(StellarError::FeeBump {
                fee_stroops,
                least_stroops,
            });
        }
        let mut bump = Self {
            inner,
            fee_source,
            fee_stroops,
            hash: [0; 32],
        };
        bump.hash = bump
            .transaction()?
            .hash(network_id(network_passphrase))
            .map_err(encoding)?;
        Ok(bump)
    }

    /// The batch and the signatures inside.
    pub fn inner(&self) -> &Envelope {
        &self.inner
    }

    /// The account that pays the fee, by its key.
    pub fn fee_source(&self) -> [u8; 32] {
        self.fee_source
    }

    /// The most that is paid for the whole, in stroops.
    pub fn fee_stroops(&self) -> i64 {
        self.fee_stroops
    }

    /// The 32 bytes that the fee source signs. The network knows the transaction by this and by the batch's own hash.
    pub fn hash(&self) -> [u8; 32] {
        self.hash
    }

    /// The envelope around the envelope, in base64 XDR, signed by the key of the fee source.
    ///
    /// Errors: [`StellarError::Signature`] if the signature is not that key's over [`FeeBump::hash`].
    pub fn envelope(&self, signature: &[u8; 64]) -> Result<String, StellarError> {
        verify(&self.fee_source, &self.hash, signature)?;
        let signature = EnvelopeSignature {
            hint: hint(&self.fee_source),
            signature: *signature,
        };
        to_text(xdr::TransactionEnvelope::TxFeeBump(
            xdr::FeeBumpTransactionEnvelope {
                tx: self.transaction()?,
                signatures: decorated(&[signature])?,
            },
        ))
    }

    /// Reads what [`FeeBump::envelope`] wrote for this network.
    ///
    /// Errors: as for [`fee_bump`], and [`StellarError::Signature`] unless the fee source alone signed it. The inner
    /// signatures are not verified, see [`Envelope::signers`].
    pub fn parse(envelope_xdr: &str, network_passphrase: &str) -> Result<Self, StellarError> {
        let xdr::TransactionEnvelope::TxFeeBump(xdr::FeeBumpTransactionEnvelope { tx, signatures }) =
            from_text(envelope_xdr)?
        else {
            return Err(refuse("it is not a fee bump"));
        };
        let Destination {
            key: fee_source,
            muxed: None,
        } = read_muxed(&tx.fee_source)
        else {
            return Err(refuse("its fee source is a muxed account"));
        };
        let xdr::FeeBumpTransactionInnerTx::Tx(inner) = &tx.inner_tx;
        let bump = Self::new(
            Envelope::read(inner)?,
            network_passphrase,
            fee_source,
            tx.fee,
        )?;
        let [signature] = &signatures[..] else {
            return Err(StellarError::Signature);
        };
        let signature = read_signature(signature)?;
        if signature.hint != hint(&fee_source) {
            return Err(StellarError::Signature);
        }
        verify(&fee_source, &bump.hash, &signature.signature)?;
        Ok(bump)
    }

    fn transaction(&self) -> Result<xdr::FeeBumpTransaction, StellarError> {
        Ok(xdr::FeeBumpTransaction {
            fee_source: muxed(&self.fee_source.into()),
            fee: self.fee_stroops,
            inner_tx: xdr::FeeBumpTransactionInnerTx::Tx(self.inner.write()?),
            ext: xdr::FeeBumpTransactionExt::V0,
        })
    }
}

/// What a fee bump around a batch has to offer at least, in stroops: the inner fee for each operation, for one operation more.
pub fn least_fee_stroops(inner: &Batch) -> i64 {
    i64::from(inner.fee_per_op_stroops) * (inner.operations.len() as i64 + 1)
}
