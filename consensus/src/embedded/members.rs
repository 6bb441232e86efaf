//! Which members order which height.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::context::ValidatorSet;
use crate::log::{Member, MembersError};

/// For so many heights those who are members no longer stay linked, so that they learn of the blocks that they ordered
/// themselves, and of their end.
pub(crate) const FAREWELL_HEIGHTS: u64 = 16;

/// The sets of members by the first height they order.
pub(crate) struct Schedule {
    sets: BTreeMap<u64, (ValidatorSet, Vec<Member>)>,
    /// The last height that the engine was started on: later ones can still change.
    started: u64,
    /// Those who were members before, by the first height that they did not order.
    left: BTreeMap<u64, Vec<Member>>,
}

impl Schedule {
    pub fn new(
        first_height: u64,
        members: Vec<Member>,
        scheduled: Vec<(u64, Vec<Member>)>,
    ) -> Result<Self, MembersError> {
        let mut sets = BTreeMap::new();
        sets.insert(0, (ValidatorSet::new(&members)?, members));
        for (height, members) in scheduled {
            if height <= first_height {
                return Err(MembersError::TooLate {
                    effective_height: height,
                    earliest: first_height + 1,
                });
            }
            sets.insert(height, (ValidatorSet::new(&members)?, members));
        }
        Ok(Self {
            sets,
            started: 0,
            left: BTreeMap::new(),
        })
    }

    pub fn change(
        &mut self,
        effective_height: u64,
        members: Vec<Member>,
    ) -> Result<(), MembersError> {
        if effective_height <= self.started {
            return Err(MembersError::TooLate {
                effective_height,
                earliest: self.started + 1,
            });
        }
        self.sets
            .insert(effective_height, (ValidatorSet::new(&members)?, members));
        Ok(())
    }

    /// The members that order `height`.
    pub fn at(&self, height: u64) -> ValidatorSet {
        let (_, (set, _)) = self
            .sets
            .range(..=height)
            .next_back()
            .expect("there is a set from height 0 on");
        set.clone()
    }

    /// Fixes the members of `height`, for the engine is about to start it, and forgets older sets. Also says whether there are
    /// others to be linked with now.
    pub fn start(&mut self, height: u64) -> (ValidatorSet, bool) {
        let linked = self.everybody().len();
        let set = self.fix(height);
        self.left.retain(|from, _| height < from + FAREWELL_HEIGHTS);
        (set, self.everybody().len() != linked)
    }

    fn fix(&mut self, height: u64) -> ValidatorSet {
        self.started = self.started.max(height);
        let set = self.at(height);
        let in_force = *self
            .sets
            .range(..=height)
            .next_back()
            .expect("there is a set from height 0 on")
            .0;
        if in_force > 0 {
            let members = self.sets.remove(&in_force).expect("it was just found");
            let later = self.sets.split_off(&in_force);
            let before = std::mem::replace(&mut self.sets, later).into_values();
            let leaving = before.flat_map(|(_, members)| members);
            self.left.entry(in_force).or_default().extend(leaving);
            self.sets.insert(0, members);
        }
        set
    }

    /// Changes where a member is dialled, in every set that it is in.
    pub fn set_addresses(&mut self, key: &[u8; 32], addresses: &[SocketAddr]) {
        let sets = self.sets.values_mut().map(|(_, members)| members);
        for member in sets.chain(self.left.values_mut()).flatten() {
            if member.key == *key {
                member.addresses = addresses.to_vec();
            }
        }
    }

