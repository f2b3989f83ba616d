//! The pages of each region by state ([`Pages`]), as run lengths ([`PageRun`]): from PAGEMAP_SCAN where the kernel has it
//! (`scanned`), else from `PID/pagemap`.
//!
//! `pagemap` says of a page whether it is present, swapped or a guard, whether a file's, and whether mapped only here. The scan
//! says too whether it is huge or the shared page of zeros; without it that is told by the figures of `smaps` for the whole
//! region, where they leave no doubt, and else not at all. Which pages of files are dirty neither says.
//!
//! Neighbour: [`super::write`], which embeds it as schema `pagewalk.pages/1`.

use super::scanned;
use crate::{Figure, Kind, Region};
use procfs::{Addr, Kib, PAGEMAP_ENTRY_BYTES, PagemapEntry, Root, RootError};
use serde::{Serialize, Serializer};
use std::fmt::Write as _;

/// Most pages looked at for one report: 16 GiB in pages of 4 KiB, 32 MiB of `pagemap` to read. The scan steps over holes, so that
/// with it only pages that are there count.
pub const MOST_PAGES: u64 = 4 << 20;

/// Pages that one read covers, so that small regions side by side share it.
const WINDOW_PAGES: u64 = 8192;

bitflags::bitflags! {
    /// What is known of a page; nothing set means that there is no page (`ABSENT`).
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct PageKind: u8 {
        /// Resident.
        const PRESENT = 1;
        /// Of a file, or of shared memory.
        const FILE = 1 << 1;
        /// Mapped here and nowhere else.
        const EXCLUSIVE = 1 << 2;
        /// Must be kept: DIRTY of the report. Not set where it cannot be told for a single page.
        const DIRTY = 1 << 3;
        /// The page of zeros that everybody shares; costs nothing.
        const ZERO = 1 << 4;
        /// Part of a huge page.
        const HUGE = 1 << 5;
        /// In swap.
        const SWAPPED = 1 << 6;
        /// A guard (MADV_GUARD_INSTALL): any access is SIGSEGV.
        const GUARD = 1 << 7;
    }
}

impl PageKind {
    /// No page: the next access faults it in.
    pub const ABSENT: Self = Self::empty();

    /// A letter for each bit, in the order of the bits.
    const LETTERS: &[u8; 8] = b"pfxdzhsg";

    /// A resident page of no file that others map too, or the page of zeros: `pagemap` alone cannot tell these apart.
    fn may_be_zero(self) -> bool {
        self.contains(Self::PRESENT) && !self.intersects(Self::FILE | Self::EXCLUSIVE)
    }
}

/// Pages side by side of the same state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PageRun {
    /// How many.
    pub pages: u64,
    /// Of what state.
    pub state: PageKind,
}

/// The pages of one region from its start. Fewer than the region has: the rest was not looked at.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct RegionPages {
    /// The region's first address.
    #[serde(serialize_with = "hex")]
    pub start: Addr,
    /// Neighbouring runs differ in state.
    #[serde(serialize_with = "letters")]
    pub runs: Vec<PageRun>,
}

/// The pages of all regions.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Pages {
    schema: &'static str,
    /// Bytes of one page.
    pub page_bytes: u64,
    /// Most pages that were to be looked at.
    pub limit: u64,
    /// Pages looked at.
    pub looked_at: u64,
    /// Pages that were not: beyond the limit, or unreadable.
    pub not_looked_at: u64,
    /// Of these, those beyond the limit.
    pub beyond_limit: u64,
    /// Why reading ended early.
    pub not_read: Option<String>,
    /// In the order of the regions.
    pub regions: Vec<RegionPages>,
}

