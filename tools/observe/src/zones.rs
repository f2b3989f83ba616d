//! The allocator's zones beside the regions ([`HeapReport`]): what of each zone is in RAM, which regions are whose.
//!
//! Neighbours: `heap` walks the zones and knows nothing of regions; `snapshot` asks for this; `render::zones` prints it.

use crate::heap::{DumpedMemory, Limits, Mapping, Memory, ProcMemory};
use crate::heap::{Recognised, Zone, ZoneKind, Zones, glibc_zones, recognise};
use crate::{Kind, Region};
use procfs::{Addr, Kib, PageCategories, PageWanted, Root, RootError};

/// One zone of glibc's malloc, with what its memory costs.
#[derive(Clone, PartialEq, Debug)]
pub struct ZoneReport {
    /// The zone, as its own tables tell it.
    pub zone: Zone,
    /// In RAM. As the two below it is unknown of a core file.
    pub resident: Option<Kib>,
    /// Written: in RAM, of no file, and not the shared page of zeros.
    pub dirty: Option<Kib>,
    /// In swap.
    pub swap: Option<Kib>,
}

impl ZoneReport {
    /// What it holds dirty or in swap, and has not given to the program.
    #[must_use]
    pub fn slack(&self) -> Option<Kib> {
        let counts = self.zone.counts.as_ref()?;
        let allocated = counts.allocated_bytes.div_ceil(1024);
        Some(Kib(self.held()?.0.saturating_sub(allocated)))
    }

    /// [`ZoneReport::slack`] in percent of what it holds, as Apple counts it.
    #[must_use]
    pub fn fragmentation_percent(&self) -> Option<f64> {
        self.zone.fragmentation(self.held()?.bytes())
    }

    fn held(&self) -> Option<Kib> {
        let (dirty, swap) = self.dirty.zip(self.swap)?;
        Some(Kib(dirty.0.saturating_add(swap.0)))
    }
}

/// All zones.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct HeapReport {
    /// The zones; none if the process does not use glibc's malloc.
    pub zones: Vec<ZoneReport>,
    /// What could not be read or understood, one sentence each.
    pub gaps: Vec<String>,
    /// Pages of the heap in swap. They were not read, so counts are lower bounds.
    pub swapped_pages: u64,
    /// Readings that had to be given up because the process changed its heap meanwhile.
    pub torn: usize,
}

/// Walk the zones, and name the regions that are theirs or another allocator's.
pub(crate) fn report(
    root: &dyn Root,
    pid: i32,
    regions: &mut [Region],
    page_bytes: u64,
    limits: Limits,
) -> Result<HeapReport, RootError> {
    let maps: Vec<Mapping> = regions.iter().map(mapping).collect();
    let memory = memory(root, pid, &maps, page_bytes)?;
    let Zones {
        zones,
        tcaches,
        gaps,
        swapped_pages,
        ..
    } = glibc_zones(memory.as_ref(), &maps, page_bytes, limits);
    name_others(regions, recognise(&maps, Some(memory.as_ref())));
    name_zones(regions, &zones);
    let torn = zones
        .iter()
        .filter(|z| matches!(z.reading, crate::heap::Reading::Torn { .. }))
        .count()
        + tcaches.iter().filter(|cache| cache.torn).count();
    let zones = zones
        .into_iter()
        .map(|zone| priced(root, pid, page_bytes, zone))
        .collect();
    Ok(HeapReport {
        zones,
        gaps,
        swapped_pages,
        torn,
    })
}

/// Where the bytes come from: a dump, or a process whose pages must not be faulted in.
fn memory<'a>(
    root: &'a dyn Root,
    pid: i32,
    maps: &'a [Mapping],
    page_bytes: u64,
) -> Result<Box<dyn Memory + 'a>, RootError> {
    match DumpedMemory::new(root, pid, maps) {
        Some(dumped) => Ok(Box::new(dumped)),
        None => Ok(Box::new(ProcMemory::new(root, pid, maps, page_bytes)?)),
    }
}

