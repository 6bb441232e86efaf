//! Money on chains: wallets, payouts from their plan to what became of them, and what a quorum saw happen.
//!
//! ```text
//! planned ─ unanimous ─▶ checking ─ confirmed ─▶ signing ─▶ signed ─ seen by a quorum ─▶ settled | failed
//!                                                              └─ proven impossible ──▶ lost, another one stands in its place
//! ```
//! Every byte of a payout is fixed when it is planned. Two payouts pay the same lines only if they share a sequence number,
//! of which a chain takes one at most; a new number is taken when the chain proved that the old one is used up.

mod confirmation;
mod life;
mod observation;
mod pause;
mod payee;
mod payout;
mod plan;
mod wallet;
mod watch;

pub use confirmation::{confirmations, confirmer};
pub use observation::{OBSERVATIONS_MAX, Observation, seen};
pub use pause::{Difference, difference};
pub use payee::{Address, Payee, payee_of, receives};
pub use payout::{
    Claimable, Line, Payout, PayoutState, Proof, Purpose, Transaction, claimables, open, payout,
    payouts,
};
pub use plan::{FEE_PER_OPERATION_STROOPS, PAYOUT_LIFETIME_S};
pub use wallet::{Chain, Scheme, Wallet, holdings, is_deposit, wallet, wallets};
pub use watch::{Outcome, Question, compare, is_at_rest, is_news, questions};

pub(crate) use confirmation::{confirm, name_confirmer, set_checks};
pub(crate) use life::{cancel, release, retry, signed};
pub(crate) use observation::observe;
pub(crate) use pause::{pause, resume};
pub(crate) use payee::receive_at;
pub(crate) use plan::{obstacle, paused, plan};
pub(crate) use wallet::{deposit, open_wallet, set_key};
