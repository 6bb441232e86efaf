//! An endpoint between a client and a node, which does to JSON-RPC what networks and servers do wrong.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

/// What happens to one request.
pub enum Deed {
    /// The node answers.
    Pass,
    /// The node gets it, and the answer never comes.
    Hang,
    /// The node gets it, and the answer is this status.
    AcceptThen(u16),
    /// The node never gets it, and the answer is this status.
    Status(u16),
    /// The node never gets it, and the result is this.
    Say(Value),
    /// The node never gets it, and the answer is an error with this text.
    Fail(&'static str),
    /// The node gets it, and its result is changed.
    Change(fn(Value) -> Value),
}

/// Decides by the request's method and parameters.
pub type Rule = Box<dyn FnMut(&str, &Value) -> Deed + Send>;

struct Inner {
    node: String,
    client: reqwest::Client,
    rule: Mutex<Rule>,
}

/// A faulty endpoint. It ends with this value.
pub struct Endpoint {
    pub url: String,
    inner: Arc<Inner>,
    task: JoinHandle<()>,
}

impl Endpoint {
    pub async fn new(node: &str, rule: impl FnMut(&str, &Value) -> Deed + Send + 'static) -> Self {
        let inner = Arc::new(Inner {
            node: node.to_owned(),
            client: reqwest::Client::new(),
            rule: Mutex::new(Box::new(rule)),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new().fallback(answer).with_state(inner.clone());
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, inner, task }
    }

    /// From now on it does this.
    pub fn rule(&self, rule: impl FnMut(&str, &Value) -> Deed + Send + 'static) {
        *self.inner.rule.lock().unwrap() = Box::new(rule);
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(State(inner): State<Arc<Inner>>, body: Bytes) -> Response {
    let request: Value = serde_json::from_slice(&body).unwrap();
    let method = request["method"].as_str().unwrap().to_owned();
    let deed = (inner.rule.lock().unwrap())(&method, &request["params"]);
    let status = |status| StatusCode::from_u16(status).unwrap();
    let forward = || async {
        let sent = inner.client.post(&inner.node).json(&request).send().await;
        sent.unwrap().json::<Value>().await.unwrap()
    };
    match deed {
        Deed::Pass => axum::Json(forward().await).into_response(),
        Deed::Hang => {
            forward().await;
            std::future::pending().await
        }
        Deed::AcceptThen(code) => {
            forward().await;
            (status(code), "the gateway gave up").into_response()
        }
        Deed::Status(code) => (status(code), "the gateway gave up").into_response(),
        Deed::Say(result) => {
            axum::Json(json!({ "jsonrpc": "2.0", "id": request["id"], "result": result }))
                .into_response()
        }
        Deed::Fail(text) => {
            let error = json!({ "code": -32602, "message": text });
            axum::Json(json!({ "jsonrpc": "2.0", "id": request["id"], "error": error }))
                .into_response()
        }
        Deed::Change(change) => {
            let mut answer = forward().await;
            answer["result"] = change(answer["result"].take());
            axum::Json(answer).into_response()
        }
    }
}

/// Does this to one method, and nothing to others.
pub fn only(method: &'static str, deed: fn() -> Deed) -> impl FnMut(&str, &Value) -> Deed + Send {
    move |asked, _| match asked == method {
        true => deed(),
        false => Deed::Pass,
    }
}

/// Knows no block after this one.
pub fn behind(head: u64) -> impl FnMut(&str, &Value) -> Deed + Send {
    move |method, parameters| match method {
        "eth_blockNumber" => Deed::Say(json!(format!("0x{head:x}"))),
        "eth_getBlockByNumber" => {
            let asked = parameters[0].as_str().unwrap_or_default();
            let asked = asked
                .strip_prefix("0x")
                .map(|hex| u64::from_str_radix(hex, 16));
            match asked {
                Some(Ok(number)) if number > head => Deed::Say(Value::Null),
                _ => Deed::Pass,
            }
        }
        _ => Deed::Pass,
    }
}
