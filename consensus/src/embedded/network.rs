//! The engine's network, over the circle's own links instead of libp2p.
//!
//! Votes and proposals are broadcast on the full mesh; nobody relays, so whatever claims to be from a member must come
//! over that member's link. Missing blocks are asked for and served peer to peer.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use arc_malachitebft_app_channel::app::engine::network::{
    Msg, NetworkEvent, NetworkRef, PersistentPeerError, Status, Subscriber,
};
use arc_malachitebft_app_channel::app::net::Multiaddr;
use arc_malachitebft_app_channel::app::streaming::{StreamContent, StreamId, StreamMessage};
use arc_malachitebft_app_channel::app::types::PeerId;
use arc_malachitebft_app_channel::app::types::core::SignedMessage;
use arc_malachitebft_sync::{InboundRequestId, OutboundRequestId, Request, ValueRequest};
use bytes::Bytes;
use ractor::{Actor, ActorProcessingErr, ActorRef, SpawnErr, async_trait};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

use super::budget::Budget;
use super::codec;
use super::context::{
    Address, GuardianContext as Ctx, Height, Proposal, ProposalPart, Signature, Vote,
};
use super::start::link_members;
use super::wire::{BlocksMessage, CodecError, ConsensusMessage, decode};
use crate::block::{BlockBody, encode};
use crate::link::{Channel, Links, PeerKey, Receiver};
use crate::log::Member;

/// Own messages of the current height that are repeated to a peer that has just connected.
const MAX_RECENT: usize = 64;

/// Requests that a peer may have open with us.
const MAX_INBOUND_REQUESTS: usize = 1024;

/// Requests of our own whose answers are still taken.
const MAX_OUTGOING_REQUESTS: usize = 64;

/// Signatures that a peer may give us to check: at once, and per second. A member sends two or three votes a round.
const SIGNATURES: (u64, u64) = (4_000, 1_000);

/// Bytes of proposals, and of blocks asked for, that a peer may cost us: at once, and per second.
const BLOCK_BYTES: (u64, u64) = (64 << 20, 32 << 20);

/// What serving a body is counted as.
const BODY_COST: u64 = 1 << 20;

/// What the driver wants to hear from the blocks channel.
#[derive(Debug)]
pub(crate) enum BodyEvent {
    /// A peer asks for the body of a block.
    Wanted {
        peer: PeerKey,
        height: u64,
        hash: [u8; 32],
    },
    /// A body, as yet unchecked.
    Arrived(Vec<u8>),
}

/// The network as the engine, the driver and the receiving tasks share it.
pub(crate) struct Network {
    links: Links,
    inner: Mutex<Inner>,
    /// Woken when a peer turns out to be at a height not seen before, or comes or goes.
    pub changed: Arc<Notify>,
}

#[derive(Default)]
struct Inner {
    subscribers: Vec<Box<dyn Subscriber<NetworkEvent<Ctx>>>>,
    connected: BTreeSet<PeerKey>,
    /// Height decided by each peer, as it said, or as its votes show.
    heights: BTreeMap<PeerKey, u64>,
    /// The highest height on which each peer votes or proposes.
    voting: BTreeMap<PeerKey, u64>,
    budgets: BTreeMap<PeerKey, Budgets>,
    own_status: Option<(u64, u64)>,
    recent_height: u64,
    recent: Vec<(Channel, Bytes)>,
    next_request: u64,
    outgoing: BTreeMap<u64, PeerKey>,
    next_inbound: u64,
    incoming: HashMap<InboundRequestId, (PeerKey, u64)>,
}

/// What a peer may still cost. The links bound what it may send before it is read; this bounds what becomes of it, for
/// the engine's own queues have no bound.
struct Budgets {
    signatures: Budget,
    block_bytes: Budget,
}

impl Network {
    pub fn new(links: Links) -> Arc<Self> {
        Arc::new(Self {
            links,
            inner: Mutex::default(),
            changed: Arc::new(Notify::new()),
        })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no holder panics")
    }

    /// Links with these members, and with nobody else.
    pub fn set_members(&self, members: &[Member]) {
        // Refused only when the links are shut down, for the members were checked before.
        let _ = self.links.set_members(link_members(members));
    }

