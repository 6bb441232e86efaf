//! What a guardian has to look at on the chains, told from the state alone, and what it reports of what it finds there.

use std::collections::BTreeSet;

use threescript::value::AssetCode;
use treasury_protocol::ethereum;

use super::observation::{Observation, seen};
use super::payee::{Address, receives};
use super::payout::{Payout, PayoutState, claimables, open, payout};
use super::wallet::{Chain, Scheme, Wallet, holdings, is_deposit, wallet, wallets};
use crate::digest::Hash;
use crate::genesis::{Genesis, Home};
use crate::state::{KeyValue, StoreFault};

/// Something that has to be looked up on a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// Whether the account of a wallet is there.
    Account {
        /// The wallet.
        wallet: Wallet,
    },
    /// What became of a payout.
    Outcome {
        /// The payout.
        payout: Payout,
        /// Whether "never" may be answered: not while a payout that has the same sequence number is undecided.
        decisive: bool,
    },
    /// Whether a payee can receive an asset.
    Receives {
        /// The wallet that is to pay it.
        wallet: Wallet,
        /// The payee.
        address: Address,
        /// The asset.
        asset: AssetCode,
        /// Where it lives on that chain.
        home: Home,
        /// What the circle thinks.
        thought: bool,
    },
    /// Whether a part of a payout was claimed.
    Claim {
        /// The wallet that paid.
        wallet: Wallet,
        /// The payout.
        payout: u64,
        /// The position of its line.
        line: u32,
        /// The chain's name of the balance.
        balance: Hash,
        /// Whether the circle may take it back by now.
        due: bool,
    },
}

/// What became of the transaction of a payout, as far as a chain says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It may still be taken.
    Pending,
    /// It is in a ledger.
    Included {
        /// The number of the ledger or block.
        ledger: u64,
        /// Whether it took effect there.
        succeeded: bool,
        /// What the wallet paid for it, in minor units of the chain's own coin.
        fee: i64,
    },
    /// Its sequence number was used up by another transaction.
    Passed {
        /// A number that is used up by now, which all who look see alike: see [`Observation::Lost`].
        sequence: i64,
    },
    /// Its time is over.
    Expired,
}

/// What has to be looked up now. `now_s` is the block time in seconds since 1970.
pub fn questions(
    rows: &(impl KeyValue + ?Sized),
    genesis: &Genesis,
    now_s: u64,
) -> Result<Vec<Question>, StoreFault> {
    let mut questions = Vec::new();
    for wallet in wallets(rows)? {
        if wallet.address.is_some() && wallet.next_sequence.is_none() {
            questions.push(Question::Account { wallet });
        }
    }
    let undecided = open(rows)?;
    let mut asked = BTreeSet::new();
    for payout in &undecided {
        let rival = undecided
            .iter()
            .any(|other| other.id < payout.id && other.is_rival(payout));
        let Some(wallet) = wallet(rows, &payout.wallet)? else {
            continue;
        };
        payees(rows, genesis, &wallet, payout, &mut asked, &mut questions)?;
        questions.push(Question::Outcome {
            payout: payout.clone(),
            decisive: !rival,
        });
    }
    for part in claimables(rows)?
        .into_iter()
        .filter(|part| !part.reclaiming)
    {
        let paid = payout(rows, part.payout)?;
        let Some(wallet) = paid
            .map(|paid| wallet(rows, &paid.wallet))
            .transpose()?
            .flatten()
        else {
            continue;
        };
        questions.push(Question::Claim {
            wallet,
            payout: part.payout,
            line: part.line,
            balance: part.balance,
            due: part.reclaim_after_s <= now_s,
        });
    }
    Ok(questions)
}

/// Who is to be paid by a payout that nobody can complete yet: what its chain would refuse is better known before.
fn payees(
    rows: &(impl KeyValue + ?Sized),
    genesis: &Genesis,
    wallet: &Wallet,
    payout: &Payout,
    asked: &mut BTreeSet<(String, Address, AssetCode)>,
    questions: &mut Vec<Question>,
) -> Result<(), StoreFault> {
    if payout.state == PayoutState::Replaced {
        return Ok(());
    }
    for line in &payout.lines {
        let Ok(home @ Home::Stellar { .. }) = wallet.home(genesis, &line.amount.asset) else {
            continue;
        };
        let chain = wallet.chain.to_string();
        if asked.insert((chain, line.to.clone(), line.amount.asset.clone())) {
            questions.push(Question::Receives {
                wallet: wallet.clone(),
                address: line.to.clone(),
                asset: line.amount.asset.clone(),
                thought: receives(rows, &wallet.chain, &line.to, &line.amount.asset)?,
                home,
            });
        }
    }
    Ok(())
}

