//! Signing sessions: this guardian's commitments and shares.

use std::time::{Duration, Instant};

use circle::ceremonies::{SIGN_MESSAGES_MAX, SignDuty, SignMessage};
use threescript::value::Value;
use treasury_protocol::ceremony::sign::{Duty, Message, SigningNonces};

use super::{Agent, Task, act};
use crate::problem::Problem;

impl Agent {
    pub(super) fn sign(&mut self, duties: Vec<SignDuty>) -> Result<(), Problem> {
        let mut ready: Vec<(Task, SignMessage)> = Vec::new();
        for duty in duties {
            if ready.len() == SIGN_MESSAGES_MAX {
                break;
            }
            let payout = duty.payout.id;
            if let Some((task, message)) = self.sign_one(&duty)? {
                ready.push((task, SignMessage { payout, message }));
            }
        }
        if ready.is_empty() {
            return Ok(());
        }
        let (tasks, messages): (Vec<_>, Vec<_>) = ready.into_iter().unzip();
        let bytes = borsh::to_vec(&messages).expect("writing to memory does not fail");
        self.send(
            tasks,
            act("ceremony", "sign", [("messages", Value::Bytes(bytes))]),
        )
    }

    fn sign_one(&mut self, duty: &SignDuty) -> Result<Option<(Task, Message)>, Problem> {
        let payout = duty.payout.id;
        let commit = Task::Commit { payout };
        let Some(share) = self.secrets.share(&duty.key.ceremony)? else {
            if self.is_free(&commit) {
                tracing::error!(
                    guardian = self.core.name(),
                    payout,
                    "the share of this wallet's key is missing; restore it from a backup"
                );
                self.pause(commit);
            }
            return Ok(None);
        };
        match duty.duty {
            // What its chain would refuse is better known before signatures of it exist.
            Duty::Commit if !self.core.treasury.may_commit(&duty.payout) => Ok(None),
            Duty::Commit => self.commit(&share, commit),
            Duty::Share { session } => {
                let task = Task::Share { payout, session };
                if !self.is_free(&task) {
                    return Ok(None);
                }
                if let Some(made) = self.shares.get(&(payout, session)) {
                    return Ok(Some((task, *made)));
                }
                let index = share.index();
                let nonces = match self.nonces.remove(&payout) {
                    Some(nonces) if nonces.belong_to(&duty.signing, session, index) => nonces,
                    other => {
                        // Those of another commitment stay, for it may be on its way to the log. What this session was fixed over is
                        // lost with the process that drew it, as it should be.
                        self.nonces.extend(other.map(|nonces| (payout, nonces)));
                        return self.commit(&share, commit);
                    }
                };
                // The bytes are computed again from this node's own state; the hash in the ceremony is not believed.
                let hash = duty
                    .payout
                    .transaction
                    .hash()
                    .map_err(|error| Problem::of(error.code(), error))?;
                self.secrets.answer(&hash, session)?;
                match nonces.sign(&share, &duty.key, &duty.signing, session, &hash) {
                    Ok(message) => {
                        self.shares.insert((payout, session), message);
                        Ok(Some((task, message)))
                    }
                    Err(error) => {
                        tracing::error!(guardian = self.core.name(), payout, session, "{error}");
                        self.pause(task);
                        Ok(None)
                    }
                }
            }
            Duty::StandBy { session } => {
                let patience = Duration::from_secs(10)
                    + Duration::from_millis(300) * self.core.guardians().roster.count() as u32;
                let since = *self
                    .standing_by
                    .entry((payout, session))
                    .or_insert_with(Instant::now);
                if since.elapsed() < patience {
                    Ok(None)
                } else {
                    self.commit(&share, commit)
                }
            }
        }
    }

    fn commit(
        &mut self,
        share: &treasury_protocol::ceremony::KeyShare,
        task: Task,
    ) -> Result<Option<(Task, Message)>, Problem> {
        let Task::Commit { payout } = task else {
            return Ok(None);
        };
        if !self.is_free(&task) {
            return Ok(None);
        }
        match SigningNonces::commit(share, &mut rand::rngs::OsRng) {
            Ok((nonces, message)) => {
                self.nonces.insert(payout, nonces);
                Ok(Some((task, message)))
            }
            Err(error) => {
                tracing::error!(guardian = self.core.name(), payout, "{error}");
                self.pause(task);
                Ok(None)
            }
        }
    }
}
