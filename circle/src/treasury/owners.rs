//! The guardians' own keys, by which they own Safes on Ethereum and accounts on Stellar, and what they sign with them.

use borsh::{BorshDeserialize, BorshSerialize};
use treasury_protocol::ethereum::{self, EthereumError, OwnerSignature, Owners};
use treasury_protocol::stellar::{Signature, StellarError, multisig};

use super::life::known;
use super::payee::Address;
use super::payout::{Payout, PayoutState, Proof, open};
use super::plan::{paused, wallet_of};
use super::rotation;
use super::wallet::{Scheme, Wallet, wallets};
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
// guardian
const KEYS: Table<Key> = Table::new(b"k3k", "an owner of accounts on Stellar");
// (payout, guardian)
const SIGNATURES: Table<Vec<u8>> = Table::new(b"k3z", "an owner's signature");

/// One guardian's signature over a payout.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct OwnedPayout {
    /// The payout.
    pub payout: u64,
    /// Over the hash of its transaction: r, s and v of a Safe's owner, the 64 bytes of ed25519 of an account's.
    pub signature: Vec<u8>,
}

/// What the wallets that a guardian owns wait for from it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnerDuties {
    /// To name its key on Ethereum: some Safe waits for it.
    pub name_key: bool,
    /// To name its key on Stellar: some wallet there waits for it.
    pub name_stellar_key: bool,
    /// To sign these.
    pub sign: Vec<Payout>,
}

/// What a guardian signs with a key by which it is to own wallets, so that it cannot name somebody else's.
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

/// The key by which a guardian owns accounts on Stellar.
pub fn stellar_owner(
    rows: &(impl KeyValue + ?Sized),
    guardian: u32,
) -> Result<Option<Key>, StoreFault> {
    KEYS.get(rows, guardian)
}

/// Whether a guardian is one of the owners who sign by a scheme; who came later is not.
pub fn owns(
    rows: &(impl KeyValue + ?Sized),
    scheme: &Scheme,
    guardian: u32,
) -> Result<bool, StoreFault> {
    Ok(match scheme {
        Scheme::Safe {
            owners: Some(owners),
        } => owner(rows, guardian)?.is_some_and(|own| owners.contains(own)),
        Scheme::Multisig {
            owners: Some(owners),
        } => stellar_owner(rows, guardian)?.is_some_and(|own| owners.contains(&own.0)),
        _ => false,
    })
}

/// The signatures that owners gave for a payout, by the index of the guardian.
pub fn owner_signatures(
    rows: &(impl KeyValue + ?Sized),
    payout: u64,
) -> Result<Vec<(u32, Vec<u8>)>, StoreFault> {
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
    let mut duties = OwnerDuties::default();
    for wallet in &all {
        let follows = rotation::follows(rows, &wallet.name)?;
        match &wallet.scheme {
            Scheme::Safe { owners } => {
                let waits = owners.is_none() || follows;
                duties.name_key |= waits && !OWNERS.has(rows, guardian)?;
            }
            Scheme::Multisig { owners } => {
                let waits = owners.is_none() || follows;
                duties.name_stellar_key |= waits && !KEYS.has(rows, guardian)?;
            }
            Scheme::Group { .. } => {}
        }
    }
    for payout in open(rows)? {
        let wallet = all.iter().find(|wallet| wallet.name == payout.wallet);
        let signs = match &payout.signers {
            Some(scheme) => owns(rows, scheme, guardian)?,
            None => false,
        };
        let goes_on = wallet.is_some_and(|wallet| wallet.paused.is_none());
        let due = payout.state == PayoutState::Signing && signs && goes_on;
        if due && !SIGNATURES.has(rows, (payout.id, guardian))? {
            duties.sign.push(payout);
        }
    }
    Ok(duties)
}

