//! A circle on one machine: its nodes are started, its day of usage is billed, and its payout is signed.
//!
//! Nothing here is a short cut: the nodes are the nodes of `circle start`, and whoever drives them uses their HTTP API
//! and signed transactions only. The nodes find their parts in key ceremonies and signatures by themselves.

mod day;
mod document;
mod driver;
mod homes;
mod nodes;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use circle::ids::Key;
use circle::member::{MEMBERS_MAX, MEMBERS_MIN, quorum};
use threescript::value::{Amount, Assets, Value};

use self::day::Day;
use self::document::Rejected;
use self::driver::Driver;
use self::homes::Seat;
use self::nodes::{Astray, Nodes};
use crate::api::client::Client;
use crate::api::types::{At, OwedList, Payouts, Receipt, Status};
use crate::cli::output::Progress;
use crate::iou_file::Party;
use crate::problem::Problem;

pub use self::homes::CIRCLE;

/// The wallet that pays.
const WALLET: &str = "main";
/// The network whose payouts are signed; nothing is sent anywhere.
const NETWORK: &str = treasury_protocol::stellar::TESTNET_PASSPHRASE;
/// Accounts that are registered, or deposits recorded, in one transaction.
const ACTIONS_PER_TRANSACTION: usize = 500;
/// Rejected IOUs that are shown while work goes on.
const REJECTIONS_SHOWN: usize = 5;
/// Between two looks at a node.
const LOOK: Duration = Duration::from_millis(250);

/// Until when a development circle is driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Until {
    /// Every payout is signed by the group.
    Signed,
    /// Payouts wait for the stopped guardians.
    Waiting,
    /// The divergence is found.
    Diverged,
}

/// What is to be run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// 9 to 99.
    pub guardians: usize,
    /// A batch that `circle iou make` made; without one, the shipped sample day.
    pub ious: Option<PathBuf>,
    /// The directory with the keys of its farmers and consumers.
    pub keys: Option<PathBuf>,
    /// Escrow by consumer that is not just what the consumer owes.
    pub escrow: BTreeMap<String, Amount>,
    /// Where the homes are.
    pub directory: PathBuf,
    /// A process for each node.
    pub processes: bool,
    /// Guardians whose nodes are stopped once the key exists.
    pub stop: Vec<String>,
    /// A guardian whose node computes something else.
    pub diverge: Option<String>,
    /// From which action on.
    pub fault: String,
    /// Until when.
    pub until: Until,
    /// How long that may take.
    pub timeout: Duration,
}

impl Plan {
    fn check(&self) -> Result<(), Problem> {
        if !(MEMBERS_MIN..=MEMBERS_MAX).contains(&self.guardians) {
            let reason = format!(
                "a circle has {MEMBERS_MIN} to {MEMBERS_MAX} guardians, not {}",
                self.guardians
            );
            return Err(Problem::new("members.count", reason, "change --guardians"));
        }
        let known =
            |name: &String| (1..=self.guardians).any(|number| homes::guardian(number) == *name);
        if let Some(stranger) = self
            .stop
            .iter()
            .chain(&self.diverge)
            .find(|name| !known(name))
        {
            let reason = format!("there is no guardian {stranger}");
            return Err(Problem::new(
                "devnet.guardian",
                reason,
                format!("the guardians are g1 to g{}", self.guardians),
            ));
        }
        let left = self.guardians - self.stop.len();
        if left < quorum(self.guardians) {
            let reason = format!(
                "with {} nodes stopped, {left} of {} are left, which is not more than two thirds",
                self.stop.len(),
                self.guardians
            );
            return Err(Problem::new("devnet.stop", reason, "stop fewer"));
        }
        match self.until {
            Until::Waiting if self.stop.is_empty() => Err(Problem::new(
                "devnet.until",
                "nobody is stopped to wait for",
                "name guardians with --stop",
            )),
            Until::Diverged if self.diverge.is_none() => Err(Problem::new(
                "devnet.until",
                "no node is to diverge",
                "name one with --diverge",
            )),
            _ => Ok(()),
        }
    }
}

/// A running development circle that has been driven to where its plan says.
pub struct Devnet {
    nodes: Nodes,
    seats: Vec<Seat>,
    /// What is reported of it.
    pub document: serde_json::Value,
    speaker: usize,
}

