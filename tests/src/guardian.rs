//! One guardian of a simulated circle: its replica, its rows, its secrets.

use std::collections::BTreeMap;
use std::sync::Arc;

use circle::block::Block;
use circle::ceremonies::{self, KeygenDuty, SignDuty, SignMessage};
use circle::checkpoint::Checkpoint;
use circle::digest::{digest, encode};
use circle::duties::{Agreement, agreement, duties};
use circle::envelope::{Body, Envelope};
use circle::genesis::Genesis;
use circle::ids::{Key, sign};
use circle::machine::{Executed, Machine};
use circle::membership::ToConfirm;
use circle::receipt::Receipt;
use circle::state::{Head, KeyValue, Memory, Region, RegionView};
use circle::treasury::{OwnedPayout, Payout, Scheme, ownership};
use ed25519_zebra::SigningKey;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use threescript::action::{Action, Mark};
use threescript::value::Value;
use treasury_protocol::ceremony::keygen::{Conclusion, Participant, Phase, Seed};
use treasury_protocol::ceremony::sign::{Duty, Signing, SigningNonces};
use treasury_protocol::ceremony::{GroupKey, KeyShare};
use treasury_protocol::ethereum::OwnerKey;

/// A guardian. What it knows comes from blocks, but for its secrets.
pub struct Guardian {
    /// Its member key.
    pub secret: SigningKey,
    /// Its rows.
    pub store: Memory,
    /// Whether it executes and sends; a stopped one does neither.
    pub running: bool,
    /// Whether it gives up on a signing session that others leave open, as a node does after a while.
    pub impatient: bool,
    machine: Machine,
    nonce: u64,
    rng: ChaCha20Rng,
    seeds: BTreeMap<u64, Seed>,
    shares: BTreeMap<u64, KeyShare>,
    nonces: BTreeMap<u64, SigningNonces>,
    attested: u64,
}

impl Guardian {
    /// The guardian with this index and key; `seed` is the source of all its randomness.
    pub fn new(machine: Machine, index: u32, secret: SigningKey, seed: u64) -> Self {
        let mut store = Memory::new();
        store
            .commit(machine.start().expect("the genesis is sound"))
            .expect("the store is empty");
        let rng = ChaCha20Rng::seed_from_u64(seed ^ u64::from(index) << 32);
        Self {
            secret,
            store,
            running: true,
            impatient: false,
            machine,
            nonce: 0,
            rng,
            seeds: BTreeMap::new(),
            shares: BTreeMap::new(),
            nonces: BTreeMap::new(),
            attested: 0,
        }
    }

    /// A view of all rows.
    pub fn view(&self) -> Arc<dyn KeyValue> {
        Arc::new(self.store.clone())
    }

    /// A view of the state.
    pub fn state(&self) -> RegionView {
        RegionView::new(self.view(), Region::State)
    }

    /// The last committed block.
    pub fn head(&self) -> Head {
        Head::read(&self.store)
            .expect("memory does not fail")
            .expect("the genesis was committed")
    }

    /// Executes and commits a block.
    pub fn execute(&mut self, block: &Block) -> (Checkpoint, Vec<Receipt>) {
        let Executed {
            batch,
            checkpoint,
            receipts,
        } = self
            .machine
            .execute(self.view(), block)
            .expect("memory does not fail");
        self.store.commit(batch).expect("blocks come in order");
        (checkpoint, receipts)
    }

    /// Throws the rows away and executes the log again.
    pub fn rebuild(&mut self, machine: Machine, blocks: &[Block]) {
        self.store = Memory::new();
        self.store
            .commit(machine.start().expect("the genesis is sound"))
            .expect("the store is empty");
        self.machine = machine;
        self.attested = 0;
        for block in blocks {
            self.execute(block);
        }
    }

    /// What a policy answers after the last block.
    pub fn ask(&mut self, question: &Action, time_ms: u64) -> Result<Value, String> {
        let height = self.head().height;
        self.machine
            .ask(self.view(), height, time_ms, question)
            .map_err(|stop| format!("{stop:?}"))
    }

