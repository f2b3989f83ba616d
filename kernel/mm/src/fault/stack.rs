//! Stack growth: a touch below a mapping that grows down extends it (Linux: `expand_downwards`).
//!
//! The stack pointer is not looked at. What holds growth is `RLIMIT_STACK`, to the byte, and the guard gap:
//! 256 pages must stay between the stack and the mapping below it, unless that one is `PROT_NONE` or
//! grows down itself.

use arch::{PageNum, PageRange};

use super::Context;
use crate::error::ViolationKind;
use crate::vma::{AccountedAs, Vma, VmaFlags};

/// Extends the stack above `page` down to it; `SEGV_MAPERR` if there is none or it may not.
pub(super) fn grow(context: &mut Context<'_>, page: PageNum) -> Result<Vma, ViolationKind> {
    let stack = context.space.vmas.at_or_after(page).copied();
    let stack = stack.filter(|vma| vma.grows_down).ok_or(ViolationKind::MapErr)?;
    if !may_grow(context, &stack, page) {
        return Err(ViolationKind::MapErr);
    }
    let mut grown = stack;
    grown.range = PageRange::new(page, stack.range.end()).expect("the page lies below the stack");
    let space = &mut *context.space;
    space.mapped.remove(&stack);
    let removed = space.vmas.take_for_edit(stack.range);
    debug_assert!(removed.len() == 1);
    space.insert(grown);
    let merged = space.vmas.find(page);
    Ok(*merged.expect("it was just put there"))
}

fn may_grow(context: &Context<'_>, stack: &Vma, page: PageNum) -> bool {
    let Context { core, space, .. } = context;
    let more = stack.range.start().get() - page.get();
    let size = core.bytes(stack.range.end().get() - page.get());
    page >= space.layout.lowest.page(core.granule())
        && size <= space.limits.stack
        && keeps_guard_gap(space.vmas.last_before(page), page)
        && space.may_expand(core, more, AccountedAs::Stack).is_ok()
        && (!stack.flags.contains(VmaFlags::LOCKED) || space.may_lock(core, more).is_ok())
}

fn keeps_guard_gap(below: Option<&Vma>, page: PageNum) -> bool {
    match below {
        Some(below) if !below.grows_down && !below.prot.is_empty() => {
            page.get() - below.range.end().get() >= Vma::GUARD_GAP
        }
        _ => true,
    }
}
