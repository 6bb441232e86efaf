//! Whom payouts go to: addresses on chains, and whether they can receive.

use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};
use threescript::value::AssetCode;
use treasury_protocol::ethereum;
use treasury_protocol::stellar::{Destination, Memo};

use super::wallet::Chain;
use crate::account::Account;
use crate::digest::{Hash, digest};
use crate::ids::{CircleId, Key};
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
    /// An account or a contract on an Ethereum chain.
    Ethereum(ethereum::Address),
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
            "ethereum" => {
                let address = text.parse().map_err(|error: ethereum::EthereumError| {
                    Rejection::new(error.code(), error.to_string())
                })?;
                Ok(Self::Ethereum(address))
            }
            _ => {
                let message = format!("there is no chain {chain:?}; use stellar or ethereum");
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
            Self::Ethereum(address) => address.fmt(f),
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
// address as text
const PAYERS: Table<String> = Table::new(b"k3q", "whose payments from an address are");
// (chain, address as text, asset): what a quorum saw there; nothing seen counts as yes.
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
        // Nobody's key here is one there.
        Chain::Ethereum { .. } => None,
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
    let takes_memo = matches!(address, Address::Stellar { .. });
    require(takes_memo || memo.is_none(), "payee.memo", || {
        format!("payments on {chain} carry no memo")
    })?;
    PAYEES.put(rows, (account, chain), &Payee { address, memo });
    Ok(())
}

/// What somebody signs with an Ethereum wallet to say that payments from its address are an account's: a message that wallets
/// show as text.
pub fn payer_message(circle: CircleId, account: &str) -> String {
    format!("Payments from this address belong to the account {account} of the circle {circle}.")
}

/// The account that payments from an address belong to, if its owner said so.
pub fn payer(
    rows: &(impl KeyValue + ?Sized),
    address: &ethereum::Address,
) -> Result<Option<String>, StoreFault> {
    PAYERS.get(rows, address.to_string())
}

/// Lets payments from an Ethereum address belong to an account; the address signed [`payer_message`].
pub(crate) fn pays_from(
    rows: &mut Overlay,
    circle: CircleId,
    account: &str,
    signature: &[u8],
) -> Result<(), Failure> {
    let signature = signature
        .try_into()
        .map_err(|_| Rejection::new("payer.signature", "a signature has 65 bytes: r, s and v"))?;
    let hash = ethereum::message_hash(payer_message(circle, account).as_bytes());
    let address = ethereum::recover(&hash, signature)
        .map_err(|error| Rejection::new(error.code(), error.to_string()))?;
    PAYERS.put(rows, address.to_string(), &account.to_owned());
    Ok(())
}

/// Whether an address can receive an asset on a chain, as far as a quorum saw.
pub fn receives(
    rows: &(impl KeyValue + ?Sized),
    chain: &Chain,
    address: &Address,
    asset: &AssetCode,
) -> Result<bool, StoreFault> {
    let known = RECEIVES.get(rows, (there(chain), address.to_string(), asset.as_str()))?;
    Ok(known.unwrap_or(true))
}

/// Keeps what a quorum saw.
pub(super) fn set_receives(
    rows: &mut Overlay,
    chain: &Chain,
    address: &Address,
    asset: &AssetCode,
    receives: bool,
) {
    RECEIVES.put(
        rows,
        (there(chain), address.to_string(), asset.as_str()),
        &receives,
    );
}

/// A chain as rows name it. An address of one network may hold nothing on another.
fn there(chain: &Chain) -> Hash {
    let network = match chain {
        Chain::Stellar { network } => network.clone(),
        Chain::Ethereum { chain_id, .. } => chain_id.to_string(),
    };
    digest("guardian-circle/v1/network", &(chain.kind(), network))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_address_can_receive_on_one_network_says_nothing_of_another() {
        let network = |name: &str| Chain::Stellar {
            network: name.into(),
        };
        let (here, there) = (network("here"), network("there"));
        let address = Address::Stellar {
            key: Key([1; 32]),
            muxed: None,
        };
        let asset = AssetCode::new("TFT").unwrap();
        let mut rows = Overlay::new(std::sync::Arc::new(crate::state::Memory::new()));
        set_receives(&mut rows, &here, &address, &asset, false);
        let on = |chain: &Chain| receives(&rows, chain, &address, &asset).unwrap();
        assert_eq!((on(&here), on(&there)), (false, true));
    }
}
