//! A batch of operations and the transaction that it is.

use borsh::{BorshDeserialize, BorshSerialize};
use sha2::{Digest, Sha256};
use stellar_xdr as xdr;
use xdr::WriteXdr;

use super::operation::{self, account, muxed, read_muxed};
use super::{Destination, Operation, StellarError};

/// Operations that fit one Stellar transaction.
pub const MAX_OPERATIONS: usize = 100;
/// The network's minimum fee for one operation, in stroops.
const MIN_FEE_PER_OPERATION_STROOPS: u32 = 100;

/// Operations of one account that happen all or none.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Batch {
    /// The account that acts and pays, by its master key, which need not be the key that signs.
    pub source: [u8; 32],
    /// Fee offered for each operation, in stroops (10^-7 XLM).
    pub fee_per_op_stroops: u32,
    /// The sequence number that this transaction uses up: the account's current one plus one.
    pub sequence: i64,
    /// When the network may include the transaction.
    pub time_bounds: TimeBounds,
    /// A note that the network carries along.
    pub memo: Option<Memo>,
    /// 1 to 100 operations, in the order in which they happen.
    pub operations: Vec<Operation>,
}

/// Unix seconds between which a transaction may be included, both ends inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct TimeBounds {
    /// First second; 0 for "at once".
    pub min: u64,
    /// Last second. Never endless: only a bounded transaction can be proven dead and replaced.
    pub max: u64,
}

/// A note on a transaction.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Memo {
    /// At most 28 bytes of text.
    Text(String),
    /// A number, as exchanges ask for.
    Id(u64),
    /// A digest of something kept elsewhere.
    Hash([u8; 32]),
}

impl Batch {
    /// The transaction in the network's own types.
    ///
    /// Errors: the first thing that the network would refuse whatever the accounts hold.
    pub fn transaction(&self) -> Result<xdr::Transaction, StellarError> {
        let count = self.operations.len();
        if !(1..=MAX_OPERATIONS).contains(&count) {
            return Err(StellarError::OperationCount { count });
        }
        if self.sequence < 1 {
            return Err(StellarError::Sequence {
                sequence: self.sequence,
            });
        }
        let TimeBounds { min, max } = self.time_bounds;
        if max <= min {
            return Err(StellarError::TimeBounds { min, max });
        }
        let operations = self
            .operations
            .iter()
            .enumerate()
            .map(|(position, operation)| operation::write(&self.source, position, operation))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(xdr::Transaction {
            source_account: muxed(&self.source.into()),
            fee: self.fee_stroops()?,
            seq_num: xdr::SequenceNumber(self.sequence),
            cond: xdr::Preconditions::Time(xdr::TimeBounds {
                min_time: xdr::TimePoint(min),
                max_time: xdr::TimePoint(max),
            }),
            memo: self.memo.as_ref().map_or(Ok(xdr::Memo::None), memo)?,
            operations: operations
                .try_into()
                .map_err(|_| StellarError::OperationCount { count })?,
            ext: xdr::TransactionExt::V0,
        })
    }

    /// The fee of the whole transaction, in stroops.
    fn fee_stroops(&self) -> Result<u32, StellarError> {
        let count = self.operations.len();
        u32::try_from(count)
            .ok()
            .filter(|_| self.fee_per_op_stroops >= MIN_FEE_PER_OPERATION_STROOPS)
            .and_then(|count| self.fee_per_op_stroops.checked_mul(count))
            .ok_or(StellarError::Fee {
                fee_per_op_stroops: self.fee_per_op_stroops,
                count,
            })
    }

    /// The bytes of the unsigned transaction (XDR).
    pub fn transaction_xdr(&self) -> Result<Vec<u8>, StellarError> {
        self.transaction()?
            .to_xdr(xdr::Limits::none())
            .map_err(encoding)
    }

    /// The 32 bytes that signers sign, which are also the transaction's name on the network.
    ///
    /// `network_passphrase` tells the networks apart, so that a signature for one is worthless on another.
    pub fn hash(&self, network_passphrase: &str) -> Result<[u8; 32], StellarError> {
        self.transaction()?
            .hash(network_id(network_passphrase))
            .map_err(encoding)
    }

