//! Policies are installed by anyone of the guardians, and activated by the circle.

use super::Arguments;
use crate::authority::Authority;
use crate::policies;
use crate::receipt::Event;
use crate::session::{Session, Stop};
use threescript::value::Value;

pub fn apply(
    session: &mut Session,
    authority: &Authority,
    name: &str,
    arguments: &Arguments<'_>,
) -> Result<(), Stop> {
    let language = session.context.language.clone();
    if name == "install" {
        if !matches!(authority, Authority::Circle) {
            authority.member(session.context.members())?;
        }
        let policy = policies::install(&mut session.rows, arguments.text("source")?, &language)?;
        let data = [
            ("name", Value::Text(policy.name().into())),
            ("hash", Value::Bytes(policy.hash().to_vec())),
        ];
        let data = Value::Map(
            data.into_iter()
                .map(|(key, value)| (key.to_owned(), value))
                .collect(),
        );
        session.emitted.events.push(Event {
            actor: "policy".into(),
            name: "installed".into(),
            data,
        });
        return Ok(());
    }
    authority.require_circle()?;
    let (hash, height) = (arguments.hash("hash")?, arguments.number("height")?);
    Ok(policies::activate(
        &mut session.rows,
        hash,
        height,
        session.context.height,
        &language,
    )?)
}
