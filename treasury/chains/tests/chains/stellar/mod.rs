//! Horizon: the sandbox's ledger behind proxies with faults.

mod majority;
mod movements;
mod outcomes;
mod owners;
mod payer;
mod submissions;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ed25519_zebra::{SigningKey, VerificationKeyBytes};
use stellar_xdr as xdr;
use tokio::task::JoinHandle;
use treasury_chains::endpoints::Timeouts;
use treasury_chains::stellar::{Horizon, Outcome, Sought, Submission};
use treasury_protocol::stellar::{Asset, Batch, Operation, Signature, TimeBounds};
use treasury_sandbox::horizon::Sandbox;
use xdr::WriteXdr;

use crate::proxy::Proxy;

const PASSPHRASE: &str = "Chains under test";
/// When the tests begin, in Unix seconds.
const START_S: u64 = 1_800_000_000;
/// The time bound of most transactions.
const MAX_S: u64 = START_S + 100;

/// One whole unit of any asset.
const WHOLE: i64 = 10_000_000;

/// A ledger whose clock stands still until it is moved, served over HTTP.
struct Net {
    sandbox: Sandbox,
    clock: Arc<AtomicU64>,
    url: String,
    task: JoinHandle<()>,
}

impl Drop for Net {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Net {
    /// A new network.
    async fn start() -> Self {
        Self::named(PASSPHRASE).await
    }

    async fn named(passphrase: &str) -> Self {
        let clock = Arc::new(AtomicU64::new(START_S));
        let told = clock.clone();
        let tell = Arc::new(move || told.load(Ordering::SeqCst));
        Self::serve(Sandbox::with_clock(passphrase, tell), clock).await
    }

    /// A server that has seen everything up to now, and nothing of what comes.
    async fn fork(&self) -> Self {
        Self::serve(self.sandbox.fork(), self.clock.clone()).await
    }

    async fn serve(sandbox: Sandbox, clock: Arc<AtomicU64>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let router = sandbox.clone().router();
        let task = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("it serves");
        });
        Self {
            sandbox,
            clock,
            url,
            task,
        }
    }

    async fn proxy(&self) -> Proxy {
        Proxy::start(&self.url).await
    }

    /// Closes an empty ledger at this time.
    fn close_at(&self, time_s: u64) {
        self.clock.store(time_s, Ordering::SeqCst);
        self.sandbox.close();
    }

    /// An account with 10,000 XLM.
    fn friend(&self, number: u8) -> Person {
        let person = Person::new(number);
        self.sandbox.befriend(&person.key).expect("an account");
        person
    }

    fn sequence(&self, person: &Person) -> i64 {
        let ledger = self.sandbox.ledger();
        ledger.account(&person.key).expect("an account").sequence
    }

    /// Native balance in stroops.
    fn stroops(&self, person: &Person) -> i64 {
        let ledger = self.sandbox.ledger();
        ledger.account(&person.key).expect("an account").balance
    }

    /// Includes a transaction without asking the client under test.
    fn include(&self, transaction: &Transaction) {
        let limits = xdr::Limits::none();
        let envelope = <xdr::TransactionEnvelope as xdr::ReadXdr>::from_xdr_base64(
            &transaction.envelope,
            limits,
        );
        let submitted = self.sandbox.submit(&envelope.expect("an envelope"));
        let included = matches!(
            submitted.expect("a hash"),
            treasury_sandbox::ledger::Submission::Included(_)
        );
        assert!(included, "it is not included");
    }

    /// The next payment of `from`.
    fn pay(&self, from: &Person, to: &Person, whole: i64) -> Transaction {
        let sequence = self.sequence(from) + 1;
        from.transaction(sequence, vec![payment(to, whole)])
    }
}

/// Somebody with a key.
struct Person {
    secret: SigningKey,
    key: [u8; 32],
}

/// A signed transaction, and what its outcome depends on.
#[derive(Clone)]
struct Transaction {
    envelope: String,
    sought: Sought,
}

impl Person {
    fn new(number: u8) -> Self {
        let secret = SigningKey::from([number; 32]);
        let key = VerificationKeyBytes::from(&secret).into();
        Self { secret, key }
    }