impl Devnet {
    /// Starts the circle and drives it through its day. All nodes are stopped on error.
    pub async fn run(plan: &Plan, progress: Progress) -> Result<Self, Problem> {
        plan.check()?;
        let day = Day::load(plan.ious.as_deref(), plan.keys.as_deref(), &plan.directory)?;
        let seats = homes::prepare(&plan.directory, plan.guardians)?;
        progress.line(format!(
            "{} guardians in {}",
            plan.guardians,
            plan.directory.display()
        ));
        let astray = plan.diverge.clone().map(|name| Astray {
            name,
            on: plan.fault.clone(),
        });
        let nodes = Nodes::start(&seats, plan.processes, astray.as_ref()).await?;
        // One whose node stays up and agrees with the others.
        let silent = |seat: &Seat| {
            plan.stop.contains(&seat.name) || plan.diverge.as_ref() == Some(&seat.name)
        };
        let speaker = seats
            .iter()
            .position(|seat| !silent(seat))
            .unwrap_or_default();
        let client = match Client::new(&seats[speaker].api.to_string()) {
            Ok(client) => client,
            Err(problem) => return Err(problem),
        };
        let deadline = Instant::now() + plan.timeout;
        let mut run = Run {
            plan,
            nodes,
            client,
            progress,
            deadline,
        };
        let driven = tokio::select! {
            driven = run.drive(&seats, speaker, &day) => driven,
            () = crate::system::interrupted() => Err(Problem::new("interrupted", "interrupted", "")),
        };
        match driven {
            Ok(document) => Ok(Self {
                nodes: run.nodes,
                seats,
                document,
                speaker,
            }),
            Err(problem) => {
                run.nodes.stop_all().await;
                Err(problem)
            }
        }
    }

    /// How to talk to it.
    pub fn directions(&self) -> String {
        let seat = &self.seats[self.speaker];
        let (home, key) = (
            seat.home.path().display(),
            seat.home.keys().join(format!("{}.key", seat.name)),
        );
        let processes: Vec<String> = self
            .nodes
            .process_ids()
            .iter()
            .map(|(name, id)| format!("{name} {id}"))
            .collect();
        let processes = if processes.is_empty() {
            String::new()
        } else {
            format!("Their processes: {}\n", processes.join(", "))
        };
        format!(
            "{} nodes are up. In another terminal:\n  \
             circle status --watch --home {home}\n  \
             circle ask '!iou.owed' --home {home}\n  \
             circle act FILE --key {} --home {home}\n\
             {processes}Ctrl-C stops them.",
            self.nodes.count(),
            key.display()
        )
    }

    /// Stays up until Ctrl-C, or until a node stops by itself.
    pub async fn stay(&mut self, tell: impl Fn(String)) -> Result<(), Problem> {
        let interrupted = crate::system::interrupted();
        tokio::pin!(interrupted);
        loop {
            tokio::select! {
                () = &mut interrupted => return Ok(()),
                () = tokio::time::sleep(Duration::from_secs(1)) => self.nodes.check(&tell)?,
            }
        }
    }

    /// Stops all nodes.
    pub async fn stop(mut self) {
        self.nodes.stop_all().await;
    }
}

struct Run<'a> {
    plan: &'a Plan,
    nodes: Nodes,
    client: Client,
    progress: Progress,
    deadline: Instant,
}

