//! Which descriptor a present page gets: the one place where a mapping's rights become descriptor bits.

use arch::{Descriptor, FrameNum, PageAttributes};

use crate::core_state::Core;
use crate::frames::{AnonId, FrameState};
use crate::request::{Prot, Sharing};
use crate::vma::Vma;

/// What is known of the page beside its mapping.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Use {
    /// It was accessed: the access flag.
    pub(crate) accessed: bool,
    /// It is being written now, or the descriptor before this one said dirty.
    pub(crate) written: bool,
}

/// The descriptor for `frame` under `vma`.
///
/// - User access if any right is given; nothing is write-only or (without EPAN) execute-only. `PROT_NONE`
///   pages stay valid but are the kernel's (AP\[1\] clear), so they keep their content and flags.
/// - Private pages may be written only if they are anons with one owner. They are dirty from the start
///   (unless lazily freed, or in swap as they are, and not written since), so the guest's write takes one fault only.
/// - Shared pages that may be written start clean with DBM set: the hardware records the first write.
#[inline]
pub(crate) fn descriptor(core: &Core, vma: &Vma, frame: FrameNum, used: Use) -> Descriptor {
    let may_write = vma.prot.contains(Prot::WRITE);
    let state = core.frames.state(frame);
    let (writable, dirty) = match (vma.sharing, state) {
        (Sharing::Shared, _) => (may_write, used.written),
        (Sharing::Private, FrameState::Anon(id)) => {
            let anon = core.frames.anon(id);
            (
                may_write && anon.owners == 1,
                used.written || !anon.starts_clean(),
            )
        }
        (Sharing::Private, _) => (false, false),
    };
    let attributes = PageAttributes {
        writable,
        executable: vma.prot.contains(Prot::EXEC),
        accessed: used.accessed,
        dirty,
    };
    let descriptor = Descriptor::page(frame.start(core.granule()), attributes);
    if vma.prot.is_empty() {
        Descriptor::from_bits(descriptor.bits() & !Descriptor::AP_EL0)
    } else {
        descriptor
    }
}

/// A descriptor is about to be replaced by one that may not say dirty: keeps the fact in the frame.
#[inline]
pub(crate) fn harvest(core: &mut Core, descriptor: Descriptor) {
    if !descriptor.is_dirty() {
        return;
    }
    let frame = core.frame_of(descriptor);
    match core.frames.state(frame) {
        FrameState::Anon(id) => mark_written(core, id),
        FrameState::Cache(cache) if !cache.dirty => core.frames.cache_page_mut(frame).dirty = true,
        _ => {}
    }
}

fn mark_written(core: &mut Core, id: AnonId) {
    if core.frames.anon(id).starts_clean() {
        core.frames.anon_mut(id).lazy = false;
        core.drop_swap_copy(id);
    }
}
