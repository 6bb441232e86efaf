//! Including a transaction: fee and sequence number are used up, then all operations take effect, or none.

use stellar_xdr as xdr;
use xdr::{InnerTransactionResultResult as Inner, TransactionResultResult as Outer};

use super::account;
use super::validity::{inner_pair, outer};
use super::{Ledger, operations};

impl Ledger {
    /// Applies a checked envelope in the ledger that was just closed.
    pub(super) fn apply(
        &mut self,
        envelope: &xdr::TransactionEnvelope,
    ) -> Result<xdr::TransactionResult, xdr::Error> {
        let parts = self.parts(envelope)?;
        let (inner_hash, tx) = (parts.hash, parts.tx);
        let source = account::unmuxed(&tx.source_account);
        let (payer, charged) = match parts.bump {
            None => (source, self.fee(tx.operations.len())),
            Some(bump) => (
                account::unmuxed(&bump.tx.fee_source),
                self.fee(tx.operations.len() + 1),
            ),
        };
        let now = (self.sequence, self.time);
        if let Some(account) = self.accounts.get_mut(&payer) {
            account.balance -= charged;
            account.modified = now;
        }
        self.fee_pool += charged;
        if let Some(account) = self.accounts.get_mut(&source) {
            account.sequence = tx.seq_num.0;
            account.sequence_used = now;
            account.modified = now;
            // A transaction that was agreed on beforehand is agreed on once.
            let agreed = xdr::SignerKey::PreAuthTx(xdr::Uint256(inner_hash));
            account.signers.remove(&agreed);
        }
        let inner = self.apply_operations(tx);
        let result = match parts.bump {
            None => outer(inner),
            Some(_) => {
                let succeeded = matches!(inner, Inner::TxSuccess(_));
                let pair = inner_pair(inner_hash, self.fee(tx.operations.len()), inner);
                match succeeded {
                    true => Outer::TxFeeBumpInnerSuccess(pair),
                    false => Outer::TxFeeBumpInnerFailed(pair),
                }
            }
        };
        Ok(self.result(charged, result))
    }

    fn apply_operations(&mut self, tx: &xdr::Transaction) -> Inner {
        let before = (self.accounts.clone(), self.claimable.clone());
        let source = account::unmuxed(&tx.source_account);
        let mut results = Vec::with_capacity(tx.operations.len());
        let mut is_sound = true;
        for (number, operation) in tx.operations.iter().enumerate() {
            let id = operation
                .source_account
                .as_ref()
                .map_or(source, account::unmuxed);
            let place = operations::Place {
                source,
                sequence: tx.seq_num.0,
                number: number as u32,
            };
            let result = match self.accounts.contains_key(&id) {
                true => self.operate(&operation.body, id, &place),
                // An earlier operation of this transaction merged it into another.
                false => Err(xdr::OperationResult::OpNoAccount),
            };
            match result {
                Ok(result) => results.push(result),
                Err(result) => {
                    is_sound = false;
                    results.push(result);
                }
            }
        }
        let results = results.try_into().unwrap_or_default();
        if is_sound {
            return Inner::TxSuccess(results);
        }
        (self.accounts, self.claimable) = before;
        Inner::TxFailed(results)
    }
}
