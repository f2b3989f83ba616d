//! `eventfd(2)`: a counter that can be waited for.
//!
//! Key type: [`Counter`].

use std::cell::Cell;

use abi::flags::PollEvents;

use super::pulse::Pulse;
use crate::wait::Bell;

/// The most that it counts to; one more would be the value that no write may have.
const MOST: u64 = u64::MAX - 1;

/// The counter.
#[derive(Debug)]
pub(crate) struct Counter {
    value: Cell<u64>,
    semaphore: bool,
    pub(crate) pulse: Pulse,
    bell: Bell,
}

impl Counter {
    /// A counter at this value; a semaphore gives ones.
    pub(crate) fn new(value: u64, semaphore: bool, bell: &Bell) -> Self {
        Self {
            value: Cell::new(value),
            semaphore,
            pulse: Pulse::default(),
            bell: bell.clone(),
        }
    }

    /// Takes the count, or one of a semaphore; `None` if there is nothing.
    pub(crate) fn take(&self) -> Option<u64> {
        let value = self.value.get();
        let taken = if self.semaphore { value.min(1) } else { value };
        if taken == 0 {
            return None;
        }
        self.value.set(value - taken);
        self.pulse.made_room();
        self.bell.ring();
        Some(taken)
    }

    /// Adds; whether there was room. `u64::MAX` is refused before.
    pub(crate) fn add(&self, value: u64) -> bool {
        match self.value.get().checked_add(value) {
            Some(sum) if sum <= MOST => {
                self.value.set(sum);
                self.pulse.arrived();
                self.bell.ring();
                true
            }
            _ => false,
        }
    }

    /// What `poll(2)` says.
    pub(crate) fn readiness(&self) -> PollEvents {
        let mut events = PollEvents::empty();
        if self.value.get() > 0 {
            events |= PollEvents::IN | PollEvents::RDNORM;
        }
        if self.value.get() < MOST {
            events |= PollEvents::OUT | PollEvents::WRNORM;
        }
        events
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_gives_all_and_a_semaphore_one() {
        let counter = Counter::new(0, false, &Bell::default());
        assert_eq!(counter.take(), None);
        assert!(counter.add(3) && counter.add(4));
        assert_eq!(counter.take(), Some(7));
        assert!(counter.add(MOST) && !counter.add(1) && counter.add(0));
        assert!(!counter.readiness().contains(PollEvents::OUT));
        let semaphore = Counter::new(2, true, &Bell::default());
        assert_eq!(
            [semaphore.take(), semaphore.take(), semaphore.take()],
            [Some(1), Some(1), None]
        );
    }
}
