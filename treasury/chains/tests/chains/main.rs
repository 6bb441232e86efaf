//! Clients against ledgers that run on this machine, through a proxy with faults.

#[cfg(feature = "anvil")]
mod on_anvil;
mod proxy;
mod stellar;
