//! What strangers and faulty members achieve.

use snow::TransportState;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::*;
use crate::link::{
    frame::{Frame, Frames, RECORD_PLAIN_MAX},
    handshake::{Credentials, HandshakeError},
};

/// A member that speaks the protocol by hand.
struct Raw {
    stream: TcpStream,
    noise: TransportState,
}

impl Raw {
    async fn dial(
        identity: &SigningKey,
        network: [u8; 32],
        to: &Node,
    ) -> Result<Raw, HandshakeError> {
        let limits = Limits::default()
            .channels
            .map(|channel| channel.message_bytes);
        let credentials = Credentials::new(*identity, network, limits).unwrap();
        let mut stream = TcpStream::connect(to.links.local_addresses()[0]).await?;
        let dialling = credentials.dial(&mut stream, to.key());
        let noise = within("the handshake ends", dialling).await?.noise;
        Ok(Raw { stream, noise })
    }

    async fn write(&mut self, plain: &[u8]) {
        let mut record = vec![0; plain.len() + 16];
        self.noise.write_message(plain, &mut record).unwrap();
        self.stream.write_u16_le(record.len() as u16).await.unwrap();
        self.stream.write_all(&record).await.unwrap();
    }

    async fn write_frame(&mut self, frame: Frame<'_>) {
        let mut plain = Vec::new();
        frame.write(&mut plain);
        self.write(&plain).await;
    }

    /// The plaintext of the next record; `None` once the other side has hung up.
    async fn read(&mut self) -> Option<Vec<u8>> {
        let length = self.stream.read_u16_le().await.ok()?;
        let mut record = vec![0; usize::from(length)];
        self.stream.read_exact(&mut record).await.ok()?;
        let mut plain = vec![0; record.len()];
        let length = self.noise.read_message(&record, &mut plain).unwrap();
        plain.truncate(length);
        Some(plain)
    }

    async fn hung_up(&mut self) {
        within("the other side hangs up", async {
            while self.read().await.is_some() {}
        })
        .await;
    }
}

/// A node that lists one member with a lower key, which the test plays by hand.
async fn host(limits: Limits) -> (SigningKey, Node) {
    let [low, high] = identities(2).try_into().unwrap();
    let node = Node::start(&high, "127.0.0.1:0", limits).await;
    node.links
        .set_members(vec![member(public(&low), &[])])
        .unwrap();
    (low, node)
}

fn refusal(result: Result<Raw, HandshakeError>) -> String {
    match result {
        Ok(_) => "none".into(),
        Err(HandshakeError::Refused(refusal)) => format!("we: {}", refusal.code()),
        Err(HandshakeError::RefusedByPeer(refusal)) => format!("peer: {}", refusal.code()),
        Err(HandshakeError::Io(error)) => format!("connection: {}", error.kind()),
    }
}

#[tokio::test]
async fn who_is_not_listed_or_not_ours_gets_no_link() {
    let identities = identities(3);
    let node = Node::start(&identities[1], "127.0.0.1:0", Limits::default()).await;
    let lower_and_higher = [0, 2].map(|index: usize| member(public(&identities[index]), &[]));
    node.links.set_members(lower_and_higher.to_vec()).unwrap();
    let stranger = SigningKey::from([99; 32]);

    let dial = async |identity, network| refusal(Raw::dial(identity, network, &node).await);
    assert_eq!(dial(&stranger, NETWORK).await, "peer: link.not_member");
    assert_eq!(
        dial(&identities[0], [8; 32]).await,
        "we: link.wrong_network"
    );
    assert_eq!(
        dial(&identities[2], NETWORK).await,
        "peer: link.wrong_direction"
    );
    assert_eq!(
        dial(&identities[1], NETWORK).await,
        "peer: link.not_member",
        "its own key"
    );
    node.wait("all four are counted", |status| {
        status.refused(Refusal::NotMember) == 2
            && status.refused(Refusal::WrongNetwork) == 1
            && status.refused(Refusal::WrongDirection) == 1
    })
    .await;
    assert!(node.links.status().peers.iter().all(|peer| peer.links == 0));
    assert_eq!(dial(&identities[0], NETWORK).await, "none");
}

