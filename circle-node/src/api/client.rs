//! The client side of the API: plain HTTP/1.1 to a node, mostly over loopback.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use circle::digest::Hash;
use circle::genesis::Genesis;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde_json::Value;
use threescript::action::Signature;

use super::declarations::{self, Declaration};
use super::types::{At, PolicySource};
use crate::problem::Problem;

/// The largest answer that is read.
const ANSWER_BYTES_MAX: usize = 256 << 20;
/// How long a node may take for an ordinary answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A client of one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    authority: String,
}

impl Client {
    /// A client of the node at `url`: `http://HOST:PORT`, or `HOST:PORT`.
    pub fn new(url: &str) -> Result<Self, Problem> {
        let authority = url
            .strip_prefix("http://")
            .unwrap_or(url)
            .trim_end_matches('/');
        let port = authority
            .rsplit_once(':')
            .and_then(|(_, port)| port.parse::<u16>().ok());
        if port.is_none() || authority.contains(['/', '@', ' ']) {
            let reason = format!("{url:?} is no address of a node");
            return Err(Problem::new(
                "node.address",
                reason,
                "write it as http://127.0.0.1:9800",
            ));
        }
        Ok(Self {
            authority: authority.to_owned(),
        })
    }

    /// The address, as `http://HOST:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.authority)
    }

    /// Asks for `path`.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Problem> {
        self.call(Method::GET, path, Bytes::new(), PATIENCE).await
    }

    /// Asks for `path`, which the node may answer only after `wait`.
    pub async fn wait<T: DeserializeOwned>(
        &self,
        path: &str,
        wait: Duration,
    ) -> Result<T, Problem> {
        self.call(Method::GET, path, Bytes::new(), PATIENCE + wait)
            .await
    }

    /// Sends `body` to `path`.
    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: impl Into<Bytes>,
    ) -> Result<T, Problem> {
        self.call(Method::POST, path, body.into(), PATIENCE).await
    }

    /// What the circle started with.
    pub async fn genesis(&self) -> Result<Genesis, Problem> {
        let path = "/v1/genesis";
        let document: Value = self.get(path).await?;
        let bytes = document["genesis"]
            .as_str()
            .and_then(|text| BASE64.decode(text).ok());
        bytes
            .and_then(|bytes| borsh::from_slice(&bytes).ok())
            .ok_or_else(|| self.strange(path, "no genesis"))
    }

    /// What may be asked and done now.
    pub async fn signatures(&self) -> Result<Vec<Signature>, Problem> {
        let path = "/v1/signatures";
        let mut document: Value = self.get(path).await?;
        let all: Option<Vec<Declaration>> =
            serde_json::from_value(document["signatures"].take()).ok();
        let all = all.and_then(|all| all.iter().map(declarations::read).collect());
        all.ok_or_else(|| self.strange(path, "declarations of another kind"))
    }

    /// The source of an installed policy.
    pub async fn policy_source(&self, hash: &Hash) -> Result<Option<String>, Problem> {
        let path = format!("/v1/policies/{}", hex::encode(hash));
        match self.get::<At<PolicySource>>(&path).await {
            Ok(policy) => Ok(Some(policy.answer.source)),
            Err(problem) if problem.code == "node.unknown" => Ok(None),
            Err(problem) => Err(problem),
        }
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        patience: Duration,
    ) -> Result<T, Problem> {
        let silent = |_| {
            let reason = format!(
                "the node at {} did not answer {path} within {} s",
                self.url(),
                patience.as_secs()
            );
            Problem::new(
                "node.silent",
                reason,
                "look at its `circle start`, or ask another node",
            )
        };
        let (status, bytes) = tokio::time::timeout(patience, self.exchange(method, path, body))
            .await
            .map_err(silent)??;
        if status == StatusCode::OK {
            return serde_json::from_slice(&bytes)
                .map_err(|error| self.strange(path, &error.to_string()));
        }
        let mut answer: Value =
            serde_json::from_slice(&bytes).map_err(|_| self.strange(path, status.as_str()))?;
        Err(serde_json::from_value(answer["error"].take())
            .map_err(|_| self.strange(path, status.as_str()))?)
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), Problem> {
        let unreachable = |error: &dyn std::fmt::Display| {
            let reason = format!("no node answers at {}: {error}", self.url());
            Problem::new(
                "node.unreachable",
                reason,
                "start it with `circle start`, or name another with --node",
            )
        };
        let stream = tokio::net::TcpStream::connect(&self.authority)
            .await
            .map_err(|error| unreachable(&error))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| unreachable(&error))?;
        let connection = tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(hyper::header::HOST, &self.authority)
            .body(Full::new(body))
            .map_err(|error| {
                Problem::new(
                    "node.request",
                    format!("{path}: {error}"),
                    "check the names in the request",
                )
            })?;
        let answer = sender
            .send_request(request)
            .await
            .map_err(|error| unreachable(&error))?;
        let status = answer.status();
        let collected = Limited::new(answer.into_body(), ANSWER_BYTES_MAX)
            .collect()
            .await;
        connection.abort();
        let bytes = collected
            .map_err(|error| self.strange(path, &error.to_string()))?
            .to_bytes();
        Ok((status, bytes))
    }

    fn strange(&self, path: &str, what: &str) -> Problem {
        let reason = format!(
            "what answers at {}{path} is no node of this version: {what}",
            self.url()
        );
        Problem::new(
            "node.strange",
            reason,
            "check the address; use the same version of `circle` on both sides",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_host_and_a_port() {
        let url = |text: &str| Client::new(text).map(|client| client.url());
        assert_eq!(
            url("http://127.0.0.1:9800/").unwrap(),
            "http://127.0.0.1:9800"
        );
        assert_eq!(url("[::1]:9800").unwrap(), "http://[::1]:9800");
        for text in [
            "",
            "127.0.0.1",
            "https://x:1/",
            "http://a:b",
            "http://u@h:1",
            "http://h:1/path",
        ] {
            assert_eq!(url(text).unwrap_err().code, "node.address", "{text}");
        }
    }
}
