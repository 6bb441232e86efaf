//! The server side of the API.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use circle::digest::Hash;
use circle::envelope::{Envelope, TRANSACTION_BYTES_MAX};
use circle::machine::STACK_BYTES;
use circle::session::Stop;
use consensus::log::SubmitError;
use serde::Deserialize;
use threescript::action::{self, Mark};
use tokio::sync::Semaphore;

use super::types::{
    At, Blocks, Ceremonies, OwedList, Policies, PolicySource, Submitted, Transaction,
};
use super::{declarations, values};
use crate::node::core::Core;
use crate::node::status::status as status_of;
use crate::node::{answers, treasury};
use crate::problem::Problem;

/// The longest a request may wait for something to happen.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// Questions that run at the same time; each has a thread of its own with a large stack.
const QUESTIONS_MAX: usize = 4;
/// A text of actions has at most 64 KiB, a transaction in hexadecimal twice its bytes.
const BODY_BYTES_MAX: usize = 2 * TRANSACTION_BYTES_MAX + 4096;

#[derive(Clone)]
struct Api {
    core: Arc<Core>,
    questions: Arc<Semaphore>,
}

/// All routes of the API.
pub fn router(core: Arc<Core>) -> Router {
    let api = Api {
        core,
        questions: Arc::new(Semaphore::new(QUESTIONS_MAX)),
    };
    Router::new()
        .route("/v1/status", get(status))
        .route("/v1/transactions", post(submit))
        .route("/v1/transactions/{id}", get(transaction))
        .route("/v1/ask", post(ask))
        .route("/v1/checkpoints/{height}", get(checkpoint))
        .route("/v1/certificates/{height}", get(certificate))
        .route("/v1/accounts/{name}", get(account))
        .route("/v1/outbox", get(outbox))
        .route("/v1/payouts", get(payouts))
        .route("/v1/ceremonies", get(ceremonies))
        .route("/v1/payouts/{id}", get(payout))
        .route("/v1/owed", get(owed))
        .route("/v1/genesis", get(genesis))
        .route("/v1/signatures", get(signatures))
        .route("/v1/policies", get(policies))
        .route("/v1/policies/{hash}", get(policy))
        .route("/v1/blocks/{height}", get(blocks))
        .fallback(unknown)
        .method_not_allowed_fallback(method)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(api)
}

/// A problem as an answer.
struct Refused(Problem);

impl<P: Into<Problem>> From<P> for Refused {
    fn from(problem: P) -> Self {
        Self(problem.into())
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = match self.0.code.as_str() {
            "node.unknown" => StatusCode::NOT_FOUND,
            "node.method" => StatusCode::METHOD_NOT_ALLOWED,
            "node.busy" | "mempool_full" => StatusCode::TOO_MANY_REQUESTS,
            code if code.starts_with("node.") || code.starts_with("log.") => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            "too_large" => StatusCode::PAYLOAD_TOO_LARGE,
            _ => StatusCode::BAD_REQUEST,
        };
        (status, Json(self.0.to_json())).into_response()
    }
}

type Answer<T> = Result<Json<T>, Refused>;

async fn unknown(uri: axum::http::Uri) -> Refused {
    let mend = "the paths begin with /v1/: status, transactions, ask, checkpoints, certificates, accounts, outbox, payouts, ceremonies, owed, genesis, signatures, policies, blocks";
    Problem::new(
        "node.unknown",
        format!("there is nothing at {}", uri.path()),
        mend,
    )
    .into()
}

async fn method(method: axum::http::Method, uri: axum::http::Uri) -> Refused {
    let reason = format!("{} does not take {method}", uri.path());
    Problem::new(
        "node.method",
        reason,
        "read with GET; only transactions and ask take POST",
    )
    .into()
}

async fn status(State(api): State<Api>) -> Result<Response, Refused> {
    Ok(Json(status_of(&api.core)?).into_response())
}

