//! Wallets: accounts on chains that only the guardians together can move money from.

use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};
use threescript::value::{Amount, AssetCode};
use treasury_protocol::ethereum::{Contracts, Owners, Setup};
use treasury_protocol::stellar::multisig;

use super::payee::Address;
use crate::digest::{Hash, digest};
use crate::genesis::{Genesis, Home};
use crate::ids::{CircleId, Key};
use crate::ledger;
use crate::rejection::{Failure, Rejection, require};
use crate::roster::Roster;
use crate::session::Session;
use crate::state::{KeyValue, Overlay, StoreFault};
use crate::table::Table;

/// A wallet of the circle.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Wallet {
    /// The name, as policies and books write it.
    pub name: String,
    /// Where it is.
    pub chain: Chain,
    /// Who signs for it, and how.
    pub scheme: Scheme,
    /// How many of the guardians are to sign; 0 for their quorum.
    pub threshold: u32,
    /// The ceremony that makes its next key, while it goes on.
    pub next_ceremony: Option<u64>,
    /// Its address, once it has one.
    pub address: Option<Address>,
    /// The sequence number that the next payout uses; `None` until a quorum saw the account on its chain.
    pub next_sequence: Option<i64>,
    /// What moved in later ledgers than this one counts: before, the account was not the circle's.
    pub since: u64,
    /// A line of at least one of these amounts makes people check the payout.
    pub check_from: Vec<Amount>,
    /// How many guardians have to confirm such a payout.
    pub confirmations: u32,
    /// Why nothing is paid, if so.
    pub paused: Option<String>,
    /// What its transactions cost so far, in minor units of the chain's own coin.
    pub fees: i64,
}

/// A chain.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Chain {
    /// A Stellar network, named by its passphrase.
    Stellar {
        /// The passphrase.
        network: String,
    },
    /// An Ethereum chain.
    Ethereum {
        /// Its number.
        chain_id: u64,
        /// Where the contracts are that the wallet is made of.
        contracts: Contracts,
    },
}

impl Chain {
    /// As commands and screens write its kind.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Stellar { .. } => "stellar",
            Self::Ethereum { .. } => "ethereum",
        }
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stellar { network } => write!(f, "Stellar ({network})"),
            Self::Ethereum { chain_id, .. } => write!(f, "Ethereum (chain {chain_id})"),
        }
    }
}

/// Who signs for a wallet.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Scheme {
    /// One key, shared by the guardians.
    Group {
        /// The ceremony that makes it.
        ceremony: u64,
    },
    /// A Safe, which each guardian owns with a key of its own.
    Safe {
        /// The owners, in the order of the Safe, and how many of them have to sign; once each guardian has named its key.
        owners: Option<Owners>,
    },
    /// A Stellar account, which each guardian owns with a key of its own; for 20 guardians or fewer.
    Multisig {
        /// The owners in the order of the guardians, and how many of them have to sign; once each guardian has named its key.
        owners: Option<multisig::Owners>,
    },
}

impl Scheme {
    /// The ceremony whose key signs, if the guardians share one.
    pub fn ceremony(&self) -> Option<u64> {
        match self {
            Self::Group { ceremony } => Some(*ceremony),
            Self::Safe { .. } | Self::Multisig { .. } => None,
        }
    }

    /// How many owners have to sign, if each guardian owns with a key of its own and all are known.
    pub fn owners_needed(&self) -> Option<u32> {
        match self {
            Self::Group { .. } => None,
            Self::Safe { owners } => owners.as_ref().map(Owners::threshold),
            Self::Multisig { owners } => owners.as_ref().map(|owners| owners.threshold().into()),
        }
    }
}

impl Wallet {
    /// The ceremony whose key signs, if the guardians share one.
    pub fn ceremony(&self) -> Option<u64> {
        self.scheme.ceremony()
    }

    /// The master key of its Stellar account.
    pub(super) fn stellar_account(&self) -> Option<Key> {
        match self.address {
            Some(Address::Stellar { key, .. }) => Some(key),
            _ => None,
        }
    }

