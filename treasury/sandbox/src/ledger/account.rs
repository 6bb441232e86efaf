//! What the ledger knows of an account.

use std::collections::BTreeMap;

use stellar_xdr as xdr;

/// The reserve for each entry of the ledger, in stroops; an account itself counts as two.
pub const BASE_RESERVE: i64 = 5_000_000;
/// The most signers beside the master key.
pub const MAX_SIGNERS: usize = 20;

/// The key of an account.
pub type Id = [u8; 32];

/// An asset that somebody issues: its code without padding, and the issuer.
pub type Issued = (Vec<u8>, Id);

/// One account.
#[derive(Clone, Debug)]
pub struct Account {
    /// Native balance, in stroops.
    pub balance: i64,
    /// The sequence number that was used last.
    pub sequence: i64,
    /// The ledger and the time in which that was.
    pub sequence_used: (u32, u64),
    /// Account flags: 1 authorization required, 2 revocable, 4 immutable, 8 clawback.
    pub flags: u32,
    /// Where the account's owner can be found.
    pub home_domain: String,
    /// The weight of the master key.
    pub master_weight: u8,
    /// What operations of low, medium and high importance need.
    pub thresholds: [u8; 3],
    /// Further signers and their weights, by key.
    pub signers: BTreeMap<xdr::SignerKey, u8>,
    /// Balances of issued assets.
    pub trustlines: BTreeMap<Issued, Trustline>,
    /// Named data.
    pub data: BTreeMap<String, Vec<u8>>,
    /// Reserves that this account holds for claimable balances.
    pub sponsoring: u32,
    /// When the account was changed last.
    pub modified: (u32, u64),
}

/// One balance of an issued asset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trustline {
    /// In units of 10^-7.
    pub balance: i64,
    /// The most that it may hold.
    pub limit: i64,
    /// Whether the issuer lets it be used.
    pub authorized: bool,
    /// The ledger in which it was changed last.
    pub modified: u32,
}

impl Account {
    /// A new account. Its first sequence number follows from the ledger, so that it is never one of an earlier life.
    pub fn new(balance: i64, ledger: u32, time: u64) -> Self {
        Self {
            balance,
            sequence: i64::from(ledger) << 32,
            sequence_used: (0, 0),
            flags: 0,
            home_domain: String::new(),
            master_weight: 1,
            thresholds: [0; 3],
            signers: BTreeMap::new(),
            trustlines: BTreeMap::new(),
            data: BTreeMap::new(),
            sponsoring: 0,
            modified: (ledger, time),
        }
    }

    /// The entries of the ledger that belong to it.
    pub fn subentries(&self) -> u32 {
        (self.signers.len() + self.trustlines.len() + self.data.len()) as u32
    }

    /// What it must keep, with `more` entries than now.
    pub fn reserve(&self, more: u32) -> i64 {
        i64::from(2 + self.subentries() + self.sponsoring + more) * BASE_RESERVE
    }

    /// The native balance that it may spend.
    pub fn available(&self) -> i64 {
        self.balance - self.reserve(0)
    }

    /// Whether `more` entries can be kept.
    pub fn can_keep(&self, more: u32) -> bool {
        self.balance >= self.reserve(more)
    }

    /// Whether trustlines to it need its consent.
    pub fn authorization_required(&self) -> bool {
        self.flags & xdr::AccountFlags::RequiredFlag as u32 != 0
    }
}

/// An issued asset, or `None` for the native one.
pub fn issued(asset: &xdr::Asset) -> Option<Issued> {
    match asset {
        xdr::Asset::Native => None,
        xdr::Asset::CreditAlphanum4(asset) => Some((code(&asset.asset_code.0), key(&asset.issuer))),
        xdr::Asset::CreditAlphanum12(asset) => {
            Some((code(&asset.asset_code.0), key(&asset.issuer)))
        }
    }
}

/// Whether an asset is well-formed: a code of letters and digits, of the length that its kind has.
pub fn is_valid(asset: &xdr::Asset) -> bool {
    let fits = |code: &[u8], shortest: usize| {
        let end = code
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(code.len());
        let (name, padding) = code.split_at(end);
        name.len() >= shortest
            && name.iter().all(u8::is_ascii_alphanumeric)
            && padding.iter().all(|byte| *byte == 0)
    };
    match asset {
        xdr::Asset::Native => true,
        xdr::Asset::CreditAlphanum4(asset) => fits(&asset.asset_code.0, 1),
        xdr::Asset::CreditAlphanum12(asset) => fits(&asset.asset_code.0, 5),
    }
}

fn code(padded: &[u8]) -> Vec<u8> {
    let end = padded.iter().position(|byte| *byte == 0);
    padded[..end.unwrap_or(padded.len())].to_vec()
}

/// The key behind an account id.
pub fn key(account: &xdr::AccountId) -> Id {
    let xdr::PublicKey::PublicKeyTypeEd25519(xdr::Uint256(key)) = &account.0;
    *key
}

/// The account behind an address that may be muxed.
pub fn unmuxed(account: &xdr::MuxedAccount) -> Id {
    match account {
        xdr::MuxedAccount::Ed25519(xdr::Uint256(key)) => *key,
        xdr::MuxedAccount::MuxedEd25519(muxed) => muxed.ed25519.0,
    }
}

/// The account id of a key.
pub fn account_id(key: &Id) -> xdr::AccountId {
    xdr::AccountId(xdr::PublicKey::PublicKeyTypeEd25519(xdr::Uint256(*key)))
}
