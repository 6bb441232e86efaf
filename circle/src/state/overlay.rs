//! Writes that are not committed yet, over the rows that are.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::kv::{KeyValue, Row, StoreFault, range};

/// A key and its new value; `None` deletes the row.
pub type Change = (Vec<u8>, Option<Vec<u8>>);

/// Pending writes over a committed view, with savepoints inside savepoints.
///
/// Reads and scans see the pending writes. A block opens a savepoint per transaction, a transaction one per script, a
/// script one per script that it enacts; whoever fails is rolled back and everything around it stands.
///
/// The overlay owns its base, so that it can be moved through an interpreter and onto a thread.
pub struct Overlay {
    base: Arc<dyn KeyValue>,
    pending: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    // What `pending` held under a key before each write that an open savepoint may have to take back.
    undo: Vec<Undo>,
    // Where in `undo` each open savepoint began.
    savepoints: Vec<usize>,
    count: WriteCount,
}

/// A row that was written: what it was, and what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// Its key.
    pub key: Vec<u8>,
    /// Nothing if there was no row.
    pub before: Option<Vec<u8>>,
    /// Nothing if it was deleted.
    pub after: Option<Vec<u8>>,
}

/// What a key was given by the pending writes before: nothing, or a value or a delete.
type Undo = (Vec<u8>, Option<Option<Vec<u8>>>);

/// An open savepoint. They close in the reverse of the order in which they opened, each exactly once.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "an open savepoint is committed or rolled back"]
pub struct Savepoint {
    depth: usize,
}

/// What was written since an overlay was made, counting what was rolled back since: it measures work done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WriteCount {
    /// Calls of `put` and `delete`.
    pub writes: u64,
    /// Bytes of the keys and values of these calls.
    pub bytes: u64,
}

impl Overlay {
    /// No pending writes over `base`.
    pub fn new(base: Arc<dyn KeyValue>) -> Self {
        Self {
            base,
            pending: BTreeMap::new(),
            undo: Vec::new(),
            savepoints: Vec::new(),
            count: WriteCount::default(),
        }
    }

    /// The committed view below the pending writes.
    pub fn base(&self) -> &Arc<dyn KeyValue> {
        &self.base
    }

