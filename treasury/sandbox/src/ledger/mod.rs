//! The ledger: accounts, claimable balances, and the transactions that changed them.
//!
//! Pure: the time comes with each transaction. Rules and result codes are those of the Stellar protocol, for the operations that a treasury
//! meets; others are answered with `opNOT_SUPPORTED`.

pub mod account;
mod apply;
mod authority;
mod operations;
#[cfg(test)]
mod tests;
mod validity;

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};
use stellar_xdr as xdr;
use xdr::{Limits, WriteXdr};

use account::{Account, Id};

/// The fee of an operation as long as there is room for everybody, in stroops.
pub const BASE_FEE: u32 = 100;
/// What a new account is given, in stroops.
pub const GIFT: i64 = 10_000 * 10_000_000;
/// What the first account holds: everything there is, in stroops.
const ALL: i64 = 1_000_000_000_000_000_000;

/// Something that can be claimed by others.
#[derive(Clone, Debug)]
pub struct ClaimableBalance {
    /// What is claimed.
    pub asset: xdr::Asset,
    /// How much, in units of 10^-7.
    pub amount: i64,
    /// Who may claim it, and when.
    pub claimants: Vec<xdr::ClaimantV0>,
    /// Who holds the reserve for it.
    pub sponsor: Id,
    /// The ledger and time in which it was made.
    pub made: (u32, u64),
}

/// A transaction that was included, whether it succeeded or not.
#[derive(Clone, Debug)]
pub struct Included {
    /// Of the envelope that was sent: the fee bump, if it is one.
    pub hash: [u8; 32],
    /// Of the transaction inside a fee bump.
    pub inner_hash: Option<[u8; 32]>,
    /// What was sent.
    pub envelope: xdr::TransactionEnvelope,
    /// What became of it.
    pub result: xdr::TransactionResult,
    /// Its ledger.
    pub ledger: u32,
    /// When that was closed, in Unix seconds.
    pub time: u64,
    /// Its place in the ledger, from 1.
    pub order: u32,
}

/// What became of a submission.
#[derive(Clone, Debug)]
pub enum Submission {
    /// It is in a ledger; it may have failed there, and has used up its sequence number then, too.
    Included(Box<Included>),
    /// It is in no ledger. The same bytes may be included later, unless the reason is for ever.
    Refused(Box<xdr::TransactionResult>),
}

/// The whole ledger.
#[derive(Clone, Debug)]
pub struct Ledger {
    passphrase: String,
    network: [u8; 32],
    sequence: u32,
    time: u64,
    accounts: BTreeMap<Id, Account>,
    claimable: BTreeMap<[u8; 32], ClaimableBalance>,
    included: Vec<Included>,
    by_hash: BTreeMap<[u8; 32], usize>,
    /// The closing time of each ledger, and how many transactions were in it.
    closed: Vec<(u64, u32)>,
    fee_pool: i64,
    /// What an operation costs now, in stroops.
    fee_stroops: u32,
}

impl Ledger {
    /// A ledger with one account, whose key follows from the network's passphrase, and which holds everything.
    pub fn new(passphrase: &str, time: u64) -> Self {
        let network: [u8; 32] = Sha256::digest(passphrase.as_bytes()).into();
        let root = Self::root_secret(passphrase);
        let root = ed25519_zebra::VerificationKeyBytes::from(&root);
        let mut accounts = BTreeMap::new();
        accounts.insert(<[u8; 32]>::from(root), Account::new(ALL, 0, time));
        Self {
            passphrase: passphrase.to_owned(),
            network,
            sequence: 1,
            time,
            accounts,
            claimable: BTreeMap::new(),
            included: Vec::new(),
            by_hash: BTreeMap::new(),
            closed: vec![(time, 0)],
            fee_pool: 0,
            fee_stroops: BASE_FEE,
        }
    }

    /// The secret key of the account that holds everything: SHA-256 of the passphrase, as on every Stellar network.
    pub fn root_secret(passphrase: &str) -> ed25519_zebra::SigningKey {
        ed25519_zebra::SigningKey::from(<[u8; 32]>::from(Sha256::digest(passphrase.as_bytes())))
    }

    /// The passphrase of the network.
    pub fn passphrase(&self) -> &str {
        &self.passphrase
    }

    /// The number of the last closed ledger.
    pub fn sequence(&self) -> u32 {
        self.sequence
    }

    /// When the last ledger was closed, in Unix seconds.
    pub fn time(&self) -> u64 {
        self.time
    }

    /// Closing time and number of transactions of a ledger, which are counted from 1.
    pub fn closed(&self, sequence: u32) -> Option<(u64, u32)> {
        let at = sequence.checked_sub(1)?;
        self.closed.get(at as usize).copied()
    }

    /// All fees so far, in stroops.
    pub fn fee_pool(&self) -> i64 {
        self.fee_pool
    }

    /// What an operation costs now, in stroops.
    pub fn fee_stroops(&self) -> u32 {
        self.fee_stroops
    }

