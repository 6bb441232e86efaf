//! The circle node: configuration, wiring, storage, API and command line.

pub mod cli;
pub mod config;
pub mod iou_file;
pub mod iou_make;
pub mod keyring;
pub mod policies;
pub mod problem;
pub mod quote;
pub mod store;
pub mod usage;
