//! The book of open and paid IOUs.

use std::collections::{BTreeMap, BTreeSet};

use borsh::{BorshDeserialize, BorshSerialize};
use threescript::value::{AssetCode, Assets};

use super::open::{self, Cursor};
use super::{BATCH_IOUS_MAX, SignedIou, verify_signatures};
use crate::account::Account;
use crate::accounts;
use crate::digest::Hash;
use crate::ids::{CircleId, Key};
use crate::rejection::{Failure, Rejection, require};
use crate::state::{KeyValue, Overlay, StoreFault};
use crate::table::Table;

/// One admitted IOU, without what only its signers need.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Entry {
    pub(super) farmer: u32,
    pub(super) consumer: u32,
    pub(super) to: i64,
    /// When it was taken into the book: the time of that block, Unix seconds.
    pub(super) admitted: i64,
    pub(super) asset: AssetCode,
    pub(super) amount: i64,
    pub(super) state: State,
}

/// Where an IOU is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum State {
    /// Waits for the roll-up.
    Open,
    /// The consumer was debited.
    Paid,
    /// Kept out of the roll-up, until it is released or cancelled.
    Held,
    /// Will never be paid.
    Cancelled,
}

impl State {
    /// As policies see it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Paid => "paid",
            Self::Held => "held",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What a consumer owes in one asset, in minor units. No sum of amounts leaves 128 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Unpaid {
    /// In open IOUs.
    pub open: i128,
    /// In held ones.
    pub held: i128,
}

/// What is remembered of a pair of farmer and consumer.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
struct Pair {
    last_sequence: u64,
}

pub(super) const ENTRIES: Table<Entry> = Table::new(b"ki", "an IOU");
// (consumer, asset); no row where nothing is unpaid.
const UNPAID: Table<Unpaid> = Table::new(b"k2", "what a consumer owes");
const PAIRS: Table<Pair> = Table::new(b"kq", "a pair of farmer and consumer");
// (farmer, consumer, reference, start of window) -> end of window
const WINDOWS: Table<i64> = Table::new(b"kw", "an IOU's window");

/// What became of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Admission {
    /// How many were taken.
    pub accepted: u64,
    /// Which were not, and why, in the order of the batch.
    pub rejected: Vec<(Hash, Rejection)>,
}

/// How much consumers may owe: by account, the most units of each asset, and nothing in others. Who is not named has no limit.
pub type Limits = BTreeMap<String, BTreeMap<AssetCode, i64>>;

/// The consumers of a batch that have accounts, by name, each once.
pub fn consumers(rows: &dyn KeyValue, batch: &[u8]) -> Result<BTreeSet<String>, Failure> {
    let mut names = BTreeSet::new();
    let keys: BTreeSet<Key> = read_batch(batch)?
        .iter()
        .map(|signed| signed.iou.consumer)
        .collect();
    for key in keys {
        if let Some(account) = accounts::by_key(rows, &key)? {
            names.insert(account.name);
        }
    }
    Ok(names)
}

/// The ids of the IOUs of a batch, in its order.
pub fn ids(batch: &[u8]) -> Result<Vec<Hash>, Failure> {
    let batch = read_batch(batch)?;
    Ok(batch.iter().map(|signed| signed.iou.id()).collect())
}

fn read_batch(batch: &[u8]) -> Result<Vec<SignedIou>, Failure> {
    let batch: Vec<SignedIou> = borsh::from_slice(batch).map_err(|error| {
        Rejection::new(
            "iou.malformed",
            format!("this is no batch of IOUs: {error}; make it with `circle iou make`"),
        )
    })?;
    require(
        (1..=BATCH_IOUS_MAX).contains(&batch.len()),
        "iou.batch",
        || {
            format!(
                "a batch has 1 to {BATCH_IOUS_MAX} IOUs, not {}; split it",
                batch.len()
            )
        },
    )?;
    Ok(batch)
}

