//! How the guardians of a circle change, so that no node can come to another order of blocks by it.
//!
//! 1. **Decided**: `circle.admit` and `circle.remove` put a change into a queue. Nothing else happens yet.
//! 2. **Confirmed**: when the height of the decision is certified, each guardian's node says so with `circle.confirm`, which
//!    carries the whole change. Confirmations are counted as they are ordered, whatever else a node concluded.
//! 3. **Fixed**: with the confirmations of more than two thirds of the guardians the change has a height, [`LEAD_HEIGHTS`]
//!    after the block that holds the last of them. The ordering engine is told.
//! 4. **In force**: from that height on the new guardians order, attest and decide.
//!
//! Who is a guardian at a height thus follows from the ordered confirmations alone. A node whose scripts went astray counts
//! the same ones and keeps following the others.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::accounts;
use crate::ceremonies;
use crate::digest::{Hash, digest};
use crate::gate;
use crate::genesis::Genesis;
use crate::ids::Key;
use crate::rejection::{Failure, Rejection, require};
use crate::roster::{Change, Roster};
use crate::state::{KeyValue, Overlay, StoreFault, prefix_end};
use crate::table::Table;
use crate::treasury;

/// From the block that completes the confirmations of a change to the first block of the new guardians. The ordering engine
/// needs 2; the rest lets everybody link with newcomers, and those who leave hear of it.
pub const LEAD_HEIGHTS: u64 = 4;
/// The most addresses of one guardian.
pub const ADDRESSES_MAX: usize = 8;
/// The most changes that wait for each other.
pub const QUEUED_MAX: usize = 32;

/// A decided change that waits for its confirmation.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Queued {
    /// What changes.
    pub change: Change,
    /// The height of the decision.
    pub decided: u64,
}

/// A confirmed change and the height at which it takes effect.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Fixed {
    /// What changes.
    pub change: Change,
    /// The first height of the new guardians.
    pub effective: u64,
}

/// What a guardian confirmed last.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
struct Confirmation {
    /// The epoch that the change leads to.
    epoch: u64,
    /// Over the change.
    digest: Hash,
}

/// What a guardian's node has to confirm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToConfirm {
    /// The epoch that the change leads to.
    pub epoch: u64,
    /// The change.
    pub change: Change,
}

// All rosters that were ever in force, by the first height of each.
const ROSTERS: Table<Roster> = Table::new(b"k4r", "a roster");
const QUEUE: Table<Vec<Queued>> = Table::new(b"k4q", "the changes of the guardians that wait");
const CONFIRMED: Table<Confirmation> = Table::new(b"k4c", "a confirmation");
const FIXED: Table<Fixed> = Table::new(b"k4f", "the change of the guardians that comes next");

/// Writes the founders, before the first block.
pub(crate) fn found(rows: &mut Overlay, genesis: &Genesis) {
    let roster = Roster::founding(&genesis.members);
    ROSTERS.put(rows, roster.from_height, &roster);
}

/// The guardians now: of the next block, unless [`fixed`] names it.
pub fn roster(rows: &(impl KeyValue + ?Sized)) -> Result<Roster, StoreFault> {
    ROSTERS.last(rows, ())?.ok_or_else(missing)
}

/// The guardians that ordered and attested the block at `height`, which was executed.
pub fn roster_at(rows: &(impl KeyValue + ?Sized), height: u64) -> Result<Roster, StoreFault> {
    let from = ROSTERS.key(());
    let to = match height.checked_add(1) {
        Some(above) => Some(ROSTERS.key(above)),
        None => prefix_end(&from),
    };
    let found = rows.scan(&from, to.as_deref(), 1, true)?;
    let (_, value) = found.first().ok_or_else(missing)?;
    ROSTERS.decode(value)
}

fn missing() -> StoreFault {
    StoreFault::Corrupt {
        what: "the guardians",
        reason: "their row is missing".into(),
    }
}

/// All guardians there ever were, each roster as it came in force.
pub fn rosters(rows: &(impl KeyValue + ?Sized)) -> Result<Vec<Roster>, StoreFault> {
    ROSTERS.values(rows, ())
}

/// The decided changes that are not fixed yet, in the order in which they will be.
pub fn queued(rows: &(impl KeyValue + ?Sized)) -> Result<Vec<Queued>, StoreFault> {
    Ok(QUEUE.get(rows, ())?.unwrap_or_default())
}

/// The change that has its height.
pub fn fixed(rows: &(impl KeyValue + ?Sized)) -> Result<Option<Fixed>, StoreFault> {
    FIXED.get(rows, ())
}

