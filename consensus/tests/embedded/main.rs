//! Embedded engines over real links on loopback.

mod circle;
mod process;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use circle::{
    Circle, Execute, Node, accept_all, all_order, assert_same_log, ordered, transactions,
};
use consensus::block::Block;
use consensus::embedded::{Check, Config, Embedded, StartError};
use consensus::log::{Member, OrderedLog};

async fn order_what_each_submits(count: usize, each: usize) {
    let circle = Circle::new(count);
    let mut nodes = circle.start_all().await;
    let mut all = Vec::new();
    for (index, node) in nodes.iter().enumerate() {
        let own = transactions(&format!("from {index}"), each);
        node.submit_all(&own).await;
        all.extend(own);
    }
    all_order(&mut nodes, &all).await;
    let mut ordered = ordered(&nodes[0].blocks());
    ordered.sort();
    all.sort();
    assert_eq!(ordered, all, "each transaction is ordered once");
}

#[tokio::test(flavor = "multi_thread")]
async fn four_members_order_what_each_of_them_submits() {
    order_what_each_submits(4, 25).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nine_members_order_what_each_of_them_submits() {
    order_what_each_submits(9, 25).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_was_away_gets_the_blocks_it_missed() {
    let circle = Circle::new(4);
    let mut nodes = circle.start_all().await;
    let (before, while_away, after) = (
        transactions("a", 10),
        transactions("b", 10),
        transactions("c", 10),
    );
    nodes[0].submit_all(&before).await;
    all_order(&mut nodes, &before).await;

    let away = nodes.pop().expect("four nodes").stop().await;
    let executed = away.last().expect("it saw blocks").height;
    nodes[1].submit_all(&while_away).await;
    all_order(&mut nodes, &while_away).await;
    nodes[0].until_height(executed + 10).await;

    nodes.push(circle.start(3, executed).await);
    nodes[2].submit_all(&after).await;
    all_order(&mut nodes, &after).await;
    let back = nodes[3].blocks();
    assert_eq!(
        back[0].height,
        executed + 1,
        "it goes on where the application was"
    );
    assert!(
        while_away
            .iter()
            .all(|transaction| ordered(&back).contains(transaction))
    );
    assert_same_log(&[away, back, nodes[0].blocks()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn members_killed_at_any_time_go_on_with_the_same_log() {
    let circle = Circle::new(4);
    let mut nodes = circle.start_all().await;
    let mut logs: Vec<Vec<Block>> = Vec::new();
    for turn in 0..4 {
        let name = format!("turn {turn}");
        let burst = transactions(&name, 20);
        nodes[turn % 4].submit_all(&burst).await;
        if turn == 3 {
            // All at once, in the middle of what they do: each must come back with its vote of before.
            let mut killed = Vec::new();
            for node in nodes {
                let executed = node.height();
                logs.push(node.kill().await);
                killed.push(executed);
            }
            nodes = Vec::new();
            for (index, executed) in killed.into_iter().enumerate() {
                nodes.push(circle.start(index, executed).await);
            }
        } else {
            let killed = nodes.remove(turn + 1);
            let executed = killed.height();
            logs.push(killed.kill().await);
            nodes.insert(turn + 1, circle.start(turn + 1, executed).await);
            all_order_except(&mut nodes, &burst, &logs).await;
        }
    }
    let last = transactions("last", 10);
    nodes[0].submit_all(&last).await;
    for node in &mut nodes {
        node.until_ordered(&last).await;
        logs.push(node.blocks());
    }
    assert_same_log(&logs);
}

/// Like [`all_order`], where a restarted node may have seen some of the transactions in its run before.
async fn all_order_except(nodes: &mut [Node], transactions: &[Vec<u8>], before: &[Vec<Block>]) {
    let earlier: HashSet<Vec<u8>> = before.iter().flat_map(|log| ordered(log)).collect();
    let rest: Vec<Vec<u8>> = transactions
        .iter()
        .filter(|transaction| !earlier.contains(*transaction))
        .cloned()
        .collect();
    for node in nodes.iter_mut() {
        node.until_ordered(&rest).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nine_go_on_without_two_halt_without_three_and_resume_with_the_third() {
    let circle = Circle::new(9);
    let mut nodes = circle.start_all().await;
    let all = transactions("all nine", 5);
    nodes[0].submit_all(&all).await;
    all_order(&mut nodes, &all).await;

    let (mut away, mut logs) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        let gone = nodes.pop().expect("a node").stop().await;
        away.push(gone.last().expect("it saw blocks").height);
        logs.push(gone);
    }
    let seven = transactions("seven", 5);
    nodes[1].submit_all(&seven).await;
    all_order(&mut nodes, &seven).await;

    let gone = nodes.pop().expect("a node").stop().await;
    away.push(gone.last().expect("it saw blocks").height);
    logs.push(gone);
    let six = transactions("six", 5);
    nodes[2].submit_all(&six).await;
    // A block that was on its way may still be decided; then there are none, for longer than an idle circle waits.
    let quiet = 10 * circle.timeouts.idle_block_interval;
    let mut last = 0;
    for _ in 0..3 {
        let moved = nodes[0]
            .seen
            .wait_for(|seen| seen.blocks.last().is_some_and(|block| block.height > last));
        if tokio::time::timeout(quiet, moved).await.is_err() {
            break;
        }
        last = nodes[0].height();
    }
    let moved = nodes[0]
        .seen
        .wait_for(|seen| seen.blocks.last().is_some_and(|block| block.height > last));
    assert!(
        tokio::time::timeout(quiet, moved).await.is_err(),
        "six of nine must not decide"
    );
    let status = nodes[0].log.status();
    let missing: Vec<[u8; 32]> = status
        .peers
        .iter()
        .filter(|peer| !peer.connected)
        .map(|peer| peer.key)
        .collect();
    let mut expected: Vec<[u8; 32]> = circle.members[6..]
        .iter()
        .map(|member| member.key)
        .collect();
    expected.sort();
    assert_eq!(missing, expected, "the status names who is away");
    assert_eq!(status.failure, None);

    nodes.push(circle.start(6, away[2]).await);
    all_order(&mut nodes, &six).await;
    logs.extend(nodes.iter().map(Node::blocks));
    assert_same_log(&logs);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_replayed_after_the_height_the_application_has() {
    let circle = Circle::new(4);
    let mut nodes = circle.start_all().await;
    let some = transactions("some", 30);
    nodes[0].submit_all(&some).await;
    all_order(&mut nodes, &some).await;
    nodes[0].until_height(8).await;
    let before = nodes.remove(0).stop().await;

    let mut again = circle.start(0, 0).await;
    again
        .until_height(before.last().expect("blocks").height)
        .await;
    assert_eq!(again.blocks()[..before.len()], before[..], "from genesis");
    assert_eq!(
        again.log.block(5).expect("readable"),
        Some(before[4].clone())
    );
    again.stop().await;

    let mut later = circle.start(0, 5).await;
    later.until_height(8).await;
    assert_eq!(later.blocks()[..3], before[5..8], "from the height after");
    later.stop().await;

    let ahead = Embedded::start(circle.config(0, 1_000_000), accept_all()).await;
    assert!(matches!(
        ahead.err(),
        Some(StartError::StoreBehind {
            start_after: 1_000_000,
            ..
        })
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_joins_and_another_leaves_at_the_height_that_was_fixed() {
    // Members 0 to 3 begin; when they execute the order to change, member 4 takes the place of member 0.
    let circle = Circle::new(5);
    let first: Vec<Member> = circle.members[..4].to_vec();
    let second: Vec<Member> = circle.members[1..].to_vec();
    let execute = |second: Vec<Member>| -> Execute {
        Box::new(move |log, block| {
            if block
                .transactions
                .iter()
                .any(|transaction| transaction == b"change")
            {
                log.change_members(block.height + 2, second.clone())
                    .expect("in time");
                let late = log.change_members(block.height, second.clone());
                assert_eq!(late.expect_err("too late").code(), "too_late");
            }
        })
    };
    let mut nodes = Vec::new();
    for index in 0..5 {
        let config = Config {
            members: first.clone(),
            ..circle.config(index, 0)
        };
        nodes.push(
            circle
                .start_with(config, accept_all(), execute(second.clone()))
                .await,
        );
    }
    nodes[1].submit_all(&[b"change".to_vec()]).await;
    nodes[1].until_ordered(&[b"change".to_vec()]).await;
    let changed = |blocks: &[Block]| {
        let at = blocks
            .iter()
            .find(|block| block.transactions.contains(&b"change".to_vec()));
        at.expect("ordered").height + 2
    };
    let effective = changed(&nodes[1].blocks());
    let after = transactions("after", 10);
    nodes[4].submit_all(&after).await;
    for node in &mut nodes[1..] {
        node.until_ordered(&after).await;
        node.until_height(effective + 8).await;
    }
    let log = nodes[2].blocks();
    assert_same_log(&nodes.iter().map(Node::blocks).collect::<Vec<_>>());
    let proposers = |from: u64, to: u64| -> HashSet<[u8; 32]> {
        log.iter()
            .filter(|block| (from..to).contains(&block.height))
            .map(|block| block.proposer)
            .collect()
    };
    assert!(!proposers(0, effective).contains(&circle.members[4].key));
    assert!(!proposers(effective, u64::MAX).contains(&circle.members[0].key));
    assert!(
        proposers(effective, u64::MAX).contains(&circle.members[4].key),
        "the new member proposes"
    );
    assert!(nodes[4].log.status().member);
}

/// Who orders the block after the last of `blocks`, and who comes next, as an application reads it from its state. Member 4
/// comes with "add", member 0 goes with "remove", four heights later.
fn ordering(circle: &Circle, blocks: &[Block]) -> (Vec<Member>, Vec<(u64, Vec<Member>)>) {
    let height = blocks.last().map_or(0, |block| block.height);
    let (mut now, mut next) = (circle.members[..4].to_vec(), Vec::new());
    for block in blocks {
        let Some(members) = changes(circle, block) else {
            continue;
        };
        match block.height + 4 <= height + 1 {
            true => now = members,
            false => next.push((block.height + 4, members)),
        }
    }
    (now, next)
}

fn changes(circle: &Circle, block: &Block) -> Option<Vec<Member>> {
    let says = |text: &[u8]| block.transactions.iter().any(|one| one == text);
    match (says(b"add"), says(b"remove")) {
        (true, _) => Some(circle.members.clone()),
        (_, true) => Some(circle.members[1..].to_vec()),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_replays_the_log_and_members_killed_before_a_change_come_back_with_the_right_ones()
 {
    let circle = Arc::new(Circle::new(5));
    let start = async |index: usize, executed: &[Block]| {
        let (members, scheduled) = ordering(&circle, executed);
        let config = Config {
            members,
            scheduled,
            ..circle.config(index, executed.last().map_or(0, |block| block.height))
        };
        let known = circle.clone();
        let execute: Execute = Box::new(move |log, block| {
            if let Some(members) = changes(&known, block) {
                log.change_members(block.height + 4, members)
                    .expect("in time");
            }
        });
        circle.start_with(config, accept_all(), execute).await
    };
    let mut nodes = Vec::new();
    for index in 0..4 {
        nodes.push(start(index, &[]).await);
    }
    let before = transactions("before", 20);
    nodes[0].submit_all(&before).await;
    all_order(&mut nodes, &before).await;

    // The fifth is admitted while it is away. Two of the four are killed between the decision and its effect.
    nodes[1].submit_all(&[b"add".to_vec()]).await;
    let mut logs: Vec<Vec<Block>> = Vec::new();
    for index in [2, 3] {
        nodes[index].until_ordered(&[b"add".to_vec()]).await;
    }
    for index in [3, 2] {
        let executed = nodes[index].blocks();
        logs.push(nodes.remove(index).kill().await);
        nodes.insert(index, start(index, &executed).await);
        logs.push(executed);
    }
    let added = |blocks: &[Block], text: &[u8]| {
        let at = blocks
            .iter()
            .find(|block| block.transactions.iter().any(|one| one == text));
        at.expect("ordered").height + 4
    };
    nodes[0].until_ordered(&[b"add".to_vec()]).await;
    let effective = added(&nodes[0].blocks(), b"add");
    nodes[0].until_height(effective + 5).await;
    nodes.push(start(4, &[]).await);
    nodes[4].until_height(effective + 6).await;
    assert_eq!(nodes[4].blocks()[0].height, 1, "from the first block on");
    let together = transactions("together", 10);
    nodes[4].submit_all(&together).await;
    for node in &mut nodes {
        node.until_ordered(&together).await;
    }
    assert!(nodes[4].log.status().member);
    let others: Vec<[u8; 32]> = circle.members[1..]
        .iter()
        .map(|member| member.key)
        .collect();

    // Another goes, and the others go on as four; it orders nothing any more, and nobody talks to it.
    nodes[3].submit_all(&[b"remove".to_vec()]).await;
    nodes[1].until_ordered(&[b"remove".to_vec()]).await;
    let history = |nodes: &[Node]| nodes[4].blocks();
    nodes[4].until_ordered(&[b"remove".to_vec()]).await;
    let removed = added(&history(&nodes), b"remove");
    for index in [4, 1] {
        let executed = match index {
            // What its first run saw, and what the second did.
            4 => nodes[4].blocks(),
            _ => nodes[1].blocks(),
        };
        logs.push(nodes.remove(index).kill().await);
        nodes.insert(index, start(index, &executed).await);
    }
    let after = transactions("after", 10);
    nodes[2].submit_all(&after).await;
    for node in &mut nodes[1..] {
        node.until_ordered(&after).await;
        node.until_height(removed + 40).await;
    }
    for node in &nodes[1..] {
        let status = node.log.status();
        assert!(status.member);
        assert_eq!(status.peers.len(), 3);
        assert!(status.peers.iter().all(|peer| others.contains(&peer.key)));
    }
    let ordered_by_the_removed = nodes[2]
        .blocks()
        .iter()
        .filter(|block| block.proposer == circle.members[0].key)
        .any(|block| block.height >= removed);
    assert!(!ordered_by_the_removed);
    let farewell = async {
        while nodes[0]
            .log
            .status()
            .peers
            .iter()
            .any(|peer| peer.connected)
        {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(circle::PATIENCE, farewell)
        .await
        .expect("nobody links with who was removed");
    assert!(!nodes[0].log.status().member);
    assert!(nodes[0].height() >= removed - 1, "it saw its own end");
    assert!(nodes[0].height() < nodes[1].height());
    logs.extend(nodes.iter().map(Node::blocks));
    assert_same_log(&logs);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_application_refuses_is_not_taken_and_what_it_no_longer_accepts_is_dropped() {
    let circle = Circle::new(4);
    let open = Arc::new(AtomicBool::new(true));
    let seen = open.clone();
    let check: Check = Arc::new(move |transaction| match transaction {
        b"never" => Err("not this one".into()),
        b"for now" if !seen.load(Ordering::SeqCst) => Err("no longer".into()),
        _ => Ok(()),
    });
    // One of four alone orders nothing, so its mempool keeps what it took. The lowest key proposes the fourth block.
    let lowest = (0..4)
        .min_by_key(|index| circle.members[*index].key)
        .expect("four");
    let start = |index: usize| {
        circle.start_with(circle.config(index, 0), check.clone(), Box::new(|_, _| {}))
    };
    let mut node = start(lowest).await;
    let code = async |transaction: Vec<u8>| {
        node.log
            .submit(transaction)
            .await
            .err()
            .map(|error| error.code())
    };
    assert_eq!(code(b"never".to_vec()).await, Some("refused"));
    assert_eq!(code(b"for now".to_vec()).await, None);
    assert_eq!(code(b"for now".to_vec()).await, Some("pending"));
    assert_eq!(code(Vec::new()).await, Some("empty"));
    assert_eq!(code(vec![0; (1 << 20) + 1]).await, Some("too_large"));
    assert_eq!(code(vec![0; 1 << 20]).await, None);
    assert_eq!(node.log.status().mempool_transactions, 2);

    open.store(false, Ordering::SeqCst);
    let mut others = Vec::new();
    for index in (0..4).filter(|index| *index != lowest) {
        others.push(start(index).await);
    }
    let large = vec![vec![0; 1 << 20]];
    node.until_ordered(&large).await;
    node.until_height(6).await;
    assert_eq!(
        ordered(&node.blocks()),
        large,
        "what is no longer accepted is not proposed"
    );
    assert_eq!(node.log.status().mempool_transactions, 0);
    let again = node.log.submit(large[0].clone()).await;
    assert_eq!(again.expect_err("done").code(), "ordered");
    node.stop().await;
}
