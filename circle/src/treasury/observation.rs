//! What happened on the money chains: what a quorum of the guardians saw alike is a fact, and moves payouts and books.
//!
//! A guardian's node reports what it sees past the chain's finality. A later report of the same guardian on the same thing
//! replaces the earlier one, so that nobody is held to what a chain took back.

use borsh::{BorshDeserialize, BorshSerialize};
use threescript::value::{Amount, AssetCode, Value};
use treasury_protocol::ethereum;

use super::life::{self, Inclusion, emit};
use super::opening;
use super::pause;
use super::payee::{self, Address};
use super::payout::{
    PayoutState, Purpose, Transaction, claimable, claimables, end_claimable, open, payout,
    put_claimable,
};
use super::plan::{self, Load, now_s};
use super::wallet::{Wallet, holdings, is_deposit, known, receive, wallets};
use crate::accounts;
use crate::digest::{Hash, digest};
use crate::rejection::{Failure, Rejection, each_alone, require};
use crate::session::Session;
use crate::state::{KeyValue, Overlay, StoreFault};
use crate::table::Table;

/// The most observations in one `treasury.observe` command.
pub const OBSERVATIONS_MAX: usize = 256;
/// The longest name that a chain has for a payment, in bytes.
const OPERATION_MAX: usize = 80;
/// The longest memo of a payment, in bytes.
const MEMO_MAX: usize = 64;

/// Something that one guardian saw on a chain, past its finality.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Observation {
    /// The account of a wallet is there for the first time.
    Opened {
        /// The wallet.
        wallet: String,
        /// The sequence number that its last transaction used.
        sequence: i64,
    },
    /// The transaction of a payout is in a ledger.
    Included {
        /// The payout.
        payout: u64,
        /// The hash of its transaction.
        transaction: Hash,
        /// The number of the ledger or block.
        ledger: u64,
        /// Whether it took effect there. One that failed has used up its sequence number all the same.
        succeeded: bool,
        /// What the wallet paid for it, in minor units of the chain's own coin.
        fee: i64,
    },
    /// The transaction of a payout is in no ledger, and never can be.
    Lost {
        /// The payout.
        payout: u64,
        /// The hash of its transaction.
        transaction: Hash,
        /// A sequence number that is used up by now, if another transaction used up the payout's: the account's own on Stellar. A Safe's
        /// grows on while guardians look, so there it is the payout's own, which all of them see alike. `None` if its time is over, which
        /// never is where nothing expires.
        passed_by: Option<i64>,
    },
    /// A payment arrived at a wallet.
    Received {
        /// The wallet.
        wallet: String,
        /// The chain's own name of the payment.
        operation: String,
        /// The address that paid, as text.
        from: String,
        /// Which of the accounts behind the wallet was paid, as senders to muxed addresses say it.
        to: Option<u64>,
        /// The text that came along.
        memo: Option<String>,
        /// What arrived.
        amount: Amount,
    },
    /// Whether an address can receive an asset, where that is not what the circle thought.
    Receives {
        /// The wallet that is to pay it, which tells the chain.
        wallet: String,
        /// The address.
        address: Address,
        /// The asset.
        asset: AssetCode,
        /// Whether it can.
        receives: bool,
    },
    /// Whether a part of a payout was claimed, or can be taken back by now.
    Claim {
        /// The payout.
        payout: u64,
        /// The position of its line.
        line: u32,
        /// Whether it is gone.
        claimed: bool,
    },
    /// A wallet does not hold what the books say, while nothing of it is under way.
    Differs {
        /// The wallet.
        wallet: String,
        /// The asset.
        asset: AssetCode,
        /// What is on the chain, in minor units.
        on_chain: i64,
        /// What the books say.
        in_books: i64,
    },
    /// The account that was named for a wallet belongs to its owners and to nobody else, for the first time.
    Owned {
        /// The wallet.
        wallet: String,
        /// The account.
        address: Address,
        /// The sequence number that its last transaction used.
        sequence: i64,
        /// The ledger in which it changed last: what moved before is not the circle's business.
        ledger: u64,
        /// What it held then of the chain's own coin, in minor units. It held nothing else.
        coins: i64,
    },
    /// The Safe of a wallet is there, and belongs to its owners and to nobody else.
    Linked {
        /// The wallet.
        wallet: String,
        /// The Safe nonce that its last transaction used; -1 before the first.
        sequence: i64,
        /// The owners, in the order in which the Safe links them: each later change of owners has to name who stands before whom.
        owners: Vec<ethereum::Address>,
    },
}

