//! Generations, after Linux's multi-generational LRU (`mm/vmscan.c`, `lru_gen_*`).
//!
//! A page is of the generation in which it was last seen used; there are four at most. The oldest leaves. When only
//! two generations are left, aging looks at the access flags of all pages at once, which begins a new
//! generation, and the pages that were used join it. Absent of what Linux has: tiers of file pages read by system
//! calls, the controller over their refaults, and the filters that make the walk of page tables cheap.

use arch::FrameNum;

use crate::lists::Lists;
use crate::{Arrival, Kind, Name, Policy, Probe, Shadow};

/// Generations at most (`MAX_NR_GENS`).
const MOST: u32 = 4;
/// Generations that are kept (`MIN_NR_GENS`).
const FEWEST: u32 = 2;

/// Generations.
#[derive(Debug)]
pub struct Mglru {
    generations: Lists<4>,
    youngest: u32,
    oldest: u32,
    evictions: u32,
    /// What aging works on.
    walk: Vec<FrameNum>,
}

impl Mglru {
    pub(crate) fn new() -> Self {
        Self {
            generations: Lists::new(),
            youngest: FEWEST - 1,
            oldest: 0,
            evictions: 0,
            walk: Vec::new(),
        }
    }

    fn list(generation: u32) -> u8 {
        (generation % MOST) as u8
    }

    /// Begins a generation; pages that were accessed since the last look join it.
    fn age(&mut self, accessed: Probe<'_>) {
        self.youngest += 1;
        self.walk.clear();
        for generation in self.oldest..self.youngest {
            let mut next = self.generations.oldest(Self::list(generation));
            while let Some(frame) = next {
                self.walk.push(frame);
                next = self.generations.younger(frame);
            }
        }
        for index in 0..self.walk.len() {
            let frame = self.walk[index];
            if accessed(frame) {
                self.generations.move_to(Self::list(self.youngest), frame);
            }
        }
    }

    fn skip_empty(&mut self) {
        while self.oldest < self.youngest && self.generations.len(Self::list(self.oldest)) == 0 {
            self.oldest += 1;
        }
    }

    /// Keeps the numbers small: only their remainders by four and their difference matter.
    fn renumber(&mut self) {
        let whole = self.oldest - self.oldest % MOST;
        self.oldest -= whole;
        self.youngest -= whole;
    }
}

impl Policy for Mglru {
    fn name(&self) -> Name {
        Name::Mglru
    }

    fn insert(&mut self, frame: FrameNum, arrival: Arrival) -> bool {
        // What a fault asked for is young; what came along is as old as can be (`lru_gen_add_folio`).
        let generation = if arrival.speculative {
            self.oldest
        } else {
            self.youngest
        };
        self.generations.push(Self::list(generation), frame);
        let soon = |shadow: Shadow| shadow.age(self.evictions) < self.generations.total();
        arrival.shadow.is_some_and(soon)
    }

    fn remove(&mut self, frame: FrameNum) {
        self.generations.remove(frame);
    }

    fn referenced(&mut self, frame: FrameNum) {
        if self.contains(frame) {
            self.generations.move_to(Self::list(self.youngest), frame);
        }
    }

    fn victim(&mut self, accessed: Probe<'_>) -> Option<(FrameNum, Shadow)> {
        if self.is_empty() {
            return None;
        }
        let mut left = self.generations.total();
        loop {
            self.skip_empty();
            self.renumber();
            if self.youngest - self.oldest < FEWEST {
                self.age(accessed);
                self.skip_empty();
            }
            let frame = self.generations.oldest(Self::list(self.oldest))?;
            // Used since the last aging: it is young after all.
            if left > 0 && self.oldest < self.youngest && accessed(frame) {
                left -= 1;
                self.generations.move_to(Self::list(self.youngest), frame);
                continue;
            }
            self.generations.remove(frame);
            self.evictions = self.evictions.wrapping_add(1);
            return Some((frame, Shadow::new(0, self.evictions)));
        }
    }

    fn restore(&mut self, frame: FrameNum, _: Kind) {
        self.generations.push(Self::list(self.youngest), frame);
    }

    fn len(&self) -> usize {
        self.generations.total()
    }

    fn contains(&self, frame: FrameNum) -> bool {
        self.generations.list_of(frame).is_some()
    }
}
