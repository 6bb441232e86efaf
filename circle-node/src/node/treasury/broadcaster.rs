//! Sends signed payouts to their chain: every node can, and they take turns.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;

use circle::ids::Key;
use circle::treasury::{self, Payout, PayoutState};
use tokio::sync::watch;
use treasury_chains::stellar::Submission;

use super::link::Link;
use crate::node::core::Core;

/// Sends what is signed until `stop` changes or the node fails.
pub async fn broadcast(core: Arc<Core>, link: Arc<Link>, mut stop: watch::Receiver<bool>) {
    let mut broadcaster = Broadcaster {
        core,
        link,
        seen: HashMap::new(),
    };
    loop {
        let poll = broadcaster.link.poll();
        tokio::select! {
            _ = stop.changed() => return,
            () = async {
                broadcaster.look().await;
                tokio::time::sleep(poll).await;
            } => {}
        }
        if broadcaster.core.is_over() {
            return;
        }
    }
}

/// What this node knows of a signed payout, from when it saw it first in this life.
struct Seen {
    since: Instant,
    /// The turn in which the chain answered, so that there is no need to send it again in that turn.
    answered: Option<u128>,
}

struct Broadcaster {
    core: Arc<Core>,
    link: Arc<Link>,
    seen: HashMap<u64, Seen>,
}

impl Broadcaster {
    async fn look(&mut self) {
        let queues = match self.queues() {
            Ok(queues) => queues,
            // Nothing is certified yet, or this node went astray: it does not speak for the circle.
            Err(problem) => {
                tracing::debug!(guardian = self.core.name(), "nothing is sent: {problem}");
                return;
            }
        };
        let waiting: Vec<u64> = queues.iter().flatten().map(|payout| payout.id).collect();
        self.seen.retain(|id, _| waiting.contains(id));
        for queue in queues {
            for payout in queue {
                if !self.send(&payout).await {
                    break;
                }
            }
        }
    }

    /// By wallet: the signed payouts that its chain can take next, in the order of their sequence numbers.
    fn queues(&self) -> Result<Vec<Vec<Payout>>, crate::problem::Problem> {
        let rows = self.core.certified()?;
        let mut by_wallet: BTreeMap<String, BTreeMap<i64, Option<Payout>>> = BTreeMap::new();
        for payout in treasury::open(&rows.state)? {
            let wallet = treasury::wallet(&rows.state, &payout.wallet)?;
            let Some(wallet) = wallet.filter(|wallet| self.link.is_of(&wallet.chain)) else {
                continue;
            };
            if wallet.paused.is_some() {
                continue;
            }
            let sequences = by_wallet.entry(payout.wallet.clone()).or_default();
            let sendable = sequences.entry(payout.transaction.sequence()).or_default();
            if payout.state == PayoutState::Signed {
                *sendable = Some(payout);
            }
        }
        // What comes after a number that nobody can use yet would be refused.
        let queue = |sequences: BTreeMap<i64, Option<Payout>>| {
            sequences.into_values().map_while(|payout| payout).collect()
        };
        Ok(by_wallet.into_values().map(queue).collect())
    }

    /// Sends one payout if it is this node's turn. Gives whether the next one of the wallet may follow.
    async fn send(&mut self, payout: &Payout) -> bool {
        if self.core.treasury.is_included(payout.id) {
            return true;
        }
        let guardians = self.core.guardians();
        let Some(seat) = guardians.seat(&Key::of(&self.core.key)) else {
            return false;
        };
        let members = guardians.roster.count() as u128;
        let seen = self.seen.entry(payout.id).or_insert_with(|| Seen {
            since: Instant::now(),
            answered: None,
        });
        let turn = turn(seen.since, self.link.patience().as_millis());
        if (u128::from(payout.id) + turn) % members != seat as u128 {
            return false;
        }
        if seen.answered == Some(turn) {
            return true;
        }
        let Some(envelope) = payout.envelope() else {
            return false;
        };
        let submission = self.link.client().submit(&envelope).await;
        let (id, guardian) = (payout.id, self.core.name());
        match submission {
            Ok(Submission::Included {
                ledger, succeeded, ..
            }) => {
                tracing::info!(
                    guardian,
                    payout = id,
                    ledger,
                    succeeded,
                    "the chain took it"
                );
                self.answered(id, turn);
                true
            }
            Ok(Submission::Refused { codes }) => {
                // No verdict: only a proof that the watcher finds is one.
                tracing::warn!(
                    guardian,
                    payout = id,
                    ?codes,
                    "the chain does not take it now"
                );
                self.answered(id, turn);
                false
            }
            // The same bytes again at the next look: they take effect once at most.
            Ok(Submission::Unknown { reason }) => {
                tracing::warn!(
                    guardian,
                    payout = id,
                    "nobody knows whether it was taken: {reason}"
                );
                false
            }
            Err(error) => {
                tracing::error!(guardian, payout = id, "{error}");
                self.answered(id, turn);
                false
            }
        }
    }

    fn answered(&mut self, id: u64, turn: u128) {
        if let Some(seen) = self.seen.get_mut(&id) {
            seen.answered = Some(turn);
        }
    }
}

/// How many times patience ran out.
fn turn(since: Instant, patience_ms: u128) -> u128 {
    since.elapsed().as_millis() / patience_ms.max(1)
}
