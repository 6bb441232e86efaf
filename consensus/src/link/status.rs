//! What people and programs can see of the links, and the words for why one ended.

use std::{
    fmt,
    net::SocketAddr,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use super::config::{Channel, PeerKey};

/// Why a connection did not become a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Refusal {
    /// Not our protocol.
    Garbage = 1,
    /// Our protocol in another version.
    WrongVersion = 2,
    /// Another circle.
    WrongNetwork = 3,
    /// Noise failed: bytes were changed on the way, or the other side does not speak it properly.
    BadHandshake = 4,
    /// The other side does not hold the key it names, or somebody sits in between.
    BadProof = 5,
    /// A proven key that is not in the member list.
    NotMember = 6,
    /// A member dialled although its key is the higher one, so it is ours to dial.
    WrongDirection = 7,
    /// Did not finish in time.
    Timeout = 8,
    /// Too many unauthenticated connections at once; this one made room.
    Crowded = 9,
    /// Too many connections from one address.
    AddressRate = 10,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Refusal; 10] = [
        Refusal::Garbage,
        Refusal::WrongVersion,
        Refusal::WrongNetwork,
        Refusal::BadHandshake,
        Refusal::BadProof,
        Refusal::NotMember,
        Refusal::WrongDirection,
        Refusal::Timeout,
        Refusal::Crowded,
        Refusal::AddressRate,
    ];

    /// A stable short code.
    pub fn code(self) -> &'static str {
        match self {
            Refusal::Garbage => "link.garbage",
            Refusal::WrongVersion => "link.wrong_version",
            Refusal::WrongNetwork => "link.wrong_network",
            Refusal::BadHandshake => "link.bad_handshake",
            Refusal::BadProof => "link.bad_proof",
            Refusal::NotMember => "link.not_member",
            Refusal::WrongDirection => "link.wrong_direction",
            Refusal::Timeout => "link.handshake_timeout",
            Refusal::Crowded => "link.crowded",
            Refusal::AddressRate => "link.address_rate",
        }
    }

    pub(super) fn to_wire(self) -> u8 {
        self as u8
    }

    pub(super) fn from_wire(code: u8) -> Option<Refusal> {
        Refusal::ALL
            .into_iter()
            .find(|refusal| *refusal as u8 == code)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refusal::Garbage => "not the link protocol",
            Refusal::WrongVersion => "another version of the link protocol; bring both nodes to the same release",
            Refusal::WrongNetwork => "another circle; compare the circle ids",
            Refusal::BadHandshake => "the encrypted handshake failed",
            Refusal::BadProof => "the proof of identity does not hold: another node answers at this address, or somebody sits in between",
            Refusal::NotMember => "the key is not in the member list",
            Refusal::WrongDirection => "the member with the lower key dials",
            Refusal::Timeout => "the handshake took too long",
            Refusal::Crowded => "too many connections waiting to authenticate",
            Refusal::AddressRate => "too many connections from this address",
        })
    }
}

/// Why a link that stood has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkEnd {
    /// The connection broke or the peer vanished.
    Lost(String),
    /// The peer said goodbye: it shuts down, or no longer lists us.
    ClosedByPeer,
    /// Bytes were changed, dropped or repeated on the way.
    Tampered,
    /// The peer broke the protocol.
    Violation(&'static str),
    /// Nothing was heard for the idle time.
    Idle,
    /// The peer opened a new link, which takes the place of this one.
    Replaced,
    /// The member was taken off the list.
    Removed,
    /// We shut down.
    Shutdown,
}

impl LinkEnd {
    /// A stable short code.
    pub fn code(&self) -> &'static str {
        match self {
            LinkEnd::Lost(_) => "link.lost",
            LinkEnd::ClosedByPeer => "link.closed_by_peer",
            LinkEnd::Tampered => "link.tampered",
            LinkEnd::Violation(_) => "link.violation",
            LinkEnd::Idle => "link.idle",
            LinkEnd::Replaced => "link.replaced",
            LinkEnd::Removed => "link.removed",
            LinkEnd::Shutdown => "link.shutdown",
        }
    }
}

