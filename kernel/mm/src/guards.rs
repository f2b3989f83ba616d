//! Guard pages (`MADV_GUARD_INSTALL`): pages of a mapping whose every touch is SIGSEGV, without a mapping of their own.
//!
//! Key type: [`Guards`], a set of page ranges of one address space. Linux keeps a marker in each page-table entry; a set
//! of ranges says the same of a thousand pages in one record, costs nothing where there are none, and lets page tables hold
//! pages only. A guarded page has no entry in the tables: installing a guard drops what was there.

use std::collections::BTreeMap;

use arch::{PageNum, PageRange};

/// The guarded pages of one address space: disjoint ranges that do not touch, by their first page.
#[derive(Clone, Debug, Default)]
pub(crate) struct Guards {
    ranges: BTreeMap<u64, u64>,
}

impl Guards {
    /// Whether a page is guarded.
    #[inline]
    pub(crate) fn contains(&self, page: PageNum) -> bool {
        if self.ranges.is_empty() {
            return false;
        }
        let before = self.ranges.range(..=page.get()).next_back();
        before.is_some_and(|(_, &end)| page.get() < end)
    }

    /// Whether there are as many ranges as the host's memory is given for one program.
    pub(crate) fn is_full(&self) -> bool {
        const MOST: usize = 1 << 20;
        self.ranges.len() >= MOST
    }

    /// Guards a range.
    pub(crate) fn insert(&mut self, range: PageRange) {
        if range.is_empty() {
            return;
        }
        let (mut start, mut end) = (range.start().get(), range.end().get());
        // Neighbours that touch become one.
        while let Some((&first, &last)) = self.ranges.range(..=end).next_back()
            && last >= start
        {
            self.ranges.remove(&first);
            start = start.min(first);
            end = end.max(last);
        }
        self.ranges.insert(start, end);
    }

    /// Takes the guards of a range away.
    pub(crate) fn remove(&mut self, range: PageRange) {
        for part in self.inside(range) {
            let (start, end) = (part.start().get(), part.end().get());
            let found = self.ranges.range(..=start).next_back();
            let Some((&first, &last)) = found else { continue };
            self.ranges.remove(&first);
            if first < start {
                self.ranges.insert(first, start);
            }
            if end < last {
                self.ranges.insert(end, last);
            }
        }
    }

    /// The guarded parts of a range.
    pub(crate) fn inside(&self, range: PageRange) -> Vec<PageRange> {
        if self.ranges.is_empty() || range.is_empty() {
            return Vec::new();
        }
        let from = self.ranges.range(..=range.start().get()).next_back();
        let from = from.map_or(range.start().get(), |(&first, _)| first);
        let near = self.ranges.range(from..range.end().get());
        let whole =
            near.filter_map(|(&first, &last)| PageRange::new(PageNum::new(first), PageNum::new(last)));
        whole
            .filter_map(|part| part.intersection(range))
            .filter(|part| !part.is_empty())
            .collect()
    }

    /// The guards of `from` are those of as many pages at `to` now.
    pub(crate) fn shift(&mut self, from: PageRange, to: PageNum) {
        for part in self.inside(from) {
            self.remove(part);
            let start = PageNum::new(to.get() + (part.start().get() - from.start().get()));
            if let Some(there) = PageRange::from_count(start, part.count()) {
                self.insert(there);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn range(start: u64, end: u64) -> PageRange {
        PageRange::new(PageNum::new(start), PageNum::new(end)).unwrap()
    }

    proptest! {
        /// The set of ranges is a set of pages, and no two of its ranges touch.
        #[test]
        fn guards_are_a_set_of_pages(steps in prop::collection::vec((0..3u8, 0..64u64, 0..16u64), 1..60)) {
            let mut guards = Guards::default();
            let mut pages = BTreeSet::new();
            for (what, start, count) in steps {
                let part = range(start, start + count);
                match what {
                    0 => {
                        guards.insert(part);
                        pages.extend(start..start + count);
                    }
                    1 => {
                        guards.remove(part);
                        pages.retain(|page| !(start..start + count).contains(page));
                    }
                    _ => {
                        guards.shift(part, PageNum::new(start + 100));
                        let moved: Vec<u64> = pages.range(start..start + count).copied().collect();
                        for page in moved {
                            pages.remove(&page);
                            pages.insert(page + 100);
                        }
                    }
                }
                for page in 0..200 {
                    prop_assert_eq!(guards.contains(PageNum::new(page)), pages.contains(&page));
                }
                let ends: Vec<_> = guards.ranges.iter().collect();
                prop_assert!(ends.windows(2).all(|pair| pair[0].1 < pair[1].0));
                let inside: u64 = guards.inside(range(10, 50)).iter().map(|part| part.count().get()).sum();
                prop_assert_eq!(inside, pages.range(10..50).count() as u64);
            }
        }
    }
}
