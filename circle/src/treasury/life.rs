//! The life of a payout after its plan: released, signed, and what its chain made of it.

use threescript::value::Value;
use treasury_protocol::stellar::Operation;

use super::confirmation::confirmations;
use super::payout::{
    Claimable, Payout, PayoutState, Proof, Purpose, Transaction, changes, claimable, end_claimable,
    existing, lines_value, open, payout, put_claimable,
};
use super::plan::{self, Load, effect, following, make, must_claim, wallet_of};
use super::rotation;
use super::wallet::{Wallet, arrive, leave};
use crate::ceremonies;
use crate::ledger;
use crate::outbox;
use crate::receipt::Event;
use crate::rejection::{Failure, Rejection, require};
use crate::session::Session;
use crate::state::{KeyValue, Overlay, StoreFault};

/// Moves payouts whose plan became unanimous on.
pub(crate) fn release(session: &mut Session) -> Result<(), StoreFault> {
    for entry in outbox::release(&mut session.rows, session.context.height)? {
        let Value::Map(data) = &entry.effect.data else {
            continue;
        };
        let Some(Value::Id(id)) = data.get("payout") else {
            continue;
        };
        let Some(mut payout) = payout(&session.rows, *id)? else {
            continue;
        };
        // An effect that a policy wrote by itself cannot start a payout that was not planned, or start one twice.
        let planned = payout.state == PayoutState::Planned && payout.height == entry.height;
        if !planned || effect(&payout) != entry.effect {
            continue;
        }
        payout.state = PayoutState::Checking;
        payout.put(&mut session.rows);
        check(&mut session.rows, payout)?;
    }
    Ok(())
}

/// Lets the guardians sign a unanimous payout if nothing is in its way.
pub(super) fn check(rows: &mut Overlay, mut payout: Payout) -> Result<(), StoreFault> {
    let wallet = wallet_of(rows, &payout)?;
    let confirmed = confirmations(rows, payout.id)?.len() >= payout.confirmations as usize;
    let may = payout.state == PayoutState::Checking && confirmed && wallet.paused.is_none();
    if !may || behind(rows, &payout)?.is_some() {
        return Ok(());
    }
    let ceremony = wallet.scheme.ceremony();
    payout.state = PayoutState::Signing;
    payout.signers = Some(wallet.scheme);
    payout.put(rows);
    match ceremony {
        Some(ceremony) => ceremonies::begin_signing(rows, ceremony, &payout),
        None => Ok(()),
    }
}

/// The change of signers that a payout is planned behind: its signers are those of after it.
pub fn behind(rows: &(impl KeyValue + ?Sized), payout: &Payout) -> Result<Option<u64>, StoreFault> {
    let sequence = payout.transaction.sequence();
    let before = changes(rows, &payout.wallet)?.into_iter().find(|change| {
        matches!(change.purpose, Purpose::Signers(_)) && change.transaction.sequence() < sequence
    });
    Ok(before.map(|change| change.id))
}

/// Lets the payouts of a wallet go on that waited.
pub(super) fn check_all(rows: &mut Overlay, wallet: &str) -> Result<(), StoreFault> {
    for payout in open(rows)? {
        if payout.wallet == wallet {
            check(rows, payout)?;
        }
    }
    Ok(())
}

/// Keeps the group's signature.
pub(crate) fn signed(
    rows: &mut Overlay,
    id: u64,
    key: [u8; 32],
    signature: [u8; 64],
) -> Result<(), StoreFault> {
    let mut payout = existing(rows, id)?;
    payout.state = PayoutState::Signed;
    payout.proof = Some(Proof::Group { key, signature });
    payout.put(rows);
    Ok(())
}

/// What a chain says of a transaction that is in one of its ledgers.
#[derive(Clone, Copy)]
pub(super) struct Inclusion {
    pub ledger: u64,
    pub succeeded: bool,
    pub fee: i64,
}

