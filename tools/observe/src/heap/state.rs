//! One `malloc_state`, read and checked ([`State`]). Where its fields lie depends on the version of glibc; what varies is
//! one number, the bytes before `bins` ([`Layout`]), which `find` learns from the list of arenas.
//!
//! ```text
//! 2.26: mutex flags                     fastbinsY[10] top last_remainder | bins[254] binmap[4] next next_free
//! 2.27: mutex flags have_fastchunks pad fastbinsY[10] top last_remainder | ...  attached_threads system_mem max
//! later, without fastbins: mutex flags                top last_remainder | ...
//! ```

use super::memory::Hole;
use super::window::Words;

/// Bytes of `bins`: 127 bins of two pointers.
pub(super) const BINS_BYTES: u64 = 127 * 16;

/// Bytes from the end of `bins` to the end of the structure: binmap, next, next_free, threads, two sizes.
const TAIL_BYTES: u64 = 16 + 5 * 8;

/// Fastbins where there are any.
const FASTBINS: u64 = 10;

/// `NONCONTIGUOUS_BIT` of `flags`.
const NONCONTIGUOUS: u32 = 2;

/// Where the fields of a `malloc_state` lie.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Layout {
    /// Bytes before `bins`; a multiple of 8 from 24 to 256.
    pub(super) before_bins: u64,
}

impl Layout {
    /// The layouts that are known, likeliest first; then all others that could be.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let known = [112, 104, 32, 24];
        let other = (3..=32).map(|n| n * 8).filter(move |n| !known.contains(n));
        known
            .into_iter()
            .chain(other)
            .map(|before_bins| Self { before_bins })
    }

    /// Offset of the fastbins, if there is room for them.
    fn fastbins(self) -> Option<u64> {
        self.before_bins
            .checked_sub(16 + FASTBINS * 8)
            .filter(|&offset| offset >= 8)
    }

    /// Bytes of the whole structure.
    pub(super) fn bytes(self) -> u64 {
        self.before_bins + BINS_BYTES + TAIL_BYTES
    }

    /// Offset of `next`.
    pub(super) fn next(self) -> u64 {
        self.before_bins + BINS_BYTES + 16
    }
}

/// A `malloc_state` at one moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct State {
    pub(super) address: u64,
    pub(super) layout: Layout,
    /// Heads of the fastbins; empty if this glibc has none.
    pub(super) fastbins: Vec<u64>,
    pub(super) top: u64,
    pub(super) locked: bool,
    pub(super) contiguous: bool,
    pub(super) next: u64,
    pub(super) attached_threads: u64,
    pub(super) system_mem: u64,
    pub(super) max_system_mem: u64,
    /// The bins as they are, to see whether the arena changed.
    bins: Vec<u64>,
}

impl State {
    /// Read the one at `address`.
    pub(super) fn read(words: &mut Words<'_>, address: u64, layout: Layout) -> Result<Self, Hole> {
        let at = |offset: u64| address.wrapping_add(offset);
        let first = words.word(at(0))?;
        let fastbins = match layout.fastbins() {
            Some(offset) => words.words(at(offset), FASTBINS as usize)?,
            None => Vec::new(),
        };
        let next = layout.next();
        Ok(Self {
            address,
            layout,
            fastbins,
            top: words.word(at(layout.before_bins - 16))?,
            locked: first as u32 != 0,
            contiguous: (first >> 32) as u32 & NONCONTIGUOUS == 0,
            next: words.word(at(next))?,
            attached_threads: words.word(at(next + 16))?,
            system_mem: words.word(at(next + 24))?,
            max_system_mem: words.word(at(next + 32))?,
            bins: words.words(at(layout.before_bins), (BINS_BYTES / 8) as usize)?,
        })
    }

    /// The address of the first bin seen as a chunk, which is what `top` holds before the first allocation.
    fn initial_top(&self) -> u64 {
        self.address.wrapping_add(self.layout.before_bins - 16)
    }

    /// Whether nothing was ever allocated from it.
    pub(super) fn is_unused(&self) -> bool {
        self.top == self.initial_top() || self.top == 0
    }

    /// Why it cannot be an arena, if so.
    pub(super) fn fault(&self) -> Option<&'static str> {
        if self.system_mem > self.max_system_mem {
            return Some("system_mem is above max_system_mem");
        }
        if self.attached_threads > 1 << 32 {
            return Some("attached_threads is no count");
        }
        if !self.top.is_multiple_of(16) && !self.is_unused() {
            return Some("top is not aligned");
        }
        if !self.next.is_multiple_of(8) || self.next == 0 {
            return Some("next is no pointer");
        }
        let first_bin = self.initial_top();
        let empty_or_linked = self.bins.as_chunks::<2>().0.iter().zip(0u64..).all(|(ends, i)| {
            let own = first_bin.wrapping_add(i * 16);
            let [fd, bk] = *ends;
            (fd == own && bk == own)
                || (fd != own && bk != own && fd % 16 == 0 && bk % 16 == 0 && fd != 0 && bk != 0)
        });
        (!empty_or_linked).then_some("a bin is neither empty nor a list")
    }

    /// Bytes of the whole structure.
    pub(super) fn end(&self) -> u64 {
        self.address.saturating_add(self.layout.bytes())
    }
}
