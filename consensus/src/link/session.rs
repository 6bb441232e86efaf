//! One link while it stands: a single task that encrypts and writes what the queues hold, and reads, decrypts and delivers.
//!
//! A link that has nothing to do owns no buffer: bytes are read, decrypted, encrypted and written through scratch memory of the worker
//! thread, and only what a socket did not take, or an incomplete record, is kept by the link.

use std::{
    cell::RefCell,
    io,
    pin::pin,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use snow::TransportState;
use tokio::{
    io::{AsyncWriteExt, Interest},
    net::TcpStream,
    time::{Instant, MissedTickBehavior, interval_at, timeout},
};

use super::{
    config::{Channel, Limits},
    frame::{
        Assembly, Frame, Frames, MESSAGE_OVERHEAD, RECORD_PLAIN_MAX, RECORD_PREFIX, RECORD_TAG,
        Violation,
    },
    handshake::Endpoint,
    inbox::Inboxes,
    peer::{Line, Outgoing, Peer},
    status::LinkEnd,
};

const RECORD_MAX: usize = RECORD_PREFIX + RECORD_PLAIN_MAX + RECORD_TAG;
/// Records encrypted before one write.
const RECORDS_PER_WRITE: usize = 4;
const READ_BYTES: usize = 64 * 1024;
/// Writes, and reads, before other tasks get their turn.
const TURNS: usize = 8;
/// Unsent bytes that the kernel takes beyond what is on the way; what it holds cannot be overtaken by a vote.
const KERNEL_UNSENT: u32 = 64 * 1024;

/// The reason in a farewell frame; only for people who read the bytes.
const GOODBYE: u8 = 0;

/// Plain and encrypted bytes.
struct Scratch {
    plain: Vec<u8>,
    wire: Vec<u8>,
}

impl Scratch {
    const fn new() -> RefCell<Scratch> {
        RefCell::new(Scratch {
            plain: Vec::new(),
            wire: Vec::new(),
        })
    }
}

thread_local! {
    static OUTGOING: RefCell<Scratch> = const { Scratch::new() };
    static INCOMING: RefCell<Scratch> = const { Scratch::new() };
}

/// Options of a fresh connection.
pub(super) fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    socket2::SockRef::from(stream).set_tcp_notsent_lowat(KERNEL_UNSENT)?;
    Ok(())
}

pub(super) struct Session<'a> {
    pub(super) peer: &'a Arc<Peer>,
    pub(super) inboxes: &'a Inboxes,
    pub(super) limits: &'a Limits,
    stream: TcpStream,
    noise: TransportState,
    link: u64,
    line: Arc<Line>,
    /// Encrypted bytes that the socket has not taken yet, from `unsent_from` on.
    unsent: Vec<u8>,
    unsent_from: usize,
    /// The beginning of a record that has not arrived whole.
    half_record: Vec<u8>,
    assemblies: [Assembly; 4],
    /// Cost of what the assemblies hold.
    assembling: [u64; 4],
    last_heard: Instant,
    last_said: Instant,
    ping_due: bool,
}

#[derive(PartialEq, Eq)]
enum Written {
    /// Nothing is left to send.
    All,
    /// The socket takes no more now.
    Blocked,
    /// There is more; others first.
    More,
    /// Everything left, and this is the end.
    Finished,
}

