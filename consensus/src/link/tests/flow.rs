//! Order, priority, backpressure, and what a link that ends takes with it.

use super::*;

fn numbered(number: u32, length: usize) -> Bytes {
    let mut message = number.to_le_bytes().to_vec();
    message.resize(length.max(4), number as u8);
    Bytes::from(message)
}

fn number(message: &Bytes) -> u32 {
    u32::from_le_bytes(*message.first_chunk().unwrap())
}

/// Limits under which queues and windows of Blocks fill up quickly.
fn narrow_blocks() -> Limits {
    let mut limits = Limits::default();
    limits.channels[Channel::Blocks.index()] = ChannelLimits {
        queue_messages: 8,
        queue_bytes: 256 << 10,
        window_bytes: 128 << 10,
        message_bytes: 100 << 10,
    };
    limits
}

async fn pair(limits: Limits) -> (Node, Node) {
    let [a, b] = identities(2).try_into().unwrap();
    let nodes = [
        Node::start(&a, "127.0.0.1:0", limits.clone()).await,
        Node::start(&b, "127.0.0.1:0", limits).await,
    ];
    join(&nodes).await;
    let [a, b] = nodes;
    (a, b)
}

#[tokio::test]
async fn messages_of_every_length_arrive_whole_and_in_order() {
    let (a, mut b) = pair(Limits::default()).await;
    let lengths = [
        4,
        5,
        100,
        16_370,
        16_376,
        16_377,
        16_378,
        16_384,
        65_535,
        65_536,
        1 << 20,
        8 << 20,
    ];
    for (index, length) in lengths.iter().enumerate() {
        a.links
            .send(
                &b.key(),
                Channel::Forensics,
                numbered(index as u32, *length),
            )
            .unwrap();
    }
    a.links
        .send(&b.key(), Channel::Forensics, Bytes::new())
        .unwrap();
    for (index, length) in lengths.iter().enumerate() {
        let (_, message) = b.receive(Channel::Forensics).await;
        assert!(
            message == numbered(index as u32, *length),
            "of {length} bytes"
        );
    }
    assert_eq!(b.receive(Channel::Forensics).await.1, Bytes::new());
}

/// On one thread, so that nothing is sent before all is queued.
#[tokio::test]
async fn votes_overtake_a_large_block_that_was_queued_first() {
    let (a, mut b) = pair(Limits::default()).await;
    for block in 0..2 {
        a.links
            .send(&b.key(), Channel::Blocks, numbered(block, 4 << 20))
            .unwrap();
    }
    for vote in 0..500 {
        a.links
            .send(&b.key(), Channel::Consensus, numbered(vote, 200))
            .unwrap();
    }
    for vote in 0..500 {
        assert_eq!(number(&b.receive(Channel::Consensus).await.1), vote);
    }
    assert!(
        b.inbound.blocks.try_recv().is_none(),
        "a block came before the last vote"
    );
    assert_eq!(number(&b.receive(Channel::Blocks).await.1), 0);
    assert_eq!(number(&b.receive(Channel::Blocks).await.1), 1);
}

/// Ping-pong of votes while blocks stream: between two blocks many round trips fit, so a vote does not wait for a block.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn votes_pass_between_the_chunks_of_blocks() {
    let (a, mut b) = pair(Limits::default()).await;
    let (to, from) = (b.key(), a.key());
    const BLOCKS: u32 = 8;
    for block in 0..2 {
        a.links
            .send(&to, Channel::Blocks, numbered(block, 8 << 20))
            .unwrap();
    }
    let mut a_votes = a.inbound.consensus;
    let b_links = b.links.clone();
    let mut b_votes = b.inbound.consensus;
    let echo = tokio::spawn(async move {
        while let Some((_, vote)) = b_votes.recv().await {
            b_links.send(&from, Channel::Consensus, vote).unwrap();
        }
    });
    let links = a.links.clone();
    let rounds = tokio::spawn(async move {
        let mut rounds = 0_u32;
        while links
            .send(&to, Channel::Consensus, numbered(rounds, 200))
            .is_ok()
        {
            match a_votes.recv().await {
                Some((_, vote)) => assert_eq!(number(&vote), rounds),
                None => break,
            }
            rounds += 1;
        }
        rounds
    });
    for block in 0..BLOCKS {
        let (_, message) = within("a block", b.inbound.blocks.recv()).await.unwrap();
        assert_eq!(number(&message), block);
        if block + 2 < BLOCKS {
            a.links
                .send(&to, Channel::Blocks, numbered(block + 2, 8 << 20))
                .unwrap();
        }
    }
    a.links.shutdown().await;
    let rounds = within("the rounds end", rounds).await.unwrap();
    echo.abort();
    // If every vote waited for the block before it, there would be one round per block.
    assert!(
        rounds > 4 * BLOCKS,
        "{rounds} rounds during {BLOCKS} blocks of 8 MiB"
    );
}

