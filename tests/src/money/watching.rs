//! What guardians see on the ledger, and report.

use circle::treasury::{self, Observation, Outcome, Payout, Question, Scheme, Transaction};
use stellar_xdr as xdr;
use threescript::value::Amount;
use treasury_sandbox::ledger::Included;

use super::{Money, belongs_to, key_of, observe, succeeded};
use crate::simulation::tft;

impl Money {
    /// Every running guardian reports what it sees and did not say before. Gives whether anybody had news.
    pub fn watch(&mut self) -> bool {
        let mut said = false;
        for index in 0..self.circle.guardians.len() {
            if !self.circle.guardians[index].running {
                continue;
            }
            let seen = self.look(index);
            if !seen.is_empty() {
                let receipt = self.circle.act(index, vec![observe(&seen)]);
                said |= receipt.is_ok();
            }
        }
        said
    }

    /// What one guardian sees on the chain and has not said.
    fn look(&self, index: usize) -> Vec<Observation> {
        let rows = self.circle.guardians[index].state();
        let questions = treasury::questions(&rows, &self.circle.genesis, self.now_s());
        let mut seen = Vec::new();
        for question in questions.expect("memory does not fail") {
            seen.extend(self.answer(&question));
        }
        seen.extend(self.arrivals());
        if treasury::is_at_rest(&rows, "main").expect("memory does not fail")
            && let Some(wallet) = treasury::wallet(&rows, "main").expect("memory does not fail")
            && wallet.next_sequence.is_some()
            && !seen.iter().any(|one| {
                treasury::is_news(&rows, index as u32, one).expect("memory does not fail")
            })
        {
            let held = self.balance(&self.account());
            let differs = treasury::compare(&rows, &wallet, &tft(), held);
            seen.extend(differs.expect("memory does not fail"));
        }
        seen.retain(|one| {
            treasury::is_news(&rows, index as u32, one).expect("memory does not fail")
        });
        seen
    }

    fn answer(&self, question: &Question) -> Option<Observation> {
        match question {
            Question::Account { wallet } => {
                let account = self.ledger.account(&key_of(wallet.address.as_ref()?))?;
                match &wallet.scheme {
                    Scheme::Multisig { owners } => {
                        let is_theirs = belongs_to(account, owners.as_ref()?)
                            && account.subentries() as usize == owners.as_ref()?.keys().len();
                        let changed = account.modified.0.into();
                        let seen = question.owned(account.sequence, changed, account.balance);
                        seen.filter(|_| is_theirs)
                    }
                    _ => question.account(account.sequence),
                }
            }
            Question::Outcome { payout, .. } => question.outcome(self.outcome(payout)),
            Question::Receives { address, .. } => {
                let account = self.ledger.account(&key_of(address));
                question.receives(account.is_some_and(|account| self.line(account).is_some()))
            }
            Question::Claim { balance, .. } => {
                question.claim(self.ledger.claimable().any(|(id, _)| id == balance))
            }
        }
    }

    fn outcome(&self, payout: &Payout) -> Outcome {
        let Transaction::Stellar { batch, .. } = &payout.transaction else {
            return Outcome::Pending;
        };
        if let Some(included) = self.ledger.transaction(&payout.hash) {
            return Outcome::Included {
                ledger: included.ledger.into(),
                succeeded: succeeded(included),
                fee: included.result.fee_charged,
            };
        }
        let sequence = self.sequence();
        if sequence >= batch.sequence {
            return Outcome::Passed { sequence };
        }
        // The last closed ledger is as old as now where one is closed every few seconds.
        match self.now_s() > batch.time_bounds.max {
            true => Outcome::Expired,
            false => Outcome::Pending,
        }
    }

    /// Payments to the wallet.
    fn arrivals(&self) -> Vec<Observation> {
        let wallet = self.wallet();
        let owned = matches!(wallet.scheme, Scheme::Multisig { .. });
        if wallet.address.is_none() || owned && wallet.next_sequence.is_none() {
            return Vec::new();
        }
        let to = xdr::MuxedAccount::Ed25519(xdr::Uint256(self.account()));
        let mut seen = Vec::new();
        let counts = |one: &&Included| succeeded(one) && u64::from(one.ledger) > wallet.since;
        for included in self.ledger.included().iter().filter(counts) {
            let xdr::TransactionEnvelope::Tx(envelope) = &included.envelope else {
                continue;
            };
            for (position, operation) in envelope.tx.operations.iter().enumerate() {
                let xdr::OperationBody::Payment(payment) = &operation.body else {
                    continue;
                };
                if payment.destination != to || payment.asset == xdr::Asset::Native {
                    continue;
                }
                let from = match &envelope.tx.source_account {
                    xdr::MuxedAccount::Ed25519(key) => key.0,
                    xdr::MuxedAccount::MuxedEd25519(from) => from.ed25519.0,
                };
                seen.push(Observation::Received {
                    wallet: "main".into(),
                    operation: format!("{}-{position}", included.ledger),
                    from: treasury_protocol::stellar::address(&from),
                    to: None,
                    memo: match &envelope.tx.memo {
                        xdr::Memo::Text(text) => Some(text.to_utf8_string_lossy()),
                        _ => None,
                    },
                    amount: Amount::new(payment.amount, tft()),
                });
            }
        }
        seen
    }
}
