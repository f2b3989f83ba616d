//! Writing evicted pages to swap: neighbours in memory go to neighbouring slots, in one write.

use arch::FrameNum;
use policy::{Shadow, Stuck};

use super::Reclaim;
use crate::events::Departure;
use crate::frames::{AnonPlace, FrameState};
use crate::swap::{Outgoing, SlotOwner};

/// Pages on their way out.
#[derive(Debug, Default)]
pub(super) struct SwapOut {
    pages: Vec<(FrameNum, Option<Shadow>)>,
}

impl SwapOut {
    pub(super) fn push(&mut self, frame: FrameNum, shadow: Option<Shadow>) {
        self.pages.push((frame, shadow));
    }

    pub(super) fn len(&self) -> u32 {
        self.pages.len() as u32
    }
}

impl Reclaim<'_> {
    /// Writes the pages and lets their frames go. A page that cannot be written stays in RAM.
    pub(super) fn write_out(&mut self, out: SwapOut) {
        let mut pages = out.pages;
        // Whoever reads them back most likely reads them in this order.
        pages.sort_by_key(|&(frame, _)| self.place_in_memory(frame));
        let mut rest = &pages[..];
        while !rest.is_empty() {
            let slots = self.core.swap.allocate(rest.len());
            if slots.is_empty() {
                let frames = rest.iter().map(|&(frame, _)| frame);
                return frames.for_each(|frame| self.core.frames.set_aside(frame, Stuck::NoRoom));
            }
            let (now, later) = rest.split_at(slots.len());
            let batch: Vec<_> = now
                .iter()
                .zip(slots)
                .map(|(&(frame, shadow), slot)| Outgoing {
                    slot,
                    owner: self.owner(frame),
                    shadow,
                })
                .collect();
            self.write_batch(now, &batch);
            rest = later;
        }
    }

    /// Space and page of its first mapping; shared memory by file and page.
    fn place_in_memory(&self, frame: FrameNum) -> (u64, u64) {
        match self.owner(frame) {
            SlotOwner::Shmem { file, page } => (1 << 32 | u64::from(file.number()), page),
            SlotOwner::Anon(_) => {
                let mappers = self.core.frames.mappers(frame);
                let places = mappers.iter().flat_map(|&mapper| {
                    let page = self.core.page_of(mapper).get();
                    let reachers = self.core.reachers(mapper.table).into_iter();
                    reachers.map(move |member| (u64::from(member.slot), page))
                });
                places.min().unwrap_or_default()
            }
        }
    }

    fn owner(&self, frame: FrameNum) -> SlotOwner {
        match self.core.frames.state(frame) {
            FrameState::Anon(id) => SlotOwner::Anon(id),
            FrameState::Cache(cache) => SlotOwner::Shmem {
                file: cache.file,
                page: cache.page,
            },
            state => unreachable!("{frame} is {state:?}, which is not swapped"),
        }
    }

    fn write_batch(&mut self, pages: &[(FrameNum, Option<Shadow>)], batch: &[Outgoing]) {
        let core = &mut *self.core;
        let (ram, granule) = (&core.ram, core.shape.granule);
        let answers = core.swap.write(batch, |number, bytes| {
            ram.read_bytes(pages[number].0.start(granule), bytes);
        });
        for ((&(frame, _), out), answer) in pages.iter().zip(batch).zip(answers) {
            self.core.note_swap_write(frame, out.slot.get(), answer.is_ok());
            match answer {
                Ok(()) => {
                    self.core.counters.pswpout += 1;
                    self.settle(frame, out);
                }
                Err(_) => {
                    self.core.counters.swap_write_errors += 1;
                    self.core.frames.restore(frame);
                }
            }
        }
    }

    /// The page is safe in its slot: the frame goes.
    fn settle(&mut self, frame: FrameNum, out: &Outgoing) {
        self.core.note_evict(frame, Departure::Swapped);
        match out.owner {
            SlotOwner::Anon(id) => {
                self.core.frames.anon_mut(id).place = AnonPlace::Cached(frame, out.slot);
                self.leave_to_slot(frame, id);
            }
            SlotOwner::Shmem { file, page } => {
                self.unmap_all(frame);
                self.files.park(self.core, file, page, frame, out.slot);
            }
        }
    }
}