/// Keeps the key of a guardian on Stellar, if one is given, or else its address on Ethereum, which its signature proves to be its
/// own.
pub(crate) fn own(
    session: &mut Session,
    guardian: u32,
    key: &[u8],
    signature: &[u8],
) -> Result<(), Failure> {
    let member = session.context.members().get(guardian);
    let member = member.map(|member| member.key).unwrap_or(Key([0; 32]));
    let hash = ownership(session.context.genesis.circle, &member);
    if !key.is_empty() {
        return own_on_stellar(session, guardian, &hash, key, signature);
    }
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

fn own_on_stellar(
    session: &mut Session,
    guardian: u32,
    hash: &Hash,
    key: &[u8],
    signature: &[u8],
) -> Result<(), Failure> {
    let key = Key(<[u8; 32]>::try_from(key)
        .map_err(|_| Rejection::new("owner.key", "a key on Stellar has 32 bytes"))?);
    on_stellar(&key, signature)?.verify(hash).map_err(unsound)?;
    require(!KEYS.has(&session.rows, guardian)?, "owner.known", || {
        "this guardian has named its key already; nothing has to be done".into()
    })?;
    // A signer counts once on an account, and what is a guardian's in the circle lies open to its node's peers more often.
    let known = KEYS.values(&session.rows, ())?.contains(&key);
    let is_member = session.context.members().index_of(&key).is_some();
    require(!known && !is_member, "owner.taken", || {
        format!("{key} is a key of a guardian already; make one of your own for this")
    })?;
    KEYS.put(&mut session.rows, guardian, &key);
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

/// The keys on Stellar of the guardians of now, in their order; nothing until each has named its own.
pub(super) fn keys_of_guardians(session: &Session) -> Result<Option<Vec<[u8; 32]>>, StoreFault> {
    let guardians = session.context.members().indexes();
    guardians
        .map(|guardian| Ok(stellar_owner(&session.rows, guardian)?.map(|key| key.0)))
        .collect()
}

/// The guardians of now as owners of an account, once each has named its key.
pub(super) fn multisig_of_guardians(
    session: &Session,
    wallet: &Wallet,
) -> Result<Option<multisig::Owners>, StoreFault> {
    let needed = u8::try_from(wallet.needed(session.context.members()));
    let (Some(keys), Ok(needed)) = (keys_of_guardians(session)?, needed) else {
        return Ok(None);
    };
    Ok(multisig::Owners::new(keys, needed).ok())
}

/// Gives wallets whose owners are all known these owners, and Safes their address.
pub(super) fn settle(session: &mut Session) -> Result<(), Failure> {
    for mut wallet in wallets(&session.rows)? {
        if let Scheme::Multisig { owners: None } = wallet.scheme
            && let owners @ Some(_) = multisig_of_guardians(session, &wallet)?
        {
            wallet.scheme = Scheme::Multisig { owners };
            wallet.put(&mut session.rows);
        }
    }
    settle_safes(session)
}

fn settle_safes(session: &mut Session) -> Result<(), Failure> {
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
        if wallet.address.is_none() {
            wallet.address = wallet
                .new_safe(circle)
                .map(|setup| Address::Ethereum(setup.address()));
        }
        wallet.put(&mut session.rows);
    }
    Ok(())
}

/// Takes one guardian's signatures over payouts of wallets that it owns; each stands or falls alone.
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
    let signers = payout.signers.clone();
    let threshold = signers.as_ref().and_then(Scheme::owners_needed);
    let (Some(scheme), Some(threshold)) = (signers, threshold) else {
        let message = format!(
            "the guardians sign together for {}, not each with a key of its own",
            wallet.name
        );
        return Err(Rejection::new("owner.scheme", message).into());
    };
    require(owns(rows, &scheme, guardian)?, "owner.stranger", || {
        format!("this guardian is no owner of {}", wallet.name)
    })?;
    let key = (payout.id, guardian);
    require(!SIGNATURES.has(rows, key)?, "owner.repeated", || {
        "this guardian signed that already; nothing has to be done".into()
    })?;
    match scheme {
        Scheme::Multisig { .. } => {
            let signature = signature_of_key(rows, guardian, &one.signature)?;
            signature.verify(&payout.hash).map_err(unsound)?;
        }
        _ => {
            let signature = signature_of_owner(rows, guardian, &one.signature)?;
            signature.verify(&payout.hash).map_err(refused)?;
        }
    }
    SIGNATURES.put(rows, key, &one.signature);
    let signatures = owner_signatures(rows, payout.id)?;
    if signatures.len() >= threshold as usize {
        payout.state = PayoutState::Signed;
        payout.proof = Some(match scheme {
            Scheme::Multisig { .. } => Proof::Keys(all(&signatures, |guardian, bytes| {
                signature_of_key(rows, guardian, bytes)
            })?),
            _ => Proof::Owners(all(&signatures, |guardian, bytes| {
                signature_of_owner(rows, guardian, bytes)
            })?),
        });
        payout.put(rows);
    }
    Ok(())
}

/// Each signature with the key of its guardian.
fn all<S>(
    signatures: &[(u32, Vec<u8>)],
    read: impl Fn(u32, &[u8]) -> Result<S, Failure>,
) -> Result<Vec<S>, Failure> {
    let signatures = signatures.iter();
    signatures
        .map(|(guardian, bytes)| read(*guardian, bytes))
        .collect()
}

fn signature_of_owner(
    rows: &Overlay,
    guardian: u32,
    bytes: &[u8],
) -> Result<OwnerSignature, Failure> {
    Ok(OwnerSignature {
        owner: owner(rows, guardian)?.ok_or_else(unnamed)?,
        bytes: form(bytes)?,
    })
}

fn signature_of_key(rows: &Overlay, guardian: u32, bytes: &[u8]) -> Result<Signature, Failure> {
    let key = stellar_owner(rows, guardian)?.ok_or_else(unnamed)?;
    Ok(on_stellar(&key, bytes)?)
}

fn unnamed() -> Rejection {
    Rejection::new("owner.stranger", "this guardian has named no key")
}

fn on_stellar(key: &Key, bytes: &[u8]) -> Result<Signature, Rejection> {
    let bytes = bytes
        .try_into()
        .map_err(|_| Rejection::new("owner.signature", "a signature has 64 bytes"))?;
    Ok(Signature { key: key.0, bytes })
}

fn form(signature: &[u8]) -> Result<[u8; 65], Rejection> {
    signature
        .try_into()
        .map_err(|_| Rejection::new("owner.signature", "a signature has 65 bytes: r, s and v"))
}

pub(super) fn refused(error: EthereumError) -> Rejection {
    Rejection::new(error.code(), error.to_string())
}

fn unsound(error: StellarError) -> Rejection {
    Rejection::new(error.code(), error.to_string())
}
