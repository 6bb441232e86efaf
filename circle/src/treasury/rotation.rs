//! Other signers for a wallet: when the guardians change, and when the circle wants another key.
//!
//! ```text
//! group key   ceremony of the guardians ─▶ the old key gives the new one a say ─▶ the new key takes the old one's say away
//! owners      every guardian named its key ─▶ the owners of before give the Safe, or the account, to those of now
//! ```
//! What is planned behind a change waits for it and is signed by the new signers. So nothing loses its say before what comes
//! after it has shown that it signs, and no payout needs a signature that its chain does not count any more.

use threescript::value::Value;
use treasury_protocol::stellar::multisig;

use super::life::emit;
use super::owners;
use super::payee::Address;
use super::payout::{Payout, Purpose, changes};
use super::plan::{self, Load};
use super::wallet::{Scheme, Wallet, check_threshold, known, wallets};
use crate::ceremonies;
use crate::ids::Key;
use crate::rejection::{Failure, Rejection, require};
use crate::session::Session;
use crate::state::{KeyValue, Overlay, StoreFault};
use crate::table::Table;

// wallet: until a change that gives it to the guardians of now has begun, or none is needed
const FOLLOWS: Table<()> = Table::new(b"k3f", "a wallet that follows the guardians");

/// Whether a wallet is to be given to the guardians of now, and a change of its signers has not begun yet.
pub fn follows(rows: &(impl KeyValue + ?Sized), wallet: &str) -> Result<bool, StoreFault> {
    FOLLOWS.has(rows, wallet)
}

/// Guardians came or went: every wallet is to be signed for by those who are guardians now.
pub(crate) fn guardians_changed(rows: &mut Overlay) -> Result<(), StoreFault> {
    for wallet in wallets(rows)? {
        FOLLOWS.put(rows, &wallet.name, &());
    }
    Ok(())
}

/// The wallets that begin to follow the guardians in this block. Those that need no change are done with.
pub(crate) fn due(session: &mut Session) -> Result<Vec<String>, StoreFault> {
    let mut due = Vec::new();
    if FOLLOWS.all(&session.rows, ())?.is_empty() {
        return Ok(due);
    }
    for wallet in wallets(&session.rows)? {
        if !follows(&session.rows, &wallet.name)? || obstacle(session, &wallet)?.is_some() {
            continue;
        }
        FOLLOWS.delete(&mut session.rows, &wallet.name);
        if !is_of_guardians(session, &wallet)? {
            due.push(wallet.name);
        }
    }
    Ok(due)
}

/// Begins to give a wallet to the guardians of now.
pub(crate) fn follow(session: &mut Session, name: &str) -> Result<(), Failure> {
    let wallet = known(&session.rows, name)?;
    begin(session, wallet)
}

/// Gives a wallet other signers by decision of the circle: a new key, or `threshold` of the owners; 0 for their quorum. A
/// ceremony for a new key that goes on is given up.
pub(crate) fn rotate(session: &mut Session, name: &str, threshold: u32) -> Result<(), Failure> {
    let mut wallet = known(&session.rows, name)?;
    check_threshold(session.context.members(), threshold)?;
    wallet.threshold = threshold;
    if let Some(obstacle) = obstacle(session, &wallet)? {
        return Err(obstacle.into());
    }
    let needless = wallet.ceremony().is_none() && is_of_guardians(session, &wallet)?;
    require(!needless, "wallet.signers", || {
        format!("{name} belongs to the guardians of now and asks for that many signatures already")
    })?;
    wallet.put(&mut session.rows);
    FOLLOWS.delete(&mut session.rows, name);
    begin(session, wallet)
}

/// Why a change of a wallet's signers cannot begin now, if so.
fn obstacle(session: &Session, wallet: &Wallet) -> Result<Option<Rejection>, StoreFault> {
    let name = &wallet.name;
    if let Some(change) = changes(&session.rows, name)?.first() {
        let message = format!(
            "payout {} changes who signs for {name} already; wait until it ends, or take it back",
            change.id
        );
        return Ok(Some(Rejection::new("wallet.changing", message)));
    }
    if wallet.address.is_some() && wallet.next_sequence.is_none() {
        return Ok(Some(plan::unopened(wallet)));
    }
    let named = match wallet.scheme {
        Scheme::Group { .. } => true,
        Scheme::Safe { .. } => owners::of_guardians(session)?.is_some(),
        Scheme::Multisig { .. } => {
            let count = session.context.members().count();
            if count > multisig::MAX_OWNERS {
                let message = format!(
                    "{count} guardians are too many to own {name}, which takes {}",
                    multisig::MAX_OWNERS
                );
                return Ok(Some(Rejection::new("wallet.owners", message)));
            }
            owners::keys_of_guardians(session)?.is_some()
        }
    };
    if !named {
        let message = format!("not every guardian has named its key for {name} yet");
        return Ok(Some(Rejection::new("wallet.owners", message)));
    }
    Ok(None)
}

