//! The execution thread: ordered blocks in, committed heights out.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use circle::machine::{Machine, STACK_BYTES};
use circle::membership::{self, LEAD_HEIGHTS};
use circle::state::{KeyValue, Region, RegionView};
use consensus::log::{BlockStream, LogError};
use tokio::runtime::Handle;

use super::core::Core;
use super::guardians::members;
use crate::problem::Problem;

/// Where guardians are, by name, as circle.toml says.
pub type Addresses = BTreeMap<String, Vec<SocketAddr>>;

/// Starts the thread, which ends when the log is shut down or the node fails.
pub fn start(
    core: Arc<Core>,
    machine: Machine,
    blocks: Box<dyn BlockStream>,
    addresses: Addresses,
    runtime: Handle,
) -> std::io::Result<std::thread::JoinHandle<()>> {
    let name = format!("execute {}", core.name());
    std::thread::Builder::new()
        .name(name)
        .stack_size(STACK_BYTES)
        .spawn(move || {
            let ended = std::panic::catch_unwind(AssertUnwindSafe(|| {
                run(&core, machine, blocks, &addresses, &runtime)
            }));
            match ended {
                Ok(Ok(())) => {}
                Ok(Err(problem)) => core.fail(problem),
                Err(panic) => {
                    let text = panic
                        .downcast_ref::<String>()
                        .map(String::as_str)
                        .or(panic.downcast_ref::<&str>().copied());
                    let reason = format!(
                        "an invariant broke while block {} was executed: {}",
                        core.store.head().height + 1,
                        text.unwrap_or("unknown")
                    );
                    core.fail(Problem::new(
                        "node.invariant",
                        reason,
                        "the last committed block is kept; report this, with the log of this node",
                    ));
                }
            }
        })
}

fn run(
    core: &Core,
    mut machine: Machine,
    mut blocks: Box<dyn BlockStream>,
    addresses: &Addresses,
    runtime: &Handle,
) -> Result<(), Problem> {
    loop {
        let block = match runtime.block_on(blocks.next_block()) {
            Ok(block) => block,
            Err(LogError::Stopped) => return Ok(()),
            Err(error) => return Err(Problem::of(format!("log.{}", error.code()), error)),
        };
        let block = circle::block::Block {
            height: block.height,
            time_ms: block.time_ms,
            hash: block.hash,
            transactions: block.transactions,
        };
        let view: Arc<dyn KeyValue> = core.store.view();
        let executed = machine.execute(view, &block)?;
        tracing::debug!(
            guardian = core.name(),
            height = block.height,
            transactions = block.transactions.len(),
            state_root = hex::encode(executed.checkpoint.state_root),
            "executed"
        );
        core.store.commit(executed.batch)?;
        tell_who_follows(core, block.height, addresses, runtime)?;
        core.committed(block.height, block.time_ms)?;
    }
}

/// Tells the ordering engine who orders from which height on, if that is fixed. A node that dies
/// before the change is in force hands it over when it starts again.
fn tell_who_follows(
    core: &Core,
    height: u64,
    addresses: &Addresses,
    runtime: &Handle,
) -> Result<(), Problem> {
    let state = RegionView::new(core.store.view(), Region::State);
    let Some(fixed) = membership::fixed(&state)? else {
        return Ok(());
    };
    // Told with the block that fixed it; the engine refuses what comes later.
    if fixed.effective < height + LEAD_HEIGHTS {
        return Ok(());
    }
    let (_, next) = membership::ordering(&state, height)?;
    let Some(next) = next else {
        return Ok(());
    };
    tracing::info!(
        guardian = core.name(),
        epoch = next.epoch,
        from_height = next.from_height,
        guardians = next.count(),
        "other guardians will order"
    );
    // New links are tasks of the runtime.
    let _inside = runtime.enter();
    core.log
        .change_members(next.from_height, members(&next, addresses))
        .map_err(|error| Problem::of(format!("log.{}", error.code()), error))
}
