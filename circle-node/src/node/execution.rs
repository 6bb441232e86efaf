//! The execution thread: ordered blocks in, committed heights out.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use circle::machine::{Machine, STACK_BYTES};
use circle::state::KeyValue;
use consensus::log::{BlockStream, LogError};
use tokio::runtime::Handle;

use super::core::Core;
use crate::problem::Problem;

/// Starts the thread, which ends when the log is shut down or the node fails.
pub fn start(
    core: Arc<Core>,
    machine: Machine,
    blocks: Box<dyn BlockStream>,
    runtime: Handle,
) -> std::io::Result<std::thread::JoinHandle<()>> {
    let name = format!("execute {}", core.name());
    std::thread::Builder::new()
        .name(name)
        .stack_size(STACK_BYTES)
        .spawn(move || {
            let ended = std::panic::catch_unwind(AssertUnwindSafe(|| {
                run(&core, machine, blocks, &runtime)
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
        core.committed(block.height, block.time_ms)?;
    }
}
