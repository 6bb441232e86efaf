//! Endpoints that lag, lie and are cut off; a chain that goes back.

use serde_json::json;
use treasury_chains::ethereum::{EthereumError, Outcome, Submission};
use treasury_protocol::ethereum::{Call, SafeTransaction, U256};

use super::rpc::{behind, break_only, broken, change, narrow, number_of, say};
use super::world::*;
use crate::proxy::Fault;

#[tokio::test]
async fn a_transaction_is_never_included_before_it_is_final_and_pending_again_after_a_reorganisation()
 {
    let wallet = Wallet::new(3, 2);
    let world = World::with(&wallet).await;
    let transaction = wallet.transaction(&[payment(20)], 0);
    let before = world.ask("evm_snapshot", json!([])).await;
    sent(world.submit(&wallet, &transaction).await);
    for _ in 0..FINALITY {
        assert_eq!(world.outcome(&transaction).await, Outcome::Pending);
        world.mine(1).await;
    }
    let again = world.submit(&wallet, &transaction).await;
    assert!(
        matches!(again, Ok(Submission::Executed { .. })),
        "{again:?}"
    );
    assert_eq!(world.outcome(&transaction).await, Outcome::Pending);
    // The chain goes back to before it, and goes on without it.
    world.ask("evm_revert", json!([before])).await;
    world.mine(FINALITY + 2).await;
    assert_eq!(world.outcome(&transaction).await, Outcome::Pending);
    assert_eq!(world.wei(address(20)).await, U256::ZERO);
    // The same bytes once more, and this time it stays.
    sent(world.submit(&wallet, &transaction).await);
    world.mine(1 + FINALITY).await;
    included(world.outcome(&transaction).await);
    assert_eq!(world.wei(address(20)).await, ether(1));
}

#[tokio::test]
async fn a_reorganisation_above_the_finalised_block_changes_nothing_below() {
    let wallet = Wallet::new(3, 2);
    let world = World::with(&wallet).await;
    let first = wallet.transaction(&[payment(20)], 0);
    sent(world.submit(&wallet, &first).await);
    world.mine(FINALITY).await;
    let second = wallet.transaction(&[payment(21)], 1);
    sent(world.submit(&wallet, &second).await);
    world.mine(1).await;
    let block = included(world.outcome(&first).await);
    let old = world
        .ask("eth_getBlockByNumber", json!(["latest", false]))
        .await;
    world.ask("anvil_reorg", json!([2, []])).await;
    let new = world
        .ask("eth_getBlockByNumber", json!(["latest", false]))
        .await;
    assert_ne!(old["hash"], new["hash"], "the chain was reorganised");
    assert_eq!(included(world.outcome(&first).await), block);
    world.mine(FINALITY).await;
    assert_eq!(included(world.outcome(&first).await), block);
    assert_eq!(world.outcome(&second).await, Outcome::Pending);
    sent(world.submit(&wallet, &second).await);
    world.mine(1 + FINALITY).await;
    included(world.outcome(&second).await);
    assert_eq!(world.wei(address(21)).await, ether(1));
}

#[tokio::test]
async fn a_nonce_used_up_from_outside_passes_the_transaction_for_ever() {
    let wallet = Wallet::new(3, 2);
    let world = World::with(&wallet).await;
    let ours = wallet.transaction(&[payment(20)], 0);
    // Owners sign something else with the same Safe nonce, and somebody sends it.
    let theirs = SafeTransaction::noop(CHAIN_ID, wallet.safe, 0);
    let call = json!([{
        "from": world.ask("eth_accounts", json!([])).await[0],
        "to": wallet.safe.to_string(),
        "data": format!("0x{}", hex::encode(wallet.execution(&theirs))),
    }]);
    world.ask("eth_sendTransaction", call).await;
    world.mine(1).await;
    assert_eq!(world.outcome(&ours).await, Outcome::Pending);
    let by = theirs.hash();
    let passed = Ok(Submission::Passed { safe_nonce: 1, by });
    assert_eq!(world.submit(&wallet, &ours).await, passed);
    world.mine(FINALITY).await;
    let passed = Outcome::Passed { safe_nonce: 1, by };
    assert_eq!(world.outcome(&ours).await, passed);
    // Also when much has happened since.
    for safe_nonce in 1..4 {
        let next = wallet.transaction(&[payment(21)], safe_nonce);
        sent(world.submit(&wallet, &next).await);
        world.mine(1).await;
    }
    world.mine(2_100).await;
    let passed = Outcome::Passed { safe_nonce: 4, by };
    assert_eq!(world.outcome(&ours).await, passed);
    assert_eq!(world.wei(address(20)).await, U256::ZERO);
}

