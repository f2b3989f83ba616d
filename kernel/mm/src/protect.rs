//! mprotect(2): new rights for mappings, cut and merged, and for the descriptors of their present pages.

use arch::{PageNum, PageRange};

use crate::Memory;
use crate::attributes::{self, Use};
use crate::core_state::Core;
use crate::error::{LimitKind, MapError};
use crate::events::What;
use crate::request::{Prot, SpaceId};
use crate::space::Space;
use crate::vma::{AccountedAs, Vma, VmaFlags};

impl Memory {
    /// Gives `range` new rights. Works upwards, and what lies below a failure stays changed, as on Linux.
    ///
    /// [`MapError::Unmapped`] at a hole (ENOMEM), [`MapError::Denied`] above the mapping's `max_prot`
    /// (EACCES), [`MapError::Limit`] for private memory that becomes writable past `RLIMIT_DATA` (ENOMEM),
    /// [`MapError::TooManyMaps`] (ENOMEM), [`MapError::OutOfRam`] if tables that another space reaches, too, cannot be
    /// copied (ENOMEM).
    pub fn protect(&mut self, space: SpaceId, range: PageRange, prot: Prot) -> Result<(), MapError> {
        let (id, mut from) = (space, range.start());
        let commits = self.overcommit.limits() && prot.contains(Prot::WRITE);
        while from < range.end() {
            let vma = *self.spaces.get(id).vmas.find(from).ok_or(MapError::Unmapped)?;
            let rest = PageRange::new(from, range.end()).expect("from lies before the end");
            let part = vma.range.intersection(rest).expect("the mapping holds `from`");
            let changed = Vma { prot, ..vma };
            if commits && changed.is_accountable() && !vma.is_accountable() {
                self.may_commit(id, part.count().get())?;
            }
            self.make_room_to_own(id, part.count());
            let space = self.spaces.get_mut(id);
            protect_part(&mut self.core, space, &vma, part, prot)?;
            from = part.end();
        }
        Ok(())
    }
}

fn protect_part(
    core: &mut Core,
    space: &mut Space,
    vma: &Vma,
    part: PageRange,
    prot: Prot,
) -> Result<(), MapError> {
    if vma.flags.contains(VmaFlags::SEALED) {
        return Err(MapError::Sealed);
    }
    if !vma.max_prot.contains(prot) {
        return Err(MapError::Denied);
    }
    if vma.prot == prot {
        return Ok(());
    }
    let changed = Vma { prot, ..*vma };
    if changed.accounted_as() == AccountedAs::Data && vma.accounted_as() != AccountedAs::Data {
        let expanded = space.may_expand(core, part.count().get(), AccountedAs::Data);
        if let Err(error @ MapError::Limit(LimitKind::Data)) = expanded {
            return Err(error);
        }
    }
    core.own_range(space, part)?;
    change(core, space, part, |vma| vma.prot = prot)?;
    reprotect(core, space, &changed, part);
    core.note_range(space, part, What::Protect { prot });
    Ok(())
}

/// Changes one mapping's part in the set, with cutting, merging, limits and counts. Descriptors stay.
pub(crate) fn change(
    core: &Core,
    space: &mut Space,
    part: PageRange,
    edit: impl Fn(&mut Vma),
) -> Result<(), MapError> {
    // A change may also merge; only where the set is nearly full is it worth trying it out.
    if space.vmas.len() + 2 > space.limits.map_count {
        space.may_add_maps(growth(core, space, part, &edit))?;
    }
    for mut vma in space.vmas.take_for_edit(part) {
        space.mapped.remove(&vma);
        edit(&mut vma);
        space.insert(vma);
    }
    Ok(())
}

/// How many mappings more there would be, merges counted.
fn growth(core: &Core, space: &Space, part: PageRange, edit: &impl Fn(&mut Vma)) -> usize {
    let cuts = space.vmas.growth_by_change(part);
    let Some(vma) = space.vmas.find(part.start()) else {
        return 0;
    };
    let mut edited = vma.part(part, core.granule());
    edit(&mut edited);
    let below = space.vmas.last_before(part.start());
    let above = space.vmas.find(part.end());
    let joins = usize::from(below.is_some_and(|b| b.continues_in(&edited, core.granule())))
        + usize::from(above.is_some_and(|a| edited.continues_in(a, core.granule())));
    cuts.saturating_sub(joins)
}

/// Rewrites the descriptors of the present pages of `range` as `vma` now wants them. The tables are the space's own.
pub(crate) fn reprotect(core: &mut Core, space: &mut Space, vma: &Vma, range: PageRange) {
    let mut rest = range;
    let mut changed: Option<(PageNum, PageNum)> = None;
    while let Some((page, slot, old)) = space.tables.next_present(&core.ram, &core.shape, rest) {
        attributes::harvest(core, old);
        let used = Use {
            accessed: old.is_accessed(),
            written: old.is_dirty(),
        };
        let new = attributes::descriptor(core, vma, core.frame_of(old), used);
        if new != old {
            space.tables.replace(&core.ram, slot, new);
            changed = Some((changed.map_or(page, |(first, _)| first), page));
        }
        let next = PageNum::new(page.get() + 1);
        rest = PageRange::new(next, range.end()).expect("present pages lie in the range");
    }
    if let Some((first, last)) = changed {
        core.tlb_pages(space.asid, first, last);
    }
}
