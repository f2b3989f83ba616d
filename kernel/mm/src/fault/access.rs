//! Faults on a descriptor that allows the access: its access flag is clear, or the TLB entry was stale.

use arch::{Access, Descriptor, FaultCause};

use super::{Case, Context, FaultKind, Resolved};
use crate::attributes::{Use, descriptor};
use crate::tables::LeafSlot;

/// Writes the descriptor as the mapping wants it, accessed; asks the TLB to forget the page.
pub(super) fn refresh(
    context: &mut Context<'_>,
    case: &Case,
    slot: LeafSlot,
    old: Descriptor,
    cause: FaultCause,
) -> Resolved {
    let Context { core, space, .. } = context;
    let used = Use {
        accessed: true,
        written: old.is_dirty() || case.access == Access::Write,
    };
    let frame = core.frame_of(old);
    let leaf = descriptor(core, &case.vma, frame, used);
    space.tables.replace(&core.ram, slot, leaf);
    core.tlb_pages(space.asid, case.page, case.page);
    Resolved::minor(match cause {
        FaultCause::AccessFlag(_) => FaultKind::AccessFlag,
        _ => FaultKind::Spurious,
    })
}
