//! First in, first out: the page that came first leaves first, whether it is used or not.

use arch::FrameNum;

use crate::lists::Lists;
use crate::{Arrival, Kind, Name, Policy, Probe, Shadow};

/// First in, first out.
#[derive(Debug)]
pub struct Fifo {
    queue: Lists<1>,
    evictions: u32,
}

impl Fifo {
    pub(crate) fn new() -> Self {
        Self {
            queue: Lists::new(),
            evictions: 0,
        }
    }
}

impl Policy for Fifo {
    fn name(&self) -> Name {
        Name::Fifo
    }

    fn insert(&mut self, frame: FrameNum, arrival: Arrival) -> bool {
        self.queue.push(0, frame);
        // Nothing follows from it here; it is counted.
        let soon = |shadow: Shadow| shadow.age(self.evictions) < self.queue.total();
        arrival.shadow.is_some_and(soon)
    }

    fn remove(&mut self, frame: FrameNum) {
        self.queue.remove(frame);
    }

    fn referenced(&mut self, _: FrameNum) {}

    fn victim(&mut self, _: Probe<'_>) -> Option<(FrameNum, Shadow)> {
        let frame = self.queue.oldest(0)?;
        self.queue.remove(frame);
        self.evictions = self.evictions.wrapping_add(1);
        Some((frame, Shadow::new(0, self.evictions)))
    }

    fn restore(&mut self, frame: FrameNum, _: Kind) {
        self.queue.push(0, frame);
    }

    fn len(&self) -> usize {
        self.queue.total()
    }

    fn contains(&self, frame: FrameNum) -> bool {
        self.queue.list_of(frame).is_some()
    }
}