/// A payee that, when it is paid, has the Safe carry out another transaction: the inner one stands in the log before the outer one.
#[tokio::test]
async fn a_payee_that_carries_out_the_next_transaction_within_this_one_confuses_nobody() {
    let wallet = Wallet::new(3, 2);
    let world = World::with(&wallet).await;
    let outer = wallet.transaction(&[payment(20)], 0);
    let inner = wallet.transaction(&[payment(21)], 1);
    let data = wallet.execution(&inner);
    let length = u16::try_from(data.len()).unwrap().to_be_bytes();
    // CODECOPY(0, 46, length); CALL(gas, safe, 0, 0, length, 0, 0); STOP
    let head = 46;
    let mut code = vec![0x61, length[0], length[1], 0x60, head, 0x60, 0, 0x39];
    code.extend([
        0x60, 0, 0x60, 0, 0x61, length[0], length[1], 0x60, 0, 0x60, 0,
    ]);
    code.push(0x73);
    code.extend(wallet.safe.0);
    code.extend([0x5a, 0xf1, 0x50, 0x00]);
    code.resize(usize::from(head), 0x00);
    code.extend(data);
    let code = json!([address(20).to_string(), format!("0x{}", hex::encode(code))]);
    world.ask("anvil_setCode", code).await;
    sent(world.submit(&wallet, &outer).await);
    world.mine(1 + FINALITY).await;
    assert_eq!(world.wei(address(20)).await, ether(1));
    assert_eq!(world.wei(address(21)).await, ether(1));
    let block = included(world.outcome(&outer).await);
    assert_eq!(included(world.outcome(&inner).await), block);
    let again = world.submit(&wallet, &inner).await;
    assert!(
        matches!(again, Ok(Submission::Executed { .. })),
        "{again:?}"
    );
    // Something else with either nonce has passed, whatever the order in the log.
    for safe_nonce in [0, 1] {
        let other = wallet.transaction(&[payment(22)], safe_nonce);
        let outcome = world.outcome(&other).await;
        assert!(
            matches!(outcome, Outcome::Passed { safe_nonce: 2, .. }),
            "{outcome:?}"
        );
    }
}

#[tokio::test]
async fn an_endpoint_that_lags_delays_alone_and_not_among_three() {
    let wallet = Wallet::new(3, 2);
    let world = World::with(&wallet).await;
    let node = world.anvil.url.as_str();
    let head = world.ask("eth_blockNumber", json!([])).await;
    let head = number_of(&head).unwrap();
    let late = broken(node, behind(head)).await;
    let later = broken(node, behind(head - 1)).await;
    let transaction = wallet.transaction(&[payment(20)], 0);
    sent(world.submit(&wallet, &transaction).await);
    world.mine(1 + FINALITY).await;
    let outcome = async |urls: &[&str]| {
        let ethereum = connect(urls).await.unwrap();
        outcome_by(&ethereum, &transaction).await.unwrap()
    };
    included(outcome(&[node]).await);
    assert_eq!(outcome(&[&late.url()]).await, Outcome::Pending);
    // Two have to agree, and the slower one sets the pace.
    assert_eq!(outcome(&[node, &late.url()]).await, Outcome::Pending);
    // Of three, one may lag behind.
    let other = broken(node, vec![]).await;
    included(outcome(&[node, &late.url(), &other.url()]).await);
    assert_eq!(
        outcome(&[node, &late.url(), &later.url()]).await,
        Outcome::Pending
    );
    // What is sent goes by the state that most have reached.
    let three = connect(&[&late.url(), node, &other.url()]).await.unwrap();
    let again = world.submit_by(&three, &world.relayer, &wallet, &transaction);
    let again = again.await;
    assert!(
        matches!(again, Ok(Submission::Executed { .. })),
        "{again:?}"
    );
}

