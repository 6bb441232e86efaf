//! A Safe that is still to be deployed: its address is known before it exists.

use alloy_primitives::{U256, keccak256};
use alloy_sol_types::SolCall;
use borsh::{BorshDeserialize, BorshSerialize};

use super::{Address, Call, Contracts, Owners, abi};

/// Everything that a new Safe's address depends on.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Setup {
    /// First owners, linked in this order, and the first threshold.
    pub owners: Owners,
    /// Tells Safes with the same owners apart.
    pub salt: [u8; 32],
    /// What the Safe is made of.
    pub contracts: Contracts,
}

impl Setup {
    /// The address that the Safe has, or will have (CREATE2, EIP-1014): nobody can deploy anything else there.
    pub fn address(&self) -> Address {
        let salt = keccak256([&keccak256(self.initializer()).0, &self.salt[..]].concat());
        let factory = alloy_primitives::Address::from(self.contracts.proxy_factory);
        factory.create2(salt, self.contracts.proxy_hash).into()
    }

    /// The call by which anybody deploys the Safe: the factory's address and data, no money.
    pub fn deployment(&self) -> Call {
        let call = abi::createProxyWithNonceCall {
            singleton: self.contracts.singleton.into(),
            initializer: self.initializer().into(),
            saltNonce: U256::from_be_bytes(self.salt),
        };
        Call {
            to: self.contracts.proxy_factory,
            value: [0; 32],
            data: call.abi_encode(),
        }
    }

    /// The call that makes the new Safe theirs, in the transaction that creates it.
    fn initializer(&self) -> Vec<u8> {
        let owners = self.owners.addresses();
        let zero = alloy_primitives::Address::ZERO;
        let call = abi::setupCall {
            owners: owners.iter().map(|owner| (*owner).into()).collect(),
            threshold: U256::from(self.owners.threshold()),
            to: zero,
            data: Default::default(),
            fallbackHandler: self.contracts.fallback_handler.into(),
            paymentToken: zero,
            payment: U256::ZERO,
            paymentReceiver: zero,
        };
        call.abi_encode()
    }
}
