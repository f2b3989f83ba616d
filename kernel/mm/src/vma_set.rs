//! The mappings of an address space, in order, never overlapping, merged where two are one.
//!
//! A sorted sequence cut into chunks of at most 64: a tree of two levels. Look-ups are two binary searches,
//! an insertion moves at most one chunk, and each chunk knows an upper bound of the gaps inside it, so the
//! top-down search for a free range steps over whole chunks (about a thousand at 60,000 mappings) and mostly
//! ends in the first. A `BTreeMap` has no place for such a bound.

use arch::{Granule, PageCount, PageNum, PageRange};
use smallvec::SmallVec;

use crate::vma::Vma;

/// Mappings in one chunk at most.
const CHUNK: usize = 64;

#[derive(Debug)]
struct Chunk {
    /// Never empty, ascending.
    vmas: Vec<Vma>,
    /// End of the last one: the key of the binary search.
    end: PageNum,
    /// Where the first one begins, with its guard gap. Searches that step over the chunk look no further.
    gap_start: PageNum,
    /// No gap between two neighbours in this chunk is larger than so many pages.
    gap_bound: u64,
}

/// Where a mapping is: chunk and index.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Place {
    chunk: usize,
    index: usize,
}

/// The mappings that a change took out. Mostly one.
pub(crate) type Removed = SmallVec<[Vma; 2]>;

/// What the last search learned: no gap of `count` pages or more lies between `ceiling` and `top`.
#[derive(Clone, Copy, Debug)]
struct Searched {
    count: u64,
    ceiling: PageNum,
    top: PageNum,
}

/// The ordered set of mappings.
#[derive(Debug)]
pub(crate) struct VmaSet {
    chunks: Vec<Chunk>,
    count: usize,
    granule: Granule,
    searched: Option<Searched>,
}

impl VmaSet {
    pub(crate) fn new(granule: Granule) -> Self {
        Self {
            chunks: Vec::new(),
            count: 0,
            granule,
            searched: None,
        }
    }

