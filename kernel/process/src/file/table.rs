//! A task's descriptors: small numbers for open file descriptions.
//!
//! Key types: [`FdTable`], [`Slot`]. The lowest free number is always taken, as `open(2)` promises.

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

/// All descriptors of a process.
#[derive(Debug, Default)]
pub(crate) struct FdTable {
    slots: Vec<Option<Slot>>,
    /// Who holds the record locks that are set through it.
    identity: Rc<()>,
}

/// As fork copies it: another process, which holds none of the locks.
impl Clone for FdTable {
    fn clone(&self) -> Self {
        Self {
            slots: self.slots.clone(),
            identity: Rc::default(),
        }
    }
}

impl FdTable {
    /// A copy for exec: the same process, with its locks.
    pub(crate) fn unshared(&self) -> Self {
        Self {
            slots: self.slots.clone(),
            identity: Rc::clone(&self.identity),
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
        let index = usize::try_from(fd).map_err(|_| Errno::EBADF)?;
        self.slots.get(index).and_then(Option::as_ref).ok_or(Errno::EBADF)
    }

    /// The descriptor itself, to change its flag.
    pub(crate) fn slot_mut(&mut self, fd: i32) -> Result<&mut Slot, Errno> {
        let index = usize::try_from(fd).map_err(|_| Errno::EBADF)?;
        self.slots
            .get_mut(index)
            .and_then(Option::as_mut)
            .ok_or(Errno::EBADF)
    }

    /// Puts a description at the lowest free number from `from` on; all numbers are below `limit`.
    pub(crate) fn add(&mut self, slot: Slot, from: u64, limit: u64) -> Result<i32, Errno> {
        let mut index = from as usize;
        while self.slots.get(index).is_some_and(Option::is_some) {
            index += 1;
        }
        if index as u64 >= limit {
            return Err(Errno::EMFILE);
        }
        self.put(index, slot);
        Ok(index as i32)
    }

    /// Puts a description at this number; gives what was there.
    pub(crate) fn put(&mut self, index: usize, slot: Slot) -> Option<Slot> {
        if self.slots.len() <= index {
            self.slots.resize_with(index + 1, || None);
        }
        self.slots[index].replace(slot)
    }

    /// Closes a descriptor.
    pub(crate) fn close(&mut self, fd: i32) -> Result<(), Errno> {
        let index = usize::try_from(fd).map_err(|_| Errno::EBADF)?;
        let slot = self.slots.get_mut(index).and_then(Option::take);
        slot.map(drop).ok_or(Errno::EBADF)
    }

    /// What exec closes.
    pub(crate) fn close_on_exec(&mut self) {
        for entry in &mut self.slots {
            if entry.as_ref().is_some_and(|slot| slot.close_on_exec) {
                *entry = None;
            }
        }
    }

    /// The open numbers, ascending.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = i32> {
        let open = self.slots.iter().enumerate().filter(|(_, slot)| slot.is_some());
        open.map(|(index, _)| index as i32)
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
        table.close_on_exec();
        assert_eq!(table.numbers().collect::<Vec<_>>(), [0, 2]);
    }
}
