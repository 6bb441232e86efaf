//! The life of a Safe and of its transactions, when everybody is honest.

use alloy::primitives::keccak256;
use expect_test::expect;
use serde_json::json;
use treasury_chains::ethereum::anvil::Mining;
use treasury_chains::ethereum::{Deployment, Difference, Outcome, Submission};
use treasury_protocol::ethereum::{Address, Call, Contracts, SafeTransaction, Setup, U256};

use super::world::*;

#[tokio::test]
async fn a_safe_is_deployed_once_at_the_address_that_was_known_before() {
    let (world, wallet) = (World::new().await, Wallet::new(9, 7));
    let before = world.ethereum.safe_state(wallet.safe).await.unwrap();
    assert!(!before.deployed);
    world.ask("evm_setAutomine", json!([false])).await;
    world.deploy(&wallet).await;
    // Another one does not know of it yet, and is too late on the chain.
    let other = world.relayer(1_001);
    world.endow(other.address(), ether(1)).await;
    let late = world.ethereum.deploy(&wallet.setup, &other).await.unwrap();
    let Deployment::Sent(late) = late else {
        panic!("{late:?}")
    };
    world.mine(1).await;
    assert_eq!(world.receipt(late.transaction).await["status"], "0x0");
    for relayer in [&world.relayer, &other] {
        let again = world.ethereum.deploy(&wallet.setup, relayer).await;
        assert_eq!(again, Ok(Deployment::Exists));
    }
    world.mine(FINALITY).await;
    let state = world.ethereum.safe_state(wallet.safe).await.unwrap();
    assert!(state.deployed);
    assert_eq!((state.version.as_str(), state.safe_nonce), ("1.5.0", 0));
    let Setup {
        owners, contracts, ..
    } = &wallet.setup;
    assert_eq!(state.differences(owners, contracts), []);
    assert_eq!(before.differences(owners, contracts).len(), 1);
}

/// A call of the Safe to itself by the name of a function that takes addresses and numbers.
fn own(safe: Address, function: &str, words: &[&[u8]]) -> Call {
    let mut data = keccak256(function)[..4].to_vec();
    for bytes in words {
        data.resize(data.len() + 32 - bytes.len(), 0);
        data.extend_from_slice(bytes);
    }
    let (to, value) = (safe, [0; 32]);
    Call { to, value, data }
}

