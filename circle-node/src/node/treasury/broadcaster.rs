//! Sends signed payouts to their chain: every node can, and they take turns.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;

use circle::treasury::{self, Payout, PayoutState, Wallet};
use circle::{gate, membership};
use tokio::sync::watch;

use super::client::{Client, Sent};
use super::link::Link;
use crate::node::alarm::Alarm;
use crate::node::core::Core;
use crate::problem::Problem;

/// Sends what is signed until `stop` changes or the node fails.
pub async fn broadcast(core: Arc<Core>, link: Arc<Link>, mut stop: watch::Receiver<bool>) {
    let failing = core.clone();
    let _alarm = Alarm::new("broadcaster to a chain", move |problem| {
        failing.fail(problem)
    });
    let mut broadcaster = Broadcaster {
        core,
        link,
        seen: HashMap::new(),
        unopened: HashMap::new(),
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

/// The place of this node among the active guardians, who take turns, and how many they are.
#[derive(Clone, Copy)]
struct Place {
    seat: u128,
    of: u128,
}

/// The signed payouts of a wallet that its chain can take next, in the order of their sequence numbers.
type Queue = (Wallet, Vec<Payout>);

struct Broadcaster {
    core: Arc<Core>,
    link: Arc<Link>,
    seen: HashMap<u64, Seen>,
    /// Since when the Safe of a wallet is waited for.
    unopened: HashMap<String, Instant>,
}

impl Broadcaster {
    async fn look(&mut self) {
        let (place, queues) = match self.queues() {
            Ok((Some(place), queues)) => (place, queues),
            // Who is no guardian or benched leaves it to the others.
            Ok((None, _)) => return,
            // Nothing is certified yet, or this node went astray: it does not speak for the circle.
            Err(problem) => {
                tracing::debug!(guardian = self.core.name(), "nothing is sent: {problem}");
                return;
            }
        };
        let all = queues.iter().flat_map(|(_, queue)| queue);
        let waiting: Vec<u64> = all.map(|payout| payout.id).collect();
        self.seen.retain(|id, _| waiting.contains(id));
        self.deploy(place).await;
        for (wallet, queue) in queues {
            for payout in queue {
                if !self.send(place, &wallet, &payout).await {
                    break;
                }
            }
        }
    }

    /// What is to be sent, and this node's place among those who send.
    fn queues(&self) -> Result<(Option<Place>, Vec<Queue>), Problem> {
        let rows = self.core.certified()?;
        let active = gate::active(&rows.state, &membership::roster(&rows.state)?)?;
        let seat = active.iter().position(|one| Some(*one) == self.core.me());
        let place = seat.map(|seat| Place {
            seat: seat as u128,
            of: active.len() as u128,
        });
        let mut by_wallet: BTreeMap<String, (Wallet, BTreeMap<i64, Option<Payout>>)> =
            BTreeMap::new();
        for payout in treasury::open(&rows.state)? {
            let wallet = treasury::wallet(&rows.state, &payout.wallet)?;
            let Some(wallet) = wallet.filter(|wallet| self.link.is_of(&wallet.chain)) else {
                continue;
            };
            if wallet.paused.is_some() {
                continue;
            }
            let entry = by_wallet.entry(payout.wallet.clone());
            let (_, sequences) = entry.or_insert_with(|| (wallet, BTreeMap::new()));
            let sendable = sequences.entry(payout.transaction.sequence()).or_default();
            if payout.state == PayoutState::Signed {
                *sendable = Some(payout);
            }
        }
        // What comes after a number that nobody can use yet would be refused.
        let queue = |(wallet, sequences): (Wallet, BTreeMap<i64, Option<Payout>>)| {
            (
                wallet,
                sequences.into_values().map_while(|payout| payout).collect(),
            )
        };
        Ok((place, by_wallet.into_values().map(queue).collect()))
    }

    /// Sends one payout if it is this node's turn. Gives whether the next one of the wallet may follow.
    async fn send(&mut self, place: Place, wallet: &Wallet, payout: &Payout) -> bool {
        if self.core.treasury.is_included(payout.id) {
            self.core.treasury.answered(payout.id, None);
            return true;
        }
        let seen = self.seen.entry(payout.id).or_insert_with(|| Seen {
            since: Instant::now(),
            answered: None,
        });
        let turn = turn(seen.since, self.link.patience().as_millis());
        if (u128::from(payout.id) + turn) % place.of != place.seat {
            return false;
        }
        if seen.answered == Some(turn) {
            return true;
        }
        let sent = self.link.client().submit(wallet, payout).await;
        let (id, guardian) = (payout.id, self.core.name());
        match sent {
            Sent::Taken(place) => {
                tracing::info!(guardian, payout = id, "the chain took it: {place}");
                self.core.treasury.answered(id, None);
                self.answered(id, turn);
                true
            }
            // No verdict: only a proof that the watcher finds is one.
            Sent::Refused(reason) => {
                tracing::warn!(
                    guardian,
                    payout = id,
                    "the chain does not take it now: {reason}"
                );
                self.core.treasury.answered(id, Some(&reason));
                self.answered(id, turn);
                false
            }
            // The same bytes again at the next look: they take effect once at most.
            Sent::Unknown(reason) => {
                tracing::warn!(
                    guardian,
                    payout = id,
                    "nobody knows whether it was taken: {reason}"
                );
                false
            }
        }
    }

    /// Puts the Safes of wallets that the circle waits for onto their chain, in turns as payouts are.
    async fn deploy(&mut self, place: Place) {
        let Client::Ethereum(ethereum) = self.link.client() else {
            return;
        };
        let wallets = self
            .core
            .certified()
            .ok()
            .and_then(|rows| treasury::wallets(&rows.state).ok());
        for wallet in wallets.unwrap_or_default() {
            let waits = wallet.next_sequence.is_none() && self.link.is_of(&wallet.chain);
            let Some(setup) = wallet.setup(self.core.genesis.circle).filter(|_| waits) else {
                continue;
            };
            let since = *self
                .unopened
                .entry(wallet.name.clone())
                .or_insert_with(Instant::now);
            let turn = turn(since, self.link.patience().as_millis());
            if turn % place.of != place.seat {
                continue;
            }
            let guardian = self.core.name();
            match ethereum.deploy(&setup).await {
                Ok(true) => {
                    tracing::info!(guardian, wallet = wallet.name, "the Safe is being deployed")
                }
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(
                        guardian,
                        wallet = wallet.name,
                        "the Safe is not deployed: {error}"
                    );
                }
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
