//! A batch of payments and the transaction that it is.

use borsh::{BorshDeserialize, BorshSerialize};
use sha2::{Digest, Sha256};
use stellar_xdr as xdr;
use xdr::WriteXdr;

use super::StellarError;

/// Operations that fit one Stellar transaction.
pub const MAX_OPERATIONS: usize = 100;
/// The network's minimum fee for one operation, in stroops.
const MIN_FEE_PER_OPERATION_STROOPS: u32 = 100;

/// Payments out of one account that happen all or none.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct PaymentBatch {
    /// The account that pays, and the key that signs: the wallet's group key.
    pub source: [u8; 32],
    /// Fee offered for each payment, in stroops (10^-7 XLM).
    pub fee_per_op_stroops: u32,
    /// The sequence number that this transaction uses up: the account's current one plus one.
    pub sequence: i64,
    /// When the network may include the transaction.
    pub time_bounds: TimeBounds,
    /// A note that the network carries along.
    pub memo: Option<Memo>,
    /// 1 to 100 payments, in the order in which they happen.
    pub operations: Vec<Payment>,
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

/// One payment.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Payment {
    /// Master key of the account that is paid.
    pub destination: [u8; 32],
    /// What is paid.
    pub asset: Asset,
    /// How much, in units of 10^-7.
    pub amount: i64,
}

/// What Stellar can pay with.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Asset {
    /// XLM.
    Native,
    /// A code and the account that issues it.
    Issued {
        /// Its code, for example TFT.
        code: AssetCode,
        /// Master key of the issuing account.
        issuer: [u8; 32],
    },
}

/// An asset code of 1 to 12 ASCII letters and digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize)]
pub struct AssetCode(String);

impl AssetCode {
    /// Checks and keeps a code. Errors: [`StellarError::AssetCode`].
    pub fn new(code: &str) -> Result<Self, StellarError> {
        let fits =
            (1..=12).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if fits {
            Ok(Self(code.to_owned()))
        } else {
            Err(StellarError::AssetCode {
                code: code.to_owned(),
            })
        }
    }

    /// The code as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl BorshDeserialize for AssetCode {
    fn deserialize_reader<R: borsh::io::Read>(reader: &mut R) -> borsh::io::Result<Self> {
        let code = String::deserialize_reader(reader)?;
        Self::new(&code).map_err(|error| {
            borsh::io::Error::new(borsh::io::ErrorKind::InvalidData, error.to_string())
        })
    }
}

impl PaymentBatch {
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
            .map(operation)
            .collect::<Result<Vec<_>, _>>()?;
        Ok(xdr::Transaction {
            source_account: muxed(&self.source),
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

    /// The fee of the whole transaction.
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

    /// The 32 bytes that the source key signs, which are also the transaction's name on the network.
    ///
    /// `network_passphrase` tells the networks apart, so that a signature for one is worthless on another.
    pub fn hash(&self, network_passphrase: &str) -> Result<[u8; 32], StellarError> {
        let network_id: [u8; 32] = Sha256::digest(network_passphrase.as_bytes()).into();
        self.transaction()?.hash(network_id).map_err(encoding)
    }

    /// Reads the network's types back. Errors on everything that [`PaymentBatch::transaction`] does not write.
    pub(super) fn from_transaction(tx: &xdr::Transaction) -> Result<Self, StellarError> {
        let xdr::Preconditions::Time(bounds) = &tx.cond else {
            return Err(refuse("it has no plain time bounds"));
        };
        let count = tx.operations.len();
        let fee_per_op_stroops = u32::try_from(count)
            .ok()
            .and_then(|count| tx.fee.checked_div(count));
        let batch = Self {
            source: key_of(&tx.source_account)?,
            fee_per_op_stroops: fee_per_op_stroops.ok_or(StellarError::OperationCount { count })?,
            sequence: tx.seq_num.0,
            time_bounds: TimeBounds {
                min: bounds.min_time.0,
                max: bounds.max_time.0,
            },
            memo: read_memo(&tx.memo)?,
            operations: tx
                .operations
                .iter()
                .map(read_operation)
                .collect::<Result<_, _>>()?,
        };
        // The fee of the whole must be the fee of each times their number, and the rest must hold as when writing.
        if batch.transaction()? == *tx {
            Ok(batch)
        } else {
            Err(refuse("its fee is not the same for each payment"))
        }
    }
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

fn muxed(key: &[u8; 32]) -> xdr::MuxedAccount {
    xdr::MuxedAccount::Ed25519(xdr::Uint256(*key))
}

fn key_of(account: &xdr::MuxedAccount) -> Result<[u8; 32], StellarError> {
    match account {
        xdr::MuxedAccount::Ed25519(key) => Ok(key.0),
        xdr::MuxedAccount::MuxedEd25519(_) => Err(refuse("it names a muxed account")),
    }
}

fn operation((position, payment): (usize, &Payment)) -> Result<xdr::Operation, StellarError> {
    if payment.amount < 1 {
        return Err(StellarError::Amount {
            position,
            amount: payment.amount,
        });
    }
    Ok(xdr::Operation {
        source_account: None,
        body: xdr::OperationBody::Payment(xdr::PaymentOp {
            destination: muxed(&payment.destination),
            asset: asset(&payment.asset),
            amount: payment.amount,
        }),
    })
}

fn read_operation(operation: &xdr::Operation) -> Result<Payment, StellarError> {
    let (None, xdr::OperationBody::Payment(payment)) = (&operation.source_account, &operation.body)
    else {
        return Err(refuse(
            "an operation is not a payment of the source account",
        ));
    };
    Ok(Payment {
        destination: key_of(&payment.destination)?,
        asset: read_asset(&payment.asset)?,
        amount: payment.amount,
    })
}

fn asset(asset: &Asset) -> xdr::Asset {
    let Asset::Issued { code, issuer } = asset else {
        return xdr::Asset::Native;
    };
    let issuer = xdr::AccountId(xdr::PublicKey::PublicKeyTypeEd25519(xdr::Uint256(*issuer)));
    let code = code.as_str().as_bytes();
    if code.len() <= 4 {
        xdr::Asset::CreditAlphanum4(xdr::AlphaNum4 {
            asset_code: xdr::AssetCode4(padded(code)),
            issuer,
        })
    } else {
        xdr::Asset::CreditAlphanum12(xdr::AlphaNum12 {
            asset_code: xdr::AssetCode12(padded(code)),
            issuer,
        })
    }
}

fn read_asset(asset: &xdr::Asset) -> Result<Asset, StellarError> {
    let (code, issuer) = match asset {
        xdr::Asset::Native => return Ok(Asset::Native),
        xdr::Asset::CreditAlphanum4(asset) => (&asset.asset_code.0[..], &asset.issuer),
        xdr::Asset::CreditAlphanum12(asset) => (&asset.asset_code.0[..], &asset.issuer),
    };
    let end = code
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last + 1);
    let code = AssetCode::new(&String::from_utf8_lossy(&code[..end]))?;
    let xdr::PublicKey::PublicKeyTypeEd25519(issuer) = &issuer.0;
    Ok(Asset::Issued {
        code,
        issuer: issuer.0,
    })
}

/// Codes are padded with zero bytes at their end.
fn padded<const N: usize>(code: &[u8]) -> [u8; N] {
    let mut bytes = [0; N];
    bytes[..code.len()].copy_from_slice(code);
    bytes
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
