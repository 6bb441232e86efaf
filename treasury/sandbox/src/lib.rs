//! A Stellar ledger for development and tests.
//!
//! [`ledger`] is the ledger itself; [`horizon`] offers it through the HTTP API that the official SDKs speak.

pub mod horizon;
pub mod ledger;
