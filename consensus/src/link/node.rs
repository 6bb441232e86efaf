//! What the tasks of one node share.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

use tokio::sync::watch;

use super::{
    config::{Limits, PeerKey, short},
    gate::Pending,
    handshake::{Credentials, Endpoint, Established},
    inbox::Inboxes,
    peer::Peer,
    session::Session,
    status::{LinkEnd, LinksStatus, Refusal, RefusalCounters},
    tasks::Tasks,
};

pub(super) type Peers = Arc<BTreeMap<PeerKey, Arc<Peer>>>;

pub(super) struct Node {
    pub(super) credentials: Credentials,
    pub(super) limits: Arc<Limits>,
    pub(super) inboxes: Inboxes,
    pub(super) listening: Vec<SocketAddr>,
    pub(super) tasks: Arc<Tasks>,
    pub(super) stop: watch::Sender<bool>,
    peers: RwLock<Peers>,
    pending: Mutex<Pending>,
    refused: RefusalCounters,
    changes: watch::Sender<u64>,
}

impl Node {
    pub(super) fn new(
        credentials: Credentials,
        limits: Arc<Limits>,
        inboxes: Inboxes,
        listening: Vec<SocketAddr>,
    ) -> Node {
        Node {
            credentials,
            inboxes,
            listening,
            tasks: Arc::default(),
            stop: watch::Sender::new(false),
            peers: RwLock::default(),
            pending: Mutex::new(Pending::new(limits.pending_handshakes)),
            refused: RefusalCounters::default(),
            changes: watch::Sender::new(0),
            limits,
        }
    }

    /// The members but ourselves, as they are now.
    pub(super) fn peers(&self) -> Peers {
        self.peers
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(super) fn peer(&self, key: &PeerKey) -> Option<Arc<Peer>> {
        self.peers
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(key)
            .cloned()
    }

    pub(super) fn set_peers(&self, peers: Peers) {
        *self.peers.write().unwrap_or_else(PoisonError::into_inner) = peers;
    }

    pub(super) fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this proven key may have a link that it dialled itself.
    pub(super) fn may_dial_us(&self, key: &PeerKey) -> Result<(), Refusal> {
        match self.peer(key) {
            None => Err(Refusal::NotMember),
            Some(peer) if peer.we_dial => Err(Refusal::WrongDirection),
            Some(_) => Ok(()),
        }
    }

    pub(super) fn refuse(&self, refusal: Refusal) {
        self.refused.add(refusal);
        self.changed();
    }

    /// Tells everybody who waits for a change of status to look again.
    pub(super) fn changed(&self) {
        self.changes
            .send_modify(|revision| *revision = revision.wrapping_add(1));
    }

    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Runs an authenticated link to its end.
    pub(super) async fn run_session(
        &self,
        peer: &Arc<Peer>,
        endpoint: Endpoint,
        established: Established,
    ) {
        let (address, dialled) = (endpoint.address, endpoint.dialled);
        let Some(opened) = peer.open(address, established.limits) else {
            return;
        };
        self.changed();
        tracing::debug!(peer = %short(&peer.key), %address, dialled, "link stands");
        let session = Session::new(peer, &self.inboxes, endpoint, established.noise, opened);
        let end = session.run().await;
        let (peer, code) = (short(&peer.key), end.code());
        match end {
            LinkEnd::Tampered | LinkEnd::Violation(_) => {
                tracing::warn!(%peer, %address, code, reason = %end, "link ended");
            }
            LinkEnd::Lost(_) | LinkEnd::Idle | LinkEnd::Replaced => {
                tracing::info!(%peer, %address, code, reason = %end, "link ended");
            }
            LinkEnd::ClosedByPeer | LinkEnd::Removed | LinkEnd::Shutdown => {
                tracing::debug!(%peer, %address, code, reason = %end, "link ended");
            }
        }
        self.changed();
    }

    pub(super) fn status(&self) -> LinksStatus {
        LinksStatus {
            listening: self.listening.clone(),
            peers: self.peers().values().map(|peer| peer.status()).collect(),
            pending_handshakes: self.pending().len(),
            refused: self.refused.read(),
        }
    }
}
