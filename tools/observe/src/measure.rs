//! DIRTY, PURGE and the physical footprint (reference/live.md sections 3 and 4).
//!
//! `smaps`' own `*_Dirty` count dirty page cache too: a just-written file that is only read privately looks dirty. So
//! DIRTY is built from what cannot be dropped: anonymous pages for private memory, everything for shared memory.

use crate::figures::{Figure, Figures};
use crate::{Facts, Kind, Region};
use procfs::Kib;

/// Derive DIRTY and the rest from the kernel's counters, once the kind is known.
pub(crate) fn derive(region: &mut Region) {
    let huge = hugetlb(&region.figures);
    let figures = &region.figures;
    let resident = figures.get(Figure::Rss).map(|rss| plus(rss, huge));
    let dirty = dirty(region).map(|dirty| plus(dirty, huge));
    let volatile = volatile(region);
    let unique = figures
        .get(Figure::PrivateClean)
        .zip(figures.get(Figure::PrivateDirty))
        .map(|(clean, dirty)| {
            plus(
                clean,
                dirty.0.saturating_add(figures.or_zero(Figure::PrivateHugetlb)),
            )
        });
    for (figure, value) in [
        (Figure::Resident, resident),
        (Figure::Dirty, dirty),
        (Figure::Volatile, volatile),
        (Figure::Unique, unique),
    ] {
        region.figures.set(figure, value);
    }
}

fn plus(a: Kib, b: u64) -> Kib {
    Kib(a.0.saturating_add(b))
}

/// Resident hugetlb memory in KiB, which `Rss` leaves out.
pub(crate) fn hugetlb(figures: &Figures) -> u64 {
    figures
        .or_zero(Figure::SharedHugetlb)
        .saturating_add(figures.or_zero(Figure::PrivateHugetlb))
}

/// What the kernel may take without writing it anywhere: `LazyFree`; or the clean part of anonymous memory if that is
/// more (`LazyFree` lags) and it cannot be clean for being in swap; all of a droppable mapping.
fn volatile(region: &Region) -> Option<Kib> {
    let figures = &region.figures;
    let lazy = figures.get(Figure::LazyFree)?;
    if region.flag(b"dp") == Some(true) {
        return figures.get(Figure::Anonymous);
    }
    let is_never_swapped = figures.get(Figure::Swap) == Some(Kib::ZERO);
    if region.is_private_anonymous() && is_never_swapped {
        return Some(lazy.max(Kib(clean_anonymous(figures))));
    }
    Some(lazy)
}

/// Clean pages of a mapping that has only anonymous pages.
fn clean_anonymous(figures: &Figures) -> u64 {
    let clean = figures
        .or_zero(Figure::PrivateClean)
        .saturating_add(figures.or_zero(Figure::SharedClean));
    clean.min(figures.or_zero(Figure::Anonymous))
}

