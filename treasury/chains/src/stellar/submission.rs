//! Submitting a transaction: the answer is a hint, [`Outcome`](super::Outcome) the proof.

use std::fmt;

use reqwest::StatusCode;
use sha2::{Digest, Sha256};
use stellar_xdr as xdr;
use xdr::{Limits, ReadXdr};

use super::outcome::TransactionRecord;
use super::request::{self, ResultCodes};
use super::{Horizon, HorizonError, text};
use crate::endpoints::{Endpoint, Fault};

/// The largest envelope that is read, in bytes: 100 operations and 20 signatures stay far below.
const ENVELOPE_BYTES_MAX: usize = 256 * 1024;
const ENVELOPE_DEPTH_MAX: u32 = 500;

/// What a server answered to a submission. Not a fact: a lying server may say anything, and even an honest one speaks of this moment only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Submission {
    /// It is in a ledger, by this or an earlier submission.
    Included {
        /// The transaction's own hash: of what was submitted.
        hash: [u8; 32],
        /// Its ledger.
        ledger: u32,
        /// Whether its operations took effect.
        succeeded: bool,
        /// What was charged for it, in stroops (10^-7 XLM), whoever paid that.
        fee_stroops: i64,
        /// The result codes of one that failed, if the server gave them.
        codes: Codes,
    },
    /// The network does not take it now. Submitted again, it may be taken later, unless its outcome says otherwise.
    Refused {
        /// Why.
        codes: Codes,
    },
    /// Nobody knows. Submit the same bytes again; they take effect once at most.
    Unknown {
        /// What each server said.
        reason: String,
    },
}

/// Why a transaction failed or was refused, in the words of the network: `tx_bad_seq`, `op_no_trust`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Codes {
    /// Of the transaction.
    pub transaction: String,
    /// Of the transaction inside a fee bump.
    pub inner: Option<String>,
    /// Of its operations, each in its place; empty if it did not come to them.
    pub operations: Vec<String>,
}

impl fmt::Display for Codes {
    /// `tx_failed: op_success, op_no_trust`, with the code of a transaction inside behind that of its fee bump.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.transaction)?;
        if let Some(inner) = &self.inner {
            write!(formatter, ", inside it {inner}")?;
        }
        match &self.operations[..] {
            [] => Ok(()),
            operations => write!(formatter, ": {}", operations.join(", ")),
        }
    }
}

impl From<ResultCodes> for Codes {
    fn from(codes: ResultCodes) -> Self {
        Self {
            transaction: codes.transaction.unwrap_or_default(),
            inner: codes.inner_transaction,
            operations: codes.operations,
        }
    }
}

impl Horizon {
    /// Submits a signed envelope, base64 XDR, to one server after another until one has included it.
    ///
    /// A server that lags behind refuses what another takes, so a refusal is the answer only if nobody includes it.
    ///
    /// Errors: [`HorizonError::Envelope`] for bytes that are no transaction.
    pub async fn submit(&self, envelope: &str) -> Result<Submission, HorizonError> {
        let hash = self.hash(envelope)?;
        let mut refused = None;
        let mut reasons = Vec::new();
        for endpoint in self.endpoints.in_order() {
            let result = self.submit_to(endpoint, envelope, &hash).await;
            endpoint.note(&result);
            match result {
                Ok(Ok(included)) => return Ok(included),
                Ok(Err(codes)) => {
                    refused.get_or_insert(codes);
                }
                Err(fault) => reasons.push(format!("{}: {fault}", endpoint.name())),
            }
        }
        Ok(match refused {
            Some(codes) => Submission::Refused { codes },
            None => Submission::Unknown {
                reason: reasons.join("; "),
            },
        })
    }

    /// The hash of an envelope on this network.
    ///
    /// Errors: [`HorizonError::Envelope`].
    pub fn hash(&self, envelope: &str) -> Result<[u8; 32], HorizonError> {
        let limits = Limits {
            depth: ENVELOPE_DEPTH_MAX,
            len: ENVELOPE_BYTES_MAX,
        };
        let refuse = |error: xdr::Error| HorizonError::Envelope {
            reason: error.to_string(),
        };
        let envelope =
            xdr::TransactionEnvelope::from_xdr_base64(envelope, limits).map_err(refuse)?;
        let network: [u8; 32] = Sha256::digest(self.passphrase.as_bytes()).into();
        envelope.hash(network).map_err(refuse)
    }

    /// Submits to one server: included there, or refused.
    ///
    /// Errors: nobody knows.
    async fn submit_to(
        &self,
        endpoint: &Endpoint,
        envelope: &str,
        hash: &[u8; 32],
    ) -> Result<Result<Submission, Codes>, Fault> {
        self.verify(endpoint).await?;
        let answer = request::post_transaction(&self.endpoints, endpoint, envelope).await;
        let refused = match answer {
            Ok((StatusCode::OK, body)) => {
                let record: TransactionRecord = request::parse(&body)?;
                return match record.is(&hex::encode(hash)) {
                    true => included(hash, &record, Codes::default()).map(Ok),
                    false => Err(Fault::Malformed {
                        reason: format!("it answers about the transaction {}", record.hash),
                    }),
                };
            }
            Ok((status, body)) => match refusal(&body) {
                Some(codes) if status == StatusCode::BAD_REQUEST => Ok(codes),
                _ => Err(request::refusal(status, &body)),
            },
            Err(fault) => Err(fault),
        };
        // A time-out, a refused sequence number, a failure: each may come from the very transaction being in a ledger already.
        match (self.find(endpoint, hash).await, refused) {
            (Ok(Some(record)), refused) => {
                let codes = refused.unwrap_or_default();
                included(hash, &record, codes).map(Ok)
            }
            (_, Ok(codes)) => Ok(Err(codes)),
            (_, Err(fault)) => Err(fault),
        }
    }
}

fn included(
    hash: &[u8; 32],
    record: &TransactionRecord,
    codes: Codes,
) -> Result<Submission, Fault> {
    // The codes of a refusal that came because it is in a ledger already say nothing about how it did there.
    let codes = match record.successful {
        true => Codes::default(),
        false => codes,
    };
    Ok(Submission::Included {
        hash: *hash,
        ledger: record.ledger,
        succeeded: record.successful,
        fee_stroops: text::number(&record.fee_charged)?,
        codes,
    })
}

/// The codes of a refusal, if it is one by the network or by the form of the bytes.
fn refusal(body: &[u8]) -> Option<Codes> {
    let problem = request::problem(body);
    if problem.kind.ends_with("transaction_malformed") {
        return Some(Codes {
            transaction: "transaction_malformed".into(),
            ..Codes::default()
        });
    }
    let codes = problem.extras?.result_codes?;
    codes.transaction.is_some().then(|| codes.into())
}
