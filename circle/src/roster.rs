//! Who the guardians are from one height on. Every guardian keeps its index for ever; an index is never given twice.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::ids::Key;
use crate::member::{MEMBERS_MAX, MEMBERS_MIN, Member, Members, quorum};
use crate::rejection::{Rejection, require};

/// One guardian of a roster.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Seat {
    /// Its index, by which rows of the state know it. Founders are counted from 0 in the order of the genesis.
    pub index: u32,
    /// Name and key.
    pub member: Member,
    /// Where its node is reached, as `address:port`. Empty for founders: the genesis binds nobody to an address.
    pub addresses: Vec<String>,
}

/// One change of the guardians.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Change {
    /// Somebody becomes a guardian.
    Admit {
        /// Name and key.
        member: Member,
        /// Where its node is reached, as `address:port`.
        addresses: Vec<String>,
    },
    /// The guardian with this key is one no longer.
    Remove {
        /// Its key.
        key: Key,
    },
}

impl Change {
    /// The key of who comes or goes.
    pub fn key(&self) -> Key {
        match self {
            Self::Admit { member, .. } => member.key,
            Self::Remove { key } => *key,
        }
    }
}

/// The guardians who are in force from a height on, 9 to 99 of them.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Roster {
    /// How many changes led here; 0 for the founders.
    pub epoch: u64,
    /// The first height that they order and attest.
    pub from_height: u64,
    /// The index that the next newcomer gets.
    next_index: u32,
    seats: Vec<Seat>,
}

impl Roster {
    /// The founders.
    pub fn founding(members: &Members) -> Self {
        let seats = (0u32..).zip(members.iter()).map(|(index, member)| Seat {
            index,
            member: member.clone(),
            addresses: Vec::new(),
        });
        Self {
            epoch: 0,
            from_height: 0,
            next_index: members.count() as u32,
            seats: seats.collect(),
        }
    }

    /// The roster after `change`, in force from `from_height` on.
    ///
    /// Errors: `members.count` (fewer than 9 or more than 99 would be left), `members.duplicate` (a guardian has this name
    /// or key), `members.unknown` (nobody to remove).
    pub fn after(&self, change: &Change, from_height: u64) -> Result<Self, Rejection> {
        let mut roster = self.clone();
        match change {
            Change::Admit { member, addresses } => {
                let twin = self
                    .seats
                    .iter()
                    .find(|seat| seat.member.name == member.name || seat.member.key == member.key);
                require(twin.is_none(), "members.duplicate", || {
                    format!(
                        "{} shares a name or a key with a guardian; give every guardian its own",
                        member.name
                    )
                })?;
                roster.seats.push(Seat {
                    index: self.next_index,
                    member: member.clone(),
                    addresses: addresses.clone(),
                });
                roster.next_index += 1;
            }
            Change::Remove { key } => {
                roster.seats.retain(|seat| seat.member.key != *key);
                require(roster.count() < self.count(), "members.unknown", || {
                    format!("the key {key} is no guardian's")
                })?;
            }
        }
        let count = roster.count();
        require(
            (MEMBERS_MIN..=MEMBERS_MAX).contains(&count),
            "members.count",
            || {
                let mend = match change {
                    Change::Admit { .. } => "remove somebody first",
                    Change::Remove { .. } => "admit somebody first",
                };
                format!(
                    "a circle has {MEMBERS_MIN} to {MEMBERS_MAX} guardians, and this would make {count}; {mend}"
                )
            },
        )?;
        roster.epoch += 1;
        roster.from_height = from_height;
        Ok(roster)
    }

    /// The guardians in the order of their indexes, which may have gaps.
    pub fn seats(&self) -> &[Seat] {
        &self.seats
    }

    /// The indexes of the guardians, rising.
    pub fn indexes(&self) -> impl Iterator<Item = u32> {
        self.seats.iter().map(|seat| seat.index)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.seats.len()
    }

    /// The fewest guardians that are more than two thirds of all.
    pub fn quorum(&self) -> usize {
        quorum(self.count())
    }

    /// The index of the guardian with `key`.
    pub fn index_of(&self, key: &Key) -> Option<u32> {
        let found = self.seats.iter().find(|seat| seat.member.key == *key);
        found.map(|seat| seat.index)
    }

    /// The index of the guardian called `name`.
    pub fn index_of_name(&self, name: &str) -> Option<u32> {
        let found = self.seats.iter().find(|seat| seat.member.name == name);
        found.map(|seat| seat.index)
    }

    /// The guardian with this index, if it is one now.
    pub fn get(&self, index: u32) -> Option<&Member> {
        let at = self.seats.binary_search_by_key(&index, |seat| seat.index);
        at.ok().map(|at| &self.seats[at].member)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::member::tests::member;

    fn founders(count: u8) -> Roster {
        Roster::founding(&Members::new((1..=count).map(member).collect()).unwrap())
    }

    fn admit(index: u8) -> Change {
        Change::Admit {
            member: member(index),
            addresses: vec!["[::1]:9700".into()],
        }
    }

    fn remove(index: u8) -> Change {
        Change::Remove {
            key: member(index).key,
        }
    }

    #[test]
    fn an_index_is_never_given_twice() {
        let roster = founders(9).after(&admit(10), 20).unwrap();
        let roster = roster.after(&remove(10), 30).unwrap();
        let roster = roster.after(&admit(10), 40).unwrap();
        let roster = roster.after(&remove(3), 50).unwrap();
        let indexes: Vec<u32> = roster.indexes().collect();
        assert_eq!(indexes, [0, 1, 3, 4, 5, 6, 7, 8, 10]);
        assert_eq!(
            (roster.epoch, roster.from_height, roster.quorum()),
            (4, 50, 7)
        );
        assert_eq!(roster.index_of(&member(10).key), Some(10));
        assert_eq!(roster.index_of_name("guardian4"), Some(3));
        assert_eq!(roster.get(2), None);
        assert_eq!(roster.get(3), Some(&member(4)));
    }

    #[test]
    fn what_makes_no_circle_is_refused() {
        let code = |roster: &Roster, change| roster.after(&change, 1).unwrap_err().code;
        assert_eq!(code(&founders(9), remove(9)), "members.count");
        assert_eq!(code(&founders(99), admit(100)), "members.count");
        assert_eq!(code(&founders(10), remove(11)), "members.unknown");
        assert_eq!(code(&founders(9), admit(9)), "members.duplicate");
    }

    #[test]
    fn golden_rosters_and_changes() {
        let roster = founders(9).after(&admit(10), 20).unwrap();
        expect_test::expect!["32805ff7edb4c403ad10f11bd5dac1b34bbe2553325be69f269d03e9f53de90f"]
            .assert_eq(&hex::encode(crate::digest::digest("test", &roster)));
        expect_test::expect!["0009000000677561726469616e318a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c010000000a0000005b3a3a315d3a39373030"].assert_eq(&hex::encode(crate::digest::encode(&admit(1))));
        expect_test::expect!["018a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c"]
            .assert_eq(&hex::encode(crate::digest::encode(&remove(1))));
    }
}
