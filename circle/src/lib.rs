//! The replicated state machine of a Guardian Circle: pure, deterministic, acts only when unanimous.
//!
//! The way of a command: an ordered [`block::Block`] goes into [`machine::Machine::execute`]; each [`envelope::Envelope`] in it is
//! authenticated; its actions run as kernel commands ([`mod@apply`]) or as actions of a policy ([`session`]), which may call
//! back into the kernel ([`natives`]); what they wrote, emitted and asked of the world makes a [`receipt::Receipt`]; the receipts and the
//! root of the state make a [`checkpoint::Checkpoint`]; guardians attest it as ordered commands; the [`gate`] lets through
//! what all active guardians concluded; the [`outbox`] releases it, and [`payouts`] go on to be signed ([`ceremonies`]).
//!
//! Nothing here knows a clock, a file, a socket or a thread: time comes with the block, rows with a view.

mod account;
mod accounts;
mod apply;
pub mod authority;
pub mod block;
pub mod ceremonies;
pub mod checkpoint;
pub mod credential;
pub mod digest;
pub mod duties;
pub mod emitted;
pub mod envelope;
mod fault;
pub mod gate;
pub mod genesis;
pub mod host;
pub mod ids;
pub mod iou;
mod json;
pub mod ledger;
pub mod machine;
pub mod member;
pub mod membership;
pub mod natives;
pub mod outbox;
pub mod policies;
pub mod receipt;
pub mod rehearsal;
pub mod rejection;
pub mod roster;
mod schedule;
pub mod session;
mod simulate;
pub mod state;
mod table;
pub mod treasury;
pub mod trial;

pub use account::{Account, NONCE_WINDOW, NonceWindow, ROLES, check_name};
pub use accounts::{by_key as account_by_key, by_name as account_by_name};
pub use apply::signatures as kernel_signatures;
pub use fault::Fault;
