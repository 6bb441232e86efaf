//! Actions: what people write, sign and read.

mod canonical;

pub use canonical::{Action, Mark, is_name};