/// The guardians of the block after `height`, the last one executed, and those who follow them, if that is fixed: what an
/// ordering engine has to know to go on from there.
pub fn ordering(
    rows: &(impl KeyValue + ?Sized),
    height: u64,
) -> Result<(Roster, Option<Roster>), StoreFault> {
    let now = roster(rows)?;
    let next = match fixed(rows)? {
        Some(fixed) => now.after(&fixed.change, fixed.effective).ok(),
        None => None,
    };
    Ok(match next {
        Some(next) if next.from_height <= height + 1 => (next, None),
        next => (now, next),
    })
}

/// The guardians as they will be when everything decided is in force.
fn planned(rows: &Overlay) -> Result<Roster, StoreFault> {
    let mut roster = roster(rows)?;
    let coming = fixed(rows)?.map(|fixed| fixed.change).into_iter();
    for change in coming.chain(queued(rows)?.into_iter().map(|queued| queued.change)) {
        // What the circle confirmed may not fit what this node holds, if it went astray.
        if let Ok(next) = roster.after(&change, roster.from_height) {
            roster = next;
        }
    }
    Ok(roster)
}

/// Decides that somebody becomes a guardian. An account of that name and key becomes theirs, or is registered.
pub(crate) fn admit(
    rows: &mut Overlay,
    now: u64,
    name: &str,
    key: Key,
    addresses: Vec<String>,
) -> Result<(), Failure> {
    crate::account::check_name(name)?;
    check_addresses(&addresses)?;
    require(key.is_valid(), "members.key", || {
        format!("{key} is no ed25519 public key; take the one in the newcomer's member file")
    })?;
    let member = crate::member::Member {
        name: name.into(),
        key,
    };
    decide(rows, now, Change::Admit { member, addresses })?;
    let named = accounts::by_name(rows, name)?;
    if named.is_none_or(|account| account.key != key) {
        // Refused if the name or the key is another account's.
        accounts::register(rows, name, key, Vec::new())?;
    }
    Ok(())
}

/// Decides that a guardian is one no longer.
pub(crate) fn remove(rows: &mut Overlay, now: u64, key: Key) -> Result<(), Failure> {
    let active: usize = gate::active(rows, &roster(rows)?)?.len();
    decide(rows, now, Change::Remove { key })?;
    // Of newcomers nobody knows yet whether they will be there.
    let (after, current) = (planned(rows)?, roster(rows)?);
    let staying = gate::active(rows, &current)?
        .into_iter()
        .filter(|index| after.get(*index).is_some())
        .count();
    require(staying >= after.quorum(), "members.active", || {
        format!(
            "{staying} of the {active} active guardians would be left, and {} have to be active; bring a benched one back first",
            after.quorum()
        )
    })?;
    if let Some((wallet, left, threshold)) = ceremonies::locked_by(rows, &after)? {
        let message = format!(
            "{left} guardians with a share of the key of {wallet} would be left, and {threshold} have to sign; give the wallet a new key first"
        );
        return Err(Rejection::new("members.wallet", message).into());
    }
    Ok(())
}

fn decide(rows: &mut Overlay, now: u64, change: Change) -> Result<(), Failure> {
    let mut queue = queued(rows)?;
    require(queue.len() < QUEUED_MAX, "members.queue", || {
        format!("{QUEUED_MAX} changes of the guardians wait already; wait until they are in force")
    })?;
    let planned = planned(rows)?;
    planned.after(&change, planned.from_height)?;
    queue.push(Queued {
        change,
        decided: now,
    });
    QUEUE.put(rows, (), &queue);
    Ok(())
}

fn check_addresses(addresses: &[String]) -> Result<(), Rejection> {
    require(
        addresses.len() <= ADDRESSES_MAX,
        "members.addresses",
        || {
            format!(
                "a guardian has at most {ADDRESSES_MAX} addresses, not {}",
                addresses.len()
            )
        },
    )?;
    for address in addresses {
        let read = address.parse::<core::net::SocketAddr>();
        // One way of writing each, so that equal changes have equal digests.
        let canonical = read.is_ok_and(|read| read.to_string() == *address);
        require(canonical, "members.addresses", || {
            format!("{address:?} is no address; write it like 192.0.2.7:9700 or [2001:db8::7]:9700")
        })?;
    }
    Ok(())
}

/// What the guardian with this index has to confirm: the first change that waits, once its decision is certified.
pub fn to_confirm(
    rows: &(impl KeyValue + ?Sized),
    guardian: u32,
) -> Result<Option<ToConfirm>, StoreFault> {
    let certified = gate::gate(rows)?.certified_height;
    let first = queued(rows)?.into_iter().next();
    let Some(first) = first.filter(|first| first.decided <= certified) else {
        return Ok(None);
    };
    if fixed(rows)?.is_some() {
        return Ok(None);
    }
    let epoch = roster(rows)?.epoch + 1;
    let confirmation = Confirmation {
        epoch,
        digest: change_digest(epoch, &first.change),
    };
    let said = CONFIRMED.get(rows, guardian)?;
    Ok((said != Some(confirmation)).then_some(ToConfirm {
        epoch,
        change: first.change,
    }))
}

