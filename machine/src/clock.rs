//! The machine's clock: the host's, or, with a seed, the count of executed instructions.
//!
//! With a seed two runs must see the same times at the same instruction, so time is what the processor
//! did: one nanosecond an instruction, plus the time that the machine skipped because every task
//! was waiting for a deadline. The calendar then begins at a fixed date.

use rustix::time::{ClockId, clock_gettime};

/// 2024-01-01 00:00:00 UTC, the calendar's beginning on a machine with a seed.
const EPOCH_NS: u64 = 1_704_067_200_000_000_000;

/// Where time comes from.
#[derive(Debug, Clone)]
pub enum Clock {
    /// The host's clocks.
    Host {
        /// The host's monotonic clock when the machine started, in nanoseconds.
        start_ns: u64,
        /// The calendar at that moment, in nanoseconds since 1970. Later times are counted from it, so that
        /// reading both clocks costs one call; a host whose calendar is set by hand is not followed.
        epoch_ns: u64,
    },
    /// One nanosecond an instruction.
    Instructions {
        /// Time that passed with no task running, in nanoseconds.
        skipped_ns: u64,
    },
}

impl Clock {
    /// The host's clock, starting now.
    pub fn host() -> Self {
        Self::Host {
            start_ns: host_ns(ClockId::Monotonic),
            epoch_ns: host_ns(ClockId::Realtime),
        }
    }

    /// The clock of a machine with a seed.
    pub fn instructions() -> Self {
        Self::Instructions { skipped_ns: 0 }
    }

    /// The time after `retired` instructions of this machine.
    pub fn now(&self, retired: u64) -> process::Clock {
        match self {
            Self::Host { start_ns, epoch_ns } => {
                let monotonic_ns = host_ns(ClockId::Monotonic).saturating_sub(*start_ns);
                process::Clock {
                    monotonic_ns,
                    realtime_ns: epoch_ns.saturating_add(monotonic_ns),
                }
            }
            Self::Instructions { skipped_ns } => {
                let monotonic_ns = retired.saturating_add(*skipped_ns);
                process::Clock {
                    monotonic_ns,
                    realtime_ns: EPOCH_NS.saturating_add(monotonic_ns),
                }
            }
        }
    }

    /// Whether waiting for a deadline takes no real time: the clock is moved by [`Clock::skip_to`] instead.
    pub fn is_virtual(&self) -> bool {
        matches!(self, Self::Instructions { .. })
    }

    /// Moves a virtual clock forward to `monotonic_ns`; the host's clock moves by itself.
    pub fn skip_to(&mut self, monotonic_ns: u64, retired: u64) {
        let now = self.now(retired).monotonic_ns;
        if let Self::Instructions { skipped_ns } = self {
            *skipped_ns += monotonic_ns.saturating_sub(now);
        }
    }
}

fn host_ns(id: ClockId) -> u64 {
    let time = clock_gettime(id);
    // The clocks of a running Linux are never negative.
    (time.tv_sec as u64)
        .saturating_mul(1_000_000_000)
        .saturating_add(time.tv_nsec as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_virtual_clock_is_a_function_of_instructions() {
        let mut clock = Clock::instructions();
        assert_eq!(clock.now(5).monotonic_ns, 5);
        clock.skip_to(1_000, 5);
        assert_eq!(clock.now(5).monotonic_ns, 1_000);
        assert_eq!(clock.now(7).monotonic_ns, 1_002);
        clock.skip_to(10, 7);
        assert_eq!(clock.now(7).monotonic_ns, 1_002, "time never goes back");
    }

    #[test]
    fn the_hosts_clock_moves() {
        let clock = Clock::host();
        let first = clock.now(0);
        let later = (0..1_000_000)
            .map(|_| clock.now(0))
            .find(|now| now.monotonic_ns > first.monotonic_ns);
        assert!(later.is_some());
    }
}
