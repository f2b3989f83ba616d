//! mmap(2) and munmap(2): placement, limits, and what replaces what.

use arch::{Access, PageCount, PageNum, PageRange, VirtAddr};

use crate::Memory;
use crate::core_state::Core;
use crate::error::{MapError, OutOfRam};
use crate::events::What;
use crate::fault::{self, Context};
use crate::files::Files;
use crate::reclaim::FAULT_NEED;
use crate::request::{Content, LockFuture, MapRequest, Placement, Prot, Sharing, SpaceId};
use crate::space::Space;
use crate::vma::{Vma, VmaFlags};

impl Memory {
    /// Makes a mapping and gives its address. Nothing is changed on error.
    ///
    /// Errors as mmap(2) has them: [`MapError::NoSpace`] (too long, or no gap, or a fixed range that leaves
    /// user space), [`MapError::TooManyMaps`], [`MapError::Limit`], [`MapError::Exists`]. RAM is taken by
    /// faults, not here; populating, if asked for, stops silently where it fails.
    pub fn map(&mut self, space: SpaceId, request: &MapRequest) -> Result<VirtAddr, MapError> {
        let granule = self.core.granule();
        let id = space;
        let request = &self.as_ruled(space, request);
        if is_backed(request) {
            let count = request.length.pages_up(granule).ok_or(MapError::NoSpace)?;
            self.may_commit(space, count.get())?;
        }
        if matches!(request.placement, Placement::Fixed(_)) {
            self.make_room_to_unmap(space);
        }
        let space = self.spaces.get_mut(space);
        let count = request.length.pages_up(granule).ok_or(MapError::NoSpace)?;
        if count.get() == 0 || count.get() > self.core.shape.user_end().get() {
            return Err(MapError::NoSpace);
        }
        // Linux allows one more than the limit here, and is exact where mappings are cut.
        if space.vmas.len() > space.limits.map_count {
            return Err(MapError::TooManyMaps);
        }
        let range = place(&self.core, space, request.placement, count)?;
        permit(&self.core, space, request, range)?;
        if matches!(request.placement, Placement::Fixed(_)) {
            space.may_change(range)?;
            unmap_pages(&mut self.core, &mut self.files, space, range)?;
        }
        let vma = vma_of(&mut self.files, request, range, granule);
        if let Content::File { file, .. } = vma.content {
            self.files.get_mut(file).mapped_pages += count.get();
        }
        space.insert(vma);
        self.core.note_map(space, &vma, range);
        if request.populate {
            self.populate(id, &vma, range);
        }
        Ok(range.start().start(granule))
    }

    /// The request as mlockall(2)'s word on mappings to come and the overcommit rule have it. What is locked is made
    /// present, unless on faults.
    fn as_ruled(&self, space: SpaceId, request: &MapRequest) -> MapRequest {
        let mut request = *request;
        request.no_reserve &= !self.overcommit.is_strict();
        let future = self.spaces.get(space).lock_future;
        request.populate |= request.locked;
        if request.special.is_none() && future != LockFuture::No {
            request.locked = true;
            request.populate |= future == LockFuture::Present;
        }
        request
    }

    /// Removes every page of `range` from the space, cutting mappings at its ends; holes are no error.
    ///
    /// [`MapError::TooManyMaps`] if a mapping would have to be cut in two and there are too many already.
    /// [`MapError::OutOfRam`] if the range begins or ends in tables that another space reaches, and none can be had for a
    /// copy. Nothing is changed on error.
    pub fn unmap(&mut self, space: SpaceId, range: PageRange) -> Result<(), MapError> {
        self.make_room_to_unmap(space);
        let space = self.spaces.get_mut(space);
        space.may_change(range)?;
        if space.vmas.len() >= space.limits.map_count {
            space.may_add_maps(space.vmas.growth_by_removal(range))?;
        }
        unmap_pages(&mut self.core, &mut self.files, space, range)?;
        Ok(())
    }
}

/// Whether the mapping needs memory that is not a file's (`accountable_mapping`, `shmem_acct_size`).
fn is_backed(request: &MapRequest) -> bool {
    let anonymous = request.content == Content::Anonymous;
    !request.no_reserve
        && match request.sharing {
            Sharing::Private => request.prot.contains(Prot::WRITE),
            Sharing::Shared => anonymous,
        }
}

fn vma_of(files: &mut Files, request: &MapRequest, range: PageRange, granule: arch::Granule) -> Vma {
    let content = match (request.content, request.sharing) {
        (Content::Anonymous, Sharing::Shared) => {
            let file = files.create_object(range.count().bytes(granule).get(), b"/dev/zero (deleted)", 0);
            if !request.no_reserve {
                files.get_mut(file).reserve(range.count().get());
            }
            Content::File { file, offset: 0 }
        }
        (content, _) => content,
    };
    let mut flags = VmaFlags::empty();
    flags.set(VmaFlags::LOCKED, request.locked);
    flags.set(VmaFlags::NO_RESERVE, request.no_reserve);
    Vma {
        range,
        prot: request.prot,
        max_prot: request.max_prot,
        sharing: request.sharing,
        content,
        grows_down: request.grows_down,
        flags,
        special: request.special,
        has_anon: false,
    }
}

