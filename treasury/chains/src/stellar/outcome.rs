//! What became of a transaction: proofs, not impressions.
//!
//! # Why the order of reading matters
//! Between two requests the chain goes on, and behind one address there may be several servers that are not equally far. So every
//! conclusion rests on one answer about one ledger, or on answers that show by themselves how far their server was:
//!
//! 1. `/` first: ledger N is closed, at a time T.
//! 2. The account then. Horizon reads it from a snapshot and names that snapshot's ledger L in the header `Latest-Ledger`. If L is below N,
//!    another, slower server answered, and nothing follows.
//! 3. If the account's sequence number is below the transaction's at L, the transaction is in no ledger up to L: an included transaction
//!    uses its number up even if it fails. If T is past its time bounds as well, no ledger from N on may include it, and N is not above L: it
//!    is **expired**. Otherwise it is pending. Nothing had to be looked up by hash, so no race between two lookups exists.
//! 4. If the number is used up, the transaction was included, or something else took its number. Found by its hash, it is **included**. Not
//!    found proves nothing yet: that server may lag. So the account's own transactions are read, backwards from the ledger S of
//!    its last use of a number, where the very transaction that used it must be seen, or the answer is too old. On the way down stands
//!    either our transaction, or another one with our number, or one with a lower number, below which ours cannot be: numbers only rise. In
//!    the last two cases it was **passed** and can never be included. Each page begins with the last entry of the one before, so that a
//!    slower server in between cannot hide a part.

use serde::Deserialize;

use super::account::AccountRecord;
use super::request::{self, Collection, RootRecord};
use super::{Horizon, text};
use crate::agreement::majority;
use crate::endpoints::{Endpoint, Fault};

/// The most that Horizon shows at once.
const PAGE: usize = 200;
/// So many pages of an account's transactions are read to find who used a number up.
const PAGES_MAX: usize = 100;

/// What became of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It may still be included.
    Pending,
    /// It is in a ledger.
    Included {
        /// Which.
        ledger: u32,
        /// Whether its operations took effect. If not, it has used up its sequence number and its fee all the same.
        succeeded: bool,
        /// What its account paid for it, in stroops (10^-7 XLM): nothing, if a fee bump of somebody else's did.
        fee_stroops: i64,
    },
    /// Its sequence number was used up by something else: it can never be included.
    Passed {
        /// The number, the transaction's own; where the account has gone since is of no interest, and differs from moment to moment.
        sequence: i64,
    },
    /// Its time bounds are over: it can never be included.
    Expired,
}

/// A transaction by what its outcome depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sought {
    /// Its hash; of the inner transaction, if it may be wrapped in fee bumps.
    pub hash: [u8; 32],
    /// The account whose sequence number it uses.
    pub source: [u8; 32],
    /// That number.
    pub sequence: i64,
    /// The last second, in Unix time, in which a ledger that includes it may close.
    pub max_time_s: u64,
}

/// A transaction as Horizon shows it, as far as outcomes and fees need it.
#[derive(Debug, Deserialize)]
pub(super) struct TransactionRecord {
    pub hash: String,
    pub paging_token: String,
    pub successful: bool,
    pub ledger: u32,
    source_account: String,
    source_account_sequence: String,
    pub fee_account: String,
    pub fee_charged: String,
    inner_transaction: Option<Named>,
    fee_bump_transaction: Option<Named>,
}

#[derive(Debug, Deserialize)]
struct Named {
    hash: String,
}

impl TransactionRecord {
    /// Whether this is the transaction called `hash`, or a fee bump around it.
    pub fn is(&self, hash: &str) -> bool {
        let wrapped = [&self.inner_transaction, &self.fee_bump_transaction];
        let mut names = wrapped.into_iter().flatten().map(|one| &*one.hash);
        self.hash == hash || names.any(|name| name == hash)
    }

    fn included(&self) -> Result<Outcome, Fault> {
        let fee_stroops = match self.fee_account == self.source_account {
            true => text::number(&self.fee_charged)?,
            false => 0,
        };
        Ok(Outcome::Included {
            ledger: self.ledger,
            succeeded: self.successful,
            fee_stroops,
        })
    }
}

