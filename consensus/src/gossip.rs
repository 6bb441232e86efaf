//! How transactions reach the other members: their origin pushes them to everybody in batches, nobody relays them.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::block::encode;
use crate::embedded::context::Address;
use crate::embedded::shared::Shared;
use crate::link::{Channel, Links, Receiver};

/// Size at which a batch is cut.
const BATCH_BYTES: usize = 1 << 20;

/// Checks made in one go before other tasks get a turn.
const CHECKS_AT_ONCE: usize = 64;

/// Sends own transactions, and looks at all waiting ones again after each block. Ends with the engine.
pub(crate) async fn send(shared: Weak<Shared>, links: Links, interval: Duration) {
    loop {
        {
            let Some(shared) = shared.upgrade() else {
                return;
            };
            tokio::select! {
                () = shared.recheck.notified() => recheck(&shared).await,
                () = shared.submitted.notified() => {}
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
            }
            let due = shared.mempool().due(Instant::now());
            for batch in batches(&due) {
                links.broadcast(Channel::Transactions, batch);
            }
        }
        tokio::time::sleep(interval).await;
    }
}

/// Takes the transactions of others into the mempool. Ends with the links.
pub(crate) async fn receive(shared: Weak<Shared>, mut inbound: Receiver) {
    while let Some((peer, message)) = inbound.recv().await {
        let Some(shared) = shared.upgrade() else {
            return;
        };
        let Ok(batch) = borsh::from_slice::<Vec<Vec<u8>>>(&message) else {
            tracing::warn!(peer = %Address(peer), "a batch of transactions was not usable");
            continue;
        };
        for (index, transaction) in batch.into_iter().enumerate() {
            if let Err(refusal) = shared.take(transaction, Some(peer)) {
                tracing::trace!(peer = %Address(peer), code = refusal.code(), "a transaction was not taken");
            }
            if index % CHECKS_AT_ONCE == CHECKS_AT_ONCE - 1 {
                tokio::task::yield_now().await;
            }
        }
    }
}

async fn recheck(shared: &Shared) {
    let waiting = shared.mempool().waiting();
    for some in waiting.chunks(CHECKS_AT_ONCE) {
        for (hash, transaction) in some {
            if let Err(reason) = (shared.check)(transaction) {
                tracing::debug!(
                    hash = hex::encode(hash),
                    reason,
                    "a waiting transaction is no longer acceptable"
                );
                shared.mempool().remove(hash);
            }
        }
        tokio::task::yield_now().await;
    }
}

/// Encodes transactions into batches: borsh `Vec<Vec<u8>>`.
fn batches(transactions: &[Arc<[u8]>]) -> Vec<Bytes> {
    let mut batches = Vec::new();
    let mut batch: Vec<&[u8]> = Vec::new();
    let mut bytes = 0;
    for transaction in transactions {
        if bytes + transaction.len() > BATCH_BYTES && !batch.is_empty() {
            batches.push(Bytes::from(encode(&batch)));
            batch.clear();
            bytes = 0;
        }
        bytes += transaction.len();
        batch.push(transaction);
    }
    if !batch.is_empty() {
        batches.push(Bytes::from(encode(&batch)));
    }
    batches
}
