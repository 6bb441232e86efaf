//! Key ceremonies: what this guardian has to say in each phase.

use circle::ceremonies::{self, KeygenDuty};
use threescript::value::Value;
use treasury_protocol::ceremony::keygen::{Conclusion, Participant, Phase, Received};

use super::{Agent, Task, act};
use crate::node::core::Rows;
use crate::problem::Problem;

impl Agent {
    pub(super) fn keygen(&mut self, rows: &Rows, duty: KeygenDuty) -> Result<(), Problem> {
        let KeygenDuty {
            ceremony,
            keygen,
            index,
        } = duty;
        let phase = keygen.phase();
        let task = Task::Keygen {
            ceremony,
            phase: phase as u8,
        };
        if !self.is_free(&task) {
            return Ok(());
        }
        let id = keygen.id();
        let seed = match self.secrets.seed(&id)? {
            Some(seed) => seed,
            // The seed is on the disk before anything made from it leaves this node.
            None if phase == Phase::Round1 => self.secrets.new_seed(&id)?,
            None => {
                tracing::error!(
                    guardian = self.core.name(),
                    ceremony,
                    "the seed of this ceremony is lost; restore it, or start another ceremony"
                );
                self.pause(task);
                return Ok(());
            }
        };
        if !self.seeds.iter().any(|(number, _)| *number == ceremony) {
            self.seeds.push((ceremony, id));
        }
        let received = match phase {
            Phase::Confirm => ceremonies::received(&rows.local, ceremony)?,
            _ => Received::default(),
        };
        let participant = Participant::from_seed(&seed, &keygen, index);
        let message = participant.and_then(|participant| match phase {
            Phase::Round1 => participant.round1(&keygen).map(|message| (message, None)),
            Phase::Round2 => participant.round2(&keygen).map(|message| (message, None)),
            _ => participant
                .conclude(&keygen, &received)
                .map(|conclusion| match conclusion {
                    Conclusion::Confirm { share, message } => (message, Some(share)),
                    Conclusion::Complain { message, .. } => (message, None),
                }),
        });
        let (message, share) = match message {
            Ok(made) => made,
            Err(error) => {
                tracing::error!(guardian = self.core.name(), ceremony, "{error}");
                self.pause(task);
                return Ok(());
            }
        };
        if let Some(share) = share {
            self.secrets.keep_share(&id, &share)?;
        }
        let action = act(
            "ceremony",
            "keygen",
            [
                ("ceremony", Value::Id(ceremony)),
                ("message", Value::Bytes(message.encode())),
            ],
        );
        self.send(vec![task], action)
    }

    /// A seed opens what was sent to its owner, so it goes when its ceremony has ended.
    pub(super) fn forget_seeds(&mut self, rows: &Rows) -> Result<(), Problem> {
        if self.seeds.is_empty() {
            return Ok(());
        }
        let ended: Vec<u64> = ceremonies::keygens(&rows.state)?
            .into_iter()
            .filter(|(_, keygen)| matches!(keygen.phase(), Phase::Done | Phase::Failed))
            .map(|(number, _)| number)
            .collect();
        for (_, id) in self
            .seeds
            .extract_if(.., |(number, _)| ended.contains(number))
        {
            self.secrets.forget_seed(&id)?;
        }
        Ok(())
    }
}
