//! Whom payouts go to: addresses on chains, and whether they can receive.

use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};
use treasury_protocol::stellar::{Destination, Memo};

use super::wallet::Chain;
use crate::account::Account;
use crate::ids::Key;
use crate::rejection::{Failure, Rejection, require};
use crate::state::{KeyValue, Overlay, StoreFault};
use crate::table::Table;

/// An address on a chain.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub enum Address {
    /// An account on Stellar.
    Stellar {
        /// Its master key.
        key: Key,
        /// Which of the people behind it, as exchanges number them.
        muxed: Option<u64>,
    },
}

impl Address {
    /// Reads an address of a kind of chain.
    pub fn parse(chain: &str, text: &str) -> Result<Self, Rejection> {
        match chain {
            "stellar" => {
                let destination: Destination =
                    text.parse()
                        .map_err(|error: treasury_protocol::stellar::StellarError| {
                            Rejection::new(error.code(), error.to_string())
                        })?;
                Ok(Self::Stellar {
                    key: Key(destination.key),
                    muxed: destination.muxed,
                })
            }
            _ => {
                let message = format!("there is no chain {chain:?}; use stellar");
                Err(Rejection::new("chain.unknown", message))
            }
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stellar { key, muxed } => Destination {
                key: key.0,
                muxed: *muxed,
            }
            .fmt(f),
        }
    }
}

/// Where an account is paid on one chain.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Payee {
    /// The address.
    pub address: Address,
    /// What has to come along, as exchanges ask for.
    pub memo: Option<Memo>,
}

// (account, kind of chain)
const PAYEES: Table<Payee> = Table::new(b"k3a", "a payee");
// (address as text, asset): what a quorum saw; nothing seen counts as yes.
const RECEIVES: Table<bool> = Table::new(b"k3p", "whether a payee can receive");

/// Where `account` is paid on a chain: where it asked for, or on Stellar the account of its own key.
pub fn payee_of(
    rows: &(impl KeyValue + ?Sized),
    account: &Account,
    chain: &Chain,
) -> Result<Option<Payee>, StoreFault> {
    let asked = PAYEES.get(rows, (account.name.as_str(), chain.kind()))?;
    Ok(asked.or(match chain {
        Chain::Stellar { .. } => Some(Payee {
            address: Address::Stellar {
                key: account.key,
                muxed: None,
            },
            memo: None,
        }),
    }))
}

/// Lets an account say where it is paid from now on.
pub(crate) fn receive_at(
    rows: &mut Overlay,
    account: &str,
    chain: &str,
    address: &str,
    memo: &str,
) -> Result<(), Failure> {
    let address = Address::parse(chain, address)?;
    let memo = match memo {
        "" => None,
        number if number.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(Memo::Id(number.parse().map_err(|_| {
                Rejection::new("payee.memo", "the number of a memo is below 2^64")
            })?))
        }
        text => Some(Memo::Text(text.into())),
    };
    if let Some(Memo::Text(text)) = &memo {
        require(text.len() <= 28, "payee.memo", || {
            format!("a memo has at most 28 bytes, not {}", text.len())
        })?;
    }
    PAYEES.put(rows, (account, chain), &Payee { address, memo });
    Ok(())
}

/// Whether an address can receive an asset, as far as a quorum saw.
pub fn receives(
    rows: &(impl KeyValue + ?Sized),
    address: &Address,
    asset: &str,
) -> Result<bool, StoreFault> {
    Ok(RECEIVES
        .get(rows, (address.to_string(), asset))?
        .unwrap_or(true))
}

/// Keeps what a quorum saw.
pub(super) fn set_receives(rows: &mut Overlay, address: &Address, asset: &str, receives: bool) {
    RECEIVES.put(rows, (address.to_string(), asset), &receives);
}
