//! Transactions that wait to be ordered: a bounded queue, first in first out, known by hash.
//!
//! Pure: the clock and the application's check are given by the caller.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::block::{TransactionHash, transaction_hash};
use crate::log::SubmitError;

/// How large the mempool may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MempoolLimits {
    pub transaction_bytes: usize,
    pub transactions: usize,
    pub bytes: usize,
    pub remembered_heights: u64,
    pub resends: u32,
    pub resend_interval: Duration,
}

/// A peer may fill this part of the mempool, so that one member cannot shut out the others' transactions.
const SHARE_OF_ONE_PEER: usize = 4;

struct Entry {
    hash: TransactionHash,
    bytes: Arc<[u8]>,
    origin: Option<[u8; 32]>,
    /// Of own transactions: when it was last sent to the others, and how often.
    sent: Option<Instant>,
    times_sent: u32,
}

#[derive(Default, Clone, Copy)]
struct Share {
    transactions: usize,
    bytes: usize,
}

pub(crate) struct Mempool {
    limits: MempoolLimits,
    next: u64,
    entries: BTreeMap<u64, Entry>,
    by_hash: HashMap<TransactionHash, u64>,
    total: Share,
    shares: HashMap<[u8; 32], Share>,
    ordered: HashMap<TransactionHash, u64>,
    ordered_by_height: VecDeque<(u64, Vec<TransactionHash>)>,
}

