//! The rows of tables that a block changed.

use circle::rehearsal::Write;
use circle::session::policy_prefix;
use threescript::policy::{Policy, StoredRow};
use threescript::value::Value;

/// A row of a table that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowWrite {
    /// The policy.
    pub policy: String,
    /// The table.
    pub table: String,
    /// The values of the key.
    pub key: Vec<Value>,
    /// The row as it was, a map; `None` if there was none.
    pub before: Option<Value>,
    /// The row as it is; `None` if it was deleted.
    pub after: Option<Value>,
}

/// Rows of policies, and how many rows of the kernel changed besides. Rows of indexes are not counted.
pub fn row_writes(policies: &[Policy], writes: &[Write]) -> (Vec<RowWrite>, usize) {
    let mut rows = Vec::new();
    let mut kernel = 0;
    for write in writes {
        let owner = policies.iter().find_map(|policy| {
            let key = write.key.strip_prefix(&policy_prefix(policy.name())[..])?;
            Some((policy, key))
        });
        let Some((policy, key)) = owner else {
            kernel += 1;
            continue;
        };
        let read = |bytes: &Option<Vec<u8>>| policy.stored_row(key, bytes.as_ref()?);
        let (before, after) = (read(&write.before), read(&write.after));
        // Keys of indexes have no rows.
        let Some(StoredRow { table, key, .. }) = after.clone().or(before.clone()) else {
            continue;
        };
        rows.push(RowWrite {
            policy: policy.name().to_owned(),
            table,
            key,
            before: before.map(|row| row.columns),
            after: after.map(|row| row.columns),
        });
    }
    (rows, kernel)
}
