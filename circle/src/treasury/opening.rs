//! The account of a wallet: where somebody made it, and what the guardians have to see before it is the circle's.

use threescript::value::{Amount, Value};
use treasury_protocol::ethereum::{self, Owners};

use super::life::emit;
use super::owners;
use super::payee::Address;
use super::payout::Purpose;
use super::plan::{self, Load, needs_trust};
use super::wallet::{Chain, Scheme, Wallet, known, receive, wallets};
use crate::genesis::Home;
use crate::rejection::{Failure, Rejection, require};
use crate::session::Session;
use crate::state::Overlay;

/// Takes the address of the account that was made for a wallet. The guardians look there whether it belongs to its owners and to
/// nobody else; until they saw that, another one can be named.
pub(crate) fn name_account(rows: &mut Overlay, name: &str, address: &str) -> Result<(), Failure> {
    let mut wallet = known(rows, name)?;
    let waits = matches!(&wallet.scheme, Scheme::Multisig { owners: Some(_) })
        && wallet.next_sequence.is_none();
    require(waits, "wallet.account", || {
        format!(
            "{name} waits for no account: only a wallet that the guardians own with keys of their own does, when each has named its key, until it is open"
        )
    })?;
    let address = Address::parse("stellar", address)?;
    let plain = matches!(&address, Address::Stellar { muxed: None, .. });
    require(plain, "wallet.account", || {
        "an account has an address G…".into()
    })?;
    let taken = wallets(rows)?
        .into_iter()
        .find(|other| other.name != name && other.address.as_ref() == Some(&address));
    if let Some(other) = taken {
        let message = format!("that is the account of the wallet {}", other.name);
        return Err(Rejection::new("wallet.account", message).into());
    }
    wallet.address = Some(address);
    wallet.put(rows);
    Ok(())
}

/// Refuses a report of an account that opens a wallet by being there.
pub(super) fn check_opened(rows: &Overlay, name: &str, sequence: i64) -> Result<(), Failure> {
    let named = waiting(rows, name, sequence)?;
    let by_itself = matches!(named.scheme, Scheme::Group { .. });
    require(by_itself, "observation.owners", || {
        format!("say of {name} whose it is, too")
    })?;
    Ok(())
}

/// Refuses a report of an account that opens a wallet by being its owners'.
pub(super) fn check_owned(
    rows: &Overlay,
    name: &str,
    address: &Address,
    sequence: i64,
    coins: i64,
) -> Result<(), Failure> {
    let named = waiting(rows, name, sequence)?;
    let is_it =
        matches!(named.scheme, Scheme::Multisig { .. }) && named.address.as_ref() == Some(address);
    require(is_it, "observation.account", || {
        format!("{address} is not the account that was named for {name}")
    })?;
    require(coins >= 0, "observation.amount", || {
        "nobody holds less than nothing".into()
    })?;
    Ok(())
}

/// Refuses a report of a Safe that opens a wallet by being its owners'.
pub(super) fn check_linked(
    rows: &Overlay,
    name: &str,
    sequence: i64,
    owners: &[ethereum::Address],
) -> Result<(), Failure> {
    let named = waiting(rows, name, sequence)?;
    let sorted = |owners: &[ethereum::Address]| {
        let mut owners = owners.to_vec();
        owners.sort_unstable();
        owners
    };
    let expected = named.owners().map(|owners| sorted(owners.addresses()));
    require(
        expected.is_some_and(|expected| expected == sorted(owners)),
        "observation.owners",
        || format!("{name} is to belong to others; nobody waits for a Safe of these"),
    )?;
    Ok(())
}

/// A wallet whose account is waited for, which is said to have used `sequence`.
fn waiting(rows: &Overlay, name: &str, sequence: i64) -> Result<Wallet, Failure> {
    let wallet = known(rows, name)?;
    let waits = wallet.address.is_some() && wallet.next_sequence.is_none();
    require(waits, "observation.known", || {
        format!("nobody waits for the account of {name}")
    })?;
    require(
        (-1..i64::MAX).contains(&sequence),
        "observation.sequence",
        || "a sequence number is not negative".into(),
    )?;
    Ok(wallet)
}

/// A wallet has an account on its chain: it has to trust the circle's assets before it can hold them.
pub(super) fn opened(session: &mut Session, name: &str, sequence: i64) -> Result<(), Failure> {
    let mut wallet = known(&session.rows, name)?;
    wallet.next_sequence = Some(plan::following(sequence)?);
    wallet.put(&mut session.rows);
    let address = wallet
        .address
        .as_ref()
        .map_or_else(String::new, ToString::to_string);
    let data = vec![
        ("wallet", Value::Text(name.into())),
        ("address", Value::Text(address)),
    ];
    emit(session, "opened", data);
    let on_stellar = matches!(wallet.chain, Chain::Stellar { .. });
    if on_stellar && needs_trust(&session.context.genesis) {
        let load = Load {
            purpose: Purpose::Trust,
            lines: Vec::new(),
            memo: None,
        };
        plan::begin(session, name, load)?;
    }
    Ok(())
}

/// The account of a wallet is its owners'. What it holds already belongs to nobody else; what came to it before does not count.
pub(super) fn owned(
    session: &mut Session,
    name: &str,
    sequence: i64,
    ledger: u64,
    coins: i64,
) -> Result<(), Failure> {
    let mut wallet = known(&session.rows, name)?;
    wallet.since = ledger;
    wallet.put(&mut session.rows);
    let genesis = session.context.genesis.clone();
    let is_coin = |home: &Home| matches!(home, Home::Stellar { issuer: None });
    let coin = genesis
        .assets
        .iter()
        .find(|(_, asset)| asset.homes.iter().any(is_coin));
    if let Some((code, _)) = coin.filter(|_| coins > 0) {
        let height = session.context.height;
        let amount = Amount::new(coins, code.clone());
        let book = format!("wallet:{name}");
        receive(&mut session.rows, height, name, &book, &amount, "opening")?;
    }
    opened(session, name, sequence)
}

/// The Safe of a wallet is its owners', who are from now on known in its own order.
pub(super) fn linked(
    session: &mut Session,
    name: &str,
    sequence: i64,
    order: &[ethereum::Address],
) -> Result<(), Failure> {
    let mut wallet = known(&session.rows, name)?;
    if let Scheme::Safe {
        owners: Some(owners),
    } = &mut wallet.scheme
    {
        let linked = Owners::new(order.to_vec(), owners.threshold());
        *owners = linked.map_err(owners::refused)?;
    }
    wallet.put(&mut session.rows);
    opened(session, name, sequence)
}
