//! The guardians' own keys on Ethereum: owners of Safes, and what they sign.

use borsh::{BorshDeserialize, BorshSerialize};
use treasury_protocol::ethereum::{self, EthereumError, OwnerSignature, Owners};

use super::life::known;
use super::payee::Address;
use super::payout::{Payout, PayoutState, Proof, open};
use super::plan::{paused, wallet_of};
use super::rotation;
use super::wallet::{Scheme, wallets};
use crate::digest::{Hash, digest};
use crate::ids::{CircleId, Key};
use crate::rejection::{Failure, Rejection, each_alone, require};
use crate::session::Session;
use crate::state::{KeyValue, Overlay, StoreFault};
use crate::table::Table;

/// The most signatures in one `treasury.sign` command.
pub const OWNER_SIGNATURES_MAX: usize = 64;

// guardian
const OWNERS: Table<ethereum::Address> = Table::new(b"k3g", "an owner of Safes");
// (payout, guardian)
const SIGNATURES: Table<OwnerSignature> = Table::new(b"k3z", "an owner's signature");

/// One guardian's signature over a payout.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct OwnedPayout {
    /// The payout.
    pub payout: u64,
    /// r, s and v over the hash of its transaction.
    pub signature: [u8; 65],
}

/// What a guardian's Safes wait for from it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnerDuties {
    /// To name its key: some Safe waits for it.
    pub name_key: bool,
    /// To sign these.
    pub sign: Vec<Payout>,
}

/// What a guardian signs with its key on Ethereum, so that it cannot name somebody else's.
pub fn ownership(circle: CircleId, guardian: &Key) -> Hash {
    digest("guardian-circle/v1/owner", &(circle, guardian))
}

/// The address by which a guardian owns Safes.
pub fn owner(
    rows: &(impl KeyValue + ?Sized),
    guardian: u32,
) -> Result<Option<ethereum::Address>, StoreFault> {
    OWNERS.get(rows, guardian)
}

/// The signatures that owners gave for a payout, by the index of the guardian.
pub fn owner_signatures(
    rows: &(impl KeyValue + ?Sized),
    payout: u64,
) -> Result<Vec<(u32, OwnerSignature)>, StoreFault> {
    let found = SIGNATURES.all(rows, payout)?.into_iter();
    Ok(found
        .map(|(key, signature)| {
            let guardian = key.last_chunk::<4>();
            (
                guardian.map_or(0, |bytes| u32::from_be_bytes(*bytes)),
                signature,
            )
        })
        .collect())
}

/// What Safes wait for from the member with index `guardian`.
pub fn owner_duties(rows: &dyn KeyValue, guardian: u32) -> Result<OwnerDuties, StoreFault> {
    let all = wallets(rows)?;
    let own = owner(rows, guardian)?;
    let mut duties = OwnerDuties::default();
    for wallet in &all {
        let waits = match &wallet.scheme {
            Scheme::Safe { owners: None } => true,
            Scheme::Safe { .. } => rotation::follows(rows, &wallet.name)?,
            Scheme::Group { .. } => false,
        };
        duties.name_key |= waits && own.is_none();
    }
    for payout in open(rows)? {
        let wallet = all.iter().find(|wallet| wallet.name == payout.wallet);
        // Who came later owns no Safe of before.
        let signs = match &payout.signers {
            Some(Scheme::Safe {
                owners: Some(owners),
            }) => own.is_some_and(|own| owners.contains(own)),
            _ => false,
        };
        let goes_on = wallet.is_some_and(|wallet| wallet.paused.is_none());
        let due = payout.state == PayoutState::Signing && signs && goes_on;
        if due && !SIGNATURES.has(rows, (payout.id, guardian))? {
            duties.sign.push(payout);
        }
    }
    Ok(duties)
}

/// Keeps the address of a guardian, which its signature proves to be its own.
pub(crate) fn own(session: &mut Session, guardian: u32, signature: &[u8]) -> Result<(), Failure> {
    let member = session.context.members().get(guardian);
    let key = member.map(|member| member.key).unwrap_or(Key([0; 32]));
    let hash = ownership(session.context.genesis.circle, &key);
    let address = ethereum::recover(&hash, &form(signature)?).map_err(refused)?;
    require(!OWNERS.has(&session.rows, guardian)?, "owner.known", || {
        "this guardian has named its key already; nothing has to be done".into()
    })?;
    // Of those who left, too: their keys stay known.
    let taken = OWNERS.values(&session.rows, ())?.contains(&address);
    require(!taken, "owner.taken", || {
        format!("{address} is the key of another guardian; make one of your own")
    })?;
    OWNERS.put(&mut session.rows, guardian, &address);
    settle(session)
}

