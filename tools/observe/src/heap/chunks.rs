//! The linear walk over the chunks of one heap ([`walk`]): each chunk's size leads to the next, whose lowest bit says
//! whether the one before is in use.

use super::memory::{Hole, Memory};
use super::window::Window;

/// Bits of a chunk's size word: the one before is in use; it has a mapping of its own; it is of a thread's arena.
pub(super) const PREV_INUSE: u64 = 1;
pub(super) const IS_MMAPPED: u64 = 2;
const NON_MAIN: u64 = 4;

/// The smallest chunk.
pub(super) const MIN_CHUNK: u64 = 32;

/// `sizeof(struct malloc_chunk)`: what trimming leaves at the start of a free chunk.
const CHUNK_HEAD: u64 = 48;

/// Sizes that a `tcache_perthread_struct` can have as a chunk; 16 more if the rest was too small to be split off.
pub(super) const TCACHE_SIZES: [u64; 6] = [0x250, 0x260, 0x290, 0x2a0, 0x300, 0x310];

/// Where a walk goes.
#[derive(Clone, Copy)]
pub(super) struct Path<'a> {
    /// The first address past the heap.
    pub(super) bound: u64,
    /// The arena's top chunk, here or in another heap.
    pub(super) top: u64,
    /// Whether it is the main arena's.
    pub(super) main: bool,
    /// Page size.
    pub(super) page: u64,
    /// Addresses of the chunks in fastbins, ascending.
    pub(super) fast: &'a [u64],
}

/// What a walk has met.
#[derive(Clone, Default, Debug)]
pub(super) struct Tally {
    pub(super) inuse_chunks: u64,
    pub(super) inuse_bytes: u64,
    pub(super) free_chunks: u64,
    pub(super) free_bytes: u64,
    pub(super) largest_free: u64,
    pub(super) trim_bytes: u64,
    pub(super) trim_resident: u64,
    pub(super) trim_unknown: bool,
    /// Bytes of fastbin chunks that border on top.
    pub(super) before_top: u64,
    /// Chunks in use of a tcache's size: (address, size).
    pub(super) tcache_like: Vec<(u64, u64)>,
}

/// How a walk ended, and where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    /// At the top chunk.
    Top,
    /// At the fencepost that closes a heap which is not the last: the first address past both posts.
    Fence(u64),
    /// Memory that is not readable; the chunk where it stood.
    Hole(u64, Hole),
    /// Something that is no chunk, at an address.
    Broken(u64, &'static str),
}

/// Free neighbours that trimming would see as one.
#[derive(Default)]
struct Run {
    start: u64,
    bytes: u64,
}

/// Walk from the chunk at `from`, adding to `tally`.
pub(super) fn walk(
    window: &mut Window<'_>,
    memory: &dyn Memory,
    from: u64,
    path: Path<'_>,
    tally: &mut Tally,
) -> End {
    let mut run = Run::default();
    let mut fast = path
        .fast
        .get(path.fast.partition_point(|&a| a < from)..)
        .unwrap_or_default()
        .iter();
    let mut next_fast = fast.next().copied();
    let mut at = from;
    let end = loop {
        if at == path.top {
            break End::Top;
        }
        let (size, state) = match step(window, at, path) {
            Ok(step) => step,
            Err(end) => break end,
        };
        while next_fast.is_some_and(|f| f < at) {
            next_fast = fast.next().copied();
        }
        let is_free = state == Step::Free;
        if is_free {
            tally.free_chunks += 1;
            tally.free_bytes = tally.free_bytes.saturating_add(size);
            tally.largest_free = tally.largest_free.max(size);
        } else {
            tally.inuse_chunks += 1;
            tally.inuse_bytes = tally.inuse_bytes.saturating_add(size);
            if TCACHE_SIZES.contains(&size) {
                tally.tcache_like.push((at, size));
            }
        }
        if is_free || next_fast == Some(at) {
            if run.bytes == 0 {
                run.start = at;
            }
            run.bytes = run.bytes.saturating_add(size);
        } else {
            run.close(memory, path.page, tally);
        }
        at += size;
    };
    // Trimming joins such a run with top, which it gives back only at the end of the break; see `arena`.
    if end == End::Top {
        tally.before_top = run.bytes;
        run.bytes = 0;
    }
    run.close(memory, path.page, tally);
    end
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Used,
    Free,
}

