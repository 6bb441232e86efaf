//! The circle's money as one guardian's node sees it.

pub mod answers;
pub mod ceremonies;
