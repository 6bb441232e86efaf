//! Secrets at rest: a guardian's key, its key shares and seeds, in the clear or encrypted with [age](https://age-encryption.org).
//!
//! Each secret is a file of its own, so that a ceremony's many small writes stay independent and atomic. With protection,
//! `share-…` is kept as `share-….age`, encrypted to one age identity of the home. The identity is a file that the guardian
//! keeps elsewhere, or it lies in `HOME/secrets/identity.age`, encrypted by a passphrase: deriving a key from a passphrase is
//! slow on purpose, so it is done once when a node starts, and never again while it runs.
//!
//! Every file can be opened with the `age` program as well, should this one be lost.

mod lock;
mod passphrase;
mod protect;
mod seal;
mod unlock;

pub use lock::{Held, Lock, hold};
pub use passphrase::{FILE_VARIABLE, Passphrase, Source};
pub use protect::{Target, files, finish, switch};
pub use seal::{SealError, Sealer, open_with_identity, open_with_passphrase, seal_to};
pub use unlock::{establish, identity_file, read_identity, unlock};

pub use age::x25519::{Identity, Recipient};
