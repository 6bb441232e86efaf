//! What a script would do, without doing it: rows, events, effects and money, before and after.

use std::collections::BTreeMap;
use std::mem;

use borsh::BorshDeserialize;
use threescript::action::Action;
use threescript::value::{Amount, AssetCode, Value};

use crate::account::Account;
use crate::emitted::Emitted;
use crate::policies::{Activation, Active};
use crate::receipt::{Effect, Event, OK};
use crate::rejection::Rejection;
use crate::session::{ActivePolicies, Refusal, Session, Stop};
use crate::state::{StoreFault, Write};
use crate::treasury::{Payout, Wallet};

/// The most that each list of the answer names, and the bytes of all that is listed.
const LISTED_MAX: usize = 256;
const BYTES_MAX: usize = 1024 * 1024;

/// The tables of the kernel by the prefix of their keys, as people read them. Rows that only help to find others are not
/// listed, and the books of the ledger are money.
const KERNEL_TABLES: [(&[u8], &str); 36] = [
    (b"k2", "owed"),
    (b"k3a", "payees"),
    (b"k3c", "claimables"),
    (b"k3d", "differences"),
    (b"k3g", "owners"),
    (b"k3h", "holdings"),
    (b"k3o", "open_payouts"),
    (b"k3p", "who_can_receive"),
    (b"k3q", "payers"),
    (b"k3s", "observations"),
    (b"k3v", "confirmations"),
    (b"k3w", "confirmers"),
    (b"k3z", "owner_signatures"),
    (b"k4c", "confirmations_of_guardians"),
    (b"k4f", "next_change_of_guardians"),
    (b"k4q", "changes_of_guardians"),
    (b"k4r", "rosters"),
    (b"ka", "accounts"),
    (b"kd", "divergences"),
    (b"ke", "wallets"),
    (b"kf", "deposits"),
    (b"kg", "gate"),
    (b"kh", "held_effects"),
    (b"ki", "ious"),
    (b"kk", "ceremonies"),
    (b"km", "interpreter"),
    (b"k1", "params"),
    (b"ko", "observed"),
    (b"kp", "active_policies"),
    (b"kr", "payouts"),
    (b"ks", "installed_policies"),
    (b"kt", "attestations"),
    (b"ku", "released_effects"),
    (b"kv", "testimonies"),
    (b"kx", "schedules"),
    (b"ky", "activations"),
];

impl Session {
    /// Runs a script with the authority of the circle, says what it did, and undoes all of it: rows, rows beside the tree,
    /// events and effects. Only the operations that it took stay used.
    ///
    /// The answer is a map of `ok`, `code` and `reason` as [`Session::enact`] would have them, `writes` (a list of
    /// `policy`, `table`, `key`, `before` and `after`; `policy` is `circle` for the kernel's rows), `events` and `effects`
    /// (lists of `name` and `data`), `money` (a list of `book`, `asset`, `before` and `after`), and `left_out`: how many of
    /// all these there was no room for.
    pub(crate) fn simulate(
        mut self: Box<Self>,
        script: &[Action],
    ) -> (Box<Self>, Result<Value, Stop>) {
        if mem::replace(&mut self.is_simulating, true) {
            let message = "a simulated script cannot simulate others; simulate them one by one";
            return (self, Err(Rejection::new("simulate.nested", message).into()));
        }
        let around = mem::take(&mut self.emitted);
        let (rows, local) = (self.rows.begin(), self.local.begin());
        let (mut session, result) = self.enact(script);
        let writes = session.rows.writes_since(&rows);
        session.rows.rollback(rows);
        session.local.rollback(local);
        let emitted = mem::replace(&mut session.emitted, around);
        session.is_simulating = false;
        // What they did is undone, what they said was heard.
        for policy in &emitted.policies {
            session.emitted.ran_aside(*policy);
        }
        let refusal = match result {
            Ok(()) => None,
            Err(Stop::Refused(refusal)) => Some(refusal),
            Err(fault) => return (session, Err(fault)),
        };
        let answer = match writes {
            Ok(writes) => answer(refusal, writes, emitted, &session.context.policies),
            Err(fault) => Err(fault),
        };
        (session, answer.map_err(Stop::from))
    }
}

