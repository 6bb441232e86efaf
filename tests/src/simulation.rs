//! The log, the blocks, and all guardians.

use std::collections::BTreeMap;
use std::sync::Arc;

use circle::block::Block;
use circle::checkpoint::Checkpoint;
use circle::digest::digest;
use circle::envelope::{Body, Envelope};
use circle::genesis::{Asset, Genesis, Home};
use circle::ids::{CircleId, Key};
use circle::iou::{Iou, Price, SignedIou};
use circle::machine::Machine;
use circle::member::{Member, Members};
use circle::membership;
use circle::policies::{Language, Library};
use circle::receipt::Receipt;
use circle::session::{BlockContext, Session};
use circle::treasury::{Payout, payouts};
use circle::{Fault, digest::encode};
use ed25519_zebra::SigningKey;
use threescript::action::{Action, Mark};
use threescript::engine::{Limits, PROFILE};
use threescript::value::{Amount, AssetCode, Value};
use treasury_protocol::ethereum;

use crate::guardian::{Guardian, act};

/// When a simulated circle begins: 2026-01-01 00:00:00 UTC.
pub const START_MS: u64 = 1_767_225_600_000;
/// A day.
pub const DAY_MS: u64 = 24 * 3600 * 1000;
const BLOCK_MS: u64 = 1000;
/// An Ethereum chain on which TFT is a token with nine decimals.
pub const CHAIN_ID: u64 = 31_337;
/// The contract of that token.
pub const TOKEN: ethereum::Address = ethereum::Address([7; 20]);

/// The standard policies that a circle starts with.
pub fn policies() -> Vec<String> {
    let sources = [
        include_str!("../../policies/iou/policy.3script"),
        include_str!("../../policies/vote/policy.3script"),
    ];
    sources.map(str::to_owned).to_vec()
}

/// A circle of honest, faulty and stopped guardians, and the log that orders what they say.
pub struct Simulation {
    /// What the circle started with.
    pub genesis: Genesis,
    /// By index.
    pub guardians: Vec<Guardian>,
    /// All blocks so far.
    pub blocks: Vec<Block>,
    /// The receipts of the first running guardian, by height.
    pub receipts: Vec<Vec<Receipt>>,
    keys: BTreeMap<String, SigningKey>,
    time_ms: u64,
    sequences: u64,
}

impl Simulation {
    /// A circle of `guardians`; equal seeds give equal circles. `faulty` names a guardian and the command on which it errs.
    pub fn new(guardians: u8, seed: u64, faulty: Option<(u32, &str)>) -> Self {
        Self::with_policies(guardians, seed, faulty, policies())
    }

    /// The same, with other policies from the first block on.
    pub fn with_policies(
        guardians: u8,
        seed: u64,
        faulty: Option<(u32, &str)>,
        policies: Vec<String>,
    ) -> Self {
        let secret =
            |index: u8| SigningKey::from_bytes(&digest("simulation/guardian", &(seed, index)));
        let members = (0..guardians).map(|index| Member {
            name: format!("guardian{}", index + 1),
            key: Key::of(&secret(index)),
        });
        let issuer = Key::of(&SigningKey::from_bytes(&[250; 32]));
        let genesis = Genesis {
            circle: CircleId::of_name("simulation"),
            name: "simulation".into(),
            time_ms: START_MS,
            members: Members::new(members.collect()).expect("9 to 99 guardians"),
            assets: BTreeMap::from([(
                tft(),
                Asset {
                    decimals: 7,
                    homes: vec![
                        Home::Stellar {
                            issuer: Some(issuer),
                        },
                        Home::Ethereum {
                            chain_id: CHAIN_ID,
                            token: Some(TOKEN),
                            decimals: 9,
                        },
                    ],
                },
            )]),
            policies,
            limits: Limits::default(),
            interpreter: PROFILE.into(),
        };
        let guardian = |index: u8| {
            let index = u32::from(index);
            let fault = faulty
                .filter(|(faulty, _)| *faulty == index)
                .map(|(_, on)| Fault { on: on.into() });
            let machine = Machine::new(genesis.clone(), fault).expect("the genesis is sound");
            Guardian::new(machine, index, secret(index as u8), seed)
        };
        let guardians = (0..guardians).map(guardian).collect();
        Self {
            guardians,
            genesis,
            blocks: Vec::new(),
            receipts: Vec::new(),
            keys: BTreeMap::new(),
            time_ms: START_MS,
            sequences: 0,
        }
    }

    /// Orders `transactions` in a block and lets all running guardians execute it. Returns what the first concluded.
    pub fn block(&mut self, transactions: Vec<Vec<u8>>) -> Checkpoint {
        self.time_ms += BLOCK_MS;
        let height = self.blocks.len() as u64 + 1;
        let hash = digest("simulation/block", &(height, self.time_ms, &transactions));
        self.blocks.push(Block {
            height,
            time_ms: self.time_ms,
            hash,
            transactions,
        });
        let mut concluded = None;
        for guardian in self
            .guardians
            .iter_mut()
            .filter(|guardian| guardian.running)
        {
            while guardian.head().height < height {
                let next = guardian.head().height as usize;
                let (checkpoint, receipts) = guardian.execute(&self.blocks[next]);
                if guardian.head().height == height && concluded.is_none() {
                    self.receipts.push(receipts);
                    concluded = Some(checkpoint);
                }
            }
        }
        concluded.expect("a guardian is running")
    }

