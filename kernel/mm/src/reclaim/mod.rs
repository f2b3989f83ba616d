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
//! forgotten. Locked pages stay. Reclaim never runs inside a fault: [`Memory::make_room`] comes before it, so no page
//! is taken from under the hands of whoever works on it.
//!
//! Neighbours: `policy` (which frame), `swap` (where to), `frames` (who maps it). The counters are those of
//! `/proc/vmstat`.

use arch::{Bytes, FrameNum, PageNum, PageRange};
use policy::Shadow;

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
            let want = self.watermarks.high - free;
            self.reclaim().shrink(want, Who::Background);
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
        let target = need.max(self.watermarks.min);
        let free = self.core.frames.free_count();
        self.core.counters.allocstall += 1;
        let want = target.saturating_sub(free).max(BATCH as u32);
        self.reclaim().shrink(want, Who::Direct);
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
    /// Evicts until `want` frames more are free, or every page was tried once. Says how many more there are.
    fn shrink(&mut self, want: u32, who: Who) -> u32 {
        let before = self.core.frames.free_count();
        let target = before.saturating_add(want);
        let held = |core: &Core| core.frames.policy.as_ref().map_or(0, |policy| policy.len());
        let mut left = held(self.core);
        let mut scanned = 0;
        while left > 0 && self.core.frames.free_count() < target {
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
