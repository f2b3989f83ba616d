//! A task's descriptors: small numbers for open file descriptions.
//!
//! Key types: [`FdTable`], [`Slot`]. The lowest free number is always taken, as `open(2)` promises.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;

use abi::Errno;

use super::File;

/// One descriptor.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    /// What it stands for.
    pub(crate) file: Rc<File>,
    /// Whether exec closes it.
    pub(crate) close_on_exec: bool,
}

/// Descriptors of all processes together, at most (`fs.file-max` by another measure): tables are the host's memory, and a fork
/// copies them. 4096 tasks have 128 each.
pub(crate) const MOST_OPEN: usize = 1 << 19;

/// How many descriptors the tables of one machine have together.
#[derive(Clone, Debug, Default)]
pub(crate) struct OpenCount(Rc<Cell<usize>>);

impl OpenCount {
    /// Takes room for so many more.
    fn take(&self, more: usize) -> bool {
        let sum = self.0.get().saturating_add(more);
        if sum > MOST_OPEN {
            return false;
        }
        self.0.set(sum);
        true
    }

    fn give_back(&self, count: usize) {
        self.0.set(self.0.get().saturating_sub(count));
    }
}

/// All descriptors of a process.
#[derive(Debug, Default)]
pub(crate) struct FdTable {
    /// By number: `dup2` to a large one costs no more than to a small one.
    slots: BTreeMap<u32, Slot>,
    /// All numbers below are taken.
    taken_below: u32,
    /// Who holds the record locks that are set through it.
    identity: Rc<()>,
    count: OpenCount,
}

impl Drop for FdTable {
    fn drop(&mut self) {
        self.count.give_back(self.slots.len());
    }
}

impl FdTable {
    /// An empty table of a machine.
    pub(crate) fn counted_by(count: &OpenCount) -> Self {
        Self {
            slots: BTreeMap::new(),
            taken_below: 0,
            identity: Rc::default(),
            count: count.clone(),
        }
    }

    fn copy(&self, identity: Rc<()>) -> Result<Self, Errno> {
        if !self.count.take(self.slots.len()) {
            return Err(Errno::ENOMEM);
        }
        Ok(Self {
            slots: self.slots.clone(),
            taken_below: self.taken_below,
            identity,
            count: self.count.clone(),
        })
    }

    /// A copy for fork: another process, which holds none of the locks.
    ///
    /// # Errors
    /// `ENOMEM` if the machine's processes have too many descriptors together.
    pub(crate) fn for_child(&self) -> Result<Self, Errno> {
        self.copy(Rc::default())
    }

    /// A copy for one thread: the same process, with its locks.
    ///
    /// # Errors
    /// As [`FdTable::for_child`].
    pub(crate) fn unshared(&self) -> Result<Self, Errno> {
        self.copy(Rc::clone(&self.identity))
    }

    /// What exec leaves: the table's files but those that it closes, with the locks. Those of a table that nobody shares are
    /// moved.
    pub(crate) fn after_exec(&mut self, shared: bool) -> Self {
        let kept = |slot: &Slot| !slot.close_on_exec;
        let identity = Rc::clone(&self.identity);
        let count = self.count.clone();
        let slots = match shared {
            true => {
                let kept = self.slots.iter().filter(|(_, slot)| kept(slot));
                kept.map(|(number, slot)| (*number, slot.clone())).collect()
            }
            false => {
                count.give_back(self.slots.len());
                self.taken_below = 0;
                let mut slots = std::mem::take(&mut self.slots);
                slots.retain(|_, slot| kept(slot));
                slots
            }
        };
        // An exec that has come so far cannot fail: these are counted in any case.
        count.0.set(count.0.get().saturating_add(slots.len()));
        Self {
            slots,
            taken_below: 0,
            identity,
            count,
        }
    }

    /// Who it is as an owner of locks.
    pub(crate) fn identity(&self) -> &Rc<()> {
        &self.identity
    }

    /// The description behind a descriptor.
    pub(crate) fn get(&self, fd: i32) -> Result<&Rc<File>, Errno> {
        self.slot(fd).map(|slot| &slot.file)
    }

    /// The descriptor itself.
    pub(crate) fn slot(&self, fd: i32) -> Result<&Slot, Errno> {
        let number = u32::try_from(fd).map_err(|_| Errno::EBADF)?;
        self.slots.get(&number).ok_or(Errno::EBADF)
    }

    /// The descriptor itself, to change its flag.
    pub(crate) fn slot_mut(&mut self, fd: i32) -> Result<&mut Slot, Errno> {
        let number = u32::try_from(fd).map_err(|_| Errno::EBADF)?;
        self.slots.get_mut(&number).ok_or(Errno::EBADF)
    }