    /// Orders what the guardians owe, block after block, until nobody owes anything. At most 40 blocks.
    pub fn settle(&mut self) {
        for _ in 0..40 {
            if !self.step() {
                return;
            }
        }
        panic!("the guardians never come to rest");
    }

    /// The clock, in milliseconds since 1970.
    pub fn time_ms(&self) -> u64 {
        self.time_ms
    }

    /// Orders what the running guardians owe now in one block. False, without a block, if that is nothing.
    pub fn step(&mut self) -> bool {
        let genesis = self.genesis.clone();
        let running = self
            .guardians
            .iter_mut()
            .filter(|guardian| guardian.running);
        let due: Vec<Vec<u8>> = running
            .flat_map(|guardian| guardian.duties(&genesis))
            .collect();
        if due.is_empty() {
            return false;
        }
        self.block(due);
        true
    }

    /// A node of somebody who is no guardian yet; it executes the whole log. Returns its place among the guardians.
    pub fn newcomer(&mut self, name: &str) -> usize {
        let secret = SigningKey::from_bytes(&digest("simulation/newcomer", &name));
        let machine = Machine::new(self.genesis.clone(), None).expect("the genesis is sound");
        let index = self.guardians.len();
        let mut guardian = Guardian::new(machine, index as u32, secret, index as u64);
        for block in &self.blocks {
            guardian.execute(block);
        }
        self.guardians.push(guardian);
        index
    }

    /// Each payout as the first guardian knows it: number, purpose, state.
    pub fn states(&self) -> Vec<(u64, &'static str, &'static str)> {
        let state = |payout: &Payout| (payout.id, payout.purpose.name(), payout.state.name());
        self.payouts(0).iter().map(state).collect()
    }

    /// How much TFT is in a book, as the first guardian knows it.
    pub fn book(&self, name: &str) -> i64 {
        circle::ledger::balance(&self.guardians[0].state(), name, &tft())
            .expect("memory does not fail")
    }

    /// Orders empty blocks up to `height`, and settles.
    pub fn until(&mut self, height: u64) {
        while (self.blocks.len() as u64) < height {
            self.block(Vec::new());
        }
        self.settle();
    }

    /// Lets time pass without blocks.
    pub fn wait(&mut self, ms: u64) {
        self.time_ms += ms;
    }

    /// Sends `actions` as the guardian with this index, and settles. Returns the receipt.
    pub fn act(&mut self, guardian: usize, actions: Vec<Action>) -> Receipt {
        let envelope = self.guardians[guardian].transaction(&self.genesis, actions);
        self.send(envelope)
    }

    /// Sends `actions` as an account that is no guardian, and settles.
    pub fn act_as(&mut self, name: &str, actions: Vec<Action>) -> Receipt {
        let secret = self.account(name);
        self.sequences += 1;
        let body = Body {
            circle: self.genesis.circle,
            sender: Key::of(&secret),
            account_nonce: self.sequences,
            expires_at_ms: u64::MAX,
            actions,
        };
        self.send(Envelope::sign(body, &secret))
    }

    /// The same, co-signed by all guardians.
    pub fn act_as_circle(&mut self, actions: Vec<Action>) -> Receipt {
        let mut envelope = self.guardians[0].transaction(&self.genesis, actions);
        for guardian in &self.guardians {
            envelope.cosign(&guardian.secret);
        }
        self.send(envelope)
    }

    /// Orders a transaction alone in a block, and settles.
    pub fn send(&mut self, envelope: Envelope) -> Receipt {
        self.block(vec![envelope.encode()]);
        let receipt = self.receipts.last().expect("a block was made")[0].clone();
        self.settle();
        receipt
    }

    /// Makes the key of the wallet `main`.
    pub fn make_key(&mut self) {
        let start = act(
            "ceremony",
            "start",
            vec![
                ("wallet", Value::Text("main".into())),
                ("network", Value::Text("Guardian Circle simulation".into())),
                ("sequence", Value::Int(0)),
                ("threshold", Value::Int(0)),
            ],
        );
        let receipt = self.act_as_circle(vec![start]);
        assert!(receipt.is_ok(), "{receipt:?}");
    }

    /// The key of the account `name`, which is registered with its first use.
    pub fn account(&mut self, name: &str) -> SigningKey {
        if let Some(key) = self.keys.get(name) {
            return *key;
        }
        let secret = SigningKey::from_bytes(&digest("simulation/account", &name));
        let register = act(
            "circle",
            "register",
            vec![
                ("name", Value::Text(name.into())),
                ("key", Value::Bytes(Key::of(&secret).0.to_vec())),
                ("roles", Value::List(vec![Value::Text("farmer".into())])),
            ],
        );
        let receipt = self.act(0, vec![register]);
        assert!(receipt.is_ok(), "{receipt:?}");
        self.keys.insert(name.into(), secret);
        secret
    }

