//! Several servers of one chain: who is asked first, who rests after failures, and who contradicts the others.

use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::{Client, Url};

/// How long the first rest is; each further failure in a row doubles it.
const REST_FIRST: Duration = Duration::from_secs(1);
/// How long a rest is at most.
const REST_MAX: Duration = Duration::from_secs(60);
/// The largest answer that is read. A page of 200 records stays far below.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How long servers are waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection.
    pub connect: Duration,
    /// For an answer to a question, from its first byte sent to its last byte received.
    pub answer: Duration,
    /// For an answer to a submitted transaction, which a server may hold back until the transaction is in a ledger.
    pub submission: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            answer: Duration::from_secs(20),
            submission: Duration::from_secs(60),
        }
    }
}

/// Why endpoints cannot be used at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointsError {
    /// The list is empty.
    #[error("no endpoint is configured; name at least one, and three to be safe from a lying one")]
    None,
    /// An address cannot be read.
    #[error(
        "the endpoint '{text}' is no address: {reason}; write it as https://host[:port][/path]"
    )]
    Url {
        /// What was configured.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// One server under two names would count as two.
    #[error("the endpoint {name} is listed twice; a majority counts each only once")]
    Twice {
        /// Its name.
        name: String,
    },
    /// The HTTP client cannot be made.
    #[error(
        "the HTTP client cannot be made: {reason}; are the certificates of this machine readable?"
    )]
    Client {
        /// What the client said.
        reason: String,
    },
}

/// Why one endpoint gave no usable answer. Never a proof of anything about a chain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// No answer: connection refused or cut, a time-out.
    #[error("no answer: {reason}")]
    Silent {
        /// What happened.
        reason: String,
    },
    /// An answer that says that the server cannot answer.
    #[error("status {status}: {reason}")]
    Status {
        /// The HTTP status.
        status: u16,
        /// What the server said.
        reason: String,
    },
    /// An answer that does not say what it has to.
    #[error("an answer that cannot be used: {reason}")]
    Malformed {
        /// What is wrong with it.
        reason: String,
    },
    /// An answer about a state of the chain before the one that was asked about. The server lags behind.
    #[error("it is at {at} and has not reached {needed} yet")]
    Behind {
        /// The ledger or block of the answer.
        at: u64,
        /// The one that it would take.
        needed: u64,
    },
    /// The server belongs to another chain, or does not know enough of this one.
    #[error("not to be used: {reason}")]
    Unfit {
        /// Why.
        reason: String,
    },
}

/// One server.
#[derive(Debug)]
pub struct Endpoint {
    url: Url,
    name: String,
    health: Mutex<Health>,
}

#[derive(Debug, Default)]
struct Health {
    failures_in_row: u32,
    rests_until: Option<Instant>,
    reason: Option<Fault>,
    is_verified: bool,
    contradictions: u64,
    contradiction: Option<String>,
}

/// How one endpoint does, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointStatus {
    /// Its scheme, host and port; never its path or query, where keys to services stand.
    pub name: String,
    /// Why it rests after its last question, if it does.
    pub fault: Option<Fault>,
    /// How often it said something that a majority proved wrong.
    pub contradictions: u64,
    /// What it said the last time.
    pub contradiction: Option<String>,
}

impl Endpoint {
    /// Its address. Not to be printed: it may hold a key to a service.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Its scheme, host and port.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it was found to belong to the right chain since it failed last.
    pub fn is_verified(&self) -> bool {
        self.health().is_verified
    }

    /// Notes that it belongs to the right chain.
    pub fn verified(&self) {
        self.health().is_verified = true;
    }

    /// Notes what became of a question. After a fault it rests, and is verified again: what answers next may be another server.
    pub fn note<T>(&self, result: &Result<T, Fault>) {
        let mut health = self.health();
        let Err(fault) = result else {
            health.failures_in_row = 0;
            health.rests_until = None;
            health.reason = None;
            return;
        };
        let doublings = health.failures_in_row.min(6);
        let rest = REST_FIRST.saturating_mul(1 << doublings).min(REST_MAX);
        health.failures_in_row = health.failures_in_row.saturating_add(1);
        health.rests_until = Some(Instant::now() + rest);
        health.is_verified = false;
        if health.reason.as_ref() != Some(fault) {
            tracing::warn!(endpoint = self.name, %fault, "an endpoint of a chain gave no usable answer");
        }
        health.reason = Some(fault.clone());
    }