impl Observation {
    /// What it is about: of this the circle learns one fact.
    pub fn subject(&self) -> Hash {
        let name = "guardian-circle/v1/observed";
        match self {
            Self::Opened { wallet, .. }
            | Self::Owned { wallet, .. }
            | Self::Linked { wallet, .. } => digest(name, &("opened", wallet)),
            Self::Included { transaction, .. } | Self::Lost { transaction, .. } => *transaction,
            Self::Received {
                wallet, operation, ..
            } => digest(name, &("received", wallet, operation)),
            Self::Receives {
                wallet,
                address,
                asset,
                ..
            } => digest(name, &("receives", wallet, address, asset)),
            Self::Claim { payout, line, .. } => digest(name, &("claim", payout, line)),
            Self::Differs { wallet, asset, .. } => digest(name, &("differs", wallet, asset)),
        }
    }
}

// (subject, guardian)
const SEEN: Table<Observation> = Table::new(b"k3s", "an observation");

/// What guardians reported of one thing, while no quorum did: (index of the guardian, what it saw).
pub fn seen(
    rows: &(impl KeyValue + ?Sized),
    subject: &Hash,
) -> Result<Vec<(u32, Observation)>, StoreFault> {
    let guardian = |key: &[u8]| {
        key.last_chunk::<4>()
            .map_or(0, |bytes| u32::from_be_bytes(*bytes))
    };
    Ok(SEEN
        .all(rows, subject)?
        .into_iter()
        .map(|(key, observation)| (guardian(&key), observation))
        .collect())
}

/// Takes what one guardian saw; each observation stands or falls alone.
pub(crate) fn observe(session: &mut Session, guardian: u32, bytes: &[u8]) -> Result<(), Failure> {
    let observations: Vec<Observation> = borsh::from_slice(bytes).map_err(|error| {
        let message = format!("these are no observations: {error}");
        Rejection::new("observation.malformed", message)
    })?;
    let count = observations.len();
    require(
        (1..=OBSERVATIONS_MAX).contains(&count),
        "observation.length",
        || format!("a command carries 1 to {OBSERVATIONS_MAX} observations, not {count}"),
    )?;
    each_alone(observations, |observation| {
        let savepoint = session.rows.begin();
        let emitted = session.emitted.mark();
        let outcome = one(session, guardian, &observation);
        match &outcome {
            Ok(()) => session.rows.commit(savepoint),
            Err(Failure::Rejected(_)) => {
                session.rows.rollback(savepoint);
                session.emitted.undo(emitted);
            }
            // The block is given up, and its rows with it.
            Err(Failure::Fault(_)) => {}
        }
        outcome
    })
}

fn one(session: &mut Session, guardian: u32, observation: &Observation) -> Result<(), Failure> {
    check(&session.rows, observation)?;
    let subject = observation.subject();
    let rows = &mut session.rows;
    let before = SEEN.get(rows, (&subject, guardian))?;
    require(
        before.as_ref() != Some(observation),
        "observation.repeated",
        || "this guardian reported exactly this already; nothing has to be done".into(),
    )?;
    SEEN.put(rows, (&subject, guardian), observation);
    let all = seen(rows, &subject)?;
    let members = session.context.members();
    let alike = all
        .iter()
        .filter(|(guardian, one)| one == observation && members.get(*guardian).is_some())
        .count();
    if alike < members.quorum() {
        return Ok(());
    }
    for (guardian, _) in all {
        SEEN.delete(&mut session.rows, (&subject, guardian));
    }
    conclude(session, observation)
}

