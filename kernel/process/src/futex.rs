//! Waiting and waking by address: the queues behind `futex(2)`, and what a dying thread leaves in memory for others
//! (`kernel/futex`).
//!
//! There is no queue as such: a waiting task says where it waits and since when ([`Waiter`]). Key types: [`FutexKey`], what
//! an address means to everybody who can wake there; [`Waiter`].

use abi::Errno;
use arch::VirtAddr;
use mm::{Content, FileId, Sharing, SpaceId};

use crate::kernel::Kernel;
use crate::task::Pid;

/// What a futex is known by. Memory that is not shared between address spaces has one key whether or not the
/// call says `FUTEX_PRIVATE_FLAG`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum FutexKey {
    /// An address of one space.
    Private(SpaceId, u64),
    /// A byte of a file or of shared anonymous memory.
    Shared(FileId, u64),
}

/// Where a task waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Waiter {
    /// On what.
    pub(crate) key: FutexKey,
    /// Who may wake it.
    pub(crate) bitset: u32,
    /// Its place in the line: lower is earlier.
    turn: u64,
}

/// `FUTEX_WAITERS`.
const WAITERS: u32 = 0x8000_0000;
/// `FUTEX_OWNER_DIED`.
const OWNER_DIED: u32 = 0x4000_0000;
/// `FUTEX_TID_MASK`.
const TID_MASK: u32 = 0x3fff_ffff;
/// `FUTEX_BITSET_MATCH_ANY`.
pub(crate) const ANYBODY: u32 = u32::MAX;
/// `sizeof(struct robust_list_head)`.
pub(crate) const ROBUST_HEAD: u64 = 24;

impl Kernel {
    /// The key of an address in a task's memory.
    pub(crate) fn futex_key(&self, pid: Pid, at: u64, private: bool) -> Option<FutexKey> {
        let space = self.task(pid).space.as_ref()?.id;
        let granule = self.memory.granule();
        let page = VirtAddr::new(at).page(granule);
        let shared = self
            .memory
            .find_vma(space, page)
            .filter(|vma| vma.sharing == Sharing::Shared);
        match shared
            .filter(|_| !private)
            .map(|vma| (vma.content, vma.range.start().start(granule).get()))
        {
            Some((Content::File { file, offset }, start)) => {
                Some(FutexKey::Shared(file, offset + (at - start)))
            }
            _ => Some(FutexKey::Private(space, at)),
        }
    }

    /// A place at the end of the line.
    pub(crate) fn futex_waiter(&mut self, key: FutexKey, bitset: u32) -> Waiter {
        self.futex_turns += 1;
        let turn = self.futex_turns;
        Waiter { key, bitset, turn }
    }

    /// Who waits there, the longest first.
    fn futex_line(&self, key: FutexKey, bitset: u32) -> Vec<Pid> {
        let waiting = self.tasks.values().filter_map(|task| {
            let waiter = task
                .progress
                .futex
                .filter(|_| task.wait.is_some() && !task.progress.woken)?;
            (waiter.key == key && waiter.bitset & bitset != 0).then_some((waiter.turn, task.pid))
        });
        let mut line: Vec<(u64, Pid)> = waiting.collect();
        line.sort_unstable();
        line.into_iter().map(|(_, pid)| pid).collect()
    }

    /// Wakes up to `most` tasks: how many.
    pub(crate) fn wake_futex(&mut self, key: FutexKey, most: usize, bitset: u32) -> u64 {
        let mut woken = 0;
        for pid in self.futex_line(key, bitset).into_iter().take(most) {
            let task = self.task_mut(pid);
            task.progress.woken = true;
            if let Some(wait) = &mut task.wait {
                wait.over = true;
            }
            woken += 1;
        }
        woken
    }

    /// Wakes some and moves others to another line: how many of both together.
    pub(crate) fn requeue_futex(&mut self, from: FutexKey, to: FutexKey, wake: usize, requeue: usize) -> u64 {
        let woken = self.wake_futex(from, wake, ANYBODY);
        let mut moved = 0;
        for pid in self.futex_line(from, ANYBODY).into_iter().take(requeue) {
            let bitset = self
                .task(pid)
                .progress
                .futex
                .map_or(ANYBODY, |waiter| waiter.bitset);
            let waiter = self.futex_waiter(to, bitset);
            self.task_mut(pid).progress.futex = Some(waiter);
            moved += 1;
        }
        woken + moved
    }

    /// What a thread does last in its memory, at its end and at exec: it gives up its robust futexes and clears
    /// `CLONE_CHILD_CLEARTID`'s word (`mm_release`). Nobody can be told of bad addresses here.
    pub(crate) fn leave_futexes(&mut self, pid: Pid) {
        let task = self.task_mut(pid);
        let head = std::mem::take(&mut task.robust_list);
        let tid_at = std::mem::take(&mut task.clear_child_tid);
        let shared = task
            .space
            .as_ref()
            .is_some_and(|space| std::rc::Rc::strong_count(space) > 1);
        if head != 0 {
            let _ = self.leave_robust_list(pid, head);
        }
        if tid_at != 0 && shared {
            let _ = self.write_user(pid, tid_at, &0u32.to_le_bytes());
            if let Some(key) = self.futex_key(pid, tid_at, false) {
                self.wake_futex(key, 1, ANYBODY);
            }
        }
    }

    fn read_word(&mut self, pid: Pid, at: u64) -> Result<u64, Errno> {
        let mut bytes = [0; 8];
        self.read_user(pid, at, &mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// `exit_robust_list`: bit 0 of an entry's address marks a PI futex, which is marked and not woken.
    fn leave_robust_list(&mut self, pid: Pid, head: u64) -> Result<(), Errno> {
        /// `ROBUST_LIST_LIMIT`: the list may be a circle.
        const MOST: usize = 2048;
        let mut entry = self.read_word(pid, head)?;
        let offset = self.read_word(pid, head.wrapping_add(8))?;
        let pending = self.read_word(pid, head.wrapping_add(16))?;
        for _ in 0..MOST {
            if entry & !1 == head {
                break;
            }
            let next = self.read_word(pid, entry & !1);
            if entry != pending {
                self.leave_robust_futex(pid, entry, offset, false)?;
            }
            entry = next?;
        }
        if pending & !1 != 0 {
            self.leave_robust_futex(pid, pending, offset, true)?;
        }
        Ok(())
    }

    fn leave_robust_futex(&mut self, pid: Pid, entry: u64, offset: u64, pending: bool) -> Result<(), Errno> {
        let at = (entry & !1).wrapping_add(offset);
        let inherits = entry & 1 != 0;
        if !at.is_multiple_of(4) {
            return Err(Errno::EINVAL);
        }
        let mut bytes = [0; 4];
        self.read_user(pid, at, &mut bytes)?;
        let value = u32::from_le_bytes(bytes);
        let key = self.futex_key(pid, at, false);
        // It died between giving the futex up and waking the next.
        let gave_up = pending && !inherits && value == 0;
        if !gave_up {
            if value & TID_MASK != pid.get() {
                return Ok(());
            }
            let left = value & WAITERS | OWNER_DIED;
            self.write_user(pid, at, &left.to_le_bytes())?;
        }
        if let Some(key) = key.filter(|_| gave_up || !inherits && value & WAITERS != 0) {
            self.wake_futex(key, 1, ANYBODY);
        }
        Ok(())
    }
}
