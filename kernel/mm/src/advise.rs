//! madvise(2).

use arch::{Access, PageNum, PageRange};

use crate::Memory;
use crate::core_state::Core;
use crate::error::{MapError, ViolationKind};
use crate::fault::{self, Context};
use crate::frames::FrameState;
use crate::protect::change;
use crate::request::{Advice, Content, Prot, SpaceId};
use crate::space::Space;
use crate::vma::{Vma, VmaFlags};

impl Memory {
    /// Takes advice about `range`, on all mapped parts of it; a hole is [`MapError::Unmapped`] afterwards.
    ///
    /// - `DontNeed` drops the pages: private memory reads as zeros or the file again. `Free` marks private
    ///   anonymous pages as lazily freed: until they are reclaimed they keep their bytes, and a write ends it.
    /// - `PopulateRead` and `PopulateWrite` make pages present; failures are [`MapError::Invalid`] (the rights
    ///   forbid it), [`MapError::BadAddress`] (past the end of the file), [`MapError::OutOfRam`].
    /// - `DontFork`, `WipeOnFork`, `DontDump`, `Random`, `Sequential`, `HugePage` and their opposites set flags
    ///   of the mapping; `Random` also stops readahead.
    /// - `WillNeed` reads file pages into the cache while frames are plenty. `Cold` clears the access flags.
    /// - `PageOut` evicts the pages that nobody else maps.
    /// - `DontNeedLocked` is `DontNeed` for locked memory, too. `Remove` makes a hole in the shared object or file.
    /// - `GuardInstall` drops pages and makes every touch of them SIGSEGV, until `GuardRemove`.
    ///
    /// [`MapError::Invalid`] for `DontNeed`, `Free`, `Cold`, `PageOut` of locked memory, and for `Free` and
    /// `WipeOnFork` of anything but private anonymous memory. [`MapError::OutOfRam`] if tables that another space reaches
    /// would have to be copied and cannot be.
    pub fn advise(&mut self, space: SpaceId, range: PageRange, advice: Advice) -> Result<(), MapError> {
        let mut from = range.start();
        let mut holes = false;
        while from < range.end() {
            let Some(vma) = self.spaces.get(space).vmas.at_or_after(from).copied() else {
                holes = true;
                break;
            };
            let rest = PageRange::new(from, range.end()).expect("from lies before the end");
            let Some(part) = vma.range.intersection(rest) else {
                holes = true;
                break;
            };
            holes |= part.start() != from;
            if holes && matches!(advice, Advice::PopulateRead | Advice::PopulateWrite) {
                break;
            }
            match advice {
                Advice::DontNeed | Advice::DontNeedLocked | Advice::GuardInstall => {
                    self.make_room_to_unmap(space)
                }
                Advice::Free => self.make_room_to_own(space, part.count()),
                _ => {}
            }
            match advice {
                Advice::Remove => self.remove_part(&vma, part)?,
                Advice::PopulateRead => self.populate_for(space, &vma, part, Access::Read)?,
                Advice::PopulateWrite => self.populate_for(space, &vma, part, Access::Write)?,
                _ => advise_part(&mut self.context(space), &vma, part, advice)?,
            }
            if advice == Advice::PageOut {
                self.page_out(space, part);
            }
            from = part.end();
        }
        if holes { Err(MapError::Unmapped) } else { Ok(()) }
    }

    /// `MADV_REMOVE`: a hole in the file or the shared object, in Linux's order of refusals.
    fn remove_part(&mut self, vma: &Vma, part: PageRange) -> Result<(), MapError> {
        if vma.flags.contains(VmaFlags::LOCKED) {
            return Err(MapError::Invalid);
        }
        let at = vma.file_page(part.start(), self.core.granule());
        let (file, first) = at.ok_or(MapError::Invalid)?;
        if vma.is_private() || !vma.max_prot.contains(Prot::WRITE) {
            return Err(MapError::Denied);
        }
        self.punch_hole(file, first, first + part.count().get())
    }

