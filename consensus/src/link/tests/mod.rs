//! Whole nodes over loopback TCP. Nothing sleeps to synchronise: everything waits for a condition, within a bound.

mod flow;
mod hostile;
mod mesh;
mod wire;

use std::{future::Future, net::SocketAddr, time::Duration};

use ed25519_zebra::{SigningKey, VerificationKey};

use super::{
    Bytes, Channel, ChannelLimits, Inbound, Limits, LinkConfig, LinkEnd, LinkMember, Links,
    LinksStatus, PeerKey, Receiver, Refusal, SendError,
};

const NETWORK: [u8; 32] = [7; 32];

/// A bound for what takes milliseconds on an idle machine.
async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(Duration::from_secs(20), future).await {
        Ok(value) => value,
        Err(_) => panic!("did not happen within a minute: {what}"),
    }
}

/// Member keys, sorted: the node of a lower index dials.
fn identities(count: u8) -> Vec<SigningKey> {
    let mut identities: Vec<_> = (1..=count)
        .map(|seed| SigningKey::from([seed; 32]))
        .collect();
    identities.sort_by_key(public);
    identities
}

fn public(identity: &SigningKey) -> PeerKey {
    VerificationKey::from(identity).into()
}

fn member(key: PeerKey, addresses: &[SocketAddr]) -> LinkMember {
    LinkMember {
        key,
        addresses: addresses.to_vec(),
    }
}

struct Node {
    links: Links,
    inbound: Inbound,
}

impl Node {
    /// A node that listens on a free port and knows nobody yet.
    async fn start(identity: &SigningKey, listen: &str, limits: Limits) -> Node {
        let config = LinkConfig {
            identity: *identity,
            network: NETWORK,
            listen: vec![listen.parse().unwrap()],
            members: Vec::new(),
            limits,
        };
        Node::start_with(config).await
    }

    async fn start_with(config: LinkConfig) -> Node {
        let (links, inbound) = Links::start(config).await.unwrap();
        Node { links, inbound }
    }

    fn key(&self) -> PeerKey {
        self.links.key()
    }

    fn member(&self) -> LinkMember {
        member(self.key(), self.links.local_addresses())
    }

    fn receiver(&mut self, channel: Channel) -> &mut Receiver {
        match channel {
            Channel::Consensus => &mut self.inbound.consensus,
            Channel::Transactions => &mut self.inbound.transactions,
            Channel::Blocks => &mut self.inbound.blocks,
            Channel::Forensics => &mut self.inbound.forensics,
        }
    }

    async fn receive(&mut self, channel: Channel) -> (PeerKey, Bytes) {
        within("a message arrives", self.receiver(channel).recv())
            .await
            .expect("links are up")
    }

    async fn wait(&self, what: &str, condition: impl FnMut(&LinksStatus) -> bool) {
        let waiting =
            tokio::time::timeout(Duration::from_secs(20), self.links.wait_until(condition));
        if waiting.await.is_err() {
            panic!(
                "did not happen within a minute: {what}; {:#?}",
                self.links.status()
            );
        }
    }
}

/// Tells every node of every other, and waits until all are linked.
async fn join(nodes: &[Node]) {
    let members: Vec<_> = nodes.iter().map(Node::member).collect();
    for node in nodes {
        node.links.set_members(members.clone()).unwrap();
    }
    for node in nodes {
        let others = nodes.len() - 1;
        node.wait("the mesh comes up", |status| status.connected() == others)
            .await;
    }
}

async fn mesh(count: u8, listen: &str) -> Vec<Node> {
    let mut nodes = Vec::new();
    for identity in identities(count) {
        nodes.push(Node::start(&identity, listen, Limits::default()).await);
    }
    join(&nodes).await;
    nodes
}