    /// How many there are (`map_count`).
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// In ascending order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Vma> {
        self.chunks.iter().flat_map(|chunk| &chunk.vmas)
    }

    /// The first place whose mapping ends after `page`.
    #[inline]
    fn seek(&self, page: PageNum) -> Place {
        let chunk = self.chunks.partition_point(|c| c.end <= page);
        let index = match self.chunks.get(chunk) {
            Some(c) => c.vmas.partition_point(|v| v.range.end() <= page),
            None => 0,
        };
        Place { chunk, index }
    }

    fn at(&self, place: Place) -> Option<&Vma> {
        self.chunks.get(place.chunk)?.vmas.get(place.index)
    }

    fn before(&self, place: Place) -> Option<Place> {
        if place.index > 0 {
            return Some(Place {
                index: place.index - 1,
                ..place
            });
        }
        let chunk = place.chunk.checked_sub(1)?;
        Some(Place {
            chunk,
            index: self.chunks[chunk].vmas.len() - 1,
        })
    }

    fn after(&self, place: Place) -> Place {
        if place.index + 1 < self.chunks[place.chunk].vmas.len() {
            Place {
                index: place.index + 1,
                ..place
            }
        } else {
            Place {
                chunk: place.chunk + 1,
                index: 0,
            }
        }
    }

    /// The mapping that holds `page`.
    #[inline]
    pub(crate) fn find(&self, page: PageNum) -> Option<&Vma> {
        self.at_or_after(page).filter(|v| v.range.start() <= page)
    }

    /// The first mapping that ends after `page` (Linux: `find_vma`).
    #[inline]
    pub(crate) fn at_or_after(&self, page: PageNum) -> Option<&Vma> {
        self.at(self.seek(page))
    }

    /// The last mapping that ends at or before `page`.
    pub(crate) fn last_before(&self, page: PageNum) -> Option<&Vma> {
        self.at(self.before(self.seek(page))?)
    }

    /// Remembers that private pages of the mapping at `page` were written.
    pub(crate) fn mark_anon(&mut self, page: PageNum) {
        let place = self.seek(page);
        self.chunks[place.chunk].vmas[place.index].has_anon = true;
    }

    /// The mappings that share a page with `range`, ascending, whole.
    pub(crate) fn overlapping(&self, range: PageRange) -> impl Iterator<Item = &Vma> {
        let mut place = self.seek(range.start());
        std::iter::from_fn(move || {
            let vma = self.at(place).filter(|v| v.range.overlaps(range))?;
            place = self.after(place);
            Some(vma)
        })
    }

    /// How many pages of `range` are mapped.
    pub(crate) fn mapped_pages(&self, range: PageRange) -> u64 {
        let parts = self.overlapping(range);
        parts
            .filter_map(|v| v.range.intersection(range))
            .map(|r| r.count().get())
            .sum()
    }

    /// Whether every page of `range` is mapped.
    pub(crate) fn covers(&self, range: PageRange) -> bool {
        self.mapped_pages(range) == range.count().get()
    }

    /// How many mappings more there would be if `range` were taken out. (Only cutting a hole in one adds.)
    pub(crate) fn growth_by_removal(&self, range: PageRange) -> usize {
        let hole = |v: &Vma| v.range.start() < range.start() && range.end() < v.range.end();
        usize::from(self.overlapping(range).next().is_some_and(hole))
    }

    /// How many mappings more there could be if `range` were to differ from what is beside it.
    pub(crate) fn growth_by_change(&self, range: PageRange) -> usize {
        let inside = |page| self.find(page).is_some_and(|v: &Vma| v.range.start() < page);
        usize::from(inside(range.start())) + usize::from(inside(range.end()))
    }

    /// Puts a mapping in a free place and merges it with its neighbours where they are alike.
    pub(crate) fn insert(&mut self, vma: Vma) {
        let place = self.seek(vma.range.start());
        debug_assert!(!self.at(place).is_some_and(|next| next.range.overlaps(vma.range)));
        let next = self
            .at(place)
            .filter(|next| vma.continues_in(next, self.granule))
            .copied();
        let previous_place = self.before(place);
        let previous = previous_place
            .and_then(|p| self.at(p))
            .filter(|previous| previous.continues_in(&vma, self.granule))
            .copied();
        match (previous.zip(previous_place), next) {
            (Some((previous, at)), Some(next)) => {
                let mut merged = previous;
                merged.has_anon |= vma.has_anon | next.has_anon;
                merged.range = join(previous.range, next.range);
                self.remove_at(place);
                self.set(at, merged);
            }
            (Some((previous, at)), None) => {
                let mut merged = previous;
                merged.has_anon |= vma.has_anon;
                merged.range = join(previous.range, vma.range);
                self.set(at, merged);
            }
            (None, Some(next)) => {
                let mut merged = vma;
                merged.has_anon |= next.has_anon;
                merged.range = join(vma.range, next.range);
                self.set(place, merged);
            }
            (None, None) => self.insert_at(place, vma),
        }
    }

    /// Takes `range` out, cutting mappings at its ends. Gives what was taken, cut to `range`.
    pub(crate) fn remove(&mut self, range: PageRange) -> Removed {
        let removed = self.take_for_edit(range);
        let next = self.at_or_after(range.end()).map(Vma::gap_start);
        if let Some(searched) = &mut self.searched
            && !removed.is_empty()
        {
            // The search has to look at the gap that this left, too.
            let gap_end = next.unwrap_or(searched.top).min(searched.top);
            searched.ceiling = searched.ceiling.max(gap_end);
        }
        removed
    }

    /// As [`VmaSet::remove`], for a caller that puts mappings in the very same place again at once.
    pub(crate) fn take_for_edit(&mut self, range: PageRange) -> Removed {
        let mut removed = Removed::new();
        let mut place = self.seek(range.start());
        while let Some(&vma) = self.at(place) {
            let Some(common) = vma.range.intersection(range) else {
                break;
            };
            removed.push(vma.part(common, self.granule));
            let below = PageRange::new(vma.range.start(), common.start()).filter(|r| !r.is_empty());
            let above = PageRange::new(common.end(), vma.range.end()).filter(|r| !r.is_empty());
            match (below, above) {
                (None, None) => place = self.remove_at(place),
                (Some(below), None) => {
                    self.set(place, vma.part(below, self.granule));
                    place = self.after(place);
                }
                (None, Some(above)) => self.set(place, vma.part(above, self.granule)),
                (Some(below), Some(above)) => {
                    self.set(place, vma.part(below, self.granule));
                    let place = self.seek(range.start());
                    self.insert_at(place, vma.part(above, self.granule));
                    break;
                }
            }
        }
        removed
    }

    /// The highest free `count` pages that end at or below `top` and begin at or above `low`.
    pub(crate) fn find_gap_below(&mut self, low: PageNum, top: PageNum, count: PageCount) -> Option<PageNum> {
        let (count, learned) = (count.get(), self.searched);
        let learned = learned.filter(|s| s.top == top && s.count <= count && s.ceiling > low);
        let from = learned.map_or(top, |s| s.ceiling);
        let (start, ceiling) = self.search_below(low, from, count);
        if learned.is_none_or(|s| s.count == count) {
            self.searched = Some(Searched { count, ceiling, top });
        }
        start
    }

    /// The highest place, and the end of the gap that it is in (or of the lowest gap looked at).
    fn search_below(&mut self, low: PageNum, top: PageNum, count: u64) -> (Option<PageNum>, PageNum) {
        let mut place = self.seek(top);
        // The mapping at `place` ends above top: it bounds the gap if it, or its guard, reaches below.
        let mut ceiling = self.at(place).map_or(top, |vma| vma.gap_start().min(top));
        // A chunk that was entered at its upper end and left at its lower one was searched whole.
        let mut entered = None;
        while let Some((below, end)) = self.before_with_end(place) {
            let start = fits(end.max(low), ceiling, count);
            if start.is_some() || end <= low {
                return (start, ceiling);
            }
            place = below;
            let chunk = &self.chunks[below.chunk];
            if chunk.end == end {
                entered = Some(below.chunk);
                if chunk.gap_bound < count {
                    entered = None;
                    place.index = 0;
                }
            }
            ceiling = match place.index {
                0 => chunk.gap_start,
                index => chunk.vmas[index].gap_start(),
            };
            if place.index == 0 && entered == Some(place.chunk) {
                self.chunks[place.chunk].tighten();
            }
        }
        (fits(low, ceiling, count), ceiling)
    }

    /// The place before, and where the mapping there ends: known without looking into another chunk.
    fn before_with_end(&self, place: Place) -> Option<(Place, PageNum)> {
        let below = self.before(place)?;
        let chunk = &self.chunks[below.chunk];
        let end = match place.index {
            0 => chunk.end,
            _ => chunk.vmas[below.index].range.end(),
        };
        Some((below, end))
    }

    /// The lowest free `count` pages at or above `low` that end at or below `end`. Walks every mapping: it
    /// is the last resort of a space that is full below `mmap_top`.
    pub(crate) fn find_gap_above(&self, low: PageNum, end: PageNum, count: PageCount) -> Option<PageNum> {
        let mut floor = low.get();
        let mut place = self.seek(low);
        while let Some(vma) = self.at(place) {
            if fits(PageNum::new(floor), vma.gap_start().min(end), count.get()).is_some() {
                return Some(PageNum::new(floor));
            }
            floor = floor.max(vma.range.end().get());
            place = self.after(place);
        }
        fits(PageNum::new(floor), end, count.get()).map(|_| PageNum::new(floor))
    }

    /// Whether `range` is free, guard gaps of stacks above it included (Linux: `vm_start_gap`).
    pub(crate) fn is_free(&self, range: PageRange) -> bool {
        match self.at_or_after(range.start()) {
            Some(vma) => range.end() <= vma.gap_start(),
            None => true,
        }
    }

    fn set(&mut self, place: Place, vma: Vma) {
        let chunk = &mut self.chunks[place.chunk];
        chunk.vmas[place.index] = vma;
        chunk.note_gaps(place.index);
    }

    fn insert_at(&mut self, place: Place, vma: Vma) {
        self.count += 1;
        let place = self.room_at(place);
        let chunk = &mut self.chunks[place.chunk];
        chunk.vmas.insert(place.index, vma);
        chunk.note_gaps(place.index);
    }

    /// A place for an insertion in a chunk that has room: a full chunk is cut in two.
    fn room_at(&mut self, place: Place) -> Place {
        if self.chunks.is_empty() {
            self.chunks.push(Chunk::new(Vec::with_capacity(CHUNK)));
        }
        let mut place = place;
        if place.chunk == self.chunks.len() {
            place.chunk -= 1;
            place.index = self.chunks[place.chunk].vmas.len();
        }
        if self.chunks[place.chunk].vmas.len() < CHUNK {
            return place;
        }
        // Programs map downwards and upwards, seldom in the middle: halves serve both.
        let mut upper = Vec::with_capacity(CHUNK);
        upper.extend(self.chunks[place.chunk].vmas.drain(CHUNK / 2..));
        self.chunks[place.chunk].refresh();
        let mut upper = Chunk::new(upper);
        upper.gap_bound = self.chunks[place.chunk].gap_bound;
        self.chunks.insert(place.chunk + 1, upper);
        if place.index > CHUNK / 2 {
            place.chunk += 1;
            place.index -= CHUNK / 2;
        }
        place
    }

    /// Takes one out; gives the place of the one after it.
    fn remove_at(&mut self, place: Place) -> Place {
        self.count -= 1;
        let chunk = &mut self.chunks[place.chunk];
        chunk.vmas.remove(place.index);
        if chunk.vmas.is_empty() {
            self.chunks.remove(place.chunk);
            return Place { index: 0, ..place };
        }
        if place.index < chunk.vmas.len() {
            chunk.note_gaps(place.index);
            place
        } else {
            chunk.refresh();
            Place {
                chunk: place.chunk + 1,
                index: 0,
            }
        }
    }

    /// What is wrong with the set, if anything: order, emptiness, missed merges, bounds. For the checker.
    pub(crate) fn fault_in_structure(&self) -> Option<String> {
        let mut previous: Option<&Vma> = None;
        for vma in self.iter() {
            if vma.range.is_empty() {
                return Some(format!("empty mapping {:?}", vma.range));
            }
            if let Some(previous) = previous {
                if previous.range.end() > vma.range.start() {
                    return Some(format!("{:?} overlaps {:?}", previous.range, vma.range));
                }
                if previous.continues_in(vma, self.granule) {
                    return Some(format!("{:?} and {:?} are not merged", previous.range, vma.range));
                }
            }
            previous = Some(vma);
        }
        for chunk in &self.chunks {
            let largest = chunk
                .vmas
                .windows(2)
                .map(|p| gap(&p[0], &p[1]))
                .max()
                .unwrap_or(0);
            let ends = chunk.vmas.first().zip(chunk.vmas.last());
            let ends = ends.map(|(first, last)| (first.gap_start(), last.range.end()));
            let true_ends = ends == Some((chunk.gap_start, chunk.end));
            if chunk.vmas.len() > CHUNK || !true_ends || largest > chunk.gap_bound {
                return Some(format!("chunk up to {:?} has wrong bounds", chunk.end));
            }
        }
        if let Some(found) = self.gap_above_ceiling() {
            return Some(found);
        }
        let count = self.iter().count();
        (count != self.count).then(|| format!("{count} mappings, {} counted", self.count))
    }
}

