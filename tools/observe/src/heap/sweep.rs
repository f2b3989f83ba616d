//! The search through anonymous mappings for what no list leads to ([`sweep`]): chunks with a mapping of their own, and
//! heaps that the main arena mapped because the break could not grow.
//!
//! Neighbouring mappings merge, so a mapping may begin with something else. First each mapping is read from its start,
//! one find after the other; only if something is still missing, page by page.

use super::chunks::{self, End, IS_MMAPPED, Path, Tally};
use super::heaps;
use super::memory::{Mapping, Memory};
use super::window::Window;
use super::zone::{Range, RangeKind};
use std::collections::BTreeMap;

/// What is looked for.
#[derive(Clone, Copy)]
pub(super) struct Wanted {
    /// Mapped chunks: how many there are, and their bytes.
    pub(super) chunks: (u64, u64),
    /// Bytes of the main arena's heaps that are still missing.
    pub(super) heap_bytes: u64,
    /// The main arena's top.
    pub(super) top: u64,
    /// Page size.
    pub(super) page: u64,
}

/// What was found, ascending.
#[derive(Default)]
pub(super) struct Swept {
    pub(super) chunks: Vec<Range>,
    pub(super) heaps: Vec<Range>,
    /// Whether touched memory was left unread because of the limit.
    pub(super) stopped: bool,
}

struct Sweep<'s, 'm> {
    memory: &'m dyn Memory,
    window: &'s mut Window<'m>,
    maps: &'s [Mapping],
    /// Start and end of what needs no look.
    taken: BTreeMap<u64, u64>,
    wanted: Wanted,
    chunk_bytes: u64,
    heap_bytes: u64,
    found: Swept,
}

/// Look through `maps` without what is `taken`; `limit` bounds the bytes that are read and belong to nothing.
pub(super) fn sweep<'m>(
    memory: &'m dyn Memory,
    window: &mut Window<'m>,
    maps: &[Mapping],
    taken: &[Range],
    wanted: Wanted,
    limit: u64,
) -> Swept {
    let mut sweep = Sweep {
        memory,
        window,
        maps,
        taken: taken.iter().map(|r| (r.start, r.end)).collect(),
        wanted,
        chunk_bytes: 0,
        heap_bytes: 0,
        found: Swept::default(),
    };
    let mut limit = limit;
    for by_page in [false, true] {
        for map in maps.iter().filter(|m| may_hold_chunks(m)) {
            if sweep.is_done() {
                break;
            }
            sweep.mapping(map, by_page, &mut limit);
        }
    }
    sweep.found.chunks.sort_unstable_by_key(|r| r.start);
    sweep.found.heaps.sort_unstable_by_key(|r| r.start);
    sweep.found
}

fn may_hold_chunks(map: &Mapping) -> bool {
    let named_otherwise = map.anon_name().is_some_and(|name| !name.contains("malloc"));
    map.read
        && map.write
        && map.is_private_anonymous()
        && !map.name.starts_with("[stack")
        && !named_otherwise
        && &*map.name != "[heap]"
}

impl Sweep<'_, '_> {
    fn is_done(&self) -> bool {
        let (count, bytes) = self.wanted.chunks;
        let chunks = self.found.chunks.len() as u64 >= count || self.chunk_bytes >= bytes;
        chunks && self.heap_bytes >= self.wanted.heap_bytes
    }

    fn mapping(&mut self, map: &Mapping, by_page: bool, limit: &mut u64) {
        let mut at = map.start;
        while at < map.end && !self.is_done() {
            if let Some(end) = self.end_of_taken(at) {
                at = end;
                continue;
            }
            let read = self.window.read;
            if let Some(range) = self.chunk(at, map, by_page).or_else(|| self.heap(at)) {
                self.keep(range);
                at = range.end;
                continue;
            }
            // A heap that ends as none should may have been followed for long, and the next page is in the middle of it.
            *limit = limit.saturating_sub(self.window.read.saturating_sub(read));
            let Some(next) = at.checked_add(self.wanted.page).filter(|_| by_page) else {
                return;
            };
            if *limit < self.wanted.page {
                self.found.stopped = true;
                return;
            }
            *limit -= self.wanted.page;
            match self.memory.next_touched(next, map.end) {
                Some(touched) => at = touched / self.wanted.page * self.wanted.page,
                None => return,
            }
        }
    }

