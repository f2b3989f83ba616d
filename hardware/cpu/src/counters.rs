//! Everything that this crate counts, in one place.

/// What the processor did, beside the instructions that [`crate::Cpu::retired`] counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Blocks decoded.
    pub blocks_decoded: u64,
    /// Instructions decoded into blocks.
    pub instructions_decoded: u64,
    /// Blocks entered.
    pub block_entries: u64,
    /// Entries that the jump cache did not know: each fetches, and looks the block up by frame.
    pub jump_misses: u64,
    /// Blocks that were cut short by the end of a budget.
    pub cut_blocks: u64,
    /// Blocks dropped because their frame was written.
    pub blocks_invalidated: u64,
    /// Times that the whole cache was emptied because it was full.
    pub cache_flushes: u64,
    /// Exclusive stores that failed.
    pub exclusive_failures: u64,
}
