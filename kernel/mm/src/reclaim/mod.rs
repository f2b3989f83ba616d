//! Reclaim: making frames free by evicting what the policy names.
//!
//! ```text
//!   free frames   ────── high ────── low ────── min ────── 0
//!                          ▲ background ends     ▲ direct reclaim begins: before a fault or a call needs frames
//!                                     ▲ background begins, between time slices
//! ```
//!
//! A frame that is named leaves by what it holds (`evict`): a clean page of a file is dropped, a dirty one written
//! first; private and shared memory goes to swap (`swap_out`), neighbours in one write; lazily freed memory is
//! forgotten. What is locked, or finds swap full, is set aside until it can leave. Reclaim never runs inside a fault:
//! [`Memory::make_room`] comes before it, so no page is taken from under the hands of whoever works on it.
//!
//! Neighbours: `policy` (which frame), `swap` (where to), `frames` (who maps it). The counters are those of
//! `/proc/vmstat`.

use arch::{Bytes, FrameNum, PageNum, PageRange};
use policy::{Shadow, Stuck};

use crate::Memory;
use crate::core_state::Core;
use crate::files::Files;
use crate::frames::FrameState;
use crate::request::SpaceId;
use crate::space::Spaces;
use crate::swap::{Swap, SwapConfig, SwapUse};

mod evict;
mod swap_out;

use swap_out::SwapOut;

/// Frames that one fault can need: three tables, missing ones or copies of shared ones, a page of the cache, a private copy, and one in hand.
pub(crate) const FAULT_NEED: u32 = 6;

/// Pages that are evicted in one go (`SWAP_CLUSTER_MAX`), and written in one write if they are neighbours.
const BATCH: usize = 32;

/// What reclaim is made of.
#[derive(Debug, Default)]
pub struct ReclaimConfig {
    /// Which page leaves.
    pub policy: policy::Name,
    /// For the policy `random`.
    pub seed: u64,
    /// Where pages without a file go; without one they stay.
    pub swap: Option<SwapConfig>,
}

/// On whose time frames are made free.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Who {
    Background,
    Direct,
}

/// How many frames are to be free.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Goal {
    /// In any case.
    need: u32,
    /// As long as that many can be had. Where they cannot, what is used all the time would be all that is left to evict.
    target: u32,
}

/// Numbers of free frames at which something happens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Watermarks {
    min: u32,
    low: u32,
    high: u32,
}

impl Watermarks {
    /// Linux's: min is the square root of 16 times RAM, in KiB; low and high are a quarter and a half above it.
    pub(crate) fn new(ram: Bytes, frames: u32) -> Self {
        let kib = (ram.kib() * 16).isqrt();
        let share = u64::from(frames) * kib / ram.kib().max(1);
        let min = (share as u32).min(frames / 8).max(FAULT_NEED);
        Self {
            min,
            low: min + min / 4 + 1,
            high: min + min / 2 + 2,
        }
    }
}

/// Everything that eviction touches.
struct Reclaim<'a> {
    core: &'a mut Core,
    files: &'a mut Files,
    spaces: &'a mut Spaces,
}

impl Memory {
    /// Takes over all of RAM, which must hold zeros, with a policy and a swap area.
    pub fn with_reclaim(ram: ram::Ram, config: ReclaimConfig) -> Self {
        let mut memory = Self::new(ram);
        let granule = memory.granule();
        let frames = &mut memory.core.frames;
        frames.policy = Some(config.policy.make(config.seed));
        if let Some(swap) = config.swap {
            memory.core.swap = Swap::new(swap, granule);
            memory.core.frames.swaps = memory.core.swap.has_free();
        }
        memory
    }

    /// How the swap area is used.
    pub fn swap(&self) -> SwapUse {
        *self.core.swap.usage()
    }

    /// What `/proc/swaps` calls the swap area.
    pub fn swap_name(&self) -> &str {
        self.core.swap.name()
    }

    /// Which policy evicts.
    pub fn policy(&self) -> policy::Name {
        let policy = self.core.frames.policy.as_ref();
        policy.expect("it is in place between calls").name()
    }

