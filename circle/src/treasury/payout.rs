//! A payout: one transaction on a chain, with every byte fixed.

use borsh::{BorshDeserialize, BorshSerialize};
use threescript::value::{Amount, Value};
use treasury_protocol::ethereum::{OwnerSignature, SafeTransaction};
use treasury_protocol::stellar::{Batch, Signature, StellarError, multisig};

use super::payee::Address;
use super::wallet::Scheme;
use crate::digest::Hash;
use crate::state::{KeyValue, Overlay, StoreFault};
use crate::table::Table;

/// Where a payout is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum PayoutState {
    /// In the outbox, until every active guardian attested the height of the plan.
    Planned,
    /// Unanimous; people have to confirm it, or the wallet is paused.
    Checking,
    /// The guardians are signing.
    Signing,
    /// Signed; its chain has to take it.
    Signed,
    /// Another payout stands in its place and uses the same sequence number: the chain takes one of them.
    Replaced,
    /// In a ledger of its chain, and effective.
    Settled,
    /// In a ledger of its chain, without effect.
    Failed,
    /// In no ledger, and never can be.
    Lost,
    /// Taken back; it is in no ledger, and never can be.
    Cancelled,
}

impl PayoutState {
    /// As screens and documents write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Checking => "checking",
            Self::Signing => "signing",
            Self::Signed => "signed",
            Self::Replaced => "replaced",
            Self::Settled => "settled",
            Self::Failed => "failed",
            Self::Lost => "lost",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether it ended.
    pub fn is_final(self) -> bool {
        matches!(
            self,
            Self::Settled | Self::Failed | Self::Lost | Self::Cancelled
        )
    }

    /// Whether shares or signatures of it exist, so that a chain may take it.
    pub fn is_out(self) -> bool {
        matches!(self, Self::Signing | Self::Signed | Self::Replaced)
    }
}

/// What a payout is for.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Purpose {
    /// Pays its lines.
    Pay,
    /// Lets the wallet hold the circle's assets.
    Trust,
    /// Takes back what payees did not claim: (payout, position of the line).
    Reclaim(Vec<(u64, u32)>),
    /// Uses up the sequence number of a payout that is taken back.
    Cancel(u64),
    /// Gives the wallet to those who sign from then on; those of before sign it.
    Signers(Scheme),
    /// Takes the say of the key away that this ceremony made; the key that came after it signs.
    Retire(u64),
}

impl Purpose {
    /// As effects and screens write it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Pay => "pay",
            Self::Trust => "trust",
            Self::Reclaim(_) => "reclaim",
            Self::Cancel(_) => "cancel",
            Self::Signers(_) => "signers",
            Self::Retire(_) => "retire",
        }
    }
}

/// One payment within a payout.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Line {
    /// The account that is paid.
    pub account: String,
    /// Where.
    pub to: Address,
    /// How much.
    pub amount: Amount,
    /// Whether the payee has to claim it, because it could not receive the asset.
    pub claimable: bool,
}

/// The transaction of a payout.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Transaction {
    /// On Stellar.
    Stellar {
        /// The passphrase of the network.
        network: String,
        /// What is signed.
        batch: Batch,
    },
    /// Of a Safe.
    Safe(SafeTransaction),
}

impl Transaction {
    /// What is signed.
    pub fn hash(&self) -> Result<Hash, StellarError> {
        match self {
            Self::Stellar { network, batch } => batch.hash(network),
            Self::Safe(transaction) => Ok(transaction.hash()),
        }
    }

    /// The sequence number that it uses up.
    pub fn sequence(&self) -> i64 {
        match self {
            Self::Stellar { batch, .. } => batch.sequence,
            Self::Safe(transaction) => i64::try_from(transaction.safe_nonce).unwrap_or(i64::MAX),
        }
    }

    /// The last second in which the chain may take it, Unix time; `None` for ever.
    pub fn expires_s(&self) -> Option<u64> {
        match self {
            Self::Stellar { batch, .. } => Some(batch.time_bounds.max),
            Self::Safe(_) => None,
        }
    }
}

