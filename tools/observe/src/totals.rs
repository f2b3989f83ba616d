//! Sums over regions: by kind, of all, and the two lines of Apple's summary ([`Totals`]).

use crate::{Kind, Region};
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

    fn add(&mut self, region: &Region) {
        let plus = |sum: &mut Option<Kib>, part: Option<Kib>| {
            *sum = sum.zip(part).map(|(a, b)| Kib(a.0.saturating_add(b.0)));
        };
        self.virtual_bytes = self.virtual_bytes.saturating_add(region.len());
        plus(&mut self.resident, region.resident);
        plus(&mut self.dirty, region.dirty);
        plus(&mut self.swap, region.swap);
        plus(&mut self.volatile, region.volatile);
        plus(&mut self.proportional, region.counts.pss);
        plus(&mut self.unique, region.unique());
        plus(&mut self.locked, region.counts.locked);
        self.count += region.count;
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
    /// A row for each kind that occurs, by name.
    pub by_kind: BTreeMap<&'static str, (Kind, TypeRow)>,
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
        let mut by_kind = BTreeMap::new();
        let (mut all, mut without_reserved) = (TypeRow::EMPTY, TypeRow::EMPTY);
        let (mut libraries, mut writable) = (TypeRow::EMPTY, TypeRow::EMPTY);
        for region in regions {
            let Perms { write, .. } = region.perms;
            by_kind
                .entry(region.kind.name())
                .or_insert((region.kind, TypeRow::EMPTY))
                .1
                .add(region);
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