/// Takes a batch of IOUs into the book at `now`, Unix seconds. Each stands or falls alone.
pub fn admit(
    rows: &mut Overlay,
    circle: CircleId,
    assets: &Assets,
    now: i64,
    batch: &[u8],
    limits: &Limits,
) -> Result<Admission, Failure> {
    let batch = read_batch(batch)?;
    // Signatures are dear: only those are checked that nothing cheaper rejects.
    let verdicts: Vec<Result<(), Rejection>> = batch
        .iter()
        .map(|signed| check_form(signed, circle, assets))
        .collect();
    let candidates: Vec<&SignedIou> = batch
        .iter()
        .zip(&verdicts)
        .filter(|(_, verdict)| verdict.is_ok())
        .map(|(signed, _)| signed)
        .collect();
    let mut genuine = verify_signatures(&candidates).into_iter();
    let mut admission = Admission::default();
    for (signed, verdict) in batch.iter().zip(verdicts) {
        let outcome = match verdict {
            Err(rejection) => Err(Failure::Rejected(rejection)),
            Ok(()) => admit_one(rows, now, signed, genuine.next().unwrap_or(false), limits),
        };
        match outcome {
            Ok(()) => admission.accepted += 1,
            Err(Failure::Rejected(rejection)) => {
                admission.rejected.push((signed.iou.id(), rejection))
            }
            Err(fault) => return Err(fault),
        }
    }
    Ok(admission)
}

fn check_form(signed: &SignedIou, circle: CircleId, assets: &Assets) -> Result<(), Rejection> {
    let iou = &signed.iou;
    require(iou.circle == circle, "iou.foreign_circle", || {
        format!(
            "the IOU is for circle {}, this is {circle}; make it again for this circle",
            iou.circle
        )
    })?;
    require(
        assets.decimals(&iou.asset).is_some(),
        "iou.unknown_asset",
        || {
            format!(
                "this circle does not know the asset {}; use one that `circle status` lists",
                iou.asset
            )
        },
    )?;
    require(iou.amount >= 0, "iou.negative_amount", || {
        format!(
            "the amount is {} units; an IOU cannot be negative",
            iou.amount
        )
    })?;
    require(iou.from < iou.to, "iou.window", || {
        format!(
            "the window [{}, {}) is empty; it has to end after it starts",
            iou.from, iou.to
        )
    })?;
    require(iou.sequence > 0, "iou.sequence", || {
        "the sequence is 0; it starts at 1".into()
    })?;
    require(
        (1..=64).contains(&iou.reference.len()) && !iou.reference.contains('\0'),
        "iou.reference",
        || {
            format!(
                "the contract {:?} has to have 1 to 64 bytes and no zero byte",
                iou.reference
            )
        },
    )?;
    let sorted = iou.usage.len() <= 16 && iou.usage.windows(2).all(|pair| pair[0].0 < pair[1].0);
    require(sorted, "iou.usage", || {
        "usage names at most 16 units, sorted, each once".into()
    })
}

fn admit_one(
    rows: &mut Overlay,
    now: i64,
    signed: &SignedIou,
    genuine: bool,
    limits: &Limits,
) -> Result<(), Failure> {
    let iou = &signed.iou;
    let id = iou.id();
    require(!ENTRIES.has(rows, id)?, "iou.replayed", || {
        "the circle has this very IOU already; nothing has to be done".into()
    })?;
    require(genuine, "iou.signature", || {
        "a signature does not fit the IOU; both parties have to sign exactly this text".into()
    })?;
    let farmer = party(rows, &iou.farmer, "farmer")?;
    let consumer = party(rows, &iou.consumer, "consumer")?;
    let pair = PAIRS
        .get(rows, (farmer.number, consumer.number))?
        .unwrap_or_default();
    require(
        iou.sequence > pair.last_sequence,
        "iou.falling_sequence",
        || {
            format!(
                "the sequence {} does not rise above {}, the last of this pair",
                iou.sequence, pair.last_sequence
            )
        },
    )?;
    check_window(rows, &farmer, &consumer, signed)?;
    if let Some(most) = limits.get(&consumer.name) {
        let most = most.get(&iou.asset).copied().unwrap_or(0);
        let owed = unpaid(rows, consumer.number, &iou.asset)?;
        let total = owed.open + owed.held + i128::from(iou.amount);
        require(total <= i128::from(most), "iou.limit", || {
            format!(
                "{} would owe {total} units of {}, its limit is {most}; it has to pay some of it first",
                consumer.name, iou.asset
            )
        })?;
    }
    let entry = Entry {
        farmer: farmer.number,
        consumer: consumer.number,
        to: iou.to,
        admitted: now,
        asset: iou.asset.clone(),
        amount: iou.amount,
        state: State::Open,
    };
    ENTRIES.put(rows, id, &entry);
    open::put(rows, &id, &entry);
    change_unpaid(rows, consumer.number, &iou.asset, |owed| {
        owed.open += i128::from(iou.amount)
    })?;
    PAIRS.put(
        rows,
        (farmer.number, consumer.number),
        &Pair {
            last_sequence: iou.sequence,
        },
    );
    WINDOWS.put(
        rows,
        (
            (farmer.number, consumer.number),
            iou.reference.as_str(),
            iou.from,
        ),
        &iou.to,
    );
    Ok(())
}

