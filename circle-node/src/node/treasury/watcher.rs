//! Looks at one chain, again and again: what became of payouts, who can receive, what arrived, and whether the books are right.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use circle::state::{KeyValue, StoreFault};
use circle::treasury::{self, Observation, PayoutState, Question, Wallet};
use futures_util::stream::{self, StreamExt};
use threescript::value::AssetCode;
use tokio::sync::watch;

use super::client::Asked;
use super::cursors::Cursors;
use super::link::{Link, Network};
use super::{Found, Subject};
use crate::node::alarm::Alarm;
use crate::node::core::Core;
use crate::problem::Problem;

/// Questions that are asked at the same time.
const PARALLEL: usize = 8;
/// What changes rarely is looked at again after so many polls.
const SLOW: u32 = 10;
/// Pages of payments that are read in one look.
const PAGES_MAX: usize = 10;
/// So many times in a row a difference has to be seen before it is reported: chain and books are not read in one moment.
const LOOKS_UNTIL_DOUBT: u32 = 3;

/// Looks at a chain until `stop` changes or the node fails.
pub async fn watch(
    core: Arc<Core>,
    number: usize,
    link: Arc<Link>,
    directory: PathBuf,
    mut stop: watch::Receiver<bool>,
) {
    let failing = core.clone();
    let _alarm = Alarm::new("watcher of a chain", move |problem| failing.fail(problem));
    let name = format!("{}-{number}", link.network().kind);
    let cursors = match Cursors::open(&directory, &name) {
        Ok(cursors) => cursors,
        Err(problem) => return core.fail(problem),
    };
    let mut watcher = Watcher {
        core,
        number,
        link,
        cursors,
        looked: HashMap::new(),
        news: BTreeMap::new(),
        doubts: BTreeMap::new(),
        reached: None,
    };
    loop {
        let poll = watcher.link.poll();
        tokio::select! {
            _ = stop.changed() => return,
            looked = watcher.look() => if let Err(problem) = looked {
                return watcher.core.fail(problem);
            },
        }
        tokio::select! {
            _ = stop.changed() => return,
            () = tokio::time::sleep(poll) => {}
        }
        if watcher.core.is_over() {
            return;
        }
    }
}

/// A difference that was seen: what is on the chain, what the books say, and how often in a row.
struct Doubt {
    on_chain: i64,
    in_books: i64,
    looks: u32,
}

struct Watcher {
    core: Arc<Core>,
    number: usize,
    link: Arc<Link>,
    cursors: Cursors,
    /// When what changes rarely was looked at.
    looked: HashMap<Subject, Instant>,
    news: BTreeMap<Subject, Observation>,
    doubts: BTreeMap<(String, AssetCode), Doubt>,
    reached: Option<Instant>,
}

impl Watcher {
    /// One look. An outage is noted; only a fault of this node's own store or disk is a problem.
    async fn look(&mut self) -> Result<(), Problem> {
        let log = self.core.log.status();
        let behind = log.catching_up || self.core.newest()?.height + 2 < log.height;
        // Old rows ask for what was told long ago, and a node that went astray asks for what nobody waits for.
        if behind || self.core.check_agreement().is_err() {
            self.news.clear();
            self.core.treasury.tell(self.number, Found::default());
            return Ok(());
        }
        let mut error = self.questions().await?;
        for wallet in self.wallets()? {
            error = self.wallet(&wallet).await?.or(error);
        }
        let found = self.found()?;
        self.core.treasury.tell(self.number, found);
        self.reach().await;
        self.link.note(error);
        Ok(())
    }

    /// How far the servers are, now and then.
    async fn reach(&mut self) {
        if self
            .reached
            .is_none_or(|at| at.elapsed() >= SLOW * self.link.poll())
        {
            self.link.note_reach(self.link.client().reach().await);
            self.reached = Some(Instant::now());
        }
    }

    fn wallets(&self) -> Result<Vec<Wallet>, Problem> {
        let mut wallets = treasury::wallets(&self.core.newest()?.state)?;
        // What is paid to an account that somebody named is nobody's business until it is the wallet's.
        wallets.retain(|wallet| {
            self.link.is_of(&wallet.chain) && wallet.address.is_some() && wallet.is_held()
        });
        Ok(wallets)
    }

