//! S3-FIFO (Yang et al., SOSP 2023): a small queue that filters, a main queue, and the ghosts of the small one.
//!
//! A page's count goes up to 3. At the old end of the small queue (a tenth of all) a page with more than one access goes
//! to main, and any other leaves; it comes back into main if it returns while it is remembered. In main, a page with
//! a count goes round once more, one less. The access that brought a page in does not count in the paper; a hardware
//! flag cannot tell it from a later one, so in a kernel it is the first of the two.

use arch::FrameNum;

use crate::lists::Lists;
use crate::{Arrival, Kind, Name, Policy, Probe, Shadow};

const SMALL: u8 = 0;
const MAIN: u8 = 1;
const MOST: u8 = 3;

/// S3-FIFO.
#[derive(Debug)]
pub struct S3Fifo {
    lists: Lists<2>,
    /// Evictions from the small queue.
    evictions: u32,
    /// The most frames that were ever held: the size of the memory.
    size: usize,
}

impl S3Fifo {
    pub(crate) fn new() -> Self {
        Self {
            lists: Lists::new(),
            evictions: 0,
            size: 0,
        }
    }

    fn count_up(&mut self, frame: FrameNum) -> u8 {
        let count = (self.lists.mark(frame) + 1).min(MOST);
        self.lists.set_mark(frame, count);
        count
    }
}

impl Policy for S3Fifo {
    fn name(&self) -> Name {
        Name::S3Fifo
    }

    fn insert(&mut self, frame: FrameNum, arrival: Arrival) -> bool {
        let remembered = (self.size - self.size / 10).max(1);
        let ghost = |shadow: Shadow| shadow.list() == SMALL && shadow.age(self.evictions) < remembered;
        let hot = arrival.shadow.is_some_and(ghost);
        self.lists.push(if hot { MAIN } else { SMALL }, frame);
        self.size = self.size.max(self.lists.total());
        hot
    }

    fn remove(&mut self, frame: FrameNum) {
        self.lists.remove(frame);
    }

    fn referenced(&mut self, frame: FrameNum) {
        if self.contains(frame) {
            self.count_up(frame);
        }
    }

    fn victim(&mut self, accessed: Probe<'_>) -> Option<(FrameNum, Shadow)> {
        let mut left = (usize::from(MOST) + 1) * self.lists.total();
        loop {
            let small = self.lists.len(SMALL) >= (self.size / 10).max(1) || self.lists.len(MAIN) == 0;
            let from = if small && self.lists.len(SMALL) > 0 {
                SMALL
            } else {
                MAIN
            };
            let frame = self.lists.oldest(from)?;
            let count = match accessed(frame) {
                true => self.count_up(frame),
                false => self.lists.mark(frame),
            };
            if left > 0 && from == SMALL && count > 1 {
                left -= 1;
                self.lists.move_to(MAIN, frame);
            } else if left > 0 && from == MAIN && count > 0 {
                left -= 1;
                self.lists.move_to(MAIN, frame);
                self.lists.set_mark(frame, count - 1);
            } else {
                self.lists.remove(frame);
                self.evictions = self.evictions.wrapping_add(u32::from(from == SMALL));
                return Some((frame, Shadow::new(from, self.evictions)));
            }
        }
    }

    fn restore(&mut self, frame: FrameNum, _: Kind) {
        self.lists.push(MAIN, frame);
        self.lists.set_mark(frame, MOST);
    }

    fn len(&self) -> usize {
        self.lists.total()
    }

    fn contains(&self, frame: FrameNum) -> bool {
        self.lists.list_of(frame).is_some()
    }
}
