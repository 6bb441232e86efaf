//! The application side of the engine: builds and judges blocks, keeps them, and says when the next height begins.
//!
//! One task answers the engine's questions in their order. A block body is on disk before the engine hears of it, and a
//! decision is acknowledged only when its block is.

mod blocks;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arc_malachitebft_app_channel::app::engine::host::{HeightParams, Next};
use arc_malachitebft_app_channel::app::types::core::{CommitCertificate, LinearTimeouts};
use arc_malachitebft_app_channel::{AppMsg, ConsensusRequest, Reply};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::context::{Address, GuardianContext as Ctx, Height};
use super::network::{BodyEvent, key_of};
use super::proposal::{Assembled, Assembler, Rules};
use super::shared::Shared;
use super::store::Tip;
use crate::log::LogError;

/// Bytes of an encoded block without its transactions, and of each transaction's length.
const BLOCK_OVERHEAD: usize = 8 + 8 + 32 + 32 + 4;
const TRANSACTION_OVERHEAD: usize = 4;

/// Bytes of blocks in one answer to a peer that is behind.
pub(crate) const MAX_SYNC_BYTES: usize = 6 << 20;

/// How long the first height waits for links to more than 2/3 of the members, before it begins without.
const FIRST_LINKS: Duration = Duration::from_secs(3);

/// How often the body of a decided block is asked for when it is missing here.
const BODY_RETRY: Duration = Duration::from_millis(500);

/// How often the engine is asked for a sign of life.
const PULSE: Duration = Duration::from_secs(5);

/// What the engine waits for from us, between two heights.
enum Pending {
    Nothing,
    First {
        reply: Reply<(Height, HeightParams<Ctx>)>,
        since: Instant,
    },
    Next {
        reply: Reply<Next<Ctx>>,
        since: Instant,
    },
}

/// A decision whose block is not here.
struct Missing {
    certificate: CommitCertificate<Ctx>,
    reply: Reply<()>,
    asked: Instant,
}

pub(crate) struct Driver {
    shared: Arc<Shared>,
    rules: Rules,
    tip: Tip,
    round: u32,
    assembler: Assembler,
    /// Blocks proposed for a height that cannot be judged yet.
    ahead: BTreeMap<(u64, u32), Assembled>,
    /// Whether the engine was told of the proposals that an earlier run left.
    recovered: bool,
    pending: Pending,
    missing: Option<Missing>,
    started_at: Instant,
}

impl Driver {
    pub fn new(shared: Arc<Shared>, tip: Tip) -> Self {
        let rules = Rules {
            max_block_bytes: shared.limits.max_block_bytes,
            max_transaction_bytes: shared.limits.max_transaction_bytes,
            max_ahead_ms: shared.timeouts.max_clock_ahead.as_millis() as u64,
            max_behind_ms: shared.timeouts.max_clock_behind.as_millis() as u64,
        };
        Self {
            assembler: Assembler::new(rules.max_block_bytes),
            shared,
            rules,
            tip,
            round: 0,
            ahead: BTreeMap::new(),
            recovered: false,
            pending: Pending::Nothing,
            missing: None,
            started_at: Instant::now(),
        }
    }

    /// Answers the engine until it ends, or the log cannot go on.
    pub async fn run(
        mut self,
        mut engine: mpsc::Receiver<AppMsg<Ctx>>,
        mut bodies: mpsc::Receiver<BodyEvent>,
        requests: mpsc::Sender<ConsensusRequest<Ctx>>,
    ) -> LogError {
        let wake = self.shared.wake.clone();
        let watchdog = self.shared.timeouts.watchdog;
        let mut pulse = std::pin::pin!(pulse(requests, watchdog));
        loop {
            let deadline = self.deadline();
            let result = tokio::select! {
                message = engine.recv() => match message {
                    Some(message) => self.answer(message).await,
                    None => return LogError::Died { reason: "its tasks have ended".into() },
                },
                Some(event) = bodies.recv() => self.on_body(event).await,
                () = wake.notified() => Ok(()),
                () = tokio::time::sleep_until(deadline) => Ok(()),
                () = &mut pulse => return LogError::Unresponsive { seconds: watchdog.as_secs() },
            };
            if let Err(error) = result {
                return error;
            }
            self.ask_for_missing();
            self.start_height();
        }
    }

