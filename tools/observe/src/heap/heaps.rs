//! Where an arena's chunks lie: the `heap_info` list of a thread's arena ([`of_thread`]), and how far memory goes on
//! without a break ([`bound`]).
//!
//! ```text
//! 64 MiB aligned: heap_info { ar_ptr prev size mprotect_size (pagesize) } [malloc_state] chunks ... | reserve
//! ```

use super::memory::{Mapping, mapping_at};
use super::state::State;
use super::window::Words;
use super::zone::{Range, RangeKind};

/// What heaps are aligned to: `HEAP_MAX_SIZE`, and four huge pages where glibc was told to use them
/// (`glibc.malloc.hugetlb`).
const ALIGNMENTS: [u64; 6] = [64 << 20, 8 << 20, 128 << 20, 2 << 30, 4 << 30, 64 << 30];

/// More heaps than any arena has: 256 TiB of address space.
const MOST_HEAPS: usize = 1 << 16;

/// One heap, and where its first chunk is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heap {
    pub(super) range: Range,
    pub(super) first: u64,
}

/// The heaps of a thread's arena, the first one first.
pub(super) fn of_thread(words: &mut Words<'_>, state: &State, maps: &[Mapping]) -> Result<Vec<Heap>, String> {
    let mut why = "its top is in no heap".to_owned();
    for alignment in ALIGNMENTS {
        match with_alignment(words, state, maps, alignment) {
            Ok(heaps) => return Ok(heaps),
            Err(fault) if alignment == ALIGNMENTS[0] => why = fault,
            Err(_) => {}
        }
    }
    Err(why)
}

fn with_alignment(
    words: &mut Words<'_>,
    state: &State,
    maps: &[Mapping],
    alignment: u64,
) -> Result<Vec<Heap>, String> {
    let first = state.address & !(alignment - 1);
    let info = state.address - first;
    if !(32..=64).contains(&info) {
        return Err(format!(
            "the arena does not lie behind a heap's header at {first:#x}"
        ));
    }
    let mut heaps = Vec::new();
    let mut base = state.top & !(alignment - 1);
    while heaps.len() < MOST_HEAPS {
        let unreadable = |_| format!("the heap at {base:#x} is not readable");
        let header = words.words(base, 4).map_err(unreadable)?;
        let [arena, previous, size, committed] = header.as_slice() else {
            return Err(format!("the heap at {base:#x} has no header"));
        };
        let fits = *size <= *committed && *committed <= alignment && *size > info;
        if *arena != state.address || !fits || mapping_at(maps, base).is_none() {
            return Err(format!("what lies at {base:#x} is no heap of the arena"));
        }
        let end = base.saturating_add(*size);
        let chunks = match base == first {
            true => state.end(),
            false => base.saturating_add(info),
        };
        heaps.push(Heap {
            range: Range {
                start: base,
                end,
                reserved_end: reserve_end(maps, base, alignment).max(end),
                kind: RangeKind::Heap,
            },
            first: chunks.checked_next_multiple_of(16).unwrap_or(end),
        });
        if base == first {
            heaps.reverse();
            return Ok(heaps);
        }
        base = *previous;
    }
    Err("its list of heaps does not end".to_owned())
}

/// How far the reserve of the heap at `base` goes: mappings without a break, up to the alignment.
fn reserve_end(maps: &[Mapping], base: u64, alignment: u64) -> u64 {
    let limit = base.saturating_add(alignment);
    let mut end = base;
    while let Some(map) = mapping_at(maps, end).filter(|m| m.is_private_anonymous() && end < limit) {
        end = map.end;
    }
    end.min(limit)
}

/// The end of the readable private anonymous memory that goes on without a break from `addr`; `addr` if there is none.
pub(super) fn bound(maps: &[Mapping], addr: u64) -> u64 {
    let mut end = addr;
    while let Some(map) = mapping_at(maps, end).filter(|m| m.is_private_anonymous() && m.read) {
        end = map.end;
    }
    end
}
