//! The link layer: one encrypted, mutually authenticated TCP link between every two members.
//!
//! **Mesh.** Members are known by their ed25519 keys. Of every two, the one with the lower key dials, so there is one link per pair and no
//! race between two dials. If a member dials again while we still hold its old link (it restarted, we have not noticed), the new link takes
//! the place of the old one. Who is not in the member list gets no link; [`Links::set_members`] changes the list while links run.
//!
//! **Encryption.** `Noise_XX_25519_ChaChaPoly_SHA256` from `snow`, with the network id in the prologue. The Noise static key is made at
//! start; the first encrypted message each way carries the ed25519 key and a signature over network, role, both member keys and the
//! handshake hash (module `handshake`). Noise rather than TLS 1.3: nothing of certificates, names and validity times applies to a fixed list
//! of keys, TLS would bring its own parser for them, and the state of a link is a few hundred bytes here, where 4,851 links live
//! in one process. Signing the handshake hash rather than converting ed25519 keys to X25519 keeps one key to one purpose.
//!
//! **Channels.** Four independent streams share a link. Messages are cut into chunks of at most 16 KiB; between any two chunks a waiting
//! Consensus chunk goes first, and the other channels take turns. So a large block delays a vote by one chunk and what the kernel holds,
//! which `TCP_NOTSENT_LOWAT` keeps small.
//!
//! **Backpressure.** Sending never blocks: a full queue is an error for [`Links::send`] and a count for [`Links::broadcast`]. Receiving
//! never stops the link either: per channel, a peer sends only what it got credit for, and credit comes back when the application reads.
//! An application that does not read Blocks thereby stops the Blocks of each peer after `window_bytes`, at the sender, and nothing else.
//! What was received is never dropped. The worst that a Byzantine member can make us hold is the sum of its four windows.
//!
//! **Loss.** A link that ends takes with it what was queued for it and what had not arrived whole. The layer does not repeat: consensus
//! repeats its votes, the mempool offers again, and catch-up asks again, each knowing better what is still of use.
//!
//! **Strangers.** A connection has `handshake_timeout` to prove a listed key; at most `pending_handshakes` may be trying at once, and each
//! address is limited in rate. Nothing that a stranger sends is kept, and no message of a handshake may exceed 256 bytes.

mod accept;
mod config;
mod dial;
mod frame;
mod gate;
mod handshake;
mod inbox;
mod links;
mod node;
mod peer;
mod session;
mod status;
mod tasks;

pub use bytes::Bytes;
pub use config::{
    Broadcast, Channel, ChannelLimits, Limits, LinkConfig, LinkError, LinkMember, PeerKey,
    SendError,
};
pub use inbox::{Inbound, Receiver};
pub use links::Links;
pub use status::{ChannelStatus, LinkEnd, LinksStatus, PeerStatus, Refusal};

#[cfg(test)]
mod tests;
