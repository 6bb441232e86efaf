//! The ledger through the HTTP API that Stellar's official SDKs speak.
//!
//! Each submitted transaction closes a ledger of its own at once, so an answer says what became of it. `GET /friendbot?addr=G…`
//! gives a new account 10,000 XLM. `POST /surge?fee=1000` lets every operation cost 1,000 stroops from then on, as when the network is
//! full, until `POST /surge?fee=100`.

mod collections;
mod effects;
mod journal;
mod page;
mod problem;
mod records;
mod stream;

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::{Form, Path, Query, State};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use stellar_xdr as xdr;
use tokio::sync::watch;
use xdr::{Limits, ReadXdr, WriteXdr};

use crate::ledger::account::Id;
use crate::ledger::{BASE_FEE, Included, Ledger, Submission};
use journal::{Change, Journal};
use problem::Problem;

/// The protocol whose rules the ledger follows.
pub const PROTOCOL: u32 = 23;
/// The largest envelope that is read: 100 operations and 20 signatures stay far below.
const ENVELOPE_BYTES_MAX: usize = 1024 * 1024;

/// A ledger that many clients read and write.
#[derive(Clone)]
pub struct Sandbox {
    ledger: Arc<RwLock<Ledger>>,
    /// The number of the last ledger, for those who wait for the next.
    closed: Arc<watch::Sender<u32>>,
    clock: Clock,
    journal: Option<Arc<Journal>>,
}

/// Tells the time in Unix seconds.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

impl Sandbox {
    /// A new network, by the clock of this machine.
    pub fn new(passphrase: &str) -> Self {
        Self::with_clock(passphrase, Arc::new(now))
    }

    /// A new network whose ledgers close at the times that `clock` tells, so that time bounds can be tried without waiting.
    pub fn with_clock(passphrase: &str, clock: Clock) -> Self {
        Self::of(Ledger::new(passphrase, clock()), clock)
    }

    /// The network as it is now, which goes its own way from here: a server that lags behind, or a network that splits.
    pub fn fork(&self) -> Self {
        Self::of(self.ledger().clone(), self.clock.clone())
    }

    fn of(ledger: Ledger, clock: Clock) -> Self {
        let (closed, _) = watch::channel(ledger.sequence());
        Self {
            ledger: Arc::new(RwLock::new(ledger)),
            closed: Arc::new(closed),
            clock,
            journal: None,
        }
    }

    /// A network that is kept in the file at `path`, and found there again: everything that ever changed it is written down.
    ///
    /// Errors: of the file; one of another network or that makes no sense is refused with `InvalidData`.
    pub fn kept(passphrase: &str, path: &std::path::Path) -> std::io::Result<Self> {
        let (journal, ledger) = Journal::open(path, passphrase, now())?;
        let mut sandbox = Self::of(ledger, Arc::new(now));
        sandbox.journal = Some(Arc::new(journal));
        Ok(sandbox)
    }

    /// The ledger as it is.
    pub fn ledger(&self) -> RwLockReadGuard<'_, Ledger> {
        self.ledger.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a transaction. Errors: an envelope of a kind that the network gave up.
    pub fn submit(&self, envelope: &xdr::TransactionEnvelope) -> Result<Submission, xdr::Error> {
        self.change(
            |ledger, now| ledger.submit(envelope, now),
            || Change::included(envelope),
        )
    }

    /// Closes a ledger without transactions, as the network does every few seconds.
    pub fn close(&self) {
        self.change(Ledger::close, || Change::Closed(1));
    }

    /// Gives a new account its first balance. Errors: what the ledger says of an envelope without hash.
    pub fn befriend(&self, id: &Id) -> Result<Submission, xdr::Error> {
        self.change(
            |ledger, now| ledger.befriend(id, now),
            || Change::Befriended(hex::encode(id)),
        )
    }

    /// Lets an operation cost so many stroops from now on, see [`Ledger::ask_fee`].
    pub fn ask_fee(&self, fee_stroops: u32) {
        let mut ledger = self.ledger.write().unwrap_or_else(PoisonError::into_inner);
        ledger.ask_fee(fee_stroops);
        self.note((self.clock)(), Change::Fee(fee_stroops));
    }

    /// Works on the ledger, writes down what changed it, and wakes those who wait for the next one.
    fn change<T>(
        &self,
        work: impl FnOnce(&mut Ledger, u64) -> T,
        change: impl FnOnce() -> Change,
    ) -> T {
        let mut ledger = self.ledger.write().unwrap_or_else(PoisonError::into_inner);
        let (before, now) = (ledger.sequence(), (self.clock)());
        let result = work(&mut ledger, now);
        if ledger.sequence() != before {
            self.note(now, change());
        }
        self.closed.send_replace(ledger.sequence());
        result
    }

