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
    /// Pages read from swap.
    pub pswpin: u64,
    /// Pages written to swap.
    pub pswpout: u64,
    /// Pages that left without a write, because their slot still had them.
    pub swap_clean: u64,
    /// Of the pages read from swap, those that came along with another.
    pub swap_ra: u64,
    /// Faults that found their swapped page in RAM already.
    pub swap_cache_hits: u64,
    /// Pages that were needed and could not be read back.
    pub swap_read_errors: u64,
    /// Pages that could not be written, and stayed.
    pub swap_write_errors: u64,
    /// Pages that background reclaim looked at.
    pub pgscan_kswapd: u64,
    /// Pages that direct reclaim looked at.
    pub pgscan_direct: u64,
    /// Frames that background reclaim made free.
    pub pgsteal_kswapd: u64,
    /// Frames that direct reclaim made free.
    pub pgsteal_direct: u64,
    /// Lazily freed pages that were forgotten.
    pub pglazyfreed: u64,
    /// Times that somebody had to wait for reclaim.
    pub allocstall: u64,
    /// Evicted pages of private or shared memory that came back.
    pub workingset_refault_anon: u64,
    /// Evicted pages of files that came back.
    pub workingset_refault_file: u64,
    /// Of those of memory, the ones that came back so soon that they belong to what is needed.
    pub workingset_activate_anon: u64,
    /// The same of files.
    pub workingset_activate_file: u64,
    /// Translation tables that a space got for itself because it was to change what others reached, too.
    pub table_copies: u64,
    /// TLB maintenance requests that were queued.
    pub tlb_requests: u64,
}

impl Counters {
    /// Resolved faults of one kind.
    pub const fn faults(&self, kind: FaultKind) -> u64 {
        self.faults_by_kind[kind as usize]
    }
}
