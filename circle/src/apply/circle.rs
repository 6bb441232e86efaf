//! Membership, accounts, and what the members say of each other's conclusions.

use super::Arguments;
use crate::accounts;
use crate::authority::Authority;
use crate::gate::{self, Testimony};
use crate::ids::Key;
use crate::membership;
use crate::receipt::Event;
use crate::rejection::Rejection;
use crate::session::{Session, Stop};
use threescript::value::Value;

pub fn apply(
    session: &mut Session,
    authority: &Authority,
    name: &str,
    arguments: &Arguments<'_>,
) -> Result<(), Stop> {
    match name {
        "register" => register(session, authority, arguments),
        "bench" => bench(session, authority, arguments),
        "admit" => admit(session, authority, arguments),
        "remove" => remove(session, authority, arguments),
        "confirm" => confirm(session, authority, arguments),
        "attest" => attest(session, authority, arguments),
        _ => testify(session, authority, arguments),
    }
}

/// By any guardian; being a guardian is given by membership, never by registration.
fn register(
    session: &mut Session,
    authority: &Authority,
    arguments: &Arguments<'_>,
) -> Result<(), Stop> {
    if !matches!(authority, Authority::Circle) {
        authority.member(session.context.members())?;
    }
    let roles = arguments.texts("roles")?;
    if roles.iter().any(|role| role == "guardian") {
        return Err(Rejection::new(
            "account.guardian",
            "guardians are members; an account cannot be registered as one",
        )
        .into());
    }
    let name = arguments.text("name")?;
    let key = Key(arguments.hash("key")?);
    accounts::register(&mut session.rows, name, key, roles.clone())?;
    session.emitted.event(Event::of(
        "circle",
        "registered",
        [
            ("account", Value::Account(name.into())),
            (
                "roles",
                Value::List(roles.into_iter().map(Value::Text).collect()),
            ),
        ],
    ));
    Ok(())
}

fn bench(
    session: &mut Session,
    authority: &Authority,
    arguments: &Arguments<'_>,
) -> Result<(), Stop> {
    authority.require_circle()?;
    let account = arguments.account(session, "guardian")?;
    let members = session.context.members.clone();
    let index = members.index_of(&account.key).ok_or_else(|| {
        Rejection::new("bench.guardian", format!("{} is no guardian", account.name))
    })?;
    Ok(gate::bench(&mut session.rows, &members, index)?)
}

/// Decides that somebody becomes a guardian.
fn admit(
    session: &mut Session,
    authority: &Authority,
    arguments: &Arguments<'_>,
) -> Result<(), Stop> {
    authority.require_circle()?;
    let name = arguments.text("name")?;
    let key = Key(arguments.hash("key")?);
    let height = session.context.height;
    let addresses = arguments.texts("addresses")?;
    membership::admit(&mut session.rows, height, name, key, addresses)?;
    session.emitted.event(Event::of(
        "circle",
        "admitting",
        [
            ("account", Value::Account(name.into())),
            ("key", Value::Bytes(key.0.to_vec())),
        ],
    ));
    Ok(())
}

/// Decides that a guardian is one no longer.
fn remove(
    session: &mut Session,
    authority: &Authority,
    arguments: &Arguments<'_>,
) -> Result<(), Stop> {
    authority.require_circle()?;
    let account = arguments.account(session, "guardian")?;
    let height = session.context.height;
    membership::remove(&mut session.rows, height, account.key)?;
    session.emitted.event(Event::of(
        "circle",
        "removing",
        [("account", Value::Account(account.name))],
    ));
    Ok(())
}

/// A guardian's node says that the decision of a change is certified.
fn confirm(
    session: &mut Session,
    authority: &Authority,
    arguments: &Arguments<'_>,
) -> Result<(), Stop> {
    let guardian = authority.member(session.context.members())?;
    let (height, epoch) = (session.context.height, arguments.number("epoch")?);
    let change = arguments.bytes("change")?;
    Ok(membership::confirm(
        &mut session.rows,
        height,
        guardian,
        epoch,
        change,
    )?)
}

fn attest(
    session: &mut Session,
    authority: &Authority,
    arguments: &Arguments<'_>,
) -> Result<(), Stop> {
    let members = session.context.members.clone();
    let guardian = authority.member(&members)?;
    let key = members.get(guardian).map(|member| member.key);
    let key = key.ok_or_else(|| Rejection::new("authority.guardian", "no such guardian"))?;
    let attested = gate::Attested {
        height: arguments.number("height")?,
        checkpoint: arguments.hash("checkpoint")?,
        signature: arguments.bytes("signature")?,
    };
    Ok(gate::attest(
        &mut session.rows,
        &session.local,
        &members,
        session.context.height,
        guardian,
        &key,
        attested,
    )?)
}

fn testify(
    session: &mut Session,
    authority: &Authority,
    arguments: &Arguments<'_>,
) -> Result<(), Stop> {
    let guardian = authority.member(session.context.members())?;
    let testimony: Vec<Testimony> =
        borsh::from_slice(arguments.bytes("testimony")?).map_err(|error| {
            Rejection::new(
                "testify.malformed",
                format!("this is no testimony: {error}"),
            )
        })?;
    Ok(gate::testify(
        &mut session.rows,
        &session.local,
        guardian,
        &testimony,
    )?)
}
