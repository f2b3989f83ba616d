//! Pages of the cache: mapped for reading (private or shared) or for shared writing.
//!
//! A read also maps what is cached around it, up to 64 KiB, as Linux's fault-around does; the neighbours
//! start with the access flag clear, so `Referenced` stays true. Shared pages of a writable mapping are
//! mapped clean with DBM: the hardware notes the first write in the descriptor, and the kernel harvests it.

use arch::{Access, Descriptor, PageNum, PageRange};

use super::{Case, Context, FaultKind, Resolved};
use crate::attributes::{Use, descriptor};
use crate::error::ViolationKind;
use crate::files::WINDOW;
use crate::vma::VmaFlags;

/// Maps the page of the cache, reading it if it is missing.
pub(super) fn map(context: &mut Context<'_>, case: &Case) -> Result<Resolved, ViolationKind> {
    let Context { core, files, space } = context;
    let (file, page) = case
        .vma
        .file_page(case.page, core.granule())
        .expect("only file mappings come here");
    let around = !case.vma.flags.contains(VmaFlags::RANDOM);
    let cached = files.page(core, file, page, around)?;
    let slot = space
        .tables
        .ensure(&core.ram, &mut core.frames, &core.shape, case.page)?;
    let writes = case.access == Access::Write;
    let used = Use {
        accessed: true,
        written: writes,
    };
    let leaf = descriptor(core, &case.vma, cached.frame, used);
    space
        .tables
        .install(&core.ram, &mut core.frames, &core.shape, slot, leaf);
    core.note_mapped(space, case.page, cached.frame);
    if !writes {
        map_around(context, case);
    }
    Ok(Resolved {
        kind: if writes {
            FaultKind::FileWrite
        } else {
            FaultKind::FileMap
        },
        major: cached.major,
    })
}

/// Maps the neighbours that are cached and not mapped yet. The window is aligned, so it never leaves the
/// leaf table, which exists by now.
fn map_around(context: &mut Context<'_>, case: &Case) {
    let Context { core, files, space } = context;
    let pages = WINDOW >> core.granule().shift();
    if pages <= 1 {
        return;
    }
    let low = PageNum::new(case.page.get() & !(pages - 1));
    let window =
        PageRange::new(low, PageNum::new(low.get() + pages)).and_then(|w| w.intersection(case.vma.range));
    let Some(window) = window else { return };
    let Some(mut slot) = space.tables.find(&core.ram, &core.shape, window.start()) else {
        return;
    };
    let (file, mut number) = case
        .vma
        .file_page(window.start(), core.granule())
        .expect("only file mappings come here");
    let file = files.get(file);
    let used = Use {
        accessed: false,
        written: false,
    };
    for page in window.pages() {
        if space.tables.load(&core.ram, slot) == Descriptor::INVALID
            && let Some(frame) = file.cached(number)
        {
            let leaf = descriptor(core, &case.vma, frame, used);
            space
                .tables
                .install(&core.ram, &mut core.frames, &core.shape, slot, leaf);
            core.note_mapped(space, page, frame);
            core.counters.fault_around += 1;
        }
        number += 1;
        slot = slot.next();
    }
}
