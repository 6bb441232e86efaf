//! From usage records to a batch of IOUs, signed by both parties.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufReader};
use std::path::PathBuf;

use circle::ids::{CircleId, Key};
use circle::iou::{Iou, Price, SignedIou};
use serde::Serialize;
use threescript::value::{AssetCode, Decimal};

use crate::iou_file::{self, About, FileError, Party, PolicyName};
use crate::keyring::{Keyring, KeyringError};
use crate::quote::{Billing, with_stack};
use crate::usage::{Problem, UsageError, UsageReader, UsageRow};

/// What is to be made of which usage.
#[derive(Clone, Debug)]
pub struct Request {
    /// The usage records, see [`crate::usage`].
    pub usage: PathBuf,
    /// The price of one whole of the asset, in mUSD.
    pub price_musd: i64,
    /// The directory of keys; missing ones are made.
    pub keys: PathBuf,
    /// The file to write, see [`crate::iou_file`].
    pub out: PathBuf,
    /// The circle that may collect the IOUs.
    pub circle: CircleId,
    /// The asset that is owed; it has 7 decimals.
    pub asset: AssetCode,
    /// The sequence of the first IOU of each pair of farmer and consumer.
    pub sequence_start: u64,
    /// Leave out malformed rows instead of making nothing.
    pub skip_bad: bool,
}

/// What was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Made {
    /// The file.
    pub out: PathBuf,
    /// The circle that may collect the IOUs.
    pub circle: String,
    /// How many IOUs.
    pub ious: usize,
    /// How many farmers.
    pub farmers: usize,
    /// How many consumers.
    pub consumers: usize,
    /// The sum of the amounts, with 7 decimals.
    pub total: String,
    /// The asset.
    pub asset: String,
    /// The price of one whole of it, in mUSD.
    pub price_musd: u64,
    /// The policy that computed the amounts.
    pub policy: PolicyName,
    /// The names that a key was made for.
    pub keys_made: Vec<String>,
    /// What was wrong with the rows that were left out.
    pub skipped: Vec<Problem>,
    /// Windows that overlap; the circle will take the first of each two.
    pub overlapping: Vec<Overlap>,
}

/// Two rows of one contract whose windows overlap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Overlap {
    /// The line of the row, from 1.
    pub line: u64,
    /// The line of an earlier row.
    pub with_line: u64,
    /// The contract.
    pub contract: String,
}

/// Why nothing was made.
#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    /// A price that nothing can be divided by.
    #[error(
        "a price of {0} mUSD is not above 0; give the price of one TFT in thousandths of a dollar, as in --price-musd 50"
    )]
    Price(i64),
    /// A sequence that no IOU can have.
    #[error(
        "a sequence starts at 1; use --sequence-start 1, or the number after the last one the circle has"
    )]
    Sequence,
    /// The usage file cannot be opened.
    #[error("cannot read {path}: {error}; check the path and its permissions")]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The usage file cannot be read.
    #[error(transparent)]
    Usage(#[from] UsageError),
    /// There are malformed rows, and they were not to be skipped.
    #[error("{} of {rows} rows are malformed, so nothing was made; mend them, or leave them out with --skip-bad", bad_rows(.problems))]
    Rows {
        /// How many rows there are.
        rows: usize,
        /// All that is wrong, in the order of the file.
        problems: Vec<Problem>,
    },
    /// There is nothing to make IOUs of.
    #[error(
        "{path} has no rows that an IOU can be made of; add one line for each contract and window"
    )]
    Empty {
        /// The file.
        path: PathBuf,
        /// What is wrong with the rows it has.
        problems: Vec<Problem>,
    },
    /// A key is not to be had.
    #[error(transparent)]
    Key(#[from] KeyringError),
    /// The batch cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// No thread can be started.
    #[error("the system gives no thread: {0}; close some programs and try again")]
    Thread(io::Error),
}

/// How many rows the problems are in.
pub fn bad_rows(problems: &[Problem]) -> usize {
    problems
        .iter()
        .map(|problem| problem.line)
        .collect::<BTreeSet<_>>()
        .len()
}

