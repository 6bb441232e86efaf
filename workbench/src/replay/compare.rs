//! What differs between two timelines.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use circle::block::Block;
use circle::ledger;
use circle::receipt::{Receipt, Source};
use circle::state::{Memory, Region, RegionView};
use circle::treasury;
use serde::Serialize;
use threescript::policy::Policy;
use threescript::value::{Amount, AssetCode, Assets};

use crate::problem::Problem;

/// What a candidate would have changed.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The policy that was tried out.
    pub candidate: Version,
    /// The one that it took the place of.
    pub instead_of: Version,
    /// The first height at which it ran.
    pub from: u64,
    /// The last height.
    pub to: u64,
    /// Whether the recorded timeline came to what its node concluded. False if the node does not say.
    pub verified: bool,
    /// Transactions in the compared heights.
    pub transactions: u64,
    /// Transactions that were not compared, because they are signatures over payouts of the recorded timeline, or speak of
    /// its checkpoints.
    pub not_compared: u64,
    /// What payouts that were planned from `from` on give to whom, where it differs.
    pub paid: Vec<Moved>,
    /// How many payouts were planned from `from` on.
    pub payouts: Count,
    /// The books of the ledger at the end, where they differ.
    pub books: Vec<Moved>,
    /// What was accepted in one timeline and refused in the other, or refused otherwise.
    pub outcomes: Vec<Refused>,
    /// Events by name, where their numbers differ.
    pub events: Vec<Count>,
    /// Effects by name, where their numbers differ.
    pub effects: Vec<Count>,
    /// Runs of schedules by name, where their numbers differ.
    pub schedules: Vec<Count>,
}

/// A policy.
#[derive(Clone, Debug, Serialize)]
pub struct Version {
    /// The name.
    pub name: String,
    /// The version, as its file says.
    pub version: u32,
    /// The hash.
    pub hash: String,
}

impl Version {
    pub(super) fn of(policy: &Policy) -> Self {
        Self {
            name: policy.name().to_owned(),
            version: policy.version(),
            hash: hex::encode(policy.hash()),
        }
    }
}

/// Money in both timelines: whole units with the asset, as in `12.5 TFT`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Moved {
    /// An account, or a book of the ledger.
    pub whose: String,
    /// As it happened.
    pub recorded: String,
    /// With the candidate.
    pub tried: String,
    /// What the candidate adds; with a minus what it takes.
    pub difference: String,
}

/// A number in both timelines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Count {
    /// Of what.
    pub name: String,
    /// As it happened.
    pub recorded: u64,
    /// With the candidate.
    pub tried: u64,
}

/// Something whose outcome differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// The height of its block.
    pub height: u64,
    /// The id of a transaction; none for a schedule.
    pub transaction: Option<String>,
    /// `actor.action` of each action, or the schedule.
    pub actions: Vec<String>,
    /// Who sent it.
    pub sender: Option<String>,
    /// As it happened.
    pub recorded: Outcome,
    /// With the candidate.
    pub tried: Outcome,
}

/// What became of something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// `ok`, or the code of the refusal.
    pub code: String,
    /// Why it was refused.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Where in a policy, as `file:line:column`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
}

impl Outcome {
    fn of(receipt: &Receipt) -> Self {
        Self {
            code: receipt.code.clone(),
            reason: receipt.message.clone(),
            place: receipt
                .place
                .as_ref()
                .map(|place| format!("{}:{}:{}", place.file, place.line, place.column)),
        }
    }
}

type Counts = BTreeMap<String, (u64, u64)>;

/// Gathers what differs, block by block.
pub(super) struct Comparison {
    from: u64,
    assets: BTreeSet<AssetCode>,
    transactions: u64,
    not_compared: u64,
    outcomes: Vec<Refused>,
    events: Counts,
    effects: Counts,
    schedules: Counts,
}

impl Comparison {
    pub(super) fn new(from: u64, assets: impl IntoIterator<Item = AssetCode>) -> Self {
        Self {
            from,
            assets: assets.into_iter().collect(),
            transactions: 0,
            not_compared: 0,
            outcomes: Vec::new(),
            events: Counts::new(),
            effects: Counts::new(),
            schedules: Counts::new(),
        }
    }

    /// Takes the receipts of one block in both timelines.
    pub(super) fn block(&mut self, block: &Block, recorded: &[Receipt], tried: &[Receipt]) {
        for (receipts, timeline) in [(recorded, 0), (tried, 1)] {
            for receipt in receipts {
                for event in &receipt.events {
                    count(&mut self.events, &event.actor, &event.name, timeline);
                }
                for effect in &receipt.effects {
                    count(&mut self.effects, &effect.actor, &effect.name, timeline);
                }
                if let Source::Schedule { policy, name } = &receipt.source {
                    count(&mut self.schedules, policy, name, timeline);
                }
            }
        }
        // The transactions of a block have the same places in both timelines; schedules are found by their names.
        for (index, real) in recorded.iter().enumerate() {
            let other = match &real.source {
                Source::Transaction { actions, .. } => {
                    self.transactions += 1;
                    if speaks_of_the_recorded_timeline(actions) {
                        self.not_compared += 1;
                        continue;
                    }
                    tried.get(index)
                }
                schedule => tried.iter().find(|other| other.source == *schedule),
            };
            if let Some(other) = other.filter(|other| other.code != real.code) {
                self.outcomes.push(refused(block.height, real, other));
            }
        }
    }