    /// Spawns the actor that the engine sends to.
    pub async fn spawn(self: &Arc<Self>) -> Result<NetworkRef<Ctx>, SpawnErr> {
        let (actor, _) = Actor::spawn(None, NetworkActor(self.clone()), ()).await?;
        Ok(actor)
    }

    /// Spawns the tasks that receive; they end when the transport does.
    pub fn receive(
        self: &Arc<Self>,
        mut consensus: Receiver,
        mut blocks: Receiver,
        bodies: mpsc::Sender<BodyEvent>,
    ) -> Vec<JoinHandle<()>> {
        let network = self.clone();
        let votes = tokio::spawn(async move {
            while let Some((peer, message)) = consensus.recv().await {
                if let Err(error) = network.on_consensus(peer, &message) {
                    tracing::debug!(peer = %Address(peer), %error, "a consensus message was not usable");
                }
            }
        });
        let network = self.clone();
        let blocks = tokio::spawn(async move {
            while let Some((peer, message)) = blocks.recv().await {
                match network.on_blocks(peer, &message) {
                    Ok(None) => {}
                    Ok(Some(event)) => {
                        if bodies.send(event).await.is_err() {
                            break;
                        }
                    }
                    Err(error) => {
                        tracing::debug!(peer = %Address(peer), %error, "a blocks message was not usable")
                    }
                }
            }
        });
        let network = Arc::downgrade(self);
        let mut changes = self.links.changes();
        let links = tokio::spawn(async move {
            loop {
                let Some(present) = network.upgrade() else {
                    break;
                };
                present.look_at_links();
                drop(present);
                if changes.changed().await.is_err() {
                    break;
                }
            }
        });
        vec![votes, blocks, links]
    }

    /// Sends the parts of a proposed block to everybody.
    pub fn publish_part(&self, part: &ProposalPart) {
        let message = Bytes::from(encode(&BlocksMessage::Part(part.into())));
        self.publish(part.height.0, Channel::Blocks, message);
    }

    pub fn ask_for_body(&self, height: u64, hash: [u8; 32]) {
        self.links.broadcast(
            Channel::Blocks,
            encode(&BlocksMessage::BodyRequest { height, hash }).into(),
        );
    }

    pub fn send_body(&self, peer: &PeerKey, body: Vec<u8>) {
        self.send(peer, Channel::Blocks, encode(&BlocksMessage::Body(body)));
    }

    /// Peers with a link, and the height each is known to have decided.
    pub fn peers(&self) -> (BTreeSet<PeerKey>, BTreeMap<PeerKey, u64>) {
        let inner = self.inner();
        (inner.connected.clone(), inner.heights.clone())
    }

    pub fn connected_among(&self, among: impl Fn(&PeerKey) -> bool) -> usize {
        self.inner()
            .connected
            .iter()
            .filter(|key| among(key))
            .count()
    }

    /// How many members vote or propose at `height` or above.
    pub fn voting_on(&self, height: u64, among: impl Fn(&PeerKey) -> bool) -> usize {
        self.inner()
            .voting
            .iter()
            .filter(|(key, voting)| **voting >= height && among(key))
            .count()
    }

    /// The highest height that more than `faulty` members say to have decided.
    pub fn decided_by_more_than(&self, faulty: usize, among: impl Fn(&PeerKey) -> bool) -> u64 {
        let inner = self.inner();
        let mut heights: Vec<u64> = inner
            .heights
            .iter()
            .filter(|(key, _)| among(key))
            .map(|(_, height)| *height)
            .collect();
        heights.sort_unstable_by(|a, b| b.cmp(a));
        heights.get(faulty).copied().unwrap_or(0)
    }

    /// Queues a message to one peer. One that cannot be queued is dropped: every protocol here repeats what matters.
    fn send(&self, peer: &PeerKey, channel: Channel, message: impl Into<Bytes>) {
        if let Err(error) = self.links.send(peer, channel, message.into()) {
            tracing::debug!(%error, "a message was dropped");
        }
    }

    fn publish(&self, height: u64, channel: Channel, message: Bytes) {
        {
            let mut inner = self.inner();
            if height > inner.recent_height {
                inner.recent_height = height;
                inner.recent.clear();
            }
            if height == inner.recent_height && inner.recent.len() < MAX_RECENT {
                inner.recent.push((channel, message.clone()));
            }
        }
        self.links.broadcast(channel, message);
    }

