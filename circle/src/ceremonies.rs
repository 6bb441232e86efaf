//! Key ceremonies and signing sessions: ordered messages in, group keys and signatures out.

use borsh::{BorshDeserialize, BorshSerialize};
use treasury_protocol::ceremony::keygen::{self, Keygen, Phase, Progress};
use treasury_protocol::ceremony::sign::{self, Signing};
use treasury_protocol::ceremony::{CeremonyId, GroupKey};

use crate::digest::digest;
use crate::genesis::Genesis;
use crate::ids::{CircleId, Key};
use crate::rejection::{Failure, Rejection, require};
use crate::session::Session;
use crate::state::{KeyValue, Overlay, StoreFault};
use crate::table::Table;
use crate::treasury::{self, Payout, PayoutState};

/// A message that a key ceremony waits for from one guardian.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeygenDuty {
    /// The number of the ceremony, as commands name it.
    pub ceremony: u64,
    /// Its public state, from which the participant makes the message.
    pub keygen: Keygen,
    /// The participant's number, from 1.
    pub index: u16,
}

/// A message that a payout's signing session waits for from one guardian.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignDuty {
    /// The payout, whose hash is what is signed.
    pub payout: Payout,
    /// The number of the ceremony that made the key.
    pub ceremony: u64,
    /// The public state of the signing.
    pub signing: Signing,
    /// The group's key.
    pub key: GroupKey,
    /// What is due.
    pub duty: sign::Duty,
}

/// One guardian's message to the signing session of a payout.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SignMessage {
    /// The payout.
    pub payout: u64,
    /// The message.
    pub message: sign::Message,
}

/// The most messages in one `ceremony.sign` command.
pub const SIGN_MESSAGES_MAX: usize = 64;

const KEYGENS: Table<Keygen> = Table::new(b"kkg", "a key ceremony");
const KEYS: Table<GroupKey> = Table::new(b"kkk", "a group key");
// Those that are going on; a finished one moves over, so that a block looks at few of them.
const SIGNINGS: Table<Signing> = Table::new(b"kks", "a signing session");
const FINISHED: Table<Signing> = Table::new(b"kkf", "a finished signing session");
// (ceremony, kind of message, sender): beside the tree, whose ceremony commits to their digests.
const MESSAGES: Table<keygen::Message> = Table::new(b"nk", "a ceremony's message");

/// The name of ceremony number `number` of a circle.
pub fn ceremony_id(circle: CircleId, number: u64) -> CeremonyId {
    CeremonyId(digest("guardian-circle/v1/ceremony", &(circle, number)))
}

/// Begins a key ceremony of all members. Returns its number.
pub(crate) fn begin_keygen(
    rows: &mut Overlay,
    genesis: &Genesis,
    threshold: u16,
) -> Result<u64, Failure> {
    let numbers = KEYGENS.all(rows, ())?;
    let number = numbers.len() as u64 + 1;
    let guardians = genesis.members.iter().map(|member| member.key.0).collect();
    let threshold = if threshold == 0 {
        genesis.members.quorum() as u16
    } else {
        threshold
    };
    let keygen = Keygen::new(ceremony_id(genesis.circle, number), guardians, threshold)
        .map_err(|error| Rejection::new(error.code(), error.to_string()))?;
    KEYGENS.put(rows, number, &keygen);
    Ok(number)
}

