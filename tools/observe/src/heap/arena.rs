//! One arena walked ([`Walker::arena`]): its heaps in turn, checked before and after, begun anew when it changed.

use super::chunks::{self, End, Path, Tally};
use super::fastbins::{self, Fastbins};
use super::heaps::{self, Heap};
use super::memory::{Hole, Mapping, Memory, Why};
use super::params::Params;
use super::state::State;
use super::sweep::{self, Wanted};
use super::window::{Window, Words};
use super::zone::{Counts, Range, RangeKind, Reading, Zone, ZoneKind};

/// How often an arena that changes under the walk is begun anew.
const RETRIES: u32 = 3;

/// Bytes beside its own size that are read in search of the main arena's mapped heaps.
const MOST_SWEPT: u64 = 1 << 30;

/// More pieces than the break of any process is in: others move it rarely.
const MOST_PIECES: usize = 1 << 16;

/// What a guard in the middle of a heap means.
const GROWN: &str =
    "it reaches into memory that is not readable: it has grown since the mappings were listed";

/// What the walks of all arenas share.
pub(super) struct Walker<'a> {
    pub(super) memory: &'a dyn Memory,
    pub(super) maps: &'a [Mapping],
    pub(super) page: u64,
    /// Bytes that may still be walked.
    pub(super) budget: u64,
    pub(super) window: Window<'a>,
    pub(super) words: Words<'a>,
    pub(super) swapped_pages: u64,
}

/// A zone, and what is needed to take the threads' caches off it.
pub(super) struct Walked {
    pub(super) zone: Zone,
    pub(super) tcache_like: Vec<(u64, u64)>,
}

/// One try at an arena.
#[derive(Default)]
struct Attempt {
    ranges: Vec<Range>,
    tally: Tally,
    fast: Fastbins,
    top_bytes: u64,
    swapped_pages: u64,
    /// Bytes behind holes.
    unwalked: u64,
    /// What is missing.
    missing: Option<String>,
    /// What did not fit: the arena is torn, or damaged.
    broken: Option<String>,
}

impl<'a> Walker<'a> {
    /// Walk the arena `first_seen`; `params` for the main arena, which has number 0.
    pub(super) fn arena(&mut self, first_seen: &State, params: Option<&Params>, number: usize) -> Walked {
        let mut zone = describe(first_seen, number);
        if first_seen.is_unused() {
            zone.reading = Reading::Unused;
            return Walked {
                zone,
                tcache_like: Vec::new(),
            };
        }
        if first_seen.system_mem > self.budget {
            zone.top_bytes = self.top_bytes(first_seen).unwrap_or(0);
            zone.ranges = self.unwalked_ranges(first_seen, params, number == 0);
            return Walked {
                zone,
                tcache_like: Vec::new(),
            };
        }
        self.budget -= first_seen.system_mem;
        let mut state = first_seen.clone();
        let mut retries = 0;
        loop {
            self.words.forget();
            let before = State::read(&mut self.words, state.address, state.layout);
            let Ok(before) = before else {
                zone.reading = Reading::Partial {
                    why: "its malloc_state is not readable any more".into(),
                };
                return Walked {
                    zone,
                    tcache_like: Vec::new(),
                };
            };
            self.window.forget();
            let attempt = self.attempt(&before, params, number == 0);
            self.words.forget();
            let after = State::read(&mut self.words, state.address, state.layout);
            let why = match (&attempt.broken, after) {
                (Some(why), _) => Some(why.clone()),
                (None, Ok(after)) if after == before => None,
                (None, _) => Some("it changed between the start and the end of the walk".into()),
            };
            state = before;
            if why.is_none() || retries == RETRIES {
                let reading = match (why, &attempt.missing) {
                    (Some(why), _) => Reading::Torn { retries, why },
                    (None, Some(why)) => Reading::Partial { why: why.clone() },
                    (None, None) => Reading::Whole,
                };
                self.swapped_pages = self.swapped_pages.saturating_add(attempt.swapped_pages);
                return finish(&state, number, attempt, reading);
            }
            retries += 1;
        }
    }

