//! Stopping a wallet: by a guardian who sees something wrong, or by all because chain and books differ.

use borsh::{BorshDeserialize, BorshSerialize};
use threescript::value::{Amount, AssetCode, Value};

use super::life::{check_all, emit};
use super::wallet::known;
use crate::rejection::{Failure, require};
use crate::session::Session;
use crate::state::{KeyValue, StoreFault};
use crate::table::Table;

/// By how much a wallet differed from its books when that was last seen.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Difference {
    /// What was on the chain.
    pub on_chain: Amount,
    /// What the books said.
    pub in_books: Amount,
    /// The height at which a quorum had seen it.
    pub height: u64,
}

const DIFFERENCES: Table<Difference> = Table::new(b"k3d", "a difference");

/// Why chain and books of a wallet differ, if that is why it is paused.
pub fn difference(
    rows: &(impl KeyValue + ?Sized),
    wallet: &str,
) -> Result<Option<Difference>, StoreFault> {
    DIFFERENCES.get(rows, wallet)
}

/// Stops the payouts of a wallet. What is signed already cannot be stopped here.
pub(crate) fn pause(session: &mut Session, name: &str, reason: &str) -> Result<(), Failure> {
    let mut wallet = known(&session.rows, name)?;
    require((1..=200).contains(&reason.len()), "pause.reason", || {
        "say in 1 to 200 bytes why".into()
    })?;
    require(wallet.paused.is_none(), "pause.known", || {
        format!("{name} is paused already")
    })?;
    wallet.paused = Some(reason.into());
    wallet.put(&mut session.rows);
    let data = vec![
        ("wallet", Value::Text(name.into())),
        ("reason", Value::Text(reason.into())),
    ];
    emit(session, "paused", data);
    Ok(())
}

/// Lets a wallet pay again.
pub(crate) fn resume(session: &mut Session, name: &str) -> Result<(), Failure> {
    let mut wallet = known(&session.rows, name)?;
    require(wallet.paused.is_some(), "pause.unknown", || {
        format!("{name} is not paused")
    })?;
    wallet.paused = None;
    wallet.put(&mut session.rows);
    DIFFERENCES.delete(&mut session.rows, name);
    check_all(&mut session.rows, name)?;
    emit(
        session,
        "resumed",
        vec![("wallet", Value::Text(name.into()))],
    );
    Ok(())
}

/// Chain and books of a wallet differ: a quorum saw so, and nothing is paid until people found out why.
pub(super) fn differ(
    session: &mut Session,
    name: &str,
    asset: &AssetCode,
    on_chain: i64,
    in_books: i64,
) -> Result<(), Failure> {
    let difference = Difference {
        on_chain: Amount::new(on_chain, asset.clone()),
        in_books: Amount::new(in_books, asset.clone()),
        height: session.context.height,
    };
    DIFFERENCES.put(&mut session.rows, name, &difference);
    let amount = |units: i64| {
        let amount = Amount::new(units, asset.clone());
        let text = session.context.assets.render_amount(&amount);
        text.unwrap_or_else(|_| format!("{units} units of {asset}"))
    };
    let reason = format!(
        "{} on the chain, {} in the books",
        amount(on_chain),
        amount(in_books)
    );
    pause(session, name, &reason)
}