/// The size of the chunk at `at`, and whether it is in use; both checked against what follows it.
#[inline]
fn step(window: &mut Window<'_>, at: u64, path: Path<'_>) -> Result<(u64, Step), End> {
    let hole = |hole| End::Hole(at, hole);
    let head = window.word(at.wrapping_add(8)).map_err(hole)?;
    let size = head & !7;
    if size < MIN_CHUNK || size & 8 != 0 || head & IS_MMAPPED != 0 || (path.main && head & NON_MAIN != 0) {
        return Err(fence(window, at, head, path).unwrap_or(End::Broken(at, "a size is no chunk's")));
    }
    let Some(next) = at
        .checked_add(size)
        .filter(|&n| n.saturating_add(16) <= path.bound)
    else {
        return Err(End::Broken(at, "a chunk reaches past its heap"));
    };
    let after = window.word(next.wrapping_add(8)).map_err(hole)?;
    if after & PREV_INUSE != 0 {
        if !path.main && head & NON_MAIN == 0 && after == PREV_INUSE {
            // The rest of a thread's old top that was too small to be freed: a fencepost of 32 bytes.
            return Err(End::Fence(next.saturating_add(16)));
        }
        return Ok((size, Step::Used));
    }
    let foot = window.word(next).map_err(hole)?;
    if foot != size {
        return Err(End::Broken(at, "a free chunk's two sizes differ"));
    }
    Ok((size, Step::Free))
}

/// Two posts of 16 bytes close what was the main arena's top (three if 48 bytes of it were left), at the end of a page; a
/// post of 16 bytes and one of 0 close a thread's heap.
fn fence(window: &mut Window<'_>, at: u64, head: u64, path: Path<'_>) -> Option<End> {
    let post = 16 | PREV_INUSE;
    // Its lowest bit is clear if the rest of the old top was freed.
    if head | PREV_INUSE != post {
        return None;
    }
    let mut second = |offset: u64| window.word(at.checked_add(offset)?).ok();
    if !path.main {
        return (second(24)? == PREV_INUSE).then_some(End::Fence(at.checked_add(32)?));
    }
    let end = at.checked_add(32)?;
    let third = || end.checked_add(16).filter(|e| e.is_multiple_of(path.page));
    match third() {
        _ if second(24)? != post => None,
        Some(end) if second(40)? == post => Some(End::Fence(end)),
        _ => Some(End::Fence(end)),
    }
}

impl Run {
    /// Count what trimming gives back of it, by glibc's own rule, and begin anew.
    fn close(&mut self, memory: &dyn Memory, page: u64, tally: &mut Tally) {
        if self.bytes >= page {
            let end = self.start.saturating_add(self.bytes);
            let head = self.start.saturating_add(CHUNK_HEAD);
            let first = head.checked_next_multiple_of(page).unwrap_or(end);
            let bytes = end.saturating_sub(first) / page * page;
            add_trim(memory, first, bytes, tally);
        }
        self.bytes = 0;
    }
}

/// Count `bytes` from `first` on as what trimming would give back.
pub(super) fn add_trim(memory: &dyn Memory, first: u64, bytes: u64, tally: &mut Tally) {
    if bytes == 0 {
        return;
    }
    tally.trim_bytes = tally.trim_bytes.saturating_add(bytes);
    match memory.resident(first, first.saturating_add(bytes)) {
        Some(resident) => tally.trim_resident = tally.trim_resident.saturating_add(resident),
        None => tally.trim_unknown = true,
    }
}

/// How many chunks in a row are asked for before a place in the middle of unknown bytes is believed.
const BELIEVED: u32 = 64;

/// The first address in `from..until` where a row of chunks begins that leads to the top, a fencepost, a hole or on for
/// a good while. After a hole, or after memory in the break that is not glibc's.
/// `skipped` is told of each hole that is skipped.
pub(super) fn resync(
    window: &mut Window<'_>,
    from: u64,
    until: u64,
    path: Path<'_>,
    mut skipped: impl FnMut(Hole),
) -> Option<u64> {
    let mut at = from.checked_next_multiple_of(16)?;
    while at < until {
        match leads_on(window, at, path) {
            Ok(true) => return Some(at),
            Ok(false) => at = at.checked_add(16)?,
            Err(hole) => {
                skipped(hole);
                at = hole.end.max(at.checked_add(16)?).checked_next_multiple_of(16)?;
            }
        }
    }
    None
}

/// Whether chunks follow each other from `at` on. The hole is one at `at` itself.
fn leads_on(window: &mut Window<'_>, start: u64, path: Path<'_>) -> Result<bool, Hole> {
    let mut at = start;
    for hops in 0..BELIEVED {
        if at == path.top {
            return Ok(true);
        }
        match step(window, at, path) {
            Ok((size, _)) => at += size,
            Err(End::Hole(_, hole)) if hops == 0 => return Err(hole),
            Err(End::Hole(..)) => return Ok(hops >= 4),
            Err(End::Fence(_)) => return Ok(true),
            Err(_) => return Ok(false),
        }
    }
    Ok(true)
}
