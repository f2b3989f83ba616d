//! The fast translation table: direct-mapped, one per address space, grown by misses.
//!
//! [`Entry`] is four words, in the order in which generated code will read them: read tag, write tag,
//! execute tag, host addend. A tag is the page's address; a byte's host address is its virtual address
//! plus the addend. `(address + size - 1) & page mask == tag` is the whole check of an access: it fails for an
//! access that crosses into the next page, and for every address with a tag in its top byte, and both then
//! take the slow path.
//!
//! The table must have two entries at least: with one, an access that crosses into the page it holds
//! would pass the check at the wrong page.

use arch::{Granule, PageRange};
use ram::Word;

/// The smallest table.
pub const MIN_ENTRIES: usize = 256;
/// The largest table: 64 Ki entries of 32 bytes.
pub const MAX_ENTRIES: usize = 1 << 16;

/// A tag that no page address equals: its low bits are set.
const NO_PAGE: u64 = u64::MAX;

/// One page's translation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct Entry {
    /// The page's address if loads may pass.
    pub read: u64,
    /// The page's address if stores may pass.
    pub write: u64,
    /// The page's address if fetches may pass.
    pub execute: u64,
    /// Host address minus virtual address.
    pub addend: u64,
}

const EMPTY: Entry = Entry {
    read: NO_PAGE,
    write: NO_PAGE,
    execute: NO_PAGE,
    addend: 0,
};

impl Entry {
    /// The page that this entry translates, if it translates any.
    fn page(&self) -> Option<u64> {
        [self.read, self.write, self.execute]
            .into_iter()
            .find(|&tag| tag != NO_PAGE)
    }
}

/// The table of one address space.
#[derive(Debug)]
pub struct FastTable {
    entries: Box<[Entry]>,
    /// One less than there are entries: loaded, it costs an instruction less for each access.
    slot_mask: usize,
    shift: u32,
    page_mask: u64,
    misses: usize,
    pub(crate) epoch: u64,
}

impl FastTable {
    pub(crate) fn new(granule: Granule, entries: usize, epoch: u64) -> Self {
        debug_assert!(entries.is_power_of_two() && entries >= 2);
        Self {
            entries: vec![EMPTY; entries].into_boxed_slice(),
            slot_mask: entries - 1,
            shift: granule.shift(),
            page_mask: !granule.offset_mask(),
            misses: 0,
            epoch,
        }
    }

    #[inline(always)]
    fn slot(&self, address: u64) -> usize {
        (address >> self.shift) as usize & self.slot_mask
    }

    #[inline(always)]
    fn tag<T: Word>(&self, address: u64) -> u64 {
        address.wrapping_add(size_of::<T>() as u64 - 1) & self.page_mask
    }

    #[inline(always)]
    pub(crate) fn readable<T: Word>(&self, address: u64) -> Option<u64> {
        let entry = self.entries.get(self.slot(address))?;
        (entry.read == self.tag::<T>(address)).then(|| address.wrapping_add(entry.addend))
    }

    #[inline(always)]
    pub(crate) fn writable<T: Word>(&self, address: u64) -> Option<u64> {
        let entry = self.entries.get(self.slot(address))?;
        (entry.write == self.tag::<T>(address)).then(|| address.wrapping_add(entry.addend))
    }

    #[inline(always)]
    pub(crate) fn executable(&self, address: u64) -> Option<u64> {
        let entry = &self.entries[self.slot(address)];
        (entry.execute == address & self.page_mask).then(|| address.wrapping_add(entry.addend))
    }

    /// The entry for `page`: what it already holds of this very translation stays, another's is emptied.
    pub(crate) fn entry_for(&mut self, page: u64, addend: u64) -> &mut Entry {
        let slot = self.slot(page);
        let entry = &mut self.entries[slot];
        if entry.addend != addend || entry.page() != Some(page) {
            *entry = Entry { addend, ..EMPTY };
        }
        entry
    }

    /// Counts a miss and doubles the table when it missed more often than it has entries. Entries move to
    /// their new slots, so growing costs no misses of its own.
    pub(crate) fn count_miss(&mut self, largest: usize) {
        self.misses += 1;
        if self.misses <= self.entries.len() || self.entries.len() >= largest {
            return;
        }
        self.misses = 0;
        let larger = vec![EMPTY; self.entries.len() * 2].into_boxed_slice();
        self.slot_mask = larger.len() - 1;
        for entry in std::mem::replace(&mut self.entries, larger) {
            if let Some(page) = entry.page() {
                let slot = self.slot(page);
                self.entries[slot] = entry;
            }
        }
    }

    pub(crate) fn forget(&mut self, pages: PageRange, epoch: u64) {
        self.epoch = epoch;
        if pages.count().get() >= self.entries.len() as u64 {
            return self.forget_all(epoch);
        }
        for page in pages.pages() {
            let slot = page.get() as usize & (self.entries.len() - 1);
            if self.entries[slot].page() == Some(page.get() << self.shift) {
                self.entries[slot] = EMPTY;
            }
        }
    }

    pub(crate) fn forget_all(&mut self, epoch: u64) {
        self.epoch = epoch;
        self.entries.fill(EMPTY);
    }

    /// Drops the write tags that lead to the frame at `host`.
    pub(crate) fn drop_write_tags(&mut self, host: u64) {
        for entry in &mut self.entries {
            if entry.write != NO_PAGE && entry.write.wrapping_add(entry.addend) == host {
                entry.write = NO_PAGE;
            }
        }
    }

    pub(crate) fn cached(&self, pages: PageRange) -> usize {
        let inside = |page: u64| pages.contains(arch::PageNum::new(page >> self.shift));
        self.entries
            .iter()
            .filter(|entry| entry.page().is_some_and(inside))
            .count()
    }
}