/// What several servers say together, and which of them (by number) contradict that. Pure.
///
/// Passed and expired are two proofs of one thing, that the transaction can never be included; servers that are not equally far may give
/// different ones, so they count together. Pending contradicts nothing: its server may lag behind.
pub fn combine(answers: &[Outcome], least: usize) -> (Outcome, Vec<usize>) {
    let is_dead = |one: &Outcome| matches!(one, Outcome::Passed { .. } | Outcome::Expired);
    let passed = answers
        .iter()
        .find(|one| matches!(one, Outcome::Passed { .. }));
    let count = |wanted: &Outcome| answers.iter().filter(|one| *one == wanted).count();
    // The proof that more of them give stands for both.
    let proof = match passed {
        Some(passed) if count(passed) >= count(&Outcome::Expired) => *passed,
        _ => Outcome::Expired,
    };
    let said: Vec<Outcome> = answers
        .iter()
        .map(|one| if is_dead(one) { proof } else { *one })
        .collect();
    let agreed = *majority(&said, least).unwrap_or(&Outcome::Pending);
    if agreed == Outcome::Pending {
        return (agreed, Vec::new());
    }
    let contradicts = |one: &Outcome| *one != agreed && *one != Outcome::Pending;
    let contradictions = (0..said.len()).filter(|number| contradicts(&said[*number]));
    (agreed, contradictions.collect())
}

/// The place before everything in `ledger`.
pub(super) fn before_ledger(ledger: u32) -> u64 {
    u64::from(ledger) << 32
}

impl Horizon {
    /// The outcome as one server shows it.
    pub(super) async fn outcome_at(
        &self,
        endpoint: &Endpoint,
        sought: &Sought,
    ) -> Result<Outcome, Fault> {
        let root = self.root_of(endpoint).await?;
        let name = treasury_protocol::stellar::address(&sought.source);
        let path = format!("accounts/{name}");
        let account = request::get::<AccountRecord>(&self.endpoints, endpoint, &path, &[]).await?;
        if state_ledger(account.state_ledger)? < root.history_latest_ledger {
            return Ok(Outcome::Pending);
        }
        // Inclusive: a ledger that closes in the last second of the bounds may still include it.
        let closed_at_s = text::seconds(&root.history_latest_ledger_closed_at)?;
        let not_yet = match closed_at_s > sought.max_time_s {
            true => Outcome::Expired,
            false => Outcome::Pending,
        };
        let Some(record) = account.body else {
            // Merged away, or never opened. A wallet of a circle is never merged; whoever does it by hand has the hash looked up.
            let found = self.find(endpoint, &sought.hash).await?;
            return found.map_or(Ok(not_yet), |record| record.included());
        };
        let account = record.read(&sought.source)?;
        if account.sequence < sought.sequence {
            return Ok(not_yet);
        }
        if let Some(found) = self.find(endpoint, &sought.hash).await? {
            return found.included();
        }
        let used_in = account.sequence_ledger.unwrap_or(account.changed_ledger);
        self.who_used(endpoint, &root, sought, used_in).await
    }

    /// The transaction called `hash`, or a fee bump around it.
    pub(super) async fn find(
        &self,
        endpoint: &Endpoint,
        hash: &[u8; 32],
    ) -> Result<Option<TransactionRecord>, Fault> {
        let name = hex::encode(hash);
        let path = format!("transactions/{name}");
        let told = request::get::<TransactionRecord>(&self.endpoints, endpoint, &path, &[]).await?;
        match told.body {
            Some(record) if !record.is(&name) => Err(text::malformed(
                "another transaction was asked for than",
                &record.hash,
            )),
            found => Ok(found),
        }
    }

    /// Reads the account's transactions backwards from the end of the ledger `used_in`, until it is proven who used the number up.
    async fn who_used(
        &self,
        endpoint: &Endpoint,
        root: &RootRecord,
        sought: &Sought,
        used_in: u32,
    ) -> Result<Outcome, Fault> {
        let name = hex::encode(sought.hash);
        let source = treasury_protocol::stellar::address(&sought.source);
        let mut cursor = before_ledger(used_in.saturating_add(1));
        let mut last_seen = None;
        for _ in 0..PAGES_MAX {
            let page = self
                .transactions_before(endpoint, &source, cursor, "desc")
                .await?;
            let first = page.first();
            let is_recent_enough = match last_seen {
                None => first.is_some_and(|first| first.ledger == used_in),
                Some(last) => first.is_some_and(|first| first.paging_token == last),
            };
            if !is_recent_enough {
                return Ok(Outcome::Pending);
            }
            for record in &page {
                if record.is(&name) {
                    return record.included();
                }
                let used = text::number::<i64>(&record.source_account_sequence)?;
                if record.source_account == source && used <= sought.sequence {
                    return Ok(Outcome::Passed {
                        sequence: sought.sequence,
                    });
                }
            }
            if page.len() < PAGE {
                // The whole life of the account, if this server knows it from the first ledger on.
                return Ok(match root.history_elder_ledger {
                    0..=2 => Outcome::Passed {
                        sequence: sought.sequence,
                    },
                    _ => Outcome::Pending,
                });
            }
            let Some(last) = page.into_iter().next_back() else {
                return Ok(Outcome::Pending);
            };
            cursor = text::number::<u64>(&last.paging_token)?.saturating_add(1);
            last_seen = Some(last.paging_token);
        }
        Err(Fault::Unfit {
            reason: format!(
                "who used up sequence number {} of {source} is not among the last {} transactions of the account",
                sought.sequence,
                PAGES_MAX * PAGE
            ),
        })
    }

