//! mremap(2): growing, shrinking and moving a mapping; its present pages move with it, uncopied.

use arch::{PageCount, PageNum, PageRange, VirtAddr};

use crate::Memory;
use crate::attributes::{self, Use};
use crate::core_state::Core;
use crate::error::{MapError, OutOfRam};
use crate::files::Files;
use crate::frames::ZERO_FRAME;
use crate::map::{self, unmap_pages};
use crate::request::{Content, RemapRequest, SpaceId};
use crate::space::Space;
use crate::vma::{Vma, VmaFlags};

/// The request in pages.
#[derive(Clone, Copy)]
struct Plan {
    old: PageRange,
    new_count: PageCount,
    fixed: Option<PageRange>,
    may_move: bool,
    dont_unmap: bool,
}

impl Memory {
    /// Resizes or moves a mapping and gives its address.
    ///
    /// Errors as mremap(2) has them: [`MapError::Unmapped`] where `old` is not mapped, or not by one mapping
    /// where that is needed (EFAULT); [`MapError::Invalid`] for requests that contradict themselves;
    /// [`MapError::NoSpace`], [`MapError::TooManyMaps`], [`MapError::Limit`]; [`MapError::OutOfRam`] if the
    /// tables of the new place cannot be had, in which case the pages are where they were.
    pub fn remap(&mut self, space: SpaceId, request: &RemapRequest) -> Result<VirtAddr, MapError> {
        let plan = plan(&self.core, request)?;
        self.promise_growth(space, &plan)?;
        self.make_room(self.tables_for(space, plan.old.count()));
        self.make_room_to_own(space, plan.old.count());
        let Self {
            core, files, spaces, ..
        } = self;
        let space = spaces.get_mut(space);
        let vma = *space.vmas.find(plan.old.start()).ok_or(MapError::Unmapped)?;
        if plan.old.is_empty() && (vma.is_private() || vma.special.is_some()) {
            return Err(MapError::Invalid);
        }
        space.may_change(plan.old)?;
        if let Some(target) = plan.fixed {
            space.may_change(target)?;
            return move_fixed(core, files, space, &plan, target);
        }
        let old_count = plan.old.count();
        if !plan.dont_unmap && plan.new_count <= old_count {
            return shrink(core, files, space, &plan).map(|()| request.old);
        }
        check_growth(core, space, &vma, &plan)?;
        if !plan.old.is_empty() && !plan.dont_unmap && grow_in_place(core, files, space, &vma, &plan)? {
            return Ok(request.old);
        }
        if !plan.may_move {
            return Err(MapError::NoSpace);
        }
        let target = map::anywhere(core, space, plan.new_count)?;
        move_to(core, files, space, &vma, &plan, target)
    }
}

impl Memory {
    /// Asks the overcommit rule for what a mapping is to grow by (`MREMAP_DONTUNMAP` makes a second one).
    fn promise_growth(&self, space: SpaceId, plan: &Plan) -> Result<(), MapError> {
        let vma = self.spaces.get(space).vmas.find(plan.old.start());
        let more = match plan.dont_unmap {
            true => plan.new_count.get(),
            false => plan.new_count.get().saturating_sub(plan.old.count().get()),
        };
        match vma {
            Some(vma) if more > 0 && vma.is_accountable() => self.may_commit(space, more),
            _ => Ok(()),
        }
    }
}

fn plan(core: &Core, request: &RemapRequest) -> Result<Plan, MapError> {
    let granule = core.granule();
    let pages = |bytes: arch::Bytes| bytes.pages_up(granule).ok_or(MapError::Invalid);
    let range = |at: VirtAddr, count| {
        let range = PageRange::from_count(at.page(granule), count);
        range.filter(|r| r.end() <= core.shape.user_end())
    };
    let old_count = pages(request.old_length)?;
    let new_count = pages(request.new_length)?;
    let contradicts = new_count.get() == 0
        || !request.old.is_aligned(granule)
        || request.fixed.is_some_and(|at| !at.is_aligned(granule))
        || (request.fixed.is_some() || request.dont_unmap) && !request.may_move
        || request.dont_unmap && old_count != new_count;
    if contradicts {
        return Err(MapError::Invalid);
    }
    if new_count.get() > core.shape.user_end().get() {
        return Err(MapError::NoSpace);
    }
    let old = range(request.old, old_count).ok_or(MapError::Unmapped)?;
    let fixed = match request.fixed {
        None => None,
        Some(at) => Some(range(at, new_count).ok_or(MapError::Invalid)?),
    };
    // An empty old range inside the target overlaps it, too, so this is not `PageRange::overlaps`.
    if fixed.is_some_and(|target| target.start() < old.end() && old.start() < target.end()) {
        return Err(MapError::Invalid);
    }
    Ok(Plan {
        old,
        new_count,
        fixed,
        may_move: request.may_move,
        dont_unmap: request.dont_unmap,
    })
}