#[tokio::test]
async fn blocks_that_are_not_read_stop_blocks_and_nothing_else() {
    let limits = narrow_blocks();
    let window = u64::from(limits.channel(Channel::Blocks).window_bytes);
    let (a, mut b) = pair(limits).await;
    let to = b.key();

    // Until the window at b and the queue at a are full.
    let mut taken = 0_u32;
    let mut votes = 0_u32;
    let full = loop {
        match a.links.send(&to, Channel::Blocks, numbered(taken, 10_000)) {
            Ok(()) => taken += 1,
            Err(full) => {
                // What is queued may still move; the vote makes us wait for a round of the link.
                a.links
                    .send(&to, Channel::Consensus, numbered(votes, 4))
                    .unwrap();
                assert_eq!(number(&b.receive(Channel::Consensus).await.1), votes);
                votes += 1;
                let status = a.links.status();
                if status.peer(&to).unwrap().channel(Channel::Blocks).queued == 8 && votes > 20 {
                    break full;
                }
            }
        }
    };
    assert_eq!(full.code(), "link.full");
    assert!(
        matches!(
            full,
            SendError::Full {
                channel: Channel::Blocks,
                messages: 8,
                bytes: 80_000,
                ..
            }
        ),
        "{full:?}"
    );
    let sent = a.links.broadcast(Channel::Blocks, numbered(0, 10_000));
    assert_eq!((sent.queued, sent.full), (0, 1));
    let status = a.links.status();
    let blocks = *status.peer(&to).unwrap().channel(Channel::Blocks);
    assert!(blocks.dropped_full >= 2, "{blocks:?}");

    let status = b.links.status();
    let unread = status
        .peer(&a.key())
        .unwrap()
        .channel(Channel::Blocks)
        .unread_bytes;
    assert!(
        (window / 2..=window).contains(&unread),
        "{unread} bytes wait in a window of {window}"
    );

    // All other channels still work, both ways.
    for channel in [
        Channel::Consensus,
        Channel::Transactions,
        Channel::Forensics,
    ] {
        for vote in 0..200 {
            a.links.send(&to, channel, numbered(vote, 5_000)).unwrap();
            assert_eq!(number(&b.receive(channel).await.1), vote);
        }
    }
    b.links
        .send(&a.key(), Channel::Blocks, numbered(9, 9))
        .unwrap();

    // Once b reads, every block that was taken arrives, in order.
    for block in 0..taken {
        assert_eq!(number(&b.receive(Channel::Blocks).await.1), block);
    }
    a.links
        .send(&to, Channel::Blocks, numbered(taken, 100_000))
        .unwrap();
    assert_eq!(number(&b.receive(Channel::Blocks).await.1), taken);
}

/// Every message is as large as the window allows, so that each needs the credit of the one before it, down to the byte.
#[tokio::test]
async fn messages_as_large_as_the_window_do_not_get_stuck() {
    let mut limits = narrow_blocks();
    let blocks = &mut limits.channels[Channel::Blocks.index()];
    blocks.message_bytes = blocks.window_bytes - 64;
    let largest = blocks.message_bytes as usize;
    let (a, mut b) = pair(limits).await;
    let lengths = [
        largest,
        1,
        largest,
        largest - 1,
        40_000,
        largest,
        4,
        4,
        largest,
    ];
    for round in 0..20 {
        for (index, length) in lengths.iter().enumerate() {
            let message = numbered(round + index as u32, *length);
            while let Err(error) = a.links.send(&b.key(), Channel::Blocks, message.clone()) {
                assert_eq!(error.code(), "link.full");
                tokio::task::yield_now().await;
            }
            if index % 3 == 2 {
                for _ in 0..3 {
                    b.receive(Channel::Blocks).await;
                }
            }
        }
    }
}

#[tokio::test]
async fn what_cannot_be_sent_is_said() {
    let [low, high, stranger] = identities(3).try_into().unwrap();
    let a = Node::start(&low, "127.0.0.1:0", narrow_blocks()).await;
    let b = Node::start(&high, "127.0.0.1:0", Limits::default()).await;
    let code = |key: &PeerKey, channel, length: usize| {
        let sent = a.links.send(key, channel, Bytes::from(vec![0; length]));
        sent.map_err(|error| error.code())
    };
    assert_eq!(
        code(&public(&stranger), Channel::Blocks, 1),
        Err("link.unknown_peer")
    );
    assert_eq!(code(&a.key(), Channel::Blocks, 1), Err("link.unknown_peer"));
    a.links
        .set_members(vec![a.member(), member(b.key(), &[])])
        .unwrap();
    assert_eq!(
        code(&b.key(), Channel::Blocks, 1),
        Err("link.not_connected")
    );
    assert_eq!(
        a.links
            .broadcast(Channel::Blocks, Bytes::new())
            .not_connected,
        1
    );
    join(&[a, b]).await;
}

