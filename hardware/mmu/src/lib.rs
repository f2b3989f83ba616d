//! Translation: the walker, the fast translation tables, and their counters.
//!
//! [`Mmu`] answers the processor's loads, stores and fetches. The usual case is one compare in the
//! [fast table](fast) of the current address space; everything else goes through the [walker](mod@walk), which
//! reads real descriptors from RAM, sets the access flag and the dirty state as hardware does (FEAT_HAFDBS),
//! and checks permissions.
//!
//! **What is absent**: any idea of a VMA, a process or a system call. The kernel half reaches this crate only
//! by descriptors in RAM, by the [`Ttbr`] of a context switch, and by [`TlbOp`]s that the machine delivers.
//!
//! The write tag of an entry is set only when the page is dirty already and its frame is not watched. So
//! first writes (dirty state), copy-on-write (read-only descriptors) and writes to code all fail the one
//! compare and take the slow path.

pub mod counters;
pub mod fast;
mod uses;
pub mod walk;
mod watch;

use std::collections::HashMap;

use arch::{Access, Asid, Fault, FaultCause, FrameNum, Granule, PageRange, PhysAddr, TlbOp, Ttbr, VirtAddr};
use ram::{Ram, Word};

pub use counters::Counters;
use fast::FastTable;
pub use uses::Use;
pub use walk::{Translation, walk};
pub use watch::Watch;

/// The memory management unit of one processor.
pub struct Mmu {
    ram: Ram,
    granule: Granule,
    ttbr: Ttbr,
    current: FastTable,
    others: HashMap<Asid, FastTable>,
    next_epoch: u64,
    counters: Counters,
    largest_table: usize,
    watches: watch::Watches,
    uses: uses::Uses,
}

impl Mmu {
    /// An MMU with nothing translated: every access faults until [`Mmu::switch_to`].
    pub fn new(ram: Ram) -> Self {
        let granule = ram.granule();
        let current = FastTable::new(&ram, fast::MIN_ENTRIES, 0);
        Self {
            ram,
            granule,
            ttbr: Ttbr::default(),
            current,
            others: HashMap::new(),
            next_epoch: 1,
            counters: Counters::default(),
            largest_table: fast::MAX_ENTRIES,
            watches: watch::Watches::default(),
            uses: uses::Uses::default(),
        }
    }

    /// Limits the fast tables to so many entries (a power of two, at least [`fast::MIN_ENTRIES`]), for tests:
    /// no size may change what a program sees.
    pub fn limit_tables(&mut self, entries: usize) {
        assert!(entries.is_power_of_two() && entries >= fast::MIN_ENTRIES);
        self.largest_table = entries;
    }

    /// The memory that this unit translates into.
    pub fn ram(&self) -> &Ram {
        &self.ram
    }

    /// The granule in use.
    pub fn granule(&self) -> Granule {
        self.granule
    }

    /// The address space that runs.
    pub fn asid(&self) -> Asid {
        self.ttbr.asid
    }

    /// What was counted so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// A number that is different whenever a fetch translation that was once given may no longer hold: it
    /// changes with the address space, and within one with each invalidation. Equal numbers mean equal
    /// translations, also after other address spaces have run in between.
    #[inline(always)]
    pub fn fetch_epoch(&self) -> u64 {
        self.current.epoch
    }

    /// Loads `TTBR0_EL1`: the address space of whatever runs next. Nothing is flushed.
    pub fn switch_to(&mut self, ttbr: Ttbr) {
        if ttbr == self.ttbr {
            return;
        }
        if ttbr.asid != self.ttbr.asid {
            let fresh = self.others.remove(&ttbr.asid);
            let table =
                fresh.unwrap_or_else(|| FastTable::new(&self.ram, fast::MIN_ENTRIES, self.next_epoch));
            self.next_epoch += 1;
            let previous = std::mem::replace(&mut self.current, table);
            self.others.insert(self.ttbr.asid, previous);
        }
        self.ttbr = ttbr;
    }

    /// Does what a TLB maintenance request asks.
    pub fn maintain(&mut self, op: TlbOp) {
        let epoch = self.next_epoch;
        self.next_epoch += 1;
        match op {
            TlbOp::Pages { asid, pages } => {
                self.counters.invalidated_pages += pages.count().get();
                if asid == self.ttbr.asid {
                    self.current.forget(pages, epoch);
                } else if let Some(table) = self.others.get_mut(&asid) {
                    table.forget(pages, epoch);
                }
            }
            TlbOp::Asid(asid) => {
                self.counters.invalidated_spaces += 1;
                self.others.remove(&asid);
                if asid == self.ttbr.asid {
                    self.current.forget_all(epoch);
                }
            }
            TlbOp::All => {
                self.counters.invalidated_spaces += 1;
                self.others.clear();
                self.current.forget_all(epoch);
            }
        }
    }

    /// Loads a word for user space. Alignment is not required; see [`Mmu::require_aligned`].
    #[inline(always)]
    pub fn load<T: Word>(&mut self, address: u64) -> Result<T, Fault> {
        match self.load_known(address) {
            Some(value) => Ok(value),
            None => self.load_slow(address),
        }
    }

    /// Stores a word for user space. Alignment is not required; see [`Mmu::require_aligned`]. A store that
    /// crosses a page either writes both parts or faults and writes none.
    #[inline(always)]
    pub fn store<T: Word>(&mut self, address: u64, value: T) -> Result<(), Fault> {
        match self.store_known(address, value) {
            Some(()) => Ok(()),
            None => self.store_slow(address, value),
        }
    }

