//! What is known and waiting per peer, shared between the application, the dialler and the session.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use bytes::Bytes;
use tokio::sync::{Notify, watch};

use super::{
    config::{Channel, ChannelLimits, Limits, PeerKey, SendError},
    frame::{BEGIN_HEADER, CONTINUE_HEADER, Frame, MESSAGE_OVERHEAD, RECORD_PLAIN_MAX},
    handshake::MessageLimits,
    status::{ChannelStatus, LinkEnd, PeerStatus},
};

/// How far the end of a peer's link has been decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// Not at all.
    No,
    /// Send what is queued, say goodbye, end.
    AfterFlush,
    /// End at once: the member was taken off the list.
    Removed,
    /// End at once: the time for flushing is over.
    Shutdown,
}

/// Bytes that a peer may have sent us and the application has not read: survives the link, so that reconnecting gains a peer nothing.
#[derive(Default)]
pub(super) struct InFlow {
    /// Cost of the whole messages that wait for the application.
    pub(super) unread: AtomicU64,
    /// Cost read by the application since the last grant.
    pub(super) returned: AtomicU64,
    received: AtomicU64,
}

/// What a session shares with the rest: how to wake it, and what the peer may still send by channel, for the reader of messages to see
/// whether a grant is urgent.
#[derive(Default)]
pub(super) struct Line {
    pub(super) wake: Notify,
    pub(super) credit_left: [AtomicU64; 4],
}

/// Where to dial, and whether to go on.
pub(super) struct Dialling {
    pub(super) addresses: Vec<SocketAddr>,
    pub(super) stopped: bool,
}

/// One member but ourselves.
pub(super) struct Peer {
    pub(super) key: PeerKey,
    pub(super) we_dial: bool,
    pub(super) limits: Arc<Limits>,
    /// What the dialler watches.
    pub(super) dialling: watch::Sender<Dialling>,
    pub(super) in_flow: [InFlow; 4],
    pub(super) wire_sent: AtomicU64,
    pub(super) wire_received: AtomicU64,
    dropped_full: [AtomicU64; 4],
    dropped_lost: [AtomicU64; 4],
    sent: [AtomicU64; 4],
    state: Mutex<State>,
}

struct State {
    stop: Stop,
    /// Counts links; a session that finds a higher number than its own has been replaced.
    link: u64,
    open: Option<Open>,
    last_end: Option<LinkEnd>,
    last_dial_error: Option<String>,
}

/// What exists only while a link stands.
struct Open {
    since: Instant,
    line: Arc<Line>,
    address: SocketAddr,
    limits: MessageLimits,
    queues: [Queue; 4],
    /// Whose turn it is among the channels after Consensus.
    turn: usize,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Bytes>,
    bytes: usize,
    /// The message that is being sent, and how much of it has been.
    current: Option<(Bytes, usize)>,
    /// What the peer lets us send.
    credit: u64,
}

/// What a session finds when it looks for things to send.
pub(super) enum Outgoing {
    /// The record holds as much as it can; there may be more.
    Full,
    /// The record holds all that could be sent now (perhaps nothing).
    Drained,
    /// All is sent, and the link shall end now.
    Finished,
}

impl Peer {
    pub(super) fn new(
        own: &PeerKey,
        key: PeerKey,
        addresses: Vec<SocketAddr>,
        limits: Arc<Limits>,
    ) -> Peer {
        Peer {
            key,
            we_dial: *own < key,
            limits,
            dialling: watch::Sender::new(Dialling {
                addresses,
                stopped: false,
            }),
            in_flow: Default::default(),
            wire_sent: AtomicU64::new(0),
            wire_received: AtomicU64::new(0),
            dropped_full: Default::default(),
            dropped_lost: Default::default(),
            sent: Default::default(),
            state: Mutex::new(State {
                stop: Stop::No,
                link: 0,
                open: None,
                last_end: None,
                last_dial_error: None,
            }),
        }
    }