#[tokio::test]
async fn both_sides_limits_hold_for_a_message() {
    let [low, high] = identities(2).try_into().unwrap();
    let nodes = [
        Node::start(&low, "127.0.0.1:0", narrow_blocks()).await,
        Node::start(&high, "127.0.0.1:0", Limits::default()).await,
    ];
    join(&nodes).await;
    for (from, to) in [(0, 1), (1, 0)] {
        let sent = nodes[from].links.send(
            &nodes[to].key(),
            Channel::Blocks,
            Bytes::from(vec![0; (100 << 10) + 1]),
        );
        assert_eq!(
            sent,
            Err(SendError::TooLarge {
                channel: Channel::Blocks,
                bytes: (100 << 10) + 1,
                limit: 100 << 10
            })
        );
    }
}

#[tokio::test]
async fn shutdown_sends_what_is_queued_and_says_goodbye() {
    let limits = Limits {
        close_timeout: Duration::from_secs(50),
        ..Limits::default()
    };
    let (a, mut b) = pair(limits).await;
    for index in 0..1000 {
        a.links
            .send(&b.key(), Channel::Transactions, numbered(index, 3_000))
            .unwrap();
    }
    // The other side talks all the while, so that there is something unread when a connection closes.
    let (talker, to) = (b.links.clone(), a.key());
    let talking = tokio::spawn(async move {
        while talker.connected() == [to] {
            let _ = talker.send(&to, Channel::Consensus, numbered(0, 10_000));
            tokio::task::yield_now().await;
        }
    });
    within("shutdown", a.links.shutdown()).await;
    assert_eq!(
        a.links
            .send(&b.key(), Channel::Consensus, Bytes::new())
            .unwrap_err()
            .code(),
        "link.not_connected"
    );
    assert_eq!(
        a.links.set_members(Vec::new()).unwrap_err().code(),
        "link.closed"
    );
    for index in 0..1000 {
        assert_eq!(number(&b.receive(Channel::Transactions).await.1), index);
    }
    b.wait("b hears the goodbye", |status| {
        status.peers[0].last_end == Some(LinkEnd::ClosedByPeer)
    })
    .await;
    let status = a.links.status();
    assert_eq!(status.peers[0].last_end, Some(LinkEnd::Shutdown));
    assert_eq!(
        status.peers[0].channel(Channel::Transactions).dropped_lost,
        0
    );
    within("the talker ends", talking).await.unwrap();
    let mut consensus = a.inbound.consensus;
    within("the receiver ends", async {
        while consensus.recv().await.is_some() {}
    })
    .await;
}

#[tokio::test]
async fn shutdown_does_not_wait_for_ever_for_a_peer_that_does_not_read() {
    let mut limits = narrow_blocks();
    limits.close_timeout = std::time::Duration::from_millis(200);
    let (a, b) = pair(limits).await;
    let mut taken = 0;
    while a
        .links
        .send(&b.key(), Channel::Blocks, numbered(taken, 90_000))
        .is_ok()
    {
        taken += 1;
        tokio::task::yield_now().await;
    }
    within("shutdown", a.links.shutdown()).await;
    let status = a.links.status();
    assert!(status.peers[0].channel(Channel::Blocks).dropped_lost > 0);
    b.wait("the link is gone", |status| status.connected() == 0)
        .await;
}

#[tokio::test]
async fn dropping_the_last_handle_ends_the_links() {
    let (a, b) = pair(Limits::default()).await;
    let kept = a.links.clone();
    drop(a.links);
    assert!(
        kept.send(&b.key(), Channel::Consensus, Bytes::new())
            .is_ok()
    );
    drop(kept);
    b.wait("the link ends", |status| status.connected() == 0)
        .await;
}

#[tokio::test]
async fn messages_of_a_dropped_receiver_do_not_stop_the_sender() {
    let (a, mut b) = pair(narrow_blocks()).await;
    let (_keep, blocks) = (b.inbound.forensics, b.inbound.blocks);
    drop(blocks);
    for index in 0..200 {
        while a
            .links
            .send(&b.links.key(), Channel::Blocks, numbered(index, 10_000))
            .is_err()
        {
            tokio::task::yield_now().await;
        }
    }
    a.links
        .send(&b.links.key(), Channel::Consensus, numbered(1, 4))
        .unwrap();
    within("the vote", b.inbound.consensus.recv())
        .await
        .unwrap();
}
