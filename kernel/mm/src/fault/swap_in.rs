//! Accesses of swapped private memory: the page comes back into RAM and is mapped (Linux: `do_swap_page`).
//!
//! A page that is read keeps its slot: as long as it is not written, evicting it again costs no write. It is mapped
//! clean then, so the hardware notes the first write.

use arch::{Access, Descriptor};

use super::{Case, Context, FaultKind, Resolved, cow};
use crate::attributes::{Use, descriptor};
use crate::error::ViolationKind;
use crate::tables::{LeafSlot, swapped_anon};

/// An access where a swap entry is.
pub(super) fn bring_back(
    context: &mut Context<'_>,
    case: &Case,
    slot: LeafSlot,
    entry: Descriptor,
) -> Result<Resolved, ViolationKind> {
    let Context { core, space, .. } = context;
    let id = swapped_anon(entry).expect("what is used and not valid is a swap entry");
    let (frame, major) = core.bring_in(id)?;
    let writes = case.access == Access::Write;
    let exclusive = core.frames.is_exclusive(id);
    // A slot is kept for others who still read it there, or while there are plenty.
    if exclusive && (writes || core.swap.is_half_full()) {
        core.drop_swap_copy(id);
    }
    let used = Use {
        accessed: true,
        written: writes && exclusive,
    };
    let leaf = descriptor(core, &case.vma, frame, used);
    space.tables.replace(&core.ram, slot, leaf);
    space.swapped -= 1;
    core.note_mapped(space, case.page, frame);
    let kind = FaultKind::SwapIn;
    if writes && !exclusive {
        let copied = cow::write_to_present(context, case, slot, leaf)?;
        return Ok(Resolved { major, ..copied });
    }
    Ok(Resolved { kind, major })
}