    /// A transaction of this guardian.
    pub fn transaction(&mut self, genesis: &Genesis, actions: Vec<Action>) -> Envelope {
        self.nonce += 1;
        let body = Body {
            circle: genesis.circle,
            sender: Key::of(&self.secret),
            account_nonce: self.nonce,
            expires_at_ms: u64::MAX,
            actions,
        };
        Envelope::sign(body, &self.secret)
    }

    /// The messages that this guardian owes after the last block.
    pub fn duties(&mut self, genesis: &Genesis) -> Vec<Vec<u8>> {
        let view = self.view();
        let due = duties(&view, &Key::of(&self.secret)).expect("memory does not fail");
        let mut actions = Vec::new();
        let astray = matches!(agreement(&view), Ok(Agreement::Minority { .. }));
        if let Some(checkpoint) = due
            .attest
            .filter(|checkpoint| !astray && checkpoint.height > self.attested)
        {
            self.attested = checkpoint.height;
            actions.push(attest(&self.secret, &checkpoint));
        }
        if let Some(testimony) = due.testify {
            actions.push(act(
                "circle",
                "testify",
                vec![("testimony", Value::Bytes(encode(&testimony)))],
            ));
        }
        if let Some(due) = due.confirm {
            actions.push(confirm(&due));
        }
        for duty in due.keygen {
            actions.push(self.keygen(&duty));
        }
        let messages: Vec<SignMessage> =
            due.sign.iter().filter_map(|duty| self.sign(duty)).collect();
        if !messages.is_empty() {
            actions.push(act(
                "ceremony",
                "sign",
                vec![("messages", Value::Bytes(encode(&messages)))],
            ));
        }
        let hash = ownership(genesis.circle, &Key::of(&self.secret));
        if due.own.name_key {
            let signature = self.owner_key().sign(&hash).expect("the key is sound");
            actions.push(own(Vec::new(), signature.to_vec()));
        }
        if due.own.name_stellar_key {
            let key = self.stellar_owner_key();
            actions.push(own(Key::of(&key).0.to_vec(), sign(&key, &hash).to_vec()));
        }
        if !due.own.sign.is_empty() {
            let sign = |payout: &Payout| OwnedPayout {
                payout: payout.id,
                signature: self.own_signature(payout),
            };
            let signatures: Vec<OwnedPayout> = due.own.sign.iter().map(sign).collect();
            let signatures = Value::Bytes(encode(&signatures));
            actions.push(act("treasury", "sign", vec![("signatures", signatures)]));
        }
        actions
            .into_iter()
            .map(|action| self.transaction(genesis, vec![action]).encode())
            .collect()
    }

    /// What this guardian signs a payout with by a key of its own.
    pub fn own_signature(&self, payout: &Payout) -> Vec<u8> {
        match &payout.signers {
            Some(Scheme::Multisig { .. }) => sign(&self.stellar_owner_key(), &payout.hash).to_vec(),
            _ => {
                let signature = self.owner_key().sign(&payout.hash);
                signature.expect("the key is sound").to_vec()
            }
        }
    }

    /// The key by which this guardian owns accounts on Stellar.
    pub fn stellar_owner_key(&self) -> SigningKey {
        SigningKey::from(digest("simulation/stellar-owner", &Key::of(&self.secret)))
    }

    /// The key by which this guardian owns Safes.
    pub fn owner_key(&self) -> OwnerKey {
        let secret = digest("simulation/owner", &Key::of(&self.secret));
        OwnerKey::from_bytes(&secret).expect("a hash is a key but for a negligible chance")
    }

    fn keygen(&mut self, duty: &KeygenDuty) -> Action {
        let seed = self
            .seeds
            .entry(duty.ceremony)
            .or_insert_with(|| Seed::random(&mut self.rng));
        let participant = Participant::from_seed(seed, &duty.keygen, duty.index)
            .expect("the seed is this ceremony's");
        let message = match duty.keygen.phase() {
            Phase::Round1 => participant.round1(&duty.keygen),
            Phase::Round2 => participant.round2(&duty.keygen),
            _ => {
                let local = RegionView::new(self.view(), Region::Local);
                let received =
                    ceremonies::received(&local, duty.ceremony).expect("memory does not fail");
                match participant.conclude(&duty.keygen, &received) {
                    Ok(Conclusion::Confirm { share, message }) => {
                        self.shares.insert(duty.ceremony, share);
                        Ok(message)
                    }
                    Ok(Conclusion::Complain { message, .. }) => Ok(message),
                    Err(error) => Err(error),
                }
            }
        };
        let message = message.expect("the duty fits the phase").encode();
        act(
            "ceremony",
            "keygen",
            vec![
                ("ceremony", Value::Id(duty.ceremony)),
                ("message", Value::Bytes(message)),
            ],
        )
    }

