//! A transaction of a Safe: what owners sign, and what is sent to the chain.

use alloy_primitives::U256;
use alloy_sol_types::{Eip712Domain, SolCall, SolStruct};
use borsh::{BorshDeserialize, BorshSerialize};

use super::{Address, Call, Contracts, EthereumError, OwnerSignature, Owners, abi};

/// Calls that fit one transaction: with the signatures of 67 owners they stay far below what a block holds.
pub const MAX_CALLS: usize = 100;
/// Bytes of data that fit one transaction; nodes pass on transactions of up to 128 KiB.
pub const MAX_DATA_BYTES: usize = 64 * 1024;

/// Bytes of a call in a batch besides its data: operation, address, value, length.
const PACKED_HEAD_BYTES: usize = 1 + 20 + 32 + 32;

/// One transaction of a Safe, paid for by whoever sends it: no gas is set aside, none is refunded.
///
/// So a transaction whose call fails is not included as a failure of the Safe: the whole is reverted and the Safe nonce is
/// not used up.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SafeTransaction {
    /// The chain, which is part of the hash.
    pub chain_id: u64,
    /// The Safe, which is part of the hash.
    pub safe: Address,
    /// Who is called.
    pub to: Address,
    /// Wei that go along, big endian.
    pub value: [u8; 32],
    /// What is said.
    pub data: Vec<u8>,
    /// Whether the Safe lends itself to the code at `to`, as it does for a batch.
    pub delegate: bool,
    /// The number that this transaction uses up. One owner each.
    pub safe_nonce: u64,
}

impl SafeTransaction {
    /// The transaction that makes these calls, all or none: one call as it is, several through MultiSendCallOnly.
    ///
    /// Errors: no call or too many, too much data, a call to nobody.
    pub fn of(
        chain_id: u64,
        safe: Address,
        contracts: &Contracts,
        calls: &[Call],
        safe_nonce: u64,
    ) -> Result<Self, EthereumError> {
        let count = calls.len();
        if !(1..=MAX_CALLS).contains(&count) {
            return Err(EthereumError::CallCount { count });
        }
        let bytes = calls.iter().map(|call| call.data.len()).sum();
        if bytes > MAX_DATA_BYTES {
            return Err(EthereumError::DataSize { bytes });
        }
        // In a batch the zero address would mean the Safe itself.
        if calls.iter().any(|call| call.to == Address::ZERO) {
            return Err(EthereumError::ZeroAddress);
        }
        let (call, delegate) = match calls {
            [call] => (call.clone(), false),
            _ => (batch(contracts.multi_send, calls), true),
        };
        Ok(Self {
            chain_id,
            safe,
            to: call.to,
            value: call.value,
            data: call.data,
            delegate,
            safe_nonce,
        })
    }

    /// A transaction that does nothing but use up its Safe nonce, so that another one with it can never happen.
    pub fn noop(chain_id: u64, safe: Address, safe_nonce: u64) -> Self {
        Self {
            chain_id,
            safe,
            to: safe,
            value: [0; 32],
            data: Vec::new(),
            delegate: false,
            safe_nonce,
        }
    }

    /// The calls that the transaction makes, read back from its exact bytes.
    ///
    /// Errors: it lends the Safe to anything but the batch contract, or the batch is not as [`SafeTransaction::of`] writes it.
    pub fn calls(&self, contracts: &Contracts) -> Result<Vec<Call>, EthereumError> {
        if !self.delegate {
            let (to, value, data) = (self.to, self.value, self.data.clone());
            return Ok(vec![Call { to, value, data }]);
        }
        if self.to != contracts.multi_send {
            return Err(EthereumError::Delegate { to: self.to });
        }
        let packed =
            abi::multiSendCall::abi_decode(&self.data).map_err(|_| EthereumError::Batch)?;
        let calls = unpack(&packed.transactions).ok_or(EthereumError::Batch)?;
        let (chain_id, safe, nonce) = (self.chain_id, self.safe, self.safe_nonce);
        let again = Self::of(chain_id, safe, contracts, &calls, nonce)?;
        // Whatever else the data could hold, it would not be what is written from these calls.
        match again == *self {
            true => Ok(calls),
            false => Err(EthereumError::Batch),
        }
    }

