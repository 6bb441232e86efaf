//! When the schedules of the active policies are due.

use std::sync::Arc;

use threescript::policy::Policy;

use crate::session::{BlockContext, Session};
use crate::state::{Overlay, StoreFault};
use crate::table::Table;

// (policy, schedule) -> the number of the period in which it last ran
const LAST: Table<i64> = Table::new(b"kx", "a schedule");

/// Lets the periods of a policy's schedules begin: each runs first when the next period begins.
pub(crate) fn begin(rows: &mut Overlay, policy: &Policy, time_s: i64) {
    for (name, period_s) in policy.schedules() {
        LAST.put(
            rows,
            (policy.name(), name),
            &time_s.div_euclid(period_s.max(1)),
        );
    }
}

/// The same for policies that became active in this block.
pub(crate) fn begin_new(rows: &mut Overlay, context: &BlockContext) -> Result<(), StoreFault> {
    for policy in context.policies.values() {
        for (name, period_s) in policy.schedules() {
            if !LAST.has(rows, (policy.name(), name))? {
                LAST.put(
                    rows,
                    (policy.name(), name),
                    &context.time_s().div_euclid(period_s.max(1)),
                );
            }
        }
    }
    Ok(())
}

/// The schedules whose period changed since they last ran, by policy and name; each is marked as run in this one.
///
/// Periods are counted from 1970: `every 1.days` runs with the first block of each day, UTC. Periods without a block are
/// made up for once.
pub(crate) fn due(session: &mut Session) -> Result<Vec<(Arc<Policy>, String)>, StoreFault> {
    let mut due = Vec::new();
    let policies = session.context.policies.clone();
    for policy in policies.values() {
        for (name, period_s) in policy.schedules() {
            let period = session.context.time_s().div_euclid(period_s.max(1));
            let last = LAST.get(&session.rows, (policy.name(), name))?;
            if last.is_some_and(|last| period > last) {
                LAST.put(&mut session.rows, (policy.name(), name), &period);
                due.push((policy.clone(), name.to_owned()));
            }
        }
    }
    Ok(due)
}
