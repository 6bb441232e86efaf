//! How a development circle is driven through its day, and what is waited for meanwhile.

mod opening;
mod safe;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use circle::ids::Key;
use threescript::value::{Amount, Assets, Value};

use super::bank::Bank;
use super::day::Day;
use super::document::{self, Rejected};
use super::driver::Driver;
use super::ethereum::{CHAIN_ID, Ethereum};
use super::homes::Seat;
use super::nodes::Nodes;
use super::plan::{Plan, Until};
use super::stellar::PASSPHRASE;
use crate::api::client::Client;
use crate::api::types::{At, OwedList, Payout, PayoutWaiting, Payouts, Receipt, Status, Wallet};
use crate::cli::output::{self, Progress};
use crate::iou_file::Party;
use crate::problem::Problem;

/// The wallet on Stellar, which pays.
const WALLET: &str = "main";
/// The wallet on Ethereum, which pays instead if there is one.
const SAFE: &str = "safe";
/// Accounts that are registered, or deposits recorded, in one transaction.
const ACTIONS_PER_TRANSACTION: usize = 500;
/// Rejected IOUs that are shown while work goes on.
const REJECTIONS_SHOWN: usize = 5;
/// Between two looks at a node.
const LOOK: Duration = Duration::from_millis(250);

/// A circle that is being driven.
pub struct Run<'a> {
    /// What is asked for.
    pub plan: &'a Plan,
    /// Its nodes.
    pub nodes: Nodes,
    /// The API of the node that is talked to.
    pub client: Client,
    /// The people of the day on the circle's Stellar ledger.
    pub bank: Bank,
    /// Its Ethereum chain, if it pays there.
    pub ethereum: Option<Ethereum>,
    /// Where the ledger listens.
    pub horizon: String,
    /// For people who watch.
    pub progress: Progress,
    /// When to give up.
    pub deadline: Instant,
}

