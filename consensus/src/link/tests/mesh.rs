//! What members get.

use super::*;

async fn everybody_hears_everybody(nodes: &mut [Node]) {
    for channel in Channel::ALL {
        for node in nodes.iter() {
            let message = Bytes::from(format!("{channel} of {:02x?}", node.key()));
            let sent = node.links.broadcast(channel, message);
            assert_eq!(sent.queued, nodes.len() - 1, "{sent:?}");
        }
    }
    let keys: Vec<_> = nodes.iter().map(Node::key).collect();
    for node in nodes {
        for channel in Channel::ALL {
            let mut heard = vec![node.key()];
            for _ in 1..keys.len() {
                let (sender, message) = node.receive(channel).await;
                assert_eq!(message, format!("{channel} of {sender:02x?}"));
                heard.push(sender);
            }
            heard.sort();
            assert_eq!(heard, keys, "one message from each on {channel}");
            assert!(node.receiver(channel).try_recv().is_none());
        }
    }
}

#[tokio::test]
async fn two_nodes_exchange_on_all_channels_over_ipv4_and_ipv6() {
    for listen in ["127.0.0.1:0", "[::1]:0"] {
        let mut nodes = mesh(2, listen).await;
        everybody_hears_everybody(&mut nodes).await;
    }
}

#[tokio::test]
async fn ipv4_and_ipv6_stand_side_by_side_on_one_port() {
    let [low, high] = identities(2).try_into().unwrap();
    let six = Node::start(&high, "[::]:0", Limits::default()).await;
    let port = six.links.local_addresses()[0].port();
    let four = Node::start(&low, &format!("0.0.0.0:{port}"), Limits::default()).await;
    six.links.set_members(vec![four.member()]).unwrap();
    let address = SocketAddr::new("::1".parse().unwrap(), port);
    four.links
        .set_members(vec![member(six.key(), &[address])])
        .unwrap();
    six.wait("linked over IPv6", |status| status.connected() == 1)
        .await;
}