    /// The name that the network gives to the claimable balance which the operation at `position` creates.
    ///
    /// It follows from the account, the sequence number and the position, and is the same on every network. Horizon
    /// writes it in hexadecimal after eight zeros. Errors: [`StellarError::Operation`] if that operation is another.
    pub fn claimable_id(&self, position: usize) -> Result<[u8; 32], StellarError> {
        let Some(Operation::CreateClaimable { .. }) = self.operations.get(position) else {
            return Err(StellarError::Operation {
                position,
                reason: "nothing that creates a claimable balance",
            });
        };
        let preimage = xdr::HashIdPreimage::OpId(xdr::HashIdPreimageOperationId {
            source_account: account(&self.source),
            seq_num: xdr::SequenceNumber(self.sequence),
            op_num: position as u32,
        });
        let bytes = preimage.to_xdr(xdr::Limits::none()).map_err(encoding)?;
        Ok(Sha256::digest(bytes).into())
    }

    /// Reads the network's types back. Errors on everything that [`Batch::transaction`] does not write.
    pub(super) fn from_transaction(tx: &xdr::Transaction) -> Result<Self, StellarError> {
        let Destination {
            key: source,
            muxed: None,
        } = read_muxed(&tx.source_account)
        else {
            return Err(refuse("its source is a muxed account"));
        };
        let xdr::Preconditions::Time(bounds) = &tx.cond else {
            return Err(refuse("it has no plain time bounds"));
        };
        let count = tx.operations.len();
        let fee_per_op_stroops = u32::try_from(count)
            .ok()
            .and_then(|count| tx.fee.checked_div(count))
            .ok_or(StellarError::OperationCount { count })?;
        let batch = Self {
            source,
            fee_per_op_stroops,
            sequence: tx.seq_num.0,
            time_bounds: TimeBounds {
                min: bounds.min_time.0,
                max: bounds.max_time.0,
            },
            memo: read_memo(&tx.memo)?,
            operations: tx
                .operations
                .iter()
                .map(operation::read)
                .collect::<Result<_, _>>()?,
        };
        if batch.fee_stroops()? != tx.fee {
            return Err(refuse("its fee is not the same for each operation"));
        }
        // What was not read would be lost, so what is written again has to be the same.
        if batch.transaction()? == *tx {
            Ok(batch)
        } else {
            Err(refuse("it says more than a batch can"))
        }
    }
}

/// What stands for a network in everything that is signed for it.
pub(super) fn network_id(network_passphrase: &str) -> [u8; 32] {
    Sha256::digest(network_passphrase.as_bytes()).into()
}

/// Reasons in words, for a format that is somebody else's.
pub(super) fn refuse(reason: &str) -> StellarError {
    StellarError::Envelope {
        reason: reason.to_owned(),
    }
}

pub(super) fn encoding(error: xdr::Error) -> StellarError {
    StellarError::Envelope {
        reason: error.to_string(),
    }
}

fn memo(memo: &Memo) -> Result<xdr::Memo, StellarError> {
    Ok(match memo {
        Memo::Text(text) => xdr::Memo::Text(
            text.as_bytes()
                .try_into()
                .map_err(|_| StellarError::MemoText { length: text.len() })?,
        ),
        Memo::Id(id) => xdr::Memo::Id(*id),
        Memo::Hash(hash) => xdr::Memo::Hash(xdr::Hash(*hash)),
    })
}

fn read_memo(memo: &xdr::Memo) -> Result<Option<Memo>, StellarError> {
    Ok(Some(match memo {
        xdr::Memo::None => return Ok(None),
        xdr::Memo::Text(text) => Memo::Text(
            String::from_utf8(text.to_vec()).map_err(|_| refuse("its memo is not UTF-8"))?,
        ),
        xdr::Memo::Id(id) => Memo::Id(*id),
        xdr::Memo::Hash(hash) => Memo::Hash(hash.0),
        xdr::Memo::Return(_) => return Err(refuse("its memo names a returned payment")),
    }))
}
