//! 3Script: the action language and the policy language of a Guardian Circle, checked, metered and deterministic.

pub mod action;
pub mod engine;
mod formula;
pub mod policy;
pub mod value;
