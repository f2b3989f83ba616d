//! [`Windows`]: which pieces of an address space lead straight to bytes of RAM. The mmu's fast translation table is one
//! for each address space; it decides what goes in, this type holds it and makes the accesses.
//!
//! The table is direct-mapped and cut into [pieces](PIECE) of 4 KiB whatever the page size, so that shift and mask are
//! constants of the program: a page of 64 KiB takes up to sixteen slots, each filled when it is needed. An entry is four
//! words, in the order in which generated code will read them: read tag, write tag, execute tag, host address. A
//! tag is the piece's address, the last word where its first byte lies in this process. `address - tag <= 4096 - size` is
//! the whole check of an access: it fails for an access that crosses into the next piece, and for every address with a
//! tag in its top byte. What is not allowed has the [address of a piece of another slot](nothing) as its tag.
//!
//! **Why an access needs no check of its own.** It rests on what [`Windows::set`] keeps up, the only place that makes an
//! entry: the piece lies in RAM as a whole, and the entry lies in the slot of its own piece. There are two slots at least,
//! so there is another slot's piece to stand for nothing, and no address of this slot lies in that. If the compare holds,
//! the access begins and ends in the piece, therefore inside the mapping, which the handle in here keeps alive.

use arch::{Access, Bytes, PhysAddr};

use crate::{Ram, Word};

/// The bytes that one entry leads to.
pub const PIECE: u64 = 4096;
/// Address bits of a piece.
const SHIFT: u32 = PIECE.trailing_zeros();
const MASK: u64 = !(PIECE - 1);
/// Bytes of an entry, as a power of two.
const ENTRY_SHIFT: u32 = size_of::<Entry>().trailing_zeros();
/// So many filled slots are remembered: a process of a shell's has about a hundred.
const FEW: usize = 128;

/// One piece's translation. Every tag is the piece's address or [`nothing`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
struct Entry {
    read: u64,
    write: u64,
    execute: u64,
    /// The host's address of the piece.
    host: u64,
}

/// The tag that no address of this slot comes near: the first piece of another slot.
const fn nothing(slot: usize) -> u64 {
    if slot == 0 { PIECE } else { 0 }
}

impl Entry {
    /// An entry of this slot that translates nothing.
    const fn empty(slot: usize) -> Self {
        Self {
            read: nothing(slot),
            write: nothing(slot),
            execute: nothing(slot),
            host: 0,
        }
    }

    /// The piece that this entry of this slot translates, if it translates any.
    fn piece(&self, slot: usize) -> Option<u64> {
        [self.read, self.write, self.execute]
            .into_iter()
            .find(|&tag| tag != nothing(slot))
    }

    /// The same in another slot.
    fn moved(&self, from: usize, to: usize) -> Self {
        let tag = |tag| if tag == nothing(from) { nothing(to) } else { tag };
        Self {
            read: tag(self.read),
            write: tag(self.write),
            execute: tag(self.execute),
            host: self.host,
        }
    }
}

/// A word at any address. `read_unaligned` does the same, but development builds give it a place on the stack, and then
/// the interpreter's handlers cannot end in a jump.
#[repr(C, packed)]
struct Unaligned<T>(T);

/// Translations of one address space.
#[derive(Debug)]
pub struct Windows {
    /// A power of two of them, at least two.
    entries: Box<[Entry]>,
    /// Selects an entry's offset in bytes: one less than there are entries, times their size.
    slots: u64,
    /// The slots that were filled since all were empty, as long as they are few: emptying these suffices.
    filled: Vec<u32>,
    ram: Ram,
}

impl Windows {
    /// A table in which nothing is translated, onto this memory.
    ///
    /// # Panics
    /// If `entries` is not a power of two, or less than 2.
    pub fn new(ram: &Ram, entries: usize) -> Self {
        assert!(entries.is_power_of_two() && entries >= 2);
        Self {
            entries: (0..entries).map(Entry::empty).collect(),
            slots: (entries as u64 - 1) << ENTRY_SHIFT,
            filled: Vec::new(),
            ram: ram.clone(),
        }
    }

    /// The number of slots.
    pub fn slots(&self) -> usize {
        self.entries.len()
    }

    #[inline(always)]
    fn entry(&self, address: u64) -> &Entry {
        let offset = (address >> (SHIFT - ENTRY_SHIFT)) & self.slots;
        // SAFETY: `slots` is the offset of the last entry and has the low bits of an entry's size clear, so the offset
        // is that of an entry.
        unsafe { &*self.entries.as_ptr().byte_add(offset as usize) }
    }

