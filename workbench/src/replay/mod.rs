//! Replays: what a recorded history would have become with another policy.
//!
//! The recorded blocks are executed from the genesis on by the machine of a node. From one height on a second timeline runs beside
//! the first, on the same blocks, in which the candidate is active in the place of the policy of its name. Guardians
//! attested the first timeline; the second certifies and releases when the first did, so nothing is held back. People are
//! taken to act as they did.

mod compare;
mod screen;

use std::collections::BTreeMap;
use std::sync::Arc;

use circle::block::Block;
use circle::digest::Hash;
use circle::genesis::Genesis;
use circle::machine::{Executed, Machine};
use circle::policies::{self, Language};
use circle::session::Stop;
use circle::state::{Head, Memory, Region, RegionView};
use circle::trial;
use threescript::policy::Policy;

pub use compare::{Count, Moved, Outcome, Refused, Report, Version};
pub use screen::screen;

use crate::language::compile_knowing;
use crate::problem::Problem;
use compare::Comparison;

/// What a circle recorded.
pub trait History {
    /// What it started with.
    fn genesis(&self) -> &Genesis;

    /// The last height that is there.
    fn head(&self) -> u64;

    /// Since which height the active policy of this name is active, as the node says.
    fn active_since(&mut self, name: &str) -> Result<Option<u64>, Problem>;

    /// The source of an installed policy, as the node says.
    fn policy_source(&mut self, hash: &Hash) -> Result<Option<String>, Problem>;

    /// The block at a height up to the head. Heights are asked for in rising order.
    fn block(&mut self, height: u64) -> Result<Block, Problem>;

    /// The digest of the checkpoint that the node which recorded this concluded at a height, if it still says so.
    fn checkpoint(&mut self, height: u64) -> Result<Option<Hash>, Problem>;
}

/// What is tried out.
pub struct Candidate<'a> {
    /// The file, for places in it.
    pub file: &'a str,
    /// The policy file.
    pub source: &'a str,
    /// The first height at which it runs; without, that at which the policy in whose place it is became active.
    pub from: Option<u64>,
    /// The last height that is executed; without, all.
    pub to: Option<u64>,
}

/// Executes the history in both timelines and compares them. `progress` is told each executed height and the last.
///
/// The calling thread needs a stack of [`circle::machine::STACK_BYTES`]. Errors: a candidate that cannot take the place of an active
/// policy, heights that are not there, and a history that this program concludes otherwise on than its node did.
pub fn replay(
    history: &mut dyn History,
    candidate: &Candidate<'_>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Report, Problem> {
    let head = history.head();
    let to = candidate.to.unwrap_or(head);
    let mut recorded = Timeline::begin(history.genesis())?;
    let policy = Arc::new(compile(candidate, recorded.machine.language(), history)?);
    let from = match candidate.from {
        Some(from) => from,
        None => history.active_since(policy.name())?.ok_or_else(|| {
            let reason = format!("no policy {} is active", policy.name());
            let mend = "a candidate takes the place of the active policy of its name; `circle policy list` shows them";
            Problem::new("replay.name", reason, mend)
        })?,
    };
    check_heights(from, to, head)?;
    for height in 1..from {
        recorded.execute(&history.block(height)?)?;
        progress(height, to);
    }
    let mut tried = recorded.fork(&policy, from);
    let mut replaced = None;
    let mut comparison = Comparison::new(from, history.genesis().assets.keys().cloned());
    for height in from..=to {
        let block = history.block(height)?;
        let real = recorded.run(&block)?;
        let mut other = tried.run(&block)?;
        trial::conclude_as_recorded(&mut other.batch, &real.batch);
        comparison.block(&block, &real.receipts, &other.receipts);
        recorded.commit(real)?;
        tried.commit(other)?;
        if height == from {
            // Not before the first block, which may be the one that activates what is replaced.
            replaced = Some(recorded.active(policy.name(), from)?);
        }
        progress(height, to);
    }
    let replaced = replaced.ok_or_else(|| not_active(policy.name(), from, &[]))?;
    let concluded = recorded.head()?.checkpoint;
    let verified = match history.checkpoint(to)? {
        None => false,
        Some(theirs) if theirs == concluded => true,
        Some(theirs) => return Err(other_conclusion(to, &concluded, &theirs)),
    };
    let assets = history
        .genesis()
        .decimals()
        .map_err(|error| Problem::of("genesis.assets", error))?;
    comparison.report(
        &assets,
        (&recorded.memory, &tried.memory),
        Version::of(&policy),
        replaced,
        (from, to),
        verified,
    )
}