fn answer(
    refusal: Option<Refusal>,
    writes: Vec<Write>,
    emitted: Emitted,
    policies: &ActivePolicies,
) -> Result<Value, StoreFault> {
    let mut room = Room::default();
    let (mut rows, mut money) = (Vec::new(), Vec::new());
    for write in writes.iter().filter(|write| write.before != write.after) {
        if write.key.starts_with(b"kl") {
            room.take(&mut money, balance(write));
        } else if let Some(row) = row(write, policies) {
            room.take(&mut rows, row);
        }
    }
    let (events, effects, _) = emitted.into_parts();
    let (mut told, mut wanted) = (Vec::new(), Vec::new());
    for Event { actor, name, data } in events {
        room.take(&mut told, named(&actor, &name, data));
    }
    for Effect { actor, name, data } in effects {
        room.take(&mut wanted, named(&actor, &name, data));
    }
    let (code, reason) = match refusal {
        None => (OK.to_owned(), String::new()),
        Some(refusal) => (
            refusal.rejection.code.into_owned(),
            refusal.rejection.message,
        ),
    };
    Ok(map([
        ("ok", Value::Bool(code == OK)),
        ("code", Value::Text(code)),
        ("reason", Value::Text(reason)),
        ("writes", Value::List(rows)),
        ("events", Value::List(told)),
        ("effects", Value::List(wanted)),
        ("money", Value::List(money)),
        ("left_out", count(room.left_out)),
    ]))
}

/// How much is listed so far.
#[derive(Default)]
struct Room {
    bytes: usize,
    left_out: u64,
}

impl Room {
    fn take(&mut self, list: &mut Vec<Value>, entry: Value) {
        let bytes = borsh::object_length(&entry).unwrap_or(BYTES_MAX);
        if list.len() >= LISTED_MAX || self.bytes.saturating_add(bytes) > BYTES_MAX {
            self.left_out += 1;
            return;
        }
        self.bytes += bytes;
        list.push(entry);
    }
}

fn named(actor: &str, name: &str, data: Value) -> Value {
    map([
        ("name", Value::Text(format!("{actor}.{name}"))),
        ("data", data),
    ])
}

/// A book of the ledger: its key is the asset and the book, each with a zero byte behind it.
fn balance(write: &Write) -> Value {
    let mut parts = write.key[2..].split(|byte| *byte == 0);
    let mut part = || String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    let (asset, book) = (part(), part());
    let side = |value: &Option<Vec<u8>>| {
        let units = value.as_deref().and_then(read::<i64>).unwrap_or(0);
        match AssetCode::new(&asset) {
            Ok(asset) => Value::Amount(Amount::new(units, asset)),
            Err(_) => Value::Int(units),
        }
    };
    map([
        ("before", side(&write.before)),
        ("after", side(&write.after)),
        ("book", Value::Text(book)),
        ("asset", Value::Text(asset)),
    ])
}

/// A row of a policy or of the kernel, if it is one that says something by itself.
fn row(write: &Write, policies: &ActivePolicies) -> Option<Value> {
    let Some(rest) = write.key.strip_prefix(b"p") else {
        return kernel_row(write);
    };
    let end = rest.iter().position(|byte| *byte == 0)?;
    let name = String::from_utf8_lossy(&rest[..end]).into_owned();
    let policy = policies.get(&name)?;
    let read = |value: &Option<Vec<u8>>| policy.stored_row(&rest[end + 1..], value.as_deref()?);
    let (before, after) = (read(&write.before), read(&write.after));
    let known = after.as_ref().or(before.as_ref())?;
    let (table, mut key) = (known.table.clone(), known.key.clone());
    let key = match key.len() {
        1 => key.remove(0),
        _ => Value::List(key),
    };
    let side =
        |row: Option<threescript::policy::StoredRow>| row.map_or(Value::Unit, |row| row.columns);
    Some(entry(&name, &table, key, side(before), side(after)))
}

