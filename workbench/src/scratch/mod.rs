//! The scratch circle: nine guardians in memory, on which policies are tried out by the code that nodes run.

mod ceremony;
mod credential;
mod iou;

pub(crate) use credential::credential;

use std::collections::BTreeMap;
use std::sync::Arc;

use circle::authority::Authority;
use circle::digest::digest;
use circle::genesis::{Asset, Genesis, Home};
use circle::ids::{CircleId, Key};
use circle::member::{Member, Members};
use circle::rehearsal::{Rehearsal, Rehearsed, Snapshot};
use circle::session::{Refusal, Stop};
use circle::treasury;
use ed25519_zebra::SigningKey;
use threescript::action::{Action, Mark, Signature, read};
use threescript::engine::{Limits, Observer, PROFILE};
use threescript::policy::fit;
use threescript::value::{Amount, Assets, Value};

use crate::problem::Problem;

/// When a scratch circle begins: 2026-01-01 00:00:00 UTC, in seconds since 1970.
pub const START: i64 = 1_767_225_600;
/// How many guardians it has, `g1` to `g9`.
pub const GUARDIANS: u8 = 9;
/// The wallet that deposits go to unless another is named.
pub const WALLET: &str = "main";

/// A scratch circle.
pub struct Scratch {
    rehearsal: Rehearsal,
    assets: Assets,
    /// The clock, in seconds since 1970.
    now: i64,
    /// Blocks made in this second.
    blocks: u64,
    /// Things that have to have a number of their own: references of deposits, IOUs.
    numbers: u64,
}

/// A moment of a scratch circle, from which others go on. Cheap to clone.
#[derive(Clone)]
pub struct Start {
    snapshot: Snapshot,
    now: i64,
    blocks: u64,
    numbers: u64,
}

/// What could not be done on a scratch circle, in the words of the circle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The stable code.
    pub code: String,
    /// The reason.
    pub reason: String,
}

impl Refused {
    /// A refusal by the scratch circle itself.
    pub fn new(code: &str, reason: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            reason: reason.into(),
        }
    }
}

impl From<Stop> for Refused {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Refused(Refusal { rejection, .. }) => Self {
                code: rejection.code.into_owned(),
                reason: rejection.message,
            },
            Stop::Fault(fault) => Self::new("fault", fault.to_string()),
        }
    }
}

impl From<circle::state::StoreFault> for Refused {
    fn from(fault: circle::state::StoreFault) -> Self {
        Self::new("fault", fault.to_string())
    }
}

impl Scratch {
    /// A circle in which these policies are active.
    ///
    /// The calling thread needs a stack of [`circle::machine::STACK_BYTES`], as for everything that runs policies.
    pub fn new(policies: Vec<String>) -> Result<Self, Problem> {
        let rehearsal = Rehearsal::new(genesis(policies)).map_err(|stop| {
            let Refused { code, reason } = stop.into();
            Problem::new(
                code,
                reason,
                "check the policies with `circle policy check`",
            )
        })?;
        Ok(Self {
            rehearsal,
            assets: Assets::standard(),
            now: START,
            blocks: 0,
            numbers: 0,
        })
    }

    /// A circle that goes on from a moment of another.
    pub fn from_start(start: &Start) -> Result<Self, Problem> {
        Ok(Self {
            rehearsal: Rehearsal::from_snapshot(&start.snapshot)?,
            assets: Assets::standard(),
            now: start.now,
            blocks: start.blocks,
            numbers: start.numbers,
        })
    }

    /// This moment, for others to go on from.
    pub fn into_start(self) -> Result<Start, Problem> {
        Ok(Start {
            snapshot: self.rehearsal.into_snapshot()?,
            now: self.now,
            blocks: self.blocks,
            numbers: self.numbers,
        })
    }

    /// Ends the circle; panics if its books do not balance.
    pub fn finish(self) -> Result<(), Problem> {
        Ok(self.rehearsal.finish()?)
    }

    /// The circle under this one.
    pub fn rehearsal(&mut self) -> &mut Rehearsal {
        &mut self.rehearsal
    }

    /// The assets that it knows.
    pub fn assets(&self) -> &Assets {
        &self.assets
    }

