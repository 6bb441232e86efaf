//! Lists of accounts, transactions, operations, payments, ledgers and claimable balances.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use axum::{Json, Router};
use serde_json::{Value, json};
use stellar_xdr as xdr;

use super::page::{Asked, Entries, page};
use super::problem::Problem;
use super::{Sandbox, base, effects, parse_hash, parse_id, records, stream, submit};
use crate::ledger::account::{Id, Issued, key};
use crate::ledger::{Included, Ledger};

/// All collections; `/transactions` is where transactions are submitted, too.
pub fn routes() -> Router<Sandbox> {
    use Show::{Effects, Operations, Payments, Transactions};
    Router::new()
        .route("/accounts", get(accounts))
        .route("/transactions", all(Transactions).post(submit))
        .route("/operations", all(Operations))
        .route("/payments", all(Payments))
        .route("/ledgers", get(ledgers))
        .route("/claimable_balances", get(claimable_balances))
        .route("/assets", get(assets))
        .route("/accounts/{id}/transactions", of(of_account, Transactions))
        .route("/accounts/{id}/operations", of(of_account, Operations))
        .route("/accounts/{id}/payments", of(of_account, Payments))
        .route(
            "/transactions/{hash}/operations",
            of(of_transaction, Operations),
        )
        .route(
            "/transactions/{hash}/payments",
            of(of_transaction, Payments),
        )
        .route(
            "/ledgers/{sequence}/transactions",
            of(of_ledger, Transactions),
        )
        .route("/ledgers/{sequence}/operations", of(of_ledger, Operations))
        .route("/ledgers/{sequence}/payments", of(of_ledger, Payments))
        .route("/effects", all(Effects))
        .route("/accounts/{id}/effects", of(of_account, Effects))
        .route("/transactions/{hash}/effects", of(of_transaction, Effects))
        .route("/operations/{id}/effects", of(of_operation, Effects))
        .route("/ledgers/{sequence}/effects", of(of_ledger, Effects))
}

type Answer = Result<Response, Problem>;

/// Which transactions are looked at.
#[derive(Clone)]
enum Which {
    All,
    Account(Id),
    Transaction([u8; 32]),
    Operation(u64),
    Ledger(u32),
}

/// What is shown of them.
#[derive(Clone, Copy)]
enum Show {
    Transactions,
    Operations,
    Payments,
    Effects,
}

/// What a request asks of a collection: a page, or a stream.
struct Request {
    sandbox: Sandbox,
    headers: HeaderMap,
    uri: Uri,
    asked: Asked,
}

impl FromRequestParts<Sandbox> for Request {
    type Rejection = QueryRejection;

    async fn from_request_parts(
        parts: &mut Parts,
        sandbox: &Sandbox,
    ) -> Result<Self, QueryRejection> {
        let Query(asked) = Query::from_request_parts(parts, sandbox).await?;
        Ok(Self {
            sandbox: sandbox.clone(),
            headers: parts.headers.clone(),
            uri: parts.uri.clone(),
            asked,
        })
    }
}

impl Request {
    fn answer(self, entries: impl Fn(&Ledger) -> Entries + Send + Sync + 'static) -> Answer {
        if stream::is_wanted(&self.headers) {
            let entries = Arc::new(entries);
            let of_sandbox = move |sandbox: &Sandbox| entries(&sandbox.ledger());
            return Ok(stream::stream(self.sandbox, self.asked.cursor, of_sandbox));
        }
        let entries = entries(&self.sandbox.ledger());
        let page = page(entries, &self.asked, &self.uri, &base(&self.headers))?;
        Ok(Json(page).into_response())
    }