/// The owners' addresses of the guardians of now, in their order; nothing until each has named its key.
pub(super) fn of_guardians(
    session: &Session,
) -> Result<Option<Vec<ethereum::Address>>, StoreFault> {
    let guardians = session.context.members().indexes();
    guardians
        .map(|guardian| owner(&session.rows, guardian))
        .collect()
}

/// Gives Safes whose owners are all known their address.
pub(super) fn settle(session: &mut Session) -> Result<(), Failure> {
    let Some(addresses) = of_guardians(session)? else {
        return Ok(());
    };
    let circle = session.context.genesis.circle;
    for mut wallet in wallets(&session.rows)? {
        let needed = wallet.needed(session.context.members());
        let Scheme::Safe {
            owners: owners @ None,
        } = &mut wallet.scheme
        else {
            continue;
        };
        *owners = Some(Owners::new(addresses.clone(), needed).map_err(refused)?);
        wallet.address = wallet
            .setup(circle)
            .map(|setup| Address::Ethereum(setup.address()));
        wallet.put(&mut session.rows);
    }
    Ok(())
}

/// Takes one guardian's signatures over payouts of Safes; each stands or falls alone.
pub(crate) fn sign(session: &mut Session, guardian: u32, bytes: &[u8]) -> Result<(), Failure> {
    let signatures: Vec<OwnedPayout> = borsh::from_slice(bytes).map_err(|error| {
        let message = format!("these are no signatures: {error}");
        Rejection::new("owner.malformed", message)
    })?;
    let count = signatures.len();
    require(
        (1..=OWNER_SIGNATURES_MAX).contains(&count),
        "owner.length",
        || format!("a command carries 1 to {OWNER_SIGNATURES_MAX} signatures, not {count}"),
    )?;
    each_alone(&signatures, |one| {
        sign_one(&mut session.rows, guardian, one)
    })
}

fn sign_one(rows: &mut Overlay, guardian: u32, one: &OwnedPayout) -> Result<(), Failure> {
    let mut payout = known(rows, one.payout)?;
    let wallet = wallet_of(rows, &payout)?;
    if let Some(reason) = &wallet.paused {
        return Err(paused(&wallet.name, reason).into());
    }
    require(payout.state == PayoutState::Signing, "owner.state", || {
        format!("payout {} is not being signed", payout.id)
    })?;
    let Some(Scheme::Safe {
        owners: Some(owners),
    }) = &payout.signers
    else {
        let message = format!("{} is no Safe; its guardians sign together", wallet.name);
        return Err(Rejection::new("owner.scheme", message).into());
    };
    let address = owner(rows, guardian)?.filter(|address| owners.contains(*address));
    let address = address.ok_or_else(|| {
        let message = format!("this guardian is no owner of {}", wallet.name);
        Rejection::new("owner.stranger", message)
    })?;
    let key = (payout.id, guardian);
    require(!SIGNATURES.has(rows, key)?, "owner.repeated", || {
        "this guardian signed that already; nothing has to be done".into()
    })?;
    let signature = OwnerSignature {
        owner: address,
        bytes: one.signature,
    };
    signature.verify(&payout.hash).map_err(refused)?;
    SIGNATURES.put(rows, key, &signature);
    let signatures = owner_signatures(rows, payout.id)?;
    if signatures.len() >= owners.threshold() as usize {
        payout.state = PayoutState::Signed;
        let signatures = signatures.into_iter().map(|(_, signature)| signature);
        payout.proof = Some(Proof::Owners(signatures.collect()));
        payout.put(rows);
    }
    Ok(())
}

fn form(signature: &[u8]) -> Result<[u8; 65], Rejection> {
    signature
        .try_into()
        .map_err(|_| Rejection::new("owner.signature", "a signature has 65 bytes: r, s and v"))
}

pub(super) fn refused(error: EthereumError) -> Rejection {
    Rejection::new(error.code(), error.to_string())
}
