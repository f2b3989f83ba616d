//! An address space too simple to be wrong: a map from page to page, each with its own bytes.
//!
//! No frames, no tables, no mappings: the mappings that Linux would show are the longest runs of alike pages.
//! Of each page only three bytes are kept ([`CELLS`]). What the real thing must answer follows from these.

use std::collections::BTreeMap;

/// Bytes that are looked at in each page: its first, one in the middle, its last.
pub(crate) const CELLS: usize = 3;

pub(crate) type Bytes3 = [u8; CELLS];

pub(crate) const READ: u8 = 1;
pub(crate) const WRITE: u8 = 2;
pub(crate) const EXEC: u8 = 4;

/// What a page shows where it was not written privately.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Base {
    Zeros,
    Object { object: usize, page: u64 },
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Page {
    pub(crate) prot: u8,
    pub(crate) shared: bool,
    pub(crate) base: Base,
    pub(crate) dont_fork: bool,
    pub(crate) wipe_on_fork: bool,
    /// Private bytes, once written.
    pub(crate) own: Option<Bytes3>,
    /// Given up by `MADV_FREE` and not written since: the bytes may become zeros at any time.
    pub(crate) lazy: bool,
}

impl Page {
    /// Whether `next`, one page up, belongs to the same mapping.
    fn continues(&self, next: &Self) -> bool {
        let base = match (self.base, next.base) {
            (Base::Zeros, Base::Zeros) => true,
            (Base::Object { object, page }, Base::Object { object: o, page: p }) => {
                object == o && page + 1 == p
            }
            _ => false,
        };
        base && self.prot == next.prot
            && self.shared == next.shared
            && self.dont_fork == next.dont_fork
            && self.wipe_on_fork == next.wipe_on_fork
    }
}

/// A file or a shared object: bytes by page and cell.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    pub(crate) length: u64,
    pub(crate) cells: BTreeMap<(u64, usize), u8>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Space {
    pub(crate) pages: BTreeMap<u64, Page>,
    pub(crate) break_start: u64,
    pub(crate) break_end: u64,
}

/// What an access gives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    Byte(u8),
    MapErr,
    AccErr,
    Bus,
}

pub(crate) struct World {
    pub(crate) page_bytes: u64,
    pub(crate) objects: Vec<Object>,
    pub(crate) spaces: Vec<Option<Space>>,
}

impl World {
    pub(crate) fn cell_offset(&self, cell: usize) -> u64 {
        [0, self.page_bytes / 2 + 8, self.page_bytes - 1][cell]
    }

    pub(crate) fn space(&mut self, space: usize) -> &mut Space {
        self.spaces[space].as_mut().expect("a living space")
    }

    fn past_end(&self, base: Base) -> bool {
        match base {
            Base::Zeros => false,
            Base::Object { object, page } => page >= self.objects[object].length.div_ceil(self.page_bytes),
        }
    }

    fn base_byte(&self, base: Base, cell: usize) -> u8 {
        match base {
            Base::Zeros => 0,
            Base::Object { object, page } => self.objects[object]
                .cells
                .get(&(page, cell))
                .copied()
                .unwrap_or(0),
        }
    }

    pub(crate) fn read(&self, space: usize, page: u64, cell: usize, need: u8) -> Outcome {
        let space = self.spaces[space].as_ref().expect("a living space");
        let Some(page) = space.pages.get(&page) else {
            return Outcome::MapErr;
        };
        let allowed = if need == READ {
            page.prot != 0
        } else {
            page.prot & need != 0
        };
        if !allowed {
            Outcome::AccErr
        } else if self.past_end(page.base) {
            Outcome::Bus
        } else {
            Outcome::Byte(
                page.own
                    .map_or_else(|| self.base_byte(page.base, cell), |own| own[cell]),
            )
        }
    }