    async fn answer(&mut self, message: AppMsg<Ctx>) -> Result<(), LogError> {
        match message {
            AppMsg::ConsensusReady { reply } => {
                self.pending = Pending::First {
                    reply,
                    since: Instant::now(),
                };
            }
            AppMsg::StartedRound {
                height,
                round,
                reply_value,
                ..
            } => {
                let values = self.started_round(height.0, round).await?;
                send(reply_value, values);
            }
            AppMsg::GetValue {
                height,
                round,
                reply,
                ..
            } => {
                let value = self.propose(height, round).await?;
                send(reply, value);
            }
            AppMsg::RestreamProposal {
                height,
                round,
                valid_round,
                value_id,
                ..
            } => {
                if let Some(body) = self.shared.store.body(height.0, &value_id.0)? {
                    self.publish(height.0, round, valid_round, value_id.0, &body);
                }
            }
            AppMsg::ReceivedProposalPart {
                from, part, reply, ..
            } => {
                let assembled =
                    part.content
                        .into_data()
                        .zip(key_of(&from))
                        .and_then(|(part, from)| {
                            let members = self.shared.schedule().at(part.height.0);
                            self.assembler.add(
                                Address(from),
                                part,
                                self.tip.height,
                                self.round,
                                &members,
                            )
                        });
                let value = match assembled {
                    Some(assembled) if assembled.height == self.tip.height + 1 => {
                        self.proposed(assembled).await?
                    }
                    Some(assembled) => {
                        let round = assembled.round.as_u32().unwrap_or(0);
                        self.ahead.insert((assembled.height, round), assembled);
                        None
                    }
                    None => None,
                };
                send(reply, value);
            }
            AppMsg::Decided {
                certificate, reply, ..
            } => {
                if self.commit(&certificate).await? {
                    send(reply, ());
                } else {
                    let (height, hash) = (certificate.height.0, certificate.value_id);
                    tracing::warn!(height, %hash, "a block was decided that is not here; asking the others for it");
                    self.shared.network.ask_for_body(height, hash.0);
                    self.missing = Some(Missing {
                        certificate,
                        reply,
                        asked: Instant::now(),
                    });
                }
            }
            AppMsg::Finalized {
                evidence,
                reply,
                certificate,
                ..
            } => {
                if !evidence.is_empty() {
                    tracing::warn!(
                        height = certificate.height.0,
                        ?evidence,
                        "a member signed two conflicting messages"
                    );
                }
                self.pending = Pending::Next {
                    reply,
                    since: Instant::now(),
                };
            }
            AppMsg::GetHistoryMinHeight { reply } => send(reply, Height(1)),
            AppMsg::GetDecidedValues { range, reply } => {
                send(
                    reply,
                    self.decided_blocks(range.start().0, range.end().0).await?,
                );
            }
            AppMsg::ProcessSyncedValue {
                height,
                round,
                proposer,
                value_bytes,
                reply,
            } => {
                send(
                    reply,
                    self.synced(height, round, proposer, value_bytes.to_vec())
                        .await?,
                );
            }
            // Vote extensions are disabled for every height, so neither is asked.
            AppMsg::ExtendVote { reply, .. } => send(reply, None),
            AppMsg::VerifyVoteExtensions { reply, .. } => send(reply, Vec::new()),
        }
        Ok(())
    }