#[tokio::test]
async fn nodes_of_two_circles_do_not_link() {
    let [low, high] = identities(2).try_into().unwrap();
    let a = Node::start(&low, "127.0.0.1:0", Limits::default()).await;
    let b = Node::start_with(LinkConfig {
        identity: high,
        network: [8; 32],
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        members: vec![a.member()],
        limits: Limits::default(),
    })
    .await;
    a.links.set_members(vec![b.member()]).unwrap();
    a.wait("a knows why", |status| {
        let why = status.peers[0].last_dial_error.as_deref();
        status.refused(Refusal::WrongNetwork) > 0
            && why.is_some_and(|why| why.contains("another circle"))
    })
    .await;
    b.wait("b knows why", |status| {
        status.refused(Refusal::WrongNetwork) > 0
    })
    .await;
    assert_eq!(a.links.connected(), Vec::<PeerKey>::new());
    assert_eq!(b.links.connected(), Vec::<PeerKey>::new());
}

#[tokio::test]
async fn a_second_link_of_the_same_member_takes_the_place_of_the_first() {
    // No heartbeat comes to the help of a first link that is not told.
    let limits = Limits {
        heartbeat: Duration::from_secs(3600),
        idle_timeout: Duration::from_secs(7200),
        ..Limits::default()
    };
    let (low, mut node) = host(limits).await;
    let mut first = Raw::dial(&low, NETWORK, &node).await.unwrap();
    node.wait("the first stands", |status| status.peers[0].links == 1)
        .await;
    let mut second = Raw::dial(&low, NETWORK, &node).await.unwrap();
    first.hung_up().await;
    node.wait("only the second stands", |status| {
        let peer = &status.peers[0];
        peer.connected && peer.links == 2 && peer.last_end == Some(LinkEnd::Replaced)
    })
    .await;
    let channel = Channel::Consensus;
    second.read().await.expect("credit comes first");
    second
        .write_frame(Frame::Begin {
            channel,
            total: 2,
            bytes: b"hi",
        })
        .await;
    assert_eq!(
        node.receive(channel).await,
        (public(&low), Bytes::from_static(b"hi"))
    );
}

#[tokio::test]
async fn a_member_that_breaks_the_protocol_loses_its_link() {
    let mut limits = Limits::default();
    limits.channels[Channel::Blocks.index()] = ChannelLimits {
        queue_messages: 8,
        queue_bytes: 1 << 20,
        window_bytes: 64 << 10,
        message_bytes: 20 << 10,
    };
    let (low, node) = host(limits).await;
    let mut links = 0;
    let mut check = async |expected: LinkEnd, records: &[&[u8]]| {
        let mut raw = Raw::dial(&low, NETWORK, &node).await.unwrap();
        raw.read().await.expect("credit comes first");
        for record in records {
            raw.write(record).await;
        }
        raw.hung_up().await;
        links += 1;
        node.wait("the link ended", |status| {
            status.peers[0].links == links && !status.peers[0].connected
        })
        .await;
        assert_eq!(node.links.status().peers[0].last_end, Some(expected));
    };
    let violation = LinkEnd::Violation;
    check(
        violation("a chunk continues no message"),
        &[&[0x20, 1, 0, 9]],
    )
    .await;
    check(violation("a frame of unknown kind"), &[&[0x77]]).await;
    check(
        violation("a message is longer than we said we take"),
        &[&[0x12, 0, 0, 1, 0, 1, 0, 9]],
    )
    .await;
    check(
        violation("a message begins before the last one ended"),
        &[&[0x12, 2, 0, 0, 0, 1, 0, 9], &[0x12, 2, 0, 0, 0, 1, 0, 9]],
    )
    .await;
    let grant = [0x30, 0xff, 0xff, 0xff, 0xff];
    check(violation("credit beyond all bounds"), &[&grant, &grant]).await;
    check(LinkEnd::Tampered, &[&vec![0x40; RECORD_PLAIN_MAX + 1]]).await;
    check(LinkEnd::Tampered, &[&[]]).await;
    check(LinkEnd::ClosedByPeer, &[&[0x50, 0]]).await;

    // Nobody reads Blocks here. 64 KiB of credit hold seven messages of 9,000 bytes, not eight.
    let mut message = vec![0x12, 0x28, 0x23, 0, 0, 0x28, 0x23];
    message.resize(7 + 9000, 1);
    check(
        violation("more bytes than we gave credit for"),
        &[&message[..]; 8],
    )
    .await;
    // Ending and beginning again gains no further window.
    check(
        violation("more bytes than we gave credit for"),
        &[&message[..]; 1],
    )
    .await;
    let status = node.links.status();
    assert_eq!(status.peers[0].channel(Channel::Blocks).received, 7);
}

