//! Accounts: a name, a key, roles, and which of the account's transactions were seen.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::ids::Key;
use crate::rejection::{Rejection, require};

/// What an account may be. A role gives no power by itself; commands and policies name the roles they ask for.
pub const ROLES: [&str; 7] = [
    "guardian",
    "farmer",
    "cooperative",
    "consumer",
    "service",
    "auditor",
    "bridge",
];

/// A registered account. Its name is its identity for people and policies and never changes.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Account {
    /// Dense number, given in the order of registration from 0, for compact rows.
    pub number: u32,
    /// 1 to 63 characters, see [`check_name`].
    pub name: String,
    /// The key that signs for this account.
    pub key: Key,
    /// Of [`ROLES`], sorted, each once.
    pub roles: Vec<String>,
    /// The nonces that were used.
    pub nonces: NonceWindow,
}

/// How far below the highest used nonce an unused one is still accepted.
pub const NONCE_WINDOW: u64 = 256;

/// Which account nonces were used: the highest, and a bit for each of the [`NONCE_WINDOW`] at and below it.
///
/// Transactions of one sender travel through 99 mempools and may be ordered out of turn. A window accepts each nonce
/// once in any order, where a plain counter would lose whatever came late.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct NonceWindow {
    highest: u64,
    used: [u64; 4],
}

impl NonceWindow {
    /// Marks `nonce` as used. Nonces start at 1. Fails, unchanged, if it was used or fell out of the window.
    pub fn take(&mut self, nonce: u64) -> Result<(), Rejection> {
        self.check(nonce)?;
        if nonce > self.highest {
            self.shift(nonce - self.highest);
            self.highest = nonce;
        }
        let below = self.highest - nonce;
        self.used[(below / 64) as usize] |= 1 << (below % 64);
        Ok(())
    }

    /// Whether `nonce` could be taken.
    pub fn check(&self, nonce: u64) -> Result<(), Rejection> {
        require(nonce != 0, "envelope.nonce", || {
            "an account nonce starts at 1; use 1 for the first transaction".into()
        })?;
        require(
            nonce <= self.highest || nonce - self.highest <= NONCE_WINDOW,
            "envelope.nonce",
            || {
                format!(
                    "the account nonce {nonce} is too far above the last one, {}; use the next",
                    self.highest
                )
            },
        )?;
        let Some(below) = self.highest.checked_sub(nonce) else {
            return Ok(());
        };
        let used =
            below >= NONCE_WINDOW || self.used[(below / 64) as usize] >> (below % 64) & 1 == 1;
        require(!used, "envelope.replayed", || {
            format!(
                "the account nonce {nonce} was used already; the transaction took effect before, or use {} for a new one",
                self.next()
            )
        })
    }

    /// The nonce after the highest one used.
    pub fn next(&self) -> u64 {
        self.highest.saturating_add(1)
    }

    fn shift(&mut self, by: u64) {
        if by >= NONCE_WINDOW {
            self.used = [0; 4];
            return;
        }
        let (words, bits) = ((by / 64) as usize, by % 64);
        for word in (0..4).rev() {
            let mut value = 0;
            if word >= words {
                value = self.used[word - words] << bits;
                if bits > 0 && word > words {
                    value |= self.used[word - words - 1] >> (64 - bits);
                }
            }
            self.used[word] = value;
        }
    }
}

/// Checks an account name: 1 to 63 of letters, digits, `.`, `_`, `-`, starting with a letter or digit, and not one that
/// could be taken for a key (64 hexadecimal digits) or for the circle itself.
pub fn check_name(name: &str) -> Result<(), Rejection> {
    let well_formed = (1..=63).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        && name.as_bytes()[0].is_ascii_alphanumeric();
    let reserved =
        name == "circle" || (name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit()));
    require(well_formed && !reserved, "account.name", || {
        format!(
            "{name:?} cannot be an account's name; use 1 to 63 letters, digits, '.', '_' or '-', starting with a letter or digit"
        )
    })
}

/// Sorts `roles`, and refuses one that does not exist.
pub fn check_roles(mut roles: Vec<String>) -> Result<Vec<String>, Rejection> {
    if let Some(role) = roles.iter().find(|role| !ROLES.contains(&role.as_str())) {
        return Err(Rejection::new(
            "account.role",
            format!("there is no role {role:?}; use one of {}", ROLES.join(", ")),
        ));
    }
    roles.sort();
    roles.dedup();
    Ok(roles)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_nonce_is_taken_once_in_any_order_within_the_window() {
        let mut window = NonceWindow::default();
        let cases = [
            (0, "envelope.nonce"),
            (1, "ok"),
            (1, "envelope.replayed"),
            (3, "ok"),
            (2, "ok"),
            (2, "envelope.replayed"),
            (259, "ok"),
            (3, "envelope.replayed"),
            (4, "ok"),
            (4, "envelope.replayed"),
            (259, "envelope.replayed"),
            (516, "envelope.nonce"),
            (515, "ok"),
            (259, "envelope.replayed"),
            (260, "ok"),
        ];
        for (nonce, expected) in cases {
            let got = window
                .take(nonce)
                .map_or_else(|rejection| rejection.code.to_string(), |()| "ok".into());
            assert_eq!(got, expected, "nonce {nonce}");
        }
    }

    proptest! {
        #[test]
        fn the_window_agrees_with_a_set(nonces in prop::collection::vec(1u64..700, 0..400)) {
            let (mut window, mut used, mut highest) = (NonceWindow::default(), std::collections::BTreeSet::new(), 0u64);
            for nonce in nonces {
                let fits = nonce <= highest + NONCE_WINDOW && nonce + NONCE_WINDOW > highest;
                let expected = fits && used.insert(nonce);
                if expected { highest = highest.max(nonce); }
                prop_assert_eq!(window.take(nonce).is_ok(), expected, "nonce {} highest {}", nonce, highest);
            }
        }
    }

    #[test]
    fn names_are_plain() {
        let key = "a".repeat(64);
        for (name, accepted) in [
            ("alice", true),
            ("3bot.tf", true),
            ("A-1_b", true),
            ("", false),
            (".hidden", false),
            ("a b", false),
            ("a/b", false),
            ("é", false),
            ("circle", false),
            (key.as_str(), false),
        ] {
            assert_eq!(check_name(name).is_ok(), accepted, "{name:?}");
        }
    }
}
