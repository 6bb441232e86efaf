//! The members of a circle and what counts as enough of them.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::ids::Key;
use crate::rejection::{Rejection, require};

/// The fewest members that a circle can have.
pub const MEMBERS_MIN: usize = 9;
/// The most members that a circle can have.
pub const MEMBERS_MAX: usize = 99;

/// One guardian.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Member {
    /// The name, which is also the name of the guardian's account.
    pub name: String,
    /// The key that signs transactions, attestations and consensus messages.
    pub key: Key,
}

/// The members that a circle starts with, in the order of their indexes. Who they are later says a [`Roster`](crate::roster::Roster).
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Members(Vec<Member>);

impl Members {
    /// Checks the number of members and that no name and no key occurs twice.
    pub fn new(members: Vec<Member>) -> Result<Self, Rejection> {
        let count = members.len();
        require(
            (MEMBERS_MIN..=MEMBERS_MAX).contains(&count),
            "members.count",
            || {
                format!(
                    "a circle has {MEMBERS_MIN} to {MEMBERS_MAX} guardians, not {count}; change the number of guardians"
                )
            },
        )?;
        for (index, member) in members.iter().enumerate() {
            let twin = members[..index]
                .iter()
                .find(|other| other.name == member.name || other.key == member.key);
            require(twin.is_none(), "members.duplicate", || {
                format!(
                    "{} shares a name or a key with another guardian; give every guardian its own",
                    member.name
                )
            })?;
        }
        Ok(Self(members))
    }

    /// All members, by index.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Member> {
        self.0.iter()
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The fewest members that are more than two thirds of all.
    pub fn quorum(&self) -> usize {
        quorum(self.count())
    }

    /// The index of the member with `key`.
    pub fn index_of(&self, key: &Key) -> Option<usize> {
        self.0.iter().position(|member| member.key == *key)
    }

    /// The index of the member called `name`.
    pub fn index_of_name(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|member| member.name == name)
    }

    /// The member at `index`.
    pub fn get(&self, index: usize) -> Option<&Member> {
        self.0.get(index)
    }
}

/// The fewest of `count` that are more than two thirds of it.
pub fn quorum(count: usize) -> usize {
    count * 2 / 3 + 1
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn member(index: u8) -> Member {
        let secret = ed25519_zebra::SigningKey::from_bytes(&[index; 32]);
        Member {
            name: format!("guardian{index}"),
            key: Key::of(&secret),
        }
    }

    #[test]
    fn a_circle_has_nine_to_ninety_nine_members() {
        for (count, accepted) in [(0, false), (8, false), (9, true), (99, true), (100, false)] {
            assert_eq!(
                Members::new((1..=count).map(member).collect()).is_ok(),
                accepted,
                "{count} members"
            );
        }
    }

    #[test]
    fn a_quorum_is_the_least_number_above_two_thirds() {
        for (count, expected) in [(9, 7), (10, 7), (11, 8), (12, 9), (33, 23), (99, 67)] {
            assert_eq!(quorum(count), expected, "{count} members");
        }
    }

    #[test]
    fn two_members_cannot_share_a_name_or_a_key() {
        let nine: Vec<Member> = (1..=9).map(member).collect();
        let changes: [fn(&mut Member, &Member); 2] = [
            |member, other| member.name = other.name.clone(),
            |member, other| member.key = other.key,
        ];
        for change in changes {
            let mut members = nine.clone();
            let first = members[0].clone();
            change(&mut members[8], &first);
            assert_eq!(Members::new(members).unwrap_err().code, "members.duplicate");
        }
    }
}