/// What proves to the chain that the circle wants it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Proof {
    /// The signature of the key that the guardians share.
    Group {
        /// The key.
        key: [u8; 32],
        /// The signature.
        signature: [u8; 64],
    },
    /// The signatures of enough owners of a Safe, in the order of the guardians.
    Owners(Vec<OwnerSignature>),
    /// The signatures of just enough owners of a Stellar account, in the order of the guardians.
    Keys(Vec<Signature>),
}

/// One transaction on a chain, with every byte fixed.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Payout {
    /// Its number.
    pub id: u64,
    /// The wallet that pays.
    pub wallet: String,
    /// The height of the plan.
    pub height: u64,
    /// Block time of the plan, Unix seconds.
    pub planned_s: u64,
    /// Where it is.
    pub state: PayoutState,
    /// What it is for.
    pub purpose: Purpose,
    /// Who gets what.
    pub lines: Vec<Line>,
    /// What is signed.
    pub transaction: Transaction,
    /// The hash of the transaction.
    pub hash: Hash,
    /// How many people have to confirm it.
    pub confirmations: u32,
    /// Who signs it: those who sign for the wallet when signing begins, whoever does later.
    pub signers: Option<Scheme>,
    /// The signatures, once there are enough.
    pub proof: Option<Proof>,
    /// The payout whose lines these are, if that one was lost, replaced, or failed and was planned again.
    pub replaces: Option<u64>,
    /// The payout that stands in the place of this one, or takes it back.
    pub replaced_by: Option<u64>,
    /// The ledger or block of the chain that took it, whether it succeeded or failed there.
    pub ledger: Option<u64>,
}

impl Payout {
    /// The envelope that a Stellar server accepts, base64, once it is signed.
    pub fn envelope(&self) -> Option<String> {
        let Transaction::Stellar { network, batch } = &self.transaction else {
            return None;
        };
        match (self.proof.as_ref()?, self.signers.as_ref()) {
            (Proof::Group { key, signature }, _) => {
                let signature = Signature {
                    key: *key,
                    bytes: *signature,
                };
                batch.envelope(network, &[signature]).ok()
            }
            (
                Proof::Keys(signatures),
                Some(Scheme::Multisig {
                    owners: Some(owners),
                }),
            ) => multisig::envelope(batch, network, owners.threshold(), signatures)
                .ok()
                .flatten(),
            _ => None,
        }
    }

    /// The data of the call that anybody may send to the Safe, once it is signed.
    pub fn execution(&self) -> Option<Vec<u8>> {
        match (
            &self.transaction,
            self.signers.as_ref()?,
            self.proof.as_ref()?,
        ) {
            (
                Transaction::Safe(transaction),
                Scheme::Safe {
                    owners: Some(owners),
                },
                Proof::Owners(signatures),
            ) => transaction.execution(owners, signatures).ok(),
            _ => None,
        }
    }

    /// Whether another payout has the same sequence number, of which the chain takes one.
    pub(super) fn is_rival(&self, other: &Self) -> bool {
        self.id != other.id
            && self.wallet == other.wallet
            && self.transaction.sequence() == other.transaction.sequence()
    }

    /// The book that holds what it pays.
    pub(super) fn book(&self) -> String {
        format!("payout:{}", self.wallet)
    }

    pub(super) fn put(&self, rows: &mut Overlay) {
        PAYOUTS.put(rows, self.id, self);
        let changes = matches!(self.purpose, Purpose::Signers(_) | Purpose::Retire(_));
        if self.state.is_final() {
            OPEN.delete(rows, self.id);
            if changes {
                CHANGES.delete(rows, (&self.wallet, self.id));
            }
        } else {
            OPEN.put(rows, self.id, &());
            if changes {
                CHANGES.put(rows, (&self.wallet, self.id), &());
            }
        }
    }
}

