//! Clients of the chains that hold a circle's money.
//!
//! All I/O to chains is here, and nothing else: what is submitted, what became of it, what came in. What a transaction says and who may
//! sign it is `treasury-protocol`'s, and what follows from a fact is the circle's.
//!
//! - [`endpoints`]: several servers of one chain and their health; [`agreement`]: what a majority of them says.
//! - [`stellar`]: Stellar, through Horizon's HTTP API.
//! - [`ethereum`]: Ethereum and its kin, through JSON-RPC: the Safe of a wallet.
//!
//! What holds everywhere:
//! - An error of the network never means that a transaction was not included. Only a proof from the chain does.
//! - What becomes a fact is what more than half of the answering endpoints say. One that lags behind delays a fact, one that lies is
//!   outvoted and named.
//! - Amounts are integers in the asset's smallest unit; no floats.

pub mod agreement;
pub mod endpoints;
pub mod ethereum;
pub mod stellar;
