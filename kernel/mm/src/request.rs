//! What callers say: protections, placements, requests, limits. Values only, no state.
//!
//! The shapes are those of mmap(2), mremap(2) and madvise(2) after their arguments were checked: the flag
//! numbers live in crate `abi`, the checks of single arguments in the system calls of `process`.

use arch::{Bytes, VirtAddr};
use bitflags::bitflags;

use crate::files::FileId;

/// One address space. Stale identifiers are noticed: using one after `destroy_space` is a bug that asserts.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SpaceId {
    pub(crate) slot: u16,
    pub(crate) generation: u32,
}

bitflags! {
    /// What a program may do with a page, with Linux's numbers (`PROT_*`). Empty is `PROT_NONE`. Any of
    /// the three makes a page readable, as the processor has no write-only or (without EPAN) execute-only pages.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
    pub struct Prot: u8 {
        /// `PROT_READ`.
        const READ = 1;
        /// `PROT_WRITE`.
        const WRITE = 2;
        /// `PROT_EXEC`.
        const EXEC = 4;
    }
}

/// Who sees what is written (`MAP_PRIVATE`, `MAP_SHARED`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Sharing {
    /// Writes are this address space's own: copy-on-write.
    Private,
    /// Writes go to the file or to the shared object.
    Shared,
}

/// Where user mappings go; decided by exec.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Layout {
    /// Top-down placement begins below this address (Linux's `mmap_base`).
    pub mmap_top: VirtAddr,
    /// Nothing is placed below this address (`mmap_min_addr`).
    pub lowest: VirtAddr,
}

/// Resource limits of getrlimit(2) that concern memory; `None` is `RLIM_INFINITY`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// `RLIMIT_AS`: all mappings together.
    pub address_space: Option<Bytes>,
    /// `RLIMIT_DATA`: private writable mappings that are no stacks, and the break.
    pub data: Option<Bytes>,
    /// `RLIMIT_STACK`: how far a stack may grow. `Bytes::new(u64::MAX)` is no limit.
    pub stack: Bytes,
    /// `RLIMIT_MEMLOCK`.
    pub locked: Option<Bytes>,
    /// `vm.max_map_count`: 65530 on Linux.
    pub map_count: usize,
    /// The task is privileged (`CAP_SYS_ADMIN`): the overcommit rule's reserve for root is its own.
    pub admin: bool,
}

impl Default for Limits {
    /// Linux's defaults: an 8 MiB stack, 65530 mappings, nothing else limited.
    fn default() -> Self {
        Self {
            address_space: None,
            data: None,
            stack: Bytes::new(8 << 20),
            locked: None,
            map_count: 65530,
            admin: false,
        }
    }
}

/// Where a mapping is wanted. The addresses of the fixed forms are page aligned (checked by the caller).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Placement {
    /// The highest free place below `mmap_top`.
    Anywhere,
    /// There, rounded to a page, if it is free; otherwise anywhere.
    Hint(VirtAddr),
    /// Exactly there; what was there is unmapped (`MAP_FIXED`).
    Fixed(VirtAddr),
    /// Exactly there or not at all (`MAP_FIXED_NOREPLACE`).
    FixedNoReplace(VirtAddr),
}

/// What a mapping shows.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Content {
    /// Zeros until written. In a [`MapRequest`] that is shared, a new shared object is made; the VMA then
    /// shows it as a file named `/dev/zero (deleted)`, as Linux does.
    Anonymous,
    /// A file's bytes.
    File {
        /// The file.
        file: FileId,
        /// Where in the file the mapping begins, in bytes; page aligned (checked by the caller).
        offset: u64,
    },
}

/// A mapping to be made (mmap(2)).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MapRequest {
    /// Where.
    pub placement: Placement,
    /// How long; rounded up to pages. The caller has refused 0.
    pub length: Bytes,
    /// What may be done with it.
    pub prot: Prot,
    /// What mprotect may allow later.
    pub max_prot: Prot,
    /// Private or shared.
    pub sharing: Sharing,
    /// What it shows.
    pub content: Content,
    /// `MAP_GROWSDOWN`: a stack.
    pub grows_down: bool,
    /// `MAP_NORESERVE`.
    pub no_reserve: bool,
    /// `MAP_LOCKED`.
    pub locked: bool,
    /// `MAP_POPULATE`: fault everything in now; trouble doing so is silent, as on Linux.
    pub populate: bool,
    /// A mapping of the kernel's own with this name in `/proc/PID/maps`, such as `[vdso]`.
    pub special: Option<&'static str>,
}

impl MapRequest {
    /// A private anonymous mapping anywhere; the usual one. Change its fields for another.
    pub const fn anonymous(length: Bytes, prot: Prot) -> Self {
        Self {
            placement: Placement::Anywhere,
            length,
            prot,
            max_prot: Prot::all(),
            sharing: Sharing::Private,
            content: Content::Anonymous,
            grows_down: false,
            no_reserve: false,
            locked: false,
            populate: false,
            special: None,
        }
    }
}

/// A mapping to be resized or moved (mremap(2)).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RemapRequest {
    /// Where it is; page aligned.
    pub old: VirtAddr,
    /// How much of it; 0 duplicates a shared mapping.
    pub old_length: Bytes,
    /// How long it shall be; the caller has refused 0.
    pub new_length: Bytes,
    /// `MREMAP_MAYMOVE`.
    pub may_move: bool,
    /// `MREMAP_FIXED` and the place, page aligned.
    pub fixed: Option<VirtAddr>,
    /// `MREMAP_DONTUNMAP`.
    pub dont_unmap: bool,
}

/// madvise(2)'s advice. What each does here is said at [`crate::Memory::advise`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[expect(missing_docs, reason = "the names are those of MADV_* in madvise(2)")]
pub enum Advice {
    Normal,
    Random,
    Sequential,
    WillNeed,
    DontNeed,
    Free,
    DontFork,
    DoFork,
    WipeOnFork,
    KeepOnFork,
    PopulateRead,
    PopulateWrite,
    Cold,
    PageOut,
    HugePage,
    NoHugePage,
    DontDump,
    DoDump,
    DontNeedLocked,
    Remove,
    GuardInstall,
    GuardRemove,
}

/// What mlockall(2) said of mappings to come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum LockFuture {
    /// They are not locked.
    #[default]
    No,
    /// They are locked, and made present (`MCL_FUTURE`).
    Present,
    /// They are locked once they are present (`MCL_ONFAULT`).
    OnFault,
}
