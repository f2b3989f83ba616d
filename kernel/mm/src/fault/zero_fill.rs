//! First touches of private anonymous memory: a fresh page of zeros for a write, the shared one for a read.

use arch::FrameNum;

use super::{Case, Context, FaultKind, Resolved};
use crate::attributes::{Use, descriptor};
use crate::error::{OutOfRam, ViolationKind};
use crate::frames::{FrameState, ZERO_FRAME};

/// A write: a page of its own.
pub(super) fn fresh_page(context: &mut Context<'_>, case: &Case) -> Result<Resolved, ViolationKind> {
    let core = &mut *context.core;
    let fresh = core.frames.allocate_anon(&core.ram)?;
    core.counters.pgalloc += 1;
    if !fresh.zeroed {
        core.ram.zero_frame(fresh.frame);
    }
    core.note_new_page(context.space, case.page, None, fresh.frame);
    map_new_anon(context, case, fresh.frame)?;
    Ok(Resolved::minor(FaultKind::ZeroFill))
}

/// A read: frame 0, read-only.
pub(super) fn zero_page(context: &mut Context<'_>, case: &Case) -> Result<Resolved, ViolationKind> {
    let Context { core, space, .. } = context;
    let slot = space
        .tables
        .ensure(&core.ram, &mut core.frames, &core.shape, case.page)?;
    let used = Use {
        accessed: true,
        written: false,
    };
    let leaf = descriptor(core, &case.vma, ZERO_FRAME, used);
    space
        .tables
        .install(&core.ram, &mut core.frames, &core.shape, slot, leaf);
    core.note_mapped(space, case.page, ZERO_FRAME);
    Ok(Resolved::minor(FaultKind::ZeroPage))
}

/// Maps a new private page, written, where no descriptor is. If no table can be had the page goes again.
pub(super) fn map_new_anon(context: &mut Context<'_>, case: &Case, frame: FrameNum) -> Result<(), OutOfRam> {
    let Context { core, space, .. } = context;
    let slot = match space
        .tables
        .ensure(&core.ram, &mut core.frames, &core.shape, case.page)
    {
        Ok(slot) => slot,
        Err(out) => {
            if let FrameState::Anon(id) = core.frames.state(frame) {
                core.drop_anon(id);
            }
            return Err(out);
        }
    };
    let used = Use {
        accessed: true,
        written: true,
    };
    let leaf = descriptor(core, &case.vma, frame, used);
    space
        .tables
        .install(&core.ram, &mut core.frames, &core.shape, slot, leaf);
    core.note_mapped(space, case.page, frame);
    if !case.vma.has_anon {
        space.vmas.mark_anon(case.page);
    }
    Ok(())
}
