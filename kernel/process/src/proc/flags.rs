//! The `VmFlags` of `smaps` that come from madvise(2), mlock(2) and mmap(2)'s flags: mm's names to Linux's codes.

use mm::{Vma, VmaFlags};
use procfs::KnownVmFlags;

const PAIRS: [(VmaFlags, KnownVmFlags); 10] = [
    (VmaFlags::LOCKED, KnownVmFlags::LOCKED),
    (VmaFlags::NO_RESERVE, KnownVmFlags::NO_RESERVE),
    (VmaFlags::DONT_FORK, KnownVmFlags::DONT_COPY),
    (VmaFlags::WIPE_ON_FORK, KnownVmFlags::WIPE_ON_FORK),
    (VmaFlags::DONT_DUMP, KnownVmFlags::DONT_DUMP),
    (VmaFlags::RANDOM, KnownVmFlags::RAND_READ),
    (VmaFlags::SEQUENTIAL, KnownVmFlags::SEQ_READ),
    (VmaFlags::HUGE_PAGE, KnownVmFlags::HUGE_PAGE),
    (VmaFlags::NO_HUGE_PAGE, KnownVmFlags::NO_HUGE_PAGE),
    (VmaFlags::SEALED, KnownVmFlags::SEALED),
];

/// The flags beside protection and sharing.
pub(super) fn from_mm(vma: &Vma) -> KnownVmFlags {
    PAIRS
        .into_iter()
        .filter(|(ours, _)| vma.flags.contains(*ours))
        .map(|(_, shown)| shown)
        .collect()
}