/// Takes a message of the member with index `guardian` into a key ceremony.
pub(crate) fn keygen_message(
    session: &mut Session,
    guardian: u32,
    number: u64,
    bytes: &[u8],
) -> Result<(), Failure> {
    let rows = &mut session.rows;
    let mut keygen = KEYGENS.get(rows, number)?.ok_or_else(|| {
        Rejection::new("ceremony.unknown", format!("there is no ceremony {number}"))
    })?;
    let refuse = |error: keygen::Rejection| Rejection::new(error.code(), error.to_string());
    let message = keygen::Message::decode(bytes).map_err(refuse)?;
    let index = participant(guardian);
    let progress = keygen.apply(index, &message).map_err(refuse)?;
    KEYGENS.put(rows, number, &keygen);
    if let keygen::Message::Round1(_) | keygen::Message::Round2(_) = &message {
        let kind = u32::from(matches!(message, keygen::Message::Round2(_)));
        MESSAGES.put(
            &mut session.local,
            (number, kind, u32::from(index)),
            &message,
        );
    }
    if progress == Progress::Entered(Phase::Done) {
        let missing = || StoreFault::Corrupt {
            what: "a key ceremony",
            reason: "it is done and has no key".into(),
        };
        let key = keygen.key().ok_or_else(missing)?;
        treasury::set_key(rows, number, Key(key.public))?;
        KEYS.put(rows, number, &key);
    }
    Ok(())
}

/// The key that a ceremony made.
pub fn key(rows: &(impl KeyValue + ?Sized), number: u64) -> Result<Option<GroupKey>, StoreFault> {
    KEYS.get(rows, number)
}

/// All key ceremonies and their numbers.
pub fn keygens(rows: &(impl KeyValue + ?Sized)) -> Result<Vec<(u64, Keygen)>, StoreFault> {
    Ok((1..).zip(KEYGENS.values(rows, ())?).collect())
}

/// The messages of rounds 1 and 2 that a ceremony took in, given a view of a node's local rows.
pub fn received(
    local: &(impl KeyValue + ?Sized),
    number: u64,
) -> Result<keygen::Received, StoreFault> {
    let mut received = keygen::Received::default();
    for (key, message) in MESSAGES.all(local, number)? {
        let index = key
            .last_chunk::<4>()
            .map_or(0, |bytes| u32::from_be_bytes(*bytes));
        received.record(index as u16, message);
    }
    Ok(received)
}

/// Begins to sign a payout with the key of a ceremony.
pub(crate) fn begin_signing(
    rows: &mut Overlay,
    ceremony: u64,
    payout: &Payout,
) -> Result<(), StoreFault> {
    let missing = || StoreFault::Corrupt {
        what: "a group key",
        reason: format!("ceremony {ceremony} has none"),
    };
    let key = KEYS.get(rows, ceremony)?.ok_or_else(missing)?;
    SIGNINGS.put(rows, payout.id, &Signing::new(&key, payout.hash));
    Ok(())
}

/// Gives up the signing of a payout, if it is going on.
pub(crate) fn end_signing(rows: &mut Overlay, payout: u64) -> Result<(), StoreFault> {
    if let Some(signing) = SIGNINGS.get(rows, payout)? {
        SIGNINGS.delete(rows, payout);
        FINISHED.put(rows, payout, &signing);
    }
    Ok(())
}

/// Takes one guardian's messages into the signing sessions they are for; each stands or falls alone.
pub(crate) fn sign_messages(
    session: &mut Session,
    guardian: u32,
    bytes: &[u8],
) -> Result<(), Failure> {
    let messages: Vec<SignMessage> = borsh::from_slice(bytes).map_err(|error| {
        Rejection::new(
            "ceremony.malformed",
            format!("these are no signing messages: {error}"),
        )
    })?;
    require(
        (1..=SIGN_MESSAGES_MAX).contains(&messages.len()),
        "ceremony.length",
        || {
            format!(
                "a command carries 1 to {SIGN_MESSAGES_MAX} signing messages, not {}",
                messages.len()
            )
        },
    )?;
    let mut refused = None;
    let mut taken = 0;
    for one in messages {
        match sign_message(&mut session.rows, guardian, &one) {
            Ok(()) => taken += 1,
            Err(Failure::Rejected(rejection)) => refused = Some(rejection),
            Err(fault) => return Err(fault),
        }
    }
    match refused {
        Some(rejection) if taken == 0 => Err(rejection.into()),
        _ => Ok(()),
    }
}

