//! What a Safe does: calls, each with money, data or both.

use alloy_primitives::U256;
use alloy_sol_types::SolCall;
use borsh::{BorshDeserialize, BorshSerialize};

use super::{Address, EthereumError, abi};

/// One call by a Safe.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Call {
    /// Who is called.
    pub to: Address,
    /// Wei that go along, big endian.
    pub value: [u8; 32],
    /// What is said, in the contract ABI; empty for a plain payment.
    pub data: Vec<u8>,
}

/// What a call means, read back from its exact bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Nothing at all: a call of the Safe to itself, which only uses up a Safe nonce.
    Nothing,
    /// A payment in the chain's own money.
    Native {
        /// Who is paid.
        to: Address,
        /// How much.
        wei: U256,
    },
    /// A payment in a token.
    Erc20 {
        /// The token's contract.
        token: Address,
        /// Who is paid.
        to: Address,
        /// How much, in the token's smallest unit.
        units: U256,
    },
    /// A new owner, and what the threshold is from then on.
    AddOwner {
        /// Who becomes an owner.
        owner: Address,
        /// Owners needed afterwards.
        threshold: U256,
    },
    /// An owner less, and what the threshold is from then on.
    RemoveOwner {
        /// Who is none any more.
        owner: Address,
        /// Owners needed afterwards.
        threshold: U256,
    },
    /// An owner in the place of another.
    SwapOwner {
        /// Who is none any more.
        old: Address,
        /// Who takes the place.
        new: Address,
    },
    /// Another threshold.
    ChangeThreshold {
        /// Owners needed afterwards.
        threshold: U256,
    },
    /// Anything else: to be shown as it is, and to be distrusted.
    Other,
}

impl Call {
    /// Pays `wei` of the chain's own money. Errors: nobody is paid, or nothing.
    pub fn native(to: Address, wei: U256) -> Result<Self, EthereumError> {
        payable(to, wei)?;
        Ok(Self {
            to,
            value: wei.to_be_bytes(),
            data: Vec::new(),
        })
    }

    /// Pays `units` of a token. Errors: nobody is paid, or nothing, or there is no such token.
    pub fn erc20(token: Address, to: Address, units: U256) -> Result<Self, EthereumError> {
        if token == Address::ZERO {
            return Err(EthereumError::ZeroAddress);
        }
        payable(to, units)?;
        let to = to.into();
        Ok(Self::saying(token, &abi::transferCall { to, units }))
    }

    /// Makes `owner` an owner of `safe`. [`super::Owners`] knows whether that can be.
    pub fn add_owner(safe: Address, owner: Address, threshold: u32) -> Self {
        let call = abi::addOwnerWithThresholdCall {
            owner: owner.into(),
            threshold: U256::from(threshold),
        };
        Self::saying(safe, &call)
    }

    /// Removes an owner; `previous` is the one that links to it, see [`super::Owners::remove`].
    pub fn remove_owner(safe: Address, previous: Address, owner: Address, threshold: u32) -> Self {
        let call = abi::removeOwnerCall {
            previous: previous.into(),
            owner: owner.into(),
            threshold: U256::from(threshold),
        };
        Self::saying(safe, &call)
    }

    /// Puts an owner in the place of another; `previous` is the one that links to `old`, see [`super::Owners::swap`].
    pub fn swap_owner(safe: Address, previous: Address, old: Address, new: Address) -> Self {
        let call = abi::swapOwnerCall {
            previous: previous.into(),
            old: old.into(),
            new_: new.into(),
        };
        Self::saying(safe, &call)
    }

    /// Changes how many owners have to sign.
    pub fn change_threshold(safe: Address, threshold: u32) -> Self {
        let threshold = U256::from(threshold);
        Self::saying(safe, &abi::changeThresholdCall { threshold })
    }

    fn saying(to: Address, call: &impl SolCall) -> Self {
        Self {
            to,
            value: [0; 32],
            data: call.abi_encode(),
        }
    }

    /// Reads back what the call means when `safe` makes it. Only bytes that this crate would write have a meaning; whatever
    /// else they could be made to say is [`Meaning::Other`].
    pub fn meaning(&self, safe: Address) -> Meaning {
        let wei = U256::from_be_bytes(self.value);
        if self.data.is_empty() {
            return match self.to {
                to if to == safe && wei.is_zero() => Meaning::Nothing,
                to if to != safe && !wei.is_zero() => Meaning::Native { to, wei },
                _ => Meaning::Other,
            };
        }
        if !wei.is_zero() {
            return Meaning::Other;
        }
        let own = self.to == safe;
        if let Some(call) = self.said::<abi::transferCall>() {
            return match own {
                true => Meaning::Other,
                false => Meaning::Erc20 {
                    token: self.to,
                    to: call.to.into(),
                    units: call.units,
                },
            };
        }
        if !own {
            return Meaning::Other;
        }
        if let Some(call) = self.said::<abi::addOwnerWithThresholdCall>() {
            Meaning::AddOwner {
                owner: call.owner.into(),
                threshold: call.threshold,
            }
        } else if let Some(call) = self.said::<abi::removeOwnerCall>() {
            Meaning::RemoveOwner {
                owner: call.owner.into(),
                threshold: call.threshold,
            }
        } else if let Some(call) = self.said::<abi::swapOwnerCall>() {
            Meaning::SwapOwner {
                old: call.old.into(),
                new: call.new_.into(),
            }
        } else if let Some(call) = self.said::<abi::changeThresholdCall>() {
            Meaning::ChangeThreshold {
                threshold: call.threshold,
            }
        } else {
            Meaning::Other
        }
    }

    /// The data as a call of this kind, if they are its canonical encoding.
    fn said<C: SolCall>(&self) -> Option<C> {
        let call = C::abi_decode(&self.data).ok()?;
        (call.abi_encode() == self.data).then_some(call)
    }
}

fn payable(to: Address, amount: U256) -> Result<(), EthereumError> {
    if to == Address::ZERO {
        return Err(EthereumError::ZeroAddress);
    }
    if amount.is_zero() {
        return Err(EthereumError::Amount { to });
    }
    Ok(())
}
