//! One address space: its mappings, its tables, its counts (Linux: `mm_struct`).
//!
//! Key types: [`Space`]; [`Spaces`], the table of all of them. A space's slot is its ASID less one.

use arch::{Asid, PageNum, PageRange, Ttbr, VirtAddr};

use crate::core_state::Core;
use crate::error::{LimitKind, MapError, OutOfRam};
use crate::families::{FamilyId, Member};
use crate::fault::FaultKind;
use crate::guards::Guards;
use crate::request::{Layout, Limits, LockFuture, SpaceId};
use crate::tables::PageTables;
use crate::vma::{AccountedAs, Vma, VmaFlags};
use crate::vma_set::VmaSet;

/// Present pages by what they are; the zero page counts nowhere, as on Linux.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Resident {
    pub(crate) anon: u64,
    pub(crate) file: u64,
    pub(crate) shmem: u64,
}

impl Resident {
    pub(crate) fn total(self) -> u64 {
        self.anon + self.file + self.shmem
    }
}

/// Mapped pages by what they count as.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Mapped {
    pub(crate) total: u64,
    pub(crate) data: u64,
    pub(crate) stack: u64,
    pub(crate) exec: u64,
    pub(crate) locked: u64,
    /// What counts against the commit limit.
    pub(crate) committed: u64,
}

impl Mapped {
    pub(crate) fn add(&mut self, vma: &Vma) {
        let pages = vma.range.count().get();
        self.total += pages;
        if let Some(count) = self.kind(vma) {
            *count += pages;
        }
        if vma.flags.contains(VmaFlags::LOCKED) {
            self.locked += pages;
        }
        if vma.is_accountable() {
            self.committed += pages;
        }
    }

    pub(crate) fn remove(&mut self, vma: &Vma) {
        let pages = vma.range.count().get();
        self.total -= pages;
        if let Some(count) = self.kind(vma) {
            *count -= pages;
        }
        if vma.flags.contains(VmaFlags::LOCKED) {
            self.locked -= pages;
        }
        if vma.is_accountable() {
            self.committed -= pages;
        }
    }

    fn kind(&mut self, vma: &Vma) -> Option<&mut u64> {
        match vma.accounted_as() {
            AccountedAs::Data => Some(&mut self.data),
            AccountedAs::Stack => Some(&mut self.stack),
            AccountedAs::Exec => Some(&mut self.exec),
            AccountedAs::Other => None,
        }
    }
}

/// One address space.
#[derive(Debug)]
pub(crate) struct Space {
    pub(crate) slot: u16,
    pub(crate) asid: Asid,
    pub(crate) vmas: VmaSet,
    pub(crate) tables: PageTables,
    pub(crate) layout: Layout,
    pub(crate) limits: Limits,
    pub(crate) break_start: VirtAddr,
    pub(crate) break_end: VirtAddr,
    pub(crate) stack_start: VirtAddr,
    pub(crate) resident: Resident,
    /// Pages that nobody may touch.
    pub(crate) guards: Guards,
    /// Whether mappings to come are locked.
    pub(crate) lock_future: LockFuture,
    /// Swap entries.
    pub(crate) swapped: u64,
    pub(crate) mapped: Mapped,
    pub(crate) peak_resident: u64,
    pub(crate) peak_mapped: u64,
    pub(crate) minor_faults: u64,
    pub(crate) major_faults: u64,
    pub(crate) faults_by_kind: [u64; FaultKind::COUNT],
}

impl Space {
    #[inline]
    pub(crate) fn note_peak(&mut self) {
        self.peak_resident = self.peak_resident.max(self.resident.total());
    }

    /// Enters a mapping in the set and the counts.
    pub(crate) fn insert(&mut self, vma: Vma) {
        self.mapped.add(&vma);
        self.peak_mapped = self.peak_mapped.max(self.mapped.total);
        self.vmas.insert(vma);
    }

    /// Whether `pages` more of a kind may be mapped (Linux: `may_expand_vm`): RLIMIT_AS for all of them,
    /// RLIMIT_DATA for data.
    pub(crate) fn may_expand(&self, core: &Core, pages: u64, kind: AccountedAs) -> Result<(), MapError> {
        let over = |limit: Option<arch::Bytes>, used: u64| {
            limit.is_some_and(|limit| used.saturating_add(pages) > limit.get() >> core.granule().shift())
        };
        if over(self.limits.address_space, self.mapped.total) {
            return Err(MapError::Limit(LimitKind::AddressSpace));
        }
        if kind == AccountedAs::Data && over(self.limits.data, self.mapped.data) {
            return Err(MapError::Limit(LimitKind::Data));
        }
        Ok(())
    }

    /// Whether `pages` more may be locked (Linux: `mlock_future_ok`).
    pub(crate) fn may_lock(&self, core: &Core, pages: u64) -> Result<(), MapError> {
        let locked = self.mapped.locked.saturating_add(pages);
        match self.limits.locked {
            Some(limit) if locked > limit.get() >> core.granule().shift() => {
                Err(MapError::Limit(LimitKind::Locked))
            }
            _ => Ok(()),
        }
    }

