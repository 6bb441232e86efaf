//! Who the guardians are and were, by index, and where their nodes are.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use circle::ids::Key;
use circle::membership;
use circle::roster::Roster;
use circle::state::{KeyValue, StoreFault};
use consensus::log::Member;

/// The guardians of the newest state.
pub struct Guardians {
    /// Those who are in force.
    pub roster: Roster,
    /// All there ever were, by index.
    all: BTreeMap<u32, circle::member::Member>,
}

impl Guardians {
    /// Reads them from the state.
    pub fn of(state: &(impl KeyValue + ?Sized)) -> Result<Self, StoreFault> {
        let mut all = BTreeMap::new();
        for roster in membership::rosters(state)? {
            for seat in roster.seats() {
                all.insert(seat.index, seat.member.clone());
            }
        }
        let roster = membership::roster(state)?;
        Ok(Self { roster, all })
    }

    /// The name of a guardian, present or past.
    pub fn name(&self, index: u32) -> &str {
        self.all
            .get(&index)
            .map_or("?", |member| member.name.as_str())
    }

    /// The name of the guardian with this key, present or past; else the key.
    pub fn name_of(&self, key: &Key) -> String {
        let found = self.all.values().find(|member| member.key == *key);
        found.map_or_else(|| key.to_string(), |member| member.name.clone())
    }
}

/// The guardians as the ordering engine wants them. Where `known` (`members` in circle.toml) says where somebody is, that holds;
/// else what the circle was told with the admission.
pub fn members(roster: &Roster, known: &BTreeMap<String, Vec<SocketAddr>>) -> Vec<Member> {
    let member = |seat: &circle::roster::Seat| {
        let told = || {
            let addresses = seat.addresses.iter();
            addresses.filter_map(|text| text.parse().ok()).collect()
        };
        Member {
            key: seat.member.key.0,
            addresses: known.get(&seat.member.name).cloned().unwrap_or_else(told),
        }
    };
    roster.seats().iter().map(member).collect()
}
