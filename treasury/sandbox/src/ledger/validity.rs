//! Whether a transaction may be included at all: what the network checks before it spends a fee on it.

use stellar_xdr as xdr;
use xdr::{InnerTransactionResultResult as Inner, TransactionResultResult as Outer};

use super::account::{self, Id};
use super::authority::{Level, Signatures, level};
use super::{Ledger, operations};

/// The parts of an envelope.
pub struct Parts<'a> {
    /// The transaction itself.
    pub tx: &'a xdr::Transaction,
    /// Its signatures.
    pub signatures: &'a [xdr::DecoratedSignature],
    /// What its own signatures sign.
    pub hash: [u8; 32],
    /// Who pays the fee, what it offers, and its signatures, if that is somebody else.
    pub bump: Option<&'a xdr::FeeBumpTransactionEnvelope>,
}

impl Ledger {
    /// The parts of an envelope.
    ///
    /// Errors: the first kind of envelopes, which the network does not take any more.
    pub(super) fn parts<'a>(
        &self,
        envelope: &'a xdr::TransactionEnvelope,
    ) -> Result<Parts<'a>, xdr::Error> {
        Ok(match envelope {
            xdr::TransactionEnvelope::Tx(envelope) => Parts {
                tx: &envelope.tx,
                signatures: envelope.signatures.as_slice(),
                hash: envelope.tx.hash(self.network)?,
                bump: None,
            },
            xdr::TransactionEnvelope::TxFeeBump(bump) => {
                let xdr::FeeBumpTransactionInnerTx::Tx(inner) = &bump.tx.inner_tx;
                Parts {
                    tx: &inner.tx,
                    signatures: inner.signatures.as_slice(),
                    hash: inner.tx.hash(self.network)?,
                    bump: Some(bump),
                }
            }
            xdr::TransactionEnvelope::TxV0(_) => return Err(xdr::Error::Unsupported),
        })
    }

    /// Checks an envelope against the state as it is, for a ledger closed at `time`. The inner error is what is answered.
    pub(super) fn check(
        &self,
        envelope: &xdr::TransactionEnvelope,
        hash: &[u8; 32],
        time: u64,
    ) -> Result<Result<(), xdr::TransactionResult>, xdr::Error> {
        let parts = self.parts(envelope)?;
        let Some(bump) = parts.bump else {
            let refused = self.check_plain(&parts, time, true);
            return Ok(refused.map_err(|result| {
                let fee = self.fee(parts.tx.operations.len());
                self.result(fee, outer(result))
            }));
        };
        let operations = parts.tx.operations.len() + 1;
        let fee_source = account::unmuxed(&bump.tx.fee_source);
        let least = self.fee(operations);
        // The bump must offer at least the rate of what it wraps.
        let rate_is_lower = i128::from(bump.tx.fee) * (parts.tx.operations.len() as i128)
            < i128::from(parts.tx.fee) * operations as i128;
        let refuse = |result| Ok(Err(self.result(least, result)));
        if bump.tx.fee < least || rate_is_lower {
            return refuse(Outer::TxInsufficientFee);
        }
        let Some(payer) = self.account(&fee_source) else {
            return refuse(Outer::TxNoAccount);
        };
        let mut signatures = Signatures::new(*hash, bump.signatures.as_slice());
        if !signatures.authorize(&fee_source, Some(payer), Level::Low) {
            return refuse(Outer::TxBadAuth);
        }
        if signatures.has_extra() {
            return refuse(Outer::TxBadAuthExtra);
        }
        if payer.available() < bump.tx.fee {
            return refuse(Outer::TxInsufficientBalance);
        }
        match self.check_plain(&parts, time, false) {
            Ok(()) => Ok(Ok(())),
            Err(inner) => refuse(Outer::TxFeeBumpInnerFailed(inner_pair(
                parts.hash, 0, inner,
            ))),
        }
    }

    /// Checks a transaction that stands alone, or inside a fee bump, which pays for it.
    fn check_plain(&self, parts: &Parts, time: u64, pays: bool) -> Result<(), Inner> {
        let tx = parts.tx;
        if tx.operations.is_empty() {
            return Err(Inner::TxMissingOperation);
        }
        if tx.ext != xdr::TransactionExt::V0 {
            return Err(Inner::TxNotSupported);
        }
        let conditions = Conditions::of(&tx.cond);
        if let Some(bounds) = &conditions.time {
            if bounds.min_time.0 > time {
                return Err(Inner::TxTooEarly);
            }
            if bounds.max_time.0 != 0 && bounds.max_time.0 < time {
                return Err(Inner::TxTooLate);
            }
        }
        let next = self.sequence() + 1;
        if let Some(bounds) = &conditions.ledgers {
            if bounds.min_ledger > next {
                return Err(Inner::TxTooEarly);
            }
            if bounds.max_ledger != 0 && bounds.max_ledger <= next {
                return Err(Inner::TxTooLate);
            }
        }
        if pays && i64::from(tx.fee) < self.fee(tx.operations.len()) {
            return Err(Inner::TxInsufficientFee);
        }
        let source = account::unmuxed(&tx.source_account);
        let account = self.account(&source).ok_or(Inner::TxNoAccount)?;
        let sequence = tx.seq_num.0;
        let fits = match conditions.least_sequence {
            None => account.sequence.checked_add(1) == Some(sequence),
            Some(least) => account.sequence >= least && account.sequence < sequence,
        };
        // The first number of a ledger's accounts is never used by a transaction.
        if !fits || sequence == i64::from(next) << 32 {
            return Err(Inner::TxBadSeq);
        }
        let (used_ledger, used_time) = account.sequence_used;
        if time.saturating_sub(used_time) < conditions.age_s || next - used_ledger < conditions.gap
        {
            return Err(Inner::TxBadMinSeqAgeOrGap);
        }
        if !conditions.extra_signers.is_empty() {
            return Err(Inner::TxNotSupported);
        }
        let mut signatures = Signatures::new(parts.hash, parts.signatures);
        if !signatures.authorize(&source, Some(account), Level::Low) {
            return Err(Inner::TxBadAuth);
        }
        if pays && account.available() < i64::from(tx.fee) {
            return Err(Inner::TxInsufficientBalance);
        }
        self.check_operations(tx, source, &mut signatures)?;
        if signatures.has_extra() {
            return Err(Inner::TxBadAuthExtra);
        }
        Ok(())
    }

    /// What is wrong with the operations whatever the accounts hold, and who has not signed. All of them are answered.
    fn check_operations(
        &self,
        tx: &xdr::Transaction,
        source: Id,
        signatures: &mut Signatures,
    ) -> Result<(), Inner> {
        let mut results = Vec::with_capacity(tx.operations.len());
        let mut is_sound = true;
        for operation in tx.operations.iter() {
            let id = operation
                .source_account
                .as_ref()
                .map_or(source, account::unmuxed);
            let account = self.account(&id);
            let fault = if !signatures.authorize(&id, account, level(&operation.body)) {
                Some(xdr::OperationResult::OpBadAuth)
            } else if account.is_none() && operation.source_account.is_none() {
                Some(xdr::OperationResult::OpNoAccount)
            } else {
                operations::malformed(&operation.body, &id)
            };
            is_sound &= fault.is_none();
            results.push(fault.unwrap_or_else(|| operations::success(&operation.body)));
        }
        match is_sound {
            true => Ok(()),
            false => Err(Inner::TxFailed(results.try_into().unwrap_or_default())),
        }
    }

    /// What a transaction with so many operations costs now, in stroops.
    pub(super) fn fee(&self, operations: usize) -> i64 {
        i64::from(self.fee_stroops()) * operations as i64
    }

    pub(super) fn result(&self, fee_charged: i64, result: Outer) -> xdr::TransactionResult {
        xdr::TransactionResult {
            fee_charged,
            result,
            ext: xdr::TransactionResultExt::V0,
        }
    }
}

