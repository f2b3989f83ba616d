//! The result: [`Zones`], one [`Zone`] for each arena and one for the chunks that have a mapping of their own.

use serde::{Deserialize, Serialize};

/// The zones of a process. Addresses and sizes are bytes.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Zones {
    /// The main arena first, then the threads' in the order of their list, then the mapped chunks. Empty if the process
    /// does not use glibc's malloc.
    pub zones: Vec<Zone>,
    /// The threads' caches that were found.
    pub tcaches: Vec<Tcache>,
    /// What could not be read or understood, one sentence each.
    pub gaps: Vec<String>,
    /// Pages in swap that the walk met. They were not read, so that counts are lower bounds.
    pub swapped_pages: u64,
    /// Bytes of memory that were read for it.
    pub bytes_read: u64,
}

/// What a zone is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ZoneKind {
    /// `main_arena`: the break, or mappings where the break could not grow.
    Main,
    /// An arena that threads were given.
    Thread,
    /// Chunks of at least `M_MMAP_THRESHOLD` bytes, each with a mapping of its own.
    Mapped,
}

/// One arena, or the mapped chunks.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Zone {
    /// What it is.
    pub kind: ZoneKind,
    /// `main arena`, `thread arena 1`, `mapped chunks`.
    pub name: String,
    /// The address of its `malloc_state`; `None` for mapped chunks.
    pub address: Option<u64>,
    /// The memory it occupies, ascending.
    pub ranges: Vec<Range>,
    /// `system_mem`: what the arena has from the system, which `malloc_stats` calls `system bytes`. For mapped chunks
    /// `hblkhd`. A break that somebody else moved is in it.
    pub system_bytes: u64,
    /// The most it ever had. `None` where no figure is kept.
    pub max_system_bytes: Option<u64>,
    /// Size of the top chunk: the space at the end that was never handed out, or came back.
    pub top_bytes: u64,
    /// Threads that allocate from it. `None` for mapped chunks.
    pub attached_threads: Option<u64>,
    /// Whether its lock was held: then an allocation was under way and its figures may be torn.
    pub locked: bool,
    /// What the chunks add up to; `None` if they were not walked ([`Zone::reading`] says why).
    pub counts: Option<Counts>,
    /// How the walk went.
    pub reading: Reading,
}

impl Zone {
    /// Address space that the zone occupies without what is only reserved.
    #[must_use]
    pub fn virtual_bytes(&self) -> u64 {
        self.ranges.iter().fold(0, |sum, r| sum.saturating_add(r.bytes()))
    }

    /// Share of `held` bytes that is not allocated, in per cent: Apple's % FRAG when `held` is dirty plus swapped.
    /// `None` if the chunks were not walked or nothing is held.
    #[must_use]
    pub fn fragmentation(&self, held: u64) -> Option<f64> {
        let allocated = self.counts?.allocated_bytes.min(held);
        (held > 0).then(|| 100.0 - 100.0 * allocated as f64 / held as f64)
    }
}

/// A stretch of a zone's memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Range {
    /// First address.
    pub start: u64,
    /// First address past the part in use.
    pub end: u64,
    /// First address past what is reserved for growth; `end` if nothing is.
    pub reserved_end: u64,
    /// What it is.
    pub kind: RangeKind,
}

impl Range {
    /// Bytes in use.
    #[must_use]
    pub fn bytes(self) -> u64 {
        self.end.saturating_sub(self.start)
    }
}

/// What a stretch of a zone is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum RangeKind {
    /// The program's break.
    Brk,
    /// A mapping that the main arena took because the break could not grow.
    MappedHeap,
    /// A heap of a thread's arena (`heap_info`), 64 MiB aligned as a rule.
    Heap,
    /// One mapped chunk.
    MappedChunk,
}

/// What the chunks of a zone add up to. A chunk's size includes its header of 8 bytes, as in glibc's own figures.
///
/// glibc counts as in use everything that is in no bin: also what lies in the threads' caches (tcache), which the
/// program has freed. `glibc_in_use_bytes` is that figure to the byte (`uordblks`; `in use bytes` of `malloc_stats`);
/// `allocated_bytes` is what the program really holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Chunks that the program holds: without tcache and fastbins.
    pub allocated_chunks: u64,
    /// Their bytes.
    pub allocated_bytes: u64,
    /// `system_mem` less top, bins and fastbins: what `mallinfo2` and `malloc_stats` call in use. `None` if a part of
    /// the arena could not be read.
    pub glibc_in_use_bytes: Option<u64>,
    /// Free chunks in bins (small, large, unsorted).
    pub free_chunks: u64,
    /// Their bytes.
    pub free_bytes: u64,
    /// The largest of them.
    pub largest_free_bytes: u64,
    /// Freed chunks in fastbins (`smblks`).
    pub fastbin_chunks: u64,
    /// Their bytes (`fsmblks`).
    pub fastbin_bytes: u64,
    /// Freed chunks of this arena that threads keep in their tcache.
    pub tcache_chunks: u64,
    /// Their bytes.
    pub tcache_bytes: u64,
    /// What `malloc_trim(0)` gives back at most: whole pages inside free chunks, and of the break's top.
    pub trim_bytes: u64,
    /// The part of it that is in RAM, which is what trimming would really return; `None` if presence is unknown.
    pub trim_resident_bytes: Option<u64>,
    /// Bytes of the heaps that lie behind a hole and were not walked.
    pub unwalked_bytes: u64,
}

impl Counts {
    /// Freed by the program and not given back: bins, fastbins and tcache.
    #[must_use]
    pub fn slack_bytes(&self) -> u64 {
        self.free_bytes
            .saturating_add(self.fastbin_bytes)
            .saturating_add(self.tcache_bytes)
    }
}

/// How the walk of a zone went.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Reading {
    /// Every chunk was read, and the arena was the same before and after.
    Whole,
    /// The arena has never been used.
    Unused,
    /// Memory is missing (`why`): the counts are lower bounds.
    Partial {
        /// What is missing, one sentence.
        why: String,
    },
    /// More bytes than the caller wanted to be walked: only the arena's own figures.
    Capped,
    /// The process changed it meanwhile, each time: the counts are of the last try, as far as it came.
    Torn {
        /// How often it was begun anew.
        retries: u32,
        /// What did not fit, one sentence.
        why: String,
    },
}

/// The cache of freed chunks of one thread (`tcache_perthread_struct`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Tcache {
    /// Its address.
    pub address: u64,
    /// The `malloc_state` of the arena that it lies in: its thread's when the thread started.
    pub arena: u64,
    /// Chunks in it, of any arena.
    pub chunks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Whether its lists changed while they were read: the figures are from its counters.
    pub torn: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fragmentation_is_unknown_without_counts() {
        let mut zone = Zone {
            kind: ZoneKind::Main,
            name: "main arena".into(),
            address: Some(1),
            ranges: Vec::new(),
            system_bytes: 0,
            max_system_bytes: None,
            top_bytes: 0,
            attached_threads: Some(1),
            locked: false,
            counts: None,
            reading: Reading::Capped,
        };
        assert_eq!(zone.fragmentation(100), None);
        zone.counts = Some(Counts {
            allocated_bytes: 25,
            ..Counts::default()
        });
        assert_eq!(zone.fragmentation(100), Some(75.0));
        assert_eq!(zone.fragmentation(10), Some(0.0));
        assert_eq!(zone.fragmentation(0), None);
    }
}