/// Says that nothing was ever executed and nothing came in.
fn hides_logs() -> Vec<(&'static str, Fault)> {
    vec![("eth_getLogs", say(json!([])))]
}

/// Says that a Safe's nonce is 0 and so is what an account holds.
fn forgets() -> Vec<(&'static str, Fault)> {
    let nothing = say(json!(format!("0x{:064x}", 0)));
    vec![("eth_call", nothing), ("eth_getBalance", say(json!("0x0")))]
}

/// Says that every transaction of a Safe was a failure.
fn denies() -> Vec<(&'static str, Fault)> {
    let failure = alloy::primitives::keccak256("ExecutionFailure(bytes32,uint256)");
    let change = change(move |mut logs| {
        for log in logs.as_array_mut().unwrap() {
            log["topics"][0] = json!(failure);
        }
        logs
    });
    vec![("eth_getLogs", change)]
}

#[tokio::test]
async fn a_liar_is_outvoted_and_named_and_two_that_contradict_each_other_make_no_fact() {
    let wallet = Wallet::new(3, 2);
    let world = World::with(&wallet).await;
    let node = world.anvil.url.as_str();
    let transaction = wallet.transaction(&[payment(20)], 0);
    sent(world.submit(&wallet, &transaction).await);
    world.mine(1 + FINALITY).await;
    let honest = broken(node, vec![]).await;
    let liar = broken(node, vec![]).await;
    let three = connect(&[&liar.url(), node, &honest.url()]).await.unwrap();
    let two = connect(&[&liar.url(), node]).await.unwrap();
    let truth = world.outcome(&transaction).await;
    let (safe, tokens) = (wallet.safe, [world.dev.token]);
    let came_in = three.received(safe, &tokens, 0, u64::MAX).await.unwrap();
    let holds = three.balances(safe, &tokens).await.unwrap();
    let state = three.safe_state(safe).await.unwrap();
    assert_eq!(state.safe_nonce, 1);
    for lie in [hides_logs(), forgets(), denies()] {
        break_only(&liar, lie);
        assert_eq!(outcome_by(&three, &transaction).await, Ok(truth));
        assert_eq!(
            three.received(safe, &tokens, 0, u64::MAX).await.unwrap(),
            came_in
        );
        assert_eq!(three.balances(safe, &tokens).await.unwrap(), holds);
        assert_eq!(three.safe_state(safe).await.unwrap(), state);
    }
    let status = three.status();
    assert!(status[0].contradictions > 0, "{status:?}");
    assert_eq!((status[1].contradictions, status[2].contradictions), (0, 0));
    break_only(&liar, denies());
    let error = outcome_by(&two, &transaction).await.unwrap_err();
    assert!(
        matches!(error, EthereumError::Disagreement { .. }),
        "{error}"
    );
    // Where the nonce has moved on and the logs are hidden, that is no proof of anything.
    let alone = connect(&[&liar.url()]).await.unwrap();
    break_only(&liar, hides_logs());
    let error = outcome_by(&alone, &transaction).await.unwrap_err();
    assert!(matches!(error, EthereumError::NoAnswer { .. }), "{error}");
    assert!(
        error.to_string().contains("keeps only 0 of the last 1"),
        "{error}"
    );
    // With three, one that is left alone is not believed.
    for endpoint in [&honest, &liar] {
        break_only(endpoint, vec![("eth_getBlockByNumber", Fault::Answer(503))]);
    }
    let error = outcome_by(&three, &transaction).await.unwrap_err();
    assert!(matches!(error, EthereumError::NoAnswer { .. }), "{error}");
    liar.mend();
    assert_eq!(outcome_by(&three, &transaction).await, Ok(truth));
}

