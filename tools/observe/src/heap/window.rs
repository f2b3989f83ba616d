//! A window on [`Memory`] for reading words in rising order ([`Window`]), and a small cache for reading them in any
//! order ([`Words`]).

use super::memory::{Hole, Memory};

/// The largest piece that is read at once, bytes.
const LARGEST: usize = 256 << 10;

/// The smallest piece, and what a jump is answered with: the header of a large chunk needs no more.
const SMALLEST: usize = 4 << 10;

/// Reads words at rising addresses. Like readahead it doubles its pieces while the walk goes on without jumps.
pub(super) struct Window<'a> {
    memory: &'a dyn Memory,
    start: u64,
    bytes: Vec<u8>,
    piece: usize,
    /// Bytes asked of the memory so far.
    pub(super) read: u64,
}

impl<'a> Window<'a> {
    pub(super) fn new(memory: &'a dyn Memory) -> Self {
        Self {
            memory,
            start: 0,
            bytes: Vec::new(),
            piece: SMALLEST,
            read: 0,
        }
    }

    /// Forget what was read, so that a running target is seen as it is now.
    pub(super) fn forget(&mut self) {
        self.bytes.clear();
    }

    /// The word of 8 bytes at `addr`.
    pub(super) fn word(&mut self, addr: u64) -> Result<u64, Hole> {
        match self.at(addr) {
            Some(word) => Ok(word),
            None => self.load(addr),
        }
    }

    #[inline]
    fn at(&self, addr: u64) -> Option<u64> {
        let offset = usize::try_from(addr.checked_sub(self.start)?).ok()?;
        word_in(&self.bytes, offset)
    }

    #[cold]
    fn load(&mut self, addr: u64) -> Result<u64, Hole> {
        let end = self.start.saturating_add(self.bytes.len() as u64);
        let goes_on = addr >= self.start && addr < end.saturating_add(SMALLEST as u64);
        self.piece = if goes_on {
            (self.piece * 2).min(LARGEST)
        } else {
            SMALLEST
        };
        self.start = addr;
        self.bytes.resize(self.piece, 0);
        self.read = self.read.saturating_add(self.piece as u64);
        if let Err(hole) = self.memory.read(addr, &mut self.bytes) {
            let good = hole.at.saturating_sub(addr).min(self.piece as u64);
            self.bytes.truncate(usize::try_from(good).unwrap_or(0));
            if good < 8 {
                return Err(hole);
            }
        }
        self.at(addr).ok_or(Hole {
            at: addr,
            end: addr.saturating_add(8),
            why: super::Why::Failed,
        })
    }
}

/// The little-endian word at `offset`, if it lies in `bytes`.
#[inline]
pub(super) fn word_in(bytes: &[u8], offset: usize) -> Option<u64> {
    let word = bytes.get(offset..)?.first_chunk::<8>()?;
    Some(u64::from_le_bytes(*word))
}

/// Bytes of one slot of [`Words`].
pub(super) const SLOT: u64 = 32 << 10;

/// Slots of [`Words`]: 8 MiB in all.
const SLOTS: usize = 256;

/// Words in any order: a direct-mapped cache, for lists that wander over a heap.
pub(super) struct Words<'a> {
    memory: &'a dyn Memory,
    slots: Vec<Slot>,
}

#[derive(Default)]
struct Slot {
    start: Option<u64>,
    bytes: Vec<u8>,
    hole: Option<Hole>,
}

impl<'a> Words<'a> {
    pub(super) fn new(memory: &'a dyn Memory) -> Self {
        let mut slots = Vec::new();
        slots.resize_with(SLOTS, Slot::default);
        Self { memory, slots }
    }

    /// Forget what was read, so that a running target is seen as it is now.
    pub(super) fn forget(&mut self) {
        for slot in &mut self.slots {
            slot.start = None;
        }
    }

    /// The word of 8 bytes at `addr`, which must not straddle two slots (an aligned address never does).
    pub(super) fn word(&mut self, addr: u64) -> Result<u64, Hole> {
        let failed = Hole {
            at: addr,
            end: addr.saturating_add(8),
            why: super::Why::Failed,
        };
        let start = addr & !(SLOT - 1);
        let index = usize::try_from(start / SLOT).unwrap_or(0) % SLOTS;
        let slot = self.slots.get_mut(index).ok_or(failed)?;
        if slot.start != Some(start) {
            slot.bytes.resize(SLOT as usize, 0);
            slot.start = Some(start);
            slot.hole = self.memory.read(start, &mut slot.bytes).err();
            if let Some(hole) = slot.hole {
                let good = hole.at.saturating_sub(start).min(SLOT);
                slot.bytes.truncate(usize::try_from(good).unwrap_or(0));
            }
        }
        if let Some(word) = word_in(&slot.bytes, (addr - start) as usize) {
            return Ok(word);
        }
        // Behind the slot's hole: there may be memory again.
        let mut word = [0; 8];
        self.memory.read(addr, &mut word)?;
        Ok(u64::from_le_bytes(word))
    }

    /// `count` words from `addr` on.
    pub(super) fn words(&mut self, addr: u64, count: usize) -> Result<Vec<u64>, Hole> {
        (0..count as u64)
            .map(|i| self.word(addr.wrapping_add(i * 8)))
            .collect()
    }
}
