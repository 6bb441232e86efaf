//! One request to one Horizon, and its answer in Horizon's words.

use reqwest::header::HeaderValue;
use reqwest::{Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::text;
use crate::endpoints::{Endpoint, Endpoints, Fault, read_body, silent};

/// An answer.
#[derive(Debug)]
pub(super) struct Told<T> {
    /// What was asked for.
    pub body: T,
    /// The ledger of the state that answered, where the answer is about state.
    pub state_ledger: Option<u32>,
}

/// A page of a collection.
#[derive(Debug, Deserialize)]
pub(super) struct Collection<T> {
    #[serde(rename = "_embedded")]
    embedded: Embedded<T>,
}

#[derive(Debug, Deserialize)]
struct Embedded<T> {
    records: Vec<T>,
}

impl<T> Collection<T> {
    pub fn records(self) -> Vec<T> {
        self.embedded.records
    }
}

/// What `/` says.
#[derive(Debug, Deserialize)]
pub(super) struct RootRecord {
    pub horizon_version: String,
    pub network_passphrase: String,
    pub history_latest_ledger: u32,
    pub history_latest_ledger_closed_at: String,
    pub history_elder_ledger: u32,
    pub core_latest_ledger: u32,
}

/// `application/problem+json`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ProblemRecord {
    #[serde(rename = "type")]
    pub kind: String,
    pub title: String,
    pub extras: Option<Extras>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Extras {
    pub result_codes: Option<ResultCodes>,
    pub reason: Option<serde_json::Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ResultCodes {
    pub transaction: Option<String>,
    pub inner_transaction: Option<String>,
    pub operations: Vec<String>,
}

/// Asks for `path`, which begins without a slash. `None` for what the server does not have, with the ledger of its state.
///
/// Errors: every other answer than 200 and 404.
pub(super) async fn get<T: DeserializeOwned>(
    endpoints: &Endpoints,
    endpoint: &Endpoint,
    path: &str,
    query: &[(&str, &str)],
) -> Result<Told<Option<T>>, Fault> {
    let url = join(endpoint, path)?;
    let request = endpoints.client().get(url).query(query);
    let response = request.send().await.map_err(silent)?;
    let status = response.status();
    let state_ledger = state_ledger(&response)?;
    let body = read_body(response).await?;
    match status {
        StatusCode::OK => Ok(Told {
            body: Some(parse(&body)?),
            state_ledger,
        }),
        // A proxy's own page of "not found" must not be taken for a chain's word that something is not there.
        StatusCode::NOT_FOUND if is_missing(&body) => Ok(Told {
            body: None,
            state_ledger,
        }),
        _ => Err(refusal(status, &body)),
    }
}

/// Submits an envelope. The status and the body of whatever is answered.
pub(super) async fn post_transaction(
    endpoints: &Endpoints,
    endpoint: &Endpoint,
    envelope: &str,
) -> Result<(StatusCode, Vec<u8>), Fault> {
    let url = join(endpoint, "transactions")?;
    let request = endpoints
        .client()
        .post(url)
        .timeout(endpoints.timeouts().submission)
        .form(&[("tx", envelope)]);
    let response = request.send().await.map_err(silent)?;
    let status = response.status();
    Ok((status, read_body(response).await?))
}

fn join(endpoint: &Endpoint, path: &str) -> Result<reqwest::Url, Fault> {
    endpoint.url().join(path).map_err(|error| Fault::Malformed {
        reason: error.to_string(),
    })
}

fn state_ledger(response: &Response) -> Result<Option<u32>, Fault> {
    let header = response.headers().get("latest-ledger");
    let text = header.map(HeaderValue::to_str).transpose();
    let text = text.map_err(|_| text::malformed("the header Latest-Ledger is", "not text"))?;
    text.map(text::number).transpose()
}

pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Fault> {
    serde_json::from_slice(body).map_err(|error| Fault::Malformed {
        reason: error.to_string(),
    })
}

pub(super) fn problem(body: &[u8]) -> ProblemRecord {
    serde_json::from_slice(body).unwrap_or_default()
}

fn is_missing(body: &[u8]) -> bool {
    problem(body).kind.ends_with("not_found")
}

/// What a status says that is neither an answer nor "not there".
pub(super) fn refusal(status: StatusCode, body: &[u8]) -> Fault {
    let problem = problem(body);
    let mut reason = match problem.title.is_empty() {
        true => status.canonical_reason().unwrap_or("no reason").to_owned(),
        false => problem.title.chars().take(200).collect(),
    };
    if let Some(serde_json::Value::String(detail)) = problem.extras.and_then(|extras| extras.reason)
    {
        reason.push_str(": ");
        reason.extend(detail.chars().take(200));
    }
    Fault::Status {
        status: status.as_u16(),
        reason,
    }
}