fn dirty(region: &Region) -> Option<Kib> {
    let figures = &region.figures;
    let lazy = figures.or_zero(Figure::LazyFree);
    let anonymous_but = |clean: u64| Some(Kib(figures.get(Figure::Anonymous)?.0.saturating_sub(clean)));
    if region.flag(b"dp") == Some(true) {
        return figures.get(Figure::Anonymous).map(|_| Kib::ZERO);
    }
    if region.is_private_anonymous() {
        return anonymous_but(clean_anonymous(figures).max(lazy));
    }
    if !region.perms.shared {
        return anonymous_but(lazy);
    }
    if region.kind == Kind::SharedMemory {
        return figures.get(Figure::Rss);
    }
    let shared = figures.get(Figure::SharedDirty)?;
    Some(plus(shared, figures.get(Figure::PrivateDirty)?.0))
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

fn full_part(region: &Region) -> Option<Kib> {
    let figures = &region.figures;
    let memory = if region.kind == Kind::SharedMemory {
        figures.get(Figure::Pss).or(figures.get(Figure::Rss))?.0
    } else if region.perms.shared {
        0
    } else {
        let kept = figures
            .get(Figure::Anonymous)?
            .0
            .saturating_sub(figures.or_zero(Figure::Volatile));
        kept.saturating_add(figures.or_zero(Figure::Swap))
    };
    Some(Kib(memory.saturating_add(hugetlb(figures))))
}

#[derive(Clone, Copy)]
struct AdditivePart {
    kib: u64,
    is_estimated: bool,
}

fn additive_part(region: &Region) -> Option<AdditivePart> {
    let figures = &region.figures;
    let private_huge = figures.or_zero(Figure::PrivateHugetlb);
    let exact = |kib| {
        Some(AdditivePart {
            kib,
            is_estimated: false,
        })
    };
    if region.kind == Kind::SharedMemory {
        let swapped = figures.or_zero(Figure::SwapPss);
        let pss = figures.get(Figure::Pss)?.0;
        return exact(pss.saturating_add(swapped).saturating_add(private_huge));
    }
    if region.perms.shared {
        return exact(private_huge);
    }
    let known = |figure| Some(figures.get(figure)?.0);
    let (pss, rss, anonymous) = (
        known(Figure::Pss)?,
        known(Figure::Rss)?,
        known(Figure::Anonymous)?,
    );
    let is_mixed = anonymous < rss && anonymous > 0;
    // Anonymous pages that nobody shares count in full; if some are shared, the mapping's Pss is split by proportion.
    let is_estimated = is_mixed && known(Figure::SharedDirty)? > 0;
    let kib = match (anonymous, is_mixed, is_estimated) {
        (0, ..) => 0,
        (_, false, _) => pss,
        (_, true, false) => anonymous,
        (_, true, true) => (u128::from(pss) * u128::from(anonymous) / u128::from(rss.max(1))) as u64,
    };
    let kept = kib.saturating_sub(figures.or_zero(Figure::Volatile));
    let swap = figures.get(Figure::SwapPss).or(figures.get(Figure::Swap));
    Some(AdditivePart {
        kib: kept
            .saturating_add(swap.unwrap_or_default().0)
            .saturating_add(private_huge),
        is_estimated,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::region::testing::region;
    use procfs::Counts;

    fn derived(line: &str, kind: Kind, set: impl FnOnce(&mut Counts)) -> Region {
        let mut region = region(line, set, &[]);
        region.kind = kind;
        derive(&mut region);
        region
    }

    const PRIVATE_FILE: &str = "1000-9000 r--p 00000000 fe:00 7 /bin/x\n";
    const SHARED_FILE: &str = "1000-9000 rw-s 00000000 fe:00 7 /data\n";
    const ANON: &str = "1000-9000 rw-p 00000000 00:00 0 \n";

    // Trap 1 (measured): a just-written file, mapped privately and only read, shows Private_Dirty 24 of 24 kB.
    #[test]
    fn dirty_page_cache_is_not_dirty_memory() {
        let written = derived(PRIVATE_FILE, Kind::Text, |c| {
            (c.rss, c.private_dirty) = (Some(Kib(24)), Some(Kib(24)))
        });
        assert_eq!(written.dirty(), Some(Kib(0)));
        let shared = derived(SHARED_FILE, Kind::MappedFile, |c| {
            (c.rss, c.private_dirty) = (Some(Kib(24)), Some(Kib(24)))
        });
        assert_eq!(shared.dirty(), Some(Kib(24)));
    }

    // Trap 6 (measured): 12 kB given back by MADV_FREE showed LazyFree 0 but Private_Clean 12.
    #[test]
    fn freed_memory_is_volatile_even_before_the_kernel_says_so() {
        let freed = derived(ANON, Kind::VmAllocate, |c| {
            (c.rss, c.anonymous) = (Some(Kib(32)), Some(Kib(32)));
            (c.private_clean, c.private_dirty) = (Some(Kib(12)), Some(Kib(20)));
        });
        assert_eq!((freed.dirty(), freed.volatile()), (Some(Kib(20)), Some(Kib(12))));
    }

    #[test]
    fn shared_memory_is_dirty_in_full_and_hugetlb_is_added() {
        let memfd = "1000-9000 rw-s 00000000 00:01 7 /memfd:x (deleted)\n";
        let shared = derived(memfd, Kind::SharedMemory, |c| {
            (c.rss, c.private_hugetlb) = (Some(Kib(8)), Some(Kib(2048)));
        });
        assert_eq!(
            (shared.resident(), shared.dirty()),
            (Some(Kib(2056)), Some(Kib(2056)))
        );
    }
}