fn hex<S: Serializer>(addr: &Addr, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{:#x}", addr.0))
}

/// Such as `3pfx12-1pd`: a count and the letters of [`PageKind`], `-` for no page.
fn letters<S: Serializer>(runs: &[PageRun], serializer: S) -> Result<S::Ok, S::Error> {
    let mut text = String::new();
    for run in runs {
        // Writing to a String cannot fail.
        let _ = write!(text, "{}", run.pages);
        let named = PageKind::LETTERS.iter().enumerate();
        let set = named.filter(|(bit, _)| run.state.bits() & (1 << bit) != 0);
        text.extend(set.map(|(_, letter)| char::from(*letter)));
        if run.state == PageKind::ABSENT {
            text.push('-');
        }
    }
    serializer.serialize_str(&text)
}

impl RegionPages {
    /// No page yet.
    #[must_use]
    pub fn new(start: Addr) -> Self {
        Self {
            start,
            runs: Vec::new(),
        }
    }

    /// Add pages behind the last ones.
    pub fn push(&mut self, pages: u64, state: PageKind) {
        match self.runs.last_mut() {
            Some(last) if last.state == state => last.pages = last.pages.saturating_add(pages),
            _ if pages > 0 => self.runs.push(PageRun { pages, state }),
            _ => {}
        }
    }

    /// How many pages of the states that pass.
    #[must_use]
    pub fn count(&self, is_wanted: impl Fn(PageKind) -> bool) -> u64 {
        let wanted = self.runs.iter().filter(|run| is_wanted(run.state));
        wanted.fold(0, |sum, run| sum.saturating_add(run.pages))
    }

    /// What the region's own figures add to `pagemap`: which pages are dirty, huge, or the page of zeros.
    fn refine(&mut self, region: &Region, page_bytes: u64, is_whole: bool) {
        let pages_of = |kib: Option<Kib>| Some(kib?.bytes() / page_bytes);
        let present = self.count(|state| state.contains(PageKind::PRESENT));
        let in_doubt = self.count(PageKind::may_be_zero);
        // Pages of zeros are present but not in Rss; so are frames of devices, which are something else.
        let uncounted = pages_of(region.figure(Figure::Rss)).and_then(|rss| present.checked_sub(rss));
        let is_zero = has_ram(region) && is_whole && uncounted == Some(in_doubt);
        let is_no_zero = uncounted == Some(0) && is_whole;
        let is_huge = is_all(region.figure(Figure::AnonHugePages), region.figure(Figure::Rss))
            || region.page_size().is_some_and(|size| size.bytes() > page_bytes);
        for run in &mut self.runs {
            let state = &mut run.state;
            if !state.contains(PageKind::PRESENT) {
                continue;
            }
            state.set(PageKind::HUGE, is_huge);
            if state.may_be_zero() && is_zero {
                state.insert(PageKind::ZERO);
            } else {
                let is_sure = state.intersects(PageKind::EXCLUSIVE | PageKind::FILE) || is_no_zero;
                state.set(PageKind::DIRTY, is_sure && is_dirty(*state, region));
            }
        }
    }
}

/// Whether its pages are RAM at all.
fn has_ram(region: &Region) -> bool {
    !matches!(
        region.kind,
        Kind::Device | Kind::Vdso | Kind::Vvar | Kind::Vsyscall | Kind::Special
    )
}

fn is_all(part: Option<Kib>, of: Option<Kib>) -> bool {
    part.is_some_and(|p| p.0 > 0) && part == of
}

/// Whether a page that is present, and not the page of zeros, is dirty: of a file's this is only known if all are.
pub(super) fn is_dirty(state: PageKind, region: &Region) -> bool {
    match state.contains(PageKind::FILE) {
        true => {
            (region.perms.shared || region.kind == Kind::SharedMemory)
                && is_all(region.dirty(), region.resident())
        }
        false => has_ram(region) && region.dirty() != Some(Kib(0)),
    }
}

impl From<PagemapEntry> for PageKind {
    fn from(entry: PagemapEntry) -> Self {
        if entry.has(PagemapEntry::GUARD) {
            return Self::GUARD;
        }
        if entry.is_in_swap() {
            return Self::SWAPPED;
        }
        if !entry.has(PagemapEntry::PRESENT) {
            return Self::ABSENT;
        }
        let mut state = Self::PRESENT;
        state.set(Self::FILE, entry.has(PagemapEntry::FILE));
        state.set(Self::EXCLUSIVE, entry.has(PagemapEntry::EXCLUSIVE));
        state
    }
}

impl Pages {
    /// Pages of `page_bytes` bytes of these regions, found by whatever means; `limit` is what was allowed.
    #[must_use]
    pub fn new(page_bytes: u64, limit: u64, regions: Vec<RegionPages>) -> Self {
        let looked_at = regions
            .iter()
            .fold(0u64, |sum, region| sum.saturating_add(region.count(|_| true)));
        Self {
            schema: "pagewalk.pages/1",
            page_bytes,
            limit,
            looked_at,
            not_looked_at: 0,
            beyond_limit: 0,
            not_read: None,
            regions,
        }
    }

    /// Read the pages of all regions, `limit` at most: small regions in full, the largest as far as it goes.
    ///
    /// What cannot be read is said in [`Pages::not_read`]; the vsyscall page lies outside of what `pagemap` covers.
    #[must_use]
    pub fn read(root: &dyn Root, pid: i32, regions: &[Region], page_bytes: u64, limit: u64) -> Self {
        let page_bytes = page_bytes.max(1);
        let can_scan = scanned::is_possible(root, pid, page_bytes);
        let cost = |region: &Region| match can_scan {
            true => scanned::pages_there(region, page_bytes),
            false => region.len() / page_bytes,
        };
        let allowed = allowances(regions, page_bytes, limit, cost);
        let mut window = Window::new(root, pid);
        let mut found = Vec::with_capacity(regions.len());
        let (mut wanted, mut beyond, mut not_read) = (0u64, 0u64, None);
        for (region, &pages) in regions.iter().zip(&allowed) {
            let total = region.len() / page_bytes;
            let mut one = RegionPages::new(region.start);
            wanted = wanted.saturating_add(total);
            beyond = beyond.saturating_add(total.saturating_sub(pages));
            if not_read.is_none() {
                let filled = match can_scan {
                    true => scanned::fill(&mut one, root, pid, region, page_bytes, pages),
                    false => window.fill(&mut one, region.start.0 / page_bytes, pages),
                };
                not_read = filled.err().map(|error| error.to_string());
            }
            if !can_scan {
                let is_whole = one.count(|_| true) == total;
                one.refine(region, page_bytes, is_whole);
            }
            found.push(one);
        }
        let mut pages = Self::new(page_bytes, limit, found);
        pages.not_looked_at = wanted.saturating_sub(pages.looked_at);
        pages.beyond_limit = beyond;
        pages.not_read = not_read;
        pages
    }
}

/// How many pages of each region may be looked at: the cheapest regions first, so that one reservation of terabytes does
/// not hide all others. `cost` is the pages of a region that count.
fn allowances(regions: &[Region], page_bytes: u64, limit: u64, cost: impl Fn(&Region) -> u64) -> Vec<u64> {
    let mut by_cost: Vec<(u64, usize, &Region)> = regions
        .iter()
        .enumerate()
        .map(|(index, region)| (cost(region), index, region))
        .collect();
    by_cost.sort_by_key(|&(cost, index, _)| (cost, index));
    let (mut left, mut allowed) = (limit, vec![0; regions.len()]);
    for (cost, index, region) in by_cost {
        let pages = region.len() / page_bytes;
        let share = if cost <= left { pages } else { pages.min(left) };
        left = left.saturating_sub(cost);
        if let Some(slot) = allowed.get_mut(index) {
            *slot = share;
        }
    }
    allowed
}

/// A piece of `pagemap`.
struct Window<'a> {
    root: &'a dyn Root,
    path: String,
    first: u64,
    entries: Vec<PagemapEntry>,
}