    /// The height of the last block.
    pub fn height(&self) -> u64 {
        self.rehearsal.now().0
    }

    /// The clock, in seconds since 1970.
    pub fn now(&self) -> i64 {
        self.now
    }

    /// Lets `observer` watch what runs from now on.
    pub fn watch(&mut self, observer: Arc<dyn Observer>) {
        self.rehearsal.watch(Some(observer));
    }

    /// Moves the clock forward and makes a block; schedules that are due run. Errors: `time.backward`.
    pub fn advance_to(&mut self, time: i64) -> Result<Rehearsed, Refused> {
        self.set_clock(time)?;
        self.block(None)
    }

    /// Moves the clock forward; the next block is made then. Errors: `time.backward`.
    pub fn set_clock(&mut self, time: i64) -> Result<(), Refused> {
        if time < self.now {
            let reason = format!(
                "the clock only goes forward; it is {} s later already",
                self.now - time
            );
            return Err(Refused::new("time.backward", reason));
        }
        if time > self.now {
            (self.now, self.blocks) = (time, 0);
        }
        Ok(())
    }

    /// Lets an account, or `circle` with its authority, do something in a block of its own.
    pub fn act(&mut self, who: &str, actions: &[Action]) -> Result<Rehearsed, Refused> {
        let authority = match who {
            "circle" => Authority::Circle,
            name => self.rehearsal.authority(name).map_err(|stop| {
                let Refused { code, reason } = stop.into();
                let reason = format!("{reason}: account(\"{name}\", \"consumer\")");
                Refused { code, reason }
            })?,
        };
        self.block(Some((&authority, actions)))
    }

