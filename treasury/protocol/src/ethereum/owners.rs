//! Who owns a Safe, in the order in which the Safe links them.

use borsh::{BorshDeserialize, BorshSerialize};

use super::{Address, Call, EthereumError};

/// More owners than a circle has guardians: while members change, old and new overlap.
pub const MAX_OWNERS: usize = 128;

/// The owner before the first, by which a Safe begins its list; never an owner itself.
const SENTINEL: Address = Address([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);

/// Owners of a Safe and how many of them have to sign.
///
/// A Safe keeps its owners as a linked list, and whoever removes one has to name the one before. So the order here is
/// that of the Safe's `getOwners`, and each change here is the change that its call makes there.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize)]
pub struct Owners {
    addresses: Vec<Address>,
    threshold: u32,
}

impl Owners {
    /// Checks and keeps owners, in the order of the Safe. Errors: what a Safe would refuse.
    pub fn new(addresses: Vec<Address>, threshold: u32) -> Result<Self, EthereumError> {
        let count = addresses.len();
        if !(1..=MAX_OWNERS).contains(&count) {
            return Err(EthereumError::OwnerCount { count });
        }
        let mut sorted = addresses.clone();
        sorted.sort_unstable();
        for (one, next) in sorted.iter().zip(sorted.iter().skip(1)) {
            if one == next {
                return Err(EthereumError::OwnerTwice { owner: *one });
            }
        }
        if let Some(owner) = addresses.iter().find(|owner| reserved(owner)) {
            return Err(EthereumError::OwnerAddress { owner: *owner });
        }
        let owners = Self {
            addresses,
            threshold,
        };
        owners.check(count, threshold)?;
        Ok(owners)
    }

    /// The owners, in the order of the Safe.
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// How many of them have to sign.
    pub fn threshold(&self) -> u32 {
        self.threshold
    }

    /// Whether this is an owner.
    pub fn contains(&self, owner: Address) -> bool {
        self.addresses.contains(&owner)
    }

    /// Makes `owner` an owner and sets the threshold. Returns the call by which `safe` does the same.
    pub fn add(
        &mut self,
        safe: Address,
        owner: Address,
        threshold: u32,
    ) -> Result<Call, EthereumError> {
        let count = self.addresses.len() + 1;
        if count > MAX_OWNERS {
            return Err(EthereumError::OwnerCount { count });
        }
        self.welcome(safe, owner)?;
        self.check(count, threshold)?;
        // A Safe puts whom it takes in before all others.
        self.addresses.insert(0, owner);
        self.threshold = threshold;
        Ok(Call::add_owner(safe, owner, threshold))
    }

    /// Removes `owner` and sets the threshold. Returns the call by which `safe` does the same.
    pub fn remove(
        &mut self,
        safe: Address,
        owner: Address,
        threshold: u32,
    ) -> Result<Call, EthereumError> {
        let (position, previous) = self.find(owner)?;
        let count = self.addresses.len() - 1;
        self.check(count, threshold)?;
        self.addresses.remove(position);
        self.threshold = threshold;
        Ok(Call::remove_owner(safe, previous, owner, threshold))
    }

    /// Puts `new` in the place of `old`. Returns the call by which `safe` does the same.
    pub fn swap(
        &mut self,
        safe: Address,
        old: Address,
        new: Address,
    ) -> Result<Call, EthereumError> {
        let (position, previous) = self.find(old)?;
        self.welcome(safe, new)?;
        self.addresses[position] = new;
        Ok(Call::swap_owner(safe, previous, old, new))
    }

    /// Sets the threshold alone. Returns the call by which `safe` does the same.
    pub fn change_threshold(
        &mut self,
        safe: Address,
        threshold: u32,
    ) -> Result<Call, EthereumError> {
        self.check(self.addresses.len(), threshold)?;
        self.threshold = threshold;
        Ok(Call::change_threshold(safe, threshold))
    }

    /// Makes these the owners, with this threshold, in as few changes as there can be. Returns the calls by which `safe`
    /// does the same in one transaction: none if all is as wanted.
    ///
    /// Who leaves is replaced by who comes, in the order of both lists. On error the owners are as before.
    pub fn become_these(
        &mut self,
        safe: Address,
        wanted: &[Address],
        threshold: u32,
    ) -> Result<Vec<Call>, EthereumError> {
        // What is wanted has to be possible as a whole, and then so is each step.
        let target = Self::new(wanted.to_vec(), threshold)?;
        let mut changed = self.clone();
        let mut leaving = self.addresses.iter().filter(|one| !target.contains(**one));
        let mut coming = wanted.iter().filter(|one| !self.contains(**one));
        let mut calls = Vec::new();
        loop {
            calls.push(match (leaving.next(), coming.next()) {
                (Some(old), Some(new)) => changed.swap(safe, *old, *new)?,
                (None, Some(new)) => {
                    let last = changed.addresses.len() + 1 == wanted.len();
                    let threshold = if last { threshold } else { changed.threshold };
                    changed.add(safe, *new, threshold)?
                }
                (Some(old), None) => {
                    let left = changed.addresses.len() - 1;
                    let fits = changed
                        .threshold
                        .min(u32::try_from(left).unwrap_or(u32::MAX));
                    let last = left == wanted.len();
                    changed.remove(safe, *old, if last { threshold } else { fits })?
                }
                (None, None) if changed.threshold != threshold => {
                    changed.change_threshold(safe, threshold)?
                }
                (None, None) => break,
            });
        }
        *self = changed;
        Ok(calls)
    }

    /// Position of an owner, and the address that the Safe links it from.
    fn find(&self, owner: Address) -> Result<(usize, Address), EthereumError> {
        let position = self.addresses.iter().position(|one| *one == owner);
        let position = position.ok_or(EthereumError::NotAnOwner { owner })?;
        let previous = position.checked_sub(1).map(|before| self.addresses[before]);
        Ok((position, previous.unwrap_or(SENTINEL)))
    }

    fn welcome(&self, safe: Address, owner: Address) -> Result<(), EthereumError> {
        if reserved(&owner) || owner == safe {
            return Err(EthereumError::OwnerAddress { owner });
        }
        if self.contains(owner) {
            return Err(EthereumError::OwnerTwice { owner });
        }
        Ok(())
    }

    fn check(&self, owners: usize, threshold: u32) -> Result<(), EthereumError> {
        let fits = usize::try_from(threshold).is_ok_and(|needed| (1..=owners).contains(&needed));
        match fits {
            true => Ok(()),
            false => Err(EthereumError::Threshold { threshold, owners }),
        }
    }
}

impl BorshDeserialize for Owners {
    fn deserialize_reader<R: borsh::io::Read>(reader: &mut R) -> borsh::io::Result<Self> {
        let (addresses, threshold) = <(Vec<Address>, u32)>::deserialize_reader(reader)?;
        Self::new(addresses, threshold).map_err(|error| {
            borsh::io::Error::new(borsh::io::ErrorKind::InvalidData, error.to_string())
        })
    }
}

fn reserved(owner: &Address) -> bool {
    [Address::ZERO, SENTINEL].contains(owner)
}