/// Gives back the tail; the range may span several mappings and holes.
fn shrink(core: &mut Core, files: &mut Files, space: &mut Space, plan: &Plan) -> Result<(), MapError> {
    let tail = tail(plan);
    if !tail.is_empty() {
        space.may_add_maps(space.vmas.growth_by_removal(tail))?;
        unmap_pages(core, files, space, tail)?;
    }
    Ok(())
}

/// The pages of the old range past the new length.
fn tail(plan: &Plan) -> PageRange {
    let kept = plan.new_count.min(plan.old.count());
    let start = PageNum::new(plan.old.start().get() + kept.get());
    PageRange::new(start, plan.old.end()).expect("no more is kept than there is")
}

/// Limits and shape of what is to grow or move (Linux: `vma_to_resize`).
fn check_growth(core: &Core, space: &Space, vma: &Vma, plan: &Plan) -> Result<(), MapError> {
    if plan.old.end() > vma.range.end() {
        return Err(MapError::Unmapped);
    }
    let more = if plan.dont_unmap || plan.old.is_empty() {
        plan.new_count.get()
    } else {
        plan.new_count.get().saturating_sub(plan.old.count().get())
    };
    if vma.flags.contains(VmaFlags::LOCKED) {
        space.may_lock(core, more)?;
    }
    if let Some((_, first)) = vma.file_page(plan.old.start(), core.granule())
        && first
            .checked_add(plan.new_count.get())
            .is_none_or(|end| end > u64::MAX >> core.granule().shift())
    {
        return Err(MapError::Invalid);
    }
    space.may_expand(core, more, vma.accounted_as())
}

/// Extends the mapping where it is, if the range ends it and what follows is free.
fn grow_in_place(
    core: &mut Core,
    files: &mut Files,
    space: &mut Space,
    vma: &Vma,
    plan: &Plan,
) -> Result<bool, MapError> {
    let Some(wanted) = PageRange::from_count(plan.old.start(), plan.new_count) else {
        return Ok(false);
    };
    let added = PageRange::new(vma.range.end(), wanted.end()).filter(|_| plan.old.end() == vma.range.end());
    let Some(added) = added.filter(|a| a.end() <= core.shape.user_end()) else {
        return Ok(false);
    };
    if space.vmas.overlapping(added).next().is_some() {
        return Ok(false);
    }
    let mut grown = *vma;
    grown.range = PageRange::new(vma.range.start(), added.end()).expect("the end only rises");
    for old in space.vmas.take_for_edit(vma.range) {
        space.mapped.remove(&old);
    }
    space.insert(grown);
    if let Content::File { file, .. } = vma.content {
        files.get_mut(file).mapped_pages += added.count().get();
    }
    core.note_remap(space, plan.old, wanted);
    Ok(true)
}

fn move_fixed(
    core: &mut Core,
    files: &mut Files,
    space: &mut Space,
    plan: &Plan,
    target: PageRange,
) -> Result<VirtAddr, MapError> {
    space.may_add_maps(space.vmas.growth_by_removal(target))?;
    unmap_pages(core, files, space, target)?;
    // Only what keeps its size may be more than one mapping (Linux: `vrm_move_only`).
    let keeps_size = plan.old.count() == plan.new_count && !plan.dont_unmap;
    let mut plan = *plan;
    let tail = tail(&plan);
    if !tail.is_empty() {
        shrink(core, files, space, &plan)?;
        plan.old = PageRange::new(plan.old.start(), tail.start()).expect("the tail lies inside");
    }
    let vma = *space.vmas.find(plan.old.start()).ok_or(MapError::Unmapped)?;
    if plan.old.end() > vma.range.end() && keeps_size {
        return move_many(core, files, space, &plan, target);
    }
    check_growth(core, space, &vma, &plan)?;
    move_to(core, files, space, &vma, &plan, target)
}

/// Moves several mappings at once, as Linux does since 6.17 where no size changes; holes between them stay holes.
fn move_many(
    core: &mut Core,
    files: &mut Files,
    space: &mut Space,
    plan: &Plan,
    target: PageRange,
) -> Result<VirtAddr, MapError> {
    let vmas: Vec<Vma> = space.vmas.overlapping(plan.old).copied().collect();
    for vma in vmas {
        let Some(old) = vma.range.intersection(plan.old) else {
            continue;
        };
        let start = target.start().get() + (old.start().get() - plan.old.start().get());
        let there = PageRange::from_count(PageNum::new(start), old.count()).ok_or(MapError::Invalid)?;
        let part = Plan {
            old,
            new_count: old.count(),
            ..*plan
        };
        check_growth(core, space, &vma, &part)?;
        move_to(core, files, space, &vma, &part, there)?;
    }
    Ok(target.start().start(core.granule()))
}