    /// The outcome is what the access gives; the byte in it is the one written.
    pub(crate) fn write(&mut self, space: usize, page: u64, cell: usize, value: u8) -> Outcome {
        let outcome = self.read(space, page, cell, WRITE);
        let Outcome::Byte(_) = outcome else {
            return outcome;
        };
        let current = self.space(space).pages[&page].clone();
        match (current.shared, current.base) {
            (true, Base::Object { object, page }) => {
                self.objects[object].cells.insert((page, cell), value);
            }
            (true, Base::Zeros) => panic!("shared memory is an object"),
            (false, base) => {
                let mut own = current
                    .own
                    .unwrap_or_else(|| [0, 1, 2].map(|c| self.base_byte(base, c)));
                own[cell] = value;
                let page = self.space(space).pages.get_mut(&page);
                let page = page.expect("it was just read");
                page.own = Some(own);
                page.lazy = false;
            }
        }
        Outcome::Byte(value)
    }

    /// The mappings: start, end, and the first page.
    pub(crate) fn runs(&self, space: usize) -> Vec<(u64, u64, Page)> {
        let mut runs: Vec<(u64, u64, Page)> = Vec::new();
        let mut last: Option<&Page> = None;
        for (&number, page) in &self.spaces[space].as_ref().expect("a living space").pages {
            match runs.last_mut() {
                Some((_, end, _)) if *end == number && last.is_some_and(|l| l.continues(page)) => *end += 1,
                _ => runs.push((number, number + 1, page.clone())),
            }
            last = Some(page);
        }
        runs
    }

    pub(crate) fn run_end(&self, space: usize, page: u64) -> Option<u64> {
        let runs = self.runs(space);
        runs.iter()
            .find(|(start, end, _)| *start <= page && page < *end)
            .map(|r| r.1)
    }

    pub(crate) fn unmap(&mut self, space: usize, start: u64, end: u64) {
        self.space(space).pages.retain(|&p, _| p < start || p >= end);
    }

    pub(crate) fn all_mapped(&self, space: usize, start: u64, end: u64) -> bool {
        let space = self.spaces[space].as_ref().expect("a living space");
        (start..end).all(|p| space.pages.contains_key(&p))
    }

    pub(crate) fn none_mapped(&self, space: usize, start: u64, end: u64) -> bool {
        let space = self.spaces[space].as_ref().expect("a living space");
        space.pages.range(start..end).next().is_none()
    }

    /// Where top-down placement must put `count` pages.
    pub(crate) fn highest_place(&self, space: usize, low: u64, top: u64, count: u64) -> Option<u64> {
        let pages = &self.spaces[space].as_ref().expect("a living space").pages;
        let ceilings = pages.keys().copied().filter(|&p| p < top).chain([top]);
        let starts = ceilings.filter_map(|ceiling| ceiling.checked_sub(count));
        starts
            .filter(|&s| s >= low && self.none_mapped(space, s, s + count))
            .max()
    }

    pub(crate) fn fork(&self, space: usize) -> Space {
        let mut child = self.spaces[space].clone().expect("a living space");
        child.pages.retain(|_, page| !page.dont_fork);
        for page in child.pages.values_mut().filter(|p| p.wipe_on_fork) {
            page.own = None;
        }
        child
    }

    pub(crate) fn resize(&mut self, object: usize, length: u64) {
        let old = self.objects[object].length;
        let offsets: Vec<u64> = (0..CELLS).map(|c| self.cell_offset(c)).collect();
        let kept = old.min(length);
        let bytes = self.page_bytes;
        let file = &mut self.objects[object];
        file.length = length;
        file.cells
            .retain(|(page, cell), _| page * bytes + offsets[*cell] < kept);
        let end = length.div_ceil(bytes);
        for space in self.spaces.iter_mut().flatten().filter(|_| length < old) {
            for page in space.pages.values_mut() {
                if matches!(page.base, Base::Object { object: o, page: p } if o == object && p >= end) {
                    page.own = None;
                }
            }
        }
    }
}
