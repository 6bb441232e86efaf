//! The driver without an engine: what the engine would ask is asked by the test.

use super::*;
use crate::block::BlockBody;
use crate::embedded::config::{Config, Limits, Timeouts};
use crate::embedded::context::BlockHash;
use crate::embedded::members::Schedule;
use crate::embedded::start::share;
use crate::embedded::store::Store;
use crate::link::{Limits as LinkLimits, LinkConfig, Links};
use crate::log::Member;
use arc_malachitebft_app_channel::app::types::core::Round;
use arc_malachitebft_app_channel::app::types::core::VoteExtensions;
use ed25519_zebra::{SigningKey, VerificationKey};
use tempfile::TempDir;
use tokio::sync::oneshot::{self, error::TryRecvError};

/// A driver without an engine: what the engine would ask is asked by the test.
async fn driver(directory: &TempDir) -> Driver {
    let identity = SigningKey::from([1; 32]);
    let members = vec![Member {
        key: VerificationKey::from(&identity).into(),
        addresses: Vec::new(),
    }];
    let config = Config {
        identity,
        network: [1; 32],
        members: members.clone(),
        scheduled: Vec::new(),
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        data_dir: directory.path().to_owned(),
        start_after: 0,
        genesis_time_ms: 1,
        timeouts: Timeouts::default(),
        limits: Limits::default(),
    };
    let links = LinkConfig {
        identity,
        network: config.network,
        listen: config.listen.clone(),
        members: Vec::new(),
        limits: LinkLimits::default(),
    };
    let (links, _inbound) = Links::start(links).await.unwrap();
    let store = Store::open(&config.data_dir, config.network, config.genesis_time_ms);
    let store = store.map_err(|error| format!("{error:?}")).unwrap();
    let tip = store.tip().unwrap();
    let schedule = Schedule::new(1, members, Vec::new()).unwrap();
    let check: crate::embedded::Check = Arc::new(|_| Ok(()));
    Driver::new(
        share(&config, check, schedule, store, tip, links).unwrap(),
        tip,
    )
}

fn block(driver: &Driver, transaction: &str) -> BlockBody {
    BlockBody {
        height: driver.tip.height + 1,
        time_ms: driver.tip.time_ms + 1,
        proposer: driver.shared.me.0,
        previous: driver.tip.log_hash,
        transactions: vec![transaction.as_bytes().to_vec()],
    }
}

fn decided(block: &BlockBody) -> (AppMsg<Ctx>, oneshot::Receiver<()>) {
    let certificate = CommitCertificate {
        height: Height(block.height),
        round: Round::new(0),
        value_id: BlockHash(block.hash()),
        commit_signatures: Vec::new(),
    };
    let (reply, acknowledged) = oneshot::channel();
    let extensions = VoteExtensions::default();
    (
        AppMsg::Decided {
            certificate,
            extensions,
            reply,
        },
        acknowledged,
    )
}

#[tokio::test]
async fn a_decision_is_acknowledged_only_once_its_block_is_here() {
    let directory = tempfile::tempdir().unwrap();
    let mut driver = driver(&directory).await;
    let block = block(&driver, "decided elsewhere");
    let (message, mut acknowledged) = decided(&block);
    driver.answer(message).await.unwrap();
    assert_eq!(acknowledged.try_recv(), Err(TryRecvError::Empty));
    assert_eq!(
        (driver.tip.height, driver.shared.progress.borrow().decided),
        (0, 0)
    );

    let mut forged = block.clone();
    forged.transactions.clear();
    for body in [forged.encode(), b"garbage".to_vec()] {
        driver.on_body(BodyEvent::Arrived(body)).await.unwrap();
        assert_eq!(acknowledged.try_recv(), Err(TryRecvError::Empty));
    }
    driver
        .on_body(BodyEvent::Arrived(block.encode()))
        .await
        .unwrap();
    assert_eq!(acknowledged.try_recv(), Ok(()));
    assert_eq!(
        (driver.tip.height, driver.shared.progress.borrow().decided),
        (1, 1)
    );
    assert_eq!(
        driver.shared.store.block(1).unwrap(),
        Some(block.into_block())
    );
}

#[tokio::test]
async fn a_decision_that_does_not_follow_the_log_stops_the_engine() {
    let directory = tempfile::tempdir().unwrap();
    let mut driver = driver(&directory).await;
    let mut other = block(&driver, "from another log");
    other.previous = [9; 32];
    driver
        .shared
        .store
        .put_body(1, &other.hash(), &other.encode())
        .unwrap();
    let (message, mut acknowledged) = decided(&other);
    let error = driver.answer(message).await.unwrap_err();
    assert_eq!(error.code(), "corrupt");
    assert!(acknowledged.try_recv().is_err());
    assert_eq!(driver.shared.store.tip().unwrap().height, 0);
}

#[tokio::test]
async fn a_proposer_asked_twice_gives_the_same_block_even_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let first = {
        let mut driver = driver(&directory).await;
        driver.shared.take(b"one".to_vec(), None).unwrap();
        let first = driver.propose(Height(1), Round::new(0)).await.unwrap();
        driver.shared.take(b"two".to_vec(), None).unwrap();
        assert_eq!(
            driver.propose(Height(1), Round::new(0)).await.unwrap(),
            first
        );
        first
    };
    let mut driver = driver(&directory).await;
    assert_eq!(
        driver.propose(Height(1), Round::new(0)).await.unwrap(),
        first
    );
    let seen = driver.started_round(1, Round::new(0)).await.unwrap();
    assert_eq!(seen.len(), 1, "the engine is told of it, too");
    assert_eq!(seen[0].value, first.value);
    assert_ne!(
        driver
            .propose(Height(1), Round::new(1))
            .await
            .unwrap()
            .value,
        first.value
    );
}

#[tokio::test]
async fn the_next_height_waits_for_the_application_but_for_one_block() {
    let directory = tempfile::tempdir().unwrap();
    let mut driver = driver(&directory).await;
    driver.shared.take(b"waiting".to_vec(), None).unwrap();
    for height in 1..=3 {
        let block = block(&driver, &format!("block {height}"));
        driver
            .shared
            .store
            .put_body(height, &block.hash(), &block.encode())
            .unwrap();
        driver.answer(decided(&block).0).await.unwrap();
    }
    let (reply, _next) = oneshot::channel();
    driver.pending = Pending::Next {
        reply,
        since: Instant::now(),
    };
    assert_eq!(driver.begin_at(), None, "three decided, none executed");
    driver.shared.set_executed(1);
    assert_eq!(driver.begin_at(), None, "the second is not executed");
    driver.shared.set_executed(2);
    assert!(
        driver.begin_at().is_some(),
        "the third may be executed beside the fourth's votes"
    );
}