#[tokio::test]
async fn nine_nodes_exchange_on_all_channels() {
    everybody_hears_everybody(&mut mesh(9, "127.0.0.1:0").await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_mesh_of_33_comes_up_with_one_link_per_pair() {
    let mut nodes = mesh(33, "127.0.0.1:0").await;
    everybody_hears_everybody(&mut nodes).await;
    for node in &nodes {
        for peer in node.links.status().peers {
            assert_eq!((peer.links, peer.connected), (1, true), "{peer:?}");
            assert_eq!(peer.we_dial, node.key() < peer.key);
        }
    }
}

#[tokio::test]
async fn a_restarted_peer_is_linked_again_whoever_dials() {
    for restarted in 0..2 {
        let identities = identities(2);
        let mut nodes = mesh(2, "127.0.0.1:0").await;
        let address = nodes[restarted].links.local_addresses()[0];
        let members: Vec<_> = nodes.iter().map(Node::member).collect();
        let old = nodes.remove(restarted);
        let stays = nodes.pop().unwrap();
        within("shutdown", old.links.shutdown()).await;
        drop(old);
        stays
            .wait("the link is missed", |status| status.connected() == 0)
            .await;

        let config = LinkConfig {
            identity: identities[restarted],
            network: NETWORK,
            listen: vec![address],
            members,
            limits: Limits::default(),
        };
        let again = Node::start_with(config).await;
        let mut both = [stays, again];
        for node in &both {
            node.wait("linked again", |status| status.connected() == 1)
                .await;
        }
        both.sort_by_key(Node::key);
        everybody_hears_everybody(&mut both).await;
    }
}

#[tokio::test]
async fn a_removed_member_is_closed_and_may_come_back() {
    let mut nodes = mesh(3, "127.0.0.1:0").await;
    let members: Vec<_> = nodes.iter().map(Node::member).collect();
    let gone = members[1].key;
    // Its links are dialled by the one (0) and accepted by the other (2).
    for index in [0, 2] {
        let rest = members.iter().filter(|member| member.key != gone).cloned();
        nodes[index].links.set_members(rest.collect()).unwrap();
    }
    nodes[1]
        .wait("both links are closed by the peers", |status| {
            status.connected() == 0
                && status
                    .peers
                    .iter()
                    .all(|peer| peer.last_end == Some(LinkEnd::ClosedByPeer))
        })
        .await;
    nodes[1]
        .wait("it learns why it may not dial", |status| {
            let peer = status.peer(&members[2].key).unwrap();
            peer.last_dial_error
                .as_ref()
                .is_some_and(|why| why.contains("not in the member list"))
        })
        .await;
    assert!(nodes[2].links.status().refused(Refusal::NotMember) >= 1);
    assert_eq!(
        nodes[0].links.status().connected(),
        1,
        "the others stay linked"
    );
    assert_eq!(nodes[0].links.status().peers[0].links, 1);
    let refused = nodes[0].links.send(&gone, Channel::Consensus, Bytes::new());
    assert_eq!(refused.unwrap_err().code(), "link.unknown_peer");

    join(&nodes).await;
    everybody_hears_everybody(&mut nodes).await;
}

/// A port on which nobody listens.
async fn dead_port() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

#[tokio::test]
async fn addresses_are_tried_in_turn_and_new_ones_at_once() {
    let [low, high] = identities(2).try_into().unwrap();
    let limits = Limits {
        // So long that only the change of addresses can be what makes it dial.
        redial_min: Duration::from_secs(3600),
        redial_max: Duration::from_secs(3600),
        ..Limits::default()
    };
    let a = Node::start(&low, "127.0.0.1:0", limits.clone()).await;
    let b = Node::start(&high, "127.0.0.1:0", limits).await;
    b.links.set_members(vec![member(a.key(), &[])]).unwrap();
    let dead = dead_port().await;
    let alive = b.links.local_addresses()[0];

    a.links.set_members(vec![member(b.key(), &[dead])]).unwrap();
    a.wait("the dial fails", |status| {
        status.peers[0].last_dial_error.is_some()
    })
    .await;
    a.links
        .set_members(vec![member(b.key(), &[dead, alive])])
        .unwrap();
    a.wait("linked by the second address", |status| {
        status.peers[0].address == Some(alive)
    })
    .await;
}

#[tokio::test]
async fn nonsense_in_the_configuration_is_refused() {
    let identity = identities(1)[0];
    let good = LinkConfig {
        identity,
        network: NETWORK,
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        members: Vec::new(),
        limits: Limits::default(),
    };
    assert!(!format!("{good:?}").contains("SigningKey"), "{good:?}");
    let check = async |code: &str, change: &dyn Fn(&mut LinkConfig)| {
        let mut config = good.clone();
        change(&mut config);
        assert_eq!(Links::start(config).await.unwrap_err().code(), code);
    };
    check("link.no_listen_address", &|config| config.listen.clear()).await;
    check("link.listen", &|config| {
        config.listen = vec!["203.0.113.1:1".parse().unwrap()]
    })
    .await;
    check("link.invalid_key", &|config| {
        // About every second number is no point of the curve.
        let mut numbers = (0..).map(|number| [number; 32]);
        let no_key = numbers.find(|key| VerificationKey::try_from(*key).is_err());
        config.members = vec![member(no_key.unwrap(), &[])];
    })
    .await;
    check("link.duplicate_member", &|config| {
        config.members = vec![member(public(&identity), &[]); 2];
    })
    .await;
    check("link.limits", &|config| {
        config.limits.channels[0].window_bytes -= 1
    })
    .await;
    check("link.limits", &|config| {
        config.limits.channels[1].queue_bytes = 1
    })
    .await;
    check("link.limits", &|config| {
        config.limits.channels[2].queue_messages = 0
    })
    .await;
    check("link.limits", &|config| {
        config.limits.idle_timeout = config.limits.heartbeat
    })
    .await;
    check("link.limits", &|config| {
        config.limits.redial_min = Duration::ZERO
    })
    .await;
    check("link.limits", &|config| {
        config.limits.pending_handshakes = 0
    })
    .await;
    let twice = Links::start(good.clone()).await.unwrap();
    check("link.listen", &|config| {
        config.listen = twice.0.local_addresses().to_vec()
    })
    .await;
}