fn party(rows: &Overlay, key: &Key, role: &str) -> Result<Account, Failure> {
    let account = accounts::by_key(rows, key)?.ok_or_else(|| {
        Rejection::new(
            "iou.unknown_account",
            format!("the {role} {key} has no account; register it first"),
        )
    })?;
    Ok(account)
}

fn check_window(
    rows: &Overlay,
    farmer: &Account,
    consumer: &Account,
    signed: &SignedIou,
) -> Result<(), Failure> {
    let iou = &signed.iou;
    let contract = ((farmer.number, consumer.number), iou.reference.as_str());
    let lowest = WINDOWS.key(contract);
    let end = WINDOWS.key((contract.0, contract.1, iou.to));
    // Windows of a contract never overlap, so the last one that starts before ours ends is the only candidate.
    let neighbour = rows.scan(&lowest, Some(&end), 1, true)?;
    if let Some((_, value)) = neighbour.first() {
        let neighbour_end = WINDOWS.decode(value)?;
        require(neighbour_end <= iou.from, "iou.overlapping_window", || {
            format!(
                "the window [{}, {}) overlaps another of contract {}, which ends at {neighbour_end}",
                iou.from, iou.to, iou.reference
            )
        })?;
    }
    Ok(())
}

/// What a consumer owes.
pub(super) fn unpaid(
    rows: &(impl KeyValue + ?Sized),
    consumer: u32,
    asset: &AssetCode,
) -> Result<Unpaid, StoreFault> {
    Ok(UNPAID
        .get(rows, (consumer, asset.as_str()))?
        .unwrap_or_default())
}

/// Keeps the sums in step with the entries.
pub(super) fn change_unpaid(
    rows: &mut Overlay,
    consumer: u32,
    asset: &AssetCode,
    change: impl FnOnce(&mut Unpaid),
) -> Result<(), StoreFault> {
    let mut owed = unpaid(rows, consumer, asset)?;
    change(&mut owed);
    match owed == Unpaid::default() {
        true => UNPAID.delete(rows, (consumer, asset.as_str())),
        false => UNPAID.put(rows, (consumer, asset.as_str()), &owed),
    }
    Ok(())
}

/// One consumer's unpaid IOUs in one asset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Debtor {
    /// The consumer's account.
    pub consumer: String,
    /// The asset.
    pub asset: AssetCode,
    /// The sum, in minor units; the highest amount there is if it is more. No escrow holds as much, and a consumer whose debts
    /// have no sum must not keep the others from being paid.
    pub owed: i64,
    /// How many IOUs.
    pub ious: u64,
}

/// Who owes what in windows that ended at or before `until`, by consumer's number and asset: the next consumers after the
/// account `after`, at most `most` of them. The second result is how many IOUs were looked at.
pub fn debtors(
    rows: &dyn KeyValue,
    until: i64,
    after: &str,
    most: usize,
) -> Result<(Vec<Debtor>, u64), Failure> {
    let mut sums: BTreeMap<(u32, AssetCode), (i64, u64)> = BTreeMap::new();
    let first = super::claim::number_after(rows, after)?;
    let looked_at = each_of(rows, first, most, |entry| {
        if entry.to <= until {
            let sum = sums.entry((entry.consumer, entry.asset)).or_default();
            sum.0 = sum.0.saturating_add(entry.amount);
            sum.1 += 1;
            return true;
        }
        false
    })?;
    let name = |(key, sum): ((u32, AssetCode), (i64, u64))| {
        Ok(Debtor {
            consumer: accounts::by_number(rows, key.0)?.name,
            asset: key.1,
            owed: sum.0,
            ious: sum.1,
        })
    };
    let debtors = sums.into_iter().map(name).collect::<Result<_, Failure>>()?;
    Ok((debtors, looked_at))
}