    /// Starts the next height when its time has come; see [`Driver::begin_at`].
    fn start_height(&mut self) {
        if self.begin_at().is_none_or(|at| at > Instant::now()) {
            return;
        }
        let height = self.tip.height + 1;
        let params = self.params(height);
        self.started_at = Instant::now();
        match std::mem::replace(&mut self.pending, Pending::Nothing) {
            Pending::First { reply, .. } => send(reply, (Height(height), params)),
            Pending::Next { reply, .. } => send(reply, Next::Start(Height(height), params)),
            Pending::Nothing => {}
        }
    }

    /// When the next height begins: `None` if something must happen first.
    ///
    /// Not before the application has executed all but the last block. At once when more members than can be faulty vote
    /// on it already, or have decided it. When a transaction waits, or somebody votes on it, the shortest interval after
    /// the height before; else the idle interval.
    fn begin_at(&self) -> Option<Instant> {
        if self.missing.is_some() || self.shared.executed() + 1 < self.tip.height {
            return None;
        }
        let next = self.tip.height + 1;
        match &self.pending {
            Pending::Nothing => None,
            Pending::First { since, .. } => {
                let members = self.shared.schedule().at(next);
                let others = self
                    .shared
                    .network
                    .connected_among(|key| members.contains(&Address(*key)));
                let linked = (others + 1) * 3 > members.as_slice().len() * 2;
                Some(if linked { *since } else { *since + FIRST_LINKS })
            }
            Pending::Next { since, .. } => {
                let members = self.shared.schedule().at(next);
                let faulty = members.as_slice().len().saturating_sub(1) / 3;
                let voting = self
                    .shared
                    .network
                    .voting_on(next, |key| members.contains(&Address(*key)));
                if voting > faulty || self.shared.decided_elsewhere(next) >= next {
                    return Some(*since);
                }
                let timeouts = &self.shared.timeouts;
                if voting > 0 || self.shared.mempool().len() > 0 {
                    Some(self.started_at + timeouts.min_block_interval)
                } else {
                    Some(*since + timeouts.idle_block_interval)
                }
            }
        }
    }

    fn deadline(&self) -> Instant {
        let retry = self
            .missing
            .as_ref()
            .map(|missing| missing.asked + BODY_RETRY);
        let far = Instant::now() + Duration::from_secs(3600);
        [self.begin_at(), retry]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(far)
    }

    fn params(&self, height: u64) -> HeightParams<Ctx> {
        let (members, linked_with_others) = self.shared.schedule().start(height);
        if linked_with_others {
            self.shared.relink();
        }
        let timeouts = &self.shared.timeouts;
        let linear = LinearTimeouts {
            propose: timeouts.propose,
            propose_delta: timeouts.propose_delta,
            prevote: timeouts.prevote,
            prevote_delta: timeouts.prevote_delta,
            precommit: timeouts.precommit,
            precommit_delta: timeouts.precommit_delta,
            rebroadcast: timeouts.rebroadcast,
            ..LinearTimeouts::default()
        };
        HeightParams::new(members, linear, None)
    }

    /// Runs what waits for the disk where it holds up nobody else.
    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared) -> Result<T, LogError> + Send + 'static,
    ) -> Result<T, LogError> {
        let shared = self.shared.clone();
        match tokio::task::spawn_blocking(move || work(&shared)).await {
            Ok(result) => result,
            Err(error) => Err(LogError::Store {
                reason: error.to_string(),
            }),
        }
    }
}

/// Asks the engine for a sign of life now and then; returns when there was none for `patience`.
async fn pulse(requests: mpsc::Sender<ConsensusRequest<Ctx>>, patience: Duration) {
    loop {
        tokio::time::sleep(PULSE).await;
        let answer = async {
            let (reply, answer) = tokio::sync::oneshot::channel();
            if requests
                .send(ConsensusRequest::DumpState(reply))
                .await
                .is_ok()
            {
                let _ = answer.await;
            }
        };
        if tokio::time::timeout(patience, answer).await.is_err() {
            return;
        }
    }
}

/// Answers the engine. It may have stopped in the meantime, which the driver learns from its channel.
fn send<T>(reply: Reply<T>, answer: T) {
    let _ = reply.send(answer);
}