    /// Loads a word if the fast table knows that it can be, or changes nothing: [`Mmu::load`] does the rest.
    #[inline(always)]
    pub fn load_known<T: Word>(&self, address: u64) -> Option<T> {
        self.current.windows.load(address)
    }

    /// Stores a word if the fast table knows that it can be, or changes nothing: [`Mmu::store`] does the rest.
    #[inline(always)]
    pub fn store_known<T: Word>(&self, address: u64, value: T) -> Option<()> {
        self.current.windows.store(address, value)
    }

    /// The alignment fault of exclusives and load-acquires, which need natural alignment.
    #[inline(always)]
    pub fn require_aligned(&self, address: u64, size: u64, access: Access) -> Result<(), Fault> {
        if address & (size - 1) == 0 {
            Ok(())
        } else {
            Err(Fault {
                address: VirtAddr::new(address),
                access,
                cause: FaultCause::Alignment,
            })
        }
    }

    /// Checks that `size` bytes at `address` can be accessed, without accessing them: for instructions that
    /// must not change anything when their second access faults. Sets the access flag and the dirty state.
    pub fn probe(&mut self, address: u64, size: u64, access: Access) -> Result<(), Fault> {
        self.probe_byte(address, size, access)?;
        let last = address.wrapping_add(size - 1);
        if (address ^ last) & !self.granule.offset_mask() != 0 {
            let next = last & !self.granule.offset_mask();
            self.probe_byte(next, last - next + 1, access)?;
        }
        Ok(())
    }

    /// Probes the page of the first of `size` bytes.
    fn probe_byte(&mut self, address: u64, size: u64, access: Access) -> Result<(), Fault> {
        if self.current.find(address, access).is_none() {
            self.check_watches(address, size, access)?;
            self.translate(address, access)?;
        }
        Ok(())
    }

    /// Translates an instruction's address.
    #[inline]
    pub fn fetch(&mut self, address: u64) -> Result<PhysAddr, Fault> {
        match self.current.find(address, Access::Execute) {
            Some(at) => Ok(at),
            None => self.translate(address, Access::Execute),
        }
    }

    /// Declares that decoded code is kept from this frame: writes to it will be noted by [`Ram::take_written`].
    pub fn watch_code(&mut self, frame: FrameNum) {
        if self.ram.is_write_tagged(frame) {
            self.current.drop_write_tags(frame);
            self.others
                .values_mut()
                .for_each(|table| table.drop_write_tags(frame));
            self.ram.set_write_tagged(frame, false);
        }
        self.ram.watch(frame);
    }

    /// The slow path of every access: walk, set AF and dirty state, fill the fast table.
    #[cold]
    #[inline(never)]
    fn translate(&mut self, address: u64, access: Access) -> Result<PhysAddr, Fault> {
        let va = VirtAddr::new(address);
        let result = walk(&self.ram, self.ttbr.base, va, access, &mut self.counters);
        let translation = result.inspect_err(|fault| self.counters.fault(fault))?;
        self.fill(va, access, &translation);
        self.uses.note(self.ttbr.asid, va, self.granule, access);
        Ok(translation.address)
    }

    fn fill(&mut self, va: VirtAddr, access: Access, translation: &Translation) {
        // Entries carry no address tag, so that maintenance by page finds them; tagged accesses always walk.
        let page = va.untagged().get() & !self.granule.offset_mask();
        let Some(frame) = translation.address.frame(self.granule) else {
            return;
        };
        if access != Access::Execute && self.is_page_watched(page) {
            return;
        }
        self.counters.fills += 1;
        self.current.count_miss(self.largest_table);
        let accesses: &[Access] = match access {
            Access::Read => &[Access::Read],
            Access::Execute => &[Access::Execute],
            Access::Write if self.ram.is_watched(frame) => &[Access::Read],
            Access::Write => {
                self.ram.set_write_tagged(frame, true);
                &[Access::Read, Access::Write]
            }
        };
        let inside = va.get() & self.granule.offset_mask();
        self.current
            .windows
            .set(page | inside, translation.address, accesses);
    }

    #[cold]
    #[inline(never)]
    fn load_slow<T: Word>(&mut self, address: u64) -> Result<T, Fault> {
        let size = size_of::<T>() as u64;
        self.check_watches(address, size, Access::Read)?;
        if self.crosses(address, size) {
            let mut bytes = [0; 16];
            for (i, byte) in bytes.iter_mut().enumerate().take(size_of::<T>()) {
                *byte = self.load::<u8>(address.wrapping_add(i as u64))?;
            }
            return Ok(T::from_bytes(&bytes));
        }
        let pa = self.translate(address, Access::Read)?;
        Ok(self.ram.read(pa).expect("a walk ends inside RAM"))
    }

    #[cold]
    #[inline(never)]
    fn store_slow<T: Word>(&mut self, address: u64, value: T) -> Result<(), Fault> {
        let size = size_of::<T>() as u64;
        self.check_watches(address, size, Access::Write)?;
        if self.crosses(address, size) {
            self.probe(address, size, Access::Write)?;
            for (i, byte) in value.to_bytes().into_iter().enumerate().take(size_of::<T>()) {
                self.store::<u8>(address.wrapping_add(i as u64), byte)?;
            }
            return Ok(());
        }
        let pa = self.translate(address, Access::Write)?;
        self.ram.write(pa, value).expect("a walk ends inside RAM");
        Ok(())
    }

    fn crosses(&self, address: u64, size: u64) -> bool {
        (address ^ address.wrapping_add(size - 1)) & !self.granule.offset_mask() != 0
    }

    /// The pages that the current fast table holds: for tests and for looking at it.
    pub fn cached_pages(&self, pages: PageRange) -> usize {
        self.current.cached(pages)
    }
}

#[cfg(test)]
mod tests;