    /// Asks what the rows want to know. Gives the first error of the chain.
    async fn questions(&mut self) -> Result<Option<String>, Problem> {
        let rows = self.core.newest()?;
        let now_s = self.core.time_ms() / 1000;
        let mut all = treasury::questions(&rows.state, &self.core.genesis, now_s)?;
        all.retain(|question| self.is_here(question));
        let wanted: BTreeSet<Subject> = all.iter().map(subject).collect();
        self.looked.retain(|subject, _| wanted.contains(subject));
        self.news.retain(|about, _| match about {
            Subject::Payment(..) | Subject::Difference(..) => true,
            _ => wanted.contains(about),
        });
        all.retain(|question| self.is_due(question));
        let all = all
            .into_iter()
            .map(|question| asked(&rows.state, question))
            .collect::<Result<Vec<_>, _>>()?;
        let link = self.link.clone();
        let answers: Vec<_> = stream::iter(all)
            .map(|asked| {
                let link = link.clone();
                async move {
                    let answer = link.client().answer(&asked).await;
                    (asked.question, answer)
                }
            })
            .buffer_unordered(PARALLEL)
            .collect()
            .await;
        let mut error = None;
        for (question, answer) in answers {
            let about = subject(&question);
            match answer {
                Ok(observation) => {
                    self.looked.insert(about.clone(), Instant::now());
                    match observation {
                        Some(observation) => self.news.insert(about, observation),
                        None => self.news.remove(&about),
                    };
                }
                Err(fault) => error = error.or(Some(fault.to_string())),
            }
        }
        Ok(error)
    }

    fn is_here(&self, question: &Question) -> bool {
        match question {
            Question::Account { wallet }
            | Question::Receives { wallet, .. }
            | Question::Claim { wallet, .. } => self.link.is_of(&wallet.chain),
            Question::Outcome { payout, .. } => {
                *self.link.network() == Network::from(&payout.transaction)
            }
        }
    }

    /// What changes rarely is not asked at every look.
    fn is_due(&self, question: &Question) -> bool {
        match question {
            Question::Account { .. } | Question::Outcome { .. } => true,
            Question::Receives { .. } | Question::Claim { .. } => self
                .looked
                .get(&subject(question))
                .is_none_or(|at| at.elapsed() >= SLOW * self.link.poll()),
        }
    }

    /// What signers and broadcasters have to know, beside the news.
    fn found(&self) -> Result<Found, Problem> {
        let mut found = Found {
            news: self.news.clone(),
            ..Found::default()
        };
        for payout in treasury::open(&self.core.newest()?.state)? {
            let about = |line: &treasury::Line| {
                Subject::Receives(line.to.to_string(), line.amount.asset.to_string())
            };
            let lines: Vec<Subject> = payout.lines.iter().map(about).collect();
            let seen = |about: &Subject| self.looked.contains_key(about);
            if payout.state != PayoutState::Replaced && lines.iter().all(seen) {
                // One that is news has to be told first.
                let fine = !lines.iter().any(|about| self.news.contains_key(about));
                found.looked.insert(payout.id, fine);
            }
            if let Some(Observation::Included { .. }) = self.news.get(&Subject::Outcome(payout.id))
            {
                found.included.insert(payout.id);
            }
        }
        Ok(found)
    }

    /// Reads what arrived at a wallet, and compares what it holds with the books. Gives the first error of the chain.
    async fn wallet(&mut self, wallet: &Wallet) -> Result<Option<String>, Problem> {
        let rests = treasury::is_at_rest(&self.core.newest()?.state, &wallet.name)?;
        // Held before arrivals are read: what came in between is an arrival that is no fact yet.
        let held = match rests && wallet.next_sequence.is_some() && wallet.paused.is_none() {
            true => Some(
                self.link
                    .client()
                    .holdings(wallet, &self.core.genesis)
                    .await,
            ),
            false => None,
        };
        let complete = match self.arrivals(wallet).await? {
            Ok(complete) => complete,
            Err(error) => return Ok(Some(error)),
        };
        match held {
            Some(Ok(held)) => {
                self.compare(wallet, held, complete)?;
                Ok(None)
            }
            Some(Err(error)) => Ok(Some(error.to_string())),
            None => {
                self.trust(&wallet.name);
                Ok(None)
            }
        }
    }