#[tokio::test]
async fn a_safe_that_others_can_spend_from_is_told_apart() {
    let wallet = Wallet::new(3, 2);
    let world = World::with(&wallet).await;
    let l2 = Contracts::CANONICAL_L2;
    let Setup {
        owners, contracts, ..
    } = &wallet.setup;
    let told = async || {
        let state = world.ethereum.safe_state(wallet.safe).await.unwrap();
        let differences = state.differences(owners, contracts).into_iter();
        differences.map(|one| one.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(told().await, [""; 0]);
    let mut changed = owners.clone();
    let calls = [
        own(wallet.safe, "enableModule(address)", &[&address(9).0]),
        own(wallet.safe, "setFallbackHandler(address)", &[&address(8).0]),
        changed
            .swap(wallet.safe, key(2).address(), key(5).address())
            .unwrap(),
        changed.change_threshold(wallet.safe, 1).unwrap(),
    ];
    let transaction = wallet.transaction(&calls, 0);
    sent(world.submit(&wallet, &transaction).await);
    world.mine(1 + FINALITY).await;
    included(world.outcome(&transaction).await);
    expect![[r#"
        0xc57E75636B42132228632Df0Bd223b01Dac9c111 owns it, and should not
        0x02a0252739E36D79C5b7678504CdA8803ECAb753 does not own it, and should
        1 of its owners have to sign, and 2 should
        the module 0x0909090909090909090909090909090909090909 can spend from it without any signature; disable it
        0x0808080808080808080808080808080808080808 answers in its name, and the circle knows 0x3EfCBb83A4A7AfcB4F68D501E2c2203a38be77f4"#]].assert_eq(&told().await.join("\n"));
    // Guards are contracts; what a Safe remembers of them is enough here.
    for (place, guard) in [
        ("guard_manager.guard.address", 6),
        ("module_manager.module_guard.address", 7),
    ] {
        let word = alloy::primitives::Address::from(address(guard)).into_word();
        let set = json!([wallet.safe.to_string(), keccak256(place), word]);
        world.ask("anvil_setStorageAt", set).await;
    }
    world.mine(1 + FINALITY).await;
    let state = world.ethereum.safe_state(wallet.safe).await.unwrap();
    assert_eq!((state.guard, state.module_guard), (address(6), address(7)));
    let differences = state.differences(&changed, &l2);
    assert!(matches!(differences[0], Difference::Singleton { .. }));
    assert_eq!(differences.len(), 5);
}

#[tokio::test]
async fn a_safe_of_other_contracts_is_not_deployed() {
    let world = World::new().await;
    let code = |result: Result<_, treasury_chains::ethereum::EthereumError>| match result {
        Ok(Deployment::Sent(_) | Deployment::Exists) => panic!("deployed"),
        Err(error) => format!("{}: {error}", error.code()),
    };
    let mut wallet = Wallet::new(3, 2);
    wallet.setup.contracts.proxy_hash = [1; 32];
    let refused = world.ethereum.deploy(&wallet.setup, &world.relayer).await;
    expect!["chain_other_contracts: the contracts on this chain would create another Safe than 0x752A311EA4Ba642a3F3f489b985F7A95C164Fae1: the factory creates other code than expected; correct the addresses of the contracts"].assert_eq(&code(refused));
    let mut wallet = Wallet::new(3, 2);
    wallet.setup.contracts.multi_send = address(9);
    let refused = world.ethereum.deploy(&wallet.setup, &world.relayer).await;
    expect!["chain_other_contracts: the contracts on this chain would create another Safe than 0x1dE88577A961C2393F76332A037655954874085d: there is no MultiSendCallOnly at 0x0909090909090909090909090909090909090909; correct the addresses of the contracts"].assert_eq(&code(refused));
}

#[tokio::test]
async fn each_kind_of_payment_reaches_the_payee_once() {
    for contracts in [Contracts::CANONICAL, Contracts::CANONICAL_L2] {
        let wallet = Wallet::of(9, 7, contracts);
        let world = World::with(&wallet).await;
        let token = world.dev.token;
        let units = |units: u64| Call::erc20(token, address(21), U256::from(units)).unwrap();
        let transactions = [
            wallet.transaction(&[payment(20)], 0),
            wallet.transaction(&[units(5)], 1),
            wallet.transaction(&[payment(20), units(6), payment(22)], 2),
            SafeTransaction::noop(CHAIN_ID, wallet.safe, 3),
        ];
        for transaction in &transactions {
            assert_eq!(world.outcome(transaction).await, Outcome::Pending);
            let next = transaction.safe_nonce + 1;
            let early = SafeTransaction::noop(CHAIN_ID, wallet.safe, next);
            let early = world.submit(&wallet, &early).await;
            let safe_nonce = transaction.safe_nonce;
            assert_eq!(early, Ok(Submission::Waits { safe_nonce }));
            sent(world.submit(&wallet, transaction).await);
            world.mine(1).await;
            // Nobody waits for finality to know that it need not be sent again.
            let again = world.submit(&wallet, transaction).await;
            assert!(
                matches!(again, Ok(Submission::Executed { .. })),
                "{again:?}"
            );
            assert_eq!(world.outcome(transaction).await, Outcome::Pending);
            world.mine(FINALITY).await;
        }
        let blocks: Vec<u64> = {
            let mut blocks = Vec::new();
            for transaction in &transactions {
                blocks.push(included(world.outcome(transaction).await));
            }
            blocks
        };
        assert!(blocks.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(world.wei(address(20)).await, ether(2));
        assert_eq!(world.wei(address(22)).await, ether(1));
        let payee = world
            .ethereum
            .balances(address(21), &[token])
            .await
            .unwrap();
        assert_eq!(payee.tokens, [(token, U256::from(11))]);
        let safe = world
            .ethereum
            .balances(wallet.safe, &[token])
            .await
            .unwrap();
        assert_eq!(safe.native_wei, ether(7));
        assert_eq!(safe.tokens, [(token, U256::from(1_000_000 - 11))]);
        let state = world.ethereum.safe_state(wallet.safe).await.unwrap();
        assert_eq!(state.safe_nonce, 4);
    }
}

#[tokio::test]
async fn the_safe_itself_says_that_the_hash_is_this() {
    let wallet = Wallet::new(3, 2);
    let world = World::with(&wallet).await;
    let transaction = wallet.transaction(&[payment(20), payment(21)], 5);
    let signature = "getTransactionHash(address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,uint256)";
    let selector = &keccak256(signature)[..4];
    let word = |bytes: &[u8]| {
        let mut word = vec![0; 32 - bytes.len()];
        word.extend_from_slice(bytes);
        word
    };
    let zero = word(&[]);
    let mut data = selector.to_vec();
    let length = transaction.data.len();
    for part in [
        word(&transaction.to.0),
        transaction.value.to_vec(),
        word(&320_u16.to_be_bytes()),
        word(&[1]),
        zero.clone(),
        zero.clone(),
        zero.clone(),
        zero.clone(),
        zero.clone(),
        word(&[5]),
        word(&u16::try_from(length).unwrap().to_be_bytes()),
        transaction.data.clone(),
        vec![0; (32 - length % 32) % 32],
    ] {
        data.extend(part);
    }
    let data = format!("0x{}", hex::encode(data));
    let call = json!([{ "to": wallet.safe.to_string(), "data": data }, "latest"]);
    let hash = world.ask("eth_call", call).await;
    assert_eq!(hash, format!("0x{}", hex::encode(transaction.hash())));
}

#[tokio::test]
async fn owners_change_on_the_chain_as_they_do_here() {
    let mut wallet = Wallet::new(5, 3);
    let world = World::with(&wallet).await;
    let all: Vec<Address> = (1..=12).map(|number| key(number).address()).collect();
    let pick = |numbers: &[usize]| -> Vec<Address> { numbers.iter().map(|at| all[*at]).collect() };
    let mut owners = wallet.setup.owners.clone();
    let steps = [
        (pick(&[0, 1, 2, 3, 4, 5]), 4),
        (pick(&[5, 1, 7, 3, 8, 9]), 4),
        (pick(&[9, 1]), 2),
        (pick(&[9, 1]), 1),
        (pick(&[11, 10, 9, 8, 7, 6, 5, 4, 3]), 7),
        (pick(&[3, 5, 0]), 3),
    ];
    for (safe_nonce, (wanted, threshold)) in (0..).zip(steps) {
        // Who owns the Safe now has to sign.
        wallet.setup.owners = owners.clone();
        wallet.keys = (1..=12)
            .map(key)
            .filter(|key| owners.contains(key.address()))
            .collect();
        let calls = owners
            .become_these(wallet.safe, &wanted, threshold)
            .unwrap();
        let transaction = wallet.transaction(&calls, safe_nonce);
        sent(world.submit(&wallet, &transaction).await);
        world.mine(1 + FINALITY).await;
        included(world.outcome(&transaction).await);
        let state = world.ethereum.safe_state(wallet.safe).await.unwrap();
        assert_eq!(state.owners, owners.addresses());
        assert_eq!(state.threshold, u64::from(threshold));
    }
}

#[tokio::test]
async fn what_would_fail_is_not_sent_and_uses_up_nothing() {
    let wallet = Wallet::new(3, 2);
    let world = World::with(&wallet).await;
    let refused = async |calls: &[Call]| {
        let error = world.submit(&wallet, &wallet.transaction(calls, 0)).await;
        let error = error.unwrap_err();
        format!("{}: {error}", error.code())
    };
    let much = Call::native(address(20), ether(11)).unwrap();
    expect!["chain_reverted: the chain would refuse this: a call in it fails without a reason: the Safe holds too little, or the payee takes no payments"].assert_eq(&refused(std::slice::from_ref(&much)).await);
    expect!["chain_reverted: the chain would refuse this: a call in it fails without a reason: the Safe holds too little, or the payee takes no payments"].assert_eq(&refused(&[payment(20), much]).await);
    let token = world.dev.token;
    let much = Call::erc20(token, address(20), U256::from(2_000_000)).unwrap();
    expect![
        "chain_reverted: the chain would refuse this: 'ERC20: transfer amount exceeds balance'"
    ]
    .assert_eq(&refused(&[much]).await);
    let nowhere = Call::erc20(address(9), address(20), U256::from(1)).unwrap();
    expect!["chain_no_contract: there is no contract at 0x0909090909090909090909090909090909090909 on this chain, so a call to it would do nothing; correct the address"].assert_eq(&refused(&[payment(20), nowhere]).await);
    // A token of the kind that answers no instead of failing: return(0, 32).
    let code = json!([address(10).to_string(), "0x60206000f3"]);
    world.ask("anvil_setCode", code).await;
    let no = Call::erc20(address(10), address(20), U256::from(1)).unwrap();
    expect!["chain_token_refuses: the token 0x0A0A0a0a0a0a0a0A0a0a0A0a0A0A0A0a0a0a0a0a would not pay 0x1414141414141414141414141414141414141414: it answers no; does the Safe hold enough of it?"].assert_eq(&refused(&[no]).await);
    // Owners in another order than the Safe links them.
    let (one, two) = (key(1).address(), key(2).address());
    let wrong = Call::remove_owner(wallet.safe, two, one, 1);
    expect!["chain_reverted: the chain would refuse this: GS205: the owners are linked in another order by now; plan the change again"].assert_eq(&refused(&[wrong]).await);
    let state = world.ethereum.safe_state(wallet.safe).await.unwrap();
    assert_eq!(state.safe_nonce, 0);
    let pool = world.ask("txpool_status", json!([])).await;
    assert_eq!(pool, json!({ "pending": "0x0", "queued": "0x0" }));
}

#[tokio::test]
async fn signatures_of_others_are_named_before_anything_is_sent() {
    let wallet = Wallet::new(3, 2);
    let world = World::with(&wallet).await;
    let mut stranger = Wallet::new(4, 2);
    stranger.safe = wallet.safe;
    let transaction = wallet.transaction(&[payment(20)], 0);
    let error = world.submit(&stranger, &transaction).await.unwrap_err();
    assert_eq!(error.code(), "ethereum_not_an_owner");
    let old = wallet.sign(&wallet.transaction(&[payment(20)], 1));
    let contracts = &wallet.setup.contracts;
    let submitted = world
        .ethereum
        .submit(contracts, &transaction, &old, &world.relayer);
    assert_eq!(submitted.await.unwrap_err().code(), "ethereum_wrong_signer");
    let elsewhere = SafeTransaction {
        chain_id: 1,
        ..transaction
    };
    let error = world.submit(&wallet, &elsewhere).await.unwrap_err();
    assert_eq!(error.code(), "chain_id");
}

#[tokio::test]
async fn a_chain_that_makes_blocks_on_time_is_prepared_as_well() {
    let mining = Mining::EverySeconds(1);
    let (_anvil, dev) = prepared(mining).await;
    let paid = dev.pay_tokens(address(20), U256::from(7)).await.unwrap();
    assert_eq!(paid["status"], "0x1");
}
