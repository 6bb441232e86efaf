//! What a caller says to start the link layer: who we are, who the members are, and the bounds.

use std::{collections::BTreeSet, fmt, io, net::SocketAddr, time::Duration};

use ed25519_zebra::{SigningKey, VerificationKey};

use super::frame::{MESSAGE_OVERHEAD, RECORD_PLAIN_MAX};

/// A member's ed25519 key; the member's identity on every link.
pub type PeerKey = [u8; 32];

/// The independent streams that share one link. Each has its own bounded queues in both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Channel {
    /// Votes and proposals. Sent before anything else.
    Consensus = 0,
    /// Batches of transactions on their way to proposers.
    Transactions = 1,
    /// Block bodies for members that catch up.
    Blocks = 2,
    /// Traces that explain a divergence.
    Forensics = 3,
}

impl Channel {
    /// All channels, in the order of their wire numbers.
    pub const ALL: [Channel; 4] = [
        Channel::Consensus,
        Channel::Transactions,
        Channel::Blocks,
        Channel::Forensics,
    ];

    /// The position in [`Channel::ALL`], also the number on the wire.
    pub const fn index(self) -> usize {
        self as usize
    }

    pub(super) fn from_index(index: u8) -> Option<Channel> {
        Channel::ALL.get(usize::from(index)).copied()
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Channel::Consensus => "consensus",
            Channel::Transactions => "transactions",
            Channel::Blocks => "blocks",
            Channel::Forensics => "forensics",
        })
    }
}

/// A member and where its node listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkMember {
    /// The member's ed25519 key.
    pub key: PeerKey,
    /// Addresses, tried in turn. May be empty for a member with a lower key (it dials us), or while unknown.
    pub addresses: Vec<SocketAddr>,
}

/// Bounds of one channel, per peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelLimits {
    /// Messages that may wait to be sent to one peer.
    pub queue_messages: usize,
    /// Bytes that may wait to be sent to one peer. The memory is shared between peers by a broadcast.
    pub queue_bytes: usize,
    /// Bytes (each message counts 64 more) that one peer may have sent us and the application has not read yet.
    pub window_bytes: u32,
    /// The longest message taken from a peer, and sent to one. At most `window_bytes - 64` and at most `queue_bytes`.
    pub message_bytes: u32,
}

/// Bounds and times of the link layer. `Default` is meant for a real circle, and for 99 nodes in one process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// By [`Channel::index`].
    pub channels: [ChannelLimits; 4],
    /// From the first byte to a link that both sides have authenticated.
    pub handshake_timeout: Duration,
    /// For one TCP connect to one address.
    pub connect_timeout: Duration,
    /// A link that sent nothing for this long sends a ping.
    pub heartbeat: Duration,
    /// A link that received nothing for this long is closed. At least twice `heartbeat`.
    pub idle_timeout: Duration,
    /// The first wait before dialling again; doubles with every failure.
    pub redial_min: Duration,
    /// The longest wait before dialling again.
    pub redial_max: Duration,
    /// How long `shutdown` waits for queued messages to leave.
    pub close_timeout: Duration,
    /// Inbound connections that have not authenticated yet. Beyond it, the oldest one of the address that has most is closed.
    pub pending_handshakes: usize,
    /// Inbound connections that one address (IPv4 address or IPv6 /64) may open at once …
    pub accept_burst: u32,
    /// … and per second after that.
    pub accept_per_second: u32,
}

const MIB: u32 = 1 << 20;

impl Default for Limits {
    fn default() -> Self {
        let channel = |queue_messages| ChannelLimits {
            queue_messages,
            queue_bytes: 16 << 20,
            window_bytes: 8 * MIB + MESSAGE_OVERHEAD,
            message_bytes: 8 * MIB,
        };
        Limits {
            channels: [channel(4096), channel(1024), channel(128), channel(128)],
            handshake_timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(5),
            heartbeat: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(30),
            redial_min: Duration::from_millis(200),
            redial_max: Duration::from_secs(5),
            close_timeout: Duration::from_secs(2),
            pending_handshakes: 256,
            accept_burst: 256,
            accept_per_second: 32,
        }
    }
}

impl Limits {
    /// The bounds of one channel.
    pub fn channel(&self, channel: Channel) -> &ChannelLimits {
        &self.channels[channel.index()]
    }

    fn check(&self) -> Result<(), LinkError> {
        let wrong = |what: String| Err(LinkError::Limits { what });
        for channel in Channel::ALL {
            let limits = self.channel(channel);
            // A window below four records would make credit grants smaller than a record.
            let least = limits
                .message_bytes
                .saturating_add(MESSAGE_OVERHEAD)
                .max(4 * RECORD_PLAIN_MAX as u32);
            if limits.window_bytes < least {
                return wrong(format!(
                    "window_bytes of {channel} is {}, it needs at least {least}",
                    limits.window_bytes
                ));
            }
            if limits.queue_messages == 0 || limits.queue_bytes < limits.message_bytes as usize {
                return wrong(format!(
                    "the queue of {channel} ({} messages, {} bytes) does not hold one message of {} bytes",
                    limits.queue_messages, limits.queue_bytes, limits.message_bytes
                ));
            }
        }
        if self.heartbeat < Duration::from_millis(100) || self.idle_timeout < 2 * self.heartbeat {
            return wrong(format!(
                "heartbeat {:?} must be at least 100 ms and idle_timeout {:?} at least twice that of the heartbeat",
                self.heartbeat, self.idle_timeout
            ));
        }
        if self.redial_min.is_zero() || self.redial_max < self.redial_min {
            return wrong(format!(
                "redial_min {:?} must be above zero and not above redial_max {:?}",
                self.redial_min, self.redial_max
            ));
        }
        if self.pending_handshakes == 0 || self.accept_burst == 0 || self.accept_per_second == 0 {
            return wrong(
                "pending_handshakes, accept_burst and accept_per_second must be above zero".into(),
            );
        }
        Ok(())
    }
}