#[tokio::test]
async fn a_silent_link_is_pinged_and_then_given_up() {
    let limits = Limits {
        heartbeat: Duration::from_millis(200),
        idle_timeout: Duration::from_millis(1500),
        ..Limits::default()
    };
    let (low, node) = host(limits).await;
    let mut raw = Raw::dial(&low, NETWORK, &node).await.unwrap();
    let mut pings = 0;
    while let Some(plain) = within("pings", raw.read()).await {
        pings += Frames(&plain)
            .filter(|frame| *frame == Ok(Frame::Ping))
            .count();
    }
    assert!(pings >= 1);
    node.wait("given up", |status| {
        status.peers[0].last_end == Some(LinkEnd::Idle)
    })
    .await;

    // A peer that answers with pings alone is kept: it outlives several idle times.
    let mut raw = Raw::dial(&low, NETWORK, &node).await.unwrap();
    let mut pings = 0;
    while pings < 20 {
        let plain = within("a ping", raw.read()).await.expect("the link stands");
        pings += Frames(&plain)
            .filter(|frame| *frame == Ok(Frame::Ping))
            .count();
        raw.write_frame(Frame::Ping).await;
    }
}

#[tokio::test]
async fn garbage_does_no_harm() {
    let limits = Limits {
        handshake_timeout: Duration::from_secs(1),
        ..Limits::default()
    };
    let (low, mut node) = host(limits).await;
    let mut member = Raw::dial(&low, NETWORK, &node).await.unwrap();
    member.read().await.expect("credit comes first");

    let mut random = vec![0_u8; 100_000];
    rand::RngCore::fill_bytes(&mut rand::thread_rng(), &mut random);
    random[0] = b'x';
    let (zero_length, long_message) = {
        // A true preamble, then a message longer than any of the handshake.
        let credentials = Credentials::new(low, NETWORK, [0; 4]).unwrap();
        let (mut ours, mut theirs) = tokio::io::duplex(1024);
        let dialling =
            tokio::spawn(async move { credentials.dial(&mut ours, [0; 32]).await.is_ok() });
        let mut start = [0; 50];
        theirs.read_exact(&mut start).await.unwrap();
        drop(theirs);
        assert!(!dialling.await.unwrap());
        let preamble = start[..16].to_vec();
        (
            [&preamble[..], &[0, 0]].concat(),
            [&preamble[..], &[0xff; 2000]].concat(),
        )
    };
    let http = b"GET / HTTP/1.1\r\nHost: guardian\r\n\r\n".to_vec();
    let version = b"GCLINK\x63\x0012345678".to_vec();
    for (bytes, refusal) in [
        (random, Refusal::Garbage),
        (http, Refusal::Garbage),
        (long_message, Refusal::Garbage),
        (version, Refusal::WrongVersion),
        (zero_length, Refusal::BadHandshake),
        (b"GCL".to_vec(), Refusal::Timeout),
        (Vec::new(), Refusal::Timeout),
    ] {
        let before = node.links.status().refused(refusal);
        let mut stream = TcpStream::connect(node.links.local_addresses()[0])
            .await
            .unwrap();
        // The node may hang up while we still write.
        let _ = stream.write_all(&bytes).await;
        node.wait("it is refused", |status| {
            status.refused(refusal) == before + 1
        })
        .await;
        let mut rest = Vec::new();
        let _ = within("the node hangs up", stream.read_to_end(&mut rest)).await;
    }
    node.wait("nothing is left of them", |status| {
        status.pending_handshakes == 0
    })
    .await;
    assert_eq!(node.links.status().peers[0].links, 1);
    let channel = Channel::Consensus;
    member
        .write_frame(Frame::Begin {
            channel,
            total: 2,
            bytes: b"hi",
        })
        .await;
    node.receive(channel).await;
}