    /// Hands an event to the part of the engine that it is for. Consensus subscribes before the catch-up does; each
    /// ignores the other's events, but a hundred votes a height are worth not waking the wrong one for.
    fn emit(&self, event: NetworkEvent<Ctx>) {
        let inner = self.inner();
        let (consensus, others) = match &event {
            NetworkEvent::Vote(..)
            | NetworkEvent::Proposal(..)
            | NetworkEvent::ProposalPart(..)
            | NetworkEvent::PolkaCertificate(..)
            | NetworkEvent::RoundCertificate(..) => (true, false),
            NetworkEvent::Status(..)
            | NetworkEvent::SyncRequest(..)
            | NetworkEvent::SyncResponse(..)
            | NetworkEvent::SyncRequestFailed(..)
            | NetworkEvent::SyncInboundRequestFailed(..) => (false, true),
            _ => (true, true),
        };
        for (index, subscriber) in inner.subscribers.iter().enumerate() {
            if if index == 0 { consensus } else { others } {
                subscriber.send(event.clone());
            }
        }
    }

    fn look_at_links(&self) {
        let now: BTreeSet<PeerKey> = self.links.connected().into_iter().collect();
        let (came, went, recent, status) = {
            let mut inner = self.inner();
            let came: Vec<PeerKey> = now.difference(&inner.connected).copied().collect();
            let went: Vec<PeerKey> = inner.connected.difference(&now).copied().collect();
            inner.connected = now;
            for key in &went {
                inner.outgoing.retain(|_, peer| peer != key);
                inner.incoming.retain(|_, (peer, _)| peer != key);
            }
            (came, went, inner.recent.clone(), inner.own_status)
        };
        if came.is_empty() && went.is_empty() {
            return;
        }
        for key in went {
            self.emit(NetworkEvent::PeerDisconnected(peer_id(&key)));
        }
        for key in came {
            self.emit(NetworkEvent::PeerConnected(peer_id(&key)));
            // What was sent before the link stood is lost: without it the peer would wait for a time-out.
            if let Some((height, oldest)) = status {
                let message = encode(&ConsensusMessage::Status { height, oldest });
                self.send(&key, Channel::Consensus, message);
            }
            for (channel, message) in &recent {
                self.send(&key, *channel, message.clone());
            }
        }
        self.changed.notify_one();
    }

    fn budgets<T>(&self, peer: PeerKey, take: impl FnOnce(&mut Budgets, Instant) -> T) -> T {
        let now = Instant::now();
        let mut inner = self.inner();
        let budgets = inner.budgets.entry(peer).or_insert_with(|| Budgets {
            signatures: Budget::new(SIGNATURES.0, SIGNATURES.1, now),
            block_bytes: Budget::new(BLOCK_BYTES.0, BLOCK_BYTES.1, now),
        });
        take(budgets, now)
    }

    fn spend_signatures(&self, peer: PeerKey, count: usize) -> Result<(), CodecError> {
        let within = self.budgets(peer, |budgets, now| {
            budgets.signatures.take(count as u64, now)
        });
        if within {
            Ok(())
        } else {
            Err(CodecError::Excess)
        }
    }

    fn spend_bytes(&self, peer: PeerKey, bytes: u64) -> Result<(), CodecError> {
        let within = self.budgets(peer, |budgets, now| budgets.block_bytes.take(bytes, now));
        if within {
            Ok(())
        } else {
            Err(CodecError::Excess)
        }
    }

    fn note_height(&self, peer: PeerKey, decided: u64, voting: u64) {
        let mut inner = self.inner();
        let known = inner.heights.entry(peer).or_default();
        let rose = decided > *known;
        *known = decided.max(*known);
        let last = inner.voting.entry(peer).or_default();
        let new = voting > *last;
        *last = voting.max(*last);
        drop(inner);
        if rose || new {
            self.changed.notify_one();
        }
    }

