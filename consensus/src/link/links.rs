//! The handle that the application holds.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use tokio::{sync::watch, time::timeout};

use super::{
    accept::{bind, keep_accepting},
    config::{
        Broadcast, Channel, LinkConfig, LinkError, LinkMember, PeerKey, SendError, check_members,
        short,
    },
    dial::keep_dialling,
    gate::AddressRate,
    handshake::Credentials,
    inbox::{Inbound, Inboxes},
    node::Node,
    peer::{Peer, Stop},
    status::LinksStatus,
};

/// The links of one node. Clones are handles to the same links; when the last one is dropped, the links end without a flush.
#[derive(Clone)]
pub struct Links(Arc<Owner>);

struct Owner {
    node: Arc<Node>,
    /// Held while the member list changes, so that two changes do not mix; false once shut down.
    open: Mutex<bool>,
}

impl std::fmt::Debug for Links {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Links")
            .field("key", &short(&self.key()))
            .field("listening", &self.0.node.listening)
            .finish_non_exhaustive()
    }
}

impl Links {
    /// Binds the listen addresses and starts to dial and to accept.
    ///
    /// Returns at once; links come up in the background ([`Links::wait_until`]). Must run within a tokio runtime with time and I/O.
    ///
    /// Errors: contradicting limits, a malformed member list, an address that cannot be bound. Nothing is left running on error.
    pub async fn start(config: LinkConfig) -> Result<(Links, Inbound), LinkError> {
        config.check()?;
        let LinkConfig {
            identity,
            network,
            listen,
            members,
            limits,
        } = config;
        let message_limits = limits.channels.map(|channel| channel.message_bytes);
        let credentials = Credentials::new(identity, network, message_limits)
            .map_err(|error| LinkError::Noise(error.to_string()))?;

        let mut listeners = Vec::new();
        let mut listening = Vec::new();
        for address in listen {
            let fail = |source| LinkError::Listen { address, source };
            let listener = bind(address).map_err(fail)?;
            listening.push(listener.local_addr().map_err(fail)?);
            listeners.push(listener);
        }

        let (inboxes, inbound) = Inboxes::new();
        let rate = AddressRate::new(limits.accept_burst, limits.accept_per_second);
        let rate = Arc::new(Mutex::new(rate));
        let node = Arc::new(Node::new(credentials, Arc::new(limits), inboxes, listening));
        for listener in listeners {
            let task = node.tasks.enter();
            let accepting =
                keep_accepting(node.clone(), listener, rate.clone(), node.stop.subscribe());
            tokio::spawn(async move {
                let _task = task;
                accepting.await;
            });
        }
        let links = Links(Arc::new(Owner {
            node,
            open: Mutex::new(true),
        }));
        links.set_members(members)?;
        Ok((links, inbound))
    }

    /// Our own key.
    pub fn key(&self) -> PeerKey {
        self.0.node.credentials.key
    }

    /// Where we listen, with the real ports.
    pub fn local_addresses(&self) -> &[SocketAddr] {
        &self.0.node.listening
    }

    /// Queues a message for one member. Never blocks.
    ///
    /// `Ok` means queued. It is delivered at most once, in order within its channel; if the link ends first it is lost, and counted
    /// ([`ChannelStatus::dropped_lost`](super::ChannelStatus::dropped_lost)).
    pub fn send(&self, peer: &PeerKey, channel: Channel, message: Bytes) -> Result<(), SendError> {
        match self.0.node.peer(peer) {
            Some(peer) => peer.send(channel, message),
            None => Err(SendError::UnknownPeer(*peer)),
        }
    }

    /// Queues a message for every member that has a link. Never blocks; says what became of it.
    pub fn broadcast(&self, channel: Channel, message: Bytes) -> Broadcast {
        let mut result = Broadcast::default();
        for peer in self.0.node.peers().values() {
            match peer.send(channel, message.clone()) {
                Ok(()) => result.queued += 1,
                Err(SendError::Full { .. }) => result.full += 1,
                Err(SendError::TooLarge { .. }) => result.too_large += 1,
                Err(SendError::NotConnected(_) | SendError::UnknownPeer(_)) => {
                    result.not_connected += 1;
                }
            }
        }
        result
    }

    /// Replaces the member list. Links to members that are gone are closed, new members are dialled if that is ours to do, changed
    /// addresses are used at the next dial, and everything else stands as it is. Our own entry is ignored.
    ///
    /// Errors: a malformed list (the old one stays in force), or links that are shut down.
    pub fn set_members(&self, members: Vec<LinkMember>) -> Result<(), LinkError> {
        check_members(&members)?;
        let open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        if !*open {
            return Err(LinkError::Closed);
        }
        let node = &self.0.node;
        let own = self.key();
        let old = node.peers();
        let mut peers = BTreeMap::new();
        let mut added = Vec::new();
        for member in members.into_iter().filter(|member| member.key != own) {
            let peer = match old.get(&member.key) {
                Some(peer) => {
                    peer.dialling.send_if_modified(|dialling| {
                        let changed = dialling.addresses != member.addresses;
                        dialling.addresses = member.addresses;
                        changed
                    });
                    peer.clone()
                }
                None => {
                    let limits = node.limits.clone();
                    let peer = Arc::new(Peer::new(&own, member.key, member.addresses, limits));
                    added.push(peer.clone());
                    peer
                }
            };
            peers.insert(peer.key, peer);
        }
        let removed = old.iter().filter(|(key, _)| !peers.contains_key(*key));
        let removed: Vec<_> = removed.map(|(_, peer)| peer.clone()).collect();
        node.set_peers(Arc::new(peers));
        for peer in removed {
            peer.stop(Stop::Removed);
        }
        for peer in added.into_iter().filter(|peer| peer.we_dial) {
            let task = node.tasks.enter();
            let dialling = keep_dialling(node.clone(), peer);
            tokio::spawn(async move {
                let _task = task;
                dialling.await;
            });
        }
        node.changed();
        Ok(())
    }

    /// Everything at one moment, for people and for programs that take their time: it looks at every peer.
    pub fn status(&self) -> LinksStatus {
        self.0.node.status()
    }

    /// The members that have a link now.
    pub fn connected(&self) -> Vec<PeerKey> {
        let peers = self.0.node.peers();
        let connected = peers.values().filter(|peer| peer.connected());
        connected.map(|peer| peer.key).collect()
    }

    /// Changes whenever a link comes or goes, a connection is refused, or the member list is replaced.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.node.changes()
    }

    /// Waits until the status satisfies the condition; looks again at every change (see [`Links::changes`]; counters of messages and bytes
    /// alone are no change).
    pub async fn wait_until(&self, mut condition: impl FnMut(&LinksStatus) -> bool) {
        let mut changes = self.changes();
        while !condition(&self.status()) {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// Ends all links in order: takes no more messages, sends what is queued (for at most `close_timeout`), says goodbye, and returns when
    /// the last task has ended. The receivers end once they are read empty. A second call returns when the first does.
    pub async fn shutdown(&self) {
        let node = &self.0.node;
        self.0.stop(Stop::AfterFlush);
        if timeout(node.limits.close_timeout, node.tasks.all_ended())
            .await
            .is_err()
        {
            self.0.stop(Stop::Shutdown);
            node.tasks.all_ended().await;
        }
        node.inboxes.close();
    }
}

impl Owner {
    fn stop(&self, how: Stop) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        *open = false;
        self.node.stop.send_replace(true);
        self.node.pending().end_all();
        for peer in self.node.peers().values() {
            peer.stop(how);
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.stop(Stop::Shutdown);
        self.node.inboxes.close();
    }
}