    /// Writes a row.
    pub fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.count.bytes += value.len() as u64;
        self.write(key, Some(value));
    }

    /// Deletes a row; deleting one that does not exist is allowed, and counted.
    pub fn delete(&mut self, key: Vec<u8>) {
        self.write(key, None);
    }

    /// Opens a savepoint inside those that are open.
    pub fn begin(&mut self) -> Savepoint {
        self.savepoints.push(self.undo.len());
        Savepoint {
            depth: self.savepoints.len(),
        }
    }

    /// Closes the innermost savepoint and keeps its writes, for the savepoint around it to keep or to take back.
    ///
    /// # Panics
    /// If `savepoint` is not the innermost open one of this overlay: its caller would lose writes otherwise.
    pub fn commit(&mut self, savepoint: Savepoint) {
        self.close(savepoint);
        if self.savepoints.is_empty() {
            self.undo.clear();
        }
    }

    /// Closes the innermost savepoint and takes back everything written since it opened.
    ///
    /// # Panics
    /// If `savepoint` is not the innermost open one of this overlay.
    pub fn rollback(&mut self, savepoint: Savepoint) {
        let start = self.close(savepoint);
        for (key, before) in self.undo.drain(start..).rev() {
            match before {
                Some(before) => self.pending.insert(key, before),
                None => self.pending.remove(&key),
            };
        }
    }

    /// What was written since the innermost open savepoint began and stands: one change per key, in the order of the keys.
    ///
    /// # Panics
    /// If `savepoint` is not the innermost open one of this overlay.
    pub fn changes_since(&self, savepoint: &Savepoint) -> Vec<Change> {
        assert_eq!(
            savepoint.depth,
            self.savepoints.len(),
            "only the innermost savepoint can be looked into"
        );
        let written = self.undo[self.savepoints[savepoint.depth - 1]..]
            .iter()
            .map(|(key, _)| key);
        let keys: std::collections::BTreeSet<&Vec<u8>> = written.collect();
        keys.into_iter()
            .map(|key| (key.clone(), self.pending[key].clone()))
            .collect()
    }

    /// What was written since the innermost open savepoint began: one row per key, in the order of the keys, with its
    /// values then and now.
    ///
    /// # Panics
    /// If `savepoint` is not the innermost open one of this overlay.
    pub fn writes_since(&self, savepoint: &Savepoint) -> Result<Vec<Write>, StoreFault> {
        assert_eq!(
            savepoint.depth,
            self.savepoints.len(),
            "only the innermost savepoint can be looked into"
        );
        let mut before = BTreeMap::new();
        for (key, value) in &self.undo[self.savepoints[savepoint.depth - 1]..] {
            // The first write under a key knows what was there.
            before.entry(key).or_insert(value);
        }
        let write = |(key, value): (&Vec<u8>, &Option<Option<Vec<u8>>>)| {
            let before = match value {
                Some(pending) => pending.clone(),
                None => self.base.get(key)?,
            };
            Ok(Write {
                key: key.clone(),
                before,
                after: self.pending[key].clone(),
            })
        };
        before.into_iter().map(write).collect()
    }

    /// The keys that were written since the innermost open savepoint began, a key as often as it was written.
    ///
    /// # Panics
    /// If `savepoint` is not the innermost open one of this overlay.
    pub fn keys_since(&self, savepoint: &Savepoint) -> impl Iterator<Item = &[u8]> {
        assert_eq!(
            savepoint.depth,
            self.savepoints.len(),
            "only the innermost savepoint can be looked into"
        );
        let written = &self.undo[self.savepoints[savepoint.depth - 1]..];
        written.iter().map(|(key, _)| key.as_slice())
    }

    /// How many savepoints are open.
    pub fn depth(&self) -> usize {
        self.savepoints.len()
    }

    /// What was written since this overlay was made; the difference of two counts is what was written between them.
    pub fn count(&self) -> WriteCount {
        self.count
    }

    /// The pending writes, one per key, in the order of the keys.
    ///
    /// # Panics
    /// If a savepoint is open: it is not known yet whether its writes stand.
    pub fn changes(self) -> Vec<Change> {
        assert!(
            self.savepoints.is_empty(),
            "{} savepoints are still open",
            self.savepoints.len()
        );
        self.pending.into_iter().collect()
    }

    fn write(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        self.count.writes += 1;
        self.count.bytes += key.len() as u64;
        if self.savepoints.is_empty() {
            self.pending.insert(key, value);
        } else {
            let before = self.pending.insert(key.clone(), value);
            self.undo.push((key, before));
        }
    }

    fn close(&mut self, savepoint: Savepoint) -> usize {
        assert_eq!(
            savepoint.depth,
            self.savepoints.len(),
            "savepoints close from the innermost outwards"
        );
        self.savepoints
            .pop()
            .expect("an open savepoint has a depth of at least 1")
    }

    /// Lays the pending writes over one page of base rows that covers `from..to` whole.
    fn merge(
        &self,
        page: Vec<Row>,
        from: &[u8],
        to: Option<&[u8]>,
        reverse: bool,
        limit: usize,
        rows: &mut Vec<Row>,
    ) {
        let Some(range) = range(from, to) else { return };
        let pending = self.pending.range::<[u8], _>(range);
        let mut pending: Box<dyn Iterator<Item = _>> = if reverse {
            Box::new(pending.rev())
        } else {
            Box::new(pending)
        };
        let before = |left: &[u8], right: &[u8]| if reverse { left > right } else { left < right };

        let mut page = page.into_iter().peekable();
        let mut next = pending.next();
        while rows.len() < limit {
            match (page.peek(), next) {
                (None, None) => return,
                (Some((key, _)), Some((written, _))) if before(key, written) => {
                    rows.extend(page.next())
                }
                (Some(_), None) => rows.extend(page.next()),
                (below, Some((written, value))) => {
                    if below.is_some_and(|(key, _)| key == written) {
                        page.next();
                    }
                    rows.extend(value.as_ref().map(|value| (written.clone(), value.clone())));
                    next = pending.next();
                }
            }
        }
    }
}

impl KeyValue for Overlay {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreFault> {
        match self.pending.get(key) {
            Some(value) => Ok(value.clone()),
            None => self.base.get(key),
        }
    }

    fn scan(
        &self,
        from: &[u8],
        to: Option<&[u8]>,
        limit: usize,
        reverse: bool,
    ) -> Result<Vec<Row>, StoreFault> {
        let (mut from, mut to) = (from.to_vec(), to.map(<[u8]>::to_vec));
        let mut rows = Vec::new();
        // Pending deletes hide base rows, so one page may not fill the limit. Pages double, so that the front of a long
        // queue of deleted rows is passed in a few reads.
        let mut page_len = limit;
        while rows.len() < limit {
            let page = self.base.scan(&from, to.as_deref(), page_len, reverse)?;
            let edge = match page.last() {
                Some((last, _)) if page.len() == page_len => last.clone(),
                _ => {
                    self.merge(page, &from, to.as_deref(), reverse, limit, &mut rows);
                    break;
                }
            };
            if reverse {
                self.merge(page, &edge, to.as_deref(), reverse, limit, &mut rows);
                to = Some(edge);
            } else {
                let mut after = edge;
                after.push(0);
                self.merge(page, &from, Some(&after), reverse, limit, &mut rows);
                from = after;
            }
            page_len = page_len.saturating_mul(2);
        }
        Ok(rows)
    }
}

impl fmt::Debug for Overlay {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Overlay")
            .field("pending", &self.pending.len())
            .field("savepoints", &self.savepoints.len())
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::kv::Memory;
    use super::*;
    use proptest::prelude::*;

    fn key(number: u8) -> Vec<u8> {
        // Keys of several lengths, so that one is a prefix of another.
        vec![number / 4; usize::from(number % 4)]
    }