    fn on_consensus(&self, peer: PeerKey, message: &[u8]) -> Result<(), CodecError> {
        let from = peer_id(&peer);
        match decode(message)? {
            ConsensusMessage::Vote { vote, signature } => {
                let vote: Vote = vote.try_into()?;
                if vote.address.0 != peer {
                    return Err(CodecError::Unsupported);
                }
                self.spend_signatures(peer, 1)?;
                self.note_height(peer, vote.height.0.saturating_sub(1), vote.height.0);
                self.emit(NetworkEvent::Vote(
                    from,
                    SignedMessage::new(vote, Signature(signature)),
                ));
            }
            ConsensusMessage::Proposal {
                proposal,
                signature,
            } => {
                let proposal: Proposal = proposal.try_into()?;
                if proposal.address.0 != peer {
                    return Err(CodecError::Unsupported);
                }
                self.spend_signatures(peer, 1)?;
                self.note_height(peer, proposal.height.0.saturating_sub(1), proposal.height.0);
                self.emit(NetworkEvent::Proposal(
                    from,
                    SignedMessage::new(proposal, Signature(signature)),
                ));
            }
            ConsensusMessage::Polka(certificate) => {
                self.spend_signatures(peer, certificate.signatures())?;
                self.emit(NetworkEvent::PolkaCertificate(
                    from,
                    certificate.try_into()?,
                ));
            }
            ConsensusMessage::Round(certificate) => {
                self.spend_signatures(peer, certificate.signatures())?;
                self.emit(NetworkEvent::RoundCertificate(
                    from,
                    certificate.try_into()?,
                ));
            }
            ConsensusMessage::Status { height, oldest } => {
                self.spend_signatures(peer, 1)?;
                self.note_height(peer, height, 0);
                self.emit(NetworkEvent::Status(
                    from,
                    Status::new(Height(height), Height(oldest)),
                ));
            }
        }
        Ok(())
    }

    fn on_blocks(&self, peer: PeerKey, message: &[u8]) -> Result<Option<BodyEvent>, CodecError> {
        let from = peer_id(&peer);
        match decode(message)? {
            BlocksMessage::Part(part) => {
                let part: ProposalPart = part.try_into()?;
                self.spend_bytes(peer, message.len() as u64)?;
                self.note_height(peer, part.height.0.saturating_sub(1), part.height.0);
                let message = StreamMessage::new(
                    StreamId::new(Bytes::copy_from_slice(&part.hash.0)),
                    u64::from(part.index),
                    StreamContent::Data(part),
                );
                self.emit(NetworkEvent::ProposalPart(from, Some(from), message));
            }
            BlocksMessage::Request {
                id,
                from: first,
                to,
            } => {
                let request_id = {
                    let mut inner = self.inner();
                    if inner.incoming.len() >= MAX_INBOUND_REQUESTS {
                        return Err(CodecError::Unsupported);
                    }
                    inner.next_inbound += 1;
                    let request_id = InboundRequestId::new(inner.next_inbound);
                    inner.incoming.insert(request_id.clone(), (peer, id));
                    request_id
                };
                let request = Request::ValueRequest(ValueRequest::new(Height(first)..=Height(to)));
                self.emit(NetworkEvent::SyncRequest(request_id, from, request));
            }
            BlocksMessage::Decided { id, start, blocks } => {
                if self.inner().outgoing.get(&id) != Some(&peer) {
                    return Err(CodecError::Unsupported);
                }
                self.inner().outgoing.remove(&id);
                // The engine checks the certificate, but not that the body is what it certifies.
                let response = codec::response(start, blocks).ok().filter(|response| {
                    let arc_malachitebft_sync::Response::ValueResponse(values) = response;
                    values.values.iter().all(|value| {
                        decode::<BlockBody>(&value.value_bytes)
                            .is_ok_and(|body| body.hash() == value.certificate.value_id.0)
                    })
                });
                self.emit(NetworkEvent::SyncResponse(
                    OutboundRequestId::new(id),
                    from,
                    response,
                ));
            }
            BlocksMessage::BodyRequest { height, hash } => {
                self.spend_bytes(peer, BODY_COST)?;
                return Ok(Some(BodyEvent::Wanted { peer, height, hash }));
            }
            BlocksMessage::Body(body) => return Ok(Some(BodyEvent::Arrived(body))),
        }
        Ok(None)
    }

