//! The swap area: pages that left RAM, in a file of the host.
//!
//! ```text
//!   page ──▶ all zeros? ──▶ a note, no bytes
//!              │ no
//!              ▼
//!            compresses well, and the tier has room? ──▶ bytes in memory of the host
//!              │ no
//!              ▼
//!            sealed (encrypted, authenticated) ──▶ the device, neighbours in one write
//! ```
//!
//! A slot has one owner, which counts its own: an anon its page-table entries, a page of shared memory its file. What
//! comes back is what was written, or an error: the seal is bound to the slot and to the number of the write, so a
//! flipped bit, a write that was lost, and one that went astray are all noticed. A slot that cannot be written is never
//! used again.
//!
//! Key types: [`Swap`]; [`SwapDevice`], the file; [`SwapConfig`]; [`SwapError`]. `slots` finds free slots, `seal` encrypts.
//! Absent: which page goes (`policy`), and when (`reclaim`).

use std::fmt;
use std::io;

use arch::{Bytes, Granule};
use policy::Shadow;

use crate::files::FileId;
use crate::frames::AnonId;

mod seal;
mod slots;
#[cfg(test)]
mod tests;

use seal::{Seal, Sealer};
pub(crate) use slots::SlotNum;
use slots::Slots;

/// Where swapped pages are written: a file of the host, or a test's idea of one.
pub trait SwapDevice {
    /// Fills `to` from `offset` and gives the number of bytes; short reads are asked again.
    fn read_at(&self, offset: u64, to: &mut [u8]) -> io::Result<usize>;
    /// Writes at `offset` and gives the number of bytes; short writes are asked again.
    fn write_at(&self, offset: u64, from: &[u8]) -> io::Result<usize>;
}

/// A device that somebody else keeps hold of, too.
impl<T: SwapDevice> SwapDevice for std::rc::Rc<T> {
    fn read_at(&self, offset: u64, to: &mut [u8]) -> io::Result<usize> {
        (**self).read_at(offset, to)
    }

    fn write_at(&self, offset: u64, from: &[u8]) -> io::Result<usize> {
        (**self).write_at(offset, from)
    }
}

/// A swap area to be.
pub struct SwapConfig {
    /// The file.
    pub device: Box<dyn SwapDevice>,
    /// What `/proc/swaps` calls it.
    pub name: String,
    /// How much of it may be used; rounded down to pages.
    pub size: Bytes,
    /// Encrypts what is written. It must be random, used for one machine, and kept nowhere.
    pub key: [u8; 32],
    /// How many bytes of compressed pages the host's memory may hold before the device is used; 0 for none.
    pub compressed: Bytes,
}

impl fmt::Debug for SwapConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SwapConfig")
            .field("name", &self.name)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

/// Why a swapped page cannot be had back, or could not be written.
#[derive(Debug)]
pub enum SwapError {
    /// The host's answer.
    Io {
        /// Which slot.
        slot: u32,
        /// Why.
        source: io::Error,
    },
    /// The bytes are not those that were written there last.
    Corrupt {
        /// Which slot.
        slot: u32,
    },
}

impl fmt::Display for SwapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { slot, source } => write!(f, "swap slot {slot}: {source}"),
            Self::Corrupt { slot } => write!(f, "swap slot {slot} does not hold what was written to it"),
        }
    }
}

impl std::error::Error for SwapError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Corrupt { .. } => None,
        }
    }
}

/// Whose page is in a slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SlotOwner {
    Anon(AnonId),
    Shmem { file: FileId, page: u64 },
}

/// Where the bytes of a slot are.
#[derive(Debug)]
enum Stored {
    Zeros,
    Compressed(Box<[u8]>),
    OnDevice(Seal),
}

#[derive(Debug)]
struct Record {
    owner: SlotOwner,
    shadow: Option<Shadow>,
    stored: Stored,
}

/// How the area is used. All in slots but `compressed_bytes`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SwapUse {
    /// The size of the area.
    pub total: u64,
    /// Slots that hold a page.
    pub used: u64,
    /// Slots that failed and are not used again.
    pub bad: u64,
    /// Used slots whose page is in the compressed tier.
    pub compressed: u64,
    /// What the compressed tier takes.
    pub compressed_bytes: u64,
    /// Used slots whose page is all zeros, which takes nothing.
    pub zeros: u64,
}

impl SwapUse {
    /// Slots that can be used.
    pub const fn free(&self) -> u64 {
        self.total - self.used - self.bad
    }
}

/// A page to be written: its slot, its owner, and what its policy keeps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outgoing {
    pub(crate) slot: SlotNum,
    pub(crate) owner: SlotOwner,
    pub(crate) shadow: Option<Shadow>,
}

/// The swap area. Without a device it has no slot.
pub(crate) struct Swap {
    device: Option<Box<dyn SwapDevice>>,
    name: String,
    slots: Slots,
    /// By slot, as far as one was ever used.
    records: Vec<Option<Record>>,
    sealer: Sealer,
    usage: SwapUse,
    tier_limit: u64,
    page: usize,
    /// For sealed pages on their way.
    buffer: Vec<u8>,
}

