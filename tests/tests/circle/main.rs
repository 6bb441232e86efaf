//! One test binary for everything that crosses crates.

mod bad_input;
mod day;
mod golden;
mod unanimity;
mod votes;
mod workspace;