    fn history(self, which: Which, show: Show) -> Answer {
        let (base, with_failed) = (base(&self.headers), self.asked.with_failed());
        let joined = self.asked.with_transactions();
        let ledgers = self.asked.ledgers(stream::is_wanted(&self.headers));
        self.answer(move |ledger| {
            let fits = |included: &&Included| {
                ledgers.contains(&included.ledger)
                    && (with_failed || records::succeeded(included))
                    && belongs(included, &which, &base)
            };
            let included = ledger.included().iter().filter(fits);
            match show {
                Show::Transactions => included
                    .map(|one| {
                        let record = records::transaction(one, &base);
                        (text(&record["paging_token"]), record)
                    })
                    .collect(),
                // Effects tell themselves whom and what they concern; failed transactions have none.
                Show::Effects => {
                    let all = ledger.included().iter();
                    let all = all.filter(|one| ledgers.contains(&one.ledger));
                    all.flat_map(|one| effects::effects(ledger, one, &base))
                        .filter(|effect| match &which {
                            Which::All => true,
                            Which::Account(id) => effect.account == *id,
                            Which::Transaction(hash) => effect.transaction == *hash,
                            Which::Operation(id) => effect.operation == *id,
                            Which::Ledger(sequence) => {
                                effect.operation >> 32 == u64::from(*sequence)
                            }
                        })
                        .map(|effect| (text(&effect.record["paging_token"]), effect.record))
                        .collect()
                }
                Show::Operations | Show::Payments => included
                    .flat_map(|one| records::operations(one, joined, &base))
                    .filter(|(_, record)| match which {
                        Which::Account(id) => concerns(record, &records::address(&id)),
                        _ => true,
                    })
                    .filter(|(_, record)| matches!(show, Show::Operations) || is_payment(record))
                    .map(|(token, record)| (token.to_string(), record))
                    .collect(),
            }
        })
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn belongs(included: &Included, which: &Which, base: &str) -> bool {
    match which {
        Which::All => true,
        Which::Transaction(hash) => included.hash == *hash || included.inner_hash == Some(*hash),
        Which::Operation(id) => included.ledger == (id >> 32) as u32,
        Which::Ledger(sequence) => included.ledger == *sequence,
        Which::Account(id) => {
            let name = records::address(id);
            let record = records::transaction(included, base);
            record["source_account"] == json!(name)
                || record["fee_account"] == json!(name)
                || records::operations(included, false, base)
                    .iter()
                    .any(|(_, record)| concerns(record, &name))
        }
    }
}

/// Whether an operation has to do with an account.
fn concerns(record: &Value, name: &str) -> bool {
    let fields = [
        "source_account",
        "from",
        "to",
        "account",
        "into",
        "trustor",
        "claimant",
    ];
    let is_claimant = || {
        let claimants = record["claimants"].as_array();
        claimants.is_some_and(|all| all.iter().any(|one| one["destination"] == json!(name)))
    };
    fields.iter().any(|field| record[*field] == json!(name)) || is_claimant()
}

fn is_payment(record: &Value) -> bool {
    matches!(
        record["type"].as_str(),
        Some("create_account" | "payment" | "account_merge")
    )
}

/// The transactions, operations or payments of everybody.
fn all(show: Show) -> MethodRouter<Sandbox> {
    get(move |request: Request| async move { request.history(Which::All, show) })
}

/// Those of the account, transaction or ledger that the path names.
fn of(which: fn(&str) -> Result<Which, Problem>, show: Show) -> MethodRouter<Sandbox> {
    get(
        move |Path(name): Path<String>, request: Request| async move {
            request.history(which(&name)?, show)
        },
    )
}

fn of_account(text: &str) -> Result<Which, Problem> {
    parse_id(text).map(Which::Account)
}

fn of_transaction(text: &str) -> Result<Which, Problem> {
    parse_hash(text).map(Which::Transaction)
}

fn of_operation(text: &str) -> Result<Which, Problem> {
    let number = text.parse().map(Which::Operation);
    number.map_err(|_| Problem::bad_request("op_id", "it is a number"))
}

fn of_ledger(text: &str) -> Result<Which, Problem> {
    let number = text.parse().map(Which::Ledger);
    number.map_err(|_| Problem::bad_request("ledger_id", "it is a number"))
}

/// `CODE:ISSUER`; the native asset has no trustlines.
fn parse_asset(text: &str) -> Result<Issued, Problem> {
    let parts = text.split_once(':');
    let asset = parts.and_then(|(code, issuer)| {
        Some((code.as_bytes().to_vec(), records::parse_address(issuer)?))
    });
    asset.ok_or_else(|| Problem::bad_request("asset", "it is written CODE:ISSUER"))
}

async fn accounts(request: Request) -> Answer {
    let signer = request.asked.signer.as_deref().map(parse_id).transpose()?;
    let asset = request
        .asked
        .asset
        .as_deref()
        .map(parse_asset)
        .transpose()?;
    if signer.is_none() && asset.is_none() {
        return Err(Problem::bad_request(
            "signer",
            "name a signer or an asset to find accounts by",
        ));
    }
    let base = base(&request.headers);
    request.answer(move |ledger| {
        let by_signer = |id: &Id, signers: &dyn Fn(&xdr::SignerKey) -> bool| {
            signer.is_none_or(|signer| {
                signer == *id || signers(&xdr::SignerKey::Ed25519(xdr::Uint256(signer)))
            })
        };
        let found = ledger.accounts().filter(|(id, account)| {
            by_signer(id, &|key| account.signers.contains_key(key))
                && asset
                    .as_ref()
                    .is_none_or(|asset| account.trustlines.contains_key(asset))
        });
        let mut found: Entries = found
            .map(|(id, account)| (records::address(id), records::account(id, account, &base)))
            .collect();
        found.sort_by(|(one, _), (other, _)| one.cmp(other));
        found
    })
}

async fn ledgers(request: Request) -> Answer {
    let base = base(&request.headers);
    request.answer(move |ledger| {
        (1..=ledger.sequence())
            .filter_map(|sequence| records::ledger(ledger, sequence, &base))
            .map(|record| (text(&record["paging_token"]), record))
            .collect()
    })
}

async fn claimable_balances(request: Request) -> Answer {
    let claimant = request
        .asked
        .claimant
        .as_deref()
        .map(parse_id)
        .transpose()?;
    let sponsor = request.asked.sponsor.as_deref().map(parse_id).transpose()?;
    let (asset, base) = (request.asked.asset.clone(), base(&request.headers));
    request.answer(move |ledger| {
        let found = ledger.claimable().filter(|(_, balance)| {
            claimant.is_none_or(|id| {
                balance
                    .claimants
                    .iter()
                    .any(|one| key(&one.destination) == id)
            }) && sponsor.is_none_or(|id| balance.sponsor == id)
                && asset
                    .as_ref()
                    .is_none_or(|asset| records::asset_name(&balance.asset) == *asset)
        });
        let mut found: Vec<_> = found
            .map(|(id, balance)| (balance.made.0, records::claimable(id, balance, &base)))
            .collect();
        found.sort_by_key(|(ledger, record)| (*ledger, text(&record["id"])));
        found
            .into_iter()
            .map(|(_, record)| (text(&record["paging_token"]), record))
            .collect()
    })
}

async fn assets(request: Request) -> Answer {
    request.answer(|ledger| {
        let mut totals = std::collections::BTreeMap::<Issued, (i64, u32)>::new();
        for (_, account) in ledger.accounts() {
            for (asset, line) in &account.trustlines {
                let (sum, holders) = totals.entry(asset.clone()).or_default();
                *sum = sum.saturating_add(line.balance);
                *holders += 1;
            }
        }
        let entries = totals.into_iter().map(|((code, issuer), (sum, holders))| {
            let (code, issuer) = (String::from_utf8_lossy(&code).into_owned(), records::address(&issuer));
            let place = format!("{code}_{issuer}");
            let record = json!({
                "asset_code": code, "asset_issuer": issuer, "paging_token": place,
                "asset_type": records::kind_of_code(code.as_bytes()),
                "accounts": { "authorized": holders, "authorized_to_maintain_liabilities": 0, "unauthorized": 0 },
                "balances": { "authorized": records::amount(sum) },
            });
            (place, record)
        });
        entries.collect()
    })
}
