//! The circle node: configuration, wiring, storage, API and command line.

pub mod api;
pub mod backup;
pub mod cli;
pub mod config;
pub mod devnet;
pub mod durable;
pub mod founding;
pub mod genesis_file;
pub mod history;
pub mod iou_file;
pub mod iou_make;
pub mod keyring;
pub mod money_diff;
pub mod node;
pub mod policies;
pub mod quote;
pub mod setup;
pub mod store;
pub mod system;
pub mod usage;
pub mod vault;

pub use workbench::problem;
