//! What the driver does with blocks: propose, judge, keep, commit, and hand over to those who miss them.

use arc_malachitebft_app_channel::app::engine::host::SyncedValueOutcome;
use arc_malachitebft_app_channel::app::types::core::{
    CommitCertificate, ExtendedCommitCertificate, Round, Validity,
};
use arc_malachitebft_app_channel::app::types::{LocallyProposedValue, ProposedValue};
use arc_malachitebft_sync::RawDecidedValue;
use tokio::time::Instant;

use super::{BLOCK_OVERHEAD, BODY_RETRY, Driver, MAX_SYNC_BYTES, TRANSACTION_OVERHEAD, send};
use crate::block::BlockBody;
use crate::embedded::context::{Address, BlockHash, GuardianContext as Ctx, Height};
use crate::embedded::network::BodyEvent;
use crate::embedded::proposal::{Assembled, On, judge, split};
use crate::embedded::shared::now_ms;
use crate::embedded::store::{DecidedRow, ProposalRow, Tip};
use crate::embedded::wire::{WireCertificate, decode};
use crate::log::LogError;

impl Driver {
    /// Gives the engine the blocks that it may not know of in this round: those that came early, and after a restart those
    /// that were seen before it.
    pub(super) async fn started_round(
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
    pub(super) async fn propose(
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

    pub(super) fn publish(
        &self,
        height: u64,
        round: Round,
        pol_round: Round,
        hash: [u8; 32],
        body: &[u8],
    ) {
        for part in split(height, round, pol_round, hash, body) {
            self.shared.network.publish_part(&part);
        }
    }

    /// Judges a block proposed for the height being decided, and keeps it before the engine hears of it.
    pub(super) async fn proposed(
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
    pub(super) async fn synced(
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

    pub(super) async fn keep(
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
    pub(super) async fn commit(
        &mut self,
        certificate: &CommitCertificate<Ctx>,
    ) -> Result<bool, LogError> {
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

    pub(super) async fn on_body(&mut self, event: BodyEvent) -> Result<(), LogError> {
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

    pub(super) fn ask_for_missing(&mut self) {
        if let Some(missing) = &mut self.missing
            && missing.asked.elapsed() >= BODY_RETRY
        {
            missing.asked = Instant::now();
            self.shared
                .network
                .ask_for_body(missing.certificate.height.0, missing.certificate.value_id.0);
        }
    }

    pub(super) async fn decided_blocks(
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
}
