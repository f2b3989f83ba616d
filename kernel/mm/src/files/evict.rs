//! Pages of the cache that leave RAM: those of files are dropped, those of shared memory are parked in swap and come back.

use std::io;

use arch::FrameNum;
use policy::{Arrival, Kind, Shadow};

use super::{File, FileId, Files, PageError, Parked, write_page};
use crate::core_state::Core;
use crate::frames::{CachePage, FrameState};
use crate::swap::SlotNum;

impl File {
    /// Every parked page, in no order.
    pub(crate) fn all_parked(&self) -> impl Iterator<Item = (u64, SlotNum)> {
        self.parked.iter().map(|(&page, parked)| (page, parked.slot))
    }

    /// How many pages of `first..end` are parked.
    pub(crate) fn parked_between(&self, first: u64, end: u64) -> u64 {
        if self.parked.is_empty() {
            return 0;
        }
        let inside = |page: &&u64| (first..end).contains(page);
        self.parked.keys().filter(inside).count() as u64
    }

    /// Gives up the parked pages from `first` on.
    pub(super) fn drop_parked(&mut self, core: &mut Core, first: u64) {
        self.drop_parked_between(core, first, u64::MAX);
    }

    /// Gives up the parked pages of `first..end`.
    pub(super) fn drop_parked_between(&mut self, core: &mut Core, first: u64, end: u64) {
        let inside = |&(page, _): &(u64, SlotNum)| (first..end).contains(&page);
        let mut gone: Vec<_> = self.all_parked().filter(inside).collect();
        gone.sort_unstable();
        for (page, slot) in gone {
            self.parked.remove(&page);
            core.swap.free(slot);
        }
    }

    /// Brings a parked page back into the cache.
    pub(super) fn unpark(&mut self, core: &mut Core, id: FileId, page: u64) -> Result<FrameNum, PageError> {
        let parked = self.parked[&page];
        let mut bytes = vec![0; core.page_bytes()];
        let answer = read_slot(core, parked, &mut bytes);
        core.note_swap_read(parked.slot.get(), false, answer.is_ok());
        answer?;
        let state = FrameState::Cache(CachePage {
            file: id,
            page,
            dirty: true,
            shmem: true,
        });
        let arrival = Arrival {
            shadow: core.swap.shadow(parked.slot),
            ..Arrival::fresh(Kind::Anon)
        };
        let what = "page of swapped shared memory";
        let (fresh, hot) = core
            .frames
            .allocate_returning(&core.ram, state, what, arrival)
            .map_err(PageError::OutOfRam)?;
        core.ram.write_bytes(fresh.frame.start(core.granule()), &bytes);
        core.counters.pgalloc += 1;
        core.counters.pswpin += 1;
        core.note_refault(Kind::Anon, arrival.shadow, hot);
        self.parked.remove(&page);
        core.swap.free(parked.slot);
        self.pages.insert(page, fresh.frame);
        Ok(fresh.frame)
    }

    /// Fills `to` with bytes of shared memory that is not in RAM: what is parked, and zeros. It stays where it is.
    pub(super) fn read_parked(&self, core: &Core, offset: u64, to: &mut [u8]) -> io::Result<()> {
        to.fill(0);
        if self.parked.is_empty() {
            return Ok(());
        }
        let bytes = core.granule().bytes();
        let mut page = vec![0; bytes as usize];
        let mut done = 0;
        while done < to.len() {
            let at = offset + done as u64;
            let step = ((bytes - at % bytes) as usize).min(to.len() - done);
            if let Some(&parked) = self.parked.get(&(at / bytes)) {
                read_slot(core, parked, &mut page).map_err(io::Error::other)?;
                let inside = (at % bytes) as usize;
                to[done..done + step].copy_from_slice(&page[inside..inside + step]);
            }
            done += step;
        }
        Ok(())
    }
}

/// Reads a parked page; what the file lost since is zeros.
fn read_slot(core: &Core, parked: Parked, to: &mut [u8]) -> Result<(), crate::swap::SwapError> {
    core.swap
        .read(parked.slot, to)
        .into_iter()
        .collect::<Result<(), _>>()?;
    to[parked.valid as usize..].fill(0);
    Ok(())
}

impl From<crate::swap::SwapError> for PageError {
    fn from(error: crate::swap::SwapError) -> Self {
        Self::Swap(error)
    }
}

impl Files {
    /// Drops a page of a file that nobody maps, written first if it is dirty. On error it stays.
    pub(crate) fn evict(
        &mut self,
        core: &mut Core,
        id: FileId,
        page: u64,
        frame: FrameNum,
        shadow: Option<Shadow>,
    ) -> io::Result<()> {
        let file = self.slots[id.0 as usize].as_mut();
        let file = file.expect("a cached page's file lives");
        write_page(core, file, page, frame, &mut self.buffer)?;
        file.pages.remove(&page);
        core.frames.release(frame);
        if let Some(shadow) = shadow {
            // More than RAM has pages are not worth remembering: they are too old.
            if file.shadows.len() > core.ram.frames().get() as usize {
                file.shadows.clear();
            }
            file.shadows.insert(page, shadow);
        }
        Ok(())
    }

    /// A page of shared memory that nobody maps is in this slot now: its frame goes.
    pub(crate) fn park(&mut self, core: &mut Core, id: FileId, page: u64, frame: FrameNum, slot: SlotNum) {
        let valid = core.granule().bytes();
        let file = self.get_mut(id);
        file.pages.remove(&page);
        file.parked.insert(page, Parked { slot, valid });
        core.frames.release(frame);
    }

    /// Bytes of a parked page from its byte `inside` on, for `/proc/PID/mem`: false if they cannot be had.
    pub(crate) fn peek_parked(&self, core: &Core, id: FileId, page: u64, inside: u64, to: &mut [u8]) -> bool {
        let file = self.get(id);
        let offset = (page << core.granule().shift()) + inside;
        file.parked.contains_key(&page) && file.read_parked(core, offset, to).is_ok()
    }
}
