//! Where received messages wait for the application.

use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::{
    config::{Channel, PeerKey},
    peer::Peer,
};

/// The receiving ends of the four channels. Each may go to a task of its own.
#[derive(Debug)]
pub struct Inbound {
    /// See [`Channel::Consensus`].
    pub consensus: Receiver,
    /// See [`Channel::Transactions`].
    pub transactions: Receiver,
    /// See [`Channel::Blocks`].
    pub blocks: Receiver,
    /// See [`Channel::Forensics`].
    pub forensics: Receiver,
}

/// Messages of one channel from all peers, in the order of their arrival; from one peer in the order of its sending.
///
/// It holds at most `window_bytes` per peer: a peer whose messages are not read gets no credit to send more on this channel, while its other
/// channels and the other peers go on. Nothing received is ever dropped; the sender sees its own queue fill up. If the receiver itself is
/// dropped, messages of its channel are thrown away on arrival.
pub struct Receiver {
    channel: Channel,
    queue: mpsc::UnboundedReceiver<Delivery>,
}

impl std::fmt::Debug for Receiver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Receiver")
            .field("channel", &self.channel)
            .finish_non_exhaustive()
    }
}

/// A message that waits; reading it returns its cost to the peer as credit.
pub(super) struct Delivery {
    pub(super) peer: Arc<Peer>,
    pub(super) message: Bytes,
    pub(super) cost: u64,
}

impl Receiver {
    /// The next message and who sent it. `None` once the links are shut down and all is read. Cancel safe.
    pub async fn recv(&mut self) -> Option<(PeerKey, Bytes)> {
        let delivery = self.queue.recv().await?;
        Some(self.read(delivery))
    }

    /// The next message if one is there.
    pub fn try_recv(&mut self) -> Option<(PeerKey, Bytes)> {
        let delivery = self.queue.try_recv().ok()?;
        Some(self.read(delivery))
    }

    fn read(&self, delivery: Delivery) -> (PeerKey, Bytes) {
        delivery.peer.consumed(self.channel, delivery.cost);
        (delivery.peer.key, delivery.message)
    }
}

/// The delivering ends; gone once the links are shut down, so that the receivers end.
pub(super) struct Inboxes(RwLock<Option<Senders>>);

type Senders = [mpsc::UnboundedSender<Delivery>; 4];

impl Inboxes {
    pub(super) fn new() -> (Inboxes, Inbound) {
        let open = |channel| {
            // Unbounded by count, bounded by the credit that every message in it has cost.
            let (sender, queue) = mpsc::unbounded_channel();
            (sender, Receiver { channel, queue })
        };
        let (to_consensus, consensus) = open(Channel::Consensus);
        let (to_transactions, transactions) = open(Channel::Transactions);
        let (to_blocks, blocks) = open(Channel::Blocks);
        let (to_forensics, forensics) = open(Channel::Forensics);
        (
            Inboxes(RwLock::new(Some([
                to_consensus,
                to_transactions,
                to_blocks,
                to_forensics,
            ]))),
            Inbound {
                consensus,
                transactions,
                blocks,
                forensics,
            },
        )
    }

    pub(super) fn deliver(&self, channel: Channel, peer: &Arc<Peer>, message: Bytes, cost: u64) {
        peer.received(channel, cost);
        let delivery = Delivery {
            peer: peer.clone(),
            message,
            cost,
        };
        let senders = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let delivered = senders
            .as_ref()
            .is_some_and(|senders| senders[channel.index()].send(delivery).is_ok());
        if !delivered {
            peer.consumed(channel, cost);
        }
    }

    /// The receivers end when all that was delivered is read.
    pub(super) fn close(&self) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