/// Everything that [`Links::start`](super::Links::start) needs.
#[derive(Clone)]
pub struct LinkConfig {
    /// Our member key.
    pub identity: SigningKey,
    /// The circle id. Two nodes with different ones never link.
    pub network: [u8; 32],
    /// Where to listen; port 0 lets the system choose. `[::]` takes IPv6 only, so that it can stand beside `0.0.0.0`.
    pub listen: Vec<SocketAddr>,
    /// The members. Our own entry may be among them; it is ignored.
    pub members: Vec<LinkMember>,
    /// Bounds and times.
    pub limits: Limits,
}

impl fmt::Debug for LinkConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinkConfig")
            .field("identity", &"<redacted>")
            .field("network", &short(&self.network))
            .field("listen", &self.listen)
            .field("members", &self.members.len())
            .field("limits", &self.limits)
            .finish()
    }
}

impl LinkConfig {
    pub(super) fn check(&self) -> Result<(), LinkError> {
        if self.listen.is_empty() {
            return Err(LinkError::NoListenAddress);
        }
        self.limits.check()?;
        check_members(&self.members)
    }
}

/// Refuses a list that names a member twice or holds bytes that are no ed25519 key.
pub(super) fn check_members(members: &[LinkMember]) -> Result<(), LinkError> {
    let mut seen = BTreeSet::new();
    for member in members {
        if VerificationKey::try_from(member.key).is_err() {
            return Err(LinkError::InvalidKey {
                key: short(&member.key),
            });
        }
        if !seen.insert(member.key) {
            return Err(LinkError::DuplicateMember {
                key: short(&member.key),
            });
        }
    }
    Ok(())
}

/// The first eight hex digits of a key or id, for people.
pub(super) fn short(bytes: &[u8; 32]) -> String {
    bytes[..4]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Why the link layer did not start, or did not take a member list.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The configuration names no address to listen on.
    #[error("no address to listen on; members with lower keys dial us, so name at least one")]
    NoListenAddress,
    /// A listen address could not be bound.
    #[error("cannot listen on {address}: {source}; choose a free address of this machine")]
    Listen {
        /// The address as configured.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A member's key is no ed25519 public key.
    #[error("member {key}…: not an ed25519 public key; correct the member list")]
    InvalidKey {
        /// Its first hex digits.
        key: String,
    },
    /// A member is listed twice.
    #[error("member {key}… is listed twice; name it once, with all its addresses")]
    DuplicateMember {
        /// Its first hex digits.
        key: String,
    },
    /// The limits contradict each other.
    #[error("link limits: {what}")]
    Limits {
        /// Which, and what would do.
        what: String,
    },
    /// The Noise library refused its parameters.
    #[error("cannot prepare the encryption of links: {0}")]
    Noise(String),
    /// The links were shut down.
    #[error("the links are shut down; start new ones")]
    Closed,
}

impl LinkError {
    /// A stable short code.
    pub fn code(&self) -> &'static str {
        match self {
            LinkError::NoListenAddress => "link.no_listen_address",
            LinkError::Listen { .. } => "link.listen",
            LinkError::InvalidKey { .. } => "link.invalid_key",
            LinkError::DuplicateMember { .. } => "link.duplicate_member",
            LinkError::Limits { .. } => "link.limits",
            LinkError::Noise(_) => "link.noise",
            LinkError::Closed => "link.closed",
        }
    }
}

/// Why a message was not queued. Nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The key is not a member's, or it is our own.
    #[error("{}… is not another member of this circle", short(.0))]
    UnknownPeer(PeerKey),
    /// There is no link at present; the layer is dialling, or waits to be dialled.
    #[error("no link to {}… at present; send again when it is connected", short(.0))]
    NotConnected(PeerKey),
    /// The queue of this channel to this peer is full.
    #[error(
        "the {channel} queue to {}… is full ({messages} messages, {bytes} bytes); drop the message or send it later",
        short(peer)
    )]
    Full {
        /// The peer.
        peer: PeerKey,
        /// Whose queue.
        channel: Channel,
        /// Messages waiting.
        messages: usize,
        /// Bytes waiting.
        bytes: usize,
    },
    /// The message is longer than we or the peer take on this channel.
    #[error("a {channel} message of {bytes} bytes is above the limit of {limit}; split it")]
    TooLarge {
        /// The channel.
        channel: Channel,
        /// Its length.
        bytes: usize,
        /// What the channel takes.
        limit: u32,
    },
}

impl SendError {
    /// A stable short code.
    pub fn code(&self) -> &'static str {
        match self {
            SendError::UnknownPeer(_) => "link.unknown_peer",
            SendError::NotConnected(_) => "link.not_connected",
            SendError::Full { .. } => "link.full",
            SendError::TooLarge { .. } => "link.too_large",
        }
    }
}

/// What became of a broadcast, in peers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Broadcast {
    /// Queued for these many.
    pub queued: usize,
    /// Dropped, for their queue was full.
    pub full: usize,
    /// Without a link.
    pub not_connected: usize,
    /// Dropped, for they (or our own limits) do not take messages this long.
    pub too_large: usize,
}
