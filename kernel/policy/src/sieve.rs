//! SIEVE (Zhang et al., NSDI 2024): a queue whose hand walks from old to young and clears marks in place.
//!
//! Unlike clock's, a page that is passed over stays where it is, so young pages that are used once are sifted out
//! quickly. A hardware access flag also tells of the access that brought the page in: a page then survives one visit
//! of the hand that the paper's bit, clear at insertion, would not give it.

use arch::FrameNum;

use crate::lists::Lists;
use crate::{Arrival, Kind, Name, Policy, Probe, Shadow};

/// SIEVE.
#[derive(Debug)]
pub struct Sieve {
    queue: Lists<1>,
    hand: Option<FrameNum>,
    evictions: u32,
}

const VISITED: u8 = 1;

impl Sieve {
    pub(crate) fn new() -> Self {
        Self {
            queue: Lists::new(),
            hand: None,
            evictions: 0,
        }
    }
}

impl Policy for Sieve {
    fn name(&self) -> Name {
        Name::Sieve
    }

    fn insert(&mut self, frame: FrameNum, arrival: Arrival) -> bool {
        self.queue.push(0, frame);
        let soon = |shadow: Shadow| shadow.age(self.evictions) < self.queue.total();
        arrival.shadow.is_some_and(soon)
    }

    fn remove(&mut self, frame: FrameNum) {
        if self.hand == Some(frame) {
            self.hand = self.queue.younger(frame);
        }
        self.queue.remove(frame);
    }

    fn referenced(&mut self, frame: FrameNum) {
        if self.contains(frame) {
            self.queue.set_mark(frame, VISITED);
        }
    }

    fn victim(&mut self, accessed: Probe<'_>) -> Option<(FrameNum, Shadow)> {
        let mut left = self.queue.total();
        loop {
            let frame = self.hand.or(self.queue.oldest(0))?;
            let used = accessed(frame) | (self.queue.mark(frame) == VISITED);
            self.hand = self.queue.younger(frame);
            if used && left > 0 {
                left -= 1;
                self.queue.set_mark(frame, 0);
                continue;
            }
            self.queue.remove(frame);
            self.evictions = self.evictions.wrapping_add(1);
            return Some((frame, Shadow::new(0, self.evictions)));
        }
    }

    fn restore(&mut self, frame: FrameNum, _: Kind) {
        self.queue.push(0, frame);
        self.queue.set_mark(frame, VISITED);
    }

    fn len(&self) -> usize {
        self.queue.total()
    }

    fn contains(&self, frame: FrameNum) -> bool {
        self.queue.list_of(frame).is_some()
    }
}
