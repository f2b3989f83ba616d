//! Advisory locks between tasks: `flock(2)`, and `fcntl(2)`'s record locks of processes and of open files.
//!
//! Key types: [`Locks`], [`Lock`], [`Owner`]. All tasks share one process of the host, so that the host's locks would not
//! part them; the host's own processes do not see these. A lock is gone with its owner, to which it holds a weak handle.

use std::rc::{Rc, Weak};

use super::File;
use crate::task::Pid;

/// Who holds a lock.
#[derive(Clone, Debug)]
pub(crate) enum Owner {
    /// A process, by its table of descriptors, and its number for `F_GETLK`.
    Process(Weak<()>, u32),
    /// An open file (`F_OFD_SETLK`).
    Open(Weak<File>),
    /// An open file, by `flock(2)`, which does not meet the others.
    Whole(Weak<File>),
}

impl Owner {
    fn lives(&self) -> bool {
        match self {
            Self::Process(table, _) => table.strong_count() > 0,
            Self::Open(file) | Self::Whole(file) => file.strong_count() > 0,
        }
    }

    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Process(a, _), Self::Process(b, _)) => a.ptr_eq(b),
            (Self::Open(a), Self::Open(b)) | (Self::Whole(a), Self::Whole(b)) => a.ptr_eq(b),
            _ => false,
        }
    }

    /// Whether their locks meet at all.
    fn meets(&self, other: &Self) -> bool {
        matches!(self, Self::Whole(_)) == matches!(other, Self::Whole(_))
    }
}

/// One lock.
#[derive(Clone, Debug)]
pub(crate) struct Lock {
    /// The file, by device and inode.
    pub(crate) file: (u64, u64),
    pub(crate) owner: Owner,
    pub(crate) exclusive: bool,
    /// The first byte.
    pub(crate) from: u64,
    /// The last byte.
    pub(crate) to: u64,
}

impl Lock {
    fn overlaps(&self, other: &Self) -> bool {
        self.file == other.file && self.from <= other.to && other.from <= self.to
    }
}

/// All locks of a machine, and who waits for one.
#[derive(Debug, Default)]
pub(crate) struct Locks {
    held: Vec<Lock>,
    waiting: Vec<(Pid, Lock)>,
}

impl Locks {
    /// The most locks at once: beyond it `ENOLCK`, for they are kept in the host's memory.
    pub(crate) const MOST: usize = 65536;

    /// The lock of somebody else that stands against this one.
    pub(crate) fn against(&mut self, wanted: &Lock) -> Option<&Lock> {
        self.held.retain(|lock| lock.owner.lives());
        self.held.iter().find(|lock| {
            let strangers = lock.owner.meets(&wanted.owner) && !lock.owner.is(&wanted.owner);
            strangers && lock.overlaps(wanted) && (lock.exclusive || wanted.exclusive)
        })
    }

    /// Whether there is room for more.
    pub(crate) fn has_room(&self) -> bool {
        self.held.len() < Self::MOST
    }

    /// Frees the owner's locks inside a range: those that reach beyond keep what is outside.
    pub(crate) fn free(&mut self, range: &Lock) {
        let mut kept = Vec::with_capacity(self.held.len());
        for lock in self.held.drain(..) {
            if !lock.owner.is(&range.owner) || !lock.overlaps(range) {
                kept.push(lock);
                continue;
            }
            if let Some(to) = range.from.checked_sub(1).filter(|to| lock.from <= *to) {
                kept.push(Lock { to, ..lock.clone() });
            }
            if let Some(from) = range.to.checked_add(1).filter(|from| *from <= lock.to) {
                kept.push(Lock { from, ..lock });
            }
        }
        self.held = kept;
    }

    /// Sets a lock that nothing stands against, in place of the owner's own in its range.
    pub(crate) fn set(&mut self, lock: Lock) {
        self.free(&lock);
        self.held.push(lock);
    }

    /// A process closed one of its descriptors of a file: all its record locks of that file go (POSIX).
    pub(crate) fn closed(&mut self, file: (u64, u64), table: &Rc<()>) {
        let process = Owner::Process(Rc::downgrade(table), 0);
        self.held
            .retain(|lock| lock.file != file || !lock.owner.is(&process));
    }