/// The chain took a payout.
pub(super) fn included(session: &mut Session, id: u64, seen: Inclusion) -> Result<(), Failure> {
    let mut payout = existing(&session.rows, id)?;
    let rows = &mut session.rows;
    let mut wallet = wallet_of(rows, &payout)?;
    wallet.fees = wallet.fees.saturating_add(seen.fee);
    wallet.put(rows);
    payout.ledger = Some(seen.ledger);
    ceremonies::end_signing(rows, id)?;
    // The chain took this one, so nothing else with its sequence number can ever be taken.
    set_aside(rows, &payout)?;
    if seen.succeeded {
        payout.state = PayoutState::Settled;
        settle(rows, &payout)?;
    } else {
        payout.state = PayoutState::Failed;
        give_back(rows, &payout)?;
    }
    payout.replaced_by = None;
    payout.put(rows);
    let mut data = vec![
        ("payout", Value::Id(id)),
        ("wallet", Value::Text(payout.wallet.clone())),
        (
            "ledger",
            Value::Int(i64::try_from(seen.ledger).unwrap_or(i64::MAX)),
        ),
    ];
    if payout.purpose == Purpose::Pay {
        data.push(("lines", lines_value(&payout.lines)));
    }
    emit(session, payout.state.name(), data);
    if seen.succeeded {
        rotation::changed(session, &payout)?;
    } else if would_differ(&session.rows, &payout)? {
        // What failed only because somebody cannot receive is planned again, as what can be claimed.
        again(session, &mut payout)?;
    }
    Ok(check_all(&mut session.rows, &payout.wallet)?)
}

/// Books what left the wallet, or came back to it.
fn settle(rows: &mut Overlay, payout: &Payout) -> Result<(), Failure> {
    match &payout.purpose {
        Purpose::Pay => {
            for (position, line) in payout.lines.iter().enumerate() {
                leave(rows, &payout.wallet, &payout.book(), &line.amount)?;
                let Transaction::Stellar { batch, .. } = &payout.transaction else {
                    continue;
                };
                let Some(Operation::CreateClaimable {
                    reclaim_after_s, ..
                }) = batch.operations.get(position)
                else {
                    continue;
                };
                let balance = batch
                    .claimable_id(position)
                    .map_err(|error| Rejection::new(error.code(), error.to_string()))?;
                put_claimable(
                    rows,
                    &Claimable {
                        payout: payout.id,
                        line: position as u32,
                        balance,
                        reclaim_after_s: *reclaim_after_s,
                        reclaiming: false,
                    },
                );
            }
        }
        Purpose::Reclaim(parts) => {
            for (paid, position) in parts {
                let line = existing(rows, *paid)?
                    .lines
                    .get(*position as usize)
                    .cloned();
                if let Some(line) = line {
                    let payable = format!("payable:{}", line.account);
                    arrive(rows, &payout.wallet, &payable, &line.amount)?;
                }
                end_claimable(rows, *paid, *position);
            }
        }
        Purpose::Trust | Purpose::Cancel(_) | Purpose::Signers(_) | Purpose::Retire(_) => {}
    }
    Ok(())
}

/// What was to be paid is payable again.
fn give_back(rows: &mut Overlay, payout: &Payout) -> Result<(), Failure> {
    match &payout.purpose {
        Purpose::Pay => {
            for line in &payout.lines {
                let payable = format!("payable:{}", line.account);
                ledger::transfer(rows, &payout.book(), &payable, &line.amount)?;
            }
        }
        Purpose::Reclaim(parts) => {
            for (paid, position) in parts {
                if let Some(mut part) = claimable(rows, *paid, *position)? {
                    part.reclaiming = false;
                    put_claimable(rows, &part);
                }
            }
        }
        Purpose::Trust | Purpose::Cancel(_) | Purpose::Signers(_) | Purpose::Retire(_) => {}
    }
    Ok(())
}

/// Ends what shares the sequence number of a payout that the chain took. The lines are the same, so no money moves, except
/// for what a cancellation would have given back.
fn set_aside(rows: &mut Overlay, taken: &Payout) -> Result<(), Failure> {
    for mut other in open(rows)? {
        if !other.is_rival(taken) {
            continue;
        }
        ceremonies::end_signing(rows, other.id)?;
        other.state = match taken.purpose {
            // It was taken back in time.
            Purpose::Cancel(cancelled) if cancelled == other.id => {
                give_back(rows, &other)?;
                PayoutState::Cancelled
            }
            _ => PayoutState::Lost,
        };
        other.put(rows);
    }
    Ok(())
}

