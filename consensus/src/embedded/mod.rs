//! The ordering engine inside the node's own process: a Tendermint engine (Malachite) over the circle's own links.

pub mod config;
