//! The guardian's own keys on Ethereum and Stellar: it names them when a wallet waits for that, and signs payouts with them.

use circle::ids::Key;
use circle::ids::sign;
use circle::treasury::{self, OWNER_SIGNATURES_MAX, OwnedPayout, OwnerDuties, Payout, Scheme};
use threescript::value::Value;

use super::{Agent, Task, act};
use crate::problem::Problem;

impl Agent {
    pub(super) fn own(&mut self, duties: OwnerDuties) -> Result<(), Problem> {
        let member = Key::of(&self.core.key);
        let hash = treasury::ownership(self.core.genesis.circle, &member);
        if duties.name_key && self.is_free(&Task::NameKey) {
            let key = self.secrets.new_owner_key()?;
            let signature = key
                .sign(&hash)
                .map_err(|error| Problem::of(error.code(), error))?;
            self.name(Task::NameKey, Vec::new(), signature.to_vec())?;
        }
        if duties.name_stellar_key && self.is_free(&Task::NameStellarKey) {
            let key = self.secrets.new_stellar_owner_key()?;
            let signature = sign(&key, &hash).to_vec();
            self.name(Task::NameStellarKey, Key::of(&key).0.to_vec(), signature)?;
        }
        let mut tasks = Vec::new();
        let mut signatures = Vec::new();
        for payout in duties.sign {
            let task = Task::OwnSignature { payout: payout.id };
            if signatures.len() == OWNER_SIGNATURES_MAX || !self.is_free(&task) {
                continue;
            }
            let Some(signature) = self.signature(&payout)? else {
                tracing::error!(
                    guardian = self.core.name(),
                    payout = payout.id,
                    wallet = payout.wallet,
                    "the key by which this guardian owns the wallet is missing; restore it from a backup"
                );
                self.pause(task);
                continue;
            };
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

    fn name(&mut self, task: Task, key: Vec<u8>, signature: Vec<u8>) -> Result<(), Problem> {
        let given = [
            ("key", Value::Bytes(key)),
            ("signature", Value::Bytes(signature)),
        ];
        self.send(vec![task], act("treasury", "own", given))
    }

    /// What this guardian signs a payout with; nothing if its key is gone.
    fn signature(&self, payout: &Payout) -> Result<Option<Vec<u8>>, Problem> {
        // The bytes are computed again from this node's own state.
        let hash = payout
            .transaction
            .hash()
            .map_err(|error| Problem::of(error.code(), error))?;
        if let Some(Scheme::Multisig { .. }) = &payout.signers {
            let key = self.secrets.stellar_owner_key()?;
            return Ok(key.map(|key| sign(&key, &hash).to_vec()));
        }
        let Some(key) = self.secrets.owner_key()? else {
            return Ok(None);
        };
        let signature = key
            .sign(&hash)
            .map_err(|error| Problem::of(error.code(), error))?;
        Ok(Some(signature.to_vec()))
    }
}