    #[derive(Clone, Debug)]
    enum Step {
        Put(u8, u8),
        Delete(u8),
        Begin,
        Commit,
        Rollback,
        Scan(u8, Option<u8>, usize, bool),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let scan = (
            0..40u8,
            proptest::option::of(0..40u8),
            0..8usize,
            any::<bool>(),
        );
        let step = prop_oneof![
            4 => (0..40u8, any::<u8>()).prop_map(|(key, value)| Step::Put(key, value)),
            4 => (0..40u8).prop_map(Step::Delete),
            2 => Just(Step::Begin),
            1 => Just(Step::Commit),
            1 => Just(Step::Rollback),
            4 => scan.prop_map(|(from, to, limit, reverse)| Step::Scan(from, to, limit, reverse)),
        ];
        proptest::collection::vec(step, 0..80)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        // The model is a whole copy of the rows per savepoint.
        #[test]
        fn an_overlay_reads_like_a_copy_that_was_written_to(below in proptest::collection::vec(0..40u8, 0..30), steps in steps()) {
            let mut base = Memory::new();
            base.write(below.into_iter().map(|number| (key(number), Some(vec![number]))));
            let mut overlay = Overlay::new(Arc::new(base.clone()));
            let mut models = vec![base.clone()];
            let mut open = Vec::new();
            for step in steps {
                match step {
                    Step::Put(number, value) => {
                        overlay.put(key(number), vec![value]);
                        models.last_mut().unwrap().write([(key(number), Some(vec![value]))]);
                    }
                    Step::Delete(number) => {
                        overlay.delete(key(number));
                        models.last_mut().unwrap().write([(key(number), None)]);
                    }
                    Step::Begin => {
                        open.push(overlay.begin());
                        models.push(models.last().unwrap().clone());
                    }
                    Step::Commit => if let Some(savepoint) = open.pop() {
                        overlay.commit(savepoint);
                        let inner = models.pop().unwrap();
                        *models.last_mut().unwrap() = inner;
                    },
                    Step::Rollback => if let Some(savepoint) = open.pop() {
                        overlay.rollback(savepoint);
                        models.pop();
                    },
                    Step::Scan(from, to, limit, reverse) => {
                        let (from, to) = (key(from), to.map(key));
                        prop_assert_eq!(
                            overlay.scan(&from, to.as_deref(), limit, reverse).unwrap(),
                            models.last().unwrap().scan(&from, to.as_deref(), limit, reverse).unwrap()
                        );
                    }
                }
                if let (Some(savepoint), [.., was, is]) = (open.last(), &models[..]) {
                    for Write { key, before, after } in overlay.writes_since(savepoint).unwrap() {
                        prop_assert_eq!(before, was.get(&key).unwrap());
                        prop_assert_eq!(after, is.get(&key).unwrap());
                    }
                }
                for number in 0..40 {
                    prop_assert_eq!(overlay.get(&key(number)).unwrap(), models.last().unwrap().get(&key(number)).unwrap());
                }
            }
            while let Some(savepoint) = open.pop() {
                overlay.commit(savepoint);
            }
            let mut written = base;
            written.write(overlay.changes());
            prop_assert_eq!(&written, models.last().unwrap());
        }
    }

    #[test]
    fn the_count_measures_work_even_if_it_was_rolled_back() {
        let mut overlay = Overlay::new(Arc::new(Memory::new()));
        overlay.put(b"ab".to_vec(), b"xyz".to_vec());
        let savepoint = overlay.begin();
        overlay.put(b"ab".to_vec(), Vec::new());
        overlay.delete(b"c".to_vec());
        overlay.rollback(savepoint);
        assert_eq!(
            overlay.count(),
            WriteCount {
                writes: 3,
                bytes: 5 + 2 + 1
            }
        );
        assert_eq!(
            overlay.changes(),
            vec![(b"ab".to_vec(), Some(b"xyz".to_vec()))]
        );
    }

    #[test]
    fn changes_are_ordered_and_hold_the_deletes() {
        let mut overlay = Overlay::new(Arc::new(Memory::new()));
        overlay.put(b"b".to_vec(), b"1".to_vec());
        overlay.delete(b"a".to_vec());
        overlay.put(b"b".to_vec(), b"2".to_vec());
        assert_eq!(
            overlay.changes(),
            vec![(b"a".to_vec(), None), (b"b".to_vec(), Some(b"2".to_vec()))]
        );
    }

    #[test]
    #[should_panic(expected = "from the innermost outwards")]
    fn an_outer_savepoint_cannot_close_over_an_inner_one() {
        let mut overlay = Overlay::new(Arc::new(Memory::new()));
        let outer = overlay.begin();
        let _inner = overlay.begin();
        overlay.commit(outer);
    }

    #[test]
    #[should_panic(expected = "1 savepoints are still open")]
    fn changes_with_an_open_savepoint_are_refused() {
        let mut overlay = Overlay::new(Arc::new(Memory::new()));
        let _open = overlay.begin();
        let _ = overlay.changes();
    }
}