    fn batch(&self, sequence: i64, operations: Vec<Operation>) -> Batch {
        Batch {
            source: self.key,
            fee_per_op_stroops: 100,
            sequence,
            time_bounds: TimeBounds { min: 0, max: MAX_S },
            memo: None,
            operations,
        }
    }

    fn sign(&self, batch: &Batch) -> Transaction {
        let hash = batch.hash(PASSPHRASE).expect("a batch");
        let signature = Signature {
            key: self.key,
            bytes: self.secret.sign(&hash).into(),
        };
        Transaction {
            envelope: batch.envelope(PASSPHRASE, &[signature]).expect("signed"),
            sought: Sought {
                hash,
                source: batch.source,
                sequence: batch.sequence,
                max_time_s: batch.time_bounds.max,
            },
        }
    }

    fn transaction(&self, sequence: i64, operations: Vec<Operation>) -> Transaction {
        self.sign(&self.batch(sequence, operations))
    }

    /// A transaction of operations that a treasury never makes, each of some account, whose key signs as well.
    fn raw(&self, sequence: i64, operations: Vec<(&Person, xdr::OperationBody)>) -> Transaction {
        let batch = self.batch(sequence, vec![payment(self, 1)]);
        let mut tx = batch.transaction().expect("a batch");
        let mut signers = vec![self];
        let operations = operations.into_iter().map(|(source, body)| {
            if signers.iter().all(|one| one.key != source.key) {
                signers.push(source);
            }
            let source = xdr::MuxedAccount::Ed25519(xdr::Uint256(source.key));
            xdr::Operation {
                source_account: Some(source),
                body,
            }
        });
        let operations: Vec<_> = operations.collect();
        tx.fee = 100 * operations.len() as u32;
        tx.operations = operations.try_into().expect("few");
        let network = <sha2::Sha256 as sha2::Digest>::digest(PASSPHRASE.as_bytes()).into();
        let hash = tx.hash(network).expect("a hash");
        let signatures: Vec<_> = signers
            .into_iter()
            .map(|one| one.decorated(&hash))
            .collect();
        let envelope = xdr::TransactionEnvelope::Tx(xdr::TransactionV1Envelope {
            tx,
            signatures: signatures.try_into().expect("few"),
        });
        Transaction {
            envelope: envelope.to_xdr_base64(xdr::Limits::none()).expect("XDR"),
            sought: Sought {
                hash,
                source: self.key,
                sequence,
                max_time_s: MAX_S,
            },
        }
    }

    fn decorated(&self, hash: &[u8; 32]) -> xdr::DecoratedSignature {
        let signature: [u8; 64] = self.secret.sign(hash).into();
        let [.., a, b, c, d] = self.key;
        xdr::DecoratedSignature {
            hint: xdr::SignatureHint([a, b, c, d]),
            signature: xdr::Signature(signature.to_vec().try_into().expect("64 bytes")),
        }
    }
}

fn payment(to: &Person, whole: i64) -> Operation {
    Operation::Payment {
        to: to.key.into(),
        asset: Asset::Native,
        amount: whole * WHOLE,
    }
}

/// A client of these servers that waits as long as a slow machine may take.
fn client(urls: &[String]) -> Horizon {
    let patience = Duration::from_secs(60);
    with_patience(urls, patience)
}

/// A client that gives up on a submission soon, for servers that never answer one.
fn hasty(urls: &[String]) -> Horizon {
    with_patience(urls, Duration::from_millis(200))
}

fn with_patience(urls: &[String], submission: Duration) -> Horizon {
    let patience = Duration::from_secs(60);
    let timeouts = Timeouts {
        connect: patience,
        answer: patience,
        submission,
    };
    Horizon::new(urls, PASSPHRASE, timeouts).expect("addresses")
}

fn succeeded(submission: &Submission) -> bool {
    matches!(submission, Submission::Included { succeeded, .. } if *succeeded)
}

async fn outcome(horizon: &Horizon, transaction: &Transaction) -> Outcome {
    horizon
        .outcome(&transaction.sought)
        .await
        .expect("an answer")
}

/// The names of those who contradicted a majority.
fn contradicting(horizon: &Horizon) -> Vec<String> {
    let all = horizon.endpoints().status().into_iter();
    all.filter(|one| one.contradictions > 0)
        .map(|one| one.name)
        .collect()
}
