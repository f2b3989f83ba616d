//! glibc's `mp_` (`struct malloc_par`): the mapped chunks' statistics and where the break began ([`Params`]), found by
//! shape in the segment of `main_arena`.
//!
//! ```text
//! until 2.34:           int n_mmaps, n_mmaps_max, max_n_mmaps, no_dyn_threshold;
//! since 2.35: int hp_flags, n_mmaps, n_mmaps_max, max_n_mmaps, no_dyn_threshold, (padding);
//! both:       size_t mmapped_mem, max_mmapped_mem; char *sbrk_base;
//! ```

use super::find::Segment;
use super::memory::{Mapping, mapping_at};
use super::state::State;
use super::window::Words;

/// `n_mmaps_max` unless `M_MMAP_MAX` was set.
const DEFAULT_MMAPS_MAX: u32 = 65536;

/// The part of `mp_` that says what the process has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Params {
    /// Chunks with a mapping of their own (`hblks`).
    pub(super) mmaps: u64,
    /// Their bytes (`hblkhd`).
    pub(super) mmapped: u64,
    /// The most bytes there ever were.
    pub(super) max_mmapped: u64,
    /// The first address that the main arena had from the system; 0 if it never had any.
    pub(super) sbrk_base: u64,
}

/// The parameters beside `main`, the likeliest of what has their shape.
pub(super) fn find(
    segment: &Segment,
    main: &State,
    maps: &[Mapping],
    words: &mut Words<'_>,
    page: u64,
) -> Option<Params> {
    let top_end = match main.is_unused() {
        true => None,
        false => words
            .word(main.top.wrapping_add(8))
            .ok()
            .map(|head| main.top.wrapping_add(head & !7)),
    };
    let mut best: Option<(u32, Params)> = None;
    let mut offset = 0;
    while offset < segment.length() {
        let here = segment.start.wrapping_add(offset);
        // A pointer of the arena itself (top) must not pass for sbrk_base.
        let in_main = here < main.end() && here.saturating_add(48) > main.address;
        for shifted in [false, true] {
            let Some((max, params)) = at(segment, offset, page, shifted).filter(|_| !in_main) else {
                continue;
            };
            let score = score(max, &params, main, top_end, maps);
            if score > best.map_or(0, |(best, _)| best) {
                best = Some((score, params));
            }
        }
        offset += 8;
    }
    best.map(|(_, params)| params)
}

/// What stands at `offset` read as parameters, with `n_mmaps_max`, if its fields agree with each other. `shifted`: the
/// integers begin with `hp_flags`.
fn at(segment: &Segment, offset: u64, page: u64, shifted: bool) -> Option<(u32, Params)> {
    let word = |index: u64| segment.word(offset.checked_add(index * 8)?);
    let half = |index: u64| {
        let index = index + u64::from(shifted);
        Some((word(index / 2)? >> (32 * (index % 2))) as u32)
    };
    let (now, max, most, fixed) = (half(0)?, half(1)?, half(2)?, half(3)?);
    let sizes = 2 + u64::from(shifted);
    let params = Params {
        mmaps: u64::from(now),
        mmapped: word(sizes)?,
        max_mmapped: word(sizes + 1)?,
        sbrk_base: word(sizes + 2)?,
    };
    let counts_agree = now <= most && most <= 1 << 24 && fixed <= 1 && max <= 1 << 30;
    let sizes_agree = params.mmapped <= params.max_mmapped
        && params.mmapped.is_multiple_of(page)
        && params.max_mmapped.is_multiple_of(page)
        && params.max_mmapped < 1 << 56
        && (now == 0) == (params.mmapped == 0)
        && (most == 0) == (params.max_mmapped == 0)
        && params.mmapped >= params.mmaps.saturating_mul(page);
    (counts_agree && sizes_agree).then_some((max, params))
}

/// How sure it is; 0 is not at all.
fn score(max: u32, params: &Params, main: &State, top_end: Option<u64>, maps: &[Mapping]) -> u32 {
    let usual = u32::from(max == DEFAULT_MMAPS_MAX);
    let Some(top_end) = top_end else {
        return if params.sbrk_base == 0 { usual } else { 0 };
    };
    let base = params.sbrk_base.checked_next_multiple_of(16).unwrap_or(0);
    let exact = top_end
        .checked_sub(main.system_mem)
        .is_some_and(|start| base.abs_diff(start) < 16);
    let home = mapping_at(maps, params.sbrk_base).filter(|m| m.write && m.is_private_anonymous());
    match home {
        Some(_) if main.contiguous && exact => 4 + usual,
        Some(map) if &*map.name == "[heap]" => 2 + usual,
        Some(_) => usual,
        None => 0,
    }
}