    /// No code panics while it holds this lock, and every change under it is whole; so a poisoned lock is as good as another.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn send(&self, channel: Channel, message: Bytes) -> Result<(), SendError> {
        let index = channel.index();
        let limits = self.limits.channel(channel);
        let mut state = self.state();
        let stopped = state.stop != Stop::No;
        let Some(open) = state.open.as_mut().filter(|_| !stopped) else {
            return Err(SendError::NotConnected(self.key));
        };
        let limit = limits.message_bytes.min(open.limits[index]);
        if message.len() > limit as usize {
            return Err(SendError::TooLarge {
                channel,
                bytes: message.len(),
                limit,
            });
        }
        let queue = &mut open.queues[index];
        if queue.is_full(limits, message.len()) {
            self.dropped_full[index].fetch_add(1, Ordering::Relaxed);
            return Err(SendError::Full {
                peer: self.key,
                channel,
                messages: queue.waiting.len(),
                bytes: queue.bytes,
            });
        }
        queue.bytes += message.len();
        queue.waiting.push_back(message);
        open.line.wake.notify_one();
        Ok(())
    }

    /// A session takes over; the one before, if it still stands, sees that it was replaced. `None` if the peer is being stopped.
    pub(super) fn open(
        &self,
        address: SocketAddr,
        limits: MessageLimits,
    ) -> Option<(u64, Arc<Line>)> {
        let mut state = self.state();
        if state.stop != Stop::No {
            return None;
        }
        if let Some(old) = state.open.take() {
            self.count_lost(&old);
            state.last_end = Some(LinkEnd::Replaced);
            old.line.wake.notify_one();
        }
        let line = Arc::<Line>::default();
        state.link += 1;
        state.last_dial_error = None;
        state.open = Some(Open {
            since: Instant::now(),
            line: line.clone(),
            address,
            limits,
            queues: Default::default(),
            turn: 0,
        });
        Some((state.link, line))
    }

    /// The session of link number `link` has ended.
    pub(super) fn close(&self, link: u64, end: LinkEnd) {
        let mut state = self.state();
        if state.link != link {
            return;
        }
        if let Some(open) = state.open.take() {
            self.count_lost(&open);
            state.last_end = Some(end);
        }
    }

    fn count_lost(&self, open: &Open) {
        for (counter, queue) in self.dropped_lost.iter().zip(&open.queues) {
            let lost = queue.waiting.len() + usize::from(queue.current.is_some());
            counter.fetch_add(lost as u64, Ordering::Relaxed);
        }
    }

    /// Ends the session and the dialler. A link may still finish what it does under [`Stop::AfterFlush`].
    pub(super) fn stop(&self, stop: Stop) {
        self.dialling
            .send_modify(|dialling| dialling.stopped = true);
        let mut state = self.state();
        state.stop = stop;
        if let Some(open) = &state.open {
            open.line.wake.notify_one();
        }
    }

    pub(super) fn dial_failed(&self, why: String) {
        self.state().last_dial_error = Some(why);
    }

    /// `Err` tells the session to end at once.
    pub(super) fn check(&self, link: u64) -> Result<(), LinkEnd> {
        self.state().check(link)
    }

    /// Fills `record` with frames, the most urgent first. `Err` as with [`Peer::check`].
    pub(super) fn fill(&self, link: u64, record: &mut Vec<u8>) -> Result<Outgoing, LinkEnd> {
        let mut state = self.state();
        state.check(link)?;
        let stop = state.stop;
        let Some(open) = state.open.as_mut() else {
            return Err(LinkEnd::Replaced);
        };
        loop {
            if RECORD_PLAIN_MAX - record.len() <= BEGIN_HEADER {
                return Ok(Outgoing::Full);
            }
            let Some(index) = open.next_channel() else {
                let empty = open.queues.iter().all(Queue::is_empty);
                return Ok(if stop == Stop::AfterFlush && empty {
                    Outgoing::Finished
                } else {
                    Outgoing::Drained
                });
            };
            let channel = Channel::ALL[index];
            if open.queues[index].write_chunk(channel, record) {
                self.sent[index].fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// The peer grants more credit. False if it grants more than anybody could mean.
    pub(super) fn granted(&self, link: u64, channel: Channel, amount: u32) -> bool {
        let mut state = self.state();
        if state.link != link {
            return true;
        }
        state.open.as_mut().is_none_or(|open| {
            let queue = &mut open.queues[channel.index()];
            queue.credit += u64::from(amount);
            queue.credit <= u64::from(u32::MAX)
        })
    }

    /// A whole message of this cost waits for the application from now on.
    pub(super) fn received(&self, channel: Channel, cost: u64) {
        let flow = &self.in_flow[channel.index()];
        flow.received.fetch_add(1, Ordering::Relaxed);
        flow.unread.fetch_add(cost, Ordering::SeqCst);
    }

    /// The application has read a message of this cost. Wakes the session when it is worth a grant.
    pub(super) fn consumed(&self, channel: Channel, cost: u64) {
        let flow = &self.in_flow[channel.index()];
        flow.unread.fetch_sub(cost, Ordering::SeqCst);
        let returned = flow.returned.fetch_add(cost, Ordering::SeqCst) + cost;
        let quarter = u64::from(self.limits.channel(channel).window_bytes) / 4;
        if let Some(open) = &self.state().open {
            let short = open.line.credit_left[channel.index()].load(Ordering::SeqCst) < quarter;
            if returned >= quarter || short {
                open.line.wake.notify_one();
            }
        }
    }

    pub(super) fn connected(&self) -> bool {
        self.state().open.is_some()
    }

    pub(super) fn status(&self) -> PeerStatus {
        let state = self.state();
        let open = state.open.as_ref();
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        PeerStatus {
            key: self.key,
            connected: open.is_some(),
            connected_for: open.map(|open| open.since.elapsed()),
            address: open.map(|open| open.address),
            we_dial: self.we_dial,
            links: state.link,
            last_end: state.last_end.clone(),
            last_dial_error: state.last_dial_error.clone(),
            wire_sent: count(&self.wire_sent),
            wire_received: count(&self.wire_received),
            channels: std::array::from_fn(|index| {
                let queue = open.map(|open| &open.queues[index]);
                ChannelStatus {
                    queued: queue.map_or(0, |queue| queue.waiting.len()),
                    queued_bytes: queue.map_or(0, |queue| queue.bytes),
                    sent: count(&self.sent[index]),
                    received: count(&self.in_flow[index].received),
                    dropped_full: count(&self.dropped_full[index]),
                    dropped_lost: count(&self.dropped_lost[index]),
                    unread_bytes: self.in_flow[index].unread.load(Ordering::SeqCst),
                }
            }),
        }
    }
}

impl State {
    fn check(&self, link: u64) -> Result<(), LinkEnd> {
        if self.link != link {
            return Err(LinkEnd::Replaced);
        }
        match self.stop {
            Stop::No | Stop::AfterFlush => Ok(()),
            Stop::Removed => Err(LinkEnd::Removed),
            Stop::Shutdown => Err(LinkEnd::Shutdown),
        }
    }
}

impl Open {
    /// Consensus before all others; the others by turns, chunk by chunk.
    fn next_channel(&mut self) -> Option<usize> {
        if self.queues[Channel::Consensus.index()].can_send() {
            return Some(Channel::Consensus.index());
        }
        let next = (0..3)
            .map(|step| 1 + (self.turn + step) % 3)
            .find(|index| self.queues[*index].can_send())?;
        self.turn = next % 3;
        Some(next)
    }
}

impl Queue {
    fn is_full(&self, limits: &ChannelLimits, more: usize) -> bool {
        self.waiting.len() >= limits.queue_messages || self.bytes + more > limits.queue_bytes
    }

    fn is_empty(&self) -> bool {
        self.current.is_none() && self.waiting.is_empty()
    }

    fn can_send(&self) -> bool {
        if self.current.is_some() {
            return self.credit > 0;
        }
        let overhead = u64::from(MESSAGE_OVERHEAD);
        self.waiting.front().is_some_and(|message| {
            self.credit > overhead || (message.is_empty() && self.credit == overhead)
        })
    }

    /// Writes one chunk of the current or next message into what is left of the record; true if that ends the message.
    ///
    /// The caller has checked [`Queue::can_send`] and that the record has room for a header and a byte.
    fn write_chunk(&mut self, channel: Channel, record: &mut Vec<u8>) -> bool {
        let room = RECORD_PLAIN_MAX - record.len();
        let (message, sent) = match self.current.take() {
            Some((message, sent)) => {
                let length = self.chunk_length(message.len() - sent, room - CONTINUE_HEADER);
                let bytes = &message[sent..sent + length];
                Frame::Continue { channel, bytes }.write(record);
                (message, sent + length)
            }
            None => {
                let Some(message) = self.waiting.pop_front() else {
                    return false;
                };
                self.bytes -= message.len();
                if self.waiting.is_empty() {
                    // A queue that was long once shall not hold its memory on every one of thousands of links.
                    self.waiting = VecDeque::new();
                }
                self.credit -= u64::from(MESSAGE_OVERHEAD);
                let length = self.chunk_length(message.len(), room - BEGIN_HEADER);
                // A message is at most `message_bytes`, a u32, long: `send` has checked it.
                let total = message.len() as u32;
                let bytes = &message[..length];
                Frame::Begin {
                    channel,
                    total,
                    bytes,
                }
                .write(record);
                (message, length)
            }
        };
        if sent == message.len() {
            return true;
        }
        self.current = Some((message, sent));
        false
    }

    fn chunk_length(&mut self, remaining: usize, room: usize) -> usize {
        let credit = usize::try_from(self.credit).unwrap_or(usize::MAX);
        let length = remaining.min(room).min(credit);
        self.credit -= length as u64;
        length
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::link::frame::Frames;

    fn open_peer(credit: u32) -> (Peer, u64) {
        let peer = Peer::new(&[0; 32], [1; 32], Vec::new(), Arc::default());
        let address = "127.0.0.1:1".parse().unwrap();
        let (link, _) = peer.open(address, [u32::MAX; 4]).unwrap();
        for channel in Channel::ALL {
            assert!(peer.granted(link, channel, credit));
        }
        (peer, link)
    }

    fn send(peer: &Peer, channel: Channel, length: usize) {
        peer.send(channel, Bytes::from(vec![0; length])).unwrap();
    }

    /// The next record in words.
    fn record(peer: &Peer, link: u64) -> String {
        let mut record = Vec::new();
        peer.fill(link, &mut record).unwrap();
        assert!(record.len() <= RECORD_PLAIN_MAX);
        let words = Frames(&record).map(|frame| match frame.unwrap() {
            Frame::Begin {
                channel,
                total,
                bytes,
            } => format!("{channel} {}/{total}", bytes.len()),
            Frame::Continue { channel, bytes } => format!("{channel} +{}", bytes.len()),
            other => format!("{other:?}"),
        });
        words.collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn a_vote_goes_between_two_chunks_of_a_block() {
        let (peer, link) = open_peer(1 << 20);
        send(&peer, Channel::Blocks, 40_000);
        expect!["blocks 16377/40000"].assert_eq(&record(&peer, link));
        send(&peer, Channel::Consensus, 200);
        expect!["consensus 200/200, blocks +16174"].assert_eq(&record(&peer, link));
        expect!["blocks +7449"].assert_eq(&record(&peer, link));
        expect![""].assert_eq(&record(&peer, link));
    }

    #[test]
    fn the_other_channels_take_turns() {
        let (peer, link) = open_peer(1 << 20);
        for channel in [Channel::Forensics, Channel::Blocks, Channel::Transactions] {
            send(&peer, channel, 30_000);
        }
        let records: Vec<_> = (0..7).map(|_| record(&peer, link)).collect();
        expect![[r#"
            transactions 16377/30000
            blocks 16377/30000
            forensics 16377/30000
            transactions +13623, blocks +2755
            forensics +13623, blocks +2755
            blocks +8113
        "#]]
        .assert_eq(&records.join("\n"));
    }

    #[test]
    fn nothing_is_sent_without_credit_and_only_its_channel_waits() {
        let (peer, link) = open_peer(1000);
        send(&peer, Channel::Blocks, 1000);
        send(&peer, Channel::Transactions, 10);
        expect!["transactions 10/10, blocks 936/1000"].assert_eq(&record(&peer, link));
        send(&peer, Channel::Consensus, 936);
        send(&peer, Channel::Consensus, 0);
        expect!["consensus 936/936"].assert_eq(&record(&peer, link));
        assert!(peer.granted(link, Channel::Blocks, 10));
        assert!(peer.granted(link, Channel::Consensus, 63));
        expect!["blocks +10"].assert_eq(&record(&peer, link));
        assert!(peer.granted(link, Channel::Consensus, 1));
        expect!["consensus 0/0"].assert_eq(&record(&peer, link));

        peer.close(link, LinkEnd::Idle);
        let status = peer.status();
        assert_eq!(status.channel(Channel::Blocks).dropped_lost, 1, "half sent");
        assert_eq!(status.channel(Channel::Consensus).dropped_lost, 0);
        assert_eq!(status.channel(Channel::Consensus).sent, 2);
    }
}
