//! The replicated state machine: a block in, a checkpoint and a batch of rows out.

use std::collections::BTreeMap;
use std::sync::Arc;

use threescript::action::Action;
use threescript::engine::PROFILE;
use threescript::value::{Assets, Value};

use crate::accounts;
use crate::authority::Authority;
use crate::block::Block;
use crate::checkpoint::{self, Checkpoint, Concluded, outcome_root};
use crate::digest::{Hash, digest};
use crate::envelope::Envelope;
use crate::fault::Fault;
use crate::genesis::Genesis;
use crate::ids::Key;
use crate::ledger;
use crate::membership;
use crate::natives;
use crate::outbox;
use crate::policies::{self, Language, Library};
use crate::receipt::{self, OK, Receipt, Source, writes_digest};
use crate::rejection::{Rejection, require};
use crate::schedule;
use crate::session::{BlockContext, Refusal, Session, Stop};
use crate::state::{
    Change, CommitBatch, Head, KeyValue, Memory, Overlay, Region, RegionView, StoreFault, Tree,
};
use crate::treasury;
use crate::trial::Trial;

/// The stack, in bytes, that the thread calling [`Machine::execute`] needs for the deepest script the limits allow.
pub const STACK_BYTES: usize = 64 * 1024 * 1024;

/// One node's replica of the state machine. It holds no state but caches: the state is in the rows.
#[derive(Clone)]
pub struct Machine {
    genesis: Arc<Genesis>,
    assets: Arc<Assets>,
    language: Arc<Language>,
    library: Library,
    fault: Option<Fault>,
    trial: Option<Trial>,
}

/// What became of a block.
#[derive(Debug)]
pub struct Executed {
    /// To be written as a whole.
    pub batch: CommitBatch,
    /// What this node concluded.
    pub checkpoint: Checkpoint,
    /// Of all transactions, then schedules.
    pub receipts: Vec<Receipt>,
}

impl Machine {
    /// A replica of the circle that starts with `genesis`.
    ///
    /// `fault` is for tests of divergence only: with it, this node computes something else than the others.
    pub fn new(genesis: Genesis, fault: Option<Fault>) -> Result<Self, Rejection> {
        let assets = genesis
            .decimals()
            .map_err(|error| Rejection::new("genesis.assets", error.to_string()))?;
        require(
            genesis.interpreter == PROFILE,
            "genesis.interpreter",
            || {
                format!(
                    "the circle runs its policies with {}, this program with {PROFILE}; use the circle's version",
                    genesis.interpreter
                )
            },
        )?;
        let language = Language {
            catalog: natives::catalog(&assets),
            limits: genesis.limits.clone(),
        };
        let mut installed: BTreeMap<Hash, &String> = BTreeMap::new();
        let mut library = Library::default();
        for source in &genesis.policies {
            let earlier = |hash: &Hash| installed.get(hash).map(|source| (*source).clone());
            let policy = policies::compile_with(source, &language, &earlier)?;
            installed.insert(policy.hash(), source);
            library.know(Arc::new(policy));
        }
        Ok(Self {
            genesis: Arc::new(genesis),
            assets: Arc::new(assets),
            language: Arc::new(language),
            library,
            fault,
            trial: None,
        })
    }

    /// A machine that tries out a policy from height `from` on, in the place of the active one of its name.
    pub fn trying(&self, policy: Arc<threescript::policy::Policy>, from: u64) -> Self {
        let mut machine = self.clone();
        // Known by its file, so that places point into it.
        machine.library.know(policy.clone());
        machine.trial = Some(Trial::new(policy, from));
        machine
    }

    /// What policies are compiled against.
    pub fn language(&self) -> &Language {
        &self.language
    }

    /// What the circle started with.
    pub fn genesis(&self) -> &Arc<Genesis> {
        &self.genesis
    }

    /// The rows before the first block, at height 0.
    pub fn start(&self) -> Result<CommitBatch, Stop> {
        let empty: Arc<dyn KeyValue> = Arc::new(Memory::new());
        let mut rows = Overlay::new(empty.clone());
        for member in self.genesis.members.iter() {
            accounts::register(&mut rows, &member.name, member.key, vec!["guardian".into()])?;
        }
        for source in &self.genesis.policies {
            let policy = policies::install(&mut rows, source, &self.language)?;
            policies::activate_now(&mut rows, &policy, 1);
            schedule::begin(
                &mut rows,
                &policy,
                i64::try_from(self.genesis.time_ms / 1000).unwrap_or(i64::MAX),
            );
        }
        membership::found(&mut rows, &self.genesis);
        self.genesis.interpreter().put(&mut rows);
        rows.put(b"kz".to_vec(), self.genesis.digest().to_vec());
        Ok(batch(&*empty, rows.changes(), 0)?)
    }

