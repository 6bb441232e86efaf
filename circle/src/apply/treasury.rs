//! What arrived on the chains.

use super::Arguments;
use crate::authority::Authority;
use crate::payouts;
use crate::rejection::Rejection;
use crate::session::{Session, Stop};

pub fn apply(
    session: &mut Session,
    authority: &Authority,
    name: &str,
    arguments: &Arguments<'_>,
) -> Result<(), Stop> {
    if name != "deposit" {
        return Err(Rejection::new(
            "action.unknown",
            format!("the treasury has no action {name}"),
        )
        .into());
    }
    authority.require_circle()?;
    let account = arguments.account(session, "account")?;
    let (wallet, reference) = (arguments.text("wallet")?, arguments.text("reference")?);
    let height = session.context.height;
    Ok(payouts::deposit(
        &mut session.rows,
        height,
        wallet,
        &account.name,
        arguments.amount("amount")?,
        reference,
    )?)
}
