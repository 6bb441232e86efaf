//! Policies are installed by anyone of the guardians; the circle activates them and sets their params.

use super::Arguments;
use crate::authority::Authority;
use crate::policies;
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
        "install" => install(session, authority, arguments),
        "activate" => activate(session, authority, arguments),
        _ => set(session, authority, arguments),
    }
}

fn install(
    session: &mut Session,
    authority: &Authority,
    arguments: &Arguments<'_>,
) -> Result<(), Stop> {
    if !matches!(authority, Authority::Circle) {
        authority.member(session.context.members())?;
    }
    let source = std::str::from_utf8(arguments.bytes("source")?).map_err(|error| {
        Rejection::new(
            "policy.encoding",
            format!("the source is no UTF-8 text: {error}; save the file as UTF-8"),
        )
    })?;
    let language = session.context.language.clone();
    let policy = policies::install(&mut session.rows, source, &language)?;
    session.emitted.event(Event::of(
        "policy",
        "installed",
        [
            ("name", Value::Text(policy.name().into())),
            ("hash", Value::Bytes(policy.hash().to_vec())),
        ],
    ));
    Ok(())
}

fn activate(
    session: &mut Session,
    authority: &Authority,
    arguments: &Arguments<'_>,
) -> Result<(), Stop> {
    authority.require_circle()?;
    let language = session.context.language.clone();
    let (hash, height) = (arguments.hash("hash")?, arguments.number("height")?);
    Ok(policies::activate(
        &mut session.rows,
        hash,
        height,
        session.context.height,
        &language,
    )?)
}

/// Of the active version: what waits to be activated has its defaults when it is.
fn set(
    session: &mut Session,
    authority: &Authority,
    arguments: &Arguments<'_>,
) -> Result<(), Stop> {
    authority.require_circle()?;
    let (name, param) = (arguments.text("policy")?, arguments.text("param")?);
    let policy = session.context.policies.get(name).cloned().ok_or_else(|| {
        Rejection::new(
            "policy.inactive",
            format!("no policy {name} is active; `circle status` lists those that are"),
        )
    })?;
    let language = session.context.language.clone();
    let text = arguments.text("value")?;
    let value = policies::set_param(&mut session.rows, &policy, param, text, &language)?;
    session.emitted.event(Event::of(
        "policy",
        "set",
        [
            ("policy", Value::Text(name.into())),
            ("param", Value::Text(param.into())),
            ("value", value),
        ],
    ));
    Ok(())
}