impl<'a> Window<'a> {
    fn new(root: &'a dyn Root, pid: i32) -> Self {
        Self {
            root,
            path: format!("{pid}/pagemap"),
            first: 0,
            entries: Vec::new(),
        }
    }

    /// Append the states of `pages` pages from number `first` on, as far as `pagemap` goes.
    fn fill(&mut self, region: &mut RegionPages, first: u64, pages: u64) -> Result<(), RootError> {
        let (mut next, end) = (first, first.saturating_add(pages));
        while next < end {
            let here = self.from(next, end)?;
            if here.is_empty() {
                break;
            }
            for entry in here {
                region.push(1, PageKind::from(*entry));
            }
            next = next.saturating_add(here.len() as u64);
        }
        Ok(())
    }

    /// Entries of at least one page from `next` on, none from `end` on; empty past the end of the file.
    fn from(&mut self, next: u64, end: u64) -> Result<&[PagemapEntry], RootError> {
        let behind = self.first.saturating_add(self.entries.len() as u64);
        if next < self.first || next >= behind {
            self.read(next)?;
        }
        let skip = usize::try_from(next - self.first).unwrap_or(usize::MAX);
        let most = usize::try_from(end - next).unwrap_or(usize::MAX);
        let rest = self.entries.get(skip..).unwrap_or_default();
        Ok(rest.get(..most).unwrap_or(rest))
    }

    fn read(&mut self, first: u64) -> Result<(), RootError> {
        let mut bytes = vec![0; (WINDOW_PAGES * PAGEMAP_ENTRY_BYTES) as usize];
        let offset = first.saturating_mul(PAGEMAP_ENTRY_BYTES);
        let read = self.root.read_at(&self.path, offset, &mut bytes)?;
        let (words, _) = bytes.get(..read).unwrap_or_default().as_chunks::<8>();
        self.first = first;
        self.entries.clear();
        let entries = words.iter().map(|word| PagemapEntry(u64::from_le_bytes(*word)));
        self.entries.extend(entries);
        Ok(())
    }
}
