//! A batch of signed IOUs as a file: JSON that people can read, one IOU per line.
//!
//! The file is one JSON object: what the batch is for, the accounts by name, and `ious`, each of which says in plain words
//! what both parties signed. Every field but the names and the id is under the signatures; amounts are decimal strings with
//! 7 decimals. What is read is signed data of others: an entry that makes no sense is reported with a code, like those that
//! the circle rejects, and the others stand.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use circle::check_name;
use circle::digest::Hash;
use circle::ids::{CircleId, Key};
use circle::iou::{BATCH_IOUS_MAX, Iou, Price, SignedIou};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use threescript::value::{AssetCode, Decimal, ValueError};

use crate::usage::{parse_utc, render_utc};

/// What the first field of the file says.
pub const FORMAT: &str = "guardian-circle-ious 1";
/// How many decimals amounts have in the file.
pub const AMOUNT_DECIMALS: u8 = 7;
/// The most bytes of one encoded batch: what fits into a transaction together with its envelope.
const BATCH_BYTES_MAX: usize = circle::envelope::TRANSACTION_BYTES_MAX - 64 * 1024;

/// An account that a batch names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Party {
    /// Its name.
    pub name: String,
    /// Its key.
    pub key: Key,
    /// `farmer`, `consumer` or both.
    pub roles: Vec<String>,
}

/// The policy that computed the amounts of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyName {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: u32,
    /// Its hash, 64 hexadecimal digits.
    pub hash: String,
}

/// What all IOUs of a file have in common, for people; what counts is in each IOU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// The circle that the batch was made for.
    pub circle: CircleId,
    /// The policy that computed the amounts.
    pub policy: PolicyName,
    /// The asset.
    pub asset: AssetCode,
    /// The price of one whole of it, in mUSD.
    pub price_musd: u64,
}

/// A file as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IouFile {
    /// What it is for.
    pub about: About,
    /// The accounts, in the order of the file.
    pub accounts: Vec<Party>,
    /// The IOUs, in the order of the file.
    pub entries: Vec<Entry>,
}

/// One IOU of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The line of the file, from 1.
    pub line: u64,
    /// The id that the file states; the one that counts is [`Iou::id`].
    pub id: String,
    /// What was signed, or why the entry is none.
    pub iou: Result<SignedIou, Malformed>,
}

/// Why an entry of a file cannot even be submitted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason} [{code}]")]
pub struct Malformed {
    /// `iou.malformed`, `iou.overflowing_amount` or `iou.unknown_asset`.
    pub code: &'static str,
    /// What is wrong and what to do.
    pub reason: String,
}

/// Why a file cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system refused.
    #[error("cannot {doing} {path}: {error}; check the path and its permissions")]
    Io {
        /// `read` or `write`.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The file as a whole is not a batch.
    #[error("{path} is no batch of IOUs: {reason}; make it with `circle iou make`")]
    NoBatch {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the place.
        reason: String,
    },
}

impl IouFile {
    /// The IOUs that can be submitted, in the order of the file.
    pub fn signed(&self) -> impl Iterator<Item = &SignedIou> {
        self.entries
            .iter()
            .filter_map(|entry| entry.iou.as_ref().ok())
    }

    /// The entries that are none, in the order of the file.
    pub fn malformed(&self) -> impl Iterator<Item = (&Entry, &Malformed)> {
        self.entries
            .iter()
            .filter_map(|entry| entry.iou.as_ref().err().map(|malformed| (entry, malformed)))
    }

    /// For the ids that the circle computes, those that the file states, so that people find the IOU in the file.
    pub fn stated_ids(&self) -> BTreeMap<Hash, &str> {
        let stated = |entry: &'_ Entry| entry.iou.as_ref().ok().map(|signed| signed.iou.id());
        self.entries
            .iter()
            .filter_map(|entry| Some((stated(entry)?, entry.id.as_str())))
            .collect()
    }
}