    /// Notes that it said what a majority of the others proved wrong.
    pub fn contradicted(&self, what: String) {
        tracing::warn!(
            endpoint = self.name,
            what,
            "an endpoint of a chain contradicts the majority"
        );
        let mut health = self.health();
        health.contradictions = health.contradictions.saturating_add(1);
        health.contradiction = Some(what);
    }

    fn is_ready(&self, now: Instant) -> bool {
        self.health().rests_until.is_none_or(|until| until <= now)
    }
}

/// What one endpoint answered.
#[derive(Debug)]
pub struct Answer<'a, T> {
    /// Who.
    pub endpoint: &'a Endpoint,
    /// What.
    pub result: Result<T, Fault>,
}

/// Several servers of one chain, with one pool of connections.
#[derive(Debug)]
pub struct Endpoints {
    all: Vec<Endpoint>,
    client: Client,
    timeouts: Timeouts,
}

impl Endpoints {
    /// Keeps a list of addresses, in the order in which they are preferred.
    ///
    /// Errors: an empty list, addresses that cannot be read or are there twice.
    pub fn new(urls: &[String], timeouts: Timeouts) -> Result<Self, EndpointsError> {
        if urls.is_empty() {
            return Err(EndpointsError::None);
        }
        let mut all: Vec<Endpoint> = Vec::with_capacity(urls.len());
        for text in urls {
            let url = parse(text)?;
            if all.iter().any(|one| one.url == url) {
                let name = name(&url);
                return Err(EndpointsError::Twice { name });
            }
            all.push(Endpoint {
                name: name(&url),
                url,
                health: Mutex::default(),
            });
        }
        let client = client(timeouts)?;
        Ok(Self {
            all,
            client,
            timeouts,
        })
    }

    /// The shared HTTP client. It follows no redirections: who is asked is who was configured.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// How long servers are waited for.
    pub fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    /// All of them, as configured.
    pub fn all(&self) -> &[Endpoint] {
        &self.all
    }

    /// How each does.
    pub fn status(&self) -> Vec<EndpointStatus> {
        let status = |endpoint: &Endpoint| {
            let health = endpoint.health();
            EndpointStatus {
                name: endpoint.name.clone(),
                fault: health.reason.clone(),
                contradictions: health.contradictions,
                contradiction: health.contradiction.clone(),
            }
        };
        self.all.iter().map(status).collect()
    }

    /// In the order in which they are asked: those that rest come last.
    pub fn in_order(&self) -> Vec<&Endpoint> {
        let now = Instant::now();
        let mut order: Vec<&Endpoint> = self.all.iter().collect();
        order.sort_by_key(|one| !one.is_ready(now));
        order
    }