    fn populate_for(
        &mut self,
        space: SpaceId,
        vma: &Vma,
        part: PageRange,
        access: Access,
    ) -> Result<(), MapError> {
        if !fault::allows(vma.prot, access) {
            return Err(MapError::Invalid);
        }
        for page in part.pages() {
            let touched = self.touch(space, page, access);
            touched.map_err(|violation| match violation.signal {
                ViolationKind::OutOfRam(out) => MapError::OutOfRam(out),
                ViolationKind::BusIo(error) => MapError::Io(error),
                ViolationKind::BusSwap(error) => MapError::Swap(error),
                _ => MapError::BadAddress,
            })?;
        }
        Ok(())
    }
}

fn advise_part(
    context: &mut Context<'_>,
    vma: &Vma,
    part: PageRange,
    advice: Advice,
) -> Result<(), MapError> {
    let locked = vma.flags.contains(VmaFlags::LOCKED);
    let refused = match advice {
        Advice::DontNeed | Advice::Cold | Advice::PageOut => locked,
        Advice::Free => locked || !vma.is_private_anonymous(),
        Advice::GuardInstall => locked || vma.special.is_some(),
        Advice::WipeOnFork => !vma.is_private_anonymous(),
        // Linux refuses to bring back what a driver mapped (VM_SPECIAL).
        Advice::DoFork => vma.special.is_some(),
        _ => false,
    };
    if refused {
        return Err(MapError::Invalid);
    }
    // What cannot be written would lose its content for good (`can_madvise_modify`).
    let discards = matches!(advice, Advice::DontNeed | Advice::DontNeedLocked | Advice::Free);
    if discards
        && vma.flags.contains(VmaFlags::SEALED)
        && vma.is_private_anonymous()
        && !vma.prot.contains(Prot::WRITE)
    {
        return Err(MapError::Sealed);
    }
    match advice {
        Advice::DontNeed | Advice::DontNeedLocked => context.core.zap(context.space, part)?,
        Advice::GuardInstall => {
            if context.space.guards.is_full() {
                return Err(MapError::TooManyMaps);
            }
            context.core.zap(context.space, part)?;
            context.space.guards.insert(part);
        }
        Advice::GuardRemove => context.space.guards.remove(part),
        Advice::Free => {
            context.core.own_range(context.space, part)?;
            each_present(context.core, context.space, part, free_lazily);
            drop_entries(context.core, context.space, part);
        }
        Advice::Cold => each_present(context.core, context.space, part, forget_access),
        Advice::WillNeed => return read_ahead(context, vma, part),
        Advice::PopulateRead | Advice::PopulateWrite | Advice::PageOut | Advice::Remove => {}
        _ => return change_flags(context, vma, part, advice),
    }
    Ok(())
}

fn change_flags(
    context: &mut Context<'_>,
    vma: &Vma,
    part: PageRange,
    advice: Advice,
) -> Result<(), MapError> {
    let flags = with_advice(vma.flags, advice);
    if flags == vma.flags {
        return Ok(());
    }
    change(context.core, context.space, part, |vma| vma.flags = flags)
}

fn with_advice(flags: VmaFlags, advice: Advice) -> VmaFlags {
    let access = VmaFlags::RANDOM | VmaFlags::SEQUENTIAL;
    let huge = VmaFlags::HUGE_PAGE | VmaFlags::NO_HUGE_PAGE;
    match advice {
        Advice::Normal => flags - access,
        Advice::Random => (flags - access) | VmaFlags::RANDOM,
        Advice::Sequential => (flags - access) | VmaFlags::SEQUENTIAL,
        Advice::DontFork => flags | VmaFlags::DONT_FORK,
        Advice::DoFork => flags - VmaFlags::DONT_FORK,
        Advice::WipeOnFork => flags | VmaFlags::WIPE_ON_FORK,
        Advice::KeepOnFork => flags - VmaFlags::WIPE_ON_FORK,
        Advice::DontDump => flags | VmaFlags::DONT_DUMP,
        Advice::DoDump => flags - VmaFlags::DONT_DUMP,
        Advice::HugePage => (flags - huge) | VmaFlags::HUGE_PAGE,
        Advice::NoHugePage => (flags - huge) | VmaFlags::NO_HUGE_PAGE,
        Advice::WillNeed
        | Advice::DontNeed
        | Advice::Free
        | Advice::PopulateRead
        | Advice::PopulateWrite
        | Advice::Cold
        | Advice::PageOut
        | Advice::DontNeedLocked
        | Advice::Remove
        | Advice::GuardInstall
        | Advice::GuardRemove => flags,
    }
}

