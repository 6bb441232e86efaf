//! The replicated state machine of a Guardian Circle: pure, deterministic, acts only when unanimous.

pub mod state;