    /// Background reclaim: called between time slices. Below the low watermark it makes frames free up to the high one.
    pub fn background_reclaim(&mut self) {
        let free = self.core.frames.free_count();
        if free < self.watermarks.low {
            let goal = Goal {
                need: 0,
                target: self.watermarks.high,
            };
            self.reclaim().shrink(goal, Who::Background);
        }
    }

    /// Makes it likely that `need` frames can be had, evicting if they are few. A caller that finds none afterwards
    /// is out of RAM.
    #[inline]
    pub(crate) fn make_room(&mut self, need: u32) {
        if self.core.frames.free_count() < need.max(self.watermarks.min) {
            self.direct_reclaim(need);
        }
    }

    #[cold]
    fn direct_reclaim(&mut self, need: u32) {
        let free = self.core.frames.free_count();
        self.core.counters.allocstall += 1;
        let target = need.max(self.watermarks.min).max(free + BATCH as u32);
        self.reclaim().shrink(Goal { need, target }, Who::Direct);
    }

    /// Frames that tables for so many pages at a new place of a space can need, where the pages are used now.
    pub(crate) fn tables_for(&self, space: SpaceId, pages: arch::PageCount) -> u32 {
        let per_table = self.granule().entries() as u64;
        let tables = (pages.get() / per_table).min(self.spaces.get(space).tables.count().into());
        tables as u32 + FAULT_NEED
    }

    /// Makes room for what a space that shares tables copies of them when a range that cuts them is unmapped: the ways to both
    /// ends.
    pub(crate) fn make_room_to_unmap(&mut self, space: SpaceId) {
        if !self.core.is_alone(self.spaces.get(space)) {
            self.make_room(FAULT_NEED);
        }
    }

    /// The same for all tables of a range of so many pages.
    pub(crate) fn make_room_to_own(&mut self, space: SpaceId, pages: arch::PageCount) {
        if !self.core.is_alone(self.spaces.get(space)) {
            self.make_room(self.tables_for(space, pages) + FAULT_NEED);
        }
    }

    /// `MADV_PAGEOUT`: evicts the pages of `range` that only this space maps. Those that cannot leave stay.
    pub(crate) fn page_out(&mut self, space: SpaceId, range: PageRange) {
        let mut frames = Vec::new();
        let Self { core, spaces, .. } = self;
        let space = spaces.get_mut(space);
        let mut rest = range;
        while let Some((page, _, descriptor)) = space.tables.next_present(&core.ram, &core.shape, rest) {
            let frame = core.frame_of(descriptor);
            if core.mappings(frame) == 1 {
                frames.push(frame);
            }
            let next = PageNum::new(page.get() + 1);
            rest = PageRange::new(next, range.end()).expect("present pages lie in the range");
        }
        let mut reclaim = self.reclaim();
        for batch in frames.chunks(BATCH) {
            reclaim.evict_these(batch);
        }
    }

    fn reclaim(&mut self) -> Reclaim<'_> {
        Reclaim {
            core: &mut self.core,
            files: &mut self.files,
            spaces: &mut self.spaces,
        }
    }
}

