//! All zones of a process that uses glibc's malloc ([`glibc_zones`]): the arenas, the mapped chunks, the threads' caches.

use super::arena::{Walked, Walker};
use super::find::{self, Instance};
use super::memory::{Mapping, Memory};
use super::params::Params;
use super::sweep::{self, Wanted};
use super::tcache;
use super::window::{Window, Words};
use super::zone::{Range, Reading, Tcache, Zone, ZoneKind, Zones};

/// What the walk may cost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Bytes of heap to walk, over all arenas. An arena that does not fit gives only its own figures
    /// ([`Reading::Capped`]).
    pub heap_bytes: u64,
    /// Bytes of other anonymous memory to search for mapped chunks that lie in the middle of a mapping.
    pub search_bytes: u64,
}

impl Default for Limits {
    /// 4 GiB of heap (at most some seconds), 1 GiB of search.
    fn default() -> Self {
        Self {
            heap_bytes: 4 << 30,
            search_bytes: 1 << 30,
        }
    }
}

/// Find glibc's arenas in `memory` and walk them. `maps` are the process's mappings, ascending; `page` is its page size in bytes.
///
/// 64-bit little-endian processes only: in others nothing is found. Reading is all that happens; a process that runs is
/// read torn at worst, and says so.
#[must_use]
pub fn glibc_zones(memory: &dyn Memory, maps: &[Mapping], page: u64, limits: Limits) -> Zones {
    let page = page.max(1);
    let found = find::find(memory, maps, page);
    let mut zones = Zones {
        gaps: found.gaps,
        swapped_pages: found.swapped_pages,
        ..Zones::default()
    };
    if found.instances.is_empty() {
        return zones;
    }
    let mut walker = Walker {
        memory,
        maps,
        page,
        budget: limits.heap_bytes,
        window: Window::new(memory),
        words: Words::new(memory),
        swapped_pages: 0,
    };
    let mut tcache_like = Vec::new();
    for instance in &found.instances {
        walk_arenas(&mut walker, instance, &mut zones, &mut tcache_like);
    }
    check_heap_list(&mut walker, &mut zones);
    for instance in &found.instances {
        mapped_chunks(&mut walker, instance, limits, &mut zones);
    }
    take_tcaches_off(&mut walker, tcache_like, &mut zones);
    zones.swapped_pages = zones.swapped_pages.saturating_add(walker.swapped_pages);
    zones.bytes_read = walker.window.read;
    if zones.swapped_pages > 0 {
        let pages = zones.swapped_pages;
        zones.gaps.push(format!(
            "{pages} pages in swap were not read, so the zones' counts are lower bounds"
        ));
    }
    zones
}

/// A candidate for a tcache: the arena that it lies in, address and size of the chunk.
type Candidate = (u64, u64, u64);

fn walk_arenas(
    walker: &mut Walker<'_>,
    instance: &Instance,
    zones: &mut Zones,
    tcaches: &mut Vec<Candidate>,
) {
    for (number, state) in instance.arenas.iter().enumerate() {
        let params = instance.params.as_ref().filter(|_| number == 0);
        let Walked { zone, tcache_like } = walker.arena(state, params, number);
        tcaches.extend(tcache_like.iter().map(|&(at, size)| (state.address, at, size)));
        zones.zones.push(zone);
    }
}

/// Heaps lie at 64 MiB and name their arena: one that names an arena which is not on the list is said.
fn check_heap_list(walker: &mut Walker<'_>, zones: &mut Zones) {
    const ALIGNMENT: u64 = 64 << 20;
    let walker_maps = walker.maps;
    let aligned = walker_maps.iter().filter(|m| {
        m.start.is_multiple_of(ALIGNMENT) && m.write && m.is_private_anonymous() && &*m.name != "[heap]"
    });
    for map in aligned {
        let Ok(header) = walker.words.words(map.start, 4) else {
            continue;
        };
        let [arena, previous, size, committed] = header.as_slice() else {
            continue;
        };
        let info = arena.wrapping_sub(map.start);
        let is_first_heap = (32..=64).contains(&info)
            && *previous == 0
            && size <= committed
            && *committed <= ALIGNMENT
            && size.is_multiple_of(walker.page)
            && *size > info;
        if is_first_heap && !zones.zones.iter().any(|z| z.address == Some(*arena)) {
            let start = map.start;
            zones.gaps.push(format!(
                "the heap at {start:#x} names an arena that is not on the list of arenas"
            ));
        }
    }
}