impl Run<'_> {
    async fn drive(
        &mut self,
        seats: &[Seat],
        speaker: usize,
        day: &Day,
    ) -> Result<serde_json::Value, Problem> {
        self.until("the nodes to make the first block", async |client| {
            let status: Status = client.get("/v1/status").await?;
            Ok((status.height > 0).then_some(()))
        })
        .await?;
        let genesis = self.client.genesis().await?;
        let assets = genesis
            .decimals()
            .map_err(|error| Problem::of("genesis.assets", error))?;
        let cosigners = seats
            .iter()
            .map(|seat| seat.key)
            .filter(|key| Key::of(key) != Key::of(&seats[speaker].key));
        let cosigners = cosigners.take(genesis.members.quorum() - 1).collect();
        let driver = Driver::new(
            self.client.clone(),
            genesis.circle,
            seats[speaker].key,
            cosigners,
        )
        .await?;

        self.register(&driver, day).await?;
        self.make_key(&driver).await?;
        for name in &self.plan.stop {
            self.nodes.stop(name).await;
            self.progress.line(format!("stopped {name}"));
        }
        let ious = self.submit(&driver, day).await?;
        self.deposit(&driver, day, &assets).await?;
        let height = self.roll_up(&driver, day).await?;
        let status = self.finish(height).await?;
        document::make(&self.client, &status, ious).await
    }

    /// Registers the farmers and consumers of the day.
    async fn register(&mut self, driver: &Driver, day: &Day) -> Result<(), Problem> {
        for chunk in day.parties().chunks(ACTIONS_PER_TRANSACTION) {
            let mut actions = Vec::with_capacity(chunk.len());
            for Party { name, key, roles } in chunk {
                if self.knows(key).await? {
                    continue;
                }
                let roles = roles.iter().map(|role| Value::Text(role.clone())).collect();
                let given = vec![
                    ("name", Value::Text(name.clone())),
                    ("key", Value::Bytes(key.0.to_vec())),
                    ("roles", Value::List(roles)),
                ];
                actions.push(driver.act("circle", "register", given)?);
            }
            if !actions.is_empty() {
                let (_, receipt) = self
                    .done(driver, actions, false, "the accounts to be registered")
                    .await?;
                refuse(&receipt, "the registration of accounts")?;
            }
        }
        self.progress
            .line(format!("{} accounts are registered", day.parties().len()));
        Ok(())
    }

    async fn knows(&self, key: &Key) -> Result<bool, Problem> {
        match self
            .client
            .get::<serde_json::Value>(&format!("/v1/accounts/{key}"))
            .await
        {
            Ok(_) => Ok(true),
            Err(problem) if problem.code == "node.unknown" => Ok(false),
            Err(problem) => Err(problem),
        }
    }

    /// Starts the key ceremony of the wallet, and waits until all guardians confirmed the key.
    async fn make_key(&mut self, driver: &Driver) -> Result<(), Problem> {
        let payouts: At<Payouts> = self
            .until("certified state", async |client| {
                ready(client.get("/v1/payouts").await)
            })
            .await?;
        if payouts.answer.wallets.is_empty() {
            let given = vec![
                ("wallet", Value::Text(WALLET.into())),
                ("network", Value::Text(NETWORK.into())),
                ("sequence", Value::Int(0)),
            ];
            let start = driver.act("ceremony", "start", given)?;
            let (_, receipt) = self
                .done(driver, vec![start], true, "the key ceremony to start")
                .await?;
            refuse(&receipt, "the key ceremony")?;
        }
        let account = self
            .until("all guardians to make the wallet's key", async |client| {
                let payouts: Option<At<Payouts>> = ready(client.get("/v1/payouts").await)?;
                Ok(payouts.and_then(|payouts| {
                    payouts
                        .answer
                        .wallets
                        .into_iter()
                        .find_map(|wallet| wallet.account)
                }))
            })
            .await?;
        self.progress
            .line(format!("the guardians share the key of {account}"));
        Ok(())
    }

    /// Submits the IOUs, many to a transaction.
    async fn submit(&mut self, driver: &Driver, day: &Day) -> Result<document::Ious, Problem> {
        let mut waiting = Vec::new();
        for batch in day.batches() {
            let action = driver.act("iou", "submit", vec![("batch", Value::Bytes(batch))])?;
            waiting.push(driver.submit(vec![action], false).await?);
        }
        let mut ious = document::Ious {
            submitted: day.count(),
            accepted: 0,
            rejected: day.malformed(),
        };
        let stated = day.stated_ids();
        for id in waiting {
            let (_, receipt) = self.receipt(driver, &id, "the IOUs to be admitted").await?;
            refuse(&receipt, "the submission of IOUs")?;
            ious.add(&receipt, &stated)?;
        }
        self.progress.line(format!(
            "{} IOUs accepted, {} rejected",
            ious.accepted,
            ious.rejected.len()
        ));
        for Rejected { id, code, .. } in ious.rejected.iter().take(REJECTIONS_SHOWN) {
            self.progress.line(format!("  {id}: {code}"));
        }
        Ok(ious)
    }

    /// Rolls up until everything is; gives the height of the last run.
    async fn roll_up(&mut self, driver: &Driver, day: &Day) -> Result<u64, Problem> {
        let now_s =
            i64::try_from(self.client.get::<Status>("/v1/status").await?.block_time_ms / 1000)
                .unwrap_or(i64::MAX);
        let up_to = Value::Time(day.end().max(now_s));
        loop {
            let action = driver.act("iou", "roll_up", vec![("up_to", up_to.clone())])?;
            let (height, receipt) = self
                .done(driver, vec![action], false, "the roll-up")
                .await?;
            refuse(&receipt, "the roll-up")?;
            let report = receipt
                .events
                .iter()
                .find(|event| event.name == "iou.rolled_up");
            let done = report
                .and_then(|report| report.data["done"].as_bool())
                .ok_or_else(|| {
                    Problem::new(
                        "devnet.receipt",
                        "the receipt of a roll-up does not say whether it is done",
                        "use the standard policies of this version",
                    )
                })?;
            if done {
                self.progress.line(format!("rolled up at height {height}"));
                return Ok(height);
            }
        }
    }

    /// Records deposits: for every consumer what it owes, or what the plan says.
    async fn deposit(
        &mut self,
        driver: &Driver,
        day: &Day,
        assets: &Assets,
    ) -> Result<(), Problem> {
        let owed: At<OwedList> = self
            .until("certified state", async |client| {
                ready(client.get("/v1/owed").await)
            })
            .await?;
        let mut deposits: BTreeMap<String, Amount> = BTreeMap::new();
        for line in owed.answer.owed {
            let amount = assets
                .parse_amount(&format!("{} {}", line.amount, line.asset))
                .map_err(|error| Problem::of("devnet.amount", error))?;
            let sum = deposits.entry(line.consumer).or_insert_with(|| Amount {
                units: 0,
                asset: amount.asset.clone(),
            });
            sum.units = sum.units.checked_add(amount.units).ok_or_else(|| {
                Problem::new(
                    "devnet.amount",
                    "what a consumer owes does not fit into 64 bits",
                    "give smaller amounts",
                )
            })?;
        }
        for (name, amount) in &self.plan.escrow {
            if day.key(name).is_none() {
                let reason = format!("--escrow names {name}, who is in no IOU of the batch");
                return Err(Problem::new(
                    "devnet.escrow",
                    reason,
                    "use the names of consumers in the batch",
                ));
            }
            deposits.insert(name.clone(), amount.clone());
        }
        deposits.retain(|_, amount| amount.units > 0);
        let deposits: Vec<_> = deposits.into_iter().collect();
        let nonce = self.client.get::<Status>("/v1/status").await?.height;
        for chunk in deposits.chunks(ACTIONS_PER_TRANSACTION) {
            let mut actions = Vec::with_capacity(chunk.len());
            for (name, amount) in chunk {
                // By key, for a name may have capitals that an account in a text has not.
                let account = day
                    .key(name)
                    .map_or_else(|| name.clone(), |key| key.to_string());
                let given = vec![
                    ("wallet", Value::Text(WALLET.into())),
                    ("account", Value::Account(account)),
                    ("amount", Value::Amount(amount.clone())),
                    ("reference", Value::Text(format!("devnet-{nonce}-{name}"))),
                ];
                actions.push(driver.act("treasury", "deposit", given)?);
            }
            let (_, receipt) = self
                .done(driver, actions, true, "the deposits to be recorded")
                .await?;
            refuse(&receipt, "the record of deposits")?;
        }
        self.progress
            .line(format!("{} consumers have escrow", deposits.len()));
        Ok(())
    }

    /// Waits for what the plan says.
    async fn finish(&mut self, height: u64) -> Result<Status, Problem> {
        let plan = self.plan;
        let what = match plan.until {
            Until::Signed => "all payouts to be signed",
            Until::Waiting => "the payouts to wait for the stopped guardians",
            Until::Diverged => "the divergence to be found",
        };
        let status = self
            .until(what, async |client| {
                let status: Status = client.get("/v1/status").await?;
                let Some(payouts): Option<At<Payouts>> = ready(client.get("/v1/payouts").await)?
                else {
                    return Ok(None);
                };
                let certified = status.certified_height >= height;
                let mut stopped = plan.stop.clone();
                stopped.sort();
                let waits = |waiting: &crate::api::types::PayoutWaiting| {
                    let mut names = waiting.waiting_for.clone();
                    names.sort();
                    names == stopped
                };
                let done = match plan.until {
                    Until::Signed => {
                        let signed = payouts
                            .answer
                            .payouts
                            .iter()
                            .all(|payout| payout.state == "signed");
                        // The last attestations make the document complete.
                        certified && signed && status.waiting.is_empty()
                    }
                    Until::Waiting => {
                        certified
                            && !status.payouts_waiting.is_empty()
                            && status.payouts_waiting.iter().all(waits)
                    }
                    Until::Diverged => {
                        certified && status.diverged.iter().any(|diverged| diverged.found)
                    }
                };
                Ok(done.then_some(status))
            })
            .await?;
        Ok(status)
    }

    /// Sends actions and waits for their receipt.
    async fn done(
        &mut self,
        driver: &Driver,
        actions: Vec<threescript::action::Action>,
        as_circle: bool,
        what: &str,
    ) -> Result<(u64, Receipt), Problem> {
        let id = driver.submit(actions, as_circle).await?;
        self.receipt(driver, &id, what).await
    }

    async fn receipt(
        &mut self,
        driver: &Driver,
        id: &str,
        what: &str,
    ) -> Result<(u64, Receipt), Problem> {
        self.until(what, async |_| {
            driver.receipt(id, Duration::from_secs(1)).await
        })
        .await
    }

    /// Looks until there is something, shows how far the circle is meanwhile, and ends with the plan's time.
    async fn until<T>(
        &mut self,
        what: &str,
        look: impl AsyncFn(&Client) -> Result<Option<T>, Problem>,
    ) -> Result<T, Problem> {
        let client = self.client.clone();
        loop {
            let seen = match look(&client).await {
                Ok(Some(found)) => return Ok(found),
                Ok(None) => None,
                // A node that starts, or is busy, answers later.
                Err(problem)
                    if problem.code.starts_with("node.") && problem.code != "node.astray" =>
                {
                    Some(problem)
                }
                Err(problem) => return Err(problem),
            };
            let progress = self.progress;
            self.nodes.check(|line| progress.line(line))?;
            let status = client.get::<Status>("/v1/status").await.ok();
            if Instant::now() > self.deadline {
                let mut reason = format!("waited {} s for {what}", self.plan.timeout.as_secs());
                match (&status, seen) {
                    (Some(status), _) => {
                        for waiting in &status.waiting {
                            reason += &format!(
                                "; {} waits for {}",
                                waiting.what,
                                waiting.waiting_for.join(", ")
                            );
                        }
                    }
                    (None, Some(problem)) => reason += &format!("; {}", problem.reason),
                    (None, None) => {}
                }
                return Err(Problem::new(
                    "devnet.timeout",
                    reason,
                    "give more time with --timeout, or look into the logs with RUST_LOG=info",
                ));
            }
            match status {
                Some(status) => {
                    let waits = match status.waiting.first() {
                        Some(waiting) => format!(
                            " · {} waits for {} guardians",
                            waiting.what,
                            waiting.waiting_for.len()
                        ),
                        None => String::new(),
                    };
                    self.progress.update(format!(
                        "height {} · waiting for {what}{waits}",
                        status.height
                    ));
                }
                None => self.progress.update(format!("waiting for {what}")),
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// What a node cannot answer yet is no error.
fn ready<T>(answer: Result<T, Problem>) -> Result<Option<T>, Problem> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(problem) if problem.code == "node.uncertified" => Ok(None),
        Err(problem) => Err(problem),
    }
}

fn refuse(receipt: &Receipt, what: &str) -> Result<(), Problem> {
    if receipt.code == circle::receipt::OK {
        return Ok(());
    }
    let problem = Problem::of(receipt.code.clone(), &receipt.message);
    let place = receipt
        .place
        .as_ref()
        .map_or_else(String::new, |place| format!(" ({place})"));
    Err(Problem {
        reason: format!("{what} was refused: {}{place}", problem.reason),
        ..problem
    })
}