    /// Executes the block after the one that `view` was committed with.
    ///
    /// The calling thread needs a stack of [`STACK_BYTES`]. A fault leaves `view` as it is; the caller stops.
    pub fn execute(
        &mut self,
        view: Arc<dyn KeyValue>,
        block: &Block,
    ) -> Result<Executed, StoreFault> {
        let chain: Arc<dyn KeyValue> = Arc::new(RegionView::new(view.clone(), Region::Local));
        let state: Arc<dyn KeyValue> = Arc::new(RegionView::new(view.clone(), Region::State));
        let previous = match block.height.checked_sub(1) {
            None => {
                return Err(StoreFault::OutOfOrder {
                    committed: 0,
                    got: 0,
                });
            }
            Some(0) => [0; 32],
            Some(below) => {
                let concluded = checkpoint::at(&*chain, below)?;
                concluded
                    .ok_or(StoreFault::OutOfOrder {
                        committed: below,
                        got: block.height,
                    })?
                    .checkpoint
                    .digest()
            }
        };
        let rows = Overlay::new(state.clone());
        let opened = self.open(rows, Overlay::new(chain), block.height, block.time_ms)?;
        let (mut session, mut substantial) = opened;
        let mut receipts = Vec::with_capacity(block.transactions.len());
        for bytes in &block.transactions {
            let receipt;
            (session, receipt) = self.transaction(session, bytes)?;
            substantial |= !is_attestation(&receipt);
            receipts.push(receipt);
        }
        let transactions = receipts.len();
        let session = close(session, &mut receipts)?;
        substantial |= receipts.len() > transactions;
        let Session {
            rows, mut local, ..
        } = *session;

        let outcomes: Vec<Hash> = receipts.iter().map(Receipt::outcome).collect();
        receipt::keep(&mut local, block.height, &receipts);
        let changes = rows.changes();
        // A circle whose books do not balance must not go on, on any node.
        assert!(
            ledger::balances_hold(&*state, &changes)?,
            "the ledger does not balance at height {}",
            block.height
        );
        let mut batch = batch(&*view, changes, block.height)?;
        let checkpoint = Checkpoint {
            circle: self.genesis.circle,
            height: block.height,
            block: block.hash,
            previous,
            state_root: batch.head.state_root,
            outcome_root: outcome_root(&outcomes),
        };
        checkpoint::keep(
            &mut local,
            &Concluded {
                checkpoint: checkpoint.clone(),
                outcomes,
                substantial,
            },
        );
        batch.head.checkpoint = checkpoint.digest();
        batch.local = local.changes();
        Ok(Executed {
            batch,
            checkpoint,
            receipts,
        })
    }

    /// Opens a block over rows: what is due becomes active, and guardians come and go. The second result says whether anything did.
    pub(crate) fn open(
        &mut self,
        mut rows: Overlay,
        local: Overlay,
        height: u64,
        time_ms: u64,
    ) -> Result<(Box<Session>, bool), StoreFault> {
        let changed = membership::turn(&mut rows, height)?;
        let mut activated = policies::activate_due(&mut rows, height)?;
        if let Some(trial) = &self.trial
            && trial.hold(&mut rows, height)?
        {
            activated.push(trial.policy().to_owned());
        }
        let context = self.context(&rows, height, time_ms)?;
        if !activated.is_empty() {
            schedule::begin_new(&mut rows, &context)?;
        }
        for policy in activated
            .iter()
            .filter_map(|name| context.policies.get(name))
        {
            policies::drop_params(&mut rows, policy, &self.assets)?;
        }
        let session = Session::new(context, rows, local);
        Ok((Box::new(session), changed || !activated.is_empty()))
    }

    /// What a block over these rows knows.
    fn context(
        &mut self,
        rows: &Overlay,
        height: u64,
        time_ms: u64,
    ) -> Result<BlockContext, StoreFault> {
        Ok(BlockContext {
            height,
            time_ms,
            genesis: self.genesis.clone(),
            members: Arc::new(membership::roster(rows)?),
            assets: self.assets.clone(),
            language: self.language.clone(),
            policies: Arc::new(self.library.active(rows, &self.language)?),
        })
    }