    /// Everybody to be linked with: members now, members to be, and for a while those who left.
    pub fn everybody(&self) -> Vec<Member> {
        let mut members: BTreeMap<[u8; 32], Member> = BTreeMap::new();
        // The newest list knows best where somebody is.
        let sets = self.sets.values().map(|(_, members)| members);
        for member in self.left.values().chain(sets).flatten() {
            members.insert(member.key, member.clone());
        }
        members.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_zebra::{SigningKey, VerificationKey};

    fn member(seed: u8) -> Member {
        Member {
            key: VerificationKey::from(&SigningKey::from([seed; 32])).into(),
            addresses: Vec::new(),
        }
    }

    fn keys(set: &ValidatorSet) -> Vec<[u8; 32]> {
        set.as_slice()
            .iter()
            .map(|validator| validator.address.0)
            .collect()
    }

    fn sorted(seeds: &[u8]) -> Vec<[u8; 32]> {
        let mut keys: Vec<_> = seeds.iter().map(|seed| member(*seed).key).collect();
        keys.sort();
        keys
    }

    fn members(seeds: &[u8]) -> Vec<Member> {
        seeds.iter().map(|seed| member(*seed)).collect()
    }

    #[test]
    fn a_change_takes_effect_at_its_height() {
        let mut schedule =
            Schedule::new(5, members(&[1, 2]), vec![(9, members(&[1, 2, 3]))]).unwrap();
        schedule.start(5);
        schedule.change(7, members(&[1])).unwrap();
        let expected = [
            (6, vec![1, 2]),
            (7, vec![1]),
            (8, vec![1]),
            (9, vec![1, 2, 3]),
        ];
        for (height, seeds) in &expected {
            assert_eq!(
                keys(&schedule.at(*height)),
                sorted(seeds),
                "height {height}"
            );
        }
        for (height, seeds) in &expected {
            assert_eq!(
                keys(&schedule.start(*height).0),
                sorted(seeds),
                "starting {height}"
            );
        }
    }

    #[test]
    fn a_height_that_was_started_keeps_its_members() {
        let mut schedule = Schedule::new(1, members(&[1, 2]), Vec::new()).unwrap();
        schedule.start(5);
        let late = schedule.change(5, members(&[1]));
        assert_eq!(
            late,
            Err(MembersError::TooLate {
                effective_height: 5,
                earliest: 6
            })
        );
        assert_eq!(keys(&schedule.at(5)), sorted(&[1, 2]));
    }

    #[test]
    fn old_and_coming_members_are_linked_until_a_while_after_the_change() {
        let mut schedule = Schedule::new(1, members(&[1, 2]), Vec::new()).unwrap();
        schedule.change(4, members(&[2, 3])).unwrap();
        let linked = |schedule: &Schedule| {
            schedule
                .everybody()
                .iter()
                .map(|member| member.key)
                .collect::<Vec<_>>()
        };
        for height in 3..4 + FAREWELL_HEIGHTS {
            let (_, others) = schedule.start(height);
            assert_eq!(linked(&schedule), sorted(&[1, 2, 3]), "height {height}");
            assert!(!others, "height {height}");
        }
        let (_, others) = schedule.start(4 + FAREWELL_HEIGHTS);
        assert_eq!(linked(&schedule), sorted(&[2, 3]));
        assert!(others);
        // Who comes back is no longer about to go.
        schedule.change(40, members(&[2])).unwrap();
        schedule.change(50, members(&[2, 3])).unwrap();
        schedule.start(45);
        schedule.start(50 + FAREWELL_HEIGHTS);
        assert_eq!(linked(&schedule), sorted(&[2, 3]));
    }

    #[test]
    fn unusable_members_are_refused() {
        let refused = |members: Vec<Member>| Schedule::new(1, members, Vec::new()).err();
        assert_eq!(refused(Vec::new()), Some(MembersError::Empty));
        assert_eq!(
            refused(members(&[1, 1])),
            Some(MembersError::Twice { key: member(1).key })
        );
        let mut bad = member(1);
        bad.key = [2; 32];
        while VerificationKey::try_from(bad.key).is_ok() {
            bad.key[0] += 1;
        }
        assert_eq!(
            refused(vec![bad.clone()]),
            Some(MembersError::BadKey { key: bad.key })
        );
    }
}
