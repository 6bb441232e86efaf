//! Clients against ledgers that run on this machine, through a proxy with faults.

mod proxy;
mod stellar;
