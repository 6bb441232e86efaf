//! One test binary for everything that crosses crates.

mod bad_input;
mod bonds;
mod day;
mod golden;
mod hostile;
mod membership;
mod money;
mod multisig;
#[path = "../../../policies/cases.rs"]
mod policies;
mod random;
mod readme;
mod replay;
mod rotation;
mod safe;
mod treasury_golden;
mod unanimity;
mod votes;
mod workspace;
