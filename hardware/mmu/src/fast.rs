//! The fast translation table of one address space: [`ram::Windows`], grown by misses, with the epoch of its fetches.
//!
//! The layout and the compare that is the whole check of an access are described there. An access that crosses
//! a piece of 4 KiB, or whose address has a tag in its top byte, fails the compare and takes the slow path.

use arch::{Access, Bytes, FrameNum, Granule, PageRange, PhysAddr};
use ram::{PIECE, Ram, Windows};

/// The smallest table.
pub const MIN_ENTRIES: usize = 256;
/// The largest table: 128 Ki entries of 32 bytes, for 512 MiB.
pub const MAX_ENTRIES: usize = 1 << 17;

/// A table with more entries than this begins anew when all are forgotten: writing 4 MiB of them takes longer than a fork,
/// and what is accessed again makes it grow by misses that it has anyway.
const LARGE: usize = 1 << 12;

/// The table of one address space.
#[derive(Debug)]
pub struct FastTable {
    pub(crate) windows: Windows,
    granule: Granule,
    misses: usize,
    pub(crate) epoch: u64,
}

impl FastTable {
    pub(crate) fn new(ram: &Ram, entries: usize, epoch: u64) -> Self {
        Self {
            windows: Windows::new(ram, entries),
            granule: ram.granule(),
            misses: 0,
            epoch,
        }
    }

    #[inline(always)]
    pub(crate) fn find(&self, address: u64, access: Access) -> Option<PhysAddr> {
        self.windows.find(address, access)
    }

    /// Counts a miss and doubles the table when it missed more often than it has entries. Entries move to
    /// their new slots, so growing costs no misses of its own.
    pub(crate) fn count_miss(&mut self, largest: usize) {
        self.misses += 1;
        if self.misses > self.windows.slots() && self.windows.slots() < largest {
            self.misses = 0;
            self.windows.grow();
        }
    }

    pub(crate) fn forget(&mut self, pages: PageRange, epoch: u64) {
        let pieces = self.granule.bytes() / PIECE;
        if pages.count().get().saturating_mul(pieces) >= self.windows.slots() as u64 {
            return self.forget_all(epoch);
        }
        self.epoch = epoch;
        for page in pages.pages() {
            let start = page.get() << self.granule.shift();
            (0..pieces).for_each(|piece| self.windows.forget(start.wrapping_add(piece * PIECE)));
        }
    }

    pub(crate) fn forget_all(&mut self, epoch: u64) {
        self.epoch = epoch;
        if self.windows.slots() > LARGE {
            self.windows.restart(MIN_ENTRIES);
            self.misses = 0;
        } else {
            self.windows.forget_all();
        }
    }

    /// Drops the write tags that lead to a frame.
    pub(crate) fn drop_write_tags(&mut self, frame: FrameNum) {
        let length = Bytes::new(self.granule.bytes());
        self.windows.forbid_stores(frame.start(self.granule), length);
    }

    /// How many of these pages have a translation here.
    pub(crate) fn cached(&self, pages: PageRange) -> usize {
        let page_of = |piece: u64| arch::PageNum::new(piece >> self.granule.shift());
        let mut known: Vec<u64> = self
            .windows
            .pieces()
            .map(page_of)
            .filter(|page| pages.contains(*page))
            .map(arch::PageNum::get)
            .collect();
        known.sort_unstable();
        known.dedup();
        known.len()
    }
}
