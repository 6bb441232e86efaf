//! Sending: endpoints that fail while they accept, relayers that are many, poor or restarted, fees that rise.

use std::time::Duration;

use serde_json::{Value, json};
use treasury_chains::endpoints::Timeouts;
use treasury_chains::ethereum::{EthereumError, FeeLimits, Relayer, Submission};
use treasury_protocol::ethereum::{SafeTransaction, U256};

use super::rpc::{break_only, broken, pretend};
use super::world::*;
use crate::proxy::Fault;

const SEND: &str = "eth_sendRawTransaction";

/// How many transactions an account has on the chain.
async fn on_chain(world: &World, relayer: &Relayer) -> Value {
    let of = relayer.address().to_string();
    world
        .ask("eth_getTransactionCount", json!([of, "latest"]))
        .await
}

#[tokio::test]
async fn two_relayers_at_once_pay_once() {
    let wallet = Wallet::new(3, 2);
    let world = World::with(&wallet).await;
    let other = world.relayer(1_001);
    world.endow(other.address(), ether(1)).await;
    let transaction = wallet.transaction(&[payment(20)], 0);
    let (one, two) = tokio::join!(
        world.submit(&wallet, &transaction),
        world.submit_by(&world.ethereum, &other, &wallet, &transaction),
    );
    let (one, two) = (sent(one), sent(two));
    world.mine(1).await;
    let statuses = [one, two].map(async |sent| world.receipt(sent.transaction).await);
    let [one, two] = statuses;
    let mut statuses = [one.await["status"].clone(), two.await["status"].clone()];
    statuses.sort_by_key(Value::to_string);
    assert_eq!(statuses, [json!("0x0"), json!("0x1")]);
    assert_eq!(world.wei(address(20)).await, ether(1));
    for relayer in [&world.relayer, &other] {
        let again = world
            .submit_by(&world.ethereum, relayer, &wallet, &transaction)
            .await;
        assert!(
            matches!(again, Ok(Submission::Executed { .. })),
            "{again:?}"
        );
    }
    world.mine(FINALITY).await;
    included(world.outcome(&transaction).await);
}

#[tokio::test]
async fn an_endpoint_that_fails_after_it_accepted_neither_loses_nor_doubles() {
    let wallet = Wallet::new(3, 2);
    let world = World::with(&wallet).await;
    let timeouts = Timeouts {
        answer: Duration::from_secs(5),
        ..Timeouts::default()
    };
    let faulty = broken(&world.anvil.url, vec![]).await;
    let ethereum = connect_within(&[&faulty.url()], timeouts).await.unwrap();
    let faults = [
        Fault::SilenceAfter,
        Fault::AnswerAfter(504),
        Fault::CutAfter,
        Fault::Answer(504),
        Fault::CutBefore,
    ];
    for (safe_nonce, fault) in (0..).zip(faults) {
        let transaction = wallet.transaction(&[payment(20)], safe_nonce);
        let submit = || world.submit_by(&ethereum, &world.relayer, &wallet, &transaction);
        break_only(&faulty, vec![(SEND, fault)]);
        let first = sent(submit().await);
        assert!(!first.acknowledged);
        // The same bytes again, whether the node has them or not.
        faulty.mend();
        let second = sent(submit().await);
        assert!(second.acknowledged);
        assert_eq!(first.transaction, second.transaction);
        assert_eq!(first.relayer_nonce, second.relayer_nonce);
        world.mine(1 + FINALITY).await;
        included(outcome_by(&ethereum, &transaction).await.unwrap());
        assert_eq!(world.wei(address(20)).await, ether(safe_nonce + 1));
    }
}

#[tokio::test]
async fn an_endpoint_that_drops_what_it_took_does_not_hold_it_up() {
    let wallet = Wallet::new(3, 2);
    let world = World::with(&wallet).await;
    let node = world.anvil.url.as_str();
    let drops = vec![(SEND, pretend(json!(format!("0x{:064x}", 1))))];
    let dropping = broken(node, drops).await;
    // Another endpoint has it.
    let both = connect(&[&dropping.url(), node]).await.unwrap();
    let transaction = wallet.transaction(&[payment(20)], 0);
    let submitted = world.submit_by(&both, &world.relayer, &wallet, &transaction);
    sent(submitted.await);
    world.mine(1).await;
    assert_eq!(world.wei(address(20)).await, ether(1));
    // Or the same one gets it again.
    let alone = connect(&[&dropping.url()]).await.unwrap();
    let transaction = wallet.transaction(&[payment(20)], 1);
    let submit = || world.submit_by(&alone, &world.relayer, &wallet, &transaction);
    let first = sent(submit().await);
    assert!(first.acknowledged, "it lies");
    world.mine(1).await;
    assert_eq!(world.wei(address(20)).await, ether(1));
    dropping.mend();
    let second = sent(submit().await);
    assert_eq!(first.transaction, second.transaction);
    world.mine(1).await;
    assert_eq!(world.wei(address(20)).await, ether(2));
}