/// The chain can never take a payout: another one with the same lines is planned in its place, which waits for unanimity and
/// signatures of its own. `passed_by`: a number that is used up by now, if another transaction used up the payout's.
///
/// If the chain is further than that, the new payout is passed as well, and so on: each round takes one number, nobody has to agree on how
/// far a chain is that goes on meanwhile, and no number is left out, for which all later payouts would wait.
pub(super) fn lost(session: &mut Session, id: u64, passed_by: Option<i64>) -> Result<(), Failure> {
    let mut old = existing(&session.rows, id)?;
    let mut wallet = wallet_of(&session.rows, &old)?;
    ceremonies::end_signing(&mut session.rows, id)?;
    if let Some(passed) = passed_by {
        let next = wallet.next_sequence.unwrap_or(0).max(following(passed)?);
        wallet.next_sequence = Some(next);
        wallet.put(&mut session.rows);
    }
    // Another one stands in its place already, or takes it back.
    if old.state == PayoutState::Replaced {
        let successor = match old.replaced_by {
            Some(successor) => payout(&session.rows, successor)?,
            None => None,
        };
        let cancelled = successor.is_some_and(|successor| successor.purpose == Purpose::Cancel(id));
        if cancelled {
            give_back(&mut session.rows, &old)?;
            old.state = PayoutState::Cancelled;
        } else {
            old.state = PayoutState::Lost;
        }
        old.put(&mut session.rows);
        return Ok(check_all(&mut session.rows, &wallet.name)?);
    }
    old.state = PayoutState::Lost;
    // It was to use up its number, and the number is used up.
    if matches!(old.purpose, Purpose::Cancel(_)) && passed_by.is_some() {
        old.put(&mut session.rows);
        return Ok(check_all(&mut session.rows, &wallet.name)?);
    }
    let sequence = match passed_by {
        // Nobody used the number, and the payouts after it wait for it.
        None => old.transaction.sequence(),
        Some(_) => {
            let next = wallet.next_sequence.unwrap_or(1);
            wallet.next_sequence = Some(following(next)?);
            wallet.put(&mut session.rows);
            next
        }
    };
    let new = replace(session, &wallet, &mut old, sequence)?;
    let data = vec![
        ("payout", Value::Id(id)),
        ("wallet", Value::Text(wallet.name.clone())),
        ("replaced_by", Value::Id(new)),
    ];
    emit(session, "lost", data);
    Ok(check_all(&mut session.rows, &wallet.name)?)
}

/// A payee turned out not to be able to receive: payouts that would fail because of that are planned anew with the same
/// sequence numbers, while nobody has all signatures of them.
pub(super) fn reconsider(session: &mut Session) -> Result<(), Failure> {
    for mut old in open(&session.rows)? {
        let early = matches!(
            old.state,
            PayoutState::Planned | PayoutState::Checking | PayoutState::Signing
        );
        if !early || !would_differ(&session.rows, &old)? {
            continue;
        }
        let wallet = wallet_of(&session.rows, &old)?;
        ceremonies::end_signing(&mut session.rows, old.id)?;
        // Whoever has shares of it may still complete them; before, nobody can.
        old.state = match old.state {
            PayoutState::Signing => PayoutState::Replaced,
            _ => PayoutState::Lost,
        };
        let sequence = old.transaction.sequence();
        replace(session, &wallet, &mut old, sequence)?;
    }
    Ok(())
}

