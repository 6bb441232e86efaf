//! Time spent in one kind of work.

use std::time::{Duration, Instant};

/// Time spent, over how many calls.
#[derive(Clone, Copy, Default)]
pub struct Clock {
    pub total: Duration,
    pub calls: u32,
}

impl Clock {
    pub fn time<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = work();
        self.total += start.elapsed();
        self.calls += 1;
        result
    }

    /// The lesser of two: of several runs on a shared machine the fastest was disturbed least.
    pub fn least(self, other: Self) -> Self {
        if other.calls == 0 || (self.calls > 0 && self.total <= other.total) {
            self
        } else {
            other
        }
    }

    pub fn each_ms(&self) -> String {
        ms(self.total / self.calls.max(1))
    }

    pub fn total_ms(&self) -> String {
        ms(self.total)
    }
}

/// Milliseconds with three decimals.
pub fn ms(time: Duration) -> String {
    let micros = time.as_micros();
    format!("{}.{:03}", micros / 1000, micros % 1000)
}