    /// What tells its Safe apart from others with the same owners.
    pub(super) fn salt(&self, circle: CircleId) -> Hash {
        digest("guardian-circle/v1/safe", &(circle, &self.name))
    }

    /// The owners of its Safe, once each guardian has named its key.
    pub fn owners(&self) -> Option<&Owners> {
        match &self.scheme {
            Scheme::Safe { owners } => owners.as_ref(),
            Scheme::Group { .. } | Scheme::Multisig { .. } => None,
        }
    }

    /// Whether what arrives there is the circle's. Of an account that somebody named, nobody knows whose it is until a quorum saw
    /// that.
    pub fn is_held(&self) -> bool {
        self.next_sequence.is_some() || self.ceremony().is_some()
    }

    /// The Safe as anybody can deploy it, once its owners are known. Nothing for a Safe that was there before the circle took
    /// it over, or whose owners changed.
    pub fn setup(&self, circle: CircleId) -> Option<Setup> {
        let setup = self.new_safe(circle)?;
        let address = Address::Ethereum(setup.address());
        (self.address == Some(address)).then_some(setup)
    }

    /// A new Safe of its owners.
    pub(super) fn new_safe(&self, circle: CircleId) -> Option<Setup> {
        match (&self.chain, &self.scheme) {
            (
                Chain::Ethereum { contracts, .. },
                Scheme::Safe {
                    owners: Some(owners),
                },
            ) => Some(Setup {
                owners: owners.clone(),
                salt: self.salt(circle),
                contracts: contracts.clone(),
            }),
            _ => None,
        }
    }

    /// How many of these guardians are to sign: more than half of them whatever was asked for, and at most all.
    pub(super) fn needed(&self, guardians: &Roster) -> u32 {
        let count = guardians.count() as u32;
        match self.threshold {
            0 => guardians.quorum() as u32,
            given => given.clamp(count / 2 + 1, count),
        }
    }

    pub(super) fn put(&self, rows: &mut Overlay) {
        WALLETS.put(rows, &self.name, self);
    }

    /// The home of an asset on this wallet's chain.
    pub(super) fn home(&self, genesis: &Genesis, asset: &AssetCode) -> Result<Home, Rejection> {
        let homes = genesis
            .assets
            .get(asset)
            .map(|asset| asset.homes.as_slice());
        let home = homes
            .unwrap_or_default()
            .iter()
            .find(|home| match (&self.chain, home) {
                (Chain::Stellar { .. }, Home::Stellar { .. }) => true,
                (Chain::Ethereum { chain_id, .. }, Home::Ethereum { chain_id: home, .. }) => {
                    chain_id == home
                }
                _ => false,
            });
        home.cloned().ok_or_else(|| {
            let message = format!(
                "{asset} cannot be paid from {}, which is on {}",
                self.name, self.chain
            );
            Rejection::new("payout.asset", message)
        })
    }
}

const WALLETS: Table<Wallet> = Table::new(b"ke", "a wallet");
const DEPOSITS: Table<u64> = Table::new(b"kf", "a deposit");
// (wallet, asset): what the books say is on the chain.
const HOLDINGS: Table<i64> = Table::new(b"k3h", "what a wallet holds");

/// The wallet called `name`.
pub fn wallet(rows: &(impl KeyValue + ?Sized), name: &str) -> Result<Option<Wallet>, StoreFault> {
    WALLETS.get(rows, name)
}

/// The wallet called `name`, or why not.
pub(super) fn known(rows: &Overlay, name: &str) -> Result<Wallet, Failure> {
    let unknown = || Rejection::new("wallet.unknown", format!("there is no wallet {name}"));
    Ok(wallet(rows, name)?.ok_or_else(unknown)?)
}

/// All wallets, by name.
pub fn wallets(rows: &(impl KeyValue + ?Sized)) -> Result<Vec<Wallet>, StoreFault> {
    WALLETS.values(rows, ())
}

/// What a wallet holds of an asset as far as the circle knows, in minor units: what arrived, less what settled.
pub fn holdings(
    rows: &(impl KeyValue + ?Sized),
    wallet: &str,
    asset: &AssetCode,
) -> Result<i64, StoreFault> {
    Ok(HOLDINGS.get(rows, (wallet, asset.as_str()))?.unwrap_or(0))
}

