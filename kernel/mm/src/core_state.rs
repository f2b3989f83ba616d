//! What every part of memory management needs at hand: RAM, its frames, the queue of TLB requests.
//!
//! Key types: [`Core`]; [`TlbQueue`]. `Core` knows how to unmap one present page, because that is where
//! frames, the reverse map and dirty state meet.

use arch::{Asid, Bytes, Descriptor, FrameNum, Granule, PageNum, PageRange, TlbOp};
use ram::Ram;

use crate::counters::Counters;
use crate::error::OutOfRam;
use crate::families::Families;
use crate::frames::{AnonId, AnonPlace, FrameState, Frames, Mapper, ZERO_FRAME};
use crate::space::{Resident, Space};
use crate::swap::Swap;
use crate::tables::{Shape, frame_of, swapped_anon};

/// RAM and what is known of it.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) ram: Ram,
    pub(crate) shape: Shape,
    pub(crate) frames: Frames,
    pub(crate) families: Families,
    pub(crate) tlb: TlbQueue,
    pub(crate) counters: Counters,
    pub(crate) swap: Swap,
    pub(crate) events: crate::events::Events,
    /// Which slots would be read next if swap-in goes on as it did.
    pub(crate) readahead: crate::swap_in::Readahead,
}

impl Core {
    pub(crate) fn new(ram: Ram) -> Self {
        let frames = Frames::new(&ram);
        Self {
            shape: Shape::new(ram.granule()),
            frames,
            families: Families::default(),
            swap: Swap::none(ram.granule()),
            ram,
            tlb: TlbQueue::default(),
            events: Default::default(),
            counters: Counters::default(),
            readahead: crate::swap_in::Readahead::default(),
        }
    }

    pub(crate) fn granule(&self) -> Granule {
        self.shape.granule
    }

    pub(crate) fn page_bytes(&self) -> usize {
        self.shape.granule.bytes() as usize
    }

    /// The bytes of so many pages.
    pub(crate) fn bytes(&self, pages: u64) -> Bytes {
        Bytes::new(pages << self.shape.granule.shift())
    }

    pub(crate) fn frame_of(&self, descriptor: Descriptor) -> FrameNum {
        frame_of(descriptor, self.shape.granule)
    }

    /// A present page is about to lose its descriptor: takes it out of the reverse map and the counts, keeps
    /// its dirty state, and frees private memory that nobody has left. The caller clears the descriptor and
    /// queues the TLB request.
    #[inline]
    pub(crate) fn forget_page(&mut self, space: &mut Space, page: PageNum, descriptor: Descriptor) {
        let mapper = self.mapper(space, page);
        let state = self.frames.state(self.frame_of(descriptor));
        if let Some(count) = space.resident.of(state) {
            *count -= 1;
        }
        self.forget_descriptor(mapper, descriptor);
    }

    /// The part of that which is the same for each space that reaches the descriptor: the reverse map, dirty state, the
    /// frame itself.
    #[inline]
    pub(crate) fn forget_descriptor(&mut self, mapper: Mapper, descriptor: Descriptor) {
        let frame = self.frame_of(descriptor);
        match self.frames.state(frame) {
            FrameState::Zero => self.frames.zero_maps -= 1,
            FrameState::Anon(id) => {
                self.frames.remove_mapper(frame, mapper);
                self.drop_anon(id);
            }
            FrameState::Cache(cache) => {
                self.frames.remove_mapper(frame, mapper);
                if descriptor.is_dirty() && !cache.dirty {
                    self.frames.cache_page_mut(frame).dirty = true;
                }
            }
            state @ (FrameState::Free | FrameState::Table { .. }) => {
                unreachable!("{mapper:?} maps frame {frame}, which is {state:?}")
            }
        }
    }

    /// The descriptor of a page that has a leaf table, as the reverse map names it.
    #[inline]
    fn mapper(&self, space: &Space, page: PageNum) -> Mapper {
        let slot = space.tables.lookup(&self.ram, &self.shape, page);
        self.shape.mapper(slot.expect("a mapped page has a leaf table"))
    }

    /// One owner of a private page less; with the last one go its frame and its slot.
    #[inline]
    pub(crate) fn drop_anon(&mut self, id: AnonId) {
        if let Some(slot) = self.frames.drop_anon(id) {
            self.swap.free(slot);
        }
    }

    /// A private page in RAM was or will be written: its copy in swap is worth nothing any more.
    #[inline]
    pub(crate) fn drop_swap_copy(&mut self, id: AnonId) {
        if let AnonPlace::Cached(frame, slot) = self.frames.anon(id).place {
            self.frames.anon_mut(id).place = AnonPlace::Resident(frame);
            self.swap.free(slot);
        }
    }

    /// A swap entry of a space is about to be cleared.
    pub(crate) fn forget_entry(&mut self, space: &mut Space, entry: Descriptor) {
        let id = swapped_anon(entry).expect("what is used and not valid is a swap entry");
        self.drop_anon(id);
        space.swapped -= 1;
    }

