//! Key ceremonies, signing sessions and the exact bytes of a payout; pure.
//!
//! Two sides share the types here. The replicated state machine judges public messages, deterministically, and
//! keeps small states that serialise with borsh. A participant turns its secrets into such messages; randomness
//! is always a parameter. Nothing here reads a clock, a file or a socket.

pub mod ceremony;
pub mod ethereum;
pub mod stellar;
