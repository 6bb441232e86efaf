//! Keeps the link to one member with a higher key: dials its addresses in turn, runs the session, waits, dials again.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::TcpStream,
    time::{Instant, sleep, timeout},
};

use super::{
    config::{Limits, short},
    handshake::{Endpoint, Established, HandshakeError},
    node::Node,
    peer::Peer,
    session::prepare,
    status::Refusal,
};

/// The waits between rounds of dialling.
struct Backoff<'a> {
    limits: &'a Limits,
    next: Duration,
}

impl<'a> Backoff<'a> {
    fn new(limits: &'a Limits) -> Self {
        Backoff {
            limits,
            next: limits.redial_min,
        }
    }

    fn reset(&mut self) {
        self.next = self.limits.redial_min;
    }

    /// Between half of the current wait and the whole of it, so that nodes that lost each other together do not meet again all at once.
    fn wait(&mut self) -> Duration {
        let half = self.next / 2;
        let wait = half + half / 256 * u32::from(rand::random::<u8>());
        self.next = (self.next * 2).min(self.limits.redial_max);
        wait
    }
}

/// Runs until the peer is stopped.
pub(super) async fn keep_dialling(node: Arc<Node>, peer: Arc<Peer>) {
    let mut dialling = peer.dialling.subscribe();
    let mut backoff = Backoff::new(&node.limits);
    loop {
        let round = dialling.borrow_and_update().addresses.clone();
        if round.is_empty() {
            peer.dial_failed("no address of this member is known".into());
            node.changed();
        }
        let mut stood = None;
        for address in round {
            let dialled = tokio::select! {
                dialled = dial(&node, &peer, address) => dialled,
                () = stopped(&peer) => return,
            };
            match dialled {
                Ok((endpoint, established)) => {
                    let start = Instant::now();
                    node.run_session(&peer, endpoint, established).await;
                    stood = Some(start.elapsed());
                    break;
                }
                Err(why) => {
                    tracing::debug!(peer = %short(&peer.key), %address, %why, "dialling failed");
                    peer.dial_failed(format!("{address}: {why}"));
                    node.changed();
                }
            }
        }
        // A link that stood for a while was a good one. One that broke at once, perhaps because the peer does not want us, is a failure.
        if stood.is_some_and(|lasted| lasted >= node.limits.redial_max) {
            backoff.reset();
        }
        tokio::select! {
            () = sleep(backoff.wait()) => {}
            // New addresses are worth a try at once. The sender lives in `peer`: an error cannot occur.
            _ = dialling.changed() => backoff.reset(),
            () = stopped(&peer) => return,
        }
    }
}

/// Returns once the peer is stopped.
async fn stopped(peer: &Peer) {
    // The sender lives in `peer`, so waiting cannot fail.
    let _ = peer
        .dialling
        .subscribe()
        .wait_for(|dialling| dialling.stopped)
        .await;
}

/// Dials one address and proves identities both ways; or why that failed, for people.
async fn dial(
    node: &Node,
    peer: &Peer,
    address: SocketAddr,
) -> Result<(Endpoint, Established), String> {
    let connecting = timeout(node.limits.connect_timeout, TcpStream::connect(address));
    let mut stream = match connecting.await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Err(error.to_string()),
        Err(_) => return Err("no answer in time".into()),
    };
    prepare(&stream).map_err(|error| error.to_string())?;
    let handshake = node.credentials.dial(&mut stream, peer.key);
    let established = match timeout(node.limits.handshake_timeout, handshake).await {
        Ok(Ok(established)) => established,
        Ok(Err(error)) => {
            if let HandshakeError::Refused(refusal) = &error {
                node.refuse(*refusal);
            }
            return Err(error.to_string());
        }
        Err(_) => {
            node.refuse(Refusal::Timeout);
            return Err(Refusal::Timeout.to_string());
        }
    };
    let endpoint = Endpoint {
        stream,
        address,
        dialled: true,
    };
    Ok((endpoint, established))
}
