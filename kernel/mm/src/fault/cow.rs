//! Copy-on-write: a write to a private page that somebody else needs as it is.
//!
//! Others are: the page cache, the zero page, and other owners of the anon (a parent, a child). A page with
//! one owner is written in place.

use arch::Descriptor;

use super::{Case, Context, FaultKind, Resolved, zero_fill};
use crate::attributes::{Use, descriptor};
use crate::error::ViolationKind;
use crate::frames::{FrameState, ZERO_FRAME};
use crate::tables::LeafSlot;
use crate::vma::VmaFlags;

const WRITTEN: Use = Use {
    accessed: true,
    written: true,
};

/// A write where a read-only descriptor is.
pub(super) fn write_to_present(
    context: &mut Context<'_>,
    case: &Case,
    slot: LeafSlot,
    old: Descriptor,
) -> Result<Resolved, ViolationKind> {
    let frame = context.core.frame_of(old);
    match context.core.frames.state(frame) {
        FrameState::Anon(id) if context.core.frames.is_exclusive(id) => {
            context.core.drop_swap_copy(id);
            Ok(reuse(context, case, slot, old))
        }
        _ => copy(context, case, slot, old),
    }
}

/// Nobody else has the page: it becomes writable.
fn reuse(context: &mut Context<'_>, case: &Case, slot: LeafSlot, old: Descriptor) -> Resolved {
    let Context { core, space, .. } = context;
    let frame = core.frame_of(old);
    let leaf = descriptor(core, &case.vma, frame, WRITTEN);
    space.tables.replace(&core.ram, slot, leaf);
    core.tlb_pages(space.asid, case.page, case.page);
    Resolved::minor(FaultKind::Reuse)
}

/// A page of its own, with the bytes of the old one, takes the old one's place.
fn copy(
    context: &mut Context<'_>,
    case: &Case,
    slot: LeafSlot,
    old: Descriptor,
) -> Result<Resolved, ViolationKind> {
    let Context { core, space, .. } = context;
    let fresh = core.frames.allocate_anon(&core.ram)?;
    core.counters.pgalloc += 1;
    let from = core.frame_of(old);
    let kind = if from == ZERO_FRAME {
        if !fresh.zeroed {
            core.ram.zero_frame(fresh.frame);
        }
        FaultKind::ZeroFill
    } else {
        core.ram.copy_frame(from, fresh.frame);
        core.counters.cow_copies += 1;
        FaultKind::CopyOnWrite
    };
    core.note_new_page(
        space,
        case.page,
        Some(from).filter(|&from| from != ZERO_FRAME),
        fresh.frame,
    );
    core.forget_page(space, case.page, old);
    let leaf = descriptor(core, &case.vma, fresh.frame, WRITTEN);
    space.tables.replace(&core.ram, slot, leaf);
    core.note_mapped(space, case.page, fresh.frame);
    core.tlb_pages(space.asid, case.page, case.page);
    if !case.vma.has_anon {
        space.vmas.mark_anon(case.page);
    }
    Ok(Resolved::minor(kind))
}

/// A first write to a private file page: the copy is made at once, without mapping the original (Linux:
/// `do_cow_fault`).
pub(super) fn copy_from_file(context: &mut Context<'_>, case: &Case) -> Result<Resolved, ViolationKind> {
    let core = &mut *context.core;
    let (file, page) = case
        .vma
        .file_page(case.page, core.granule())
        .expect("only file mappings come here");
    let around = !case.vma.flags.contains(VmaFlags::RANDOM);
    let cached = context.files.page(core, file, page, around)?;
    let fresh = core.frames.allocate_anon(&core.ram)?;
    core.counters.pgalloc += 1;
    core.ram.copy_frame(cached.frame, fresh.frame);
    core.counters.cow_copies += 1;
    core.note_new_page(context.space, case.page, Some(cached.frame), fresh.frame);
    zero_fill::map_new_anon(context, case, fresh.frame)?;
    Ok(Resolved {
        kind: FaultKind::CopyOnWrite,
        major: cached.major,
    })
}