    fn request(&self, peer: PeerId, request: Request<Ctx>) -> u64 {
        let range = codec::request(request);
        let key = key_of(&peer);
        let id = {
            let mut inner = self.inner();
            inner.next_request += 1;
            let id = inner.next_request;
            if let Some(key) = key {
                inner.outgoing.insert(id, key);
                if inner.outgoing.len() > MAX_OUTGOING_REQUESTS {
                    inner.outgoing.pop_first();
                }
            }
            id
        };
        if let Some(key) = key {
            let message = BlocksMessage::Request {
                id,
                from: *range.start(),
                to: *range.end(),
            };
            self.send(&key, Channel::Blocks, encode(&message));
        }
        id
    }
}

/// The engine's handle for a peer: the member key in an identity multihash.
pub(crate) fn peer_id(key: &PeerKey) -> PeerId {
    let mut bytes = Vec::with_capacity(34);
    bytes.extend_from_slice(&[0, 32]);
    bytes.extend_from_slice(key);
    PeerId::from_bytes(&bytes).expect("an identity multihash of 32 bytes is a peer id")
}

/// The member key in a peer id made by [`peer_id`].
pub(crate) fn key_of(peer: &PeerId) -> Option<PeerKey> {
    peer.to_bytes()
        .get(2..)
        .and_then(|bytes| bytes.try_into().ok())
}

/// The engine's actor in front of [`Network`].
struct NetworkActor(Arc<Network>);

#[async_trait]
impl Actor for NetworkActor {
    type Msg = Msg<Ctx>;
    type State = ();
    type Arguments = ();

    async fn pre_start(
        &self,
        _myself: ActorRef<Msg<Ctx>>,
        _args: (),
    ) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle(
        &self,
        _myself: ActorRef<Msg<Ctx>>,
        message: Msg<Ctx>,
        _state: &mut (),
    ) -> Result<(), ActorProcessingErr> {
        let network = &self.0;
        match message {
            Msg::Subscribe(subscriber) => {
                // The engine takes this as the word that the network stands, and asks where to start.
                subscriber.send(NetworkEvent::Listening(Multiaddr::empty()));
                let mut inner = network.inner();
                for key in &inner.connected {
                    subscriber.send(NetworkEvent::PeerConnected(peer_id(key)));
                }
                inner.subscribers.push(subscriber);
            }
            Msg::PublishConsensusMsg(message) => {
                let encoded = encode(&ConsensusMessage::signed(&message));
                network.publish(message.height().0, Channel::Consensus, encoded.into());
            }
            Msg::PublishLivenessMsg(message) => {
                let encoded = encode(&ConsensusMessage::liveness(&message));
                network.links.broadcast(Channel::Consensus, encoded.into());
            }
            Msg::PublishProposalPart(part) => {
                if let StreamContent::Data(part) = &part.content {
                    network.publish_part(part);
                }
            }
            Msg::BroadcastStatus(status) => {
                let (height, oldest) = (status.tip_height.0, status.history_min_height.0);
                network.inner().own_status = Some((height, oldest));
                let message = encode(&ConsensusMessage::Status { height, oldest });
                network.links.broadcast(Channel::Consensus, message.into());
            }
            Msg::OutgoingRequest(peer, request, reply) => {
                let id = network.request(peer, request);
                // The requester may be gone already.
                let _ = reply.send(OutboundRequestId::new(id));
            }
            Msg::CancelRequest(id) => {
                network
                    .inner()
                    .outgoing
                    .retain(|known, _| OutboundRequestId::new(known) != id);
            }
            Msg::OutgoingResponse(id, response) => {
                let request = network.inner().incoming.remove(&id);
                if let Some((peer, id)) = request {
                    let (start, blocks) = codec::decided(&response);
                    let message = encode(&BlocksMessage::Decided { id, start, blocks });
                    network.send(&peer, Channel::Blocks, message);
                }
            }
            Msg::CancelInboundRequest(id) => {
                network.inner().incoming.remove(&id);
            }
            Msg::DumpState(reply) => {
                let _ = reply.send(None);
            }
            Msg::UpdatePersistentPeers(_, reply) => {
                let refusal = "peers follow from the members of the circle";
                let _ = reply.send(Err(PersistentPeerError::InternalError(refusal.into())));
            }
            // The driver tells the links who the members are; validator proofs and libp2p events do not occur here.
            Msg::UpdateValidatorSet(_) | Msg::ValidatorProofVerified { .. } | Msg::NewEvent(_) => {}
        }
        Ok(())
    }
}
