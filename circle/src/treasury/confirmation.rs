//! People's confirmation of large payouts, with keys that no node holds.

use threescript::value::Amount;

use super::life::{self, known};
use super::payout::PayoutState;
use super::wallet;
use crate::accounts;
use crate::authority::Authority;
use crate::digest::Hash;
use crate::membership;
use crate::rejection::{Failure, Rejection, require};
use crate::roster::Roster;
use crate::session::Session;
use crate::state::{KeyValue, Overlay, StoreFault};
use crate::table::Table;

// (payout, guardian)
const CONFIRMATIONS: Table<()> = Table::new(b"k3v", "a confirmation");
// guardian: the account whose key is the person's own.
const CONFIRMERS: Table<String> = Table::new(b"k3w", "who confirms for a guardian");

/// The indexes of the guardians whose people confirmed a payout. Who is a guardian no longer does not count.
pub fn confirmations(rows: &(impl KeyValue + ?Sized), payout: u64) -> Result<Vec<u32>, StoreFault> {
    let found = CONFIRMATIONS.all(rows, payout)?.into_iter();
    let members = membership::roster(rows)?;
    Ok(found
        .map(|(key, ())| {
            key.last_chunk::<4>()
                .map_or(0, |bytes| u32::from_be_bytes(*bytes))
        })
        .filter(|guardian| members.get(*guardian).is_some())
        .collect())
}

/// The account that confirms for a guardian.
pub fn confirmer(
    rows: &(impl KeyValue + ?Sized),
    guardian: u32,
) -> Result<Option<String>, StoreFault> {
    CONFIRMERS.get(rows, guardian)
}

/// Makes people check payouts of a wallet with a line of at least one of `from`.
pub(crate) fn set_checks(
    session: &mut Session,
    wallet_name: &str,
    from: Vec<Amount>,
    confirmations: u64,
) -> Result<(), Failure> {
    let members = session.context.members().count() as u64;
    require(confirmations <= members, "check.confirmations", || {
        format!("the circle has {members} guardians, {confirmations} cannot confirm")
    })?;
    let positive = from.iter().all(|amount| amount.units > 0);
    require(positive && from.len() <= 64, "check.from", || {
        "give at most 64 amounts, each above zero, one for each asset".into()
    })?;
    let mut wallet = wallet::known(&session.rows, wallet_name)?;
    wallet.check_from = from;
    wallet.confirmations = confirmations as u32;
    wallet.put(&mut session.rows);
    Ok(())
}

/// Names the account whose key a guardian confirms with. A guardian's node can do that once: a node that was taken over
/// must not be able to confirm what it signs. Later, the circle decides.
pub(crate) fn name_confirmer(
    session: &mut Session,
    authority: &Authority,
    guardian: &str,
    account: &str,
) -> Result<(), Failure> {
    let members = session.context.members();
    let index = members.index_of_name(guardian).ok_or_else(|| {
        Rejection::new(
            "guardian.unknown",
            format!("there is no guardian {guardian}"),
        )
    })?;
    let rows = &mut session.rows;
    if !authority.is_circle() {
        require(
            authority.member(members)? == index,
            "confirmer.other",
            || format!("only {guardian} or the circle names who confirms for {guardian}"),
        )?;
        require(!CONFIRMERS.has(rows, index)?, "confirmer.named", || {
            format!(
                "somebody confirms for {guardian} already; the circle can change that by a vote"
            )
        })?;
    }
    let of_node = members.index_of_name(account).is_some();
    require(!of_node, "confirmer.node", || {
        format!(
            "{account} is the key of a node; register a key that its person holds, and name that"
        )
    })?;
    require(
        accounts::by_name(rows, account)?.is_some(),
        "account.unknown",
        || format!("there is no account {account}; register it first"),
    )?;
    for other in members.indexes() {
        let taken = other != index && confirmer(rows, other)?.as_deref() == Some(account);
        require(!taken, "confirmer.taken", || {
            format!("{account} confirms for another guardian; each has a person of its own")
        })?;
    }
    CONFIRMERS.put(rows, index, &account.to_owned());
    Ok(())
}

/// One person confirms the very bytes of a payout.
pub(crate) fn confirm(
    session: &mut Session,
    authority: &Authority,
    id: u64,
    transaction: &Hash,
) -> Result<(), Failure> {
    let payout = known(&session.rows, id)?;
    require(
        payout.hash == *transaction,
        "confirmation.transaction",
        || {
            format!(
                "the transaction of payout {id} is {}, not what was confirmed; look at it again",
                hex::encode(payout.hash)
            )
        },
    )?;
    let waits = matches!(payout.state, PayoutState::Planned | PayoutState::Checking);
    require(
        waits && payout.confirmations > 0,
        "confirmation.needless",
        || {
            format!(
                "payout {id} is {} and waits for no confirmation",
                payout.state.name()
            )
        },
    )?;
    let index = guardian_of(&session.rows, session.context.members(), authority.name())?;
    let index = index.ok_or_else(|| {
        let message = format!(
            "{} confirms for no guardian; one names it with treasury.confirmer",
            authority.name()
        );
        Rejection::new("confirmation.stranger", message)
    })?;
    require(
        !CONFIRMATIONS.has(&session.rows, (id, index))?,
        "confirmation.repeated",
        || format!("payout {id} was confirmed with this key already; nothing has to be done"),
    )?;
    CONFIRMATIONS.put(&mut session.rows, (id, index), &());
    Ok(life::check(&mut session.rows, payout)?)
}

fn guardian_of(rows: &Overlay, members: &Roster, account: &str) -> Result<Option<u32>, StoreFault> {
    for guardian in members.indexes() {
        if confirmer(rows, guardian)?.as_deref() == Some(account) {
            return Ok(Some(guardian));
        }
    }
    Ok(None)
}