#[tokio::test]
async fn a_refused_transaction_leaves_no_hole_among_the_numbers() {
    let wallet = Wallet::new(3, 2);
    let world = World::with(&wallet).await;
    let poor = world.relayer(1_001);
    let transaction = wallet.transaction(&[payment(20)], 0);
    let submit = || world.submit_by(&world.ethereum, &poor, &wallet, &transaction);
    for _ in 0..2 {
        let error = submit().await.unwrap_err();
        assert!(matches!(error, EthereumError::Refused { .. }), "{error}");
        let text = error.to_string().to_lowercase();
        assert!(text.contains("insufficient funds"), "{text}");
        assert!(text.contains(&poor.address().to_string().to_lowercase()));
    }
    world.endow(poor.address(), ether(1)).await;
    // Also something else, which nobody refused, begins with the first number.
    let instead = SafeTransaction::noop(CHAIN_ID, wallet.safe, 0);
    let sent = sent(
        world
            .submit_by(&world.ethereum, &poor, &wallet, &instead)
            .await,
    );
    assert_eq!(sent.relayer_nonce, 0);
    world.mine(1 + FINALITY).await;
    included(world.outcome(&instead).await);
}

#[tokio::test]
async fn what_waits_for_too_long_is_offered_for_more_and_happens_once() {
    let wallet = Wallet::new(3, 2);
    let world = World::with(&wallet).await;
    let limits = FeeLimits::default();
    let transaction = wallet.transaction(&[payment(20)], 0);
    let first = sent(world.submit(&wallet, &transaction).await);
    let again = sent(world.submit(&wallet, &transaction).await);
    assert_eq!(again.transaction, first.transaction, "too early for more");
    // The base fee rises above what was offered, and stays there for some blocks.
    let dear = U256::from(first.max_fee_wei) * U256::from(3);
    for _ in 0..limits.replace_after_blocks {
        world
            .ask("anvil_setNextBlockBaseFeePerGas", json!([dear]))
            .await;
        world.mine(1).await;
    }
    assert_eq!(world.wei(address(20)).await, U256::ZERO);
    let second = sent(world.submit(&wallet, &transaction).await);
    assert_ne!(second.transaction, first.transaction);
    assert_eq!(second.relayer_nonce, first.relayer_nonce);
    assert!(second.max_fee_wei > first.max_fee_wei * 2);
    world.mine(1 + FINALITY).await;
    included(world.outcome(&transaction).await);
    assert_eq!(world.wei(address(20)).await, ether(1));
    assert_eq!(
        on_chain(&world, &world.relayer).await,
        format!("0x{:x}", first.relayer_nonce + 1)
    );
    // Beyond the limit nothing is offered.
    let base = json!([U256::from(limits.max_fee_wei) * U256::from(2)]);
    world.ask("anvil_setNextBlockBaseFeePerGas", base).await;
    world.mine(1).await;
    let next = wallet.transaction(&[payment(20)], 1);
    let error = world.submit(&wallet, &next).await.unwrap_err();
    assert!(matches!(error, EthereumError::Fee { .. }), "{error}");
}

#[tokio::test]
async fn a_relayer_that_was_restarted_takes_the_place_of_what_it_no_longer_knows() {
    let wallet = Wallet::new(3, 2);
    let world = World::with(&wallet).await;
    let before = wallet.transaction(&[payment(20)], 0);
    let first = sent(world.submit(&wallet, &before).await);
    // It waits in the pool of the node, and the process that sent it is gone.
    let restarted = Relayer::new(key(1_000), CHAIN_ID, FeeLimits::default());
    let cancelling = SafeTransaction::noop(CHAIN_ID, wallet.safe, 0);
    let submitted = world.submit_by(&world.ethereum, &restarted, &wallet, &cancelling);
    let second = sent(submitted.await);
    assert_eq!(second.relayer_nonce, first.relayer_nonce);
    assert!(second.max_fee_wei > first.max_fee_wei);
    world.mine(1 + FINALITY).await;
    included(world.outcome(&cancelling).await);
    assert_eq!(world.wei(address(20)).await, U256::ZERO);
    // And the very same transaction is simply known.
    let next = wallet.transaction(&[payment(21)], 1);
    let submit = |relayer| world.submit_by(&world.ethereum, relayer, &wallet, &next);
    sent(submit(&restarted).await);
    let again = Relayer::new(key(1_000), CHAIN_ID, FeeLimits::default());
    sent(submit(&again).await);
    world.mine(1 + FINALITY).await;
    included(world.outcome(&next).await);
    assert_eq!(world.wei(address(21)).await, ether(1));
}

#[tokio::test]
async fn several_safes_share_a_relayer_and_one_that_is_stuck_moves_first() {
    let (wallet, mut other) = (Wallet::new(3, 2), Wallet::new(3, 2));
    other.setup.salt = [2; 32];
    other.safe = other.setup.address();
    let world = World::new().await;
    for wallet in [&wallet, &other] {
        world.deploy(wallet).await;
        world.mine(1).await;
        world.dev.pay_ether(wallet.safe, ether(2)).await.unwrap();
    }
    world.ask("evm_setAutomine", json!([false])).await;
    let one = wallet.transaction(&[payment(20)], 0);
    let two = other.transaction(&[payment(21)], 0);
    let first = sent(world.submit(&wallet, &one).await);
    let second = sent(world.submit(&other, &two).await);
    assert_eq!(second.relayer_nonce, first.relayer_nonce + 1);
    // Nobody asks for the first one any more; the second one cannot happen before it.
    let dear = U256::from(first.max_fee_wei) * U256::from(3);
    for _ in 0..FeeLimits::default().replace_after_blocks {
        world
            .ask("anvil_setNextBlockBaseFeePerGas", json!([dear]))
            .await;
        world.mine(1).await;
    }
    let again = sent(world.submit(&other, &two).await);
    assert_ne!(again.transaction, second.transaction);
    world.mine(1).await;
    assert_eq!(world.wei(address(20)).await, ether(1));
    assert_eq!(world.wei(address(21)).await, ether(1));
}
