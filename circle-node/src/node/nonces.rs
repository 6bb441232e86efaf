//! Account nonces that this node hands out, to its own agent and to people who ask its API.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use circle::NONCE_WINDOW;
use circle::ids::Key;

/// After this long a nonce that was handed out and never used may be handed out again.
const PATIENCE: Duration = Duration::from_secs(60);
/// How far ahead of the state nonces are handed out.
const AHEAD: u64 = NONCE_WINDOW / 2;
/// Accounts that are remembered.
const ACCOUNTS: usize = 10_000;

/// Remembers the newest nonce that was handed out for each account, so that two who ask before either's transaction is
/// ordered get different ones.
#[derive(Default)]
pub struct Nonces {
    handed_out: BTreeMap<Key, (u64, Instant)>,
}

impl Nonces {
    /// The next nonce of `account`. `next` is what the state says it is.
    pub fn take(&mut self, account: Key, next: u64, now: Instant) -> u64 {
        if self.handed_out.len() >= ACCOUNTS {
            self.handed_out
                .retain(|_, (_, at)| now.duration_since(*at) < PATIENCE);
        }
        let nonce = match self.handed_out.get(&account) {
            Some((last, at))
                if now.duration_since(*at) < PATIENCE && *last < next.saturating_add(AHEAD) =>
            {
                next.max(last + 1)
            }
            _ => next,
        };
        if self.handed_out.len() < ACCOUNTS {
            self.handed_out.insert(account, (nonce, now));
        }
        nonce
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonces_differ_until_they_are_given_up() {
        let (mut nonces, start) = (Nonces::default(), Instant::now());
        let mut take =
            |next, seconds| nonces.take(Key([1; 32]), next, start + Duration::from_secs(seconds));
        assert_eq!([take(1, 0), take(1, 0), take(1, 1)], [1, 2, 3]);
        assert_eq!(take(9, 2), 9, "others used some");
        assert_eq!(take(9, 61), 10);
        assert_eq!(take(9, 122), 9, "10 was never used");
        let mut other = Nonces::default();
        let all: Vec<u64> = (0..300)
            .map(|_| other.take(Key([1; 32]), 1, start))
            .collect();
        assert!(
            all.iter().all(|nonce| *nonce <= 1 + AHEAD),
            "what is too far ahead would be refused"
        );
    }
}