/// Opens a wallet on Stellar whose key the ceremony `ceremony` will make. `sequence` is the account's current one on the
/// chain; without it, the guardians wait until they see the account there.
pub(crate) fn open_wallet(
    rows: &mut Overlay,
    name: &str,
    network: &str,
    (ceremony, threshold): (u64, u32),
    sequence: Option<i64>,
) -> Result<(), Failure> {
    crate::account::check_name(name)?;
    check_network(network)?;
    let fits = sequence.is_none_or(|sequence| (0..i64::MAX).contains(&sequence));
    require(fits, "wallet.sequence", || {
        "a sequence number is not negative".into()
    })?;
    if let Some(existing) = wallet(rows, name)? {
        let from = existing.ceremony().map_or_else(String::new, |ceremony| {
            format!(", its key comes from ceremony {ceremony}")
        });
        let message = format!("the wallet {name} exists{from}; choose another name");
        return Err(Rejection::new("wallet.exists", message).into());
    }
    let wallet = Wallet {
        name: name.into(),
        chain: Chain::Stellar {
            network: network.into(),
        },
        scheme: Scheme::Group { ceremony },
        threshold,
        next_ceremony: None,
        address: None,
        next_sequence: sequence.map(|sequence| sequence + 1),
        since: 0,
        check_from: Vec::new(),
        confirmations: 0,
        paused: None,
        fees: 0,
    };
    wallet.put(rows);
    Ok(())
}

/// Opens a wallet that is a Safe with one owner per guardian: a new one, whose address follows when each has named its key, or
/// the one at `address`, to which payments count from `from_block` on. It pays nothing until a quorum saw that it belongs to
/// just these owners.
pub(crate) fn open_safe(
    session: &mut Session,
    name: &str,
    chain_id: u64,
    contracts: Contracts,
    threshold: u32,
    address: &str,
    from_block: u64,
) -> Result<(), Failure> {
    check_threshold(session.context.members(), threshold)?;
    require(chain_id > 0, "wallet.chain", || {
        "a chain has a number above 0".into()
    })?;
    new_wallet(
        &mut session.rows,
        name,
        Chain::Ethereum {
            chain_id,
            contracts,
        },
        Scheme::Safe { owners: None },
        threshold,
    )?;
    require(
        address.is_empty() == (from_block == 0),
        "wallet.from_block",
        || {
            "name the address of a Safe that is there already together with the block from which on payments to it count, or neither".into()
        },
    )?;
    if !address.is_empty() {
        name_safe(&mut session.rows, name, address, from_block)?;
    }
    super::owners::settle(session)
}

/// Lets a wallet be a Safe that is there already. What it holds before `from_block` is nobody's until the circle says so.
fn name_safe(
    rows: &mut Overlay,
    name: &str,
    address: &str,
    from_block: u64,
) -> Result<(), Failure> {
    let address = Address::parse("ethereum", address)?;
    let mut wallet = known(rows, name)?;
    let taken = wallets(rows)?
        .into_iter()
        .find(|other| other.chain == wallet.chain && other.address.as_ref() == Some(&address));
    if let Some(other) = taken {
        let message = format!("the wallet {} is that Safe already; use it", other.name);
        return Err(Rejection::new("wallet.address", message).into());
    }
    wallet.address = Some(address);
    wallet.since = from_block - 1;
    wallet.put(rows);
    Ok(())
}

/// Opens a wallet on Stellar that each guardian owns with a key of its own. Whoever funds it makes its account when each has
/// named its key.
pub(crate) fn open_multisig(
    session: &mut Session,
    name: &str,
    network: &str,
    threshold: u32,
) -> Result<(), Failure> {
    let members = session.context.members();
    let count = members.count();
    check_threshold(members, threshold)?;
    require(count <= multisig::MAX_OWNERS, "wallet.owners", || {
        format!(
            "an account on Stellar has at most {} owners, and there are {count} guardians; start a ceremony for a key that they share",
            multisig::MAX_OWNERS
        )
    })?;
    check_network(network)?;
    new_wallet(
        &mut session.rows,
        name,
        Chain::Stellar {
            network: network.into(),
        },
        Scheme::Multisig { owners: None },
        threshold,
    )?;
    super::owners::settle(session)
}