/// The guardians, by index, who did not confirm the change that is next in the queue.
pub fn unconfirmed(rows: &(impl KeyValue + ?Sized)) -> Result<Vec<u32>, StoreFault> {
    let mut missing = Vec::new();
    for guardian in roster(rows)?.indexes() {
        if to_confirm(rows, guardian)?.is_some() {
            missing.push(guardian);
        }
    }
    Ok(missing)
}

/// Takes a guardian's confirmation of the change that leads to `epoch`, in a block at height `now`. The last that is needed
/// fixes the change.
pub(crate) fn confirm(
    rows: &mut Overlay,
    now: u64,
    guardian: u32,
    epoch: u64,
    change: &[u8],
) -> Result<(), Failure> {
    let change: Change = borsh::from_slice(change).map_err(|error| {
        Rejection::new(
            "members.malformed",
            format!("this is no change of the guardians: {error}"),
        )
    })?;
    let roster = roster(rows)?;
    let awaited = roster.epoch + 1;
    require(
        epoch == awaited && fixed(rows)?.is_none(),
        "members.epoch",
        || {
            format!(
                "the change to epoch {epoch} is not awaited; the guardians are in epoch {} and enough have confirmed, or something else is next",
                roster.epoch
            )
        },
    )?;
    roster.after(&change, now)?;
    let confirmation = Confirmation {
        epoch,
        digest: change_digest(epoch, &change),
    };
    require(
        CONFIRMED.get(rows, guardian)?.as_ref() != Some(&confirmation),
        "members.repeated",
        || "this change was confirmed already; nothing has to be done".into(),
    )?;
    CONFIRMED.put(rows, guardian, &confirmation);
    let mut agreeing = 0;
    for index in roster.indexes() {
        agreeing += usize::from(CONFIRMED.get(rows, index)?.as_ref() == Some(&confirmation));
    }
    if agreeing >= roster.quorum() {
        let effective = now.saturating_add(LEAD_HEIGHTS);
        let mut queue = queued(rows)?;
        // A node that went astray may not have it.
        if let Some(at) = queue.iter().position(|queued| queued.change == change) {
            queue.remove(at);
            QUEUE.put(rows, (), &queue);
        }
        FIXED.put(rows, (), &Fixed { change, effective });
    }
    Ok(())
}

fn change_digest(epoch: u64, change: &Change) -> Hash {
    digest("guardian-circle/v1/membership", &(epoch, change))
}

/// Puts the change in force whose height this is. Says whether there was one.
pub(crate) fn turn(rows: &mut Overlay, height: u64) -> Result<bool, StoreFault> {
    let Some(fixed) = fixed(rows)?.filter(|fixed| fixed.effective <= height) else {
        return Ok(false);
    };
    let before = roster(rows)?;
    FIXED.delete(rows, ());
    let Ok(after) = before.after(&fixed.change, height) else {
        // It was checked with each confirmation, against these very guardians.
        return Err(missing());
    };
    ROSTERS.put(rows, height, &after);
    match &fixed.change {
        Change::Admit { member, .. } => {
            accounts::set_guardian(rows, member, true)?;
            if let Some(index) = after.index_of(&member.key) {
                gate::expect(rows, index)?;
            }
        }
        Change::Remove { key } => {
            if let Some(member) = before
                .index_of(key)
                .and_then(|index| before.get(index).cloned())
            {
                accounts::set_guardian(rows, &member, false)?;
            }
            ceremonies::leave(rows, key)?;
        }
    }
    treasury::guardians_changed(rows)?;
    gate::change_members(rows, &after)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_one_form() {
        let check = |text: &str| {
            check_addresses(&[text.to_owned()])
                .map_or_else(|error| error.code.into_owned(), |()| "ok".into())
        };
        for (text, expected) in [
            ("127.0.0.1:9700", "ok"),
            ("[::1]:9700", "ok"),
            ("127.0.0.1", "members.addresses"),
            ("example.org:9700", "members.addresses"),
            ("[0::1]:9700", "members.addresses"),
            ("127.0.0.1:09700", "members.addresses"),
            ("", "members.addresses"),
        ] {
            assert_eq!(check(text), expected, "{text:?}");
        }
        let many = vec!["127.0.0.1:9700".to_owned(); ADDRESSES_MAX + 1];
        assert!(check_addresses(&many).is_err());
    }
}