/// Makes the mapping anew at `target`, moves the present pages there, and removes the old one.
fn move_to(
    core: &mut Core,
    files: &mut Files,
    space: &mut Space,
    vma: &Vma,
    plan: &Plan,
    target: PageRange,
) -> Result<VirtAddr, MapError> {
    // Linux asks for room for three more before it begins.
    space.may_add_maps(3)?;
    let mut moved = match plan.old.is_empty() {
        true => duplicate(vma, plan.old.start(), core.granule()),
        false => vma.part(plan.old, core.granule()),
    };
    moved.range = target;
    move_pages(core, space, &moved, plan.old, target.start())?;
    core.note_remap(space, plan.old, target);
    if let Content::File { file, .. } = vma.content {
        files.get_mut(file).mapped_pages += target.count().get();
    }
    space.guards.shift(plan.old, target.start());
    if !plan.old.is_empty() && !plan.dont_unmap {
        // The tables are the space's own since the pages moved, so this takes no frame.
        unmap_pages(core, files, space, plan.old)?;
    } else if plan.dont_unmap {
        for mut left in space.vmas.take_for_edit(plan.old) {
            space.mapped.remove(&left);
            left.flags.remove(VmaFlags::LOCKED);
            left.has_anon = false;
            space.insert(left);
        }
    }
    space.insert(moved);
    Ok(target.start().start(core.granule()))
}

/// The mapping that a second view of shared memory from `from` on is cut from.
fn duplicate(vma: &Vma, from: PageNum, granule: arch::Granule) -> Vma {
    let rest = PageRange::new(from, vma.range.end()).expect("the page lies in the mapping");
    vma.part(rest, granule)
}

/// Moves the present pages of `old` to `target` on. First every table that is needed, then the pages: a
/// failure leaves everything where it was.
fn move_pages(
    core: &mut Core,
    space: &mut Space,
    moved: &Vma,
    old: PageRange,
    target: PageNum,
) -> Result<(), OutOfRam> {
    let there = |page: PageNum| PageNum::new(target.get() + (page.get() - old.start().get()));
    core.own_range(space, old)?;
    let present = present_pages(core, space, old);
    for &page in &present {
        if let Err(out) = make_way(core, space, there(page)) {
            for &page in &present {
                space
                    .tables
                    .prune(&core.ram, &mut core.frames, &core.shape, there(page));
            }
            return Err(out);
        }
    }
    for &page in &present {
        move_page(core, space, moved, page, there(page));
    }
    for &page in &present {
        space.tables.prune(&core.ram, &mut core.frames, &core.shape, page);
    }
    if let (Some(&first), Some(&last)) = (present.first(), present.last()) {
        core.tlb_pages(space.asid, first, last);
    }
    Ok(())
}

/// A table for a page, the space's own.
fn make_way(core: &mut Core, space: &mut Space, page: PageNum) -> Result<(), OutOfRam> {
    core.own_path(space, page)?;
    let made = space
        .tables
        .ensure(&core.ram, &mut core.frames, &core.shape, page);
    made.map(|_| ())
}

fn present_pages(core: &Core, space: &mut Space, range: PageRange) -> Vec<PageNum> {
    let mut pages = Vec::new();
    let mut rest = range;
    while let Some((page, _, _)) = space.tables.next_used(&core.ram, &core.shape, rest) {
        pages.push(page);
        let next = PageNum::new(page.get() + 1);
        rest = PageRange::new(next, range.end()).expect("present pages lie in the range");
    }
    pages
}

fn move_page(core: &mut Core, space: &mut Space, moved: &Vma, from: PageNum, to: PageNum) {
    let expect = "tables were made before pages move";
    let slot = space.tables.find(&core.ram, &core.shape, from).expect(expect);
    let old = space.tables.load(&core.ram, slot);
    let from_mapper = core.shape.mapper(slot);
    attributes::harvest(core, old);
    space.tables.clear(&core.ram, &mut core.frames, &core.shape, slot);
    if !old.is_valid() {
        // A swap entry says nothing of where it is.
        let slot = space.tables.find(&core.ram, &core.shape, to).expect(expect);
        return space
            .tables
            .install(&core.ram, &mut core.frames, &core.shape, slot, old);
    }
    let frame = core.frame_of(old);
    let used = Use {
        accessed: old.is_accessed(),
        written: old.is_dirty(),
    };
    let new = attributes::descriptor(core, moved, frame, used);
    let slot = space.tables.find(&core.ram, &core.shape, to).expect(expect);
    space
        .tables
        .install(&core.ram, &mut core.frames, &core.shape, slot, new);
    if frame != ZERO_FRAME {
        core.frames
            .replace_mapper(frame, from_mapper, core.shape.mapper(slot));
    }
}
