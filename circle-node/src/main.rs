//! The `circle` binary.
fn main() {}
