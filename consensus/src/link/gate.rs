//! Who may knock: bounds on inbound connections that have not authenticated.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    time::{Duration, Instant},
};

use tokio::task::AbortHandle;

/// Addresses remembered at once. Beyond it, those that have been quiet longest are forgotten.
const REMEMBERED: usize = 4096;

/// A token bucket per address, in thousandths of a connection.
pub(super) struct AddressRate {
    burst: u32,
    per_second: u32,
    buckets: HashMap<IpAddr, Bucket>,
}

struct Bucket {
    millitokens: u64,
    filled: Instant,
}

impl AddressRate {
    pub(super) fn new(burst: u32, per_second: u32) -> AddressRate {
        AddressRate {
            burst,
            per_second,
            buckets: HashMap::new(),
        }
    }

    /// Whether this address may connect now.
    pub(super) fn allow(&mut self, address: IpAddr, now: Instant) -> bool {
        let full = u64::from(self.burst) * 1000;
        if self.buckets.len() >= REMEMBERED {
            self.forget(now);
        }
        let bucket = self.buckets.entry(subnet(address)).or_insert(Bucket {
            millitokens: full,
            filled: now,
        });
        let elapsed_ms = now.saturating_duration_since(bucket.filled).as_millis() as u64;
        bucket.filled = now;
        bucket.millitokens = bucket
            .millitokens
            .saturating_add(elapsed_ms.saturating_mul(u64::from(self.per_second)))
            .min(full);
        match bucket.millitokens.checked_sub(1000) {
            Some(left) => {
                bucket.millitokens = left;
                true
            }
            None => false,
        }
    }

    /// Forgets the addresses whose buckets are full again, and if that is not enough, all: an attacker with thousands of subnets is held by
    /// the bound on pending handshakes, and must not be able to lock a member out by filling this table.
    fn forget(&mut self, now: Instant) {
        let refill = Duration::from_secs(u64::from(self.burst / self.per_second) + 1);
        self.buckets
            .retain(|_, bucket| now.saturating_duration_since(bucket.filled) < refill);
        if self.buckets.len() >= REMEMBERED {
            self.buckets.clear();
        }
    }
}

/// One IPv4 address, or the /64 that one IPv6 host usually commands.
fn subnet(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(
            address.to_bits() & !u128::from(u64::MAX),
        )),
    }
}

/// Handshakes under way.
pub(super) struct Pending {
    most: usize,
    next: u64,
    waiting: Vec<(u64, IpAddr, AbortHandle)>,
}

impl Pending {
    pub(super) fn new(most: usize) -> Pending {
        Pending {
            most,
            next: 0,
            waiting: Vec::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// A number for the next handshake, with which [`Pending::remove`] finds it.
    pub(super) fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Adds a handshake. If there are too many, ends the oldest one of the address that has most, so that a flood from one place crowds out
    /// itself and not a member. True if one was ended.
    pub(super) fn add(&mut self, number: u64, address: IpAddr, handshake: AbortHandle) -> bool {
        let mut crowded = false;
        if self.waiting.len() >= self.most {
            let mut by_address: HashMap<IpAddr, usize> = HashMap::new();
            for (_, address, _) in &self.waiting {
                *by_address.entry(*address).or_default() += 1;
            }
            let most = by_address.values().copied().max().unwrap_or(0);
            let oldest = self
                .waiting
                .iter()
                .position(|(_, address, _)| by_address.get(address) == Some(&most));
            if let Some(oldest) = oldest {
                self.waiting.remove(oldest).2.abort();
                crowded = true;
            }
        }
        self.waiting.push((number, subnet(address), handshake));
        crowded
    }

    /// Ends all handshakes.
    pub(super) fn end_all(&mut self) {
        for (_, _, handshake) in self.waiting.drain(..) {
            handshake.abort();
        }
    }

    /// The handshake has ended, one way or the other. False if it was ended by [`Pending::add`] in the meantime.
    pub(super) fn remove(&mut self, number: u64) -> bool {
        let before = self.waiting.len();
        self.waiting.retain(|(other, _, _)| *other != number);
        self.waiting.len() < before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_gets_its_burst_and_then_its_rate() {
        let mut rate = AddressRate::new(3, 2);
        let start = Instant::now();
        let one: IpAddr = "10.0.0.1".parse().unwrap();
        let mapped: IpAddr = "::ffff:10.0.0.1".parse().unwrap();
        let allowed = |rate: &mut AddressRate, address, ms| {
            rate.allow(address, start + Duration::from_millis(ms))
        };
        assert!(allowed(&mut rate, one, 0));
        assert!(allowed(&mut rate, mapped, 0), "the same host");
        assert!(allowed(&mut rate, one, 0));
        assert!(!allowed(&mut rate, one, 499), "the burst is used up");
        assert!(allowed(&mut rate, one, 500), "two per second");
        assert!(!allowed(&mut rate, one, 501));
        assert!(
            allowed(&mut rate, "10.0.0.2".parse().unwrap(), 501),
            "another address"
        );
        assert!(allowed(&mut rate, "fe80::1:0:0:0:1".parse().unwrap(), 0));
        assert!(allowed(&mut rate, "fe80::1:0:0:0:2".parse().unwrap(), 0));
        assert!(allowed(&mut rate, "fe80::1:0:0:0:3".parse().unwrap(), 0));
        assert!(
            !allowed(&mut rate, "fe80::1:0:0:0:4".parse().unwrap(), 0),
            "one /64 is one host"
        );
    }

    #[test]
    fn the_table_of_addresses_is_bounded() {
        let mut rate = AddressRate::new(1, 1);
        let now = Instant::now();
        for host in 0..3 * REMEMBERED as u32 {
            assert!(rate.allow(IpAddr::V4(host.into()), now));
            assert!(rate.buckets.len() <= REMEMBERED);
        }
    }

    #[tokio::test]
    async fn a_crowd_from_one_address_crowds_out_itself() {
        let mut pending = Pending::new(3);
        let attacker: IpAddr = "10.0.0.1".parse().unwrap();
        let member: IpAddr = "10.0.0.2".parse().unwrap();
        let mut add = |address| {
            let task = tokio::spawn(std::future::pending::<()>());
            let number = pending.number();
            (pending.add(number, address, task.abort_handle()), task)
        };
        let (_, first) = add(member);
        let (_, second) = add(attacker);
        let (crowded, _third) = add(attacker);
        assert!(!crowded);
        let (crowded, _fourth) = add(attacker);
        assert!(crowded);
        assert!(second.await.unwrap_err().is_cancelled(), "its oldest");
        assert!(!first.is_finished());
        assert_eq!(pending.len(), 3);
        assert!(pending.remove(1));
        assert!(!pending.remove(2), "was ended");
    }
}