    /// Writes down what changed the ledger.
    fn note(&self, now: u64, change: Change) {
        if let Some(journal) = &self.journal
            && let Err(error) = journal.write(now, change)
        {
            // A network that forgets what it said is worse than none.
            panic!("the network cannot be kept: {error}");
        }
    }

    /// The HTTP API.
    pub fn router(self) -> Router {
        Router::new()
            .route("/", get(root))
            .route("/fee_stats", get(fee_stats))
            .route("/friendbot", get(friendbot).post(friendbot))
            .route("/surge", post(surge))
            .route("/accounts/{id}", get(account))
            .route("/accounts/{id}/data/{name}", get(account_data))
            .route("/transactions/{hash}", get(transaction))
            .route("/operations/{id}", get(operation))
            .route("/ledgers/{sequence}", get(ledger))
            .route("/claimable_balances/{id}", get(claimable_balance))
            .merge(collections::routes())
            .fallback(|| async { Problem::missing() })
            .with_state(self)
    }
}

/// The clock of this machine, in Unix seconds.
fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_secs())
}

/// The address under which the client reaches the sandbox, for links.
fn base(headers: &HeaderMap) -> String {
    let host = headers.get("host").and_then(|host| host.to_str().ok());
    format!("http://{}", host.unwrap_or("localhost"))
}

/// A digest that names a ledger.
fn ledger_hash(ledger: &Ledger, sequence: u32) -> [u8; 32] {
    Sha256::digest(format!("{} {sequence}", ledger.passphrase())).into()
}

async fn root(State(sandbox): State<Sandbox>, headers: HeaderMap) -> Json<Value> {
    let (ledger, base) = (sandbox.ledger(), base(&headers));
    let latest = ledger.sequence();
    Json(json!({
        "horizon_version": concat!("guardian-circle-sandbox ", env!("CARGO_PKG_VERSION")),
        "core_version": "none", "ingest_latest_ledger": latest, "history_latest_ledger": latest,
        "history_latest_ledger_closed_at": records::time(ledger.time()), "history_elder_ledger": 1,
        "core_latest_ledger": latest, "network_passphrase": ledger.passphrase(),
        "current_protocol_version": PROTOCOL, "supported_protocol_version": PROTOCOL,
        "core_supported_protocol_version": PROTOCOL,
        "_links": {
            "self": { "href": format!("{base}/") },
            "account": { "href": format!("{base}/accounts/{{account_id}}"), "templated": true },
            "transactions": { "href": format!("{base}/transactions{{?cursor,limit,order}}"), "templated": true },
            "friendbot": { "href": format!("{base}/friendbot{{?addr}}"), "templated": true },
        },
    }))
}

async fn fee_stats(State(sandbox): State<Sandbox>) -> Json<Value> {
    let (latest, fee) = {
        let ledger = sandbox.ledger();
        (ledger.sequence(), ledger.fee_stroops().to_string())
    };
    let mut spread = json!({ "max": fee, "min": fee, "mode": fee });
    for percent in [10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 99] {
        spread[format!("p{percent}")] = json!(fee);
    }
    Json(json!({
        "last_ledger": latest.to_string(), "last_ledger_base_fee": BASE_FEE.to_string(), "ledger_capacity_usage": "0.01",
        "fee_charged": spread, "max_fee": spread,
    }))
}

#[derive(Deserialize)]
struct Friend {
    addr: String,
}

async fn friendbot(
    State(sandbox): State<Sandbox>,
    headers: HeaderMap,
    Query(friend): Query<Friend>,
) -> Result<Json<Value>, Problem> {
    let id = records::parse_address(&friend.addr)
        .ok_or_else(|| Problem::bad_request("addr", "it is no G… address"))?;
    let submission = sandbox
        .befriend(&id)
        .map_err(|error| Problem::bad_request("addr", error.to_string()))?;
    answer(submission, None, "", &headers)
}

#[derive(Deserialize)]
struct Surge {
    fee: u32,
}

async fn surge(
    State(sandbox): State<Sandbox>,
    headers: HeaderMap,
    Query(surge): Query<Surge>,
) -> Json<Value> {
    sandbox.ask_fee(surge.fee);
    let stroops = sandbox.ledger().fee_stroops();
    Json(json!({
        "fee_per_operation": stroops.to_string(),
        "_links": { "fee_stats": { "href": format!("{}/fee_stats", base(&headers)) } },
    }))
}

/// An answer about the state as it is, with the ledger of that state in the header `Latest-Ledger`, also where something is not there.
fn of_state(ledger: &Ledger, record: Option<Value>) -> Response {
    let mut response = match record {
        Some(record) => Json(record).into_response(),
        None => Problem::missing().into_response(),
    };
    let latest = HeaderValue::from(ledger.sequence());
    response.headers_mut().insert("latest-ledger", latest);
    response
}

