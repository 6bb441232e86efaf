//! Key ceremonies and signing, message by message.

use super::Arguments;
use crate::authority::Authority;
use crate::ceremonies;
use crate::rejection::Rejection;
use crate::session::{Session, Stop};
use crate::treasury;

pub fn apply(
    session: &mut Session,
    authority: &Authority,
    name: &str,
    arguments: &Arguments<'_>,
) -> Result<(), Stop> {
    match name {
        "start" => start(session, authority, arguments),
        "keygen" => {
            let guardian = authority.member(session.context.members())?;
            Ok(ceremonies::keygen_message(
                session,
                guardian,
                arguments.id("ceremony")?,
                arguments.bytes("message")?,
            )?)
        }
        _ => {
            let guardian = authority.member(session.context.members())?;
            Ok(ceremonies::sign_messages(
                session,
                guardian,
                arguments.bytes("messages")?,
            )?)
        }
    }
}

/// Opens a wallet and begins the ceremony that makes its key.
fn start(
    session: &mut Session,
    authority: &Authority,
    arguments: &Arguments<'_>,
) -> Result<(), Stop> {
    authority.require_circle()?;
    let threshold = u16::try_from(arguments.number("threshold")?)
        .map_err(|_| Rejection::new("ceremony.threshold", "the threshold is too large"))?;
    let circle = session.context.genesis.circle;
    let members = session.context.members.clone();
    let ceremony = ceremonies::begin_keygen(&mut session.rows, circle, &members, threshold)?;
    let (wallet, network) = (arguments.text("wallet")?, arguments.text("network")?);
    let sequence = Some(arguments.int("sequence")?).filter(|sequence| *sequence != -1);
    Ok(treasury::open_wallet(
        &mut session.rows,
        wallet,
        network,
        (ceremony, threshold.into()),
        sequence,
    )?)
}