/// One run of a history.
struct Timeline {
    machine: Machine,
    memory: Memory,
}

impl Timeline {
    fn begin(genesis: &Genesis) -> Result<Self, Problem> {
        let machine = Machine::new(genesis.clone(), None).map_err(|rejection| {
            let reason = format!("this program cannot run the circle: {}", rejection.message);
            let mend = "use the version of the program that its nodes run";
            Problem::new("replay.version", reason, mend)
        })?;
        let first = machine.start().map_err(|stop| match stop {
            Stop::Fault(fault) => Problem::from(fault),
            Stop::Refused(refusal) => Problem::from(refusal.rejection),
        })?;
        let mut memory = Memory::new();
        memory.commit(first)?;
        Ok(Self { machine, memory })
    }

    fn run(&mut self, block: &Block) -> Result<Executed, Problem> {
        Ok(self.machine.execute(Arc::new(self.memory.clone()), block)?)
    }

    fn commit(&mut self, executed: Executed) -> Result<(), Problem> {
        Ok(self.memory.commit(executed.batch)?)
    }

    fn execute(&mut self, block: &Block) -> Result<(), Problem> {
        let executed = self.run(block)?;
        self.commit(executed)
    }

    fn head(&self) -> Result<Head, Problem> {
        Head::read(&self.memory)?
            .ok_or_else(|| Problem::new("replay.head", "the timeline is empty", "report this"))
    }

    /// A timeline in which `policy` takes the place of the active one of its name.
    fn fork(&self, policy: &Arc<Policy>, from: u64) -> Self {
        Self {
            machine: self.machine.trying(policy.clone(), from),
            memory: self.memory.clone(),
        }
    }

    /// The active policy of this name after the block at `height`.
    fn active(&mut self, name: &str, height: u64) -> Result<Version, Problem> {
        let view = Arc::new(self.memory.clone());
        let active = policies::active(&RegionView::new(view.clone(), Region::State))?;
        let found = active.iter().find(|(active, _)| active == name);
        let Some((_, found)) = found else {
            let names: Vec<&str> = active.iter().map(|(name, _)| name.as_str()).collect();
            return Err(not_active(name, height, &names));
        };
        let installed = self.machine.installed(view)?;
        let version = installed
            .iter()
            .find(|installed| installed.hash() == found.hash)
            .map_or(0, |installed| installed.version());
        Ok(Version {
            name: name.to_owned(),
            version,
            hash: hex::encode(found.hash),
        })
    }
}

fn not_active(name: &str, height: u64, active: &[&str]) -> Problem {
    let reason = format!(
        "no policy {name} is active at height {height}; a candidate takes the place of the active policy of its name"
    );
    let mend = format!("name it as one of {}", active.join(", "));
    Problem::new("replay.name", reason, mend)
}

fn compile(
    candidate: &Candidate<'_>,
    language: &Language,
    history: &mut dyn History,
) -> Result<Policy, Problem> {
    let mut known = BTreeMap::new();
    loop {
        let (compiled, missing) =
            compile_knowing(candidate.source, candidate.file, language, &known);
        if missing.is_empty() {
            return compiled.map_err(|faults| {
                let all: Vec<String> = faults.iter().map(ToString::to_string).collect();
                let mend = "mend it; `circle policy check` shows the same";
                Problem::new("policy.invalid", all.join("\n"), mend)
            });
        }
        for hash in missing {
            known.insert(hash, history.policy_source(&hash)?);
        }
    }
}

fn check_heights(from: u64, to: u64, head: u64) -> Result<(), Problem> {
    let mend = format!("the history has the heights 1 to {head}");
    let problem = |reason: String| Err(Problem::new("replay.height", reason, mend.clone()));
    if from == 0 || from > head {
        return problem(format!("there is no height {from} to begin at"));
    }
    if to > head {
        return problem(format!("there is no height {to} to end at"));
    }
    if to < from {
        return problem(format!("the heights {from} to {to} are none"));
    }
    Ok(())
}

fn other_conclusion(height: u64, ours: &Hash, theirs: &Hash) -> Problem {
    let reason = format!(
        "this program concludes {} at height {height}, the node concluded {}: what it would compare is not what happened",
        hex::encode(ours),
        hex::encode(theirs)
    );
    let mend = "use the version of the program that the node runs";
    Problem::new("replay.other", reason, mend)
}
