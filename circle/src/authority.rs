//! With whose authority an action runs.

use std::collections::BTreeSet;

use crate::account::Account;
use crate::ids::Key;
use crate::rejection::{Rejection, require};
use crate::roster::Roster;

/// Who is acting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authority {
    /// One account, and perhaps enough co-signers to speak for the circle.
    Account {
        /// The sender.
        name: String,
        /// Its key.
        key: Key,
        /// Its roles.
        roles: Vec<String>,
        /// Whether more than two thirds of the members signed.
        quorum: bool,
    },
    /// The circle itself: an enacted script, or a schedule.
    Circle,
}

impl Authority {
    /// The authority of a transaction that `account` sent and `signers` signed.
    pub fn of(account: &Account, signers: &BTreeSet<Key>, members: &Roster) -> Self {
        let members_signed = signers
            .iter()
            .filter(|key| members.index_of(key).is_some())
            .count();
        Self::Account {
            name: account.name.clone(),
            key: account.key,
            roles: account.roles.clone(),
            quorum: members_signed >= members.quorum(),
        }
    }

    /// The account's name, or `circle`.
    pub fn name(&self) -> &str {
        match self {
            Self::Account { name, .. } => name,
            Self::Circle => "circle",
        }
    }

    /// The roles of the account; the circle has none.
    pub fn roles(&self) -> &[String] {
        match self {
            Self::Account { roles, .. } => roles,
            Self::Circle => &[],
        }
    }

    /// Whether this speaks for the circle.
    pub fn is_circle(&self) -> bool {
        matches!(self, Self::Circle | Self::Account { quorum: true, .. })
    }

    /// The index of the member who acts.
    pub fn member(&self, members: &Roster) -> Result<u32, Rejection> {
        let index = match self {
            Self::Account { key, .. } => members.index_of(key),
            Self::Circle => None,
        };
        index.ok_or_else(|| {
            Rejection::new(
                "authority.guardian",
                format!(
                    "{} is no guardian; a guardian has to send this",
                    self.name()
                ),
            )
        })
    }

    /// Refuses whoever does not speak for the circle.
    pub fn require_circle(&self) -> Result<(), Rejection> {
        require(self.is_circle(), "authority.circle", || {
            "this needs the authority of the circle: a passed vote, or signatures of more than two thirds of the guardians".into()
        })
    }
}
