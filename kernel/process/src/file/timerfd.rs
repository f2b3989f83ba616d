//! `timerfd_create(2)`: a timer that is read. Nothing happens at an expiry: how many there were follows from the clock.
//!
//! Key type: [`Timer`].

use std::cell::Cell;

use abi::event::TimerSpec;

/// A timer of one clock; all its times are that clock's.
#[derive(Debug)]
pub(crate) struct Timer {
    /// It follows `CLOCK_REALTIME`, not the monotonic clock.
    pub(crate) real: bool,
    /// The next expiry that nobody has read.
    at: Cell<Option<u64>>,
    every: Cell<u64>,
    /// Expiries read so far and settings made, for edge-triggered watchers.
    past: Cell<u64>,
}

impl Timer {
    /// A timer that is off.
    pub(crate) fn new(real: bool) -> Self {
        Self {
            real,
            at: Cell::new(None),
            every: Cell::new(0),
            past: Cell::new(0),
        }
    }

    /// Expiries that nobody has read.
    pub(crate) fn expired(&self, now: u64) -> u64 {
        match self.at.get().and_then(|at| now.checked_sub(at)) {
            None => 0,
            Some(late) => late.checked_div(self.every.get()).unwrap_or(0).saturating_add(1),
        }
    }

    /// Reads the expiries; `None` if there are none yet.
    pub(crate) fn take(&self, now: u64) -> Option<u64> {
        let count = self.expired(now);
        if count == 0 {
            return None;
        }
        self.past.set(self.past.get().wrapping_add(count));
        let step = self.every.get().saturating_mul(count);
        let next = self.at.get().map(|at| at.saturating_add(step));
        self.at.set(next.filter(|_| step > 0));
        Some(count)
    }

    /// What is left until the next expiry, and the interval.
    pub(crate) fn left(&self, now: u64) -> TimerSpec {
        let value = self.next(now).map_or(0, |at| at - now);
        TimerSpec {
            every: self.every.get(),
            value,
        }
    }

    /// The next expiry that is still to come.
    pub(crate) fn next(&self, now: u64) -> Option<u64> {
        let at = self.at.get()?;
        let step = self.every.get().saturating_mul(self.expired(now));
        let next = at.saturating_add(step);
        (next > now).then_some(next)
    }

    /// Sets it; `None` is off.
    pub(crate) fn set(&self, at: Option<u64>, every: u64) {
        self.past.set(self.past.get().wrapping_add(1 << 32));
        self.at.set(at);
        self.every.set(every);
    }

    /// A number that changes at each expiry.
    pub(crate) fn pulse(&self, now: u64) -> u64 {
        self.past.get().wrapping_add(self.expired(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expiries_follow_from_the_clock() {
        let timer = Timer::new(false);
        assert_eq!((timer.take(100), timer.next(100)), (None, None));
        timer.set(Some(150), 20);
        assert_eq!((timer.take(149), timer.next(149)), (None, Some(150)));
        assert_eq!((timer.expired(195), timer.next(195)), (3, Some(210)));
        assert_eq!(timer.left(195), TimerSpec { every: 20, value: 15 });
        assert_eq!((timer.take(195), timer.take(195)), (Some(3), None));
        assert_eq!(timer.next(195), Some(210));
        timer.set(Some(5), 0);
        assert_eq!((timer.take(200), timer.take(200)), (Some(1), None));
        assert_eq!(timer.left(200), TimerSpec::default());
    }

    #[test]
    fn the_end_of_time_is_no_overflow() {
        let timer = Timer::new(true);
        timer.set(Some(1), u64::MAX);
        assert_eq!(timer.take(u64::MAX), Some(1));
        assert_eq!(timer.next(u64::MAX), None);
        timer.set(Some(0), 1);
        assert_eq!(timer.take(u64::MAX), Some(u64::MAX));
    }
}