    fn top_bytes(&mut self, state: &State) -> Result<u64, Hole> {
        Ok(self.words.word(state.top.wrapping_add(8))? & !7)
    }

    /// Where the chunks of an arena lie that is not walked, as far as its own figures say.
    fn unwalked_ranges(&mut self, state: &State, params: Option<&Params>, main: bool) -> Vec<Range> {
        if !main {
            let heaps = heaps::of_thread(&mut self.words, state, self.maps).unwrap_or_default();
            return heaps.iter().map(|h| h.range).collect();
        }
        let Some(start) = self.break_start(params).filter(|_| state.contiguous) else {
            return Vec::new();
        };
        vec![plain_range(
            start,
            start.saturating_add(state.system_mem),
            RangeKind::Brk,
        )]
    }

    fn attempt(&mut self, state: &State, params: Option<&Params>, main: bool) -> Attempt {
        let mut attempt = Attempt::default();
        match self.top_bytes(state) {
            Ok(bytes) => attempt.top_bytes = bytes,
            // The list of mappings is older than a heap that has grown since.
            Err(hole) if hole.why == Why::Guard => attempt.broken = Some(GROWN.into()),
            Err(hole) => {
                attempt.missing = Some(format!("its top is not readable ({})", said(hole)));
                attempt.swapped_pages += swapped(hole, self.page);
            }
        }
        match fastbins::read(&mut self.words, state, self.maps) {
            Ok(fast) => attempt.fast = fast,
            Err(why) => {
                attempt.broken = Some(why);
                return attempt;
            }
        }
        if main {
            self.main_heaps(state, params, &mut attempt);
        } else {
            self.thread_heaps(state, &mut attempt);
        }
        if let Some(hole) = attempt.fast.missing {
            let missing = &mut attempt.missing;
            missing.get_or_insert_with(|| format!("a fastbin leads to {:#x} ({})", hole.at, said(hole)));
        }
        attempt
    }

    fn thread_heaps(&mut self, state: &State, attempt: &mut Attempt) {
        let list = match heaps::of_thread(&mut self.words, state, self.maps) {
            Ok(list) => list,
            Err(why) => {
                attempt.broken = Some(why);
                return;
            }
        };
        attempt.ranges = list.iter().map(|h| h.range).collect();
        let sum = attempt
            .ranges
            .iter()
            .fold(0, |sum: u64, r| sum.saturating_add(r.bytes()));
        if sum != state.system_mem {
            attempt.broken = Some("its heaps do not add up to system_mem".into());
            return;
        }
        for Heap { range, first } in list {
            let end = self.heap(state, first, range.end, false, attempt);
            if attempt.broken.is_some() {
                return;
            }
            let closed = match end {
                Some(End::Top) => range.end == state.top.saturating_add(attempt.top_bytes),
                Some(End::Fence(at)) => at == range.end,
                _ => true,
            };
            if !closed {
                attempt.broken = Some(format!(
                    "the chunks of the heap at {:#x} end before it",
                    range.start
                ));
                return;
            }
        }
    }

    /// The address of the first chunk in the break.
    fn break_start(&self, params: Option<&Params>) -> Option<u64> {
        let base = params.map(|p| p.sbrk_base).filter(|&base| base != 0);
        let heap = || self.maps.iter().find(|m| &*m.name == "[heap]").map(|m| m.start);
        base.or_else(heap)?.checked_next_multiple_of(16)
    }

