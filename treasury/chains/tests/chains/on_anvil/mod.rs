//! Ethereum: a real node (anvil) with the real contracts of Safe 1.5.0.

mod faults;
mod gas;
mod life;
mod receipts;
mod relaying;
mod rpc;
mod world;
