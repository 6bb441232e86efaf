//! How much work one peer may cause. Pure: the clock is given by the caller.

use std::time::Instant;

/// A bucket of units that refills at a steady rate.
#[derive(Debug)]
pub(crate) struct Budget {
    units: u64,
    capacity: u64,
    per_second: u64,
    refilled: Instant,
}

impl Budget {
    /// A full bucket.
    pub fn new(capacity: u64, per_second: u64, now: Instant) -> Self {
        Self {
            units: capacity,
            capacity,
            per_second,
            refilled: now,
        }
    }

    /// Takes `cost` units, or nothing and `false` if there are not as many.
    pub fn take(&mut self, cost: u64, now: Instant) -> bool {
        let elapsed_ms = now.saturating_duration_since(self.refilled).as_millis() as u64;
        let earned = elapsed_ms.saturating_mul(self.per_second) / 1000;
        if earned > 0 {
            self.units = self.units.saturating_add(earned).min(self.capacity);
            self.refilled = now;
        }
        let enough = self.units >= cost;
        if enough {
            self.units -= cost;
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_bucket_gives_its_content_at_once_and_then_what_it_earns() {
        let start = Instant::now();
        let mut budget = Budget::new(10, 100, start);
        let mut take = |ms: u64, cost: u64| budget.take(cost, start + Duration::from_millis(ms));
        assert!(take(0, 10));
        assert!(!take(0, 1));
        assert!(!take(9, 1), "less than a unit was earned");
        assert!(take(10, 1));
        assert!(!take(10, 1));
        assert!(take(60, 5));
        assert!(take(10_000, 10));
        assert!(!take(10_000, 1), "no more is kept than the bucket holds");
    }
}