    /// The same for a kernel action that must not fail.
    fn kernel(
        &mut self,
        actor: &str,
        name: &str,
        params: Vec<(&str, Value)>,
    ) -> Result<Rehearsed, Refused> {
        let params = params
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value));
        let action = Action {
            mark: Mark::Act,
            actor: actor.into(),
            name: name.into(),
            params: params.collect(),
        };
        let done = self.act("circle", &[action])?;
        match done.receipts.first().filter(|receipt| !receipt.is_ok()) {
            Some(receipt) => Err(Refused::new(&receipt.code, receipt.message.as_str())),
            None => Ok(done),
        }
    }

    fn block(
        &mut self,
        transaction: Option<(&Authority, &[Action])>,
    ) -> Result<Rehearsed, Refused> {
        // Blocks of one second are a millisecond apart, and for policies at the same time.
        self.blocks = (self.blocks + 1).min(999);
        let time_ms = u64::try_from(self.now).unwrap_or(0) * 1000 + self.blocks;
        Ok(self.rehearsal.block(time_ms, transaction)?)
    }

    /// The actions or the question that a text says.
    pub fn read(&mut self, text: &str) -> Result<Vec<Action>, Problem> {
        let signatures = self.rehearsal.signatures();
        Ok(read(text, &signatures, &self.assets)?)
    }

    /// An action (`shelf.borrow`) or a question from values by name. What is not given takes its default.
    pub fn action(
        &mut self,
        mark: Mark,
        title: &str,
        params: BTreeMap<String, Value>,
    ) -> Result<Action, Refused> {
        let signatures = self.rehearsal.signatures();
        let plain = title.trim_start_matches('!');
        let known = plain.split_once('.').and_then(|(actor, name)| {
            let mut all = signatures.iter();
            all.find(|one| one.mark == mark && one.actor == actor && one.name == name)
        });
        let Some(signature) = known else {
            let titles = signatures
                .iter()
                .filter(|one| one.mark == mark)
                .map(Signature::title);
            let near = nearest(&format!("{}{plain}", mark.as_str()), titles);
            let reason = format!("nobody declares `{}{plain}`{near}", mark.as_str());
            return Err(Refused::new("unknown_action", reason));
        };
        let is_declared = |name: &String| signature.params.iter().any(|param| param.name == *name);
        if let Some(name) = params.keys().find(|name| !is_declared(name)) {
            let names = signature.params.iter().map(|param| param.name.clone());
            let near = nearest(name, names);
            let reason = format!("{} has no parameter `{name}`{near}", signature.title());
            return Err(Refused::new("unknown_parameter", reason));
        }
        let mut given = params;
        let mut values = Vec::with_capacity(signature.params.len());
        for declared in &signature.params {
            let name = declared.name.clone();
            let title = signature.title();
            let value = match (given.remove(&name), &declared.default) {
                (Some(Value::Text(text)), _)
                    if declared.ty == threescript::action::Type::Script =>
                {
                    let script = read(&text, &signatures, &self.assets).map_err(|error| {
                        Refused::new(error.code, format!("`{name}` of {title}: {}", error.reason))
                    })?;
                    Value::Script(script)
                }
                (Some(value), _) => fit(&declared.ty, value).map_err(|reason| {
                    Refused::new("wrong_type", format!("`{name}` of {title}: {reason}"))
                })?,
                (None, Some(default)) => default.clone(),
                (None, None) => {
                    let reason = format!("{title} needs `{name}`");
                    return Err(Refused::new("missing_parameter", reason));
                }
            };
            values.push((name, value));
        }
        Ok(Action {
            mark,
            actor: signature.actor.clone(),
            name: signature.name.clone(),
            params: values,
        })
    }

    /// Registers an account, whose key follows from its name.
    pub fn register(&mut self, name: &str, roles: &[String]) -> Result<Rehearsed, Refused> {
        let key = Key::of(&secret(name));
        let roles = roles.iter().cloned().map(Value::Text).collect();
        let params = vec![
            ("name", Value::Text(name.into())),
            ("key", Value::Bytes(key.0.to_vec())),
            ("roles", Value::List(roles)),
        ];
        self.kernel("circle", "register", params)
    }

    /// Records that money arrived in a wallet for an account's escrow. A wallet that does not exist is opened, without a
    /// key.
    pub fn deposit(
        &mut self,
        wallet: &str,
        account: &str,
        amount: Amount,
    ) -> Result<Rehearsed, Refused> {
        self.open_wallet(wallet)?;
        let reference = format!("deposit {}", self.number());
        let params = vec![
            ("wallet", Value::Text(wallet.into())),
            ("account", Value::Account(account.into())),
            ("amount", Value::Amount(amount)),
            ("reference", Value::Text(reference)),
        ];
        self.kernel("treasury", "deposit", params)
    }

    fn open_wallet(&mut self, name: &str) -> Result<(), Refused> {
        if treasury::wallet(self.rehearsal.rows(), name)?.is_some() {
            return Ok(());
        }
        let params = vec![
            ("wallet", Value::Text(name.into())),
            ("network", Value::Text("Guardian Circle scratch".into())),
            ("sequence", Value::Int(0)),
            ("threshold", Value::Int(0)),
        ];
        self.kernel("ceremony", "start", params).map(|_| ())
    }

    fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }
}

/// The secret key of an account of a scratch circle.
pub(crate) fn secret(name: &str) -> SigningKey {
    SigningKey::from_bytes(&digest("guardian-circle/scratch/account", &name))
}

fn genesis(policies: Vec<String>) -> Genesis {
    let member = |index: u8| {
        let name = format!("g{index}");
        let key = Key::of(&secret(&name));
        Member { name, key }
    };
    let members = Members::new((1..=GUARDIANS).map(member).collect());
    let issuer = Key::of(&secret("issuer"));
    let asset = |decimals: u8| Asset {
        decimals,
        homes: vec![Home::Stellar {
            issuer: Some(issuer),
        }],
    };
    Genesis {
        circle: CircleId::of_name("scratch"),
        name: "scratch".into(),
        time_ms: START as u64 * 1000,
        members: members.expect("nine guardians with names and keys of their own"),
        assets: Assets::standard()
            .iter()
            .map(|(code, decimals)| (code.clone(), asset(decimals)))
            .collect(),
        policies,
        limits: Limits::default(),
        interpreter: PROFILE.into(),
    }
}

/// "; did you mean …" for a name that is nearly one of those that exist.
fn nearest(name: &str, known: impl IntoIterator<Item = String>) -> String {
    let known: Vec<String> = known.into_iter().collect();
    match threescript::policy::suggest(name, known.iter().map(String::as_str)) {
        mend if mend.starts_with("did you mean") => format!("; {mend}"),
        _ => String::new(),
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        Self::of(refused.code, refused.reason)
    }
}