    /// The 32 bytes that owners sign (EIP-712), which are also the transaction's name in the logs of the Safe.
    pub fn hash(&self) -> [u8; 32] {
        let zero = alloy_primitives::Address::ZERO;
        let transaction = abi::SafeTx {
            to: self.to.into(),
            value: U256::from_be_bytes(self.value),
            data: self.data.clone().into(),
            operation: self.delegate.into(),
            safeTxGas: U256::ZERO,
            baseGas: U256::ZERO,
            gasPrice: U256::ZERO,
            gasToken: zero,
            refundReceiver: zero,
            nonce: U256::from(self.safe_nonce),
        };
        let domain = Eip712Domain {
            chain_id: Some(U256::from(self.chain_id)),
            verifying_contract: Some(self.safe.into()),
            ..Eip712Domain::default()
        };
        transaction.eip712_signing_hash(&domain).0
    }

    /// The data of the call to the Safe that carries the transaction out: anybody may send it.
    ///
    /// Takes as many signatures as the Safe requires, those of the lowest addresses, and sorts them as the Safe wants them,
    /// so that data that exist are data that a Safe with these owners accepts. Errors: a signature is not an owner's or not
    /// over this transaction, an owner signed twice, too few did.
    pub fn execution(
        &self,
        owners: &Owners,
        signatures: &[OwnerSignature],
    ) -> Result<Vec<u8>, EthereumError> {
        let hash = self.hash();
        let mut sorted = signatures.to_vec();
        sorted.sort_unstable_by_key(|signature| signature.owner);
        for (one, next) in sorted.iter().zip(sorted.iter().skip(1)) {
            if one.owner == next.owner {
                return Err(EthereumError::SignedTwice { owner: one.owner });
            }
        }
        for signature in &sorted {
            let owner = signature.owner;
            if !owners.contains(owner) {
                return Err(EthereumError::NotAnOwner { owner });
            }
            signature.verify(&hash)?;
        }
        let required = owners.threshold();
        let (signed, needed) = (sorted.len(), usize::try_from(required));
        let Some(taken) = needed.ok().and_then(|needed| sorted.get(..needed)) else {
            return Err(EthereumError::TooFewSignatures { signed, required });
        };
        let zero = alloy_primitives::Address::ZERO;
        let call = abi::execTransactionCall {
            to: self.to.into(),
            value: U256::from_be_bytes(self.value),
            data: self.data.clone().into(),
            operation: self.delegate.into(),
            safeTxGas: U256::ZERO,
            baseGas: U256::ZERO,
            gasPrice: U256::ZERO,
            gasToken: zero,
            refundReceiver: zero,
            signatures: taken.iter().flat_map(|one| one.bytes).collect(),
        };
        Ok(call.abi_encode())
    }
}

/// The call of MultiSendCallOnly that makes these calls. Its own value is nothing: each call says what it takes along.
fn batch(multi_send: Address, calls: &[Call]) -> Call {
    let mut packed = Vec::new();
    for call in calls {
        packed.push(0); // a call, not a delegate call
        packed.extend_from_slice(&call.to.0);
        packed.extend_from_slice(&call.value);
        packed.extend_from_slice(&U256::from(call.data.len()).to_be_bytes::<32>());
        packed.extend_from_slice(&call.data);
    }
    let call = abi::multiSendCall {
        transactions: packed.into(),
    };
    Call {
        to: multi_send,
        value: [0; 32],
        data: call.abi_encode(),
    }
}

/// The calls in the packed form of MultiSendCallOnly; `None` if it is cut off or asks for a delegate call.
fn unpack(mut packed: &[u8]) -> Option<Vec<Call>> {
    let mut calls = Vec::new();
    while !packed.is_empty() {
        let (head, rest) = packed.split_at_checked(PACKED_HEAD_BYTES)?;
        let (0, head) = head.split_first()? else {
            return None;
        };
        let (to, head) = head.split_first_chunk()?;
        let (value, length) = head.split_first_chunk()?;
        let length = usize::try_from(U256::try_from_be_slice(length)?).ok()?;
        let (data, rest) = rest.split_at_checked(length)?;
        calls.push(Call {
            to: Address(*to),
            value: *value,
            data: data.to_vec(),
        });
        packed = rest;
    }
    Some(calls)
}