/// The encoded batches that together submit `ious`, in their order; each fits into one transaction.
pub fn batches<'a>(ious: impl IntoIterator<Item = &'a SignedIou>) -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = Vec::new();
    let (mut count, mut body) = (0u32, Vec::new());
    let mut close = |count: &mut u32, body: &mut Vec<u8>| {
        if *count > 0 {
            // A borsh list: its length, then its items.
            let mut batch = count.to_le_bytes().to_vec();
            batch.append(body);
            all.push(batch);
            *count = 0;
        }
    };
    for signed in ious {
        let item = circle::digest::encode(signed);
        if count as usize == BATCH_IOUS_MAX || body.len() + item.len() > BATCH_BYTES_MAX {
            close(&mut count, &mut body);
        }
        body.extend_from_slice(&item);
        count += 1;
    }
    close(&mut count, &mut body);
    all
}

/// An amount as files and documents write it: with 7 decimals.
pub fn render_amount(units: i128) -> String {
    let one = 10u128.pow(u32::from(AMOUNT_DECIMALS));
    let magnitude = units.unsigned_abs();
    let sign = if units < 0 { "-" } else { "" };
    format!("{sign}{}.{:07}", magnitude / one, magnitude % one)
}

// The file, field by field.

#[derive(Serialize)]
struct HeaderOut<'a> {
    format: &'a str,
    circle: String,
    policy: &'a PolicyName,
    asset: &'a str,
    price_musd: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileIn<'a> {
    format: String,
    circle: String,
    policy: PolicyName,
    asset: String,
    price_musd: u64,
    accounts: Vec<PartyLine>,
    #[serde(borrow)]
    ious: Vec<&'a RawValue>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PartyLine {
    name: String,
    key: String,
    roles: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    id: String,
    circle: String,
    farmer: String,
    farmer_key: String,
    consumer: String,
    consumer_key: String,
    contract: String,
    from: String,
    to: String,
    usage: BTreeMap<String, String>,
    policy: String,
    price_musd: u64,
    asset: String,
    amount: String,
    sequence: u64,
    farmer_signature: String,
    consumer_signature: String,
}

