//! What comes in.

use serde_json::json;
use treasury_chains::ethereum::Receipts;
use treasury_protocol::ethereum::{Address, Call, SafeTransaction, U256};

use super::world::*;

/// Receipts as `block from what units`.
fn told(world: &World, receipts: &Receipts) -> Vec<String> {
    let kind = |token: Option<Address>| match token {
        Some(token) if token == world.dev.token => "token",
        Some(_) => "another token",
        None => "ether",
    };
    let mut names: Vec<&String> = receipts.receipts.iter().map(|one| &one.name).collect();
    names.sort();
    names.dedup();
    assert_eq!(
        names.len(),
        receipts.receipts.len(),
        "each has its own name"
    );
    let each = receipts.receipts.iter();
    each.map(|one| format!("{} {}", kind(one.token), one.units))
        .collect()
}

#[tokio::test]
async fn what_comes_in_is_told_once_and_only_when_final() {
    let wallet = Wallet::new(3, 2);
    let world = World::with(&wallet).await;
    let (safe, token) = (wallet.safe, world.dev.token);
    let all = async |from, to| {
        let received = world.ethereum.received(safe, &[token], from, to).await;
        received.unwrap()
    };
    let first = all(0, u64::MAX).await;
    assert_eq!(
        told(&world, &first),
        ["ether 10000000000000000000", "token 1000000"]
    );
    // What the Safe does itself is nothing that came in: a no-op, a payment to itself, one out of it.
    sent(
        world
            .submit(&wallet, &SafeTransaction::noop(CHAIN_ID, safe, 0))
            .await,
    );
    world.mine(1).await;
    let itself = [
        Call::native(safe, U256::from(3)).unwrap(),
        Call::erc20(token, safe, U256::from(4)).unwrap(),
        payment(20),
    ];
    sent(world.submit(&wallet, &wallet.transaction(&itself, 1)).await);
    world.mine(1).await;
    world.ask("evm_setAutomine", json!([true])).await;
    world.dev.pay_tokens(safe, U256::from(77)).await.unwrap();
    let paid = world.dev.pay_ether(safe, U256::from(88)).await.unwrap();
    world.ask("evm_setAutomine", json!([false])).await;
    let next = first.through_block + 1;
    let number = u64::from_str_radix(&paid["blockNumber"].as_str().unwrap()[2..], 16).unwrap();
    world.mine(FINALITY - 1).await;
    let early = all(next, u64::MAX).await;
    assert_eq!(told(&world, &early), ["token 77"]);
    assert_eq!(early.through_block, number - 1);
    let nothing = all(early.through_block + 1, u64::MAX).await;
    assert_eq!(
        (nothing.receipts, nothing.through_block),
        (vec![], number - 1)
    );
    world.mine(1).await;
    let late = all(early.through_block + 1, u64::MAX).await;
    assert_eq!(told(&world, &late), ["ether 88"]);
    let [receipt] = &late.receipts[..] else {
        panic!("one")
    };
    assert_eq!(receipt.block, number);
    let name = format!("{}:0", paid["transactionHash"].as_str().unwrap());
    assert_eq!(receipt.name, name);
    assert_eq!(receipt.from.to_string().to_lowercase(), paid["from"]);
    // Read at once or piece by piece, it is the same.
    let whole = all(0, u64::MAX).await;
    let mut pieces = Vec::new();
    let mut from = 0;
    while from <= whole.through_block {
        let piece = all(from, from + 1).await;
        pieces.extend(piece.receipts);
        from = piece.through_block + 1;
    }
    assert_eq!(pieces, whole.receipts);
    // Without tokens only ether is asked for, not every contract of the chain.
    let ether = world
        .ethereum
        .received(safe, &[], 0, u64::MAX)
        .await
        .unwrap();
    assert_eq!(
        told(&world, &ether),
        ["ether 10000000000000000000", "ether 88"]
    );
}

#[tokio::test]
async fn a_long_chain_is_read_in_pieces() {
    let wallet = Wallet::new(3, 2);
    let world = World::with(&wallet).await;
    world.mine(2_100).await;
    let mut from = 0;
    let mut found = Vec::new();
    let mut questions = 0;
    loop {
        let piece = world
            .ethereum
            .received(wallet.safe, &[world.dev.token], from, u64::MAX)
            .await
            .unwrap();
        if piece.through_block < from {
            break;
        }
        found.extend(told(&world, &piece));
        from = piece.through_block + 1;
        questions += 1;
    }
    assert_eq!(questions, 2);
    assert_eq!(found, ["ether 10000000000000000000", "token 1000000"]);
    // And the outcome of what happened long ago is still found.
    let transaction = wallet.transaction(&[payment(20)], 0);
    sent(world.submit(&wallet, &transaction).await);
    world.mine(2_100).await;
    included(world.outcome(&transaction).await);
}
