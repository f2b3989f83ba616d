//! One mapping of an address space: Linux's `vm_area_struct`, as a value.
//!
//! Key types: [`Vma`], [`VmaFlags`]. The set of them is [`crate::vma_set`].

use arch::{Granule, PageNum, PageRange};
use bitflags::bitflags;

use crate::request::{Content, Prot, Sharing};

bitflags! {
    /// What else is known of a mapping; the letters are those of smaps' VmFlags.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
    pub struct VmaFlags: u16 {
        /// Locked in RAM (`lo`).
        const LOCKED = 1 << 0;
        /// `MAP_NORESERVE` (`nr`).
        const NO_RESERVE = 1 << 1;
        /// `MADV_DONTFORK` (`dc`).
        const DONT_FORK = 1 << 2;
        /// `MADV_WIPEONFORK` (`wf`).
        const WIPE_ON_FORK = 1 << 3;
        /// `MADV_DONTDUMP` (`dd`).
        const DONT_DUMP = 1 << 4;
        /// `MADV_RANDOM` (`rr`).
        const RANDOM = 1 << 5;
        /// `MADV_SEQUENTIAL` (`sr`).
        const SEQUENTIAL = 1 << 6;
        /// `MADV_HUGEPAGE` (`hg`).
        const HUGE_PAGE = 1 << 7;
        /// `MADV_NOHUGEPAGE` (`nh`).
        const NO_HUGE_PAGE = 1 << 8;
        /// mseal(2) (`sl`): neither unmapped nor moved nor given other rights.
        const SEALED = 1 << 9;
        /// The number of its NUMA [`Policy`] (mbind(2)): three bits.
        const POLICY = 7 << 10;
    }
}

/// One mapping.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Vma {
    /// The pages.
    pub range: PageRange,
    /// What may be done with them.
    pub prot: Prot,
    /// What mprotect may allow.
    pub max_prot: Prot,
    /// Private or shared.
    pub sharing: Sharing,
    /// What they show, from the first page on.
    pub content: Content,
    /// A stack: it grows when the pages below it are touched.
    pub grows_down: bool,
    /// The rest.
    pub flags: VmaFlags,
    /// The kernel's own, by this name; never merged.
    pub special: Option<&'static str>,
    /// Private pages of it were once written (Linux: it has an `anon_vma`); fork then copies its entries.
    pub(crate) has_anon: bool,
}

/// What each mapping counts as in `VmData`, `VmStk` and `VmExe`+`VmLib` (Linux: `vm_stat_account`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum AccountedAs {
    Exec,
    Stack,
    Data,
    Other,
}

/// Where memory is to come from (mbind(2)), with Linux's numbers. There is one node, so all come to the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[expect(missing_docs, reason = "the names are those of MPOL_* in set_mempolicy(2)")]
pub enum Policy {
    #[default]
    Default = 0,
    Preferred = 1,
    Bind = 2,
    Interleave = 3,
    Local = 4,
    PreferredMany = 5,
    WeightedInterleave = 6,
}

impl Policy {
    const ALL: [Self; 7] = [
        Self::Default,
        Self::Preferred,
        Self::Bind,
        Self::Interleave,
        Self::Local,
        Self::PreferredMany,
        Self::WeightedInterleave,
    ];

    /// The policy of this number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// As flags of a mapping have it.
    pub(crate) fn flags(self) -> VmaFlags {
        VmaFlags::from_bits_truncate((self as u16) << VmaFlags::POLICY.bits().trailing_zeros())
    }
}

impl Vma {
    /// Its NUMA policy.
    pub fn policy(&self) -> Policy {
        let number = (self.flags & VmaFlags::POLICY).bits() >> VmaFlags::POLICY.bits().trailing_zeros();
        Policy::from_number(number as u8).unwrap_or_default()
    }

    /// Linux keeps this many pages free below a stack (`stack_guard_gap`).
    pub const GUARD_GAP: u64 = 256;

    /// Where it begins, with the guard gap if it is a stack: nothing is placed at or above this page.
    pub(crate) fn gap_start(&self) -> PageNum {
        let gap = if self.grows_down { Self::GUARD_GAP } else { 0 };
        PageNum::new(self.range.start().get().saturating_sub(gap))
    }

    /// Whether writes are this address space's own.
    pub(crate) fn is_private(&self) -> bool {
        self.sharing == Sharing::Private
    }

    /// Private and without a file.
    pub fn is_private_anonymous(&self) -> bool {
        self.is_private() && self.content == Content::Anonymous
    }

    /// Whether it counts against the commit limit: memory that must be found when it is written
    /// (`accountable_mapping`).
    pub fn is_accountable(&self) -> bool {
        let reserved = !self.flags.contains(VmaFlags::NO_RESERVE) && self.special.is_none();
        self.is_private() && self.prot.contains(Prot::WRITE) && reserved
    }

    /// How it counts.
    pub(crate) fn accounted_as(&self) -> AccountedAs {
        let exec = self.prot.contains(Prot::EXEC);
        let write = self.prot.contains(Prot::WRITE);
        if self.grows_down {
            AccountedAs::Stack
        } else if exec && !write {
            AccountedAs::Exec
        } else if write && self.is_private() {
            AccountedAs::Data
        } else {
            AccountedAs::Other
        }
    }

    /// The part of it that covers `range`, which must lie inside.
    pub(crate) fn part(&self, range: PageRange, granule: Granule) -> Self {
        debug_assert!(self.range.contains_range(range));
        let mut part = *self;
        part.range = range;
        if let Content::File { offset, .. } = &mut part.content {
            *offset += (range.start().get() - self.range.start().get()) << granule.shift();
        }
        part
    }

    /// Whether `next`, which begins where this ends, continues it: one mapping then serves for both.
    pub(crate) fn continues_in(&self, next: &Self, granule: Granule) -> bool {
        let same = self.range.end() == next.range.start()
            && self.prot == next.prot
            && self.max_prot == next.max_prot
            && self.sharing == next.sharing
            && self.grows_down == next.grows_down
            && self.flags == next.flags
            && self.special.is_none()
            && next.special.is_none();
        same && match (self.content, next.content) {
            (Content::Anonymous, Content::Anonymous) => true,
            (
                Content::File { file, offset },
                Content::File {
                    file: next_file,
                    offset: next_offset,
                },
            ) => {
                let bytes = self.range.count().bytes(granule).get();
                file == next_file && offset.checked_add(bytes) == Some(next_offset)
            }
            _ => false,
        }
    }

    /// The page of the file that `page` of the mapping shows, if it shows a file.
    pub(crate) fn file_page(&self, page: PageNum, granule: Granule) -> Option<(crate::FileId, u64)> {
        match self.content {
            Content::Anonymous => None,
            Content::File { file, offset } => {
                let distance = page.get() - self.range.start().get();
                Some((file, (offset >> granule.shift()) + distance))
            }
        }
    }
}
