//! The figures that are compared ([`Sizes`]), in bytes, and their differences ([`Delta`]). Unknown stays unknown.

use crate::{Figure, Region, TypeRow};
use procfs::Kib;
use serde::Serialize;

/// A region's (or a type's) figures on one side, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Sizes {
    /// Address space.
    pub size: u64,
    /// In RAM.
    pub resident: Option<u64>,
    /// What cannot be dropped.
    pub dirty: Option<u64>,
    /// In swap.
    pub swap: Option<u64>,
    /// By share.
    pub pss: Option<u64>,
}

impl Sizes {
    /// Of what is not there.
    pub const NOTHING: Self = Self {
        size: 0,
        resident: Some(0),
        dirty: Some(0),
        swap: Some(0),
        pss: Some(0),
    };

    /// A region's.
    #[must_use]
    pub fn of_region(region: &Region) -> Self {
        let bytes = |figure| region.figure(figure).map(Kib::bytes);
        Self {
            size: region.len(),
            resident: bytes(Figure::Resident),
            dirty: bytes(Figure::Dirty),
            swap: bytes(Figure::Swap),
            pss: bytes(Figure::Pss),
        }
    }

    /// A type's.
    #[must_use]
    pub fn of_row(row: &TypeRow) -> Self {
        Self {
            size: row.virtual_bytes,
            resident: row.resident.map(Kib::bytes),
            dirty: row.dirty.map(Kib::bytes),
            swap: row.swap.map(Kib::bytes),
            pss: row.proportional.map(Kib::bytes),
        }
    }
}

/// By how many bytes each figure grew; `None` if a side does not know it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Delta {
    /// Address space.
    pub size: Option<i64>,
    /// In RAM.
    pub resident: Option<i64>,
    /// What cannot be dropped.
    pub dirty: Option<i64>,
    /// In swap.
    pub swap: Option<i64>,
    /// By share.
    pub pss: Option<i64>,
}

/// `after` less `before`; `None` if either is not known, or 64 bits cannot say it.
pub(crate) fn difference(before: Option<u64>, after: Option<u64>) -> Option<i64> {
    i64::try_from(i128::from(after?) - i128::from(before?)).ok()
}

impl Delta {
    /// What `after` has more than `before`.
    #[must_use]
    pub fn between(before: Sizes, after: Sizes) -> Self {
        Self {
            size: difference(Some(before.size), Some(after.size)),
            resident: difference(before.resident, after.resident),
            dirty: difference(before.dirty, after.dirty),
            swap: difference(before.swap, after.swap),
            pss: difference(before.pss, after.pss),
        }
    }

    /// What it costs: dirty and swapped together; unknown counts as none.
    #[must_use]
    pub fn cost(&self) -> i64 {
        let part = |figure: Option<i64>| figure.unwrap_or(0);
        part(self.dirty).saturating_add(part(self.swap))
    }

    /// What the report is sorted by: cost, then residence, then address space.
    fn order(&self) -> [i64; 3] {
        [self.cost(), self.resident.unwrap_or(0), self.size.unwrap_or(0)]
    }

    /// How much it is, whichever way.
    #[must_use]
    pub fn magnitude(&self) -> [u64; 3] {
        self.order().map(i64::unsigned_abs)
    }

    /// 1 if it grew, -1 if it shrank: by cost, or else by residence, or else by address space.
    #[must_use]
    pub fn direction(&self) -> i64 {
        let first = self.order().into_iter().find(|&figure| figure != 0);
        first.map_or(0, i64::signum)
    }

    /// Nothing changed but perhaps the share.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        let figures = [self.size, self.resident, self.dirty, self.swap];
        figures.into_iter().all(|figure| matches!(figure, Some(0) | None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_stays_unknown_and_large_is_exact() {
        let big = Sizes {
            size: u64::MAX,
            resident: None,
            dirty: Some(5),
            ..Sizes::NOTHING
        };
        let delta = Delta::between(Sizes::NOTHING, big);
        assert_eq!((delta.size, delta.resident, delta.dirty), (None, None, Some(5)));
        assert_eq!((delta.direction(), delta.is_nothing()), (1, false));
        assert_eq!(Delta::between(big, Sizes::NOTHING).direction(), -1);
    }
}