    /// Asks every endpoint at once, those that rest as well, and notes how each did: what becomes a fact must not be left to the few that had
    /// no bad minute.
    pub async fn ask_all<'a, T, F>(&'a self, ask: impl Fn(&'a Endpoint) -> F) -> Vec<Answer<'a, T>>
    where
        F: Future<Output = Result<T, Fault>>,
    {
        let asked = self.all.iter().map(|endpoint| {
            let answer = ask(endpoint);
            async move {
                let result = answer.await;
                endpoint.note(&result);
                Answer { endpoint, result }
            }
        });
        join_all(asked).await
    }

    /// Asks one endpoint after another, those that do not rest first, until one answers. The faults of those before it come along.
    pub async fn ask_first<'a, T, F>(
        &'a self,
        ask: impl Fn(&'a Endpoint) -> F,
    ) -> Result<(&'a Endpoint, T), Vec<(String, Fault)>>
    where
        F: Future<Output = Result<T, Fault>>,
    {
        let mut faults = Vec::new();
        for endpoint in self.in_order() {
            let result = ask(endpoint).await;
            endpoint.note(&result);
            match result {
                Ok(answer) => return Ok((endpoint, answer)),
                Err(fault) => faults.push((endpoint.name.clone(), fault)),
            }
        }
        Err(faults)
    }
}

fn parse(text: &str) -> Result<Url, EndpointsError> {
    let refuse = |reason: String| EndpointsError::Url {
        text: text.to_owned(),
        reason,
    };
    let mut url = Url::parse(text).map_err(|error| refuse(error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(refuse("it does not begin with https:// or http://".into()));
    }
    // What is asked is appended; without this the last part of the path would be replaced.
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Ok(url)
}

fn name(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{}://{host}:{port}", url.scheme()),
        None => format!("{}://{host}", url.scheme()),
    }
}

fn client(timeouts: Timeouts) -> Result<Client, EndpointsError> {
    // Of a whole process, so somebody may have chosen before; any choice is fine.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .connect_timeout(timeouts.connect)
        .timeout(timeouts.answer)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("guardian-circle/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| EndpointsError::Client {
            reason: chain_of(&error),
        })
}

/// The whole of an answer, as far as it is not endless.
pub async fn read_body(mut response: reqwest::Response) -> Result<Vec<u8>, Fault> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(silent)? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            let reason = format!("it is longer than {ANSWER_BYTES_MAX} bytes");
            return Err(Fault::Malformed { reason });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// An error of the HTTP client, without the address that was asked: it may hold a key to a service.
pub fn silent(error: reqwest::Error) -> Fault {
    Fault::Silent {
        reason: chain_of(&error.without_url()),
    }
}

/// An error and its causes.
fn chain_of(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoints(urls: &[&str]) -> Result<Endpoints, EndpointsError> {
        let urls: Vec<String> = urls.iter().map(|url| (*url).to_owned()).collect();
        Endpoints::new(&urls, Timeouts::default())
    }

    #[test]
    fn a_name_never_shows_the_key_to_a_service() {
        let all = endpoints(&["https://user:word@chain.example:8443/v3/0123?key=4567"]).unwrap();
        assert_eq!(all.all()[0].name(), "https://chain.example:8443");
        let refused = endpoints(&["ftp://chain.example"]).unwrap_err();
        assert!(refused.to_string().contains("https://host"), "{refused}");
        assert_eq!(endpoints(&[]).unwrap_err(), EndpointsError::None);
        let twice = endpoints(&["http://a.example", "http://a.example/"]).unwrap_err();
        let name = "http://a.example".into();
        assert_eq!(twice, EndpointsError::Twice { name });
    }

    #[test]
    fn who_fails_rests_and_is_verified_again() {
        let all = endpoints(&["http://a.example", "http://b.example"]).unwrap();
        let [a, b] = all.all() else { panic!("two") };
        a.verified();
        let fault = Fault::Silent {
            reason: "cut".into(),
        };
        a.note::<()>(&Err(fault.clone()));
        assert!(!a.is_verified());
        let names = |all: &Endpoints| -> Vec<String> {
            let order = all.in_order().into_iter();
            order.map(|one| one.name.clone()).collect()
        };
        assert_eq!(names(&all), ["http://b.example", "http://a.example"]);
        assert_eq!(all.status()[0].fault, Some(fault.clone()));
        b.note::<()>(&Err(fault));
        assert_eq!(names(&all), ["http://a.example", "http://b.example"]);
        a.note::<()>(&Ok(()));
        assert_eq!(names(&all), ["http://a.example", "http://b.example"]);
        assert_eq!(all.status()[0].fault, None);
    }

    #[test]
    fn rests_grow_up_to_a_minute() {
        let all = endpoints(&["http://a.example"]).unwrap();
        let endpoint = &all.all()[0];
        let rests: Vec<u64> = (0..9)
            .map(|_| {
                let before = Instant::now();
                let reason = "cut".into();
                endpoint.note::<()>(&Err(Fault::Silent { reason }));
                let until = endpoint.health().rests_until.unwrap();
                // Rounded, since the clock goes on between the two looks.
                (until - before + Duration::from_millis(400)).as_secs()
            })
            .collect();
        assert_eq!(rests, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    }
}