/// How far the work is: what is being done, how much of it is done, and how much there is.
pub type Watch<'a> = &'a (dyn Fn(&str, u64, u64) + Sync);

/// How many rows pass between two reports.
const REPORT_EVERY: usize = 512;

/// Makes a batch of IOUs of usage records: one of each row, signed as farmer and as consumer.
///
/// Keys and file are written only when everything else is known to be right.
pub fn make(request: &Request, watch: Watch) -> Result<Made, MakeError> {
    let price_musd = u64::try_from(request.price_musd)
        .ok()
        .filter(|price| *price > 0)
        .ok_or(MakeError::Price(request.price_musd))?;
    if request.sequence_start == 0 {
        return Err(MakeError::Sequence);
    }
    let (rows, mut problems) = read_rows(request, watch)?;
    let billing = Billing::shipped();
    let count = rows.len() + bad_rows(&problems);
    let priced =
        with_stack(|| price_rows(&billing, rows, request.price_musd, &mut problems, watch))
            .map_err(MakeError::Thread)?;
    problems.sort_by_key(|problem| (problem.line, problem.column));
    if !problems.is_empty() && !request.skip_bad {
        return Err(MakeError::Rows {
            rows: count,
            problems,
        });
    }
    if priced.is_empty() {
        return Err(MakeError::Empty {
            path: request.usage.clone(),
            problems,
        });
    }
    let overlapping = overlaps(priced.iter().map(|(row, _)| row));

    iou_file::check_target(&request.out)?;
    let mut keyring = Keyring::new(&request.keys);
    let accounts = parties(&mut keyring, &priced)?;
    let policy_hash = billing.policy().hash();
    let mut sequences: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    let mut ious: Vec<SignedIou> = Vec::with_capacity(priced.len());
    let mut total = 0i128;
    for (index, (row, amount)) in priced.iter().enumerate() {
        let next = sequences
            .entry((&row.farmer, &row.consumer))
            .or_insert(request.sequence_start);
        let sequence = *next;
        *next = next.checked_add(1).ok_or(MakeError::Sequence)?;
        let farmer = *keyring.key(&row.farmer)?;
        let consumer = *keyring.key(&row.consumer)?;
        let iou = Iou {
            circle: request.circle,
            farmer: Key::of(&farmer),
            consumer: Key::of(&consumer),
            reference: row.contract.clone(),
            from: row.from,
            to: row.to,
            usage: usage(row),
            price: Price {
                policy: policy_hash,
                tft_musd: price_musd,
            },
            asset: request.asset.clone(),
            amount: *amount,
            sequence,
        };
        total += i128::from(*amount);
        ious.push(iou.sign(&farmer, &consumer));
        report(watch, "signing", index, priced.len());
    }

    let policy = PolicyName {
        name: billing.policy().name().to_owned(),
        version: billing.policy().version(),
        hash: hex::encode(policy_hash),
    };
    let about = About {
        circle: request.circle,
        policy: policy.clone(),
        asset: request.asset.clone(),
        price_musd,
    };
    iou_file::write(&request.out, &about, &accounts, &ious)?;
    let with_role = |role: &str| {
        accounts
            .iter()
            .filter(|party| party.roles.iter().any(|one| one == role))
            .count()
    };
    Ok(Made {
        out: request.out.clone(),
        circle: request.circle.to_string(),
        ious: ious.len(),
        farmers: with_role("farmer"),
        consumers: with_role("consumer"),
        total: iou_file::render_amount(total),
        asset: request.asset.as_str().to_owned(),
        price_musd,
        policy,
        keys_made: keyring.created().to_vec(),
        skipped: problems,
        overlapping,
    })
}

