//! What a run has used so far.
//!
//! The interpreter charges one operation for each of its steps; whatever costs more than a step (host calls, queries,
//! copies of lists and texts) is charged to the same account. All counts depend on the script and its inputs alone.

use super::error::Raised;
use super::limits::Limits;
use rhai::{Array, Dynamic, ImmutableString, Map};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What a run used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Operations, nested runs included.
    pub operations: u64,
    /// Bytes that host calls, queries and built texts and lists yielded, by estimate.
    pub memory_bytes: u64,
    /// Rows written or deleted.
    pub writes: u32,
    /// Events emitted.
    pub events: u32,
    /// Effects emitted.
    pub effects: u32,
}

/// The account of one run. Only one thread uses it; the atomics are there because the interpreter wants to share it.
#[derive(Debug)]
pub(crate) struct Meter {
    operations: AtomicU64,
    max_operations: u64,
    memory_bytes: AtomicU64,
    max_memory_bytes: u64,
    max_text_bytes: usize,
    max_list_items: usize,
}

impl Meter {
    pub fn new(limits: &Limits, operations: u64) -> Self {
        Self {
            operations: AtomicU64::new(0),
            max_operations: operations.min(limits.operations),
            memory_bytes: AtomicU64::new(0),
            max_memory_bytes: limits.memory_bytes,
            max_text_bytes: limits.text_bytes as usize,
            max_list_items: limits.list_items as usize,
        }
    }

    pub fn operations(&self) -> u64 {
        self.operations.load(Relaxed).min(self.max_operations)
    }

    pub fn operations_left(&self) -> u64 {
        self.max_operations - self.operations()
    }

    pub fn memory_bytes(&self) -> u64 {
        self.memory_bytes.load(Relaxed)
    }

    /// Charges operations.
    pub fn charge(&self, operations: u64) -> Result<(), Raised> {
        let used = self.operations.load(Relaxed).saturating_add(operations);
        self.operations.store(used, Relaxed);
        if used > self.max_operations {
            let message = format!("the run took more than {} operations", self.max_operations);
            return Err(Raised::new(
                "limit.operations",
                message,
                "do less at a time, or let a query do it",
            ));
        }
        Ok(())
    }

    /// Charges memory, and the operations of filling it.
    pub fn allocate(&self, bytes: u64) -> Result<(), Raised> {
        self.charge(bytes / 64)?;
        let used = self.memory_bytes.load(Relaxed).saturating_add(bytes);
        self.memory_bytes.store(used, Relaxed);
        if used > self.max_memory_bytes {
            let message = format!(
                "the run took more than {} bytes of memory",
                self.max_memory_bytes
            );
            return Err(Raised::new(
                "limit.memory",
                message,
                "read fewer rows at a time",
            ));
        }
        Ok(())
    }

    /// Charges a new text, before it is built.
    pub fn text(&self, bytes: usize) -> Result<(), Raised> {
        if bytes > self.max_text_bytes {
            return Err(too_large(
                format!("a text of {bytes} bytes"),
                self.max_text_bytes,
            ));
        }
        self.allocate(bytes as u64)
    }

    /// Charges another item of a list that has so many, before it is added.
    pub fn grow(&self, items: usize) -> Result<(), Raised> {
        if items >= self.max_list_items {
            return Err(too_large(
                format!("a list of {} items", items + 1),
                self.max_list_items,
            ));
        }
        self.allocate(16)
    }

    /// Charges a new list, before it is built.
    pub fn list(&self, items: usize) -> Result<(), Raised> {
        if items > self.max_list_items {
            return Err(too_large(
                format!("a list of {items} items"),
                self.max_list_items,
            ));
        }
        self.allocate(items as u64 * 16)
    }
}

fn too_large(what: String, limit: usize) -> Raised {
    Raised::new(
        "limit.size",
        format!("{what} is larger than the limit of {limit}"),
        "keep it in a table",
    )
}

/// What it costs to copy a value, in operations: enough that the operations of a run bound the memory that copies hold.
/// Records, texts and bytes are shared and not copied.
pub(crate) fn copy_cost(value: &Dynamic) -> u64 {
    if let Some(list) = value.read_lock::<Array>() {
        return 2 + list.len() as u64 + list.iter().map(nested(copy_cost)).sum::<u64>();
    }
    if let Some(map) = value.read_lock::<Map>() {
        return 16 + 2 * map.len() as u64 + map.values().map(nested(copy_cost)).sum::<u64>();
    }
    text_cost(value)
}

/// What it costs to look at a value, or to copy it for a moment: the time that it takes.
pub(crate) fn look_cost(value: &Dynamic) -> u64 {
    if let Some(list) = value.read_lock::<Array>() {
        return list.len() as u64 / 16 + list.iter().map(nested(moment_cost)).sum::<u64>();
    }
    if let Some(map) = value.read_lock::<Map>() {
        return map.len() as u64 / 16 + map.values().map(nested(moment_cost)).sum::<u64>();
    }
    text_cost(value)
}

/// What it costs to copy a part of a list or map for a moment.
fn moment_cost(value: &Dynamic) -> u64 {
    if let Some(map) = value.read_lock::<Map>() {
        return 1 + map.len() as u64 / 4 + map.values().map(nested(moment_cost)).sum::<u64>();
    }
    look_cost(value)
}

/// Indexing a text walks through it.
fn text_cost(value: &Dynamic) -> u64 {
    value
        .read_lock::<ImmutableString>()
        .map_or(0, |text| text.len() as u64 / 64)
}

/// Only lists, maps and texts in a list or map have a cost of their own.
fn nested(cost: fn(&Dynamic) -> u64) -> impl Fn(&Dynamic) -> u64 {
    move |value| match value.is_array() || value.is_map() || value.is_string() {
        true => cost(value),
        false => 0,
    }
}
