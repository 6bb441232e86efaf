//! The agent: does for its guardian what the state says is due, with the guardian's secrets.
//!
//! What is due follows from the committed state alone, see [`circle::duties`]. The agent signs it, sends it once, sends the
//! same bytes again if they are not ordered within a bound, and signs anew only when the old transaction can no longer take
//! effect.

mod keygen;
mod observe;
mod own;
mod sign;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use circle::digest::Hash;
use circle::duties::{self, Agreement};
use circle::envelope::{Body, Envelope};
use circle::gate::Testimony;
use circle::ids::{Key, sign};
use circle::membership::ToConfirm;
use circle::receipt;
use consensus::log::SubmitError;
use threescript::action::{Action, Mark};
use threescript::value::Value;
use tokio::runtime::Handle;
use tokio::sync::watch;
use treasury_protocol::ceremony::CeremonyId;
use treasury_protocol::ceremony::sign::{Message, SigningNonces};

use super::alarm::Alarm;
use super::core::{Core, Rows};
use super::secrets::Secrets;
use crate::problem::Problem;

/// How long a transaction of the agent may take effect.
const LIFETIME: Duration = Duration::from_secs(120);
/// After this long without being ordered, the same bytes are sent again.
const RESEND: Duration = Duration::from_secs(15);
/// After a refusal, nothing is sent for the same duty for this long.
const BACKOFF: Duration = Duration::from_secs(10);
/// The code of a transaction whose nonce was used.
const REPLAYED: &str = "envelope.replayed";
/// How the codes of refused observations begin.
const OBSERVED: &str = "observation.";
/// The code of an owner's signature that is not needed any more.
const SIGNED_BY_OTHERS: &str = "owner.state";
/// How often the agent looks without a new block.
const IDLE: Duration = Duration::from_secs(2);

/// What a message of the agent is for; each has at most one message under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Task {
    Attest,
    Testify,
    Confirm { epoch: u64 },
    Keygen { ceremony: u64, phase: u8 },
    Commit { payout: u64 },
    Share { payout: u64, session: u32 },
    Observe { subject: Hash },
    NameKey,
    NameStellarKey,
    OwnSignature { payout: u64 },
}

/// A message that is not known to be ordered yet.
struct UnderWay {
    tasks: Vec<Task>,
    id: Hash,
    bytes: Vec<u8>,
    account_nonce: u64,
    expires_at_ms: u64,
    sent: Instant,
}

/// One guardian's agent.
pub struct Agent {
    core: Arc<Core>,
    secrets: Secrets,
    runtime: Handle,
    under_way: Vec<UnderWay>,
    backoff: HashMap<Task, Instant>,
    attested: Option<Instant>,
    /// By payout: nonces that this very process drew and committed to, and that are used up by one share. No file has them, so
    /// after a restart or a restore there are none for what was committed to before.
    nonces: HashMap<u64, SigningNonces>,
    /// Shares that were made, by payout and session: a share may be sent again, never made again.
    shares: HashMap<(u64, u32), Message>,
    /// Since when a session that this guardian answered is waited for.
    standing_by: HashMap<(u64, u32), Instant>,
    /// Ceremonies whose seed is kept.
    seeds: Vec<(u64, CeremonyId)>,
}

/// Starts the agent's thread, which ends when `stop` changes or the node fails.
pub fn start(
    core: Arc<Core>,
    secrets: Secrets,
    runtime: Handle,
    mut stop: watch::Receiver<bool>,
) -> std::io::Result<std::thread::JoinHandle<()>> {
    let name = format!("agent {}", core.name());
    std::thread::Builder::new().name(name).spawn(move || {
        let failing = core.clone();
        let _alarm = Alarm::new("agent", move |problem| failing.fail(problem));
        let mut executed = core.executed();
        let mut agent = Agent::new(core, secrets, runtime.clone());
        loop {
            let go_on = runtime.block_on(async {
                tokio::select! {
                    _ = stop.changed() => false,
                    changed = executed.changed() => changed.is_ok(),
                    () = agent.core.treasury.told() => true,
                    () = tokio::time::sleep(IDLE) => true,
                }
            });
            if !go_on || agent.core.is_over() {
                return;
            }
            if let Err(problem) = agent.look() {
                agent.core.fail(problem);
                return;
            }
        }
    })
}