/// Every row of the file, and everything that is wrong with the others.
fn read_rows(request: &Request, watch: Watch) -> Result<(Vec<UsageRow>, Vec<Problem>), MakeError> {
    let open = |error| MakeError::Open {
        path: request.usage.clone(),
        error,
    };
    let file = File::open(&request.usage).map_err(open)?;
    let bytes = file.metadata().map_err(open)?.len();
    let mut reader = UsageReader::new(BufReader::new(file))?;
    let (mut rows, mut problems) = (Vec::new(), Vec::new());
    while let Some(line) = reader.next_row()? {
        match line {
            Ok(row) => rows.push(row),
            Err(wrong) => problems.extend(wrong),
        }
        if rows.len().is_multiple_of(REPORT_EVERY) {
            watch("reading", reader.bytes_read(), bytes);
        }
    }
    Ok((rows, problems))
}

/// The rows with their amounts, in minor units. What the policy refuses becomes a problem.
fn price_rows(
    billing: &Billing,
    rows: Vec<UsageRow>,
    price_musd: i64,
    problems: &mut Vec<Problem>,
    watch: Watch,
) -> Vec<(UsageRow, i64)> {
    let count = rows.len();
    let mut priced = Vec::with_capacity(count);
    for (index, row) in rows.into_iter().enumerate() {
        match billing.quote(&row, price_musd) {
            Ok(amount) => priced.push((row, amount.units)),
            Err(error) => problems.push(Problem {
                line: row.line,
                column: 1,
                field: String::new(),
                reason: format!("the row has no price: {} [{}]", error.message, error.code),
                mend: "use sizes, traffic and a window that an invoice could show".into(),
            }),
        }
        report(watch, "pricing", index, count);
    }
    priced
}

fn report(watch: Watch, doing: &str, index: usize, count: usize) {
    if (index + 1).is_multiple_of(REPORT_EVERY) || index + 1 == count {
        watch(doing, index as u64 + 1, count as u64);
    }
}

/// The accounts of the rows by name, with their keys and roles.
fn parties(keyring: &mut Keyring, rows: &[(UsageRow, i64)]) -> Result<Vec<Party>, KeyringError> {
    let mut roles: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (row, _) in rows {
        roles.entry(&row.farmer).or_default().insert("farmer");
        roles.entry(&row.consumer).or_default().insert("consumer");
    }
    keyring.ensure(roles.keys().copied())?;
    let party = |(name, roles): (&str, BTreeSet<&str>)| {
        let key = Key::of(keyring.key(name)?);
        Ok(Party {
            name: name.to_owned(),
            key,
            roles: roles.into_iter().map(str::to_owned).collect(),
        })
    };
    roles.into_iter().map(party).collect()
}

/// What an IOU says was used, in the units of the usage records, so that anybody can compute its amount again. A unit that
/// is not named was not used.
fn usage(row: &UsageRow) -> Vec<(String, Decimal)> {
    // Sorted by unit, as the circle wants it.
    let all = [
        ("cru", row.cru),
        ("hru_gib", row.hru_gib),
        ("ipv4", row.ipv4.into()),
        ("mru_gib", row.mru_gib),
        ("nru_bytes", row.nru_bytes.into()),
        ("sru_gib", row.sru_gib),
    ];
    let used = all
        .into_iter()
        .filter(|(_, amount)| *amount > Decimal::ZERO);
    used.map(|(unit, amount)| (unit.to_owned(), amount))
        .collect()
}

/// The windows of a contract that overlap no other: start -> end and line.
type Windows = BTreeMap<i64, (i64, u64)>;

/// The rows whose window overlaps that of an earlier row of the same contract, each with one such row.
fn overlaps<'a>(rows: impl Iterator<Item = &'a UsageRow>) -> Vec<Overlap> {
    let mut contracts: BTreeMap<(&str, &str, &str), Windows> = BTreeMap::new();
    let mut found = Vec::new();
    for row in rows {
        let windows = contracts
            .entry((&row.farmer, &row.consumer, &row.contract))
            .or_default();
        let before = windows.range(..row.to).next_back();
        match before.filter(|(_, (end, _))| *end > row.from) {
            Some((_, (_, with_line))) => {
                found.push(Overlap {
                    line: row.line,
                    with_line: *with_line,
                    contract: row.contract.clone(),
                });
            }
            None => {
                windows.insert(row.from, (row.to, row.line));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests;
