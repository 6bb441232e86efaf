//! Ethereum and what speaks its JSON-RPC: the Safe of a wallet, what is sent to it, and what became of it.
//!
//! What becomes a fact is read from every configured endpoint, at one block that is behind the head by the depth of finality, and taken
//! only where more than half of those that answer say the same of the same block hash ([`crate::agreement`]). An endpoint that has not
//! reached that block delays, one that says something else is outvoted and named, and a reorganisation above that block changes
//! nothing here.
//!
//! Sending needs no trust: a Safe transaction happens once or not at all, whoever sends it and however often. So it goes to every
//! endpoint, and what they answer is a hint only.

mod abi;
pub mod anvil;
pub mod devchain;
mod error;
mod fees;
mod outcome;
mod receipts;
mod relayer;
mod revert;
mod safe;
mod submission;
mod transport;
mod view;

use std::fmt;

use alloy::providers::{Provider, RootProvider};

pub use error::{EthereumError, Said};
pub use fees::FeeLimits;
pub use outcome::Outcome;
pub use receipts::{RECEIPT_BLOCKS_MAX, Receipt, Receipts};
pub use relayer::{Relayer, Sent};
pub use revert::Revert;
pub use safe::{Balances, Difference, SafeState};
pub use submission::{Deployment, Submission};
pub use view::BlockRef;

use crate::agreement::least;
use crate::endpoints::{Endpoint, EndpointStatus, Endpoints, Fault, Timeouts};

/// One chain, behind several endpoints.
pub struct Ethereum {
    endpoints: Endpoints,
    /// One for each endpoint, in the same order.
    providers: Vec<RootProvider>,
    chain_id: u64,
    finality_blocks: u64,
}

/// By the names of its endpoints: their addresses may hold keys to services.
impl fmt::Debug for Ethereum {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.endpoints.all().iter().map(Endpoint::name);
        let names: Vec<&str> = names.collect();
        let (chain, finality) = (self.chain_id, self.finality_blocks);
        write!(formatter, "Ethereum({chain}, {finality} blocks, {names:?})")
    }
}

impl Ethereum {
    /// Names the endpoints of a chain, the preferred one first, and how many blocks behind the head what is read becomes a fact.
    ///
    /// Endpoints that keep no old states answer for about 128 blocks: `finality_blocks` stays below that unless they do.
    /// Errors: an address that cannot be read; an endpoint that says it belongs to another chain. One that does not answer is kept, and is
    /// asked for its chain before anything else once it does.
    pub async fn connect(
        urls: &[String],
        chain_id: u64,
        finality_blocks: u64,
        timeouts: Timeouts,
    ) -> Result<Self, EthereumError> {
        let endpoints = Endpoints::new(urls, timeouts)?;
        let provider = |endpoint: &Endpoint| {
            let mut url = endpoint.url().clone();
            // Services that have a key in the path do not know it with a slash behind it.
            if let Some(path) = url.path().strip_suffix('/').map(str::to_owned) {
                url.set_path(&path);
            }
            transport::provider(endpoints.client().clone(), url)
        };
        let chain = Self {
            providers: endpoints.all().iter().map(provider).collect(),
            endpoints,
            chain_id,
            finality_blocks,
        };
        let answers = chain.endpoints.ask_all(|one| chain.verified(one)).await;
        for answer in answers {
            if let Err(Fault::Unfit { reason }) = answer.result {
                let name = answer.endpoint.name().to_owned();
                return Err(EthereumError::OtherChain { name, reason });
            }
        }
        Ok(chain)
    }

    /// The chain's id, which is part of everything that is signed for it.
    pub fn chain_id(&self) -> u64 {
        self.chain_id
    }

    /// How many blocks behind the head what is read becomes a fact.
    pub fn finality_blocks(&self) -> u64 {
        self.finality_blocks
    }

    /// How each endpoint does, for people.
    pub fn status(&self) -> Vec<EndpointStatus> {
        self.endpoints.status()
    }

    /// How many endpoints have to say the same.
    fn least(&self) -> usize {
        least(self.providers.len())
    }

    /// The way to an endpoint that belongs to this chain.
    async fn verified(&self, endpoint: &Endpoint) -> Result<RootProvider, Fault> {
        let all = self.endpoints.all().iter().zip(&self.providers);
        let found = all.into_iter().find(|(one, _)| one.url() == endpoint.url());
        let Some((_, provider)) = found else {
            let reason = "it is not one of this chain's".to_owned();
            return Err(Fault::Unfit { reason });
        };
        if !endpoint.is_verified() {
            let found = provider.get_chain_id().await.map_err(view::fault)?;
            if found != self.chain_id {
                let expected = self.chain_id;
                let reason = format!("it belongs to chain {found}, this wallet to {expected}");
                return Err(Fault::Unfit { reason });
            }
            endpoint.verified();
        }
        Ok(provider.clone())
    }
}

#[cfg(test)]
mod tests {
    use treasury_protocol::ethereum::{Address, Contracts, SafeTransaction, Setup};

    use super::*;

    #[tokio::test]
    async fn nothing_shows_the_key_to_a_service() {
        // Nobody listens on the first port.
        let urls = ["http://127.0.0.1:1/v3/0123456789".to_owned()];
        let chain = Ethereum::connect(&urls, 1, 1, Timeouts::default()).await;
        let chain = chain.unwrap();
        let error = chain.safe_state(Address::ZERO).await.unwrap_err();
        assert_eq!(error.code(), "chain_no_answer");
        let shown = format!("{error} {error:?} {chain:?} {:?}", chain.status());
        assert!(!shown.contains("0123"), "{shown}");
        assert!(shown.contains("http://127.0.0.1:1"), "{shown}");
    }

    /// A node asks in tasks of its own: what is asked for has to move between threads.
    #[test]
    fn questions_can_be_spawned() {
        fn spawned<T: Send>(_: T) {}
        let _compiles = |chain: &Ethereum, relayer: &Relayer, setup: &Setup| {
            let safe = Address::ZERO;
            let noop = SafeTransaction::noop(1, safe, 0);
            spawned(Ethereum::connect(&[], 1, 1, Timeouts::default()));
            spawned(chain.safe_state(safe));
            spawned(chain.balances(safe, &[]));
            spawned(chain.received(safe, &[], 0, 1));
            spawned(chain.outcome(safe, [0; 32], 0));
            spawned(chain.deploy(setup, relayer));
            spawned(chain.submit(&Contracts::CANONICAL, &noop, &[], relayer));
        };
    }
}
