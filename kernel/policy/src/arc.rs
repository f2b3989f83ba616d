//! ARC, adaptive replacement (Megiddo and Modha, FAST 2003); with access flags it is CAR (Bansal and Modha, FAST 2004).
//!
//! T1 holds pages seen once, T2 pages seen again. A page that comes back soon after it left T1 says that T1 is too
//! small, and one that left T2 says that T2 is: the target size `p` of T1 moves. The ghosts of B1 and B2 are
//! [`Shadow`]s; how many there are is counted.

use arch::FrameNum;

use crate::lists::Lists;
use crate::{Arrival, Kind, Name, Policy, Probe, Shadow};

const T1: u8 = 0;
const T2: u8 = 1;

/// ARC.
#[derive(Debug)]
pub struct Arc {
    lists: Lists<2>,
    /// Evictions from T1 and T2.
    evictions: [u32; 2],
    /// Ghosts of T1 and T2 that are remembered.
    ghosts: [usize; 2],
    /// The target size of T1.
    target: usize,
    /// The most frames that were ever held: the size of the memory.
    size: usize,
}

impl Arc {
    pub(crate) fn new() -> Self {
        Self {
            lists: Lists::new(),
            evictions: [0; 2],
            ghosts: [0; 2],
            target: 0,
            size: 0,
        }
    }

    /// Whether a page that left `list` is still remembered.
    fn is_ghost(&self, shadow: Shadow) -> bool {
        let list = usize::from(shadow.list() & 1);
        let room = match shadow.list() {
            T1 => self.size.saturating_sub(self.lists.len(T1)),
            _ => 2 * self.size - self.lists.total().min(self.size) - self.ghosts[0].min(self.size),
        };
        self.ghosts[list] > 0 && shadow.age(self.evictions[list]) < room.max(1)
    }

    /// A ghost came back: its list was too small.
    fn adapt(&mut self, list: u8) {
        let [b1, b2] = self.ghosts.map(|count| count.max(1));
        self.target = match list {
            T1 => (self.target + (b2 / b1).max(1)).min(self.size),
            _ => self.target.saturating_sub((b1 / b2).max(1)),
        };
        self.ghosts[usize::from(list & 1)] -= 1;
    }

    fn evict(&mut self, frame: FrameNum) -> (FrameNum, Shadow) {
        let list = self.lists.remove(frame).unwrap_or(T1);
        let at = usize::from(list & 1);
        self.evictions[at] = self.evictions[at].wrapping_add(1);
        self.ghosts[at] += 1;
        // T1 and B1 together are at most the size; all four lists at most twice.
        self.ghosts[0] = self.ghosts[0].min(self.size.saturating_sub(self.lists.len(T1)));
        let rest = (2 * self.size).saturating_sub(self.lists.total() + self.ghosts[0]);
        self.ghosts[1] = self.ghosts[1].min(rest);
        (frame, Shadow::new(list, self.evictions[at]))
    }
}

impl Policy for Arc {
    fn name(&self) -> Name {
        Name::Arc
    }

    fn insert(&mut self, frame: FrameNum, arrival: Arrival) -> bool {
        let ghost = arrival.shadow.filter(|&shadow| self.is_ghost(shadow));
        if let Some(shadow) = ghost {
            self.adapt(shadow.list());
        }
        self.lists.push(if ghost.is_some() { T2 } else { T1 }, frame);
        self.size = self.size.max(self.lists.total());
        ghost.is_some()
    }

    fn remove(&mut self, frame: FrameNum) {
        self.lists.remove(frame);
    }

    fn referenced(&mut self, frame: FrameNum) {
        if self.contains(frame) {
            self.lists.move_to(T2, frame);
        }
    }

    fn victim(&mut self, accessed: Probe<'_>) -> Option<(FrameNum, Shadow)> {
        let mut left = 2 * self.lists.total();
        loop {
            let from = match self.lists.len(T1) {
                0 => T2,
                len if len > self.target || self.lists.len(T2) == 0 => T1,
                _ => T2,
            };
            let frame = self.lists.oldest(from)?;
            if accessed(frame) && left > 0 {
                left -= 1;
                self.lists.move_to(T2, frame);
                continue;
            }
            return Some(self.evict(frame));
        }
    }

    fn restore(&mut self, frame: FrameNum, _: Kind) {
        self.lists.push(T2, frame);
    }

    fn len(&self) -> usize {
        self.lists.total()
    }

    fn contains(&self, frame: FrameNum) -> bool {
        self.lists.list_of(frame).is_some()
    }
}
