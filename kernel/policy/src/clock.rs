//! Second chance: the oldest page leaves unless it was accessed since the hand last came by (Corbato 1968).
//!
//! The ring with a hand is kept as a queue: the hand is its old end, and a page that is passed over goes to the
//! young end. That is the same order.

use arch::FrameNum;

use crate::lists::Lists;
use crate::{Arrival, Kind, Name, Policy, Probe, Shadow};

/// Clock.
#[derive(Debug)]
pub struct Clock {
    ring: Lists<1>,
    evictions: u32,
}

const REFERENCED: u8 = 1;

impl Clock {
    pub(crate) fn new() -> Self {
        Self {
            ring: Lists::new(),
            evictions: 0,
        }
    }
}

impl Policy for Clock {
    fn name(&self) -> Name {
        Name::Clock
    }

    fn insert(&mut self, frame: FrameNum, arrival: Arrival) -> bool {
        self.ring.push(0, frame);
        let soon = |shadow: Shadow| shadow.age(self.evictions) < self.ring.total();
        arrival.shadow.is_some_and(soon)
    }

    fn remove(&mut self, frame: FrameNum) {
        self.ring.remove(frame);
    }

    fn referenced(&mut self, frame: FrameNum) {
        if self.contains(frame) {
            self.ring.set_mark(frame, REFERENCED);
        }
    }

    fn victim(&mut self, accessed: Probe<'_>) -> Option<(FrameNum, Shadow)> {
        // After one turn every mark is clear; flags that are set again and again are not waited for.
        let mut left = self.ring.total();
        loop {
            let frame = self.ring.oldest(0)?;
            let used = accessed(frame) | (self.ring.mark(frame) == REFERENCED);
            if used && left > 0 {
                left -= 1;
                self.ring.move_to(0, frame);
                continue;
            }
            self.ring.remove(frame);
            self.evictions = self.evictions.wrapping_add(1);
            return Some((frame, Shadow::new(0, self.evictions)));
        }
    }

    fn restore(&mut self, frame: FrameNum, _: Kind) {
        self.ring.push(0, frame);
    }

    fn len(&self) -> usize {
        self.ring.total()
    }

    fn contains(&self, frame: FrameNum) -> bool {
        self.ring.list_of(frame).is_some()
    }
}
