//! An Ethereum chain for development, with the real contracts of Safe and a token, and what the people of a development circle do on it.

use circle::digest::digest;
use circle::genesis::Home as AssetHome;
use circle::ids::Key;
use ed25519_zebra::SigningKey;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use treasury_chains::ethereum::anvil::{self, Anvil, Mining};
use treasury_chains::ethereum::devchain::{DevChain, DevChainError};
use treasury_protocol::ethereum::{Address, Contracts, OwnerKey, U256};

use super::plan::EthereumNode;
use crate::cli::output::Progress;
use crate::config::ChainConfig;
use crate::problem::Problem;

/// The number of the chain.
pub const CHAIN_ID: u64 = 31_337;
/// Blocks after which what is seen is a fact: the chain makes one a second.
const FINALITY_BLOCKS: u64 = 2;
/// Decimals of one TFT on the chain, two more than in the circle. There are 10^15 units of the token: a million TFT.
const DECIMALS: u8 = 9;
/// How many of the token's smallest units are one of the circle's.
const SCALE: u64 = 100;
/// What everybody gets who pays for gas: a tenth of an ether.
const GAS_WEI: u64 = 100_000_000_000_000_000;
/// People who act at the same time.
const PARALLEL: usize = 16;

/// The running chain.
pub struct Ethereum {
    url: String,
    /// Its process, if it is one of this program.
    node: Option<Anvil>,
    chain: DevChain,
}

impl Ethereum {
    /// Prepares a new chain, after npm installed what is missing for it.
    pub async fn start(which: &EthereumNode, progress: &Progress) -> Result<Self, Problem> {
        let failed = |error: anvil::AnvilError| Problem::of("devnet.ethereum", error);
        let folder = anvil::folder().map_err(failed)?;
        let tools = anvil::find_or_install(&folder, |line| progress.line(line.to_owned()));
        let tools = tools.await.map_err(failed)?;
        let (node, url) = match which {
            EthereumNode::At(url) => (None, url.clone()),
            EthereumNode::Anvil => {
                let mining = Mining::EverySeconds(1);
                let started = anvil::start(&tools, CHAIN_ID, mining).await;
                let node = started.map_err(failed)?;
                let url = node.url.clone();
                (Some(node), url)
            }
        };
        let chain = DevChain::prepare(&url, &tools).await.map_err(problem)?;
        progress.line(format!("an Ethereum chain at {url}"));
        Ok(Self { url, node, chain })
    }

    /// Where it answers.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The id of its process, if it is one of this program.
    pub fn process_id(&self) -> Option<u32> {
        self.node.as_ref().and_then(Anvil::process_id)
    }

    /// What Safes are made of here.
    pub fn contracts(&self) -> &Contracts {
        &self.chain.contracts
    }

    /// The token that TFT is here.
    pub fn token(&self) -> Address {
        self.chain.token
    }

    /// Where TFT lives on this chain.
    pub fn home(&self) -> AssetHome {
        AssetHome::Ethereum {
            chain_id: CHAIN_ID,
            token: Some(self.chain.token),
            decimals: DECIMALS,
        }
    }

    /// How a node is told of the chain.
    pub fn config(&self, poll_ms: u64) -> ChainConfig {
        ChainConfig::Ethereum {
            chain_id: CHAIN_ID,
            endpoints: vec![self.url.clone()],
            finality_blocks: FINALITY_BLOCKS,
            from_block: 0,
            poll_ms: Some(poll_ms),
        }
    }

    /// Gives those ether who pay for what they send.
    pub async fn fuel(&self, addresses: &[Address]) -> Result<(), Problem> {
        let paid = stream::iter(addresses).map(|address| async move {
            self.chain
                .pay_ether(*address, U256::from(GAS_WEI))
                .await
                .map(|_| ())
        });
        paid.buffer_unordered(PARALLEL)
            .try_collect()
            .await
            .map_err(problem)
    }

    /// Gives people TFT, in minor units of the circle, and lets each pay it to `to`.
    pub async fn pay(&self, to: Address, people: Vec<(SigningKey, i64)>) -> Result<(), Problem> {
        let paid = stream::iter(people).map(|(person, units)| async move {
            let units = U256::from(units.unsigned_abs()) * U256::from(SCALE);
            let address = wallet_of(&person).address();
            self.chain.pay_tokens(address, units).await?;
            self.chain
                .pay_tokens_as(address, to, units)
                .await
                .map(|_| ())
        });
        paid.buffer_unordered(PARALLEL)
            .try_collect()
            .await
            .map_err(problem)
    }
}

/// The key that a person has on Ethereum.
pub fn wallet_of(person: &SigningKey) -> OwnerKey {
    let secret = digest("guardian-circle/devnet/ethereum", &Key::of(person));
    OwnerKey::from_bytes(&secret).expect("a hash is no key with a negligible chance only")
}

fn problem(error: DevChainError) -> Problem {
    Problem::of("devnet.ethereum", error)
}