impl Mempool {
    pub fn new(limits: MempoolLimits) -> Self {
        Self {
            limits,
            next: 0,
            entries: BTreeMap::new(),
            by_hash: HashMap::new(),
            total: Share::default(),
            shares: HashMap::new(),
            ordered: HashMap::new(),
            ordered_by_height: VecDeque::new(),
        }
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn bytes(&self) -> usize {
        self.total.bytes
    }

    /// Whether there would be room for a transaction from `origin` (`None`: submitted here), short of the application's
    /// own check. Returns its hash.
    pub fn admit(
        &self,
        transaction: &[u8],
        origin: Option<[u8; 32]>,
    ) -> Result<TransactionHash, SubmitError> {
        if transaction.is_empty() {
            return Err(SubmitError::Empty);
        }
        let (bytes, limit) = (transaction.len(), self.limits.transaction_bytes);
        if bytes > limit {
            return Err(SubmitError::TooLarge { bytes, limit });
        }
        let hash = transaction_hash(transaction);
        if let Some(&height) = self.ordered.get(&hash) {
            return Err(SubmitError::Ordered { hash, height });
        }
        if self.by_hash.contains_key(&hash) {
            return Err(SubmitError::Pending { hash });
        }
        let full = |share: Share, part: usize| {
            share.transactions >= self.limits.transactions / part
                || share.bytes + bytes > self.limits.bytes / part
        };
        let share = origin
            .and_then(|origin| self.shares.get(&origin).copied())
            .unwrap_or_default();
        if full(self.total, 1) || (origin.is_some() && full(share, SHARE_OF_ONE_PEER)) {
            return Err(SubmitError::Full {
                transactions: self.total.transactions,
                bytes: self.total.bytes,
            });
        }
        Ok(hash)
    }

    /// Takes a transaction that was admitted and checked.
    pub fn insert(
        &mut self,
        transaction: Vec<u8>,
        origin: Option<[u8; 32]>,
    ) -> Result<TransactionHash, SubmitError> {
        let hash = self.admit(&transaction, origin)?;
        let bytes = transaction.len();
        self.total.transactions += 1;
        self.total.bytes += bytes;
        if let Some(origin) = origin {
            let share = self.shares.entry(origin).or_default();
            share.transactions += 1;
            share.bytes += bytes;
        }
        let entry = Entry {
            hash,
            bytes: transaction.into(),
            origin,
            sent: None,
            times_sent: 0,
        };
        self.entries.insert(self.next, entry);
        self.by_hash.insert(hash, self.next);
        self.next += 1;
        Ok(hash)
    }

    /// The oldest transactions that fit into `bytes`, where each costs `overhead` more.
    pub fn for_block(&self, mut bytes: usize, overhead: usize) -> Vec<Vec<u8>> {
        let mut chosen = Vec::new();
        for entry in self.entries.values() {
            let Some(left) = bytes.checked_sub(entry.bytes.len() + overhead) else {
                break;
            };
            bytes = left;
            chosen.push(entry.bytes.to_vec());
        }
        chosen
    }

    /// Forgets what a decided block ordered, and remembers for a while that it was ordered.
    pub fn ordered(&mut self, height: u64, transactions: &[Vec<u8>]) {
        let mut hashes = Vec::with_capacity(transactions.len());
        for transaction in transactions {
            let hash = transaction_hash(transaction);
            self.remove(&hash);
            self.ordered.entry(hash).or_insert(height);
            hashes.push(hash);
        }
        self.ordered_by_height.push_back((height, hashes));
        while let Some((old, _)) = self.ordered_by_height.front() {
            if old + self.limits.remembered_heights > height {
                break;
            }
            let (old, hashes) = self
                .ordered_by_height
                .pop_front()
                .expect("there is a front");
            for hash in hashes {
                if self.ordered.get(&hash) == Some(&old) {
                    self.ordered.remove(&hash);
                }
            }
        }
    }

    /// All that wait, for the application to look at again.
    pub fn waiting(&self) -> Vec<(TransactionHash, Arc<[u8]>)> {
        self.entries
            .values()
            .map(|entry| (entry.hash, entry.bytes.clone()))
            .collect()
    }

    /// Drops a transaction.
    pub fn remove(&mut self, hash: &TransactionHash) {
        let Some(entry) = self
            .by_hash
            .remove(hash)
            .and_then(|sequence| self.entries.remove(&sequence))
        else {
            return;
        };
        self.total.transactions -= 1;
        self.total.bytes -= entry.bytes.len();
        if let Some(origin) = entry.origin
            && let Some(share) = self.shares.get_mut(&origin)
        {
            share.transactions -= 1;
            share.bytes -= entry.bytes.len();
            if share.transactions == 0 {
                self.shares.remove(&origin);
            }
        }
    }

    /// Own transactions to be sent now: new ones, and old ones that were not ordered in time. One that was sent too often
    /// is dropped: the others refuse it, or the circle has stood still for long.
    pub fn due(&mut self, now: Instant) -> Vec<Arc<[u8]>> {
        let mut due = Vec::new();
        let mut given_up = Vec::new();
        for entry in self
            .entries
            .values_mut()
            .filter(|entry| entry.origin.is_none())
        {
            if entry
                .sent
                .is_some_and(|sent| now.duration_since(sent) < self.limits.resend_interval)
            {
                continue;
            }
            if entry.times_sent > self.limits.resends {
                given_up.push(entry.hash);
                continue;
            }
            entry.sent = Some(now);
            entry.times_sent += 1;
            due.push(entry.bytes.clone());
        }
        for hash in given_up {
            self.remove(&hash);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: MempoolLimits = MempoolLimits {
        transaction_bytes: 10,
        transactions: 8,
        bytes: 40,
        remembered_heights: 3,
        resends: 2,
        resend_interval: Duration::from_secs(5),
    };

    fn tx(name: &str) -> Vec<u8> {
        name.as_bytes().to_vec()
    }

    fn filled(names: &[&str]) -> Mempool {
        let mut mempool = Mempool::new(LIMITS);
        for name in names {
            mempool.insert(tx(name), None).unwrap();
        }
        mempool
    }

    fn codes(
        mempool: &Mempool,
        transactions: &[&str],
        origin: Option<[u8; 32]>,
    ) -> Vec<&'static str> {
        let code = |name: &&str| {
            mempool
                .admit(&tx(name), origin)
                .err()
                .map_or("taken", |error| error.code())
        };
        transactions.iter().map(code).collect()
    }

    #[test]
    fn first_in_is_first_out_as_far_as_the_block_has_room() {
        let mempool = filled(&["aaaa", "bbbb", "c", "dddd"]);
        assert_eq!(
            mempool.for_block(100, 4),
            [tx("aaaa"), tx("bbbb"), tx("c"), tx("dddd")]
        );
        // The order is kept: a later one that would fit does not overtake.
        assert_eq!(mempool.for_block(8 + 5, 4), [tx("aaaa")]);
        assert_eq!(mempool.for_block(0, 4), Vec::<Vec<u8>>::new());
    }

    #[test]
    fn what_has_no_place_is_refused() {
        let mempool = filled(&["aaaa"]);
        let asked = ["aaaa", "", "more than ten", "ten bytes!"];
        assert_eq!(
            codes(&mempool, &asked, None),
            ["pending", "empty", "too_large", "taken"]
        );
        let full = filled(&["1", "2", "3", "4", "5", "6", "7", "8"]);
        assert_eq!(codes(&full, &["9"], None), ["mempool_full"]);
        let heavy = filled(&["1234567890", "2234567890", "3234567890", "42345678"]);
        assert_eq!(
            codes(&heavy, &["abc", "ab"], None),
            ["mempool_full", "taken"]
        );
    }

    #[test]
    fn one_peer_fills_its_share_only() {
        let mut mempool = Mempool::new(LIMITS);
        mempool.insert(tx("1"), Some([1; 32])).unwrap();
        mempool.insert(tx("2"), Some([1; 32])).unwrap();
        assert_eq!(codes(&mempool, &["3"], Some([1; 32])), ["mempool_full"]);
        assert_eq!(codes(&mempool, &["3"], Some([2; 32])), ["taken"]);
        assert_eq!(codes(&mempool, &["3"], None), ["taken"]);
        mempool.ordered(1, &[tx("1")]);
        assert_eq!(codes(&mempool, &["3"], Some([1; 32])), ["taken"]);
    }

    #[test]
    fn ordered_transactions_are_recognised_for_some_heights() {
        let mut mempool = filled(&["a", "b"]);
        mempool.ordered(1, &[tx("a")]);
        assert_eq!((mempool.len(), mempool.bytes()), (1, 1));
        assert_eq!(codes(&mempool, &["a", "b"], None), ["ordered", "pending"]);
        mempool.ordered(2, &[]);
        mempool.ordered(3, &[]);
        assert_eq!(codes(&mempool, &["a"], None), ["ordered"]);
        mempool.ordered(4, &[]);
        assert_eq!(codes(&mempool, &["a"], None), ["taken"]);
    }

    #[test]
    fn own_transactions_are_sent_again_until_ordered_and_then_given_up() {
        let mut mempool = filled(&["own"]);
        mempool.insert(tx("other"), Some([1; 32])).unwrap();
        let start = Instant::now();
        let mut due = |seconds: u64| mempool.due(start + Duration::from_secs(seconds)).len();
        assert_eq!(
            [due(0), due(1), due(5), due(9), due(10), due(14)],
            [1, 0, 1, 0, 1, 0]
        );
        assert_eq!(due(15), 0);
        assert_eq!(
            mempool.len(),
            1,
            "the own one was given up, the other's is the other's to give up"
        );
    }
}