fn sign_message(rows: &mut Overlay, guardian: u32, one: &SignMessage) -> Result<(), Failure> {
    let missing = || {
        Rejection::new(
            "ceremony.signing",
            format!("payout {} is not being signed", one.payout),
        )
    };
    let payout = treasury::payout(rows, one.payout)?.ok_or_else(missing)?;
    let wallet = treasury::wallet(rows, &payout.wallet)?.ok_or_else(missing)?;
    if let Some(reason) = &wallet.paused {
        return Err(treasury::paused(&wallet.name, reason).into());
    }
    let mut signing = SIGNINGS
        .get(rows, one.payout)?
        .filter(|_| payout.state == PayoutState::Signing)
        .ok_or_else(missing)?;
    let key = key_of(rows, &payout)?;
    signing
        .apply(&key, participant(guardian), &one.message)
        .map_err(|error| Rejection::new(error.code(), error.to_string()))?;
    if let Some(signature) = signing.signature() {
        treasury::signed(rows, one.payout, key.public, signature)?;
        SIGNINGS.delete(rows, one.payout);
        FINISHED.put(rows, one.payout, &signing);
    } else {
        SIGNINGS.put(rows, one.payout, &signing);
    }
    Ok(())
}

fn key_of(rows: &(impl KeyValue + ?Sized), payout: &Payout) -> Result<GroupKey, StoreFault> {
    let missing = || StoreFault::Corrupt {
        what: "a group key",
        reason: format!("wallet {} has none", payout.wallet),
    };
    let wallet = treasury::wallet(rows, &payout.wallet)?.ok_or_else(missing)?;
    let ceremony = wallet.ceremony().ok_or_else(missing)?;
    KEYS.get(rows, ceremony)?.ok_or_else(missing)
}

/// The public state of a payout's signing.
pub fn signing(
    rows: &(impl KeyValue + ?Sized),
    payout: u64,
) -> Result<Option<Signing>, StoreFault> {
    match SIGNINGS.get(rows, payout)? {
        Some(signing) => Ok(Some(signing)),
        None => FINISHED.get(rows, payout),
    }
}

/// What key ceremonies wait for from the member with index `guardian`.
pub fn keygen_duties(rows: &dyn KeyValue, guardian: u32) -> Result<Vec<KeygenDuty>, StoreFault> {
    let index = participant(guardian);
    let waiting = |(_, keygen): &(u64, Keygen)| keygen.waiting_for().contains(&index);
    let due = keygens(rows)?.into_iter().filter(waiting);
    Ok(due
        .map(|(ceremony, keygen)| KeygenDuty {
            ceremony,
            keygen,
            index,
        })
        .collect())
}

/// What signing sessions wait for from the member with index `guardian`.
pub(crate) fn sign_duties(rows: &dyn KeyValue, guardian: u32) -> Result<Vec<SignDuty>, StoreFault> {
    let mut duties = Vec::new();
    for (key, signing) in SIGNINGS.all(rows, ())? {
        let Some(duty) = signing.duty(participant(guardian)) else {
            continue;
        };
        let missing = || StoreFault::Corrupt {
            what: "a signing session",
            reason: "its payout is missing".into(),
        };
        let id = key
            .last_chunk()
            .map(|bytes| u64::from_be_bytes(*bytes))
            .ok_or_else(missing)?;
        let payout = treasury::payout(rows, id)?.ok_or_else(missing)?;
        let wallet = treasury::wallet(rows, &payout.wallet)?.ok_or_else(missing)?;
        // A paused wallet signs nothing; its sessions go on when it is resumed.
        if wallet.paused.is_some() {
            continue;
        }
        let ceremony = wallet.ceremony().ok_or_else(missing)?;
        let key = key_of(rows, &payout)?;
        duties.push(SignDuty {
            payout,
            ceremony,
            signing,
            key,
            duty,
        });
    }
    Ok(duties)
}

/// Participants are numbered from 1, members from 0.
fn participant(guardian: u32) -> u16 {
    guardian as u16 + 1
}
