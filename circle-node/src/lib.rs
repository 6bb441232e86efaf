//! The circle node: configuration, wiring, storage, API and command line.

pub mod cli;
pub mod config;
pub mod problem;
pub mod store;
