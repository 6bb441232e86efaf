//! A network in a file: whatever changed it, a line for each, from which the same ledgers come again.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use stellar_xdr as xdr;
use xdr::{Limits, ReadXdr, WriteXdr};

use crate::ledger::Ledger;

/// What changed a network.
#[derive(Debug, Serialize, Deserialize)]
pub enum Change {
    /// It began.
    Network(String),
    /// So many ledgers without transactions were closed.
    Closed(u32),
    /// A transaction was included, base64 XDR.
    Included(String),
    /// An account was befriended, its key in hexadecimal.
    Befriended(String),
    /// An operation costs so many stroops from here on.
    Fee(u32),
}

impl Change {
    pub fn included(envelope: &xdr::TransactionEnvelope) -> Self {
        Self::Included(envelope.to_xdr_base64(Limits::none()).unwrap_or_default())
    }
}

#[derive(Serialize, Deserialize)]
struct Line {
    time: u64,
    #[serde(flatten)]
    change: Change,
}

/// The file, open for what changes next.
pub struct Journal {
    file: Mutex<Pending>,
}

struct Pending {
    file: File,
    /// Ledgers without transactions that are not written down: they matter only to what follows them.
    closed: u32,
}

impl Journal {
    /// Opens the file, or begins it at `now`; gives the network as it was left.
    pub fn open(path: &Path, passphrase: &str, now: u64) -> io::Result<(Self, Ledger)> {
        let file = File::options()
            .create(true)
            .append(true)
            .read(true)
            .open(path)?;
        let mut ledger = None;
        let mut whole = 0;
        let mut reader = BufReader::new(&file);
        loop {
            let mut text = String::new();
            let length = reader.read_line(&mut text)?;
            // A line that was cut off by the end of a process was answered to nobody.
            if length == 0 || !text.ends_with('\n') {
                break;
            }
            whole += length as u64;
            let Line { time, change } = serde_json::from_str(&text)?;
            match (change, &mut ledger) {
                (Change::Network(known), None) if known == passphrase => {
                    ledger = Some(Ledger::new(passphrase, time));
                }
                (change, Some(ledger)) => {
                    replay(ledger, change, time).ok_or_else(|| strange(path))?;
                }
                _ => return Err(strange(path)),
            }
        }
        file.set_len(whole)?;
        let journal = Self {
            file: Mutex::new(Pending { file, closed: 0 }),
        };
        let ledger = match ledger {
            Some(ledger) => ledger,
            None => {
                journal.write(now, Change::Network(passphrase.to_owned()))?;
                Ledger::new(passphrase, now)
            }
        };
        Ok((journal, ledger))
    }

    /// Writes down what changed the network.
    pub fn write(&self, time: u64, change: Change) -> io::Result<()> {
        let mut pending = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Change::Closed(count) = change {
            pending.closed = pending.closed.saturating_add(count);
            return Ok(());
        }
        let mut text = String::new();
        let closed = std::mem::take(&mut pending.closed);
        let before = (closed > 0).then_some(Change::Closed(closed));
        for change in before.into_iter().chain([change]) {
            text.push_str(&serde_json::to_string(&Line { time, change })?);
            text.push('\n');
        }
        pending.file.write_all(text.as_bytes())
    }
}

fn replay(ledger: &mut Ledger, change: Change, time: u64) -> Option<()> {
    match change {
        Change::Network(_) => None,
        Change::Closed(count) => {
            (0..count).for_each(|_| ledger.close(time));
            Some(())
        }
        Change::Included(envelope) => {
            let limits = Limits {
                depth: 500,
                len: super::ENVELOPE_BYTES_MAX,
            };
            let envelope = xdr::TransactionEnvelope::from_xdr_base64(envelope, limits).ok()?;
            ledger.submit(&envelope, time).ok().map(drop)
        }
        Change::Befriended(key) => {
            let mut id = [0; 32];
            hex::decode_to_slice(key, &mut id).ok()?;
            ledger.befriend(&id, time).ok().map(drop)
        }
        Change::Fee(fee_stroops) => {
            ledger.ask_fee(fee_stroops);
            Some(())
        }
    }
}

fn strange(path: &Path) -> io::Error {
    let reason = format!("{} holds another network, or none", path.display());
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

#[cfg(test)]
mod tests {
    use crate::horizon::Sandbox;
    use crate::ledger::Submission;

    #[test]
    fn a_network_is_found_again_as_it_was_left() {
        let path = std::env::temp_dir().join(format!("sandbox-journal-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let first = Sandbox::kept("kept", &path).unwrap();
        first.close();
        assert!(matches!(
            first.befriend(&[1; 32]),
            Ok(Submission::Included(_))
        ));
        first.ask_fee(900);
        assert!(matches!(
            first.befriend(&[2; 32]),
            Ok(Submission::Included(_))
        ));
        // As a process that is ended leaves it.
        let mut cut = std::fs::File::options().append(true).open(&path).unwrap();
        std::io::Write::write_all(&mut cut, b"{\"time\":1,\"Clo").unwrap();
        let again = Sandbox::kept("kept", &path).unwrap();
        let hashes = |sandbox: &Sandbox| -> Vec<([u8; 32], u32, u64)> {
            let ledger = sandbox.ledger();
            let included = ledger.included().iter();
            included
                .map(|one| (one.hash, one.ledger, one.time))
                .collect()
        };
        assert_eq!(hashes(&first), hashes(&again));
        assert_eq!(again.ledger().sequence(), 4);
        assert!(again.ledger().account(&[2; 32]).is_some());
        assert_eq!(again.ledger().fee_stroops(), 900);
        assert_eq!(again.ledger().fee_pool(), 1_000);
        let other = Sandbox::kept("another", &path).err().unwrap();
        assert_eq!(other.kind(), std::io::ErrorKind::InvalidData);
        std::fs::remove_file(&path).unwrap();
    }
}
