//! The tools of policy developers. What `circle policy …` does is here, and runs without a node: on a scratch circle in memory.

pub mod command;
pub mod console;
pub mod coverage;
pub mod difference;
pub mod document;
pub mod files;
pub mod format;
pub mod language;
pub mod literal;
pub mod lsp;
pub mod outline;
pub mod problem;
pub mod replay;
pub mod scratch;
pub mod template;
pub mod testing;
pub mod tracing;
pub mod trying;
