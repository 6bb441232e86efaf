//! What this guardian's node saw on the money chains, as far as the circle has to hear it.

use circle::state::{KeyValue, StoreFault};
use circle::treasury::{self, OBSERVATIONS_MAX, Observation};
use threescript::value::Value;

use super::{Agent, Task, act};
use crate::node::core::Rows;
use crate::problem::Problem;

impl Agent {
    /// Reports what is news.
    pub(super) fn observe(&mut self, rows: &Rows) -> Result<(), Problem> {
        // Who is no guardian reports nothing.
        let Some(me) = self.core.me() else {
            return Ok(());
        };
        let (mut tasks, mut seen) = (Vec::new(), Vec::new());
        for observation in self.core.treasury.news() {
            let task = Task::Observe {
                subject: observation.subject(),
            };
            let says = self.is_free(&task)
                && is_awaited(&rows.state, &observation)?
                && treasury::is_news(&rows.state, me, &observation)?;
            if says && seen.len() < OBSERVATIONS_MAX {
                tasks.push(task);
                seen.push(observation);
            }
        }
        if seen.is_empty() {
            return Ok(());
        }
        let bytes = borsh::to_vec(&seen).expect("writing to memory does not fail");
        let action = act(
            "treasury",
            "observe",
            [("observations", Value::Bytes(bytes))],
        );
        self.send(tasks, action)
    }
}

/// Whether the circle still waits to hear it: it was seen with older rows than these.
fn is_awaited(
    rows: &(impl KeyValue + ?Sized),
    observation: &Observation,
) -> Result<bool, StoreFault> {
    Ok(match observation {
        Observation::Opened { wallet, .. }
        | Observation::Owned { wallet, .. }
        | Observation::Linked { wallet, .. } => {
            treasury::wallet(rows, wallet)?.is_some_and(|wallet| wallet.next_sequence.is_none())
        }
        Observation::Included { payout, .. } => {
            treasury::payout(rows, *payout)?.is_some_and(|payout| payout.state.is_out())
        }
        Observation::Lost { payout, .. } => {
            treasury::payout(rows, *payout)?.is_some_and(|payout| !payout.state.is_final())
        }
        Observation::Received {
            wallet, operation, ..
        } => !treasury::is_deposit(rows, wallet, operation)?,
        Observation::Receives {
            wallet,
            address,
            asset,
            receives,
        } => match treasury::wallet(rows, wallet)? {
            Some(wallet) => treasury::receives(rows, &wallet.chain, address, asset)? != *receives,
            None => false,
        },
        Observation::Claim { payout, line, .. } => treasury::claimables(rows)?
            .iter()
            .any(|part| part.payout == *payout && part.line == *line && !part.reclaiming),
        Observation::Differs {
            wallet,
            asset,
            in_books,
            ..
        } => {
            let paused = treasury::wallet(rows, wallet)?.is_none_or(|one| one.paused.is_some());
            !paused && treasury::holdings(rows, wallet, asset)? == *in_books
        }
    })
}