impl VmaSet {
    /// Whether what the last search learned has become untrue. For the checker.
    fn gap_above_ceiling(&self) -> Option<String> {
        let searched = self.searched?;
        let mut floor = PageNum::new(0);
        let starts = self.iter().map(|v| (v.gap_start(), v.range.end()));
        for (ceiling, end) in starts.chain([(searched.top, searched.top)]) {
            // A gap that ends at the ceiling or below it is still to be searched.
            let ceiling = ceiling.min(searched.top);
            if ceiling > searched.ceiling && fits(floor, ceiling, searched.count).is_some() {
                return Some(format!("a gap below {ceiling} is missed: {searched:?}"));
            }
            floor = floor.max(end);
        }
        None
    }
}

impl Chunk {
    fn new(vmas: Vec<Vma>) -> Self {
        let mut chunk = Self {
            vmas,
            end: PageNum::new(0),
            gap_start: PageNum::new(0),
            gap_bound: 0,
        };
        chunk.refresh();
        chunk
    }

    fn refresh(&mut self) {
        if let (Some(first), Some(last)) = (self.vmas.first(), self.vmas.last()) {
            self.gap_start = first.gap_start();
            self.end = last.range.end();
        }
    }

    /// A search went through the whole chunk in vain: learn what its largest gap really is.
    fn tighten(&mut self) {
        let gaps = self.vmas.windows(2).map(|pair| gap(&pair[0], &pair[1]));
        self.gap_bound = gaps.max().unwrap_or(0);
    }

    /// The mapping at `index` is new or changed, or one before it went: widen the bound by the gaps beside it.
    fn note_gaps(&mut self, index: usize) {
        if let (Some(before), Some(this)) = (index.checked_sub(1), self.vmas.get(index)) {
            self.gap_bound = self.gap_bound.max(gap(&self.vmas[before], this));
        }
        if let (Some(this), Some(after)) = (self.vmas.get(index), self.vmas.get(index + 1)) {
            self.gap_bound = self.gap_bound.max(gap(this, after));
        }
        self.refresh();
    }
}

/// Free pages between two neighbours, guard gap taken off.
fn gap(below: &Vma, above: &Vma) -> u64 {
    above.gap_start().get().saturating_sub(below.range.end().get())
}

/// The highest start of `count` pages between `floor` and `ceiling`.
fn fits(floor: PageNum, ceiling: PageNum, count: u64) -> Option<PageNum> {
    let start = ceiling.checked_sub(PageCount::new(count))?;
    (start >= floor).then_some(start)
}

fn join(low: PageRange, high: PageRange) -> PageRange {
    PageRange::new(low.start(), high.end()).expect("neighbours are in order")
}

#[cfg(test)]
mod tests;
