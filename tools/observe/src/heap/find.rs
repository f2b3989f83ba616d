//! Finding glibc's arenas in memory without symbols ([`find`]): by the shape of `malloc_state`, never by version.
//!
//! The last bin is always empty, and an empty bin holds its own address less 16, twice. From it the place of `bins`
//! follows; the list `next` leads through all arenas back to this one, and so tells where the structure begins.

use super::memory::{Mapping, Memory, Why};
use super::params::{self, Params};
use super::state::{BINS_BYTES, Layout, State};
use super::window::{Words, word_in};
use std::collections::HashSet;

/// More arenas than any process has (the limit is 8 for each core).
const MOST_ARENAS: usize = 16 << 10;

/// Copies of glibc in one data segment: it holds one, whatever other data looks like.
const MOST_COPIES: usize = 4;

/// Steps along lists of arenas in one search: data that only looks like arenas must not keep it for long.
const MOST_STEPS: usize = 1 << 20;

/// More of a program's data than this is not searched for a linked-in glibc.
const MOST_DATA: u64 = 64 << 20;

/// One copy of glibc in the process: its arenas, the main one first, and its parameters.
pub(super) struct Instance {
    pub(super) arenas: Vec<State>,
    pub(super) params: Option<Params>,
}

/// What a search gave.
#[derive(Default)]
pub(super) struct Found {
    pub(super) instances: Vec<Instance>,
    pub(super) gaps: Vec<String>,
    pub(super) swapped_pages: u64,
}

/// All copies of glibc: in the data of `libc.so.6`, else in the data of the program (linked statically).
pub(super) fn find(memory: &dyn Memory, maps: &[Mapping], page: u64) -> Found {
    let is_libc = |m: &Mapping| m.has_file && looks_like_glibc(m.file_name());
    let dynamic = maps.iter().any(is_libc);
    let mut found = Found::default();
    let mut words = Words::new(memory);
    let mut budget = MOST_DATA;
    let mut steps = MOST_STEPS;
    for (index, map) in maps.iter().enumerate() {
        if !is_data(map) || (dynamic && !is_libc(map)) {
            continue;
        }
        let segment = Segment::read(memory, data_of(maps, index), &mut budget, page);
        found.swapped_pages = found.swapped_pages.saturating_add(segment.swapped_pages);
        let mut search = Search {
            segment: &segment,
            maps,
            words: &mut words,
            page,
            steps: &mut steps,
        };
        let instances = search.instances(&mut found.gaps);
        found.instances.extend(instances);
    }
    if dynamic && found.instances.is_empty() && found.gaps.is_empty() {
        let why = match found.swapped_pages {
            0 => "no main_arena has the known shape (another allocator may have replaced malloc)".to_owned(),
            n => format!("{n} pages of its data are in swap and were not read"),
        };
        found
            .gaps
            .push(format!("glibc found, its arenas were not understood: {why}"));
    }
    found
}

/// `libc.so.6`, or `libc-2.28.so` as it was called before 2.34.
fn looks_like_glibc(name: &str) -> bool {
    name == "libc.so.6" || (name.starts_with("libc-2.") && name.ends_with(".so"))
}

fn is_data(map: &Mapping) -> bool {
    map.has_file && map.read && map.write && !map.shared && map.name.starts_with('/')
}

/// The mapping at `index` with the anonymous one that follows it (.bss).
fn data_of(maps: &[Mapping], index: usize) -> (u64, u64) {
    let Some(map) = maps.get(index) else {
        return (0, 0);
    };
    let bss = maps
        .get(index + 1)
        .filter(|m| m.start == map.end && m.is_private_anonymous() && &*m.name != "[heap]");
    (map.start, bss.map_or(map.end, |m| m.end))
}

/// The bytes of a data segment; what could not be read is zero.
pub(super) struct Segment {
    pub(super) start: u64,
    pub(super) bytes: Vec<u8>,
    swapped_pages: u64,
}