    /// A page of the transactions of an account, failed ones included.
    pub(super) async fn transactions_before(
        &self,
        endpoint: &Endpoint,
        account: &str,
        cursor: u64,
        order: &str,
    ) -> Result<Vec<TransactionRecord>, Fault> {
        let (cursor, limit) = (cursor.to_string(), PAGE.to_string());
        let query = [
            ("cursor", &*cursor),
            ("order", order),
            ("limit", &limit),
            ("include_failed", "true"),
        ];
        let path = format!("accounts/{account}/transactions");
        let told: request::Told<Option<Collection<TransactionRecord>>> =
            request::get(&self.endpoints, endpoint, &path, &query).await?;
        Ok(told.body.map(Collection::records).unwrap_or_default())
    }
}

/// The ledger of a state; without it nothing can be concluded.
pub(super) fn state_ledger(told: Option<u32>) -> Result<u32, Fault> {
    told.ok_or_else(|| Fault::Malformed {
        reason: "the header Latest-Ledger is missing; let the proxy before it pass it on".into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agreement::least;

    /// Answers as letters: P pending, I included, F included and failed, J included elsewhere, S passed, E expired.
    #[track_caller]
    fn check(configured: usize, answers: &str, expected: char, contradicting: &[usize]) {
        let of = |letter| match letter {
            'P' => Outcome::Pending,
            'S' => Outcome::Passed { sequence: 9 },
            'E' => Outcome::Expired,
            other => Outcome::Included {
                ledger: if other == 'J' { 8 } else { 7 },
                succeeded: other != 'F',
                fee_stroops: 100,
            },
        };
        let all: Vec<Outcome> = answers.chars().map(of).collect();
        let combined = combine(&all, least(configured));
        assert_eq!(
            combined,
            (of(expected), contradicting.to_vec()),
            "{answers}"
        );
    }

    #[test]
    fn an_outcome_is_what_most_of_those_that_answer_say() {
        // One is believed.
        check(1, "P", 'P', &[]);
        check(1, "I", 'I', &[]);
        check(1, "E", 'E', &[]);
        // Of two, the slower one sets the pace, and a contradiction stops everything.
        check(2, "IP", 'P', &[]);
        check(2, "II", 'I', &[]);
        check(2, "IF", 'P', &[]);
        check(2, "SI", 'P', &[]);
        check(2, "I", 'I', &[]);
        // Of three, one may lag, lie or be silent.
        check(3, "IIP", 'I', &[]);
        check(3, "II", 'I', &[]);
        check(3, "IIF", 'I', &[2]);
        check(3, "JII", 'I', &[0]);
        check(3, "EII", 'I', &[0]);
        check(3, "IEE", 'E', &[0]);
        check(3, "SPP", 'P', &[]);
        check(3, "IPP", 'P', &[]);
        check(3, "IFP", 'P', &[]);
        // With two of three silent nobody is believed, however honest.
        check(3, "I", 'P', &[]);
        check(3, "E", 'P', &[]);
    }

    #[test]
    fn passed_and_expired_prove_the_same() {
        check(2, "SE", 'S', &[]);
        check(3, "SEP", 'S', &[]);
        check(3, "EES", 'E', &[]);
        check(3, "SES", 'S', &[]);
        check(5, "SEEIP", 'E', &[3]);
    }

    #[test]
    fn half_is_not_most() {
        check(4, "IIPP", 'P', &[]);
        check(4, "IIEE", 'P', &[]);
        check(4, "IIIE", 'I', &[3]);
    }
}