#[tokio::test]
async fn a_crowd_of_silent_connections_does_not_keep_a_member_out() {
    let limits = Limits {
        pending_handshakes: 4,
        ..Limits::default()
    };
    let (low, node) = host(limits).await;
    let mut crowd = Vec::new();
    for _ in 0..20 {
        crowd.push(
            TcpStream::connect(node.links.local_addresses()[0])
                .await
                .unwrap(),
        );
    }
    node.wait("the oldest make room", |status| {
        status.refused(Refusal::Crowded) == 16 && status.pending_handshakes == 4
    })
    .await;
    Raw::dial(&low, NETWORK, &node).await.unwrap();
    within("shutdown does not wait for them", node.links.shutdown()).await;
    assert_eq!(node.links.status().pending_handshakes, 0);
}

#[tokio::test]
async fn an_address_that_connects_too_often_is_turned_away() {
    let limits = Limits {
        accept_burst: 3,
        accept_per_second: 1,
        ..Limits::default()
    };
    let (_, node) = host(limits).await;
    let mut crowd = Vec::new();
    for _ in 0..10 {
        crowd.push(
            TcpStream::connect(node.links.local_addresses()[0])
                .await
                .unwrap(),
        );
    }
    // At one per second, ten connections within a minute cannot all have been earned.
    node.wait("turned away", |status| {
        status.refused(Refusal::AddressRate) >= 1
    })
    .await;
    let mut rest = Vec::new();
    let _ = within("hung up", crowd[9].read_to_end(&mut rest)).await;
    assert!(rest.is_empty());
}

#[tokio::test]
async fn a_removed_member_that_does_not_read_is_closed_all_the_same() {
    // Neither its silence nor the end of our patience is what ends the link here.
    let limits = Limits {
        heartbeat: Duration::from_secs(3600),
        idle_timeout: Duration::from_secs(7200),
        ..Limits::default()
    };
    let (low, node) = host(limits).await;
    let mut raw = Raw::dial(&low, NETWORK, &node).await.unwrap();
    let channel = Channel::Blocks;
    let amount = 64 << 20;
    raw.write_frame(Frame::Credit { channel, amount }).await;
    let block = Bytes::from(vec![0; 8 << 20]);
    within("the connection is full", async {
        // One block under way and two queued are more than the kernel takes for a connection.
        let mut taken = 0;
        while taken < 3 {
            match node.links.send(&public(&low), channel, block.clone()) {
                Ok(()) => taken += 1,
                Err(_) => tokio::task::yield_now().await,
            }
        }
        let (mut sent, mut unchanged) = (0, 0);
        // The kernel takes its time. If it is not done yet, the test proves less, but does not fail.
        while unchanged < 200_000 {
            tokio::task::yield_now().await;
            let now = node.links.status().peers[0].wire_sent;
            unchanged = if now == sent { unchanged + 1 } else { 0 };
            sent = now;
        }
        assert!((1 << 16..16 << 20).contains(&sent), "{sent} bytes sent");
    })
    .await;
    node.links.set_members(Vec::new()).unwrap();
    within("its task ends", node.links.shutdown()).await;
}