/// Refuses early what [`write`] could not write to: a path in no directory, or a directory.
pub fn check_target(path: &Path) -> Result<(), FileError> {
    let fault = if !directory_of(path).is_dir() {
        io::Error::new(io::ErrorKind::NotFound, "there is no such directory")
    } else if path.is_dir() {
        io::Error::new(io::ErrorKind::IsADirectory, "this is a directory")
    } else {
        return Ok(());
    };
    Err(FileError::Io {
        doing: "write",
        path: path.to_owned(),
        error: fault,
    })
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Writes a batch: all of it, or nothing. An earlier file of this name is replaced.
///
/// `accounts` names every key in `ious`, which is an invariant of the caller.
pub fn write(
    path: &Path,
    about: &About,
    accounts: &[Party],
    ious: &[SignedIou],
) -> Result<(), FileError> {
    let at = |error| FileError::Io {
        doing: "write",
        path: path.to_owned(),
        error,
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".new-iou-");
    // Not secret: readable as far as the umask of the user says.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(directory_of(path)).map_err(at)?;
    let mut out = BufWriter::new(file.as_file_mut());
    write_to(&mut out, about, accounts, ious)
        .and_then(|()| out.flush())
        .map_err(at)?;
    drop(out);
    file.as_file().sync_all().map_err(at)?;
    file.persist(path).map_err(|error| at(error.error))?;
    Ok(())
}

fn write_to(
    out: &mut impl Write,
    about: &About,
    accounts: &[Party],
    ious: &[SignedIou],
) -> io::Result<()> {
    let header = HeaderOut {
        format: FORMAT,
        circle: about.circle.to_string(),
        policy: &about.policy,
        asset: about.asset.as_str(),
        price_musd: about.price_musd,
    };
    let header = serde_json::to_string(&header)?;
    // The header's closing brace comes at the end of the file.
    writeln!(out, "{},\"accounts\":[", header.trim_end_matches('}'))?;
    let names: BTreeMap<Key, &str> = accounts
        .iter()
        .map(|party| (party.key, party.name.as_str()))
        .collect();
    let lines = accounts.iter().map(|party| {
        let Party { name, key, roles } = party.clone();
        PartyLine {
            name,
            key: key.to_string(),
            roles,
        }
    });
    write_lines(out, lines)?;
    writeln!(out, "],\"ious\":[")?;
    write_lines(out, ious.iter().map(|signed| line(signed, &names)))?;
    writeln!(out, "]}}")
}

fn write_lines<T: Serialize>(
    out: &mut impl Write,
    lines: impl Iterator<Item = T>,
) -> io::Result<()> {
    let mut separator = "";
    for line in lines {
        write!(out, "{separator}")?;
        serde_json::to_writer(&mut *out, &line)?;
        separator = ",\n";
    }
    if separator.is_empty() {
        Ok(())
    } else {
        writeln!(out)
    }
}

fn line(signed: &SignedIou, names: &BTreeMap<Key, &str>) -> Line {
    let iou = &signed.iou;
    let name = |key: &Key| {
        names
            .get(key)
            .map_or_else(|| key.to_string(), |name| (*name).to_owned())
    };
    let time = |seconds: i64| render_utc(seconds).unwrap_or_else(|| seconds.to_string());
    Line {
        id: hex::encode(iou.id()),
        circle: iou.circle.to_string(),
        farmer: name(&iou.farmer),
        farmer_key: iou.farmer.to_string(),
        consumer: name(&iou.consumer),
        consumer_key: iou.consumer.to_string(),
        contract: iou.reference.clone(),
        from: time(iou.from),
        to: time(iou.to),
        usage: iou
            .usage
            .iter()
            .map(|(unit, amount)| (unit.clone(), amount.to_string()))
            .collect(),
        policy: hex::encode(iou.price.policy),
        price_musd: iou.price.tft_musd,
        asset: iou.asset.as_str().to_owned(),
        amount: render_amount(iou.amount.into()),
        sequence: iou.sequence,
        farmer_signature: hex::encode(signed.farmer_signature),
        consumer_signature: hex::encode(signed.consumer_signature),
    }
}

/// Reads a batch.
pub fn read(path: &Path) -> Result<IouFile, FileError> {
    let text = fs::read_to_string(path).map_err(|error| FileError::Io {
        doing: "read",
        path: path.to_owned(),
        error,
    })?;
    parse(&text).map_err(|reason| FileError::NoBatch {
        path: path.to_owned(),
        reason,
    })
}

/// Reads the text of a batch. Errors: what is wrong with it as a whole.
pub fn parse(text: &str) -> Result<IouFile, String> {
    let file: FileIn = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if file.format != FORMAT {
        return Err(format!("its format is {:?}, not {FORMAT:?}", file.format));
    }
    let circle = file
        .circle
        .parse()
        .map_err(|_| "`circle` is not 64 hexadecimal digits".to_owned())?;
    let asset = AssetCode::new(&file.asset).map_err(|error| format!("`asset`: {error}"))?;
    let accounts = file
        .accounts
        .into_iter()
        .map(party)
        .collect::<Result<Vec<_>, _>>()?;
    let mut names = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for party in &accounts {
        if names.insert(party.key, party.name.clone()).is_some() || !seen.insert(&party.name) {
            return Err(format!(
                "the account {} is listed twice, by name or by key",
                party.name
            ));
        }
    }
    let mut entries = Vec::with_capacity(file.ious.len());
    let (mut line, mut offset) = (1, 0);
    for raw in file.ious {
        // Entries are slices of the text, in its order.
        let start = raw.get().as_ptr() as usize - text.as_ptr() as usize;
        line += text[offset..start]
            .bytes()
            .filter(|byte| *byte == b'\n')
            .count() as u64;
        offset = start;
        entries.push(entry(raw.get(), line, &names));
    }
    let about = About {
        circle,
        policy: file.policy,
        asset,
        price_musd: file.price_musd,
    };
    Ok(IouFile {
        about,
        accounts,
        entries,
    })
}

fn party(line: PartyLine) -> Result<Party, String> {
    let PartyLine { name, key, roles } = line;
    check_name(&name).map_err(|rejection| rejection.message)?;
    let key = key
        .parse()
        .map_err(|_| format!("the key of {name} is not 64 hexadecimal digits"))?;
    match roles
        .iter()
        .all(|role| matches!(role.as_str(), "farmer" | "consumer"))
    {
        true => Ok(Party { name, key, roles }),
        false => Err(format!("the roles of {name} are farmer, consumer or both")),
    }
}

fn entry(text: &str, line: u64, names: &BTreeMap<Key, String>) -> Entry {
    let malformed = |reason: String| Malformed {
        code: "iou.malformed",
        reason: format!("line {line}: {reason}"),
    };
    match serde_json::from_str::<Line>(text) {
        Ok(fields) => {
            let id = fields.id.clone();
            let iou = signed(fields, names).map_err(|fault| match fault {
                Fault::Malformed(reason) => malformed(reason),
                Fault::Coded(code, reason) => Malformed {
                    code,
                    reason: format!("line {line}: {reason}"),
                },
            });
            Entry { line, id, iou }
        }
        Err(error) => {
            // Line and column that the error names count from the start of the entry, so they would mislead.
            let reason = error.to_string();
            let reason = reason.split(" at line ").next().unwrap_or_default();
            let stated = serde_json::from_str::<serde_json::Value>(text).ok();
            let id = stated.and_then(|fields| fields.get("id")?.as_str().map(str::to_owned));
            Entry {
                line,
                id: id.unwrap_or_else(|| format!("line {line}")),
                iou: Err(malformed(reason.to_owned())),
            }
        }
    }
}

enum Fault {
    Malformed(String),
    Coded(&'static str, String),
}

fn signed(fields: Line, names: &BTreeMap<Key, String>) -> Result<SignedIou, Fault> {
    let key = |field: &str, text: &str| -> Result<Key, Fault> {
        text.parse()
            .map_err(|_| Fault::Malformed(format!("{field} is not 64 hexadecimal digits")))
    };
    let farmer = key("farmer_key", &fields.farmer_key)?;
    let consumer = key("consumer_key", &fields.consumer_key)?;
    for (field, name, key) in [
        ("farmer", &fields.farmer, &farmer),
        ("consumer", &fields.consumer, &consumer),
    ] {
        if let Some(known) = names.get(key).filter(|known| *known != name) {
            return Err(Fault::Malformed(format!(
                "{field} is {name:?}, but the key belongs to {known}; name the right account"
            )));
        }
    }
    let mut usage = Vec::with_capacity(fields.usage.len());
    for (unit, text) in fields.usage {
        let amount = Decimal::parse(&text)
            .map_err(|error| Fault::Malformed(format!("usage {unit:?}: {error}")))?;
        usage.push((unit, amount));
    }
    let asset = AssetCode::new(&fields.asset)
        .map_err(|error| Fault::Coded("iou.unknown_asset", error.to_string()))?;
    let iou = Iou {
        circle: fields
            .circle
            .parse()
            .map_err(|_| Fault::Malformed("circle is not 64 hexadecimal digits".into()))?,
        farmer,
        consumer,
        reference: fields.contract,
        from: time("from", &fields.from)?,
        to: time("to", &fields.to)?,
        usage,
        price: Price {
            policy: bytes("policy", &fields.policy)?,
            tft_musd: fields.price_musd,
        },
        asset,
        amount: amount(&fields.amount)?,
        sequence: fields.sequence,
    };
    let farmer_signature = bytes("farmer_signature", &fields.farmer_signature)?;
    let consumer_signature = bytes("consumer_signature", &fields.consumer_signature)?;
    Ok(SignedIou {
        iou,
        farmer_signature,
        consumer_signature,
    })
}

fn bytes<const N: usize>(field: &str, text: &str) -> Result<[u8; N], Fault> {
    let mut bytes = [0; N];
    match hex::decode_to_slice(text, &mut bytes) {
        Ok(()) => Ok(bytes),
        Err(_) => Err(Fault::Malformed(format!(
            "{field} is not {} hexadecimal digits",
            2 * N
        ))),
    }
}

fn time(field: &str, text: &str) -> Result<i64, Fault> {
    parse_utc(text).map_err(|(reason, mend)| Fault::Malformed(format!("{field}: {reason}; {mend}")))
}

fn amount(text: &str) -> Result<i64, Fault> {
    let overflow = || {
        Fault::Coded(
            "iou.overflowing_amount",
            format!("the amount {} does not fit into 64 bits", shorten(text)),
        )
    };
    let number = Decimal::parse(text).map_err(|error| match error {
        ValueError::Overflow { .. } => overflow(),
        other => Fault::Malformed(format!("amount: {other}")),
    })?;
    if number.scale() > AMOUNT_DECIMALS {
        return Err(Fault::Malformed(format!(
            "the amount {number} has more than {AMOUNT_DECIMALS} decimals"
        )));
    }
    number
        .units(AMOUNT_DECIMALS)
        .and_then(|units| i64::try_from(units).ok())
        .ok_or_else(overflow)
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(40) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

#[cfg(test)]
mod tests;
