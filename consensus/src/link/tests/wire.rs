//! What a wire in foreign hands achieves.

use std::sync::Arc;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};

use super::*;
use crate::link::handshake::Credentials;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Wire {
    Honest,
    /// Changes one bit of what comes next from the dialler, then is honest again.
    Flip,
    /// Passes nothing.
    Cut,
}

/// A wire between a dialler and `to`, in our hands.
async fn wire(to: SocketAddr) -> (SocketAddr, watch::Sender<Wire>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let control = watch::Sender::new(Wire::Honest);
    let hands = control.clone();
    tokio::spawn(async move {
        while let Ok((dialler, _)) = listener.accept().await {
            let Ok(listener) = TcpStream::connect(to).await else {
                continue;
            };
            let (from_dialler, to_dialler) = dialler.into_split();
            let (from_listener, to_listener) = listener.into_split();
            tokio::spawn(pump(from_dialler, to_listener, hands.clone(), true));
            tokio::spawn(pump(from_listener, to_dialler, hands.clone(), false));
        }
    });
    (address, control)
}

async fn pump(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    hands: watch::Sender<Wire>,
    from_dialler: bool,
) {
    let mut bytes = [0; 4096];
    while let Ok(length @ 1..) = from.read(&mut bytes).await {
        let _ = hands.subscribe().wait_for(|wire| *wire != Wire::Cut).await;
        if from_dialler && *hands.borrow() == Wire::Flip {
            hands.send_replace(Wire::Honest);
            bytes[length / 2] ^= 4;
        }
        if to.write_all(&bytes[..length]).await.is_err() {
            return;
        }
    }
}

async fn pair_over_wire(limits: Limits) -> (Node, Node, watch::Sender<Wire>) {
    let [low, high] = identities(2).try_into().unwrap();
    let a = Node::start(&low, "127.0.0.1:0", limits.clone()).await;
    let b = Node::start(&high, "127.0.0.1:0", limits).await;
    let (address, control) = wire(b.links.local_addresses()[0]).await;
    b.links.set_members(vec![member(a.key(), &[])]).unwrap();
    a.links
        .set_members(vec![member(b.key(), &[address])])
        .unwrap();
    for node in [&a, &b] {
        node.wait("linked over the wire", |status| status.connected() == 1)
            .await;
    }
    (a, b, control)
}

#[tokio::test]
async fn a_changed_bit_ends_the_link_and_is_never_delivered() {
    let (a, mut b, wire) = pair_over_wire(Limits::default()).await;
    let send = |text: &'static str| {
        a.links.send(
            &b.links.key(),
            Channel::Consensus,
            Bytes::from_static(text.as_bytes()),
        )
    };
    send("before").unwrap();
    assert_eq!(
        within("it arrives", b.inbound.consensus.recv())
            .await
            .unwrap()
            .1,
        "before"
    );

    wire.send_replace(Wire::Flip);
    send("changed on the way").unwrap();
    b.wait("b notices", |status| {
        status.peers[0].last_end == Some(LinkEnd::Tampered)
    })
    .await;
    a.wait("they link again", |status| {
        status.connected() == 1 && status.peers[0].links == 2
    })
    .await;
    b.wait("they link again", |status| {
        status.connected() == 1 && status.peers[0].links == 2
    })
    .await;
    send("after").unwrap();
    assert_eq!(
        within("it arrives", b.inbound.consensus.recv())
            .await
            .unwrap()
            .1,
        "after"
    );
}

#[tokio::test]
async fn a_cut_wire_is_noticed_by_both_and_mended() {
    let limits = Limits {
        heartbeat: Duration::from_millis(100),
        idle_timeout: Duration::from_millis(500),
        handshake_timeout: Duration::from_millis(500),
        ..Limits::default()
    };
    let (a, b, wire) = pair_over_wire(limits).await;
    wire.send_replace(Wire::Cut);
    for node in [&a, &b] {
        node.wait("the link is given up", |status| status.connected() == 0)
            .await;
    }
    assert_eq!(a.links.status().peers[0].last_end, Some(LinkEnd::Idle));
    wire.send_replace(Wire::Honest);
    for node in [&a, &b] {
        node.wait("linked again", |status| status.connected() == 1)
            .await;
    }
}

/// Runs both sides of a handshake over memory, and changes one bit on the way. How it ended for the dialler and the listener, and how many
/// bytes went each way.
async fn handshake_with_flip(flip: Option<(usize, usize)>) -> ([bool; 2], [usize; 2]) {
    let [low, high] = identities(2).try_into().unwrap();
    let [dialler, listener] = [low, high]
        .map(|identity: SigningKey| Arc::new(Credentials::new(identity, NETWORK, [1; 4]).unwrap()));
    let (mut at_dialler, wire_to_dialler) = tokio::io::duplex(4096);
    let (mut at_listener, wire_to_listener) = tokio::io::duplex(4096);
    let expected = listener.key;
    let dialling =
        tokio::spawn(async move { dialler.dial(&mut at_dialler, expected).await.is_ok() });
    let listening =
        tokio::spawn(async move { listener.listen(&mut at_listener, |_| Ok(())).await.is_ok() });
    let (from_dialler, to_dialler) = tokio::io::split(wire_to_dialler);
    let (from_listener, to_listener) = tokio::io::split(wire_to_listener);
    let pass = |direction, mut from: tokio::io::ReadHalf<_>, mut to: tokio::io::WriteHalf<_>| {
        tokio::spawn(async move {
            let mut passed = 0;
            while let Ok(byte) = AsyncReadExt::read_u8(&mut from).await {
                // The highest bit that is set, or the lowest: a length becomes shorter or far too long, and nobody waits for bytes that
                // never come. (Who does is ended by the time-out of handshakes.)
                let bit = 0x80_u8.checked_shr(byte.leading_zeros()).unwrap_or(1);
                let changed = if flip == Some((direction, passed)) {
                    bit
                } else {
                    0
                };
                if AsyncWriteExt::write_u8(&mut to, byte ^ changed)
                    .await
                    .is_err()
                {
                    break;
                }
                passed += 1;
            }
            let _ = to.shutdown().await;
            passed
        })
    };
    let there = pass(0, from_dialler, to_listener);
    let back = pass(1, from_listener, to_dialler);
    within("both sides end", async {
        let results = [dialling.await.unwrap(), listening.await.unwrap()];
        (results, [there.await.unwrap(), back.await.unwrap()])
    })
    .await
}

#[tokio::test]
async fn no_bit_of_a_handshake_can_be_changed() {
    let (results, lengths) = handshake_with_flip(None).await;
    assert_eq!(results, [true, true]);
    assert_eq!(lengths, [246, 245]);
    for offset in 0..lengths[0] {
        let (results, _) = handshake_with_flip(Some((0, offset))).await;
        assert_eq!(results, [false, false], "byte {offset} from the dialler");
    }
    // The listener is done when it has sent its answer, the last 131 bytes; the dialler never is.
    for offset in 0..lengths[1] {
        let (results, _) = handshake_with_flip(Some((1, offset))).await;
        let answered = offset >= 245 - 131;
        assert_eq!(
            results,
            [false, answered],
            "byte {offset} from the listener"
        );
    }
}