async fn submit(State(api): State<Api>, body: Result<Bytes, BytesRejection>) -> Answer<Submitted> {
    let body = body
        .map_err(|error| Problem::new("too_large", error.to_string(), "split the transaction"))?;
    // An encoded envelope begins with the circle's 32 bytes; text that is all hexadecimal is the envelope in hexadecimal.
    let text = body.trim_ascii();
    let bytes = if !text.is_empty() && text.iter().all(u8::is_ascii_hexdigit) {
        hex::decode(text).map_err(|error| {
            Problem::new(
                "envelope.malformed",
                format!("this is no hexadecimal: {error}"),
                "send whole bytes",
            )
        })?
    } else {
        body.to_vec()
    };
    let id = Envelope::decode(&bytes)?.body.id();
    if let Some(failure) = api.core.failure() {
        return Err(failure.clone().into());
    }
    match api.core.log.submit(bytes).await {
        Ok(_) | Err(SubmitError::Pending { .. } | SubmitError::Ordered { .. }) => {
            Ok(Json(Submitted {
                id: hex::encode(id),
            }))
        }
        Err(SubmitError::Refused { reason }) => {
            // The check gives the code of the refusal behind its text.
            match reason
                .rsplit_once(" [")
                .and_then(|(text, code)| Some((text, code.strip_suffix(']')?)))
            {
                Some((text, code)) => Err(Problem::of(code, text).into()),
                None => Err(Problem::of("refused", reason).into()),
            }
        }
        Err(error) => Err(Problem::of(error.code(), error).into()),
    }
}

#[derive(Deserialize)]
struct Wait {
    #[serde(default)]
    wait_s: u64,
    /// `executed` or `certified`.
    until: Option<String>,
}

async fn transaction(
    State(api): State<Api>,
    Path(id): Path<String>,
    wait: Result<Query<Wait>, QueryRejection>,
) -> Answer<Transaction> {
    let Query(wait) = wait.map_err(|_| {
        Problem::new(
            "request",
            "the query is malformed",
            "use ?wait_s=SECONDS&until=executed",
        )
    })?;
    let hash = hash(&id)?;
    let executed_is_enough = match wait.until.as_deref() {
        None | Some("certified") => false,
        Some("executed") => true,
        Some(other) => {
            return Err(Problem::new(
                "request",
                format!("until={other} is unknown"),
                "use executed or certified",
            )
            .into());
        }
    };
    let deadline = tokio::time::Instant::now() + Duration::from_secs(wait.wait_s).min(WAIT_MAX);
    let mut executed = api.core.executed();
    loop {
        let answer = answers::transaction(&api.core, hash)?;
        let done =
            answer.state == "certified" || (executed_is_enough && answer.state == "executed");
        if done
            || api.core.is_over()
            || tokio::time::timeout_at(deadline, executed.changed())
                .await
                .is_err()
        {
            return Ok(Json(answer));
        }
    }
}

async fn ask(
    State(api): State<Api>,
    body: Result<Bytes, BytesRejection>,
) -> Answer<At<serde_json::Value>> {
    let body =
        body.map_err(|error| Problem::new("too_large", error.to_string(), "ask less at once"))?;
    let Ok(permit) = api.questions.clone().try_acquire_owned() else {
        return Err(Problem::new(
            "node.busy",
            "too many questions are being answered",
            "ask again in a moment",
        )
        .into());
    };
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let core = api.core.clone();
    let spawned = std::thread::Builder::new()
        .name("ask".into())
        .stack_size(STACK_BYTES)
        .spawn(move || {
            let _permit = permit;
            let _ = sender.send(answer_question(&core, &body));
        });
    let fault = |what: String| {
        Problem::new(
            "node.fault",
            what,
            "ask again; if it stays, restart the node",
        )
    };
    spawned.map_err(|error| fault(format!("no thread for the question: {error}")))?;
    let answer = receiver
        .await
        .map_err(|_| fault("the question ended without an answer".into()))??;
    Ok(Json(answer))
}