/// Refuses what is about nothing that the circle waits for.
fn check(rows: &Overlay, observation: &Observation) -> Result<(), Failure> {
    match observation {
        Observation::Opened { wallet, sequence } => {
            opening::check_opened(rows, wallet, *sequence)?;
        }
        Observation::Owned {
            wallet,
            address,
            sequence,
            coins,
            ..
        } => opening::check_owned(rows, wallet, address, *sequence, *coins)?,
        Observation::Linked {
            wallet,
            sequence,
            owners,
        } => opening::check_linked(rows, wallet, *sequence, owners)?,
        Observation::Included {
            payout,
            transaction,
            fee,
            ..
        } => {
            let state = of_transaction(rows, *payout, transaction)?;
            require(state.is_out(), "observation.known", || {
                format!(
                    "payout {payout} is {}; nothing has to be done",
                    state.name()
                )
            })?;
            require(*fee >= 0, "observation.fee", || {
                "a fee is not negative".into()
            })?;
        }
        Observation::Lost {
            payout,
            transaction,
            passed_by,
        } => {
            let state = of_transaction(rows, *payout, transaction)?;
            require(!state.is_final(), "observation.known", || {
                format!(
                    "payout {payout} is {}; nothing has to be done",
                    state.name()
                )
            })?;
            passable(rows, *payout, *passed_by)?;
            no_rival(rows, *payout)?;
        }
        Observation::Received {
            wallet,
            operation,
            amount,
            memo,
            ..
        } => {
            let paid = known(rows, wallet)?;
            // Until then anybody may have named it.
            require(paid.is_held(), "observation.early", || {
                format!("nobody knows yet whether that account is the one of {wallet}")
            })?;
            require(amount.units > 0, "observation.amount", || {
                "nothing arrived".into()
            })?;
            let plain = (1..=OPERATION_MAX).contains(&operation.len())
                && operation.bytes().all(|byte| byte.is_ascii_graphic());
            require(plain, "observation.operation", || {
                format!("the name of a payment has 1 to {OPERATION_MAX} letters and digits")
            })?;
            let short = memo.as_ref().is_none_or(|memo| memo.len() <= MEMO_MAX);
            require(short, "observation.memo", || {
                format!("a memo has at most {MEMO_MAX} bytes")
            })?;
            require(
                !is_deposit(rows, wallet, operation)?,
                "observation.known",
                || format!("the payment {operation} was recorded already; nothing has to be done"),
            )?;
        }
        Observation::Receives {
            wallet,
            address,
            asset,
            receives,
        } => {
            let chain = known(rows, wallet)?.chain;
            let thought = payee::receives(rows, &chain, address, asset)?;
            require(thought != *receives, "observation.known", || {
                "the circle knows that already; nothing has to be done".into()
            })?;
        }
        Observation::Claim { payout, line, .. } => {
            let part = claimable(rows, *payout, *line)?;
            require(
                part.is_some_and(|part| !part.reclaiming),
                "observation.known",
                || format!("nothing of payout {payout} waits to be claimed there"),
            )?;
        }
        Observation::Differs {
            wallet,
            asset,
            on_chain,
            in_books,
        } => {
            let known = known(rows, wallet)?;
            let held = holdings(rows, wallet, asset)?;
            let fresh = held == *in_books && on_chain != in_books;
            require(fresh && known.paused.is_none(), "observation.stale", || {
                format!("{wallet} holds {held} units of {asset} in the books, or is paused already")
            })?;
        }
    }
    Ok(())
}

/// The state of a payout, whose transaction has to be the one that was seen.
fn of_transaction(rows: &Overlay, id: u64, transaction: &Hash) -> Result<PayoutState, Failure> {
    let unknown = || Rejection::new("observation.payout", format!("there is no payout {id}"));
    let payout = payout(rows, id)?.ok_or_else(unknown)?;
    require(
        payout.hash == *transaction,
        "observation.transaction",
        || {
            format!(
                "the transaction of payout {id} is {}",
                hex::encode(payout.hash)
            )
        },
    )?;
    Ok(payout.state)
}

/// What a guardian can have seen pass a payout.
fn passable(rows: &Overlay, id: u64, passed_by: Option<i64>) -> Result<(), Failure> {
    let transaction = life::known(rows, id)?.transaction;
    let own = transaction.sequence();
    let fits = match transaction {
        Transaction::Stellar { .. } => passed_by.is_none_or(|passed| passed >= own),
        Transaction::Safe(_) => passed_by == Some(own),
    };
    require(fits, "observation.sequence", || {
        format!("payout {id} has the sequence number {own}, which that does not use up")
    })?;
    Ok(())
}

/// What took the sequence number of a payout may be one that it replaced, which has to be decided first: otherwise the lines
/// of one that was paid would be paid again.
fn no_rival(rows: &Overlay, id: u64) -> Result<(), Failure> {
    let lost = life::known(rows, id)?;
    let rival = open(rows)?
        .into_iter()
        .find(|other| other.id < id && other.is_rival(&lost));
    match rival {
        None => Ok(()),
        Some(other) => {
            let message = format!(
                "payout {} has the same sequence number and is {}; say first what became of that one",
                other.id,
                other.state.name()
            );
            Err(Rejection::new("observation.early", message).into())
        }
    }
}