    fn end_of_taken(&self, at: u64) -> Option<u64> {
        let (_, &end) = self.taken.range(..=at).next_back()?;
        (at < end).then_some(end)
    }

    fn keep(&mut self, range: Range) {
        self.taken.insert(range.start, range.end);
        if range.kind == RangeKind::MappedChunk {
            self.chunk_bytes = self.chunk_bytes.saturating_add(range.bytes());
            self.found.chunks.push(range);
        } else {
            self.heap_bytes = self.heap_bytes.saturating_add(range.bytes());
            self.found.heaps.push(range);
        }
    }

    /// A mapped chunk whose mapping begins at the page `at`. With an alignment A its header is A - 16 bytes further, so
    /// all of the page's powers of two are tried, and the end of the page for larger ones.
    fn chunk(&mut self, at: u64, map: &Mapping, everywhere: bool) -> Option<Range> {
        let mut offset = 16;
        while offset <= self.wanted.page {
            if let Some(range) = self
                .chunk_header(at.checked_add(offset - 16)?, map)
                .filter(|r| r.start <= at)
            {
                return Some(range);
            }
            if !everywhere && offset >= 64 {
                return None;
            }
            offset *= 2;
        }
        None
    }

    /// The mapped chunk with its header at `header`. Since 2.43 its size leaves out 16 bytes at the end.
    fn chunk_header(&mut self, header: u64, map: &Mapping) -> Option<Range> {
        let before = self.window.word(header).ok()? & !7;
        let head = self.window.word(header.checked_add(8)?).ok()?;
        let size = head & !7;
        let start = header.checked_sub(before)?;
        let fits = |total: u64| total.is_multiple_of(self.wanted.page) && total > 0;
        let total = before.checked_add(size)?;
        let total = [total, total.checked_add(16)?].into_iter().find(|&t| fits(t))?;
        let end = start.checked_add(total)?;
        let is_chunk = head & 7 == IS_MMAPPED && size >= 32 && start.is_multiple_of(self.wanted.page);
        let left = self.wanted.chunks.1.saturating_sub(self.chunk_bytes);
        // Last, for a row of thousands of mappings takes long.
        let inside = || end <= heaps::bound(self.maps, map.start) && mapping_covers(self.maps, start);
        (is_chunk && total <= left && inside()).then_some(Range {
            start,
            end,
            reserved_end: end,
            kind: RangeKind::MappedChunk,
        })
    }

    /// A heap of the main arena that begins at the page `at`: chunks up to the top or to fenceposts at a page's end.
    fn heap(&mut self, at: u64) -> Option<Range> {
        let left = self
            .wanted
            .heap_bytes
            .checked_sub(self.heap_bytes)
            .filter(|&left| left > 0)?;
        let path = Path {
            bound: heaps::bound(self.maps, at).min(at.saturating_add(left)),
            top: self.wanted.top,
            main: true,
            page: self.wanted.page,
            fast: &[],
        };
        let end = match chunks::walk(self.window, self.memory, at, path, &mut Tally::default()) {
            End::Top => {
                let head = self.window.word(path.top.wrapping_add(8)).ok()?;
                path.top.checked_add(head & !7)?
            }
            End::Fence(end) => end,
            End::Hole(..) | End::Broken(..) => return None,
        };
        (end.is_multiple_of(self.wanted.page) && end > at).then_some(Range {
            start: at,
            end,
            reserved_end: end,
            kind: RangeKind::MappedHeap,
        })
    }
}

fn mapping_covers(maps: &[Mapping], addr: u64) -> bool {
    super::memory::mapping_at(maps, addr).is_some_and(|m| m.is_private_anonymous())
}