/// Lines as events show them.
pub(super) fn lines_value<'a>(lines: impl IntoIterator<Item = &'a Line>) -> Value {
    let line = |line: &Line| {
        let entries = [
            ("account", Value::Account(line.account.clone())),
            ("amount", Value::Amount(line.amount.clone())),
        ];
        Value::Map(entries.map(|(key, value)| (key.to_owned(), value)).into())
    };
    Value::List(lines.into_iter().map(line).collect())
}

/// A part of a settled payout that its payee has to claim.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Claimable {
    /// The payout.
    pub payout: u64,
    /// The position of the line in it.
    pub line: u32,
    /// The chain's name of the balance.
    pub balance: Hash,
    /// From when on the circle may take it back, Unix seconds.
    pub reclaim_after_s: u64,
    /// Whether a payout that takes it back was planned.
    pub reclaiming: bool,
}

const PAYOUTS: Table<Payout> = Table::new(b"kr", "a payout");
// Those that did not end, so that a node looks at few of them.
const OPEN: Table<()> = Table::new(b"k3o", "an open payout");
// (wallet, payout): those among them that change who signs.
const CHANGES: Table<()> = Table::new(b"k3n", "a change of signers");
// (payout, position of the line): until claimed or taken back.
const CLAIMABLES: Table<Claimable> = Table::new(b"k3c", "a claimable part of a payout");

/// All payouts, by number.
pub fn payouts(rows: &(impl KeyValue + ?Sized)) -> Result<Vec<Payout>, StoreFault> {
    PAYOUTS.values(rows, ())
}

/// One payout.
pub fn payout(rows: &(impl KeyValue + ?Sized), id: u64) -> Result<Option<Payout>, StoreFault> {
    PAYOUTS.get(rows, id)
}

/// The payouts that did not end, by number.
pub fn open(rows: &(impl KeyValue + ?Sized)) -> Result<Vec<Payout>, StoreFault> {
    named(rows, OPEN.all(rows, ())?)
}

/// The payouts of a wallet that change who signs for it and did not end, by number.
pub fn changes(rows: &(impl KeyValue + ?Sized), wallet: &str) -> Result<Vec<Payout>, StoreFault> {
    named(rows, CHANGES.all(rows, wallet)?)
}

/// The payouts whose numbers end these keys.
fn named(
    rows: &(impl KeyValue + ?Sized),
    found: Vec<(Vec<u8>, ())>,
) -> Result<Vec<Payout>, StoreFault> {
    let id = |key: &[u8]| {
        key.last_chunk()
            .map_or(0, |bytes| u64::from_be_bytes(*bytes))
    };
    found
        .iter()
        .map(|(key, ())| existing(rows, id(key)))
        .collect()
}

/// What payees have to claim, and did not as far as the circle knows.
pub fn claimables(rows: &(impl KeyValue + ?Sized)) -> Result<Vec<Claimable>, StoreFault> {
    CLAIMABLES.values(rows, ())
}

pub(super) fn claimable(
    rows: &Overlay,
    payout: u64,
    line: u32,
) -> Result<Option<Claimable>, StoreFault> {
    CLAIMABLES.get(rows, (payout, line))
}

pub(super) fn put_claimable(rows: &mut Overlay, claimable: &Claimable) {
    CLAIMABLES.put(rows, (claimable.payout, claimable.line), claimable);
}

pub(super) fn end_claimable(rows: &mut Overlay, payout: u64, line: u32) {
    CLAIMABLES.delete(rows, (payout, line));
}

/// The number of the next payout.
pub(super) fn next_id(rows: &Overlay) -> Result<u64, StoreFault> {
    Ok(PAYOUTS.last(rows, ())?.map_or(1, |payout| payout.id + 1))
}

/// A payout that a row of this state names.
pub(super) fn existing(rows: &(impl KeyValue + ?Sized), id: u64) -> Result<Payout, StoreFault> {
    payout(rows, id)?.ok_or_else(|| StoreFault::Corrupt {
        what: "a payout",
        reason: format!("payout {id} is missing"),
    })
}
