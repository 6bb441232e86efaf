//! Takes connections from members with lower keys, and keeps everybody else out cheaply.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    time::{sleep, timeout},
};

use super::{
    gate::AddressRate,
    handshake::{Endpoint, HandshakeError},
    node::Node,
    session::prepare,
    status::Refusal,
};

/// Connections that the kernel holds until we take them: all 98 may come at once.
const BACKLOG: i32 = 1024;

/// Binds one address. IPv6 takes IPv6 only, so that `[::]` and `0.0.0.0` stand side by side on one port.
pub(super) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // A restarted node takes its port back from connections of its former life.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Runs until shutdown.
pub(super) async fn keep_accepting(
    node: Arc<Node>,
    listener: TcpListener,
    rate: Arc<Mutex<AddressRate>>,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        if *stop.borrow() {
            return;
        }
        match accepted {
            Ok((stream, address)) => accepted_one(&node, &rate, stream, address),
            Err(error) => {
                // Out of file descriptors, most likely. Waiting is all that helps; it must not become a busy loop.
                tracing::warn!(%error, "cannot accept a connection");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

fn accepted_one(
    node: &Arc<Node>,
    rate: &Mutex<AddressRate>,
    stream: TcpStream,
    address: SocketAddr,
) {
    let allowed = rate
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .allow(address.ip(), Instant::now());
    if !allowed {
        node.refuse(Refusal::AddressRate);
        return;
    }
    // Held over the spawn: the handshake cannot ask to be removed before it was added.
    let mut pending = node.pending();
    let number = pending.number();
    let guard = node.tasks.enter();
    let admitting = admit(node.clone(), number, stream, address);
    let task = tokio::spawn(async move {
        let _guard = guard;
        admitting.await;
    });
    if pending.add(number, address.ip(), task.abort_handle()) {
        drop(pending);
        node.refuse(Refusal::Crowded);
    }
}

async fn admit(node: Arc<Node>, number: u64, mut stream: TcpStream, address: SocketAddr) {
    let handshake = async {
        prepare(&stream)?;
        node.credentials
            .listen(&mut stream, |key| node.may_dial_us(key))
            .await
    };
    let result = timeout(node.limits.handshake_timeout, handshake).await;
    if !node.pending().remove(number) {
        return;
    }
    match result {
        Ok(Ok(established)) => {
            let Some(peer) = node.peer(&established.peer) else {
                return;
            };
            let endpoint = Endpoint {
                stream,
                address,
                dialled: false,
            };
            node.run_session(&peer, endpoint, established).await;
        }
        Ok(Err(HandshakeError::Refused(refusal))) => {
            tracing::debug!(%address, %refusal, "connection refused");
            node.refuse(refusal);
        }
        Ok(Err(error)) => tracing::debug!(%address, %error, "connection without a handshake"),
        Err(_) => node.refuse(Refusal::Timeout),
    }
}