    /// Whether a transaction may wait in a mempool, given a view of the whole store: right in form and signature, of a known account, not expired and not used.
    ///
    /// The answer may change with every block; only execution decides.
    pub fn check(
        &self,
        view: Arc<dyn KeyValue>,
        now_ms: u64,
        bytes: &[u8],
    ) -> Result<(), Rejection> {
        let envelope = Envelope::decode(bytes)?;
        envelope.verify(self.genesis.circle, now_ms)?;
        let state = RegionView::new(view, Region::State);
        let account = accounts::by_key(&state, &envelope.body.sender)
            .map_err(|fault| Rejection::new("node.fault", fault.to_string()))?;
        let account = account.ok_or_else(|| unknown_sender(&envelope.body.sender))?;
        account.nonces.check(envelope.body.account_nonce)
    }

    /// Answers a question of a policy from a view of the whole store.
    pub fn ask(
        &mut self,
        view: Arc<dyn KeyValue>,
        height: u64,
        time_ms: u64,
        question: &Action,
    ) -> Result<Value, Stop> {
        let chain: Arc<dyn KeyValue> = Arc::new(RegionView::new(view.clone(), Region::Local));
        let rows = Overlay::new(Arc::new(RegionView::new(view, Region::State)));
        let context = self.context(&rows, height, time_ms)?;
        let session = Box::new(Session::new(context, rows, Overlay::new(chain)));
        session.ask(question).1
    }

    /// The declarations of everything that may be asked or done now: the kernel's and those of the active policies.
    pub fn signatures(
        &mut self,
        view: Arc<dyn KeyValue>,
    ) -> Result<Vec<threescript::action::Signature>, StoreFault> {
        let policies = self
            .library
            .active(&RegionView::new(view, Region::State), &self.language)?;
        let mut all = crate::apply::signatures();
        all.extend(policies.values().flat_map(|policy| policy.signatures()));
        Ok(all)
    }

    /// All installed policies by hash, active or not, given a view of the whole store.
    pub fn installed(
        &mut self,
        view: Arc<dyn KeyValue>,
    ) -> Result<Vec<Arc<threescript::policy::Policy>>, StoreFault> {
        let rows = RegionView::new(view, Region::State);
        self.library.installed(&rows, &self.language)
    }

    fn transaction(
        &self,
        mut session: Box<Session>,
        bytes: &[u8],
    ) -> Result<(Box<Session>, Receipt), StoreFault> {
        let mut source = Source::Transaction {
            id: digest("guardian-circle/v1/not-a-transaction", &bytes.to_vec()),
            actions: Vec::new(),
            sender: None,
        };
        let (envelope, authority) = match self.authenticate(&mut session, bytes, &mut source) {
            Ok(authenticated) => authenticated,
            Err(Stop::Fault(fault)) => return Err(fault),
            Err(Stop::Refused(refusal)) => return Ok((session, refused(source, refusal))),
        };
        let fault = self
            .fault
            .as_ref()
            .is_some_and(|fault| fault.strikes(&envelope.body.actions));
        run(session, source, |session| {
            let (mut session, result) = act_all(session, &authority, &envelope.body.actions);
            if fault && result.is_ok() {
                Fault::corrupt(&mut session.rows);
            }
            (session, result)
        })
    }

    /// Checks an envelope against the state and uses up its nonce, which stays used whatever its actions do.
    fn authenticate(
        &self,
        session: &mut Session,
        bytes: &[u8],
        source: &mut Source,
    ) -> Result<(Envelope, Authority), Stop> {
        let envelope = Envelope::decode(bytes)?;
        let names = envelope
            .body
            .actions
            .iter()
            .map(|action| format!("{}.{}", action.actor, action.name))
            .collect();
        *source = Source::Transaction {
            id: envelope.body.id(),
            actions: names,
            sender: None,
        };
        let signers = envelope.verify(self.genesis.circle, session.context.time_ms)?;
        let sender = envelope.body.sender;
        let mut account =
            accounts::by_key(&session.rows, &sender)?.ok_or_else(|| unknown_sender(&sender))?;
        account.nonces.take(envelope.body.account_nonce)?;
        accounts::put(&mut session.rows, &account);
        if let Source::Transaction { sender, .. } = source {
            *sender = Some(account.name.clone());
        }
        let authority = Authority::of(&account, &signers, session.context.members());
        Ok((envelope, authority))
    }
}

