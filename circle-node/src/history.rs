//! Where the recorded history of a circle is read from: a node that is running, or the home of one that is not.

use std::collections::VecDeque;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use circle::block::Block;
use circle::checkpoint;
use circle::digest::Hash;
use circle::genesis::Genesis;
use circle::policies;
use circle::state::{Region, RegionView};
use consensus::embedded::Recorded;
use serde_json::Value;
use tokio::runtime::Runtime;
use workbench::replay::History;

use crate::api::client::Client;
use crate::api::types::{self, At, Blocks, Policies, Status};
use crate::config::Home;
use crate::genesis_file;
use crate::problem::Problem;
use crate::store::{Store, StoreMemory};

/// Blocks that are asked for at once.
const BLOCKS_AT_ONCE: u64 = 200;

/// The history that a running node tells.
pub struct Asked {
    runtime: Runtime,
    client: Client,
    genesis: Genesis,
    head: u64,
    /// What was told and not yet taken.
    waiting: VecDeque<Block>,
}

impl Asked {
    /// Asks the node for its genesis and its head.
    pub fn new(client: Client) -> Result<Self, Problem> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| {
                let mend = "free some memory, then try again";
                Problem::new("runtime", error.to_string(), mend)
            })?;
        let genesis = runtime.block_on(client.genesis())?;
        let status: Status = runtime.block_on(client.get("/v1/status"))?;
        Ok(Self {
            runtime,
            client,
            genesis,
            head: status.height,
            waiting: VecDeque::new(),
        })
    }

    fn strange(&self, what: &str) -> Problem {
        let reason = format!("{} answers with {what}", self.client.url());
        let mend = "use the same version of `circle` on both sides";
        Problem::new("node.strange", reason, mend)
    }

    fn read(&self, block: types::Block) -> Option<Block> {
        let mut hash = [0; 32];
        hex::decode_to_slice(&block.hash, &mut hash).ok()?;
        let transactions = block.transactions.iter().map(|text| BASE64.decode(text));
        Some(Block {
            height: block.height,
            time_ms: block.time_ms,
            hash,
            transactions: transactions.collect::<Result<_, _>>().ok()?,
        })
    }
}

impl History for Asked {
    fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    fn head(&self) -> u64 {
        self.head
    }

    fn active_since(&mut self, name: &str) -> Result<Option<u64>, Problem> {
        let told: At<Policies> = self.runtime.block_on(self.client.get("/v1/policies"))?;
        let mut active = told.answer.active.into_iter();
        Ok(active.find(|one| one.name == name).map(|one| one.since))
    }

    fn policy_source(&mut self, hash: &Hash) -> Result<Option<String>, Problem> {
        self.runtime.block_on(self.client.policy_source(hash))
    }

    fn block(&mut self, height: u64) -> Result<Block, Problem> {
        while self
            .waiting
            .front()
            .is_some_and(|block| block.height < height)
        {
            self.waiting.pop_front();
        }
        if self.waiting.is_empty() {
            let path = format!("/v1/blocks/{height}?count={BLOCKS_AT_ONCE}");
            let told: Blocks = self.runtime.block_on(self.client.get(&path))?;
            for block in told.blocks {
                let block = self
                    .read(block)
                    .ok_or_else(|| self.strange("blocks of another kind"))?;
                self.waiting.push_back(block);
            }
        }
        self.waiting
            .pop_front()
            .filter(|block| block.height == height)
            .ok_or_else(|| self.strange(&format!("other blocks than {height}")))
    }

    fn checkpoint(&mut self, height: u64) -> Result<Option<Hash>, Problem> {
        let path = format!("/v1/checkpoints/{height}");
        let answer: Value = match self.runtime.block_on(self.client.get(&path)) {
            Ok(answer) => answer,
            // Not certified there, or astray: it says nothing.
            Err(problem)
                if ["node.unknown", "node.uncertified", "node.astray"]
                    .contains(&problem.code.as_str()) =>
            {
                return Ok(None);
            }
            Err(problem) => return Err(problem),
        };
        let digest = answer["checkpoint"]["digest"].as_str().unwrap_or_default();
        let mut hash = [0; 32];
        hex::decode_to_slice(digest, &mut hash)
            .map_err(|_| self.strange("a checkpoint of another kind"))?;
        Ok(Some(hash))
    }
}

/// The history in the home of a node that is not running.
pub struct Kept {
    genesis: Genesis,
    log: Recorded,
    state: Option<Store>,
}

impl Kept {
    /// Opens the log in a home, and the state for what it concluded.
    pub fn open(home: &Home) -> Result<Self, Problem> {
        let genesis = genesis_file::read(&home.genesis())?;
        let network = genesis.digest();
        let log = Recorded::open(&home.log(), network, genesis.time_ms)
            .map_err(|error| Problem::of("log.start", error))?;
        // A home whose state was lost still has its history.
        let state = Store::open(&home.state(), &network, &StoreMemory::shared_by(1)).ok();
        Ok(Self {
            genesis,
            log,
            state,
        })
    }
}

impl History for Kept {
    fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    fn head(&self) -> u64 {
        self.log.height()
    }

    fn active_since(&mut self, name: &str) -> Result<Option<u64>, Problem> {
        let state = self.state.as_ref().ok_or_else(|| {
            let mend = "say with --from at which height it is to begin";
            Problem::new(
                "replay.from",
                "the home has no state that says since when a policy is active",
                mend,
            )
        })?;
        let rows = RegionView::new(state.view() as Arc<_>, Region::State);
        let mut active = policies::active(&rows)?.into_iter();
        Ok(active
            .find(|(active, _)| active == name)
            .map(|(_, active)| active.since))
    }

    fn policy_source(&mut self, hash: &Hash) -> Result<Option<String>, Problem> {
        let Some(state) = &self.state else {
            return Ok(None);
        };
        let rows = RegionView::new(state.view() as Arc<_>, Region::State);
        Ok(policies::source(&rows, hash)?)
    }

    fn block(&mut self, height: u64) -> Result<Block, Problem> {
        let problem =
            |error: consensus::log::LogError| Problem::of(format!("log.{}", error.code()), error);
        let block = self.log.block(height).map_err(problem)?.ok_or_else(|| {
            let mend = "take the home of another node";
            Problem::new("log.block", format!("the log has no block {height}"), mend)
        })?;
        Ok(Block {
            height: block.height,
            time_ms: block.time_ms,
            hash: block.hash,
            transactions: block.transactions,
        })
    }

    fn checkpoint(&mut self, height: u64) -> Result<Option<Hash>, Problem> {
        let Some(state) = &self.state else {
            return Ok(None);
        };
        let local = RegionView::new(state.view() as Arc<_>, Region::Local);
        let concluded = checkpoint::at(&local, height)?;
        Ok(concluded.map(|concluded| concluded.checkpoint.digest()))
    }
}
