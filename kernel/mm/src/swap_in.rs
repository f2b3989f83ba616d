//! Bringing swapped pages back, with those that were written beside them when reading goes on in sequence.
//!
//! Neighbours in memory were written to neighbouring slots, so a program that walks its memory reads its slots in order.
//! [`Readahead`] notices that and doubles what one read brings, up to 512 KiB; the pages that nobody asked for yet
//! wait in RAM with their slots, unmapped, as young as what a fault asked for, or reclaim for the next read would take them before their use.
//!
//! Neighbours: `swap` (the bytes), `fault::swap_in` (maps what came), `files` (shared memory).

use arch::FrameNum;
use policy::{Arrival, Kind, Shadow};

use crate::core_state::Core;
use crate::error::OutOfRam;
use crate::frames::{AnonId, AnonPlace};
use crate::swap::{SlotNum, SlotOwner, SwapError};

/// Why a swapped page cannot be had.
#[derive(Debug)]
pub(crate) enum SwapInError {
    OutOfRam(OutOfRam),
    Swap(SwapError),
}

impl From<OutOfRam> for SwapInError {
    fn from(out: OutOfRam) -> Self {
        Self::OutOfRam(out)
    }
}

impl From<SwapError> for SwapInError {
    fn from(error: SwapError) -> Self {
        Self::Swap(error)
    }
}

/// Bytes that one read brings at most.
const MOST: u64 = 512 << 10;

/// One program that walks its memory: the slot it needs next, and how many it got last.
#[derive(Clone, Copy, Debug, Default)]
struct Stream {
    next: u32,
    window: u32,
}

/// What swap-in did of late, to tell walks from jumps.
#[derive(Debug, Default)]
pub(crate) struct Readahead {
    streams: [Stream; 4],
    /// Which stream is forgotten next.
    turn: usize,
    buffer: Vec<u8>,
}

impl Readahead {
    /// A page is needed from `slot`: how many slots from it on are worth reading.
    fn window(&mut self, slot: SlotNum, most: u32) -> u32 {
        let known = self.streams.iter_mut().find(|stream| stream.next == slot.get());
        match known {
            Some(stream) => {
                stream.window = (stream.window * 2).clamp(1, most);
                stream.window
            }
            None => {
                self.streams[self.turn] = Stream {
                    next: slot.get(),
                    window: 1,
                };
                self.turn = (self.turn + 1) % self.streams.len();
                1
            }
        }
    }

    /// So many slots were read from `slot` on.
    fn done(&mut self, slot: SlotNum, count: usize) {
        if let Some(stream) = self.streams.iter_mut().find(|s| s.next == slot.get()) {
            stream.next = slot.after(count).get();
        }
    }
}

impl Core {
    /// The frame of a private page, read from swap if it must be; and whether the host was asked.
    pub(crate) fn bring_in(&mut self, id: AnonId) -> Result<(FrameNum, bool), SwapInError> {
        let slot = match self.frames.anon(id).place {
            AnonPlace::Resident(frame) | AnonPlace::Cached(frame, _) => {
                self.counters.swap_cache_hits += 1;
                return Ok((frame, false));
            }
            AnonPlace::Swapped(slot) => slot,
            AnonPlace::Nowhere => unreachable!("an anon with an owner is somewhere"),
        };
        let most = (MOST >> self.granule().shift()).clamp(1, 32) as u32;
        let window = self.readahead.window(slot, most);
        let run = self.run_from(slot, window);
        self.readahead.done(slot, run.len());
        let mut buffer = std::mem::take(&mut self.readahead.buffer);
        buffer.resize(run.len() * self.page_bytes(), 0);
        let answer = self.take_run(slot, &run, &mut buffer);
        self.readahead.buffer = buffer;
        answer.map(|frame| (frame, true))
    }

    /// The anons whose pages are in the slots from `slot` on, in a row, and only there.
    fn run_from(&self, slot: SlotNum, window: u32) -> Vec<AnonId> {
        // Readahead must not take the last frames from those who need them now.
        let spare = self.frames.free_count() / 4;
        let wanted = window.min(spare.max(1)) as usize;
        let swapped = |slot: SlotNum| match self.swap.owner(slot)? {
            SlotOwner::Anon(id) => (self.frames.anon(id).place == AnonPlace::Swapped(slot)).then_some(id),
            SlotOwner::Shmem { .. } => None,
        };
        (0..wanted)
            .map_while(|index| swapped(slot.after(index)))
            .collect()
    }

    fn take_run(
        &mut self,
        first: SlotNum,
        run: &[AnonId],
        buffer: &mut [u8],
    ) -> Result<FrameNum, SwapInError> {
        let answers = self.swap.read(first, buffer);
        let mut needed = None;
        let pages = buffer.chunks_exact(self.page_bytes());
        for (index, ((&id, answer), bytes)) in run.iter().zip(answers).zip(pages).enumerate() {
            let slot = first.after(index);
            let speculative = index > 0;
            self.note_swap_read(slot.get(), speculative, answer.is_ok());
            let taken = match answer {
                Ok(()) => self
                    .admit(id, slot, bytes, speculative)
                    .map_err(SwapInError::from),
                Err(error) => {
                    self.counters.swap_read_errors += u64::from(!speculative);
                    Err(error.into())
                }
            };
            match (speculative, taken) {
                (false, taken) => needed = Some(taken?),
                (true, Ok(_)) => self.counters.swap_ra += 1,
                // Trouble with what nobody asked for is met again by whoever asks.
                (true, Err(_)) => {}
            }
        }
        Ok(needed.expect("the run begins with the page that is needed"))
    }

    fn admit(
        &mut self,
        id: AnonId,
        slot: SlotNum,
        bytes: &[u8],
        speculative: bool,
    ) -> Result<FrameNum, OutOfRam> {
        let arrival = Arrival {
            kind: Kind::Anon,
            shadow: self.swap.shadow(slot),
            speculative,
        };
        let (frame, hot) = self.frames.readmit_anon(&self.ram, id, slot, arrival)?;
        self.ram.write_bytes(frame.start(self.granule()), bytes);
        self.counters.pgalloc += 1;
        self.counters.pswpin += 1;
        self.note_refault(Kind::Anon, arrival.shadow, hot);
        Ok(frame)
    }

    /// An evicted page came back.
    pub(crate) fn note_refault(&mut self, kind: Kind, shadow: Option<Shadow>, hot: bool) {
        if shadow.is_none() {
            return;
        }
        let counters = &mut self.counters;
        match kind {
            Kind::Anon => {
                counters.workingset_refault_anon += 1;
                counters.workingset_activate_anon += u64::from(hot);
            }
            Kind::File => {
                counters.workingset_refault_file += 1;
                counters.workingset_activate_file += u64::from(hot);
            }
        }
    }
}
