//! The caches of freed chunks that threads keep ([`read`]). A `tcache_perthread_struct` is a chunk in use like any other;
//! it is told by its size and by lists that are what its counters say.
//!
//! ```text
//! 2.26-2.29: uint8  counts[64]     entries[64]     an entry: next, (key since 2.29)
//! 2.30-2.41: uint16 counts[64]     entries[64]     next is xored since 2.32
//! 2.42-    : uint16 num_slots[76]  entries[76]     counts downwards: slots that are left
//! ```

use super::chunks::MIN_CHUNK;
use super::fastbins::reveal;
use super::window::Words;

/// Bins of one size each: 32, 48... bytes.
const SMALL_BINS: usize = 64;

/// More chunks than any bin keeps (the tunable is 16 bits wide).
const MOST_CHUNKS: usize = 1 << 16;

/// How often lists that do not fit are read anew.
const TRIES: u32 = 4;

/// What its counters mean.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Layout {
    Bytes,
    Shorts,
    Slots,
}

impl Layout {
    /// The layout of a chunk of `size` bytes.
    fn of(size: u64) -> Option<Self> {
        match size {
            0x250 | 0x260 => Some(Self::Bytes),
            0x290 | 0x2a0 => Some(Self::Shorts),
            0x300 | 0x310 => Some(Self::Slots),
            _ => None,
        }
    }

    fn bins(self) -> usize {
        if self == Self::Slots { 76 } else { SMALL_BINS }
    }

    fn counter_bytes(self) -> u64 {
        if self == Self::Bytes { 1 } else { 2 }
    }
}

/// A cache, and the chunks in it.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    /// (address, size) of each chunk; empty if torn.
    pub(super) chunks: Vec<(u64, u64)>,
    /// Sums by its own counters, when the lists would not hold still.
    pub(super) torn: Option<(u64, u64)>,
}

/// The struct as it stands in memory.
struct Raw {
    counters: Vec<u64>,
    entries: Vec<u64>,
}

/// Read the chunk at `chunk` of `size` bytes as a cache. `is_ours` says whether an address lies in an arena. `None` if it
/// is none, or an empty one.
pub(super) fn read(
    words: &mut Words<'_>,
    chunk: u64,
    size: u64,
    is_ours: &dyn Fn(u64) -> bool,
) -> Option<Found> {
    let layout = Layout::of(size)?;
    let mut fallback = None;
    for _ in 0..TRIES {
        let raw = raw(words, chunk.wrapping_add(16), layout)?;
        if !raw.is_plausible(layout, is_ours) {
            return None;
        }
        for protected in [true, false] {
            if let Some(chunks) = lists(words, &raw, layout, is_ours, protected) {
                return Some(Found { chunks, torn: None });
            }
        }
        fallback = raw.sums(layout);
        words.forget();
    }
    // Only a target that runs gets here with a real cache: a chunk of data that looks like one until its lists are read
    // does not change between tries.
    let torn = fallback.filter(|_| changed(words, chunk, layout, fallback))?;
    Some(Found {
        chunks: Vec::new(),
        torn: Some(torn),
    })
}

fn changed(words: &mut Words<'_>, chunk: u64, layout: Layout, before: Option<(u64, u64)>) -> bool {
    words.forget();
    let now = raw(words, chunk.wrapping_add(16), layout);
    now.is_some_and(|raw| raw.sums(layout) != before)
}

fn raw(words: &mut Words<'_>, address: u64, layout: Layout) -> Option<Raw> {
    let counter_bytes = layout.bins() as u64 * layout.counter_bytes();
    let packed = words.words(address, (counter_bytes / 8) as usize).ok()?;
    let each = 8 * layout.counter_bytes();
    let mask = (1 << each) - 1;
    let counters = packed
        .iter()
        .flat_map(|word| (0..64 / each).map(move |i| word >> (i * each) & mask))
        .collect();
    let entries = words
        .words(address.wrapping_add(counter_bytes), layout.bins())
        .ok()?;
    Some(Raw { counters, entries })
}

impl Raw {
    /// Whether all entries are empty or chunks of ours, and some are not empty.
    fn is_plausible(&self, layout: Layout, is_ours: &dyn Fn(u64) -> bool) -> bool {
        let agrees = |(&entry, &counter): (&u64, &u64)| {
            let counted = layout == Layout::Slots || (counter == 0) == (entry == 0);
            counted && (entry == 0 || (entry.is_multiple_of(16) && is_ours(entry)))
        };
        self.entries.iter().any(|&e| e != 0) && self.entries.iter().zip(&self.counters).all(agrees)
    }

    /// Chunks and bytes by the counters alone, where they count upwards.
    fn sums(&self, layout: Layout) -> Option<(u64, u64)> {
        (layout != Layout::Slots).then(|| {
            let bins = self.counters.iter().zip(0u64..);
            bins.fold((0, 0), |(chunks, bytes), (&count, bin)| {
                (chunks + count, bytes + count * (MIN_CHUNK + bin * 16))
            })
        })
    }
}

/// All chunks of all lists, if each list is what its counter says and all entries carry one key.
fn lists(
    words: &mut Words<'_>,
    raw: &Raw,
    layout: Layout,
    is_ours: &dyn Fn(u64) -> bool,
    protected: bool,
) -> Option<Vec<(u64, u64)>> {
    let mut chunks = Vec::new();
    let mut key = None;
    let mut slots = None;
    for (bin, (&head, &counter)) in raw.entries.iter().zip(&raw.counters).enumerate() {
        let before = chunks.len();
        let mut entry = head;
        while entry != 0 {
            if entry % 16 != 0 || !is_ours(entry) || chunks.len() - before >= MOST_CHUNKS {
                return None;
            }
            let size = words.word(entry.wrapping_sub(8)).ok()? & !7;
            let fits = match bin < SMALL_BINS {
                true => size == MIN_CHUNK + bin as u64 * 16,
                false => size > MIN_CHUNK + SMALL_BINS as u64 * 16 - 16,
            };
            let own_key = words.word(entry.wrapping_add(8)).ok()?;
            let same_key =
                layout == Layout::Bytes || (own_key != 0 && *key.get_or_insert(own_key) == own_key);
            if !fits || !same_key {
                return None;
            }
            chunks.push((entry.wrapping_sub(16), size));
            let link = words.word(entry).ok()?;
            entry = if protected { reveal(entry, link) } else { link };
        }
        let length = (chunks.len() - before) as u64;
        let counted = match layout {
            Layout::Slots => length == 0 || *slots.get_or_insert(length + counter) == length + counter,
            Layout::Bytes | Layout::Shorts => length == counter,
        };
        if !counted {
            return None;
        }
    }
    Some(chunks)
}