impl fmt::Debug for Swap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Swap")
            .field("usage", &self.usage)
            .finish_non_exhaustive()
    }
}

impl Swap {
    /// An area without a slot.
    pub(crate) fn none(granule: Granule) -> Self {
        Self {
            device: None,
            name: String::new(),
            slots: Slots::new(0),
            records: Vec::new(),
            sealer: Sealer::new(&[0; 32]),
            usage: SwapUse::default(),
            tier_limit: 0,
            page: granule.bytes() as usize,
            buffer: Vec::new(),
        }
    }

    pub(crate) fn new(config: SwapConfig, granule: Granule) -> Self {
        // A slot's number has 31 bits: enough for 8 TiB.
        let total = (config.size.get() >> granule.shift()).min(1 << 31) as u32;
        Self {
            device: Some(config.device),
            name: config.name,
            slots: Slots::new(total),
            sealer: Sealer::new(&config.key),
            usage: SwapUse {
                total: total.into(),
                ..SwapUse::default()
            },
            tier_limit: config.compressed.get(),
            ..Self::none(granule)
        }
    }

    pub(crate) fn usage(&self) -> &SwapUse {
        &self.usage
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn has_free(&self) -> bool {
        self.usage.free() > 0
    }

    /// Whether so much is used that keeping a slot for a page that is in RAM again is a waste (`vm_swap_full`).
    pub(crate) fn is_half_full(&self) -> bool {
        2 * self.usage.free() < self.usage.total
    }

    /// Takes up to `count` free slots in a row; fewer if there is no such row, none if there is no slot.
    pub(crate) fn allocate(&mut self, count: usize) -> Vec<SlotNum> {
        let run = self.slots.allocate(count);
        self.usage.used += run.len() as u64;
        run
    }

    /// Gives a slot back; its bytes are forgotten.
    pub(crate) fn free(&mut self, slot: SlotNum) {
        self.forget(slot);
        self.slots.free(slot);
        self.usage.used -= 1;
    }

    fn forget(&mut self, slot: SlotNum) {
        let record = self.records.get_mut(slot.index()).and_then(Option::take);
        match record.map(|record| record.stored) {
            Some(Stored::Zeros) => self.usage.zeros -= 1,
            Some(Stored::Compressed(bytes)) => {
                self.usage.compressed -= 1;
                self.usage.compressed_bytes -= bytes.len() as u64;
            }
            Some(Stored::OnDevice(_)) | None => {}
        }
    }

    /// The slot failed: it stays taken for ever and is nobody's.
    fn quarantine(&mut self, slot: SlotNum) {
        self.forget(slot);
        self.usage.used -= 1;
        self.usage.bad += 1;
    }

    /// Writes pages to slots; `read` gives the bytes of each, by its number in the batch. Says for each whether it is safe;
    /// the slot of one that is not was taken out of use.
    pub(crate) fn write(
        &mut self,
        batch: &[Outgoing],
        mut read: impl FnMut(usize, &mut [u8]),
    ) -> Vec<Result<(), SwapError>> {
        let mut answers = Vec::with_capacity(batch.len());
        let mut pending: Vec<(Outgoing, Seal)> = Vec::with_capacity(batch.len());
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.resize(buffer.len().max(batch.len() * self.page), 0);
        for (number, out) in batch.iter().enumerate() {
            let follows = pending
                .last()
                .is_none_or(|(last, _)| last.slot.index() + 1 == out.slot.index());
            if !follows {
                self.flush(&buffer, &mut pending, &mut answers);
            }
            let start = pending.len() * self.page;
            let page = &mut buffer[start..start + self.page];
            read(number, page);
            if let Some(stored) = self.without_device(page) {
                self.flush(&buffer, &mut pending, &mut answers);
                self.store(*out, stored);
                answers.push(Ok(()));
            } else {
                let seal = self.sealer.seal(out.slot, page);
                pending.push((*out, seal));
            }
        }
        self.flush(&buffer, &mut pending, &mut answers);
        self.buffer = buffer;
        answers
    }

    /// What a page becomes that needs no device.
    fn without_device(&self, bytes: &[u8]) -> Option<Stored> {
        if bytes.iter().all(|&byte| byte == 0) {
            return Some(Stored::Zeros);
        }
        if self.usage.compressed_bytes >= self.tier_limit {
            return None;
        }
        let small = lz4_flex::block::compress(bytes);
        let fits = self.usage.compressed_bytes + small.len() as u64 <= self.tier_limit;
        (fits && small.len() <= self.page / 4 * 3).then(|| Stored::Compressed(small.into_boxed_slice()))
    }

    fn store(&mut self, out: Outgoing, stored: Stored) {
        match &stored {
            Stored::Zeros => self.usage.zeros += 1,
            Stored::Compressed(bytes) => {
                self.usage.compressed += 1;
                self.usage.compressed_bytes += bytes.len() as u64;
            }
            Stored::OnDevice(_) => {}
        }
        let at = out.slot.index();
        if at >= self.records.len() {
            self.records.resize_with(at + 1, || None);
        }
        self.records[at] = Some(Record {
            owner: out.owner,
            shadow: out.shadow,
            stored,
        });
    }

    /// Writes the sealed pages in one go; if the host refuses, each by itself, so that only what fails is lost.
    fn flush(
        &mut self,
        sealed: &[u8],
        pending: &mut Vec<(Outgoing, Seal)>,
        answers: &mut Vec<Result<(), SwapError>>,
    ) {
        let Some((first, _)) = pending.first() else {
            return;
        };
        let whole = self.write_sealed(first.slot, &sealed[..pending.len() * self.page]);
        let alone = whole.is_err() && pending.len() > 1;
        let mut whole = Some(whole);
        for (index, (out, seal)) in pending.drain(..).enumerate() {
            let answer = match whole.take() {
                Some(Err(error)) if !alone => Err(error),
                _ if alone => self.write_sealed(out.slot, &sealed[index * self.page..][..self.page]),
                _ => Ok(()),
            };
            match answer {
                Ok(()) => {
                    self.store(out, Stored::OnDevice(seal));
                    answers.push(Ok(()));
                }
                Err(source) => {
                    self.quarantine(out.slot);
                    let slot = out.slot.get();
                    answers.push(Err(SwapError::Io { slot, source }));
                }
            }
        }
    }

    /// Writes sealed pages to the slots from `slot` on.
    fn write_sealed(&self, slot: SlotNum, sealed: &[u8]) -> io::Result<()> {
        let device = self.device.as_ref().ok_or(io::ErrorKind::NotFound)?;
        let mut rest = sealed;
        let mut offset = slot.index() as u64 * self.page as u64;
        while !rest.is_empty() {
            match device.write_at(offset, rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(done) => {
                    let done = done.min(rest.len());
                    rest = &rest[done..];
                    offset += done as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Whose page a slot holds, if it holds one.
    pub(crate) fn owner(&self, slot: SlotNum) -> Option<SlotOwner> {
        Some(self.record(slot)?.owner)
    }

    /// What the policy kept of the page.
    pub(crate) fn shadow(&self, slot: SlotNum) -> Option<Shadow> {
        self.record(slot)?.shadow
    }

    fn record(&self, slot: SlotNum) -> Option<&Record> {
        self.records.get(slot.index())?.as_ref()
    }

    /// Every slot in use with its owner. For the checker.
    pub(crate) fn used(&self) -> impl Iterator<Item = (SlotNum, SlotOwner)> {
        let numbered = self.records.iter().enumerate();
        numbered.filter_map(|(at, record)| Some((SlotNum::new(at as u32), record.as_ref()?.owner)))
    }

    /// Whether the bytes of a slot are on the device, where reading neighbours along is cheap.
    pub(crate) fn is_on_device(&self, slot: SlotNum) -> bool {
        self.record(slot)
            .is_some_and(|record| matches!(record.stored, Stored::OnDevice(_)))
    }

    /// Fills `pages` with the pages of slots in a row, each in use, in one read where it goes to the device. Gives for
    /// each whether its bytes are what was written; where not, they are not to be used.
    pub(crate) fn read(&self, first: SlotNum, pages: &mut [u8]) -> Vec<Result<(), SwapError>> {
        let count = pages.len() / self.page;
        let on_device = (0..count).any(|index| self.is_on_device(first.after(index)));
        let whole = match on_device {
            true => self.read_sealed(first, pages),
            false => Ok(()),
        };
        let mut answers = Vec::with_capacity(count);
        for (index, page) in pages.chunks_exact_mut(self.page).enumerate() {
            let slot = first.after(index);
            let alone = match &whole {
                Err(_) if count > 1 && self.is_on_device(slot) => self.read_sealed(slot, page),
                Err(error) if self.is_on_device(slot) => Err(error.kind().into()),
                _ => Ok(()),
            };
            answers.push(match alone {
                Ok(()) => self.open(slot, page),
                Err(source) => Err(SwapError::Io {
                    slot: slot.get(),
                    source,
                }),
            });
        }
        answers
    }

    fn open(&self, slot: SlotNum, page: &mut [u8]) -> Result<(), SwapError> {
        let corrupt = SwapError::Corrupt { slot: slot.get() };
        let sound = match self.record(slot).map(|record| &record.stored) {
            None => false,
            Some(Stored::Zeros) => {
                page.fill(0);
                true
            }
            Some(Stored::Compressed(bytes)) => {
                lz4_flex::block::decompress_into(bytes, page).is_ok_and(|length| length == page.len())
            }
            Some(Stored::OnDevice(seal)) => self.sealer.open(slot, seal, page),
        };
        if sound { Ok(()) } else { Err(corrupt) }
    }

    fn read_sealed(&self, slot: SlotNum, to: &mut [u8]) -> io::Result<()> {
        let device = self.device.as_ref().ok_or(io::ErrorKind::NotFound)?;
        let start = slot.index() as u64 * self.page as u64;
        let mut done = 0;
        while done < to.len() {
            match device.read_at(start + done as u64, &mut to[done..]) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => done += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
