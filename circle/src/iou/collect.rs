//! The bulk of a roll-up: debiting the next consumers for whole IOUs, as far as their escrow goes.

use std::collections::BTreeMap;

use threescript::value::AssetCode;

use super::book::{ENTRIES, Entry, State, change_unpaid};
use super::open::{self, Cursor};
use crate::accounts;
use crate::digest::Hash;
use crate::ledger;
use crate::rejection::{Failure, require};
use crate::state::{Overlay, StoreFault};

/// The most IOUs that one call pays.
pub const COLLECT_MAX: u64 = 50_000;
/// The most farmers, consumers that paid and consumers that are short in one result: lists have limits.
const LINES_MAX: usize = 5_000;
/// Of so many IOUs that are not covered, the oldest ones, the sum is told.
const SHORT_MAX: u64 = 10_000;

/// What one call did. Amounts are in minor units.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Collection {
    /// The last consumer that had its whole turn; where the next call goes on.
    pub last: String,
    /// Whether all consumers had their turn.
    pub all: bool,
    /// How many consumers had their turn whose windows ended.
    pub consumers: u64,
    /// How many IOUs were paid.
    pub ious: u64,
    /// What consumers paid, by consumer and asset.
    pub paid: Vec<Line>,
    /// What farmers earned, by farmer and asset.
    pub earned: Vec<Line>,
    /// Whose escrow did not cover everything.
    pub short: Vec<Short>,
    /// What it took, in operations.
    pub operations: u64,
}

/// What one account paid or earned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The account.
    pub account: String,
    /// The asset.
    pub asset: AssetCode,
    /// The sum.
    pub amount: i64,
    /// In how many IOUs.
    pub ious: u64,
}

/// A consumer whose escrow did not cover everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Short {
    /// The consumer's account.
    pub consumer: String,
    /// The asset.
    pub asset: AssetCode,
    /// What it still owes in windows that ended: the sum of the oldest 10,000 IOUs, or the highest amount if that is more.
    pub owed: i64,
    /// What its escrow lacks for that.
    pub missing: i64,
}

/// Debits the next consumers in the order of their registration, after the account `after`, or from the first on if that
/// is empty.
///
/// Each pays whole IOUs whose window ended at or before `until`, by the end of the window, then id, up to the first that its
/// escrow does not cover (docs/decisions/003). The farmers' books are credited, the IOUs marked as paid. After `most` IOUs
/// or about as many consumers the call ends, so that a roll-up takes as many calls as it needs.
///
/// Errors: `account.unknown`, `iou.most`, `ledger.overflow`.
pub fn collect(
    rows: &mut Overlay,
    until: i64,
    after: &str,
    most: u64,
) -> Result<Collection, Failure> {
    require((1..=COLLECT_MAX).contains(&most), "iou.most", || {
        format!("a call collects 1 to {COLLECT_MAX} IOUs, not {most}")
    })?;
    let first = super::claim::number_after(rows, after)?;
    let mut turn = Turn {
        until,
        most,
        result: Collection {
            last: after.to_owned(),
            ..Collection::default()
        },
        earned: BTreeMap::new(),
        work: 0,
    };
    turn.run(rows, Cursor::from_consumer(first))?;
    turn.finish(rows)
}

/// One call while it works.
struct Turn {
    until: i64,
    most: u64,
    result: Collection,
    /// By asset and the farmer's number: the sum and how many IOUs.
    earned: BTreeMap<(AssetCode, u32), (i64, u64)>,
    /// IOUs that were paid or only looked at, and debts that were begun.
    work: u64,
}

/// What one consumer owes in one asset, while it is debited.
struct Debt {
    consumer: u32,
    name: String,
    asset: AssetCode,
    escrow: i64,
    paid: i64,
    ious: u64,
    rest: i128,
    looked_at: u64,
    state: Progress,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    Paying,
    /// The escrow did not cover one; what follows is only summed.
    Short,
    /// What follows is not due, or too much to sum.
    Over,
}

impl Turn {
    fn run(&mut self, rows: &mut Overlay, mut cursor: Cursor) -> Result<(), Failure> {
        let mut debt: Option<Debt> = None;
        let mut is_due = false;
        loop {
            let next = cursor.next(rows)?;
            let same_debt = match (&debt, &next) {
                (Some(debt), Some((_, next))) => {
                    debt.consumer == next.consumer && debt.asset == next.asset
                }
                _ => false,
            };
            if !same_debt && let Some(done) = debt.take() {
                is_due |= done.ious > 0 || done.rest > 0;
                let consumer = done.consumer;
                let name = done.name.clone();
                self.close(rows, done)?;
                let same_consumer = next
                    .as_ref()
                    .is_some_and(|(_, next)| next.consumer == consumer);
                if !same_consumer {
                    self.result.consumers += u64::from(std::mem::take(&mut is_due));
                    self.result.last = name;
                    if next.is_some() && self.is_full() {
                        return Ok(());
                    }
                }
            }
            let Some((id, entry)) = next else {
                self.result.all = true;
                return Ok(());
            };
            let open = match debt {
                Some(ref mut open) => open,
                None => {
                    self.work += 1;
                    self.result.operations += DEBT_COST;
                    debt.insert(begin(rows, &entry)?)
                }
            };
            match open.state {
                Progress::Over => {}
                _ if entry.to > self.until => open.state = Progress::Over,
                Progress::Paying if entry.amount <= open.escrow - open.paid => {
                    if self.is_full_of_ious(&entry) {
                        if let Some(done) = debt.take() {
                            // What it is short of in other assets is told when its turn ends.
                            self.result
                                .short
                                .retain(|short| short.consumer != done.name);
                            self.close(rows, done)?;
                        }
                        return Ok(());
                    }
                    self.pay(rows, open, id, entry.clone());
                }
                Progress::Paying | Progress::Short => {
                    open.state = Progress::Short;
                    open.rest += i128::from(entry.amount);
                    open.looked_at += 1;
                    self.work += 1;
                    self.result.operations += LOOK_COST;
                    if open.looked_at == SHORT_MAX {
                        open.state = Progress::Over;
                    }
                }
            }
            if open_is_over(&debt) {
                cursor.pass_debt(&entry);
            }
        }
    }