impl Run<'_> {
    /// From the first block to what the plan says; gives the document.
    pub async fn drive(
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
        self.bank.open(&day.keys()).await?;
        self.progress.line(format!(
            "{} of them have Stellar accounts that trust TFT",
            day.keys().len()
        ));
        self.make_key(&driver).await?;
        if self.ethereum.is_some() {
            self.open_safe(&driver, seats, day).await?;
        }
        for name in &self.plan.stop {
            self.nodes.stop(name).await;
            self.progress.line(format!("stopped {name}"));
        }
        let ious = self.submit(&driver, day).await?;
        self.deposit(day, &assets).await?;
        let height = self.roll_up(&driver, day).await?;
        let status = self.finish(height).await?;
        let mut chain = serde_json::json!({
            "kind": "stellar",
            "horizon": self.horizon,
            "network": PASSPHRASE,
            "issuer": treasury_protocol::stellar::address(&self.bank.issuer().0),
        });
        if let Some(ethereum) = &self.ethereum {
            chain["ethereum"] = serde_json::json!({
                "rpc": ethereum.url(),
                "chain_id": CHAIN_ID,
                "token": ethereum.token().to_string(),
            });
        }
        document::make(&self.client, &status, ious, chain).await
    }

    /// The wallet that the day is paid from.
    fn paying(&self) -> &'static str {
        match self.ethereum {
            Some(_) => SAFE,
            None => WALLET,
        }
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

    /// The wallet, as certified state has it.
    async fn wallet(&mut self) -> Result<Wallet, Problem> {
        let paying = self.paying();
        self.until("the wallet", async |client| {
            let payouts: Option<At<Payouts>> = ready(client.get("/v1/payouts").await)?;
            let wallets = payouts
                .into_iter()
                .flat_map(|payouts| payouts.answer.wallets);
            Ok(wallets.into_iter().find(|wallet| wallet.name == paying))
        })
        .await
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

    /// Lets every consumer pay into the wallet what it owes, or what the plan says.
    async fn deposit(&mut self, day: &Day, assets: &Assets) -> Result<(), Problem> {
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
            sum.units = sum.units.checked_add(amount.units).ok_or_else(too_much)?;
        }
        for (name, amount) in &self.plan.escrow {
            deposits.insert(name.clone(), amount.clone());
        }
        deposits.retain(|_, amount| amount.units > 0);
        let mut payers = Vec::with_capacity(deposits.len());
        let (mut issued, mut payments) = (BTreeMap::new(), Vec::with_capacity(deposits.len()));
        let mut total: i64 = 0;
        for (name, amount) in &deposits {
            let key = day.key(name).ok_or_else(|| {
                let reason = format!("{name} owes something and is in no IOU of the batch");
                Problem::new(
                    "devnet.escrow",
                    reason,
                    "name a directory of its own with --dir",
                )
            })?;
            total = total.checked_add(amount.units).ok_or_else(too_much)?;
            issued.insert(Key::of(&key), amount.units);
            payments.push((key, amount.units));
            payers.push((name.clone(), key));
        }
        let wallet = self.wallet().await?;
        let before = held(&wallet, assets)?;
        let account = wallet.account.as_deref().unwrap_or_default();
        if self.ethereum.is_some() {
            let genesis = self.client.genesis().await?;
            self.name_payers(genesis.circle, &payers).await?;
        }
        match &self.ethereum {
            Some(ethereum) => {
                let safe = account.parse();
                let safe = safe.map_err(|error: treasury_protocol::ethereum::EthereumError| {
                    Problem::of(error.code(), error)
                })?;
                ethereum.pay(safe, payments).await?;
            }
            None => {
                self.bank.issue(&issued).await?;
                self.bank.pay(key_of(account)?, payments).await?;
            }
        }
        self.progress.line(format!(
            "{} consumers paid what they owe into the wallet",
            deposits.len()
        ));
        let paying = self.paying();
        self.until("the guardians to see the payments", async |client| {
            let payouts: Option<At<Payouts>> = ready(client.get("/v1/payouts").await)?;
            let wallets = payouts
                .into_iter()
                .flat_map(|payouts| payouts.answer.wallets);
            let wallet = wallets.into_iter().find(|wallet| wallet.name == paying);
            let now = wallet.map(|wallet| held(&wallet, assets)).transpose()?;
            Ok((now >= Some(before.saturating_add(total))).then_some(()))
        })
        .await?;
        self.progress
            .line(format!("{} consumers have escrow", deposits.len()));
        Ok(())
    }

    /// Waits for what the plan says.
    async fn finish(&mut self, height: u64) -> Result<Status, Problem> {
        let plan = self.plan;
        let what = match plan.until {
            Until::Settled => "all payouts to settle",
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
                let waits = |waiting: &PayoutWaiting| {
                    let mut names = waiting.waiting_for.clone();
                    names.sort();
                    names == stopped
                };
                let ended = |payout: &Payout| {
                    matches!(&*payout.state, "settled" | "failed" | "lost" | "cancelled")
                };
                let done = match plan.until {
                    Until::Settled => {
                        let settled = payouts.answer.payouts.iter().all(ended);
                        certified && settled && status.waiting.is_empty()
                    }
                    Until::Signed => {
                        let signed = payouts
                            .answer
                            .payouts
                            .iter()
                            .all(|payout| is_signed(payout) || ended(payout));
                        // The last attestations make the document complete.
                        let rest = status.waiting.len() - status.payouts_waiting.len();
                        certified && signed && rest == 0
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
            self.nodes.check(|line| {
                progress.clear();
                output::tell(line);
            })?;
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
                    self.progress
                        .update(format!("height {}: {what}{waits}", status.height));
                }
                None => self.progress.update(format!("waiting for {what}")),
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// The key of an account on the ledger.
fn key_of(address: &str) -> Result<[u8; 32], Problem> {
    treasury_protocol::stellar::key_of_address(address)
        .map_err(|error| Problem::of(error.code(), error))
}

/// What a wallet holds of TFT, in minor units.
fn held(wallet: &Wallet, assets: &Assets) -> Result<i64, Problem> {
    let Some(holding) = wallet.holdings.iter().find(|one| one.asset == "TFT") else {
        return Ok(0);
    };
    let amount = assets
        .parse_amount(&format!("{} TFT", holding.amount))
        .map_err(|error| Problem::of("devnet.amount", error))?;
    Ok(amount.units)
}

fn too_much() -> Problem {
    Problem::new(
        "devnet.amount",
        "what consumers owe does not fit into 64 bits",
        "give smaller amounts",
    )
}

/// Whether the proof that its chain wants is there.
fn is_signed(payout: &Payout) -> bool {
    payout.envelope_xdr.is_some() || payout.execution.is_some()
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