impl Question {
    /// What is reported of the account that was named for a wallet, if it belongs to its owners and to nobody else and holds nothing
    /// but the chain's own coin. `ledger` is the one in which it changed last, `coins` what it holds.
    pub fn owned(&self, sequence: i64, ledger: u64, coins: i64) -> Option<Observation> {
        match self {
            Self::Account { wallet } if matches!(wallet.scheme, Scheme::Multisig { .. }) => {
                Some(Observation::Owned {
                    wallet: wallet.name.clone(),
                    address: wallet.address.clone()?,
                    sequence,
                    ledger,
                    coins,
                })
            }
            _ => None,
        }
    }

    /// What is reported of the Safe of a wallet, if it belongs to its owners and to nobody else; `sequence` is the number that its last
    /// transaction used, `owners` are in the order of the Safe.
    pub fn linked(&self, sequence: i64, owners: Vec<ethereum::Address>) -> Option<Observation> {
        match self {
            Self::Account { wallet } if matches!(wallet.scheme, Scheme::Safe { .. }) => {
                Some(Observation::Linked {
                    wallet: wallet.name.clone(),
                    sequence,
                    owners,
                })
            }
            _ => None,
        }
    }

    /// What is reported of the account of a wallet; `sequence` is the number that its last transaction used. Nothing of one that
    /// guardians own: see [`Question::owned`] and [`Question::linked`].
    pub fn account(&self, sequence: i64) -> Option<Observation> {
        match self {
            Self::Account { wallet } if matches!(wallet.scheme, Scheme::Group { .. }) => {
                Some(Observation::Opened {
                    wallet: wallet.name.clone(),
                    sequence,
                })
            }
            _ => None,
        }
    }

    /// What is reported of what became of a payout.
    pub fn outcome(&self, outcome: Outcome) -> Option<Observation> {
        let Self::Outcome { payout, decisive } = self else {
            return None;
        };
        let lost = |passed_by| Observation::Lost {
            payout: payout.id,
            transaction: payout.hash,
            passed_by,
        };
        match outcome {
            Outcome::Included {
                ledger,
                succeeded,
                fee,
            } => Some(Observation::Included {
                payout: payout.id,
                transaction: payout.hash,
                ledger,
                succeeded,
                fee,
            }),
            Outcome::Passed { sequence } if *decisive => Some(lost(Some(sequence))),
            Outcome::Expired if *decisive => Some(lost(None)),
            _ => None,
        }
    }

    /// What is reported of a payee.
    pub fn receives(&self, receives: bool) -> Option<Observation> {
        match self {
            Self::Receives {
                wallet,
                address,
                asset,
                thought,
                ..
            } if *thought != receives => Some(Observation::Receives {
                wallet: wallet.name.clone(),
                address: address.clone(),
                asset: asset.clone(),
                receives,
            }),
            _ => None,
        }
    }

    /// What is reported of a part of a payout that is still there, or gone.
    pub fn claim(&self, is_there: bool) -> Option<Observation> {
        match self {
            Self::Claim {
                payout, line, due, ..
            } if !is_there || *due => Some(Observation::Claim {
                payout: *payout,
                line: *line,
                claimed: !is_there,
            }),
            _ => None,
        }
    }
}

/// Whether a guardian still has something to say by an observation: it did not say just that, and the circle does not know.
pub fn is_news(
    rows: &(impl KeyValue + ?Sized),
    guardian: u32,
    observation: &Observation,
) -> Result<bool, StoreFault> {
    if let Observation::Received {
        wallet, operation, ..
    } = observation
        && is_deposit(rows, wallet, operation)?
    {
        return Ok(false);
    }
    let said = seen(rows, &observation.subject())?;
    Ok(!said
        .iter()
        .any(|(who, what)| *who == guardian && what == observation))
}

/// Whether nothing of a wallet is under way, so that chain and books have to agree.
pub fn is_at_rest(rows: &(impl KeyValue + ?Sized), wallet: &str) -> Result<bool, StoreFault> {
    Ok(open(rows)?
        .iter()
        .all(|payout| payout.wallet != wallet || !payout.state.is_out()))
}

/// What is reported of what a wallet at rest holds on its chain.
pub fn compare(
    rows: &(impl KeyValue + ?Sized),
    wallet: &Wallet,
    asset: &AssetCode,
    on_chain: i64,
) -> Result<Option<Observation>, StoreFault> {
    let in_books = holdings(rows, &wallet.name, asset)?;
    let differs = match wallet.chain {
        Chain::Stellar { .. } => on_chain != in_books,
        // Amounts too small to be counted here, and coins that nobody announced, add up there.
        Chain::Ethereum { .. } => on_chain < in_books,
    };
    let differs = differs && wallet.paused.is_none();
    Ok(differs.then(|| Observation::Differs {
        wallet: wallet.name.clone(),
        asset: asset.clone(),
        on_chain,
        in_books,
    }))
}
