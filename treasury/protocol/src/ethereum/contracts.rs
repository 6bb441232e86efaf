//! The contracts that a Safe is made of.

use alloy_primitives::{address, b256, keccak256};
use borsh::{BorshDeserialize, BorshSerialize};

use super::Address;

/// Where the contracts are that a Safe is deployed from and pays batches by.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Contracts {
    /// Safe or SafeL2, whose code every Safe borrows.
    pub singleton: Address,
    /// SafeProxyFactory, which deploys Safes.
    pub proxy_factory: Address,
    /// MultiSendCallOnly, through which one transaction makes several calls.
    pub multi_send: Address,
    /// CompatibilityFallbackHandler, which answers for the Safe what the singleton does not.
    pub fallback_handler: Address,
    /// Keccak hash of the code that creates a Safe of this factory with this singleton; see
    /// [`Contracts::proxy_hash`]. The address of a Safe follows from it.
    pub proxy_hash: [u8; 32],
}

impl Contracts {
    /// Safe 1.5.0 as it is deployed at the same addresses on public chains, for chains whose nodes can trace: each
    /// payment costs less than with [`Contracts::CANONICAL_L2`].
    pub const CANONICAL: Self = Self {
        singleton: Address(address!("Ff51A5898e281Db6DfC7855790607438dF2ca44b").into_array()),
        proxy_factory: Address(address!("14F2982D601c9458F93bd70B218933A6f8165e7b").into_array()),
        multi_send: Address(address!("A83c336B20401Af773B6219BA5027174338D1836").into_array()),
        fallback_handler: Address(
            address!("3EfCBb83A4A7AfcB4F68D501E2c2203a38be77f4").into_array(),
        ),
        proxy_hash: b256!("9dd695a8d96e2c0f6ede304e13cc2efe754fa353b7389a23340c9317113bc975").0,
    };

    /// The same with SafeL2, which also writes each transaction into the log; the explorers of rollups live on that.
    pub const CANONICAL_L2: Self = Self {
        singleton: Address(address!("Edd160fEBBD92E350D4D398fb636302fccd67C7e").into_array()),
        proxy_hash: b256!("c00f8ed2d8e1bacf9a81836a956d9be01fbb50416bce76c09d18859e6bb6d223").0,
        ..Self::CANONICAL
    };

    /// What [`Contracts::proxy_hash`] has to be: `creation_code` is what the factory's `proxyCreationCode()` answers.
    pub fn hash_of_proxy(creation_code: &[u8], singleton: Address) -> [u8; 32] {
        keccak256([creation_code, &[0; 12], &singleton.0].concat()).0
    }
}