impl Agent {
    fn new(core: Arc<Core>, secrets: Secrets, runtime: Handle) -> Self {
        Self {
            core,
            secrets,
            runtime,
            under_way: Vec::new(),
            backoff: HashMap::new(),
            attested: None,
            nonces: HashMap::new(),
            shares: HashMap::new(),
            standing_by: HashMap::new(),
            seeds: Vec::new(),
        }
    }

    /// Does what is due.
    fn look(&mut self) -> Result<(), Problem> {
        let rows = self.core.newest()?;
        self.settle(&rows)?;
        let status = self.core.log.status();
        // What an old state asks for was done long ago, or will be asked for again.
        if status.catching_up || rows.height + 2 < status.height {
            return Ok(());
        }
        let duties = duties::duties(&rows.store, &Key::of(&self.core.key))?;
        let astray = matches!(duties::agreement(&rows.store)?, Agreement::Minority { .. });
        if let Some(testimony) = duties.testify.filter(|_| self.is_free(&Task::Testify)) {
            self.testify(&testimony)?;
        }
        if astray {
            return Ok(());
        }
        if let Some(checkpoint) = duties.attest.filter(|_| self.may_attest()) {
            let digest = checkpoint.digest();
            let action = act(
                "circle",
                "attest",
                [
                    (
                        "height",
                        Value::Int(i64::try_from(checkpoint.height).unwrap_or(i64::MAX)),
                    ),
                    ("checkpoint", Value::Bytes(digest.to_vec())),
                    (
                        "signature",
                        Value::Bytes(sign(&self.core.key, &digest).to_vec()),
                    ),
                ],
            );
            self.attested = Some(Instant::now());
            self.send(vec![Task::Attest], action)?;
        }
        if let Some(due) = duties.confirm {
            self.confirm(due)?;
        }
        for duty in duties.keygen {
            self.keygen(&rows, duty)?;
        }
        self.forget_seeds(&rows)?;
        self.sign(duties.sign)?;
        self.own(duties.own)?;
        self.observe(&rows)
    }

    /// Attestations cover everything below them, so a few a second are enough, fewer the more guardians send them.
    fn may_attest(&self) -> bool {
        let pause = Duration::from_millis(10 * self.core.guardians().roster.count() as u64);
        self.is_free(&Task::Attest) && self.attested.is_none_or(|at| at.elapsed() >= pause)
    }

    fn testify(&mut self, testimony: &[Testimony]) -> Result<(), Problem> {
        let bytes = borsh::to_vec(testimony).expect("writing to memory does not fail");
        self.send(
            vec![Task::Testify],
            act("circle", "testify", [("testimony", Value::Bytes(bytes))]),
        )
    }

    /// Says that the decision of a change of the guardians is certified.
    fn confirm(&mut self, due: ToConfirm) -> Result<(), Problem> {
        let task = Task::Confirm { epoch: due.epoch };
        if !self.is_free(&task) {
            return Ok(());
        }
        let epoch = i64::try_from(due.epoch).unwrap_or(i64::MAX);
        let change = borsh::to_vec(&due.change).expect("writing to memory does not fail");
        let action = act(
            "circle",
            "confirm",
            [
                ("epoch", Value::Int(epoch)),
                ("change", Value::Bytes(change)),
            ],
        );
        self.send(vec![task], action)
    }

    fn is_free(&self, task: &Task) -> bool {
        let paused = self
            .backoff
            .get(task)
            .is_some_and(|since| since.elapsed() < BACKOFF);
        !paused && !self.under_way.iter().any(|sent| sent.tasks.contains(task))
    }

    fn pause(&mut self, task: Task) {
        self.backoff.insert(task, Instant::now());
    }