    /// Whether the mappings of a range may be unmapped, moved or given other rights (Linux: `can_modify_mm`).
    pub(crate) fn may_change(&self, range: PageRange) -> Result<(), MapError> {
        let sealed = |vma: &Vma| vma.flags.contains(VmaFlags::SEALED);
        match self.vmas.overlapping(range).any(sealed) {
            true => Err(MapError::Sealed),
            false => Ok(()),
        }
    }

    /// Whether `more` mappings may be added.
    pub(crate) fn may_add_maps(&self, more: usize) -> Result<(), MapError> {
        if more > 0 && self.vmas.len() + more > self.limits.map_count {
            return Err(MapError::TooManyMaps);
        }
        Ok(())
    }

    /// All pages that user space can have.
    pub(crate) fn all_pages(core: &Core) -> PageRange {
        PageRange::new(PageNum::new(0), core.shape.user_end()).expect("user space is not empty")
    }

    /// `TTBR0_EL1` for it.
    pub(crate) fn ttbr(&self, core: &Core) -> Ttbr {
        Ttbr {
            base: self.tables.root().start(core.granule()),
            asid: self.asid,
        }
    }
}

#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    space: Option<Box<Space>>,
}

/// All address spaces.
#[derive(Debug, Default)]
pub(crate) struct Spaces {
    slots: Vec<Slot>,
    free: Vec<u16>,
}

impl Spaces {
    /// An empty address space: of a family, or the first of one.
    pub(crate) fn create(
        &mut self,
        core: &mut Core,
        layout: Layout,
        limits: Limits,
        family: Option<FamilyId>,
    ) -> Result<SpaceId, OutOfRam> {
        let slot = match self.free.last() {
            Some(&slot) => slot,
            // ASID 0 is used by nobody, so there are 65535.
            None => u16::try_from(self.slots.len())
                .ok()
                .filter(|&slot| slot < u16::MAX)
                .ok_or(core.frames.out_of_ram("65536th address space"))?,
        };
        let family = family.unwrap_or_else(|| core.families.found());
        let tables = PageTables::new(&core.ram, &mut core.frames, &core.shape, family);
        let tables = tables.inspect_err(|_| core.families.leave(family, slot))?;
        let root = tables.root();
        core.families.join(family, Member { slot, root });
        let space = Space {
            slot,
            asid: Asid::new(slot + 1),
            vmas: VmaSet::new(core.granule()),
            tables,
            layout,
            limits,
            break_start: VirtAddr::new(0),
            break_end: VirtAddr::new(0),
            stack_start: VirtAddr::new(0),
            resident: Resident::default(),
            guards: Guards::default(),
            lock_future: LockFuture::default(),
            swapped: 0,
            mapped: Mapped::default(),
            peak_resident: 0,
            peak_mapped: 0,
            minor_faults: 0,
            major_faults: 0,
            faults_by_kind: [0; FaultKind::COUNT],
        };
        if self.free.pop().is_none() {
            self.slots.push(Slot::default());
        }
        let entry = &mut self.slots[usize::from(slot)];
        entry.space = Some(Box::new(space));
        Ok(SpaceId {
            slot,
            generation: entry.generation,
        })
    }

    fn slot(&self, id: SpaceId) -> &Slot {
        let slot = &self.slots[usize::from(id.slot)];
        assert!(slot.generation == id.generation, "{id:?} was destroyed");
        slot
    }

    #[inline]
    pub(crate) fn get(&self, id: SpaceId) -> &Space {
        let space = self.slot(id).space.as_deref();
        space.expect("a slot of this generation holds its space")
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, id: SpaceId) -> &mut Space {
        let slot = &mut self.slots[usize::from(id.slot)];
        assert!(slot.generation == id.generation, "{id:?} was destroyed");
        let space = slot.space.as_deref_mut();
        space.expect("a slot of this generation holds its space")
    }

    /// The space in a slot, as the reverse map names it.
    pub(crate) fn in_slot_mut(&mut self, slot: u16) -> &mut Space {
        let space = self.slots[usize::from(slot)].space.as_deref_mut();
        space.expect("the reverse map names living spaces")
    }

    /// Takes a space out of the table; its slot may be used again.
    pub(crate) fn take(&mut self, id: SpaceId) -> Box<Space> {
        let slot = &mut self.slots[usize::from(id.slot)];
        assert!(slot.generation == id.generation, "{id:?} was destroyed");
        slot.generation += 1;
        self.free.push(id.slot);
        slot.space
            .take()
            .expect("a slot of this generation holds its space")
    }

    /// Takes a space out for a while, to be worked on beside another; [`Spaces::attach`] puts it back.
    pub(crate) fn detach(&mut self, id: SpaceId) -> Box<Space> {
        let space = self.slots[usize::from(id.slot)].space.take();
        space.expect("a slot of this generation holds its space")
    }

    pub(crate) fn attach(&mut self, id: SpaceId, space: Box<Space>) {
        self.slots[usize::from(id.slot)].space = Some(space);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Space> {
        self.slots.iter().filter_map(|slot| slot.space.as_deref())
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Space> {
        self.slots.iter_mut().filter_map(|slot| slot.space.as_deref_mut())
    }
}
