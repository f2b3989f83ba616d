//! What a memfd is beside its bytes: its permissions, and its seals, which take away for good what may be done with it
//! (fcntl(2), "File Sealing"; Linux's `mm/memfd.c` and `mm/shmem.c`). Key type: [`Seals`]. Neighbours: [`super::MemoryFile`],
//! which carries it, [`crate::syscall`]'s `seal` (the calls), and those that ask before they change a file.

use std::cell::Cell;

use abi::Errno;
use abi::fs::fcntl::{
    F_SEAL_EXEC, F_SEAL_FUTURE_WRITE, F_SEAL_GROW, F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_WRITE,
};
use arch::Granule;

/// Every seal that there is.
const ALL: u32 = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE | F_SEAL_EXEC;
/// Against writing, now or by those who come later.
const WRITING: u32 = F_SEAL_WRITE | F_SEAL_FUTURE_WRITE;
/// Permission bits that say that a file may be executed.
const EXECUTE: u32 = 0o111;

/// The seals and permissions of one memfd.
#[derive(Debug)]
pub(crate) struct Seals {
    set: Cell<u32>,
    mode: Cell<u32>,
}

impl Seals {
    /// Those of a new memfd: sealed against seals unless they were asked for.
    pub(crate) fn new(allowed: bool, not_executable: bool) -> Self {
        let (set, mode) = match (allowed, not_executable) {
            (_, true) => (F_SEAL_EXEC, 0o777 & !EXECUTE),
            (true, false) => (0, 0o777),
            (false, false) => (F_SEAL_SEAL, 0o777),
        };
        Self {
            set: Cell::new(set),
            mode: Cell::new(mode),
        }
    }

    /// `F_GET_SEALS`.
    pub(crate) fn get(&self) -> u32 {
        self.set.get()
    }

    /// Permission bits.
    pub(crate) fn mode(&self) -> u32 {
        self.mode.get()
    }

    fn has(&self, any: u32) -> bool {
        self.set.get() & any != 0
    }

    /// `F_ADD_SEALS`; `mapped` asks whether some mapping may still write to the file.
    ///
    /// # Errors
    /// `EINVAL` for unknown seals, `EPERM` once no more are allowed, `EBUSY` for a mapping in the way of `F_SEAL_WRITE`.
    pub(crate) fn add(&self, seals: u32, mapped: impl FnOnce() -> bool) -> Result<(), Errno> {
        if seals & !ALL != 0 {
            return Err(Errno::EINVAL);
        }
        if self.has(F_SEAL_SEAL) {
            return Err(Errno::EPERM);
        }
        if seals & F_SEAL_WRITE != 0 && !self.has(F_SEAL_WRITE) && mapped() {
            return Err(Errno::EBUSY);
        }
        // A program that will stay one must not change.
        let implied = match seals & F_SEAL_EXEC != 0 && self.mode() & EXECUTE != 0 {
            true => F_SEAL_SHRINK | F_SEAL_GROW | WRITING,
            false => 0,
        };
        self.set.set(self.get() | seals | implied);
        Ok(())
    }

    /// How many of `count` bytes at `position` may be written into a file of `length` bytes.
    ///
    /// # Errors
    /// `EPERM` if none may.
    pub(crate) fn may_write(
        &self,
        position: u64,
        count: usize,
        length: u64,
        granule: Granule,
    ) -> Result<usize, Errno> {
        if self.has(WRITING) {
            return Err(Errno::EPERM);
        }
        if !self.has(F_SEAL_GROW) || position.saturating_add(count as u64) <= length {
            return Ok(count);
        }
        // Linux writes page by page, and asks anew for each.
        let whole = length - length % granule.bytes();
        let count = whole.checked_sub(position).filter(|room| *room > 0);
        count.map(|room| room as usize).ok_or(Errno::EPERM)
    }

    /// Whether the file may get this length.
    ///
    /// # Errors
    /// `EPERM`.
    pub(crate) fn may_resize(&self, old: u64, new: u64) -> Result<(), Errno> {
        let sealed = new < old && self.has(F_SEAL_SHRINK) || new > old && self.has(F_SEAL_GROW);
        if sealed { Err(Errno::EPERM) } else { Ok(()) }
    }

    /// Whether a shared mapping may be made, writable at once if `writes`; what comes back says whether it may become so later.
    ///
    /// # Errors
    /// `EPERM`.
    pub(crate) fn may_share(&self, writes: bool) -> Result<bool, Errno> {
        match self.has(WRITING) {
            true if writes => Err(Errno::EPERM),
            sealed => Ok(!sealed),
        }
    }

    /// `fchmod(2)`.
    ///
    /// # Errors
    /// `EPERM` if whether it is a program may not change any more.
    pub(crate) fn change_mode(&self, mode: u32) -> Result<(), Errno> {
        if self.has(F_SEAL_EXEC) && (mode ^ self.mode()) & EXECUTE != 0 {
            return Err(Errno::EPERM);
        }
        self.mode.set(mode);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(seals: u32) -> Seals {
        let fresh = Seals::new(true, false);
        fresh.add(seals, || false).unwrap();
        fresh
    }

    #[test]
    fn writes_that_would_grow_the_file_end_at_the_last_whole_page() {
        let file = sealed(F_SEAL_GROW);
        let ask = |position, count| file.may_write(position, count, 5000, Granule::K4);
        assert_eq!(ask(0, 5000), Ok(5000));
        assert_eq!(ask(0, 5001), Ok(4096));
        assert_eq!(ask(4000, 2000), Ok(96));
        assert_eq!(ask(4096, 2000), Err(Errno::EPERM));
        assert_eq!(ask(u64::MAX, 2), Err(Errno::EPERM));
        assert_eq!(
            sealed(F_SEAL_WRITE).may_write(0, 1, 5000, Granule::K4),
            Err(Errno::EPERM)
        );
    }

    #[test]
    fn seals_are_added_until_they_are_sealed() {
        assert_eq!(Seals::new(false, false).add(0, || false), Err(Errno::EPERM));
        let file = sealed(0);
        assert_eq!(file.add(64, || false), Err(Errno::EINVAL));
        assert_eq!(file.add(F_SEAL_WRITE, || true), Err(Errno::EBUSY));
        assert_eq!(file.add(F_SEAL_EXEC | F_SEAL_SEAL, || false), Ok(()));
        assert_eq!(file.get(), ALL);
        assert_eq!(file.add(0, || false), Err(Errno::EPERM));
        assert_eq!(file.change_mode(0o600), Err(Errno::EPERM));
        assert_eq!(file.change_mode(0o755), Ok(()));
        assert_eq!(Seals::new(false, true).get(), F_SEAL_EXEC);
    }
}
