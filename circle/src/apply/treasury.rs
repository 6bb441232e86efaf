//! Wallets and what their chains show.

use threescript::value::Value;
use treasury_protocol::ethereum::Contracts;

use super::Arguments;
use crate::authority::Authority;
use crate::receipt::Event;
use crate::rejection::{Rejection, require};
use crate::session::{Session, Stop};
use crate::treasury;

pub fn apply(
    session: &mut Session,
    authority: &Authority,
    name: &str,
    arguments: &Arguments<'_>,
) -> Result<(), Stop> {
    match name {
        "deposit" => return deposit(session, authority, arguments),
        "observe" => {
            let guardian = authority.member(session.context.members())?;
            treasury::observe(session, guardian, arguments.bytes("observations")?)?;
        }
        "own" => {
            let guardian = authority.member(session.context.members())?;
            let (key, signature) = (arguments.bytes("key")?, arguments.bytes("signature")?);
            treasury::own(session, guardian, key, signature)?;
        }
        // Whose it is, the guardians see on the chain.
        "account" => {
            if !authority.is_circle() {
                authority.member(session.context.members())?;
            }
            let (wallet, address) = (arguments.text("wallet")?, arguments.text("address")?);
            treasury::name_account(&mut session.rows, wallet, address)?;
        }
        "sign" => {
            let guardian = authority.member(session.context.members())?;
            treasury::sign(session, guardian, arguments.bytes("signatures")?)?;
        }
        "pays_from" => {
            let circle = session.context.genesis.circle;
            let name = authority.name().to_owned();
            require(
                !authority.is_circle() || name != "circle",
                "payer.circle",
                || "an account says this of itself".into(),
            )?;
            let signature = arguments.bytes("signature")?;
            treasury::pays_from(&mut session.rows, circle, &name, signature)?;
        }
        "confirm" => treasury::confirm(
            session,
            authority,
            arguments.id("payout")?,
            &arguments.hash("transaction")?,
        )?,
        "confirmer" => {
            let (guardian, account) = (
                arguments.account(session, "guardian")?,
                arguments.account(session, "account")?,
            );
            treasury::name_confirmer(session, authority, &guardian.name, &account.name)?;
        }
        "receive_at" => {
            let account = arguments.account(session, "account")?;
            if authority.name() != account.name {
                authority.require_circle()?;
            }
            treasury::receive_at(
                &mut session.rows,
                &account.name,
                arguments.text("chain")?,
                arguments.text("address")?,
                arguments.text("memo")?,
            )?;
        }
        // Stopping is for everybody who sees something wrong, going on is not.
        "pause" => {
            if !authority.is_circle() {
                authority.member(session.context.members())?;
            }
            treasury::pause(
                session,
                arguments.text("wallet")?,
                arguments.text("reason")?,
            )?;
        }
        _ => {
            authority.require_circle()?;
            by_circle(session, name, arguments)?;
        }
    }
    Ok(())
}

fn by_circle(session: &mut Session, name: &str, arguments: &Arguments<'_>) -> Result<(), Stop> {
    match name {
        "safe" => treasury::open_safe(
            session,
            arguments.text("wallet")?,
            arguments.number("chain_id")?,
            contracts(arguments.bytes("contracts")?)?,
            threshold(arguments)?,
            arguments.text("address")?,
            arguments.number("from_block")?,
        )?,
        "multisig" => treasury::open_multisig(
            session,
            arguments.text("wallet")?,
            arguments.text("network")?,
            threshold(arguments)?,
        )?,
        "rotate" => treasury::rotate(session, arguments.text("wallet")?, threshold(arguments)?)?,
        "checks" => treasury::set_checks(
            session,
            arguments.text("wallet")?,
            arguments.amounts("from")?,
            arguments.number("confirmations")?,
        )?,
        "resume" => treasury::resume(session, arguments.text("wallet")?)?,
        "retry" => treasury::retry(session, arguments.id("payout")?)?,
        "cancel" => treasury::cancel(session, arguments.id("payout")?)?,
        _ => {
            let message = format!("the treasury has no action {name}");
            return Err(Rejection::new("action.unknown", message).into());
        }
    }
    Ok(())
}

/// How many guardians have to sign.
fn threshold(arguments: &Arguments<'_>) -> Result<u32, Rejection> {
    u32::try_from(arguments.number("threshold")?)
        .map_err(|_| Rejection::new("wallet.threshold", "the threshold is too large"))
}

/// The contracts of a Safe; without any, those that are at the same addresses on public chains.
fn contracts(bytes: &[u8]) -> Result<Contracts, Rejection> {
    if bytes.is_empty() {
        return Ok(Contracts::CANONICAL);
    }
    borsh::from_slice(bytes).map_err(|error| {
        let message = format!("these are no contracts of a Safe: {error}");
        Rejection::new("wallet.contracts", message)
    })
}

fn deposit(
    session: &mut Session,
    authority: &Authority,
    arguments: &Arguments<'_>,
) -> Result<(), Stop> {
    authority.require_circle()?;
    let account = arguments.account(session, "account")?;
    let (wallet, reference) = (arguments.text("wallet")?, arguments.text("reference")?);
    let (height, amount) = (session.context.height, arguments.amount("amount")?);
    treasury::deposit(
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