/// Where the mapping goes.
fn place(
    core: &Core,
    space: &mut Space,
    placement: Placement,
    count: PageCount,
) -> Result<PageRange, MapError> {
    let at = |address: VirtAddr| {
        let range = PageRange::from_count(address.page(core.granule()), count);
        range.filter(|r| r.end() <= core.shape.user_end())
    };
    match placement {
        Placement::Fixed(address) => at(address).ok_or(MapError::NoSpace),
        Placement::FixedNoReplace(address) => {
            let range = at(address).ok_or(MapError::NoSpace)?;
            if space.vmas.overlapping(range).next().is_some() {
                return Err(MapError::Exists);
            }
            Ok(range)
        }
        Placement::Hint(address) if address.get() != 0 => {
            let lowest = space.layout.lowest.align_up(core.granule());
            let hint = address.align_down(core.granule()).max(lowest.unwrap_or(address));
            match at(hint).filter(|&range| space.vmas.is_free(range)) {
                Some(range) => Ok(range),
                None => anywhere(core, space, count),
            }
        }
        Placement::Hint(_) | Placement::Anywhere => anywhere(core, space, count),
    }
}

/// The highest free place below `mmap_top`, or else the lowest above `lowest` (Linux falls back so, too).
pub(crate) fn anywhere(core: &Core, space: &mut Space, count: PageCount) -> Result<PageRange, MapError> {
    let granule = core.granule();
    let low = space.layout.lowest.align_up(granule).ok_or(MapError::NoSpace)?;
    let low = low.page(granule);
    let end = core.shape.user_end();
    let top = space.layout.mmap_top.page(granule).min(end);
    let start = space.vmas.find_gap_below(low, top, count);
    let start = start.or_else(|| space.vmas.find_gap_above(low, end, count));
    start
        .and_then(|start| PageRange::from_count(start, count))
        .ok_or(MapError::NoSpace)
}

/// Limits, in Linux's order.
fn permit(core: &Core, space: &Space, request: &MapRequest, range: PageRange) -> Result<(), MapError> {
    let count = range.count().get();
    if request.locked {
        space.may_lock(core, count)?;
    }
    // Only a fixed place may be taken already.
    let fixed = matches!(request.placement, Placement::Fixed(_));
    let replaced = if fixed { space.vmas.mapped_pages(range) } else { 0 };
    let kind = Vma {
        range,
        prot: request.prot,
        max_prot: request.max_prot,
        sharing: request.sharing,
        content: request.content,
        grows_down: request.grows_down,
        flags: VmaFlags::empty(),
        special: None,
        has_anon: false,
    }
    .accounted_as();
    space.may_expand(core, count - replaced, kind)?;
    if fixed {
        space.may_add_maps(space.vmas.growth_by_removal(range))?;
    }
    Ok(())
}

/// Takes the pages of `range` and their mappings out of the space. Without a frame for the copy of a table that others reach
/// too, everything stays.
pub(crate) fn unmap_pages(
    core: &mut Core,
    files: &mut Files,
    space: &mut Space,
    range: PageRange,
) -> Result<(), OutOfRam> {
    core.zap(space, range)?;
    remove_mappings(core, files, space, range);
    Ok(())
}

/// Takes the mappings of `range`, whose pages are gone, out of the space.
pub(crate) fn remove_mappings(core: &mut Core, files: &mut Files, space: &mut Space, range: PageRange) {
    for vma in space.vmas.remove(range) {
        space.mapped.remove(&vma);
        core.note_range(space, vma.range, What::Unmap);
        space.guards.remove(vma.range);
        if let Content::File { file, .. } = vma.content {
            files.unmapped(core, file, vma.range.count().get());
        }
    }
}

impl Memory {
    /// Faults the pages in, for writing where that gives the program its own pages. Stops at the first failure.
    pub(crate) fn populate(&mut self, space: SpaceId, vma: &Vma, range: PageRange) {
        if vma.prot.is_empty() {
            return;
        }
        let access = if vma.is_private() && vma.prot.contains(Prot::WRITE) {
            Access::Write
        } else {
            Access::Read
        };
        for page in range.pages() {
            if self.touch(space, page, access).is_err() {
                return;
            }
        }
    }

    /// Makes one page present for an access, as if the program had done it.
    pub(crate) fn touch(
        &mut self,
        space: SpaceId,
        page: PageNum,
        access: Access,
    ) -> Result<(), crate::error::Violation> {
        self.make_room(FAULT_NEED);
        touch(&mut self.context(space), page, access)
    }
}

fn touch(context: &mut Context<'_>, page: PageNum, access: Access) -> Result<(), crate::error::Violation> {
    let Context { core, space, .. } = context;
    let present = space.tables.get(&core.ram, &core.shape, page);
    let writable = || present.is_writable() && space.tables.is_own(&core.ram, &core.shape, page);
    if present.is_valid() && present.is_user() && (access != Access::Write || writable()) {
        return Ok(());
    }
    let address = page.start(core.granule());
    fault::resolve(context, &fault::synthetic(address, access)).map(|_| ())
}