fn mapped_chunks(walker: &mut Walker<'_>, instance: &Instance, limits: Limits, zones: &mut Zones) {
    let Some(params) = &instance.params else {
        zones
            .gaps
            .push("glibc's mp_ was not found: chunks with a mapping of their own are not counted".into());
        return;
    };
    if params.max_mmapped == 0 {
        return;
    }
    let taken: Vec<Range> = zones
        .zones
        .iter()
        .flat_map(|z| z.ranges.iter().copied())
        .collect();
    let wanted = Wanted {
        chunks: (params.mmaps, params.mmapped),
        heap_bytes: 0,
        top: 0,
        page: walker.page,
    };
    let swept = sweep::sweep(
        walker.memory,
        &mut walker.window,
        walker.maps,
        &taken,
        wanted,
        limits.search_bytes,
    );
    zones.zones.push(mapped_zone(params, swept.chunks, swept.stopped));
}

/// The zone of the mapped chunks. Its figures are glibc's own; `ranges` are what was found of them.
fn mapped_zone(params: &Params, ranges: Vec<Range>, stopped: bool) -> Zone {
    let found = ranges.iter().fold(0, |sum: u64, r| sum.saturating_add(r.bytes()));
    let reading = match (ranges.len() as u64, found) == (params.mmaps, params.mmapped) {
        true => Reading::Whole,
        false => Reading::Partial {
            why: format!(
                "{} of {} mapped chunks were found{}",
                ranges.len(),
                params.mmaps,
                if stopped { " within the limit" } else { "" }
            ),
        },
    };
    Zone {
        kind: ZoneKind::Mapped,
        name: "mapped chunks".into(),
        address: None,
        ranges,
        system_bytes: params.mmapped,
        max_system_bytes: Some(params.max_mmapped),
        top_bytes: 0,
        attached_threads: None,
        locked: false,
        counts: Some(super::Counts {
            allocated_chunks: params.mmaps,
            allocated_bytes: params.mmapped,
            glibc_in_use_bytes: Some(params.mmapped),
            trim_resident_bytes: Some(0),
            ..super::Counts::default()
        }),
        reading,
    }
}

/// Find the caches among the candidates, and take what is in them off the arenas that the chunks belong to.
fn take_tcaches_off(walker: &mut Walker<'_>, candidates: Vec<Candidate>, zones: &mut Zones) {
    walker.words = Words::new(walker.memory);
    let mut ranges: Vec<(Range, usize)> = Vec::new();
    for (index, zone) in zones.zones.iter().enumerate() {
        ranges.extend(zone.ranges.iter().map(|&r| (r, index)));
    }
    ranges.sort_unstable_by_key(|(r, _)| r.start);
    let home = |addr: u64| {
        let after = ranges.partition_point(|(r, _)| r.start <= addr);
        let (range, zone) = ranges.get(after.checked_sub(1)?)?;
        (addr < range.end).then_some(*zone)
    };
    let is_ours = |addr: u64| home(addr).is_some();
    for (arena, chunk, size) in candidates {
        let Some(found) = tcache::read(&mut walker.words, chunk, size, &is_ours) else {
            continue;
        };
        let own_zone = zones.zones.iter().position(|z| z.address == Some(arena));
        let mut sums = (0u64, 0u64);
        for &(at, bytes) in &found.chunks {
            sums = (sums.0 + 1, sums.1.saturating_add(bytes));
            take_off(zones, home(at), 1, bytes);
        }
        if let Some((chunks, bytes)) = found.torn {
            sums = (chunks, bytes);
            take_off(zones, own_zone, chunks, bytes);
        }
        zones.tcaches.push(Tcache {
            address: chunk.saturating_add(16),
            arena,
            chunks: sums.0,
            bytes: sums.1,
            torn: found.torn.is_some(),
        });
    }
}

fn take_off(zones: &mut Zones, zone: Option<usize>, chunks: u64, bytes: u64) {
    let zone = zone.and_then(|index| zones.zones.get_mut(index));
    if let Some(counts) = zone.and_then(|z| z.counts.as_mut()) {
        counts.tcache_chunks = counts.tcache_chunks.saturating_add(chunks);
        counts.tcache_bytes = counts.tcache_bytes.saturating_add(bytes);
        counts.allocated_chunks = counts.allocated_chunks.saturating_sub(chunks);
        counts.allocated_bytes = counts.allocated_bytes.saturating_sub(bytes);
    }
}
