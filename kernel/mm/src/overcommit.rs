//! How much memory may be promised (`vm.overcommit_memory`; Linux: `__vm_enough_memory`).
//!
//! Key type: [`Overcommit`], the three values of `/proc/sys/vm`. What is promised is private writable memory, which
//! each space counts as its mappings come and go, and shared memory.

use arch::{Bytes, PageCount};

use crate::Memory;
use crate::error::MapError;
use crate::request::SpaceId;

/// The rule of `/proc/sys/vm/overcommit_*` (proc_sys_vm(5)).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Overcommit {
    /// 0: one request beyond all of RAM and swap is refused. 1: none is. 2: all promises together stay within
    /// [`Memory::commit_limit`].
    pub mode: u8,
    /// Per cent of RAM that may be promised in mode 2.
    pub ratio: u64,
    /// KiB that may be promised instead, unless 0.
    pub kbytes: u64,
}

impl Default for Overcommit {
    fn default() -> Self {
        Self {
            mode: 0,
            ratio: 50,
            kbytes: 0,
        }
    }
}

impl Overcommit {
    const ALWAYS: u8 = 1;
    const NEVER: u8 = 2;

    /// No rule: what [`Memory::new`] begins with, until a kernel sets one.
    pub(crate) const fn none() -> Self {
        Self {
            mode: Self::ALWAYS,
            ratio: 50,
            kbytes: 0,
        }
    }

    /// Whether it refuses anything.
    pub(crate) const fn limits(self) -> bool {
        self.mode != Self::ALWAYS
    }

    /// Whether `MAP_NORESERVE` has no meaning.
    pub const fn is_strict(self) -> bool {
        self.mode == Self::NEVER
    }
}

/// `vm.admin_reserve_kbytes`: what is kept for root in mode 2, at most, and no more than [`SHARE`] of RAM.
const ADMIN_RESERVE: u64 = 8 << 20;
/// `vm.user_reserve_kbytes`: what is kept from one process so that its user can end it; likewise.
const USER_RESERVE: u64 = 128 << 20;
/// Of RAM, and of a process's size (`init_admin_reserve`, `__vm_enough_memory`).
const SHARE: u64 = 32;

impl Memory {
    /// The rule.
    pub fn overcommit(&self) -> Overcommit {
        self.overcommit
    }

    /// Changes the rule; what is promised stays.
    pub fn set_overcommit(&mut self, rule: Overcommit) {
        self.overcommit = rule;
    }

    /// `CommitLimit`: what may be promised in mode 2.
    pub fn commit_limit(&self) -> Bytes {
        let Overcommit { ratio, kbytes, .. } = self.overcommit;
        let ram = self.core.ram.size().get();
        let share = match kbytes {
            0 => (ram / 100).saturating_mul(ratio),
            kbytes => kbytes.saturating_mul(1024),
        };
        Bytes::new(share.saturating_add(self.swap_bytes()))
    }

    /// `Committed_AS`: what is promised.
    pub fn committed(&self) -> Bytes {
        let private: u64 = self.spaces.iter().map(|space| space.mapped.committed).sum();
        let shared: u64 = self.files.iter().map(|(_, file)| file.promised()).sum();
        PageCount::new(private + shared).bytes(self.granule())
    }

    /// Whether `pages` more may be promised to a space.
    pub(crate) fn may_commit(&self, space: SpaceId, pages: u64) -> Result<(), MapError> {
        let shift = self.granule().shift();
        let refused = match self.overcommit.mode {
            Overcommit::ALWAYS => false,
            Overcommit::NEVER => {
                let space = self.spaces.get(space);
                let most = self.core.ram.size().get() / SHARE;
                let admin = if space.limits.admin {
                    0
                } else {
                    ADMIN_RESERVE.min(most)
                };
                let user = (space.mapped.total << shift) / SHARE;
                let kept = admin + user.min(USER_RESERVE.min(most));
                let allowed = self.commit_limit().get().saturating_sub(kept) >> shift;
                let committed = self.committed().get() >> shift;
                committed.saturating_add(pages) > allowed
            }
            _ => pages > (self.core.ram.size().get().saturating_add(self.swap_bytes())) >> shift,
        };
        if refused {
            Err(MapError::Overcommit)
        } else {
            Ok(())
        }
    }

    /// Whether a copy of a space may be promised (Linux: `dup_mmap`, mapping by mapping).
    pub fn may_fork(&self, space: SpaceId) -> Result<(), MapError> {
        match self.overcommit.mode {
            Overcommit::NEVER => self.may_commit(space, self.spaces.get(space).mapped.committed),
            _ => Ok(()),
        }
    }

    fn swap_bytes(&self) -> u64 {
        self.core.swap.usage().total << self.granule().shift()
    }
}