    /// Gives a consumer escrow.
    pub fn deposit(&mut self, consumer: &str, units: i64) -> Receipt {
        self.account(consumer);
        self.sequences += 1;
        self.act_as_circle(vec![act(
            "treasury",
            "deposit",
            vec![
                ("wallet", Value::Text("main".into())),
                ("account", Value::Account(consumer.into())),
                ("amount", Value::Amount(Amount::new(units, tft()))),
                (
                    "reference",
                    Value::Text(format!("deposit {}", self.sequences)),
                ),
            ],
        )])
    }

    /// An IOU over one hour, signed by both; hours count from the start.
    pub fn iou(&mut self, farmer: &str, consumer: &str, hour: u32, amount: i64) -> SignedIou {
        let (farmer, consumer) = (self.account(farmer), self.account(consumer));
        self.unsigned(&farmer, &consumer, hour, amount)
            .sign(&farmer, &consumer)
    }

    /// The same, before it is signed.
    pub fn unsigned(
        &mut self,
        farmer: &SigningKey,
        consumer: &SigningKey,
        hour: u32,
        amount: i64,
    ) -> Iou {
        self.sequences += 1;
        let from = (START_MS / 1000) as i64 + i64::from(hour) * 3600;
        Iou {
            circle: self.genesis.circle,
            farmer: Key::of(farmer),
            consumer: Key::of(consumer),
            reference: "contract-1".into(),
            from,
            to: from + 3600,
            usage: Vec::new(),
            price: Price {
                policy: [0; 32],
                tft_musd: 50,
            },
            asset: tft(),
            amount,
            sequence: self.sequences,
        }
    }

    /// Submits a batch of IOUs as the first guardian.
    pub fn submit(&mut self, batch: &[SignedIou]) -> Receipt {
        self.act(
            0,
            vec![act(
                "iou",
                "submit",
                vec![("batch", Value::Bytes(encode(&batch.to_vec())))],
            )],
        )
    }

    /// Rolls up all IOUs up to now.
    pub fn roll_up(&mut self) -> Receipt {
        let up_to = (self.time_ms / 1000) as i64;
        self.act(
            0,
            vec![act("iou", "roll_up", vec![("up_to", Value::Time(up_to))])],
        )
    }

    /// Asks a policy a question, as the first guardian's node answers it.
    pub fn ask(
        &mut self,
        actor: &str,
        name: &str,
        params: Vec<(&str, Value)>,
    ) -> Result<Value, String> {
        let question = Action {
            mark: Mark::Ask,
            ..act(actor, name, params)
        };
        self.guardians[0].ask(&question, self.time_ms)
    }

    /// A session over other rows than the log led to, in which the policies of the first guardian's state are active.
    pub fn session(&self, rows: std::sync::Arc<dyn circle::state::KeyValue>) -> Box<Session> {
        use circle::state::{Memory, Overlay};
        let assets = Arc::new(self.genesis.decimals().expect("the genesis is sound"));
        let language = Arc::new(Language {
            catalog: circle::natives::catalog(&assets),
            limits: self.genesis.limits.clone(),
        });
        let active = Library::default().active(&*rows, &language);
        let context = BlockContext {
            height: self.blocks.len() as u64 + 1,
            time_ms: self.time_ms + 90 * DAY_MS,
            genesis: Arc::new(self.genesis.clone()),
            members: Arc::new(membership::roster(&*rows).expect("memory does not fail")),
            assets,
            language,
            policies: Arc::new(active.expect("memory does not fail")),
        };
        let local = Overlay::new(Arc::new(Memory::new()));
        Box::new(Session::new(context, Overlay::new(rows), local))
    }

    /// Rebuilds the replica of a guardian from the log with a binary that does not err.
    pub fn rebuild(&mut self, guardian: usize) {
        let machine = Machine::new(self.genesis.clone(), None).expect("the genesis is sound");
        self.guardians[guardian].rebuild(machine, &self.blocks);
    }

    /// The payouts as the guardian with this index knows them.
    pub fn payouts(&self, guardian: usize) -> Vec<Payout> {
        payouts(&self.guardians[guardian].state()).expect("memory does not fail")
    }
}

/// The asset of the simulated circle.
pub fn tft() -> AssetCode {
    AssetCode::new("TFT").expect("a code")
}

/// The codes of the IOUs that a submission rejected.
pub fn rejected(receipt: &Receipt) -> Vec<String> {
    let Value::Map(admitted) = &receipt.events[0].data else {
        panic!("{receipt:?}")
    };
    let Value::List(rejected) = &admitted["rejected"] else {
        panic!("{receipt:?}")
    };
    let code = |one: &Value| match one {
        Value::Map(one) => match &one["code"] {
            Value::Text(code) => code.clone(),
            _ => panic!("{receipt:?}"),
        },
        _ => panic!("{receipt:?}"),
    };
    rejected.iter().map(code).collect()
}