    fn sign(&mut self, due: &SignDuty) -> Option<SignMessage> {
        let share = self.shares.get(&due.ceremony)?;
        let payout = due.payout.id;
        let message = match due.duty {
            Duty::StandBy { .. } if !self.impatient => return None,
            Duty::Commit | Duty::StandBy { .. } => {
                let (nonces, message) =
                    SigningNonces::commit(share, &mut self.rng).expect("the share is sound");
                self.nonces.insert(payout, nonces);
                message
            }
            Duty::Share { session } => {
                let nonces = self.nonces.remove(&payout)?;
                nonces
                    .sign(share, &due.key, &due.signing, session, &due.payout.hash)
                    .expect("the session is this payout's")
            }
        };
        Some(SignMessage { payout, message })
    }

    /// Gives up all nonces, as a restart does.
    pub fn forget_nonces(&mut self) {
        self.nonces.clear();
    }
}

/// A signature by the shares of those who took part in a ceremony over anything, without the circle.
pub fn sign_together(
    guardians: &mut [Guardian],
    participants: &[u32],
    ceremony: u64,
    key: &GroupKey,
    hash: &[u8; 32],
) -> [u8; 64] {
    let mut signing = Signing::new(key, *hash);
    let mut nonces = BTreeMap::new();
    for _ in 0..3 {
        for (index, participant) in (1u16..).zip(participants) {
            let guardian = &mut guardians[*participant as usize];
            let share = &guardian.shares[&ceremony];
            let message = match signing.duty(index) {
                Some(Duty::Commit) => {
                    let (drawn, message) = SigningNonces::commit(share, &mut guardian.rng)
                        .expect("the share is sound");
                    nonces.insert(index, drawn);
                    message
                }
                Some(Duty::Share { session }) => {
                    let nonces = nonces.remove(&index).expect("it committed");
                    let made = nonces.sign(share, key, &signing, session, hash);
                    made.expect("the session is this signing's")
                }
                _ => continue,
            };
            signing
                .apply(key, index, &message)
                .expect("the message is due");
            if let Some(signature) = signing.signature() {
                return signature;
            }
        }
    }
    panic!("enough guardians have shares");
}

/// The action that attests a checkpoint.
pub fn attest(secret: &SigningKey, checkpoint: &Checkpoint) -> Action {
    let digest = checkpoint.digest();
    act(
        "circle",
        "attest",
        vec![
            ("height", Value::Int(checkpoint.height as i64)),
            ("checkpoint", Value::Bytes(digest.to_vec())),
            ("signature", Value::Bytes(sign(secret, &digest).to_vec())),
        ],
    )
}

/// The action that confirms a change of the guardians.
pub fn confirm(due: &ToConfirm) -> Action {
    act(
        "circle",
        "confirm",
        vec![
            ("epoch", Value::Int(due.epoch as i64)),
            ("change", Value::Bytes(encode(&due.change))),
        ],
    )
}

/// The action by which a guardian names a key of its own: one on Stellar, or with nothing for it the one on Ethereum.
pub fn own(key: Vec<u8>, signature: Vec<u8>) -> Action {
    act(
        "treasury",
        "own",
        vec![
            ("key", Value::Bytes(key)),
            ("signature", Value::Bytes(signature)),
        ],
    )
}

/// An action from its parts.
pub fn act(actor: &str, name: &str, params: Vec<(&str, Value)>) -> Action {
    let params = params
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    Action {
        mark: Mark::Act,
        actor: actor.into(),
        name: name.into(),
        params,
    }
}