    /// Lets an operation cost so many stroops from now on, as when more want to be included than there is room for. Never less
    /// than [`BASE_FEE`].
    pub fn ask_fee(&mut self, fee_stroops: u32) {
        self.fee_stroops = fee_stroops.max(BASE_FEE);
    }

    /// An account.
    pub fn account(&self, id: &Id) -> Option<&Account> {
        self.accounts.get(id)
    }

    /// All accounts by key.
    pub fn accounts(&self) -> impl Iterator<Item = (&Id, &Account)> {
        self.accounts.iter()
    }

    /// All claimable balances by id.
    pub fn claimable(&self) -> impl Iterator<Item = (&[u8; 32], &ClaimableBalance)> {
        self.claimable.iter()
    }

    /// All included transactions, the oldest first.
    pub fn included(&self) -> &[Included] {
        &self.included
    }

    /// The included transaction with this hash; a fee bump is found by the hash of what it wraps, too.
    pub fn transaction(&self, hash: &[u8; 32]) -> Option<&Included> {
        self.by_hash.get(hash).map(|at| &self.included[*at])
    }

    /// The hash that is signed.
    ///
    /// Errors: an envelope of the kind that was given up with protocol 13.
    pub fn hash(&self, envelope: &xdr::TransactionEnvelope) -> Result<[u8; 32], xdr::Error> {
        envelope.hash(self.network)
    }

    /// Takes a transaction at the time `now`: checks it, and closes a ledger with it.
    ///
    /// A transaction that was included before is answered as it was then.
    ///
    /// Errors: an envelope that has no hash.
    pub fn submit(
        &mut self,
        envelope: &xdr::TransactionEnvelope,
        now: u64,
    ) -> Result<Submission, xdr::Error> {
        let hash = self.hash(envelope)?;
        if let Some(known) = self.transaction(&hash) {
            return Ok(Submission::Included(Box::new(known.clone())));
        }
        let time = now.max(self.time);
        if let Err(refused) = self.check(envelope, &hash, time)? {
            return Ok(Submission::Refused(Box::new(refused)));
        }
        self.sequence += 1;
        self.time = time;
        self.closed.push((time, 1));
        let result = self.apply(envelope)?;
        let inner_hash = match envelope {
            xdr::TransactionEnvelope::TxFeeBump(bump) => Some(self.inner_hash(bump)?),
            _ => None,
        };
        let included = Included {
            hash,
            inner_hash,
            envelope: envelope.clone(),
            result,
            ledger: self.sequence,
            time,
            order: 1,
        };
        let at = self.included.len();
        self.by_hash.insert(hash, at);
        if let Some(inner) = inner_hash {
            self.by_hash.insert(inner, at);
        }
        self.included.push(included.clone());
        Ok(Submission::Included(Box::new(included)))
    }

    /// Opens an account with [`GIFT`], out of the one that holds everything.
    ///
    /// Errors: none but those of [`Ledger::submit`]; an account that exists already is the answer.
    pub fn befriend(&mut self, id: &Id, now: u64) -> Result<Submission, xdr::Error> {
        let root = Self::root_secret(&self.passphrase);
        let key: Id = ed25519_zebra::VerificationKeyBytes::from(&root).into();
        let create = xdr::OperationBody::CreateAccount(xdr::CreateAccountOp {
            destination: account::account_id(id),
            starting_balance: GIFT,
        });
        let operation = xdr::Operation {
            source_account: None,
            body: create,
        };
        let sequence = self.account(&key).map_or(0, |account| account.sequence);
        let tx = xdr::Transaction {
            source_account: xdr::MuxedAccount::Ed25519(xdr::Uint256(key)),
            fee: self.fee_stroops,
            seq_num: xdr::SequenceNumber(sequence + 1),
            cond: xdr::Preconditions::None,
            memo: xdr::Memo::None,
            operations: vec![operation].try_into()?,
            ext: xdr::TransactionExt::V0,
        };
        let signature: [u8; 64] = root.sign(&tx.hash(self.network)?).into();
        let signed = xdr::DecoratedSignature {
            hint: xdr::SignatureHint([key[28], key[29], key[30], key[31]]),
            signature: xdr::Signature(signature.to_vec().try_into()?),
        };
        let envelope = xdr::TransactionEnvelope::Tx(xdr::TransactionV1Envelope {
            tx,
            signatures: vec![signed].try_into()?,
        });
        self.submit(&envelope, now)
    }

    /// Closes a ledger without transactions.
    pub fn close(&mut self, now: u64) {
        self.sequence += 1;
        self.time = now.max(self.time);
        self.closed.push((self.time, 0));
    }

    fn inner_hash(&self, bump: &xdr::FeeBumpTransactionEnvelope) -> Result<[u8; 32], xdr::Error> {
        let xdr::FeeBumpTransactionInnerTx::Tx(inner) = &bump.tx.inner_tx;
        inner.tx.hash(self.network)
    }
}

/// The canonical bytes in base64, as Horizon shows XDR.
pub fn base64(value: &impl WriteXdr) -> String {
    value.to_xdr_base64(Limits::none()).unwrap_or_default()
}
