//! What a block leaves behind, committed as a whole.

use borsh::{BorshDeserialize, BorshSerialize};

use super::kv::{KeyValue, Memory, StoreFault};
use super::overlay::Change;
use super::region::Region;

const HEAD_KEY: &[u8] = b"h";

/// The last block that a store holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Head {
    /// Its height.
    pub height: u64,
    /// The root of the state after it.
    pub state_root: [u8; 32],
    /// The digest of its checkpoint.
    pub checkpoint: [u8; 32],
}

impl Head {
    /// The head of a view; `None` if nothing was ever committed to it.
    pub fn read(store: &dyn KeyValue) -> Result<Option<Head>, StoreFault> {
        let decode = |bytes: Vec<u8>| {
            borsh::from_slice(&bytes).map_err(|error| StoreFault::Corrupt {
                what: "the head record",
                reason: error.to_string(),
            })
        };
        store.get(HEAD_KEY)?.map(decode).transpose()
    }
}

/// All rows that a block writes, in every region, with the head that it makes. A store takes all of them or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitBatch {
    /// The head after the block.
    pub head: Head,
    /// Changes in [`Region::State`], as they were given to [`Tree::apply`](super::Tree::apply).
    pub state: Vec<Change>,
    /// Changes in [`Region::Tree`], as it returned them.
    pub tree: Vec<Change>,
    /// Changes in [`Region::Local`].
    pub local: Vec<Change>,
}

impl CommitBatch {
    /// Refuses a batch that does not come right after `committed`. The first batch of a store may have any height: it is
    /// the genesis or a snapshot.
    pub fn check_follows(&self, committed: Option<&Head>) -> Result<(), StoreFault> {
        match committed {
            Some(head) if head.height.checked_add(1) != Some(self.head.height) => {
                Err(StoreFault::OutOfOrder {
                    committed: head.height,
                    got: self.head.height,
                })
            }
            _ => Ok(()),
        }
    }

    /// The changes under their keys in the store, the head among them.
    pub fn into_rows(self) -> Vec<Change> {
        let head = borsh::to_vec(&self.head).expect("a write to memory does not fail");
        let regions = [
            (Region::State, self.state),
            (Region::Tree, self.tree),
            (Region::Local, self.local),
        ];
        let mut rows = vec![(HEAD_KEY.to_vec(), Some(head))];
        for (region, changes) in regions {
            rows.extend(
                changes
                    .into_iter()
                    .map(|(key, value)| (region.key(&key), value)),
            );
        }
        rows
    }
}

impl Memory {
    /// Commits a block.
    pub fn commit(&mut self, batch: CommitBatch) -> Result<(), StoreFault> {
        batch.check_follows(Head::read(self)?.as_ref())?;
        self.write(batch.into_rows());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    fn batch(height: u64) -> CommitBatch {
        CommitBatch {
            head: Head {
                height,
                state_root: [1; 32],
                checkpoint: [2; 32],
            },
            state: vec![(b"a".to_vec(), Some(b"1".to_vec())), (b"b".to_vec(), None)],
            tree: vec![(vec![0], Some(b"2".to_vec()))],
            local: vec![(b"a".to_vec(), Some(b"3".to_vec()))],
        }
    }

    #[test]
    fn golden_head_and_rows() {
        let rows: Vec<String> = batch(258)
            .into_rows()
            .into_iter()
            .map(|(key, value)| {
                format!(
                    "{} = {}",
                    hex::encode(key),
                    value.map_or("-".into(), hex::encode)
                )
            })
            .collect();
        expect![[r#"
            68 = 020100000000000001010101010101010101010101010101010101010101010101010101010101010202020202020202020202020202020202020202020202020202020202020202
            7361 = 31
            7362 = -
            7400 = 32
            6c61 = 33"#]].assert_eq(&rows.join("\n"));
    }

    #[test]
    fn the_head_comes_back_from_a_view() {
        let mut memory = Memory::new();
        assert_eq!(Head::read(&memory).unwrap(), None);
        memory.commit(batch(7)).unwrap();
        assert_eq!(Head::read(&memory).unwrap(), Some(batch(7).head));
        memory.write([(HEAD_KEY.to_vec(), Some(vec![0; 71]))]);
        assert!(matches!(
            Head::read(&memory),
            Err(StoreFault::Corrupt {
                what: "the head record",
                ..
            })
        ));
    }

    #[test]
    fn blocks_are_committed_in_turn() {
        let mut memory = Memory::new();
        memory.commit(batch(7)).unwrap();
        for (height, accepted) in [
            (7, false),
            (9, false),
            (6, false),
            (0, false),
            (8, true),
            (8, false),
        ] {
            let before = memory.clone();
            let result = memory.commit(batch(height));
            assert_eq!(result.is_ok(), accepted, "block {height}: {result:?}");
            assert_eq!(memory == before, !accepted, "block {height}");
        }
    }
}