fn mapping(region: &Region) -> Mapping {
    // Only a core gives a thread's stack a name. Mapped chunks may have merged with it, so it is searched as a live one.
    let is_thread_stack = region.object.name.starts_with(b"[stack:");
    Mapping {
        start: region.start.0,
        end: region.end.0,
        read: region.perms.read,
        write: region.perms.write,
        exec: region.perms.exec,
        shared: region.perms.shared,
        has_file: region.object.has_file(),
        name: if is_thread_stack {
            Box::default()
        } else {
            region.object.shown.as_str().into()
        },
    }
}

/// What the zone's pages are, by their states.
fn priced(root: &dyn Root, pid: i32, page_bytes: u64, zone: Zone) -> ZoneReport {
    let there = PageCategories::PRESENT | PageCategories::SWAPPED;
    let wanted = PageWanted {
        any_of: there,
        report: there | PageCategories::FILE | PageCategories::ZERO,
        window: PageWanted::GENTLE,
    };
    // Of a zone whose memory was not found nothing is known.
    let is_lost = zone.ranges.is_empty() && zone.system_bytes > 0;
    let mut sums = (!is_lost).then_some([0_u64; 3]);
    for range in &zone.ranges {
        let found = root.page_runs(pid, Addr(range.start)..Addr(range.end), &wanted, page_bytes);
        sums = sums.zip(found.ok()).map(|(sums, found)| {
            let free = PageCategories::ZERO | PageCategories::FILE;
            let dirty = found.runs.iter().filter(|run| {
                run.categories.contains(PageCategories::PRESENT) && !run.categories.intersects(free)
            });
            let dirty = dirty.fold(0, |sum, run| sum + run.end.bytes_above(run.start));
            let resident = found.bytes(PageCategories::PRESENT)
                - found.bytes(PageCategories::PRESENT | PageCategories::ZERO);
            let swap = found.bytes(PageCategories::SWAPPED);
            [sums[0] + resident, sums[1] + dirty, sums[2] + swap]
        });
    }
    let kib = |index: usize| sums.map(|sums| Kib::from_bytes(sums[index]));
    ZoneReport {
        zone,
        resident: kib(0),
        dirty: kib(1),
        swap: kib(2),
    }
}

/// The regions in which the zones lie: that is certain now.
fn name_zones(regions: &mut [Region], zones: &[Zone]) {
    for zone in zones {
        for range in &zone.ranges {
            let end = range.end.max(range.reserved_end);
            let first = regions.partition_point(|r| r.end.0 <= range.start);
            let inside = regions.get_mut(first..).unwrap_or_default().iter_mut();
            for region in inside.take_while(|r| r.start.0 < end) {
                // Of a merged mapping that holds more than the zone, nothing is said.
                if region.is_private_anonymous()
                    && region.start.0 >= range.start & !0xffff
                    && region.end.0 <= end.saturating_add(0xffff)
                {
                    name(region, zone);
                }
            }
        }
    }
}

fn name(region: &mut Region, zone: &Zone) {
    region.kind = if region.is_prot_none() {
        Kind::MallocReserved
    } else {
        Kind::Malloc
    };
    region.is_guess = false;
    if region.object.name.is_empty() {
        let name = match zone.kind {
            ZoneKind::Mapped => "mapped chunk",
            _ => &zone.name,
        };
        region.note = Some(name.into());
    }
}

/// Other allocators' memory, where nothing better is known of it.
fn name_others(regions: &mut [Region], found: Vec<Recognised>) {
    for Recognised {
        index,
        allocator,
        note,
        is_guess,
    } in found
    {
        let Some(region) = regions.get_mut(index) else {
            continue;
        };
        let kind = match region.kind {
            Kind::VmAllocate => Kind::Malloc,
            Kind::VmReserved => Kind::MallocReserved,
            Kind::Malloc | Kind::MallocReserved | Kind::Jit => region.kind,
            _ => continue,
        };
        // What is only likely does not displace what is known.
        if is_guess && !region.is_guess && matches!(region.kind, Kind::Malloc | Kind::MallocReserved) {
            continue;
        }
        region.kind = kind;
        region.is_guess = is_guess;
        let blank = if note.is_empty() { "" } else { " " };
        let mark = if is_guess { " ?" } else { "" };
        region.note = Some(format!("{allocator}{blank}{note}{mark}").into());
    }
}