impl Segment {
    fn read(memory: &dyn Memory, (start, end): (u64, u64), budget: &mut u64, page: u64) -> Self {
        let length = end.saturating_sub(start).min(*budget);
        *budget -= length;
        let mut segment = Self {
            start,
            bytes: vec![0; usize::try_from(length).unwrap_or(0)],
            swapped_pages: 0,
        };
        let mut at = start;
        while let Some(rest) = segment
            .bytes
            .get_mut((at - start) as usize..)
            .filter(|r| !r.is_empty())
        {
            let Err(hole) = memory.read(at, rest) else {
                break;
            };
            let stop = hole
                .end
                .max(at.saturating_add(1))
                .min(start.saturating_add(length));
            if hole.why == Why::Swapped {
                segment.swapped_pages += stop.saturating_sub(hole.at).div_ceil(page);
            }
            let from = hole.at.saturating_sub(start).min(length) as usize;
            if let Some(gap) = segment.bytes.get_mut(from..(stop - start) as usize) {
                gap.fill(0);
            }
            at = stop;
        }
        segment
    }

    pub(super) fn word(&self, offset: u64) -> Option<u64> {
        word_in(&self.bytes, usize::try_from(offset).ok()?)
    }

    pub(super) fn length(&self) -> u64 {
        self.bytes.len() as u64
    }
}

struct Search<'s, 'm> {
    segment: &'s Segment,
    maps: &'s [Mapping],
    words: &'s mut Words<'m>,
    page: u64,
    /// Steps that are left.
    steps: &'s mut usize,
}

impl Search<'_, '_> {
    fn instances(&mut self, gaps: &mut Vec<String>) -> Vec<Instance> {
        let mut instances = Vec::new();
        let last_bin = BINS_BYTES - 16;
        let mut offset = last_bin;
        while offset + 16 < self.segment.length() && instances.len() < MOST_COPIES {
            let here = self.segment.start.wrapping_add(offset);
            if self.is_last_bin(offset, here) {
                match self.arenas(here.wrapping_sub(last_bin)) {
                    Ok(Some(arenas)) => {
                        let main = arenas.first();
                        let params = main
                            .and_then(|m| params::find(self.segment, m, self.maps, self.words, self.page));
                        instances.push(Instance { arenas, params });
                        offset = offset.saturating_add(last_bin);
                    }
                    Ok(None) => {}
                    Err(why) => gaps.push(format!("glibc found, its arenas were not understood: {why}")),
                }
            }
            offset = offset.saturating_add(8);
        }
        instances
    }

    /// An empty bin with none after it.
    fn is_last_bin(&self, offset: u64, here: u64) -> bool {
        let empty = |offset: u64, here: u64| {
            let own = Some(here.wrapping_sub(16));
            self.segment.word(offset) == own && self.segment.word(offset.saturating_add(8)) == own
        };
        empty(offset, here) && !empty(offset.saturating_add(16), here.wrapping_add(16))
    }

    /// The arenas of the main arena whose bins are at `bins`. `None` if there is none; an error if there is one whose
    /// list leads nowhere.
    fn arenas(&mut self, bins: u64) -> Result<Option<Vec<State>>, String> {
        let next_at = bins.wrapping_add(BINS_BYTES + 16);
        let Ok(next) = self.words.word(next_at) else {
            return Ok(None);
        };
        let mut why = None;
        for layout in Layout::all() {
            match self.list(bins.wrapping_sub(layout.before_bins), next, layout) {
                Ok(arenas) => return Ok(Some(arenas)),
                Err(Some(fault)) => why = why.or(Some(fault)),
                Err(None) => {}
            }
        }
        why.map_or(Ok(None), |fault| Err(fault.to_owned()))
    }

    /// Follow `next` from the arena at `main` until it is back. The error is the fault of a list that did come back.
    fn list(&mut self, main: u64, first: u64, layout: Layout) -> Result<Vec<State>, Option<&'static str>> {
        let mut ring = vec![main];
        let mut seen = HashSet::from([main]);
        let mut next = first;
        while next != main {
            *self.steps = self.steps.checked_sub(1).ok_or(None)?;
            if ring.len() >= MOST_ARENAS || !next.is_multiple_of(8) || next == 0 || !seen.insert(next) {
                return Err(None);
            }
            ring.push(next);
            next = self
                .words
                .word(next.wrapping_add(layout.next()))
                .map_err(|_| None)?;
        }
        let mut arenas = Vec::with_capacity(ring.len());
        for address in ring {
            let state = State::read(self.words, address, layout).map_err(|_| None)?;
            if let Some(fault) = state.fault() {
                return Err(Some(fault));
            }
            arenas.push(state);
        }
        Ok(arenas)
    }
}