    /// Puts a description at the lowest free number from `from` on; all numbers are below `limit`.
    ///
    /// # Errors
    /// `EMFILE` if they are all taken, `ENFILE` if the machine's processes have too many together.
    pub(crate) fn add(&mut self, slot: Slot, from: u64, limit: u64) -> Result<i32, Errno> {
        let from = u32::try_from(from).map_err(|_| Errno::EMFILE)?;
        let mut free = from.max(self.taken_below);
        for (number, _) in self.slots.range(free..) {
            if *number != free {
                break;
            }
            free += 1;
        }
        if from <= self.taken_below {
            self.taken_below = free;
        }
        let fd = i32::try_from(free).map_err(|_| Errno::EMFILE)?;
        if u64::from(free) >= limit {
            return Err(Errno::EMFILE);
        }
        self.put(free, slot)?;
        Ok(fd)
    }

    /// Puts a description at this number; gives what was there.
    ///
    /// # Errors
    /// `ENFILE` if the machine's processes have too many descriptors together.
    pub(crate) fn put(&mut self, number: u32, slot: Slot) -> Result<Option<Slot>, Errno> {
        if !self.slots.contains_key(&number) && !self.count.take(1) {
            return Err(Errno::ENFILE);
        }
        Ok(self.slots.insert(number, slot))
    }

    /// Closes a descriptor.
    pub(crate) fn close(&mut self, fd: i32) -> Result<(), Errno> {
        let number = u32::try_from(fd).map_err(|_| Errno::EBADF)?;
        let slot = self.slots.remove(&number).ok_or(Errno::EBADF)?;
        self.count.give_back(1);
        self.taken_below = self.taken_below.min(number);
        drop(slot);
        Ok(())
    }

    /// The numbers that exec closes.
    pub(crate) fn closed_by_exec(&self) -> Vec<i32> {
        let closed = self.slots.iter().filter(|(_, slot)| slot.close_on_exec);
        closed.map(|(number, _)| number.cast_signed()).collect()
    }

    /// The open numbers, ascending.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = i32> {
        self.slots.keys().map(|number| number.cast_signed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::{Device, Kind};
    use abi::flags::OpenFlags;

    fn slot(close_on_exec: bool) -> Slot {
        Slot {
            file: File::new(Kind::Device(Device::Null), OpenFlags::RDWR, Vec::new()),
            close_on_exec,
        }
    }

    #[test]
    fn the_lowest_free_number_is_taken() {
        let mut table = FdTable::default();
        for expected in 0..4 {
            assert_eq!(table.add(slot(false), 0, 10), Ok(expected));
        }
        assert_eq!(table.close(1), Ok(()));
        assert_eq!(table.add(slot(false), 0, 10), Ok(1));
        assert_eq!(table.add(slot(false), 7, 10), Ok(7));
        assert_eq!(table.numbers().collect::<Vec<_>>(), [0, 1, 2, 3, 7]);
    }

    #[test]
    fn bad_numbers_are_ebadf_and_full_tables_emfile() {
        let mut table = FdTable::default();
        assert_eq!(table.get(0).err(), Some(Errno::EBADF));
        assert_eq!(table.get(-1).err(), Some(Errno::EBADF));
        assert_eq!(table.close(5), Err(Errno::EBADF));
        assert_eq!(table.add(slot(false), 0, 1), Ok(0));
        assert_eq!(table.add(slot(false), 0, 1), Err(Errno::EMFILE));
        assert_eq!(table.close(0), Ok(()));
        assert_eq!(table.close(0), Err(Errno::EBADF));
    }

    #[test]
    fn exec_closes_what_is_marked() {
        let mut table = FdTable::default();
        for mark in [false, true, false, true] {
            table.add(slot(mark), 0, 10).expect("room");
        }
        assert_eq!(table.closed_by_exec(), [1, 3]);
        assert_eq!(table.after_exec(true).numbers().collect::<Vec<_>>(), [0, 2]);
        assert_eq!(table.numbers().count(), 4);
        assert_eq!(table.after_exec(false).numbers().collect::<Vec<_>>(), [0, 2]);
    }

    #[test]
    fn all_tables_together_have_an_end() {
        let count = OpenCount::default();
        let mut table = FdTable::counted_by(&count);
        for _ in 0..MOST_OPEN / 2 {
            table.add(slot(false), 0, u64::MAX).expect("room");
        }
        let mut child = table.for_child().expect("just enough");
        assert_eq!(table.for_child().err(), Some(Errno::ENOMEM));
        assert_eq!(child.add(slot(false), 0, u64::MAX), Err(Errno::ENFILE));
        assert_eq!(child.close(7), Ok(()));
        assert_eq!(child.add(slot(false), 0, 10), Ok(7));
        drop(child);
        assert_eq!(count.0.get(), MOST_OPEN / 2);
        drop(table.after_exec(false));
        drop(table);
        assert_eq!(count.0.get(), 0);
    }
}