fn check_network(network: &str) -> Result<(), Rejection> {
    require((1..=128).contains(&network.len()), "wallet.network", || {
        "the network passphrase has to have 1 to 128 bytes".into()
    })
}

/// Keeps a wallet that has no address yet.
fn new_wallet(
    rows: &mut Overlay,
    name: &str,
    chain: Chain,
    scheme: Scheme,
    threshold: u32,
) -> Result<(), Failure> {
    crate::account::check_name(name)?;
    require(wallet(rows, name)?.is_none(), "wallet.exists", || {
        format!("the wallet {name} exists; choose another name")
    })?;
    let wallet = Wallet {
        name: name.into(),
        chain,
        scheme,
        threshold,
        next_ceremony: None,
        address: None,
        next_sequence: None,
        since: 0,
        check_from: Vec::new(),
        confirmations: 0,
        paused: None,
        fees: 0,
    };
    wallet.put(rows);
    Ok(())
}

/// Refuses a number of signers that the guardians cannot have; 0 stands for their quorum.
pub(super) fn check_threshold(guardians: &Roster, threshold: u32) -> Result<(), Rejection> {
    let count = guardians.count() as u32;
    require(
        threshold == 0 || (threshold <= count && threshold > count / 2),
        "wallet.threshold",
        || format!("more than half of the {count} guardians have to sign, and at most all"),
    )
}

/// Records once that a payment to a wallet arrived for an account's escrow.
pub(crate) fn deposit(
    rows: &mut Overlay,
    height: u64,
    wallet_name: &str,
    account: &str,
    amount: &Amount,
    reference: &str,
) -> Result<(), Failure> {
    known(rows, wallet_name)?;
    require(
        (1..=128).contains(&reference.len()),
        "deposit.reference",
        || "a reference has 1 to 128 bytes".into(),
    )?;
    require(
        !is_deposit(rows, wallet_name, reference)?,
        "deposit.known",
        || format!("the deposit {reference} was recorded already; nothing has to be done"),
    )?;
    let book = format!("escrow:{account}");
    receive(rows, height, wallet_name, &book, amount, reference)
}

/// Whether a payment to a wallet was recorded under this reference.
pub fn is_deposit(
    rows: &(impl KeyValue + ?Sized),
    wallet: &str,
    reference: &str,
) -> Result<bool, StoreFault> {
    DEPOSITS.has(rows, (wallet, reference))
}

/// Records a payment to a wallet in a book.
pub(super) fn receive(
    rows: &mut Overlay,
    height: u64,
    wallet: &str,
    book: &str,
    amount: &Amount,
    reference: &str,
) -> Result<(), Failure> {
    DEPOSITS.put(rows, (wallet, reference), &height);
    arrive(rows, wallet, book, amount)
}

/// Money that came to a wallet belongs to a book.
pub(super) fn arrive(
    rows: &mut Overlay,
    wallet: &str,
    book: &str,
    amount: &Amount,
) -> Result<(), Failure> {
    // The ledger's total is at least this, and has been checked.
    ledger::receive(rows, book, amount)?;
    let held = holdings(rows, wallet, &amount.asset)?;
    let held = held.saturating_add(amount.units);
    HOLDINGS.put(rows, (wallet, amount.asset.as_str()), &held);
    Ok(())
}

/// Money of a book left a wallet.
pub(super) fn leave(
    rows: &mut Overlay,
    wallet: &str,
    book: &str,
    amount: &Amount,
) -> Result<(), Failure> {
    ledger::spend(rows, book, amount)?;
    let held = holdings(rows, wallet, &amount.asset)?;
    let held = held.saturating_sub(amount.units);
    HOLDINGS.put(rows, (wallet, amount.asset.as_str()), &held);
    Ok(())
}
