//! DIRTY, PURGE and the physical footprint (reference/live.md sections 3 and 4).
//!
//! `smaps`' own `*_Dirty` count dirty page cache too: a just-written file that is only read privately looks dirty. So
//! DIRTY is built from what cannot be dropped: anonymous pages for private memory, everything for shared memory.

use crate::region::Mapping;
use crate::share::hugetlb;
use crate::{Facts, Kind, Region};
use procfs::{Counts, Kib};

/// The figures of one mapping.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Figures {
    pub(crate) resident: Option<Kib>,
    pub(crate) dirty: Option<Kib>,
    pub(crate) swap: Option<Kib>,
    pub(crate) volatile: Option<Kib>,
}

pub(crate) fn figures(mapping: &Mapping, kind: Kind) -> Figures {
    let counts = mapping.counts();
    let huge = hugetlb(mapping);
    let volatile = volatile(mapping, &counts);
    Figures {
        resident: counts.rss.map(|rss| Kib(rss.0.saturating_add(huge.0))),
        dirty: dirty(mapping, kind, &counts).map(|dirty| Kib(dirty.0.saturating_add(huge.0))),
        swap: counts.swap,
        volatile,
    }
}

/// What the kernel may take without writing it anywhere: `LazyFree`; or the clean part of anonymous memory if that is
/// more (`LazyFree` lags) and it cannot be clean for being in swap.
fn volatile(mapping: &Mapping, counts: &Counts) -> Option<Kib> {
    let lazy = counts.lazy_free?;
    let is_never_swapped = counts.swap == Some(Kib::ZERO);
    if mapping.is_private_anonymous() && is_never_swapped {
        return Some(lazy.max(clean_anonymous(counts)));
    }
    Some(lazy)
}

/// Clean pages of a mapping that has only anonymous pages.
fn clean_anonymous(counts: &Counts) -> Kib {
    let clean = counts
        .private_clean
        .unwrap_or_default()
        .0
        .saturating_add(counts.shared_clean.unwrap_or_default().0);
    Kib(clean.min(counts.anonymous.unwrap_or_default().0))
}

fn dirty(mapping: &Mapping, kind: Kind, counts: &Counts) -> Option<Kib> {
    if mapping.is_private_anonymous() {
        let clean = clean_anonymous(counts).max(counts.lazy_free.unwrap_or_default());
        return Some(Kib(counts.anonymous?.0.saturating_sub(clean.0)));
    }
    if !mapping.map.perms.shared {
        return Some(Kib(counts
            .anonymous?
            .0
            .saturating_sub(counts.lazy_free.unwrap_or_default().0)));
    }
    if kind == Kind::SharedMemory {
        return counts.rss;
    }
    Some(Kib(counts
        .shared_dirty?
        .0
        .saturating_add(counts.private_dirty?.0)))
}

/// What the process costs that cannot be dropped for free.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Footprint {
    /// As Apple counts: each private page in full, shared memory by its share, swap, hugetlb and page tables.
    pub full: Kib,
    /// Every page by its share: sums over all processes to real memory. `None` if Pss was not read.
    pub additive: Option<Kib>,
    /// Whether the additive figure had to split a mapping's Pss between file and anonymous pages by proportion.
    pub is_additive_estimated: bool,
}

/// The highest footprint so far, as a bracket: Linux keeps no exact one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Peak {
    /// It was at least this (the footprint now).
    pub at_least: Option<Kib>,
    /// It was at most this: VmHWM + VmSwap + hugetlb + page tables.
    pub at_most: Kib,
}

/// The footprint from all regions; `None` if a counter that it needs is unknown.
pub(crate) fn footprint(regions: &[Region], facts: &Facts) -> Option<Footprint> {
    let page_tables = facts.page_tables?;
    let (mut full, mut additive, mut is_estimated) = (page_tables.0, Some(page_tables.0), false);
    for region in regions {
        full = full.saturating_add(full_part(region)?.0);
        let part = additive_part(region);
        is_estimated |= part.is_some_and(|p| p.is_estimated);
        additive = additive.zip(part).map(|(sum, part)| sum.saturating_add(part.kib));
    }
    Some(Footprint {
        full: Kib(full),
        additive: additive.map(Kib),
        is_additive_estimated: is_estimated,
    })
}

fn huge(region: &Region) -> u64 {
    let Counts {
        shared_hugetlb,
        private_hugetlb,
        ..
    } = region.counts;
    shared_hugetlb
        .unwrap_or_default()
        .0
        .saturating_add(private_hugetlb.unwrap_or_default().0)
}