/// What a transaction asks for before it may be included.
struct Conditions {
    time: Option<xdr::TimeBounds>,
    ledgers: Option<xdr::LedgerBounds>,
    least_sequence: Option<i64>,
    age_s: u64,
    gap: u32,
    extra_signers: Vec<xdr::SignerKey>,
}

impl Conditions {
    fn of(conditions: &xdr::Preconditions) -> Self {
        let mut all = Self {
            time: None,
            ledgers: None,
            least_sequence: None,
            age_s: 0,
            gap: 0,
            extra_signers: Vec::new(),
        };
        match conditions {
            xdr::Preconditions::None => {}
            xdr::Preconditions::Time(time) => all.time = Some(time.clone()),
            xdr::Preconditions::V2(more) => {
                all.time = more.time_bounds.clone();
                all.ledgers = more.ledger_bounds.clone();
                all.least_sequence = more.min_seq_num.as_ref().map(|sequence| sequence.0);
                all.age_s = more.min_seq_age.0;
                all.gap = more.min_seq_ledger_gap;
                all.extra_signers = more.extra_signers.to_vec();
            }
        }
        all
    }
}

/// The result of an inner transaction, with its hash, as a fee bump answers it.
pub fn inner_pair(
    hash: [u8; 32],
    fee_charged: i64,
    result: Inner,
) -> xdr::InnerTransactionResultPair {
    xdr::InnerTransactionResultPair {
        transaction_hash: xdr::Hash(hash),
        result: xdr::InnerTransactionResult {
            fee_charged,
            result,
            ext: xdr::InnerTransactionResultExt::V0,
        },
    }
}

/// The same result for a transaction that stands alone.
pub fn outer(result: Inner) -> Outer {
    match result {
        Inner::TxSuccess(results) => Outer::TxSuccess(results),
        Inner::TxFailed(results) => Outer::TxFailed(results),
        Inner::TxTooEarly => Outer::TxTooEarly,
        Inner::TxTooLate => Outer::TxTooLate,
        Inner::TxMissingOperation => Outer::TxMissingOperation,
        Inner::TxBadSeq => Outer::TxBadSeq,
        Inner::TxBadAuth => Outer::TxBadAuth,
        Inner::TxInsufficientBalance => Outer::TxInsufficientBalance,
        Inner::TxNoAccount => Outer::TxNoAccount,
        Inner::TxInsufficientFee => Outer::TxInsufficientFee,
        Inner::TxBadAuthExtra => Outer::TxBadAuthExtra,
        Inner::TxInternalError => Outer::TxInternalError,
        Inner::TxNotSupported => Outer::TxNotSupported,
        Inner::TxBadSponsorship => Outer::TxBadSponsorship,
        Inner::TxBadMinSeqAgeOrGap => Outer::TxBadMinSeqAgeOrGap,
        Inner::TxMalformed => Outer::TxMalformed,
        Inner::TxSorobanInvalid => Outer::TxSorobanInvalid,
        Inner::TxFrozenKeyAccessed => Outer::TxFrozenKeyAccessed,
    }
}
