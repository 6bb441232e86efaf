//! The exact bytes of Stellar transactions.
//!
//! A [`Batch`] is what consensus agrees on; from it follow, without any choice left, the transaction's XDR, its hash
//! on a named network and, once its signers signed that hash, the envelope that a Stellar server accepts. A
//! [`FeeBump`] pays more for an envelope and leaves it as it is. Formats: Stellar-transaction.x (CAP-0015, protocol 13
//! and later; CAP-0023 for claimable balances, CAP-0027 for muxed accounts), SEP-0023 for addresses.

mod address;
mod asset;
mod batch;
mod envelope;
mod fee_bump;
pub mod founding;
pub mod multisig;
mod operation;
pub mod rotation;
#[cfg(test)]
mod tests;

pub use address::{Destination, address, key_of_address, seed_of_secret};
pub use asset::{Asset, AssetCode};
pub use batch::{Batch, MAX_OPERATIONS, Memo, TimeBounds};
pub use envelope::{Envelope, EnvelopeSignature, MAX_SIGNATURES, Signature};
pub use fee_bump::{FeeBump, fee_bump, least_fee_stroops};
pub use operation::Operation;

use thiserror::Error;

/// Passphrase of the Stellar test network.
pub const TESTNET_PASSPHRASE: &str = "Test SDF Network ; September 2015";
/// Passphrase of the Stellar public network.
pub const PUBLIC_PASSPHRASE: &str = "Public Global Stellar Network ; September 2015";

/// Why a batch has no bytes, or why bytes are not a batch.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StellarError {
    /// A transaction holds 1 to 100 operations.
    #[error("a batch holds 1 to {MAX_OPERATIONS} operations, this one holds {count}; split it")]
    OperationCount {
        /// Operations in the batch.
        count: usize,
    },
    /// Payments of nothing, or of less, do not exist.
    #[error("operation {position} is of {amount} units; an amount must be positive")]
    Amount {
        /// Position in the batch, from 0.
        position: usize,
        /// Minor units, 10^-7 of the asset.
        amount: i64,
    },
    /// An operation that the network refuses whatever the accounts hold.
    #[error("operation {position} is {reason}")]
    Operation {
        /// Position in the batch, from 0.
        position: usize,
        /// What it is, and the mend.
        reason: &'static str,
    },
    /// The sequence number is not one an account can use.
    #[error("sequence number {sequence} cannot be used; the next one of the account is positive")]
    Sequence {
        /// The offending number.
        sequence: i64,
    },
    /// A payout needs an end, so that the chain can prove that it will never be included.
    #[error("time bounds {min}..{max} are empty or endless; give an end after the start")]
    TimeBounds {
        /// Unix seconds.
        min: u64,
        /// Unix seconds.
        max: u64,
    },
    /// The total fee does not fit the 32 bits that the format has for it, or is below the network's minimum.
    #[error(
        "a fee of {fee_per_op_stroops} stroops for each of {count} operations is outside 100 stroops each to 2^32-1 in all"
    )]
    Fee {
        /// Stroops per operation.
        fee_per_op_stroops: u32,
        /// Operations in the batch.
        count: usize,
    },
    /// Text memos are limited to 28 bytes.
    #[error("a memo text of {length} bytes is longer than 28; shorten it or use a hash memo")]
    MemoText {
        /// Bytes of the text.
        length: usize,
    },
    /// Asset codes are 1 to 12 of A-Z, a-z and 0-9.
    #[error("{code:?} is not an asset code; use 1 to 12 letters and digits")]
    AssetCode {
        /// The offending text.
        code: String,
    },
    /// Text that is not the address of an ed25519 account.
    #[error(
        "{text:?} is not an account address; it starts with G and has 56 characters, or with M and has 69"
    )]
    Address {
        /// The offending text.
        text: String,
    },
    /// Text that is not the secret key of an account. It is not repeated here: it may be one that was mistyped.
    #[error("this is not the secret key of an account; it starts with S and has 56 characters")]
    Seed,
    /// A signature is not its key's over these bytes on this network, or of a key that was not asked.
    #[error("a signature is not one of the named keys over this transaction on this network")]
    Signature,
    /// An envelope carries 1 to 20 signatures of different keys.
    #[error(
        "{count} signatures are none, too many, or two of one key; give 1 to {MAX_SIGNATURES} of different keys"
    )]
    Signatures {
        /// Signatures that were given.
        count: usize,
    },
    /// Owners are 1 to 20 different keys, and no more of them have to sign than there are.
    #[error(
        "{threshold} of {count} owners cannot own an account; name 1 to {MAX_SIGNATURES} different keys and ask for 1 to all of them"
    )]
    Owners {
        /// Different owners.
        count: usize,
        /// How many have to sign.
        threshold: u8,
    },
    /// A fee bump has to offer no less for each operation than the envelope inside, and pays for one operation more.
    #[error(
        "a fee of {fee_stroops} stroops is too low for this envelope; offer {least_stroops} or more"
    )]
    FeeBump {
        /// Stroops that were offered for the whole.
        fee_stroops: i64,
        /// The least that the network takes.
        least_stroops: i64,
    },
    /// The bytes are not the envelope of a batch, or not of a fee bump around one.
    #[error("not the envelope of a batch: {reason}")]
    Envelope {
        /// What is wrong with it.
        reason: String,
    },
}

impl StellarError {
    /// Stable short code for digests and programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::OperationCount { .. } => "stellar_operation_count",
            Self::Amount { .. } => "stellar_amount",
            Self::Operation { .. } => "stellar_operation",
            Self::Sequence { .. } => "stellar_sequence",
            Self::TimeBounds { .. } => "stellar_time_bounds",
            Self::Fee { .. } => "stellar_fee",
            Self::MemoText { .. } => "stellar_memo",
            Self::AssetCode { .. } => "stellar_asset_code",
            Self::Address { .. } => "stellar_address",
            Self::Seed => "stellar_seed",
            Self::Signature => "stellar_signature",
            Self::Signatures { .. } => "stellar_signatures",
            Self::Owners { .. } => "stellar_owners",
            Self::FeeBump { .. } => "stellar_fee_bump",
            Self::Envelope { .. } => "stellar_envelope",
        }
    }
}