/// The batch of a block: the changed rows, the nodes of the tree, the head.
fn batch(
    view: &dyn KeyValue,
    changes: Vec<Change>,
    height: u64,
) -> Result<CommitBatch, StoreFault> {
    let update = Tree::new(view).apply(&changes, height)?;
    let head = Head {
        height,
        state_root: update.root,
        checkpoint: [0; 32],
    };
    Ok(CommitBatch {
        head,
        state: changes,
        tree: update.rows,
        local: Vec::new(),
    })
}

/// What comes after the transactions of a block: the schedules that are due and the wallets that follow the guardians, whose
/// receipts are added, the effects of all, and the payouts that became unanimous.
pub(crate) fn close(
    mut session: Box<Session>,
    receipts: &mut Vec<Receipt>,
) -> Result<Box<Session>, StoreFault> {
    for (policy, name) in schedule::due(&mut session)? {
        let source = Source::Schedule {
            policy: policy.name().to_owned(),
            name: name.clone(),
        };
        let receipt;
        (session, receipt) = run(session, source, |session| session.every(policy, &name))?;
        receipts.push(receipt);
    }
    for wallet in treasury::due(&mut session)? {
        let source = Source::Following {
            wallet: wallet.clone(),
        };
        let receipt;
        (session, receipt) = run(session, source, |mut session| {
            let followed = treasury::follow(&mut session, &wallet);
            (session, followed.map(|()| Value::Unit).map_err(Stop::from))
        })?;
        receipts.push(receipt);
    }
    let height = session.context.height;
    outbox::put(&mut session.rows, height, receipts);
    treasury::release(&mut session)?;
    Ok(session)
}

/// Runs actions in order until one is refused. The value is the last one's.
pub(crate) fn act_all(
    mut session: Box<Session>,
    authority: &Authority,
    actions: &[Action],
) -> (Box<Session>, Result<Value, Stop>) {
    let mut value = Value::Unit;
    for action in actions {
        let result;
        (session, result) = session.act(authority, action);
        match result {
            Ok(returned) => value = returned,
            Err(stop) => return (session, Err(stop)),
        }
    }
    (session, Ok(value))
}

/// Runs one thing in a savepoint of its own and makes its receipt.
pub(crate) fn run(
    mut session: Box<Session>,
    source: Source,
    body: impl FnOnce(Box<Session>) -> (Box<Session>, Result<Value, Stop>),
) -> Result<(Box<Session>, Receipt), StoreFault> {
    session.begin();
    let savepoint = session.rows.begin();
    let (mut session, mut result) = body(session);
    if result.is_ok() {
        let checked;
        (session, checked) = session.check_invariants(&savepoint);
        result = result.and_then(|value| checked.map(|()| value));
    }
    let emitted = std::mem::take(&mut session.emitted);
    match result {
        Ok(_) => {
            let writes = writes_digest(&session.rows.changes_since(&savepoint));
            session.rows.commit(savepoint);
            let (events, effects, policies) = emitted.into_parts();
            let receipt = Receipt {
                source,
                code: OK.into(),
                message: String::new(),
                place: None,
                policies,
                events,
                effects,
                writes,
            };
            Ok((session, receipt))
        }
        Err(Stop::Refused(refusal)) => {
            session.rows.rollback(savepoint);
            let receipt = Receipt {
                policies: emitted.policies,
                ..refused(source, refusal)
            };
            Ok((session, receipt))
        }
        Err(Stop::Fault(fault)) => Err(fault),
    }
}

fn refused(source: Source, refusal: Refusal) -> Receipt {
    let Refusal { rejection, place } = refusal;
    Receipt {
        source,
        code: rejection.code.into_owned(),
        message: rejection.message,
        place,
        policies: Vec::new(),
        events: Vec::new(),
        effects: Vec::new(),
        writes: writes_digest(&[]),
    }
}

fn unknown_sender(key: &Key) -> Rejection {
    Rejection::new(
        "envelope.unknown_sender",
        format!("the key {key} has no account; a guardian can register it"),
    )
}

/// Whether this was only about what was attested, which needs no attestation itself.
fn is_attestation(receipt: &Receipt) -> bool {
    matches!(&receipt.source, Source::Transaction { actions, .. }
        if !actions.is_empty() && actions.iter().all(|action| action == "circle.attest" || action == "circle.testify"))
}
