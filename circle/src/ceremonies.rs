//! Key ceremonies and signing sessions: ordered messages in, group keys and signatures out.

use borsh::{BorshDeserialize, BorshSerialize};
use treasury_protocol::ceremony::keygen::{self, Abandoned, Keygen, Phase, Progress};
use treasury_protocol::ceremony::sign::{self, Signing};
use treasury_protocol::ceremony::{CeremonyId, GroupKey};

use crate::digest::digest;
use crate::ids::{CircleId, Key};
use crate::rejection::{Failure, Rejection, each_alone, require};
use crate::roster::Roster;
use crate::session::Session;
use crate::state::{KeyValue, Overlay, StoreFault};
use crate::table::Table;
use crate::treasury::{self, Payout, PayoutState, Purpose, Scheme};

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
// The indexes of the guardians who take part, in the order of their numbers in the ceremony.
const PARTICIPANTS: Table<Vec<u32>> = Table::new(b"kki", "the participants of a key ceremony");
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

/// Begins a key ceremony of `members`, who are its participants whatever becomes of them. Returns its number.
pub(crate) fn begin_keygen(
    rows: &mut Overlay,
    circle: CircleId,
    members: &Roster,
    threshold: u16,
) -> Result<u64, Failure> {
    let numbers = KEYGENS.all(rows, ())?;
    let number = numbers.len() as u64 + 1;
    let seats = members.seats().iter();
    let guardians = seats.map(|seat| seat.member.key.0).collect();
    let threshold = if threshold == 0 {
        members.quorum() as u16
    } else {
        threshold
    };
    let keygen = Keygen::new(ceremony_id(circle, number), guardians, threshold)
        .map_err(|error| Rejection::new(error.code(), error.to_string()))?;
    KEYGENS.put(rows, number, &keygen);
    PARTICIPANTS.put(rows, number, &members.indexes().collect());
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
    let index = participant(rows, number, guardian)?.ok_or_else(|| not_taking_part(number))?;
    let progress = keygen.apply(index, &message).map_err(refuse)?;
    KEYGENS.put(rows, number, &keygen);
    if progress == Progress::Entered(Phase::Failed) {
        treasury::key_failed(session, number)?;
    }
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
        KEYS.put(&mut session.rows, number, &key);
        treasury::key_made(session, number, Key(key.public))?;
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
    each_alone(messages, |one| {
        sign_message(&mut session.rows, guardian, &one)
    })
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
    let (ceremony, key) = key_of(rows, &payout)?;
    let participant =
        participant(rows, ceremony, guardian)?.ok_or_else(|| not_taking_part(ceremony))?;
    signing
        .apply(&key, participant, &one.message)
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

/// The key that signs a payout, and the number of its ceremony.
fn key_of(rows: &(impl KeyValue + ?Sized), payout: &Payout) -> Result<(u64, GroupKey), StoreFault> {
    let missing = || StoreFault::Corrupt {
        what: "a group key",
        reason: format!("payout {} is signed by none", payout.id),
    };
    let ceremony = payout.signers.as_ref().and_then(Scheme::ceremony);
    let ceremony = ceremony.ok_or_else(missing)?;
    let key = KEYS.get(rows, ceremony)?.ok_or_else(missing)?;
    Ok((ceremony, key))
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
    let mut duties = Vec::new();
    for (ceremony, keygen) in keygens(rows)? {
        let waiting_for = keygen.waiting_for();
        if waiting_for.is_empty() {
            continue;
        }
        let index = participant(rows, ceremony, guardian)?;
        if let Some(index) = index.filter(|index| waiting_for.contains(index)) {
            duties.push(KeygenDuty {
                ceremony,
                keygen,
                index,
            });
        }
    }
    Ok(duties)
}

/// What signing sessions wait for from the member with index `guardian`.
pub(crate) fn sign_duties(rows: &dyn KeyValue, guardian: u32) -> Result<Vec<SignDuty>, StoreFault> {
    let mut duties = Vec::new();
    for (key, signing) in SIGNINGS.all(rows, ())? {
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
        let (ceremony, key) = key_of(rows, &payout)?;
        let participant = participant(rows, ceremony, guardian)?;
        let Some(duty) = participant.and_then(|index| signing.duty(index)) else {
            continue;
        };
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

/// The indexes of the guardians who take part in a ceremony; participant `i` is the one at `i - 1`.
pub fn participants(
    rows: &(impl KeyValue + ?Sized),
    ceremony: u64,
) -> Result<Vec<u32>, StoreFault> {
    Ok(PARTICIPANTS.get(rows, ceremony)?.unwrap_or_default())
}

/// The number, from 1, that a guardian has in a ceremony, if it takes part.
fn participant(
    rows: &(impl KeyValue + ?Sized),
    ceremony: u64,
    guardian: u32,
) -> Result<Option<u16>, StoreFault> {
    let indexes = participants(rows, ceremony)?;
    let at = indexes.binary_search(&guardian).ok();
    Ok(at.map(|at| at as u16 + 1))
}

fn not_taking_part(ceremony: u64) -> Rejection {
    Rejection::new(
        "ceremony.participant",
        format!(
            "this guardian came after ceremony {ceremony} began; it holds no share of that key"
        ),
    )
}

/// Ends the key ceremonies that go on with a guardian who leaves: without it nobody can finish them. Signing sessions go on
/// without its share, as they do without one who is silent.
pub(crate) fn leave(rows: &mut Overlay, key: &Key) -> Result<(), StoreFault> {
    for (number, mut keygen) in keygens(rows)? {
        let ended = keygen
            .index_of(&key.0)
            .map(|index| keygen.abandon(Abandoned::Left(index)));
        if ended == Some(true) {
            KEYGENS.put(rows, number, &keygen);
        }
    }
    Ok(())
}

/// Gives up a ceremony in whose place another one is held.
pub(crate) fn supersede(rows: &mut Overlay, number: u64) -> Result<(), StoreFault> {
    if let Some(mut keygen) = KEYGENS.get(rows, number)?
        && keygen.abandon(Abandoned::Superseded)
    {
        KEYGENS.put(rows, number, &keygen);
    }
    Ok(())
}

/// How many sign together with the key that a ceremony makes.
pub(crate) fn threshold(rows: &Overlay, number: u64) -> Result<Option<u16>, StoreFault> {
    Ok(KEYGENS.get(rows, number)?.map(|keygen| keygen.threshold()))
}

/// A wallet, if there is one, for which nobody could sign any more if only its signers among `members` were left: how many that
/// are, and how many have to sign. A change of signers that is under way counts as if it had happened, and as if not.
pub(crate) fn locked_by(
    rows: &Overlay,
    members: &Roster,
) -> Result<Option<(String, usize, usize)>, StoreFault> {
    for wallet in treasury::wallets(rows)? {
        let mut schemes = vec![wallet.scheme];
        for change in treasury::changes(rows, &wallet.name)? {
            if let Purpose::Signers(after) = change.purpose {
                schemes.push(after);
            }
        }
        for scheme in schemes {
            let Some((left, threshold)) = left_of(rows, &scheme, members)? else {
                continue;
            };
            if left < threshold {
                return Ok(Some((wallet.name, left, threshold)));
            }
        }
    }
    Ok(None)
}

/// How many of those who sign together are in `members`, and how many have to; nothing if they are not known yet.
fn left_of(
    rows: &Overlay,
    scheme: &Scheme,
    members: &Roster,
) -> Result<Option<(usize, usize)>, StoreFault> {
    match scheme {
        Scheme::Group { ceremony } => {
            let Some(key) = KEYS.get(rows, *ceremony)? else {
                return Ok(None);
            };
            let holders = participants(rows, *ceremony)?;
            let stays = |index: &&u32| members.get(**index).is_some();
            let left = holders.iter().filter(stays).count();
            Ok(Some((left, key.threshold.into())))
        }
        Scheme::Safe { .. } | Scheme::Multisig { .. } => {
            let Some(threshold) = scheme.owners_needed() else {
                return Ok(None);
            };
            let mut left = 0;
            for guardian in members.indexes() {
                left += usize::from(treasury::owns(rows, scheme, guardian)?);
            }
            Ok(Some((left, threshold as usize)))
        }
    }
}