fn kernel_row(write: &Write) -> Option<Value> {
    let (prefix, table) = KERNEL_TABLES
        .iter()
        .find(|(prefix, _)| write.key.starts_with(prefix))?;
    let side = |value: &Option<Vec<u8>>| {
        value
            .as_deref()
            .map_or(Value::Unit, |value| kernel_columns(table, value))
    };
    let key = readable(&write.key[prefix.len()..]);
    let (before, after) = (side(&write.before), side(&write.after));
    Some(entry("circle", table, key, before, after))
}

fn entry(policy: &str, table: &str, key: Value, before: Value, after: Value) -> Value {
    map([
        ("policy", Value::Text(policy.into())),
        ("table", Value::Text(table.into())),
        ("key", key),
        ("before", before),
        ("after", after),
    ])
}

/// Names with a zero byte behind each are text; other keys are bytes.
fn readable(key: &[u8]) -> Value {
    let names = key
        .strip_suffix(&[0])
        .map(|names| names.split(|byte| *byte == 0));
    let texts = names.map(|names| {
        let text = |name: &[u8]| String::from_utf8(name.to_vec()).ok();
        names.map(text).collect::<Option<Vec<_>>>()
    });
    match texts.flatten() {
        Some(texts) => Value::Text(texts.join(" ")),
        None => Value::Bytes(key.to_vec()),
    }
}

/// What a row of the kernel says to people; of rows that only machines read, their size.
fn kernel_columns(table: &str, value: &[u8]) -> Value {
    let text = Value::Text;
    let known = match table {
        "accounts" => read::<Account>(value).map(|account| {
            let roles = account.roles.into_iter().map(text);
            map([
                ("name", Value::Account(account.name)),
                ("roles", Value::List(roles.collect())),
            ])
        }),
        "wallets" => read::<Wallet>(value).map(|wallet| {
            map([
                ("chain", text(wallet.chain.to_string())),
                (
                    "next_sequence",
                    wallet.next_sequence.map_or(Value::Unit, Value::Int),
                ),
                ("paused", wallet.paused.map_or(Value::Unit, text)),
            ])
        }),
        "payouts" => read::<Payout>(value).map(|payout| {
            let lines = payout.lines.into_iter().map(|line| {
                map([
                    ("account", Value::Account(line.account)),
                    ("amount", Value::Amount(line.amount)),
                ])
            });
            map([
                ("payout", Value::Id(payout.id)),
                ("wallet", text(payout.wallet)),
                ("state", text(payout.state.name().into())),
                ("lines", Value::List(lines.collect())),
            ])
        }),
        "params" => read::<Value>(value),
        "observed" | "holdings" => read::<i64>(value).map(Value::Int),
        "deposits" => read::<u64>(value).map(count),
        "active_policies" => {
            read::<Active>(value).map(|active| map([("hash", Value::Bytes(active.hash.to_vec()))]))
        }
        "activations" => read::<Activation>(value).map(|activation| {
            map([
                ("hash", Value::Bytes(activation.hash.to_vec())),
                ("height", count(activation.height)),
            ])
        }),
        _ => None,
    };
    known.unwrap_or_else(|| map([("bytes", count(value.len() as u64))]))
}

fn read<T: BorshDeserialize>(value: &[u8]) -> Option<T> {
    borsh::from_slice(value).ok()
}

fn count(number: u64) -> Value {
    Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
}

fn map<const N: usize>(entries: [(&str, Value); N]) -> Value {
    let entries = entries.into_iter();
    Value::Map(
        entries
            .map(|(key, value)| (key.to_owned(), value))
            .collect::<BTreeMap<_, _>>(),
    )
}