    /// Reads payments to a wallet. Gives whether all of them are facts.
    async fn arrivals(&mut self, wallet: &Wallet) -> Result<Result<bool, String>, Problem> {
        let address = wallet
            .address
            .as_ref()
            .map_or_else(String::new, ToString::to_string);
        let mut cursor = self.cursors.of(&address);
        let (mut read, mut complete) = (cursor, true);
        let mut unknown = BTreeMap::new();
        for _ in 0..PAGES_MAX {
            let link = self.link.clone();
            let page = match link
                .client()
                .payments(wallet, &self.core.genesis, cursor)
                .await
            {
                Ok(page) => page,
                Err(error) => return Ok(Err(error.to_string())),
            };
            // A fact is what the circle certified: this node alone may be wrong.
            let certified = self.core.certified().ok();
            for (place, arrived) in page.arrived {
                let Observation::Received { operation, .. } = &arrived else {
                    continue;
                };
                let known = match &certified {
                    Some(rows) => treasury::is_deposit(&rows.state, &wallet.name, operation)?,
                    None => false,
                };
                if !known {
                    if complete {
                        read = place - 1;
                    }
                    complete = false;
                    let about = Subject::Payment(wallet.name.clone(), operation.clone());
                    unknown.insert(about, arrived);
                }
            }
            if complete {
                read = page.cursor;
            }
            if page.cursor == cursor {
                break;
            }
            cursor = page.cursor;
        }
        self.news
            .retain(|about, _| !matches!(about, Subject::Payment(name, _) if *name == wallet.name));
        self.news.extend(unknown);
        self.cursors.advance(&address, read)?;
        Ok(Ok(complete))
    }

    /// Compares what a wallet holds with the books.
    fn compare(
        &mut self,
        wallet: &Wallet,
        held: Vec<(AssetCode, i64)>,
        complete: bool,
    ) -> Result<(), Problem> {
        let rows = self.core.newest()?;
        let rests = treasury::is_at_rest(&rows.state, &wallet.name)?;
        if !complete || !rests {
            self.trust(&wallet.name);
            return Ok(());
        }
        for (asset, on_chain) in held {
            let about = Subject::Difference(wallet.name.clone(), asset.to_string());
            let key = (wallet.name.clone(), asset.clone());
            let found = treasury::compare(&rows.state, wallet, &asset, on_chain)?;
            let Some(Observation::Differs { in_books, .. }) = &found else {
                self.doubts.remove(&key);
                self.news.remove(&about);
                continue;
            };
            let doubt = self.doubts.entry(key).or_insert(Doubt {
                on_chain,
                in_books: *in_books,
                looks: 0,
            });
            if (doubt.on_chain, doubt.in_books) != (on_chain, *in_books) {
                *doubt = Doubt {
                    on_chain,
                    in_books: *in_books,
                    looks: 0,
                };
                self.news.remove(&about);
            }
            doubt.looks = doubt.looks.saturating_add(1);
            if doubt.looks >= LOOKS_UNTIL_DOUBT
                && let Some(found) = found
            {
                self.news.insert(about, found);
            }
        }
        Ok(())
    }

    /// Something of the wallet is under way, so nothing can be said of its books.
    fn trust(&mut self, wallet: &str) {
        self.doubts.retain(|(name, _), _| name != wallet);
        self.news
            .retain(|about, _| !matches!(about, Subject::Difference(name, _) if name == wallet));
    }
}

/// A question with what else the chain has to be told.
fn asked(rows: &(impl KeyValue + ?Sized), question: Question) -> Result<Asked, StoreFault> {
    let mut asked = Asked {
        question,
        units: 1,
        made_in: 0,
    };
    match &asked.question {
        Question::Receives { address, asset, .. } => {
            let open = treasury::open(rows)?;
            let lines = open.iter().flat_map(|payout| &payout.lines);
            let to = lines.filter(|line| line.to == *address && line.amount.asset == *asset);
            asked.units = to.map(|line| line.amount.units).max().unwrap_or(1);
        }
        Question::Claim { payout, .. } => {
            let ledger = treasury::payout(rows, *payout)?.and_then(|payout| payout.ledger);
            asked.made_in = ledger
                .and_then(|ledger| u32::try_from(ledger).ok())
                .unwrap_or(0);
        }
        Question::Account { .. } | Question::Outcome { .. } => {}
    }
    Ok(asked)
}

fn subject(question: &Question) -> Subject {
    match question {
        Question::Account { wallet } => Subject::Account(wallet.name.clone()),
        Question::Outcome { payout, .. } => Subject::Outcome(payout.id),
        Question::Receives { address, asset, .. } => {
            Subject::Receives(address.to_string(), asset.to_string())
        }
        Question::Claim { payout, line, .. } => Subject::Claim(*payout, *line),
    }
}
