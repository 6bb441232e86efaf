//! The application side of the engine: builds and judges blocks, keeps them, and says when the next height begins.
//!
//! One task answers the engine's questions in their order. A block body is on disk before the engine hears of it, and a
//! decision is acknowledged only when its block is.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arc_malachitebft_app_channel::app::engine::host::{HeightParams, Next, SyncedValueOutcome};
use arc_malachitebft_app_channel::app::types::core::{
    CommitCertificate, ExtendedCommitCertificate, LinearTimeouts, Round, Validity,
};
use arc_malachitebft_app_channel::app::types::{LocallyProposedValue, ProposedValue};
use arc_malachitebft_app_channel::{AppMsg, ConsensusRequest, Reply};
use arc_malachitebft_sync::RawDecidedValue;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::codec::{WireCertificate, decode};
use super::context::{Address, BlockHash, GuardianContext as Ctx, Height};
use super::network::{BodyEvent, key_of};
use super::proposal::{Assembled, Assembler, On, Rules, judge, split};
use super::shared::{Shared, now_ms};
use super::store::{DecidedRow, ProposalRow, Tip};
use crate::block::BlockBody;
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

    /// Gives the engine the blocks that it may not know of in this round: those that came early, and after a restart those
    /// that were seen before it.
    async fn started_round(
        &mut self,
        height: u64,
        round: Round,
    ) -> Result<Vec<ProposedValue<Ctx>>, LogError> {
        self.round = round.as_u32().unwrap_or(0);
        {
            let mut standing = self.shared.standing();
            standing.deciding = height;
            standing.round = self.round;
        }
        let mut values = Vec::new();
        if !self.recovered {
            self.recovered = true;
            for (round, hash, row) in self.shared.store.proposals(height)? {
                values.push(ProposedValue {
                    height: Height(height),
                    round: Round::new(round),
                    valid_round: u32::try_from(row.pol_round).map_or(Round::Nil, Round::new),
                    proposer: Address(row.proposer),
                    value: BlockHash(hash),
                    validity: Validity::from_bool(row.valid),
                });
            }
        }
        if height == self.tip.height + 1 {
            let later = self.ahead.split_off(&(height + 1, 0));
            for (_, assembled) in std::mem::replace(&mut self.ahead, later) {
                if assembled.height == height {
                    values.extend(self.proposed(assembled).await?);
                }
            }
        }
        Ok(values)
    }

    /// Builds the block that this node proposes, keeps it, and sends it to everybody.
    async fn propose(
        &mut self,
        height: Height,
        round: Round,
    ) -> Result<LocallyProposedValue<Ctx>, LogError> {
        let me = self.shared.me;
        let round_number = round.as_u32().unwrap_or(0);
        // Asked again for the same round, after a restart: only the same block will do.
        let known = self.shared.store.proposals(height.0)?;
        let known = known
            .into_iter()
            .find(|(seen, _, row)| *seen == round_number && row.proposer == me.0);
        let (hash, body) = match known {
            Some((_, hash, _)) => {
                let body = self.shared.store.body(height.0, &hash)?;
                let missing = || LogError::Corrupt {
                    height: height.0,
                    reason: "an own proposal has no body".into(),
                };
                (hash, body.ok_or_else(missing)?)
            }
            None => {
                let budget = self.rules.max_block_bytes - BLOCK_OVERHEAD;
                let block = BlockBody {
                    height: height.0,
                    time_ms: now_ms().max(self.tip.time_ms + 1),
                    proposer: me.0,
                    previous: self.tip.log_hash,
                    transactions: self
                        .shared
                        .mempool()
                        .for_block(budget, TRANSACTION_OVERHEAD),
                };
                let (hash, body) = (block.hash(), block.encode());
                let row = ProposalRow {
                    pol_round: -1,
                    proposer: me.0,
                    valid: true,
                };
                self.keep(height.0, round_number, hash, row, body.clone())
                    .await?;
                (hash, body)
            }
        };
        self.publish(height.0, round, Round::Nil, hash, &body);
        Ok(LocallyProposedValue::new(height, round, BlockHash(hash)))
    }

    fn publish(&self, height: u64, round: Round, pol_round: Round, hash: [u8; 32], body: &[u8]) {
        for part in split(height, round, pol_round, hash, body) {
            self.shared.network.publish_part(&part);
        }
    }

    /// Judges a block proposed for the height being decided, and keeps it before the engine hears of it.
    async fn proposed(
        &mut self,
        assembled: Assembled,
    ) -> Result<Option<ProposedValue<Ctx>>, LogError> {
        let Assembled {
            height,
            round,
            pol_round,
            hash,
            body,
        } = assembled;
        let Ok(block) = decode::<BlockBody>(&body) else {
            tracing::warn!(height, %round, "a proposal is not a block");
            return Ok(None);
        };
        if block.hash() != hash {
            tracing::warn!(height, %round, "a proposal is not the block that it claims to be");
            return Ok(None);
        }
        let members = self.shared.schedule().at(height);
        let proposer = members.proposer(Height(height), round).address;
        let carries_polka = pol_round.is_defined();
        let on = On {
            tip: &self.tip,
            members: &members,
            proposer,
            carries_polka,
            now_ms: now_ms(),
        };
        let verdict = judge(&self.rules, &block, body.len(), &on);
        if let Err(reason) = &verdict {
            tracing::warn!(height, %round, %proposer, %reason, "voting nil on a proposal");
        }
        let valid = verdict.is_ok();
        let row = ProposalRow {
            pol_round: pol_round.as_i64(),
            proposer: proposer.0,
            valid,
        };
        self.keep(height, round.as_u32().unwrap_or(0), hash, row, body)
            .await?;
        Ok(Some(ProposedValue {
            height: Height(height),
            round,
            valid_round: pol_round,
            proposer,
            value: BlockHash(hash),
            validity: Validity::from_bool(valid),
        }))
    }

    /// A decided block from a peer. Its certificate was checked by the engine, and that it fits the block by the network.
    async fn synced(
        &mut self,
        height: Height,
        round: Round,
        proposer: Address,
        body: Vec<u8>,
    ) -> Result<SyncedValueOutcome<Ctx>, LogError> {
        let Ok(block) = decode::<BlockBody>(&body) else {
            return Ok(SyncedValueOutcome::PeerFault);
        };
        if block.height != height.0 {
            return Ok(SyncedValueOutcome::PeerFault);
        }
        let hash = block.hash();
        let row = ProposalRow {
            pol_round: -1,
            proposer: proposer.0,
            valid: true,
        };
        self.keep(height.0, round.as_u32().unwrap_or(0), hash, row, body)
            .await?;
        Ok(SyncedValueOutcome::Verdict(ProposedValue {
            height,
            round,
            valid_round: Round::Nil,
            proposer,
            value: BlockHash(hash),
            validity: Validity::Valid,
        }))
    }

    async fn keep(
        &self,
        height: u64,
        round: u32,
        hash: [u8; 32],
        row: ProposalRow,
        body: Vec<u8>,
    ) -> Result<(), LogError> {
        self.on_disk(move |shared| shared.store.propose(height, round, &hash, &row, &body))
            .await
    }

    /// Makes a decision durable and visible. `false` if the block is not here.
    async fn commit(&mut self, certificate: &CommitCertificate<Ctx>) -> Result<bool, LogError> {
        let (height, hash) = (certificate.height.0, certificate.value_id.0);
        if height <= self.tip.height {
            // A replay of what is committed already.
            return Ok(true);
        }
        let Some(body) = self.shared.store.body(height, &hash)? else {
            return Ok(false);
        };
        let corrupt = |reason: String| LogError::Corrupt { height, reason };
        let block: BlockBody = decode(&body).map_err(|error| corrupt(error.to_string()))?;
        if block.hash() != hash {
            return Err(corrupt("the block is not the one that was decided".into()));
        }
        if height != self.tip.height + 1 || block.previous != self.tip.log_hash {
            return Err(corrupt(
                "the decided block does not follow the log of this node".into(),
            ));
        }
        let log_hash = block.log_hash();
        let row = DecidedRow {
            hash,
            log_hash,
            certificate: WireCertificate::from(certificate),
        };
        self.on_disk(move |shared| shared.store.decide(height, &row))
            .await?;
        self.tip = Tip {
            height,
            log_hash,
            time_ms: block.time_ms,
        };
        self.assembler.decided(height);
        self.shared.mempool().ordered(height, &block.transactions);
        {
            let mut standing = self.shared.standing();
            standing.last_block_time_ms = block.time_ms;
            standing.decided_at = std::time::Instant::now();
        }
        self.shared
            .progress
            .send_modify(|progress| progress.decided = height);
        Ok(true)
    }

    async fn on_body(&mut self, event: BodyEvent) -> Result<(), LogError> {
        match event {
            BodyEvent::Wanted { peer, height, hash } => {
                if let Some(body) = self.shared.store.body(height, &hash)? {
                    self.shared.network.send_body(&peer, body);
                }
            }
            BodyEvent::Arrived(body) => {
                let Some(missing) = &self.missing else {
                    return Ok(());
                };
                let (height, hash) = (missing.certificate.height.0, missing.certificate.value_id.0);
                if decode::<BlockBody>(&body).is_ok_and(|block| block.hash() == hash) {
                    self.on_disk(move |shared| shared.store.put_body(height, &hash, &body))
                        .await?;
                    if let Some(missing) = self.missing.take()
                        && self.commit(&missing.certificate).await?
                    {
                        send(missing.reply, ());
                    }
                }
            }
        }
        Ok(())
    }

    fn ask_for_missing(&mut self) {
        if let Some(missing) = &mut self.missing
            && missing.asked.elapsed() >= BODY_RETRY
        {
            missing.asked = Instant::now();
            self.shared
                .network
                .ask_for_body(missing.certificate.height.0, missing.certificate.value_id.0);
        }
    }

    async fn decided_blocks(
        &self,
        from: u64,
        to: u64,
    ) -> Result<Vec<RawDecidedValue<Ctx>>, LogError> {
        let to = to.min(self.tip.height);
        self.on_disk(move |shared| {
            let mut values = Vec::new();
            let mut bytes = 0;
            for height in from..=to {
                let Some(row) = shared.store.decided(height)? else {
                    break;
                };
                let Some(body) = shared.store.body(height, &row.hash)? else {
                    break;
                };
                bytes += body.len();
                if bytes > MAX_SYNC_BYTES && !values.is_empty() {
                    break;
                }
                let certificate =
                    ExtendedCommitCertificate::try_from(row.certificate).map_err(|error| {
                        LogError::Corrupt {
                            height,
                            reason: error.to_string(),
                        }
                    })?;
                values.push(RawDecidedValue::new(body.into(), certificate));
            }
            Ok(values)
        })
        .await
    }

    /// Starts the next height when its time has come; see [`Driver::begin_at`].
    fn start_height(&mut self) {
        if !self.begin_at().is_some_and(|at| at <= Instant::now()) {
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
        let members = self.shared.schedule().start(height);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedded::config::{Config, Limits, Timeouts};
    use crate::embedded::members::Schedule;
    use crate::embedded::start::share;
    use crate::embedded::store::Store;
    use crate::link::{Limits as LinkLimits, LinkConfig, Links};
    use crate::log::Member;
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
            identity: identity.clone(),
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
}