/// Makes a fact of what a quorum saw.
fn conclude(session: &mut Session, observation: &Observation) -> Result<(), Failure> {
    match observation {
        Observation::Opened { wallet, sequence } => opening::opened(session, wallet, *sequence),
        Observation::Owned {
            wallet,
            sequence,
            ledger,
            coins,
            ..
        } => opening::owned(session, wallet, *sequence, *ledger, *coins),
        Observation::Linked {
            wallet,
            sequence,
            owners,
        } => opening::linked(session, wallet, *sequence, owners),
        Observation::Included {
            payout,
            ledger,
            succeeded,
            fee,
            ..
        } => {
            let seen = Inclusion {
                ledger: *ledger,
                succeeded: *succeeded,
                fee: *fee,
            };
            life::included(session, *payout, seen)
        }
        Observation::Lost {
            payout, passed_by, ..
        } => life::lost(session, *payout, *passed_by),
        Observation::Received {
            wallet,
            operation,
            from,
            to,
            memo,
            amount,
        } => {
            let known = known(&session.rows, wallet)?;
            let book = owner(&session.rows, &known, from, *to, memo.as_deref())?;
            let height = session.context.height;
            receive(&mut session.rows, height, wallet, &book, amount, operation)?;
            let mut data = vec![
                ("wallet", Value::Text(wallet.clone())),
                ("amount", Value::Amount(amount.clone())),
                ("reference", Value::Text(operation.clone())),
            ];
            match book.strip_prefix("escrow:") {
                Some(account) => data.push(("account", Value::Account(account.into()))),
                None => data.push(("from", Value::Text(from.clone()))),
            }
            let name = if book.starts_with("escrow:") {
                "deposited"
            } else {
                "received"
            };
            emit(session, name, data);
            Ok(())
        }
        Observation::Receives {
            wallet,
            address,
            asset,
            receives,
        } => {
            let chain = known(&session.rows, wallet)?.chain;
            payee::set_receives(&mut session.rows, &chain, address, asset, *receives);
            match receives {
                true => Ok(()),
                false => life::reconsider(session),
            }
        }
        Observation::Claim {
            payout,
            line,
            claimed,
        } => {
            if *claimed {
                end_claimable(&mut session.rows, *payout, *line);
                let data = vec![
                    ("payout", Value::Id(*payout)),
                    ("line", Value::Int(i64::from(*line))),
                ];
                emit(session, "claimed", data);
                return Ok(());
            }
            reclaim(session, *payout)
        }
        Observation::Differs {
            wallet,
            asset,
            on_chain,
            in_books,
        } => pause::differ(session, wallet, asset, *on_chain, *in_books),
    }
}

/// Plans to take back everything of a payout that is due and was not claimed.
fn reclaim(session: &mut Session, id: u64) -> Result<(), Failure> {
    let now_s = now_s(session);
    let mut parts = Vec::new();
    for mut part in claimables(&session.rows)? {
        if part.payout == id && !part.reclaiming && part.reclaim_after_s <= now_s {
            part.reclaiming = true;
            put_claimable(&mut session.rows, &part);
            parts.push((part.payout, part.line));
        }
    }
    require(!parts.is_empty(), "observation.early", || {
        format!("nothing of payout {id} can be taken back yet")
    })?;
    let wallet = life::known(&session.rows, id)?.wallet;
    let load = Load {
        purpose: Purpose::Reclaim(parts),
        lines: Vec::new(),
        memo: None,
    };
    plan::begin(session, &wallet, load)?;
    Ok(())
}

/// Whose a payment is: of the account that the memo names, or the number behind a muxed address, or of the one that paid; of
/// the circle if none is known.
fn owner(
    rows: &Overlay,
    wallet: &Wallet,
    from: &str,
    to: Option<u64>,
    memo: Option<&str>,
) -> Result<String, StoreFault> {
    if let Some(account) = memo
        .map(|memo| accounts::by_name(rows, memo))
        .transpose()?
        .flatten()
    {
        return Ok(format!("escrow:{}", account.name));
    }
    if let Some(account) = to
        .and_then(|number| u32::try_from(number).ok())
        .map(|number| accounts::find(rows, number))
        .transpose()?
        .flatten()
    {
        return Ok(format!("escrow:{}", account.name));
    }
    let own = wallets(rows)?.iter().any(|one| {
        one.address
            .as_ref()
            .is_some_and(|address| address.to_string() == from)
    });
    let account = match Address::parse(wallet.chain.kind(), from) {
        _ if own => None,
        Ok(Address::Stellar { key, .. }) => {
            accounts::by_key(rows, &key)?.map(|account| account.name)
        }
        Ok(Address::Ethereum(address)) => payee::payer(rows, &address)?,
        Err(_) => None,
    };
    if let Some(account) = account {
        return Ok(format!("escrow:{account}"));
    }
    Ok(format!("wallet:{}", wallet.name))
}