    fn slot(&self, address: u64) -> usize {
        (address >> SHIFT) as usize & (self.entries.len() - 1)
    }

    /// How far into the piece of this tag a word at this address lies, if it does as a whole.
    #[inline(always)]
    fn offset<T: Word>(tag: u64, address: u64) -> Option<u64> {
        let offset = address.wrapping_sub(tag);
        (offset <= PIECE - size_of::<T>() as u64).then_some(offset)
    }

    /// Loads a little-endian word if the table knows that it can be.
    #[inline(always)]
    pub fn load<T: Word>(&self, address: u64) -> Option<T> {
        let entry = self.entry(address);
        let host = entry.host.wrapping_add(Self::offset::<T>(entry.read, address)?) as usize;
        let place = std::ptr::with_exposed_provenance::<Unaligned<T>>(host);
        // SAFETY: the entry leads into RAM (see above); the type needs no alignment, and any bytes are a word. RAM's
        // address was exposed when it was mapped.
        Some(T::from_le(unsafe { (*place).0 }))
    }

    /// Stores a little-endian word if the table knows that it can be, or does nothing and returns `None`. It goes past
    /// the watch on the frame: no watched frame may be given to [`Windows::set`] for stores.
    #[inline(always)]
    pub fn store<T: Word>(&self, address: u64, value: T) -> Option<()> {
        let entry = self.entry(address);
        let host = entry.host.wrapping_add(Self::offset::<T>(entry.write, address)?) as usize;
        let place = std::ptr::with_exposed_provenance_mut::<Unaligned<T>>(host);
        // SAFETY: as in `load`; no reference into the mapping exists outside of this crate's calls.
        unsafe { (*place).0 = value.to_le() };
        Some(())
    }

    /// Where the byte at this address lies if the table knows that it may be accessed so.
    #[inline(always)]
    pub fn find(&self, address: u64, access: Access) -> Option<PhysAddr> {
        let entry = self.entry(address);
        let tag = match access {
            Access::Read => entry.read,
            Access::Write => entry.write,
            Access::Execute => entry.execute,
        };
        (tag == address & MASK).then(|| {
            let host = entry.host.wrapping_add(address & !MASK);
            PhysAddr::new(host.wrapping_sub(self.ram.base_address()))
        })
    }

    /// From now on these accesses to the piece of `address` reach the piece of `target`. What the table already holds of
    /// this very translation stays; another's in the same slot goes. Nothing happens if `target` lies outside RAM, or
    /// if the two are not equally far into their pieces.
    pub fn set(&mut self, address: u64, target: PhysAddr, accesses: &[Access]) {
        let (piece, start) = (address & MASK, target.get() & MASK);
        let end = start.checked_add(PIECE);
        if end.is_none_or(|end| Bytes::new(end) > self.ram.size()) || (address ^ target.get()) & !MASK != 0 {
            return;
        }
        let host = self.ram.base_address().wrapping_add(start);
        let slot = self.slot(piece);
        let entry = &mut self.entries[slot];
        if entry.host != host || entry.piece(slot) != Some(piece) {
            if self.filled.len() <= FEW {
                self.filled.push(slot as u32);
            }
            *entry = Entry {
                host,
                ..Entry::empty(slot)
            };
        }
        for access in accesses {
            match access {
                Access::Read => entry.read = piece,
                Access::Write => entry.write = piece,
                Access::Execute => entry.execute = piece,
            }
        }
    }

    /// Doubles the table. Entries move to their new slots.
    pub fn grow(&mut self) {
        let mut larger = Self::new(&self.ram, self.entries.len() * 2);
        for (from, entry) in self.entries.iter().enumerate() {
            if let Some(piece) = entry.piece(from) {
                let slot = larger.slot(piece);
                larger.entries[slot] = entry.moved(from, slot);
            }
        }
        // All of them may be filled by now.
        larger.filled = vec![0; FEW + 1];
        *self = larger;
    }

    /// Forgets the piece of this address.
    pub fn forget(&mut self, address: u64) {
        let slot = self.slot(address);
        if self.entries[slot].piece(slot) == Some(address & MASK) {
            self.entries[slot] = Entry::empty(slot);
        }
    }