#[tokio::test]
async fn an_endpoint_of_another_chain_is_refused_at_once_or_when_it_comes_back() {
    let world = World::new().await;
    let node = world.anvil.url.as_str();
    let foreign = || vec![("eth_chainId", say(json!("0x1")))];
    let wrong = broken(node, foreign()).await;
    let error = connect(&[node, &wrong.url()]).await.unwrap_err();
    assert!(matches!(error, EthereumError::OtherChain { .. }), "{error}");
    assert!(
        error.to_string().contains("chain 1, this wallet to 31337"),
        "{error}"
    );
    // One that is down is kept, and asked for its chain before it is believed.
    break_only(&wrong, vec![("eth_chainId", Fault::Answer(502))]);
    let ethereum = connect(&[node, &wrong.url()]).await.unwrap();
    break_only(&wrong, foreign());
    let state = ethereum.safe_state(address(9)).await.unwrap();
    assert!(!state.deployed);
    let fault = ethereum.status()[1].fault.clone().unwrap().to_string();
    assert!(fault.contains("belongs to chain 1"), "{fault}");
}

#[tokio::test]
async fn logs_are_asked_for_in_pieces_that_an_endpoint_allows() {
    let wallet = Wallet::new(3, 2);
    let world = World::with(&wallet).await;
    let transaction = wallet.transaction(&[payment(20)], 0);
    sent(world.submit(&wallet, &transaction).await);
    world.mine(200).await;
    let short = broken(&world.anvil.url, vec![("eth_getLogs", narrow(50))]).await;
    let ethereum = connect(&[&short.url()]).await.unwrap();
    let token = world.dev.token;
    included(outcome_by(&ethereum, &transaction).await.unwrap());
    let came_in = ethereum.received(wallet.safe, &[token], 0, u64::MAX).await;
    let same = world
        .ethereum
        .received(wallet.safe, &[token], 0, u64::MAX)
        .await;
    assert_eq!(came_in, same);
}

#[tokio::test]
async fn a_call_to_a_token_that_is_paid_twice_is_two_payments() {
    let wallet = Wallet::new(3, 2);
    let world = World::with(&wallet).await;
    let call = Call::erc20(world.dev.token, address(20), U256::from(5)).unwrap();
    for safe_nonce in 0..2 {
        let transaction = wallet.transaction(std::slice::from_ref(&call), safe_nonce);
        sent(world.submit(&wallet, &transaction).await);
        world.mine(1 + FINALITY).await;
        included(world.outcome(&transaction).await);
    }
    let tokens = [world.dev.token];
    let payee = world.ethereum.balances(address(20), &tokens).await;
    assert_eq!(payee.unwrap().tokens[0].1, U256::from(10));
}

#[tokio::test]
async fn an_answer_without_end_is_not_read_and_rubbish_is_no_answer() {
    let world = World::new().await;
    let node = world.anvil.url.as_str();
    let odd = broken(node, vec![]).await;
    let ethereum = connect(&[&odd.url()]).await.unwrap();
    for (answer, expected) in [
        (json!("x".repeat(17 << 20)), "longer than"),
        (json!("rubbish"), "cannot be used"),
        (json!({ "number": [] }), "cannot be used"),
    ] {
        break_only(&odd, vec![("eth_blockNumber", say(answer))]);
        let error = ethereum.safe_state(address(9)).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
    odd.mend();
    assert!(!ethereum.safe_state(address(9)).await.unwrap().deployed);
}
