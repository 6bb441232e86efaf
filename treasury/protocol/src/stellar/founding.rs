//! The one transaction in which somebody outside makes an account and gives it to its owners.

use stellar_xdr as xdr;

use super::batch::{encoding, network_id};
use super::envelope::{decorated, to_text};
use super::multisig::Owners;
use super::operation::{account, muxed};
use super::{Batch, EnvelopeSignature, Signature, StellarError, TimeBounds};

/// What an account has to keep for itself, and for each of its signers, in stroops (10^-7 XLM).
const RESERVE_STROOPS: i64 = 5_000_000;

/// Makes an account and hands it over in the same transaction, so that it is nobody else's for a moment.
///
/// The account's own key signs this once and counts for nothing afterwards: it is drawn for this, and thrown away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Founding {
    /// Who pays for it, by key.
    pub funder: [u8; 32],
    /// The sequence number that this uses up: the funder's current one plus one.
    pub sequence: i64,
    /// Fee offered for each operation, in stroops.
    pub fee_per_op_stroops: u32,
    /// When the network may include it.
    pub time_bounds: TimeBounds,
    /// The account, by its own key.
    pub account: [u8; 32],
    /// What it is given, in stroops: at least [`least_stroops`].
    pub starting_stroops: i64,
    /// Who owns it.
    pub owners: Owners,
}

/// What an account with these owners has to hold at least, in stroops. Each asset that it is to hold wants half an XLM more.
pub fn least_stroops(owners: &Owners) -> i64 {
    RESERVE_STROOPS * (2 + owners.keys().len() as i64)
}

impl Founding {
    /// The 32 bytes that the funder and the account's own key sign. Errors: [`StellarError::Operation`] if the account is given
    /// too little, and those of [`Batch::transaction`].
    pub fn hash(&self, network_passphrase: &str) -> Result<[u8; 32], StellarError> {
        self.transaction()?
            .hash(network_id(network_passphrase))
            .map_err(encoding)
    }

    /// How many operations are paid for.
    pub fn operations(&self) -> usize {
        self.owners.keys().len() + 2
    }

    /// The signed envelope, base64 XDR. Errors: [`StellarError::Signature`] unless the signatures are those of the funder and of
    /// the account's own key.
    pub fn envelope(
        &self,
        network_passphrase: &str,
        by_funder: [u8; 64],
        by_account: [u8; 64],
    ) -> Result<String, StellarError> {
        let hash = self.hash(network_passphrase)?;
        let of = |key: [u8; 32], bytes: [u8; 64]| Signature { key, bytes };
        let signatures = [of(self.funder, by_funder), of(self.account, by_account)];
        for signature in &signatures {
            signature.verify(&hash)?;
        }
        let signatures = signatures.each_ref().map(EnvelopeSignature::from);
        to_text(xdr::TransactionEnvelope::Tx(xdr::TransactionV1Envelope {
            tx: self.transaction()?,
            signatures: decorated(&signatures)?,
        }))
    }

    fn transaction(&self) -> Result<xdr::Transaction, StellarError> {
        if self.starting_stroops < least_stroops(&self.owners) {
            return Err(StellarError::Operation {
                position: 0,
                reason: "to make an account with less than it has to keep; give it 0.5 XLM for each owner and 1 XLM more at least",
            });
        }
        let setup = Batch {
            source: self.account,
            fee_per_op_stroops: self.fee_per_op_stroops,
            sequence: self.sequence,
            time_bounds: self.time_bounds,
            memo: None,
            operations: self.owners.setup()?,
        };
        let mut tx = setup.transaction()?;
        let mut operations = vec![xdr::Operation {
            source_account: None,
            body: xdr::OperationBody::CreateAccount(xdr::CreateAccountOp {
                destination: account(&self.account),
                starting_balance: self.starting_stroops,
            }),
        }];
        operations.extend(tx.operations.iter().map(|operation| xdr::Operation {
            source_account: Some(muxed(&self.account.into())),
            body: operation.body.clone(),
        }));
        tx.source_account = muxed(&self.funder.into());
        tx.fee = self.fee_per_op_stroops * operations.len() as u32;
        tx.operations = operations.try_into().map_err(encoding)?;
        Ok(tx)
    }
}
