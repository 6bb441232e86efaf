//! What has no bytes on Ethereum, and why.

use thiserror::Error;

use super::{Address, MAX_CALLS, MAX_DATA_BYTES, MAX_OWNERS};

/// Why a transaction, a set of owners or a signature is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EthereumError {
    /// Text that is not an address.
    #[error("{text:?} is not an address; it is 0x and 40 hexadecimal digits")]
    Address {
        /// The offending text.
        text: String,
    },
    /// Text that is an address without the checksum of EIP-55, or with another one.
    #[error(
        "{text:?} has not the capital letters that guard an address against typing errors; copy it again from where it \
         came from, or if you are sure of every digit write {checked}"
    )]
    Checksum {
        /// The offending text.
        text: String,
        /// The same digits with their checksum.
        checked: Address,
    },
    /// What goes to the zero address is lost.
    #[error("a call to the zero address, by which money is lost; name whom it is for")]
    ZeroAddress,
    /// A transaction holds 1 to 100 calls.
    #[error("a transaction holds 1 to {MAX_CALLS} calls, this one holds {count}; split it")]
    CallCount {
        /// Calls in the transaction.
        count: usize,
    },
    /// The data of all calls together is limited.
    #[error("the calls carry {bytes} bytes, more than {MAX_DATA_BYTES}; split them")]
    DataSize {
        /// Bytes of the data.
        bytes: usize,
    },
    /// A payment of nothing.
    #[error("a payment of nothing to {to}; leave it out")]
    Amount {
        /// Who would be paid.
        to: Address,
    },
    /// A delegate call to something else than the circle's MultiSendCallOnly could do anything to the Safe.
    #[error("a delegate call to {to}, which is not the batch contract of this wallet")]
    Delegate {
        /// What would be called.
        to: Address,
    },
    /// Bytes that are not a batch as this crate writes them.
    #[error("the data is not a batch of calls as the batch contract reads it")]
    Batch,
    /// A Safe has 1 to 128 owners here.
    #[error("a Safe has 1 to {MAX_OWNERS} owners, this one would have {count}")]
    OwnerCount {
        /// How many it would have.
        count: usize,
    },
    /// Nobody can be an owner twice.
    #[error("{owner} is an owner already")]
    OwnerTwice {
        /// Who would be an owner twice.
        owner: Address,
    },
    /// An address that no Safe takes as an owner: the zero address, 0x…01 or the Safe itself.
    #[error("{owner} cannot own a Safe; name the address of a guardian's key")]
    OwnerAddress {
        /// The offending address.
        owner: Address,
    },
    /// Only owners can be removed, replaced, or sign.
    #[error("{owner} is not an owner of the Safe")]
    NotAnOwner {
        /// Who is not.
        owner: Address,
    },
    /// A Safe needs a threshold from 1 to the number of its owners.
    #[error("{threshold} of {owners} owners cannot be required; choose 1 to {owners}")]
    Threshold {
        /// The offending threshold.
        threshold: u32,
        /// How many owners there are.
        owners: usize,
    },
    /// Fewer owners signed than the Safe requires.
    #[error("{signed} of {required} required owners signed; collect the others")]
    TooFewSignatures {
        /// How many did.
        signed: usize,
        /// How many have to.
        required: u32,
    },
    /// One owner, two signatures.
    #[error("{owner} signed twice; keep one of the signatures")]
    SignedTwice {
        /// Who did.
        owner: Address,
    },
    /// Bytes that are no signature in the one form accepted: r, s in the lower half, v of 27 or 28.
    #[error("not a signature of r, low s and v of 27 or 28")]
    Signature,
    /// The signature is somebody else's or over something else.
    #[error(
        "the signature is not one of {owner} over this transaction; it recovers to {recovered}"
    )]
    WrongSigner {
        /// Who it is said to be of.
        owner: Address,
        /// Whom it recovers to.
        recovered: Address,
    },
    /// 32 bytes that are not a secret key: zero, or beyond the order of the curve.
    #[error("these bytes are not a secret key; restore it from a backup")]
    SecretKey,
}

impl EthereumError {
    /// Stable short code for digests and programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Address { .. } => "ethereum_address",
            Self::Checksum { .. } => "ethereum_checksum",
            Self::ZeroAddress => "ethereum_zero_address",
            Self::CallCount { .. } => "ethereum_call_count",
            Self::DataSize { .. } => "ethereum_data_size",
            Self::Amount { .. } => "ethereum_amount",
            Self::Delegate { .. } => "ethereum_delegate",
            Self::Batch => "ethereum_batch",
            Self::OwnerCount { .. } => "ethereum_owner_count",
            Self::OwnerTwice { .. } => "ethereum_owner_twice",
            Self::OwnerAddress { .. } => "ethereum_owner_address",
            Self::NotAnOwner { .. } => "ethereum_not_an_owner",
            Self::Threshold { .. } => "ethereum_threshold",
            Self::TooFewSignatures { .. } => "ethereum_too_few_signatures",
            Self::SignedTwice { .. } => "ethereum_signed_twice",
            Self::Signature => "ethereum_signature",
            Self::WrongSigner { .. } => "ethereum_wrong_signer",
            Self::SecretKey => "ethereum_secret_key",
        }
    }
}
