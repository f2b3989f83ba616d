//! What becomes of a frame that the policy named, by what it holds.

use arch::{Descriptor, FrameNum};
use policy::{Shadow, Stuck};

use super::Reclaim;
use super::swap_out::SwapOut;
use crate::attributes;
use crate::core_state::Core;
use crate::events::Departure;
use crate::frames::{AnonId, AnonPlace, CachePage, FrameState, Mapper};
use crate::tables::{self, LeafSlot, swap_entry};
use crate::vma::VmaFlags;

/// The descriptor behind an entry of the reverse map.
fn leaf(core: &Core, mapper: Mapper) -> (LeafSlot, Descriptor) {
    let slot = core.shape.slot(mapper);
    (slot, tables::load(&core.ram, slot))
}

/// Whether any descriptor of the frame has its access flag set; clears all, and asks the TLB to forget them, so that the
/// next access sets the flag again.
pub(super) fn test_and_clear_accessed(core: &mut Core, frame: FrameNum) -> bool {
    let mut accessed = false;
    for index in 0..core.frames.mappers(frame).len() {
        let mapper = core.frames.mappers(frame)[index];
        let (slot, descriptor) = leaf(core, mapper);
        if descriptor.is_accessed() {
            accessed = true;
            tables::replace(&core.ram, slot, descriptor.not_accessed());
            core.tlb_entry(mapper);
        }
    }
    accessed
}

impl Reclaim<'_> {
    /// Lets a frame go, or puts it in `out` to be written first, or sets it aside if it cannot leave.
    pub(super) fn evict(&mut self, frame: FrameNum, shadow: Option<Shadow>, out: &mut SwapOut) {
        if self.is_locked(frame) {
            return self.core.frames.set_aside(frame, Stuck::Locked);
        }
        match self.core.frames.state(frame) {
            FrameState::Anon(id) => self.evict_anon(frame, id, shadow, out),
            FrameState::Cache(cache) if cache.shmem => match self.core.swap.has_free() {
                true => out.push(frame, shadow),
                false => self.core.frames.set_aside(frame, Stuck::NoRoom),
            },
            FrameState::Cache(cache) => self.evict_file(frame, cache, shadow),
            state => unreachable!("the policy named {frame}, which is {state:?}"),
        }
    }

    /// Whether a mapping of it is locked (mlock(2)), or the segment that it belongs to (`SHM_LOCK`).
    pub(super) fn is_locked(&mut self, frame: FrameNum) -> bool {
        if let FrameState::Cache(cache) = self.core.frames.state(frame)
            && self.files.get(cache.file).locked
        {
            return true;
        }
        self.core.frames.mappers(frame).iter().any(|&mapper| {
            let page = self.core.page_of(mapper);
            self.core.reachers(mapper.table).iter().any(|member| {
                let vma = self.spaces.in_slot_mut(member.slot).vmas.find(page);
                vma.is_some_and(|vma| vma.flags.contains(VmaFlags::LOCKED))
            })
        })
    }

    fn evict_anon(&mut self, frame: FrameNum, id: AnonId, shadow: Option<Shadow>, out: &mut SwapOut) {
        for index in 0..self.core.frames.mappers(frame).len() {
            let mapper = self.core.frames.mappers(frame)[index];
            let (_, descriptor) = leaf(self.core, mapper);
            attributes::harvest(self.core, descriptor);
        }
        let anon = *self.core.frames.anon(id);
        match anon.place {
            _ if anon.lazy => {
                self.core.counters.pglazyfreed += 1;
                self.core.note_evict(frame, Departure::Freed);
                self.unmap_all(frame);
            }
            AnonPlace::Cached(..) => {
                self.core.counters.swap_clean += 1;
                self.core.note_evict(frame, Departure::Clean);
                self.leave_to_slot(frame, id);
            }
            _ if self.core.swap.has_free() => out.push(frame, shadow),
            _ => self.core.frames.set_aside(frame, Stuck::NoRoom),
        }
    }

    /// A page of a file: written if it must be, dropped, and remembered by its shadow.
    fn evict_file(&mut self, frame: FrameNum, cache: CachePage, shadow: Option<Shadow>) {
        self.core.note_evict(frame, Departure::File);
        self.unmap_all(frame);
        match self.files.evict(self.core, cache.file, cache.page, frame, shadow) {
            Ok(()) => {}
            // It stays, dirty; whoever asks for it to be written hears of the error.
            Err(_) => {
                self.core.take_back_evict(frame);
                self.core.frames.restore(frame);
            }
        }
    }

    /// Takes every descriptor of the frame away. An anon without descriptors is gone.
    pub(super) fn unmap_all(&mut self, frame: FrameNum) {
        while let Some(&mapper) = self.core.frames.mappers(frame).last() {
            let (slot, descriptor) = leaf(self.core, mapper);
            let core = &mut *self.core;
            let (page, reachers) = (core.page_of(mapper), core.reachers(mapper.table));
            let state = core.frames.state(frame);
            for member in &reachers {
                if let Some(count) = self.spaces.in_slot_mut(member.slot).resident.of(state) {
                    *count -= 1;
                }
                core.tlb_pages(member.asid(), page, page);
            }
            tables::clear(&core.ram, &mut core.frames, &core.shape, slot);
            core.forget_descriptor(mapper, descriptor);
            core.prune_for_all(self.spaces, &reachers, page);
        }
    }

    /// The page is in its slot: every descriptor becomes a swap entry, and the frame is free.
    pub(super) fn leave_to_slot(&mut self, frame: FrameNum, id: AnonId) {
        while let Some(&mapper) = self.core.frames.mappers(frame).last() {
            let (slot, _) = leaf(self.core, mapper);
            let core = &mut *self.core;
            let page = core.page_of(mapper);
            tables::replace(&core.ram, slot, swap_entry(id));
            core.frames.remove_mapper(frame, mapper);
            for member in core.reachers(mapper.table) {
                let space = self.spaces.in_slot_mut(member.slot);
                space.resident.anon -= 1;
                space.swapped += 1;
                core.tlb_pages(member.asid(), page, page);
            }
        }
        let slot = self.core.frames.anon(id).place.slot();
        let slot = slot.expect("the caller has put the page in a slot");
        self.core.frames.anon_mut(id).place = AnonPlace::Swapped(slot);
        self.core.frames.release(frame);
    }
}
