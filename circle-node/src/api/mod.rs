//! The HTTP API of a node: JSON over loopback. Everything that changes the circle is a signed transaction; the rest reads.

pub mod client;
pub mod declarations;
pub mod server;
pub mod treasury;
pub mod types;
pub mod values;