/// Visits the open IOUs of the next consumers, from a number on, until `most` consumers had one that counts. Returns how
/// many were visited.
fn each_of(
    rows: &dyn KeyValue,
    first: u32,
    most: usize,
    mut counts: impl FnMut(Entry) -> bool,
) -> Result<u64, StoreFault> {
    let mut cursor = Cursor::from_consumer(first);
    let (mut consumers, mut last, mut looked_at) = (0, None, 0);
    while let Some((_, entry)) = cursor.next(rows)? {
        let consumer = entry.consumer;
        if consumers == most && last != Some(consumer) {
            break;
        }
        looked_at += 1;
        if counts(entry) && last != Some(consumer) {
            consumers += 1;
            last = Some(consumer);
        }
    }
    Ok(looked_at)
}

/// What one farmer is paid by one consumer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paid {
    /// The farmer's account.
    pub farmer: String,
    /// The sum, in minor units.
    pub amount: i64,
    /// How many IOUs.
    pub ious: u64,
}

/// Marks a consumer's IOUs as paid, whole ones, in the order of their window's end, then id, up to `budget` minor units of
/// `asset`. Stops at the first that the rest of the budget does not cover, so that no younger debt overtakes an older one.
pub fn pay(
    rows: &mut Overlay,
    consumer: &str,
    asset: &AssetCode,
    until: i64,
    budget: i64,
) -> Result<Vec<Paid>, Failure> {
    let consumer = accounts::by_name(rows, consumer)?.ok_or_else(|| {
        Rejection::new("account.unknown", format!("there is no account {consumer}"))
    })?;
    let mut left = budget;
    let mut paid: BTreeMap<u32, (i64, u64)> = BTreeMap::new();
    for (id, entry) in due(rows, Cursor::of_debt(consumer.number, asset), until)? {
        if entry.amount > left {
            break;
        }
        left -= entry.amount;
        let sum = paid.entry(entry.farmer).or_default();
        sum.0 += entry.amount;
        sum.1 += 1;
        open::delete(rows, &id, &entry);
        ENTRIES.put(
            rows,
            id,
            &Entry {
                state: State::Paid,
                ..entry
            },
        );
    }
    change_unpaid(rows, consumer.number, asset, |owed| {
        owed.open -= i128::from(budget - left)
    })?;
    let name = |(farmer, (amount, ious)): (u32, (i64, u64))| {
        Ok(Paid {
            farmer: accounts::by_number(rows, farmer)?.name,
            amount,
            ious,
        })
    };
    paid.into_iter().map(name).collect()
}

/// What stays owed between one consumer and one farmer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owed {
    /// The consumer's account.
    pub consumer: String,
    /// The farmer's account.
    pub farmer: String,
    /// The asset.
    pub asset: AssetCode,
    /// The sum, in minor units.
    pub amount: i128,
}

/// All that is owed and not paid, by pair, sorted by the names of consumer and farmer.
pub fn owed(rows: &dyn KeyValue) -> Result<Vec<Owed>, Failure> {
    let mut all = owed_page(rows, "", usize::MAX)?.0;
    all.sort_by(|a, b| (&a.consumer, &a.farmer, &a.asset).cmp(&(&b.consumer, &b.farmer, &b.asset)));
    Ok(all)
}

/// The same of the next consumers after the account `after`, at most `most` of them, in the order of their registration.
/// The second result is how many IOUs were looked at.
pub fn owed_page(
    rows: &dyn KeyValue,
    after: &str,
    most: usize,
) -> Result<(Vec<Owed>, u64), Failure> {
    let mut sums: BTreeMap<(u32, u32, AssetCode), i128> = BTreeMap::new();
    let first = super::claim::number_after(rows, after)?;
    let looked_at = each_of(rows, first, most, |entry| {
        let sum = sums.entry((entry.consumer, entry.farmer, entry.asset));
        *sum.or_default() += i128::from(entry.amount);
        true
    })?;
    let mut all = Vec::with_capacity(sums.len());
    for ((consumer, farmer, asset), amount) in sums {
        all.push(Owed {
            consumer: accounts::by_number(rows, consumer)?.name,
            farmer: accounts::by_number(rows, farmer)?.name,
            asset,
            amount,
        });
    }
    Ok((all, looked_at))
}

/// Open IOUs whose window ended at or before `until`, in the order of the cursor.
fn due(
    rows: &dyn KeyValue,
    mut cursor: Cursor,
    until: i64,
) -> Result<Vec<(Hash, Entry)>, StoreFault> {
    let mut all = Vec::new();
    while let Some((id, entry)) = cursor.next(rows)? {
        if entry.to <= until {
            all.push((id, entry));
        }
    }
    Ok(all)
}