    /// Signs `action` and sends it.
    fn send(&mut self, tasks: Vec<Task>, action: Action) -> Result<(), Problem> {
        let key = Key::of(&self.core.key);
        let rows = self.core.newest()?;
        let Some(account) = circle::account_by_key(&rows.state, &key)? else {
            return Err(Problem::new(
                "node.account",
                format!("{} has no account", self.core.name()),
                "check the key in the home directory",
            ));
        };
        let expires_at_ms = now_ms().max(self.core.time_ms()) + LIFETIME.as_millis() as u64;
        let account_nonce = self.core.nonce(key, account.nonces.next());
        let body = Body {
            circle: self.core.genesis.circle,
            sender: key,
            account_nonce,
            expires_at_ms,
            actions: vec![action],
        };
        let id = body.id();
        let bytes = Envelope::sign(body, &self.core.key).encode();
        if self.submit(&tasks, &bytes) {
            self.under_way.push(UnderWay {
                tasks,
                id,
                bytes,
                account_nonce,
                expires_at_ms,
                sent: Instant::now(),
            });
        }
        Ok(())
    }

    /// Hands a transaction to the log. Gives whether it may still be ordered.
    fn submit(&mut self, tasks: &[Task], bytes: &[u8]) -> bool {
        let result = self.runtime.block_on(self.core.log.submit(bytes.to_vec()));
        match result {
            Ok(_) | Err(SubmitError::Pending { .. } | SubmitError::Ordered { .. }) => true,
            Err(SubmitError::Refused { reason }) => {
                tracing::warn!(guardian = self.core.name(), ?tasks, "{reason}");
                // A nonce that was used, by this node before a restart or by its guardian, is no reason to wait: the next
                // look signs with another.
                if !reason.contains(REPLAYED) {
                    tasks.iter().for_each(|task| self.pause(task.clone()));
                }
                false
            }
            Err(error) => {
                tracing::warn!(guardian = self.core.name(), ?tasks, "{error}");
                true
            }
        }
    }

    /// Forgets what was ordered or can no longer be, and sends again what takes too long.
    fn settle(&mut self, rows: &Rows) -> Result<(), Problem> {
        let account = circle::account_by_key(&rows.state, &Key::of(&self.core.key))?;
        let used = |nonce: u64| {
            account
                .as_ref()
                .is_some_and(|account| account.nonces.check(nonce).is_err())
        };
        let under_way = std::mem::take(&mut self.under_way);
        for mut sent in under_way {
            if let Some((height, receipt)) = receipt::of_transaction(&rows.local, &sent.id)? {
                if receipt.code.starts_with(OBSERVED) || receipt.code == SIGNED_BY_OTHERS {
                    // A quorum was faster, so that the circle knows already, or has what it needs.
                    tracing::debug!(
                        guardian = self.core.name(),
                        height,
                        "{} [{}]",
                        receipt.message,
                        receipt.code
                    );
                    sent.tasks.into_iter().for_each(|task| self.pause(task));
                } else if !receipt.is_ok() {
                    tracing::warn!(guardian = self.core.name(), height, tasks = ?sent.tasks, "{} [{}]", receipt.message, receipt.code);
                    // A nonce that somebody else used is no reason to wait.
                    if receipt.code != REPLAYED {
                        sent.tasks.into_iter().for_each(|task| self.pause(task));
                    }
                }
                continue;
            }
            // Its nonce went to a transaction from before a restart, or to one that the guardian signed.
            if self.core.time_ms() > sent.expires_at_ms || used(sent.account_nonce) {
                continue;
            }
            if sent.sent.elapsed() >= RESEND {
                if !self.submit(&sent.tasks, &sent.bytes) {
                    continue;
                }
                sent.sent = Instant::now();
            }
            self.under_way.push(sent);
        }
        self.backoff.retain(|_, since| since.elapsed() < BACKOFF);
        Ok(())
    }
}

fn act<const N: usize>(actor: &str, name: &str, params: [(&str, Value); N]) -> Action {
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

fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as u64)
}
