//! A whole circle in one thread, without network or clock: the state machines, the duties and the ceremonies of all guardians,
//! over one log that the test writes. For tests of what crosses crates.

mod guardian;
pub mod hostile;
pub mod money;
pub mod random;
mod simulation;

pub use guardian::{Guardian, act, attest, own};
pub use simulation::{CHAIN_ID, DAY_MS, START_MS, Simulation, TOKEN, policies, rejected, tft};
