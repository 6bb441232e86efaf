//! The agent: does for its guardian what the state says is due, with the guardian's secrets.
//!
//! What is due follows from the committed state alone, see [`circle::duties`]. The agent signs it, sends it once, sends the
//! same bytes again if they are not ordered within a bound, and signs anew only when the old transaction can no longer take
//! effect.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use circle::ceremonies::{self, KeygenDuty, SIGN_MESSAGES_MAX, SignDuty, SignMessage};
use circle::digest::Hash;
use circle::duties::{self, Agreement};
use circle::envelope::{Body, Envelope};
use circle::gate::Testimony;
use circle::ids::{Key, sign};
use circle::receipt;
use consensus::log::SubmitError;
use threescript::action::{Action, Mark};
use threescript::value::Value;
use tokio::runtime::Handle;
use tokio::sync::watch;
use treasury_protocol::ceremony::CeremonyId;
use treasury_protocol::ceremony::keygen::{Conclusion, Participant, Phase, Received};
use treasury_protocol::ceremony::sign::{Duty, Message, SigningNonces};

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
/// How often the agent looks without a new block.
const IDLE: Duration = Duration::from_secs(2);

/// What a message of the agent is for; each has at most one message under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Task {
    Attest,
    Testify,
    Keygen { ceremony: u64, phase: u8 },
    Commit { payout: u64 },
    Share { payout: u64, session: u32 },
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
        let mut executed = core.executed();
        let mut agent = Agent::new(core, secrets, runtime.clone());
        loop {
            let go_on = runtime.block_on(async {
                tokio::select! {
                    _ = stop.changed() => false,
                    changed = executed.changed() => changed.is_ok(),
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
        let duties = duties::duties(&rows.store, &self.core.genesis, self.core.me)?;
        let astray = matches!(
            duties::agreement(&rows.store, &self.core.genesis)?,
            Agreement::Minority { .. }
        );
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
        for duty in duties.keygen {
            self.keygen(&rows, duty)?;
        }
        self.forget_seeds(&rows)?;
        self.sign(duties.sign)
    }

    /// Attestations cover everything below them, so a few a second are enough, fewer the more guardians send them.
    fn may_attest(&self) -> bool {
        let pause = Duration::from_millis(10 * self.core.genesis.members.count() as u64);
        self.is_free(&Task::Attest) && self.attested.is_none_or(|at| at.elapsed() >= pause)
    }

    fn testify(&mut self, testimony: &[Testimony]) -> Result<(), Problem> {
        let bytes = borsh::to_vec(testimony).expect("writing to memory does not fail");
        self.send(
            vec![Task::Testify],
            act("circle", "testify", [("testimony", Value::Bytes(bytes))]),
        )
    }

    fn keygen(&mut self, rows: &Rows, duty: KeygenDuty) -> Result<(), Problem> {
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
    fn forget_seeds(&mut self, rows: &Rows) -> Result<(), Problem> {
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

    fn sign(&mut self, duties: Vec<SignDuty>) -> Result<(), Problem> {
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
                    + Duration::from_millis(300) * self.core.genesis.members.count() as u32;
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
                if !receipt.is_ok() {
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