    fn main_heaps(&mut self, state: &State, params: Option<&Params>, attempt: &mut Attempt) {
        let Some(mut start) = self.break_start(params) else {
            attempt.missing = Some("where its break began is not known".into());
            return;
        };
        let mut known: u64 = 0;
        let first = start;
        let mut top_seen = false;
        let bound = heaps::bound(self.maps, first);
        loop {
            let end = match self.heap(state, start, bound, true, attempt) {
                Some(End::Top) => {
                    top_seen = true;
                    state.top.saturating_add(attempt.top_bytes)
                }
                Some(End::Fence(end)) => end,
                _ => break,
            };
            attempt.ranges.push(plain_range(start, end, self.kind_at(start)));
            known = match state.contiguous {
                // A foreign sbrk in between is part of system_mem.
                true => end.saturating_sub(first),
                false => known.saturating_add(end.saturating_sub(start)),
            };
            if top_seen || known >= state.system_mem || attempt.ranges.len() >= MOST_PIECES {
                break;
            }
            let path = self.path(state, bound, true, &attempt.fast.chunks);
            match chunks::resync(&mut self.window, end, bound, path, |_| {}) {
                Some(next) => start = next,
                None => break,
            }
        }
        if attempt.broken.is_none() && attempt.missing.is_none() && !state.contiguous {
            self.mapped_heaps(state, &mut known, &mut top_seen, attempt);
        }
        // The first chunk is aligned; sbrk_base need not be.
        let complete = top_seen && known.abs_diff(state.system_mem) < 16;
        if attempt.broken.is_none() && attempt.missing.is_none() && !complete {
            attempt.broken = Some(format!(
                "{known} of {} bytes of its heaps were found",
                state.system_mem
            ));
        }
        self.add_top_trim(state, attempt);
    }

    /// What the main arena mapped because the break could not grow.
    fn mapped_heaps(&mut self, state: &State, known: &mut u64, top_seen: &mut bool, attempt: &mut Attempt) {
        let missing = state.system_mem.saturating_sub(*known);
        if missing == 0 {
            return;
        }
        let wanted = Wanted {
            chunks: (0, 0),
            heap_bytes: missing,
            top: state.top,
            page: self.page,
        };
        let swept = sweep::sweep(
            self.memory,
            &mut self.window,
            self.maps,
            &attempt.ranges,
            wanted,
            MOST_SWEPT.saturating_add(state.system_mem),
        );
        for range in swept.heaps {
            let end = self.heap(state, range.start, range.end, true, attempt);
            *top_seen |= end == Some(End::Top);
            *known = known.saturating_add(range.bytes());
            attempt.ranges.push(range);
        }
        attempt.ranges.sort_unstable_by_key(|r| r.start);
    }

    fn kind_at(&self, start: u64) -> RangeKind {
        let heap = super::memory::mapping_at(self.maps, start).is_some_and(|m| &*m.name == "[heap]");
        if heap {
            RangeKind::Brk
        } else {
            RangeKind::MappedHeap
        }
    }

    fn path<'f>(&self, state: &State, bound: u64, main: bool, fast: &'f [u64]) -> Path<'f> {
        Path {
            bound,
            top: state.top,
            main,
            page: self.page,
            fast,
        }
    }

    /// Walk one heap past its holes. `None` if it does not end as a heap should; `attempt` says why.
    fn heap(
        &mut self,
        state: &State,
        first: u64,
        bound: u64,
        main: bool,
        attempt: &mut Attempt,
    ) -> Option<End> {
        let fast = std::mem::take(&mut attempt.fast.chunks);
        let path = self.path(state, bound, main, &fast);
        let mut at = first;
        let end = loop {
            match chunks::walk(&mut self.window, self.memory, at, path, &mut attempt.tally) {
                end @ (End::Top | End::Fence(_)) => break Some(end),
                End::Broken(at, why) => {
                    attempt.broken = Some(format!("{why} at {at:#x}"));
                    break None;
                }
                End::Hole(_, hole) if hole.why == Why::Guard => {
                    attempt.broken = Some(GROWN.into());
                    break None;
                }
                End::Hole(chunk, hole) => {
                    attempt.swapped_pages = attempt.swapped_pages.saturating_add(swapped(hole, self.page));
                    attempt.missing.get_or_insert_with(|| {
                        format!("memory at {:#x} was not read ({})", hole.at, said(hole))
                    });
                    let after = hole.end.max(chunk.saturating_add(16));
                    let (page, pages) = (self.page, &mut attempt.swapped_pages);
                    let next = chunks::resync(&mut self.window, after, bound, path, |hole| {
                        *pages = pages.saturating_add(swapped(hole, page));
                    });
                    let skipped = next.unwrap_or(bound).saturating_sub(chunk);
                    attempt.unwalked = attempt.unwalked.saturating_add(skipped);
                    match next {
                        Some(next) => at = next,
                        None => break None,
                    }
                }
            }
        };
        attempt.fast.chunks = fast;
        end
    }

    /// `malloc_trim` gives back the end of the break, if nobody else has moved it, but for 33 bytes and what fills a page.
    fn add_top_trim(&self, state: &State, attempt: &mut Attempt) {
        let end = state.top.saturating_add(attempt.top_bytes);
        let is_break = self.maps.iter().any(|m| &*m.name == "[heap]" && m.end == end);
        let size = attempt.top_bytes.saturating_add(attempt.tally.before_top);
        let extra = size.saturating_sub(33) / self.page * self.page;
        if is_break && attempt.broken.is_none() {
            chunks::add_trim(self.memory, end.saturating_sub(extra), extra, &mut attempt.tally);
        }
    }
}

