//! 2Q, full version (Johnson and Shasha, VLDB 1994).
//!
//! ```text
//!   new ──▶ A1in (FIFO, a quarter of all) ──▶ evicted, remembered for as many evictions as half of all (A1out)
//!                                                 │ comes back in time
//!                                                 ▼
//!                                              Am (LRU) ──▶ evicted, forgotten
//! ```
//!
//! Accesses while in A1in are correlated references and mean nothing.

use arch::FrameNum;

use crate::lists::Lists;
use crate::{Arrival, Kind, Name, Policy, Probe, Shadow};

const A1IN: u8 = 0;
const AM: u8 = 1;

/// 2Q.
#[derive(Debug)]
pub struct TwoQ {
    lists: Lists<2>,
    /// Evictions from A1in.
    evictions: u32,
    /// The most frames that were ever held: the size of the memory.
    size: usize,
}

impl TwoQ {
    pub(crate) fn new() -> Self {
        Self {
            lists: Lists::new(),
            evictions: 0,
            size: 0,
        }
    }

    fn evict(&mut self, frame: FrameNum) -> (FrameNum, Shadow) {
        let list = self.lists.remove(frame).unwrap_or(AM);
        if list == A1IN {
            self.evictions = self.evictions.wrapping_add(1);
        }
        (frame, Shadow::new(list, self.evictions))
    }
}

impl Policy for TwoQ {
    fn name(&self) -> Name {
        Name::TwoQ
    }

    fn insert(&mut self, frame: FrameNum, arrival: Arrival) -> bool {
        let remembered = (self.size / 2).max(1);
        let in_a1out = |shadow: Shadow| shadow.list() == A1IN && shadow.age(self.evictions) < remembered;
        let hot = arrival.shadow.is_some_and(in_a1out);
        self.lists.push(if hot { AM } else { A1IN }, frame);
        self.size = self.size.max(self.lists.total());
        hot
    }

    fn remove(&mut self, frame: FrameNum) {
        self.lists.remove(frame);
    }

    fn referenced(&mut self, frame: FrameNum) {
        if self.lists.list_of(frame) == Some(AM) {
            self.lists.move_to(AM, frame);
        }
    }

    fn victim(&mut self, accessed: Probe<'_>) -> Option<(FrameNum, Shadow)> {
        let kept = (self.size / 4).max(1);
        if self.lists.len(A1IN) > kept || self.lists.len(AM) == 0 {
            return self.lists.oldest(A1IN).map(|frame| self.evict(frame));
        }
        let mut left = self.lists.len(AM);
        loop {
            let frame = self.lists.oldest(AM)?;
            if accessed(frame) && left > 0 {
                left -= 1;
                self.lists.move_to(AM, frame);
                continue;
            }
            return Some(self.evict(frame));
        }
    }

    fn restore(&mut self, frame: FrameNum, _: Kind) {
        self.lists.push(AM, frame);
    }

    fn len(&self) -> usize {
        self.lists.total()
    }

    fn contains(&self, frame: FrameNum) -> bool {
        self.lists.list_of(frame).is_some()
    }
}