fn would_differ(rows: &Overlay, payout: &Payout) -> Result<bool, StoreFault> {
    let wallet = wallet_of(rows, payout)?;
    for line in &payout.lines {
        if must_claim(rows, &wallet, &line.to, &line.amount.asset)? && !line.claimable {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Plans the load of a payout once more; the old one is kept as what it became.
fn replace(
    session: &mut Session,
    wallet: &Wallet,
    old: &mut Payout,
    sequence: i64,
) -> Result<u64, Failure> {
    let load = load_of(session, wallet, old)?;
    // Without its claim on the open ones, so that the new one gets a number of its own.
    old.put(&mut session.rows);
    let mut new = make(session, wallet, load, sequence)?;
    new.replaces = Some(old.id);
    new.put(&mut session.rows);
    old.replaced_by = Some(new.id);
    old.put(&mut session.rows);
    session.emitted.effects.push(effect(&new));
    Ok(new.id)
}

/// What a payout carried, with what is known of its payees now.
fn load_of(session: &Session, wallet: &Wallet, old: &Payout) -> Result<Load, StoreFault> {
    let memo = match &old.transaction {
        Transaction::Stellar { batch, .. } => batch.memo.clone(),
        Transaction::Safe(_) => None,
    };
    let mut lines = old.lines.clone();
    for line in &mut lines {
        line.claimable = must_claim(&session.rows, wallet, &line.to, &line.amount.asset)?;
    }
    Ok(Load {
        purpose: old.purpose.clone(),
        lines,
        memo,
    })
}

/// Plans what failed on its chain once more, by decision of the circle.
pub(crate) fn retry(session: &mut Session, id: u64) -> Result<(), Failure> {
    let mut old = known(&session.rows, id)?;
    let may = old.state == PayoutState::Failed && old.replaced_by.is_none();
    require(may, "payout.state", || {
        let state = match old.replaced_by {
            None => old.state.name().to_owned(),
            Some(new) => format!("replaced by payout {new}"),
        };
        format!("payout {id} is {state}; only one that failed is planned again, once")
    })?;
    require(
        !matches!(old.purpose, Purpose::Signers(_)),
        "payout.signers",
        || {
            format!(
                "payout {id} would have given {} to signers of then; begin anew with treasury.rotate",
                old.wallet
            )
        },
    )?;
    again(session, &mut old)
}

/// Plans what failed on its chain once more, with a sequence number of its own.
fn again(session: &mut Session, old: &mut Payout) -> Result<(), Failure> {
    let wallet = wallet_of(&session.rows, old)?;
    for line in &old.lines {
        let payable = format!("payable:{}", line.account);
        ledger::transfer(&mut session.rows, &payable, &old.book(), &line.amount)?;
    }
    let load = load_of(session, &wallet, old)?;
    let id = plan::begin(session, &wallet.name, load)?;
    let mut new = existing(&session.rows, id)?;
    new.replaces = Some(old.id);
    new.put(&mut session.rows);
    // The effect in the outbox has to say the same.
    session.emitted.effects.pop();
    session.emitted.effects.push(effect(&new));
    old.replaced_by = Some(id);
    old.put(&mut session.rows);
    Ok(())
}

/// Takes a payout back. Before anybody could sign it, that is done at once; later, its sequence number is used up by a
/// transaction that does nothing, and the chain decides which of the two it takes.
pub(crate) fn cancel(session: &mut Session, id: u64) -> Result<(), Failure> {
    let mut old = known(&session.rows, id)?;
    let may = !old.state.is_final() && old.state != PayoutState::Replaced;
    let no_op = matches!(old.purpose, Purpose::Cancel(_));
    require(may && !no_op, "payout.state", || {
        format!(
            "payout {id} is {}{}; nothing of it can be taken back",
            old.state.name(),
            if no_op {
                " and takes back another one"
            } else {
                ""
            }
        )
    })?;
    require(
        !matches!(old.purpose, Purpose::Retire(_)),
        "payout.signers",
        || format!("the old key of {} has to lose its say", old.wallet),
    )?;
    let wallet = wallet_of(&session.rows, &old)?;
    if old.state.is_out() {
        old.state = PayoutState::Replaced;
        ceremonies::end_signing(&mut session.rows, id)?;
    } else {
        old.state = PayoutState::Cancelled;
        give_back(&mut session.rows, &old)?;
    }
    old.put(&mut session.rows);
    let load = Load {
        purpose: Purpose::Cancel(id),
        lines: Vec::new(),
        memo: None,
    };
    let mut new = make(session, &wallet, load, old.transaction.sequence())?;
    new.replaces = Some(id);
    new.put(&mut session.rows);
    session.emitted.effects.push(effect(&new));
    old.replaced_by = Some(new.id);
    old.put(&mut session.rows);
    let data = vec![
        ("payout", Value::Id(id)),
        ("wallet", Value::Text(wallet.name)),
        ("by", Value::Id(new.id)),
    ];
    emit(session, "cancelled", data);
    Ok(check_all(&mut session.rows, &new.wallet)?)
}

pub(super) fn known(rows: &Overlay, id: u64) -> Result<Payout, Failure> {
    let unknown = || Rejection::new("payout.unknown", format!("there is no payout {id}"));
    Ok(payout(rows, id)?.ok_or_else(unknown)?)
}

/// Lets the treasury make something known.
pub(super) fn emit(session: &mut Session, name: &str, data: Vec<(&str, Value)>) {
    let data = data.into_iter();
    session.emitted.event(Event {
        actor: "treasury".into(),
        name: name.into(),
        data: Value::Map(data.map(|(key, value)| (key.to_owned(), value)).collect()),
    });
}