    /// Compares the two states at the end, and says all that was found.
    pub(super) fn report(
        self,
        assets: &Assets,
        (recorded, tried): (&Memory, &Memory),
        candidate: Version,
        instead_of: Version,
        (from, to): (u64, u64),
        verified: bool,
    ) -> Result<Report, Problem> {
        let state = |memory: &Memory| RegionView::new(Arc::new(memory.clone()), Region::State);
        let (recorded, tried) = (state(recorded), state(tried));
        let mut books = Vec::new();
        for asset in &self.assets {
            let pair = (
                ledger::books(&recorded, asset)?,
                ledger::books(&tried, asset)?,
            );
            let wide = |books: BTreeMap<String, i64>| -> BTreeMap<String, i128> {
                let units = |(book, units)| (book, i128::from(units));
                books.into_iter().map(units).collect()
            };
            books.extend(moved(&wide(pair.0), &wide(pair.1), asset, assets)?);
        }
        let (real, other) = (planned(&recorded, self.from)?, planned(&tried, self.from)?);
        let mut paid = Vec::new();
        for asset in &self.assets {
            let of = |planned: &Planned| planned.lines.get(asset).cloned().unwrap_or_default();
            paid.extend(moved(&of(&real), &of(&other), asset, assets)?);
        }
        Ok(Report {
            candidate,
            instead_of,
            from,
            to,
            verified,
            transactions: self.transactions,
            not_compared: self.not_compared,
            paid,
            payouts: Count {
                name: "payouts".into(),
                recorded: real.count,
                tried: other.count,
            },
            books,
            outcomes: self.outcomes,
            events: differing(self.events),
            effects: differing(self.effects),
            schedules: differing(self.schedules),
        })
    }
}

fn count(counts: &mut Counts, actor: &str, name: &str, timeline: usize) {
    let (recorded, tried) = counts.entry(format!("{actor}.{name}")).or_default();
    match timeline {
        0 => *recorded += 1,
        _ => *tried += 1,
    }
}

fn differing(counts: Counts) -> Vec<Count> {
    let counts = counts.into_iter();
    let differing = counts.filter(|(_, (recorded, tried))| recorded != tried);
    differing
        .map(|(name, (recorded, tried))| Count {
            name,
            recorded,
            tried,
        })
        .collect()
}

/// Signing messages are for the bytes of payouts, attestations and testimonies for checkpoints: both are other ones with another
/// policy.
fn speaks_of_the_recorded_timeline(actions: &[String]) -> bool {
    const OF_IT: [&str; 3] = ["ceremony.sign", "circle.attest", "circle.testify"];
    !actions.is_empty()
        && actions
            .iter()
            .all(|action| OF_IT.contains(&action.as_str()))
}

fn refused(height: u64, recorded: &Receipt, tried: &Receipt) -> Refused {
    let (transaction, actions, sender) = match &recorded.source {
        Source::Transaction {
            id,
            actions,
            sender,
        } => (Some(hex::encode(id)), actions.clone(), sender.clone()),
        Source::Schedule { policy, name } => (None, vec![format!("every {policy}.{name}")], None),
        Source::Following { wallet } => {
            (None, vec![format!("{wallet} follows the guardians")], None)
        }
    };
    Refused {
        height,
        transaction,
        actions,
        sender,
        recorded: Outcome::of(recorded),
        tried: Outcome::of(tried),
    }
}

/// Payouts that were planned in the compared heights.
struct Planned {
    count: u64,
    /// Minor units by asset and account.
    lines: BTreeMap<AssetCode, BTreeMap<String, i128>>,
}

fn planned(state: &RegionView, from: u64) -> Result<Planned, Problem> {
    let mut planned = Planned {
        count: 0,
        lines: BTreeMap::new(),
    };
    for payout in treasury::payouts(state)? {
        if payout.height < from {
            continue;
        }
        planned.count += 1;
        for line in payout.lines {
            let of_asset = planned.lines.entry(line.amount.asset).or_default();
            *of_asset.entry(line.account).or_default() += i128::from(line.amount.units);
        }
    }
    Ok(planned)
}

fn moved(
    recorded: &BTreeMap<String, i128>,
    tried: &BTreeMap<String, i128>,
    asset: &AssetCode,
    assets: &Assets,
) -> Result<Vec<Moved>, Problem> {
    let names: BTreeSet<&String> = recorded.keys().chain(tried.keys()).collect();
    let mut all = Vec::new();
    for name in names {
        let of = |books: &BTreeMap<String, i128>| books.get(name).copied().unwrap_or(0);
        let (before, after) = (of(recorded), of(tried));
        if before == after {
            continue;
        }
        let sign = if after > before { "+" } else { "" };
        all.push(Moved {
            whose: name.clone(),
            recorded: render(before, asset, assets)?,
            tried: render(after, asset, assets)?,
            difference: format!("{sign}{}", render(after - before, asset, assets)?),
        });
    }
    Ok(all)
}

fn render(units: i128, asset: &AssetCode, assets: &Assets) -> Result<String, Problem> {
    let fits = i64::try_from(units).ok();
    let text = fits.and_then(|units| {
        assets
            .render_amount(&Amount::new(units, asset.clone()))
            .ok()
    });
    text.ok_or_else(|| {
        let reason = format!("{units} units of {asset} cannot be shown as an amount");
        Problem::new("replay.amount", reason, "compare fewer heights")
    })
}
