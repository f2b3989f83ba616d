//! Machine-wide counts, named as in `/proc/vmstat` where Linux has them.

use crate::fault::FaultKind;

/// What happened since the machine started. Read-only for others; every field is counted somewhere.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Faults that were resolved or became a signal.
    pub pgfault: u64,
    /// Resolved faults that had to read from the host.
    pub pgmajfault: u64,
    /// Resolved faults by [`FaultKind`], in its order; see [`Counters::faults`].
    pub faults_by_kind: [u64; FaultKind::COUNT],
    /// Faults that became a signal.
    pub violations: u64,
    /// Frames given out for data.
    pub pgalloc: u64,
    /// Pages copied because somebody else still needs the original.
    pub cow_copies: u64,
    /// Pages of the cache that fault-around mapped beside the one asked for.
    pub fault_around: u64,
    /// KiB read from files into the page cache.
    pub pgpgin: u64,
    /// KiB written from the page cache to files.
    pub pgpgout: u64,
    /// Write-backs that the host refused, at the last close of a file where nobody can be told.
    pub lost_writes: u64,
    /// Accesses that needed a frame when none was left.
    pub out_of_ram: u64,
    /// TLB maintenance requests that were queued.
    pub tlb_requests: u64,
}

impl Counters {
    /// Resolved faults of one kind.
    pub const fn faults(&self, kind: FaultKind) -> u64 {
        self.faults_by_kind[kind as usize]
    }
}