impl fmt::Display for LinkEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LinkEnd::Lost(why) => write!(f, "the connection broke: {why}"),
            LinkEnd::ClosedByPeer => f.write_str("the peer closed the link"),
            LinkEnd::Tampered => f.write_str("bytes were changed on the way"),
            LinkEnd::Violation(what) => write!(f, "the peer broke the protocol: {what}"),
            LinkEnd::Idle => f.write_str("nothing was heard for too long"),
            LinkEnd::Replaced => f.write_str("the peer opened a new link"),
            LinkEnd::Removed => f.write_str("the member was taken off the list"),
            LinkEnd::Shutdown => f.write_str("this node shut the link down"),
        }
    }
}

/// One channel of one peer. Counters run since the peer was listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChannelStatus {
    /// Messages waiting to be sent.
    pub queued: usize,
    /// Bytes of them.
    pub queued_bytes: usize,
    /// Messages handed to the connection whole.
    pub sent: u64,
    /// Messages received whole.
    pub received: u64,
    /// Messages not taken, for the queue was full.
    pub dropped_full: u64,
    /// Messages that were queued or half sent when the link ended.
    pub dropped_lost: u64,
    /// Bytes received that the application has not read yet.
    pub unread_bytes: u64,
}

/// One peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerStatus {
    /// Its key.
    pub key: PeerKey,
    /// Whether a link stands.
    pub connected: bool,
    /// How long it has stood.
    pub connected_for: Option<Duration>,
    /// The other end of the link that stands.
    pub address: Option<SocketAddr>,
    /// Whether dialling is ours (our key is the lower one).
    pub we_dial: bool,
    /// Links that stood so far, this one included.
    pub links: u64,
    /// Why the last link ended.
    pub last_end: Option<LinkEnd>,
    /// Why the last dial failed; for people.
    pub last_dial_error: Option<String>,
    /// Bytes on the wire, sent and received, encryption included.
    pub wire_sent: u64,
    /// See `wire_sent`.
    pub wire_received: u64,
    /// By [`Channel::index`].
    pub channels: [ChannelStatus; 4],
}

impl PeerStatus {
    /// One channel.
    pub fn channel(&self, channel: Channel) -> &ChannelStatus {
        &self.channels[channel.index()]
    }
}

/// All links at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinksStatus {
    /// Where we listen, with the real ports.
    pub listening: Vec<SocketAddr>,
    /// The members but ourselves, by key.
    pub peers: Vec<PeerStatus>,
    /// Inbound connections that have not authenticated yet.
    pub pending_handshakes: usize,
    pub(super) refused: [u64; Refusal::ALL.len()],
}

impl LinksStatus {
    /// Links that stand.
    pub fn connected(&self) -> usize {
        self.peers.iter().filter(|peer| peer.connected).count()
    }

    /// The status of one peer.
    pub fn peer(&self, key: &PeerKey) -> Option<&PeerStatus> {
        self.peers
            .binary_search_by(|peer| peer.key.cmp(key))
            .ok()
            .map(|index| &self.peers[index])
    }

    /// Connections that we refused for this reason, inbound and outbound, since the start.
    pub fn refused(&self, refusal: Refusal) -> u64 {
        self.refused[usize::from(refusal.to_wire()) - 1]
    }
}

/// Counts refusals.
#[derive(Default)]
pub(super) struct RefusalCounters([AtomicU64; Refusal::ALL.len()]);

impl RefusalCounters {
    pub(super) fn add(&self, refusal: Refusal) {
        self.0[usize::from(refusal.to_wire()) - 1].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> [u64; Refusal::ALL.len()] {
        std::array::from_fn(|index| self.0[index].load(Ordering::Relaxed))
    }
}
