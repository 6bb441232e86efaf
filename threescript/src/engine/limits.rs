//! How much one run may use. The limits are consensus parameters: every node must have the same.

use borsh::{BorshDeserialize, BorshSerialize};

/// What one run of a policy may use, and how large a policy file may be.
///
/// Reaching a limit ends the run with a code `limit.…` that is the same on every node and in every build.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Limits {
    /// Steps of the interpreter, together with what host calls, copies and queries cost. `limit.operations`
    pub operations: u64,
    /// How deep functions of a policy may call each other. `limit.depth`
    pub call_depth: u32,
    /// How deep expressions and statements may be nested in each other; checked when a policy is compiled.
    pub expression_depth: u32,
    /// Variables that one function or body may hold at a time. `limit.variables`
    pub variables: u32,
    /// Bytes of one text. `limit.size`
    pub text_bytes: u32,
    /// Items of one list, those of the lists in it included. `limit.size`
    pub list_items: u32,
    /// Entries of one map, those of the maps in it included. `limit.size`
    pub map_entries: u32,
    /// Bytes that host calls, queries and built texts and lists may yield in total, freed ones included.
    /// `limit.memory`
    pub memory_bytes: u64,
    /// Rows written or deleted. `limit.writes`
    pub writes: u32,
    /// Events emitted. `limit.events`
    pub events: u32,
    /// Effects emitted. `limit.effects`
    pub effects: u32,
    /// Bytes of a policy file; checked when it is compiled.
    pub source_bytes: u32,
    /// Functions of a policy file; checked when it is compiled.
    pub functions: u32,
}

impl Default for Limits {
    /// The standard limits. With them a hostile policy stays below two seconds and 256 MiB.
    fn default() -> Self {
        Self {
            operations: 5_000_000,
            call_depth: 24,
            expression_depth: 48,
            variables: 128,
            text_bytes: 16 * 1024,
            list_items: 10_000,
            map_entries: 20_000,
            memory_bytes: 64 * 1024 * 1024,
            writes: 50_000,
            events: 10_000,
            effects: 10_000,
            source_bytes: 64 * 1024,
            functions: 128,
        }
    }
}
