//! A proxy between a client and a server that does what networks and servers do wrong.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// What is asked.
#[derive(Clone, Debug)]
pub struct Asked {
    /// `GET` or `POST`.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// What is sent along.
    pub body: Bytes,
}

/// Changes what a server answers. It is given what was asked, the status and the answer.
type Lie = dyn Fn(&Asked, u16, &mut Value) -> u16 + Send + Sync;

/// What goes wrong.
#[derive(Clone)]
pub enum Fault {
    /// The connection is cut before the server hears of the request.
    CutBefore,
    /// The server does what it is asked, and the connection is cut before its answer.
    CutAfter,
    /// This status is answered, and the server hears of nothing.
    Answer(u16),
    /// The server does what it is asked, and this status is answered.
    AnswerAfter(u16),
    /// Nothing is ever answered, and the server hears of nothing.
    Silence,
    /// The server does what it is asked, and nothing is ever answered.
    SilenceAfter,
    /// The server hears of the request only when this is true.
    Held(watch::Receiver<bool>),
    /// Another server answers: one that lags behind, for example.
    Elsewhere(String),
    /// The answer is changed.
    Lie(Arc<Lie>),
    /// The server hears of nothing, and the answer is made up.
    #[cfg_attr(not(feature = "anvil"), expect(dead_code))]
    Invent(Arc<Lie>),
}

impl fmt::Debug for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CutBefore => formatter.write_str("CutBefore"),
            Self::CutAfter => formatter.write_str("CutAfter"),
            Self::Answer(status) => write!(formatter, "Answer({status})"),
            Self::AnswerAfter(status) => write!(formatter, "AnswerAfter({status})"),
            Self::Silence => formatter.write_str("Silence"),
            Self::SilenceAfter => formatter.write_str("SilenceAfter"),
            Self::Held(_) => formatter.write_str("Held"),
            Self::Elsewhere(_) => formatter.write_str("Elsewhere"),
            Self::Lie(_) => formatter.write_str("Lie"),
            Self::Invent(_) => formatter.write_str("Invent"),
        }
    }
}

/// A lie about JSON answers; it returns the status.
pub fn lie(change: impl Fn(&Asked, u16, &mut Value) -> u16 + Send + Sync + 'static) -> Fault {
    Fault::Lie(Arc::new(change))
}

type When = dyn Fn(&Asked) -> bool + Send + Sync;

#[derive(Default)]
struct Shared {
    rules: Mutex<Vec<(Box<When>, Fault)>>,
    asked: Mutex<Vec<Asked>>,
}

/// A running proxy. It ends when this is dropped.
pub struct Proxy {
    url: String,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Proxy {
    /// Begins to pass everything on to `upstream`.
    pub async fn start(upstream: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let shared = Arc::new(Shared::default());
        let serving = (upstream.to_owned(), shared.clone());
        let task = tokio::spawn(async move {
            // Ends with this task, and all connections with it.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (upstream, shared) = serving.clone();
                connections.spawn(serve(stream, upstream, shared));
            }
        });
        Self { url, shared, task }
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// From now on this goes wrong with every request that fits, in place of whatever went wrong with it before.
    pub fn break_when(&self, when: impl Fn(&Asked) -> bool + Send + Sync + 'static, fault: Fault) {
        self.rules().insert(0, (Box::new(when), fault));
    }

    /// From now on this goes wrong with every request whose method and path begin like this: `GET /accounts`.
    pub fn break_at(&self, beginning: &str, fault: Fault) {
        let beginning = beginning.to_owned();
        let when = move |asked: &Asked| {
            let line = format!("{} {}", asked.method, asked.path);
            line.starts_with(&beginning)
        };
        self.break_when(when, fault);
    }

    /// Nothing goes wrong any more.
    pub fn mend(&self) {
        self.rules().clear();
    }

    /// What was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        let asked = self.shared.asked.lock();
        asked.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn rules(&self) -> std::sync::MutexGuard<'_, Vec<(Box<When>, Fault)>> {
        let rules = self.shared.rules.lock();
        rules.unwrap_or_else(PoisonError::into_inner)
    }
}

/// An error makes the server cut the connection.
#[derive(Debug)]
struct Cut;

impl fmt::Display for Cut {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("cut")
    }
}

impl std::error::Error for Cut {}

async fn serve(stream: TcpStream, upstream: String, shared: Arc<Shared>) {
    // Of the whole process; the clients under test choose the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("a client");
    let service = service_fn(move |request: Request<Incoming>| {
        let (upstream, shared, client) = (upstream.clone(), shared.clone(), client.clone());
        async move { handle(request, &upstream, &shared, &client).await }
    });
    // A cut connection is what was wanted.
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn handle(
    request: Request<Incoming>,
    upstream: &str,
    shared: &Shared,
    client: &reqwest::Client,
) -> Result<Response<Full<Bytes>>, Cut> {
    let (head, body) = request.into_parts();
    let path = head
        .uri
        .path_and_query()
        .map_or("/", |path| path.as_str())
        .to_owned();
    let asked = Asked {
        method: head.method.to_string(),
        path,
        body: body.collect().await.map_err(|_| Cut)?.to_bytes(),
    };
    let fault = {
        let rules = shared.rules.lock().unwrap_or_else(PoisonError::into_inner);
        let found = rules.iter().find(|(when, _)| when(&asked));
        found.map(|(_, fault)| fault.clone())
    };
    {
        let mut log = shared.asked.lock().unwrap_or_else(PoisonError::into_inner);
        log.push(asked.clone());
    }
    match fault {
        Some(Fault::CutBefore) => return Err(Cut),
        Some(Fault::Answer(status)) => return Ok(answer(status, Bytes::new())),
        Some(Fault::Silence) => std::future::pending().await,
        Some(Fault::Held(ref released)) => {
            let released = released
                .clone()
                .wait_for(|released| *released)
                .await
                .is_ok();
            if !released {
                return Err(Cut);
            }
        }
        Some(Fault::Invent(invent)) => {
            let mut value = Value::Null;
            let status = invent(&asked, 200, &mut value);
            return Ok(answer(status, Bytes::from(value.to_string())));
        }
        _ => {}
    }
    let to = match &fault {
        Some(Fault::Elsewhere(url)) => url,
        _ => upstream,
    };
    let mut sent = client
        .request(head.method, format!("{to}{}", asked.path))
        .body(asked.body.clone());
    for (name, value) in &head.headers {
        if !matches!(name.as_str(), "host" | "content-length" | "connection") {
            sent = sent.header(name, value);
        }
    }
    let received = sent.send().await.map_err(|_| Cut)?;
    let (status, headers) = (received.status(), received.headers().clone());
    let body = received.bytes().await.map_err(|_| Cut)?;
    let (status, body) = match fault {
        Some(Fault::CutAfter) => return Err(Cut),
        Some(Fault::SilenceAfter) => std::future::pending().await,
        Some(Fault::AnswerAfter(status)) => return Ok(answer(status, Bytes::new())),
        Some(Fault::Lie(change)) => {
            let mut value = serde_json::from_slice(&body).unwrap_or_default();
            let status = change(&asked, status.as_u16(), &mut value);
            (status, Bytes::from(value.to_string()))
        }
        _ => (status.as_u16(), body),
    };
    let mut response = answer(status, body);
    for name in ["content-type", "latest-ledger"] {
        if let Some(value) = headers.get(name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    Ok(response)
}

fn answer(status: u16, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    response
}
