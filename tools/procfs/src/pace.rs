//! When a reader of pages steps back ([`Pace`]). Neighbours: [`crate::pages`], `host::page_scan`.

use std::cell::Cell;
use std::thread;
use std::time::Duration;

/// Calls that together took so long are followed by a pause.
const MOST_HELD: Duration = Duration::from_micros(250);

/// Long enough for whoever was woken to take the lock: that takes 20 us here, and with a pause of 1 us the next call was often there
/// first. The kernel adds some 50 us to the sleep of an ordinary process.
const GAP: Duration = Duration::from_micros(100);

/// How long calls have held the target's `mmap_lock` since the last pause.
///
/// A short call alone does not bound how long the target waits. Whoever waits for the lock to map or unmap needs a moment to wake up, and
/// the next call takes the lock from under it: the kernel gives a waiter precedence only after 4 ms (`RWSEM_WAIT_TIMEOUT` in
/// `kernel/locking/rwsem.c`), and only real-time tasks at once. So the reader stands aside now and then.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    held: Cell<Duration>,
}

impl Pace {
    /// A call has taken so long.
    pub(crate) fn called(&self, took: Duration) {
        let held = self.held.get().saturating_add(took);
        if held < MOST_HELD {
            self.held.set(held);
            return;
        }
        self.held.set(Duration::ZERO);
        thread::sleep(GAP);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_calls_add_up_to_a_pause() {
        let pace = Pace::default();
        pace.called(MOST_HELD / 2);
        assert_eq!(pace.held.get(), MOST_HELD / 2);
        pace.called(MOST_HELD / 4);
        assert_eq!(pace.held.get(), MOST_HELD / 2 + MOST_HELD / 4);
        pace.called(MOST_HELD / 4);
        assert_eq!(pace.held.get(), Duration::ZERO);
        pace.called(Duration::MAX);
        assert_eq!(pace.held.get(), Duration::ZERO);
    }
}