    /// Whether the next consumer has to wait for the next call.
    fn is_full(&self) -> bool {
        self.work >= self.most
            || self.result.paid.len() >= LINES_MAX
            || self.result.short.len() >= LINES_MAX
            || self.earned.len() >= LINES_MAX
    }

    /// Whether the next IOU has to, of a consumer that had a part of its turn.
    fn is_full_of_ious(&self, next: &Entry) -> bool {
        let is_new = || !self.earned.contains_key(&(next.asset.clone(), next.farmer));
        self.result.ious >= self.most || (self.earned.len() >= LINES_MAX && is_new())
    }

    fn pay(&mut self, rows: &mut Overlay, debt: &mut Debt, id: Hash, entry: Entry) {
        self.work += 1;
        self.result.operations += IOU_COST;
        self.result.ious += 1;
        debt.paid += entry.amount;
        debt.ious += 1;
        open::delete(rows, &id, &entry);
        let earned = self.earned.entry((entry.asset.clone(), entry.farmer));
        let (sum, ious) = earned.or_default();
        // What is earned was in escrow, and all books of an asset together fit into 64 bits.
        *sum += entry.amount;
        *ious += 1;
        let state = State::Paid;
        ENTRIES.put(rows, id, &Entry { state, ..entry });
    }

    fn close(&mut self, rows: &mut Overlay, debt: Debt) -> Result<(), StoreFault> {
        if debt.ious > 0 {
            change_unpaid(rows, debt.consumer, &debt.asset, |owed| {
                owed.open -= i128::from(debt.paid)
            })?;
            self.result.paid.push(Line {
                account: debt.name.clone(),
                asset: debt.asset.clone(),
                amount: debt.paid,
                ious: debt.ious,
            });
        }
        if debt.rest > 0 {
            let left = i128::from(debt.escrow - debt.paid);
            let units = |sum: i128| i64::try_from(sum).unwrap_or(i64::MAX);
            self.result.short.push(Short {
                consumer: debt.name,
                asset: debt.asset,
                owed: units(debt.rest),
                missing: units(debt.rest - left),
            });
        }
        Ok(())
    }

    /// Moves the money, each book once.
    fn finish(mut self, rows: &mut Overlay) -> Result<Collection, Failure> {
        let mut movements: BTreeMap<&AssetCode, ledger::Movements> = BTreeMap::new();
        for line in self.result.paid.iter().filter(|line| line.amount > 0) {
            let book = format!("escrow:{}", line.account);
            let movements = movements.entry(&line.asset).or_default();
            movements.from.push((book, line.amount));
        }
        for ((asset, farmer), (amount, ious)) in &self.earned {
            self.result.operations += DEBT_COST;
            let account = accounts::by_number(rows, *farmer)?.name;
            if *amount > 0 {
                let book = format!("payable:{account}");
                let movements = movements.entry(asset).or_default();
                movements.to.push((book, *amount));
            }
            self.result.earned.push(Line {
                account,
                asset: asset.clone(),
                amount: *amount,
                ious: *ious,
            });
        }
        for (asset, movements) in movements {
            ledger::transfer_all(rows, asset, &movements)?;
        }
        Ok(self.result)
    }
}

/// What the parts of the work cost, in operations: a paid IOU, one that is only looked at, a debt or a farmer.
const IOU_COST: u64 = 16;
/// An IOU that is only looked at.
pub const LOOK_COST: u64 = 2;
const DEBT_COST: u64 = 64;

fn begin(rows: &Overlay, entry: &Entry) -> Result<Debt, StoreFault> {
    let name = accounts::by_number(rows, entry.consumer)?.name;
    Ok(Debt {
        consumer: entry.consumer,
        escrow: ledger::balance(rows, &format!("escrow:{name}"), &entry.asset)?,
        name,
        asset: entry.asset.clone(),
        paid: 0,
        ious: 0,
        rest: 0,
        looked_at: 0,
        state: Progress::Paying,
    })
}

fn open_is_over(debt: &Option<Debt>) -> bool {
    debt.as_ref()
        .is_some_and(|debt| debt.state == Progress::Over)
}
