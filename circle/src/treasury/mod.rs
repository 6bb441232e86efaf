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
mod opening;
mod owners;
mod pause;
mod payee;
mod payout;
mod plan;
mod rotation;
mod wallet;
mod watch;

pub use confirmation::{confirmations, confirmer};
pub use life::behind;
pub use observation::{OBSERVATIONS_MAX, Observation, seen};
pub use owners::{
    OWNER_SIGNATURES_MAX, OwnedPayout, OwnerDuties, owner, owner_duties, owner_signatures,
    ownership, owns, stellar_owner,
};
pub use pause::{Difference, difference};
pub use payee::{Address, Payee, payee_of, payer, payer_message, receives};
pub use payout::{
    Claimable, Line, Payout, PayoutState, Proof, Purpose, Transaction, changes, claimables, open,
    payout, payouts,
};
pub use plan::{FEE_PER_OPERATION_STROOPS, PAYOUT_LIFETIME_S};
pub use rotation::follows;
pub use wallet::{Chain, Scheme, Wallet, holdings, is_deposit, wallet, wallets};
pub use watch::{Outcome, Question, compare, is_at_rest, is_news, questions};

pub(crate) use confirmation::{confirm, name_confirmer, set_checks};
pub(crate) use life::{cancel, release, retry, signed};
pub(crate) use observation::observe;
pub(crate) use opening::name_account;
pub(crate) use owners::{own, sign};
pub(crate) use pause::{pause, resume};
pub(crate) use payee::{pays_from, receive_at};
pub(crate) use plan::{obstacle, paused, plan};
pub(crate) use rotation::{due, follow, guardians_changed, key_failed, key_made, rotate};
pub(crate) use wallet::{deposit, open_multisig, open_safe, open_wallet};