impl<'a> Session<'a> {
    pub(super) fn new(
        peer: &'a Arc<Peer>,
        inboxes: &'a Inboxes,
        endpoint: Endpoint,
        noise: TransportState,
        (link, line): (u64, Arc<Line>),
    ) -> Session<'a> {
        let now = Instant::now();
        Session {
            peer,
            inboxes,
            limits: &peer.limits,
            stream: endpoint.stream,
            noise,
            link,
            line,
            unsent: Vec::new(),
            unsent_from: 0,
            half_record: Vec::new(),
            assemblies: Default::default(),
            assembling: [0; 4],
            last_heard: now,
            last_said: now,
            ping_due: false,
        }
    }

    /// Runs the link to its end.
    pub(super) async fn run(mut self) -> LinkEnd {
        let end = match self.work().await {
            Ok(()) => {
                self.farewell().await;
                LinkEnd::Shutdown
            }
            Err(end @ (LinkEnd::Removed | LinkEnd::Shutdown)) => {
                self.farewell().await;
                end
            }
            Err(end) => end,
        };
        self.peer.close(self.link, end.clone());
        end
    }

    /// Until the link shall end in order (`Ok`) or has ended.
    async fn work(&mut self) -> Result<(), LinkEnd> {
        let heartbeat = self.limits.heartbeat;
        // Links of one node start together; their heartbeats need not.
        let phase = heartbeat / 256 * u32::from(rand::random::<u8>());
        let mut ticks = interval_at(Instant::now() + phase, heartbeat);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let line = self.line.clone();
        loop {
            let read_more = self.read()?;
            let written = self.write()?;
            if written == Written::Finished {
                return Ok(());
            }
            if read_more || written == Written::More {
                tokio::task::yield_now().await;
                continue;
            }
            let interest = if written == Written::Blocked {
                Interest::READABLE | Interest::WRITABLE
            } else {
                Interest::READABLE
            };
            tokio::select! {
                ready = self.stream.ready(interest) => { ready.map_err(lost)?; }
                () = line.wake.notified() => {}
                _ = ticks.tick() => self.tick()?,
            }
        }
    }

    fn tick(&mut self) -> Result<(), LinkEnd> {
        let now = Instant::now();
        if now.duration_since(self.last_heard) >= self.limits.idle_timeout {
            return Err(LinkEnd::Idle);
        }
        // Ticks are one heartbeat apart; half of it is what keeps a silent link from missing a turn.
        self.ping_due = now.duration_since(self.last_said) >= self.limits.heartbeat / 2;
        Ok(())
    }

    // --- sending ---------------------------------------------------------------------------------------------------------------

    fn write(&mut self) -> Result<Written, LinkEnd> {
        OUTGOING.with_borrow_mut(|scratch| {
            self.peer.check(self.link)?;
            for _ in 0..TURNS {
                if !self.write_unsent()? {
                    return Ok(Written::Blocked);
                }
                scratch.wire.clear();
                let mut state = Outgoing::Full;
                for _ in 0..RECORDS_PER_WRITE {
                    scratch.plain.clear();
                    self.write_control(&mut scratch.plain);
                    state = self.peer.fill(self.link, &mut scratch.plain)?;
                    if !scratch.plain.is_empty() {
                        self.seal(&scratch.plain, &mut scratch.wire)?;
                    }
                    if !matches!(state, Outgoing::Full) {
                        break;
                    }
                }
                let sent = self.try_write(&scratch.wire)?;
                if sent < scratch.wire.len() {
                    self.unsent.extend_from_slice(&scratch.wire[sent..]);
                    return Ok(Written::Blocked);
                }
                match state {
                    Outgoing::Full => {}
                    Outgoing::Drained => return Ok(Written::All),
                    Outgoing::Finished => return Ok(Written::Finished),
                }
            }
            Ok(Written::More)
        })
    }

    /// Grants and pings; at most a few dozen bytes.
    fn write_control(&mut self, record: &mut Vec<u8>) {
        for channel in Channel::ALL {
            let flow = &self.peer.in_flow[channel.index()];
            let window = u64::from(self.limits.channel(channel).window_bytes);
            let credit = &self.line.credit_left[channel.index()];
            let credit_left = credit.load(Ordering::SeqCst);
            let taken =
                flow.unread.load(Ordering::SeqCst) + self.assembling[channel.index()] + credit_left;
            let amount = window.saturating_sub(taken);
            // Small grants only when the peer is running short: then every byte may be the one it waits for.
            if amount > 0 && (amount >= window / 4 || credit_left < window / 4) {
                flow.returned.store(0, Ordering::SeqCst);
                credit.store(credit_left + amount, Ordering::SeqCst);
                // `amount` is at most the window, a u32.
                let amount = amount as u32;
                Frame::Credit { channel, amount }.write(record);
            }
        }
        if std::mem::take(&mut self.ping_due) {
            Frame::Ping.write(record);
        }
    }

    /// Appends the encrypted record.
    fn seal(&mut self, plain: &[u8], wire: &mut Vec<u8>) -> Result<(), LinkEnd> {
        let start = wire.len();
        let sealed = plain.len() + RECORD_TAG;
        wire.extend_from_slice(&(sealed as u16).to_le_bytes());
        wire.resize(start + RECORD_PREFIX + sealed, 0);
        self.noise
            .write_message(plain, &mut wire[start + RECORD_PREFIX..])
            .map_err(|error| LinkEnd::Lost(format!("encryption failed: {error}")))?;
        Ok(())
    }

    /// True when nothing is left over.
    fn write_unsent(&mut self) -> Result<bool, LinkEnd> {
        if self.unsent.is_empty() {
            return Ok(true);
        }
        let unsent = std::mem::take(&mut self.unsent);
        let sent = self.try_write(&unsent[self.unsent_from..])?;
        self.unsent_from += sent;
        if self.unsent_from < unsent.len() {
            self.unsent = unsent;
            return Ok(false);
        }
        self.unsent_from = 0;
        Ok(true)
    }

    /// Writes what the socket takes; how much that was.
    fn try_write(&mut self, bytes: &[u8]) -> Result<usize, LinkEnd> {
        let mut sent = 0;
        while sent < bytes.len() {
            match self.stream.try_write(&bytes[sent..]) {
                Ok(0) => return Err(LinkEnd::Lost("the connection takes no bytes".into())),
                Ok(count) => sent += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(lost(error)),
            }
        }
        if sent > 0 {
            self.last_said = Instant::now();
            self.peer
                .wire_sent
                .fetch_add(sent as u64, Ordering::Relaxed);
        }
        Ok(sent)
    }

    // --- receiving -------------------------------------------------------------------------------------------------------------

    /// Reads what is there; true if there may be more and others should go first.
    fn read(&mut self) -> Result<bool, LinkEnd> {
        INCOMING.with_borrow_mut(|scratch| {
            scratch.wire.resize(READ_BYTES + RECORD_MAX, 0);
            scratch.plain.resize(RECORD_PLAIN_MAX + RECORD_TAG, 0);
            for _ in 0..TURNS {
                let kept = self.half_record.len();
                let arrived = match self.stream.try_read(&mut scratch.wire[kept..]) {
                    Ok(0) => return Err(LinkEnd::Lost("the peer closed the connection".into())),
                    Ok(arrived) => arrived,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => return Err(lost(error)),
                };
                self.last_heard = Instant::now();
                self.peer
                    .wire_received
                    .fetch_add(arrived as u64, Ordering::Relaxed);
                scratch.wire[..kept].copy_from_slice(&self.half_record);
                let rest =
                    self.open_records(&scratch.wire[..kept + arrived], &mut scratch.plain)?;
                self.half_record = rest.to_vec();
            }
            Ok(true)
        })
    }

    /// Decrypts and handles the whole records; what is left is the beginning of the next.
    fn open_records<'b>(
        &mut self,
        mut bytes: &'b [u8],
        plain: &mut [u8],
    ) -> Result<&'b [u8], LinkEnd> {
        while let Some((prefix, rest)) = bytes.split_first_chunk::<RECORD_PREFIX>() {
            let length = usize::from(u16::from_le_bytes(*prefix));
            if !(RECORD_TAG + 1..=RECORD_PLAIN_MAX + RECORD_TAG).contains(&length) {
                // The length is not authenticated by itself: a changed one is as likely as a faulty peer.
                return Err(LinkEnd::Tampered);
            }
            let Some((record, rest)) = rest.split_at_checked(length) else {
                break;
            };
            let length = self
                .noise
                .read_message(record, plain)
                .map_err(|_| LinkEnd::Tampered)?;
            for frame in Frames(&plain[..length]) {
                self.handle(frame.map_err(violation)?)?;
            }
            bytes = rest;
        }
        Ok(bytes)
    }

    fn handle(&mut self, frame: Frame<'_>) -> Result<(), LinkEnd> {
        match frame {
            Frame::Begin {
                channel,
                total,
                bytes,
            } => {
                self.charge(channel, bytes.len() as u64 + u64::from(MESSAGE_OVERHEAD))?;
                let limit = self.limits.channel(channel).message_bytes;
                let whole = self.assemblies[channel.index()].begin(total, limit, bytes);
                self.deliver(channel, whole)
            }
            Frame::Continue { channel, bytes } => {
                self.charge(channel, bytes.len() as u64)?;
                let whole = self.assemblies[channel.index()].proceed(bytes);
                self.deliver(channel, whole)
            }
            Frame::Credit { channel, amount } => {
                if self.peer.granted(self.link, channel, amount) {
                    Ok(())
                } else {
                    Err(LinkEnd::Violation("credit beyond all bounds"))
                }
            }
            Frame::Ping => Ok(()),
            Frame::Close(_) => Err(LinkEnd::ClosedByPeer),
        }
    }

    fn charge(&mut self, channel: Channel, cost: u64) -> Result<(), LinkEnd> {
        let credit_left = &self.line.credit_left[channel.index()];
        let left = credit_left
            .load(Ordering::SeqCst)
            .checked_sub(cost)
            .ok_or(LinkEnd::Violation("more bytes than we gave credit for"))?;
        credit_left.store(left, Ordering::SeqCst);
        self.assembling[channel.index()] += cost;
        Ok(())
    }

    fn deliver(
        &mut self,
        channel: Channel,
        whole: Result<Option<bytes::Bytes>, Violation>,
    ) -> Result<(), LinkEnd> {
        if let Some(message) = whole.map_err(violation)? {
            let cost = std::mem::take(&mut self.assembling[channel.index()]);
            self.inboxes.deliver(channel, self.peer, message, cost);
        }
        Ok(())
    }

    // --- ending ----------------------------------------------------------------------------------------------------------------

    /// Says goodbye and waits for the peer to hang up, so that the kernel does not throw away what is still on its way.
    async fn farewell(&mut self) {
        let mut wire = std::mem::take(&mut self.unsent).split_off(self.unsent_from);
        let mut plain = Vec::new();
        Frame::Close(GOODBYE).write(&mut plain);
        if self.seal(&plain, &mut wire).is_err() {
            return;
        }
        let stream = &mut self.stream;
        let mut goodbye = pin!(async {
            stream.write_all(&wire).await?;
            stream.shutdown().await?;
            let mut ignored = [0; 1024];
            loop {
                stream.readable().await?;
                match stream.try_read(&mut ignored) {
                    Ok(0) => return Ok(()),
                    Ok(_) => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error),
                }
            }
        });
        // Either way the connection is closed now; how it went interests nobody.
        let _: Result<io::Result<()>, _> =
            timeout(FAREWELL.min(self.limits.close_timeout), &mut goodbye).await;
    }
}

/// A peer that does not hang up is not waited for any longer than this.
const FAREWELL: Duration = Duration::from_secs(1);

fn lost(error: io::Error) -> LinkEnd {
    LinkEnd::Lost(error.to_string())
}

fn violation(Violation(what): Violation) -> LinkEnd {
    LinkEnd::Violation(what)
}