/// Whether the guardians of now, and as many of them as there should be, sign for a wallet.
fn is_of_guardians(session: &Session, wallet: &Wallet) -> Result<bool, StoreFault> {
    let members = session.context.members();
    let needed = wallet.needed(members);
    match &wallet.scheme {
        Scheme::Group { ceremony } => {
            let ceremony = wallet.next_ceremony.unwrap_or(*ceremony);
            let threshold = ceremonies::threshold(&session.rows, ceremony)?;
            let participants = ceremonies::participants(&session.rows, ceremony)?;
            Ok(threshold.map(u32::from) == Some(needed)
                && participants.into_iter().eq(members.indexes()))
        }
        Scheme::Safe { owners: None } | Scheme::Multisig { owners: None } => Ok(false),
        Scheme::Multisig {
            owners: Some(owners),
        } => {
            let wanted = owners::multisig_of_guardians(session, wallet)?;
            Ok(wanted.is_some_and(|wanted| wanted.is_same(owners)))
        }
        Scheme::Safe {
            owners: Some(owners),
        } => {
            let wanted = owners::of_guardians(session)?.unwrap_or_default();
            Ok(owners.threshold() == needed
                && owners.addresses().len() == wanted.len()
                && wanted.iter().all(|owner| owners.contains(*owner)))
        }
    }
}

fn begin(session: &mut Session, wallet: Wallet) -> Result<(), Failure> {
    match &wallet.scheme {
        Scheme::Group { .. } => begin_ceremony(session, wallet),
        Scheme::Safe { owners: None } | Scheme::Multisig { owners: None } => {
            owners::settle(session)
        }
        Scheme::Multisig { owners: Some(_) } => {
            let after = owners::multisig_of_guardians(session, &wallet)?
                .ok_or_else(|| plan::no_key(&wallet.name))?;
            let scheme = Scheme::Multisig {
                owners: Some(after),
            };
            if wallet.next_sequence.is_some() {
                return plan_change(session, &wallet.name, Purpose::Signers(scheme));
            }
            // Nobody has made its account yet.
            let mut wallet = wallet;
            wallet.scheme = scheme;
            wallet.put(&mut session.rows);
            Ok(())
        }
        Scheme::Safe {
            owners: Some(owners),
        } => {
            let (Some(Address::Ethereum(safe)), Some(wanted)) =
                (&wallet.address, owners::of_guardians(session)?)
            else {
                return Err(plan::no_key(&wallet.name).into());
            };
            let mut owners = owners.clone();
            let needed = wallet.needed(session.context.members());
            owners
                .become_these(*safe, &wanted, needed)
                .map_err(owners::refused)?;
            let after = Scheme::Safe {
                owners: Some(owners),
            };
            plan_change(session, &wallet.name, Purpose::Signers(after))
        }
    }
}

/// Begins the ceremony that makes the next key of a wallet, or another first one if the first was not finished.
fn begin_ceremony(session: &mut Session, mut wallet: Wallet) -> Result<(), Failure> {
    let circle = session.context.genesis.circle;
    let members = session.context.members.clone();
    let is_first = wallet.address.is_none();
    let superseded = match is_first {
        true => wallet.ceremony(),
        false => wallet.next_ceremony,
    };
    if let Some(superseded) = superseded {
        ceremonies::supersede(&mut session.rows, superseded)?;
    }
    let threshold = wallet.needed(&members) as u16;
    let ceremony = ceremonies::begin_keygen(&mut session.rows, circle, &members, threshold)?;
    match is_first {
        true => wallet.scheme = Scheme::Group { ceremony },
        false => wallet.next_ceremony = Some(ceremony),
    }
    wallet.put(&mut session.rows);
    let data = vec![
        ("wallet", Value::Text(wallet.name)),
        ("ceremony", Value::Id(ceremony)),
    ];
    emit(session, "renewing", data);
    Ok(())
}

/// A ceremony made a key. It is the address of a wallet that had none; otherwise the old key gives it a say.
pub(crate) fn key_made(session: &mut Session, ceremony: u64, key: Key) -> Result<(), Failure> {
    for mut wallet in wallets(&session.rows)? {
        if wallet.ceremony() == Some(ceremony) && wallet.address.is_none() {
            wallet.address = Some(Address::Stellar { key, muxed: None });
            wallet.put(&mut session.rows);
        } else if wallet.next_ceremony == Some(ceremony) {
            wallet.next_ceremony = None;
            wallet.put(&mut session.rows);
            let next = Scheme::Group { ceremony };
            plan_change(session, &wallet.name, Purpose::Signers(next))?;
        }
    }
    Ok(())
}

/// A ceremony failed. The key that a wallet has stays in force.
pub(crate) fn key_failed(session: &mut Session, ceremony: u64) -> Result<(), StoreFault> {
    for mut wallet in wallets(&session.rows)? {
        if wallet.next_ceremony == Some(ceremony) {
            wallet.next_ceremony = None;
            wallet.put(&mut session.rows);
            let data = vec![
                ("wallet", Value::Text(wallet.name)),
                ("ceremony", Value::Id(ceremony)),
            ];
            emit(session, "not_renewed", data);
        }
    }
    Ok(())
}

/// A chain took what gives a wallet to its new signers. A key that they shared before is left with nothing to say.
pub(super) fn changed(session: &mut Session, payout: &Payout) -> Result<(), Failure> {
    let Purpose::Signers(after) = &payout.purpose else {
        return Ok(());
    };
    let mut wallet = known(&session.rows, &payout.wallet)?;
    let before = wallet.ceremony();
    wallet.scheme = after.clone();
    wallet.put(&mut session.rows);
    let data = vec![
        ("wallet", Value::Text(wallet.name.clone())),
        ("payout", Value::Id(payout.id)),
    ];
    emit(session, "signers", data);
    match before {
        Some(old) => plan_change(session, &wallet.name, Purpose::Retire(old)),
        None => Ok(()),
    }
}

fn plan_change(session: &mut Session, wallet: &str, purpose: Purpose) -> Result<(), Failure> {
    let load = Load {
        purpose,
        lines: Vec::new(),
        memo: None,
    };
    plan::begin(session, wallet, load)?;
    Ok(())
}