    /// A descriptor for `page` of `space` that leads to `frame` was just installed: enters it in the reverse
    /// map and the counts.
    #[inline]
    pub(crate) fn note_mapped(&mut self, space: &mut Space, page: PageNum, frame: FrameNum) {
        if frame == ZERO_FRAME {
            self.frames.zero_maps += 1;
            return;
        }
        self.frames.add_mapper(frame, self.mapper(space, page));
        let state = self.frames.state(frame);
        let count = space.resident.of(state);
        *count.unwrap_or_else(|| unreachable!("page {page} maps frame {frame}, which is {state:?}")) += 1;
        space.note_peak();
    }

    /// Unmaps every page of `range`, present or swapped: frames go, slots go, empty tables go, one TLB request stays. Tables
    /// that others reach too are let go whole; those that only reach into the range are copied first, and if no frame is
    /// left for that, nothing was unmapped.
    pub(crate) fn zap(&mut self, space: &mut Space, range: PageRange) -> Result<(), OutOfRam> {
        self.own_edges(space, range)?;
        self.let_go(space, range);
        self.zap_owned(space, range);
        Ok(())
    }

    /// The same where no other space reaches the pages.
    pub(crate) fn zap_owned(&mut self, space: &mut Space, range: PageRange) {
        let mut rest = range;
        let mut touched: Option<(PageNum, PageNum)> = None;
        while let Some((page, slot, descriptor)) = space.tables.next_used(&self.ram, &self.shape, rest) {
            let next = PageNum::new(page.get() + 1);
            if let Some((_, last)) = touched
                && self.shape.next_leaf_table(last) <= page
            {
                space.tables.prune(&self.ram, &mut self.frames, &self.shape, last);
            }
            touched = Some((touched.map_or(page, |(first, _)| first), page));
            space.tables.clear(&self.ram, &mut self.frames, &self.shape, slot);
            match descriptor.is_valid() {
                true => self.forget_page(space, page, descriptor),
                false => self.forget_entry(space, descriptor),
            }
            rest = PageRange::new(next, range.end()).expect("present pages lie in the range");
        }
        if let Some((first, last)) = touched {
            space.tables.prune(&self.ram, &mut self.frames, &self.shape, last);
            self.tlb_pages(space.asid, first, last);
        }
    }

    /// Queues a request for `first` to `last`.
    pub(crate) fn tlb_pages(&mut self, asid: Asid, first: PageNum, last: PageNum) {
        let end = PageNum::new(last.get() + 1);
        let pages = PageRange::new(first, end).expect("first is not after last");
        self.tlb_queue(TlbOp::Pages { asid, pages });
    }

    /// Queues a request for a page in every space that reaches this descriptor of it.
    pub(crate) fn tlb_entry(&mut self, mapper: Mapper) {
        let page = self.page_of(mapper);
        for member in self.reachers(mapper.table) {
            self.tlb_pages(member.asid(), page, page);
        }
    }

    pub(crate) fn tlb_queue(&mut self, op: TlbOp) {
        self.counters.tlb_requests += 1;
        self.tlb.push(op);
    }
}

/// TLB requests that the machine has yet to deliver. Neighbouring pages become one request, as kernels do.
#[derive(Debug, Default)]
pub(crate) struct TlbQueue {
    ops: Vec<TlbOp>,
}

impl TlbQueue {
    /// Beyond so many single requests one for everything is cheaper.
    const MANY: usize = 256;

    fn push(&mut self, op: TlbOp) {
        if let (
            Some(TlbOp::Pages {
                asid: last,
                pages: before,
            }),
            TlbOp::Pages { asid, pages },
        ) = (self.ops.last_mut(), op)
            && *last == asid
            && before.start() <= pages.end()
            && pages.start() <= before.end()
        {
            let start = before.start().min(pages.start());
            let end = before.end().max(pages.end());
            *before = PageRange::new(start, end).expect("the union of ranges that touch");
            return;
        }
        if self.ops.len() >= Self::MANY {
            self.ops.clear();
            self.ops.push(TlbOp::All);
            return;
        }
        if self.ops.last() != Some(&TlbOp::All) {
            self.ops.push(op);
        }
    }

    pub(crate) fn take(&mut self) -> Vec<TlbOp> {
        std::mem::take(&mut self.ops)
    }
}

/// Which resident count a page belongs to.
impl Resident {
    pub(crate) fn of(&mut self, state: FrameState) -> Option<&mut u64> {
        match state {
            FrameState::Anon(_) => Some(&mut self.anon),
            FrameState::Cache(cache) if cache.shmem => Some(&mut self.shmem),
            FrameState::Cache(_) => Some(&mut self.file),
            FrameState::Free | FrameState::Zero | FrameState::Table { .. } => None,
        }
    }
}
