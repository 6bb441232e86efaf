//! The exact bytes of an Ethereum payout from a Safe.
//!
//! A [`SafeTransaction`] is what consensus agrees on; from it follow, without any choice left, the hash that each
//! owner signs (EIP-712) and, once enough owners have, the call that anybody may send to the Safe. A [`Setup`] fixes
//! the owners and with them the address of a Safe that is still to be deployed (CREATE2). [`Owners`] knows the
//! order in which a Safe links its owners, which every change of them has to name.
//!
//! Contracts: Safe 1.5.0. Amounts are in the smallest unit: wei, or the unit of the token.

mod abi;
mod address;
mod call;
mod contracts;
mod error;
mod owners;
mod setup;
mod signature;
#[cfg(test)]
mod tests;
mod transaction;

pub use address::Address;
pub use alloy_primitives::U256;
pub use call::{Call, Meaning};
pub use contracts::Contracts;
pub use error::EthereumError;
pub use owners::{MAX_OWNERS, Owners};
pub use setup::Setup;
pub use signature::{OwnerKey, OwnerSignature, message_hash, recover};
pub use transaction::{MAX_CALLS, MAX_DATA_BYTES, SafeTransaction};