fn full_part(region: &Region) -> Option<Kib> {
    let counts = &region.counts;
    let memory = if region.kind == Kind::SharedMemory {
        counts.pss.or(counts.rss)?.0
    } else if region.perms.shared {
        0
    } else {
        let kept = counts
            .anonymous?
            .0
            .saturating_sub(region.volatile.unwrap_or_default().0);
        kept.saturating_add(counts.swap.unwrap_or_default().0)
    };
    Some(Kib(memory.saturating_add(huge(region))))
}

#[derive(Clone, Copy)]
struct AdditivePart {
    kib: u64,
    is_estimated: bool,
}

fn additive_part(region: &Region) -> Option<AdditivePart> {
    let counts = &region.counts;
    let private_huge = counts.private_hugetlb.unwrap_or_default().0;
    if region.kind == Kind::SharedMemory {
        let swapped = counts.swap_pss.unwrap_or_default().0;
        let kib = counts.pss?.0.saturating_add(swapped).saturating_add(private_huge);
        return Some(AdditivePart {
            kib,
            is_estimated: false,
        });
    }
    if region.perms.shared {
        return Some(AdditivePart {
            kib: private_huge,
            is_estimated: false,
        });
    }
    let (pss, rss, anonymous) = (counts.pss?.0, counts.rss?.0, counts.anonymous?.0);
    let is_mixed = anonymous < rss && anonymous > 0;
    // Anonymous pages that nobody shares count in full; if some are shared, the mapping's Pss is split by proportion.
    let is_estimated = is_mixed && counts.shared_dirty? > Kib::ZERO;
    let kib = match (anonymous, is_mixed, is_estimated) {
        (0, ..) => 0,
        (_, false, _) => pss,
        (_, true, false) => anonymous,
        (_, true, true) => (u128::from(pss) * u128::from(anonymous) / u128::from(rss.max(1))) as u64,
    };
    let kept = kib.saturating_sub(region.volatile.unwrap_or_default().0);
    let swap = counts.swap_pss.or(counts.swap).unwrap_or_default().0;
    Some(AdditivePart {
        kib: kept.saturating_add(swap).saturating_add(private_huge),
        is_estimated,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use procfs::{SmapsEntry, parse_maps};

    fn mapping(line: &str, set: impl FnOnce(&mut Counts)) -> Mapping {
        let map = parse_maps(line.as_bytes()).unwrap().remove(0);
        let mut counts = Counts::zero();
        set(&mut counts);
        Mapping {
            entry: Some(SmapsEntry {
                map: map.clone(),
                counts,
                ..SmapsEntry::default()
            }),
            map,
        }
    }

    const PRIVATE_FILE: &str = "1000-9000 r--p 00000000 fe:00 7 /bin/x\n";
    const SHARED_FILE: &str = "1000-9000 rw-s 00000000 fe:00 7 /data\n";
    const ANON: &str = "1000-9000 rw-p 00000000 00:00 0 \n";

    // Trap 1 (measured): a just-written file, mapped privately and only read, shows Private_Dirty 24 of 24 kB.
    #[test]
    fn dirty_page_cache_is_not_dirty_memory() {
        let written = mapping(PRIVATE_FILE, |c| {
            (c.rss, c.private_dirty) = (Some(Kib(24)), Some(Kib(24)))
        });
        assert_eq!(figures(&written, Kind::Text).dirty, Some(Kib(0)));
        let shared = mapping(SHARED_FILE, |c| {
            (c.rss, c.private_dirty) = (Some(Kib(24)), Some(Kib(24)))
        });
        assert_eq!(figures(&shared, Kind::MappedFile).dirty, Some(Kib(24)));
    }

    // Trap 6 (measured): 12 kB given back by MADV_FREE showed LazyFree 0 but Private_Clean 12.
    #[test]
    fn freed_memory_is_volatile_even_before_the_kernel_says_so() {
        let freed = mapping(ANON, |c| {
            (c.rss, c.anonymous) = (Some(Kib(32)), Some(Kib(32)));
            (c.private_clean, c.private_dirty) = (Some(Kib(12)), Some(Kib(20)));
        });
        let figures = figures(&freed, Kind::VmAllocate);
        assert_eq!((figures.dirty, figures.volatile), (Some(Kib(20)), Some(Kib(12))));
    }

    #[test]
    fn shared_memory_is_dirty_in_full_and_hugetlb_is_added() {
        let shared = mapping("1000-9000 rw-s 00000000 00:01 7 /memfd:x (deleted)\n", |c| {
            (c.rss, c.private_hugetlb) = (Some(Kib(8)), Some(Kib(2048)));
        });
        let figures = figures(&shared, Kind::SharedMemory);
        assert_eq!(
            (figures.resident, figures.dirty),
            (Some(Kib(2056)), Some(Kib(2056)))
        );
    }
}
