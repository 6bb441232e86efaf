//! The guardian's own key on Ethereum: it names it when a Safe waits for that, and signs payouts of Safes with it.

use circle::ids::Key;
use circle::treasury::{self, OWNER_SIGNATURES_MAX, OwnedPayout, OwnerDuties};
use threescript::value::Value;

use super::{Agent, Task, act};
use crate::problem::Problem;

impl Agent {
    pub(super) fn own(&mut self, duties: OwnerDuties) -> Result<(), Problem> {
        if duties.name_key && self.is_free(&Task::NameKey) {
            let key = self.secrets.new_owner_key()?;
            let member = Key::of(&self.core.key);
            let hash = treasury::ownership(self.core.genesis.circle, &member);
            let signature = key
                .sign(&hash)
                .map_err(|error| Problem::of(error.code(), error))?;
            let signature = Value::Bytes(signature.to_vec());
            let action = act("treasury", "own", [("signature", signature)]);
            self.send(vec![Task::NameKey], action)?;
        }
        let mut tasks = Vec::new();
        let mut signatures = Vec::new();
        for payout in duties.sign {
            let task = Task::OwnSignature { payout: payout.id };
            if signatures.len() == OWNER_SIGNATURES_MAX || !self.is_free(&task) {
                continue;
            }
            let Some(key) = self.secrets.owner_key()? else {
                tracing::error!(
                    guardian = self.core.name(),
                    payout = payout.id,
                    "the key by which this guardian owns Safes is missing; restore it from a backup"
                );
                self.pause(task);
                continue;
            };
            // The bytes are computed again from this node's own state.
            let hash = payout
                .transaction
                .hash()
                .map_err(|error| Problem::of(error.code(), error))?;
            let signature = key
                .sign(&hash)
                .map_err(|error| Problem::of(error.code(), error))?;
            tasks.push(task);
            signatures.push(OwnedPayout {
                payout: payout.id,
                signature,
            });
        }
        if signatures.is_empty() {
            return Ok(());
        }
        let bytes = borsh::to_vec(&signatures).expect("writing to memory does not fail");
        let signatures = Value::Bytes(bytes);
        self.send(tasks, act("treasury", "sign", [("signatures", signatures)]))
    }
}