    /// Forgets everything.
    pub fn forget_all(&mut self) {
        if self.filled.len() > FEW {
            for (slot, entry) in self.entries.iter_mut().enumerate() {
                *entry = Entry::empty(slot);
            }
        } else {
            for slot in &self.filled {
                self.entries[*slot as usize] = Entry::empty(*slot as usize);
            }
        }
        self.filled.clear();
    }

    /// Forgets everything, and has so many slots from now on (a power of two).
    pub fn restart(&mut self, slots: usize) {
        *self = Self::new(&self.ram, slots);
    }

    /// Lets no store pass any more to these bytes of RAM, `length` from `start`.
    pub fn forbid_stores(&mut self, start: PhysAddr, length: Bytes) {
        let base = self.ram.base_address();
        for (slot, entry) in self.entries.iter_mut().enumerate() {
            let target = entry.host.wrapping_sub(base);
            if entry.write != nothing(slot) && target.wrapping_sub(start.get()) < length.get() {
                entry.write = nothing(slot);
            }
        }
    }

    /// The pieces that the table knows.
    pub fn pieces(&self) -> impl Iterator<Item = u64> {
        let entries = self.entries.iter().enumerate();
        entries.filter_map(|(slot, entry)| entry.piece(slot))
    }
}

#[cfg(test)]
mod tests {
    use arch::Granule;

    use super::*;

    fn windows() -> Windows {
        let ram = Ram::new(Bytes::new(8 * PIECE), Granule::K4).expect("eight pages");
        Windows::new(&ram, 2)
    }

    #[test]
    fn an_access_passes_only_inside_its_piece_and_as_allowed() {
        let mut windows = windows();
        windows.set(0x5123, PhysAddr::new(0x2123), &[Access::Read, Access::Write]);
        assert_eq!(windows.store(0x5ff8, 0x0102_0304_0506_0708_u64), Some(()));
        assert_eq!(
            windows.ram.read(PhysAddr::new(0x2ff8)),
            Some(0x0102_0304_0506_0708_u64)
        );
        assert_eq!(windows.load::<u8>(0x5ff8), Some(8));
        assert_eq!(windows.load::<u64>(0x5ff9), None, "crosses into the next");
        assert_eq!(windows.load::<u64>(0x4ffc), None, "begins in the one before");
        assert_eq!(windows.load::<u8>(0x7000), None, "another piece of this slot");
        assert_eq!(
            windows.load::<u8>(0x0100_0000_0000_5000),
            None,
            "an address with a tag"
        );
        assert_eq!(windows.find(0x5010, Access::Write), Some(PhysAddr::new(0x2010)));
        assert_eq!(windows.find(0x5010, Access::Execute), None);
    }

    #[test]
    fn the_end_of_the_address_space_does_not_reach_its_start() {
        let mut windows = windows();
        windows.set(0, PhysAddr::new(0), &[Access::Read]);
        windows.set(u64::MAX, PhysAddr::new(0x7fff), &[Access::Read]);
        assert_eq!(windows.load::<u8>(u64::MAX), Some(0));
        assert_eq!(windows.load::<u64>(u64::MAX - 3), None);
    }

    #[test]
    fn nothing_outside_of_ram_gets_in() {
        let mut windows = windows();
        windows.set(0x1000, PhysAddr::new(8 * PIECE), &[Access::Read]);
        windows.set(0x1000, PhysAddr::new(MASK), &[Access::Read]);
        windows.set(0x1001, PhysAddr::new(0x1002), &[Access::Read]);
        assert_eq!(windows.pieces().count(), 0);
    }

    #[test]
    fn growing_and_forgetting_keep_what_they_should() {
        let mut windows = windows();
        windows.set(0x1000, PhysAddr::new(0x1000), &[Access::Write]);
        windows.set(0x2000, PhysAddr::new(0x1000), &[Access::Read, Access::Write]);
        windows.grow();
        assert_eq!(windows.slots(), 4);
        windows.set(0x3000, PhysAddr::new(0x3000), &[Access::Write]);
        windows.forbid_stores(PhysAddr::new(0x1000), Bytes::new(PIECE));
        assert_eq!(windows.store(0x1000, 1_u8), None);
        assert_eq!(windows.store(0x2000, 1_u8), None);
        assert_eq!(windows.load::<u8>(0x2000), Some(0));
        assert_eq!(windows.store(0x3000, 1_u8), Some(()));
        windows.forget(0x7000);
        assert_eq!(windows.store(0x3000, 1_u8), Some(()), "another's slot");
        windows.forget(0x3fff);
        assert_eq!(windows.store(0x3000, 1_u8), None);
    }
}
