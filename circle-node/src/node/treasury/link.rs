//! A node's link to one money chain: its servers, and how they do.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use circle::treasury::{Chain, Transaction};
use treasury_chains::endpoints::Timeouts;

use super::client::Client;
use super::ethereum::Ethereum;
use super::stellar::Stellar;
use crate::api::treasury::{ChainLink, Endpoint};
use crate::config::ChainConfig;
use crate::node::secrets::Secrets;
use crate::problem::Problem;
use crate::setup::now_ms;

/// Without another word, a chain is looked at this often.
const POLL: Duration = Duration::from_secs(5);
const POLL_MIN: Duration = Duration::from_millis(50);

/// What tells chains apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// The kind of chain.
    pub kind: &'static str,
    /// Which of that kind: the passphrase on Stellar, the chain id on Ethereum.
    pub id: String,
}

impl From<&Chain> for Network {
    fn from(chain: &Chain) -> Self {
        let id = match chain {
            Chain::Stellar { network } => network.clone(),
            Chain::Ethereum { chain_id, .. } => chain_id.to_string(),
        };
        Self {
            kind: chain.kind(),
            id,
        }
    }
}

impl From<&Transaction> for Network {
    fn from(transaction: &Transaction) -> Self {
        match transaction {
            Transaction::Stellar { network, .. } => Self {
                kind: "stellar",
                id: network.clone(),
            },
            Transaction::Safe(transaction) => Self {
                kind: "ethereum",
                id: transaction.chain_id.to_string(),
            },
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.kind, self.id)
    }
}

/// A chain that this node sees.
pub struct Link {
    network: Network,
    client: Client,
    poll: Duration,
    health: Mutex<Health>,
}

#[derive(Default)]
struct Health {
    /// Whether the last look was answered.
    reachable: bool,
    /// Why it was not, and since when, Unix seconds.
    error: Option<(String, u64)>,
    /// The same by endpoint.
    endpoints: BTreeMap<String, (String, u64)>,
    /// The last ledger of each server that answered, and how old that is, in seconds.
    reached: BTreeMap<String, (u64, u64)>,
}

impl Link {
    pub(super) async fn new(config: &ChainConfig, secrets: &Secrets) -> Result<Self, Problem> {
        let (kind, id, client, poll_ms) = match config {
            ChainConfig::Stellar {
                network,
                endpoints,
                poll_ms,
            } => {
                let stellar = Stellar::new(endpoints, network, Timeouts::default())?;
                (
                    "stellar",
                    network.clone(),
                    Client::Stellar(stellar),
                    poll_ms,
                )
            }
            ChainConfig::Ethereum {
                chain_id,
                endpoints,
                finality_blocks,
                from_block,
                poll_ms,
            } => {
                let relayer = secrets.relayer_key(*chain_id)?;
                let ethereum =
                    Ethereum::connect(endpoints, *chain_id, *finality_blocks, *from_block, relayer);
                let client = Client::Ethereum(Box::new(ethereum.await?));
                ("ethereum", chain_id.to_string(), client, poll_ms)
            }
        };
        Ok(Self {
            network: Network { kind, id },
            client,
            poll: poll_ms.map_or(POLL, Duration::from_millis).max(POLL_MIN),
            health: Mutex::default(),
        })
    }

    /// Which chain that is.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Whether this is the link to `chain`.
    pub fn is_of(&self, chain: &Chain) -> bool {
        self.network == Network::from(chain)
    }

    /// How it is spoken to.
    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// From one look to the next.
    pub(super) fn poll(&self) -> Duration {
        self.poll
    }

    /// How long one guardian's broadcast is waited for before the next one sends.
    pub(super) fn patience(&self) -> Duration {
        (4 * self.poll).max(Duration::from_secs(2))
    }

    /// Whether the last look was answered.
    pub fn is_reachable(&self) -> bool {
        self.health().reachable
    }

    /// Notes how a look went.
    pub(super) fn note(&self, error: Option<String>) {
        let now_s = now_ms() / 1000;
        let mut health = self.health();
        health.reachable = error.is_none();
        let since = |old: Option<&(String, u64)>| old.map_or(now_s, |(_, since)| *since);
        health.error = error.map(|error| {
            if health.error.is_none() {
                tracing::warn!(chain = %self.network, "{error}");
            }
            let since = since(health.error.as_ref());
            (error, since)
        });
        let mut endpoints = BTreeMap::new();
        for one in self.client.status() {
            if let Some(fault) = one.fault {
                let since = since(health.endpoints.get(&one.name));
                endpoints.insert(one.name, (fault.to_string(), since));
            }
        }
        health.endpoints = endpoints;
    }

    /// Notes how far the servers are.
    pub(super) fn note_reach(&self, reached: BTreeMap<String, (u64, u64)>) {
        self.health().reached = reached;
    }

    /// How it does, for screens.
    pub fn status(&self) -> ChainLink {
        let health = self.health();
        let ahead = health.reached.values().map(|(ledger, _)| *ledger).max();
        let endpoint = |name: String, contradictions: u64| {
            let fault = health.endpoints.get(&name);
            let reached = health.reached.get(&name).filter(|_| fault.is_none());
            Endpoint {
                reachable: fault.is_none(),
                error: fault.map(|(error, _)| error.clone()),
                since_s: fault.map(|(_, since)| *since),
                ledger: reached.map(|(ledger, _)| *ledger),
                behind: reached
                    .zip(ahead)
                    .map(|((ledger, _), ahead)| ahead - ledger),
                age_s: reached.map(|(_, age_s)| *age_s),
                contradictions,
                name,
            }
        };
        let endpoints = self.client.status().into_iter();
        ChainLink {
            kind: self.network.kind.into(),
            network: self.network.id.clone(),
            configured: true,
            reachable: health.reachable,
            error: health.error.as_ref().map(|(error, _)| error.clone()),
            since_s: health.error.as_ref().map(|(_, since)| *since),
            endpoints: endpoints
                .map(|one| endpoint(one.name, one.contradictions))
                .collect(),
            wallets: Vec::new(),
            pays_gas: match &self.client {
                Client::Stellar(_) => None,
                Client::Ethereum(ethereum) => Some(ethereum.relayer().to_string()),
            },
        }
    }

    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
