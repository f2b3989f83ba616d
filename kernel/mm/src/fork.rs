//! fork(2): a copy of an address space whose private pages are shared until one side writes.
//!
//! Present entries of private mappings are copied and write-protected on both sides, and each anon gets one
//! owner more. Mappings that never had a private page, and shared ones, are not walked: their pages come
//! back from the cache by faults, as on Linux. The cost grows with the resident private pages; sharing whole
//! table pages instead is a later step, and its place is [`copy_pages`].

use arch::{Descriptor, PageNum, PageRange, TlbOp};

use crate::Memory;
use crate::attributes::{self, Use};
use crate::core_state::Core;
use crate::error::OutOfRam;
use crate::files::Files;
use crate::frames::FrameState;
use crate::request::{Content, SpaceId};
use crate::space::Space;
use crate::tables::{LeafSlot, swapped_anon};
use crate::vma::{Vma, VmaFlags};

impl Memory {
    /// Copies an address space: private memory copy-on-write both ways, shared memory shared, the break and
    /// the limits inherited; locks and `MADV_DONTFORK` mappings are not, and `MADV_WIPEONFORK` memory reads as
    /// zeros in the child. On [`OutOfRam`] there is no child.
    pub fn fork_space(&mut self, parent: SpaceId) -> Result<SpaceId, OutOfRam> {
        // The child's tables are as many as the parent's, and frames cannot be had while a space is being copied.
        self.make_room(self.spaces.get(parent).tables.count() + crate::reclaim::FAULT_NEED);
        let Self {
            core, files, spaces, ..
        } = self;
        let old = spaces.get(parent);
        let (layout, limits) = (old.layout, old.limits);
        let id = spaces.create(core, layout, limits)?;
        let mut child = spaces.detach(id);
        let old = spaces.get_mut(parent);
        let answer = copy_mappings(core, files, old, &mut child);
        // The parent's write-protected pages must not be written through old TLB entries.
        core.tlb_queue(TlbOp::Asid(old.asid));
        spaces.attach(id, child);
        answer.map(|()| id).inspect_err(|_| {
            self.core.counters.out_of_ram += 1;
            self.destroy_space(id);
        })
    }
}

fn copy_mappings(
    core: &mut Core,
    files: &mut Files,
    parent: &mut Space,
    child: &mut Space,
) -> Result<(), OutOfRam> {
    child.break_start = parent.break_start;
    child.break_end = parent.break_end;
    child.stack_start = parent.stack_start;
    let vmas: Vec<Vma> = parent.vmas.iter().copied().collect();
    for vma in vmas.iter().filter(|vma| !vma.flags.contains(VmaFlags::DONT_FORK)) {
        let wipe = vma.flags.contains(VmaFlags::WIPE_ON_FORK);
        if !wipe {
            for guarded in parent.guards.inside(vma.range) {
                child.guards.insert(guarded);
            }
        }
        let mut copy = *vma;
        copy.flags.remove(VmaFlags::LOCKED);
        copy.has_anon &= !wipe;
        child.insert(copy);
        if let Content::File { file, .. } = vma.content {
            files.get_mut(file).mapped_pages += vma.range.count().get();
        }
        if copy.has_anon {
            copy_pages(core, parent, child, vma)?;
        }
    }
    Ok(())
}

/// Copies the present entries and the swap entries of one mapping.
fn copy_pages(core: &mut Core, parent: &mut Space, child: &mut Space, vma: &Vma) -> Result<(), OutOfRam> {
    let mut rest = vma.range;
    let mut target: Option<(PageNum, LeafSlot)> = None;
    while let Some((page, slot, old)) = parent.tables.next_used(&core.ram, &core.shape, rest) {
        // One look-up for each leaf table of the child, not for each page.
        let to = match target {
            Some((at, found)) if page < core.shape.next_leaf_table(at) => found.forward(page, at),
            _ => child
                .tables
                .ensure(&core.ram, &mut core.frames, &core.shape, page)?,
        };
        target = Some((page, to));
        share_page(core, parent, child, vma, page, (slot, old), to);
        let next = PageNum::new(page.get() + 1);
        rest = PageRange::new(next, vma.range.end()).expect("present pages lie in the range");
    }
    Ok(())
}

/// One page, present or swapped, gets a second owner. The child starts with the access flag of the parent clear, as
/// Linux does (`pte_mkold`).
fn share_page(
    core: &mut Core,
    parent: &mut Space,
    child: &mut Space,
    vma: &Vma,
    page: PageNum,
    (slot, old): (LeafSlot, Descriptor),
    to: LeafSlot,
) {
    if let Some(id) = swapped_anon(old) {
        core.frames.anon_mut(id).owners += 1;
        child.swapped += 1;
        return child
            .tables
            .install(&core.ram, &mut core.frames, &core.shape, to, old);
    }
    attributes::harvest(core, old);
    let frame = core.frame_of(old);
    if let FrameState::Anon(id) = core.frames.state(frame) {
        core.frames.anon_mut(id).owners += 1;
        if old.is_writable() {
            parent.tables.replace(&core.ram, slot, old.write_protected());
        }
    }
    let used = Use {
        accessed: false,
        written: false,
    };
    let leaf = attributes::descriptor(core, vma, frame, used);
    child
        .tables
        .install(&core.ram, &mut core.frames, &core.shape, to, leaf);
    core.note_mapped(child, page, frame);
}