/// Rewrites present descriptors; one TLB request for all that changed. Where others reach the table, too, it changes for
/// them: only access flags, which are one for all.
pub(crate) fn each_present(
    core: &mut Core,
    space: &mut Space,
    range: PageRange,
    edit: fn(&mut Core, arch::Descriptor) -> arch::Descriptor,
) {
    let alone = core.is_alone(space);
    let mut rest = range;
    let mut changed: Option<(PageNum, PageNum)> = None;
    while let Some((page, slot, old)) = space.tables.next_present(&core.ram, &core.shape, rest) {
        let new = edit(core, old);
        if new != old {
            space.tables.replace(&core.ram, slot, new);
            changed = Some((changed.map_or(page, |(first, _)| first), page));
            if !alone {
                core.tlb_entry(core.shape.mapper(slot));
            }
        }
        let next = PageNum::new(page.get() + 1);
        rest = PageRange::new(next, range.end()).expect("present pages lie in the range");
    }
    if let Some((first, last)) = changed
        && alone
    {
        core.tlb_pages(space.asid, first, last);
    }
}

/// `MADV_FREE`: an anon of one owner becomes clean; only a write, which the hardware notes, saves it.
fn free_lazily(core: &mut Core, old: arch::Descriptor) -> arch::Descriptor {
    let frame = core.frame_of(old);
    match core.frames.state(frame) {
        FrameState::Anon(id) if core.frames.is_exclusive(id) => {
            core.drop_swap_copy(id);
            core.frames.make_evictable(frame);
            core.frames.anon_mut(id).lazy = true;
            old.cleaned().not_accessed()
        }
        _ => old,
    }
}

fn forget_access(_: &mut Core, old: arch::Descriptor) -> arch::Descriptor {
    old.not_accessed()
}

/// `MADV_FREE` of pages in swap gives them up at once, as Linux does.
fn drop_entries(core: &mut Core, space: &mut Space, range: PageRange) {
    let mut rest = range;
    while let Some((page, slot, entry)) = space.tables.next_used(&core.ram, &core.shape, rest) {
        if !entry.is_valid() {
            space.tables.clear(&core.ram, &mut core.frames, &core.shape, slot);
            core.forget_entry(space, entry);
            space.tables.prune(&core.ram, &mut core.frames, &core.shape, page);
        }
        let next = PageNum::new(page.get() + 1);
        rest = PageRange::new(next, range.end()).expect("used pages lie in the range");
    }
}

/// Reads file pages into the cache, as long as a quarter of RAM stays free: advice must not starve others.
fn read_ahead(context: &mut Context<'_>, vma: &Vma, part: PageRange) -> Result<(), MapError> {
    if !matches!(vma.content, Content::File { .. }) {
        return Ok(());
    }
    let spare = context.core.ram.frames().get() / 4;
    for page in part.pages() {
        let at = vma.file_page(page, context.core.granule());
        let (file, number) = at.expect("only file mappings come here");
        // Trouble is nobody's business: the access itself will meet it again.
        if context.core.frames.free_count() < spare
            || context.files.page(context.core, file, number, true).is_err()
        {
            break;
        }
    }
    Ok(())
}