fn answer_question(core: &Core, text: &[u8]) -> Result<At<serde_json::Value>, Problem> {
    let rows = core.certified()?;
    let assets = core
        .genesis
        .decimals()
        .map_err(|error| Problem::of("genesis.assets", error))?;
    let signatures = core.asking().signatures(rows.store.clone())?;
    let text = std::str::from_utf8(text)
        .map_err(|_| Problem::new("request", "the question is not UTF-8", "send text"))?;
    let questions = action::read(text, &signatures, &assets)?;
    let [question] = questions.as_slice() else {
        let reason = format!("there are {} questions in the text", questions.len());
        return Err(Problem::new(
            "ask.one",
            reason,
            "ask one at a time, as in !iou.owed",
        ));
    };
    if question.mark != Mark::Ask {
        return Err(Problem::new(
            "ask.mark",
            "this is no question",
            "send actions with `circle act`; questions begin with one `!`",
        ));
    }
    let value = core
        .asking()
        .ask(rows.store.clone(), rows.height, core.time_ms(), question)
        .map_err(|stop| match stop {
            Stop::Fault(fault) => Problem::from(fault),
            Stop::Refused(refusal) => {
                let mut problem = Problem::from(refusal.rejection);
                if let Some(place) = refusal.place {
                    problem.reason = format!(
                        "{} ({}:{}:{})",
                        problem.reason, place.file, place.line, place.column
                    );
                }
                problem
            }
        })?;
    let answer = serde_json::json!({ "answer": values::to_json(&value, &assets) });
    Ok(At {
        height: rows.height,
        certified_height: rows.certified_height,
        answer,
    })
}

fn hash(text: &str) -> Result<Hash, Problem> {
    let mut hash = [0; 32];
    hex::decode_to_slice(text, &mut hash).map_err(|_| {
        Problem::new(
            "request",
            format!("{text:?} is no id or hash"),
            "use 64 hexadecimal digits",
        )
    })?;
    Ok(hash)
}

fn height(text: &str) -> Result<u64, Problem> {
    text.parse().map_err(|_| {
        Problem::new(
            "request",
            format!("{text:?} is no height"),
            "use a number from 1",
        )
    })
}

async fn checkpoint(State(api): State<Api>, Path(at): Path<String>) -> Result<Response, Refused> {
    Ok(Json(answers::checkpoint(&api.core, height(&at)?)?).into_response())
}

async fn certificate(State(api): State<Api>, Path(at): Path<String>) -> Result<Response, Refused> {
    Ok(Json(answers::certificate(&api.core, height(&at)?)?).into_response())
}

async fn account(State(api): State<Api>, Path(name): Path<String>) -> Result<Response, Refused> {
    Ok(Json(answers::account(&api.core, &name)?).into_response())
}

async fn outbox(State(api): State<Api>) -> Result<Response, Refused> {
    Ok(Json(answers::outbox(&api.core)?).into_response())
}

async fn payouts(State(api): State<Api>) -> Result<Response, Refused> {
    Ok(Json(treasury::answers::payouts(&api.core)?).into_response())
}

async fn ceremonies(State(api): State<Api>) -> Answer<At<Ceremonies>> {
    Ok(Json(treasury::ceremonies::ceremonies(&api.core)?))
}

async fn payout(State(api): State<Api>, Path(id): Path<u64>) -> Result<Response, Refused> {
    Ok(Json(treasury::diff::of(&api.core, id)?).into_response())
}

async fn owed(State(api): State<Api>) -> Answer<At<OwedList>> {
    Ok(Json(answers::owed(&api.core)?))
}

async fn genesis(State(api): State<Api>) -> Response {
    let text = crate::genesis_file::render(&api.core.genesis, &Default::default());
    (
        [(axum::http::header::CONTENT_TYPE, "application/json")],
        text,
    )
        .into_response()
}

async fn signatures(State(api): State<Api>) -> Result<Response, Refused> {
    // What is declared now, by the newest state: a transaction is executed on top of it.
    let signatures = api.core.asking().signatures(api.core.newest()?.store)?;
    let all: Vec<_> = signatures.iter().map(declarations::write).collect();
    Ok(Json(serde_json::json!({ "signatures": all })).into_response())
}

async fn policies(State(api): State<Api>) -> Answer<At<Policies>> {
    Ok(Json(answers::policies(&api.core)?))
}

async fn policy(State(api): State<Api>, Path(of): Path<String>) -> Answer<At<PolicySource>> {
    Ok(Json(answers::policy(&api.core, hash(&of)?)?))
}

#[derive(Deserialize)]
struct Count {
    count: Option<u64>,
}

async fn blocks(
    State(api): State<Api>,
    Path(from): Path<String>,
    count: Result<Query<Count>, QueryRejection>,
) -> Answer<Blocks> {
    let Query(Count { count }) = count
        .map_err(|_| Problem::new("request", "the query is malformed", "use ?count=NUMBER"))?;
    let from = height(&from)?;
    Ok(Json(answers::blocks(&api.core, from, count.unwrap_or(1))?))
}
