//! msync(2), mincore(2), mlock(2): what a mapping's pages owe the file, which are in RAM, which must stay.

use arch::{PageNum, PageRange};

use crate::Memory;
use crate::core_state::Core;
use crate::error::MapError;
use crate::fault::Context;
use crate::protect::change;
use crate::request::{LockFuture, Sharing, SpaceId};
use crate::tables::swapped_anon;
use crate::vma::{Policy, VmaFlags};

impl Memory {
    /// Writes the dirty pages of shared file mappings in `range` to their files.
    ///
    /// [`MapError::Io`] with the first refusal of the host; such pages stay dirty. [`MapError::Unmapped`] for
    /// a hole, after the rest was written.
    pub fn sync(&mut self, space: SpaceId, range: PageRange) -> Result<(), MapError> {
        let Self {
            core, files, spaces, ..
        } = self;
        let mut work = Vec::new();
        let set = &spaces.get(space).vmas;
        for vma in set
            .overlapping(range)
            .filter(|vma| vma.sharing == Sharing::Shared)
        {
            let part = vma
                .range
                .intersection(range)
                .expect("overlapping ranges share pages");
            if let Some((file, first)) = vma.file_page(part.start(), core.granule()) {
                work.push((file, first, first + part.count().get()));
            }
        }
        let complete = set.covers(range);
        for (file, first, end) in work {
            files.write_back(core, file, first, end).map_err(MapError::Io)?;
        }
        if complete { Ok(()) } else { Err(MapError::Unmapped) }
    }

    /// For each page of `range` whether it is in RAM: mapped, or in the page cache, or back from swap.
    ///
    /// [`MapError::Unmapped`] if there is a hole.
    pub fn in_core(&self, space: SpaceId, range: PageRange) -> Result<Vec<bool>, MapError> {
        let space = self.spaces.get(space);
        if !space.vmas.covers(range) {
            return Err(MapError::Unmapped);
        }
        let mut answer = Vec::new();
        for vma in space.vmas.overlapping(range) {
            let part = vma
                .range
                .intersection(range)
                .expect("overlapping ranges share pages");
            for page in part.pages() {
                let core = &self.core;
                let entry = space.tables.get(&core.ram, &core.shape, page);
                let back = |id| core.frames.anon(id).place.frame().is_some();
                let mapped = entry.is_valid() || swapped_anon(entry).is_some_and(back);
                answer.push(mapped || self.is_cached(core, vma.file_page(page, core.granule())));
            }
        }
        Ok(answer)
    }

    fn is_cached(&self, _core: &Core, of: Option<(crate::FileId, u64)>) -> bool {
        of.is_some_and(|(file, page)| self.files.get(file).cached(page).is_some())
    }

    /// Locks or unlocks the pages of `range`. Locked pages are never evicted. Without
    /// `on_fault` they are made present, too.
    ///
    /// [`MapError::Limit`] over `RLIMIT_MEMLOCK`, pages that are locked already counted once;
    /// [`MapError::Unmapped`] at a hole, with what lies below it done; [`MapError::BadAddress`] if a page
    /// could not be made present, and stays locked.
    pub fn set_locked(
        &mut self,
        space: SpaceId,
        range: PageRange,
        locked: bool,
        on_fault: bool,
    ) -> Result<(), MapError> {
        let id = space;
        let context = self.context(space);
        if locked {
            let fresh = range.count().get() - locked_pages(&context, range);
            context.space.may_lock(context.core, fresh)?;
        }
        let mut from = range.start();
        while from < range.end() {
            let vma = *context.space.vmas.find(from).ok_or(MapError::Unmapped)?;
            let rest = PageRange::new(from, range.end()).expect("from lies before the end");
            let part = vma.range.intersection(rest).expect("the mapping holds `from`");
            change(context.core, context.space, part, |vma| {
                vma.flags.set(VmaFlags::LOCKED, locked)
            })?;
            from = part.end();
        }
        if locked && !on_fault {
            self.make_present(id, range)?;
        }
        Ok(())
    }

    /// Says whether mappings to come are locked (mlockall(2), munlockall(2)).
    pub fn set_lock_future(&mut self, space: SpaceId, future: LockFuture) {
        self.spaces.get_mut(space).lock_future = future;
    }

    /// Seals the mappings of `range` (mseal(2)). [`MapError::Unmapped`] at a hole, with nothing done.
    pub fn seal(&mut self, space: SpaceId, range: PageRange) -> Result<(), MapError> {
        let Context { core, space, .. } = self.context(space);
        if !space.vmas.covers(range) {
            return Err(MapError::Unmapped);
        }
        let mut from = range.start();
        while from < range.end() {
            let vma = *space.vmas.find(from).ok_or(MapError::Unmapped)?;
            let rest = PageRange::new(from, range.end()).expect("from lies before the end");
            let part = vma.range.intersection(rest).expect("the mapping holds `from`");
            change(core, space, part, |vma| vma.flags.insert(VmaFlags::SEALED))?;
            from = part.end();
        }
        Ok(())
    }

    /// Gives the mappings of `range` a NUMA policy (mbind(2)). [`MapError::Unmapped`] at a hole, with what lies below it
    /// done.
    pub fn set_policy(&mut self, space: SpaceId, range: PageRange, policy: Policy) -> Result<(), MapError> {
        let Context { core, space, .. } = self.context(space);
        let mut from = range.start();
        while from < range.end() {
            let vma = *space.vmas.find(from).ok_or(MapError::Unmapped)?;
            let rest = PageRange::new(from, range.end()).expect("from lies before the end");
            let part = vma.range.intersection(rest).expect("the mapping holds `from`");
            change(core, space, part, |vma| {
                vma.flags = (vma.flags - VmaFlags::POLICY) | policy.flags();
            })?;
            from = part.end();
        }
        Ok(())
    }

    fn make_present(&mut self, space: SpaceId, range: PageRange) -> Result<(), MapError> {
        let vmas: Vec<_> = self.spaces.get(space).vmas.overlapping(range).copied().collect();
        for vma in vmas {
            let part = vma
                .range
                .intersection(range)
                .expect("overlapping ranges share pages");
            if vma.prot.is_empty() {
                return Err(MapError::BadAddress);
            }
            self.populate(space, &vma, part);
            let context = self.context(space);
            if !part.pages().all(|page| is_present(&context, page)) {
                return Err(MapError::BadAddress);
            }
        }
        Ok(())
    }
}

fn locked_pages(context: &Context<'_>, range: PageRange) -> u64 {
    let set = &context.space.vmas;
    let locked = set
        .overlapping(range)
        .filter(|vma| vma.flags.contains(VmaFlags::LOCKED));
    locked
        .filter_map(|vma| vma.range.intersection(range))
        .map(|part| part.count().get())
        .sum()
}

fn is_present(context: &Context<'_>, page: PageNum) -> bool {
    let Context { core, space, .. } = context;
    space.tables.get(&core.ram, &core.shape, page).is_valid()
}