fn parse_id(text: &str) -> Result<Id, Problem> {
    records::parse_address(text)
        .ok_or_else(|| Problem::bad_request("account_id", format!("{text} is no G… address")))
}

async fn account(
    State(sandbox): State<Sandbox>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id = parse_id(&id)?;
    let ledger = sandbox.ledger();
    let account = ledger.account(&id);
    let record = account.map(|account| records::account(&id, account, &base(&headers)));
    Ok(of_state(&ledger, record))
}

async fn account_data(
    State(sandbox): State<Sandbox>,
    headers: HeaderMap,
    Path((id, name)): Path<(String, String)>,
) -> Result<Json<Value>, Problem> {
    let id = parse_id(&id)?;
    let ledger = sandbox.ledger();
    let account = ledger.account(&id).ok_or_else(Problem::missing)?;
    let record = records::account(&id, account, &base(&headers));
    let value = record["data"].get(&name).ok_or_else(Problem::missing)?;
    Ok(Json(json!({ "value": value })))
}

fn parse_hash(text: &str) -> Result<[u8; 32], Problem> {
    let mut hash = [0; 32];
    hex::decode_to_slice(text, &mut hash)
        .map_err(|_| Problem::bad_request("tx_id", "a hash has 64 hexadecimal digits"))?;
    Ok(hash)
}

async fn transaction(
    State(sandbox): State<Sandbox>,
    headers: HeaderMap,
    Path(hash): Path<String>,
) -> Result<Json<Value>, Problem> {
    let hash = parse_hash(&hash)?;
    let ledger = sandbox.ledger();
    let included = ledger.transaction(&hash).ok_or_else(Problem::missing)?;
    Ok(Json(records::transaction_called(
        &hash,
        included,
        &base(&headers),
    )))
}

async fn operation(
    State(sandbox): State<Sandbox>,
    headers: HeaderMap,
    Path(id): Path<u64>,
    Query(asked): Query<page::Asked>,
) -> Result<Json<Value>, Problem> {
    let (ledger, base) = (sandbox.ledger(), base(&headers));
    let joined = asked.with_transactions();
    let mut all = ledger
        .included()
        .iter()
        .flat_map(|included| records::operations(included, joined, &base));
    let found = all.find(|(token, _)| *token == id);
    found
        .map(|(_, record)| Json(record))
        .ok_or_else(Problem::missing)
}

async fn ledger(
    State(sandbox): State<Sandbox>,
    headers: HeaderMap,
    Path(sequence): Path<u32>,
) -> Result<Json<Value>, Problem> {
    let ledger = sandbox.ledger();
    let record = records::ledger(&ledger, sequence, &base(&headers));
    record.map(Json).ok_or_else(Problem::missing)
}

async fn claimable_balance(
    State(sandbox): State<Sandbox>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let hash = id
        .strip_prefix(records::BALANCE_KIND)
        .ok_or_else(|| Problem::bad_request("id", "it begins with 00000000"))?;
    let hash = parse_hash(hash)?;
    let ledger = sandbox.ledger();
    let mut all = ledger.claimable();
    let found = all.find(|(id, _)| **id == hash);
    let record = found.map(|(id, balance)| records::claimable(id, balance, &base(&headers)));
    Ok(of_state(&ledger, record))
}

#[derive(Deserialize)]
struct Submitted {
    tx: String,
}

async fn submit(
    State(sandbox): State<Sandbox>,
    headers: HeaderMap,
    Form(submitted): Form<Submitted>,
) -> Result<Json<Value>, Problem> {
    let text = submitted.tx;
    let limits = Limits {
        depth: 500,
        len: ENVELOPE_BYTES_MAX,
    };
    let envelope = xdr::TransactionEnvelope::from_xdr_base64(&text, limits)
        .map_err(|_| Problem::malformed(&text))?;
    let submitted = sandbox.submit(&envelope).and_then(|submission| {
        let hash = sandbox.ledger().hash(&envelope)?;
        Ok((submission, hash))
    });
    let (submission, hash) = submitted.map_err(|_| Problem::malformed(&text))?;
    answer(submission, Some(hash), &text, &headers)
}

/// The included transaction, by the hash under which it was asked for, or why it took no effect.
fn answer(
    submission: Submission,
    hash: Option<[u8; 32]>,
    text: &str,
    headers: &HeaderMap,
) -> Result<Json<Value>, Problem> {
    match submission {
        Submission::Included(included) if records::succeeded(&included) => {
            let hash = hash.unwrap_or(included.hash);
            Ok(Json(records::transaction_called(
                &hash,
                &included,
                &base(headers),
            )))
        }
        Submission::Included(included) => Err(failed(&included)),
        Submission::Refused(result) => Err(Problem::failed(text, &result)),
    }
}

fn failed(included: &Included) -> Problem {
    let text = included.envelope.to_xdr_base64(Limits::none());
    Problem::failed(&text.unwrap_or_default(), &included.result)
}