    /// Whether anybody holds one.
    pub(crate) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// A task begins to wait for a lock.
    pub(crate) fn wait(&mut self, task: Pid, lock: Lock) {
        self.waiting.push((task, lock));
    }

    /// A task waits for no lock any more, or not yet.
    pub(crate) fn wait_no_more(&mut self, task: Pid) {
        self.waiting.retain(|(waiting, _)| *waiting != task);
    }

    /// Whether a process that waited for this lock would wait for itself (`posix_locks_deadlock`): who stands against it waits, as
    /// `still` says, for a lock that somebody stands against who waits, and so on back to it. Open files do not wait.
    pub(crate) fn closes_a_circle(&mut self, wanted: &Lock, still: impl Fn(Pid) -> bool) -> bool {
        /// `MAX_DEADLK_ITERATIONS`.
        const MOST: usize = 10;
        self.waiting.retain(|(task, _)| still(*task));
        let mut next = wanted.clone();
        for _ in 0..MOST {
            let Some(blocker) = self.against(&next).map(|lock| lock.owner.clone()) else {
                return false;
            };
            if blocker.is(&wanted.owner) {
                return true;
            }
            match self.waiting.iter().find(|(_, lock)| lock.owner.is(&blocker)) {
                Some((_, lock)) => next = lock.clone(),
                None => return false,
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock(owner: &Rc<()>, exclusive: bool, from: u64, to: u64) -> Lock {
        Lock {
            file: (1, 2),
            owner: Owner::Process(Rc::downgrade(owner), 7),
            exclusive,
            from,
            to,
        }
    }

    #[test]
    fn ranges_are_split_and_shared() {
        let (a, b) = (Rc::new(()), Rc::new(()));
        let mut locks = Locks::default();
        locks.set(lock(&a, true, 0, u64::MAX));
        locks.free(&lock(&a, true, 10, 19));
        assert!(locks.against(&lock(&b, true, 10, 19)).is_none());
        assert_eq!(locks.against(&lock(&b, false, 10, 20)).map(|l| l.from), Some(20));
        assert_eq!(locks.against(&lock(&b, false, 0, 0)).map(|l| l.to), Some(9));
        assert!(locks.against(&lock(&a, true, 0, 100)).is_none());
        locks.set(lock(&a, false, 0, u64::MAX));
        assert!(locks.against(&lock(&b, false, 3, 3)).is_none());
        assert!(locks.against(&lock(&b, true, 3, 3)).is_some());
        drop(a);
        assert!(locks.against(&lock(&b, true, 3, 3)).is_none() && locks.is_empty());
    }

    #[test]
    fn who_would_wait_for_himself_is_found() {
        let (a, b, c) = (Rc::new(()), Rc::new(()), Rc::new(()));
        let mut locks = Locks::default();
        for (at, owner) in [(0, &a), (1, &b), (2, &c)] {
            locks.set(lock(owner, true, at, at));
        }
        let always = |_: Pid| true;
        assert!(!locks.closes_a_circle(&lock(&a, true, 1, 1), always));
        locks.wait(Pid::new(1), lock(&a, true, 1, 1));
        assert!(!locks.closes_a_circle(&lock(&b, true, 2, 2), always));
        locks.wait(Pid::new(2), lock(&b, true, 2, 2));
        assert!(locks.closes_a_circle(&lock(&c, true, 0, 0), always));
        // A signal has ended one of the waits.
        assert!(!locks.closes_a_circle(&lock(&c, true, 0, 0), |task| task != Pid::new(1)));
        locks.wait_no_more(Pid::new(2));
        assert!(!locks.closes_a_circle(&lock(&c, true, 0, 0), always));
    }

    #[test]
    fn a_close_frees_the_process_and_nobody_else() {
        let (a, b) = (Rc::new(()), Rc::new(()));
        let mut locks = Locks::default();
        locks.set(lock(&a, false, 0, 9));
        locks.set(lock(&b, false, 0, 9));
        locks.closed((1, 2), &a);
        assert!(locks.against(&lock(&b, true, 0, 9)).is_none());
        assert!(locks.against(&lock(&a, true, 0, 9)).is_some());
    }
}
