//! What arrived on the chains.

use super::Arguments;
use crate::authority::Authority;
use crate::payouts;
use crate::receipt::Event;
use crate::session::{Session, Stop};
use threescript::value::Value;

/// Runs `treasury.deposit`, the one command of this actor.
pub fn apply(
    session: &mut Session,
    authority: &Authority,
    arguments: &Arguments<'_>,
) -> Result<(), Stop> {
    authority.require_circle()?;
    let account = arguments.account(session, "account")?;
    let (wallet, reference) = (arguments.text("wallet")?, arguments.text("reference")?);
    let (height, amount) = (session.context.height, arguments.amount("amount")?);
    payouts::deposit(
        &mut session.rows,
        height,
        wallet,
        &account.name,
        amount,
        reference,
    )?;
    session.emitted.event(Event::of(
        "treasury",
        "deposited",
        [
            ("wallet", Value::Text(wallet.into())),
            ("account", Value::Account(account.name)),
            ("amount", Value::Amount(amount.clone())),
            ("reference", Value::Text(reference.into())),
        ],
    ));
    Ok(())
}
