//! Sums over regions: by kind, of all, and the two lines of Apple's summary ([`Totals`]).

use crate::{Figure, Kind, Region};
use procfs::{Kib, Perms};
use std::collections::BTreeMap;

/// One row of the table. A size is `None` as soon as one region's is unknown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TypeRow {
    /// Address space, bytes.
    pub virtual_bytes: u64,
    /// Resident.
    pub resident: Option<Kib>,
    /// Dirty.
    pub dirty: Option<Kib>,
    /// In swap.
    pub swap: Option<Kib>,
    /// Could be taken without writing.
    pub volatile: Option<Kib>,
    /// By share.
    pub proportional: Option<Kib>,
    /// Of its own.
    pub unique: Option<Kib>,
    /// Locked.
    pub locked: Option<Kib>,
    /// Mappings, before coalescing.
    pub count: usize,
}

impl TypeRow {
    const EMPTY: Self = Self {
        virtual_bytes: 0,
        resident: Some(Kib::ZERO),
        dirty: Some(Kib::ZERO),
        swap: Some(Kib::ZERO),
        volatile: Some(Kib::ZERO),
        proportional: Some(Kib::ZERO),
        unique: Some(Kib::ZERO),
        locked: Some(Kib::ZERO),
        count: 0,
    };

    pub(crate) fn add(&mut self, region: &Region) {
        let plus = |sum: &mut Option<Kib>, part: Option<Kib>| {
            *sum = sum.zip(part).map(|(a, b)| Kib(a.0.saturating_add(b.0)));
        };
        self.virtual_bytes = self.virtual_bytes.saturating_add(region.len());
        plus(&mut self.resident, region.resident());
        plus(&mut self.dirty, region.dirty());
        plus(&mut self.swap, region.swap());
        plus(&mut self.volatile, region.volatile());
        plus(&mut self.proportional, region.figure(Figure::Pss));
        plus(&mut self.unique, region.figure(Figure::Unique));
        plus(&mut self.locked, region.figure(Figure::Locked));
        self.count += region.count as usize;
    }
}

/// `ReadOnly portion of Libraries`: the segments of ELF files that cannot be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LibraryLine {
    /// Address space, bytes.
    pub total_bytes: u64,
    /// Resident.
    pub resident: Option<Kib>,
}

/// `Writable regions`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WritableLine {
    /// Address space, bytes.
    pub total_bytes: u64,
    /// Dirty or in swap.
    pub written: Option<Kib>,
    /// Resident.
    pub resident: Option<Kib>,
    /// In swap.
    pub swapped_out: Option<Kib>,
}

/// All sums of a snapshot.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Totals {
    /// A row for each kind that occurs.
    pub by_kind: BTreeMap<Kind, TypeRow>,
    /// Everything.
    pub all: TypeRow,
    /// Everything but reserved address space.
    pub without_reserved: TypeRow,
    /// Segments that cannot be written.
    pub libraries: LibraryLine,
    /// What can be written.
    pub writable: WritableLine,
}

impl Totals {
    /// Over these regions.
    #[must_use]
    pub fn of(regions: &[Region]) -> Self {
        let mut by_kind: BTreeMap<Kind, TypeRow> = BTreeMap::new();
        let (mut all, mut without_reserved) = (TypeRow::EMPTY, TypeRow::EMPTY);
        let (mut libraries, mut writable) = (TypeRow::EMPTY, TypeRow::EMPTY);
        for region in regions {
            let Perms { write, .. } = region.perms;
            by_kind.entry(region.kind).or_insert(TypeRow::EMPTY).add(region);
            all.add(region);
            if !region.kind.is_reserved() {
                without_reserved.add(region);
            }
            if write {
                writable.add(region);
            } else if region.kind.is_elf() {
                libraries.add(region);
            }
        }
        let written = writable
            .dirty
            .zip(writable.swap)
            .map(|(d, s)| Kib(d.0.saturating_add(s.0)));
        Self {
            by_kind,
            all,
            without_reserved,
            libraries: LibraryLine {
                total_bytes: libraries.virtual_bytes,
                resident: libraries.resident,
            },
            writable: WritableLine {
                total_bytes: writable.virtual_bytes,
                written,
                resident: writable.resident,
                swapped_out: writable.swap,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Figures;
    use crate::region::{joined, runs};
    use procfs::{Addr, Counts, MapsLine};
    use proptest::prelude::*;
    use std::sync::Arc;

    /// Regions one after the other, with holes here and there, of few kinds and protections so that many can be joined.
    fn regions() -> impl Strategy<Value = Vec<Region>> {
        let one = (
            0..3_usize,
            0..2_u64,
            1..9_u64,
            any::<bool>(),
            0..99_u64,
            prop::option::weighted(0.95, 0..99_u64),
        );
        prop::collection::vec(one, 0..40).prop_map(|all| {
            let mut at = 0x1000;
            let build =
                |(kind, hole, pages, write, resident, dirty): (usize, u64, u64, bool, u64, Option<u64>)| {
                    let start = at + hole * 0x4000;
                    at = start + pages * 0x4000;
                    let map = MapsLine {
                        start: Addr(start),
                        end: Addr(at),
                        perms: Perms {
                            read: true,
                            write,
                            ..Perms::default()
                        },
                        ..MapsLine::default()
                    };
                    let mut region = Region::of_map(&map, Arc::default());
                    region.kind = [Kind::Text, Kind::VmAllocate, Kind::VmReserved][kind];
                    region.figures = Figures::from(&Counts::zero());
                    for (figure, value) in [
                        (Figure::Resident, Some(resident)),
                        (Figure::Dirty, dirty),
                        (Figure::Swap, Some(1)),
                        (Figure::Volatile, Some(0)),
                        (Figure::Unique, Some(0)),
                    ] {
                        region.figures.set(figure, value.map(Kib));
                    }
                    region
                };
            all.into_iter().map(build).collect()
        })
    }

    proptest! {
        #[test]
        fn joining_regions_changes_no_sum(regions in regions()) {
            let joined: Vec<Region> = runs(&regions).filter_map(|run| Some(joined(run)?.into_owned())).collect();
            prop_assert_eq!(Totals::of(&joined), Totals::of(&regions));
        }

        #[test]
        fn rows_sum_to_the_total_and_unknown_stays_unknown(regions in regions()) {
            let totals = Totals::of(&regions);
            let rows: Vec<TypeRow> = totals.by_kind.values().copied().collect();
            prop_assert_eq!(rows.iter().map(|r| r.virtual_bytes).sum::<u64>(), totals.all.virtual_bytes);
            prop_assert_eq!(rows.iter().map(|r| r.count).sum::<usize>(), regions.len());
            let resident = rows.iter().map(|r| r.resident.unwrap().0).sum();
            prop_assert_eq!(totals.all.resident, Some(Kib(resident)));
            prop_assert_eq!(totals.all.dirty.is_none(), regions.iter().any(|r| r.dirty().is_none()));
        }
    }
}