fn plain_range(start: u64, end: u64, kind: RangeKind) -> Range {
    Range {
        start,
        end,
        reserved_end: end,
        kind,
    }
}

fn swapped(hole: Hole, page: u64) -> u64 {
    match hole.why {
        Why::Swapped => hole.end.saturating_sub(hole.at).div_ceil(page),
        _ => 0,
    }
}

/// The hole in words.
pub(super) fn said(hole: Hole) -> &'static str {
    match hole.why {
        Why::Swapped => "it is in swap",
        Why::Absent => "it is not in RAM",
        Why::Guard => "it is a guard or not readable",
        Why::Unmapped => "it is not mapped",
        Why::NotDumped => "the core file does not hold it",
        Why::Failed => "reading failed",
    }
}

/// The zone by its own figures.
fn describe(state: &State, number: usize) -> Zone {
    let (kind, name) = match number {
        0 => (ZoneKind::Main, "main arena".to_owned()),
        n => (ZoneKind::Thread, format!("thread arena {n}")),
    };
    Zone {
        kind,
        name,
        address: Some(state.address),
        ranges: Vec::new(),
        system_bytes: state.system_mem,
        max_system_bytes: Some(state.max_system_mem),
        top_bytes: 0,
        attached_threads: Some(state.attached_threads),
        locked: state.locked,
        counts: None,
        reading: Reading::Capped,
    }
}

/// The zone with its counts, tcache not yet taken off.
fn finish(state: &State, number: usize, attempt: Attempt, reading: Reading) -> Walked {
    let Attempt {
        ranges,
        tally,
        fast,
        top_bytes,
        unwalked,
        ..
    } = attempt;
    let fast_chunks = fast.chunks.len() as u64;
    let free = top_bytes
        .saturating_add(tally.free_bytes)
        .saturating_add(fast.bytes);
    let whole = unwalked == 0 && !matches!(reading, Reading::Partial { .. });
    let counts = Counts {
        allocated_chunks: tally.inuse_chunks.saturating_sub(fast_chunks),
        allocated_bytes: tally.inuse_bytes.saturating_sub(fast.bytes),
        glibc_in_use_bytes: whole.then(|| state.system_mem.saturating_sub(free)),
        free_chunks: tally.free_chunks,
        free_bytes: tally.free_bytes,
        largest_free_bytes: tally.largest_free,
        fastbin_chunks: fast_chunks,
        fastbin_bytes: fast.bytes,
        tcache_chunks: 0,
        tcache_bytes: 0,
        trim_bytes: tally.trim_bytes,
        trim_resident_bytes: (!tally.trim_unknown).then_some(tally.trim_resident),
        unwalked_bytes: unwalked,
    };
    Walked {
        zone: Zone {
            ranges,
            top_bytes,
            counts: Some(counts),
            reading,
            ..describe(state, number)
        },
        tcache_like: tally.tcache_like,
    }
}