impl Reclaim<'_> {
    /// Evicts until the goal is reached, or nothing more can leave. Says how many frames more are free.
    fn shrink(&mut self, goal: Goal, who: Who) -> u32 {
        let before = self.core.frames.free_count();
        let mut scanned = self.evict_waiting(goal.target);
        self.take_back_unlocked(BATCH);
        scanned += self.round(goal);
        if self.core.frames.free_count() == before && self.take_back_unlocked(usize::MAX) {
            scanned += self.round(goal);
        }
        let freed = self.core.frames.free_count() - before;
        let counters = &mut self.core.counters;
        match who {
            Who::Background => {
                counters.pgscan_kswapd += scanned;
                counters.pgsteal_kswapd += u64::from(freed);
            }
            Who::Direct => {
                counters.pgscan_direct += scanned;
                counters.pgsteal_direct += u64::from(freed);
            }
        }
        freed
    }

    /// How many frames are to be free, as things stand.
    fn target(&self, goal: Goal) -> u32 {
        let frames = &self.core.frames;
        let waiting = (frames.aside.count(Stuck::NoRoom) as u64).min(self.core.swap.usage().free());
        match frames.may_become_free() + waiting as u32 >= goal.target {
            true => goal.target,
            false => goal.need,
        }
    }

    /// Evicts until the goal is reached, or every page was tried once. Says how many were tried.
    fn round(&mut self, goal: Goal) -> u64 {
        let mut left = self.core.frames.policy.as_ref().map_or(0, |policy| policy.len());
        let mut scanned = 0;
        loop {
            let target = self.target(goal);
            if left == 0 || self.core.frames.free_count() >= target {
                return scanned;
            }
            let mut out = SwapOut::default();
            let batch = BATCH.min(left);
            for _ in 0..batch {
                let Some((frame, shadow)) = self.victim() else {
                    left = 0;
                    break;
                };
                left -= 1;
                scanned += 1;
                self.evict(frame, Some(shadow), &mut out);
                if self.core.frames.free_count() + out.len() >= target {
                    break;
                }
            }
            self.write_out(out);
        }
    }

    /// Evicts what waits for room in swap, as far as there is some: these pages were named before all that the policy holds
    /// now. One that was used meanwhile goes back to the policy. Says how many were tried, which is as many as there are
    /// free slots and those that were used.
    fn evict_waiting(&mut self, target: u32) -> u64 {
        let mut scanned = 0;
        let mut out = SwapOut::default();
        while self.core.frames.free_count() + out.len() < target
            && u64::from(out.len()) < self.core.swap.usage().free()
            && let Some(frame) = self.core.frames.aside.oldest(Stuck::NoRoom)
        {
            scanned += 1;
            self.core.frames.restore(frame);
            if !evict::test_and_clear_accessed(self.core, frame) {
                self.evict(frame, None, &mut out);
            }
            if out.len() as usize == BATCH {
                self.write_out(std::mem::take(&mut out));
            }
        }
        self.write_out(out);
        scanned
    }

    /// Gives the policy those that were set aside as locked and are so no longer, of `most` of them; says whether there are any.
    ///
    /// Every round looks at a few, so nobody who unlocks need tell; a round that frees nothing looks at all, so nobody is
    /// out of RAM for a lock that is gone.
    fn take_back_unlocked(&mut self, most: usize) -> bool {
        let mut any = false;
        for _ in 0..most.min(self.core.frames.aside.count(Stuck::Locked)) {
            let Some(frame) = self.core.frames.aside.oldest(Stuck::Locked) else {
                break;
            };
            if self.is_locked(frame) {
                self.core.frames.set_aside(frame, Stuck::Locked);
            } else {
                self.core.frames.restore(frame);
                any = true;
            }
        }
        any
    }

    fn evict_these(&mut self, frames: &[FrameNum]) {
        let mut out = SwapOut::default();
        for &frame in frames {
            // A page of a file may have been dropped with another mapping of it.
            if matches!(
                self.core.frames.state(frame),
                FrameState::Anon(_) | FrameState::Cache(_)
            ) {
                self.evict(frame, None, &mut out);
            }
        }
        self.write_out(out);
    }

    /// Asks the policy, with the access flags of the pages' descriptors as its eyes.
    fn victim(&mut self) -> Option<(FrameNum, Shadow)> {
        let mut policy = self.core.frames.policy.take()?;
        let named = policy.victim(&mut |frame| evict::test_and_clear_accessed(self.core, frame));
        self.core.frames.policy = Some(policy);
        named
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `min_free_kbytes` of Linux: 512 for 16 MiB, 4096 for 1 GiB.
    #[test]
    fn watermarks_are_linux_s() {
        let at = |bytes: u64, page: u64| Watermarks::new(Bytes::new(bytes), (bytes / page) as u32);
        assert_eq!(at(16 << 20, 4096).min, 128);
        assert_eq!(at(1 << 30, 16384).min, 256);
        let small = at(20 * 65536, 65536);
        assert_eq!(
            small.min, FAULT_NEED,
            "a fault must be served however small RAM is"
        );
        assert!(small.min < small.low && small.low < small.high);
    }
}
